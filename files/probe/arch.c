// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What differs between machines: the way in, a system call, a new process. The
// C library's own bring thread-local storage, the vdso and cancellation along,
// several kilobytes that a process of one thread has no use for.
#include "probe.h"
#include <elf.h>
#include <signal.h>
#include <sys/prctl.h>

// entry: begin(stack pointer). syscall(number, up to six arguments): kernel_result().
#if defined __x86_64__
__asm__(".text\n.global entry, syscall, restore\n"
	"entry: xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call begin\n"
	"restore: mov $15,%eax\n syscall\n" // rt_sigreturn
	"syscall: mov %rdi,%rax\n mov %rsi,%rdi\n mov %rdx,%rsi\n mov %rcx,%rdx\n mov %r8,%r10\n"
	" mov %r9,%r8\n mov 8(%rsp),%r9\n syscall\n mov %rax,%rdi\n jmp kernel_result\n");
#elif defined __aarch64__
__asm__(".text\n.global entry, syscall\n"
	"entry: mov x0,sp\n b begin\n"
	"syscall: mov x8,x0\n mov x0,x1\n mov x1,x2\n mov x2,x3\n mov x3,x4\n mov x4,x5\n mov x5,x6\n"
	" svc 0\n b kernel_result\n");
#elif defined __riscv && __riscv_xlen == 64
__asm__(".text\n.global entry, syscall\n"
	"entry: mv a0,sp\n tail begin\n"
	"syscall: mv a7,a0\n mv a0,a1\n mv a1,a2\n mv a2,a3\n mv a3,a4\n mv a4,a5\n mv a5,a6\n"
	" ecall\n tail kernel_result\n");
#elif defined __s390x__
__asm__(".text\n.global entry, syscall\n"
	"entry: lgr %r2,%r15\n aghi %r15,-160\n jg begin\n"
	"syscall: stmg %r6,%r7,48(%r15)\n lgr %r1,%r2\n lgr %r2,%r3\n lgr %r3,%r4\n lgr %r4,%r5\n"
	" lgr %r5,%r6\n lg %r6,160(%r15)\n lg %r7,168(%r15)\n svc 0\n lmg %r6,%r7,48(%r15)\n"
	" jg kernel_result\n");
#else
#error "this machine's way in and system call are missing"
#endif

static int number;
static uint64_t page_size;

int *__errno_location(void)
{
	return &number;
}
// musl's functions know it by this name.
extern int *___errno_location(void) __attribute__((alias("__errno_location")));

__attribute__((used)) long kernel_result(unsigned long r)
{
	if (r <= -4096ul) return r;
	number = -r;
	return -1;
}

int main(int count, char **words);

// The stack: count, words, 0, environment, 0, auxiliary vector.
__attribute__((used, noreturn)) void begin(long *stack)
{
	long *end = stack + stack[0] + 2;
	while (*end++) {}
	for (; *end; end += 2)
		if (*end == AT_PAGESZ) page_size = end[1];
	leave(main(stack[0], (char **)(stack + 1)));
}

void leave(int status)
{
	for (;;) syscall(SYS_exit_group, status);
}

uint64_t page_bytes(void)
{
	return page_size;
}

int new_process(void)
{
#ifdef __s390x__
	int child = syscall(SYS_clone, 0l, (long)SIGCHLD, 0l, 0l, 0l);
#else
	int child = syscall(SYS_clone, (long)SIGCHLD, 0l, 0l, 0l, 0l);
#endif
	if (!child) syscall(SYS_prctl, PR_SET_PDEATHSIG, (long)SIGKILL, 0l, 0l, 0l);
	return child;
}

void on_signal(int which, void (*handler)(int))
{
	// As the kernel has it; its other fields are 0, wherever they are.
	struct {
		void (*handler)(int);
		unsigned long flags; // no SA_RESTART
		void (*restorer)(void);
		unsigned long mask;
	} action = {handler, 0, 0, 0};
#ifdef __x86_64__
	void restore(void);
	action.flags = 0x04000000; // SA_RESTORER
	action.restorer = restore;
#endif
	syscall(SYS_rt_sigaction, which, &action, 0l, sizeof action.mask);
}
