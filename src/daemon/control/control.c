/* The listener, and the way from a line to its method; see control.h. */
#include "daemon/control/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"

enum {
	ACCEPTS_PER_TURN = 16,
	REST_MS = 1000,    /* without descriptors */
	REAP_MS = 1000,
};

/* ---- Requests ---------------------------------------------------------------- */

/* The id as JSON: a string or a whole number (JSON-RPC 2.0 section 4). */
static char *
id_text(const json_t *id)
{
	AUTO_BUF struct buf b = { 0 };
	struct json w;

	jsonw_init(&w, &b);
	if (json_is_string(id) && json_string_length(id) <= 128)
		jsonw_string_n(&w, json_string_value(id), json_string_length(id));
	else if (json_is_integer(id))
		jsonw_i64(&w, json_integer_value(id));
	else
		return NULL;
	return xstrdup(buf_cstr(&b));
}

static bool
takes(const struct method *m, const char *param)
{
	size_t n = strlen(param);

	for (const char *p = m->params; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		if (len == n && memcmp(p, param, n) == 0)
			return true;
		p += len;
	}
	return false;
}

/* The param of m that name is nearest to; NULL: none is near. */
static const char *
suggest_param(const struct method *m, const char *name, char *buf, size_t size)
{
	unsigned least = 3;

	*buf = '\0';
	for (const char *p = m->params; *p && strlen(name) <= 32; p += strspn(p, " ")) {
		int len = (int)strcspn(p, " ");
		char one[32];

		(void)snprintf(one, sizeof one, "%.*s", len, p);
		if (str_is_nearer(name, one, &least))
			(void)snprintf(buf, size, "%s", one);
		p += len;
	}
	return *buf ? buf : NULL;
}

static void
refuse_param(struct call *c, const struct method *m, const char *name)
{
	char safe[80], word[32];
	const char *near = suggest_param(m, name, word, sizeof word);

	(void)str_safe(safe, sizeof safe, name, strlen(name));
	if (near)
		call_fail(c, RPC_INVALID_PARAMS, "%s takes no \"%s\": did you mean \"%s\"?", m->name, safe, near);
	else if (*m->params)
		call_fail(c, RPC_INVALID_PARAMS, "%s takes no \"%s\": it takes %s", m->name, safe, m->params);
	else
		call_fail(c, RPC_INVALID_PARAMS, "%s takes no params, and so no \"%s\"", m->name, safe);
}

/* False after the answer. */
static bool
check_params(struct call *c, const struct method *m)
{
	const char *name;
	json_t *value;

	json_object_foreach(c->params, name, value) {
		if (takes(m, name))
			continue;
		refuse_param(c, m, name);
		return false;
	}
	return true;
}

bool
call_may_store(struct call *c)
{
	const struct store *s = c->control->store;

	if (store_is_stopping(s))
		call_fail(c, RPC_DRAINING, "nothing is changed any more: hauld has stopped, and waits for the disk");
	else if (store_is_full(s))
		call_fail(c, RPC_FAILED, "nothing was changed, for the store cannot keep up: %zu changes wait for the disk; "
		    "try again later", store_queued(s));
	else
		return true;
	return false;
}

static void
dispatch(struct call *c, const char *name)
{
	const struct method *m = method_find(name);
	char safe[80];

	if (!m) {
		const char *near = method_suggest(name);

		(void)str_safe(safe, sizeof safe, name, strlen(name));
		if (near)
			call_fail(c, RPC_NO_METHOD, "there is no method \"%s\": did you mean \"%s\"?", safe, near);
		else
			call_fail(c, RPC_NO_METHOD, "there is no method \"%s\"; see haul-rpc(7)", safe);
		return;
	}
	if (c->policy < m->policy) {
		call_fail(c, RPC_PERMISSION,
		    "%s is not for uid %u: control-policy in hauld.conf says what clients may do; root and the service's user may do all",
		    m->name, c->uid);
		return;
	}
	c->method = m;
	if (check_params(c, m) && (m->policy != POLICY_SUBMIT || call_may_store(c)))
		m->run(c);
}

/* What is wrong with a request as such; NULL: nothing. */
static const char *
refuse_request(const json_t *root)
{
	const json_t *version = json_object_get(root, "jsonrpc"), *id = json_object_get(root, "id");
	const json_t *params = json_object_get(root, "params");

	if (!json_is_object(root))
		return "a request is one JSON object on a line";
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return "a request has \"jsonrpc\":\"2.0\"";
	if (!json_is_string(json_object_get(root, "method")))
		return "a request has a \"method\", a string";
	if (id && !json_is_integer(id) && !(json_is_string(id) && json_string_length(id) <= 128))
		return "an \"id\" is a whole number or a string of at most 128 bytes";
	if (params && !json_is_object(params))
		return "\"params\" is an object";
	return NULL;
}

/* A line of 1 MiB may hold half a million values, and parsing them takes longer
 * than a turn may; so they are counted first.  Never too few for what parses. */
static bool
has_too_many_values(const char *line, size_t n)
{
	bool in_string = false;
	unsigned values = 0;

	for (size_t i = 0; i < n; i++) {
		if (line[i] == '"')
			in_string = !in_string;
		else if (in_string && line[i] == '\\')
			i++;
		else if (!in_string && (line[i] == ',' || line[i] == '[' || line[i] == '{'))
			values++;
	}
	return values > CLIENT_VALUES_MAX;
}

void
control_on_line(struct control *control, struct client *client, const char *line, size_t n)
{
	json_error_t error = { .text = "" };
	bool huge = has_too_many_values(line, n);
	json_t *root = huge ? NULL : json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error), *params;
	const char *why = root ? refuse_request(root) : NULL;
	struct call *c;

	if (n == 0 && !root)
		return; /* an empty line is nothing */
	params = json_object_get(root, "params");
	/* Method names of clients are looked up with the policy of now. */
	client->policy = uid_may_all(client->uid) ? POLICY_MANAGE
	    : (enum control_policy)spec_number(control->conf->daemon, DAEMON_CONTROL_POLICY);
	c = call_new(control, client, params && !why ? json_incref(params) : json_object());
	c->id = id_text(json_object_get(root, "id"));
	if (huge) {
		c->id = xstrdup("null");
		call_fail(c, RPC_TOO_MANY, "this line has more than %d values: split the request", CLIENT_VALUES_MAX);
	} else if (!root) {
		c->id = xstrdup("null");
		call_fail(c, RPC_PARSE, "this line is no JSON: %s at byte %d", error.text, error.position);
	} else if (why) {
		c->id = c->id ? c->id : xstrdup("null");
		call_fail(c, RPC_INVALID_REQUEST, "%s", why);
	} else if (client->n_calls > CLIENT_CALLS_MAX) {
		call_fail(c, RPC_TOO_MANY, "more than %d requests of this client are not answered yet", CLIENT_CALLS_MAX);
	} else {
		dispatch(c, json_string_value(json_object_get(root, "method")));
	}
	json_decref(root);
}

/* ---- Clients ------------------------------------------------------------------- */

bool
control_may_buffer(struct control *control, size_t before, size_t after)
{
	control->in_bytes += after - before; /* wraps where it shrinks */
	return control->in_bytes <= CLIENTS_IN_MAX;
}

void
control_on_client_end(struct client *c)
{
	c->control->n_clients -= c->let_in;
	watch_client_end(c);
}

static bool
has_gone(const struct client *c)
{
	struct pollfd p = { .fd = c->io.fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* Those that sent their last, or are not read from because they wait for room in the queue: an event for their going
 * would come all the time. */
static void
on_reap(void *arg)
{
	struct control *control = arg;
	bool more = false;
	struct client *c;

	LIST_FOREACH(c, &control->clients, struct client, link) {
		if (!c->ended && !c->waits)
			continue;
		if (has_gone(c))
			client_free(c);
		else
			more = true;
	}
	if (more)
		loop_timer_set(&control->reaper, REAP_MS);
}

void
control_client_ended(struct control *control)
{
	if (!control->reaper.set)
		loop_timer_set(&control->reaper, REAP_MS / 10);
}

static void
let_in(struct control *control, int fd)
{
	struct client *c = client_new(control, control->loop, fd);
	list_append(&control->clients, &c->link);
	/* Whatever others do, those who can put an end to it get in. */
	c->let_in = control->n_clients < (unsigned)CONTROL_CLIENTS_MAX - (uid_may_all(c->uid) ? 0 : CONTROL_CLIENTS_KEPT);
	control->n_clients += c->let_in;
	if (!c->let_in)
		client_refuse(c, "too many clients; try again");
}

static void
on_rested(void *arg)
{
	struct control *control = arg;

	if (control->listener.fd >= 0)
		loop_io_set(&control->listener, LOOP_READ);
}

static void
on_connection(int fd, unsigned what UNUSED, void *arg)
{
	struct control *control = arg;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (one >= 0) {
			let_in(control, one);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warning("clients wait: %s", strerror(errno));
			loop_io_set(&control->listener, 0);
			loop_timer_set(&control->rest, REST_MS);
		}
		return; /* EAGAIN, or one that has gone again */
	}
}

/* ---- The socket ------------------------------------------------------------------- */

static bool
fill_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof ret->sun_path)
		return false;
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return true;
}

/* Does anybody serve it?  Only a socket that refuses is a left-over. */
static bool
is_stale(const struct sockaddr_un *a)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || lstat(a->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	return connect(fd, (const struct sockaddr *)a, sizeof *a) < 0 && errno == ECONNREFUSED;
}

static int
bind_socket(const char *path)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a;
	mode_t mask;
	int r;

	if (fd < 0 || !fill_address(path, &a)) {
		log_err("cannot make the control socket %s: %s", log_safe(path), fd < 0 ? strerror(errno) : "the path is too long");
		return -1;
	}
	mask = umask(0117); /* 0660 from its first moment on */
	r = bind(fd, (const struct sockaddr *)&a, sizeof a);
	if (r < 0 && errno == EADDRINUSE && is_stale(&a) && unlink(path) == 0)
		r = bind(fd, (const struct sockaddr *)&a, sizeof a);
	(void)umask(mask);
	if (r < 0 && errno == EADDRINUSE)
		log_err("another hauld serves %s (or it is no socket): stop that one, or give daemon.socket another path",
		    log_safe(path));
	else if (r < 0)
		log_err("cannot make the control socket %s: %s; its directory must be there and the service's", log_safe(path),
		    strerror(errno));
	if (r < 0)
		return -1;
	if (listen(fd, CONTROL_BACKLOG) < 0) {
		log_err("cannot listen at %s: %s", log_safe(path), strerror(errno));
		return -1;
	}
	return TAKE_FD(fd);
}

struct control *
control_new(struct loop *l, struct children *children, const struct control_options *o,
    const struct control_ops *ops, void *arg)
{
	int fd = o->listen_fd >= 0 ? o->listen_fd : bind_socket(o->path);
	struct control *c;

	if (fd < 0)
		return NULL;
	c = NEW(struct control);
	c->loop = l;
	c->options = *o;
	c->ops = ops;
	c->arg = arg;
	c->bound = o->listen_fd < 0;
	list_init(&c->clients);
	watch_init(c);
	events_init(c);
	stats_init(c);
	awaits_init(c);
	scopes_init(c);
	keys_init(c);
	add_init(c);
	set_init(c);
	list_init(&c->durables);
	statuses_init(c);
	list_init(&c->pasts);
	list_init(&c->listings);
	verifyings_init(c);
	c->archive = o->archive;
	c->history = o->history;
	c->intake = intake_new(l, children, o->conf_path);
	loop_io_init(&c->listener, l, fd, "control socket", on_connection, c);
	loop_timer_init(&c->rest, l, "control socket", on_rested, c);
	loop_timer_init(&c->reaper, l, "clients", on_reap, c);
	return c;
}

void
control_close_listener(struct control *c)
{
	int fd = c->listener.fd;

	if (fd < 0)
		return;
	loop_io_done(&c->listener);
	c->listener.fd = -1;
	loop_timer_cancel(&c->rest);
	fd_close(&fd);
	if (c->bound)
		(void)unlink(c->options.path); /* else the next start finds it stale */
}

void
control_free(struct control *c)
{
	if (!c)
		return;
	control_close_listener(c);
	while (!list_empty(&c->clients))
		client_free(LIST_FIRST(&c->clients, struct client, link));
	add_done(c);
	set_done(c);
	durable_done(c);
	statuses_done(c);
	pasts_done(c);
	listings_done(c);
	verifyings_done(c);
	intake_free(c->intake);
	awaits_done(c);
	scopes_done(c);
	watch_done(c);
	events_done(c);
	stats_done(c);
	keys_done(c);
	map_done(&c->pending_names);
	loop_timer_done(&c->rest);
	loop_timer_done(&c->reaper);
	free(c);
}

void
control_set_conf(struct control *c, const struct conf *conf)
{
	c->conf = conf;
	c->conf_loaded_s = clock_wall_s();
	intake_set_context(c->intake, conf);
	backlog_look(c);
}

void
control_begin(struct control *c, struct engine *e, struct store *store)
{
	c->engine = e;
	c->store = store;
	statuses_begin(c);
	loop_io_set(&c->listener, LOOP_READ);
}

void
control_set_stopping(struct control *c, const char *word)
{
	c->stopping = word;
	backlog_look(c);
}

unsigned
control_clients(const struct control *c)
{
	return c->n_clients;
}
