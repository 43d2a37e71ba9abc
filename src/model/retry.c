/* Whether a failed attempt is repeated, and when; see retry.h. */
#include "model/retry.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

uint64_t
retry_step_ms(uint64_t first_ms, uint64_t most_ms, unsigned attempt, uint64_t random)
{
	uint64_t step = first_ms;

	while (attempt-- > 0 && step && step < most_ms)
		step *= 2;
	step = MIN(step, most_ms);
	return random % (step + 1);
}

/* ---- retry-on ----------------------------------------------------------------- */

/* One entry of the list, "!5xx": separated by commas, blanks around it do not count. */
struct item {
	const char *at;
	size_t len;
	bool negative;
};

/* Steps through a text; *text is NULL behind the last entry. */
static struct item
next_item(const char **text)
{
	struct item i = { .at = *text, .len = strcspn(*text, ",") };

	*text = i.at[i.len] ? i.at + i.len + 1 : NULL;
	while (i.len && strchr(" !", *i.at)) {
		i.negative |= *i.at == '!';
		i.at++;
		i.len--;
	}
	while (i.len && i.at[i.len - 1] == ' ')
		i.len--;
	return i;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "503", "50x", "5xx", "5*", "50*" as three characters; false: it is no status. */
static bool
status_pattern(const struct item *i, char out[3])
{
	size_t digits = 0;

	while (digits < i->len && is_digit(i->at[digits]))
		digits++;
	if (digits < 1 || digits > 3)
		return false;
	memset(out, 'x', 3);
	memcpy(out, i->at, digits);
	if (i->len == digits + 1 && digits < 3 && i->at[digits] == '*')
		return true;
	for (size_t k = digits; k < i->len; k++)
		if (i->at[k] != 'x' && i->at[k] != 'X')
			return false;
	return i->len == 3;
}

static bool
item_is(const struct item *i, const char *word)
{
	return strlen(word) == i->len && memcmp(i->at, word, i->len) == 0;
}

static bool
item_matches(const struct item *i, const struct result *r)
{
	char pattern[3];

	if (item_is(i, "*") || item_is(i, result_code_to_string(r->code)))
		return true;
	if (r->code != RESULT_HTTP || !status_pattern(i, pattern))
		return false;
	for (int k = 2, status = r->http_status % 1000; k >= 0; k--, status /= 10)
		if (pattern[k] != 'x' && pattern[k] - '0' != status % 10)
			return false;
	return true;
}

static bool
may_be_chosen(enum result_code c)
{
	return c == RESULT_HTTP || (result_code_flags(c) & RESULT_CHOICE);
}

enum result_class
retry_class(const struct retry_policy *p, const struct result *r)
{
	enum result_class class = result_class(r);
	bool wanted = false, named = false;
	const char *text;

	if (!may_be_chosen(r->code))
		return class;
	for (unsigned n = 0; (text = spec_list(p->spec, JOB_RETRY_ON, n)); n++)
		while (text) {
			struct item i = next_item(&text);

			if (!item_matches(&i, r))
				continue;
			named = true;
			wanted = !i.negative;
		}
	if (!named)
		return class;
	if (!wanted)
		return CLASS_PERMANENT;
	return class == CLASS_RETRY_NOW ? class : CLASS_RETRY_LATER;
}

/* The nearest word that may be given; NULL when none is near. */
static const char *
suggest(const char *word)
{
	unsigned least = (unsigned)strlen(word) / 3 + 2;
	const char *near = NULL;

	for (unsigned c = 0; c < _RESULT_CODE_MAX; c++) {
		const char *name = result_code_to_string((enum result_code)c);

		if (may_be_chosen((enum result_code)c) && str_is_nearer(word, name, &least))
			near = name;
	}
	return near;
}

static char *
refuse_word(const struct item *i)
{
	AUTO_FREE char *word = xstrndup(i->at, MIN(i->len, (size_t)40));
	enum result_code code = result_code_from_string(word);
	const char *near;
	char safe[80];

	if (code != RESULT_OK && may_be_chosen(code))
		return NULL;
	(void)str_safe(safe, sizeof safe, word, strlen(word));
	if (code != RESULT_OK)
		return xasprintf("has \"%s\", which no repeat can mend", safe);
	near = suggest(word);
	return xasprintf("has \"%s\", which is no status (\"503\", \"5xx\"), no word of a failure (\"dns\") and not \"*\"%s%s%s",
	    safe, near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

char *
retry_on_refuse(const char *text)
{
	while (text) {
		struct item i = next_item(&text);
		char pattern[3], *why = NULL;

		if (!i.len)
			return xstrdup("has an empty entry");
		if (item_is(&i, "*"))
			continue;
		if (!status_pattern(&i, pattern))
			why = refuse_word(&i);
		else if (pattern[0] < '3')
			why = xasprintf("has \"%.*s\": a failure has a status of 300 or more", (int)i.len, i.at);
		if (why)
			return why;
	}
	return NULL;
}

/* ---- The decision --------------------------------------------------------------- */

struct retry_policy
retry_policy_of(const struct spec *job)
{
	return (struct retry_policy){
		.spec = job,
		.repeats = spec_number(job, JOB_RETRY),
		.first_ms = spec_has(job, JOB_RETRY_DELAY) ? spec_number(job, JOB_RETRY_DELAY) : 0,
		.most_ms = spec_number(job, JOB_RETRY_MAX_DELAY),
		.time_ms = spec_number(job, JOB_RETRY_MAX_TIME),
	};
}

enum retry_verdict
retry_decide(const struct retry_policy *p, const struct result *r, const struct retry_state *s, uint64_t *ret_delay_ms)
{
	enum result_class class = retry_class(p, r);
	uint64_t first = class == CLASS_RETRY_LATER ? RETRY_LATER_MS : RETRY_NOW_MS, delay;

	if (class != CLASS_RETRY_NOW && class != CLASS_RETRY_LATER && class != CLASS_FETCH_ANEW)
		return RETRY_NEVER;
	if (s->attempts > p->repeats)
		return RETRY_ENOUGH;
	delay = retry_step_ms(p->first_ms ? p->first_ms : first, p->most_ms, s->attempts ? s->attempts - 1 : 0, s->random);
	delay = MAX(delay, MIN(s->retry_after_ms, (uint64_t)RETRY_AFTER_CAP_MS));
	if (p->time_ms && (s->elapsed_ms > p->time_ms || delay > p->time_ms - s->elapsed_ms))
		return RETRY_TOO_LATE;
	*ret_delay_ms = delay;
	return RETRY_AGAIN;
}
