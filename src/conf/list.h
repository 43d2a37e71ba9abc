/*
 * Input lists (-i): aria2's input format and lists of checksums as sha256sum
 * writes them, told apart by the first line that is neither blank nor a
 * comment.  Read line by line; every entry becomes a job at once.
 */
#pragma once

#include "conf/check.h"
#include "conf/jobs.h"

struct list_source {
	int fd;                       /* borrowed */
	const struct conf_file *file; /* for places */
	const char *base_url;         /* NULL: none given */
	const struct draft *common;   /* job keys of the command line, borrowed */
};

void list_read(struct check *c, struct jobs *j, const struct list_source *from);
