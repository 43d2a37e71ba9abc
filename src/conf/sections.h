/*
 * The sections of a configuration tree (daemon, defaults, hosts, groups,
 * jobs) walked into drafts: the types of libconfig against those of the
 * settings table.
 */
#pragma once

#include "conf/check.h"
#include "conf/draft.h"
#include "conf/jobs.h"
#include "conf/read.h"

/* Tells top-level keys that are no section, and sections of a wrong kind. */
void sections_check(struct check *c, const struct tree *t);
/* Adds the keys of daemon = { } or defaults = { } to the draft; a key that is
 * there already is replaced. */
void sections_read_daemon(struct check *c, const struct tree *t, struct draft *d);
void sections_read_defaults(struct check *c, const struct tree *t, struct draft *d);
/* Remembers them in check.groups and appends CONF_GROUP frames to *ret. */
void sections_read_groups(struct check *c, const struct tree *t, struct buf *ret);
void sections_read_hosts(struct check *c, const struct tree *t);
void sections_read_jobs(struct check *c, const struct tree *t, struct jobs *j);
