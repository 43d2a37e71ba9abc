/* src/conf: broken configurations and their sentences, secrets, limits. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/limits.h"
#include "conf_run.h"
#include "run_suite.h"

struct bad {
	const char *text;
	const char *errors;
};

#define JOB(text) "jobs = ( { url = \"http://h/f\"; " text " } );"

static const struct bad bad_syntax[] = {
	{ "daemon = {\n workers = 1;\n", "t.conf:1: syntax error: the { here is never closed\n" },
	{ "jobs = (\n { url = \"http://h/f\"; },\n);",
	    "t.conf:3: syntax error: a comma stands before ): no comma follows the last entry\n" },
	{ "jobs = ( { url = \"http://h/f\"; }\n { url = \"http://h/g\"; } );",
	    "t.conf:2: syntax error: { follows a value without a comma between them\n" },
	{ "jobs = ( { url = \"http://h/f }\n );",
	    "t.conf:1: syntax error: a string has no closing quote on this line\n" },
	{ "daemon = { };\n/* never closed\n jobs = ( );",
	    "t.conf:2: syntax error: the comment that begins here is never closed\n" },
	{ "defaults = { retry = 5K; };",
	    "t.conf:1: syntax error: the value of retry is neither a number nor a string: put it in quotes\n" },
	{ "defaults = { fsync = full; };",
	    "t.conf:1: syntax error: the value of fsync is neither true, false, a number nor a string: put it in quotes\n" },
	{ "defaults = { retry 5; };",
	    "t.conf:1: syntax error: 5 follows a key without = between them\n" },
	{ "daemon = { workers = ; };",
	    "t.conf:1: syntax error: ; stands where a key or a value is expected\n" },
	{ "daemon = { workers = 1;; };",
	    "t.conf:1: syntax error: ; stands where a key or a value is expected\n" },
	{ "daemon = { };\n}", "t.conf:2: syntax error: } closes nothing\n" },
	{ "jobs = (\n\n{ };",
	    "t.conf:3: syntax error: ; stands in a list, where a comma is expected\n" },
	{ "\njobs = (\n{ }\n", "t.conf:2: syntax error: the ( here is never closed\n" },
	{ "jobs = ( { url = [ \"a\" ) } );",
	    "t.conf:1: syntax error: ) closes the [ of line 1, which needs a ]\n" },
	{ "jobs = [ { url = \"http://h/f\"; } ];",
	    "t.conf:1: syntax error: [ ] holds plain values only; a list of groups is written ( )\n" },
	{ "daemon = ",
	    "t.conf:1: syntax error: the file ends where the value of daemon is expected\n" },
	{ "daemon = { workers = 1;\n workers = 2; };",
	    "t.conf:2: a key stands here that stands in the same { } already\n" },
	{ "daemon = { roots = [ \"/a\", 1 ]; };",
	    "t.conf:1: the values of one [ ] must be of one kind: all strings, or all numbers\n" },
	{ "daemon = { @include \"x\" };",
	    "t.conf:1: syntax error: @include must be the first word of a line\n" },
	{ "@include \"missing.conf\"\n",
	    "t.conf:1: @include \"DIR/missing.conf\" cannot be read: No such file or directory\n" },
	{ "\n@include \"sub\"\n",
	    "t.conf:2: @include \"DIR/sub\" cannot be read: it is a directory (@include takes one file)\n" },
	{ "@include \"fifo\"\n",
	    "t.conf:1: @include \"DIR/fifo\" cannot be read: it is not a regular file\n" },
	{ "@include \"/dev/zero\"\n",
	    "t.conf:1: @include \"/dev/zero\" cannot be read: it is not a regular file\n" },
	{ "@include \"t.conf\"\n",
	    "DIR/t.conf:1: @include \"t.conf\": files include each other more than 10 deep\n" },
	{ "\n@include \"inc.conf\"\njobs = ( ;",
	    "t.conf:3: syntax error: ; stands where a value is expected\n" },
	{ "@include \"bad.conf\"\n",
	    "DIR/bad.conf:3: syntax error: = stands where no key is before it\n" },
	{ "jobs = ((((((((((((((((((((((((((((((((((1",
	    "t.conf:1: syntax error: brackets are nested more than 32 deep\n" },
};

static const struct bad bad_traps[] = {
	{ "jobs = ( { url = [ \"http://h/a\"\n \"http://h/b\" ]; output = \"o\" } );",
	    "t.conf:2: a comma is missing before this string: two strings in a row are read as one\n" },
	{ "jobs = ( { url = \"http://h/a\"\n \"http://h/b\"; } );",
	    "t.conf:2: a comma is missing: two urls in a row are read as one; write [ \"first\", \"second\" ]\n" },
	{ JOB("header = ( \"A: b\" \"C: d\" );"),
	    "t.conf:1: a comma is missing before this string: two strings in a row are read as one\n" },
	{ JOB("mode = 0644;"),
	    "t.conf:1: the number 0644 begins with 0 and would be read as decimal: write \"0644\" in quotes "
	    "for octal permissions, or leave the 0 out\n" },
	{ JOB("max-filesize = 5000000000;"),
	    "t.conf:1: the number 5000000000 would be cut to 32 bits: write 5000000000L, or a string such as \"5G\"\n" },
	{ JOB("max-filesize = 0xFFFFFFFF;"),
	    "t.conf:1: the number 0xFFFFFFFF would be cut to 32 bits: write 0xFFFFFFFFL, or a string such as \"5G\"\n" },
	{ JOB("max-filesize = 99999999999999999999L;"),
	    "t.conf:1: the number 99999999999999999999L is larger than haul can count\n" },
	{ JOB("priority = -2147483649;"),
	    "t.conf:1: the number -2147483649 would be cut to 32 bits: write -2147483649L, or a string such as \"5G\"\n" },
	{ JOB("user-agent = \"a\\x00b\";"),
	    "t.conf:1: \\x00 in a string: no string of haul has a NUL byte\n" },
	{ JOB("user-agent = \"a\\qb\";"),
	    "t.conf:1: unknown escape \\q in a string: write \\\\ for a backslash\n" },
};

static const struct bad bad_keys[] = {
	{ "job = ( );", "t.conf:1: unknown section \"job\": did you mean \"jobs\"?\n" },
	{ "something = 1;",
	    "t.conf:1: unknown section \"something\": there are daemon, defaults, hosts, groups and jobs\n" },
	{ "jobs = { };", "t.conf:1: jobs must be a list of groups: ( { ... }, { ... } )\n" },
	{ "daemon = ( );", "t.conf:1: daemon must be a group: { ... }\n" },
	{ "jobs = ( 1 );", "t.conf:1: jobs[0] is no group: { key = value; ... }\n" },
	{ "jobs = (\n{ url = \"http://h/f\"; name = \"geoip\";\n retries = 3; } );",
	    "t.conf:3: unknown key \"retries\" in jobs[0] \"geoip\": did you mean \"retry\"?\n" },
	{ "daemon = { xyzzyplugh = 1; };", "t.conf:1: unknown key \"xyzzyplugh\" in daemon\n" },
	{ JOB("split = 8;"), "t.conf:1: jobs[0]: \"split\" is not in this version of haul\n" },
	{ JOB("insecure = true;"),
	    "t.conf:1: jobs[0]: \"insecure\" is refused: there is no switch that turns certificate checks off; "
	    "give cacert = \"FILE\" or pinnedpubkey\n" },
	{ "defaults = { url = \"http://h/f\"; };",
	    "t.conf:1: defaults: url is about one job: it cannot stand in defaults\n" },
	{ "groups = ( { } );", "t.conf:1: groups[0]: a group needs a name\n" },
	{ "groups = ( { name = \"a\"; },\n { name = \"a\"; } );",
	    "t.conf:2: groups[1] \"a\": name is that of another group (t.conf:1)\n" },
	{ "hosts = ( { max-connections = 2; } );",
	    "t.conf:1: hosts[0]: a hosts entry needs match\n" },
	{ "jobs = ( { output = \"x\"; } );", "t.conf:1: jobs[0]: a job needs a url\n" },
};

static const struct bad bad_values[] = {
	{ JOB("retry = \"5\";"),
	    "t.conf:1: jobs[0]: retry is a string: it must be a whole number, without quotes\n" },
	{ JOB("retry = 1.5;"),
	    "t.conf:1: jobs[0]: retry is a number with a point: it must be a whole number\n" },
	{ JOB("retry = -1;"), "t.conf:1: jobs[0]: retry must not be negative\n" },
	{ JOB("retry-on = \"5x4\";"),
	    "t.conf:1: jobs[0]: retry-on has \"5x4\", which is no status (\"503\", \"5xx\"), no word of a failure (\"dns\") "
	    "and not \"*\"\n" },
	{ JOB("retry-on = [ \"503\", \"!conect\" ];"),
	    "t.conf:1: jobs[0]: retry-on has \"conect\", which is no status (\"503\", \"5xx\"), no word of a failure (\"dns\") "
	    "and not \"*\": did you mean \"connect\"?\n" },
	{ JOB("retry-on = \"disk-full\";"), "t.conf:1: jobs[0]: retry-on has \"disk-full\", which no repeat can mend\n" },
	{ JOB("retry-on = 503;"), "t.conf:1: jobs[0]: retry-on is the number 503: it must be a string or a list of strings\n" },
	{ JOB("on-download-complete = \"true\";"), "t.conf:1: jobs[0]: on-download-complete must begin with the absolute path "
	    "of a program: no shell and no PATH look for it\n" },
	{ JOB("url-command = [ \"\", \"x\" ];"), "t.conf:1: jobs[0]: url-command begins with an empty string, which says that "
	    "no program is run: nothing can follow\n" },
	{ JOB("hook-timeout = 0;"), "t.conf:1: jobs[0]: hook-timeout must be from 1ms to 366d\n" },
	{ JOB("retry-delay = \"2m\";"), "t.conf:1: jobs[0]: retry-delay is longer than retry-max-delay\n" },
	{ JOB("deadline = -1;"), "t.conf:1: jobs[0]: deadline must not be negative\n" },
	{ JOB("deadline = true;"), "t.conf:1: jobs[0]: deadline is true or false: it must be a duration, such as \"30s\" or \"6h\", "
	    "or a time, such as \"2026-12-01 12:00\" or \"06:00\"\n" },
	{ JOB("deadline = \"noon\";"), "t.conf:1: jobs[0]: deadline is \"noon\": it must be a duration, such as \"30s\" or \"6h\", "
	    "or a time, such as \"2026-12-01 12:00\" or \"06:00\"\n" },
	{ "groups = ( { name = \"a\"; deadline = \"367d\"; } );",
	    "t.conf:1: groups[0] \"a\": deadline must be from 0 to 366d\n" },
	{ JOB("retry-delay = 0;"), "t.conf:1: jobs[0]: retry-delay must be from 1ms to 366d\n" },
	{ "daemon = { bwlimit = \"08:00,512k 9:00,10M\"; };",
	    "t.conf:1: daemon: bwlimit has \"9:00,10M\", whose time must be from 00:00 to 23:59, two digits each\n" },
	{ "daemon = { bwlimit = \"10MB\"; };",
	    "t.conf:1: daemon: bwlimit has \"10MB\" where a rate must be, such as \"512k\", \"10M\" or \"off\"\n" },
	{ "daemon = { max-probe-delay = \"10ms\"; };",
	    "t.conf:1: daemon: max-probe-delay must be from 1s to 366d\n" },
	{ JOB("retry = true;"),
	    "t.conf:1: jobs[0]: retry is true or false: it must be a whole number\n" },
	{ JOB("no-clobber = 1;"),
	    "t.conf:1: jobs[0]: no-clobber is the number 1: it must be true or false\n" },
	{ JOB("no-clobber = \"true\";"),
	    "t.conf:1: jobs[0]: no-clobber is a string: it must be true or false, without quotes\n" },
	{ JOB("http-version = 1.1;"),
	    "t.conf:1: jobs[0]: http-version is a number with a point: it must be one of 1.1|2, in quotes\n" },
	{ JOB("fsync = \"ful\";"),
	    "t.conf:1: jobs[0]: fsync is \"ful\": it must be one of off|data|full\n" },
	{ JOB("mode = \"888\";"),
	    "t.conf:1: jobs[0]: mode is \"888\": it must be permissions in octal as a string, such as \"0644\"\n" },
	{ JOB("mode = 644;"),
	    "t.conf:1: jobs[0]: mode is the number 644: it must be permissions in octal as a string, such as \"0644\"\n" },
	{ JOB("limit-rate = \"fast\";"),
	    "t.conf:1: jobs[0]: limit-rate is \"fast\": it must be a size, such as \"64M\" or \"5G\"\n" },
	{ JOB("connect-timeout = \"0\";"),
	    "t.conf:1: jobs[0]: connect-timeout must be from 1ms to 366d\n" },
	{ JOB("header = [ ];"),
	    "t.conf:1: jobs[0]: header is an empty list: leave the key out instead\n" },
	{ JOB("header = ( 1 );"), "t.conf:1: jobs[0]: header has an entry that is no string\n" },
	{ JOB("output = { };"),
	    "t.conf:1: jobs[0]: output is a list or a group: it must be a string\n" },
	{ JOB("name = \"9x\";"), "t.conf:1: jobs[0] \"9x\": name must begin with a letter or _\n" },
	{ JOB("name = \"a b\";"),
	    "t.conf:1: jobs[0] \"a b\": name may hold letters, digits, . _ and - only\n" },
	{ JOB("group = \"nope\";"),
	    "t.conf:1: jobs[0]: group is \"nope\", which is not in groups\n" },
	{ "groups = ( { name = \"a\"; publish = \"atomic\"; } );",
	    "t.conf:1: groups[0] \"a\": publish = \"atomic\" needs directory: the one that the group owns\n" },
	{ "groups = ( { name = \"a\"; publish = \"atomic\"; directory = \"/srv/haul/d\"; } );\n"
	  "jobs = ( { url = \"http://h/f\"; output = \"d/f\"; },\n{ url = \"http://h/g\"; group = \"a\"; },\n"
	  "{ url = \"http://h/h\"; group = \"a\"; output = \"d/h\"; every = \"1h\"; } );",
	    "t.conf:2: jobs[0]: output /srv/haul/d/f lies in the directory of group a, which only its members write to\n"
	    "t.conf:3: jobs[1]: output /srv/haul/g does not lie directly in /srv/haul/d, which group a publishes as a whole\n"
	    "t.conf:4: jobs[2]: every has no meaning in a group that is published as a whole, whose members come "
	    "together: cron says when\n" },
	{ "groups = ( { name = \"a\"; publish = \"atomic\"; directory = \"/srv/haul/d\"; allow-submit = true; } );",
	    "t.conf:1: groups[0] \"a\": allow-submit has no meaning with publish = \"atomic\": members of such a group are jobs of "
	    "the configuration\n" },
	{ "groups = ( { name = \"a\"; allow-submit = \"yes\"; } );",
	    "t.conf:1: groups[0] \"a\": allow-submit is a string: it must be true or false, without quotes\n" },
	{ "groups = ( { name = \"a\"; parent = \"b\"; } );",
	    "t.conf:1: groups[0] \"a\": parent is \"b\", which is not in groups\n" },
	{ "groups = ( { name = \"a\"; parent = \"a\"; } );",
	    "t.conf:1: groups[0] \"a\": parent makes a circle: a -> a\n" },
	{ "groups = (\n{ name = \"x\"; parent = \"a\"; },\n{ name = \"a\"; parent = \"b\"; },\n"
	  "{ name = \"b\"; parent = \"c\"; },\n{ name = \"c\"; parent = \"a\"; } );",
	    "t.conf:3: groups[1] \"a\": parent makes a circle: a -> b -> c -> a\n" },
	{ "groups = ( { name = \"a\"; max-concurrent = -1; on-failure = \"stop\"; } );",
	    "t.conf:1: groups[0] \"a\": max-concurrent must not be negative\n"
	    "t.conf:1: groups[0] \"a\": on-failure is \"stop\": it must be one of continue|cancel\n" },
	{ JOB("header = \"no colon\";"),
	    "t.conf:1: jobs[0]: header must be \"Name: value\" or \"@FILE\"\n" },
	{ JOB("header = \"A: b\\nC: d\";"),
	    "t.conf:1: jobs[0]: header has a control character in it\n" },
	{ JOB("header = \"Range: bytes=0-\";"),
	    "t.conf:1: jobs[0]: header sets one that haul sets itself\n" },
	{ JOB("header = \"@world\";"),
	    "t.conf:1: jobs[0]: header \"@DIR/world\" can be read by everyone: chmod o-r it\n" },
	{ JOB("header = \"@headers-bad\";"),
	    "t.conf:1: jobs[0]: header (line 3 of \"headers-bad\") must be \"Name: value\" or \"@FILE\"\n" },
	{ JOB("user = \"nocolon\";"),
	    "t.conf:1: jobs[0]: user must be \"name:password\", or \"@FILE\" with that in its first line\n" },
	{ JOB("user = \"@nothing\";"),
	    "t.conf:1: jobs[0]: user \"@DIR/nothing\" cannot be read: No such file or directory\n" },
	{ JOB("user = \"@fifo\";"),
	    "t.conf:1: jobs[0]: user \"@DIR/fifo\" cannot be read: it is not a regular file\n" },
	{ JOB("cacert = \"sub\";"),
	    "t.conf:1: jobs[0]: cacert \"DIR/sub\" cannot be read: it is a directory\n" },
	{ JOB("cert = \"inc.conf\"; key = \"world\";"),
	    "t.conf:1: jobs[0]: key \"DIR/world\" can be read by everyone: chmod o-r it\n" },
	{ JOB("key = \"inc.conf\";"), "t.conf:1: jobs[0]: key has no meaning without cert\n" },
	{ JOB("pinnedpubkey = \"sha256//short\";"),
	    "t.conf:1: jobs[0]: pinnedpubkey must be \"sha256//\" and 44 characters of base64 (more of them after \";\")\n" },
	{ JOB("proxy = \"ftp://h\";"),
	    "t.conf:1: jobs[0]: proxy must begin with http://, https://, socks5:// or socks5h://, or be \"env\"\n" },
	{ JOB("checksum = \"sha256:12\";"),
	    "t.conf:1: jobs[0]: checksum \"sha256:12\" is wrong: its number of hex digits is not that of the algorithm\n" },
	{ JOB("checksum-output = \"md5:" MD5_A "\";"),
	    "t.conf:1: jobs[0]: checksum-output has no meaning without decompress: use checksum\n" },
	{ "defaults = { decompress = \"auto\"; };\n" JOB(
	      "decompress = \"off\"; keep-download = \"k\";"),
	    "t.conf:2: jobs[0]: keep-download has no meaning without decompress\n" },
	{ "jobs = ( { url = \"ftp://h/f\"; } );",
	    "t.conf:1: jobs[0]: url has the scheme ftp: this version of haul takes http, https and, with "
	    "allow-file = true, file\n" },
	{ "jobs = ( { url = \"http://u:p@h/f\"; } );",
	    "t.conf:1: jobs[0]: url has a name or password in it: give user = \"@FILE\" instead\n" },
	{ "jobs = ( { url = \"http://h/a b\"; } );",
	    "t.conf:1: jobs[0]: url is no url: it has a space (write %20)\n" },
	{ "jobs = ( { url = \"file:///etc/hostname\"; } );",
	    "t.conf:1: jobs[0]: url is a file: url: that takes allow-file = true\n" },
	{ "jobs = ( { url = \"http://h/\"; } );",
	    "t.conf:1: jobs[0]: the url ends in no file name: give output\n" },
	{ "jobs = ( { url = \"http://h/%2e%2e\"; } );",
	    "t.conf:1: jobs[0]: the url ends in no file name: give output\n" },
	{ JOB("output = \"../x\";"),
	    "t.conf:1: jobs[0]: output \"../x\" has a part that is . or ..\n" },
	{ JOB("output = \"a//x\";"),
	    "t.conf:1: jobs[0]: output \"a//x\" has an empty part (two / in a row)\n" },
	{ JOB("output = \"a/\";"),
	    "t.conf:1: jobs[0]: output \"a/\" ends in /, so it names no file\n" },
	{ JOB("output = \"\";"), "t.conf:1: jobs[0]: output \"\" is empty\n" },
	{ JOB("output = \"a/.haul/x\";"),
	    "t.conf:1: jobs[0]: output \"a/.haul/x\" has a part .haul, where haul keeps its own files\n" },
	{ JOB("output = \"/etc/passwd\";"),
	    "t.conf:1: jobs[0]: output \"/etc/passwd\" does not lie beneath the root /srv/haul\n" },
	{ JOB("output = \"/srv/haul2/x\";"),
	    "t.conf:1: jobs[0]: output \"/srv/haul2/x\" does not lie beneath the root /srv/haul\n" },
	{ "jobs = ( { url = \"http://h/f\"; },\n { url = \"http://i/f\"; } );",
	    "t.conf:2: jobs[1]: output /srv/haul/f is also the destination of another job (t.conf:1)\n" },
	{ "jobs = ( { name = \"a\"; url = \"http://h/f\"; },\n { name = \"a\"; url = \"http://h/g\"; } );",
	    "t.conf:2: jobs[1] \"a\": name is that of another job (t.conf:1)\n" },
	{ JOB("decompress = \"auto\"; keep-download = \"f\";"),
	    "t.conf:1: jobs[0]: keep-download /srv/haul/f is the destination of output too\n" },
	{ "daemon = { roots = [ \"srv\" ]; };",
	    "t.conf:1: daemon: roots: \"srv\" must be an absolute path\n" },
	{ "daemon = { deny-addresses = [ \"10.0.0.0/8\",\n \"10.0.0.0/33\" ]; };",
	    "t.conf:2: daemon: deny-addresses has \"10.0.0.0/33\": the prefix behind the / must be a number from 0 to 32\n" },
	{ "daemon = { allow-addresses = \"10.0.0.1/8\"; };",
	    "t.conf:1: daemon: allow-addresses has \"10.0.0.1/8\", with bits behind its prefix: write \"10.0.0.0/8\", or "
	    "the address without /\n" },
	{ "daemon = { allow-addresses = \"intranet.example\"; };",
	    "t.conf:1: daemon: allow-addresses has \"intranet.example\": it must be addresses, such as \"10.0.0.0/8\", "
	    "\"fd00::/8\" or \"192.0.2.7\"\n" },
	{ "daemon = { allow-addresses = [ \"0.0.0.0/0\", \"::/0\" ]; };",
	    "t.conf:1: daemon: allow-addresses has every address: there is no switch that turns the address policy off; "
	    "name the ranges that are meant\n"
	    "t.conf:1: daemon: allow-addresses has every address: there is no switch that turns the address policy off; "
	    "name the ranges that are meant\n" },
	{ "daemon = { allow-addresses = \"::ffff:10.0.0.0/104\";\n deny-addresses = [ \"fe80::/10\", \"10.0.0.0/8\" ]; };",
	    "t.conf:2: daemon: deny-addresses has 10.0.0.0/8, which allow-addresses has too\n" },
	{ "daemon = { allow-addresses = 10; };",
	    "t.conf:1: daemon: allow-addresses is the number 10: it must be a string or a list of strings\n" },
	{ "daemon = { roots = \"/\"; };",
	    "t.conf:1: daemon: roots: \"/\" would let a job replace any file of the system: name a directory beneath it\n" },
	{ "daemon = { roots = \"/a/../b\"; };",
	    "t.conf:1: daemon: roots: \"/a/../b\" has a part that is . or ..\n" },
	{ "daemon = { socket = \"rel\"; };",
	    "t.conf:1: daemon: socket must be an absolute path\n" },
	{ "daemon = { max-concurrent-downloads = 0; };",
	    "t.conf:1: daemon: max-concurrent-downloads must be from 1 to 4096\n" },
	{ "hosts = ( { match = \"http://h/\"; } );",
	    "t.conf:1: hosts[0] \"http://h/\": match must be a host name, in which * matches anything, without "
	    "scheme, port or path\n" },
};

static void
expect_errors(const struct bad *table, size_t n)
{
	enter_dir();
	ck_assert_int_eq(mkdir("sub", 0700), 0);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	write_text("inc.conf", "daemon = {\n};\n");
	write_text("bad.conf", "\n\n = 1;\n");
	write_file("world", "A: b\n", 5, 0644);
	write_text("headers-bad", "A: b\r\n# comment\nno header\n");
	for (size_t i = 0; i < n; i++) {
		struct said said;
		char *got;

		write_text("t.conf", table[i].text);
		said = run("-t -c t.conf");
		got = without_dir(said.errors);
		ck_assert_msg(text_equal(got, table[i].errors), "for\n%s\nwanted\n%sgot\n%s",
		    table[i].text, table[i].errors, got);
		ck_assert_int_eq(said.status, CONF_EXIT_CONFIG);
		free(got);
		said_done(&said);
	}
	leave_dir();
}

START_TEST(syntax_errors_say_what_is_missing_and_where)
{
	expect_errors(bad_syntax, ARRAY_SIZE(bad_syntax));
}
END_TEST

START_TEST(what_libconfig_takes_in_silence_is_an_error)
{
	expect_errors(bad_traps, ARRAY_SIZE(bad_traps));
}
END_TEST

START_TEST(unknown_later_and_refused_keys_are_told_apart)
{
	expect_errors(bad_keys, ARRAY_SIZE(bad_keys));
}
END_TEST

START_TEST(impossible_values_are_errors_with_the_reason)
{
	expect_errors(bad_values, ARRAY_SIZE(bad_values));
}
END_TEST

START_TEST(all_semantic_errors_are_told_at_once)
{
	struct said said;

	enter_dir();
	write_text("t.conf",
	    "daemon = { workers = 99; };\njobs = (\n { url = \"http://h/f\"; retry = -1;\n"
	    "   mode = 0644; fsync = \"x\"; },\n { output = \"g\"; }\n);\n");
	said = run("-t -c t.conf");
	ck_assert_str_eq(said.errors,
	    "t.conf:4: the number 0644 begins with 0 and would be read as decimal: write \"0644\" in quotes "
	    "for octal permissions, or leave the 0 out\n"
	    "t.conf:1: daemon: workers must be from 0 to 64\n"
	    "t.conf:3: jobs[0]: retry must not be negative\n"
	    "t.conf:4: jobs[0]: fsync is \"x\": it must be one of off|data|full\n"
	    "t.conf:5: jobs[1]: a job needs a url\n");
	said_done(&said);
	leave_dir();
}
END_TEST

START_TEST(text_from_outside_is_escaped_in_errors)
{
	struct said said;

	enter_dir();
	write_text("t.conf", "jobs = ( { name = \"a\\x1b[31m\"; url = \"http://h/f\"; } );");
	said = run("-t -c t.conf");
	ck_assert_str_eq(
	    said.errors, "t.conf:1: jobs[0] \"a\\x1b[31m\": name has a control character in it\n");
	said_done(&said);
	leave_dir();
}
END_TEST

START_TEST(no_secret_appears_in_an_error)
{
	static const char *const texts[] = {
		JOB("user = \"hunter2\";"),
		JOB("user = \"me:hunter2\" \"x\" 5;"),
		JOB("header = \"hunter2\";"),
		JOB("header = [ \"Authorization: hunter2\" \"hunter2\" ];"),
		JOB("user \"hunter2\";"),
		JOB("proxy = \"gopher://u:hunter2@h\";"),
		JOB("user = hunter2;"),
		JOB("user = \"a\" hunter2 \"b\";"),
		JOB("header = [ \"hunter2\" hunter2 ];"),
		"jobs = ( { url = \"http://u:hunter2@h/\"; } );",
	};

	enter_dir();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct said said;

		write_text("t.conf", texts[i]);
		said = run("-t -c t.conf");
		ck_assert_int_eq(said.status, CONF_EXIT_CONFIG);
		ck_assert_msg(!strstr(said.errors, "hunter2"), "%s", said.errors);
		said_done(&said);
	}
	leave_dir();
}
END_TEST

START_TEST(a_secret_in_a_file_that_everyone_reads_is_refused)
{
	static const char text[] =
	    JOB("user = \"me:pw\"; header = \"authorization: x\"; proxy = \"http://u:p@h\";");
	struct said said;

	enter_dir();
	write_file("t.conf", text, strlen(text), 0644);
	said = run("-t -c t.conf");
	ck_assert_str_eq(said.errors,
	    "t.conf:1: jobs[0]: user is a secret in a file that everyone can read: chmod o-r the file, or give \"@FILE\"\n"
	    "t.conf:1: jobs[0]: header is a secret in a file that everyone can read: chmod o-r the file, or give \"@FILE\"\n"
	    "t.conf:1: jobs[0]: proxy has a password in a file that everyone can read: chmod o-r the file\n");
	said_done(&said);
	ck_assert_int_eq(chmod("t.conf", 0640), 0);
	said = run("-t -c t.conf");
	ck_assert_str_eq(said.errors, "");
	ck_assert_int_eq(said.status, 0);
	said_done(&said);
	leave_dir();
}
END_TEST

START_TEST(strings_and_files_have_limits)
{
	size_t n = CONF_STRING_MAX + 100;
	char *text = xmalloc(n + 64);
	struct said said;

	enter_dir();
	memcpy(text, "x = \"", 5);
	memset(text + 5, 'a', n);
	memcpy(text + 5 + n, "\";", 3);
	write_text("t.conf", text);
	said = run("-t -c t.conf");
	ck_assert_str_eq(said.errors, "t.conf:1: syntax error: a string is longer than 1 MiB\n");
	said_done(&said);
	write_file("t.conf", "\n\na\0b\n", 6, 0600);
	said = run("-t -c t.conf");
	ck_assert_str_eq(
	    said.errors, "t.conf:3: syntax error: the file has a NUL byte: this is no text file\n");
	said_done(&said);
	write_text("t.conf", "");
	ck_assert_int_eq(truncate("t.conf", (off_t)CONF_BYTES_MAX + 1), 0);
	said = run("-t -c t.conf");
	ck_assert_str_eq(
	    said.errors, "t.conf: cannot be read: the configuration is larger than 64 MiB\n");
	said_done(&said);
	free(text);
	leave_dir();
}
END_TEST

START_TEST(errors_beyond_the_limit_are_counted_only)
{
	AUTO_BUF struct buf text = { 0 };
	struct said said;
	unsigned lines = 0;

	enter_dir();
	buf_append_str(&text, "jobs = ( ");
	for (unsigned i = 0; i < CONF_ERRORS_SHOWN_MAX + 500; i++)
		buf_printf(&text, "%s{ }", i ? "," : "");
	buf_append_str(&text, " );");
	write_text("t.conf", buf_cstr(&text));
	said = run("-t -c t.conf");
	for (const char *p = said.errors; (p = strchr(p, '\n')); p++)
		lines++;
	ck_assert_uint_eq(lines, CONF_ERRORS_SHOWN_MAX + 1);
	said_done(&said);
	leave_dir();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf");

	add_tests(s, "broken configurations",
	    (const TTest *const[]){ syntax_errors_say_what_is_missing_and_where,
		what_libconfig_takes_in_silence_is_an_error,
		unknown_later_and_refused_keys_are_told_apart,
		impossible_values_are_errors_with_the_reason, all_semantic_errors_are_told_at_once,
		NULL });
	add_tests(s, "secrets and limits",
	    (const TTest *const[]){ text_from_outside_is_escaped_in_errors,
		no_secret_appears_in_an_error, a_secret_in_a_file_that_everyone_reads_is_refused,
		strings_and_files_have_limits, errors_beyond_the_limit_are_counted_only, NULL });
	return run_suite(s);
}
