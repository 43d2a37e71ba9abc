/*
 * One configuration file with all it includes, as libconfig's tree.  The text
 * is scanned first (scan.h) and its @include lines are carried out here, so
 * that libconfig never opens a file: it would end the process over a directory.
 * Lines of the merged text are mapped back to file and line.
 */
#pragma once

#include <libconfig.h>
#include <stdbool.h>

#include "conf/emit.h"
#include "conf/scan.h"

struct tree_segment {
	unsigned merged; /* first line in the merged text */
	struct where at; /* what that line is */
};

struct tree {
	config_t config;
	struct scan scan;
	struct tree_segment *segments; /* owned, by merged line */
	size_t n_segments;
};

struct reader {
	struct emit *emit;          /* borrowed */
	struct source_files *files; /* borrowed */
	size_t bytes;               /* read so far, of CONF_BYTES_MAX */
};

/* 0 and *ret set (the caller ends it with tree_free), or -EINVAL and told. */
int tree_read(struct reader *r, const char *path, struct tree **ret) MUST_CHECK;
void tree_free(struct tree *t);
struct where tree_place(const struct tree *t, const config_setting_t *s);
/* The value of this key was found wrong while it was scanned. */
bool tree_is_flagged(const struct tree *t, const config_setting_t *s);
