// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// How much can really be written below a path.
#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, CHUNK = 64 * PAGE, SAMPLES = 64 };

static char buffer[CHUNK];

// Page number n of the file: its number, then a pattern. Each page differs, so
// a page that comes back in another's place is seen.
static void stamp(char *page, uint64_t n)
{
	memcpy(page, &n, sizeof n);
}

// The errno that ended it, or 0 when most was reached.
static int write_until_full(int fd, uint64_t most)
{
	size_t chunk = CHUNK;
	for (uint64_t written = 0; written < most;) {
		uint64_t page = written / PAGE;
		size_t skip = written % PAGE, size = chunk;
		if (size > CHUNK - skip) size = CHUNK - skip;
		if (size > most - written) size = most - written;
		for (size_t at = 0; at < skip + size; at += PAGE) stamp(buffer + at, page++);
		ssize_t n = write(fd, buffer + skip, size);
		if (n > 0) written += n;
		if (n == (ssize_t)size || (n < 0 && errno == EINTR)) continue;
		// Near the end: come as close as whole pages, then records of dd's size.
		if (chunk > PAGE) chunk = PAGE;
		else if (chunk > 512) chunk = 512;
		else if (n <= 0) return n ? errno : EIO;
	}
	return 0;
}

// As the likeliest victim, when memory runs out before the file system does.
static void offer_to_the_oom_killer(void)
{
	int fd = open_file("/proc/self/oom_score_adj", O_WRONLY);
	if (fd < 0) return;
	(void)!write(fd, "1000", 4);
	close(fd);
}

// The wait status of a child that writes: SIGBUS or the OOM killer end only it.
// It is killed when the step's time is over.
static int write_in_child(int fd, uint64_t most)
{
	int status = 0;
	pid_t child = _Fork();
	if (!child) {
		offer_to_the_oom_killer();
		_exit(write_until_full(fd, most));
	}
	if (called(child < 0 ? -1 : 0, "fork") < 0) return errno << 8;
	while (waitpid(child, &status, 0) < 0)
		if (expired()) kill(child, SIGKILL);
	return status;
}

static bool same(const char *one, const char *other, size_t size)
{
	while (size && one[size - 1] == other[size - 1]) size--;
	return !size;
}

static bool verified(int fd, uint64_t written)
{
	static char got[PAGE];
	uint64_t pages = (written + PAGE - 1) / PAGE;
	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t page = i * (pages - 1) / (SAMPLES - 1);
		size_t size = page == pages - 1 ? written - page * PAGE : PAGE;
		stamp(buffer, page);
		if (pread(fd, got, size, page * PAGE) != (ssize_t)size || !same(got, buffer, size)) return false;
	}
	return true;
}

static void stopped_by_fact(int status)
{
	if (WIFSIGNALED(status) && !expired()) facts("stopped_by=signal:%d", WTERMSIG(status));
	else if (WIFSIGNALED(status)) facts("stopped_by=deadline");
	else facts("stopped_by=%s", WEXITSTATUS(status) ? errno_name(WEXITSTATUS(status)) : "max");
}

// What is free below the path; format takes size and what is available of it.
static bool space(const char *path, const char *format, uint64_t *free)
{
	struct statfs f;
	if (called(statfs(path, &f), "statfs path=%s", path)) return false;
	*free = f.f_bavail * f.f_frsize;
	facts(format, f.f_blocks * f.f_frsize, *free);
	return true;
}

void step_fill(void)
{
	const char *path;
	char file[PATH_CHARS];
	uint64_t most = 0, before, after;
	struct statx s;
	if (!arg_path("path", &path) || !arg_number("max", 10, 1, INT64_MAX, &most)) return;
	if (!most) {
		error("missing", "max");
		return;
	}
	if (!space(path, "size_bytes=%lu available_bytes=%lu", &before)) return;
	join(file, sizeof file, path, "/podshm-");
	strlcat(file, arg_nonce(), sizeof file);
	int fd = open_file(file, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW);
	if (called(fd, "open path=%s flags=O_CREAT|O_EXCL|O_RDWR|0600", file) < 0) return;
	// Without a name from the start: whatever kills us, the kernel frees it.
	called(unlink(file), "unlink path=%s", file);

	// A pattern that no empty, repeated or foreign page has.
	const char *nonce = arg_nonce();
	for (size_t i = 0; i < CHUNK; i++) buffer[i] = nonce[i % NONCE_CHARS] + i % PAGE / NONCE_CHARS;
	stopped_by_fact(write_in_child(fd, most));
	// The file's size survives a SIGKILL of its writer.
	if (!called(look_at_fd(fd, &s), "statx")) {
		facts("written_bytes=%lu", s.stx_size);
		if (s.stx_size) facts("verified?%d", verified(fd, s.stx_size));
	}
	close(fd);
	if (space(path, "size_bytes_after=%lu available_bytes_after=%lu", &after))
		facts("freed?%d", after >= before);
}
