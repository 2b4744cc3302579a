/* What a process makes, writes and syncs, as lines of the file EVP_SYNCS_TRACE:
 *   C path            a file was created, or opened where it might be
 *   D path            a directory was made
 *   R old<TAB>new     a file was renamed
 *   U path            a file was removed
 *   W path            a file was written to, by this thread not the one before
 *   S path seconds    a file or directory is being synced, since that time
 * Only below EVP_SYNCS_ROOT. Loaded in front of the C library; what goes around the library (a rename
 * that must not replace) is not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int trace = -1;
static char root[4096];

static ssize_t (*next_write)(int, const void *, size_t);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("EVP_SYNCS_TRACE"), *below = getenv("EVP_SYNCS_ROOT");
	next_write = dlsym(RTLD_NEXT, "write");
	if (!path || !below)
		return;
	snprintf(root, sizeof root, "%s", below);
	int (*next_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	trace = next_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void say(char what, const char *path, const char *more)
{
	char line[9000];
	if (trace < 0 || strncmp(path, root, strlen(root)) != 0)
		return;
	int length = snprintf(line, sizeof line, "%c %s%s\n", what, path, more);
	if (length > 0 && length < (int)sizeof line)
		(void)!next_write(trace, line, (size_t)length);
}

static void say_of(char what, int descriptor, const char *more)
{
	char link[64], path[4096];
	if (trace < 0 || descriptor == trace)
		return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length <= 0)
		return;
	path[length] = 0;
	say(what, path, more);
}

static int (*next(const char *name))()
{
	return (int (*)())dlsym(RTLD_NEXT, name);
}

#define OPENING(name) \
	int name(const char *path, int flags, ...) \
	{ \
		static int (*real)(const char *, int, ...); \
		va_list more; \
		if (!real) \
			real = (int (*)(const char *, int, ...))next(#name); \
		va_start(more, flags); \
		mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
		va_end(more); \
		int made = flags & O_CREAT && access(path, F_OK) != 0; \
		int descriptor = real(path, flags, mode); \
		if (descriptor >= 0 && made) \
			say_of('C', descriptor, ""); \
		return descriptor; \
	}
OPENING(open)
OPENING(open64)

int mkdir(const char *path, mode_t mode)
{
	static int (*real)(const char *, mode_t);
	if (!real)
		real = (int (*)(const char *, mode_t))next("mkdir");
	int result = real(path, mode);
	if (result == 0)
		say('D', path, "");
	return result;
}

int rename(const char *from, const char *to)
{
	static int (*real)(const char *, const char *);
	char more[4200];
	if (!real)
		real = (int (*)(const char *, const char *))next("rename");
	int result = real(from, to);
	snprintf(more, sizeof more, "\t%s", to);
	if (result == 0)
		say('R', from, more);
	return result;
}

#define SYNCING(name) \
	int name(int descriptor) \
	{ \
		static int (*real)(int); \
		struct timespec now; \
		char more[64]; \
		if (!real) \
			real = (int (*)(int))next(#name); \
		clock_gettime(CLOCK_REALTIME, &now); \
		snprintf(more, sizeof more, " %lld.%09ld", (long long)now.tv_sec, now.tv_nsec); \
		say_of('S', descriptor, more); \
		return real(descriptor); \
	}
SYNCING(fsync)
SYNCING(fdatasync)

int unlink(const char *path)
{
	static int (*real)(const char *);
	if (!real)
		real = (int (*)(const char *))next("unlink");
	int result = real(path);
	if (result == 0)
		say('U', path, "");
	return result;
}

ssize_t write(int descriptor, const void *bytes, size_t count)
{
	if (descriptor > 2)
		say_of('W', descriptor, "");
	return next_write(descriptor, bytes, count);
}

#define WRITING_AT(name) \
	ssize_t name(int descriptor, const void *bytes, size_t count, off_t at) \
	{ \
		static ssize_t (*real)(int, const void *, size_t, off_t); \
		if (!real) \
			real = (ssize_t (*)(int, const void *, size_t, off_t))next(#name); \
		say_of('W', descriptor, ""); \
		return real(descriptor, bytes, count, at); \
	}
WRITING_AT(pwrite)
WRITING_AT(pwrite64)
