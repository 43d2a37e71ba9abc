/*
 * What may be run at all.  hauld-spawn of systemd runs outside of hauld's sandbox, so
 * that whoever has taken hauld over must not be able to choose: the programs are those
 * of a directory that only root can change, and nothing but HAUL_ variables comes with
 * them.  Caller: serve.
 */
#pragma once

#include <stdbool.h>

/* dir: NULL, any program may be run.  False and a sentence, newly allocated. */
bool allow_program(const char *dir, const char *path, char **ret_why);
/* Every variable is HAUL_ and capitals, "=", something. */
bool allow_environment(char *const *env);
