/* Speaking to people and to hauld; see ctl.h. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/client.h"
#include "term/width.h"

enum { FLUSH_SIZE = 64 << 10 };

/* ---- To people ------------------------------------------------------------- */

void
ctl_tell_line(const struct ctl *c, const char *line)
{
	AUTO_FREE char *safe = term_safe_again(&c->err, line);

	(void)fprintf(stderr, "%s\n", safe);
}

void
ctl_tell(const struct ctl *c, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL, *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup(fmt);
	va_end(ap);
	line = xasprintf("haulctl: %s", text);
	ctl_tell_line(c, line);
}

bool
ctl_flush(struct ctl *c)
{
	int r = c->out_failed ? 0 : fd_write_full(STDOUT_FILENO, buf_bytes(&c->out), buf_len(&c->out));

	buf_consume(&c->out, buf_len(&c->out));
	if (r < 0) {
		c->out_failed = true;
		ctl_tell(c, "standard output takes no more: %s", strerror(-r));
	}
	return !c->out_failed;
}

void
ctl_flush_large(struct ctl *c)
{
	if (buf_len(&c->out) > FLUSH_SIZE)
		(void)ctl_flush(c);
}

void
ctl_put_json(struct ctl *c, const json_t *value)
{
	/* JSON may hold C1 controls as they are; a terminal would obey them. */
	size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) | (c->term.is_tty ? JSON_ENSURE_ASCII : 0);
	AUTO_FREE char *text = json_dumps(value, flags);

	buf_printf(&c->out, "%s\n", text ? text : "null");
	ctl_flush_large(c);
}

char *
ctl_safe(const struct ctl *c, const char *text)
{
	return term_safe_again(&c->term, text ? text : "");
}

char *
ctl_vsafe(const struct ctl *c, const char *fmt, va_list ap)
{
	AUTO_FREE char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	return ctl_safe(c, text ? text : "");
}

char *
ctl_cut(const struct ctl *c, const char *text, size_t columns)
{
	char *safe = ctl_safe(c, text);
	AUTO_BUF struct buf cut = { 0 };

	if (!c->term.is_tty || width_of_text(safe) <= columns)
		return safe;
	(void)width_put(&cut, safe, columns ? columns : 1, WIDTH_CUT_MIDDLE, c->term.utf8);
	free(safe);
	return xstrdup(buf_cstr(&cut));
}

void
ctl_put_ink(struct ctl *c, enum term_ink ink, const char *fmt, ...)
{
	AUTO_FREE char *safe = NULL;
	va_list ap;

	va_start(ap, fmt);
	safe = ctl_vsafe(c, fmt, ap);
	va_end(ap);
	term_ink(&c->term, &c->out, ink);
	buf_append_str(&c->out, safe);
	term_ink(&c->term, &c->out, TERM_INK_PLAIN);
}

void
ctl_put_wrapped(struct ctl *c, const char *text, size_t width, size_t at, size_t indent)
{
	for (bool first = true; *text; first = false) {
		size_t n = strcspn(text, " "), columns;
		AUTO_FREE char *word = xstrndup(text, n);

		columns = width_of_text(word);
		/* A word that is longer than any line may as well begin here. */
		if (!first && at + 1 + columns >= width && indent + columns < width) {
			buf_printf(&c->out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			buf_append_str(&c->out, " ");
			at++;
		}
		buf_append(&c->out, text, n);
		at += columns;
		text += n + (text[n] == ' ');
	}
	buf_append_str(&c->out, "\n");
}

/* ---- To hauld --------------------------------------------------------------- */

/* What the user can do about it: the rest of the sentence. */
static int
tell_unreachable(const struct ctl *c, const char *path, int r)
{
	static const char start[] = "start it with `systemctl start hauld.socket`, or one of your own with `hauld --user-instance`";
	struct stat st;

	switch (-r) {
	case ENOENT:
		ctl_tell(c, "hauld is not reachable: there is no socket %s; %s", path, start);
		return CTL_UNREACHABLE;
	case ECONNREFUSED:
		if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
			ctl_tell(c, "hauld is not reachable: %s is no socket", path);
		else
			ctl_tell(c, "hauld is not reachable: nobody listens on %s; %s", path, start);
		return CTL_UNREACHABLE;
	case EACCES:
	case EPERM:
		ctl_tell(c, "hauld is not reachable: you may not open %s; become a member of its group, which is "
			    "hauld for the system's (`usermod -aG hauld USER`), or run one of your own with "
			    "`hauld --user-instance`", path);
		return CTL_DENIED;
	case ENAMETOOLONG:
		ctl_tell(c, "the path of a socket has at most 107 bytes, and %s is longer", path);
		return CTL_USAGE;
	default:
		ctl_tell(c, "hauld is not reachable over %s: %s", path, strerror(-r));
		return CTL_UNREACHABLE;
	}
}

int
ctl_connect(struct ctl *c)
{
	AUTO_FREE char *path = client_socket_path(c->args.socket);
	int r = c->client ? 0 : client_open(path, &c->client);

	return r < 0 ? tell_unreachable(c, path, r) : CTL_OK;
}

int
ctl_tell_lost(const struct ctl *c, int r)
{
	if (r == -EPIPE)
		ctl_tell(c, "hauld has closed the connection: it stopped, or this client was too slow");
	else if (r == -EPROTO || r == -EMSGSIZE)
		ctl_tell(c, "what listens on the socket does not speak haul-rpc(7)");
	else
		ctl_tell(c, "the connection to hauld failed: %s", strerror(-r));
	return CTL_UNREACHABLE;
}

int
ctl_error_status(const json_t *error)
{
	static const struct {
		json_int_t code;
		int status;
	} known[] = { { -32602, CTL_USAGE }, { -32001, CTL_NO_JOB }, { -32002, CTL_CONFLICT },
		{ -32003, CTL_DENIED }, { -32005, CTL_TIMED_OUT } };
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].code == code)
			return known[i].status;
	return CTL_FAILED;
}

int
ctl_tell_error(const struct ctl *c, const json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *one, *errors = json_object_get(json_object_get(error, "data"), "errors");
	size_t i;

	json_array_foreach(errors, i, one)
		if (json_is_string(one))
			ctl_tell_line(c, json_string_value(one));
	ctl_tell(c, "%s", message ? message : "hauld answered with an error that has no message");
	return ctl_error_status(error);
}

int
ctl_call(struct ctl *c, const char *method, json_t *params, json_t **ret_result)
{
	json_t *error, *result;
	uint64_t id;
	int r = ctl_connect(c);

	if (r != CTL_OK) {
		json_decref(params);
		return r;
	}
	id = client_send(c->client, method, params);
	for (;;) {
		AUTO_JSON json_t *message = NULL;

		r = client_wait(c->client, &message);
		if (r < 0)
			return ctl_tell_lost(c, r);
		error = json_object_get(message, "error");
		/* An error without an id is about a line that hauld could not read. */
		if (client_answer_id(message) != id && !(error && json_is_null(json_object_get(message, "id"))))
			continue;
		if (error)
			return ctl_tell_error(c, error);
		result = json_object_get(message, "result");
		if (!json_is_object(result))
			return ctl_tell_lost(c, -EPROTO);
		*ret_result = json_incref(result);
		return CTL_OK;
	}
}

json_t *
ctl_job_name(const char *word)
{
	uint64_t id;
	json_t *name;

	if (parse_u64(word, &id) == 0 && id <= INT64_MAX)
		return json_integer((json_int_t)id);
	name = json_string(word);
	/* What is not UTF-8 is the name of no job, and hauld says so of "?", too. */
	return name ? name : json_string("?");
}

json_t *
ctl_job_params(char *const *words, size_t n)
{
	json_t *jobs = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(jobs, ctl_job_name(words[i]));
	return json_pack("{s:o}", "jobs", jobs);
}

json_t *
ctl_scope_params(const struct ctl *c)
{
	const char *group = c->args.filters[OPTION_GROUP - OPTION_SINCE];
	json_t *name = group ? json_string(group) : NULL;

	if (!group)
		return c->args.all ? json_pack("{s:b}", "all", 1) : NULL;
	return json_pack("{s:o}", "group", name ? name : json_string("?"));
}

bool
ctl_names_one_kind(const struct ctl *c)
{
	unsigned n = (c->args.n_words > 0) + c->args.all + (c->args.filters[OPTION_GROUP - OPTION_SINCE] != NULL);

	if (n == 1)
		return true;
	ctl_tell(c, "%s %s: jobs, --group NAME or --all", c->args.verb->name, n ? "takes one of these" : "needs one of these");
	return false;
}
