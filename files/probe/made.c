// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What this process made and must not outlive it. Files carry their device
// and inode: a name that somebody reused since is left alone.
#include "probe.h"
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MADE = 24, MADE_BY_A_STEP = 4 };

// In order of making. path "" is the segment id.
static struct made {
	int id;
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

void made_file(const char *path)
{
	struct statx s;
	if (look_at(path, &s)) return; // gone already
	struct made *m = &made[count++];
	m->major = s.stx_dev_major;
	m->minor = s.stx_dev_minor;
	m->inode = s.stx_ino;
	strlcpy(m->path, path, sizeof m->path);
}

void made_segment(int id)
{
	made[count].path[0] = 0;
	made[count++].id = id;
}

static int find(const char *path, int id)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(made[i].path, path) && (*path || made[i].id == id)) return i;
	return -1;
}

static bool is_there(const struct made *m)
{
	struct statx s;
	return !look_at(m->path, &s) && s.stx_ino == m->inode && s.stx_dev_major == m->major &&
	       s.stx_dev_minor == m->minor;
}

bool made_is_there(const char *path)
{
	int i = find(path, 0);
	return i >= 0 && is_there(&made[i]);
}

static void unmake(int i)
{
	struct made *m = &made[i];
	if (!m->path[0]) shmctl(m->id, IPC_RMID, 0);
	else if (is_there(m)) unlink(m->path);
	memmove(m, m + 1, (--count - i) * sizeof *m);
}

void unmake_file(const char *path)
{
	int i = find(path, 0);
	if (i >= 0) unmake(i);
}

void unmake_segment(int id)
{
	int i = find("", id);
	if (i >= 0) unmake(i);
}

void unmake_since(int mark)
{
	while (count > mark) unmake(count - 1);
}
