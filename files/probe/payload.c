// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "payload.h"

static const char magic[] = "podshm1";

void payload_write(struct payload *payload, const char *text)
{
	memset(payload, 0, sizeof *payload);
	strlcpy(payload->nonce, arg_nonce(), sizeof payload->nonce);
	strlcpy(payload->text, text, sizeof payload->text);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(payload->magic, magic, sizeof magic);
}

bool payload_is_valid(const struct payload *payload, uint64_t bytes)
{
	return bytes >= sizeof *payload && !strncmp(payload->magic, magic, sizeof magic);
}

// Works on a copy: the other end is not trusted.
bool payload_read(const struct payload *payload, uint64_t bytes)
{
	bool valid = payload_is_valid(payload, bytes);
	emit_facts("magic?%d", valid);
	if (!valid) return false;
	struct payload copy;
	memcpy(&copy, payload, sizeof copy);
	copy.nonce[NONCE_CHARS] = copy.text[TEXT_CHARS - 1] = 0;
	emit_facts("peer_nonce=%s text=%s", copy.nonce, copy.text);
	return true;
}

void payload_reply(struct payload *payload)
{
	strlcpy(payload->reply, arg_nonce(), sizeof payload->reply);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void emit_reply(const struct payload *payload)
{
	char reply[NONCE_CHARS + 1];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(reply, payload->reply, NONCE_CHARS);
	reply[NONCE_CHARS] = 0;
	emit_facts("reply_nonce=%s", reply);
}
