/* Configuration files; see read.h. */
#include "conf/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/limits.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_LSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_LSAN 1
#endif
#endif
#ifdef HAVE_LSAN
#include <sanitizer/lsan_interface.h>
#endif

struct merge {
	struct reader *reader;
	struct tree *tree;
	struct buf text;
	unsigned line; /* of the merged text, the next one to be written */
};

static void
add_segment(struct merge *m, struct where at)
{
	struct tree *t = m->tree;

	t->segments = xrealloc(t->segments, (t->n_segments + 1) * sizeof *t->segments);
	t->segments[t->n_segments++] = (struct tree_segment){ .merged = m->line, .at = at };
}

static void
append_lines(struct merge *m, const char *text, size_t n)
{
	buf_append(&m->text, text, n);
	for (const char *p = text; p < text + n && (p = memchr(p, '\n', (size_t)(text + n - p)));
	     p++)
		m->line++;
}

static int merge_file(struct merge *m, const char *path, struct where from, unsigned depth);

static int
merge_include(struct merge *m, const struct scan_include *inc, unsigned depth)
{
	AUTO_FREE char *path = source_resolve(inc->at.file, inc->path);

	if (depth >= CONF_INCLUDE_DEPTH_MAX) {
		emit_error(m->reader->emit, inc->at, "",
		    "@include \"%s\": files include each other more than 10 deep",
		    quote(inc->path));
		return -EINVAL;
	}
	return merge_file(m, path, inc->at, depth + 1);
}

/* Scans one text and appends it, with its includes in their places. */
static int
merge_text(struct merge *m, const struct conf_file *file, struct buf *raw, unsigned depth)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *from = (const char *)buf_bytes(raw), *end = from + buf_len(raw);
	struct scan_text t;

	if (end - from >= 3 && memcmp(from, bom, 3) == 0)
		from += 3;
	t = (struct scan_text){ .file = file, .start = from, .at = from, .end = end, .line = 1 };
	for (;;) {
		struct scan_include inc = { 0 };
		enum scan_result result;
		int r;

		add_segment(m, (struct where){ file, t.line });
		t.shift = m->line - t.line;
		result = scan_text(&m->tree->scan, &t, &inc);
		if (result == SCAN_BAD)
			return -EINVAL;
		if (result == SCAN_END && depth == 0 && buf_len(&m->text) == 0) {
			/* Nearly always: one file, taken over without a copy.  libconfig
			 * 1.5 refuses a comment that ends without a newline. */
			buf_append(raw, "\n", 1);
			buf_consume(raw, (size_t)(from - (const char *)buf_bytes(raw)));
			m->text = *raw;
			*raw = (struct buf){ 0 };
			return 0;
		}
		append_lines(
		    m, from, (size_t)((result == SCAN_INCLUDE ? inc.line_start : end) - from));
		if (result == SCAN_END)
			break;
		r = merge_include(m, &inc, depth);
		free(inc.path);
		if (r < 0)
			return r;
		from = t.at;
	}
	/* A file without a newline at its end must not swallow what follows it. */
	append_lines(m, "\n", 1);
	return 0;
}

/* from: the @include, or the file itself for the first one. */
static int
merge_file(struct merge *m, const char *path, struct where from, unsigned depth)
{
	struct reader *r = m->reader;
	AUTO_FREE char *dir = source_dir_of(path);
	AUTO_BUF struct buf raw = { 0 };
	struct conf_file *file;
	const char *why = "";
	bool world = false;
	int err = file_read(path, CONF_BYTES_MAX - r->bytes, &raw, &world, &why);

	if (err == -EFBIG)
		why = "the configuration is larger than 64 MiB";
	if (err < 0) {
		if (depth == 0)
			emit_error(r->emit, from, "", "cannot be read: %s", why);
		else
			emit_error(r->emit, from, "", "@include \"%s\" cannot be read: %s%s",
			    quote(path), why, err == -EISDIR ? " (@include takes one file)" : "");
		return -EINVAL;
	}
	r->bytes += buf_len(&raw);
	file = source_add(r->files, path, dir);
	file->world_readable = world;
	if (depth == 0)
		m->tree->scan.levels[0].at = (struct where){ file, 1 };
	return merge_text(m, file, &raw, depth);
}

static struct where
place_of_line(const struct tree *t, unsigned line)
{
	size_t low = 0, high = t->n_segments;
	struct where at;

	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (t->segments[mid].merged <= line)
			low = mid;
		else
			high = mid;
	}
	at = t->segments[low].at;
	if (line > t->segments[low].merged)
		at.line += line - t->segments[low].merged;
	return at;
}

static void
tell_libconfig(struct emit *e, const struct tree *t)
{
	const char *text = config_error_text(&t->config);
	struct where at = place_of_line(t, (unsigned)MAX(config_error_line(&t->config), 1));

	if (!text)
		text = "unknown";
	if (strstr(text, "duplicate"))
		emit_error(e, at, "", "a key stands here that stands in the same { } already");
	else if (strstr(text, "mismatched element"))
		emit_error(e, at, "",
		    "the values of one [ ] must be of one kind: all strings, or all numbers");
	else
		emit_error(e, at, "", "%s", quote(text));
}

static int
parse(struct tree *t, const char *text)
{
	int ok;

#ifdef HAVE_LSAN
	__lsan_disable(); /* libconfig 1.5 leaks its parser's state after an error */
#endif
	ok = config_read_string(&t->config, text);
#ifdef HAVE_LSAN
	__lsan_enable();
#endif
	return ok == CONFIG_TRUE ? 0 : -EINVAL;
}

int
tree_read(struct reader *r, const char *path, struct tree **ret)
{
	struct tree *t = NEW(struct tree);
	struct merge m = { .reader = r, .tree = t, .line = 1 };
	struct where whole = { source_add(r->files, path, NULL), 0 };
	int err;

	t->scan.emit = r->emit;
	config_init(&t->config);
	err = merge_file(&m, path, whole, 0);
	if (err == 0 && !scan_finish(&t->scan))
		err = -EINVAL;
	if (err == 0) {
		err = parse(t, buf_cstr(&m.text));
		if (err < 0)
			tell_libconfig(r->emit, t);
	}
	buf_done(&m.text);
	if (err < 0) {
		tree_free(t);
		return err;
	}
	*ret = t;
	return 0;
}

void
tree_free(struct tree *t)
{
	if (!t)
		return;
	config_destroy(&t->config);
	scan_done(&t->scan);
	free(t->segments);
	free(t);
}

struct where
tree_place(const struct tree *t, const config_setting_t *s)
{
	return place_of_line(t, config_setting_source_line(s));
}

bool
tree_is_flagged(const struct tree *t, const config_setting_t *s)
{
	const char *name = config_setting_name(s);

	return t->scan.n_flags && name &&
	    scan_is_flagged(&t->scan, config_setting_source_line(s), name);
}
