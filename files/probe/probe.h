// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The probe asks the kernel about shared memory and prints what it saw;
// docs/protocol.md says how. A step is one function and one line in main.c.
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define PROBE_VERSION "0.1.0"
#define PROBE_PROTOCOL 1

enum { NONCE_CHARS = 32, PATH_CHARS = 256, TEXT_CHARS = 256 };

void step_identity(void);
void step_ftok(void);
void step_sysv_shm_create(void);
void step_sysv_shm_read(void);
void step_sysv_shm_finish(void);
void step_posix_write(void);
void step_posix_read(void);
void step_fill(void);

// args.c: the arguments of the running step. On bad ones these print an error.
void args_set(char **words, int count);
bool args_known(const char *names);
bool arg_given(const char *name);
const char *arg_text(const char *name); // "" if not given
bool arg_number(const char *name, int base, uint64_t least, uint64_t most, uint64_t *value);
bool arg_path(const char *name, const char **path);
bool arg_payload(const char **text);
const char *arg_nonce(void); // "" if not given or malformed
bool is_nonce(const char *text);
bool parse_number(const char *text, int base, uint64_t *value);

// out.c: the block of JSON lines. facts("uid=%u found?%d", ...) is a line for
// each field, called(result, "open path=%s", ...) one line in all. A lone %d or
// %u is a number, ?%d a boolean, everything else text.
void out_begin(const char *step, const char *nonce);
void out_end(void);
bool out_failed(void); // error() was called
__attribute__((format(printf, 1, 2))) void facts(const char *format, ...);
// Of a result below 0 the errno is told, too: it must still be the call's.
__attribute__((format(printf, 2, 3))) long called(long result, const char *format, ...);
bool error(const char *what, const char *name); // the request makes no sense; false
void ready(void);

// errno.c
const char *errno_name(int number);

// life.c: time and signals.
uint64_t now_ns(int clock);
void life_begin(uint64_t milliseconds);
void step_begin(uint64_t milliseconds);
void step_end(void);
void stop(void);
bool stopped(void); // the probe was told to end, or its whole time is over
bool expired(void); // the same, or the step's time is over
uint64_t left_ns(void); // of the step

// made.c: what must not outlive the probe.
bool made_room(void);
int made_mark(void);
void made_file(const char *path);
void made_segment(int id);
bool made_is_there(const char *path);
void unmake_file(const char *path);
void unmake_segment(int id);
void unmake_since(int mark);

// place.c: files, where a path lives, in which namespaces this is.
struct statx;
int open_file(const char *path, int flags); // O_CLOEXEC, mode 0600
int look_at(const char *path, struct statx *s); // through symbolic links
int look_at_fd(int fd, struct statx *s);
void join(char *to, size_t size, const char *first, const char *second);
bool contains(const char *text, const char *part);
void place_facts(const char *path);
void namespace_fact(const char *format);
void each_entry(const char *directory, void (*visit)(const char *name));

// hold.c
int hold(void);
