/* All jobs: by id, by name, in their order and by state, against a plain array. */
#include "daemon/engine/registry.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "daemon/engine/download.h"
#include "random.h"
#include "run_suite.h"

static struct registry registry;

static struct spec *
spec_of(const char *name)
{
	AUTO_BUF struct buf b = { 0 };
	struct spec *s;

	spec_put_string(&b, JOB_OUTPUT, "/x/out");
	if (name)
		spec_put_string(&b, JOB_NAME, name);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	return s;
}

static struct entry *
add(const char *name)
{
	AUTO_SPEC struct spec *s = spec_of(name);
	struct entry *en = NEW(struct entry);

	registry_add(&registry, en, registry_reserve(&registry, 1), s);
	return en;
}

static struct entry *
add_as(uint64_t id)
{
	AUTO_SPEC struct spec *s = spec_of(NULL);
	struct entry *en = NEW(struct entry);

	registry_add(&registry, en, id, s);
	return en;
}

/* As the engine does: out of the registry first, then freed. */
static void
take_out(struct entry *en)
{
	registry_remove(&registry, en);
	job_done(&en->job);
	free(en);
}

static void
setup(void)
{
	registry_init(&registry);
}

static void
teardown(void)
{
	struct entry *en;

	while ((en = registry_next(&registry, 0)))
		take_out(en);
	ck_assert_uint_eq(registry.n, 0);
	for (unsigned s = 0; s < _JOB_STATE_MAX; s++)
		ck_assert_uint_eq(registry.counts[s], 0);
	registry_done(&registry);
}

/* ---- Ids ---- */

/* Jobs whose ids were reserved come when the store has them. */
START_TEST(what_was_reserved_may_come_later)
{
	uint64_t first = registry_reserve(&registry, 3), id = 0;

	ck_assert_uint_eq(registry_reserve(&registry, 1), first + 3);
	(void)add_as(first + 3);
	(void)add_as(first + 1);
	(void)add_as(first);
	ck_assert_ptr_null(registry_find(&registry, first + 2));
	for (unsigned i = 0; i < 3; i++)
		id = registry_next(&registry, id)->job.id;
	ck_assert_uint_eq(id, first + 3);
	ck_assert_uint_eq(registry_find(&registry, first + 1)->job.id, first + 1);
	ck_assert_uint_eq(add(NULL)->job.id, first + 4);
}
END_TEST

/* Those of an earlier life bring their own. */
START_TEST(a_greater_id_is_never_given_again)
{
	(void)add_as(1000);
	ck_assert_uint_eq(add(NULL)->job.id, 1001);
	registry.last_id = 5000;
	ck_assert_uint_eq(add(NULL)->job.id, 5001);
}
END_TEST

START_TEST(an_earlier_life_is_over_as_it_was)
{
	struct entry *done = add(NULL), *failed = add(NULL);

	registry_restore_state(&registry, done, JOB_DONE);
	registry_restore_state(&registry, failed, JOB_FAILED);
	ck_assert_int_eq(done->job.state, JOB_DONE);
	ck_assert_int_eq(failed->job.state, JOB_FAILED);
	ck_assert_uint_eq(registry.counts[JOB_DONE], 1);
	ck_assert_uint_eq(registry.counts[JOB_FAILED], 1);
	ck_assert_uint_eq(registry.counts[JOB_QUEUED], 0);
}
END_TEST

START_TEST(an_empty_one_finds_nothing)
{
	ck_assert_ptr_null(registry_find(&registry, 0));
	ck_assert_ptr_null(registry_find(&registry, 1));
	ck_assert_ptr_null(registry_find(&registry, UINT64_MAX));
	ck_assert_ptr_null(registry_find_name(&registry, "a"));
	ck_assert_ptr_null(registry_next(&registry, 0));
	ck_assert_ptr_null(registry_next(&registry, UINT64_MAX));
}
END_TEST

START_TEST(ids_begin_with_1_and_are_found)
{
	struct entry *a = add(NULL), *b = add("b"), *c = add(NULL);

	ck_assert_uint_eq(a->job.id, 1);
	ck_assert_uint_eq(b->job.id, 2);
	ck_assert_uint_eq(c->job.id, 3);
	ck_assert_ptr_eq(registry_find(&registry, 2), b);
	ck_assert_ptr_null(registry_find(&registry, 0));
	ck_assert_ptr_null(registry_find(&registry, 4));
	ck_assert_uint_eq(registry.n, 3);
}
END_TEST

START_TEST(an_id_is_never_given_twice)
{
	take_out(add("a"));
	ck_assert_uint_eq(add("a")->job.id, 2);
	take_out(registry_find(&registry, 2));
	ck_assert_uint_eq(add(NULL)->job.id, 3);
	ck_assert_ptr_null(registry_find(&registry, 1));
	ck_assert_ptr_null(registry_find(&registry, 2));
}
END_TEST

START_TEST(next_steps_over_gaps_and_from_ids_that_have_gone)
{
	struct entry *en[10];

	for (unsigned i = 0; i < 10; i++)
		en[i] = add(NULL);
	take_out(en[0]);
	take_out(en[4]);
	take_out(en[5]);
	take_out(en[9]);
	ck_assert_ptr_eq(registry_next(&registry, 0), en[1]);
	ck_assert_ptr_eq(registry_next(&registry, 1), en[1]);
	ck_assert_ptr_eq(registry_next(&registry, 4), en[6]);
	ck_assert_ptr_eq(registry_next(&registry, 5), en[6]);
	ck_assert_ptr_eq(registry_next(&registry, 8), en[8]);
	ck_assert_ptr_null(registry_next(&registry, 9));
	ck_assert_ptr_null(registry_next(&registry, 10));
}
END_TEST

/* Who walks keeps an id; what goes meanwhile, and closes gaps, may not confuse it. */
START_TEST(a_walk_goes_on_though_jobs_go_behind_and_before_it)
{
	enum { N = 1000 };
	uint64_t at = 0;
	unsigned seen = 0;
	struct entry *en;

	for (unsigned i = 0; i < N; i++)
		(void)add(NULL);
	while ((en = registry_next(&registry, at))) {
		ck_assert_uint_gt(en->job.id, at);
		at = en->job.id;
		seen++;
		take_out(en);
		en = registry_next(&registry, at);
		if (en)
			take_out(en);
	}
	ck_assert_uint_eq(seen, N / 2);
	ck_assert_uint_eq(registry.n, 0);
}
END_TEST

START_TEST(places_of_those_that_went_are_used_no_longer)
{
	enum { N = 10000 };
	struct entry *last;

	for (unsigned i = 0; i < N; i++)
		(void)add(NULL);
	for (uint64_t id = 1; id < N; id++)
		take_out(registry_find(&registry, id));
	last = registry_find(&registry, N);
	ck_assert_ptr_nonnull(last);
	ck_assert_uint_le(registry.n_slots, 130);
	ck_assert_ptr_eq(registry_next(&registry, 0), last);
	/* For ever: a daemon that adds and forgets does not grow. */
	for (unsigned i = 0; i < 10 * N; i++)
		take_out(add("again"));
	ck_assert_uint_le(registry.n_slots, 130);
	ck_assert_ptr_eq(registry_find(&registry, N), last);
}
END_TEST

/* ---- Names ---- */

START_TEST(names_are_found_and_go_with_their_jobs)
{
	struct entry *a = add("a"), *b = add("b");

	ck_assert_ptr_eq(registry_find_name(&registry, "a"), a);
	ck_assert_ptr_eq(registry_find_name(&registry, "b"), b);
	ck_assert_ptr_null(registry_find_name(&registry, "c"));
	ck_assert_ptr_null(registry_find_name(&registry, ""));
	take_out(a);
	ck_assert_ptr_null(registry_find_name(&registry, "a"));
	a = add("a");
	ck_assert_ptr_eq(registry_find_name(&registry, "a"), a);
	ck_assert_uint_eq(a->job.id, 3);
}
END_TEST

/* A changed job of the configuration: the old one still runs, the new one has its name. */
START_TEST(a_dropped_name_is_free_and_its_old_owner_takes_nothing_with_it)
{
	struct entry *old = add("a"), *new;

	registry_drop_name(&registry, old);
	ck_assert_ptr_null(registry_find_name(&registry, "a"));
	ck_assert_ptr_eq(registry_find(&registry, 1), old);
	new = add("a");
	registry_drop_name(&registry, old);
	ck_assert_ptr_eq(registry_find_name(&registry, "a"), new);
	take_out(old);
	ck_assert_ptr_eq(registry_find_name(&registry, "a"), new);
	registry_drop_name(&registry, add(NULL)); /* there is none */
}
END_TEST

/* ---- States ---- */

START_TEST(states_are_counted)
{
	struct entry *a = add(NULL), *b = add(NULL);

	ck_assert_uint_eq(registry.counts[JOB_QUEUED], 2);
	registry_set_state(&registry, a, JOB_ACTIVE);
	ck_assert_int_eq(a->job.state, JOB_ACTIVE);
	ck_assert_uint_eq(registry.counts[JOB_QUEUED], 1);
	ck_assert_uint_eq(registry.counts[JOB_ACTIVE], 1);
	registry_set_state(&registry, a, JOB_DONE);
	registry_set_state(&registry, b, JOB_CANCELLED);
	ck_assert_uint_eq(registry.counts[JOB_DONE], 1);
	ck_assert_uint_eq(registry.counts[JOB_ACTIVE], 0);
	take_out(a);
	ck_assert_uint_eq(registry.counts[JOB_DONE], 0);
	ck_assert_uint_eq(registry.counts[JOB_CANCELLED], 1);
}
END_TEST

/* ---- Against a plain array ---- */

enum { JOBS = 3000, NAMES = 40 };

static struct {
	struct entry *by_id[JOBS + 1]; /* NULL: has gone */
	struct entry *by_name[NAMES];
	uint64_t last;
} model;

static const char *
name_text(unsigned i)
{
	static char text[16];

	(void)snprintf(text, sizeof text, "n%u", i);
	return text;
}

static void
add_random(void)
{
	unsigned name = (unsigned)random_below(NAMES);
	bool named = !model.by_name[name] && random_below(2);
	struct entry *en = add(named ? name_text(name) : NULL);

	ck_assert_uint_eq(en->job.id, ++model.last);
	model.by_id[model.last] = en;
	if (named)
		model.by_name[name] = en;
}

static void
forget_name(const struct entry *en)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (model.by_name[i] == en)
			model.by_name[i] = NULL;
}

static void
change_random(void)
{
	uint64_t id = 1 + random_below(model.last);
	struct entry *en = model.by_id[id];

	ck_assert_ptr_eq(registry_find(&registry, id), en);
	if (!en)
		return;
	if (random_below(4) == 0) {
		registry_drop_name(&registry, en);
		forget_name(en);
	} else {
		model.by_id[id] = NULL;
		forget_name(en);
		take_out(en);
	}
}

static void
compare(void)
{
	uint64_t at = 0, n = 0;

	for (uint64_t id = 1; id <= model.last; id++) {
		if (!model.by_id[id])
			continue;
		n++;
		ck_assert_ptr_eq(registry_next(&registry, at), model.by_id[id]);
		at = id;
	}
	ck_assert_ptr_null(registry_next(&registry, at));
	ck_assert_uint_eq(registry.n, n);
	for (unsigned i = 0; i < NAMES; i++)
		ck_assert_ptr_eq(registry_find_name(&registry, name_text(i)), model.by_name[i]);
}

START_TEST(thousands_of_random_steps_agree_with_an_array)
{
	memset(&model, 0, sizeof model);
	random_seed(88172645463325252 + (uint64_t)_i);
	while (model.last < JOBS) {
		/* Phases of growing and of shrinking. */
		if (!model.last || random_below(10) < (model.last / 300 % 2 ? 3U : 7U))
			add_random();
		else
			change_random();
		if (random_below(50) == 0)
			compare();
	}
	compare();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("registry");
	TCase *t = add_case(s, "ids", setup, teardown, 0);

	tcase_add_test(t, what_was_reserved_may_come_later);
	tcase_add_test(t, a_greater_id_is_never_given_again);
	tcase_add_test(t, an_earlier_life_is_over_as_it_was);
	tcase_add_test(t, an_empty_one_finds_nothing);
	tcase_add_test(t, ids_begin_with_1_and_are_found);
	tcase_add_test(t, an_id_is_never_given_twice);
	tcase_add_test(t, next_steps_over_gaps_and_from_ids_that_have_gone);
	tcase_add_test(t, a_walk_goes_on_though_jobs_go_behind_and_before_it);
	tcase_add_test(t, places_of_those_that_went_are_used_no_longer);
	t = add_case(s, "names", setup, teardown, 0);
	tcase_add_test(t, names_are_found_and_go_with_their_jobs);
	tcase_add_test(t, a_dropped_name_is_free_and_its_old_owner_takes_nothing_with_it);
	t = add_case(s, "states", setup, teardown, 0);
	tcase_add_test(t, states_are_counted);
	t = add_case(s, "model", setup, teardown, 60);
	tcase_add_loop_test(t, thousands_of_random_steps_agree_with_an_array, 0, 5);
	return run_suite(s);
}
