/* Tests of src/term: what a terminal can do, widths of text, figures, speed. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "run_suite.h"
#include "term/figures.h"
#include "term/meter.h"
#include "term/term.h"
#include "term/width.h"

/* A pseudo-terminal of that size; *ret_master is what a screen would read. */
static int
open_pty(unsigned short columns, unsigned short rows, int *ret_master)
{
	struct winsize ws = { .ws_col = columns, .ws_row = rows };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(slave, 0);
	ck_assert_int_eq(ioctl(slave, TIOCSWINSZ, &ws), 0);
	*ret_master = master;
	return slave;
}

static void
clear_env(void)
{
	static const char *const names[] = { "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS",
		"LINES", "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	setenv("TERM", "xterm", 1);
}

/* ---- the terminal ---- */

START_TEST(a_terminal_tells_its_size_and_a_resize)
{
	struct winsize ws = { .ws_col = 40, .ws_row = 10 };
	AUTO_CLOSE int master = -1, tty = open_pty(123, 45, &master);
	struct term t;

	setenv("COLUMNS", "77", 1); /* stale, and the terminal knows better */
	term_init(&t, tty, TERM_COLOUR_AUTO);
	ck_assert(t.is_tty && t.can_move && t.colour);
	ck_assert_uint_eq(t.columns, 123);
	ck_assert_uint_eq(t.rows, 45);
	ck_assert_int_eq(ioctl(tty, TIOCSWINSZ, &ws), 0);
	term_resize(&t);
	ck_assert_uint_eq(t.columns, 40);
	ck_assert_uint_eq(t.rows, 10);
}
END_TEST

START_TEST(a_size_that_is_missing_or_mad_is_replaced)
{
	AUTO_CLOSE int master = -1, tty = open_pty(0, 0, &master);
	struct winsize ws = { .ws_col = 65535, .ws_row = 65535 };
	struct term t;

	term_init(&t, tty, TERM_COLOUR_AUTO);
	ck_assert_uint_eq(t.columns, 80);
	ck_assert_uint_eq(t.rows, 24);
	setenv("COLUMNS", "99", 1);
	setenv("LINES", "11", 1);
	term_resize(&t);
	ck_assert_uint_eq(t.columns, 99);
	ck_assert_uint_eq(t.rows, 11);
	setenv("COLUMNS", "12x", 1);
	setenv("LINES", "0", 1);
	term_resize(&t);
	ck_assert_uint_eq(t.columns, 80);
	ck_assert_uint_eq(t.rows, 24);
	setenv("COLUMNS", "99999999999999999999", 1);
	term_resize(&t);
	ck_assert_uint_eq(t.columns, 80);
	ck_assert_int_eq(ioctl(tty, TIOCSWINSZ, &ws), 0);
	term_resize(&t);
	ck_assert_uint_eq(t.columns, TERM_COLUMNS_MAX);
	ck_assert_uint_eq(t.rows, TERM_ROWS_MAX);
}
END_TEST

START_TEST(colour_follows_the_variables)
{
	static const struct {
		const char *no_color, *clicolor, *force, *term;
		bool tty, colour;
	} cases[] = {
		{ NULL, NULL, NULL, "xterm", true, true },
		{ NULL, NULL, NULL, "xterm", false, false },
		{ NULL, NULL, NULL, "dumb", true, false },
		{ NULL, NULL, NULL, "", true, false },
		{ NULL, NULL, NULL, NULL, true, false },
		{ "1", NULL, NULL, "xterm", true, false },
		{ "", NULL, NULL, "xterm", true, true },
		{ "1", NULL, "1", "xterm", true, false },
		{ NULL, NULL, "1", "xterm", false, true },
		{ NULL, NULL, "0", "xterm", false, false },
		{ NULL, NULL, "1", "dumb", true, true },
		{ NULL, "0", NULL, "xterm", true, false },
		{ NULL, "0", "1", "xterm", true, true },
	};
	AUTO_CLOSE int master = -1, tty = open_pty(80, 24, &master);
	AUTO_CLOSE int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct term t;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clear_env();
		unsetenv("TERM");
		if (cases[i].no_color)
			setenv("NO_COLOR", cases[i].no_color, 1);
		if (cases[i].clicolor)
			setenv("CLICOLOR", cases[i].clicolor, 1);
		if (cases[i].force)
			setenv("CLICOLOR_FORCE", cases[i].force, 1);
		if (cases[i].term)
			setenv("TERM", cases[i].term, 1);
		term_init(&t, cases[i].tty ? tty : file, TERM_COLOUR_AUTO);
		ck_assert_msg(t.colour == cases[i].colour, "case %zu", i);
		term_init(&t, cases[i].tty ? tty : file, TERM_COLOUR_NEVER);
		ck_assert(!t.colour);
		term_init(&t, cases[i].tty ? tty : file, TERM_COLOUR_ALWAYS);
		ck_assert(t.colour);
	}
}
END_TEST

START_TEST(the_first_locale_variable_that_is_set_decides)
{
	static const struct {
		const char *all, *ctype, *lang;
		bool utf8;
	} cases[] = {
		{ NULL, NULL, NULL, false },
		{ NULL, NULL, "C.UTF-8", true },
		{ NULL, NULL, "de_DE.utf8@euro", true },
		{ NULL, NULL, "de_DE", false },
		{ NULL, NULL, "de_DE.ISO-8859-1", false },
		{ NULL, NULL, "UTF-8", true },
		{ NULL, NULL, "en_US.UTF-8x", false },
		{ "C", NULL, "C.UTF-8", false },
		{ "", "C", "C.UTF-8", false },
		{ "", "", "C.UTF-8", true },
		{ "C.UTF-8", "C", "C", true },
	};
	struct term t;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clear_env();
		if (cases[i].all)
			setenv("LC_ALL", cases[i].all, 1);
		if (cases[i].ctype)
			setenv("LC_CTYPE", cases[i].ctype, 1);
		if (cases[i].lang)
			setenv("LANG", cases[i].lang, 1);
		term_init(&t, -1, TERM_COLOUR_AUTO);
		ck_assert_msg(t.utf8 == cases[i].utf8, "case %zu", i);
		ck_assert(!t.is_tty && !t.can_move);
	}
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TERM", "linux", 1);
	term_init(&t, -1, TERM_COLOUR_AUTO);
	ck_assert(t.utf8 && !t.has_eighths);
}
END_TEST

START_TEST(hostile_bytes_become_text)
{
	static const char evil[] = "a\033[2Jb\r\n\x7f\xff\xc2\x9b" "31m\\";
	struct term t = { .is_tty = true, .utf8 = true };
	AUTO_FREE char *safe = term_safe(&t, evil), *again = term_safe_again(&t, safe);
	AUTO_FREE char *raw = term_safe_again(&t, evil);

	ck_assert_str_eq(safe, "a\\x1b[2Jb\\x0d\\x0a\\x7f\\xff\\xc2\\x9b31m\\x5c");
	ck_assert_str_eq(again, safe);
	ck_assert_str_eq(raw, "a\\x1b[2Jb\\x0d\\x0a\\x7f\\xff\\xc2\\x9b31m\\");
}
END_TEST

START_TEST(without_utf8_each_character_is_one_sign_on_a_terminal_only)
{
	struct term t = { .is_tty = true };
	AUTO_FREE char *tty = term_safe(&t, "café 日本 😀.");
	AUTO_FREE char *again = term_safe_again(&t, "\xc3\xa9\\xff");
	AUTO_FREE char *file = NULL;

	ck_assert_str_eq(tty, "caf? ?? ?.");
	ck_assert_str_eq(again, "?\\xff");
	t.is_tty = false;
	file = term_safe(&t, "caf\xc3\xa9");
	ck_assert_str_eq(file, "caf\xc3\xa9");
}
END_TEST

START_TEST(an_endless_text_is_cut)
{
	struct term t = { .utf8 = true };
	AUTO_FREE char *s = calloc(1, 100 * 1000 + 1), *safe = NULL, *again = NULL;

	ck_assert_ptr_nonnull(s);
	memset(s, 'x', 100 * 1000);
	safe = term_safe(&t, s);
	ck_assert_uint_eq(strlen(safe), TERM_TEXT_MAX);
	memset(s, '\\', 100 * 1000);
	again = term_safe_again(&t, s);
	ck_assert_uint_eq(strlen(again), TERM_TEXT_MAX);
}
END_TEST

START_TEST(a_stopped_terminal_refuses_and_never_blocks)
{
	AUTO_CLOSE int master = -1, tty = open_pty(80, 24, &master), fd = -1;
	AUTO_BUF struct buf b = { 0 };
	struct term t;
	int r = 0;

	term_init(&t, tty, TERM_COLOUR_AUTO);
	ck_assert_int_eq(term_reopen(&t, &fd), 0);
	ck_assert_int_eq(fcntl(tty, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(term_write(fd, &b), 0);
	width_fill(&b, 1000 * 1000);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = term_write(fd, &b);
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_uint_gt(buf_len(&b), 0);
	ck_assert_uint_lt(buf_len(&b), 1000 * 1000); /* what it took is gone from b */
	t.is_tty = false;
	ck_assert_int_eq(term_reopen(&t, &fd), -ENOTTY);
	ck_assert_int_eq(term_write(-1, &b), -EBADF);
}
END_TEST

/* ---- widths ---- */

START_TEST(the_table_agrees_with_the_c_library)
{
	unsigned differ = 0;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	for (uint32_t c = 0xa0; c < 0x110000; c++) {
		int theirs = wcwidth((wchar_t)c);

		if (theirs < 0 || (c >= 0xd800 && c < 0xe000))
			continue;
		differ += (unsigned)theirs != width_of_char(c);
	}
	/* None with Debian 12; a younger Unicode adds a few characters. */
	ck_assert_uint_le(differ, 256);
}
END_TEST

START_TEST(text_is_measured_in_columns)
{
	ck_assert_uint_eq(width_of_text(""), 0);
	ck_assert_uint_eq(width_of_text("abc"), 3);
	ck_assert_uint_eq(width_of_text("\xe6\x97\xa5\xe6\x9c\xac"), 4);
	ck_assert_uint_eq(width_of_text("e\xcc\x81t\xc3\xa9"), 3);
	ck_assert_uint_eq(width_of_text("\xf0\x9f\x98\x80"), 2);
	ck_assert_uint_eq(width_of_text("\xed\x95\x9c"), 2);
	ck_assert_uint_eq(width_of_text("\xff\xfe"), 2);
	ck_assert_uint_eq(width_of_text("\xef\xbd\xb1"), 1); /* a halfwidth katakana */
}
END_TEST

static void
ck_cut(const char *s, size_t columns, enum width_cut cut, bool utf8, const char *want)
{
	AUTO_BUF struct buf b = { 0 };
	size_t n = width_put(&b, s, columns, cut, utf8);

	ck_assert_str_eq(buf_cstr(&b), want);
	ck_assert_uint_eq(n, width_of_text(want));
	ck_assert_uint_le(n, columns);
}

START_TEST(text_is_cut_at_the_end_or_in_the_middle)
{
	static const char cjk[] = "日本語文"; /* 8 columns */

	ck_cut("abcdefghij", 10, WIDTH_CUT_END, true, "abcdefghij");
	ck_cut("abcdefghij", 9, WIDTH_CUT_END, true, "abcdefgh\xe2\x80\xa6");
	ck_cut("abcdefghij", 9, WIDTH_CUT_END, false, "abcdef...");
	ck_cut("abcdefghij", 9, WIDTH_CUT_MIDDLE, true, "abcd\xe2\x80\xa6ghij");
	ck_cut("abcdefghij", 8, WIDTH_CUT_MIDDLE, true, "abcd\xe2\x80\xa6hij");
	ck_cut("abcdefghij", 8, WIDTH_CUT_MIDDLE, false, "abc...ij");
	ck_cut("abcdefghij", 4, WIDTH_CUT_MIDDLE, false, "abcd");
	ck_cut("abcdefghij", 2, WIDTH_CUT_MIDDLE, true, "ab");
	ck_cut("abcdefghij", 0, WIDTH_CUT_MIDDLE, true, "");
	/* A wide character is never halved: one column stays free. */
	ck_cut(cjk, 6, WIDTH_CUT_END, true, "\xe6\x97\xa5\xe6\x9c\xac\xe2\x80\xa6");
	ck_cut(cjk, 7, WIDTH_CUT_MIDDLE, true, "\xe6\x97\xa5\xe2\x80\xa6\xe6\x96\x87");
	ck_cut(cjk, 1, WIDTH_CUT_END, true, "");
	/* A mark stays with its letter on both sides of a cut. */
	ck_cut("ae\xcc\x81xxxxxxe\xcc\x81z", 5, WIDTH_CUT_MIDDLE, true,
	    "ae\xcc\x81\xe2\x80\xa6" "e\xcc\x81z");
}
END_TEST

START_TEST(a_cut_never_exceeds_its_columns)
{
	static const char *const texts[] = {
		"\xe6\x97\xa5" "a\xe6\x9c\xac" "b\xe8\xaa\x9e" "cc\xf0\x9f\x98\x80",
		"plain-ascii-name.tar.gz",
		"e\xcc\x81\xcc\x82\xe6\x97\xa5\xcc\x81xyz\xe6\x97\xa5",
		"\xff\xfe\x01zz",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t w = 0; w < 30; w++)
			for (int k = 0; k < 4; k++) {
				AUTO_BUF struct buf b = { 0 };
				size_t n = width_put(&b, texts[i], w,
				    k & 1 ? WIDTH_CUT_END : WIDTH_CUT_MIDDLE, k & 2);

				ck_assert_uint_le(n, w);
				ck_assert_uint_eq(n, width_of_text(buf_cstr(&b)));
				/* All but what wide characters leave free is used. */
				ck_assert_uint_ge(n + 3, MIN(w, width_of_text(texts[i])));
			}
}
END_TEST

START_TEST(piles_of_marks_and_control_bytes_do_not_reach_the_screen)
{
	AUTO_BUF struct buf b = { 0 }, pile = { 0 };

	buf_append_str(&pile, "\xcc\x81o"); /* a mark without a letter is dropped */
	for (int i = 0; i < 1000; i++)
		buf_append_str(&pile, "\xcc\x81");
	buf_append_str(&pile, "\033[2J\xff");
	ck_assert_uint_eq(width_put(&b, buf_cstr(&pile), 20, WIDTH_CUT_END, true), 6);
	ck_assert_str_eq(buf_cstr(&b), "o\xcc\x81\xcc\x81\xcc\x81\xcc\x81?[2J?");
}
END_TEST

/* ---- figures and speed ---- */

START_TEST(figures_read_well_and_stay_in_their_columns)
{
	char t[FIGURES_SIZE];

	ck_assert_str_eq(figures_pair(t, 2362232012, 5046586572), "2.2/4.7 GiB");
	ck_assert_str_eq(figures_pair(t, 58 << 20, 812 << 20), "58/812 MiB");
	ck_assert_str_eq(figures_pair(t, 0, 12), "0/12 B");
	ck_assert_str_eq(figures_pair(t, 1536, 0), "1.5 KiB");
	ck_assert_str_eq(figures_rate(t, 61027123), "58.2 MiB/s");
	ck_assert_str_eq(figures_eta_text(t, 52), "ETA 52s");
	ck_assert_str_eq(figures_eta_text(t, 291), "ETA 4m51s");
	ck_assert_str_eq(figures_eta_text(t, FIGURES_UNKNOWN), "");
	for (unsigned shift = 0; shift < 64; shift++)
		for (unsigned k = 0; k < 16; k++) {
			uint64_t v = (UINT64_C(1) << shift) + ((UINT64_C(1) << shift) / 16) * k;

			ck_assert_uint_le(strlen(figures_pair(t, v - 1, v)), FIGURES_PAIR_WIDTH);
			ck_assert_uint_le(strlen(figures_pair(t, v, 0)), FIGURES_PAIR_WIDTH);
			ck_assert_uint_le(strlen(figures_rate(t, v)), FIGURES_RATE_WIDTH);
			ck_assert_uint_le(strlen(figures_eta_text(t, figures_eta(0, v, 1))),
			    FIGURES_ETA_WIDTH);
			ck_assert_uint_le(strlen(figures_time(t, v)), FIGURES_SIZE - 1);
		}
}
END_TEST

START_TEST(a_percentage_is_100_only_at_the_end)
{
	ck_assert_uint_eq(figures_percent(0, 0), 0);
	ck_assert_uint_eq(figures_percent(1, 3), 33);
	ck_assert_uint_eq(figures_percent(UINT64_MAX - 1, UINT64_MAX), 99);
	ck_assert_uint_eq(figures_percent(999999, 1000000), 99);
	ck_assert_uint_eq(figures_percent(7, 7), 100);
	ck_assert_uint_eq(figures_percent(9, 7), 100);
}
END_TEST

START_TEST(an_eta_needs_a_size_and_a_rate)
{
	ck_assert_uint_eq(figures_eta(0, 0, 10), FIGURES_UNKNOWN);
	ck_assert_uint_eq(figures_eta(0, 10, 0), FIGURES_UNKNOWN);
	ck_assert_uint_eq(figures_eta(0, 100, 10), 10);
	ck_assert_uint_eq(figures_eta(99, 100, 10), 1);
	ck_assert_uint_eq(figures_eta(100, 100, 10), 0);
	ck_assert_uint_eq(figures_eta(0, UINT64_MAX, 1), FIGURES_UNKNOWN);
}
END_TEST

START_TEST(a_steady_speed_is_exact_and_a_change_takes_over)
{
	struct meter m = { 0 };
	uint64_t ms = 5, bytes = 0;

	ck_assert_uint_eq(meter_rate(&m), 0);
	meter_update(&m, ms, bytes);
	ck_assert_uint_eq(meter_rate(&m), 0);
	meter_update(&m, ms, bytes); /* twice in one millisecond */
	for (int i = 0; i < 50; i++) {
		meter_update(&m, ms += 100, bytes += 100 * 1000);
		ck_assert_uint_ge(meter_rate(&m), 999 * 1000);
		ck_assert_uint_le(meter_rate(&m), 1001 * 1000);
	}
	meter_update(&m, ms += 100, bytes); /* one gap does not shake it */
	ck_assert_uint_ge(meter_rate(&m), 950 * 1000);
	for (int i = 0; i < 300; i++)
		meter_update(&m, ms += 100, bytes);
	ck_assert_uint_le(meter_rate(&m), 5 * 1000);
	meter_update(&m, ms += 100, 10); /* the transfer began anew */
	ck_assert_uint_eq(meter_rate(&m), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("term");
	TCase *terminal = tcase_create("terminal"), *width = tcase_create("width");
	TCase *figures = tcase_create("figures");

	tcase_add_checked_fixture(terminal, clear_env, NULL);
	tcase_add_test(terminal, a_terminal_tells_its_size_and_a_resize);
	tcase_add_test(terminal, a_size_that_is_missing_or_mad_is_replaced);
	tcase_add_test(terminal, colour_follows_the_variables);
	tcase_add_test(terminal, the_first_locale_variable_that_is_set_decides);
	tcase_add_test(terminal, hostile_bytes_become_text);
	tcase_add_test(terminal, without_utf8_each_character_is_one_sign_on_a_terminal_only);
	tcase_add_test(terminal, an_endless_text_is_cut);
	tcase_add_test(terminal, a_stopped_terminal_refuses_and_never_blocks);
	suite_add_tcase(s, terminal);
	tcase_add_test(width, the_table_agrees_with_the_c_library);
	tcase_add_test(width, text_is_measured_in_columns);
	tcase_add_test(width, text_is_cut_at_the_end_or_in_the_middle);
	tcase_add_test(width, a_cut_never_exceeds_its_columns);
	tcase_add_test(width, piles_of_marks_and_control_bytes_do_not_reach_the_screen);
	suite_add_tcase(s, width);
	tcase_add_test(figures, figures_read_well_and_stay_in_their_columns);
	tcase_add_test(figures, a_percentage_is_100_only_at_the_end);
	tcase_add_test(figures, an_eta_needs_a_size_and_a_rate);
	tcase_add_test(figures, a_steady_speed_is_exact_and_a_change_takes_over);
	suite_add_tcase(s, figures);
	return run_suite(s);
}
