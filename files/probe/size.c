// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// How much can be written below a path, and to memory that no path bounds.
#include "sysv.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

enum { PAGE = 4096, CHUNK = 64 * PAGE, SAMPLES = 64 };

static char buffer[CHUNK];

// What a child works on; it shares touched with its parent.
struct job {
	int fd;
	uint64_t size;
	char *memory;
	volatile uint64_t *touched;
	bool maps_only;
};

// Become the likeliest victim, should memory run out before the file system is full.
// The score is not enough: the kubelet gives a pod with small requests 999, and then
// the process with more memory of its own is killed first.
static void offer_to_the_oom_killer(void)
{
	static volatile char bulk[128 * PAGE];
	for (size_t at = 0; at < sizeof bulk; at += PAGE) bulk[at] = 1;
	int fd = open_at("/proc/self/oom_score_adj", O_WRONLY, 0);
	if (fd < 0) return;
	syscall(SYS_write, fd, "1000", 4l);
	close_fd(fd);
}

// Runs work() in a child, since SIGBUS or the OOM killer may end it, and kills it at
// the step's deadline. The child exits with an errno or 0. Returns its wait status.
static int in_child(int (*work)(const struct job *), const struct job *job)
{
	int status = 0, child = new_process();
	if (!child) {
		offer_to_the_oom_killer();
		_exit(work(job));
	}
	if (emit_call(child < 0 ? -1 : 0, "fork") < 0) return errno << 8;
	while (syscall(SYS_wait4, child, &status, 0l, 0l) < 0)
		if (expired()) syscall(SYS_kill, child, SIGKILL);
	return status;
}

static const char *ending(int status, const char *whole)
{
	if (WIFSIGNALED(status)) return expired() ? "deadline" : numbered("signal:", WTERMSIG(status));
	return WEXITSTATUS(status) ? errno_name(WEXITSTATUS(status)) : whole;
}

// The free space below the path. The format takes size and available bytes.
static bool space(const char *path, const char *format, uint64_t *available)
{
	struct statfs f = {0};
	if (emit_call(syscall(SYS_statfs, path, &f), "statfs path=%s", path)) return false;
	*available = f.f_bavail * f.f_frsize;
	emit_facts(format, f.f_blocks * f.f_frsize, *available);
	return true;
}

static bool space_before(const char **path, uint64_t *available)
{
	return arg_path("path", path) && space(*path, "size_bytes=%lu available_bytes=%lu", available);
}

static void space_after(const char *path, uint64_t before)
{
	uint64_t after;
	if (space(path, "size_bytes_after=%lu available_bytes_after=%lu", &after)) emit_facts("freed?%d", after >= before);
}

// A file without a name: the kernel frees it, whatever kills this process.
static int scratch(const char *path)
{
	char file[PATH_CHARS];
	join(file, sizeof file, path, "/podshm-");
	strlcat(file, arg_nonce(), sizeof file);
	int fd = open_at(file, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600);
	emit_call(fd, "open path=%s flags=O_CREAT|O_EXCL|O_RDWR|0600", file);
	if (fd >= 0) emit_facts("removed?%d", !emit_call(unlink_at(file), "unlink path=%s", file));
	return fd;
}

// ---- fill

// Page n of the file begins with its number, so that a page read back in the place
// of another one is detected.
static void stamp(char *page, uint64_t n)
{
	memcpy(page, &n, sizeof n);
}

// Returns the errno that ended it, or 0 if everything was written.
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
		// Near the end: write single pages, then records of 512 bytes like dd's.
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

// The file that fill keeps open, its directory, and the bytes available before.
static int kept = -1;
static char kept_path[PATH_CHARS];
static uint64_t kept_before;

void step_fill(void)
{
	const char *path;
	uint64_t before, keep, usage, charged;
	struct job job = {.size = 0};
	struct statx s;
	if (!arg_required("max", &job.size) || !arg_flag("keep", &keep)) return;
	if (keep && kept >= 0) {
		emit_error("this session keeps a file already", "keep");
		return;
	}
	bool accounted = memory_usage(&usage);
	if (!space_before(&path, &before) || (job.fd = scratch(path)) < 0) return;

	// A pattern that no empty, repeated or foreign page contains.
	const char *nonce = arg_nonce();
	for (size_t i = 0; i < CHUNK; i++) buffer[i] = nonce[i % NONCE_CHARS] + i % PAGE / NONCE_CHARS;
	emit_facts("stopped_by=%s", ending(in_child(write_until_full, &job), "max"));
	// The file's size survives a SIGKILL of its writer.
	if (!emit_call(look_at_fd(job.fd, &s), "statx")) {
		emit_facts("written_bytes=%lu", s.stx_size);
		if (s.stx_size) emit_facts("verified?%d", verified(job.fd, s.stx_size));
	}
	if (accounted && memory_usage(&charged))
		emit_facts("memory_usage_before=%lu memory_usage_after=%lu charged_bytes=%ld", usage, charged, charged - usage);
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
		emit_error("this session keeps no file", "");
		return;
	}
	close_fd(kept);
	kept = -1;
	space_after(kept_path, kept_before);
}

// ---- other ways to allocate memory

void step_fallocate(void)
{
	const char *path;
	uint64_t size, before;
	int fd;
	if (!arg_required("size", &size) || !space_before(&path, &before) || (fd = scratch(path)) < 0) return;
	emit_facts("allocated?%d", !emit_call(syscall(SYS_fallocate, fd, 0, 0l, size), "fallocate size=%lu", size));
	close_fd(fd);
	space_after(path, before);
}

static int touch_pages(const struct job *job)
{
	for (uint64_t page = getauxval(AT_PAGESZ); *job->touched < job->size; *job->touched += page)
		((volatile char *)job->memory)[*job->touched] = 1;
	*job->touched = job->size;
	return 0;
}

// Writes to each page and returns how that ended.
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
	return emit_call(p == MAP_FAILED ? -1 : 0, "mmap size=%lu flags=MAP_SHARED|0x%x", size, flags) ? 0 : p;
}

static void *map_sized(int fd, uint64_t size)
{
	return emit_call(syscall(SYS_ftruncate, fd, size), "ftruncate size=%lu", size) ? 0 : map(fd, size, 0);
}

// What programs do that map a file before they write it: ftruncate always succeeds.
void step_sparse(void)
{
	const char *path, *end;
	uint64_t size, before, touched;
	int fd;
	if (!arg_required("size", &size) || !space_before(&path, &before) || (fd = scratch(path)) < 0) return;
	void *p = map_sized(fd, size);
	emit_facts("truncated?%d", p != 0);
	if (p) {
		end = touch(p, size, &touched);
		emit_facts("touched_bytes=%lu stopped_by=%s", touched, end);
		syscall(SYS_munmap, p, size);
	}
	close_fd(fd);
	space_after(path, before);
}

// Memory that the size of /dev/shm does not limit.
void step_beyond(void)
{
	const char *end;
	uint64_t size, touched = 0;
	if (!arg_required("size", &size) || !cleanup_has_room()) return;
	int id = sysv_create(&shared_memory, IPC_PRIVATE, size, 0600);
	void *p = id < 0 ? 0 : shm_attach(id);
	if (p) {
		end = touch(p, size, &touched);
		emit_facts("sysv_stopped_by=%s", end);
		shm_detach(p);
	}
	cleanup_remove_id(SYS_shmctl, id);
	emit_facts("sysv_bytes=%lu", touched);

	touched = 0;
	int fd = emit_call(syscall(SYS_memfd_create, "podshm", 0l), "memfd_create");
	if (fd >= 0) {
		p = map_sized(fd, size);
		if (p) {
			end = touch(p, size, &touched);
			emit_facts("memfd_stopped_by=%s", end);
			syscall(SYS_munmap, p, size);
		}
		close_fd(fd);
	}
	emit_facts("memfd_bytes=%lu", touched);
}

// ---- huge pages

static const char pools[] = "/sys/kernel/mm/hugepages/";

// The format of a fact about pages of one size; valid until the next call.
static const char *about(const char *what, const char *size, const char *value)
{
	static char format[64];
	join(format, sizeof format, what, size);
	strlcat(format, value, sizeof format);
	return format;
}

static void emit_pool(const char *pool, const char *size, const char *file, const char *what)
{
	char path[PATH_CHARS], text[32];
	uint64_t number;
	join(path, sizeof path, pools, pool);
	strlcat(path, file, sizeof path);
	if (first_line(path, text, sizeof text) && parse_number(text, 10, &number))
		emit_facts(about(what, size, "=%lu"), number);
}

// The first byte is enough: the kernel allocates and charges the whole page.
static int use_page(const struct job *job, volatile char *page)
{
	if (page == MAP_FAILED) return errno; // shmat fails with the same value
	if (!job->maps_only) *page = 1;
	return 0;
}

// The kernel rounds one byte up to a page of the size that the flags name.
static int use_mapping(const struct job *job)
{
	return use_page(job, mmap(0, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | (int)job->size, -1, 0));
}

static int use_segment(const struct job *job)
{
	return use_page(job, (char *)syscall(SYS_shmat, job->fd, 0l, 0l));
}

// Both ways to get one page. All of it happens in a child: if the node has huge pages but
// the container's limit is 0, mapping one succeeds and touching it is SIGBUS.
static void emit_ends(const char *size, struct job job)
{
	const char *whole = job.maps_only ? "mapped" : "ok", *end = ending(in_child(use_mapping, &job), whole);
	emit_facts(about("map_", size, "=%s"), end);
	job.fd = sysv_create(&shared_memory, IPC_PRIVATE, 1, SHM_HUGETLB | job.size | 0600);
	end = job.fd < 0 ? errno_name(errno) : ending(in_child(use_segment, &job), whole);
	emit_facts(about("shmget_", size, "=%s"), end);
	if (job.fd >= 0) cleanup_remove_id(SYS_shmctl, job.fd);
}

static bool pool_seen;

// A pool is a directory: hugepages-2048kB.
static void try_pool(const char *pool)
{
	static const char prefix[] = "hugepages-";
	const char *size = pool + sizeof prefix - 1;
	char digits[24];
	uint64_t kib;
	if (strncmp(pool, prefix, sizeof prefix - 1)) return;
	strlcpy(digits, size, sizeof digits);
	char *unit = digits + strcspn(digits, "k");
	if (strcmp(unit, "kB")) return;
	*unit = 0;
	if (!parse_number(digits, 10, &kib) || !kib) return;
	pool_seen = true;
	emit_pool(pool, size, "/nr_hugepages", "total_");
	emit_pool(pool, size, "/free_hugepages", "free_");
	emit_pool(pool, size, "/nr_overcommit_hugepages", "overcommit_");
	// mmap and shmget take the logarithm of the bytes at the same place. The kernel clears a page when
	// it is touched: one of 1 GiB takes seconds of the container's CPU limit, which no signal ends.
	uint64_t flags = (uint64_t)(__builtin_ctzll(kib) + 10) << MAP_HUGE_SHIFT;
	emit_ends(size, (struct job){.size = flags, .maps_only = kib > 64 * 1024});
}

// Every size that the node has; where none is visible, the one that programs get which name none.
void step_hugepage(void)
{
	if (!cleanup_has_room()) return;
	pool_seen = false;
	each_entry(pools, try_pool);
	if (!pool_seen) emit_ends("default", (struct job){.size = 0});
}

// What a directory and its mount allow: reads the mode, and tries the rest.
void step_flags(void)
{
	const char *path;
	struct statx directory, file;
	if (!arg_path("path", &path)) return;
	bool seen = !emit_call(look_at(path, &directory), "statx path=%s", path);
	if (seen)
		emit_facts("dir_mode=%04o sticky?%d setgid?%d dir_uid=%u dir_gid=%u", directory.stx_mode & 07777,
			directory.stx_mode & S_ISVTX, directory.stx_mode & S_ISGID, directory.stx_uid, directory.stx_gid);
	int fd = scratch(path);
	bool writable = fd >= 0 && emit_call(syscall(SYS_write, fd, buffer, (long)PAGE), "write size=%d", PAGE) == PAGE;
	emit_facts("writable?%d", writable);
	if (fd < 0) return;
	void *p = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	emit_facts("exec_map?%d", !emit_call(p == MAP_FAILED ? -1 : 0, "mmap flags=MAP_SHARED protection=PROT_READ|PROT_EXEC"));
	if (p != MAP_FAILED) syscall(SYS_munmap, p, (long)PAGE);
	if (!emit_call(look_at_fd(fd, &file), "statx")) {
		emit_facts("file_uid=%u file_gid=%u", file.stx_uid, file.stx_gid);
		if (seen) emit_facts("inherits_group?%d", file.stx_gid == directory.stx_gid);
	}
	close_fd(fd);
}
