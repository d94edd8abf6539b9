// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What this process created and must not outlive it. Files are recorded with
// device and inode: a name that somebody else has reused is left alone.
#include "probe.h"
#include <signal.h>
#include <sys/ipc.h>
#include <sys/stat.h>

enum { ENTRIES = 32, ENTRIES_PER_STEP = 4 };

// In order of creation.
static struct entry {
	long undo;
	int id;
	key_t key;
	unsigned major, minor;
	uint64_t inode;
	char path[PATH_CHARS];
} entries[ENTRIES];
static int count;

bool cleanup_has_room(void)
{
	if (count + ENTRIES_PER_STEP <= ENTRIES) return true;
	return emit_error("this session made too many objects", "");
}

int cleanup_mark(void)
{
	return count;
}

static struct entry *add(long undo, const char *path)
{
	struct entry *e = &entries[count++];
	e->undo = undo;
	strlcpy(e->path, path, sizeof e->path);
	return e;
}

void cleanup_add_id(long undo, int id, key_t key)
{
	struct entry *e = add(undo, "");
	e->id = id;
	e->key = key;
}

void cleanup_add_queue(const char *name)
{
	add(SYS_mq_unlink, name);
}

void cleanup_add_file(const char *path)
{
	struct statx s;
	if (look_at(path, &s)) return; // gone already
	struct entry *e = add(SYS_unlinkat, path);
	e->major = s.stx_dev_major;
	e->minor = s.stx_dev_minor;
	e->inode = s.stx_ino;
}

static bool is_there(const struct entry *e)
{
	struct statx s;
	return !look_at(e->path, &s) && s.stx_ino == e->inode && s.stx_dev_major == e->major &&
	       s.stx_dev_minor == e->minor;
}

static void forget(struct entry *e)
{
	if (e) memmove(e, e + 1, (char *)&entries[count--] - (char *)(e + 1));
}

static void remove_entry(struct entry *e)
{
	if (!e) return;
	if (e->undo == SYS_mq_unlink) syscall(SYS_mq_unlink, e->path + 1);
	else if (e->undo == SYS_kill) {
		syscall(SYS_kill, e->id, SIGKILL);
		syscall(SYS_wait4, e->id, 0l, 0l, 0l);
	} else if (e->undo != SYS_unlinkat) {
		_Static_assert(IPC_RMID == 0, "or semctl, whose command is its third argument, needs a case of its own");
		syscall(e->undo, e->id, 0l, 0l);
	} else if (is_there(e)) unlink_at(e->path);
	forget(e);
}

static struct entry *named(const char *path)
{
	for (int i = count; *path && i--;)
		if (!strcmp(entries[i].path, path)) return &entries[i];
	return 0;
}

static struct entry *by_id(long undo, int id)
{
	for (int i = count; i--;)
		if (entries[i].undo == undo && entries[i].id == id) return &entries[i];
	return 0;
}

void cleanup_remove_named(const char *path)
{
	remove_entry(named(path));
}

void cleanup_forget_named(const char *path)
{
	forget(named(path));
}

void cleanup_remove_id(long undo, int id)
{
	remove_entry(by_id(undo, id));
}

void cleanup_forget_id(long undo, int id)
{
	forget(by_id(undo, id));
}

bool cleanup_remove_last(long undo, key_t *key)
{
	for (int i = count; i--;) {
		if (entries[i].undo != undo) continue;
		*key = entries[i].key;
		remove_entry(&entries[i]);
		return true;
	}
	return false;
}

void cleanup_remove_since(int mark)
{
	while (count > mark) remove_entry(&entries[count - 1]);
}
