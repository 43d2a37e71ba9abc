/* The doubly linked list. */
#include <check.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "run_suite.h"

struct item {
	int n;
	struct list link;
};

static struct item items[6];

static void
setup(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		items[i] = (struct item){ .n = (int)i };
}

/* The numbers on the list as decimal digits, forwards; checks the back links. */
static int
digits(struct list *l)
{
	struct item *it;
	int forth = 0, back = 0, scale = 1;

	LIST_FOREACH(it, l, struct item, link)
		forth = forth * 10 + it->n;
	for (struct list *e = l->prev; e != l; e = e->prev, scale *= 10)
		back += scale * LIST_ENTRY(e, struct item, link)->n;
	ck_assert_int_eq(forth, back);
	return forth;
}

START_TEST(elements_keep_their_order)
{
	struct list l = LIST_INIT(l);

	ck_assert(list_empty(&l));
	ck_assert_int_eq(digits(&l), 0);
	list_append(&l, &items[2].link);
	list_append(&l, &items[3].link);
	list_prepend(&l, &items[1].link);
	list_append(&l, &items[4].link);
	ck_assert_int_eq(digits(&l), 1234);
	ck_assert_int_eq(LIST_FIRST(&l, struct item, link)->n, 1);
	ck_assert(!list_empty(&l));
}
END_TEST

START_TEST(any_element_can_leave_and_come_back)
{
	struct list l, other;

	list_init(&l);
	list_init(&other);
	for (unsigned i = 1; i <= 4; i++)
		list_append(&l, &items[i].link);
	list_remove(&items[2].link);
	ck_assert_int_eq(digits(&l), 134);
	ck_assert(!list_linked(&items[2].link));
	ck_assert(list_linked(&items[3].link));
	list_append(&other, &items[2].link);
	ck_assert_int_eq(digits(&other), 2);
	list_remove(&items[1].link);
	list_remove(&items[4].link);
	ck_assert_int_eq(digits(&l), 3);
	list_remove(&items[3].link);
	ck_assert(list_empty(&l));
	list_append(&l, &items[3].link);
	ck_assert_int_eq(digits(&l), 3);
}
END_TEST

START_TEST(removing_what_is_on_no_list_does_nothing)
{
	struct list l = LIST_INIT(l);

	list_append(&l, &items[1].link);
	list_remove(&items[5].link); /* zeroed, never initialised */
	ck_assert(!list_linked(&items[5].link));
	list_init(&items[4].link);
	list_remove(&items[4].link);
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	ck_assert(list_empty(&l));
}
END_TEST

START_TEST(the_loop_may_remove_its_element)
{
	struct list l = LIST_INIT(l);
	struct item *it;
	int seen = 0;

	for (unsigned i = 1; i <= 5; i++)
		list_append(&l, &items[i].link);
	LIST_FOREACH(it, &l, struct item, link) {
		seen = seen * 10 + it->n;
		if (it->n % 2)
			list_remove(&it->link);
	}
	ck_assert_int_eq(seen, 12345);
	ck_assert_int_eq(digits(&l), 24);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("links");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, elements_keep_their_order);
	tcase_add_test(tc, any_element_can_leave_and_come_back);
	tcase_add_test(tc, removing_what_is_on_no_list_does_nothing);
	tcase_add_test(tc, the_loop_may_remove_its_element);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
