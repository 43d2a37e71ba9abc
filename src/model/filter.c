/* Which jobs a list is to show; see filter.h. */
#include "model/filter.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"

bool
filter_takes(const struct filter *f, enum job_state state, int64_t ended_s)
{
	if (!(f->states & 1U << state))
		return false;
	if (f->since_s == INT64_MIN && f->until_s == INT64_MAX)
		return true;
	return ended_s > 0 && ended_s >= f->since_s && ended_s < f->until_s;
}

static bool
matches(const char *pattern, const char *text)
{
	return !pattern || (text && glob_match(pattern, text));
}

/* With what is hidden from people a pattern could be used to guess it. */
static bool
matches_url(const char *pattern, const struct spec *s)
{
	const char *url;

	for (unsigned i = 0; pattern && (url = spec_list(s, JOB_URL, i)); i++) {
		AUTO_FREE char *shown = url_redact(url);

		if (glob_match(pattern, shown))
			return true;
	}
	return !pattern;
}

bool
filter_takes_spec(const struct filter *f, const struct spec *s)
{
	if (f->group && !text_equal(f->group, spec_string(s, JOB_GROUP)))
		return false;
	return matches(f->name, spec_string(s, JOB_NAME)) && matches(f->output, spec_string(s, JOB_OUTPUT)) &&
	    matches_url(f->url, s);
}

bool
filter_is_of_waiting(const struct filter *f)
{
	return !(f->states & (1U << JOB_DONE | 1U << JOB_FAILED | 1U << JOB_CANCELLED));
}
