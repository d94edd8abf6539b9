// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// System V objects by key, and the messages of queues.
#pragma once
#include "probe.h"

struct kind {
	const char *name;
	long get, control; // system calls
};

extern const struct kind shared_memory, semaphore, message_queue;

// The key from the arguments: key, or path and id. created, if not null, gets the
// path of a file that was created for it.
bool sysv_key(key_t *key, char *created);
int sysv_find(const struct kind *kind, key_t key);
int sysv_create(const struct kind *kind, key_t key, uint64_t size, uint64_t mode); // fails if it exists
bool sysv_gone(const struct kind *kind, key_t key);
void *shm_attach(int id);
void shm_detach(const void *p);

struct message {
	char nonce[NONCE_CHARS], text[TEXT_CHARS];
};

long message_write(struct message *m, size_t room); // returns its size, 0 for invalid arguments
void message_read(struct message *m, long size, bool waited);
