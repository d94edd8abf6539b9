// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What two ends exchange through a piece of memory: the writer's nonce and
// sentence, the reader's nonce in reply. The same on every architecture.
#pragma once
#include "probe.h"

struct note {
	char magic[8];
	char nonce[NONCE_CHARS + 8]; // with room for the NUL
	char reply[NONCE_CHARS + 8];
	char text[TEXT_CHARS];
};

enum { NOTE_BYTES = sizeof(struct note) };
_Static_assert(NOTE_BYTES == 344, "both ends must agree on the layout");

void note_write(struct note *note, const char *text);
bool note_is_one(const struct note *note, uint64_t bytes);
bool note_read(const struct note *note, uint64_t bytes); // facts of the writer; false if it is none
void note_reply(struct note *note);
void note_reply_fact(const struct note *note);

// object.c: a POSIX shared memory object. Its file is where both C libraries have it.
void shm_path(char *path, const char *name);
int shm_open_at(const char *name, int flags, unsigned mode);
struct note *shm_map(int fd, bool writable, uint64_t *size); // and facts of it; closes fd
struct note *shm_create(const char *name, uint64_t mode, uint64_t *size); // all of it allocated
void shm_unmap(struct note *note, uint64_t size);
