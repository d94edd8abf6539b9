// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// System V shared memory.
#include "note.h"
#include "sysv.h"
#include <sys/ipc.h>
#include <sys/shm.h>

enum { HELD = 4 };

// Segments that this session made and stays attached to.
static struct held {
	struct note *note;
	key_t key;
	int id;
	char path[PATH_CHARS]; // the ftok file that we made, or ""
} held[HELD];
static int holding;

void *shm_attach(int id)
{
	long p = syscall(SYS_shmat, id, 0l, 0l);
	return called(p == -1 ? -1 : 0, "shmat shmid=%d", id) ? 0 : (void *)p;
}

void shm_detach(const void *p)
{
	called(syscall(SYS_shmdt, p), "shmdt");
}

static bool status(int id, struct shmid_ds *s)
{
	if (called(syscall(SYS_shmctl, id, (long)IPC_STAT, s), "shmctl shmid=%d command=IPC_STAT", id)) return false;
	facts("nattch=%lu", s->shm_nattch);
	return true;
}

void step_sysv_shm_create(void)
{
	struct held *h = &held[holding];
	uint64_t size = NOTE_BYTES, mode, keep;
	const char *text;
	if (holding == HELD) {
		error("this session holds too many segments", "");
		return;
	}
	if (!made_room() || !arg_number("size", 10, NOTE_BYTES, SIZE_MAX, &size) || !arg_mode(&mode) ||
	    !arg_payload(&text) || !arg_flag("keep", &keep))
		return;
	h->path[0] = 0;
	if (!sysv_key(&h->key, h->path)) return;
	h->id = sysv_make(&shared_memory, h->key, size, mode);
	h->note = h->id >= 0 ? shm_attach(h->id) : 0;
	facts("key=0x%08x shmid=%d attached?%d", (unsigned)h->key, h->id, h->note != 0);
	if (!h->note) {
		unmake_id(SYS_shmctl, h->id);
		return;
	}
	note_write(h->note, text);
	if (!keep) {
		holding++;
		return;
	}
	shm_detach(h->note);
	forget_id(SYS_shmctl, h->id);
}

// The segment that the arguments name, attached; null if there is none.
static struct note *find(key_t *key, int *id)
{
	if (!sysv_key(key, 0)) return 0;
	*id = sysv_find(&shared_memory, *key);
	facts("found?%d", *id >= 0);
	return *id < 0 ? 0 : shm_attach(*id);
}

void step_sysv_shm_read(void)
{
	key_t key;
	int id;
	struct shmid_ds s;
	struct note *note = find(&key, &id);
	if (!note) return;
	if (status(id, &s)) {
		facts("segment_bytes=%lu cpid=%d lpid=%d", s.shm_segsz, s.shm_cpid, s.shm_lpid);
		if (note_read(note, s.shm_segsz)) note_reply(note);
	}
	shm_detach(note);
}

// Removes a segment that was made with keep, by whomever.
void step_sysv_shm_drop(void)
{
	key_t key;
	int id;
	struct shmid_ds s;
	struct note *note = find(&key, &id);
	if (!note) return;
	bool ours = status(id, &s) && note_is_one(note, s.shm_segsz);
	facts("magic?%d", ours);
	shm_detach(note);
	if (ours) called(syscall(SYS_shmctl, id, (long)IPC_RMID, 0l), "shmctl shmid=%d command=IPC_RMID", id);
	facts("gone?%d", sysv_gone(&shared_memory, key));
}

// The held segment that key names, or the youngest.
static struct held *which_held(void)
{
	uint64_t key = 0;
	if (!arg_number("key", 16, 1, UINT32_MAX, &key)) return 0;
	for (int i = holding; i--;)
		if (!key || (unsigned)held[i].key == key) return &held[i];
	error("this session holds no such segment", "key");
	return 0;
}

void step_sysv_shm_finish(void)
{
	struct shmid_ds s;
	struct held *h = which_held();
	if (!h) return;
	facts("key=0x%08x shmid=%d", (unsigned)h->key, h->id);
	note_reply_fact(h->note);
	status(h->id, &s);
	shm_detach(h->note);
	unmake_id(SYS_shmctl, h->id);
	unmake_named(h->path);
	facts("gone?%d", sysv_gone(&shared_memory, h->key));
	*h = held[--holding];
}

// Whether a segment outlives its last detach: not with kernel.shm_rmid_forced.
void step_rmid_forced(void)
{
	key_t key;
	if (!made_room() || !sysv_key(&key, 0)) return;
	int id = sysv_make(&shared_memory, key, NOTE_BYTES, 0600);
	void *p = id >= 0 ? shm_attach(id) : 0;
	if (p) {
		shm_detach(p);
		facts("survived?%d", sysv_find(&shared_memory, key) == id);
	}
	unmake_id(SYS_shmctl, id);
}

static bool child_reads(key_t key)
{
	int state = -1, child = new_process();
	if (!child) {
		int id = syscall(SYS_shmget, key, 0l, 0l);
		long p = id < 0 ? -1 : syscall(SYS_shmat, id, 0l, 0l);
		leave(p == -1 || strcmp(((struct note *)p)->nonce, arg_nonce()));
	}
	if (called(child, "fork") > 0)
		while (syscall(SYS_wait4, child, &state, 0l, 0l) < 0 && errno == EINTR) {}
	return !state;
}

// The controls: what one process made, its child must find; what nobody made,
// nobody may find.
void step_control_same(void)
{
	key_t key;
	if (!made_room() || !sysv_key(&key, 0)) return;
	int id = sysv_make(&shared_memory, key, NOTE_BYTES, 0600);
	struct note *note = id >= 0 ? shm_attach(id) : 0;
	if (note) note_write(note, "");
	facts("positive?%d negative?%d", note && child_reads(key), sysv_gone(&shared_memory, key ^ 0x5a5a5a5a));
	if (note) shm_detach(note);
	unmake_id(SYS_shmctl, id);
}
