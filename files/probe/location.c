// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where a path lives (file, filesystem, mount), and the process's namespaces.
#include "probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>

enum { MOUNT_LINE = 4096 };

int open_at(const char *path, int flags, unsigned mode)
{
	return syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

void close_fd(int fd)
{
	syscall(SYS_close, fd);
}

int unlink_at(const char *path)
{
	return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static int look(int fd, const char *path, int flags, struct statx *s)
{
	return syscall(SYS_statx, fd, path, flags, STATX_BASIC_STATS, s);
}

int look_at(const char *path, struct statx *s)
{
	return look(AT_FDCWD, path, 0, s);
}

int look_at_fd(int fd, struct statx *s)
{
	return look(fd, "", AT_EMPTY_PATH, s);
}

void join(char *to, size_t size, const char *first, const char *second)
{
	strlcpy(to, first, size);
	strlcat(to, second, size);
}

bool contains(const char *text, const char *part)
{
	size_t n = strlen(part);
	for (; *text; text++)
		if (!strncmp(text, part, n)) return true;
	return !n;
}

// The format "ns_ipc=%lu" gets the number in /proc/self/ns/ipc.
void emit_namespace(const char *format)
{
	char path[PATH_CHARS], target[64];
	uint64_t number;
	join(path, sizeof path, "/proc/self/ns/", format + strlen("ns_"));
	path[strcspn(path, "=")] = 0;
	ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, path, target, sizeof target - 1);
	if (n < 0) {
		emit_call(n, "readlink path=%s", path);
		return;
	}
	target[n] = 0; // ipc:[4026531839]
	target[strcspn(target, "]")] = 0;
	if (parse_number(target + strcspn(target, "[") + 1, 10, &number)) emit_facts(format, number);
}

struct reader {
	int fd;
	size_t have, at;
	char bytes[1024];
};

// One line without its line feed, cut to size. False at the end of the file.
static bool read_line(struct reader *r, char *line, size_t size)
{
	size_t n = 0;
	for (;;) {
		if (r->at == r->have) {
			ssize_t got = syscall(SYS_read, r->fd, r->bytes, sizeof r->bytes);
			if (got <= 0) break;
			r->have = got;
			r->at = 0;
		}
		char c = r->bytes[r->at++];
		if (c == '\n') {
			line[n] = 0;
			return true;
		}
		if (n < size - 1) line[n++] = c;
	}
	return false;
}

static char *next_field(char **rest)
{
	char *field = *rest;
	size_t n = strcspn(field, " ");
	*rest = field + n + (field[n] != 0);
	field[n] = 0;
	return field;
}

// mountinfo writes blanks and the like as \040, in octal.
static void unescape(char *text)
{
	char *to = text;
	for (; *text; text++, to++) {
		*to = *text;
		if (*text != '\\' || !text[1] || !text[2] || !text[3]) continue;
		*to = (text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0');
		text += 3;
	}
	*to = 0;
}

static bool covers(const char *mount_point, const char *path)
{
	size_t n = strlen(mount_point);
	if (n == 1) return true;
	return !strncmp(mount_point, path, n) && (!path[n] || path[n] == '/');
}

// The last mount whose mount point contains the path hides the earlier ones.
static void emit_mount(const char *path)
{
	static char line[MOUNT_LINE], last[MOUNT_LINE];
	struct reader r = {.fd = open_at("/proc/self/mountinfo", O_RDONLY, 0)};
	if (r.fd < 0) {
		emit_call(r.fd, "open path=/proc/self/mountinfo");
		return;
	}
	last[0] = 0;
	while (read_line(&r, line, sizeof line)) {
		char copy[PATH_CHARS];
		char *rest = line;
		for (int i = 0; i < 4; i++) rest += strcspn(rest, " ") + 1;
		size_t n = strcspn(rest, " ");
		if (n >= sizeof copy) continue; // longer than any path in a request
		memcpy(copy, rest, n);
		copy[n] = 0;
		unescape(copy);
		if (covers(copy, path)) memcpy(last, line, sizeof last);
	}
	close_fd(r.fd);
	if (!last[0]) return;

	// 36 35 98:0 /root /point rw,noatime [optional fields] - ext3 /dev/sda rw
	char *rest = last;
	char *id = next_field(&rest);
	next_field(&rest);
	char *device = next_field(&rest), *root = next_field(&rest), *point = next_field(&rest);
	char *options = next_field(&rest);
	while (*rest && strcmp(next_field(&rest), "-")) {}
	char *kind = next_field(&rest), *source = next_field(&rest), *more = next_field(&rest);
	uint64_t number = 0;
	parse_number(id, 10, &number);
	unescape(root);
	unescape(point);
	unescape(source);
	emit_facts("mount_id=%lu mount_dev=%s mount_root=%s mount_point=%s mount_options=%s mount_fs=%s "
	      "mount_source=%s mount_super_options=%s",
		number, device, root, point, options, kind, source, more);
}

void emit_file(const struct statx *s)
{
	emit_facts("path_dev=%u:%u path_ino=%lu path_mode=%04o path_uid=%u path_gid=%u", s->stx_dev_major,
		s->stx_dev_minor, s->stx_ino, s->stx_mode & 07777, s->stx_uid, s->stx_gid);
}

void emit_location(const char *path)
{
	struct statx s;
	struct statfs f = {0};
	int r = look_at(path, &s);
	if (r) emit_call(r, "statx path=%s", path);
	emit_facts("exists?%d", !r);
	if (!r) emit_file(&s);
	if (!emit_call(syscall(SYS_statfs, path, &f), "statfs path=%s", path))
		emit_facts("fs_type=0x%08x size_bytes=%lu available_bytes=%lu block_bytes=%lu inodes=%lu",
			(unsigned)f.f_type, f.f_blocks * f.f_frsize, f.f_bavail * f.f_frsize,
			(unsigned long)f.f_frsize, f.f_files);
	emit_mount(path);
}

bool first_line(const char *path, char *line, size_t size)
{
	struct reader r = {.fd = open_at(path, O_RDONLY, 0)};
	if (r.fd < 0) return false;
	bool got = read_line(&r, line, size);
	close_fd(r.fd);
	return got;
}

void each_line(const char *path, void (*visit)(const char *line))
{
	char line[128];
	struct reader r = {.fd = open_at(path, O_RDONLY, 0)};
	if (r.fd < 0) return;
	while (read_line(&r, line, sizeof line)) visit(line);
	close_fd(r.fd);
}

// Reads whichever of the two files exists. For "no limit" cgroup v1 has nearly
// 2^63 and v2 has "max": both give false.
static bool cgroup_number(const char *v2, const char *v1, uint64_t *value)
{
	char text[32];
	if (!first_line(v2, text, sizeof text) && !first_line(v1, text, sizeof text)) return false;
	return parse_number(text, 10, value) && *value < 1ull << 62;
}

bool memory_usage(uint64_t *bytes)
{
	return cgroup_number("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes", bytes);
}

// By system call, since /proc may be hidden.
static void emit_capabilities(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	if (syscall(SYS_capget, &header, data)) emit_call(-1, "capget");
	else emit_facts("cap_effective=%08x%08x", data[1].effective, data[0].effective);
}

void step_identity(void)
{
	static const char *const namespaces[] = {
		"ns_ipc=%lu", "ns_mnt=%lu", "ns_pid=%lu", "ns_user=%lu", "ns_net=%lu"};
	const char *path = "/dev/shm";
	struct utsname u;
	uint64_t bytes;
	if (arg_given("path") && !arg_path("path", &path)) return;
	syscall(SYS_uname, &u);
	emit_facts("uid=%u gid=%u page_bytes=%lu kernel=%s machine=%s now_boottime_ns=%lu", (unsigned)syscall(SYS_getuid),
		(unsigned)syscall(SYS_getgid), getauxval(AT_PAGESZ), u.release, u.machine, now_ns(CLOCK_BOOTTIME));
	emit_capabilities();
	for (int i = 0; i < 5; i++) emit_namespace(namespaces[i]);
	emit_location(path);
	if (cgroup_number("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes", &bytes))
		emit_facts("memory_limit_bytes=%lu", bytes);
	if (memory_usage(&bytes)) emit_facts("memory_usage_bytes=%lu", bytes);
}

// No opendir(): it would add an allocator to the binary.
void each_entry(const char *directory, void (*visit)(const char *name))
{
	static char bytes[4096] __attribute__((aligned(8)));
	int fd = open_at(directory, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0) return;
	for (int n; (n = syscall(SYS_getdents64, fd, bytes, sizeof bytes)) > 0;)
		for (int at = 0; at < n;) {
			struct dirent *e = (struct dirent *)(bytes + at);
			visit(e->d_name);
			at += e->d_reclen;
		}
	close_fd(fd);
}
