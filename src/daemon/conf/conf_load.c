/* The client side of hauld-conf; see conf_load.h. */
#include "daemon/conf/conf_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/loop/helper.h"
#include "wire/hello.h"
#include "wire/conf_msg.h"

struct conf_load {
	struct helper helper;
	const struct conf_load_ops *ops;
	void *arg;
	struct conf *conf; /* owned, in the making */
	struct conf_end end;
	uint64_t errors; /* that were told */
	bool greeted, ended;
	int fault; /* of its channel (helper.h) */
};

static void
spec_list_add(struct spec_list *l, struct spec *s)
{
	if (l->len == l->size) {
		l->size = l->size ? l->size * 2 : 16;
		l->items = xrealloc(l->items, l->size * sizeof(l->items[0]));
	}
	l->items[l->len++] = s;
}

static void
spec_list_done(struct spec_list *l)
{
	for (size_t i = 0; i < l->len; i++)
		spec_unref(l->items[i]);
	free(l->items);
}

void
conf_free(struct conf *c)
{
	if (!c)
		return;
	spec_list_done(&c->hosts);
	spec_list_done(&c->groups);
	spec_list_done(&c->jobs);
	spec_unref(c->daemon);
	spec_unref(c->defaults);
	free(c);
}

static int
take_spec(struct conf_load *l, enum setting_scope scope, const struct message *m, struct spec **ret)
{
	return spec_new(scope, m->payload, m->len, scope == SCOPE_JOB ? l->conf->defaults : NULL, ret);
}

static int
add_spec(struct conf_load *l, enum setting_scope scope, const struct message *m, struct spec_list *to)
{
	struct spec *s;
	int r = take_spec(l, scope, m, &s);

	if (r == 0)
		spec_list_add(to, s);
	return r;
}

static int
set_spec(struct conf_load *l, enum setting_scope scope, const struct message *m, struct spec **to)
{
	return *to ? -EPROTO : take_spec(l, scope, m, to);
}

static int
on_hello(struct conf_load *l, const struct message *m)
{
	int r = hello_get(m, CONF_HELLO, CONF_PROTO);

	l->greeted = r == 0;
	return r;
}

static int
on_error(struct conf_load *l, const struct message *m)
{
	struct text text;
	char safe[2048];

	if (conf_get_text(m, &text) < 0)
		return -EPROTO;
	l->errors++;
	l->ops->on_error(str_safe_again(safe, sizeof safe, text.at, text.len), l->arg);
	return 0;
}

static int
on_message(const struct message *m, void *arg)
{
	struct conf_load *l = arg;
	struct conf *c = l->conf;

	if (!l->greeted)
		return on_hello(l, m);
	if (m->version != CONF_PROTO || l->ended)
		return -EPROTO;
	switch (m->type) {
	case CONF_DAEMON:
		return set_spec(l, SCOPE_DAEMON, m, &c->daemon);
	case CONF_DEFAULTS:
		return set_spec(l, SCOPE_JOB, m, &c->defaults);
	case CONF_HOST:
		return add_spec(l, SCOPE_HOST, m, &c->hosts);
	case CONF_GROUP:
		return add_spec(l, SCOPE_GROUP, m, &c->groups);
	case CONF_JOB:
		return c->defaults ? add_spec(l, SCOPE_JOB, m, &c->jobs) : -EPROTO;
	case CONF_ERROR:
		return on_error(l, m);
	case CONF_END:
		l->ended = true;
		return conf_get_end(m, &l->end);
	default:
		return -EPROTO;
	}
}

static enum conf_outcome
outcome(const struct conf_load *l)
{
	char how[64], text[256];

	if (WIFEXITED(l->helper.status) && WEXITSTATUS(l->helper.status) == 2)
		return CONF_USAGE;
	if (l->errors || l->end.errors)
		return CONF_BAD;
	if (WIFEXITED(l->helper.status) && WEXITSTATUS(l->helper.status) == 0 && l->ended && !l->fault &&
	    l->conf->daemon && l->conf->defaults && l->conf->jobs.len == l->end.jobs)
		return CONF_OK;
	(void)snprintf(text, sizeof text, "hauld-conf did not finish: %s",
	    l->fault ? helper_fault(l->fault) : child_status_to_string(l->helper.status, how, sizeof how));
	l->ops->on_error(text, l->arg);
	return CONF_FAILED;
}

static void
on_over(void *arg)
{
	struct conf_load *l = arg;
	enum conf_outcome o = outcome(l);

	l->ops->on_done(o, o == CONF_OK ? TAKE_PTR(l->conf) : NULL, l->arg);
}

static bool
on_closed(int why, void *arg)
{
	struct conf_load *l = arg;

	l->fault = MIN(why, 0);
	return false;
}

static const struct helper_ops child_ops = { .on_message = on_message, .on_closed = on_closed, .on_over = on_over };

struct conf_load *
conf_load_start(struct loop *loop, struct children *c, const char *path, char *const *argv,
    const struct conf_load_ops *ops, void *arg, int *ret_error)
{
	AUTO_CLOSE int in = -1, out = -1;
	struct conf_load *l;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		*ret_error = -errno;
		return NULL;
	}
	in = fds[0];
	out = fds[1];
	/* Not a group of its own: with -i - it reads the user's terminal. */
	r = spawn(&(struct spawn){ .path = path, .argv = argv, .fds = { -1, out, -1, -1 } }, &pid);
	if (r < 0) {
		*ret_error = r;
		return NULL;
	}
	l = NEW(struct conf_load);
	helper_init(&l->helper, loop, c, "configuration", &child_ops, l);
	l->ops = ops;
	l->arg = arg;
	l->conf = NEW(struct conf);
	helper_attach(&l->helper, pid, TAKE_FD(in), -1);
	return l;
}

bool
conf_load_is_over(const struct conf_load *l)
{
	return helper_is_over(&l->helper);
}

void
conf_load_free(struct conf_load *l)
{
	if (!l)
		return;
	helper_done(&l->helper); /* nobody waits for its words */
	conf_free(l->conf);
	free(l);
}
