/* The settings table: rows that hold together, and values good and bad. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/algo.h"
#include "model/request_rate.h"
#include "model/settings.h"
#include "run_suite.h"

START_TEST(every_row_is_found_by_id_and_by_name)
{
	unsigned n;
	const struct setting *all = settings_all(&n);

	ck_assert_uint_gt(n, 40);
	for (unsigned i = 0; i < n; i++) {
		const struct setting *s = &all[i];

		ck_assert_int_gt(s->id, SETTING_NONE);
		ck_assert_int_lt(s->id, _SETTING_MAX);
		ck_assert_ptr_eq(setting_find(s->id), s);
		ck_assert_ptr_eq(setting_by_name(s->scope, s->name), s);
		ck_assert_msg(s->help && *s->help && s->help[strlen(s->help) - 1] != '.', "%s", s->name);
		ck_assert_uint_eq(strspn(s->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(s->name));
		ck_assert_msg(!s->words == (s->type != TYPE_ENUM), "%s", s->name);
		ck_assert_msg(!setting_is_later(s->scope, s->name), "%s is there and later", s->name);
		for (unsigned k = 0; k < i; k++) {
			ck_assert_msg(all[k].id != s->id, "%s", s->name);
			ck_assert_msg(all[k].scope != s->scope || !text_equal(all[k].name, s->name),
			    "%s twice", s->name);
		}
	}
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
	unsigned n, known = 0;

	(void)settings_all(&n);
	for (int id = 0; id < 300; id++)
		known += setting_find((enum setting_id)id) != NULL;
	ck_assert_uint_eq(known, n);
	ck_assert_ptr_null(setting_find(SETTING_NONE));
	ck_assert_ptr_null(setting_by_name(SCOPE_JOB, "no-such-key"));
	ck_assert_ptr_null(setting_by_name(SCOPE_DAEMON, "url"));
	ck_assert_ptr_null(setting_by_name(SCOPE_JOB, ""));
}
END_TEST

START_TEST(every_default_is_a_value)
{
	unsigned n;
	const struct setting *all = settings_all(&n);

	for (unsigned i = 0; i < n; i++) {
		AUTO_FREE char *why = NULL;
		uint64_t v;

		if (!setting_is_number(&all[i]))
			continue;
		if (!all[i].def) {
			ck_assert_uint_eq(setting_default_number(&all[i]), 0);
			continue;
		}
		ck_assert_msg(setting_parse_text(&all[i], all[i].def, &v, &why) == 0, "%s %s",
		    all[i].name, why);
		ck_assert_uint_eq(setting_default_number(&all[i]), v);
		ck_assert_uint_eq(setting_default_number(&all[i]), v);
	}
}
END_TEST

START_TEST(defaults_that_are_promised)
{
	static const struct {
		enum setting_id id;
		uint64_t v;
	} rows[] = {
		{ DAEMON_MAX_CONCURRENT_DOWNLOADS, 16 }, { DAEMON_MAX_CONNECTIONS_PER_HOST, 5 },
		{ DAEMON_WORKERS, 0 }, { DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT, 0 },
		{ DAEMON_MIN_FREE, 256 << 20 }, { JOB_RETRY, 5 }, { JOB_CONNECT_TIMEOUT, 10000 },
		{ JOB_STALL_TIMEOUT, 30000 }, { JOB_DECOMPRESS, CODEC_OFF }, { JOB_MAX_EXPANSION, 1000 },
		{ JOB_MODE, 0644 }, { JOB_PRIORITY, 0 }, { JOB_FSYNC, FSYNC_FULL },
		{ JOB_HTTP_VERSION, HTTP_VERSION_1_1 }, { JOB_ALLOW_UNPROVEN, 0 }, { JOB_ALLOW_FILE, 0 },
		{ JOB_NO_CLOBBER, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(setting_default_number(setting_find(rows[i].id)) == rows[i].v, "%s",
		    setting_find(rows[i].id)->name);
}
END_TEST

START_TEST(words_are_in_the_order_of_their_enums)
{
	static const struct {
		enum setting_id id;
		const char *word;
		uint64_t v;
	} rows[] = {
		{ JOB_FSYNC, "off", FSYNC_OFF }, { JOB_FSYNC, "data", FSYNC_DATA },
		{ JOB_FSYNC, "full", FSYNC_FULL }, { JOB_HTTP_VERSION, "1.1", HTTP_VERSION_1_1 },
		{ JOB_HTTP_VERSION, "2", HTTP_VERSION_2 }, { JOB_DECOMPRESS, "off", CODEC_OFF },
		{ JOB_DECOMPRESS, "auto", CODEC_AUTO }, { JOB_DECOMPRESS, "gzip", CODEC_GZIP },
		{ JOB_DECOMPRESS, "zstd", CODEC_ZSTD }, { JOB_DECOMPRESS, "xz", CODEC_XZ },
		{ JOB_DECOMPRESS, "bzip2", CODEC_BZIP2 }, { JOB_DECOMPRESS, "lz4", CODEC_LZ4 },
		{ DAEMON_LOG_LEVEL, "err", 0 }, { DAEMON_LOG_LEVEL, "debug", 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *why = NULL;
		uint64_t v = 99;

		ck_assert_int_eq(setting_parse_text(setting_find(rows[i].id), rows[i].word, &v, &why), 0);
		ck_assert_uint_eq(v, rows[i].v);
	}
}
END_TEST

/* How they are read, how they are written, and the time between two requests. */
START_TEST(request_rates)
{
	static const struct {
		const char *text, *shown; /* NULL: refused */
		uint64_t interval_ns;
	} rows[] = {
		{ "10/s", "10/s", 100000000 }, { "10", "10/s", 100000000 }, { "0", "0", 0 }, { "0/h", "0", 0 },
		{ "7/s", "7/s", 142857143 }, { "100/m", "100/m", 600000000 }, { "60/1m", "60/m", 1000000000 },
		{ "5/h", "5/h", 720000000000 }, { "1/d", "1/d", 86400000000000 }, { "1/30s", "1/30s", 30000000000 },
		{ "5/1h30m", "5/90m", 1080000000000 }, { "3/250ms", "3/250ms", 83333334 }, { "1000000/s", "1000000/s", 1000 },
		{ "1/ms", "1/ms", 1000000 }, { "1/90", "1/90s", 90000000000 },
		{ "", NULL, 0 }, { "/s", NULL, 0 }, { "10/", NULL, 0 }, { "10/0s", NULL, 0 }, { "10/x", NULL, 0 },
		{ "-1/s", NULL, 0 }, { "1.5/s", NULL, 0 }, { "1000001/s", NULL, 0 }, { "1/367d", NULL, 0 }, { "1/s/s", NULL, 0 },
		{ "1/ s", NULL, 0 }, { "1/-3s", NULL, 0 }, { "1/sssssssssssssssssssssss", NULL, 0 },
		{ "18446744073709551617/s", NULL, 0 }, { "1/99999999999999999999s", NULL, 0 },
	};
	char shown[40];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 1;
		int r = request_rate_parse(rows[i].text, &v);

		ck_assert_msg((r == 0) == (rows[i].shown != NULL), "%s", rows[i].text);
		if (r < 0)
			continue;
		ck_assert_str_eq(request_rate_format(shown, sizeof shown, v), rows[i].shown);
		ck_assert_uint_eq(request_rate_interval_ns(v), rows[i].interval_ns);
	}
}
END_TEST

START_TEST(values_as_text)
{
	static const struct {
		enum setting_id id;
		const char *s;
		bool good;
		uint64_t v;
	} rows[] = {
		{ JOB_NO_CLOBBER, "true", true, 1 }, { JOB_NO_CLOBBER, "false", true, 0 },
		{ JOB_NO_CLOBBER, "yes", false, 0 }, { JOB_NO_CLOBBER, "1", false, 0 },
		{ JOB_NO_CLOBBER, "True", false, 0 }, { JOB_NO_CLOBBER, "", false, 0 },
		{ DAEMON_WORKERS, "64", true, 64 }, { DAEMON_WORKERS, "65", false, 0 },
		{ DAEMON_WORKERS, "-1", false, 0 }, { DAEMON_WORKERS, "18446744073709551615", false, 0 },
		{ DAEMON_WORKERS, "18446744073709551616", false, 0 },
		{ DAEMON_MAX_CONCURRENT_DOWNLOADS, "0", false, 0 },
		{ DAEMON_MAX_CONCURRENT_DOWNLOADS, "1", true, 1 },
		{ JOB_PRIORITY, "-5", true, (uint64_t)-5 }, { JOB_PRIORITY, "5", true, 5 },
		{ JOB_PRIORITY, "-1000001", false, 0 }, { JOB_PRIORITY, "1000001", false, 0 },
		{ JOB_PRIORITY, "--5", false, 0 }, { JOB_PRIORITY, "-", false, 0 },
		{ JOB_PRIORITY, "+5", false, 0 }, { JOB_PRIORITY, "-9223372036854775808", false, 0 },
		{ JOB_PRIORITY, "9223372036854775808", false, 0 },
		{ JOB_LIMIT_RATE, "1M", true, 1 << 20 }, { JOB_LIMIT_RATE, "1MBit", false, 0 },
		{ JOB_LIMIT_RATE, "9000P", false, 0 }, { JOB_DECODER_MEMORY, "1M", true, 1 << 20 },
		{ JOB_DECODER_MEMORY, "1023K", false, 0 },
		{ JOB_STALL_TIMEOUT, "1ms", true, 1 }, { JOB_STALL_TIMEOUT, "0", false, 0 },
		{ JOB_STALL_TIMEOUT, "366d", true, UINT64_C(31622400000) },
		{ JOB_STALL_TIMEOUT, "367d", false, 0 }, { JOB_MAX_TIME, "0", true, 0 },
		{ JOB_MODE, "0600", true, 0600 }, { JOB_MODE, "10000", false, 0 },
		{ JOB_MODE, "0888", false, 0 }, { JOB_DECOMPRESS, "GZIP", false, 0 },
		{ JOB_DECOMPRESS, "", false, 0 }, { JOB_DECOMPRESS, "off|auto", false, 0 },
		{ JOB_DECOMPRESS, "lz", false, 0 }, { JOB_DECOMPRESS, "zstd2", false, 0 },
		{ JOB_MAX_EXPANSION, "0", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct setting *s = setting_find(rows[i].id);
		AUTO_FREE char *why = NULL;
		uint64_t v = 4711;
		int r = setting_parse_text(s, rows[i].s, &v, &why);

		ck_assert_msg(r == (rows[i].good ? 0 : -EINVAL), "%s = %s", s->name, rows[i].s);
		ck_assert_msg(!why == rows[i].good, "%s = %s", s->name, rows[i].s);
		ck_assert_uint_eq(v, rows[i].good ? rows[i].v : 4711);
	}
}
END_TEST

START_TEST(values_as_numbers)
{
	static const struct {
		enum setting_id id;
		int64_t n;
		bool good;
		uint64_t v;
	} rows[] = {
		{ DAEMON_WORKERS, 3, true, 3 }, { DAEMON_WORKERS, -1, false, 0 },
		{ DAEMON_WORKERS, 65, false, 0 }, { DAEMON_WORKERS, INT64_MAX, false, 0 },
		{ JOB_PRIORITY, -7, true, (uint64_t)-7 }, { JOB_PRIORITY, INT64_MIN, false, 0 },
		{ JOB_LIMIT_RATE, 1000, true, 1000 }, { JOB_LIMIT_RATE, INT64_MAX, true, INT64_MAX },
		{ JOB_LIMIT_RATE, -1, false, 0 }, { JOB_STALL_TIMEOUT, 30, true, 30000 },
		{ JOB_STALL_TIMEOUT, 0, false, 0 }, { JOB_STALL_TIMEOUT, INT64_MAX, false, 0 },
		{ JOB_STALL_TIMEOUT, INT64_MAX / 1000 + 1, false, 0 },
		{ JOB_MAX_TIME, INT64_MAX / 500, false, 0 },
		{ JOB_MODE, 644, false, 0 },  /* libconfig reads 0644 as decimal */
		{ JOB_NO_CLOBBER, 1, false, 0 }, { JOB_FSYNC, 1, false, 0 }, { JOB_URL, 1, false, 0 },
		{ JOB_NAME, 1, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct setting *s = setting_find(rows[i].id);
		AUTO_FREE char *why = NULL;
		uint64_t v = 4711;
		int r = setting_check_number(s, rows[i].n, &v, &why);

		ck_assert_msg(r == (rows[i].good ? 0 : -EINVAL), "%s = %lld", s->name, (long long)rows[i].n);
		ck_assert_msg(!why == rows[i].good, "%s = %lld", s->name, (long long)rows[i].n);
		ck_assert_uint_eq(v, rows[i].good ? rows[i].v : 4711);
	}
}
END_TEST

START_TEST(reasons_are_safe_to_show)
{
	AUTO_FREE char *why = NULL;
	uint64_t v;

	ck_assert_int_eq(setting_parse_text(setting_find(JOB_RETRY), "a\n\x1b[2J", &v, &why), -EINVAL);
	ck_assert_ptr_null(strchr(why, '\n'));
	ck_assert_ptr_null(strchr(why, '\x1b'));
	ck_assert_ptr_nonnull(strstr(why, "whole number"));
}
END_TEST

START_TEST(near_names_are_suggested)
{
	static const struct {
		enum setting_scope scope;
		const char *typo, *want;
	} rows[] = {
		{ SCOPE_JOB, "cheksum", "checksum" }, { SCOPE_JOB, "decompres", "decompress" },
		{ SCOPE_JOB, "ulr", "url" }, { SCOPE_JOB, "retries", "retry" },
		{ SCOPE_JOB, "user_agent", "user-agent" }, { SCOPE_DAEMON, "worker", "workers" },
		{ SCOPE_DAEMON, "root", "roots" }, { SCOPE_HOST, "matches", "match" },
		{ SCOPE_JOB, "completely-different", NULL }, { SCOPE_DAEMON, "checksum", NULL },
		{ SCOPE_GROUP, "zzz", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = setting_suggest(rows[i].scope, rows[i].typo);

		ck_assert_msg(text_equal(got, rows[i].want), "%s: %s", rows[i].typo, got ? got : "-");
	}
}
END_TEST

START_TEST(later_keys_are_known_as_such)
{
	ck_assert(setting_is_later(SCOPE_JOB, "split"));
	ck_assert(setting_is_later(SCOPE_JOB, "extract"));
	ck_assert(setting_is_later(SCOPE_HOST, "cert"));
	ck_assert(setting_is_later(SCOPE_DAEMON, "history-age"));
	ck_assert(!setting_is_later(SCOPE_DAEMON, "split"));
	ck_assert(!setting_is_later(SCOPE_JOB, "nonsense"));
}
END_TEST

START_TEST(secrets_are_marked)
{
	static const enum setting_id secrets[] = { JOB_HEADER, JOB_USER, JOB_PROXY, HOST_HEADER, HOST_PROXY };

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		ck_assert(setting_find(secrets[i])->flags & SETTING_SECRET);
	ck_assert(setting_find(JOB_URL)->flags & SETTING_OWN);
	ck_assert(setting_find(DAEMON_ROOTS)->flags & SETTING_RESTART);
	for (int s = 0; s < _SCOPE_MAX; s++)
		ck_assert_str_ne(setting_scope_to_string((enum setting_scope)s), "?");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("settings");
	TCase *table = tcase_create("table");
	TCase *values = tcase_create("values");
	TCase *names = tcase_create("names");

	tcase_add_test(table, every_row_is_found_by_id_and_by_name);
	tcase_add_test(table, what_is_not_there_is_not_found);
	tcase_add_test(table, every_default_is_a_value);
	tcase_add_test(table, defaults_that_are_promised);
	tcase_add_test(table, words_are_in_the_order_of_their_enums);
	tcase_add_test(table, secrets_are_marked);
	suite_add_tcase(s, table);
	tcase_add_test(values, values_as_text);
	tcase_add_test(values, request_rates);
	tcase_add_test(values, values_as_numbers);
	tcase_add_test(values, reasons_are_safe_to_show);
	suite_add_tcase(s, values);
	tcase_add_test(names, near_names_are_suggested);
	tcase_add_test(names, later_keys_are_known_as_such);
	suite_add_tcase(s, names);
	return run_suite(s);
}
