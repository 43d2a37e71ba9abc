/*
 * The groups of a configuration: names, which stand once, and who lies in whom.
 * Owned by struct check; sections.c adds, conf.c checks when all were read.
 */
#pragma once

#include "conf/draft.h"
#include "conf/emit.h"
#include "conf/seen.h"

enum {
	GROUP_DEPTH_MAX = 16,      /* of groups in groups */
	ATOMIC_MEMBERS_MAX = 1000, /* of a group that is published as a whole */
};

struct groups {
	struct map by_name;
	struct conf_group **all; /* owned: and each of them */
	size_t n;
};

void groups_init(struct groups *g);
void groups_done(struct groups *g);
/* The group of a draft that has a name; a name that is taken is told. */
void groups_add(struct groups *g, struct emit *emit, const struct draft *d);
/* True: there is one. */
bool groups_find(const struct groups *g, const char *name);
/* Tells parents that are not there, circles, and what is nested too deep. */
void groups_check(const struct groups *g, struct emit *emit);
/* Directories that groups are to own: beneath a root, none in another. */
void groups_check_directories(const struct groups *g, struct emit *emit, char *const *roots, size_t n_roots);
/* A job with this destination, of this group (NULL: of none): does it lie where it may?
 * False: told. */
bool groups_check_output(const struct groups *g, struct emit *emit, const struct draft *d, const char *group, struct where at,
    const char *key, const char *path);
/* The job is a member of a group that is published as a whole. */
bool groups_is_atomic(const struct groups *g, const char *group);
