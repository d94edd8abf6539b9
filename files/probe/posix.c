// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// POSIX shared memory and named semaphores: writer and reader start in any
// order; the semaphores NAME-w (written) and NAME-r (read) order them.
#include "note.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <time.h>

// A semaphore is what the C libraries make of it: a count in a shared page, and
// the futex of that count. As large as theirs.
struct semaphore {
	uint32_t count, rest[7];
};

struct end {
	char memory[PATH_CHARS], written[PATH_CHARS], read[PATH_CHARS];
	struct semaphore *on_written, *on_read;
	int mark; // what this end made comes after it
};

// sem_open(name, O_CREAT, 0600, 0), done as musl does it: a semaphore under
// another name is linked to its own, so that no peer sees half of one.
static struct semaphore *meet(const char *name)
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
		if (linked) made_file(path);
		else if (error == EEXIST) { // the peer was first
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
	return called(s == MAP_FAILED ? -1 : 0, "sem_open name=%s flags=O_CREAT|0600", name) ? 0 : s;
}

static bool end_open(struct end *e)
{
	const char *name;
	if (!arg_object(&name) || !made_room()) return false;
	join(e->memory, PATH_CHARS, name, "-m");
	join(e->written, PATH_CHARS, name, "-w");
	join(e->read, PATH_CHARS, name, "-r");
	namespace_fact("ns_ipc=%lu");
	place_facts("/dev/shm");
	e->mark = made_mark();
	e->on_written = meet(e->written);
	e->on_read = e->on_written ? meet(e->read) : 0;
	if (e->on_read) return true;
	unmake_since(e->mark);
	return false;
}

static void post(struct semaphore *s, const char *name)
{
	facts("posted_at_ns=%lu", now_ns(CLOCK_BOOTTIME));
	__atomic_fetch_add(&s->count, 1, __ATOMIC_RELEASE);
	called(syscall(SYS_futex, &s->count, FUTEX_WAKE, (long)INT_MAX, 0l, 0l, 0l) < 0 ? -1 : 0, "sem_post name=%s", name);
}

// Until posted or the step's deadline.
static bool wait_for(struct semaphore *s, const char *name)
{
	uint32_t count;
	wait_begins();
	while (!(count = __atomic_load_n(&s->count, __ATOMIC_ACQUIRE)) && !expired())
		syscall(SYS_futex, &s->count, FUTEX_WAIT, 0l, 0l, 0l, 0l);
	if (count) __atomic_fetch_sub(&s->count, 1, __ATOMIC_ACQUIRE); // nobody else waits for it
	else errno = ETIMEDOUT;
	called(count ? 0 : -1, "sem_timedwait name=%s", name);
	wait_ended(!count);
	return count;
}

static void unlink_object(const char *call, const char *name)
{
	char path[PATH_CHARS];
	shm_path(path, name);
	called(unlink_at(path), "%s name=%s", call, name);
}

static uint64_t found;
static void count_ours(const char *name)
{
	if (contains(name, arg_text("name") + 1)) found++;
}

void step_posix_write(void)
{
	struct end e;
	uint64_t size = 512;
	const char *text;
	if (!arg_number("size", 10, NOTE_BYTES, 1 << 30, &size) || !arg_payload(&text)) return;
	if (!end_open(&e)) return;
	struct note *note = shm_create(e.memory, 0600, &size);
	if (note) {
		note_write(note, text);
		facts("text=%s", text);
		post(e.on_written, e.written);
		if (wait_for(e.on_read, e.read)) note_reply_fact(note);
		shm_unmap(note, size);
	}
	// All three names are this run's, whoever was first to make them.
	if (note) unlink_object("shm_unlink", e.memory);
	unlink_object("sem_unlink", e.written);
	unlink_object("sem_unlink", e.read);
	unmake_since(e.mark);
	found = 0;
	each_entry("/dev/shm", count_ours);
	facts("left=%lu", found);
}

static void read_from(struct end *e)
{
	uint64_t size;
	if (!wait_for(e->on_written, e->written)) return;
	int fd = shm_open_at(e->memory, O_RDWR, 0);
	if (called(fd, "shm_open name=%s flags=O_RDWR", e->memory) < 0) return;
	struct note *note = shm_map(fd, true, &size);
	if (!note) return;
	if (note_read(note, size)) {
		note_reply(note);
		post(e->on_read, e->read);
	}
	shm_unmap(note, size);
}

void step_posix_read(void)
{
	struct end e;
	if (!end_open(&e)) return;
	read_from(&e);
	unmake_since(e.mark); // the semaphores, where the writer didn't unlink them
}
