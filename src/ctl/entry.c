/* One job's settings; see entry.h. */
#include "ctl/entry.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/algo.h"
#include "model/values.h"

static void
add_value(struct entry *e, const struct setting *row, bool base, char *text)
{
	if (e->n == e->size) {
		e->size = MAX(e->size * 2, (size_t)8);
		e->values = xrealloc(e->values, e->size * sizeof e->values[0]);
	}
	e->values[e->n++] = (struct entry_value){ row, base, text };
}

void
entry_begin(struct entry *e, const struct entry *base)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->values[i].text);
	e->n = 0;
	free(e->dir);
	e->dir = NULL;
	for (size_t i = 0; base && i < base->n; i++)
		add_value(e, base->values[i].row, true, xstrdup(base->values[i].text));
}

void
entry_done(struct entry *e)
{
	entry_begin(e, NULL);
	free(e->values);
	*e = (struct entry){ 0 };
}

/* Lists keep what the entry itself has said. */
static void
make_way(struct entry *e, const struct setting *row)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->n; i++) {
		if (e->values[i].row == row && (e->values[i].base || row->type != TYPE_LIST))
			free(e->values[i].text);
		else
			e->values[kept++] = e->values[i];
	}
	e->n = kept;
}

static unsigned
count(const struct entry *e, const struct setting *row)
{
	unsigned n = 0;

	for (size_t i = 0; i < e->n; i++)
		n += e->values[i].row == row;
	return n;
}

/* ---- Secrets -------------------------------------------------------------------- */

static char *
refuse_secret(const struct setting *row, const char *text, const struct entry_place *place)
{
	if (!(place->command_line || place->world_readable) || !value_is_secret(row, text))
		return NULL;
	if (row->id == JOB_PROXY)
		return xstrdup(place->command_line ? "has a password, and everyone can see a command line: put it into "
						     "a list (-i) that only you can read"
						   : "has a password in a list that everyone can read: chmod o-r the list");
	return xstrdup(place->command_line ? "is a secret, and everyone can see a command line: give @FILE"
					   : "is a secret in a list that everyone can read: chmod o-r the list, or give @FILE");
}

static char *
read_stdin(struct entry_place *place, struct buf *ret)
{
	ssize_t n;

	if (place->stdin_taken)
		return xstrdup("\"@-\" is standard input, which is read already");
	place->stdin_taken = true;
	n = fd_read_full(STDIN_FILENO, buf_reserve(ret, VALUE_SECRET_FILE_MAX + 1), VALUE_SECRET_FILE_MAX + 1);
	if (n < 0)
		return xasprintf("\"@-\" cannot be read: %s", strerror((int)-n));
	if (n > VALUE_SECRET_FILE_MAX)
		return xstrdup("\"@-\" is too large");
	buf_commit(ret, (size_t)n);
	return NULL;
}

/* The content of @FILE with a NUL behind it; or why not. */
static char *
read_secret(const char *name, struct entry_place *place, struct buf *ret)
{
	const char *why = "";
	bool world = false;

	if (!*name)
		return xstrdup("has no file name behind @");
	if (place->command_line && text_equal(name, "-")) {
		char *sentence = read_stdin(place, ret);

		if (sentence)
			return sentence;
	} else if (file_read(name, VALUE_SECRET_FILE_MAX, ret, &world, &why) < 0) {
		return xasprintf("\"@%s\" cannot be read: %s", name, why);
	}
	if (buf_len(ret) && memchr(buf_bytes(ret), 0, buf_len(ret)))
		return xasprintf("\"@%s\" is no text file", name);
	if (world)
		return xasprintf("\"@%s\" can be read by everyone: chmod o-r it", name);
	*buf_reserve(ret, 1) = '\0';
	return NULL;
}

static char *
put_header(struct entry *e, const struct setting *row, const char *text, const char *inside, unsigned line)
{
	const char *why = value_refuse_header(text);

	if (!why && count(e, row) >= VALUE_HEADERS_MAX)
		why = "is given more than 100 times";
	if (why)
		return inside ? xasprintf("(line %u of \"%s\") %s", line, inside, why) : xstrdup(why);
	add_value(e, row, false, xstrdup(text));
	return NULL;
}

static char *
put_headers(struct entry *e, const struct setting *row, const char *text, struct entry_place *place)
{
	AUTO_BUF struct buf content = { 0 };
	char *why, *rest, *line;

	if (text[0] != '@') {
		why = refuse_secret(row, text, place);
		return why ? why : put_header(e, row, text, NULL, 0);
	}
	why = read_secret(text + 1, place, &content);
	rest = (char *)buf_bytes(&content);
	for (unsigned n = 1; !why && (line = text_next_line(&rest)); n++)
		if (*line && *line != '#')
			why = put_header(e, row, line, text + 1, n);
	return why;
}

static char *
put_user(struct entry *e, const struct setting *row, const char *text, struct entry_place *place)
{
	AUTO_BUF struct buf content = { 0 };
	const char *refused;
	char *why, *rest;

	if (text[0] == '@') {
		why = read_secret(text + 1, place, &content);
		if (why)
			return why;
		rest = (char *)buf_bytes(&content);
		text = text_next_line(&rest);
	} else {
		why = refuse_secret(row, text, place);
		if (why)
			return why;
	}
	refused = value_refuse_user(text ? text : "");
	if (refused)
		return xstrdup(refused);
	add_value(e, row, false, xstrdup(text));
	return NULL;
}

/* ---- Other values --------------------------------------------------------------- */

static char *
put_digest(struct entry *e, const struct setting *row, const char *text)
{
	char canonical[DIGEST_TEXT_MAX];
	struct digest digest;
	const char *why;

	if (digest_parse(text, &digest, &why) < 0)
		return xasprintf("\"%s\" is wrong: %s", text, why);
	add_value(e, row, false, xstrdup(digest_format(&digest, canonical)));
	return NULL;
}

/* hauld reads it, and has another current directory. */
static char *
put_file(struct entry *e, const struct setting *row, const char *text)
{
	char here[PATH_MAX];

	if (!*text)
		return xstrdup("names no file");
	if (text[0] != '/' && !getcwd(here, sizeof here))
		return xasprintf("\"%s\" is relative, and the current directory is gone", text);
	add_value(e, row, false, text[0] == '/' ? xstrdup(text) : xasprintf("%s/%s", here, text));
	return NULL;
}

/* A list may be anyone's: it must not name programs. */
static char *
refuse_argument(const struct entry *e, const struct setting *row, const char *text, const struct entry_place *place)
{
	const char *first = "", *why;

	for (size_t i = e->n; i-- > 0;)
		if (e->values[i].row == row)
			first = e->values[i].text;
	why = place->command_line ? value_refuse_argument(first, count(e, row), text)
				  : "runs a program, which a list cannot say: give it on the command line";
	return why ? xstrdup(why) : NULL;
}

static char *
put_string(struct entry *e, const struct setting *row, const char *text, struct entry_place *place)
{
	char *why = NULL;
	const char *name;

	switch ((int)row->id) {
	case JOB_HEADER:
		return put_headers(e, row, text, place);
	case JOB_USER:
		return put_user(e, row, text, place);
	case JOB_CHECKSUM:
	case JOB_CHECKSUM_OUTPUT:
		return put_digest(e, row, text);
	case JOB_CACERT:
	case JOB_CERT:
	case JOB_KEY:
		return put_file(e, row, text);
	case JOB_URL:
		why = value_refuse_url(text, place->command_line ? "--user @FILE" : "user=@FILE");
		break;
	case JOB_PROXY:
		why = refuse_secret(row, text, place);
		break;
	case JOB_AFTER:
	case JOB_AFTER_FAILED:
		why = value_refuse_after(text, row->id == JOB_AFTER);
		break;
	case JOB_ON_DOWNLOAD_START:
	case JOB_ON_DOWNLOAD_COMPLETE:
	case JOB_ON_DOWNLOAD_ERROR:
	case JOB_URL_COMMAND:
		why = refuse_argument(e, row, text, place);
		break;
	case JOB_NAME:
		name = value_refuse_name(text);
		why = name ? xstrdup(name) : NULL;
		break;
	default:
		break;
	}
	if (!why)
		add_value(e, row, false, xstrdup(text));
	return why;
}

int
entry_put(struct entry *e, const struct setting *row, const char *text, struct entry_place *place, char **ret_why)
{
	const char *refused = value_refuse_bytes(row, text);
	char *why = refused ? xstrdup(refused) : NULL;
	uint64_t number;

	make_way(e, row);
	if (why) {
		/* told below */
	} else if (setting_is_number(row)) {
		if (setting_parse_text(row, text, &number, &why) == 0)
			add_value(e, row, false, xstrdup(text));
	} else {
		why = put_string(e, row, text, place);
	}
	if (!why)
		return 0;
	*ret_why = why;
	return -EINVAL;
}

void
entry_set_dir(struct entry *e, const char *dir)
{
	free(e->dir);
	e->dir = xstrdup(dir);
}

/* ---- The whole --------------------------------------------------------------------- */

static const char *
find(const struct entry *e, enum setting_id id)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->values[i].row->id == id)
			return e->values[i].text;
	return NULL;
}

/* The name that hauld would give it, when it is to lie in a directory. */
static char *
name_of_url(const struct entry *e)
{
	const char *url = find(e, JOB_URL), *word = find(e, JOB_DECOMPRESS);
	const struct setting *row = setting_find(JOB_DECOMPRESS);
	AUTO_FREE char *why = NULL;
	uint64_t codec = setting_default_number(row);

	if (word && setting_parse_text(row, word, &codec, &why) < 0)
		codec = CODEC_OFF; /* that was told */
	return url ? value_url_name(url, (unsigned)codec) : NULL;
}

char *
entry_finish(struct entry *e)
{
	const struct setting *row = setting_find(JOB_OUTPUT);
	const char *given = find(e, JOB_OUTPUT);
	AUTO_FREE char *name = NULL, *path = NULL;

	if (!find(e, JOB_URL))
		return xstrdup("a job needs a url");
	if (!e->dir)
		return NULL;
	name = given ? xstrdup(given) : name_of_url(e);
	if (!name)
		return xstrdup("the url ends in no file name: give output");
	if (name[0] == '/')
		return xstrdup("output is an absolute path, so dir has no meaning");
	path = xasprintf("%s%s%s", e->dir, has_suffix(e->dir, "/") ? "" : "/", name);
	make_way(e, row);
	add_value(e, row, false, TAKE_PTR(path));
	return NULL;
}

static void
write_value(const struct setting *row, const char *text, struct json *j)
{
	AUTO_FREE char *why = NULL;
	uint64_t number;

	/* As in hauld.conf(5): sizes, durations, modes and words are strings there. */
	if ((row->type == TYPE_BOOL || row->type == TYPE_UINT || row->type == TYPE_INT) &&
	    setting_parse_text(row, text, &number, &why) == 0) {
		if (row->type == TYPE_BOOL)
			jsonw_bool(j, number != 0);
		else if (row->type == TYPE_INT)
			jsonw_i64(j, (int64_t)number);
		else
			jsonw_u64(j, number);
	} else {
		jsonw_string(j, text);
	}
}

void
entry_write(const struct entry *e, struct json *j)
{
	bool written[_SETTING_MAX] = { false };

	jsonw_begin_object(j);
	for (size_t i = 0; i < e->n; i++) {
		const struct setting *row = e->values[i].row;

		if (written[row->id])
			continue;
		written[row->id] = true;
		jsonw_key(j, row->name);
		if (row->type != TYPE_LIST) {
			write_value(row, e->values[i].text, j);
			continue;
		}
		jsonw_begin_array(j);
		for (size_t k = i; k < e->n; k++)
			if (e->values[k].row == row)
				jsonw_string(j, e->values[k].text);
		jsonw_end_array(j);
	}
	jsonw_end_object(j);
}
