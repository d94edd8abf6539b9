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

enum { HELD = 4, CREATE = IPC_CREAT | IPC_EXCL };

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
	if (!id) {
		error("missing", "id");
		return false;
	}
	if (make) {
		int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
		call("open");
		with_text("path", path);
		with_mode("flags", "O_CREAT|O_EXCL|", 0600);
		result(fd < 0 ? fd : 0);
		if (fd >= 0) {
			made_file(path);
			if (made) strlcpy(made, path, PATH_CHARS);
			close(fd);
		}
	}
	struct stat s;
	int r = stat(path, &s);
	*key = r ? -1 : (key_t)((s.st_ino & 0xffff) | (s.st_dev & 0xff) << 16 | (unsigned)id << 24);
	call("ftok");
	with_text("path", path);
	with_number("id", id);
	result(r ? -1 : 0);
	if (r) return false;
	fact_device("ftok_dev", s.st_dev);
	fact_number("ftok_ino", s.st_ino);
	fact_hex("ftok_key", (unsigned)*key);
	return true;
}

// The key that the arguments name: by path and id, or outright.
static bool which_key(key_t *key, char *made)
{
	uint64_t number = 0;
	if (arg_given("path")) return ftok_key(key, made);
	if (!arg_number("key", 16, 1, UINT32_MAX, &number)) return false;
	if (!number) error("missing: key, or path and id", "key");
	*key = (key_t)number;
	return number != 0;
}

static int get(key_t key, size_t size, const char *flag_names, int flags)
{
	int id = shmget(key, size, flags);
	call("shmget");
	with_hex("key", (unsigned)key);
	with_number("size", size);
	with_mode("flags", flag_names, flags & 0777);
	result(id);
	return id;
}

static void *attach(int id)
{
	void *p = shmat(id, 0, 0);
	call("shmat");
	with_number("shmid", id);
	result(p == (void *)-1 ? -1 : 0);
	return p == (void *)-1 ? 0 : p;
}

static void detach(const void *p)
{
	int r = shmdt(p);
	call("shmdt");
	result(r);
}

static bool status(int id, struct shmid_ds *s)
{
	int r = shmctl(id, IPC_STAT, s);
	call("shmctl");
	with_number("shmid", id);
	with_text("command", "IPC_STAT");
	result(r);
	if (!r) fact_number("nattch", s->shm_nattch);
	return !r;
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
	h->id = get(h->key, size, "IPC_CREAT|IPC_EXCL|", CREATE | mode);
	if (h->id >= 0) {
		made_segment(h->id);
		h->note = attach(h->id);
		if (!h->note) unmake_segment(h->id);
	}
	fact_hex("key", (unsigned)h->key);
	if (h->id >= 0) fact_number("shmid", h->id);
	fact_bool("attached", h->id >= 0 && h->note);
	if (h->id < 0 || !h->note) return;
	note_write(h->note, text);
	holding++;
}

void step_sysv_shm_read(void)
{
	key_t key;
	struct shmid_ds s;
	if (!which_key(&key, 0)) return;
	int id = get(key, 0, "", 0);
	fact_bool("found", id >= 0);
	if (id < 0) return;
	struct note *note = attach(id);
	if (!note) return;
	if (status(id, &s)) {
		fact_number("segment_bytes", s.shm_segsz);
		fact_number("cpid", s.shm_cpid);
		fact_number("lpid", s.shm_lpid);
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
	fact_hex("key", (unsigned)h->key);
	fact_number("shmid", h->id);
	note_reply_fact(h->note);
	status(h->id, &s);
	detach(h->note);
	unmake_segment(h->id);
	unmake_file(h->path);
	int id = get(h->key, 0, "", 0);
	fact_bool("gone", id < 0 && errno == ENOENT);
	*h = held[--holding];
}
