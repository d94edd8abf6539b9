// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// POSIX message queues. They need no mount. Their size is charged to the user's
// RLIMIT_MSGQUEUE, which counts for the whole node: use the smallest queue.
#include "sysv.h"
#include <fcntl.h>
#include <mqueue.h>
#include <time.h>

enum { MESSAGE = 128, MESSAGES = 1 };

// The system call takes the name without its slash.
static int open_queue(const char *name, int flags)
{
	struct mq_attr attr = {.mq_maxmsg = MESSAGES, .mq_msgsize = MESSAGE};
	return syscall(SYS_mq_open, name + 1, flags | O_CLOEXEC, 0600l, &attr);
}

static int find(const char *name, int flags)
{
	int fd = emit_call(open_queue(name, flags), "mq_open name=%s flags=%d", name, flags);
	emit_facts("found?%d", fd >= 0);
	return fd;
}

void step_mq_create(void)
{
	const char *name;
	if (!arg_object(&name) || !cleanup_has_room()) return;
	int fd = open_queue(name, O_CREAT | O_EXCL | O_RDWR);
	emit_call(fd, "mq_open name=%s flags=O_CREAT|O_EXCL|O_RDWR|0600 maxmsg=%d msgsize=%d", name, MESSAGES, MESSAGE);
	emit_facts("made?%d", fd >= 0);
	if (fd < 0) return;
	cleanup_add_queue(name);
	close_fd(fd);
}

void step_mq_send(void)
{
	const char *name;
	struct message m;
	long size;
	if (!arg_object(&name) || !(size = message_write(&m, MESSAGE))) return;
	int fd = find(name, O_WRONLY | O_NONBLOCK);
	if (fd < 0) return;
	int r = emit_call(syscall(SYS_mq_timedsend, fd, &m, size, 0l, 0l), "mq_send name=%s size=%ld", name, size);
	emit_facts("sent?%d", !r);
	close_fd(fd);
}

void step_mq_receive(void)
{
	static const struct timespec past = {0, 0};
	const char *name;
	struct message m;
	if (!arg_object(&name)) return;
	int fd = find(name, O_RDONLY);
	if (fd < 0) return;
	long size = syscall(SYS_mq_timedreceive, fd, &m, sizeof m, 0l, &past);
	bool waits = size < 0 && errno == ETIMEDOUT;
	if (waits) {
		wait_begins();
		do size = syscall(SYS_mq_timedreceive, fd, &m, sizeof m, 0l, 0l);
		while (size < 0 && errno == EINTR && !expired());
	}
	emit_call(size, "mq_receive name=%s", name);
	message_read(&m, size, waits);
	close_fd(fd);
}

void step_mq_unlink(void)
{
	const char *name;
	if (!arg_object(&name)) return;
	emit_call(syscall(SYS_mq_unlink, name + 1), "mq_unlink name=%s", name);
	cleanup_forget_named(name);
	int fd = open_queue(name, O_RDONLY);
	emit_facts("gone?%d", fd < 0 && errno == ENOENT);
	if (fd >= 0) close_fd(fd);
}

// How many more queues of default size this user can open on this node.
void step_msgqueue_budget(void)
{
	enum { MOST = 16 };
	int fds[MOST], count = 0;
	const char *stop = "max";
	char name[PATH_CHARS];
	for (; count < MOST; count++) {
		strlcpy(name, numbered("podshm-", count), sizeof name);
		strlcat(name, arg_nonce(), sizeof name);
		fds[count] = syscall(SYS_mq_open, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600l, 0l);
		if (fds[count] < 0) {
			stop = errno_name(errno);
			break;
		}
		syscall(SYS_mq_unlink, name); // the queue lives until it is closed
	}
	emit_facts("queues=%d stopped_by=%s", count, stop);
	while (count--) close_fd(fds[count]);
}
