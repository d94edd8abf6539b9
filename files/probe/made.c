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
	dev_t device;
	ino_t inode;
	char path[PATH_CHARS];
} made[MADE];
static int count;

bool made_room(void)
{
	if (count + MADE_BY_A_STEP <= MADE) return true;
	error("this session made too many objects", "");
	return false;
}

int made_mark(void)
{
	return count;
}

void made_file(const char *path)
{
	struct stat s;
	if (lstat(path, &s)) return; // gone already
	struct made *m = &made[count++];
	m->device = s.st_dev;
	m->inode = s.st_ino;
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
	struct stat s;
	return !lstat(m->path, &s) && s.st_dev == m->device && s.st_ino == m->inode;
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
