// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A process-shared mutex in shared memory. A recursive mutex records its owner's
// thread id, and a thread of another PID namespace can have the same id.
#include "payload.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

// The start of glibc's pthread_mutex_t on 64-bit machines. musl has other offsets
// and follows the same rule.
struct mutex {
	int lock;
	unsigned count;
	int owner;
	unsigned users;
	int kind;
};

enum { RECURSIVE = 1, PROCESS_SHARED = 128, MUTEX_BYTES = 4096, FORKS = 4096 };

// Does what glibc's pthread_mutex_trylock() does.
static int try_lock(struct mutex *m, int self)
{
	if (m->kind & RECURSIVE && m->owner == self) {
		m->count++;
		return 0;
	}
	int free = 0;
	if (!__atomic_compare_exchange_n(&m->lock, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return EBUSY;
	m->owner = self;
	m->count = m->users = 1;
	return 0;
}

// A child with the wanted thread id (or the next free one) tries to lock the mutex,
// then stops itself, so that it stays the owner. The kernel hands out ids in turn:
// children that come too early exit. *result is what trylock returned in the child.
// Returns the child's id, or -1.
static int start_taker(struct mutex *m, int wanted, int *result)
{
	int status, child = -1;
	for (int i = 0; i < FORKS && !expired(); i++) {
		child = new_process();
		if (!child) {
			int self = syscall(SYS_gettid);
			if (self < wanted) _exit(0);
			status = try_lock(m, self);
			if (status) _exit(status);
			syscall(SYS_kill, self, SIGSTOP);
			_exit(0);
		}
		if (child < 0) break;
		while (syscall(SYS_wait4, child, &status, (long)WUNTRACED, 0l) < 0 && errno == EINTR) {}
		*result = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		if (child >= wanted) break;
	}
	emit_call(child, "fork");
	return child;
}

static struct mutex *map(const char *name, int flags)
{
	int fd = shm_open_at(name, flags | O_RDWR, 0666);
	if (emit_call(fd, "shm_open name=%s flags=O_RDWR%s", name, flags ? "|O_CREAT|O_EXCL|0666" : "") < 0) return 0;
	char path[PATH_CHARS];
	shm_path(path, name);
	if (flags) cleanup_add_file(path);
	void *p = MAP_FAILED;
	// written, not truncated: touching a page of a full tmpfs would be SIGBUS
	static const struct mutex free;
	if (!flags || emit_call(syscall(SYS_write, fd, &free, sizeof free), "write") == sizeof free)
		p = mmap(0, MUTEX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	else cleanup_remove_named(path);
	close_fd(fd);
	return p == MAP_FAILED ? 0 : p;
}

static bool arguments(const char **name, uint64_t *tid)
{
	*tid = 0;
	return arg_object(name) && arg_number("tid", 10, 1, INT_MAX, tid) && cleanup_has_room();
}

void step_mutex_hold(void)
{
	const char *name, *type = arg_text("type");
	uint64_t tid;
	int result = -1;
	bool recursive = !strcmp(type, "recursive");
	if (!recursive && strcmp(type, "normal")) {
		emit_error("neither recursive nor normal", "type");
		return;
	}
	if (!arguments(&name, &tid)) return;
	struct mutex *m = map(name, O_CREAT | O_EXCL);
	if (m) {
		m->kind = PROCESS_SHARED | recursive;
		int child = start_taker(m, tid, &result);
		if (child > 0) cleanup_add_id(SYS_kill, child, 0);
		emit_facts("tid=%d", child);
		syscall(SYS_munmap, m, (long)MUTEX_BYTES);
	}
	emit_facts("model=glibc locked?%d", !result);
}

void step_mutex_try(void)
{
	const char *name;
	uint64_t tid;
	int result = -1;
	if (!arguments(&name, &tid)) return;
	struct mutex *m = map(name, 0);
	emit_facts("model=glibc found?%d", m != 0);
	if (!m) return;
	emit_facts("owner=%d", m->owner);
	int child = start_taker(m, tid, &result);
	if (child > 0) {
		emit_facts("tid=%d result=%s granted?%d", child, result ? errno_name(result) : "0", !result);
		cleanup_add_id(SYS_kill, child, 0);
		cleanup_remove_id(SYS_kill, child);
	}
	syscall(SYS_munmap, m, (long)MUTEX_BYTES);
}

void step_mutex_drop(void)
{
	const char *name;
	char path[PATH_CHARS];
	key_t unused;
	if (!arg_object(&name)) return;
	shm_path(path, name);
	cleanup_remove_last(SYS_kill, &unused);
	cleanup_remove_named(path);
	int fd = shm_open_at(name, O_RDWR, 0);
	emit_facts("gone?%d", fd < 0 && errno == ENOENT);
	if (fd >= 0) close_fd(fd);
}
