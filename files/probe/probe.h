// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The probe tries what the kernel lets it do with shared memory, and prints the
// results as docs/protocol.md describes. A step is one function, its prototype
// here, and its line in main.c.
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define PROBE_VERSION "0.3.0"
#define PROBE_PROTOCOL 1

enum { NONCE_CHARS = 32, PATH_CHARS = 256, TEXT_CHARS = 256 };

void step_beyond(void);
void step_control_same(void);
void step_control_sem(void);
void step_end_container(void);
void step_fallocate(void);
void step_fill(void);
void step_fill_drop(void);
void step_flags(void);
void step_ftok(void);
void step_hugepage(void);
void step_identity(void);
void step_limits(void);
void step_mq_create(void);
void step_mq_receive(void);
void step_mq_send(void);
void step_mq_unlink(void);
void step_msgqueue_budget(void);
void step_mutex_drop(void);
void step_mutex_hold(void);
void step_mutex_try(void);
void step_object_drop(void);
void step_object_get(void);
void step_object_put(void);
void step_peer_drop(void);
void step_peer_serve(void);
void step_peer_take(void);
void step_posix_read(void);
void step_posix_write(void);
void step_protected(void);
void step_rlimits(void);
void step_rmid_forced(void);
void step_sem_names(void);
void step_spam(void);
void step_sparse(void);
void step_swap(void);
void step_sysctls(void);
void step_sysv_msg_create(void);
void step_sysv_msg_receive(void);
void step_sysv_msg_remove(void);
void step_sysv_msg_send(void);
void step_sysv_sem_create(void);
void step_sysv_sem_post(void);
void step_sysv_sem_remove(void);
void step_sysv_sem_wait(void);
void step_sysv_shm_create(void);
void step_sysv_shm_drop(void);
void step_sysv_shm_finish(void);
void step_sysv_shm_read(void);

// main.c
void answer_line(char *line); // runs the step of a request

// process.c
int new_process(void); // like fork(); the child dies with its parent

// args.c: the arguments of the running step. Each function that returns bool
// prints an error and returns false if the argument is invalid.
void args_set(char **words, int count);
bool args_well_formed(void);
void args_reject_unknown(void); // prints an error if the step has not read one of them
bool arg_given(const char *name);
const char *arg_text(const char *name); // "" if not given
bool arg_number(const char *name, int base, uint64_t least, uint64_t most, uint64_t *value);
bool arg_required(const char *name, uint64_t *value); // decimal, at least 1, at most INT64_MAX
bool arg_flag(const char *name, uint64_t *value);
bool arg_mode(uint64_t *mode);
bool arg_path(const char *name, const char **path);
bool arg_object(const char **name); // name=/NAME, a POSIX object
bool arg_sentence(const char **text); // text=..., for the payload
const char *arg_nonce(void); // "" if not given or malformed
bool is_nonce(const char *text);
bool parse_number(const char *text, int base, uint64_t *value);

// out.c: the block of JSON lines. emit_facts("uid=%u found?%d", ...) prints one
// line for each field, emit_call(result, "open path=%s", ...) a single line. A
// lone %d or %u is a number, ?%d a boolean, everything else text.
void out_begin(const char *step, const char *nonce);
void out_end(void);
bool out_failed(void); // emit_error() has been called
__attribute__((format(printf, 1, 2))) void emit_facts(const char *format, ...);
// Adds errno if the result is below 0: it must still be the one of that call.
// Returns the result.
__attribute__((format(printf, 2, 3))) long emit_call(long result, const char *format, ...);
bool emit_error(const char *what, const char *name); // the request is invalid; returns false
void wait_begins(void); // flushes the block's first part
void wait_ended(bool timed_out);

// errno.c
const char *errno_name(int number);
const char *numbered(const char *prefix, unsigned number); // valid until the next call

// deadline.c: time and signals.
uint64_t now_ns(int clock);
void lifetime_begin(uint64_t milliseconds);
void deadline_begin(uint64_t milliseconds);
void deadline_end(void);
void stop(void);
bool stopped(void); // the probe has to end: by a signal, or its lifetime is over
bool expired(void); // the same, or the step's deadline has passed

// cleanup.c: what must not outlive the probe. undo is the number of the system
// call that removes the object: SYS_shmctl, SYS_semctl and SYS_msgctl by id,
// SYS_kill a child, SYS_unlinkat a file, SYS_mq_unlink a queue.
bool cleanup_has_room(void);
int cleanup_mark(void);
void cleanup_add_id(long undo, int id, key_t key);
void cleanup_add_file(const char *path);
void cleanup_add_queue(const char *name);
void cleanup_remove_id(long undo, int id);
void cleanup_remove_named(const char *path);
void cleanup_forget_named(const char *path); // somebody else removes it
void cleanup_forget_id(long undo, int id);
bool cleanup_remove_last(long undo, key_t *key); // the youngest of its kind; false if there is none
void cleanup_remove_since(int mark);

// location.c: where a path lives, and the process's namespaces.
struct statx;
int open_at(const char *path, int flags, unsigned mode);
void close_fd(int fd);
int unlink_at(const char *path);
int look_at(const char *path, struct statx *s); // statx(), follows symbolic links
int look_at_fd(int fd, struct statx *s);
void join(char *to, size_t size, const char *first, const char *second);
bool contains(const char *text, const char *part);
void emit_file(const struct statx *s);
void emit_location(const char *path);
void emit_namespace(const char *format);
bool memory_usage(uint64_t *bytes); // of the container's cgroup; false if it is hidden
void each_entry(const char *directory, void (*visit)(const char *name));
void each_line(const char *path, void (*visit)(const char *line));
bool first_line(const char *path, char *line, size_t size);

// hold.c
int hold(int child); // ends, too, when the child fails; 0: there is none

// script.c
int script(char **words, int count);
void script_waits(void); // the step that runs, if it is one of a script, waits for another
