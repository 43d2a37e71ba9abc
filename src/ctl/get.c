/* `haulctl get` and `haulctl attach`. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/batch.h"
#include "ctl/client.h"
#include "ctl/watch.h"

/* A word for a shell. */
static void
put_quoted(struct buf *out, const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-";

	buf_append_str(out, " ");
	if (*word && strspn(word, plain) == strlen(word)) {
		buf_append_str(out, word);
		return;
	}
	buf_append_str(out, "'");
	for (; *word; word++) {
		if (*word == '\'')
			buf_append_str(out, "'\\''");
		else
			buf_append(out, word, 1);
	}
	buf_append_str(out, "'");
}

/* hauld --once takes paths beneath a root: by default the current directory. */
static void
put_root(struct buf *out, const char *output)
{
	const char *slash = strrchr(output, '/');
	AUTO_FREE char *dir = NULL;

	if (output[0] != '/' || slash == output)
		return;
	dir = xstrndup(output, (size_t)(slash - output));
	buf_append_str(out, " --root");
	put_quoted(out, dir);
}

/* The service may not write there, but the caller perhaps may. */
static void
tell_once(const struct ctl *c)
{
	const struct args *a = &c->args;
	AUTO_BUF struct buf line = { 0 };

	buf_append_str(&line, "hauld --once");
	for (size_t i = 0; i < a->n_values; i++) {
		const struct setting *row = a->values[i].row;
		AUTO_FREE char *option = xasprintf("--%s", row->name);

		if (row->id == JOB_OUTPUT)
			put_root(&line, a->values[i].text);
		put_quoted(&line, option);
		if (row->type != TYPE_BOOL) {
			put_quoted(&line, a->values[i].text);
		} else if (!text_equal(a->values[i].text, "true")) {
			buf_append_str(&line, "=");
			buf_append_str(&line, a->values[i].text);
		}
	}
	if (a->input) {
		buf_append_str(&line, " -i");
		put_quoted(&line, a->input);
	}
	if (a->base_url) {
		buf_append_str(&line, " --base-url");
		put_quoted(&line, a->base_url);
	}
	for (size_t i = 0; i < a->n_words; i++)
		put_quoted(&line, a->words[i]);
	ctl_tell(c, "the service may not write there; as yourself, without it: %s", buf_cstr(&line));
}

int
verb_get(struct ctl *c)
{
	bool refused = false;
	struct batch b;
	int r;

	batch_init(&b, c);
	r = batch_read(&b);
	if (r == CTL_OK) {
		r = batch_send(&b, c->args.json);
		refused = b.refused_output;
	}
	if (r == CTL_OK)
		r = watch_run(c, b.ids, b.n_ids, true, &refused);
	if (refused)
		tell_once(c);
	batch_done(&b);
	return r;
}

int
verb_attach(struct ctl *c)
{
	bool refused;

	if (c->args.n_words > CLIENT_JOBS_MAX) {
		ctl_tell(c, "attach takes at most %d jobs; without any it shows all", CLIENT_JOBS_MAX);
		return CTL_USAGE;
	}
	return watch_run(c, NULL, 0, false, &refused);
}
