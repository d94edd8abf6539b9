// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What this process made and must not outlive it. Files carry their device
// and inode: a name that somebody reused since is left alone.
#include "probe.h"
#include <signal.h>
#include <sys/ipc.h>
#include <sys/stat.h>

enum { MADE = 32, MADE_BY_A_STEP = 4 };

// In order of making.
static struct made {
	long undo;
	int id;
	key_t key;
	unsigned major, minor;
	uint64_t inode;
	char path[PATH_CHARS];
} made[MADE];
static int count;

bool made_room(void)
{
	if (count + MADE_BY_A_STEP <= MADE) return true;
	return error("this session made too many objects", "");
}

int made_mark(void)
{
	return count;
}

static struct made *add(long undo, const char *path)
{
	struct made *m = &made[count++];
	m->undo = undo;
	strlcpy(m->path, path, sizeof m->path);
	return m;
}

void made_id(long undo, int id, key_t key)
{
	struct made *m = add(undo, "");
	m->id = id;
	m->key = key;
}

void made_queue(const char *name)
{
	add(SYS_mq_unlink, name);
}

void made_file(const char *path)
{
	struct statx s;
	if (look_at(path, &s)) return; // gone already
	struct made *m = add(SYS_unlinkat, path);
	m->major = s.stx_dev_major;
	m->minor = s.stx_dev_minor;
	m->inode = s.stx_ino;
}

static bool is_there(const struct made *m)
{
	struct statx s;
	return !look_at(m->path, &s) && s.stx_ino == m->inode && s.stx_dev_major == m->major &&
	       s.stx_dev_minor == m->minor;
}

static void forget(struct made *m)
{
	if (m) memmove(m, m + 1, (char *)&made[count--] - (char *)(m + 1));
}

static void unmake(struct made *m)
{
	if (!m) return;
	if (m->undo == SYS_mq_unlink) syscall(SYS_mq_unlink, m->path + 1);
	else if (m->undo == SYS_kill) {
		syscall(SYS_kill, m->id, SIGKILL);
		syscall(SYS_wait4, m->id, 0l, 0l, 0l);
	} else if (m->undo != SYS_unlinkat) {
		_Static_assert(IPC_RMID == 0, "or semctl, whose command is its third argument, needs a case of its own");
		syscall(m->undo, m->id, 0l, 0l);
	} else if (is_there(m)) unlink_at(m->path);
	forget(m);
}

static struct made *named(const char *path)
{
	for (int i = count; *path && i--;)
		if (!strcmp(made[i].path, path)) return &made[i];
	return 0;
}

static struct made *by_id(long undo, int id)
{
	for (int i = count; i--;)
		if (made[i].undo == undo && made[i].id == id) return &made[i];
	return 0;
}

void unmake_named(const char *path)
{
	unmake(named(path));
}

void forget_named(const char *path)
{
	forget(named(path));
}

void unmake_id(long undo, int id)
{
	unmake(by_id(undo, id));
}

void forget_id(long undo, int id)
{
	forget(by_id(undo, id));
}

bool unmake_last(long undo, key_t *key)
{
	for (int i = count; i--;) {
		if (made[i].undo != undo) continue;
		*key = made[i].key;
		unmake(&made[i]);
		return true;
	}
	return false;
}

void unmake_since(int mark)
{
	while (count > mark) unmake(&made[count - 1]);
}
