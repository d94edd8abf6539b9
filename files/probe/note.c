// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "note.h"

static const char magic[] = "podshm1";

void note_write(struct note *note, const char *text)
{
	memset(note, 0, sizeof *note);
	strlcpy(note->nonce, arg_nonce(), sizeof note->nonce);
	strlcpy(note->text, text, sizeof note->text);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(note->magic, magic, sizeof magic);
}

bool note_is_one(const struct note *note, uint64_t bytes)
{
	return bytes >= sizeof *note && !strncmp(note->magic, magic, sizeof magic);
}

// Works on a copy: the other end may be anybody.
bool note_read(const struct note *note, uint64_t bytes)
{
	bool is_note = note_is_one(note, bytes);
	facts("magic?%d", is_note);
	if (!is_note) return false;
	struct note copy;
	memcpy(&copy, note, sizeof copy);
	copy.nonce[NONCE_CHARS] = copy.text[TEXT_CHARS - 1] = 0;
	facts("peer_nonce=%s text=%s", copy.nonce, copy.text);
	return true;
}

void note_reply(struct note *note)
{
	strlcpy(note->reply, arg_nonce(), sizeof note->reply);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void note_reply_fact(const struct note *note)
{
	char reply[NONCE_CHARS + 1];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(reply, note->reply, NONCE_CHARS);
	reply[NONCE_CHARS] = 0;
	facts("reply_nonce=%s", reply);
}
