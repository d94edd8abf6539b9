// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A block: begin line, calls and facts, sentinel with count and CRC-32.
// ASCII only; it reaches stdout in one piece, or up to each ready().
#include "probe.h"
#include <sys/sysmacros.h>
#include <unistd.h>

enum { BLOCK = 60 * 1024, STRING = 700 };

static char block[BLOCK + 1024]; // the rest is for the sentinel
static size_t used, line, room;
static uint32_t crc;
static unsigned lines;
static bool full, failed;
static const char *step_name, *step_nonce;

__attribute__((noinline)) static void put(char c)
{
	if (used < room) block[used++] = c;
	else full = true;
}

__attribute__((noinline)) static void put_all(const char *text)
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

static void put_string(const char *text)
{
	size_t limit = used + STRING;
	put('"');
	for (; *text; text++) {
		unsigned char c = *text;
		if (used > limit) { // keeps a line near 1 KiB; mount options can be long
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
	put('"');
}

static void key(const char *name)
{
	put(used == line ? '{' : ',');
	put_string(name);
	put(':');
}

static void end_line(void)
{
	put_all("}\n");
	if (full) { // a line is whole or absent; out_end() tells
		used = line;
		return;
	}
	for (; line < used; line++) {
		crc ^= (unsigned char)block[line];
		for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	lines++;
}

static void flush(void)
{
	for (size_t sent = 0; sent < used;) {
		ssize_t n = write(1, block + sent, used - sent);
		if (n > 0) sent += n;
		else if (errno != EINTR || stopped()) { // nobody reads any more
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
	key("podshm");
	put_all(PROBE_PROTOCOL);
	with_text("step", step);
	with_text("nonce", nonce);
	with_text("probe", PROBE_VERSION);
	end_line();
}

void out_end(void)
{
	room = sizeof block;
	if (full) {
		full = false;
		error("more output than a block holds", "");
	}
	uint32_t sum = ~crc;
	unsigned before = lines;
	with_text("end", step_name);
	with_text("nonce", step_nonce);
	with_number("lines", before);
	key("crc32");
	put('"');
	put_number(sum, 16, 8);
	put('"');
	end_line();
	flush();
}

bool out_failed(void)
{
	return failed;
}

void with_text(const char *name, const char *value)
{
	key(name);
	put_string(value);
}

void with_number(const char *name, int64_t value)
{
	key(name);
	if (value < 0) put('-');
	put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 1);
}

static void put_hex(uint64_t value)
{
	put_all("\"0x");
	put_number(value, 16, 8);
	put('"');
}

void with_hex(const char *name, uint64_t value)
{
	key(name);
	put_hex(value);
}

void with_mode(const char *name, const char *flags, unsigned mode)
{
	key(name);
	put('"');
	put_all(flags);
	put('0');
	put_number(mode, 8, 3);
	put('"');
}

void call(const char *name)
{
	with_text("call", name);
}

// Ends a call's line; errno must still be the call's.
void result(int64_t value)
{
	with_number("result", value);
	if (value < 0) with_text("errno", errno_name(errno));
	end_line();
}

static void fact(const char *name)
{
	with_text("fact", name);
	key("value");
}

void fact_text(const char *name, const char *value)
{
	fact(name);
	put_string(value);
	end_line();
}

void fact_number(const char *name, uint64_t value)
{
	fact(name);
	put_number(value, 10, 1);
	end_line();
}

void fact_bool(const char *name, bool value)
{
	fact(name);
	put_all(value ? "true" : "false");
	end_line();
}

void fact_hex(const char *name, uint64_t value)
{
	fact(name);
	put_hex(value);
	end_line();
}

void fact_octal(const char *name, unsigned value)
{
	fact(name);
	put('"');
	put_number(value, 8, 4);
	put('"');
	end_line();
}

void fact_device(const char *name, uint64_t device)
{
	fact(name);
	put('"');
	put_number(major(device), 10, 1);
	put(':');
	put_number(minor(device), 10, 1);
	put('"');
	end_line();
}

// The request makes no sense: nothing was tried.
void error(const char *what, const char *name)
{
	failed = true;
	key("error");
	put_string(what);
	if (*name) with_text("argument", name);
	end_line();
}

void ready(void)
{
	key("ready");
	put_all("true");
	end_line();
	flush();
}
