// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Steps without anybody who sends them: the lines of a script, in turns with the
// other containers of the pod. Who has done what is in files, so that the position
// survives a restart of the container.
#include "probe.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum { SETTINGS = 3, POLL_NS = 5000000, MARK_CHARS = 32, USAGE = 2 };

struct line {
	char *name, *after, *killed, *request;
	uint64_t number;
};

static const char *turns, *grants, *running;

static void path_of(char *path, const char *number, const char *kind)
{
	join(path, PATH_CHARS, turns, "/");
	strlcat(path, number, PATH_CHARS);
	strlcat(path, kind, PATH_CHARS);
}

static bool is_marked(const char *number, const char *kind)
{
	struct statx s;
	char path[PATH_CHARS];
	path_of(path, number, kind);
	return !look_at(path, &s);
}

// Without its mark the others would wait in vain: then the container fails, and says why.
static void mark(const char *number, const char *kind)
{
	char path[PATH_CHARS];
	path_of(path, number, kind);
	int fd = open_at(path, O_CREAT | O_WRONLY, 0644);
	if (fd < 0) {
		out_begin("script", "");
		emit_call(fd, "open path=%s flags=O_CREAT", path);
		out_end();
		syscall(SYS_exit_group, 1l);
	}
	close_fd(fd);
}

void script_waits(void)
{
	if (running) mark(running, ".waits");
}

static char *word(char **rest)
{
	char *start = *rest + strspn(*rest, " ");
	*rest = start + strcspn(start, " ");
	if (**rest) *(*rest)++ = 0;
	return start;
}

static struct line parse(char *text)
{
	struct line line;
	line.name = word(&text);
	line.after = word(&text);
	line.killed = word(&text);
	line.request = text;
	line.number = 0;
	parse_number(line.name, 10, &line.number);
	return line;
}

// A whole line only: a file can be read while it is written.
static uint64_t granted(void)
{
	char text[MARK_CHARS];
	uint64_t number = 0;
	return first_line(grants, text, sizeof text) && parse_number(text, 10, &number) ? number : 0;
}

// Every mark of a list such as 3.done,4.waits; "run" is no mark, "none" is no list.
static bool all_marked(const char *after)
{
	if (!strcmp(after, "none")) return true;
	while (*after) {
		char name[MARK_CHARS];
		size_t length = strcspn(after, ",");
		if (length >= sizeof name) return false;
		memcpy(name, after, length);
		name[length] = 0;
		bool marked = is_marked(name, "");
		name[strcspn(name, ".")] = 0;
		if (!marked && !is_marked(name, ".done")) return false; // who is done did not have to wait
		after += length + (after[length] == ',');
	}
	return true;
}

// Waits for its turn; false if there is none any more: the run is at a later step.
static bool may_begin(const struct line *line)
{
	for (uint64_t grant; (grant = granted()) <= line->number && !stopped();) {
		struct timespec t = {0, POLL_NS};
		if (grant == line->number || all_marked(line->after)) return true;
		syscall(SYS_nanosleep, &t, 0l);
	}
	return false;
}

// killed: whether the line before ended with the container.
static bool runs(const struct line *line, bool killed)
{
	return !(killed && strcmp(line->killed, "always")) && may_begin(line);
}

static void perform(const struct line *line)
{
	mark(line->name, ".begun");
	if (!strcmp(line->killed, "ends")) mark(line->name, ".done"); // nobody is left to do it later
	running = line->name;
	answer_line(line->request);
	running = 0;
}

static int run_lines(char **lines, int count)
{
	bool killed = false;
	out_begin("script", ""); // with the first words a log can be read
	emit_facts("lines=%d", count);
	out_end();
	for (int i = 0; i < count; i++) {
		struct line line = parse(lines[i]);
		if (is_marked(line.name, ".done")) continue;
		if (is_marked(line.name, ".begun")) killed = true;
		else if (runs(&line, killed)) killed = false, perform(&line);
		if (stopped()) break;
		mark(line.name, ".done");
	}
	// what this process created is for the others, too
	while (!stopped()) {
		struct timespec t = {1, 0};
		syscall(SYS_nanosleep, &t, 0l);
	}
	cleanup_remove_since(0);
	return 0;
}

// Process 1 stays what it is beside a session: it holds the container, and ends it.
int script(char **words, int count)
{
	uint64_t seconds;
	if (count < SETTINGS) return USAGE;
	args_set(words, SETTINGS);
	if (!arg_path("turns", &turns) || !arg_path("grants", &grants)) return USAGE;
	if (!parse_number(arg_text("deadline"), 10, &seconds) || !seconds || seconds > 86400) return USAGE;
	int child = new_process();
	if (child < 0) return USAGE;
	if (child) return hold(child);
	lifetime_begin(seconds * 1000);
	return run_lines(words + SETTINGS, count - SETTINGS);
}
