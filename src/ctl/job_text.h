/*
 * Jobs as text that can be taken back: of the objects that `add` takes and `show` has
 * as settings.  Used by export and import --dry-run.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"

/* aria2's input list: urls and mirrors, then indented lines; `haulctl add -i` takes it. */
void job_text_list(const json_t *job, struct buf *out);
/* An entry of jobs = ( ... ) of hauld.conf(5), without the comma between two. */
void job_text_conf(const json_t *job, struct buf *out);
