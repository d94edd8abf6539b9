// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A block: begin line, calls and facts, sentinel with count and CRC-32.
// ASCII only. It reaches stdout in one piece, or in parts that end with a ready line.
#include "probe.h"
#include <stdarg.h>
#include <time.h>

enum { BLOCK = 60 * 1024, STRING = 700 };

struct values {
	va_list list;
};

static char block[BLOCK + 1024]; // 1024: for the sentinel
static size_t used, line, room;
static uint32_t crc;
static unsigned lines;
static bool full, failed;
static const char *step_name, *step_nonce;

static __attribute__((noinline)) void put(char c)
{
	if (used < room) block[used++] = c;
	else full = true;
}

static __attribute__((noinline)) void put_all(const char *text)
{
	while (*text) put(*text++);
}

static void put_number(uint64_t value, unsigned base, int digits)
{
	char text[32], *at = text + sizeof text;
	*--at = 0;
	do {
		*--at = "0123456789abcdef"[value % base];
		value /= base;
	} while (--digits > 0 || value);
	put_all(at);
}

static void put_text(const char *text)
{
	for (size_t limit = used + STRING; *text; text++) {
		unsigned char c = *text;
		if (used > limit) { // mount options can be long
			put_all("...");
			break;
		}
		if (c >= ' ' && c < 127 && c != '"' && c != '\\') {
			put(c);
			continue;
		}
		put_all("\\u00");
		put_number(c, 16, 2);
	}
}

static bool ends(char c)
{
	return !c || c == ' ';
}

// A lone %d or %u (or %ld, %lu) is a JSON number; all else is a string.
static bool is_number(const char *format)
{
	if (*format++ != '%') return false;
	format += *format == 'l';
	return (*format == 'd' || *format == 'u') && ends(format[1]);
}

// One conversion, after its %: s, or d, u, o, x with a width (zeros) and an l.
static const char *put_conversion(const char *format, struct values *values, bool truth)
{
	int digits = 0;
	if (*format == '0') {
		digits = format[1] - '0';
		format += 2;
	}
	if (*format == 's') {
		put_text(va_arg(values->list, const char *));
		return format + 1;
	}
	int64_t value;
	if (*format == 'l') {
		value = va_arg(values->list, long);
		format++;
	} else {
		value = va_arg(values->list, int);
		if (*format != 'd') value = (unsigned)value;
	}
	if (truth) {
		put_all(value ? "true" : "false");
		return format + 1;
	}
	if (*format == 'd' && value < 0) {
		put('-');
		value = -value;
	}
	put_number(value, *format == 'x' ? 16 : *format == 'o' ? 8 : 10, digits);
	return format + 1;
}

static const char *put_value(const char *format, struct values *values, bool truth)
{
	bool quoted = !truth && !is_number(format);
	if (quoted) put('"');
	while (!ends(*format)) {
		if (*format == '%') format = put_conversion(format + 1, values, truth);
		else put(*format++);
	}
	if (quoted) put('"');
	return format;
}

static void put_name(const char *name)
{
	put(used == line ? '{' : ',');
	put('"');
	for (; !ends(*name) && *name != '=' && *name != '?'; name++) put(*name);
	put_all("\":");
}

static void end_line(void)
{
	put_all("}\n");
	if (full) { // a line is whole or absent; out_end() reports it
		used = line;
		return;
	}
	for (; line < used; line++) {
		crc ^= (unsigned char)block[line];
		for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	lines++;
}

// Fields are "name=format", or "name?%d" for a boolean. With as_facts each field is
// a line of its own.
static void put_fields(const char *format, struct values *values, bool as_facts)
{
	while (*format) {
		const char *value = format + strcspn(format, "=?");
		if (as_facts) {
			put_all("{\"fact\":\"");
			while (format < value) put(*format++);
			put_all("\",\"value\":");
		} else put_name(format);
		format = put_value(value + 1, values, *value == '?');
		if (as_facts) end_line();
		format += *format == ' ';
	}
}

static void fields(const char *format, ...)
{
	struct values values;
	va_start(values.list, format);
	put_fields(format, &values, false);
	va_end(values.list);
}

void emit_facts(const char *format, ...)
{
	struct values values;
	va_start(values.list, format);
	put_fields(format, &values, true);
	va_end(values.list);
}

long emit_call(long result, const char *format, ...)
{
	int number = errno;
	struct values values;
	put_all("{\"call\":");
	va_start(values.list, format);
	format = put_value(format, &values, false);
	put_fields(format + (*format == ' '), &values, false);
	va_end(values.list);
	fields("result=%ld", result);
	if (result < 0) fields("errno=%s", errno_name(number));
	end_line();
	return result;
}

static void flush(void)
{
	for (size_t sent = 0; sent < used;) {
		ssize_t n = syscall(SYS_write, 1, block + sent, used - sent);
		if (n > 0) sent += n;
		else if (errno != EINTR || stopped()) { // no reader is left
			stop();
			break;
		}
	}
	used = line = 0;
}

void out_begin(const char *step, const char *nonce)
{
	used = line = lines = 0;
	room = BLOCK;
	crc = ~0u;
	full = failed = false;
	step_name = step;
	step_nonce = nonce;
	fields("podshm=%d step=%s nonce=%s probe=%s", PROBE_PROTOCOL, step, nonce, PROBE_VERSION);
	end_line();
}

void out_end(void)
{
	room = sizeof block;
	if (full) {
		full = false;
		emit_error("more output than a block holds", "");
	}
	fields("end=%s nonce=%s lines=%u crc32=%08x", step_name, step_nonce, lines, ~crc);
	end_line();
	flush();
}

bool out_failed(void)
{
	return failed;
}

bool emit_error(const char *what, const char *name)
{
	failed = true;
	fields("error=%s", what);
	if (*name) fields("argument=%s", name);
	end_line();
	return false;
}

void wait_begins(void)
{
	emit_facts("wait_began_ns=%lu", now_ns(CLOCK_BOOTTIME));
	fields("ready?%d", 1);
	end_line();
	flush();
	script_waits();
}

void wait_ended(bool timed_out)
{
	emit_facts("wait_ended_ns=%lu timed_out?%d", now_ns(CLOCK_BOOTTIME), timed_out);
}
