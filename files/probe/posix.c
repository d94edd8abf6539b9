// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// POSIX shared memory and named semaphores: writer and reader start in any
// order; the semaphores NAME-w (written) and NAME-r (read) order them.
#include "note.h"
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct end {
	char memory[PATH_CHARS], written[PATH_CHARS], read[PATH_CHARS];
	sem_t *on_written, *on_read;
};

// musl's sem_open() numbers its temporary file with this, and nothing else in
// here formats: the libc's own would bring 8 KB of floating point along.
int snprintf(char *restrict to, size_t size, const char *restrict format, ...)
{
	va_list list;
	va_start(list, format);
	unsigned number = va_arg(list, int);
	va_end(list);
	char digits[12], *at = digits + sizeof digits - 1;
	*at = 0;
	do *--at = '0' + number % 10;
	while (number /= 10);
	strlcpy(to, format, size);
	char *percent = strstr(to, "%d");
	if (!percent || percent[2]) __builtin_trap();
	*percent = 0;
	return strlcat(to, at, size);
}

// musl's place of a name.
static void file_of(char *path, const char *name)
{
	join(path, PATH_CHARS, "/dev/shm", name);
}

// Creates the semaphore or, where the peer was first, opens the peer's.
static sem_t *meet(const char *name)
{
	for (;;) {
		char path[PATH_CHARS];
		sem_t *s = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
		call("sem_open");
		with_text("name", name);
		with_mode("flags", "O_CREAT|O_EXCL|", 0600);
		result(s == SEM_FAILED ? -1 : 0);
		if (s != SEM_FAILED) {
			file_of(path, name);
			made_file(path);
			return s;
		}
		if (errno != EEXIST) return 0;
		s = sem_open(name, 0);
		call("sem_open");
		with_text("name", name);
		result(s == SEM_FAILED ? -1 : 0);
		if (s != SEM_FAILED) return s;
		if (errno != ENOENT || expired()) return 0;
	}
}

static bool end_open(struct end *e)
{
	const char *name = arg_text("name");
	if (name[0] != '/' || !name[1] || strchr(name + 1, '/') || strlen(name) >= PATH_CHARS - 64) {
		error("not a name of the form /NAME", "name");
		return false;
	}
	if (!made_room()) return false;
	join(e->memory, PATH_CHARS, name, "-m");
	join(e->written, PATH_CHARS, name, "-w");
	join(e->read, PATH_CHARS, name, "-r");
	namespace_fact("ns_ipc");
	place_facts("/dev/shm");
	e->on_written = meet(e->written);
	e->on_read = e->on_written ? meet(e->read) : 0;
	return e->on_read != 0;
}

static void post(sem_t *s, const char *name)
{
	fact_number("posted_at_ns", now_ns(CLOCK_BOOTTIME));
	int r = sem_post(s);
	call("sem_post");
	with_text("name", name);
	result(r);
}

// Until posted or the step's deadline.
static bool wait_for(sem_t *s, const char *name)
{
	int r;
	fact_number("wait_began_ns", now_ns(CLOCK_BOOTTIME));
	ready();
	do {
		uint64_t until = now_ns(CLOCK_REALTIME) + left_ns();
		struct timespec t = {until / 1000000000, until % 1000000000};
		r = sem_timedwait(s, &t);
	} while (r && (errno == EINTR || errno == ETIMEDOUT) && !expired());
	call("sem_timedwait");
	with_text("name", name);
	result(r);
	fact_number("wait_ended_ns", now_ns(CLOCK_BOOTTIME));
	fact_bool("timed_out", r != 0);
	return !r;
}

static struct note *map(int fd, uint64_t *size)
{
	struct stat s;
	int r = fstat(fd, &s);
	if (r) {
		call("fstat");
		result(r);
		return 0;
	}
	*size = s.st_size;
	fact_device("shm_dev", s.st_dev);
	fact_number("shm_ino", s.st_ino);
	fact_number("shm_bytes", *size);
	if (*size < NOTE_BYTES) return 0; // touching it would be SIGBUS
	void *p = mmap(0, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	call("mmap");
	with_number("size", *size);
	with_text("flags", "MAP_SHARED");
	result(p == MAP_FAILED ? -1 : 0);
	return p == MAP_FAILED ? 0 : p;
}

static struct note *memory_create(const char *name, uint64_t size)
{
	char path[PATH_CHARS];
	int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	call("shm_open");
	with_text("name", name);
	with_mode("flags", "O_CREAT|O_EXCL|O_RDWR|", 0600);
	result(fd < 0 ? fd : 0);
	if (fd < 0) return 0;
	file_of(path, name);
	made_file(path);
	int r = ftruncate(fd, size);
	call("ftruncate");
	with_number("size", size);
	result(r);
	// Allocate now: ENOSPC here is better than SIGBUS at the first touch.
	if (!r) {
		r = fallocate(fd, 0, 0, size);
		call("fallocate");
		with_number("size", size);
		result(r);
		if (errno == EOPNOTSUPP) r = 0;
	}
	struct note *note = r ? 0 : map(fd, &size);
	close(fd);
	return note;
}

static void unlink_name(const char *function, int (*unlink)(const char *), const char *name)
{
	int r = unlink(name);
	call(function);
	with_text("name", name);
	result(r);
}

static uint64_t found;
static void count_ours(const char *name)
{
	if (strstr(name, arg_text("name") + 1)) found++;
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
		fact_text("text", text);
		post(e.on_written, e.written);
		if (wait_for(e.on_read, e.read)) note_reply_fact(note);
	}
	// All three names are this run's, whoever was first to make them.
	if (note) unlink_name("shm_unlink", shm_unlink, e.memory);
	unlink_name("sem_unlink", sem_unlink, e.written);
	unlink_name("sem_unlink", sem_unlink, e.read);
	found = 0;
	each_entry("/dev/shm", count_ours);
	fact_number("left", found);
}

static struct note *memory_open(const char *name, uint64_t *size)
{
	int fd = shm_open(name, O_RDWR, 0);
	call("shm_open");
	with_text("name", name);
	with_text("flags", "O_RDWR");
	result(fd < 0 ? fd : 0);
	if (fd < 0) return 0;
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
}
