// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Broken output, for tests of the reader. Never part of a committed binary.
#include "probe.h"
#ifdef PODSHM_TEST

static void print(const char *text)
{
	syscall(SYS_write, 1, text, strlen(text));
}

void step_spam(void)
{
	static char other[] = "00000000000000000000000000000000";
	const char *mode = arg_text("mode");
	uint64_t bytes = 0;
	if (!arg_number("bytes", 10, 0, INT64_MAX, &bytes)) return;
	const char *line = !strcmp(mode, "escapes") ? "\033[2J\033]0;podshm\007\r\n" : "This is not what was asked for.\n";
	for (uint64_t sent = 0; sent < bytes && !stopped(); sent += strlen(line)) print(line);
	if (!strcmp(mode, "wrongnonce")) out_begin("spam", other);
	if (!strcmp(mode, "badcrc") || !strcmp(mode, "truncated") || !strcmp(mode, "nosentinel")) {
		print("{\"podshm\":1,\"step\":\"spam\",\"nonce\":\"");
		print(arg_nonce());
		print("\",\"probe\":\"" PROBE_VERSION "\"}\n");
		if (strcmp(mode, "nosentinel")) {
			print("{\"end\":\"spam\",\"nonce\":\"");
			print(arg_nonce());
			print(!strcmp(mode, "badcrc") ? "\",\"lines\":1,\"crc32\":\"00000000\"}\n" : "\",\"lines\":1,\"cr");
		}
		_exit(0);
	}
}
#endif
