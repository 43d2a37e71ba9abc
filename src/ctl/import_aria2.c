/*
 * aria2's sessions (--save-session) and input files, whose form is that of input_list.h
 * and whose options have aria2's names, and lists of urls as wget -i takes them; see import.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/import.h"
#include "model/settings.h"

struct aria2 {
	struct import *m;
	char *user, *password; /* owned: of http-user, http-passwd; NULL */
	unsigned user_line;
};

/* Other names of the same; NULL: it must be looked at. */
static const struct {
	const char *theirs, *ours;
} same[] = { { "output", "output" }, { "checksum", "checksum" }, { "header", "header" }, { "user-agent", "user-agent" },
	{ "all-proxy", "proxy" }, { "http-proxy", "proxy" }, { "https-proxy", "proxy" }, { "no-proxy", "noproxy" },
	{ "connect-timeout", "connect-timeout" }, { "timeout", "stall-timeout" }, { "retry-wait", "retry-delay" },
	{ "max-download-limit", "limit-rate" }, { "lowest-speed-limit", "speed-limit" }, { "ca-certificate", "cacert" },
	{ "certificate", "cert" }, { "private-key", "key" }, { "remote-time", "remote-time" },
	{ "conditional-get", "conditional" } };

/* They stand in every session and say how aria2 works, not what is to come of it. */
static const struct {
	const char *name, *why;
} tuning[] = { { "gid", "hauld gives ids of its own" }, { "split", "haul fetches a file over one connection" },
	{ "max-connection-per-server", "hauld's max-connections-per-host decides" }, { "min-split-size", "haul fetches a file over one connection" },
	{ "piece-length", "haul has no pieces" }, { "file-allocation", "haul allocates nothing in advance" },
	{ "stream-piece-selector", "haul has no pieces" }, { "uri-selector", "haul tries the urls of a job in their order" },
	{ "continue", "haul always goes on with what it has" }, { "always-resume", "haul always goes on with what it has, where that is safe" },
	{ "check-integrity", "haul always checks" }, { "realtime-chunk-checksum", "haul always checks" },
	{ "enable-http-keep-alive", "haul keeps connections" }, { "http-accept-gzip", "haul asks for the file as it is" },
	{ "use-head", "haul asks for the file at once" }, { "follow-torrent", "haul knows no torrents" },
	{ "follow-metalink", "haul knows no metalinks" }, { "force-save", "hauld remembers jobs that are over" },
	{ "conf-path", "it is aria2's own" } };

static void
put_user(struct aria2 *a)
{
	if (a->user && a->password) {
		AUTO_FREE char *both = xasprintf("%s:%s", a->user, a->password);

		import_put(a->m, a->user_line, "user", both);
	} else if (a->user || a->password) {
		import_note(a->m, a->user_line, a->user ? "http-user" : "http-passwd", "it goes with the other of the two only: left out");
	}
	free(TAKE_PTR(a->user));
	free(TAKE_PTR(a->password));
}

static bool
on_entry(unsigned line, void *arg)
{
	struct aria2 *a = arg;

	put_user(a);
	import_begin(a->m, line);
	return true;
}

static void
put_tries(struct aria2 *a, unsigned line, const char *value)
{
	uint64_t n;
	char text[24];

	if (parse_u64(value, &n) < 0 || n == 0) {
		import_note(a->m, line, "max-tries", "0 is for ever with aria2, and haul's retry has an end: left out");
		return;
	}
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)n - 1); /* the first one counts there */
	import_put(a->m, line, "retry", text);
}

/* Those whose value has to be looked at; false: none of them. */
static bool
put_special(struct aria2 *a, unsigned line, const char *key, const char *value)
{
	AUTO_FREE char *header = NULL;

	if (text_equal(key, "url")) {
		import_url(a->m, line, value);
	} else if (text_equal(key, "pause")) {
		import_put(a->m, line, "paused", value);
	} else if (text_equal(key, "referer")) {
		header = xasprintf("Referer: %s", value);
		import_put(a->m, line, "header", header);
	} else if (text_equal(key, "max-tries")) {
		put_tries(a, line, value);
	} else if (text_equal(key, "http-user") || text_equal(key, "http-passwd")) {
		char **to = text_equal(key, "http-user") ? &a->user : &a->password;

		free(*to);
		*to = xstrdup(value);
		a->user_line = line;
	} else if (text_equal(key, "check-certificate") && !text_equal(value, "true")) {
		import_note(a->m, line, "check-certificate", "certificates are always checked: give cacert or pinnedpubkey if this one fails");
	} else if (text_equal(key, "allow-overwrite") || text_equal(key, "auto-file-renaming")) {
		import_note(a->m, line, key, "haul replaces a file that is there, or fails with no-clobber: left out");
	} else {
		return false;
	}
	return true;
}

/* Of a list that was not meant for aria2, as `export` writes it.  aria2 has hooks, too, with other arguments. */
static bool
is_haul_key(const char *key)
{
	const struct setting *row = setting_by_name(SCOPE_JOB, key);

	return row && !(row->flags & SETTING_PROGRAM);
}

static void
on_value(unsigned line, const char *key, const char *value, void *arg)
{
	struct aria2 *a = arg;

	if (put_special(a, line, key, value))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (text_equal(same[i].theirs, key)) {
			import_put(a->m, line, same[i].ours, value);
			return;
		}
	for (size_t i = 0; i < ARRAY_SIZE(tuning); i++)
		if (text_equal(tuning[i].name, key)) {
			import_note_quietly(a->m, line, key, tuning[i].why);
			return;
		}
	if (is_haul_key(key)) {
		AUTO_FREE char *text = xasprintf("%s is a key of haul, and no option of aria2: `haulctl add -i` takes lists with those", key);

		import_error(a->m, line, text);
		return;
	}
	import_note(a->m, line, key, "haul has nothing like it: left out");
}

static void
on_dir(unsigned line UNUSED, const char *dir, void *arg)
{
	struct aria2 *a = arg;

	import_dir(a->m, dir);
}

static void
on_error(unsigned line, const char *text, void *arg)
{
	struct aria2 *a = arg;

	import_error(a->m, line, text);
}

void
import_read_aria2(struct import *m, int fd)
{
	static const struct input_list_ops ops = { on_entry, on_value, on_dir, on_error };
	struct aria2 a = { .m = m };

	input_list_read(fd, NULL, &ops, &a);
	put_user(&a);
}

/* A url a line. */
void
import_read_wget(struct import *m, int fd)
{
	static const struct input_list_ops ops = { on_entry, on_value, on_dir, on_error };
	struct aria2 a = { .m = m };

	input_list_read_urls(fd, &ops, &a);
}
