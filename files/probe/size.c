// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// How much can really be written below a path.
#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, CHUNK = 64 * PAGE, SAMPLES = 64 };

// Survives a SIGKILL of the child.
struct progress {
	uint64_t written;
	int failure; // errno, 0 if max was reached
};

static char buffer[CHUNK];

// Page number n of the file: its number, then a pattern. Each page differs, so
// a page that comes back in another's place is seen.
static void stamp(char *page, uint64_t n)
{
	memcpy(page, &n, sizeof n);
}

static void write_until_full(int fd, uint64_t most, struct progress *p)
{
	size_t chunk = CHUNK;
	while (p->written < most) {
		uint64_t page = p->written / PAGE;
		size_t skip = p->written % PAGE, size = chunk;
		if (size > CHUNK - skip) size = CHUNK - skip;
		if (size > most - p->written) size = most - p->written;
		for (size_t at = 0; at < skip + size; at += PAGE) stamp(buffer + at, page++);
		ssize_t n = write(fd, buffer + skip, size);
		if (n > 0) p->written += n;
		if (n == (ssize_t)size || (n < 0 && errno == EINTR)) continue;
		// Near the end: come as close as whole pages, then records of dd's size.
		if (chunk > PAGE) chunk = PAGE;
		else if (chunk > 512) chunk = 512;
		else if (n <= 0) {
			p->failure = n ? errno : EIO;
			return;
		}
	}
}

// As the likeliest victim, when memory runs out before the file system does.
static void offer_to_the_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0) return;
	(void)!write(fd, "1000", 4);
	close(fd);
}

// The child's wait status; it is killed when the step's time is over.
static int run_child(int fd, uint64_t most, struct progress *p)
{
	int status = 0;
	pid_t child = fork();
	if (!child) {
		signal(SIGTERM, SIG_DFL);
		offer_to_the_oom_killer();
		write_until_full(fd, most, p);
		_exit(0);
	}
	if (child < 0) {
		p->failure = errno;
		return 0;
	}
	while (waitpid(child, &status, 0) < 0)
		if (expired()) kill(child, SIGKILL);
	return status;
}

static bool verified(int fd, uint64_t written)
{
	static char got[PAGE];
	uint64_t pages = (written + PAGE - 1) / PAGE;
	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t page = i * (pages - 1) / (SAMPLES - 1);
		size_t size = page == pages - 1 ? written - page * PAGE : PAGE;
		stamp(buffer, page);
		if (pread(fd, got, size, page * PAGE) != (ssize_t)size || memcmp(got, buffer, size))
			return false;
	}
	return true;
}

static void stopped_by_fact(int status, const struct progress *p)
{
	char text[16] = "signal:";
	if (WIFSIGNALED(status) && expired()) fact_text("stopped_by", "deadline");
	else if (WIFSIGNALED(status)) {
		int n = WTERMSIG(status);
		char *at = text + strlen(text);
		if (n > 9) *at++ = '0' + n / 10;
		*at = '0' + n % 10;
		fact_text("stopped_by", text);
	} else fact_text("stopped_by", p->failure ? errno_name(p->failure) : "max");
}

static bool space(const char *path, const char *size, const char *available, uint64_t *free)
{
	struct statfs f;
	int r = statfs(path, &f);
	if (r) {
		call("statfs");
		with_text("path", path);
		result(r);
		return false;
	}
	*free = (uint64_t)f.f_bavail * f.f_frsize;
	fact_number(size, (uint64_t)f.f_blocks * f.f_frsize);
	fact_number(available, *free);
	return true;
}

void step_fill(void)
{
	const char *path;
	char file[PATH_CHARS];
	uint64_t most = 0, before, after;
	if (!arg_path("path", &path) || !arg_number("max", 10, 1, INT64_MAX, &most)) return;
	if (!most) {
		error("missing", "max");
		return;
	}
	if (!space(path, "size_bytes_before", "available_bytes_before", &before)) return;
	join(file, sizeof file, path, "/podshm-");
	strlcat(file, arg_nonce(), sizeof file);
	int fd = open(file, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	call("open");
	with_text("path", file);
	with_mode("flags", "O_CREAT|O_EXCL|O_RDWR|", 0600);
	result(fd < 0 ? fd : 0);
	if (fd < 0) return;
	// Without a name from the start: whatever kills us, the kernel frees it.
	int r = unlink(file);
	call("unlink");
	with_text("path", file);
	result(r);

	struct progress *p = mmap(0, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		call("mmap");
		result(-1);
		close(fd);
		return;
	}
	// A pattern that no empty, repeated or foreign page has.
	const char *nonce = arg_nonce();
	for (size_t i = 0; i < CHUNK; i++) buffer[i] = nonce[i % NONCE_CHARS] + i % PAGE / NONCE_CHARS;
	int status = run_child(fd, most, p);
	fact_number("written_bytes", p->written);
	stopped_by_fact(status, p);
	if (p->written) fact_bool("verified", verified(fd, p->written));
	munmap(p, sizeof *p);
	close(fd);
	if (space(path, "size_bytes_after", "available_bytes_after", &after))
		fact_bool("freed", after >= before);
}
