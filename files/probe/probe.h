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
#include <sys/syscall.h>
#include <sys/types.h>

#define PROBE_VERSION "0.1.0"
#define PROBE_PROTOCOL 1

enum { NONCE_CHARS = 32, PATH_CHARS = 256, TEXT_CHARS = 256 };

void step_beyond(void);
void step_control_same(void);
void step_end_container(void);
void step_exists(void);
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
void step_posix_read(void);
void step_posix_write(void);
void step_protected(void);
void step_rmid_forced(void);
void step_sem_names(void);
void step_spam(void);
void step_sparse(void);
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

// arch.c
long syscall(long number, ...); // -1 and errno, as the C library's
_Noreturn void leave(int status);
uint64_t page_bytes(void);
int new_process(void); // as fork(); the child dies with its parent
void on_signal(int which, void (*handler)(int));

// args.c: the arguments of the running step. On bad ones these print an error.
void args_set(char **words, int count);
bool args_whole(void);
void args_used(void); // an error if the step did not ask for one of them
bool arg_given(const char *name);
const char *arg_text(const char *name); // "" if not given
bool arg_number(const char *name, int base, uint64_t least, uint64_t most, uint64_t *value);
bool arg_needed(const char *name, uint64_t *value); // decimal, at least 1, at most INT64_MAX
bool arg_flag(const char *name, uint64_t *value);
bool arg_mode(uint64_t *mode);
bool arg_path(const char *name, const char **path);
bool arg_object(const char **name); // name=/NAME
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
void wait_begins(void); // sends what there is so far
void wait_ended(bool timed_out);

// errno.c
const char *errno_name(int number);
const char *numbered(const char *prefix, unsigned number); // valid until the next call

// life.c: time and signals.
uint64_t now_ns(int clock);
void life_begin(uint64_t milliseconds);
void step_begin(uint64_t milliseconds);
void step_end(void);
void stop(void);
bool stopped(void); // the probe was told to end, or its whole time is over
bool expired(void); // the same, or the step's time is over

// made.c: what must not outlive the probe. undo is the number of the system
// call that removes it: SYS_shmctl, SYS_semctl, SYS_msgctl by id, SYS_kill a
// child, SYS_unlinkat a file, SYS_mq_unlink a queue.
bool made_room(void);
int made_mark(void);
void made_id(long undo, int id, key_t key);
void made_file(const char *path);
void made_queue(const char *name);
void unmake_id(long undo, int id);
void unmake_named(const char *path);
void forget_named(const char *path); // it is left to somebody else
void forget_id(long undo, int id);
bool unmake_last(long undo, key_t *key); // the youngest of its kind; false if there is none
void unmake_since(int mark);

// place.c: where a path lives, and in which namespaces this is.
struct statx;
int open_at(const char *path, int flags, unsigned mode);
void close_fd(int fd);
int unlink_at(const char *path);
int look_at(const char *path, struct statx *s); // through symbolic links
int look_at_fd(int fd, struct statx *s);
void join(char *to, size_t size, const char *first, const char *second);
bool contains(const char *text, const char *part);
void file_facts(const struct statx *s);
void place_facts(const char *path);
void namespace_fact(const char *format);
bool memory_usage(uint64_t *bytes); // of the container's cgroup, if it can be seen
void each_entry(const char *directory, void (*visit)(const char *name));
void each_line(const char *path, void (*visit)(const char *line)); // of a file
bool first_line(const char *path, char *line, size_t size);

// hold.c
int hold(void);
