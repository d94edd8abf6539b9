// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A POSIX shared memory object that one container creates and another one opens.
#include "payload.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

void shm_path(char *path, const char *name)
{
	char copy[PATH_CHARS]; // path and name may be the same buffer
	strlcpy(copy, name, sizeof copy);
	join(path, PATH_CHARS, "/dev/shm", copy);
}

int shm_open_at(const char *name, int flags, unsigned mode)
{
	char path[PATH_CHARS];
	shm_path(path, name);
	return open_at(path, flags | O_NOFOLLOW, mode);
}

struct payload *shm_map(int fd, bool writable, uint64_t *size)
{
	struct statx s;
	void *p = MAP_FAILED;
	if (!emit_call(look_at_fd(fd, &s), "statx")) {
		*size = s.stx_size;
		emit_facts("shm_dev=%u:%u shm_ino=%lu shm_bytes=%lu object_mode=%04o object_uid=%u", s.stx_dev_major,
			s.stx_dev_minor, s.stx_ino, *size, s.stx_mode & 07777, s.stx_uid);
		if (*size >= PAYLOAD_BYTES) { // touching a smaller one would be SIGBUS
			p = mmap(0, *size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
			emit_call(p == MAP_FAILED ? -1 : 0, "mmap size=%lu flags=MAP_SHARED", *size);
		}
	}
	close_fd(fd);
	return p == MAP_FAILED ? 0 : p;
}

void shm_unmap(struct payload *payload, uint64_t size)
{
	syscall(SYS_munmap, payload, size);
}

struct payload *shm_create(const char *name, uint64_t mode, uint64_t *size)
{
	char path[PATH_CHARS];
	shm_path(path, name);
	int fd = shm_open_at(name, O_CREAT | O_EXCL | O_RDWR, mode);
	if (emit_call(fd, "shm_open name=%s flags=O_CREAT|O_EXCL|O_RDWR|0%03lo", name, mode) < 0) return 0;
	cleanup_add_file(path);
	struct payload *payload = 0;
	// Allocate now: ENOSPC here is better than SIGBUS at the first touch.
	if (!emit_call(syscall(SYS_ftruncate, fd, *size), "ftruncate size=%lu", *size) &&
	    (!emit_call(syscall(SYS_fallocate, fd, 0, 0l, *size), "fallocate size=%lu", *size) || errno == EOPNOTSUPP))
		payload = shm_map(fd, true, size);
	else close_fd(fd);
	if (!payload) cleanup_remove_named(path);
	return payload;
}

void step_object_put(void)
{
	const char *name, *text;
	char path[PATH_CHARS];
	uint64_t mode, mask = 022, size = 512, keep, fill;
	if (!arg_object(&name) || !arg_mode(&mode) || !arg_number("umask", 8, 0, 0777, &mask) ||
	    !arg_number("size", 10, PAYLOAD_BYTES, INT64_MAX, &size) || !arg_sentence(&text) || !arg_flag("keep", &keep) ||
	    !arg_flag("fill", &fill) || !cleanup_has_room())
		return;
	mask = syscall(SYS_umask, mask);
	struct payload *payload = shm_create(name, mode, &size);
	syscall(SYS_umask, mask);
	emit_facts("made?%d", payload != 0);
	if (!payload) return;
	if (fill) memset(payload, 0x5a, size);
	payload_write(payload, text);
	shm_unmap(payload, size);
	shm_path(path, name);
	if (keep) cleanup_forget_named(path);
}

void step_object_get(void)
{
	const char *name;
	char path[PATH_CHARS];
	uint64_t create, write, size;
	struct statx s;
	if (!arg_object(&name) || !arg_flag("create", &create) || !arg_flag("write", &write) || !cleanup_has_room()) return;
	shm_path(path, name);
	bool was_there = !look_at(path, &s);
	int fd = shm_open_at(name, (write ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0), 0600);
	emit_call(fd, "shm_open name=%s flags=%s%s|0600", name, write ? "O_RDWR" : "O_RDONLY", create ? "|O_CREAT" : "");
	emit_facts("writable?%d", write && fd >= 0);
	if (fd >= 0 && !was_there) { // this open created it, so it is not the peer's
		cleanup_add_file(path);
		cleanup_remove_named(path);
	}
	if (fd < 0 && write && errno == EACCES) {
		write = 0;
		fd = emit_call(shm_open_at(name, O_RDONLY, 0), "shm_open name=%s flags=O_RDONLY", name);
	}
	emit_facts("found?%d", fd >= 0 && was_there);
	if (fd < 0) return;
	struct payload *payload = shm_map(fd, write, &size);
	if (!payload) return;
	if (payload_read(payload, size) && write) payload_reply(payload);
	shm_unmap(payload, size);
}

void step_object_drop(void)
{
	const char *name;
	char path[PATH_CHARS];
	uint64_t size;
	if (!arg_object(&name)) return;
	int fd = emit_call(shm_open_at(name, O_RDONLY, 0), "shm_open name=%s flags=O_RDONLY", name);
	emit_facts("found?%d", fd >= 0);
	if (fd < 0) return;
	struct payload *payload = shm_map(fd, false, &size);
	bool ours = payload && payload_is_valid(payload, size);
	emit_facts("magic?%d", ours);
	if (ours) {
		emit_reply(payload);
		shm_path(path, name);
		emit_call(unlink_at(path), "shm_unlink name=%s", name);
		cleanup_forget_named(path);
	}
	if (payload) shm_unmap(payload, size);
	fd = shm_open_at(name, O_RDONLY, 0);
	emit_facts("gone?%d", fd < 0 && errno == ENOENT);
	if (fd >= 0) close_fd(fd);
}

static bool creates(const char *file, const char *part)
{
	int fd = shm_open_at(file, O_CREAT | O_EXCL | O_RDWR, 0600);
	emit_call(fd, "open name=%s flags=O_CREAT|O_EXCL|O_RDWR|0600", file);
	if (fd < 0) return false;
	char path[PATH_CHARS];
	shm_path(path, file);
	cleanup_add_file(path);
	bool whole = syscall(SYS_write, fd, part, 32l) == 32;
	close_fd(fd);
	return whole;
}

static bool opens(const char *file)
{
	int fd = emit_call(shm_open_at(file, O_RDWR, 0), "open name=%s flags=O_RDWR", file);
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
		emit_error("not a name without a slash", "name");
		return;
	}
	if (!cleanup_has_room()) return;
	join(musl, sizeof musl, "/", name);
	join(glibc, sizeof glibc, "/sem.", name);
	emit_facts("glibc_made?%d", creates(glibc, semaphore));
	emit_facts("musl_found?%d", opens(musl));
	shm_path(path, glibc);
	cleanup_remove_named(path);
	if (opens(glibc)) return; // unlink fails here: do not create another one
	emit_facts("musl_made?%d", creates(musl, semaphore));
	emit_facts("glibc_found?%d", opens(glibc));
	shm_path(path, musl);
	cleanup_remove_named(path);
}
