// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// POSIX shared memory and named semaphores. Writer and reader start in any order;
// the semaphores NAME-w (written) and NAME-r (read) synchronise them.
#include "payload.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <time.h>

// As in the C libraries: a count in a shared page, the futex of that count, and the
// same size.
struct semaphore {
	uint32_t count, rest[7];
};

struct end {
	char memory[PATH_CHARS], written[PATH_CHARS], read[PATH_CHARS];
	struct semaphore *on_written, *on_read;
	int mark; // this end's entries for clean-up come after it
};

// Does what musl's sem_open(name, O_CREAT, 0600, 0) does: writes the semaphore under
// a draft name and links it, so that no peer sees half of it.
static struct semaphore *open_semaphore(const char *name)
{
	static const struct semaphore fresh;
	char path[PATH_CHARS], draft[PATH_CHARS];
	struct semaphore *s = MAP_FAILED;
	shm_path(path, name);
	join(draft, sizeof draft, name, ".");
	strlcat(draft, arg_nonce(), sizeof draft);
	int fd = shm_open_at(draft, O_CREAT | O_EXCL | O_RDWR, 0600);
	int error = errno;
	if (fd >= 0) {
		shm_path(draft, draft);
		bool linked = syscall(SYS_write, fd, &fresh, sizeof fresh) == sizeof fresh &&
			!syscall(SYS_linkat, AT_FDCWD, draft, AT_FDCWD, path, 0);
		error = errno;
		unlink_at(draft);
		if (linked) cleanup_add_file(path);
		else if (error == EEXIST) { // the peer created it
			close_fd(fd);
			fd = shm_open_at(name, O_RDWR, 0);
			linked = fd >= 0;
			error = errno;
		}
		if (linked) {
			s = mmap(0, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			error = errno;
		}
		close_fd(fd);
	}
	errno = error;
	return emit_call(s == MAP_FAILED ? -1 : 0, "sem_open name=%s flags=O_CREAT|0600", name) ? 0 : s;
}

static bool end_open(struct end *e)
{
	const char *name;
	if (!arg_object(&name) || !cleanup_has_room()) return false;
	join(e->memory, PATH_CHARS, name, "-m");
	join(e->written, PATH_CHARS, name, "-w");
	join(e->read, PATH_CHARS, name, "-r");
	emit_namespace("ns_ipc=%lu");
	emit_location("/dev/shm");
	e->mark = cleanup_mark();
	e->on_written = open_semaphore(e->written);
	e->on_read = e->on_written ? open_semaphore(e->read) : 0;
	if (e->on_read) return true;
	cleanup_remove_since(e->mark);
	return false;
}

static void post(struct semaphore *s, const char *name)
{
	emit_facts("posted_at_ns=%lu", now_ns(CLOCK_BOOTTIME));
	__atomic_fetch_add(&s->count, 1, __ATOMIC_RELEASE);
	emit_call(syscall(SYS_futex, &s->count, FUTEX_WAKE, (long)INT_MAX, 0l, 0l, 0l) < 0 ? -1 : 0, "sem_post name=%s", name);
}

// Waits until the semaphore is posted or the step's deadline has passed.
static bool wait_for(struct semaphore *s, const char *name)
{
	uint32_t count;
	wait_begins();
	while (!(count = __atomic_load_n(&s->count, __ATOMIC_ACQUIRE)) && !expired())
		syscall(SYS_futex, &s->count, FUTEX_WAIT, 0l, 0l, 0l, 0l);
	if (count) __atomic_fetch_sub(&s->count, 1, __ATOMIC_ACQUIRE); // there is only one waiter
	else errno = ETIMEDOUT;
	emit_call(count ? 0 : -1, "sem_timedwait name=%s", name);
	wait_ended(!count);
	return count;
}

static void unlink_object(const char *call, const char *name)
{
	char path[PATH_CHARS];
	shm_path(path, name);
	emit_call(unlink_at(path), "%s name=%s", call, name);
}

static uint64_t found;
static void count_names(const char *name)
{
	if (contains(name, arg_text("name") + 1)) found++;
}

void step_posix_write(void)
{
	struct end e;
	uint64_t size = 512;
	const char *text;
	if (!arg_number("size", 10, PAYLOAD_BYTES, 1 << 30, &size) || !arg_sentence(&text)) return;
	if (!end_open(&e)) return;
	struct payload *payload = shm_create(e.memory, 0600, &size);
	if (payload) {
		payload_write(payload, text);
		emit_facts("text=%s", text);
		post(e.on_written, e.written);
		if (wait_for(e.on_read, e.read)) emit_reply(payload);
		shm_unmap(payload, size);
	}
	// All three names belong to this run, whichever end created them.
	if (payload) unlink_object("shm_unlink", e.memory);
	unlink_object("sem_unlink", e.written);
	unlink_object("sem_unlink", e.read);
	cleanup_remove_since(e.mark);
	found = 0;
	each_entry("/dev/shm", count_names);
	emit_facts("left=%lu", found);
}

static void read_from(struct end *e)
{
	uint64_t size;
	if (!wait_for(e->on_written, e->written)) return;
	int fd = shm_open_at(e->memory, O_RDWR, 0);
	if (emit_call(fd, "shm_open name=%s flags=O_RDWR", e->memory) < 0) return;
	struct payload *payload = shm_map(fd, true, &size);
	if (!payload) return;
	if (payload_read(payload, size)) {
		payload_reply(payload);
		post(e->on_read, e->read);
	}
	shm_unmap(payload, size);
}

void step_posix_read(void)
{
	struct end e;
	if (!end_open(&e)) return;
	read_from(&e);
	cleanup_remove_since(e.mark); // the semaphores, if the writer has not unlinked them
}

// The controls: a post through one mapping must be seen through another, and a
// semaphore that nobody created must not be found.
void step_control_sem(void)
{
	const char *name;
	char own[PATH_CHARS], nobodys[PATH_CHARS];
	if (!arg_object(&name) || !cleanup_has_room()) return;
	join(own, sizeof own, name, "-s");
	join(nobodys, sizeof nobodys, name, "-n");
	int mark = cleanup_mark();
	struct semaphore *one = open_semaphore(own), *other = one ? open_semaphore(own) : 0;
	emit_facts("made?%d", one != 0);
	if (one) {
		post(one, own);
		emit_facts("found?%d", other && __atomic_load_n(&other->count, __ATOMIC_ACQUIRE) == 1);
	}
	int fd = shm_open_at(nobodys, O_RDWR, 0);
	emit_call(fd, "sem_open name=%s flags=0", nobodys);
	emit_facts("absent?%d", fd < 0 && errno == ENOENT);
	if (fd >= 0) close_fd(fd);
	cleanup_remove_since(mark);
}
