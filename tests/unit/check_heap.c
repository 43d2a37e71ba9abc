/* The heap: what comes out first, under random adds, removals and changes. */
#include <check.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/heap.h"
#include "run_suite.h"

struct item {
	int key;
	struct heap_node node;
};

static const struct item *
item_of(const struct heap_node *n)
{
	return CONTAINER_OF(n, const struct item, node);
}

static bool
before(const struct heap_node *a, const struct heap_node *b)
{
	return item_of(a)->key < item_of(b)->key;
}

static void
check_heap(const struct heap *h)
{
	for (size_t i = 0; i < h->len; i++) {
		ck_assert_uint_eq(h->nodes[i]->place, i + 1);
		if (i)
			ck_assert(!before(h->nodes[i], h->nodes[(i - 1) / 2]));
	}
}

START_TEST(an_empty_heap_has_no_first)
{
	struct item it = { .key = 1 };
	struct heap h;

	heap_init(&h, before);
	ck_assert_ptr_null(heap_peek(&h));
	heap_remove(&h, &it.node); /* in no heap: left alone */
	heap_add(&h, &it.node);
	ck_assert_ptr_eq(heap_peek(&h), &it.node);
	ck_assert(heap_contains(&it.node));
	heap_remove(&h, &it.node);
	ck_assert(!heap_contains(&it.node));
	ck_assert_ptr_null(heap_peek(&h));
	heap_done(&h);
}
END_TEST

START_TEST(an_element_is_kept_in_or_out)
{
	struct item one = { .key = 1 }, two = { .key = 2 };
	struct heap h;

	heap_init(&h, before);
	heap_keep(&h, &one.node, false);
	ck_assert_uint_eq(h.len, 0);
	heap_keep(&h, &one.node, true);
	heap_keep(&h, &two.node, true);
	ck_assert_ptr_eq(heap_peek(&h), &one.node);
	one.key = 3;
	heap_keep(&h, &one.node, true);
	ck_assert_uint_eq(h.len, 2);
	ck_assert_ptr_eq(heap_peek(&h), &two.node);
	heap_keep(&h, &two.node, false);
	ck_assert(!heap_contains(&two.node));
	ck_assert_ptr_eq(heap_peek(&h), &one.node);
	heap_done(&h);
}
END_TEST

START_TEST(it_sorts)
{
	static struct item items[1000];
	struct heap h;
	int last = -1;

	srandom(5);
	heap_init(&h, before);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		items[i] = (struct item){ .key = (int)(random() % 300) };
		heap_add(&h, &items[i].node);
	}
	check_heap(&h);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		struct heap_node *n = heap_peek(&h);

		ck_assert_int_ge(item_of(n)->key, last);
		last = item_of(n)->key;
		heap_remove(&h, n);
	}
	ck_assert_ptr_null(heap_peek(&h));
	heap_done(&h);
}
END_TEST

START_TEST(any_element_can_move_or_leave)
{
	static struct item items[200];
	struct heap h;

	srandom(6);
	heap_init(&h, before);
	for (unsigned step = 0; step < 20000; step++) {
		struct item *it = &items[(size_t)random() % ARRAY_SIZE(items)];
		const struct item *least = NULL;
		size_t n = 0;

		if (!heap_contains(&it->node)) {
			it->key = (int)(random() % 100);
			heap_add(&h, &it->node);
		} else if (random() % 2) {
			it->key = (int)(random() % 100);
			heap_update(&h, &it->node);
		} else {
			heap_remove(&h, &it->node);
			ck_assert(!heap_contains(&it->node));
		}
		if (step % 16)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(items); i++)
			if (heap_contains(&items[i].node)) {
				n++;
				if (!least || items[i].key < least->key)
					least = &items[i];
			}
		ck_assert_uint_eq(h.len, n);
		ck_assert(!least == !heap_peek(&h));
		if (least)
			ck_assert_int_eq(item_of(heap_peek(&h))->key, least->key);
		check_heap(&h);
	}
	heap_done(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("heap");
	TCase *tc = tcase_create("order");

	tcase_add_test(tc, an_empty_heap_has_no_first);
	tcase_add_test(tc, an_element_is_kept_in_or_out);
	tcase_add_test(tc, it_sorts);
	tcase_add_test(tc, any_element_can_move_or_leave);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
