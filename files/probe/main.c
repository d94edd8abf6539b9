// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// probe hold | probe session [deadline=SECONDS] | probe script ... | probe STEP nonce=... ...
#include "probe.h"

enum { LINE = 4096, WORDS = 20, OK = 0, USAGE = 2 };

static void step_selftest(void)
{
	emit_facts("version=%s arch=%s", PROBE_VERSION,
#if defined __x86_64__
		"amd64"
#elif defined __aarch64__
		"arm64"
#elif defined __powerpc64__ && defined __LITTLE_ENDIAN__
		"ppc64le"
#elif defined __s390x__
		"s390x"
#elif defined __riscv && __riscv_xlen == 64
		"riscv64"
#endif
	);
}

static const struct step {
	const char *name;
	void (*run)(void);
} steps[] = {
	{"beyond", step_beyond},
	{"control_same", step_control_same},
	{"control_sem", step_control_sem},
	{"end", step_end_container},
	{"fallocate", step_fallocate},
	{"fill", step_fill},
	{"fill_drop", step_fill_drop},
	{"flags", step_flags},
	{"ftok", step_ftok},
	{"hugepage", step_hugepage},
	{"identity", step_identity},
	{"limits", step_limits},
	{"mq_create", step_mq_create},
	{"mq_receive", step_mq_receive},
	{"mq_send", step_mq_send},
	{"mq_unlink", step_mq_unlink},
	{"msgqueue_budget", step_msgqueue_budget},
	{"mutex_drop", step_mutex_drop},
	{"mutex_hold", step_mutex_hold},
	{"mutex_try", step_mutex_try},
	{"object_drop", step_object_drop},
	{"object_get", step_object_get},
	{"object_put", step_object_put},
	{"peer_drop", step_peer_drop},
	{"peer_serve", step_peer_serve},
	{"peer_take", step_peer_take},
	{"posix_read", step_posix_read},
	{"posix_write", step_posix_write},
	{"protected", step_protected},
	{"rlimits", step_rlimits},
	{"rmid_forced", step_rmid_forced},
	{"selftest", step_selftest},
	{"sem_names", step_sem_names},
#ifdef PODSHM_TEST
	{"spam", step_spam},
#endif
	{"sparse", step_sparse},
	{"swap", step_swap},
	{"sysctls", step_sysctls},
	{"sysv_msg_create", step_sysv_msg_create},
	{"sysv_msg_receive", step_sysv_msg_receive},
	{"sysv_msg_remove", step_sysv_msg_remove},
	{"sysv_msg_send", step_sysv_msg_send},
	{"sysv_sem_create", step_sysv_sem_create},
	{"sysv_sem_post", step_sysv_sem_post},
	{"sysv_sem_remove", step_sysv_sem_remove},
	{"sysv_sem_wait", step_sysv_sem_wait},
	{"sysv_shm_create", step_sysv_shm_create},
	{"sysv_shm_drop", step_sysv_shm_drop},
	{"sysv_shm_finish", step_sysv_shm_finish},
	{"sysv_shm_read", step_sysv_shm_read},
};

static void run(const struct step *step)
{
	uint64_t deadline = 10000;
	if (!step) {
		emit_error("unknown step", "");
		return;
	}
	if (!args_well_formed() || !arg_number("deadline", 10, 1, 86400000, &deadline)) return;
	if (!is_nonce(arg_text("nonce"))) {
		emit_error("not 32 lower case hex digits", "nonce");
		return;
	}
	int mark = cleanup_mark();
	deadline_begin(deadline);
	step->run();
	args_reject_unknown();
	if (expired()) {
		if (stopped()) emit_facts("interrupted?%d", 1);
		else emit_facts("timeout=%lu", deadline);
	}
	if (expired() || out_failed()) cleanup_remove_since(mark);
	deadline_end();
}

// Runs one step and prints its block; words are its name and arguments.
static int answer(char **words, int count)
{
	const struct step *found = 0;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (!strcmp(words[0], steps[i].name)) found = &steps[i];
	args_set(words + 1, count - 1);
	out_begin(words[0], arg_nonce());
	run(found);
	out_end();
	return out_failed() ? USAGE : OK;
}

void answer_line(char *line)
{
	char *words[WORDS];
	int count = 0;
	for (char *rest = line; count < WORDS;) {
		rest += strspn(rest, " ");
		if (!*rest) break;
		words[count++] = rest;
		rest += strcspn(rest, " ");
		if (*rest) *rest++ = 0;
	}
	if (count) answer(words, count);
}

static int session(void)
{
	static char line[LINE];
	size_t have = 0;
	while (!stopped()) {
		size_t end = 0;
		while (end < have && line[end] != '\n') end++;
		if (end < have) {
			line[end++] = 0;
			answer_line(line);
			have -= end;
			memmove(line, line + end, have);
			continue;
		}
		if (have == sizeof line) break; // no command is that long
		ssize_t n = syscall(SYS_read, 0, line + have, sizeof line - have);
		if (n == 0 || (n < 0 && errno != EINTR)) break;
		if (n > 0) have += n;
	}
	return OK;
}

int main(int count, char **words)
{
	uint64_t seconds = 300;
	if (count < 2) return USAGE;
	if (!strcmp(words[1], "hold")) return hold(0);
	if (!strcmp(words[1], "script")) return script(words + 2, count - 2);
	bool is_session = !strcmp(words[1], "session");
	if (is_session && count > 2) {
		args_set(words + 2, count - 2);
		if (!parse_number(arg_text("deadline"), 10, &seconds) || !seconds || seconds > 86400) return USAGE;
	}
	lifetime_begin((is_session ? seconds : 86400) * 1000);
	int status = is_session ? session() : answer(words + 1, count - 1);
	cleanup_remove_since(0);
	return status;
}
