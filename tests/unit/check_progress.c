/* Tests of src/term/progress and summary: what stands on the screen after some
 * frames, by a small terminal that carries them out, and the exact text of
 * plain lines and tables. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "run_suite.h"
#include "term/progress.h"
#include "term/summary.h"
#include "term/width.h"

/* ---- a small terminal ---- */

enum { SCREEN_ROWS = 40, SCREEN_COLUMNS = 220, CELL = 24 };

struct screen {
	unsigned columns, rows, x, y;
	bool wraps; /* DECAWM; x may stand beyond the last column */
	/* UTF-8; "" is the right half of a wide one. */
	char cells[SCREEN_ROWS][SCREEN_COLUMNS][CELL];
	struct buf history; /* owned: lines that scrolled away, each with '\n' */
};

static void
screen_blank(struct screen *s, unsigned y, unsigned from)
{
	for (unsigned x = from; x < s->columns; x++)
		memcpy(s->cells[y][x], " ", 2);
}

static void
screen_init(struct screen *s, unsigned columns, unsigned rows)
{
	memset(s, 0, sizeof *s);
	s->columns = columns;
	s->rows = rows;
	s->wraps = true;
	for (unsigned y = 0; y < rows; y++)
		screen_blank(s, y, 0);
}

/* Line y without the blanks at its end, and '\n'. */
static void
screen_line(const struct screen *s, unsigned y, struct buf *out)
{
	unsigned end = s->columns;

	while (end > 0 && strcmp(s->cells[y][end - 1], " ") == 0)
		end--;
	for (unsigned x = 0; x < end; x++)
		buf_append_str(out, s->cells[y][x]);
	buf_append_str(out, "\n");
}

static void
screen_line_feed(struct screen *s)
{
	if (s->y + 1 < s->rows) {
		s->y++;
		return;
	}
	screen_line(s, 0, &s->history);
	memmove(s->cells[0], s->cells[1], sizeof s->cells[0] * (s->rows - 1));
	screen_blank(s, s->rows - 1, 0);
}

/* One escape sequence, "[...": those that progress may use, no other. */
static size_t
screen_escape(struct screen *s, const char *p)
{
	size_t digits = strspn(p + 1, "?0123456789;"), len = digits + 2;
	uint64_t n = 1;

	ck_assert_int_eq(p[0], '[');
	switch (p[1 + digits]) {
	case 'A':
		ck_assert_int_eq(parse_u64_n(p + 1, digits, 10, &n), 0);
		s->y -= (unsigned)MIN(n, (uint64_t)s->y);
		break;
	case 'B':
		s->y = MIN(s->y + 1, s->rows - 1);
		break;
	case 'K':
		ck_assert_uint_eq(digits, 0);
		screen_blank(s, s->y, s->x);
		break;
	case 'J':
		ck_assert_uint_eq(digits, 0);
		/* tmux takes this for "clear" and saves the screen. */
		for (unsigned y = 0; s->x == 0 && s->y == 0 && y < s->rows; y++)
			if (*s->cells[y][0] != ' ')
				screen_line(s, y, &s->history);
		screen_blank(s, s->y, s->x);
		for (unsigned y = s->y + 1; y < s->rows; y++)
			screen_blank(s, y, 0);
		break;
	case 'h':
	case 'l':
		ck_assert(has_prefix(p, "[?7"));
		s->wraps = p[1 + digits] == 'h';
		break;
	case 'm':
		break;
	default:
		ck_abort_msg("an unknown sequence: %.10s", p);
	}
	return len;
}

static void
screen_put(struct screen *s, const char *p, size_t len)
{
	unsigned width = (unsigned)width_of_text(p);
	char *before;

	if (width == 0) {
		ck_assert_uint_gt(s->x, 0);
		before = s->cells[s->y][s->x - 1];
		ck_assert_uint_lt(strlen(before) + len, CELL);
		memcpy(before + strlen(before), p, len + 1);
		return;
	}
	if (s->x + width > s->columns) {
		ck_assert_msg(s->wraps, "a row of the block is wider than the screen");
		screen_line_feed(s);
		s->x = 0;
	}
	memcpy(s->cells[s->y][s->x], p, len + 1);
	if (width == 2)
		s->cells[s->y][s->x + 1][0] = '\0';
	s->x += width;
}

/* Carries the bytes out, as a terminal with ONLCR does, and drops them. */
static void
screen_feed(struct screen *s, struct buf *b)
{
	const char *p = buf_cstr(b), *end = p + buf_len(b);

	while (p < end) {
		unsigned len = utf8_length((const unsigned char *)p, (size_t)(end - p));
		char one[8] = "";

		ck_assert_uint_gt(len, 0);
		if (*p == '\033') {
			p += 1 + screen_escape(s, p + 1);
			continue;
		}
		if (*p == '\n')
			screen_line_feed(s);
		if (*p == '\n' || *p == '\r') {
			s->x = 0;
		} else {
			ck_assert_uint_ge((unsigned char)*p, 0x20);
			memcpy(one, p, len);
			screen_put(s, one, len);
		}
		p += len;
	}
	buf_consume(b, buf_len(b));
}

/* The history and the screen, without the empty lines at its end. */
static const char *
screen_text(const struct screen *s, struct buf *out)
{
	buf_consume(out, buf_len(out));
	buf_append(out, buf_bytes(&s->history), buf_len(&s->history));
	for (unsigned y = 0; y < s->rows; y++)
		screen_line(s, y, out);
	while (buf_len(out) > 1 && has_suffix(buf_cstr(out), "\n\n"))
		out->end--;
	return buf_cstr(out);
}

/* A screen that became another width, as terminals that fold lines show it:
 * each line is cut into pieces, the cursor stays behind what it stood behind. */
static void
screen_fold(struct screen *s, unsigned columns)
{
	struct screen *old = malloc(sizeof *old);
	unsigned end;

	ck_assert_ptr_nonnull(old);
	*old = *s;
	screen_init(s, columns, old->rows);
	s->history = old->history;
	for (unsigned y = 0; y < old->y; y++) {
		for (end = old->columns; end > 0; end--)
			if (strcmp(old->cells[y][end - 1], " ") != 0)
				break;
		for (unsigned x = 0; x < end; x++)
			if (*old->cells[y][x])
				screen_put(s, old->cells[y][x], strlen(old->cells[y][x]));
		screen_line_feed(s);
		s->x = 0;
	}
	free(old);
}

/* ---- fixtures ---- */

static struct term term;
static struct progress progress;
static struct screen screen;
static struct buf out, text;

static void
set_up(void)
{
	term = (struct term){ .fd = -1, .is_tty = true, .can_move = true, .utf8 = true,
		.has_eighths = true, .columns = 80, .rows = 24 };
	progress_init(&progress, &term);
	screen_init(&screen, 80, 24);
}

static void
tear_down(void)
{
	progress_done(&progress);
	buf_done(&screen.history);
	buf_done(&out);
	buf_done(&text);
}

static void
frame(const struct progress_row *rows, size_t n, const struct progress_total *total)
{
	progress_draw(&progress, rows, n, total, &out);
	screen_feed(&screen, &out);
	ck_assert_uint_eq(screen.x, 0);
	ck_assert(screen.wraps);
}

static void
ck_screen(const char *want)
{
	ck_assert_str_eq(screen_text(&screen, &text), want);
}

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static const struct progress_row every_phase[] = {
	{ .name = "debian-12.9.0-amd64-DVD-1.iso", .phase = PROGRESS_DOWNLOADING,
	    .total = 47 * GIB / 10, .done = 22 * GIB / 10, .rate = 582 * MIB / 10 },
	{ .name = "linux-6.12.tar.xz", .phase = PROGRESS_VERIFYING, .total = 812 * MIB,
	    .done = 812 * MIB, .processed = 674 * MIB },
	{ .name = "initrd.zst", .phase = PROGRESS_UNPACKING, .total = 100, .done = 100,
	    .processed = 61, .out = GIB },
	{ .name = "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.txt", .phase = PROGRESS_DOWNLOADING,
	    .done = 3 * MIB, .rate = MIB },
	{ .name = "a\033[2Jb\n", .phase = PROGRESS_CONNECTING },
	{ .name = "model.bin", .phase = PROGRESS_RETRYING, .retry_in_s = 14,
	    .reason = "http-503: the server is overloaded and asks to come back after a while" },
	{ .name = "e\xcc\x81.bin", .phase = PROGRESS_PUBLISHING, .total = 5, .done = 5,
	    .processed = 5 },
	{ .name = "z", .phase = PROGRESS_WAITING },
};

static const struct progress_total some_total = {
	.jobs = 12, .queued = 1, .active = 8, .done = 3, .sized = 12, .bytes_done = 12 * GIB / 10,
	.bytes_total = 47 * GIB / 10, .rate = 582 * MIB / 10, .elapsed_ms = 63 * 1000,
	.limit = "limit 200 MiB/s",
};

/* ---- frames ---- */

START_TEST(a_frame_of_80_columns_shows_each_phase)
{
	frame(every_phase, ARRAY_SIZE(every_phase), &some_total);
	ck_screen(
	    "debian-12.…DVD-1.iso   46%  ▕████▋     ▏    2.2/4.7 GiB  58.2 MiB/s  ETA 44s\n"
	    "linux-6.12.tar.xz     100%  ▕██████████▏  verifying 83%\n"
	    "initrd.zst            100%  ▕██████████▏  unpacking 61%, 1.0 GiB out\n"
	    "日本語.txt               -                      3.0 MiB   1.0 MiB/s\n"
	    "a\\x1b[2Jb\\x0a         connecting\n"
	    "model.bin             retry in 14s: http-503: the server is overloaded and ask…\n"
	    "e\xcc\x81.bin                 100%  ▕██████████▏  publishing\n"
	    "z                     waiting\n"
	    "3 of 12 done           25%  ▕██▌       ▏    1.2/4.7 GiB  58.2 MiB/s  ETA 1m02s\n"
	    "8 active, 1 queued, limit 200 MiB/s, elapsed 1m03s\n");
}
END_TEST

START_TEST(a_terminal_without_utf8_gets_ascii_only)
{
	term.utf8 = term.has_eighths = false;
	progress_draw(&progress, every_phase, ARRAY_SIZE(every_phase), &some_total, &out);
	for (size_t i = 0; i < buf_len(&out); i++)
		ck_assert_uint_lt(buf_bytes(&out)[i], 0x80);
	screen_feed(&screen, &out);
	ck_assert_ptr_nonnull(strstr(screen_text(&screen, &text),
	    "debian-12...VD-1.iso   46%  [####      ]    2.2/4.7 GiB  58.2 MiB/s  ETA 44s\n"));
}
END_TEST

START_TEST(colours_change_no_column_and_are_absent_when_off)
{
	AUTO_BUF struct buf plain = { 0 };

	progress_draw(&progress, every_phase, ARRAY_SIZE(every_phase), &some_total, &out);
	ck_assert_ptr_null(strstr(buf_cstr(&out), "\033[3"));
	screen_feed(&screen, &out);
	buf_append_str(&plain, screen_text(&screen, &text));
	term.colour = true;
	progress_draw(&progress, every_phase, ARRAY_SIZE(every_phase), &some_total, &out);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\033[32m"));
	screen_feed(&screen, &out);
	ck_screen(buf_cstr(&plain));
}
END_TEST

START_TEST(at_40_columns_name_and_percent_remain)
{
	term.columns = 40;
	term.rows = 12;
	screen_init(&screen, 40, 12);
	frame(every_phase, ARRAY_SIZE(every_phase), &some_total);
	ck_screen(
	    "debian-12.9.…4-DVD-1.iso   46%\n"
	    "linux-6.12.tar.xz         verifying 83%\n"
	    "initrd.zst                unpacking 61…\n"
	    "日本語.txt                   -\n"
	    "a\\x1b[2Jb\\x0a             connecting\n"
	    "model.bin                 retry in 14s\n"
	    "e\xcc\x81.bin                     publishing\n"
	    "z                         waiting\n"
	    "3 of 12 done               25%\n"
	    "58.2 MiB/s, ETA 1m02s, 8 active\n");
}
END_TEST

START_TEST(at_200_columns_names_are_whole_and_the_bar_is_long)
{
	term.columns = 200;
	screen_init(&screen, 200, 24);
	frame(every_phase, 1, &some_total);
	ck_screen(
	    "debian-12.9.0-amd64-DVD-1.iso   46%  ▕█████████████████████▌                        ▏"
	    "    2.2/4.7 GiB  58.2 MiB/s  ETA 44s\n"
	    "3 of 12 done                    25%  ▕███████████▋                                  ▏"
	    "    1.2/4.7 GiB  58.2 MiB/s  ETA 1m02s\n"
	    "8 active, 1 queued, limit 200 MiB/s, elapsed 1m03s\n");
}
END_TEST

START_TEST(no_row_is_wider_than_any_screen)
{
	for (unsigned columns = 1; columns <= SCREEN_COLUMNS; columns += columns < 30 ? 1 : 7)
		for (unsigned rows = 1; rows <= 13; rows += rows < 4 ? 1 : 3) {
			progress_done(&progress);
			progress_init(&progress, &term);
			buf_done(&screen.history);
			term.columns = columns;
			term.rows = rows;
			term.utf8 = term.has_eighths = columns % 2;
			term.colour = rows % 2;
			screen_init(&screen, columns, rows);
			for (int i = 0; i < 2; i++)
				frame(every_phase, ARRAY_SIZE(every_phase), &some_total);
			ck_assert_uint_lt(progress.lines, MAX(rows, 2U));
			/* Nothing of the block scrolled away. */
			if (rows > 1)
				ck_assert_uint_eq(buf_len(&screen.history), 0);
		}
}
END_TEST

START_TEST(permanent_lines_scroll_above_a_block_that_stays)
{
	struct progress_row r[2] = { every_phase[0], every_phase[1] };
	struct progress_total total = some_total;

	term.rows = 6;
	screen_init(&screen, 80, 6);
	buf_append_str(&out, "$ hauld --once\n");
	screen_feed(&screen, &out);
	frame(r, 2, &total);
	progress_print_above(&progress, "first\nevil \033[2J\tline\n");
	frame(r, 2, &total);
	progress_print_above(&progress, "third is long enough to go over the edge of eighty "
	                                "columns, which is what a reason of a failure often does");
	total.done = 4;
	frame(r, 2, &total);
	frame(r, 2, &total);
	ck_screen(
	    "$ hauld --once\n"
	    "first\n"
	    "evil \\x1b[2J\\x09line\n"
	    "third is long enough to go over the edge of eighty columns, which is what a reas\n"
	    "on of a failure often does\n"
	    "debian-12.…DVD-1.iso   46%  ▕████▋     ▏    2.2/4.7 GiB  58.2 MiB/s  ETA 44s\n"
	    "linux-6.12.tar.xz     100%  ▕██████████▏  verifying 83%\n"
	    "4 of 12 done           25%  ▕██▌       ▏    1.2/4.7 GiB  58.2 MiB/s  ETA 1m02s\n"
	    "8 active, 1 queued, limit 200 MiB/s, elapsed 1m03s\n");
	progress_print_above(&progress, "last");
	progress_clear(&progress, &out);
	buf_append_str(&out, "$ ");
	screen_feed(&screen, &out);
	ck_screen(
	    "$ hauld --once\n"
	    "first\n"
	    "evil \\x1b[2J\\x09line\n"
	    "third is long enough to go over the edge of eighty columns, which is what a reas\n"
	    "on of a failure often does\n"
	    "last\n"
	    "$\n");
}
END_TEST

/* What ^C leaves below the block goes with it. */
START_TEST(the_echo_of_a_key_goes_with_the_block)
{
	buf_append_str(&out, "$ haulctl attach\n");
	screen_feed(&screen, &out);
	frame(every_phase, 1, &some_total);
	buf_append_str(&out, "^C");
	screen_feed(&screen, &out);
	progress_clear(&progress, &out);
	buf_append_str(&out, "detached\n");
	screen_feed(&screen, &out);
	ck_screen("$ haulctl attach\ndetached\n");
}
END_TEST

START_TEST(a_block_that_fills_the_screen_never_gets_into_the_history)
{
	AUTO_BUF struct buf want = { 0 };

	term.rows = 6;
	screen_init(&screen, 80, 6);
	for (int i = 0; i < 20; i++) {
		frame(every_phase, ARRAY_SIZE(every_phase), &some_total);
		buf_printf(&want, "line %d\n", i);
		progress_print_above(&progress, buf_cstr(&want) + buf_len(&want) -
		    strlen(i < 10 ? "line 1\n" : "line 10\n"));
	}
	progress_clear(&progress, &out);
	screen_feed(&screen, &out);
	ck_screen(buf_cstr(&want));
}
END_TEST

START_TEST(lines_of_a_block_that_shrinks_are_emptied)
{
	frame(every_phase, 6, &some_total);
	for (int i = 0; i < 10; i++)
		frame(every_phase, 1, &some_total);
	ck_screen(
	    "debian-12.…DVD-1.iso   46%  ▕████▋     ▏    2.2/4.7 GiB  58.2 MiB/s  ETA 44s\n"
	    "3 of 12 done           25%  ▕██▌       ▏    1.2/4.7 GiB  58.2 MiB/s  ETA 1m02s\n"
	    "8 active, 1 queued, limit 200 MiB/s, elapsed 1m03s\n");
}
END_TEST

START_TEST(a_finished_job_is_printed_above)
{
	static const struct summary_row row = { .state = SUMMARY_DONE, .path = "x.iso",
		.bytes = 200 * MIB, .ms = 3400, .note = "sha256 ok" };

	frame(every_phase, 1, &some_total);
	progress_print_result(&progress, &row);
	frame(every_phase + 1, 1, &some_total);
	ck_assert(has_prefix(screen_text(&screen, &text),
	    "done      x.iso                                  200 MiB in 3.4s    sha256 ok\n"
	    "linux-6.12.tar.xz     100%"));
}
END_TEST

START_TEST(a_stopped_terminal_does_not_eat_the_memory)
{
	for (int i = 0; i < 100 * 1000; i++)
		progress_print_above(&progress, "a line of some length, as they are");
	progress_clear(&progress, &out);
	ck_assert_uint_lt(buf_len(&out), 300 * 1024);
	ck_assert(has_suffix(buf_cstr(&out), " more lines that were not shown\n"));
	ck_assert(!strchr(buf_cstr(&out), '\033')); /* no block, no cursor movement */
}
END_TEST

START_TEST(rows_beyond_the_screen_are_counted)
{
	struct progress_row rows[200];
	struct progress_total total = some_total;
	char name[200][16];

	total.jobs = 400;
	total.active = 200;
	for (size_t i = 0; i < 200; i++) {
		(void)snprintf(name[i], sizeof name[i], "file-%03zu", i);
		rows[i] = (struct progress_row){ .name = name[i], .phase = PROGRESS_CONNECTING };
	}
	term.rows = 8;
	screen_init(&screen, 80, 8);
	frame(rows, 200, &total);
	ck_screen(
	    "file-000       connecting\n"
	    "file-001       connecting\n"
	    "file-002       connecting\n"
	    "file-003       connecting\n"
	    "and 196 more\n"
	    "3 of 400 done    0%  ▕          ▏        1.2 GiB  58.2 MiB/s  ETA ~46m\n"
	    "200 active, 1 queued, limit 200 MiB/s, elapsed 1m03s\n");
	ck_assert_uint_eq(buf_len(&screen.history), 0);
}
END_TEST

START_TEST(a_single_job_has_no_total_and_a_finished_one_no_line)
{
	struct progress_total one = { .jobs = 1, .active = 1, .sized = 1 };

	frame(every_phase, 1, &one);
	ck_screen("debian-12.…DVD-1.iso   46%  ▕████▋     ▏    2.2/4.7 GiB  58.2 MiB/s  ETA 44s\n");
	for (int i = 0; i < 20; i++)
		frame(NULL, 0, &one);
	ck_screen("\n");
}
END_TEST

START_TEST(columns_stay_where_they_are_while_figures_change)
{
	struct progress_row r = every_phase[0];
	struct progress_total total = some_total;

	for (uint64_t done = 0; done <= r.total; done += r.total / 97) {
		const char *line, *slash, *unit;

		r.done = total.bytes_done = done;
		r.rate = total.rate = MIB + done * 31 % (400 * MIB);
		frame(&r, 1, &total);
		line = screen_text(&screen, &text);
		slash = strstr(line, "/4.7 GiB  ");
		ck_assert_ptr_nonnull(slash);
		unit = strstr(slash + 10, "/s  ETA ");
		ck_assert_ptr_nonnull(unit);
		/* From the unit on, rates are right aligned in ten columns. */
		ck_assert_int_eq(unit - slash, 10 + 8);
	}
}
END_TEST

START_TEST(the_block_does_not_jump_when_one_job_follows_another)
{
	frame(every_phase, 3, &some_total);
	ck_assert_uint_eq(progress.lines, 5);
	for (int i = 0; i < 9; i++) {
		frame(every_phase, 2, &some_total);
		ck_assert_uint_eq(progress.lines, 5);
	}
	frame(every_phase, 3, &some_total);
	for (int i = 0; i < 10; i++)
		frame(every_phase, 2, &some_total);
	ck_assert_uint_eq(progress.lines, 4);
	ck_assert_ptr_null(strstr(screen_text(&screen, &text), "\n\n"));
}
END_TEST

START_TEST(a_screen_that_becomes_narrower_or_wider_is_repainted_whole)
{
	static const unsigned widths[] = { 45, 120, 30, 80 };

	buf_append_str(&out, "$ hauld --once\n");
	screen_feed(&screen, &out);
	frame(every_phase, 4, &some_total);
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		screen_fold(&screen, widths[i]);
		term.columns = widths[i];
		frame(every_phase, 4, &some_total);
		frame(every_phase, 4, &some_total);
	}
	ck_screen(
	    "$ hauld --once\n"
	    "debian-12.…DVD-1.iso   46%  ▕████▋     ▏    2.2/4.7 GiB  58.2 MiB/s  ETA 44s\n"
	    "linux-6.12.tar.xz     100%  ▕██████████▏  verifying 83%\n"
	    "initrd.zst            100%  ▕██████████▏  unpacking 61%, 1.0 GiB out\n"
	    "日本語.txt               -                      3.0 MiB   1.0 MiB/s\n"
	    "3 of 12 done           25%  ▕██▌       ▏    1.2/4.7 GiB  58.2 MiB/s  ETA 1m02s\n"
	    "8 active, 1 queued, limit 200 MiB/s, elapsed 1m03s\n");
}
END_TEST

START_TEST(after_a_stop_the_block_begins_anew_below)
{
	struct progress_total one = { .jobs = 1, .active = 1, .sized = 1 };

	frame(&every_phase[7], 1, &one);
	buf_append_str(&out, "$ fg\n");
	screen_feed(&screen, &out);
	progress_forget(&progress);
	frame(&every_phase[7], 1, &one);
	frame(&every_phase[7], 1, &one);
	ck_screen("z             waiting\n$ fg\nz             waiting\n");
}
END_TEST

START_TEST(repaints_and_plain_lines_keep_their_pace)
{
	unsigned frames = 0, lines = 0;

	for (uint64_t ms = 5000; ms < 65000; ms += 7) {
		frames += progress_due(&progress, ms);
		lines += progress_plain_due(&progress, ms);
	}
	ck_assert_uint_le(frames, 600);
	ck_assert_uint_ge(frames, 560);
	ck_assert_uint_eq(lines, 5);
}
END_TEST

START_TEST(a_plain_line_says_it_all)
{
	struct progress_total total = some_total;

	total.active = 4;
	progress_plain_line(&total, &out);
	total.failed = 1;
	total.sized = 6; /* the size of the whole is a guess now */
	progress_plain_line(&total, &out);
	progress_plain_line(&(struct progress_total){ .jobs = 1, .active = 1 }, &out);
	ck_assert_str_eq(buf_cstr(&out),
	    "haul: 3 of 12 done, 4 active, 1.2 GiB of 4.7 GiB, 58.2 MiB/s, ETA 1m02s\n"
	    "haul: 3 of 12 done, 1 failed, 4 active, 1.2 GiB, 58.2 MiB/s, ETA 2m25s\n"
	    "haul: 0 of 1 done, 1 active, 0 B\n");
}
END_TEST

/* ---- the summary ---- */

static const struct summary_row some_jobs[] = {
	{ .state = SUMMARY_DONE, .path = "debian-12.9.0-netinst.iso", .bytes = 633 * MIB,
	    .ms = 3400, .note = "sha256 ok" },
	{ .state = SUMMARY_FAILED, .path = "x.zip", .word = "checksum-mismatch",
	    .reason = "the file has "
	              "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" },
	{ .state = SUMMARY_DONE, .path = "日本語.txt", .bytes = 12, .ms = 100 },
	{ .state = SUMMARY_DONE, .path = "a\033]0;evil\007\n.tar", .bytes = GIB, .ms = 62 * 1000,
	    .note = "unpacked 1.0 GiB from zstd" },
	{ .state = SUMMARY_CANCELLED, .path = "rest.bin", .word = "cancelled",
	    .reason = "it had not begun" },
	{ .state = SUMMARY_FAILED, .path = "gone", .word = "http-404" },
};

static const struct summary_total some_sum = { .bytes = 12 * GIB / 10, .ms = 3400 };

START_TEST(a_file_gets_one_line_per_job)
{
	term.is_tty = term.can_move = false;
	summary_format(some_jobs, ARRAY_SIZE(some_jobs), &some_sum, &term, &out);
	ck_assert_str_eq(buf_cstr(&out),
	    "done      debian-12.9.0-netinst.iso  633 MiB in 3.4s   sha256 ok\n"
	    "failed    x.zip                      checksum-mismatch: the file has sha256:"
	    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"
	    "done      日本語.txt                    12 B in 0.1s\n"
	    "done      a\\x1b]0;evil\\x07\\x0a.tar   1.0 GiB in 1m02s  unpacked 1.0 GiB from zstd\n"
	    "cancelled rest.bin                   cancelled: it had not begun\n"
	    "failed    gone                       http-404\n"
	    "3 done, 2 failed, 1 cancelled, 1.2 GiB in 3.4s (361 MiB/s)\n");
}
END_TEST

START_TEST(a_terminal_wraps_what_is_too_long)
{
	static const struct summary_row long_path = { .state = SUMMARY_DONE,
		.path = "a/very/long/path/that/no/column/of/eighty/has/room/for/"
		        "model-00001-of-00030.bin",
		.bytes = 5, .ms = 1, .note = "sha256 ok" };

	summary_format(some_jobs, ARRAY_SIZE(some_jobs), &some_sum, &term, &out);
	summary_format_row(&long_path, &term, &out);
	ck_assert_str_eq(buf_cstr(&out),
	    "done      debian-12.9.0-netinst.iso  633 MiB in 3.4s   sha256 ok\n"
	    "failed    x.zip\n"
	    "    checksum-mismatch: the file has\n"
	    "    sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"
	    "done      日本語.txt                    12 B in 0.1s\n"
	    "done      a\\x1b]0;evil\\x07\\x0a.tar   1.0 GiB in 1m02s\n"
	    "    unpacked 1.0 GiB from zstd\n"
	    "cancelled rest.bin                   cancelled: it had not begun\n"
	    "failed    gone                       http-404\n"
	    "3 done, 2 failed, 1 cancelled, 1.2 GiB in 3.4s (361 MiB/s)\n"
	    "done      a/very/long/path/that/no/column/of/eighty/has/room/for/"
	    "model-00001-of-00030.bin\n"
	    "    5 B in 0.0s    sha256 ok\n");
}
END_TEST

START_TEST(a_word_longer_than_the_line_is_cut_across)
{
	static const struct summary_row row = { .state = SUMMARY_FAILED, .path = "p",
		.word = "write", .reason = "日日日日日日日日日日日日" };

	term.columns = 25;
	summary_format_row(&row, &term, &out);
	ck_assert_str_eq(buf_cstr(&out),
	    "failed    p\n"
	    "    write:\n"
	    "    日日日日日日日日日日\n"
	    "    日日\n");
}
END_TEST

START_TEST(fifty_done_jobs_are_shown_and_every_failure)
{
	struct summary_row *rows = calloc(400, sizeof *rows);
	size_t lines[3] = { 0 };

	ck_assert_ptr_nonnull(rows);
	for (size_t i = 0; i < 400; i++)
		rows[i] = (struct summary_row){ .path = "p", .word = "dns",
			.reason = "no such host",
			.state = i % 2 ? SUMMARY_FAILED :
			    i % 4      ? SUMMARY_CANCELLED :
			                 SUMMARY_DONE };
	summary_format(rows, 400, &some_sum, &term, &out);
	for (const char *p = buf_cstr(&out); *p; p += strcspn(p, "\n") + 1) {
		lines[0] += has_prefix(p, "done ");
		lines[1] += has_prefix(p, "failed ");
		lines[2] += has_prefix(p, "cancelled ");
	}
	ck_assert_uint_eq(lines[0], 50);
	ck_assert_uint_eq(lines[1], 200);
	ck_assert_uint_eq(lines[2], 50);
	ck_assert(has_suffix(buf_cstr(&out),
	    "... and 50 more done\n... and 50 more cancelled\n"
	    "100 done, 200 failed, 100 cancelled, 1.2 GiB in 3.4s (361 MiB/s)\n"));
	free(rows);
}
END_TEST

START_TEST(only_words_are_coloured_and_only_when_allowed)
{
	term.colour = true;
	summary_format(some_jobs + 4, 2, &(struct summary_total){ 0 }, &term, &out);
	ck_assert_str_eq(buf_cstr(&out),
	    "\033[33mcancelled\033[0m rest.bin  cancelled: it had not begun\n"
	    "\033[31mfailed\033[0m    gone      http-404\n"
	    "0 done, \033[31m1 failed\033[0m, \033[33m1 cancelled\033[0m, 0 B in 0.0s\n");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("progress");
	TCase *frames = tcase_create("frames"), *over_time = tcase_create("over time");
	TCase *summary = tcase_create("summary");

	tcase_set_timeout(frames, 30); /* many screens: seconds under valgrind */
	tcase_add_checked_fixture(frames, set_up, tear_down);
	tcase_add_test(frames, a_frame_of_80_columns_shows_each_phase);
	tcase_add_test(frames, a_terminal_without_utf8_gets_ascii_only);
	tcase_add_test(frames, colours_change_no_column_and_are_absent_when_off);
	tcase_add_test(frames, at_40_columns_name_and_percent_remain);
	tcase_add_test(frames, at_200_columns_names_are_whole_and_the_bar_is_long);
	tcase_add_test(frames, no_row_is_wider_than_any_screen);
	tcase_add_test(frames, rows_beyond_the_screen_are_counted);
	tcase_add_test(frames, a_single_job_has_no_total_and_a_finished_one_no_line);
	suite_add_tcase(s, frames);
	tcase_add_checked_fixture(over_time, set_up, tear_down);
	tcase_add_test(over_time, permanent_lines_scroll_above_a_block_that_stays);
	tcase_add_test(over_time, the_echo_of_a_key_goes_with_the_block);
	tcase_add_test(over_time, a_block_that_fills_the_screen_never_gets_into_the_history);
	tcase_add_test(over_time, lines_of_a_block_that_shrinks_are_emptied);
	tcase_add_test(over_time, a_finished_job_is_printed_above);
	tcase_add_test(over_time, a_stopped_terminal_does_not_eat_the_memory);
	tcase_add_test(over_time, columns_stay_where_they_are_while_figures_change);
	tcase_add_test(over_time, the_block_does_not_jump_when_one_job_follows_another);
	tcase_add_test(over_time, a_screen_that_becomes_narrower_or_wider_is_repainted_whole);
	tcase_add_test(over_time, after_a_stop_the_block_begins_anew_below);
	tcase_add_test(over_time, repaints_and_plain_lines_keep_their_pace);
	tcase_add_test(over_time, a_plain_line_says_it_all);
	suite_add_tcase(s, over_time);
	tcase_add_checked_fixture(summary, set_up, tear_down);
	tcase_add_test(summary, a_file_gets_one_line_per_job);
	tcase_add_test(summary, a_terminal_wraps_what_is_too_long);
	tcase_add_test(summary, a_word_longer_than_the_line_is_cut_across);
	tcase_add_test(summary, fifty_done_jobs_are_shown_and_every_failure);
	tcase_add_test(summary, only_words_are_coloured_and_only_when_allowed);
	suite_add_tcase(s, summary);
	return run_suite(s);
}
