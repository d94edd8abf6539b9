// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// System V shared memory.
#include "payload.h"
#include "sysv.h"
#include <sys/ipc.h>
#include <sys/shm.h>

enum { HELD = 4 };

// Segments that this session created and is attached to.
static struct held {
	struct payload *payload;
	key_t key;
	int id;
	char path[PATH_CHARS]; // the ftok file that was created for it, or ""
} held[HELD];
static int holding;

void *shm_attach(int id)
{
	long p = syscall(SYS_shmat, id, 0l, 0l);
	return emit_call(p == -1 ? -1 : 0, "shmat shmid=%d", id) ? 0 : (void *)p;
}

void shm_detach(const void *p)
{
	emit_call(syscall(SYS_shmdt, p), "shmdt");
}

static bool status(int id, struct shmid_ds *s)
{
	if (emit_call(syscall(SYS_shmctl, id, (long)IPC_STAT, s), "shmctl shmid=%d command=IPC_STAT", id)) return false;
	emit_facts("nattch=%lu", s->shm_nattch);
	return true;
}

void step_sysv_shm_create(void)
{
	struct held *h = &held[holding];
	uint64_t size = PAYLOAD_BYTES, mode, keep;
	const char *text;
	if (holding == HELD) {
		emit_error("this session holds too many segments", "");
		return;
	}
	if (!cleanup_has_room() || !arg_number("size", 10, PAYLOAD_BYTES, SIZE_MAX, &size) || !arg_mode(&mode) ||
	    !arg_sentence(&text) || !arg_flag("keep", &keep))
		return;
	h->path[0] = 0;
	if (!sysv_key(&h->key, h->path)) return;
	h->id = sysv_create(&shared_memory, h->key, size, mode);
	h->payload = h->id >= 0 ? shm_attach(h->id) : 0;
	emit_facts("key=0x%08x shmid=%d attached?%d", (unsigned)h->key, h->id, h->payload != 0);
	if (!h->payload) {
		cleanup_remove_id(SYS_shmctl, h->id);
		return;
	}
	payload_write(h->payload, text);
	if (!keep) {
		holding++;
		return;
	}
	shm_detach(h->payload);
	cleanup_forget_id(SYS_shmctl, h->id);
}

// Attaches to the segment that the arguments name; null if that fails.
static struct payload *find(key_t *key, int *id)
{
	if (!sysv_key(key, 0)) return 0;
	*id = sysv_find(&shared_memory, *key);
	emit_facts("found?%d", *id >= 0);
	return *id < 0 ? 0 : shm_attach(*id);
}

void step_sysv_shm_read(void)
{
	key_t key;
	int id;
	struct shmid_ds s;
	struct payload *payload = find(&key, &id);
	if (!payload) return;
	if (status(id, &s)) {
		emit_facts("segment_bytes=%lu cpid=%d lpid=%d", s.shm_segsz, s.shm_cpid, s.shm_lpid);
		if (payload_read(payload, s.shm_segsz)) payload_reply(payload);
	}
	shm_detach(payload);
}

// Removes a segment that any probe created with keep=1.
void step_sysv_shm_drop(void)
{
	key_t key;
	int id;
	struct shmid_ds s;
	struct payload *payload = find(&key, &id);
	if (!payload) return;
	bool ours = status(id, &s) && payload_is_valid(payload, s.shm_segsz);
	emit_facts("magic?%d", ours);
	shm_detach(payload);
	if (ours) emit_call(syscall(SYS_shmctl, id, (long)IPC_RMID, 0l), "shmctl shmid=%d command=IPC_RMID", id);
	emit_facts("gone?%d", sysv_gone(&shared_memory, key));
}

// The held segment of that key, or the youngest one.
static struct held *which_held(void)
{
	uint64_t key = 0;
	if (!arg_number("key", 16, 1, UINT32_MAX, &key)) return 0;
	for (int i = holding; i--;)
		if (!key || (unsigned)held[i].key == key) return &held[i];
	emit_error("this session holds no such segment", "key");
	return 0;
}

void step_sysv_shm_finish(void)
{
	struct shmid_ds s;
	struct held *h = which_held();
	if (!h) return;
	emit_facts("key=0x%08x shmid=%d", (unsigned)h->key, h->id);
	emit_reply(h->payload);
	status(h->id, &s);
	shm_detach(h->payload);
	cleanup_remove_id(SYS_shmctl, h->id);
	cleanup_remove_named(h->path);
	emit_facts("gone?%d", sysv_gone(&shared_memory, h->key));
	*h = held[--holding];
}

// Does a segment outlive its last detach? Not with kernel.shm_rmid_forced.
void step_rmid_forced(void)
{
	key_t key;
	if (!cleanup_has_room() || !sysv_key(&key, 0)) return;
	int id = sysv_create(&shared_memory, key, PAYLOAD_BYTES, 0600);
	void *p = id >= 0 ? shm_attach(id) : 0;
	if (p) {
		shm_detach(p);
		emit_facts("survived?%d", sysv_find(&shared_memory, key) == id);
	}
	cleanup_remove_id(SYS_shmctl, id);
}

static bool child_reads(key_t key)
{
	int state = -1, child = new_process();
	if (!child) {
		int id = syscall(SYS_shmget, key, 0l, 0l);
		long p = id < 0 ? -1 : syscall(SYS_shmat, id, 0l, 0l);
		_exit(p == -1 || strcmp(((struct payload *)p)->nonce, arg_nonce()));
	}
	if (emit_call(child, "fork") > 0)
		while (syscall(SYS_wait4, child, &state, 0l, 0l) < 0 && errno == EINTR) {}
	return !state;
}

// The controls: a child must find what its parent created, and must not find what
// nobody created.
void step_control_same(void)
{
	key_t key;
	if (!cleanup_has_room() || !sysv_key(&key, 0)) return;
	int id = sysv_create(&shared_memory, key, PAYLOAD_BYTES, 0600);
	struct payload *payload = id >= 0 ? shm_attach(id) : 0;
	if (payload) payload_write(payload, "");
	emit_facts("positive?%d negative?%d", payload && child_reads(key), sysv_gone(&shared_memory, key ^ 0x5a5a5a5a));
	if (payload) shm_detach(payload);
	cleanup_remove_id(SYS_shmctl, id);
}
