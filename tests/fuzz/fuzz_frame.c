/*
 * Frames and every message that may be in them.  The first byte says in what
 * pieces the rest arrives; whatever decodes must encode to the same bytes.
 */
#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "model/spec.h"
#include "wire/conf_msg.h"
#include "wire/read_msg.h"
#include "wire/spawn_msg.h"
#include "wire/store_msg.h"
#include "wire/work_msg.h"

const char fuzz_name[] = "frame";

/* The encoded message has m's payload (of one frame or of several). */
static void
check_same(struct buf *encoded, const struct message *m)
{
	struct frame_reader r = { .in = *encoded };
	struct message again;
	int e = frame_reader_next(&r, &again);

	assert(e == 1 && again.id == m->id && again.len == m->len);
	assert(m->len == 0 || memcmp(again.payload, m->payload, m->len) == 0);
	frame_reader_done(&r);
	*encoded = (struct buf){ 0 };
}

static void
try_digests(const struct digest *d, unsigned n)
{
	char text[DIGEST_TEXT_MAX];

	for (unsigned i = 0; i < n; i++) {
		struct digest back;
		const char *why;
		int r = digest_parse(digest_format(&d[i], text), &back, &why);

		assert(r == 0 && back.algo == d[i].algo);
	}
}

static void
try_work(const struct message *m)
{
	struct buf out = { 0 };
	struct task_msg task;
	struct front_msg front;
	struct progress_msg progress;
	struct result_msg result;

	(void)!work_get_hello(m);
	if (work_get_task(m, &task) == 0) {
		try_digests(task.in, task.n_in);
		work_put_task(&out, m->id, &task);
		check_same(&out, m);
	}
	if (work_get_front(m, &front) == 0) {
		work_put_front(&out, m->id, &front);
		check_same(&out, m);
	}
	if (work_get_progress(m, &progress) == 0) {
		work_put_progress(&out, m->id, &progress);
		check_same(&out, m);
	}
	if (work_get_result(m, &result) == 0) {
		assert(strlen(result.result.text) < sizeof result.result.text);
		assert(*result_word(&result.result));
		try_digests(result.in_digest, result.n_in);
		try_digests(result.out_digest, result.n_out);
	}
}

/* Every pair that was found whole is taken and given again. */
static void
try_check(const struct message *m)
{
	struct buf pairs = { 0 }, out = { 0 };
	struct cursor c;
	unsigned n;

	if (conf_get_check(m, &c, &n) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct conf_pair p;

		conf_get_pair(&c, &p);
		assert(strlen(p.key) <= CONF_KEY_MAX && (p.kind == CONF_KIND_TEXT) == (p.text != NULL));
		conf_put_pair(&pairs, &p);
	}
	assert(cursor_finish(&c) == 0);
	conf_put_check(&out, m->id, buf_bytes(&pairs), buf_len(&pairs));
	check_same(&out, m);
	buf_done(&pairs);
}

static void
try_conf(const struct message *m)
{
	struct buf out = { 0 };
	struct conf_end end;
	struct text text;

	if (conf_get_text(m, &text) == 0)
		assert(text.len + 2 == m->len);
	try_check(m);
	if (m->id == 0 && conf_get_end(m, &end) == 0) {
		conf_put_end(&out, &end);
		check_same(&out, m);
	}
	for (int scope = 0; scope < _SCOPE_MAX; scope++) {
		AUTO_SPEC struct spec *s = NULL;

		if (spec_new((enum setting_scope)scope, m->payload, m->len, NULL, &s) < 0)
			continue;
		for (int id = 0; id < _SETTING_MAX; id++) {
			const struct setting *row = setting_find((enum setting_id)id);

			if (!row || row->scope != (enum setting_scope)scope)
				continue;
			if (setting_is_number(row))
				(void)spec_number(s, row->id);
			else if (spec_string(s, row->id) && spec_has(s, row->id))
				assert(spec_list_len(s, row->id) > 0);
		}
	}
}

/* The text of a result is made safe on the way, and is the same from then on. */
static void
try_job(const struct message *m)
{
	struct frame_reader r = { 0 };
	struct buf out = { 0 };
	struct store_job j, again;
	struct message safe;
	int e;

	if (store_msg_get_job(m, &j) < 0)
		return;
	assert(j.id && strlen(j.result.text) < sizeof j.result.text && *result_word(&j.result));
	assert(*job_state_to_string(j.state) && j.spec.len <= SPEC_MAX);
	store_msg_put_job(&r.in, m->id, (enum store_msg_type)m->type, &j);
	e = frame_reader_next(&r, &safe);
	assert(e == 1);
	e = store_msg_get_job(&safe, &again);
	assert(e == 0 && strcmp(again.result.text, j.result.text) == 0);
	store_msg_put_job(&out, m->id, (enum store_msg_type)m->type, &again);
	check_same(&out, &safe);
	frame_reader_done(&r);
}

static void
try_history(const struct message *m)
{
	struct buf out = { 0 };
	struct store_limits limits;
	struct store_ended ended;
	struct store_key key;
	struct store_note note;
	struct read_list list;
	struct read_end end;

	if (m->id == 0 && store_msg_get_limits(m, &limits) == 0) {
		store_msg_put_limits(&out, &limits);
		check_same(&out, m);
	}
	if (m->id == 0 && store_msg_get_ended(m, &ended) == 0) {
		store_msg_put_ended(&out, &ended);
		check_same(&out, m);
	}
	if (store_msg_get_key(m, &key) == 0) {
		store_msg_put_key(&out, m->id, STORE_KEY, &key);
		check_same(&out, m);
	}
	if (store_msg_get_note(m, &note) == 0) {
		store_msg_put_note(&out, m->id, STORE_NOTE, &note);
		check_same(&out, m);
	}
	if (read_get_list(m, &list) == 0) {
		read_put_list(&out, m->id, &list);
		check_same(&out, m);
		read_list_done(&list);
	}
	if (read_get_end(m, &end) == 0) {
		read_put_end(&out, m->id, &end);
		check_same(&out, m);
	}
}

static void
try_store(const struct message *m)
{
	struct buf out = { 0 };
	struct text text;
	uint64_t n;

	(void)!store_msg_get_hello(m);
	try_job(m);
	if (store_msg_get_number(m, &n) == 0) {
		store_msg_put_number(&out, m->id, (enum store_msg_type)m->type, n);
		check_same(&out, m);
	}
	if (store_msg_get_text(m, &text) == 0)
		assert(text.len + 2 == m->len && text.len <= STORE_TEXT_MAX);
	if (store_msg_get_empty(m) == 0)
		assert(m->len == 0);
}

static void
try_spawn(const struct message *m)
{
	struct buf out = { 0 };
	struct spawn_run run;
	struct spawn_end end;
	struct text line;

	(void)!spawn_get_hello(m);
	(void)!spawn_get_kill(m);
	if (spawn_get_run(m, &run) == 0) {
		assert(run.argv[0]);
		spawn_put_run(&out, m->id, &run);
		check_same(&out, m);
		spawn_run_done(&run);
	}
	if (spawn_get_line(m, &line) == 0) {
		spawn_put_line(&out, m->id, line);
		check_same(&out, m);
	}
	if (spawn_get_end(m, &end) == 0) {
		spawn_put_end(&out, m->id, &end);
		check_same(&out, m);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct frame_reader r = { 0 };
	size_t step = n ? (size_t)data[0] + 1 : 1;
	int e = 0;

	for (size_t at = 1; at < n && e >= 0; at += step) {
		struct message m;

		buf_append(&r.in, data + at, MIN(step, n - at));
		while ((e = frame_reader_next(&r, &m)) == 1) {
			assert(m.len <= MESSAGE_MAX);
			try_work(&m);
			try_conf(&m);
			try_store(&m);
			try_history(&m);
			try_spawn(&m);
		}
	}
	frame_reader_done(&r);
	return 0;
}
