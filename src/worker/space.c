/*
 * TASK_SPACE: how much room a filesystem has.  statvfs(2) waits for ever on a
 * network filesystem whose server has gone, so it is asked in a thread of its
 * own, in whose way nothing else is.
 */
#include <errno.h>
#include <sys/statvfs.h>

#include "worker/task.h"

/* In the looker. */
static void
run_look(struct lane_job *job)
{
	struct space_job *s = CONTAINER_OF(job, struct space_job, job);
	struct statvfs fs;

	if (statvfs(s->root, &fs) < 0) {
		s->error = errno;
		return;
	}
	/* What only root may use is not counted: nobody is to depend on it. */
	if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &s->free))
		s->free = UINT64_MAX;
	if (__builtin_mul_overflow((uint64_t)fs.f_blocks, (uint64_t)fs.f_frsize, &s->size))
		s->size = UINT64_MAX;
}

static void
on_looked(struct lane_job *job)
{
	struct task *t = job->owner;
	struct space_job *s = &t->space;

	t->consumed = s->free;
	t->out_made = s->size;
	if (s->error)
		task_fail_errno(t, s->error, "look at", s->root);
	else
		task_end(t);
	task_returned(t);
	t->env->changed(t->env, t);
}

void
space_slice(struct task *t)
{
	t->space = (struct space_job){
		.job = { .id = t->id, .run = run_look, .done = on_looked, .owner = t },
		.root = t->names.root,
	};
	t->phase = PHASE_LANE;
	task_submit(t, t->env->looker, &t->space.job);
}
