// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// System V: what shared memory, semaphores and message queues have in common.
#include "sysv.h"
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/stat.h>
#include <time.h>

const struct kind shared_memory = {"shmget", SYS_shmget, SYS_shmctl};
const struct kind semaphore = {"semget", SYS_semget, SYS_semctl};
const struct kind message_queue = {"msgget", SYS_msgget, SYS_msgctl};

// The key of ftok(), by the formula of glibc and musl, and the identity it comes from.
// With make=1 creates the file first; created, if not null, gets the path of it.
static bool ftok_key(key_t *key, char *created)
{
	const char *path;
	uint64_t id = 0, make;
	if (!arg_path("path", &path) || !arg_number("id", 10, 1, 255, &id) || !arg_flag("make", &make)) return false;
	if (!id) return emit_error("missing", "id");
	if (make) {
		int fd = open_at(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600);
		if (emit_call(fd, "open path=%s flags=O_CREAT|O_EXCL|0600", path) >= 0) {
			cleanup_add_file(path);
			if (created) strlcpy(created, path, PATH_CHARS);
			close_fd(fd);
		}
	}
	struct statx s;
	if (emit_call(look_at(path, &s), "ftok path=%s id=%lu", path, id)) return false;
	*key = (s.stx_ino & 0xffff) | (s.stx_dev_minor & 0xff) << 16 | (unsigned)id << 24;
	emit_facts("ftok_dev=%u:%u ftok_ino=%lu ftok_key=0x%08x", s.stx_dev_major, s.stx_dev_minor, s.stx_ino,
		(unsigned)*key);
	return true;
}

void step_ftok(void)
{
	key_t key;
	if (cleanup_has_room()) ftok_key(&key, 0);
}

bool sysv_key(key_t *key, char *created)
{
	uint64_t number = 0;
	if (arg_given("path")) return ftok_key(key, created);
	if (!arg_number("key", 16, 1, UINT32_MAX, &number)) return false;
	*key = (key_t)number;
	return number || emit_error("missing: key, or path and id", "key");
}

int sysv_find(const struct kind *kind, key_t key)
{
	return emit_call(syscall(kind->get, key, 0l, 0l), "%s key=0x%08x size=0 flags=0", kind->name, (unsigned)key);
}

int sysv_create(const struct kind *kind, key_t key, uint64_t size, uint64_t mode)
{
	uint64_t flags = IPC_CREAT | IPC_EXCL | mode;
	// msgget() takes no size.
	int id = syscall(kind->get, key, kind == &message_queue ? flags : size, flags);
	emit_call(id, "%s key=0x%08x size=%lu flags=IPC_CREAT|IPC_EXCL|0%03lo", kind->name, (unsigned)key, size, mode);
	if (id >= 0) cleanup_add_id(kind->control, id, key);
	return id;
}

bool sysv_gone(const struct kind *kind, key_t key)
{
	return sysv_find(kind, key) < 0 && errno == ENOENT;
}

static bool create(const struct kind *kind, uint64_t size, int *id)
{
	key_t key;
	uint64_t mode;
	if (!cleanup_has_room() || !arg_mode(&mode) || !sysv_key(&key, 0)) return false;
	*id = sysv_create(kind, key, size, mode);
	emit_facts("key=0x%08x made?%d", (unsigned)key, *id >= 0);
	return true;
}

// The id of the object that the arguments name; below 0 if there is none.
static int find(const struct kind *kind)
{
	key_t key;
	if (!sysv_key(&key, 0)) return -1;
	int id = sysv_find(kind, key);
	emit_facts("found?%d", id >= 0);
	return id;
}

static void remove_last(const struct kind *kind)
{
	key_t key;
	if (!cleanup_remove_last(kind->control, &key)) emit_error("this session made none", "");
	else emit_facts("key=0x%08x gone?%d", (unsigned)key, sysv_gone(kind, key));
}

// ---- semaphores

struct sembuf {
	unsigned short number;
	short change, flags;
};

void step_sysv_sem_create(void)
{
	int id;
	if (create(&semaphore, 1, &id)) emit_facts("semid=%d", id); // its value is 0 on Linux
}

void step_sysv_sem_wait(void)
{
	struct sembuf take = {0, -1, 0};
	int r, id = find(&semaphore);
	if (id < 0) return;
	wait_begins();
	do r = syscall(SYS_semtimedop, id, &take, 1l, 0l);
	while (r && errno == EINTR && !expired());
	emit_call(r, "semtimedop semid=%d change=-1", id);
	wait_ended(r && expired());
	emit_facts("woken?%d", !r);
}

void step_sysv_sem_post(void)
{
	struct sembuf give = {0, 1, 0};
	int id = find(&semaphore);
	if (id < 0) return;
	uint64_t now = now_ns(CLOCK_BOOTTIME);
	int r = emit_call(syscall(SYS_semtimedop, id, &give, 1l, 0l), "semtimedop semid=%d change=1", id);
	emit_facts("posted?%d posted_at_ns=%lu", !r, now);
}

void step_sysv_sem_remove(void)
{
	remove_last(&semaphore);
}

// ---- message queues

enum { OURS = 0x706f6473, NO_WAIT = IPC_NOWAIT }; // the message type: others are left alone

void step_sysv_msg_create(void)
{
	int id;
	if (create(&message_queue, 0, &id)) emit_facts("msqid=%d", id);
}

void step_sysv_msg_send(void)
{
	struct {
		long type;
		struct message body;
	} m = {.type = OURS};
	long size = message_write(&m.body, sizeof m.body);
	int id = size ? find(&message_queue) : -1;
	if (id < 0) return;
	int r = emit_call(syscall(SYS_msgsnd, id, &m, size, (long)NO_WAIT), "msgsnd msqid=%d size=%ld flags=IPC_NOWAIT", id, size);
	emit_facts("sent?%d", !r);
}

void step_sysv_msg_receive(void)
{
	struct {
		long type;
		struct message body;
	} m;
	int id = find(&message_queue);
	if (id < 0) return;
	long size = syscall(SYS_msgrcv, id, &m, sizeof m.body, (long)OURS, (long)NO_WAIT);
	bool waits = size < 0 && errno == ENOMSG;
	if (waits) {
		wait_begins();
		do size = syscall(SYS_msgrcv, id, &m, sizeof m.body, (long)OURS, 0l);
		while (size < 0 && errno == EINTR && !expired());
	}
	emit_call(size, "msgrcv msqid=%d", id);
	message_read(&m.body, size, waits);
}

void step_sysv_msg_remove(void)
{
	remove_last(&message_queue);
}

// ---- the content of System V and POSIX messages

long message_write(struct message *m, size_t room)
{
	const char *text;
	if (!arg_sentence(&text)) return 0;
	if (NONCE_CHARS + strlen(text) > room) {
		emit_error("too long for a message", "text");
		return 0;
	}
	memcpy(m->nonce, arg_nonce(), NONCE_CHARS);
	strlcpy(m->text, text, sizeof m->text);
	return NONCE_CHARS + strlen(text);
}

void message_read(struct message *m, long size, bool waited)
{
	if (waited) wait_ended(size < 0 && expired());
	else emit_facts("timed_out?%d", 0);
	if (size < 0) return;
	char nonce[NONCE_CHARS + 1];
	memcpy(nonce, m->nonce, NONCE_CHARS);
	nonce[NONCE_CHARS] = 0;
	bool ours = size >= NONCE_CHARS && size < (long)sizeof *m && is_nonce(nonce);
	emit_facts("magic?%d", ours);
	if (!ours) return;
	((char *)m)[size] = 0;
	emit_facts("peer_nonce=%s text=%s", nonce, m->text);
}
