/* Tests of src/term: frames of jobs to the column, and keys. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "term/board.h"
#include "term/keys.h"
#include "term/width.h"

#include "run_suite.h"

static struct term
term_of(unsigned columns, unsigned rows)
{
	return (struct term){ .fd = -1, .is_tty = true, .can_move = true, .utf8 = true, .columns = columns, .rows = rows };
}

static const struct board_fact facts[] = {
	{ "hauld", "running", TERM_INK_GOOD },
	{ NULL, "12.0 MiB/s", TERM_INK_FLOW },
	{ "jobs", "1 active", TERM_INK_FLOW },
	{ NULL, "2 queued", TERM_INK_PLAIN },
	{ "disk", "/srv/haul: 1.0 GiB free of 2.0 GiB", TERM_INK_PLAIN },
};

static const struct board_row rows[] = {
	{ .id = 7, .name = "image.iso", .state = "download", .from = "https://a.example", .total = 999 << 20,
	    .done = 250 << 20, .rate = 10 << 20 },
	{ .id = 8, .name = "geo.mmdb", .state = "blocked", .note = "host-limit" },
	{ .id = 10, .name = "old", .state = "done", .total = 2048, .done = 2048, .priority = 5 },
};

static struct board
board_of(const struct term *t)
{
	return (struct board){ .term = t, .facts = facts, .n_facts = ARRAY_SIZE(facts), .rows = rows,
		.n_rows = ARRAY_SIZE(rows), .footer = "q quit" };
}

/* The lines of one frame, which begins in the corner and ends each line in a clear;
 * the caller frees the text. */
static char *
lines_of(struct board *b)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_BUF struct buf text = { 0 };
	const char *at;
	unsigned n = 0;

	board_draw(b, &out);
	at = buf_cstr(&out);
	ck_assert(has_prefix(at, "\033[H"));
	for (at += 3; *at; n++) {
		const char *end = strstr(at, "\033[K");
		AUTO_FREE char *line = NULL;

		ck_assert_ptr_nonnull(end);
		line = xstrndup(at, (size_t)(end - at));
		ck_assert_ptr_null(strchr(line, '\n'));
		ck_assert_ptr_null(strchr(line, '\033'));
		ck_assert_uint_lt(width_of_text(line), MAX(b->term->columns, 2U));
		buf_printf(&text, "%s\n", line);
		at = end + 3;
		ck_assert(n + 1 == b->term->rows ? !*at : has_prefix(at, "\r\n"));
		at += *at ? 2 : 0;
	}
	ck_assert_uint_eq(n, b->term->rows);
	return xstrdup(buf_cstr(&text));
}

START_TEST(a_frame_has_its_columns)
{
	struct term t = term_of(80, 9);
	struct board b = board_of(&t);
	AUTO_FREE char *text = NULL;

	b.selected = 1;
	b.below = "and 3 more";
	text = lines_of(&b);
	ck_assert_str_eq(text,
	    "hauld     running, 12.0 MiB/s\n"
	    "jobs      1 active, 2 queued\n"
	    "disk      /srv/haul: 1.0 GiB free of 2.0 GiB\n"
	    " ID  NAME                      STATE       DONE        SIZE        RATE     ETA\n"
	    "  7  image.iso                 download     25%     999 MiB  10.0 MiB/s   1m15s\n"
	    "> 8  geo.mmdb                  blocked     host-limit\n"
	    " 10  old                       done        100%     2.0 KiB\n"
	    "and 3 more\n"
	    "q quit\n");
}
END_TEST

START_TEST(a_wide_frame_has_more_columns)
{
	struct term t = term_of(160, 8);
	struct board b = board_of(&t);
	AUTO_FREE char *text = lines_of(&b);

	ck_assert_ptr_nonnull(strstr(text, "PRIO  STATE"));
	ck_assert_ptr_nonnull(strstr(text, "> 7  image.iso"));
	ck_assert_ptr_nonnull(strstr(text, "   25%  [====              ]     999 MiB  10.0 MiB/s   1m15s  https://a.example"));
	ck_assert_ptr_nonnull(strstr(text, "     5  done      "));
}
END_TEST

/* Every size of a screen has exactly its lines, none of them too wide. */
START_TEST(no_screen_is_too_small)
{
	for (unsigned columns = 1; columns < 170; columns += columns < 30 ? 1 : 7)
		for (unsigned n = 1; n < 30; n += n < 8 ? 1 : one_of()) {
			struct term t = term_of(columns, n);
			struct board b = board_of(&t);

			b.selected = 2;
			free(lines_of(&b));
			ck_assert_uint_eq(b.selected, 2);
		}
}
END_TEST

START_TEST(the_head_gives_way_to_jobs)
{
	struct term t = term_of(80, 6);
	struct board b = board_of(&t);
	AUTO_FREE char *text = lines_of(&b);

	ck_assert(has_prefix(text, "hauld     running, 12.0 MiB/s\n ID  NAME"));
	ck_assert_ptr_null(strstr(text, "disk"));
	ck_assert_ptr_nonnull(strstr(text, " 10  old"));
}
END_TEST

static const char *const hostile[] = { "\033[2J\033]0;x\007", "a\r\nb\n\nc", "\xc2\x9b" "31m", "\xe2\x80\xae" "gpj.exe",
	"\xff\xfe\x80", "\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87.tar.gz",
	"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d.iso", "" };

START_TEST(no_name_breaks_a_line)
{
	struct board_row bad[ARRAY_SIZE(hostile)];
	const unsigned widths[] = { 1, 2, 5, 13, 20, 33, 40, 80, 81, 160 };

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		bad[i] = (struct board_row){ .id = UINT64_MAX, .name = hostile[i], .state = hostile[i], .from = hostile[i],
			.total = UINT64_MAX, .done = UINT64_MAX - 1, .rate = UINT64_MAX, .note = i % 2 ? hostile[i] : NULL,
			.priority = INT64_MIN };
	for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
		struct term t = term_of(widths[w], 20);
		struct board b = board_of(&t);

		b.rows = bad;
		b.n_rows = ARRAY_SIZE(bad);
		b.footer = hostile[0];
		free(lines_of(&b));
	}
}
END_TEST

START_TEST(wide_characters_keep_the_columns)
{
	struct board_row wide[] = { { .id = 1, .name = hostile[5], .state = "queued", .note = "host-limit" },
		{ .id = 2, .name = "a", .state = "queued", .note = "host-limit" } };
	struct term t = term_of(80, 4);
	struct board b = { .term = &t, .rows = wide, .n_rows = 2, .footer = "" };
	AUTO_FREE char *text = lines_of(&b);
	char *first = strstr(text, "\n> 1") + 1, *second = strstr(first, "\n  2") + 1;

	*strstr(first, "queued") = '\0';
	*strstr(second, "queued") = '\0';
	ck_assert_uint_eq(width_of_text(first), width_of_text(second));
}
END_TEST

START_TEST(the_selected_row_is_seen)
{
	struct board_row many[100] = { { .id = 0 } };
	struct term t = term_of(40, 10);
	struct board b = { .term = &t, .rows = many, .n_rows = 100, .footer = "" };

	for (size_t i = 0; i < 100; i++)
		many[i] = (struct board_row){ .id = i + 1, .name = "x", .state = "queued" };
	for (size_t i = 0; i < 400; i++) {
		AUTO_FREE char *text = NULL;
		char mark[16];

		b.selected = i * 37 % 100;
		text = lines_of(&b);
		(void)snprintf(mark, sizeof mark, ">%3zu", b.selected + 1);
		ck_assert_ptr_nonnull(strstr(text, mark));
	}
	b.n_rows = 3; /* the others have gone */
	free(lines_of(&b));
	ck_assert_uint_eq(b.selected, 2);
	ck_assert_uint_eq(b.first, 0);
}
END_TEST

START_TEST(a_panel_scrolls_no_further_than_its_end)
{
	struct term t = term_of(20, 4);
	struct board b = { .term = &t, .panel = "a\nb\nc\nd\ne\n", .panel_first = 99, .footer = "f" };
	AUTO_FREE char *text = lines_of(&b);

	ck_assert_str_eq(text, "c\nd\ne\nf\n");
	ck_assert_uint_eq(b.panel_first, 2);
}
END_TEST

START_TEST(the_screen_is_given_back)
{
	AUTO_BUF struct buf in = { 0 };
	AUTO_BUF struct buf out = { 0 };

	board_enter(&in);
	board_leave(&out);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&in), "\033[?1049h"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\033[?1049l"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\033[?25h"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\033[?7h"));
}
END_TEST

/* ---- keys ---- */

static void
feed(struct keys *k, const char *text)
{
	size_t n = strlen(text);

	ck_assert_uint_le(n, keys_room(k));
	memcpy(k->data + k->n, text, n);
	k->n += n;
}

static const struct {
	const char *bytes;
	enum key keys[4]; /* up to KEY_NONE */
	enum key late;
} typed[] = {
	{ "q", { KEY_TEXT }, KEY_NONE },
	{ "\xe4\xb8\xad", { KEY_TEXT }, KEY_NONE },
	{ "\033[A\033[B", { KEY_UP, KEY_DOWN }, KEY_NONE },
	{ "\033OA\033OF", { KEY_UP, KEY_END }, KEY_NONE },
	{ "\033[5~\033[6~\033[1~", { KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME }, KEY_NONE },
	{ "\r\177\025", { KEY_ENTER, KEY_BACKSPACE, KEY_CLEAR }, KEY_NONE },
	{ "\033", { KEY_NONE }, KEY_ESCAPE },
	{ "\033[", { KEY_NONE }, KEY_NONE },
	{ "\033O", { KEY_NONE }, KEY_NONE },
	{ "\033x", { KEY_ESCAPE, KEY_TEXT }, KEY_NONE },
	{ "\033\033", { KEY_ESCAPE }, KEY_ESCAPE },
	{ "\033[1;5Cj", { KEY_TEXT }, KEY_NONE },       /* control and right: nothing here */
	{ "\033[<0;12;3Mj", { KEY_TEXT }, KEY_NONE },   /* a mouse that nobody asked for */
	{ "\033[200~j", { KEY_TEXT }, KEY_NONE },
	{ "\xff\xfe" "j", { KEY_TEXT }, KEY_NONE },
	{ "\xe4\xb8", { KEY_NONE }, KEY_NONE },
	{ "\001\002\003j", { KEY_TEXT }, KEY_NONE },
};

START_TEST(bytes_become_keys)
{
	struct keys k = { .n = 0 };

	feed(&k, typed[_i].bytes);
	for (size_t i = 0; i == 0 || typed[_i].keys[i - 1] != KEY_NONE; i++)
		ck_assert_int_eq(keys_next(&k, false), typed[_i].keys[i]);
	ck_assert_int_eq(keys_next(&k, true), typed[_i].late);
	ck_assert_uint_eq(k.n, 0);
}
END_TEST

START_TEST(a_cut_character_goes_on)
{
	struct keys k = { .n = 0 };

	feed(&k, "\xe4\xb8");
	ck_assert_int_eq(keys_next(&k, false), KEY_NONE);
	feed(&k, "\xad");
	ck_assert_int_eq(keys_next(&k, false), KEY_TEXT);
	ck_assert_str_eq(k.text, "\xe4\xb8\xad");
}
END_TEST

START_TEST(a_sequence_without_end_is_dropped)
{
	struct keys k = { .n = 0 };

	feed(&k, "\033[");
	while (keys_room(&k))
		feed(&k, "1");
	ck_assert_int_eq(keys_next(&k, false), KEY_NONE);
	ck_assert_uint_eq(k.n, 0);
}
END_TEST



int
main(void)
{
	Suite *s = suite_create("board");
	TCase *frames = tcase_create("frames"), *keys = tcase_create("keys");

	tcase_add_test(frames, a_frame_has_its_columns);
	tcase_add_test(frames, a_wide_frame_has_more_columns);
	tcase_add_test(frames, no_screen_is_too_small);
	tcase_add_test(frames, the_head_gives_way_to_jobs);
	tcase_add_test(frames, no_name_breaks_a_line);
	tcase_add_test(frames, wide_characters_keep_the_columns);
	tcase_add_test(frames, the_selected_row_is_seen);
	tcase_add_test(frames, a_panel_scrolls_no_further_than_its_end);
	tcase_add_test(frames, the_screen_is_given_back);
	tcase_add_loop_test(keys, bytes_become_keys, 0, ARRAY_SIZE(typed));
	tcase_add_test(keys, a_cut_character_goes_on);
	tcase_add_test(keys, a_sequence_without_end_is_dropped);
	suite_add_tcase(s, frames);
	suite_add_tcase(s, keys);
	return run_suite(s);
}
