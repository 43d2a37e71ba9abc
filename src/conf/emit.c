/* Output of hauld-conf; see emit.h. */
#include "conf/emit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/limits.h"
#include "wire/hello.h"

void
emit_done(struct emit *e)
{
	buf_done(&e->out);
}

static void
flush(struct emit *e, size_t least)
{
	if (e->fd < 0 || buf_len(&e->out) < least)
		return;
	if (!e->io_error)
		e->io_error = fd_write_full(e->fd, buf_bytes(&e->out), buf_len(&e->out));
	buf_consume(&e->out, buf_len(&e->out));
}

void
emit_hello(struct emit *e)
{
	if (!e->messages)
		hello_put(&e->out, CONF_HELLO, CONF_PROTO);
}

void
emit_spec(struct emit *e, enum conf_msg_type type, const struct buf *spec)
{
	if (e->messages || e->errors)
		return;
	conf_put_spec(&e->out, e->id, type, spec);
	flush(e, EMIT_BUFFER_SIZE);
}

void
emit_frames(struct emit *e, const struct buf *frames)
{
	if (e->messages || e->errors)
		return;
	buf_append(&e->out, buf_bytes(frames), buf_len(frames));
	flush(e, EMIT_BUFFER_SIZE);
}

static char *
static_buffer(size_t *ret_size)
{
	static char buffers[8][1024];
	static unsigned turn;

	turn = (turn + 1) % 8;
	*ret_size = sizeof buffers[0];
	return buffers[turn];
}

const char *
quote(const char *s)
{
	size_t n;
	char *out = static_buffer(&n);

	return str_safe(out, MIN(n, (size_t)400), s, strlen(s));
}

const char *
quote_place(struct where at)
{
	size_t n;
	char *out = static_buffer(&n);

	(void)str_safe(out, n - 16, at.file->name, strlen(at.file->name));
	if (at.line) {
		size_t used = strlen(out);

		(void)snprintf(out + used, n - used, ":%u", at.line);
	}
	return out;
}

static void
tell(struct emit *e, const char *text)
{
	if (e->messages) {
		(void)fprintf(e->messages, "%s\n", text);
	} else {
		conf_put_text(&e->out, e->id, CONF_ERROR, text);
		flush(e, EMIT_BUFFER_SIZE);
	}
}

void
emit_error(struct emit *e, struct where at, const char *label, const char *fmt, ...)
{
	AUTO_BUF struct buf text = { 0 };
	uint64_t shown_max = e->intake ? JOB_ERRORS_SHOWN_MAX : CONF_ERRORS_SHOWN_MAX;
	char *sentence;
	va_list ap;

	e->errors++;
	e->usage |= at.file->command_line;
	if (e->errors > shown_max) {
		if (e->errors == shown_max + 1)
			tell(e,
			    e->intake ? "there are more errors"
				      : "more errors follow; they are counted only");
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&sentence, fmt, ap) < 0)
		sentence = xstrdup("(no memory for the sentence)");
	va_end(ap);
	if (!e->intake)
		buf_printf(&text, "%s: ", quote_place(at));
	buf_printf(&text, "%s%s%s", label, *label ? ": " : "", sentence);
	free(sentence);
	tell(e, buf_cstr(&text));
}

void
emit_end(struct emit *e)
{
	struct conf_end end = { .jobs = e->jobs, .errors = e->errors };

	if (e->messages)
		return;
	conf_put_end(&e->out, &end);
	flush(e, 1);
}

void
emit_begin_job(struct emit *e, uint64_t id)
{
	e->id = id;
	e->jobs = e->errors = 0;
}

void
emit_end_job(struct emit *e)
{
	if (e->errors)
		conf_put_empty(&e->out, e->id, CONF_REFUSED);
	flush(e, EMIT_BUFFER_SIZE);
}

void
emit_flush(struct emit *e)
{
	flush(e, 1);
}
