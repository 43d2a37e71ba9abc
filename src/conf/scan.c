/* A first look at the text; see scan.h. */
#include "conf/scan.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* What libconfig's tree costs on a 64-bit machine, malloc's share included. */
enum { NODE_BYTES = 88, BRANCH_BYTES = 176, TEXT_BYTES = 32 };

static struct where
here(const struct scan_text *t)
{
	return (struct where){ t->file, t->line };
}

static struct scan_level *
top(struct scan *s)
{
	return &s->levels[s->depth];
}

void
scan_done(struct scan *s)
{
	for (size_t i = 0; i < s->n_flags; i++)
		free(s->flags[i].key);
	free(s->flags);
	s->flags = NULL;
	s->n_flags = 0;
}

/* The value of the key being read is wrong, and was told. */
static void
flag(struct scan *s)
{
	const struct scan_level *l = top(s);

	while (l->open != '{' && l > s->levels)
		l--;
	if (!l->key[0] || s->n_flags >= CONF_ERRORS_SHOWN_MAX)
		return;
	s->flags = xrealloc(s->flags, (s->n_flags + 1) * sizeof *s->flags);
	s->flags[s->n_flags++] = (struct scan_flag){
		.line = l->key_line,
		.key = xstrdup(l->key),
	};
}

bool
scan_is_flagged(const struct scan *s, unsigned merged_line, const char *key)
{
	for (size_t i = 0; i < s->n_flags; i++)
		if (s->flags[i].line == merged_line && text_equal(s->flags[i].key, key))
			return true;
	return false;
}

static enum scan_result
bad(struct scan *s, const struct scan_text *t, const char *sentence)
{
	emit_error(s->emit, here(t), "", "syntax error: %s", sentence);
	return SCAN_BAD;
}

static enum scan_result
bad_token(struct scan *s, const struct scan_text *t, const char *at, size_t n, const char *sentence)
{
	AUTO_FREE char *token = xstrndup(at, MIN(n, (size_t)60));

	emit_error(s->emit, here(t), "", "syntax error: %s %s", quote(token), sentence);
	return SCAN_BAD;
}

/* About the value of the key being read; its text may be a secret. */
static enum scan_result
bad_value(struct scan *s, const struct scan_text *t, const char *sentence)
{
	const struct scan_level *l = top(s);

	while (l->open != '{' && l > s->levels)
		l--;
	emit_error(s->emit, here(t), "", "syntax error: %s%s %s",
	    l->key[0] ? "the value of " : "a value", l->key, sentence);
	return SCAN_BAD;
}

static bool
charge(struct scan *s, uint64_t bytes)
{
	s->tree_bytes += bytes;
	return s->tree_bytes <= CONF_TREE_BYTES_MAX;
}

/* A value may stand here, or a sentence about why not (NULL: it may). */
static const char *
refuse_value(const struct scan_level *l)
{
	switch (l->state) {
	case SCAN_WANT_VALUE:
	case SCAN_WANT_FIRST:
		return NULL;
	case SCAN_WANT_NAME:
		return "stands where a key is expected (key = value)";
	case SCAN_WANT_ASSIGN:
		return "follows a key without = between them";
	case SCAN_AFTER_VALUE:
	case SCAN_AFTER_STRING:
		return l->open == '(' || l->open == '['
		    ? "follows a value without a comma between them"
		    : "follows a value; a key is expected here";
	}
	return NULL;
}

static enum scan_result
take_value(struct scan *s, const struct scan_text *t, const char *at, size_t n)
{
	const char *why = refuse_value(top(s));

	if (why)
		return bad_token(s, t, at, n, why);
	if (!charge(s, NODE_BYTES + TEXT_BYTES))
		return bad(s, t, "there are more values than hauld-conf has memory for");
	top(s)->state = SCAN_AFTER_VALUE;
	return SCAN_END;
}

/* White space and comments.  SCAN_BAD: a comment that has no end. */
static enum scan_result
skip_blank(struct scan *s, struct scan_text *t)
{
	while (t->at < t->end) {
		if (*t->at == '\n') {
			t->line++;
			t->at++;
		} else if (*t->at == ' ' || *t->at == '\t' || *t->at == '\r' || *t->at == '\f') {
			t->at++;
		} else if (*t->at == '#' ||
		    (t->end - t->at > 1 && t->at[0] == '/' && t->at[1] == '/')) {
			const char *eol = memchr(t->at, '\n', (size_t)(t->end - t->at));

			t->at = eol ? eol : t->end;
		} else if (t->end - t->at > 1 && t->at[0] == '/' && t->at[1] == '*') {
			const char *close =
			    memmem(t->at + 2, (size_t)(t->end - t->at - 2), "*/", 2);

			if (!close)
				return bad(s, t, "the comment that begins here is never closed");
			for (; t->at < close + 2; t->at++)
				t->line += *t->at == '\n';
		} else {
			break;
		}
	}
	return SCAN_END;
}

static bool
is_hex(const char *at, const char *end)
{
	return at < end && isxdigit((unsigned char)*at);
}

/* An escape at t->at (a backslash); errors are told, the string goes on. */
static void
scan_escape(struct scan *s, struct scan_text *t)
{
	char c = t->end - t->at > 1 ? t->at[1] : '\0';

	if (c == 'x' && is_hex(t->at + 2, t->end) && is_hex(t->at + 3, t->end)) {
		if (t->at[2] == '0' && t->at[3] == '0') {
			emit_error(s->emit, here(t), "",
			    "\\x00 in a string: no string of haul has a NUL byte");
			flag(s);
		}
		t->at += 4;
	} else if (c && strchr("nrtf\\\"", c)) {
		t->at += 2;
	} else {
		char safe[16];

		emit_error(s->emit, here(t), "",
		    "unknown escape \\%s in a string: write \\\\ for a backslash",
		    str_safe(safe, sizeof safe, &c, c ? 1 : 0));
		flag(s);
		t->at += 1;
	}
}

/* Two string tokens in a row, which libconfig joins without a word. */
static enum scan_result
check_joined(struct scan *s, const struct scan_text *t, struct where at, bool has_scheme)
{
	const struct scan_level *l = top(s);

	if (s->string_len > CONF_STRING_MAX)
		return bad(s, t, "a string is longer than 1 MiB");
	s->string_schemes += has_scheme;
	if (l->state != SCAN_AFTER_STRING)
		return SCAN_END;
	if (l->open == '(' || l->open == '[') {
		emit_error(s->emit, at, "",
		    "a comma is missing before this string: "
		    "two strings in a row are read as one");
		flag(s);
	} else if (has_scheme && s->string_schemes > 1) {
		emit_error(s->emit, at, "",
		    "a comma is missing: two urls in a row are read as one; "
		    "write [ \"first\", \"second\" ]");
		flag(s);
	}
	return SCAN_END;
}

static enum scan_result
scan_string(struct scan *s, struct scan_text *t)
{
	const char *start = t->at;
	struct scan_level *l = top(s);
	bool again = l->state == SCAN_AFTER_STRING;
	const char *why = again ? NULL : refuse_value(l);
	size_t n;

	for (t->at++; t->at < t->end && *t->at != '"' && *t->at != '\n';) {
		if (*t->at == '\\')
			scan_escape(s, t);
		else
			t->at++;
	}
	if (t->at >= t->end || *t->at == '\n')
		return bad(s, t, "a string has no closing quote on this line");
	t->at++;
	n = (size_t)(t->at - start);
	if (why)
		return bad_token(s, t, "\"...\"", 5, why);
	if (!again) {
		s->string_len = s->string_schemes = 0;
		if (!charge(s, NODE_BYTES + TEXT_BYTES))
			return bad(s, t, "there are more values than hauld-conf has memory for");
	}
	s->string_len += n;
	if (!charge(s, n))
		return bad(s, t, "there is more text than hauld-conf has memory for");
	if (check_joined(s, t, here(t), memmem(start, n, "://", 3) != NULL) == SCAN_BAD)
		return SCAN_BAD;
	l->state = SCAN_AFTER_STRING;
	return SCAN_END;
}

/* The literal is a whole number: what libconfig would make of it in silence. */
static void
check_integer(struct scan *s, const struct scan_text *t, const char *word)
{
	bool hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	const char *digits = hex ? word + 2 : word + strspn(word, "+-");
	size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
	bool negative = word[0] == '-';
	uint64_t v, most = digits[n] ? INT64_MAX : INT_MAX;
	int r = parse_u64_n(digits, n, hex ? 16 : 10, &v);

	if (!hex && n > 1 && digits[0] == '0') {
		emit_error(s->emit, here(t), "",
		    "the number %s begins with 0 and would be read as decimal: "
		    "write \"%s\" in quotes for octal permissions, or leave the 0 out",
		    quote(word), quote(word));
		flag(s);
	} else if (r < 0 || v > most + negative) {
		if (r == 0 && !digits[n] && v <= INT64_MAX)
			emit_error(s->emit, here(t), "",
			    "the number %s would be cut to 32 bits: write %sL, "
			    "or a string such as \"5G\"",
			    quote(word), quote(word));
		else
			emit_error(s->emit, here(t), "",
			    "the number %s is larger than haul can count", quote(word));
		flag(s);
	}
}

/* True for what libconfig's scanner takes as a whole number. */
static bool
is_integer(const char *w)
{
	bool hex = w[0] == '0' && (w[1] == 'x' || w[1] == 'X');
	size_t n;

	w += hex ? 2 : (*w == '+' || *w == '-');
	n = strspn(w, hex ? "0123456789abcdefABCDEF" : "0123456789");
	return n > 0 && (!w[n] || text_equal(w + n, "L") || text_equal(w + n, "LL"));
}

static bool
is_float(const char *w)
{
	size_t whole, part = 0;

	w += *w == '+' || *w == '-';
	whole = strspn(w, "0123456789");
	w += whole;
	if (*w == '.') {
		part = strspn(w + 1, "0123456789");
		w += 1 + part;
	}
	if (whole + part == 0)
		return false;
	if (*w == 'e' || *w == 'E') {
		w++;
		w += *w == '+' || *w == '-';
		return strspn(w, "0123456789") > 0 && strspn(w, "0123456789") == strlen(w);
	}
	return !*w;
}

static enum scan_result
scan_number(struct scan *s, struct scan_text *t)
{
	const char *start = t->at;
	AUTO_FREE char *word = NULL;

	while (
	    t->at < t->end && (isalnum((unsigned char)*t->at) || strchr("+-._", *t->at)) && *t->at)
		t->at++;
	word = xstrndup(start, MIN((size_t)(t->at - start), (size_t)200));
	if (!is_integer(word) && !is_float(word))
		return bad_value(s, t, "is neither a number nor a string: put it in quotes");
	if (take_value(s, t, start, (size_t)(t->at - start)) == SCAN_BAD)
		return SCAN_BAD;
	if (is_integer(word))
		check_integer(s, t, word);
	return SCAN_END;
}

static bool
is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '*';
}

static enum scan_result
scan_name(struct scan *s, struct scan_text *t)
{
	const char *start = t->at;
	struct scan_level *l = top(s);
	size_t n;

	while (t->at < t->end && is_name_char(*t->at))
		t->at++;
	n = (size_t)(t->at - start);
	if (l->state == SCAN_WANT_VALUE || l->state == SCAN_WANT_FIRST) {
		if (text_equal_nocase(start, n, "true") || text_equal_nocase(start, n, "false"))
			return take_value(s, t, start, n);
		return bad_value(
		    s, t, "is neither true, false, a number nor a string: put it in quotes");
	}
	if (l->open == '(' || l->open == '[')
		return bad(s, t, "a word follows a value of a list without a comma between them");
	if (l->state == SCAN_WANT_ASSIGN)
		return bad_value(s, t, "has no = before it");
	if (!charge(s, TEXT_BYTES + n))
		return bad(s, t, "there are more keys than hauld-conf has memory for");
	memcpy(l->key, start, MIN(n, sizeof l->key - 1));
	l->key[MIN(n, sizeof l->key - 1)] = '\0';
	l->key_at = here(t);
	l->key_line = t->line + t->shift;
	l->state = SCAN_WANT_ASSIGN;
	return SCAN_END;
}

static enum scan_result
scan_open(struct scan *s, struct scan_text *t)
{
	if (top(s)->open == '[')
		return bad(s, t, "[ ] holds plain values only; a list of groups is written ( )");
	if (take_value(s, t, t->at, 1) == SCAN_BAD)
		return SCAN_BAD;
	if (s->depth == CONF_NESTING_MAX)
		return bad(s, t, "brackets are nested more than 32 deep");
	if (!charge(s, BRANCH_BYTES))
		return bad(s, t, "there are more values than hauld-conf has memory for");
	s->levels[++s->depth] = (struct scan_level){
		.open = *t->at,
		.state = *t->at == '{' ? SCAN_WANT_NAME : SCAN_WANT_FIRST,
		.at = here(t),
	};
	t->at++;
	return SCAN_END;
}

static enum scan_result
scan_close(struct scan *s, struct scan_text *t)
{
	const struct scan_level *l = top(s);
	char want = l->open == '{' ? '}' : l->open == '(' ? ')' : l->open == '[' ? ']' : '\0';
	char text[80];

	if (!want)
		return bad_token(s, t, t->at, 1, "closes nothing");
	if (*t->at != want) {
		(void)snprintf(text, sizeof text, "closes the %c of line %u, which needs a %c",
		    l->open, l->at.line, want);
		return bad_token(s, t, t->at, 1, text);
	}
	if (l->state == SCAN_WANT_VALUE && l->open != '{') {
		(void)snprintf(text, sizeof text,
		    "a comma stands before %c: no comma follows the last entry", want);
		return bad(s, t, text);
	}
	if (l->state == SCAN_WANT_VALUE || l->state == SCAN_WANT_ASSIGN)
		return bad_token(s, t, t->at, 1, "stands where the value of a key is expected");
	s->depth--;
	t->at++;
	return SCAN_END;
}

static enum scan_result
scan_separator(struct scan *s, struct scan_text *t)
{
	struct scan_level *l = top(s);
	bool group = l->open == '{' || !l->open;
	bool after = l->state == SCAN_AFTER_VALUE || l->state == SCAN_AFTER_STRING;
	char c = *t->at;

	if (c == '=' || c == ':') {
		if (l->state != SCAN_WANT_ASSIGN)
			return bad_token(s, t, t->at, 1, "stands where no key is before it");
		l->state = SCAN_WANT_VALUE;
	} else if (!after) {
		return bad_token(s, t, t->at, 1,
		    group ? "stands where a key or a value is expected"
			  : "stands where a value is expected");
	} else if (group) {
		l->state = SCAN_WANT_NAME;
	} else if (c == ',') {
		l->state = SCAN_WANT_VALUE;
	} else {
		return bad_token(s, t, t->at, 1, "stands in a list, where a comma is expected");
	}
	t->at++;
	return SCAN_END;
}

/* "@include" at t->at: libconfig's form is ^[ \t]*@include[ \t]+"PATH". */
static enum scan_result
scan_include(struct scan *s, struct scan_text *t, struct scan_include *ret)
{
	static const char word[] = "@include";
	const char *p = t->at, *line = t->at, *eol;
	AUTO_BUF struct buf path = { 0 };

	while (line > t->start && (line[-1] == ' ' || line[-1] == '\t'))
		line--;
	eol = memchr(p, '\n', (size_t)(t->end - p));
	if (!eol)
		eol = t->end;
	if ((size_t)(eol - p) < sizeof word || memcmp(p, word, sizeof word - 1) != 0)
		return bad(s, t, "@ stands where only @include \"FILE\" could");
	if (line > t->start && line[-1] != '\n')
		return bad(s, t, "@include must be the first word of a line");
	for (p += sizeof word - 1; p < eol && (*p == ' ' || *p == '\t'); p++)
		;
	if (p == eol || *p++ != '"')
		return bad(s, t, "@include takes one file name in quotes");
	for (; p < eol && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < eol && (p[1] == '\\' || p[1] == '"'))
			p++;
		buf_append(&path, p, 1);
	}
	if (p == eol || buf_len(&path) == 0)
		return bad(s, t, "@include takes one file name in quotes");
	for (p++; p < eol && strchr(" \t\r", *p) && *p; p++)
		;
	if (p < eol && *p != '#' && !(eol - p > 1 && p[0] == '/' && p[1] == '/'))
		return bad(s, t, "nothing may follow an @include on its line");
	*ret = (struct scan_include){
		.line_start = line,
		.path = xstrdup(buf_cstr(&path)),
		.at = here(t),
	};
	t->at = eol < t->end ? eol + 1 : eol;
	t->line++;
	return SCAN_INCLUDE;
}

static enum scan_result
scan_token(struct scan *s, struct scan_text *t)
{
	switch (*t->at) {
	case '"':
		return scan_string(s, t);
	case '{':
	case '(':
	case '[':
		return scan_open(s, t);
	case '}':
	case ')':
	case ']':
		return scan_close(s, t);
	case '=':
	case ':':
	case ';':
	case ',':
		return scan_separator(s, t);
	case '0' ... '9':
	case '+':
	case '-':
	case '.':
		return scan_number(s, t);
	case 'a' ... 'z':
	case 'A' ... 'Z':
	case '*':
		return scan_name(s, t);
	default:
		break;
	}
	return bad_token(s, t, t->at,
	    MAX(utf8_length((const unsigned char *)t->at, (size_t)(t->end - t->at)), 1U),
	    "has no meaning here");
}

enum scan_result
scan_text(struct scan *s, struct scan_text *t, struct scan_include *ret)
{
	const char *nul = t->at == t->start ? memchr(t->start, 0, (size_t)(t->end - t->start)) : NULL;

	if (nul) {
		for (; t->at < nul; t->at++)
			t->line += *t->at == '\n';
		return bad(s, t, "the file has a NUL byte: this is no text file");
	}
	for (;;) {
		if (skip_blank(s, t) == SCAN_BAD)
			return SCAN_BAD;
		if (t->at >= t->end)
			return SCAN_END;
		if (*t->at == '@')
			return scan_include(s, t, ret);
		if (scan_token(s, t) == SCAN_BAD)
			return SCAN_BAD;
	}
}

bool
scan_finish(struct scan *s)
{
	const struct scan_level *l = top(s);

	if (s->depth > 0) {
		emit_error(
		    s->emit, l->at, "", "syntax error: the %c here is never closed", l->open);
		return false;
	}
	if (l->state == SCAN_WANT_ASSIGN || l->state == SCAN_WANT_VALUE) {
		emit_error(s->emit, l->key_at, "",
		    "syntax error: the file ends where the value of %s is expected", l->key);
		return false;
	}
	return true;
}
