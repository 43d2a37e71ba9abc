/*
 * Input lists (-i), see model/input_list.h: every entry becomes a job at once.
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
