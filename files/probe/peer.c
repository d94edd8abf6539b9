// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// One end serves a memfd at a unix socket, the other one takes it (SCM_RIGHTS), and
// reaches for the same by the process that serves.
#include "payload.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

// Where the serving process has it; comes beside the memfd.
struct place {
	uint64_t address;
	int fd;
};

union rights {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static struct payload held; // a copy in the process's own memory
static struct payload *served;
static int memfd = -1, listener = -1;

// socket=@NAME is one of the network namespace, socket=/PATH a file.
static const char *arg_socket(struct sockaddr_un *to, unsigned *length)
{
	const char *name = arg_text("socket");
	size_t n = strlen(name);
	if (n < 2 || n >= sizeof to->sun_path || (*name != '/' && *name != '@')) {
		emit_error("neither /PATH nor @NAME of fewer than 108 bytes", "socket");
		return 0;
	}
	memset(to, 0, sizeof *to);
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, name, n);
	if (*name == '@') *to->sun_path = 0;
	*length = offsetof(struct sockaddr_un, sun_path) + n;
	return name;
}

static int new_socket(void)
{
	return emit_call(syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

static void message(struct msghdr *m, struct iovec *data, struct place *place, union rights *rights)
{
	*data = (struct iovec){place, sizeof *place};
	memset(rights, 0, sizeof *rights);
	memset(m, 0, sizeof *m);
	m->msg_iov = data;
	m->msg_iovlen = 1;
	m->msg_control = rights;
	m->msg_controllen = sizeof *rights;
}

// Hands the memfd to whoever connects.
static void serve(void)
{
	while (!stopped()) {
		int fd = syscall(SYS_accept4, listener, 0l, 0l, SOCK_CLOEXEC);
		if (fd < 0 && errno == EINTR) continue;
		if (fd < 0) break;
		struct place place = {(uintptr_t)&held, memfd};
		struct iovec data;
		struct msghdr m;
		union rights rights;
		message(&m, &data, &place, &rights);
		rights.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&rights.header), &memfd, sizeof memfd);
		syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL);
		close_fd(fd);
	}
	_exit(0);
}

static bool hold_payload(const char *text)
{
	memfd = emit_call(syscall(SYS_memfd_create, "podshm", 1l), "memfd_create"); // MFD_CLOEXEC
	if (memfd < 0 || emit_call(syscall(SYS_ftruncate, memfd, (long)PAYLOAD_BYTES), "ftruncate")) return false;
	void *p = mmap(0, PAYLOAD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (emit_call(p == MAP_FAILED ? -1 : 0, "mmap flags=MAP_SHARED")) return false;
	served = p;
	payload_write(served, text);
	held = *served;
	return true;
}

static void let_go(void)
{
	if (served) syscall(SYS_munmap, served, (long)PAYLOAD_BYTES);
	if (memfd >= 0) close_fd(memfd);
	if (listener >= 0) close_fd(listener);
	served = 0;
	memfd = listener = -1;
	memset(&held, 0, sizeof held);
}

void step_peer_serve(void)
{
	struct sockaddr_un to;
	unsigned length;
	const char *text, *name = arg_socket(&to, &length);
	int child = -1;
	if (!name || !arg_sentence(&text) || !cleanup_has_room()) return;
	let_go();
	if (hold_payload(text) && (listener = new_socket()) >= 0 &&
	    !emit_call(syscall(SYS_bind, listener, &to, length), "bind socket=%s", name)) {
		if (*name == '/') cleanup_add_file(name);
		if (!emit_call(syscall(SYS_listen, listener, 8), "listen")) child = emit_call(new_process(), "fork");
		if (!child) serve();
		if (child > 0) cleanup_add_id(SYS_kill, child, 0);
	}
	emit_facts("dumpable=%d made?%d", (int)syscall(SYS_prctl, PR_GET_DUMPABLE, 0l, 0l, 0l, 0l), child > 0);
}

void step_peer_drop(void)
{
	struct sockaddr_un to;
	unsigned length;
	struct statx s;
	key_t unused;
	const char *name = arg_socket(&to, &length);
	if (!name) return;
	if (served) emit_reply(served);
	cleanup_remove_last(SYS_kill, &unused);
	cleanup_remove_named(name);
	let_go();
	emit_facts("gone?%d", *name == '@' || (look_at(name, &s) && errno == ENOENT));
}

// The nonce that a file holds; emits nothing if it has none.
static void emit_held(const char *format, int fd)
{
	char nonce[NONCE_CHARS + 1] = "";
	if (fd < 0) return;
	if (syscall(SYS_pread64, fd, nonce, (long)NONCE_CHARS, offsetof(struct payload, nonce)) == NONCE_CHARS)
		emit_facts(format, nonce);
	close_fd(fd);
}

// Reaches for what a process has, in three ways. Of the probe's own process (suffix
// _self) nothing but a filter of system calls refuses them.
static void reach(int pid, const struct place *at, const char *suffix)
{
	char nonce[NONCE_CHARS + 1] = "", folder[32], path[48];
	bool peer = !*suffix;
	struct iovec here = {nonce, NONCE_CHARS};
	struct iovec there = {(void *)(uintptr_t)(at->address + offsetof(struct payload, nonce)), NONCE_CHARS};
	long n = emit_call(syscall(SYS_process_vm_readv, pid, &here, 1l, &there, 1l, 0l), "process_vm_readv%s", suffix);
	if (peer && n == NONCE_CHARS) emit_facts("vm_nonce=%s", nonce);

	int taken = -1, pidfd = emit_call(syscall(SYS_pidfd_open, pid, 0l), "pidfd_open%s", suffix);
	if (pidfd >= 0) {
		taken = emit_call(syscall(SYS_pidfd_getfd, pidfd, at->fd, 0l), "pidfd_getfd%s", suffix);
		close_fd(pidfd);
	}
	if (peer) emit_held("pidfd_nonce=%s", taken);
	else if (taken >= 0) close_fd(taken);

	join(folder, sizeof folder, numbered("/proc/", pid), "/fd");
	join(path, sizeof path, folder, numbered("/", at->fd));
	int fd = emit_call(open_at(path, O_RDONLY, 0), "open%s path=%s", suffix, path);
	if (peer) emit_held("file_nonce=%s", fd);
	else if (fd >= 0) close_fd(fd);
}

// Returns the descriptor that came, or -1.
static int receive(int from, struct place *place)
{
	struct iovec data;
	struct msghdr m;
	union rights rights;
	int fd = -1;
	message(&m, &data, place, &rights);
	long n = emit_call(syscall(SYS_recvmsg, from, &m, MSG_CMSG_CLOEXEC), "recvmsg");
	if (n == sizeof *place && m.msg_controllen >= CMSG_LEN(sizeof fd) && rights.header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&rights.header), sizeof fd);
	emit_facts("passed?%d", fd >= 0);
	return fd;
}

void step_peer_take(void)
{
	struct sockaddr_un to;
	struct ucred peer = {0};
	struct place place = {0};
	unsigned length, size = sizeof peer;
	char scope[8];
	uint64_t wanted, bytes;
	const char *name = arg_socket(&to, &length);
	if (!name || !arg_flag("reach", &wanted)) return;
	int fd = new_socket();
	bool found = fd >= 0 && !emit_call(syscall(SYS_connect, fd, &to, length), "connect socket=%s", name);
	emit_facts("found?%d", found);
	int taken = found ? receive(fd, &place) : -1;
	if (found && !emit_call(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size), "getsockopt option=SO_PEERCRED"))
		emit_facts("peer_pid=%d", peer.pid);
	if (fd >= 0) close_fd(fd);
	if (taken < 0) return;
	if (wanted) {
		struct place own = {(uintptr_t)&held, taken};
		reach(syscall(SYS_getpid), &own, "_self");
		if (peer.pid > 0) reach(peer.pid, &place, "");
		if (first_line("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof scope)) emit_facts("ptrace_scope=%s", scope);
	}
	struct payload *payload = shm_map(taken, true, &bytes);
	if (!payload) return;
	if (payload_read(payload, bytes)) payload_reply(payload);
	shm_unmap(payload, bytes);
}
