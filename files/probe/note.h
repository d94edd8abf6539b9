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
bool note_answer(struct note *note, uint64_t bytes); // facts of the writer, then our reply
void note_reply_fact(const struct note *note);
