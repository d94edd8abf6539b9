// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Time and signals. Handlers only take a note. A blocking call that begins
// just after the note was missed is still interrupted: once told to end, or
// past a deadline, SIGALRM comes every tick.
#include "probe.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

enum { TICK_US = 10000 };

static volatile sig_atomic_t told;
static uint64_t life_until, step_until;

uint64_t now_ns(int clock)
{
	struct timespec t;
	syscall(SYS_clock_gettime, clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t left_ns(void) // of the step
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	return told || now >= step_until ? 0 : step_until - now;
}

static void alarm_after(uint64_t ns)
{
	uint64_t us = ns / 1000 + 1; // 0 would disarm
	struct itimerval timer = {{0, TICK_US}, {us / 1000000, us % 1000000}};
	syscall(SYS_setitimer, ITIMER_REAL, &timer, 0l);
}

static void take_note(int number)
{
	if (number == SIGALRM) return;
	told = 1;
	alarm_after(0);
}

void life_begin(uint64_t milliseconds)
{
	static const char ends[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM};
	for (size_t i = 0; i < sizeof ends; i++) on_signal(ends[i], take_note);
	on_signal(SIGPIPE, SIG_IGN);
	on_signal(SIGXFSZ, SIG_IGN); // a file size limit is an errno (EFBIG), not an end
	life_until = now_ns(CLOCK_MONOTONIC) + milliseconds * 1000000;
	step_end();
}

void step_begin(uint64_t milliseconds)
{
	step_until = now_ns(CLOCK_MONOTONIC) + milliseconds * 1000000;
	if (step_until > life_until) step_until = life_until;
	alarm_after(left_ns());
}

void step_end(void)
{
	step_until = life_until;
	alarm_after(left_ns());
}

void stop(void)
{
	told = 1;
}

bool stopped(void)
{
	return told || now_ns(CLOCK_MONOTONIC) >= life_until;
}

bool expired(void)
{
	return !left_ns();
}
