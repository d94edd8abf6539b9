// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The container's long-running command, usually as PID 1.
#include "probe.h"
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { PEERS = 64, GRACE_MS = 1000 };

static struct pollfd peers[PEERS];
static int count;

static void watch_process(const char *name)
{
	uint64_t pid;
	if (!parse_number(name, 10, &pid) || pid == 1 || count == PEERS) return;
	int fd = syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd >= 0) peers[count++] = (struct pollfd){fd, POLLIN, 0};
}

// The kubelet signals only PID 1; a session that was exec'd into the container is
// killed when PID 1 ends. Pass SIGTERM on and wait, so that sessions can clean up.
static void terminate_others(void)
{
	if (syscall(SYS_kill, -1, SIGTERM)) return; // no other process
	each_entry("/proc", watch_process);
	uint64_t until = now_ns(CLOCK_MONOTONIC) + GRACE_MS * 1000000ull;
	for (int i = 0; i < count; i++) {
		int64_t left = until - now_ns(CLOCK_MONOTONIC);
		struct timespec t = {left / 1000000000, left % 1000000000};
		if (left > 0) syscall(SYS_ppoll, &peers[i], 1l, &t, 0l, 0l);
	}
}

// Reaps what ends; false if it is the child, and it failed.
static bool reap(int *child)
{
	int status;
	int ended;
	while ((ended = syscall(SYS_wait4, -1, &status, (long)WNOHANG, 0l)) > 0) {
		if (ended != *child) continue;
		if (status) return false;
		*child = 0;
	}
	return true;
}

int hold(int child)
{
	uint64_t set = 1u << (SIGTERM - 1) | 1u << (SIGINT - 1) | 1u << (SIGCHLD - 1);
	int number = 0;
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, 0l, sizeof set);
	while (number != SIGTERM && number != SIGINT) {
		if (!reap(&child)) return 1;
		number = syscall(SYS_rt_sigtimedwait, &set, 0l, 0l, sizeof set);
	}
	if (syscall(SYS_getpid) == 1) terminate_others();
	else if (child && !syscall(SYS_kill, child, SIGTERM)) syscall(SYS_wait4, child, 0l, 0l, 0l);
	return 0;
}
