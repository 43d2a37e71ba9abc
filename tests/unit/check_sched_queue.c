/* The queue of a lane against a plain list: the first is the first, whatever comes and goes. */
#include "daemon/sched/queue.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "random.h"
#include "run_suite.h"

enum { TICKETS = 4000 };

static struct ticket tickets[TICKETS];
static bool is_in[TICKETS];
static struct queue q;
static void
setup(void)
{
	memset(tickets, 0, sizeof tickets);
	memset(is_in, 0, sizeof is_in);
	random_seed(0);
	queue_init(&q);
}

static void
teardown(void)
{
	queue_done(&q);
}

static void
add(unsigned i, uint64_t order)
{
	tickets[i].order = order;
	queue_add(&q, &tickets[i]);
	is_in[i] = true;
}

static void
take(unsigned i)
{
	queue_remove(&q, &tickets[i]);
	is_in[i] = false;
}

static unsigned
number_of(const struct ticket *t)
{
	return (unsigned)(t - tickets);
}

/* Its first and its number are those of the list; each that is in has exactly one place. */
static void
compare(void)
{
	static unsigned seen[TICKETS];
	const struct ticket *best = NULL;
	unsigned n = 0, found = 0;

	memset(seen, 0, sizeof seen);
	for (unsigned i = 0; i < TICKETS; i++) {
		n += is_in[i];
		if (is_in[i] && (!best || ticket_key(&tickets[i]) < ticket_key(best)))
			best = &tickets[i];
	}
	ck_assert_uint_eq(q.len, n);
	ck_assert_ptr_eq(q.first, best);
	for (size_t place = queue_places(&q); place-- > 0;) {
		const struct ticket *t = queue_at(&q, place);

		if (!t)
			continue;
		ck_assert(is_in[number_of(t)] && !seen[number_of(t)]++);
		found++;
	}
	ck_assert_uint_eq(found, n);
	ck_assert_ptr_null(queue_at(&q, queue_places(&q)));
}

START_TEST(those_that_come_in_order_go_in_order)
{
	for (unsigned i = 0; i < TICKETS; i++)
		add(i, 1000 + i);
	ck_assert_uint_eq(q.n_runs, 1);
	ck_assert_uint_eq(q.others.len, 0);
	for (unsigned i = 0; i < TICKETS; i++) {
		ck_assert_ptr_eq(q.first, &tickets[i]);
		take(i);
	}
	ck_assert_ptr_null(q.first);
}
END_TEST

/* Each priority comes in order: few runs take them all, and the heap has nothing. */
START_TEST(a_few_priorities_are_a_few_runs)
{
	for (unsigned i = 0; i < TICKETS; i++)
		add(i, 1000000 * (1 + random_below(5)) + i);
	ck_assert_uint_le(q.n_runs, QUEUE_RUNS);
	ck_assert_uint_eq(q.others.len, 0);
	compare();
}
END_TEST

/* One that takes its old place, and any order at all. */
START_TEST(whatever_comes_in_no_order_is_sorted_as_well)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < TICKETS; i++)
		add(i, 1 + random_below(1 << 30));
	ck_assert_uint_eq(q.n_runs, QUEUE_RUNS);
	ck_assert_uint_gt(q.others.len, 0);
	compare();
	while (q.first) {
		ck_assert_uint_ge(q.first->order, last);
		last = q.first->order;
		take(number_of(q.first));
	}
	ck_assert_uint_eq(q.len, 0);
}
END_TEST

START_TEST(what_has_begun_is_before_all)
{
	add(0, 5);
	add(1, 6);
	tickets[2].begun = true;
	add(2, 900);
	ck_assert_ptr_eq(q.first, &tickets[2]);
	take(2);
	ck_assert_ptr_eq(q.first, &tickets[0]);
}
END_TEST

/* A queue that is never empty, for long: it is no larger than what is in it at once asks for. */
START_TEST(it_does_not_grow_with_time)
{
	uint64_t order = 1;
	unsigned next = 0;

	for (unsigned i = 0; i < 100; i++)
		add(next++, order++);
	for (unsigned n = 0; n < 100000; n++) {
		unsigned first = number_of(q.first);

		take(first);
		add(first, order++);
	}
	ck_assert_uint_le(q.runs[0].size, 512);
	/* The first waits for ever, all others are taken out again: holes. */
	for (unsigned n = 0; n < 100000; n++) {
		unsigned i = 200 + n % 50;

		if (is_in[i])
			take(i);
		add(i, order++);
	}
	ck_assert_uint_le(q.runs[0].size, 1024);
	compare();
}
END_TEST

/* _i: the seed, and how much comes out of order. */
START_TEST(random_steps_agree_with_a_list)
{
	uint64_t order = UINT64_C(1) << 40, mess = (uint64_t)_i % 4;

	random_seed((uint64_t)_i * 7919 + 1);
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = (unsigned)random_below(n < 10000 ? TICKETS : 64); /* it fills, and then drains */

		if (n >= 10000 && q.len > 64)
			i = random_below(2) ? number_of(q.first) : (unsigned)random_below(TICKETS);
		if (is_in[i]) {
			take(i);
		} else if (n < 10000 || random_below(4) == 0) {
			tickets[i].begun = mess == 3 && random_below(50) == 0;
			add(i, order++ + random_below(4) * (mess ? 1 << 20 : 0) + (mess > 1 && random_below(8) == 0 ? 0 : 1 << 30) -
			    (mess > 1 && random_below(8) == 0 ? random_below(1 << 24) : 0));
		}
		if (n % 97 == 0)
			compare();
		else if (q.first)
			ck_assert(is_in[number_of(q.first)]);
	}
	compare();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sched_queue");
	TCase *t = add_case(s, "queue", setup, teardown, 0);

	tcase_set_timeout(t, 60);
	tcase_add_test(t, those_that_come_in_order_go_in_order);
	tcase_add_test(t, a_few_priorities_are_a_few_runs);
	tcase_add_test(t, whatever_comes_in_no_order_is_sorted_as_well);
	tcase_add_test(t, what_has_begun_is_before_all);
	tcase_add_test(t, it_does_not_grow_with_time);
	tcase_add_loop_test(t, random_steps_agree_with_a_list, 0, 12);
	return run_suite(s);
}
