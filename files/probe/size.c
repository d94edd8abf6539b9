// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// How much can really be written below a path, and beside it.
#include "sysv.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

enum { PAGE = 4096, CHUNK = 64 * PAGE, SAMPLES = 64, HUGE_PAGE = 2 << 20 };

static char buffer[CHUNK];

// What a child works on; touched is shared with its parent.
struct job {
	int fd;
	uint64_t size;
	char *memory;
	volatile uint64_t *touched;
};

// As the likeliest victim, when memory runs out before the file system does. The
// score alone does not do it: the kubelet gives a pod that asks for little 999
// already, and what then counts is who has more memory of its own.
static void offer_to_the_oom_killer(void)
{
	static volatile char bulk[128 * PAGE];
	for (size_t at = 0; at < sizeof bulk; at += PAGE) bulk[at] = 1;
	int fd = open_at("/proc/self/oom_score_adj", O_WRONLY, 0);
	if (fd < 0) return;
	syscall(SYS_write, fd, "1000", 4l);
	close_fd(fd);
}

// The wait status of a child that works: SIGBUS or the OOM killer end only it.
// It is killed when the step's time is over. It exits with an errno or 0.
static int in_child(int (*work)(const struct job *), const struct job *job)
{
	int status = 0, child = new_process();
	if (!child) {
		offer_to_the_oom_killer();
		leave(work(job));
	}
	if (called(child < 0 ? -1 : 0, "fork") < 0) return errno << 8;
	while (syscall(SYS_wait4, child, &status, 0l, 0l) < 0)
		if (expired()) syscall(SYS_kill, child, SIGKILL);
	return status;
}

static const char *ending(int status, const char *whole)
{
	if (WIFSIGNALED(status)) return expired() ? "deadline" : numbered("signal:", WTERMSIG(status));
	return WEXITSTATUS(status) ? errno_name(WEXITSTATUS(status)) : whole;
}

// What is free below the path; format takes size and what is available of it.
static bool space(const char *path, const char *format, uint64_t *available)
{
	struct statfs f = {0};
	if (called(syscall(SYS_statfs, path, &f), "statfs path=%s", path)) return false;
	*available = f.f_bavail * f.f_frsize;
	facts(format, f.f_blocks * f.f_frsize, *available);
	return true;
}

static bool space_before(const char **path, uint64_t *available)
{
	return arg_path("path", path) && space(*path, "size_bytes=%lu available_bytes=%lu", available);
}

static void space_after(const char *path, uint64_t before)
{
	uint64_t after;
	if (space(path, "size_bytes_after=%lu available_bytes_after=%lu", &after)) facts("freed?%d", after >= before);
}

// A file without a name: whatever kills us, the kernel frees it.
static int scratch(const char *path)
{
	char file[PATH_CHARS];
	join(file, sizeof file, path, "/podshm-");
	strlcat(file, arg_nonce(), sizeof file);
	int fd = open_at(file, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600);
	called(fd, "open path=%s flags=O_CREAT|O_EXCL|O_RDWR|0600", file);
	if (fd >= 0) facts("removed?%d", !called(unlink_at(file), "unlink path=%s", file));
	return fd;
}

// ---- fill

// Page number n of the file: its number, then a pattern. Each page differs, so
// a page that comes back in another's place is seen.
static void stamp(char *page, uint64_t n)
{
	memcpy(page, &n, sizeof n);
}

// The errno that ended it, or 0 when all was written.
static int write_until_full(const struct job *job)
{
	size_t chunk = CHUNK;
	for (uint64_t written = 0; written < job->size;) {
		uint64_t page = written / PAGE;
		size_t skip = written % PAGE, size = chunk;
		if (size > CHUNK - skip) size = CHUNK - skip;
		if (size > job->size - written) size = job->size - written;
		for (size_t at = 0; at < skip + size; at += PAGE) stamp(buffer + at, page++);
		ssize_t n = syscall(SYS_write, job->fd, buffer + skip, size);
		if (n > 0) written += n;
		if (n == (ssize_t)size || (n < 0 && errno == EINTR)) continue;
		// Near the end: come as close as whole pages, then records of dd's size.
		if (chunk > PAGE) chunk = PAGE;
		else if (chunk > 512) chunk = 512;
		else if (n <= 0) return n ? errno : EIO;
	}
	return 0;
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
		if (syscall(SYS_pread64, fd, got, size, page * PAGE) != (long)size || !same(got, buffer, size)) return false;
	}
	return true;
}

// The file that fill keeps open, the path it is below, and what was available before.
static int kept = -1;
static char kept_path[PATH_CHARS];
static uint64_t kept_before;

void step_fill(void)
{
	const char *path;
	uint64_t before, keep, usage, charged;
	struct job job = {.size = 0};
	struct statx s;
	if (!arg_needed("max", &job.size) || !arg_flag("keep", &keep)) return;
	if (keep && kept >= 0) {
		error("this session keeps a file already", "keep");
		return;
	}
	bool accounted = memory_usage(&usage);
	if (!space_before(&path, &before) || (job.fd = scratch(path)) < 0) return;

	// A pattern that no empty, repeated or foreign page has.
	const char *nonce = arg_nonce();
	for (size_t i = 0; i < CHUNK; i++) buffer[i] = nonce[i % NONCE_CHARS] + i % PAGE / NONCE_CHARS;
	facts("stopped_by=%s", ending(in_child(write_until_full, &job), "max"));
	// The file's size survives a SIGKILL of its writer.
	if (!called(look_at_fd(job.fd, &s), "statx")) {
		facts("written_bytes=%lu", s.stx_size);
		if (s.stx_size) facts("verified?%d", verified(job.fd, s.stx_size));
	}
	if (accounted && memory_usage(&charged))
		facts("memory_usage_before=%lu memory_usage_after=%lu charged_bytes=%ld", usage, charged, charged - usage);
	if (keep) {
		kept = job.fd;
		kept_before = before;
		strlcpy(kept_path, path, sizeof kept_path);
		return;
	}
	close_fd(job.fd);
	space_after(path, before);
}

void step_fill_drop(void)
{
	if (kept < 0) {
		error("this session keeps no file", "");
		return;
	}
	close_fd(kept);
	kept = -1;
	space_after(kept_path, kept_before);
}

// ---- other ways to ask for memory

void step_fallocate(void)
{
	const char *path;
	uint64_t size, before;
	int fd;
	if (!arg_needed("size", &size) || !space_before(&path, &before) || (fd = scratch(path)) < 0) return;
	facts("allocated?%d", !called(syscall(SYS_fallocate, fd, 0, 0l, size), "fallocate size=%lu", size));
	close_fd(fd);
	space_after(path, before);
}

static int touch_pages(const struct job *job)
{
	for (uint64_t page = page_bytes(); *job->touched < job->size; *job->touched += page)
		((volatile char *)job->memory)[*job->touched] = 1;
	*job->touched = job->size;
	return 0;
}

// Writes to each page; how that ended.
static const char *touch(void *memory, uint64_t size, uint64_t *touched)
{
	static uint64_t *shared;
	if (!shared) shared = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = 0;
	struct job job = {.size = size, .memory = memory, .touched = shared};
	const char *end = ending(in_child(touch_pages, &job), "size");
	*touched = *shared;
	return end;
}

static void *map(int fd, uint64_t size, int flags)
{
	void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
	return called(p == MAP_FAILED ? -1 : 0, "mmap size=%lu flags=MAP_SHARED|0x%x", size, flags) ? 0 : p;
}

static void *map_sized(int fd, uint64_t size)
{
	return called(syscall(SYS_ftruncate, fd, size), "ftruncate size=%lu", size) ? 0 : map(fd, size, 0);
}

// As programs do that map before there is memory: ftruncate always succeeds.
void step_sparse(void)
{
	const char *path, *end;
	uint64_t size, before, touched;
	int fd;
	if (!arg_needed("size", &size) || !space_before(&path, &before) || (fd = scratch(path)) < 0) return;
	void *p = map_sized(fd, size);
	facts("truncated?%d", p != 0);
	if (p) {
		end = touch(p, size, &touched);
		facts("touched_bytes=%lu stopped_by=%s", touched, end);
		syscall(SYS_munmap, p, size);
	}
	close_fd(fd);
	space_after(path, before);
}

// Memory that /dev/shm doesn't bound.
void step_beyond(void)
{
	const char *end;
	uint64_t size, touched = 0;
	if (!arg_needed("size", &size) || !made_room()) return;
	int id = sysv_make(&shared_memory, IPC_PRIVATE, size, 0600);
	void *p = id < 0 ? 0 : shm_attach(id);
	if (p) {
		end = touch(p, size, &touched);
		facts("sysv_stopped_by=%s", end);
		shm_detach(p);
	}
	unmake_id(SYS_shmctl, id);
	facts("sysv_bytes=%lu", touched);

	touched = 0;
	int fd = called(syscall(SYS_memfd_create, "podshm", 0l), "memfd_create");
	if (fd >= 0) {
		p = map_sized(fd, size);
		if (p) {
			end = touch(p, size, &touched);
			facts("memfd_stopped_by=%s", end);
			syscall(SYS_munmap, p, size);
		}
		close_fd(fd);
	}
	facts("memfd_bytes=%lu", touched);
}

// Where the node has huge pages that the container may not use, mapping one
// succeeds and touching it is SIGBUS.
void step_hugepage(void)
{
	uint64_t touched;
	void *p = map(-1, HUGE_PAGE, MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT);
	facts("mapped?%d", p != 0);
	if (!p) facts("stopped_by=%s", errno_name(errno));
	else {
		const char *end = touch(p, HUGE_PAGE, &touched);
		facts("stopped_by=%s", touched == HUGE_PAGE ? "ok" : end);
		syscall(SYS_munmap, p, (long)HUGE_PAGE);
	}
}

// What the directory allows, tried.
void step_flags(void)
{
	const char *path;
	struct statx s;
	if (!arg_path("path", &path)) return;
	if (!called(look_at(path, &s), "statx path=%s", path))
		facts("dir_mode=%04o sticky?%d", s.stx_mode & 07777, s.stx_mode & S_ISVTX ? 1 : 0);
	int fd = scratch(path);
	bool writable = fd >= 0 && called(syscall(SYS_write, fd, buffer, (long)PAGE), "write size=%d", PAGE) == PAGE;
	facts("writable?%d", writable);
	if (fd < 0) return;
	void *p = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	facts("exec_map?%d", !called(p == MAP_FAILED ? -1 : 0, "mmap flags=MAP_SHARED protection=PROT_READ|PROT_EXEC"));
	if (p != MAP_FAILED) syscall(SYS_munmap, p, (long)PAGE);
	close_fd(fd);
}
