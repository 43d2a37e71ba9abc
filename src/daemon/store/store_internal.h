/*
 * What the parts of hauld's side of the store share: store.c (outbox, messages, the
 * child) and store_wait.c (who waits for the word that all is durable).  Only these
 * see it.
 */
#pragma once

#include "daemon/loop/helper.h"
#include "daemon/store/store.h"

struct store {
	struct loop *loop; /* borrowed */
	char *path, *dir;  /* owned */
	const struct store_ops *ops;
	void *arg;
	/* The child. */
	struct helper child;
	bool greeted;
	int fault; /* of its channel (helper.h); 0: its status says how it ended */
	struct loop_timer silence;
	unsigned deaths;    /* since it last got on, or lived long */
	uint64_t started_ms;
	uint64_t waiting_ms; /* since then something is waited for and nothing heard */
	bool silent;         /* for long */
	struct store_limits limits;
	/* Changes: those from committed + 1 to seq, encoded; lengths has a u32 for
	 * each. The child was given the first `given` bytes. */
	struct buf outbox, lengths;
	size_t given;
	uint64_t commits; /* how often it said so */
	uint64_t committed, seq;
	/* Loading. */
	uint64_t loaded_id; /* of the last job that was told */
	bool loaded;
	/* Waits in the order of seq; those whose callbacks come now. */
	struct list waits, due;
	struct loop_deferred call;
	bool failed, fatal, fatal_told;
	char why[STORE_TEXT_MAX + 1];
	loop_cb on_stopped; /* NULL: not to stop, or told */
	void *stopped_arg;
};

/* store_wait.c */
/* Waits that are due are called back at the end of the turn, and whoever waits for
 * the end of the store. */
void store_kick(struct store *s);
void store_call_back(void *store); /* of struct store's `call` */
/* More of the outbox is on its way to the child, where it may be. */
void store_give_more(struct store *s);
/* Something was heard, or there is something new to wait for. */
void store_note_life(struct store *s);
