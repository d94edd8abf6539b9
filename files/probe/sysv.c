// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// System V shared memory, and ftok.
#include "probe.h"
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>
#include "note.h"

enum { HELD = 4 };

// Segments that this session made and stays attached to.
static struct held {
	struct note *note;
	key_t key;
	int id;
	char path[PATH_CHARS]; // the ftok file that we made, or ""
} held[HELD];
static int holding;

// The identity that ftok() makes its key of, by the same formula as glibc and
// musl. Creates the file first when asked to; made, if not null, tells its path.
static bool ftok_key(key_t *key, char *made)
{
	const char *path;
	uint64_t id = 0, make = 0;
	if (!arg_path("path", &path) || !arg_number("id", 10, 1, 255, &id) ||
	    !arg_number("make", 10, 0, 1, &make))
		return false;
	if (!id) return error("missing", "id");
	if (make) {
		int fd = open_file(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW);
		if (called(fd, "open path=%s flags=O_CREAT|O_EXCL|0600", path) >= 0) {
			made_file(path);
			if (made) strlcpy(made, path, PATH_CHARS);
			close(fd);
		}
	}
	struct statx s;
	if (called(look_at(path, &s), "ftok path=%s id=%lu", path, id)) return false;
	*key = (s.stx_ino & 0xffff) | (s.stx_dev_minor & 0xff) << 16 | (unsigned)id << 24;
	facts("ftok_dev=%u:%u ftok_ino=%lu ftok_key=0x%08x", s.stx_dev_major, s.stx_dev_minor, s.stx_ino,
		(unsigned)*key);
	return true;
}

// The key that the arguments name: by path and id, or outright.
static bool which_key(key_t *key, char *made)
{
	uint64_t number = 0;
	if (arg_given("path")) return ftok_key(key, made);
	if (!arg_number("key", 16, 1, UINT32_MAX, &number)) return false;
	*key = (key_t)number;
	return number || error("missing: key, or path and id", "key");
}

static int find(key_t key)
{
	return called(shmget(key, 0, 0), "shmget key=0x%08x size=0 flags=0", (unsigned)key);
}

static void *attach(int id)
{
	void *p = shmat(id, 0, 0);
	return called(p == (void *)-1 ? -1 : 0, "shmat shmid=%d", id) ? 0 : p;
}

static void detach(const void *p)
{
	called(shmdt(p), "shmdt");
}

static bool status(int id, struct shmid_ds *s)
{
	if (called(shmctl(id, IPC_STAT, s), "shmctl shmid=%d command=IPC_STAT", id)) return false;
	facts("nattch=%lu", s->shm_nattch);
	return true;
}

void step_ftok(void)
{
	key_t key;
	if (made_room()) ftok_key(&key, 0);
}

void step_sysv_shm_create(void)
{
	struct held *h = &held[holding];
	uint64_t size = NOTE_BYTES, mode = 0600;
	const char *text;
	if (holding == HELD) {
		error("this session holds too many segments", "");
		return;
	}
	if (!made_room() || !arg_number("size", 10, NOTE_BYTES, SIZE_MAX, &size) ||
	    !arg_number("mode", 8, 0, 0777, &mode) || !arg_payload(&text))
		return;
	h->path[0] = 0;
	if (!which_key(&h->key, h->path)) return;
	h->id = called(shmget(h->key, size, IPC_CREAT | IPC_EXCL | mode),
		"shmget key=0x%08x size=%lu flags=IPC_CREAT|IPC_EXCL|0%03lo", (unsigned)h->key, size, mode);
	h->note = 0;
	if (h->id >= 0) {
		made_segment(h->id);
		h->note = attach(h->id);
		if (!h->note) unmake_segment(h->id);
	}
	facts("key=0x%08x shmid=%d attached?%d", (unsigned)h->key, h->id, h->note != 0);
	if (!h->note) return;
	note_write(h->note, text);
	holding++;
}

void step_sysv_shm_read(void)
{
	key_t key;
	struct shmid_ds s;
	if (!which_key(&key, 0)) return;
	int id = find(key);
	facts("found?%d", id >= 0);
	if (id < 0) return;
	struct note *note = attach(id);
	if (!note) return;
	if (status(id, &s)) {
		facts("segment_bytes=%lu cpid=%d lpid=%d", s.shm_segsz, s.shm_cpid, s.shm_lpid);
		note_answer(note, s.shm_segsz);
	}
	detach(note);
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
	detach(h->note);
	unmake_segment(h->id);
	unmake_file(h->path);
	facts("gone?%d", find(h->key) < 0 && errno == ENOENT);
	*h = held[--holding];
}
