// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Time and signals. Handlers only take a note. A blocking call that begins
// just after the note was missed is still interrupted: once told to end, or
// past a deadline, SIGALRM comes every tick.
#include "probe.h"
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { TICK_US = 10000 };

static volatile sig_atomic_t told;
static uint64_t life_until, step_until;

// Stands in for musl's own of this name, which sem_timedwait() asks for the time:
// that one looks for the vDSO first, with 1 KB of code.
int __clock_gettime(clockid_t clock, struct timespec *t)
{
	return syscall(SYS_clock_gettime, clock, t);
}

uint64_t now_ns(int clock)
{
	struct timespec t;
	__clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void alarm_after(uint64_t ns)
{
	uint64_t us = ns / 1000 + 1; // 0 would disarm
	struct itimerval timer = {{0, TICK_US}, {us / 1000000, us % 1000000}};
	setitimer(ITIMER_REAL, &timer, 0);
}

static void on_signal(int number)
{
	if (number == SIGALRM) return;
	told = 1;
	alarm_after(0);
}

void life_begin(uint64_t milliseconds)
{
	struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART
	sigaction(SIGTERM, &action, 0);
	sigaction(SIGINT, &action, 0);
	sigaction(SIGHUP, &action, 0);
	sigaction(SIGALRM, &action, 0);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, 0);
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

uint64_t left_ns(void)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	return told || now >= step_until ? 0 : step_until - now;
}
