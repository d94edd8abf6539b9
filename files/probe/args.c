// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// name=value words, the values percent-encoded.
#include "probe.h"

enum { ARGS = 16 };
static struct {
	const char *name, *value;
	bool used;
} args[ARGS];
static int count;
static const char *broken;

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decodes in place. False if a % is not followed by two hex digits, or encodes a NUL.
static bool decode(char *text)
{
	char *to = text;
	for (; *text; text++, to++) {
		*to = *text;
		if (*text != '%') continue;
		int high = hex_digit(text[1]);
		int low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || !(high | low)) return false;
		*to = high << 4 | low;
		text += 2;
	}
	*to = 0;
	return true;
}

static int find(const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(args[i].name, name)) continue;
		args[i].used = true;
		return i;
	}
	return -1;
}

void args_set(char **words, int n)
{
	count = 0;
	broken = 0;
	for (int i = 0; i < n; i++) {
		char *equals = words[i] + strcspn(words[i], "=");
		bool whole = *equals && equals != words[i] && count < ARGS;
		*equals = 0;
		if (!whole || !decode(equals + 1) || find(words[i]) >= 0) {
			broken = words[i];
			continue; // the nonce may follow, and the answer needs it
		}
		args[count].name = words[i];
		args[count].used = false;
		args[count++].value = equals + 1;
	}
}

bool args_well_formed(void)
{
	return !broken || emit_error("not a single, well encoded name=value", broken);
}

void args_reject_unknown(void)
{
	for (int i = 0; i < count; i++)
		if (!args[i].used && !out_failed()) emit_error("unknown argument", args[i].name);
}

bool arg_given(const char *name)
{
	return find(name) >= 0;
}

const char *arg_text(const char *name)
{
	int i = find(name);
	return i < 0 ? "" : args[i].value;
}

bool parse_number(const char *text, int base, uint64_t *value)
{
	uint64_t sum = 0;
	if (base == 16 && text[0] == '0' && text[1] == 'x') text += 2;
	if (!*text) return false;
	for (; *text; text++) {
		int digit = hex_digit(*text);
		if (digit < 0 || digit >= base || __builtin_mul_overflow(sum, (uint64_t)base, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)digit, &sum))
			return false;
	}
	*value = sum;
	return true;
}

// Keeps *value, the caller's default, if the argument is not given.
bool arg_number(const char *name, int base, uint64_t least, uint64_t most, uint64_t *value)
{
	if (!arg_given(name)) return true;
	if (parse_number(arg_text(name), base, value) && *value >= least && *value <= most) return true;
	return emit_error("not a number in range", name);
}

bool arg_path(const char *name, const char **path)
{
	*path = arg_text(name);
	if (**path == '/' && strlen(*path) < PATH_CHARS - 64) return true;
	return emit_error("not an absolute path of fewer than 192 bytes", name);
}

bool arg_required(const char *name, uint64_t *value)
{
	if (arg_given(name)) return arg_number(name, 10, 1, INT64_MAX, value);
	return emit_error("missing", name);
}

bool arg_flag(const char *name, uint64_t *value)
{
	*value = 0;
	return arg_number(name, 10, 0, 1, value);
}

bool arg_mode(uint64_t *mode)
{
	*mode = 0600;
	return arg_number("mode", 8, 0, 0777, mode);
}

bool arg_object(const char **name)
{
	*name = arg_text("name");
	if (**name == '/' && (*name)[1] && !contains(*name + 1, "/") && strlen(*name) < PATH_CHARS - 64) return true;
	return emit_error("not a name of the form /NAME", "name");
}

bool arg_sentence(const char **text)
{
	*text = arg_text("text");
	if (strlen(*text) < TEXT_CHARS) return true;
	return emit_error("longer than 255 bytes", "text");
}

bool is_nonce(const char *text)
{
	return strlen(text) == NONCE_CHARS && strspn(text, "0123456789abcdef") == NONCE_CHARS;
}

const char *arg_nonce(void)
{
	const char *nonce = arg_text("nonce");
	return is_nonce(nonce) ? nonce : "";
}
