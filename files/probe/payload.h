// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What two ends exchange through shared memory: the writer's nonce and sentence,
// and the reader's nonce in reply. The layout is the same on every architecture.
#pragma once
#include "probe.h"

struct payload {
	char magic[8];
	char nonce[NONCE_CHARS + 8]; // with room for the NUL
	char reply[NONCE_CHARS + 8];
	char text[TEXT_CHARS];
};

enum { PAYLOAD_BYTES = sizeof(struct payload) };
_Static_assert(PAYLOAD_BYTES == 344, "both ends must agree on the layout");

void payload_write(struct payload *payload, const char *text);
bool payload_is_valid(const struct payload *payload, uint64_t bytes);
bool payload_read(const struct payload *payload, uint64_t bytes); // emits the writer's facts; false if it is invalid
void payload_reply(struct payload *payload);
void emit_reply(const struct payload *payload);

// object.c: a POSIX shared memory object, at the path that both C libraries use.
void shm_path(char *path, const char *name);
int shm_open_at(const char *name, int flags, unsigned mode);
struct payload *shm_map(int fd, bool writable, uint64_t *size); // emits its facts, closes fd
struct payload *shm_create(const char *name, uint64_t mode, uint64_t *size); // fully allocated
void shm_unmap(struct payload *payload, uint64_t size);
