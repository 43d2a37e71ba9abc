/*
 * Replays files, or all files of directories, through a fuzz target: those
 * given as arguments, else the corpus in $srcdir.  Each is replayed whole and
 * cut at every byte.  No file at all is a failure.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 20, CUTS_MAX = 4096 };

static unsigned replayed;

/* From an exact copy, so that a sanitizer sees a read past the end. */
static void
replay_cut(const uint8_t *data, size_t n)
{
	AUTO_FREE uint8_t *copy = xmalloc(n);

	if (n)
		memcpy(copy, data, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
}

static int
replay_file(const char *path, int fd, off_t size)
{
	AUTO_FREE uint8_t *data = NULL;
	ssize_t n;

	if (size > INPUT_MAX) {
		(void)fprintf(stderr, "%s: larger than %d bytes\n", path, INPUT_MAX);
		return -EFBIG;
	}
	data = xmalloc((size_t)size);
	n = fd_read_full(fd, data, (size_t)size);
	if (n < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror((int)-n));
		return (int)n;
	}
	for (size_t cut = 0; cut < MIN((size_t)n, (size_t)CUTS_MAX); cut++)
		replay_cut(data, cut);
	replay_cut(data, (size_t)n);
	replayed++;
	return 0;
}

static int
replay_dir(const char *path)
{
	AUTO_CLOSEDIR DIR *d = opendir(path);
	struct dirent *e;
	int ret = 0;

	while (d && ret == 0 && (e = readdir(d))) {
		AUTO_FREE char *sub = xasprintf("%s/%s", path, e->d_name);
		AUTO_CLOSE int fd = open(sub, O_RDONLY | O_CLOEXEC);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			ret = replay_file(sub, fd, st.st_size);
	}
	return d ? ret : -errno;
}

static int
replay(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	return S_ISDIR(st.st_mode) ? replay_dir(path) : replay_file(path, fd, st.st_size);
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	AUTO_FREE char *corpus = xasprintf("%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", fuzz_name);
	int r = 0;

	if (argc < 2)
		r = replay(corpus);
	for (int i = 1; i < argc && r == 0; i++)
		r = replay(argv[i]);
	if (r == 0 && replayed == 0)
		(void)fprintf(stderr, "%s: nothing to replay\n", fuzz_name);
	return r == 0 && replayed ? EXIT_SUCCESS : EXIT_FAILURE;
}
