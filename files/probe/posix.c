// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// POSIX shared memory and named semaphores: writer and reader start in any
// order; the semaphores NAME-w (written) and NAME-r (read) order them.
#include "note.h"
#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct end {
	char memory[PATH_CHARS], written[PATH_CHARS], read[PATH_CHARS];
	sem_t *on_written, *on_read;
	int mark; // what this end made comes after it
};

// musl's place of a name.
static void file_of(char *path, const char *name)
{
	join(path, PATH_CHARS, "/dev/shm", name);
}

static int open_in_shm(const char *path, int flags)
{
	return open_file(path, flags | O_RDWR | O_NOFOLLOW);
}

// sem_open(name, O_CREAT, 0600, 0), done as musl does it: a semaphore under
// another name is linked to its own, so that no peer sees half of one. musl's
// own function brings an allocator and a formatter along, and doesn't tell
// which of the two ends made it.
static sem_t *meet(const char *name)
{
	char path[PATH_CHARS], draft[PATH_CHARS];
	sem_t fresh, *s = 0;
	file_of(path, name);
	join(draft, PATH_CHARS, path, ".");
	strlcat(draft, arg_nonce(), PATH_CHARS);
	sem_init(&fresh, 1, 0);
	int fd = open_in_shm(draft, O_CREAT | O_EXCL);
	int error = errno;
	if (fd >= 0) {
		bool whole = write(fd, &fresh, sizeof fresh) == sizeof fresh;
		bool linked = whole && !link(draft, path);
		error = errno;
		unlink(draft);
		if (linked) made_file(path);
		else if (whole && error == EEXIST) { // the peer was first
			close(fd);
			fd = open_in_shm(path, 0);
			linked = fd >= 0;
			error = errno;
		}
		if (linked) {
			void *p = mmap(0, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			error = errno;
			if (p != MAP_FAILED) s = p;
		}
		close(fd);
	}
	errno = error;
	called(s ? 0 : -1, "sem_open name=%s flags=O_CREAT|0600", name);
	return s;
}

static bool end_open(struct end *e)
{
	const char *name = arg_text("name");
	if (name[0] != '/' || !name[1] || contains(name + 1, "/") || strlen(name) >= PATH_CHARS - 64)
		return error("not a name of the form /NAME", "name");
	if (!made_room()) return false;
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

static void post(sem_t *s, const char *name)
{
	facts("posted_at_ns=%lu", now_ns(CLOCK_BOOTTIME));
	called(sem_post(s), "sem_post name=%s", name);
}

// Until posted or the step's deadline.
static bool wait_for(sem_t *s, const char *name)
{
	int r;
	facts("wait_began_ns=%lu", now_ns(CLOCK_BOOTTIME));
	ready();
	do {
		uint64_t until = now_ns(CLOCK_REALTIME) + left_ns();
		struct timespec t = {until / 1000000000, until % 1000000000};
		r = sem_timedwait(s, &t);
	} while (r && (errno == EINTR || errno == ETIMEDOUT) && !expired());
	called(r, "sem_timedwait name=%s", name);
	facts("wait_ended_ns=%lu timed_out?%d", now_ns(CLOCK_BOOTTIME), r != 0);
	return !r;
}

static struct note *map(int fd, uint64_t *size)
{
	struct statx s;
	if (called(look_at_fd(fd, &s), "statx")) return 0;
	*size = s.stx_size;
	facts("shm_dev=%u:%u shm_ino=%lu shm_bytes=%lu", s.stx_dev_major, s.stx_dev_minor, s.stx_ino, *size);
	if (*size < NOTE_BYTES) return 0; // touching it would be SIGBUS
	void *p = mmap(0, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return called(p == MAP_FAILED ? -1 : 0, "mmap size=%lu flags=MAP_SHARED", *size) ? 0 : p;
}

static struct note *memory_create(const char *name, uint64_t size)
{
	char path[PATH_CHARS];
	file_of(path, name);
	int fd = open_in_shm(path, O_CREAT | O_EXCL);
	if (called(fd, "shm_open name=%s flags=O_CREAT|O_EXCL|O_RDWR|0600", name) < 0) return 0;
	made_file(path);
	struct note *note = 0;
	// Allocate now: ENOSPC here is better than SIGBUS at the first touch.
	if (!called(ftruncate(fd, size), "ftruncate size=%lu", size) &&
	    (!called(fallocate(fd, 0, 0, size), "fallocate size=%lu", size) || errno == EOPNOTSUPP))
		note = map(fd, &size);
	close(fd);
	if (!note) unmake_file(path);
	return note;
}

static int unlink_in_shm(const char *name)
{
	char path[PATH_CHARS];
	file_of(path, name);
	return unlink(path);
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
	struct note *note = memory_create(e.memory, size);
	if (note) {
		note_write(note, text);
		facts("text=%s", text);
		post(e.on_written, e.written);
		if (wait_for(e.on_read, e.read)) note_reply_fact(note);
	}
	// All three names are this run's, whoever was first to make them.
	if (note) called(unlink_in_shm(e.memory), "shm_unlink name=%s", e.memory);
	called(unlink_in_shm(e.written), "sem_unlink name=%s", e.written);
	called(unlink_in_shm(e.read), "sem_unlink name=%s", e.read);
	found = 0;
	each_entry("/dev/shm", count_ours);
	facts("left=%lu", found);
}

static struct note *memory_open(const char *name, uint64_t *size)
{
	char path[PATH_CHARS];
	file_of(path, name);
	int fd = open_in_shm(path, 0);
	if (called(fd, "shm_open name=%s flags=O_RDWR", name) < 0) return 0;
	struct note *note = map(fd, size);
	close(fd);
	return note;
}

void step_posix_read(void)
{
	struct end e;
	uint64_t size;
	if (!end_open(&e)) return;
	if (wait_for(e.on_written, e.written)) {
		struct note *note = memory_open(e.memory, &size);
		if (note && note_answer(note, size)) post(e.on_read, e.read);
	}
	unmake_since(e.mark); // the semaphores, where the writer didn't unlink them
}
