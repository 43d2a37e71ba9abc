/*
 * A call of a client: one request on its way to its answer.  Made by client,
 * answered once by whoever has it (methods, watch, service), in any order.
 * The client may go before: then the answer goes nowhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"
#include "model/settings.h"

struct client;
struct control;
struct method;
struct past;

enum rpc_error { /* JSON-RPC 2.0 section 5.1, and our own; haul-rpc(7) */
	RPC_PARSE = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_FAILED = -32000,
	RPC_NO_JOB = -32001,
	RPC_CONFLICT = -32002,
	RPC_PERMISSION = -32003,
	RPC_TOO_MANY = -32004,
	RPC_TIMED_OUT = -32005,
	RPC_DRAINING = -32006,
	RPC_CONFIGURATION = -32007,
};

struct call {
	struct list link;        /* of its client */
	struct control *control; /* borrowed */
	struct client *client;   /* borrowed; NULL: has gone */
	char *id;                /* owned: as JSON; NULL: nobody wants an answer */
	json_t *params;          /* owned: an object */
	uint32_t uid;            /* of the client */
	enum control_policy policy; /* what it may do */
	const struct method *method; /* NULL: not known yet */
	struct past *past;       /* owned: jobs of the history that it names; NULL: none; past.c */
	/* The client has gone and nothing has to be done for it alone.  May free
	 * the call; NULL: the call goes on. */
	void (*on_orphaned)(struct call *c, void *arg);
	void *arg;
};

/* client_gone: the struct stays until it is answered. */
struct call *call_new(struct control *control, struct client *client, json_t *params);
/* Answers, each frees the call. */
void call_end(struct call *c, struct json *result); /* what call_begin() gave */
void call_ok(struct call *c);                       /* {} */
void call_text(struct call *c, const char *json);   /* a finished result */
void call_fail(struct call *c, enum rpc_error code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with data.errors: a JSON array, borrowed. */
void call_fail_errors(struct call *c, enum rpc_error code, const char *message, const char *errors);
void call_free(struct call *c);
/* The result of a call, to be written now and in one go. */
struct json call_begin(struct call *c);
