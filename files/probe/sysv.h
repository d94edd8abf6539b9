// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// System V objects by key, and the message that queues carry.
#pragma once
#include "probe.h"

struct kind {
	const char *name;
	long get, control; // system calls
};

extern const struct kind shared_memory, semaphore, message_queue;

// The key that the arguments name, by path and id or outright; made, if not
// null, gets the path of a file that was made for it.
bool sysv_key(key_t *key, char *made);
int sysv_find(const struct kind *kind, key_t key);
int sysv_make(const struct kind *kind, key_t key, uint64_t size, uint64_t mode); // a new one only
bool sysv_gone(const struct kind *kind, key_t key);
void *shm_attach(int id);
void shm_detach(const void *p);

struct message {
	char nonce[NONCE_CHARS], text[TEXT_CHARS];
};

long message_write(struct message *m, size_t room); // its size, 0 on bad arguments
void message_read(struct message *m, long size, bool waited);
