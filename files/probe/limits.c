// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the kernel is told to allow, and what it does.
#include "sysv.h"
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/stat.h>

// A line of /proc/sys, tabs as blanks; false if it isn't there.
static bool sysctl(const char *name, char *text, size_t size)
{
	char path[PATH_CHARS];
	join(path, sizeof path, "/proc/sys/", name);
	if (!first_line(path, text, size)) return false;
	for (; *text; text++)
		if (*text == '\t') *text = ' ';
	return true;
}

// The fact of kernel/shmmax is kernel_shmmax: a number, or text if it isn't one.
static void sysctl_fact(const char *name)
{
	char text[128], format[64];
	uint64_t number;
	if (!sysctl(name, text, sizeof text)) return;
	strlcpy(format, name, sizeof format - sizeof "=%lu");
	for (char *at = format; *at; at++)
		if (*at == '/') *at = '_';
	bool is_number = parse_number(text, 10, &number);
	strlcat(format, is_number ? "=%lu" : "=%s", sizeof format);
	if (is_number) facts(format, number);
	else facts(format, text);
}

static void rlimit_fact(int resource, const char *format)
{
	struct rlimit r;
	if (!syscall(SYS_prlimit64, 0, resource, 0l, &r)) facts(format, r.rlim_cur);
}

void step_sysctls(void)
{
	static const char names[] =
		"kernel/shmmax\0kernel/shmall\0kernel/shmmni\0kernel/shm_rmid_forced\0kernel/sem\0kernel/msgmax\0"
		"kernel/msgmnb\0kernel/msgmni\0fs/mqueue/msg_max\0fs/mqueue/msgsize_max\0fs/mqueue/queues_max\0"
		"vm/overcommit_memory\0vm/hugetlb_shm_group\0";
	for (const char *name = names; *name; name += strlen(name) + 1) sysctl_fact(name);
	rlimit_fact(RLIMIT_MSGQUEUE, "rlimit_msgqueue=%lu");
	rlimit_fact(RLIMIT_MEMLOCK, "rlimit_memlock=%lu");
}

void step_protected(void)
{
	const char *path;
	struct statx s;
	char text[32];
	uint64_t number;
	if (!arg_path("path", &path)) return;
	if (!called(look_at(path, &s), "statx path=%s", path)) file_facts(&s);
	if (sysctl("fs/protected_regular", text, sizeof text) && parse_number(text, 10, &number))
		facts("protected_regular=%lu", number);
}

// Ends the container: its hold is process 1.
void step_end_container(void)
{
	facts("asked?%d", !called(syscall(SYS_kill, 1, SIGTERM), "kill pid=1 signal=SIGTERM"));
}
