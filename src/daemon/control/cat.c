/*
 * `cat`: a job, and where it runs a descriptor of what there is of its download
 * (unix(7), SCM_RIGHTS), so that who reads it does so by himself: no byte of a
 * file goes over the socket, nor through the loop.
 */
#include <sys/stat.h>

#include "base/fd.h"
#include "daemon/control/internal.h"

/* Bytes that nobody has checked yet, of a file that its mode may hide: the one who
 * asked for them, and who may do all on this machine or in this service. */
static bool
may_read(struct call *c, const struct job *j)
{
	if (uid_may_all(c->uid) || c->uid == j->uid)
		return true;
	call_fail(c, RPC_PERMISSION, "job %llu is not one of uid %u's: what is not whole yet is shown to its owner, root and the service's user",
	    (unsigned long long)j->id, c->uid);
	return false;
}

void
method_cat(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	struct stat st = { .st_ino = 0 };
	const struct job *j;
	bool unpacks;
	struct json w;
	int fd = -1;
	size_t n;

	ids = call_jobs(c, &n);
	if (!ids)
		return;
	j = call_job(c, ids[0]);
	if (!may_read(c, j))
		return;
	unpacks = spec_number(j->spec, JOB_DECOMPRESS) != CODEC_OFF;
	if (!unpacks && c->client && c->id) /* else there is no answer that it could go with */
		fd = engine_open_part(c->control->engine, ids[0]);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !client_pass(c->client, fd)))
		fd_close(&fd);
	w = call_begin(c);
	jsonw_begin_object(&w);
	jsonw_key_bool(&w, "descriptor", fd >= 0);
	jsonw_key_u64(&w, "inode", fd >= 0 ? (uint64_t)st.st_ino : 0);
	jsonw_key_bool(&w, "unpacks", unpacks);
	jsonw_key(&w, "job");
	job_json_of(&w, c, ids[0]);
	jsonw_end_object(&w);
	call_end(c, &w);
}
