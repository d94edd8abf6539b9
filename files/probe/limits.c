// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Limits: what the kernel says, and what it does.
#include "sysv.h"
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/stat.h>

// The first line of a sysctl, with blanks for tabs; false if there is none.
static bool sysctl(const char *name, char *text, size_t size)
{
	char path[PATH_CHARS];
	join(path, sizeof path, "/proc/sys/", name);
	if (!first_line(path, text, size)) return false;
	for (; *text; text++)
		if (*text == '\t') *text = ' ';
	return true;
}

// kernel/shmmax becomes the fact kernel_shmmax: a number if it is one, else text.
static void emit_sysctl(const char *name)
{
	char text[128], format[64];
	uint64_t number;
	if (!sysctl(name, text, sizeof text)) return;
	strlcpy(format, name, sizeof format - sizeof "=%lu");
	for (char *at = format; *at; at++)
		if (*at == '/') *at = '_';
	bool is_number = parse_number(text, 10, &number);
	strlcat(format, is_number ? "=%lu" : "=%s", sizeof format);
	if (is_number) emit_facts(format, number);
	else emit_facts(format, text);
}

static void emit_hugepages(const char *line)
{
	static const char *const wanted[] = {"HugePages_Total:", "HugePages_Free:"};
	uint64_t number;
	for (int i = 0; i < 2; i++) {
		size_t n = strlen(wanted[i]);
		if (strncmp(line, wanted[i], n)) continue;
		if (parse_number(line + n + strspn(line + n, " "), 10, &number))
			emit_facts(i ? "hugepages_free=%lu" : "hugepages_total=%lu", number);
	}
}

static void emit_rlimit(int resource, const char *format)
{
	struct rlimit r;
	if (!syscall(SYS_prlimit64, 0, resource, 0l, &r)) emit_facts(format, r.rlim_cur);
}

void step_sysctls(void)
{
	static const char names[] =
		"kernel/shmmax\0kernel/shmall\0kernel/shmmni\0kernel/shm_rmid_forced\0kernel/sem\0kernel/msgmax\0"
		"kernel/msgmnb\0kernel/msgmni\0fs/mqueue/msg_max\0fs/mqueue/msgsize_max\0fs/mqueue/queues_max\0"
		"vm/overcommit_memory\0vm/hugetlb_shm_group\0";
	for (const char *name = names; *name; name += strlen(name) + 1) emit_sysctl(name);
	each_line("/proc/meminfo", emit_hugepages);
	emit_rlimit(RLIMIT_MSGQUEUE, "rlimit_msgqueue=%lu");
	emit_rlimit(RLIMIT_MEMLOCK, "rlimit_memlock=%lu");
}

static void emit_limit(const char *name, uint64_t value)
{
	char format[40];
	join(format, sizeof format, name, value == RLIM_INFINITY ? "=unlimited" : "=%lu");
	emit_facts(format, value);
}

static uint64_t swap_lines, swap_kib;

// Filename Type Size Used Priority, below a line of headings.
static void count_swap(const char *line)
{
	char size[24];
	uint64_t number;
	if (!swap_lines++) return;
	for (int column = 0; column < 2; column++) {
		line += strcspn(line, " \t");
		line += strspn(line, " \t");
	}
	strlcpy(size, line, sizeof size);
	size[strcspn(size, " \t")] = 0;
	if (parse_number(size, 10, &number)) swap_kib += number;
}

// How much swap the container's cgroup gets. Version 1 limits memory and swap together.
static void emit_swap_limit(void)
{
	static const char v1[] = "/sys/fs/cgroup/memory/memory.";
	char text[32], path[PATH_CHARS];
	uint64_t both, memory;
	if (first_line("/sys/fs/cgroup/memory.swap.max", text, sizeof text)) {
		if (!strcmp(text, "max")) both = RLIM_INFINITY;
		else if (!parse_number(text, 10, &both)) return;
		emit_limit("swap_limit", both);
		return;
	}
	join(path, sizeof path, v1, "memsw.limit_in_bytes");
	if (!first_line(path, text, sizeof text) || !parse_number(text, 10, &both)) return;
	join(path, sizeof path, v1, "limit_in_bytes");
	if (!first_line(path, text, sizeof text) || !parse_number(text, 10, &memory) || both < memory) return;
	// for "no limit" it has nearly 2^63
	emit_limit("swap_limit", both < 1ull << 62 ? both - memory : RLIM_INFINITY);
}

void step_swap(void)
{
	swap_lines = swap_kib = 0;
	each_line("/proc/swaps", count_swap);
	if (swap_lines) emit_facts("swap_areas=%lu swap_bytes=%lu", swap_lines - 1, swap_kib * 1024);
	emit_swap_limit();
}

static void emit_soft_and_hard(int resource, const char *name, const char *soft, const char *hard)
{
	struct rlimit r;
	if (emit_call(syscall(SYS_prlimit64, 0, resource, 0l, &r), "prlimit resource=%s", name)) return;
	emit_limit(soft, r.rlim_cur);
	emit_limit(hard, r.rlim_max);
}

void step_rlimits(void)
{
	emit_soft_and_hard(RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", "rlimit_memlock_soft", "rlimit_memlock_hard");
	emit_soft_and_hard(RLIMIT_NOFILE, "RLIMIT_NOFILE", "rlimit_nofile_soft", "rlimit_nofile_hard");
}

void step_protected(void)
{
	const char *path;
	struct statx s;
	char text[32];
	uint64_t number;
	if (!arg_path("path", &path)) return;
	if (!emit_call(look_at(path, &s), "statx path=%s", path)) emit_file(&s);
	if (sysctl("fs/protected_regular", text, sizeof text) && parse_number(text, 10, &number))
		emit_facts("protected_regular=%lu", number);
}

// The outcome of a call that exceeds a limit. Removes what it created all the same.
static void emit_beyond(const char *format, long result, long undo)
{
	emit_facts(format, result < 0 ? errno_name(errno) : "ok");
	if (result >= 0 && undo) syscall(undo, result, 0l, 0l); // IPC_RMID, or close
}

// The first number of a sysctl; 0 if there is none.
static uint64_t limit(const char *name)
{
	char text[128];
	uint64_t number;
	if (!sysctl(name, text, sizeof text)) return 0;
	text[strcspn(text, " ")] = 0;
	return parse_number(text, 10, &number) ? number : 0;
}

void step_limits(void)
{
	struct mq_attr attr = {.mq_msgsize = 1};
	uint64_t most;
	struct {
		long type;
		char text[1];
	} m = {1, {0}};
	emit_beyond("shmget_zero=%s", syscall(SYS_shmget, IPC_PRIVATE, 0l, IPC_CREAT | 0600l), SYS_shmctl);
	if ((most = limit("kernel/shmmax")) == UINT64_MAX) emit_facts("shmget_over_shmmax=unlimited");
	else if (most)
		emit_beyond("shmget_over_shmmax=%s", syscall(SYS_shmget, IPC_PRIVATE, most + 1, IPC_CREAT | 0600l), SYS_shmctl);
	if ((most = limit("kernel/sem")))
		emit_beyond("semget_over_semmsl=%s", syscall(SYS_semget, IPC_PRIVATE, most + 1, IPC_CREAT | 0600l), SYS_semctl);
	long id = syscall(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0600l);
	if (id >= 0) { // the kernel checks the size before it reads the text
		if ((most = limit("kernel/msgmax")))
			emit_beyond("msgsnd_over_msgmax=%s", syscall(SYS_msgsnd, id, &m, most + 1, (long)IPC_NOWAIT), 0);
		syscall(SYS_msgctl, id, 0l, 0l);
	}
	if ((most = limit("fs/mqueue/msg_max"))) {
		char name[PATH_CHARS];
		join(name, sizeof name, "podshm-", arg_nonce());
		attr.mq_maxmsg = most + 1;
		long fd = syscall(SYS_mq_open, name, O_CREAT | O_EXCL | O_RDWR, 0600l, &attr);
		emit_beyond("mq_open_over_msg_max=%s", fd, SYS_close);
		if (fd >= 0) syscall(SYS_mq_unlink, name);
	}
}

// Ends the container: process 1 is its `probe hold`.
void step_end_container(void)
{
	emit_facts("asked?%d", !emit_call(syscall(SYS_kill, 1, SIGTERM), "kill pid=1 signal=SIGTERM"));
}
