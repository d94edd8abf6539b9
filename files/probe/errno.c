// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names of errno numbers in Linux's generic table, which all architectures of the
// probe use. Those of streams and libraries are missing, and most of sockets: no call
// of the probe fails with them.
#include "probe.h"

// By number, from 1.
static const char names[] =
	"EPERM\0ENOENT\0ESRCH\0EINTR\0EIO\0ENXIO\0E2BIG\0ENOEXEC\0EBADF\0ECHILD\0"
	"EAGAIN\0ENOMEM\0EACCES\0EFAULT\0ENOTBLK\0EBUSY\0EEXIST\0EXDEV\0ENODEV\0ENOTDIR\0"
	"EISDIR\0EINVAL\0ENFILE\0EMFILE\0ENOTTY\0ETXTBSY\0EFBIG\0ENOSPC\0ESPIPE\0EROFS\0"
	"EMLINK\0EPIPE\0EDOM\0ERANGE\0EDEADLK\0ENAMETOOLONG\0ENOLCK\0ENOSYS\0ENOTEMPTY\0ELOOP\0";

static const struct {
	unsigned char number;
	char name[13];
} others[] = {
	{ENOMSG, "ENOMSG"}, {EIDRM, "EIDRM"}, {ENODATA, "ENODATA"}, {EPROTO, "EPROTO"}, {EBADMSG, "EBADMSG"},
	{EOVERFLOW, "EOVERFLOW"}, {EUSERS, "EUSERS"}, {EMSGSIZE, "EMSGSIZE"}, {EOPNOTSUPP, "EOPNOTSUPP"},
	{ENOBUFS, "ENOBUFS"}, {EADDRINUSE, "EADDRINUSE"}, {ECONNREFUSED, "ECONNREFUSED"},
	{EAFNOSUPPORT, "EAFNOSUPPORT"}, {ETIMEDOUT, "ETIMEDOUT"}, {ESTALE, "ESTALE"}, {EDQUOT, "EDQUOT"},
	{ECANCELED, "ECANCELED"}, {EOWNERDEAD, "EOWNERDEAD"}, {EHWPOISON, "EHWPOISON"},
};

_Static_assert(EDEADLK == 35 && ELOOP == 40 && ETIMEDOUT == 110, "not the generic errno numbers");

const char *numbered(const char *prefix, unsigned number)
{
	static char text[20];
	char digits[11], *at = digits + sizeof digits - 1;
	*at = 0;
	do {
		*--at = '0' + number % 10;
		number /= 10;
	} while (number);
	join(text, sizeof text, prefix, at);
	return text;
}

const char *errno_name(int number)
{
	const char *name = names;
	for (int n = 1; *name; n++, name += strlen(name) + 1)
		if (n == number) return name;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i].number == number) return others[i].name;
	return numbered("E", number);
}
