/* src/conf: what good configurations, input lists and command lines become. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/limits.h"
#include "conf_run.h"
#include "model/checksums.h"
#include "model/input_list.h"
#include "model/spec.h"
#include "run_suite.h"
#include "wire/build_id.h"

#define JOB(text) "jobs = ( { url = \"http://h/f\"; " text " } );"

/* --- good ones --- */

struct frames {
	struct frame_reader reader;
	struct message m;
};

static void
frames_init(struct frames *f, struct said *said)
{
	*f = (struct frames){ .reader = { .in = said->frames } };
	said->frames = (struct buf){ 0 };
}

/* The next frame as text: "job name=x url=y url=z retry=3", or "end 2 0". */
static char *
next_frame(struct frames *f)
{
	static const char *const kinds[] = { "hello", "daemon", "defaults", "host", "group", "job",
		"error", "end" };
	static const enum setting_scope scopes[] = { _SCOPE_MAX, SCOPE_DAEMON, SCOPE_JOB,
		SCOPE_HOST, SCOPE_GROUP, SCOPE_JOB };
	AUTO_BUF struct buf out = { 0 };
	struct message *m = &f->m;
	struct spec *spec;
	struct conf_end end;
	struct text text;
	unsigned kind, n;
	const struct setting *all = settings_all(&n);
	int r = frame_reader_next(&f->reader, m);

	ck_assert_int_ge(r, 0);
	if (r == 0)
		return NULL;
	ck_assert_uint_eq(m->version, CONF_PROTO);
	ck_assert(m->type >= CONF_HELLO && m->type <= CONF_END);
	kind = m->type - CONF_HELLO;
	buf_append_str(&out, kinds[kind]);
	if (m->type == CONF_END) {
		ck_assert_int_eq(conf_get_end(m, &end), 0);
		buf_printf(&out, " %d %d", (int)end.jobs, (int)end.errors);
	} else if (m->type == CONF_HELLO || m->type == CONF_ERROR) {
		ck_assert_int_eq(conf_get_text(m, &text), 0);
		buf_printf(&out, " %.*s", (int)text.len, text.at);
	} else {
		ck_assert_int_eq(spec_new(scopes[kind], m->payload, m->len, NULL, &spec), 0);
		for (unsigned i = 0; i < n; i++) {
			if (all[i].scope != scopes[kind] || !spec_has(spec, all[i].id))
				continue;
			if (setting_is_number(&all[i]))
				buf_printf(&out, " %s=%lld", all[i].name,
				    (long long)spec_number(spec, all[i].id));
			for (unsigned k = 0;
			     !setting_is_number(&all[i]) && spec_list(spec, all[i].id, k); k++)
				buf_printf(
				    &out, " %s=%s", all[i].name, spec_list(spec, all[i].id, k));
		}
		spec_unref(spec);
	}
	return xstrdup(buf_cstr(&out));
}

/* All frames but HELLO as lines. */
static char *
frames_of(struct said *said)
{
	AUTO_BUF struct buf out = { 0 };
	struct frames f;
	char *line;

	frames_init(&f, said);
	for (bool first = true; (line = next_frame(&f)); first = false) {
		if (first) {
			AUTO_FREE char *hello = xasprintf("hello %s", build_id);

			ck_assert_str_eq(line, hello);
		} else {
			buf_printf(&out, "%s\n", line);
		}
		free(line);
	}
	ck_assert_uint_eq(buf_len(&f.reader.in), f.reader.taken);
	frame_reader_done(&f.reader);
	return xstrdup(buf_cstr(&out));
}

#define COMMON "daemon roots=/srv/haul\ndefaults\n"

static const struct {
	const char *text, *arguments, *frames;
} good[] = {
	{ "", "-c t.conf", COMMON "end 0 0\n" },
	{ "daemon = { }; # no newline", "-c t.conf", COMMON "end 0 0\n" },
	{ "\xef\xbb\xbf# BOM and CRLF\r\njobs = ( { url = \"http://h/f\" } )\r\n", "-c t.conf",
	    COMMON "job url=http://h/f output=/srv/haul/f\nend 1 0\n" },
	{ "daemon = { socket = \"/s\"; roots = ( \"/data//\", \"/b\" ); workers = 3; min-free = \"1G\";\n"
	  " max-overall-download-limit = 5000000000L; log-level = \"debug\"; };",
	    "-c t.conf",
	    "daemon socket=/s roots=/data roots=/b workers=3 max-overall-download-limit=5000000000 "
	    "min-free=1073741824 log-level=4\ndefaults\nend 0 0\n" },
	{ "daemon = { allow-addresses = [ \"10.0.0.7\", \"FD00:0::/8\" ]; deny-addresses = \"0.0.0.0/0\"; };\n"
	  "defaults = { speed-limit = \"1K\"; speed-time = \"90s\"; };",
	    "-c t.conf",
	    "daemon roots=/srv/haul allow-addresses=10.0.0.7/32 allow-addresses=fd00::/8 deny-addresses=0.0.0.0/0\n"
	    "defaults speed-limit=1024 speed-time=90000\nend 0 0\n" },
	{ "jobs = ( { url = \"http://h/f\"; every = \"1h\"; jitter = 60; start-at = \"02:00\"; },\n"
	  " { url = \"http://h/g\"; cron = \"TZ=UTC 0 6 * * mon-fri\"; delay = \"0\"; deadline = \"2h\"; },\n"
	  " { url = \"http://h/h\"; deadline = 1800; }, { url = \"http://h/i\"; deadline = \"2020-01-01 06:00\"; } );",
	    "-c t.conf",
	    COMMON "job url=http://h/f output=/srv/haul/f start-at=02:00 every=3600000 jitter=60000\n"
	    "job url=http://h/g output=/srv/haul/g delay=0 cron=TZ=UTC 0 6 * * mon-fri deadline=2h\n"
	    "job url=http://h/h output=/srv/haul/h deadline=30m\n"
	    "job url=http://h/i output=/srv/haul/i deadline=2020-01-01 06:00\nend 4 0\n" },
	{ "daemon = { bwlimit = \"Mon-00:00,512 Fri-23:59,10M\"; }; hosts = ( { match = \"*\"; limit-rate = \"1M\"; } );",
	    "-c t.conf",
	    "daemon roots=/srv/haul bwlimit=Mon-00:00,512 Fri-23:59,10M\ndefaults\nhost match=* limit-rate=1048576\nend 0 0\n" },
	{ "defaults = { retry = 7; connect-timeout = \"250ms\"; stall-timeout = 5; mode = \"600\";\n"
	  " fsync = \"off\"; http-version = \"2\"; priority = -3; no-clobber = true; paused = true; };",
	    "-c t.conf",
	    "daemon roots=/srv/haul\ndefaults mode=384 paused=1 priority=-3 connect-timeout=250 stall-timeout=5000 retry=7 "
	    "http-version=1 fsync=0 no-clobber=1\nend 0 0\n" },
	{ "defaults = { retry-on = [ \"5xx\", \"!501\" ]; retry-max-delay = \"5m\"; };\n"
	  "daemon = { max-origin-failures = 0; max-probe-delay = 30; };\n"
	  "jobs = ( { url = \"http://h/f\"; retry-on = \"404, tls\"; retry-delay = \"2m\"; retry-max-time = \"1h\"; } );",
	    "-c t.conf",
	    "daemon roots=/srv/haul max-origin-failures=0 max-probe-delay=30000\n"
	    "defaults retry-on=5xx retry-on=!501 retry-max-delay=300000\n"
	    "job url=http://h/f output=/srv/haul/f retry-on=404, tls retry-delay=120000 retry-max-time=3600000\nend 1 0\n" },
	{ "defaults = { on-download-complete = [ \"/bin/a\", \"two words\", \"\" ]; hook-timeout = \"5m\"; };\n"
	  "daemon = { max-concurrent-hooks = 2; spawn-socket = \"/run/x\"; };\n"
	  "jobs = ( { url = \"http://h/f\"; on-download-complete = \"\"; on-download-start = \"/bin/b\";\n"
	  " url-command = [ \"/bin/d\", \"-x\" ]; } );",
	    "-c t.conf",
	    "daemon roots=/srv/haul max-concurrent-hooks=2 spawn-socket=/run/x\n"
	    "defaults on-download-complete=/bin/a on-download-complete=two words on-download-complete= hook-timeout=300000\n"
	    "job url=http://h/f output=/srv/haul/f on-download-start=/bin/b on-download-complete= "
	    "url-command=/bin/d url-command=-x\nend 1 0\n" },
	{ "hosts = ( { match = \"*.example.org\"; max-connections = 2; header = [ \"X-Team: a\", \"B:\\tc\" ]; } );\n"
	  "groups = ( { name = \"g\"; } );\njobs = ( { group = \"g\"; url = \"http://h/f\"; } );",
	    "-c t.conf",
	    COMMON
	    "host match=*.example.org max-connections=2 header=X-Team: a header=B:\tc\ngroup name=g\n"
	    "job url=http://h/f output=/srv/haul/f group=g\nend 1 0\n" },
	/* Everything of a job, canonical; the order of keys makes no difference. */
	{ "jobs = ( { decompress = \"gzip\"; checksum-output = \"MD5:" MD5_A
	  "\"; checksum = [ \"sha-256=" SHA_A "\", \"SHA3_256:" SHA_A
	  "\" ];\n keep-download = \"k/f.gz\"; name = \"n\"; url = ( \"https://h/f.gz\", "
	  "\"http://i:8080/x?q=1#f\" ); proxy = \"socks5h://p:1080\"; cacert = \"ca.pem\"; } );",
	    "-c t.conf",
	    COMMON
	    "job name=n url=https://h/f.gz url=http://i:8080/x?q=1#f output=/srv/haul/f checksum=sha256:" SHA_A
	    " checksum=sha3-256:" SHA_A " checksum-output=md5:" MD5_A
	    " decompress=2 keep-download=/srv/haul/k/f.gz proxy=socks5h://p:1080 cacert=DIR/ca.pem\nend 1 0\n" },
	/* Names: decoded once, endings off when unpacked, by the codec. */
	{ "defaults = { decompress = \"auto\"; };\njobs = ( { url = \"http://h/a%2520b.tgz\"; }, "
	  "{ url = \"http://h/b.zst\"; decompress = \"off\"; }, { url = \"http://h/c.zst\"; decompress = \"xz\"; }, "
	  "{ url = \"http://h/d.xz?x=.gz\"; decompress = \"xz\"; } );",
	    "-c t.conf",
	    "daemon roots=/srv/haul\ndefaults decompress=1\n"
	    "job url=http://h/a%2520b.tgz output=/srv/haul/a%20b.tar\n"
	    "job url=http://h/b.zst output=/srv/haul/b.zst decompress=0\n"
	    "job url=http://h/c.zst output=/srv/haul/c.zst decompress=4\n"
	    "job url=http://h/d.xz?x=.gz output=/srv/haul/d decompress=4\nend 4 0\n" },
	{ "daemon = { roots = [ \"/a\", \"/b\" ]; };\n" JOB(
	      "output = \"/b/x\"; user = \"@user\"; header = \"@headers\";"),
	    "-c t.conf",
	    "daemon roots=/a roots=/b\ndefaults\njob url=http://h/f output=/b/x header=A: b header=Cookie: c=d "
	    "user=me:p w\nend 1 0\n" },
	{ "defaults = { allow-file = true; };\njobs = ( { url = \"file:///etc/hostname\"; } );",
	    "-c t.conf",
	    "daemon roots=/srv/haul\ndefaults allow-file=1\njob url=file:///etc/hostname output=/srv/haul/hostname\n"
	    "end 1 0\n" },
	/* A long string in two pieces, and an include in the middle. */
	{ "daemon = {\n  @include \"inc.conf\" # here\n  workers = 2;\n};\njobs = ( { url = \"http://h/very/\"\n"
	  "  \"long\"; } );",
	    "-c t.conf",
	    "daemon roots=/srv/haul workers=2 log-level=1\ndefaults\n"
	    "job url=http://h/very/long output=/srv/haul/long\nend 1 0\n" },
	/* conf.d: later wins by key, lists are appended. */
	{ "daemon = { workers = 1; roots = \"/one\"; };\ndefaults = { retry = 1; header = [ \"A: 1\", \"B: 2\" ]; };\n"
	  "jobs = ( { url = \"http://h/1\"; group = \"later\"; } );",
	    "-c t.conf --conf-dir conf.d",
	    "daemon roots=/one workers=4\ndefaults header=C: 3 retry=9\ngroup name=later\n"
	    "job url=http://h/1 output=/one/1 group=later\njob url=http://h/2 output=/one/2\n"
	    "job url=http://h/3 output=/one/3\nend 3 0\n" },
	/* The command line. */
	{ "daemon = { workers = 1; };",
	    "-c t.conf --workers=5 --roots /x --roots /y http://h/a -o b --retry 2 "
	    "--no-clobber --header A:b --header C:d",
	    "daemon roots=/x roots=/y workers=5\ndefaults\njob url=http://h/a output=/x/b header=A:b header=C:d retry=2 "
	    "no-clobber=1\nend 1 0\n" },
	{ "", "--no-config --root /cwd --no-clobber=false http://h/a http://h/b",
	    "daemon roots=/cwd\ndefaults\njob url=http://h/a output=/cwd/a no-clobber=0\n"
	    "job url=http://h/b output=/cwd/b no-clobber=0\nend 2 0\n" },
};

START_TEST(good_configurations_become_canonical_specs)
{
	enter_dir();
	write_text("ca.pem", "x");
	write_text("user", "me:p w\r\nsecond line\n");
	write_text("headers", "# mine\n\nA: b\r\nCookie: c=d");
	write_text("inc.conf", "log-level = \"warning\";");
	ck_assert_int_eq(mkdir("conf.d", 0700), 0);
	write_text("conf.d/20-b.conf",
	    "daemon = { workers = 4; };\njobs = ( { url = \"http://h/3\"; } );");
	write_text("conf.d/10-a.conf",
	    "daemon = { workers = 3; };\ndefaults = { retry = 9; header = \"C: 3\"; };\n"
	    "groups = ( { name = \"later\"; } );\njobs = ( { url = \"http://h/2\"; } );");
	write_text("conf.d/.hidden.conf", "broken");
	write_text("conf.d/README", "broken");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct said said;
		char *lines, *got;

		write_text("t.conf", good[i].text);
		said = run(good[i].arguments);
		lines = frames_of(&said);
		got = without_dir(lines);
		ck_assert_msg(text_equal(got, good[i].frames), "for\n%s\nwanted\n%sgot\n%s",
		    good[i].text, good[i].frames, got);
		ck_assert_int_eq(said.status, strstr(good[i].frames, "error") ? 78 : 0);
		free(lines);
		free(got);
		said_done(&said);
	}
	leave_dir();
}
END_TEST

START_TEST(a_large_job_is_one_message_of_several_frames)
{
	AUTO_BUF struct buf text = { 0 };
	struct said said;
	char *lines;

	enter_dir();
	buf_append_str(&text, "jobs = ( { url = [ \"http://h/f\"");
	for (unsigned i = 0; i < 600; i++)
		buf_printf(&text, ", \"http://host%u.example/%0200u/f\"", i, i);
	buf_append_str(&text, " ]; } );");
	write_text("t.conf", buf_cstr(&text));
	said = run("-c t.conf");
	lines = frames_of(&said);
	ck_assert_ptr_nonnull(strstr(lines, "url=http://host599.example/0000"));
	ck_assert_ptr_nonnull(strstr(lines, "00599/f output=/srv/haul/f\nend 1 0\n"));
	free(lines);
	said_done(&said);
	buf_consume(&text, buf_len(&text));
	buf_append_str(&text, "jobs = ( { url = [ \"http://h/f\"");
	for (unsigned i = 0; i < 2400; i++)
		buf_printf(&text, ", \"http://host%u.example/%0200u/f\"", i, i);
	buf_append_str(&text, " ]; } );");
	write_text("t.conf", buf_cstr(&text));
	said = run("-t -c t.conf");
	ck_assert_str_eq(
	    said.errors, "t.conf:1: jobs[0]: the settings of this job take more than 256 KiB\n");
	said_done(&said);
	leave_dir();
}
END_TEST

START_TEST(after_an_error_no_job_is_sent)
{
	struct said said;
	char *lines;

	enter_dir();
	write_text(
	    "t.conf", "jobs = ( { url = \"http://h/1\"; }, { }, { url = \"http://h/2\"; } );");
	said = run("-c t.conf");
	lines = frames_of(&said);
	ck_assert_str_eq(lines,
	    COMMON "job url=http://h/1 output=/srv/haul/1\n"
		   "error t.conf:1: jobs[1]: a job needs a url\nend 3 1\n");
	ck_assert_int_eq(said.status, CONF_EXIT_CONFIG);
	free(lines);
	said_done(&said);
	leave_dir();
}
END_TEST

/* --- input lists --- */

static const struct {
	const char *list, *options, *frames;
} lists[] = {
	{ "http://h/a\n", "", COMMON "job url=http://h/a output=/srv/haul/a\nend 1 0\n" },
	{ "\xef\xbb\xbf# comment\r\n\r\nhttp://h/a\thttp://i/a\r\n  out=x/y\r\n\tdir=d\r\n  checksum=sha-256=" SHA_A
	  "\r\n  header=A: b\r\n  header=C: d\r\n # comment\r\nhttp://h/b",
	    "",
	    COMMON "job url=http://h/a url=http://i/a output=/srv/haul/d/x/y checksum=sha256:" SHA_A
		   " header=A: b header=C: d\njob url=http://h/b output=/srv/haul/b\nend 2 0\n" },
	{ "http://h/a.gz\n  dir=/srv/haul/z\n  decompress=auto\n", " --retry 3 --header X:y",
	    COMMON
	    "job url=http://h/a.gz output=/srv/haul/z/a decompress=1 header=X:y retry=3\nend 1 0\n" },
	{ "http://h/a\n  header=A: b\n  retry=4\n", " --retry 3 --header X:y",
	    COMMON "job url=http://h/a output=/srv/haul/a header=A: b retry=4\nend 1 0\n" },
	{ "http://h/a\n  splat=1\n  split=5\n  retry\n  retry=x\n", "",
	    COMMON "error list:2: unknown key \"splat\"\n"
		   "error list:3: \"split\" is not in this version of haul\n"
		   "error list:4: an indented line must be key=value\n"
		   "error list:5: retry is \"x\": it must be a whole number\nend 1 4\n" },
	{ "  out=x\nhttp://h/a\n", "",
	    COMMON "error list:1: an indented line, with no url before it\nend 1 1\n" },
	{ "nonsense\n", "",
	    COMMON
	    "error list:1: url is no url: it does not begin with a scheme and ://\nend 1 1\n" },
	{ SHA_A "  a b.txt\n" SHA_A " *./dir/x%y\n" MD5_A "  m\n", " --base-url http://h/base/",
	    COMMON
	    "job url=http://h/base/a%20b.txt output=/srv/haul/a b.txt checksum=sha256:" SHA_A
	    "\njob url=http://h/base/dir/x%25y output=/srv/haul/dir/x%y checksum=sha256:" SHA_A
	    "\njob url=http://h/base/m output=/srv/haul/m checksum=md5:" MD5_A "\nend 3 0\n" },
	{ "SHA256 (a (1).gz) = " SHA_A "\n", " --base-url http://h --decompress auto",
	    COMMON "job url=http://h/a%20%281%29.gz output=/srv/haul/a (1) checksum=sha256:" SHA_A
		   " decompress=1\nend 1 0\n" },
	{ SHA_A "  ../../etc/passwd\n", " --base-url http://h",
	    COMMON
	    "error list:1: output \"../../etc/passwd\" has a part that is . or ..\nend 1 1\n" },
	{ "\\" SHA_A "  a\\nb\n", " --base-url http://h",
	    COMMON "error list:1: the url ends in no file name: give output\nend 1 1\n" },
	{ SHA_A "  a\nhttp://h/x\n", " --base-url http://h",
	    COMMON "error list:2: no line of a checksum list: HEX  NAME\nend 1 1\n" },
	{ SHA_A "  a\n", "",
	    COMMON
	    "error list:1: a checksum list needs --base-url, where its files lie\nend 0 1\n" },
	{ "http://h/a\n", " --base-url http://h",
	    COMMON "error list:1: this is no checksum list, so --base-url has no use\nend 0 1\n" },
	{ "", "", COMMON "end 0 0\n" },
};

START_TEST(input_lists_become_jobs)
{
	enter_dir();
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		AUTO_FREE char *arguments = NULL, *got = NULL;
		struct said said;

		write_text("list", lists[i].list);
		arguments = xasprintf("--no-config -i list%s", lists[i].options);
		said = run(arguments);
		got = frames_of(&said);
		ck_assert_msg(text_equal(got, lists[i].frames), "for\n%s\nwanted\n%sgot\n%s",
		    lists[i].list, lists[i].frames, got);
		said_done(&said);
	}
	leave_dir();
}
END_TEST

START_TEST(a_line_of_a_list_has_a_limit)
{
	AUTO_FREE char *text = xmalloc(LIST_LINE_MAX + 64);
	struct said said;

	enter_dir();
	memset(text, 'a', LIST_LINE_MAX + 63);
	text[LIST_LINE_MAX + 63] = '\0';
	write_text("list", text);
	said = run("-t --no-config -i list");
	ck_assert_str_eq(said.errors, "list:1: a line longer than 64 KiB\n");
	said_done(&said);
	said = run("-t --no-config -i missing");
	ck_assert_str_eq(said.errors, "missing: cannot be read: No such file or directory\n");
	said_done(&said);
	said = run("-t --no-config -i /");
	ck_assert_str_eq(said.errors, "/: cannot be read: Is a directory\n");
	said_done(&said);
	leave_dir();
}
END_TEST

START_TEST(checksum_lines_are_told_from_others)
{
	static const char *const no[] = { "", "abc  x", SHA_A, SHA_A " x", SHA_A "  ",
		"SHA256 (x) = 12", "SHA256 () = " SHA_A, "FOO (x) = " SHA_A, "SHA256(x) = " SHA_A,
		"MD5 (x) = " SHA_A, " (", "http://h/x" };
	char *digest, *name;

	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		ck_assert_msg(checksum_line_parse(no[i], &digest, &name) == -EINVAL, "%s", no[i]);
	ck_assert_int_eq(checksum_line_parse("MD5 (a) = b) = " MD5_A, &digest, &name), 0);
	ck_assert_str_eq(name, "a) = b");
	ck_assert_str_eq(digest, "MD5:" MD5_A);
	free(name);
	free(digest);
	ck_assert_int_eq(checksum_line_parse("\\" SHA_A " *a\\\\b", &digest, &name), 0);
	ck_assert_str_eq(name, "a\\b");
	free(name);
	free(digest);
}
END_TEST

/* --- the command line --- */

static const struct {
	const char *arguments, *error;
} usage[] = {
	{ "--retires 3 http://h/a", "unknown option --retires: did you mean --retry?" },
	{ "--split 3 http://h/a", "--split is not in this version of haul" },
	{ "--insecure http://h/a",
	    "--insecure is refused: there is no switch that turns certificate checks off; "
	    "give --cacert FILE or --pinnedpubkey" },
	{ "-k http://h/a",
	    "-k is refused: there is no switch that turns certificate checks off; "
	    "give --cacert FILE or --pinnedpubkey" },
	{ "--retry", "--retry needs a value" },
	{ "-c", "-c needs a value" },
	{ "-c x --no-config", "-c and --no-config contradict each other" },
	{ "--no-config -i a -i b", "-i can be given once" },
	{ "--no-config --retry 3",
	    "--retry is for urls of the command line or of -i, and there are none" },
	{ "--no-config -o x http://h/a http://h/b",
	    "--output is about one job: give it with exactly one url" },
	{ "--no-config --checksum x -i list",
	    "--checksum is about one job: give it with exactly one url" },
	{ "--no-config --base-url http://h http://h/a",
	    "--base-url is for the names of a checksum list: give -i too" },
	{ "--test=1", "--test takes no value" },
	{ "--no-config --ret 3 http://h/a", "unknown option --ret: did you mean --retry?" },
};

START_TEST(usage_errors_are_one_sentence)
{
	for (size_t i = 0; i < ARRAY_SIZE(usage); i++) {
		struct said said = run(usage[i].arguments);

		ck_assert_str_eq(said.errors, usage[i].error);
		ck_assert_int_eq(said.status, CONF_EXIT_USAGE);
		said_done(&said);
	}
}
END_TEST

START_TEST(wrong_values_on_the_command_line_exit_as_usage)
{
	static const struct {
		const char *arguments, *errors;
	} rows[] = {
		{ "-t --no-config --retry x http://h/a",
		    "command line: retry is \"x\": it must be a whole number\n" },
		{ "-t --no-config nonsense",
		    "command line: url is no url: it does not begin with a scheme and ://\n" },
		{ "-t --no-config --workers 99",
		    "command line: daemon: workers must be from 0 to 64\n" },
		{ "-t --no-config --user me:pw http://h/a",
		    "command line: user is a secret, and everyone can see a command line: give @FILE\n" },
		{ "-t --no-config --header Authorization:x http://h/a",
		    "command line: header is a secret, and everyone can see a command line: give @FILE\n" },
		{ "-t --no-config --proxy http://u:p@h http://h/a",
		    "command line: proxy has a password, and everyone can see a command line: put it into a "
		    "configuration file\n" },
		{ "-t --no-config --root /nonexistent/.. http://h/a",
		    "command line: daemon: roots: \"/nonexistent/..\" has a part that is . or ..\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct said said = run(rows[i].arguments);

		ck_assert_str_eq(said.errors, rows[i].errors);
		ck_assert_int_eq(said.status, CONF_EXIT_USAGE);
		said_done(&said);
	}
}
END_TEST

START_TEST(every_key_of_daemon_and_jobs_is_an_option)
{
	unsigned n;
	const struct setting *all = settings_all(&n);

	for (unsigned i = 0; i < n; i++) {
		AUTO_FREE char *arguments =
		    xasprintf("-t --no-config --%s=x http://h/a", all[i].name);
		struct said said = run(arguments);
		bool option = setting_by_name(SCOPE_DAEMON, all[i].name) ||
		    setting_by_name(SCOPE_JOB, all[i].name);

		bool refused = strstr(said.errors, "unknown option") ||
		    strstr(said.errors, "is not in this version of haul");

		ck_assert_msg(refused != option, "%s: %s", all[i].name, said.errors);
		said_done(&said);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_specs");

	add_tests(s, "specs",
	    (const TTest *const[]){ good_configurations_become_canonical_specs,
		a_large_job_is_one_message_of_several_frames, after_an_error_no_job_is_sent,
		NULL });
	add_tests(s, "input lists",
	    (const TTest *const[]){ input_lists_become_jobs, a_line_of_a_list_has_a_limit,
		checksum_lines_are_told_from_others, NULL });
	add_tests(s, "command line",
	    (const TTest *const[]){ usage_errors_are_one_sentence,
		wrong_values_on_the_command_line_exit_as_usage,
		every_key_of_daemon_and_jobs_is_an_option, NULL });
	return run_suite(s);
}
