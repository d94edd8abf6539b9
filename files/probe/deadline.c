// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Time and signals. Handlers only set a flag. If a signal arrives between the
// check of that flag and a blocking call, the call must still be interrupted:
// after a stop request or a deadline, SIGALRM comes at every tick.
#include "probe.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

enum { TICK_US = 10000 };

static volatile sig_atomic_t stop_requested;
static uint64_t lifetime_until, step_until;

uint64_t now_ns(int clock)
{
	struct timespec t;
	syscall(SYS_clock_gettime, clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t left_ns(void) // of the step
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	return stop_requested || now >= step_until ? 0 : step_until - now;
}

static void alarm_after(uint64_t ns)
{
	uint64_t us = ns / 1000 + 1; // 0 would disarm
	struct itimerval timer = {{0, TICK_US}, {us / 1000000, us % 1000000}};
	syscall(SYS_setitimer, ITIMER_REAL, &timer, 0l);
}

static void on_signal(int number)
{
	if (number == SIGALRM) return;
	stop_requested = 1;
	alarm_after(0);
}

static void set_handler(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler}; // no SA_RESTART: calls must return
	sigaction(number, &action, 0);
}

void lifetime_begin(uint64_t milliseconds)
{
	static const char handled[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM};
	for (size_t i = 0; i < sizeof handled; i++) set_handler(handled[i], on_signal);
	set_handler(SIGPIPE, SIG_IGN);
	set_handler(SIGXFSZ, SIG_IGN); // a file size limit then is an errno (EFBIG)
	lifetime_until = now_ns(CLOCK_MONOTONIC) + milliseconds * 1000000;
	deadline_end();
}

void deadline_begin(uint64_t milliseconds)
{
	step_until = now_ns(CLOCK_MONOTONIC) + milliseconds * 1000000;
	if (step_until > lifetime_until) step_until = lifetime_until;
	alarm_after(left_ns());
}

void deadline_end(void)
{
	step_until = lifetime_until;
	alarm_after(left_ns());
}

void stop(void)
{
	stop_requested = 1;
}

bool stopped(void)
{
	return stop_requested || now_ns(CLOCK_MONOTONIC) >= lifetime_until;
}

bool expired(void)
{
	return !left_ns();
}
