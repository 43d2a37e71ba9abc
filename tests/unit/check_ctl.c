/* haulctl's parts that need no hauld: command line, jobs, tables. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/args.h"
#include "ctl/brief.h"
#include "ctl/entry.h"
#include "ctl/table.h"
#include "run_suite.h"
#include "term/width.h"

/* --- the command line --- */

static struct args args;
static char words[512];

/* Words apart by single spaces, behind "haulctl"; the error, or NULL. */
static char *
parse(const char *line)
{
	char *argv[64] = { (char *)(uintptr_t) "haulctl" }, *rest = words, *why = NULL;
	int argc = 1, r;

	args_done(&args);
	(void)snprintf(words, sizeof words, "%s", line);
	for (char *w; *words && (w = strsep(&rest, " "));)
		argv[argc++] = w;
	r = args_parse(&args, argc, argv, &why);
	ck_assert_msg((r == 0) == !why, "%s", line);
	return why;
}

static void
take(const char *line)
{
	AUTO_FREE char *why = parse(line);

	ck_assert_msg(!why, "%s: %s", line, why);
}

START_TEST(good_lines)
{
	take("--socket=/s --json list --state active,failed --sort size --limit 7");
	ck_assert_str_eq(args.verb->name, "list");
	ck_assert(args.json && !args.no_progress);
	ck_assert_str_eq(args.socket, "/s");
	ck_assert_str_eq(args.state, "active,failed");
	ck_assert_str_eq(args.sort, "size");
	ck_assert_uint_eq(args.limit, 7);
	take("wait 7 --timeout 1m30s geoip -- --json");
	ck_assert_uint_eq(args.timeout_ms, 90000);
	ck_assert_uint_eq(args.n_words, 3);
	ck_assert_str_eq(args.words[2], "--json");
	take("add -ofile u --no-clobber --retry=3 --private-key k --key K -i -");
	ck_assert_uint_eq(args.n_values, 4);
	ck_assert_int_eq(args.values[0].row->id, JOB_OUTPUT);
	ck_assert_str_eq(args.values[0].text, "file");
	ck_assert_str_eq(args.values[1].text, "true");
	ck_assert_str_eq(args.values[2].text, "3");
	ck_assert_int_eq(args.values[3].row->id, JOB_KEY);
	ck_assert_str_eq(args.key, "K");
	ck_assert_str_eq(args.input, "-");
	take("");
	ck_assert_ptr_null(args.verb);
	args_done(&args);
}
END_TEST

static const struct {
	const char *line, *why;
} bad_lines[] = {
	{ "lst", "there is no verb \"lst\": did you mean list?" },
	{ "qqqqq", "there is no verb \"qqqqq\": `haulctl help` lists them" },
	{ "list --stat x", "unknown option --stat of list: did you mean --state?" },
	{ "--retry 3 add", "unknown option --retry before the verb; options of a verb stand behind it" },
	{ "list --retry 3", "unknown option --retry of list: `haulctl help list` lists them" },
	{ "add --users=bob:secret u", "unknown option --users of add: did you mean --user?" },
	{ "add --output", "--output needs a value" },
	{ "add -o", "-o needs a value" },
	{ "list --json=1", "--json takes no value" },
	{ "list -hx", "-h takes no value" },
	{ "list --state active,", "--state \"\" must be one of queued|blocked|active|paused|done|failed|cancelled" },
	{ "list --sort id,name", "--sort \"id,name\" must be one of id|name|state|size|rate|ended" },
	{ "wait 7 --timeout 0", "--timeout \"0\" must be a duration, such as \"30s\" or \"6h\"" },
	{ "list x", "list takes no arguments, and there is \"x\": `haulctl status JOB...` is the table of some jobs" },
	{ "show", "show needs a job: haulctl show JOB..." },
	{ "gather --max-concurrent 0 u", "--max-concurrent \"0\" must be a number from 1" },
	{ "wait 7 --for soon", "--for \"soon\" must be one of over|active|done|failed|cancelled|paused|blocked" },
	{ "wait 7 --return-when now",
	    "--return-when \"now\" must be one of all-completed|first-completed|first-exception" },
	{ "help add get", "help takes one argument, and there is also \"get\"" },
	{ "limit geoip 5M now", "limit takes two arguments at most, and there is also \"now\"" },
	{ "add --split 8 u", "--split is not in this version of haul" },
};

START_TEST(bad_lines_are_told_in_a_sentence)
{
	AUTO_FREE char *why = parse(bad_lines[_i].line);

	ck_assert_ptr_nonnull(why);
	ck_assert_str_eq(why, bad_lines[_i].why);
	args_done(&args);
}
END_TEST

/* No two options of a verb have one name, no two verbs: the first would hide the other.
 * A setting that the verb does not take may be hidden. */
START_TEST(names_are_unique)
{
	size_t n;
	const struct verb *all = verbs_all(&n);
	const struct setting *row;

	for (size_t i = 0; i < n; i++) {
		ck_assert_ptr_eq(verb_find(all[i].name), &all[i]);
		for (const struct verb_option *o = all[i].options; o && o->id != OPTION_NONE; o++) {
			for (const struct verb_option *g = verb_global_options(); g->id != OPTION_NONE; g++)
				ck_assert_str_ne(o->name, g->name);
			for (unsigned k = 0; (row = verb_setting(k)); k++)
				if (verb_offers(&all[i], row))
					ck_assert_str_ne(o->name, verb_setting_name(row));
		}
	}
}
END_TEST

/* --- jobs --- */

static const char *
text_of(const struct entry *e)
{
	static struct buf out;
	struct json j;

	buf_consume(&out, buf_len(&out));
	jsonw_init(&j, &out);
	entry_write(e, &j);
	return buf_cstr(&out);
}

static void
put(struct entry *e, enum setting_id id, const char *text)
{
	struct entry_place place = { .command_line = true };
	AUTO_FREE char *why = NULL;

	ck_assert_msg(entry_put(e, setting_find(id), text, &place, &why) == 0, "%s", why);
}

START_TEST(values_have_the_types_of_the_configuration)
{
	struct entry e = { 0 };

	entry_begin(&e, NULL);
	put(&e, JOB_URL, "http://h/a");
	put(&e, JOB_URL, "http://h/b");
	put(&e, JOB_RETRY, "1");
	put(&e, JOB_RETRY, "2");
	put(&e, JOB_PRIORITY, "-5");
	put(&e, JOB_NO_CLOBBER, "true");
	put(&e, JOB_LIMIT_RATE, "64M");
	put(&e, JOB_MODE, "0600");
	put(&e, JOB_HTTP_VERSION, "2");
	put(&e, JOB_OUTPUT, "a \"b\"");
	ck_assert_str_eq(text_of(&e),
	    "{\"url\":[\"http://h/a\",\"http://h/b\"],\"retry\":2,\"priority\":-5,\"no-clobber\":true,"
	    "\"limit-rate\":\"64M\",\"mode\":\"0600\",\"http-version\":\"2\",\"output\":\"a \\\"b\\\"\"}");
	entry_done(&e);
}
END_TEST

START_TEST(what_an_entry_says_itself_replaces_what_all_have)
{
	struct entry base = { 0 }, e = { 0 };

	put(&base, JOB_HEADER, "A: 1");
	put(&base, JOB_HEADER, "B: 2");
	put(&base, JOB_RETRY, "1");
	entry_begin(&e, &base);
	put(&e, JOB_HEADER, "C: 3");
	put(&e, JOB_HEADER, "D: 4");
	put(&e, JOB_RETRY, "2");
	ck_assert_str_eq(text_of(&e), "{\"header\":[\"C: 3\",\"D: 4\"],\"retry\":2}");
	entry_begin(&e, &base);
	ck_assert_str_eq(text_of(&e), "{\"header\":[\"A: 1\",\"B: 2\"],\"retry\":1}");
	entry_done(&base);
	entry_done(&e);
}
END_TEST

static const struct {
	enum setting_id id;
	const char *text;
	struct entry_place place;
	const char *why;
} bad_values[] = {
	{ JOB_RETRY, "x", { 0 }, "is \"x\": it must be a whole number" },
	{ JOB_URL, "h", { 0 }, "is no url" },
	{ JOB_URL, "http://a:b@h/", { 0 }, "has a name or password in it" },
	{ JOB_CHECKSUM, "sha256:xx", { 0 }, "\"sha256:xx\" is wrong" },
	{ JOB_NAME, "7", { 0 }, "must begin with a letter" },
	{ JOB_OUTPUT, "a\nb", { 0 }, "has a control character in it" },
	{ JOB_HEADER, "Cookie: s3cret", { .command_line = true }, "is a secret, and everyone can see a command line" },
	{ JOB_HEADER, "Cookie: s3cret", { .world_readable = true }, "is a secret in a list that everyone can read" },
	{ JOB_USER, "bob:s3cret", { .command_line = true }, "is a secret" },
	{ JOB_PROXY, "http://a:s3cret@h:1", { .command_line = true }, "has a password" },
	{ JOB_USER, "s3cret", { 0 }, "must be \"name:password\"" },
	{ JOB_HEADER, "s3cret", { 0 }, "must be \"Name: value\"" },
	{ JOB_HEADER, "@/dev/null", { 0 }, "\"@/dev/null\" cannot be read: it is not a regular file" },
	{ JOB_HEADER, "@-", { .command_line = true, .stdin_taken = true }, "\"@-\" is standard input, which is read already" },
	{ JOB_CACERT, "", { 0 }, "names no file" },
};

START_TEST(bad_values_are_refused)
{
	struct entry_place place = bad_values[_i].place;
	struct entry e = { 0 };
	AUTO_FREE char *why = NULL;

	ck_assert_int_eq(entry_put(&e, setting_find(bad_values[_i].id), bad_values[_i].text, &place, &why), -EINVAL);
	ck_assert_msg(has_prefix(why, bad_values[_i].why), "%s", why);
	ck_assert_ptr_null(strstr(why, "s3cret"));
	ck_assert_str_eq(text_of(&e), "{}");
	entry_done(&e);
}
END_TEST

static const struct {
	const char *url, *output, *decompress, *dir, *expected; /* expected: NULL: refused */
} outputs[] = {
	{ "http://h/a.gz", NULL, NULL, "d", "d/a.gz" },
	{ "http://h/a.gz", NULL, "auto", "d/", "d/a" },
	{ "http://h/a.gz", NULL, "zstd", "/d", "/d/a.gz" },
	{ "http://h/a", "x/y", NULL, "d", "d/x/y" },
	{ "http://h/a", "/x", NULL, "d", NULL },
	{ "http://h/", NULL, NULL, "d", NULL },
};

START_TEST(a_directory_of_a_list)
{
	struct entry e = { 0 };
	AUTO_FREE char *why = NULL, *expected = NULL;

	put(&e, JOB_URL, outputs[_i].url);
	if (outputs[_i].decompress)
		put(&e, JOB_DECOMPRESS, outputs[_i].decompress);
	if (outputs[_i].output)
		put(&e, JOB_OUTPUT, outputs[_i].output);
	entry_set_dir(&e, outputs[_i].dir);
	why = entry_finish(&e);
	ck_assert_int_eq(why == NULL, outputs[_i].expected != NULL);
	if (outputs[_i].expected) {
		expected = xasprintf("\"output\":\"%s\"}", outputs[_i].expected);
		ck_assert_msg(has_suffix(text_of(&e), expected), "%s", text_of(&e));
	}
	entry_done(&e);
}
END_TEST

/* --- briefs --- */

START_TEST(a_job_of_another_version_is_read_all_the_same)
{
	json_t *job = json_pack("{s:i, s:s, s:n, s:f, s:i, s:[], s:s}", "id", 7, "state", "sleeping", "name", "rate",
	    12.5, "total", -3, "why", "new", "x");
	struct brief b;

	brief_read(job, &b);
	ck_assert_uint_eq(b.id, 7);
	ck_assert_str_eq(b.state, "sleeping");
	ck_assert_str_eq(b.name, "");
	ck_assert_str_eq(b.why, "");
	ck_assert_uint_eq(b.rate, 12);
	ck_assert_uint_eq(b.total, 0);
	ck_assert(!brief_is_over(&b));
	json_decref(job);
	brief_read(NULL, &b);
	ck_assert_str_eq(brief_label(&b), "");
}
END_TEST

/* --- tables --- */

static const struct table_column columns[] = {
	{ "ID", true, 0, WIDTH_CUT_END }, { "NAME", false, 6, WIDTH_CUT_MIDDLE }, { "WHY", false, 4, WIDTH_CUT_END },
	{ "X", true, 0, WIDTH_CUT_END },
};

static const char *
table_of(bool is_tty, unsigned width, const char *name, const char *why)
{
	static struct buf out;
	struct term term = { .is_tty = is_tty, .columns = width, .utf8 = true };
	struct table t;

	buf_consume(&out, buf_len(&out));
	table_init(&t, &term, columns, ARRAY_SIZE(columns));
	table_put(&t, "7", TERM_INK_PLAIN);
	table_put(&t, name, TERM_INK_GOOD);
	table_put(&t, why, TERM_INK_PLAIN);
	table_put(&t, "", TERM_INK_PLAIN);
	table_print(&t, &out);
	table_done(&t);
	return buf_cstr(&out);
}

START_TEST(tables)
{
	ck_assert_str_eq(table_of(false, 10, "abcdefghijkl", "because"), "ID  NAME          WHY      X\n 7  abcdefghijkl  because\n");
	ck_assert_str_eq(table_of(true, 24, "abcdefghijkl", "because"),
	    "ID  NAME      WHY      X\n 7  abcd\xe2\x80\xa6jkl  because\n");
	/* What cannot shrink any more is left out from the end on. */
	ck_assert_str_eq(table_of(true, 12, "abcdefghijkl", "because"), "ID  NAME\n 7  abc\xe2\x80\xa6kl\n");
	ck_assert_str_eq(table_of(false, 80, "a\nb\x1b[0m", ""), "ID  NAME           WHY  X\n 7  a\\x0ab\\x1b[0m\n");
}
END_TEST

/* A text that runs on gets half of the line at most, from the columns that can give. */
START_TEST(texts_that_run_on)
{
	struct term term = { .is_tty = true, .columns = 24, .utf8 = true };
	AUTO_BUF struct buf out = { 0 };
	struct table t;

	for (int i = 0; i < 2; i++) {
		table_init(&t, &term, columns, ARRAY_SIZE(columns));
		table_put(&t, "7", TERM_INK_PLAIN);
		table_put(&t, "abcdefghijkl", TERM_INK_PLAIN);
		table_put_rest(&t, "because of this and that");
		table_put(&t, "8", TERM_INK_PLAIN);
		table_put(&t, "b", TERM_INK_PLAIN);
		table_put(&t, "", TERM_INK_PLAIN);
		table_put(&t, "9", TERM_INK_PLAIN);
		table_print(&t, &out);
		table_done(&t);
		term.is_tty = false;
	}
	ck_assert_str_eq(buf_cstr(&out),
	    "ID  NAME    WHY  X\n 7  abc\xe2\x80\xa6kl  because of \xe2\x80\xa6\n 8  b            9\n"
	    "ID  NAME          WHY  X\n 7  abcdefghijkl  because of this and that\n 8  b                  9\n");
}
END_TEST

START_TEST(a_table_never_is_wider_than_the_terminal)
{
	static const char *const names[] = { "x", "abcdefghijklmnopqrstuvwxyz0123456789", "\xe3\x83\x87\xe3\x83\xbc\xe3\x82\xbf\xe3\x83\x87\xe3\x83\xbc" };

	for (unsigned width = 6; width < 60; width++)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			AUTO_FREE char *text = xstrdup(table_of(true, width, names[i], "because of everything"));
			char *at = text, *line;

			while ((line = text_next_line(&at)))
				ck_assert_msg(width_of_text(line) <= width, "%u: %s", width, line);
		}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl");
	TCase *t = add_case(s, "args", NULL, NULL, 0);

	tcase_add_test(t, good_lines);
	tcase_add_loop_test(t, bad_lines_are_told_in_a_sentence, 0, (int)ARRAY_SIZE(bad_lines));
	tcase_add_test(t, names_are_unique);
	t = add_case(s, "entry", NULL, NULL, 0);
	tcase_add_test(t, values_have_the_types_of_the_configuration);
	tcase_add_test(t, what_an_entry_says_itself_replaces_what_all_have);
	tcase_add_loop_test(t, bad_values_are_refused, 0, (int)ARRAY_SIZE(bad_values));
	tcase_add_loop_test(t, a_directory_of_a_list, 0, (int)ARRAY_SIZE(outputs));
	t = add_case(s, "brief", NULL, NULL, 0);
	tcase_add_test(t, a_job_of_another_version_is_read_all_the_same);
	t = add_case(s, "table", NULL, NULL, 0);
	tcase_add_test(t, tables);
	tcase_add_test(t, texts_that_run_on);
	tcase_add_test(t, a_table_never_is_wider_than_the_terminal);
	return run_suite(s);
}
