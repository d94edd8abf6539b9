// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where a path lives: file, filesystem, mount. And in which namespaces we are.
#include "probe.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { MOUNT_LINE = 4096 };

void join(char *to, size_t size, const char *first, const char *second)
{
	strlcpy(to, first, size);
	strlcat(to, second, size);
}

// name is "ns_ipc": the number in /proc/self/ns/ipc.
void namespace_fact(const char *name)
{
	char path[PATH_CHARS], target[64];
	uint64_t number;
	join(path, sizeof path, "/proc/self/ns/", name + strlen("ns_"));
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0) {
		call("readlink");
		with_text("path", path);
		result(n);
		return;
	}
	target[n] = 0; // ipc:[4026531839]
	target[strcspn(target, "]")] = 0;
	if (parse_number(target + strcspn(target, "[") + 1, 10, &number)) fact_number(name, number);
}

struct reader {
	int fd;
	size_t have, at;
	char bytes[1024];
};

// One line without its end; what doesn't fit is cut. False at the end.
static bool read_line(struct reader *r, char *line, size_t size)
{
	size_t n = 0;
	for (;;) {
		if (r->at == r->have) {
			ssize_t got = read(r->fd, r->bytes, sizeof r->bytes);
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

// mountinfo writes blanks and the like as \040.
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

// The last mount whose mount point leads to the path hides the earlier ones.
static void mount_facts(const char *path)
{
	static char line[MOUNT_LINE], last[MOUNT_LINE];
	struct reader r = {.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)};
	if (r.fd < 0) {
		call("open");
		with_text("path", "/proc/self/mountinfo");
		result(-1);
		return;
	}
	last[0] = 0;
	while (read_line(&r, line, sizeof line)) {
		char copy[PATH_CHARS];
		char *rest = line;
		for (int i = 0; i < 4; i++) rest += strcspn(rest, " ") + 1;
		size_t n = strcspn(rest, " ");
		if (n >= sizeof copy) continue; // longer than any path we are asked about
		memcpy(copy, rest, n);
		copy[n] = 0;
		unescape(copy);
		if (covers(copy, path)) memcpy(last, line, sizeof last);
	}
	close(r.fd);
	if (!last[0]) return;

	// 36 35 98:0 /root /point rw,noatime [optional fields] - ext3 /dev/sda rw
	char *rest = last;
	uint64_t id;
	if (parse_number(next_field(&rest), 10, &id)) fact_number("mount_id", id);
	next_field(&rest);
	fact_text("mount_dev", next_field(&rest));
	static const char *const names[] = {"mount_root", "mount_point", "mount_options"};
	for (int i = 0; i < 3; i++) {
		char *field = next_field(&rest);
		unescape(field);
		fact_text(names[i], field);
	}
	while (*rest && strcmp(next_field(&rest), "-")) {}
	static const char *const more[] = {"mount_fs", "mount_source", "mount_super_options"};
	for (int i = 0; i < 3; i++) {
		char *field = next_field(&rest);
		unescape(field);
		fact_text(more[i], field);
	}
}

void place_facts(const char *path)
{
	struct stat s;
	struct statfs f;
	int r = stat(path, &s);
	fact_bool("exists", !r);
	if (r) {
		call("stat");
		with_text("path", path);
		result(r);
	} else {
		fact_device("path_dev", s.st_dev);
		fact_number("path_ino", s.st_ino);
		fact_octal("path_mode", s.st_mode & 07777);
		fact_number("path_uid", s.st_uid);
		fact_number("path_gid", s.st_gid);
	}
	r = statfs(path, &f);
	call("statfs");
	with_text("path", path);
	result(r);
	if (!r) {
		fact_hex("fs_type", (unsigned)f.f_type);
		fact_number("size_bytes", (uint64_t)f.f_blocks * f.f_frsize);
		fact_number("available_bytes", (uint64_t)f.f_bavail * f.f_frsize);
		fact_number("block_bytes", f.f_frsize);
		fact_number("inodes", f.f_files);
	}
	mount_facts(path);
}

// The first of the two files that has a number. cgroup v1 writes nearly 2^63
// for "no limit", v2 writes "max": both give no fact.
static void cgroup_fact(const char *name, const char *v2, const char *v1)
{
	const char *const paths[] = {v2, v1};
	for (int i = 0; i < 2; i++) {
		char text[32];
		uint64_t value;
		struct reader r = {.fd = open(paths[i], O_RDONLY | O_CLOEXEC)};
		if (r.fd < 0) continue;
		bool got = read_line(&r, text, sizeof text);
		close(r.fd);
		if (got && parse_number(text, 10, &value) && value < 1ull << 62) fact_number(name, value);
		return;
	}
}

void step_identity(void)
{
	static const char *const namespaces[] = {"ns_ipc", "ns_mnt", "ns_pid", "ns_user", "ns_net"};
	const char *path = "/dev/shm";
	struct utsname u;
	if (arg_given("path") && !arg_path("path", &path)) return;
	uname(&u);
	fact_number("uid", getuid());
	fact_number("gid", getgid());
	fact_number("page_bytes", sysconf(_SC_PAGESIZE));
	fact_text("kernel", u.release);
	fact_text("machine", u.machine);
	fact_number("now_boottime_ns", now_ns(CLOCK_BOOTTIME));
	for (int i = 0; i < 5; i++) namespace_fact(namespaces[i]);
	place_facts(path);
	cgroup_fact("memory_limit_bytes", "/sys/fs/cgroup/memory.max",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes");
	cgroup_fact("memory_usage_bytes", "/sys/fs/cgroup/memory.current",
		"/sys/fs/cgroup/memory/memory.usage_in_bytes");
}

// No opendir(): it would bring an allocator along.
void each_entry(const char *directory, void (*visit)(const char *name))
{
	struct entry {
		uint64_t inode;
		int64_t offset;
		unsigned short length;
		unsigned char type;
		char name[];
	};
	static char bytes[4096] __attribute__((aligned(8)));
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) return;
	for (long n; (n = syscall(SYS_getdents64, fd, bytes, sizeof bytes)) > 0;)
		for (long at = 0; at < n;) {
			struct entry *e = (struct entry *)(bytes + at);
			visit(e->name);
			at += e->length;
		}
	close(fd);
}
