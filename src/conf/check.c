/* Checks of single values; see check.h. */
#include "conf/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "conf/addresses.h"
#include "conf/limits.h"
#include "conf/output.h"
#include "conf/secret.h"
#include "model/algo.h"
#include "model/calendar.h"
#include "model/moment.h"
#include "model/retry.h"
#include "model/timetable.h"
#include "model/until.h"
#include "model/values.h"

void
check_tell(struct check *c, const struct draft *d, const struct setting *row, struct where at,
    const char *why)
{
	emit_error(c->emit, at, d->label, "%s %s", row->name, why);
}

/* Names of other tools' switches that turn the check of certificates off. */
static bool
is_insecure(const char *name)
{
	return text_equal(name, "insecure") || text_equal(name, "check-certificate") ||
	    text_equal(name, "no-check-certificate");
}

static void
tell_unknown(struct check *c, const struct draft *d, struct where at, const char *name)
{
	const char *near = setting_suggest(d->scope, name);
	const char *in = *d->label ? " in " : "";

	if (is_insecure(name))
		emit_error(c->emit, at, d->label,
		    "\"%s\" is refused: there is no switch that turns certificate "
		    "checks off; give cacert = \"FILE\" or pinnedpubkey",
		    quote(name));
	else if (setting_is_later(d->scope, name))
		emit_error(
		    c->emit, at, d->label, "\"%s\" is not in this version of haul", quote(name));
	else if (near)
		emit_error(c->emit, at, "", "unknown key \"%s\"%s%s: did you mean \"%s\"?",
		    quote(name), in, d->label, near);
	else
		emit_error(c->emit, at, "", "unknown key \"%s\"%s%s", quote(name), in, d->label);
}

const struct setting *
check_key(struct check *c, struct draft *d, struct where at, const char *name, bool defaults)
{
	const struct setting *row = setting_by_name(d->scope, name);

	if (!row) {
		tell_unknown(c, d, at, name);
		return NULL;
	}
	if (defaults && (row->flags & SETTING_OWN)) {
		emit_error(c->emit, at, d->label,
		    "%s is about one job: it cannot stand in defaults", name);
		return NULL;
	}
	draft_open(d, row);
	return row;
}

/* NULL: the text may be the value. */
static const char *
refuse_proxy(const char *text, char **ret_why)
{
	static const char *const schemes[] = { "http", "https", "socks5", "socks5h" };
	struct url u;
	const char *why;

	if (!*text || text_equal(text, "env"))
		return NULL;
	if (url_parse(text, &u, &why) < 0)
		return *ret_why = xasprintf("is no url of a proxy: %s", why);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (url_scheme_is(&u, schemes[i]))
			return u.path.len > 1 || u.query.at
			    ? (*ret_why = xstrdup("has a path, which no proxy has"))
			    : NULL;
	return *ret_why = xstrdup(
		   "must begin with http://, https://, socks5:// or socks5h://, or be \"env\"");
}

static const char *
refuse_match(const char *text, char **ret_why)
{
	if (!*text)
		return *ret_why = xstrdup("is empty");
	if (text[strcspn(text, "/:@ ?#")] && *text != '[')
		return *ret_why = xstrdup(
			   "must be a host name, in which * matches anything, without scheme, "
			   "port or path");
	return NULL;
}

static const char *
refuse_pin(const char *text, char **ret_why)
{
	static const char base64[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (;;) {
		const char *digits = text + strlen("sha256//");

		if (!has_prefix(text, "sha256//") || strspn(digits, base64) != 43 ||
		    digits[43] != '=')
			break;
		text = digits + 44;
		if (!*text)
			return NULL;
		if (*text++ != ';')
			break;
	}
	return *ret_why = xstrdup(
		   "must be \"sha256//\" and 44 characters of base64 (more of them after \";\")");
}

static const char *
refuse_zone(const char *name, char **ret_why)
{
	AUTO_ZONE struct zone *z = NULL;

	if (!*name || zone_new(name, &z) == 0)
		return NULL;
	return *ret_why = xasprintf("has the time zone \"%s\", which this system does not have", name);
}

static const char *
refuse_cron(const char *text, char **ret_why)
{
	struct calendar c;

	return calendar_parse(text, &c, ret_why) < 0 ? *ret_why : refuse_zone(c.zone, ret_why);
}

static const char *
refuse_moment(const char *text, char **ret_why)
{
	int64_t s;

	return moment_parse(text, MOMENT_FUTURE, clock_wall_s(), &s, ret_why) < 0 ? *ret_why : NULL;
}

static const char *
refuse_path(const char *text, size_t max, char **ret_why)
{
	if (text[0] != '/')
		return *ret_why = xstrdup("must be an absolute path");
	if (strlen(text) > max)
		return *ret_why = xasprintf("is longer than %zu bytes", max);
	return NULL;
}

static const char *
refuse_group(struct check *c, const char *text, char **ret_why)
{
	if (c->intake) /* it may be one that was made on the fly: hauld knows */
		return value_refuse_name(text);
	if (groups_find(&c->groups, text))
		return NULL;
	return *ret_why = xasprintf("is \"%s\", which is not in groups", quote(text));
}

static const char *
refuse_argument(const struct draft *d, const struct setting *row, const char *text)
{
	const struct draft_item *first = draft_find(d, row->id);

	return value_refuse_argument(first ? first->text : "", draft_count(d, row->id), text);
}

static void
put_digest(
    struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	struct digest digest;
	char canonical[DIGEST_TEXT_MAX];
	const char *why;

	if (digest_parse(text, &digest, &why) < 0)
		emit_error(
		    c->emit, at, d->label, "%s \"%s\" is wrong: %s", row->name, quote(text), why);
	else
		draft_put_text(d, row, at, digest_format(&digest, canonical));
}

/* cacert, cert and key: read by hauld, but a mistake shows now. */
static void
put_file(
    struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	AUTO_FREE char *path = source_resolve(at.file, text);
	const char *why;
	bool world;

	/* Relative to what?  A client's directory is not known here. */
	if (c->intake && text[0] != '/')
		check_tell(c, d, row, at, "must be an absolute path");
	else if (file_probe(path, &world, &why) < 0)
		emit_error(c->emit, at, d->label, "%s \"%s\" cannot be read: %s", row->name,
		    quote(path), why);
	else if (row->id == JOB_KEY && world)
		emit_error(c->emit, at, d->label,
		    "key \"%s\" can be read by everyone: chmod o-r it", quote(path));
	else
		draft_put_text(d, row, at, path);
}

static void
put_root(
    struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	AUTO_FREE char *why = NULL, *root = root_normalize(text, &why);

	if (!root)
		emit_error(c->emit, at, d->label, "roots: \"%s\" %s", quote(text), why);
	else
		draft_put_text(d, row, at, root);
}

/* A client may still say another one; what stands in the file may have been right once. */
static void
put_until(struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	AUTO_FREE char *kept = NULL, *why = NULL;

	if (until_parse(row, text, c->intake ? clock_wall_s() : INT64_MIN, &kept, &why) < 0)
		check_tell(c, d, row, at, why);
	else
		draft_put_text(d, row, at, kept);
}

static void
check_string(
    struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	AUTO_FREE char *reason = NULL;
	const char *why = NULL;

	switch ((int)row->id) {
	case JOB_NAME:
	case GROUP_NAME:
		why = value_refuse_name(text);
		break;
	case JOB_URL:
		why = reason = value_refuse_url(text, c->intake ? "user" : "user = \"@FILE\"");
		break;
	case JOB_PROXY:
	case HOST_PROXY:
		why = refuse_proxy(text, &reason);
		if (!why)
			why = secret_refuse(row, at, text);
		break;
	case HOST_MATCH:
		why = refuse_match(text, &reason);
		break;
	case JOB_RETRY_ON:
		why = reason = retry_on_refuse(text);
		break;
	case JOB_AFTER:
	case JOB_AFTER_FAILED:
		why = reason = value_refuse_after(text, row->id == JOB_AFTER);
		break;
	case JOB_START_AT:
		why = refuse_moment(text, &reason);
		break;
	case JOB_CRON:
		why = refuse_cron(text, &reason);
		break;
	case JOB_PINNEDPUBKEY:
		why = refuse_pin(text, &reason);
		break;
	case JOB_ON_DOWNLOAD_START:
	case JOB_ON_DOWNLOAD_COMPLETE:
	case JOB_ON_DOWNLOAD_ERROR:
	case JOB_URL_COMMAND:
		why = refuse_argument(d, row, text);
		break;
	case GROUP_DIRECTORY: /* when the roots are known */
		break;
	case GROUP_PARENT: /* when all groups are known */
		why = value_refuse_name(text);
		break;
	case JOB_GROUP:
		why = refuse_group(c, text, &reason);
		break;
	case DAEMON_SPAWN_SOCKET:
	case DAEMON_SOCKET: /* sockaddr_un has room for 107 */
		why = refuse_path(text, 107, &reason);
		break;
	case DAEMON_STATE_DIR:
		why = refuse_path(text, 3000, &reason);
		break;
	case DAEMON_BWLIMIT:
		timetable_free(timetable_parse(text, &reason));
		why = reason;
		break;
	case DAEMON_ROOTS:
		put_root(c, d, row, at, text);
		return;
	case DAEMON_ALLOW_ADDRESSES:
	case DAEMON_DENY_ADDRESSES:
		addresses_put(c, d, row, at, text);
		return;
	case GROUP_DEADLINE:
	case JOB_DEADLINE:
		put_until(c, d, row, at, text);
		return;
	case JOB_CHECKSUM:
	case JOB_CHECKSUM_OUTPUT:
		put_digest(c, d, row, at, text);
		return;
	case JOB_CACERT:
	case HOST_CACERT:
	case JOB_CERT:
	case JOB_KEY:
		put_file(c, d, row, at, text);
		return;
	case JOB_HEADER:
	case HOST_HEADER:
		secret_put_header(c, d, row, at, text);
		return;
	case JOB_USER:
		secret_put_user(c, d, row, at, text);
		return;
	default: /* output and keep-download: when the job is whole */
		break;
	}
	if (why)
		check_tell(c, d, row, at, why);
	else
		draft_put_text(d, row, at, text);
}

void
check_text(
    struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	const char *why = value_refuse_bytes(row, text);
	AUTO_FREE char *reason = NULL;
	uint64_t v;

	if (why)
		check_tell(c, d, row, at, why);
	else if (!setting_is_number(row))
		check_string(c, d, row, at, text);
	else if (setting_parse_text(row, text, &v, &reason) < 0)
		check_tell(c, d, row, at, reason);
	else
		draft_put_number(d, row, at, v);
}

void
check_number(
    struct check *c, struct draft *d, const struct setting *row, struct where at, int64_t number)
{
	AUTO_FREE char *reason = NULL, *kept = NULL;
	uint64_t v;

	if (row->type == TYPE_UNTIL && until_of_number(row, number, &kept, &reason) == 0)
		draft_put_text(d, row, at, kept);
	else if (reason || setting_check_number(row, number, &v, &reason) < 0)
		check_tell(c, d, row, at, reason);
	else
		draft_put_number(d, row, at, v);
}

void
check_value(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const struct check_value *v)
{
	bool bare = row->type == TYPE_BOOL || row->type == TYPE_UINT || row->type == TYPE_INT;
	AUTO_FREE char *want = NULL;

	switch (v->kind) {
	case CONF_KIND_TEXT:
		if (!bare) {
			check_text(c, d, row, at, v->text);
			return;
		}
		break;
	case CONF_KIND_NUMBER:
		check_number(c, d, row, at, v->number);
		return;
	case CONF_KIND_BOOL:
		if (row->type == TYPE_BOOL) {
			draft_put_number(d, row, at, v->number != 0);
			return;
		}
		break;
	default:
		break;
	}
	want = setting_wanted(row);
	if (v->kind == CONF_KIND_TEXT)
		emit_error(c->emit, at, d->label, "%s is a string: it must be %s, without quotes",
		    row->name, want);
	else if (v->kind == CONF_KIND_BOOL)
		emit_error(c->emit, at, d->label, "%s is true or false: it must be %s", row->name,
		    want);
	else if (v->kind == CONF_KIND_FRACTION)
		emit_error(c->emit, at, d->label, "%s is a number with a point: it must be %s%s",
		    row->name, want, row->type == TYPE_ENUM ? ", in quotes" : "");
	else
		emit_error(c->emit, at, d->label, "%s is %s: it must be %s", row->name,
		    v->kind == CONF_KIND_OTHER && c->intake ? "an object or null"
							     : "a list or a group",
		    want);
}

bool
check_list(
    struct check *c, struct draft *d, const struct setting *row, struct where at, bool empty)
{
	static const struct check_value list = { .kind = CONF_KIND_LIST };

	if (row->type != TYPE_LIST) {
		check_value(c, d, row, at, &list);
		return false;
	}
	if (empty)
		check_tell(c, d, row, at, "is an empty list: leave the key out instead");
	return !empty;
}

void
check_entry(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const struct check_value *v)
{
	if (v->kind == CONF_KIND_TEXT)
		check_text(c, d, row, at, v->text);
	else
		check_tell(c, d, row, at, "has an entry that is no string");
}
