// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A POSIX shared memory object that one container leaves and another one finds.
#include "note.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

void shm_path(char *path, const char *name)
{
	char copy[PATH_CHARS]; // path may be name
	strlcpy(copy, name, sizeof copy);
	join(path, PATH_CHARS, "/dev/shm", copy);
}

int shm_open_at(const char *name, int flags, unsigned mode)
{
	char path[PATH_CHARS];
	shm_path(path, name);
	return open_at(path, flags | O_NOFOLLOW, mode);
}

struct note *shm_map(int fd, bool writable, uint64_t *size)
{
	struct statx s;
	void *p = MAP_FAILED;
	if (!called(look_at_fd(fd, &s), "statx")) {
		*size = s.stx_size;
		facts("shm_dev=%u:%u shm_ino=%lu shm_bytes=%lu object_mode=%04o object_uid=%u", s.stx_dev_major,
			s.stx_dev_minor, s.stx_ino, *size, s.stx_mode & 07777, s.stx_uid);
		if (*size >= NOTE_BYTES) { // touching a smaller one would be SIGBUS
			p = mmap(0, *size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
			called(p == MAP_FAILED ? -1 : 0, "mmap size=%lu flags=MAP_SHARED", *size);
		}
	}
	close_fd(fd);
	return p == MAP_FAILED ? 0 : p;
}

void shm_unmap(struct note *note, uint64_t size)
{
	syscall(SYS_munmap, note, size);
}

struct note *shm_create(const char *name, uint64_t mode, uint64_t *size)
{
	char path[PATH_CHARS];
	shm_path(path, name);
	int fd = shm_open_at(name, O_CREAT | O_EXCL | O_RDWR, mode);
	if (called(fd, "shm_open name=%s flags=O_CREAT|O_EXCL|O_RDWR|0%03lo", name, mode) < 0) return 0;
	made_file(path);
	struct note *note = 0;
	// Allocate now: ENOSPC here is better than SIGBUS at the first touch.
	if (!called(syscall(SYS_ftruncate, fd, *size), "ftruncate size=%lu", *size) &&
	    (!called(syscall(SYS_fallocate, fd, 0, 0l, *size), "fallocate size=%lu", *size) || errno == EOPNOTSUPP))
		note = shm_map(fd, true, size);
	else close_fd(fd);
	if (!note) unmake_named(path);
	return note;
}

void step_object_put(void)
{
	const char *name, *text;
	char path[PATH_CHARS];
	uint64_t mode, mask = 022, size = 512, keep, fill;
	if (!arg_object(&name) || !arg_mode(&mode) || !arg_number("umask", 8, 0, 0777, &mask) ||
	    !arg_number("size", 10, NOTE_BYTES, INT64_MAX, &size) || !arg_payload(&text) || !arg_flag("keep", &keep) ||
	    !arg_flag("fill", &fill) || !made_room())
		return;
	mask = syscall(SYS_umask, mask);
	struct note *note = shm_create(name, mode, &size);
	syscall(SYS_umask, mask);
	facts("made?%d", note != 0);
	if (!note) return;
	if (fill) memset(note, 0x5a, size);
	note_write(note, text);
	shm_unmap(note, size);
	shm_path(path, name);
	if (keep) forget_named(path);
}

void step_object_get(void)
{
	const char *name;
	char path[PATH_CHARS];
	uint64_t create, write, size;
	struct statx s;
	if (!arg_object(&name) || !arg_flag("create", &create) || !arg_flag("write", &write) || !made_room()) return;
	shm_path(path, name);
	bool was_there = !look_at(path, &s);
	int fd = shm_open_at(name, (write ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0), 0600);
	called(fd, "shm_open name=%s flags=%s%s|0600", name, write ? "O_RDWR" : "O_RDONLY", create ? "|O_CREAT" : "");
	facts("writable?%d", write && fd >= 0);
	if (fd >= 0 && !was_there) { // only O_CREAT can do that: it isn't the peer's
		made_file(path);
		unmake_named(path);
	}
	if (fd < 0 && write && errno == EACCES) {
		write = 0;
		fd = called(shm_open_at(name, O_RDONLY, 0), "shm_open name=%s flags=O_RDONLY", name);
	}
	facts("found?%d", fd >= 0 && was_there);
	if (fd < 0) return;
	struct note *note = shm_map(fd, write, &size);
	if (!note) return;
	if (note_read(note, size) && write) note_reply(note);
	shm_unmap(note, size);
}

void step_object_drop(void)
{
	const char *name;
	char path[PATH_CHARS];
	uint64_t size;
	if (!arg_object(&name)) return;
	int fd = called(shm_open_at(name, O_RDONLY, 0), "shm_open name=%s flags=O_RDONLY", name);
	facts("found?%d", fd >= 0);
	if (fd < 0) return;
	struct note *note = shm_map(fd, false, &size);
	bool ours = note && note_is_one(note, size);
	facts("magic?%d", ours);
	if (ours) {
		note_reply_fact(note);
		shm_path(path, name);
		called(unlink_at(path), "shm_unlink name=%s", name);
		forget_named(path);
	}
	if (note) shm_unmap(note, size);
	fd = shm_open_at(name, O_RDONLY, 0);
	facts("gone?%d", fd < 0 && errno == ENOENT);
	if (fd >= 0) close_fd(fd);
}

static bool makes(const char *file, const char *part)
{
	int fd = shm_open_at(file, O_CREAT | O_EXCL | O_RDWR, 0600);
	called(fd, "open name=%s flags=O_CREAT|O_EXCL|O_RDWR|0600", file);
	if (fd < 0) return false;
	char path[PATH_CHARS];
	shm_path(path, file);
	made_file(path);
	bool whole = syscall(SYS_write, fd, part, 32l) == 32;
	close_fd(fd);
	return whole;
}

static bool finds(const char *file)
{
	int fd = called(shm_open_at(file, O_RDWR, 0), "open name=%s flags=O_RDWR", file);
	if (fd >= 0) close_fd(fd);
	return fd >= 0;
}

// sem_open("/NAME"): glibc's file is sem.NAME, musl's is NAME; 32 bytes in both.
void step_sem_names(void)
{
	static const char semaphore[32];
	const char *name = arg_text("name");
	char musl[PATH_CHARS], glibc[PATH_CHARS], path[PATH_CHARS];
	if (!*name || contains(name, "/") || strlen(name) >= PATH_CHARS - 64) {
		error("not a name without a slash", "name");
		return;
	}
	if (!made_room()) return;
	join(musl, sizeof musl, "/", name);
	join(glibc, sizeof glibc, "/sem.", name);
	facts("glibc_made?%d", makes(glibc, semaphore));
	facts("musl_found?%d", finds(musl));
	shm_path(path, glibc);
	unmake_named(path);
	if (finds(glibc)) return; // nothing can be removed here
	facts("musl_made?%d", makes(musl, semaphore));
	facts("glibc_found?%d", finds(glibc));
	shm_path(path, musl);
	unmake_named(path);
}
