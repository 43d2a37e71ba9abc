/* `haulctl top`: the loop and the terminal; see top.h. */
#include "ctl/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/signals.h"

enum {
	INTERVAL_MS = 1000,
	INTERVAL_LEAST_MS = 100, /* what hauld tells of progress at most */
	FRAME_MS = 50,           /* between frames, however much hauld tells */
	LEAVE_MS = 500,          /* that a stuck terminal may keep us at the end */
};

/* ---- The terminal ------------------------------------------------------------------------ */

/* Keys one by one and unseen; ^C and ^Z stay signals. */
static void
set_raw(struct top *t)
{
	struct termios raw;

	if (t->key_fd < 0 || tcgetattr(t->key_fd, &t->was) < 0)
		return;
	raw = t->was;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	t->has_was = tcsetattr(t->key_fd, TCSADRAIN, &raw) == 0;
}

static void
enter(struct top *t)
{
	if (t->tty_fd < 0 || t->entered)
		return;
	set_raw(t);
	t->entered = true;
	t->dirty = t->urgent = true;
	buf_consume(&t->frame, buf_len(&t->frame));
	board_enter(&t->frame);
}

/* What was begun is finished, so that no sequence is cut, and the screen is given
 * back; a terminal that takes nothing is left as it is. */
static void
leave(struct top *t)
{
	struct pollfd p = { .fd = t->tty_fd, .events = POLLOUT };

	if (!t->entered)
		return;
	t->entered = false;
	board_leave(&t->frame);
	while (buf_len(&t->frame) && poll(&p, 1, LEAVE_MS) > 0 && !(p.revents & (POLLERR | POLLHUP)))
		if (term_write(t->tty_fd, &t->frame) < 0 && errno != EAGAIN)
			break;
	buf_consume(&t->frame, buf_len(&t->frame));
	if (t->has_was)
		(void)tcsetattr(t->key_fd, TCSADRAIN, &t->was);
}

/* ^Z: the shell has the terminal until SIGCONT. */
static void
suspend(struct top *t)
{
	sigset_t one;

	leave(t);
	(void)sigemptyset(&one);
	(void)sigaddset(&one, SIGTSTP);
	(void)raise(SIGTSTP); /* blocked: it stops us in the next line */
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL);
	(void)sigprocmask(SIG_BLOCK, &one, NULL);
	enter(t);
}

/* ---- What comes ---------------------------------------------------------------------------- */

static void
take_signals(struct top *t, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
		switch ((int)info.ssi_signo) {
		case SIGTSTP:
			suspend(t);
			break;
		case SIGCONT: /* stopped by others, or by us: a shell has written on the screen */
			leave(t);
			enter(t);
			break;
		case SIGWINCH:
			t->dirty = t->urgent = true;
			break;
		default:
			t->ends = true;
			t->status = CTL_SIGNAL + (int)info.ssi_signo;
			break;
		}
	}
}

static void
take_keys(struct top *t, bool late)
{
	ssize_t n = late ? 0 : read(t->key_fd, t->keys.data + t->keys.n, keys_room(&t->keys));
	enum key key;

	if (!late && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))) {
		t->ends = true; /* the terminal has hung up */
		t->status = CTL_SIGNAL + SIGHUP;
		return;
	}
	t->keys.n += n > 0 ? (size_t)n : 0;
	while (!t->ends && (key = keys_next(&t->keys, late)) != KEY_NONE)
		top_on_key(t, key);
}

static int
take_messages(struct top *t)
{
	int r = client_pump(t->ctl->client), n;

	do {
		AUTO_JSON json_t *message = NULL;

		n = client_next(t->ctl->client, &message);
		if (n > 0 && !top_take(t, message))
			(void)top_on_answer(t, client_answer_id(message), message);
	} while (n > 0 && !t->ends);
	return n < 0 ? n : r;
}

/* ---- What goes ------------------------------------------------------------------------------ */

/* Snapshots, one line each; or one frame as text. */
static void
print_whole(struct top *t)
{
	AUTO_JSON json_t *snapshot = NULL;

	if (t->entered || !top_is_whole(t))
		return;
	if (t->ctl->args.json) {
		snapshot = top_snapshot(t);
		ctl_put_json(t->ctl, snapshot);
	} else {
		top_print(t);
	}
	t->listed = t->told = t->counted = false;
	if (!ctl_flush(t->ctl) || (t->left && --t->left == 0))
		t->ends = true;
}

static void
show(struct top *t)
{
	uint64_t now = clock_now_ms();

	if (!t->entered) {
		print_whole(t);
		return;
	}
	if (t->dirty && (t->urgent || now >= t->drawn_ms + FRAME_MS)) {
		t->drawn_ms = now;
		top_draw(t);
	}
	if (term_write(t->tty_fd, &t->frame) < 0 && errno != EAGAIN) {
		t->ends = true;
		t->status = CTL_SIGNAL + SIGHUP;
	}
}

static int
until_next(const struct top *t)
{
	uint64_t now = clock_now_ms(), left = t->next_ms > now ? t->next_ms - now : 0;

	if (t->entered && t->dirty && !buf_len(&t->frame)) /* one that is on its way comes first */
		left = MIN(left, t->drawn_ms + FRAME_MS > now ? t->drawn_ms + FRAME_MS - now : 0);
	if (keys_is_pending(&t->keys))
		left = MIN(left, (uint64_t)KEYS_WAIT_MS);
	return (int)MIN(left, (uint64_t)INT32_MAX);
}

static int
loop(struct top *t, int signals)
{
	struct client *client = t->ctl->client;

	while (!t->ends) {
		struct pollfd p[] = { { .fd = client->fd, .events = client_events(client) }, { .fd = signals, .events = POLLIN },
			{ .fd = t->entered ? t->key_fd : -1, .events = POLLIN },
			{ .fd = buf_len(&t->frame) ? t->tty_fd : -1, .events = POLLOUT } };
		bool pending = keys_is_pending(&t->keys);
		int r = poll(p, ARRAY_SIZE(p), until_next(t));

		if (r < 0 && errno != EINTR)
			return ctl_tell_lost(t->ctl, -errno);
		if (r > 0 && p[1].revents)
			take_signals(t, signals);
		if (r > 0 && p[2].revents)
			take_keys(t, false);
		else if (pending)
			take_keys(t, true);
		r = take_messages(t);
		if (r < 0 && !t->ends) {
			leave(t);
			return ctl_tell_lost(t->ctl, r);
		}
		if (clock_now_ms() >= t->next_ms)
			top_look(t);
		show(t);
	}
	return t->status;
}

/* ---- The verb --------------------------------------------------------------------------------- */

/* What of the terminal is used: nothing where standard output is none. */
static void
init(struct top *t, struct ctl *c)
{
	*t = (struct top){ .ctl = c, .tty_fd = -1, .key_fd = -1, .interval_ms = INTERVAL_MS,
		.sort = c->args.sort ? c->args.sort : "state", .left = c->args.count };
	if (c->args.has_interval)
		t->interval_ms = MAX(c->args.interval_ms, (uint64_t)INTERVAL_LEAST_MS);
	top_jobs_init(t);
	if (c->args.json)
		return;
	if (!c->term.can_move || term_reopen(&c->term, &t->tty_fd) < 0) {
		t->tty_fd = -1;
		t->left = t->left ? t->left : 1;
	} else if (isatty(STDIN_FILENO) == 1) {
		t->key_fd = STDIN_FILENO;
	}
}

static void
done(struct top *t)
{
	top_jobs_done(t);
	fd_close(&t->tty_fd);
	buf_done(&t->frame);
	free(t->message);
	free(t->why);
	free(t->panel);
}

int
verb_top(struct ctl *c)
{
	AUTO_CLOSE int signals = -1;
	struct top t;
	sigset_t old;
	int r = ctl_connect(c);

	if (r != CTL_OK)
		return r;
	init(&t, c);
	signals = signals_open(t.tty_fd >= 0, &old);
	enter(&t);
	top_subscribe(&t);
	top_look(&t);
	r = loop(&t, signals);
	leave(&t);
	if (r != CTL_OK && r < CTL_SIGNAL && t.message && *t.message)
		ctl_tell(c, "%s", t.message);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	done(&t);
	return r;
}
