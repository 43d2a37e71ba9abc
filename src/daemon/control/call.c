/* Calls and their answers; see call.h. */
#include "daemon/control/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/control/client.h"
#include "daemon/control/internal.h"

/* "no-such-job" */
static const char *
rpc_error_to_string(enum rpc_error e)
{
	switch (e) {
	case RPC_PARSE:
		return "parse";
	case RPC_INVALID_REQUEST:
		return "invalid-request";
	case RPC_NO_METHOD:
		return "no-such-method";
	case RPC_INVALID_PARAMS:
		return "invalid-params";
	case RPC_INTERNAL:
		return "internal";
	case RPC_FAILED:
		return "failed";
	case RPC_NO_JOB:
		return "no-such-job";
	case RPC_CONFLICT:
		return "conflict";
	case RPC_PERMISSION:
		return "permission-denied";
	case RPC_TOO_MANY:
		return "too-many";
	case RPC_TIMED_OUT:
		return "timed-out";
	case RPC_DRAINING:
		return "draining";
	case RPC_CONFIGURATION:
		return "configuration";
	}
	return "internal";
}

struct call *
call_new(struct control *control, struct client *client, json_t *params)
{
	struct call *c = NEW(struct call);

	list_init(&c->link);
	c->control = control;
	c->client = client;
	c->params = params;
	client_add_call(client, c);
	return c;
}

void
call_free(struct call *c)
{
	if (c->client)
		client_drop_call(c->client, c);
	call_drop_past(c);
	json_decref(c->params);
	free(c->id);
	free(c);
}

static bool
is_wanted(const struct call *c)
{
	return c->client && c->id;
}

/* Where nobody listens the text goes into a buffer that is thrown away. */
static struct buf *
out_of(const struct call *c)
{
	static struct buf nowhere;

	if (is_wanted(c))
		return client_out(c->client);
	buf_consume(&nowhere, buf_len(&nowhere));
	return &nowhere;
}

struct json
call_begin(struct call *c)
{
	struct buf *out = out_of(c);
	struct json w;

	buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", c->id ? c->id : "null");
	jsonw_init(&w, out);
	return w;
}

void
call_end(struct call *c, struct json *result)
{
	buf_append_str(result->out, "}\n");
	if (is_wanted(c))
		client_push(c->client);
	call_free(c);
}

void
call_text(struct call *c, const char *json)
{
	struct json w = call_begin(c);

	buf_append_str(w.out, json);
	call_end(c, &w);
}

void
call_ok(struct call *c)
{
	call_text(c, "{}");
}

void
call_fail_errors(struct call *c, enum rpc_error code, const char *message, const char *errors)
{
	struct buf *out = out_of(c);
	struct json w;

	buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":", c->id ? c->id : "null", code);
	jsonw_init(&w, out);
	jsonw_string(&w, message);
	buf_printf(out, ",\"data\":{\"word\":\"%s\"", rpc_error_to_string(code));
	if (errors)
		buf_printf(out, ",\"errors\":%s", errors);
	buf_append_str(out, "}}}\n");
	if (is_wanted(c))
		client_push(c->client);
	call_free(c);
}

void
call_fail(struct call *c, enum rpc_error code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	call_fail_errors(c, code, text, NULL);
}
