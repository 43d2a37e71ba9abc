/* What keys do in top; see top.h. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/client.h"
#include "ctl/top.h"


static const struct top_job *
selected(const struct top *t)
{
	return t->board.selected < t->n_jobs ? &t->jobs[t->board.selected] : NULL;
}

/* ---- Commands -------------------------------------------------------------------------- */

/* One at a time: its answer takes the last line. */
static void
command(struct top *t, const char *method, uint64_t id, json_t *params)
{
	if (!params)
		params = json_pack("{s:I}", "job", (json_int_t)id);
	t->command = method;
	t->command_id = client_send(t->ctl->client, method, params);
}

static void
pause_or_resume(struct top *t, const struct top_job *j)
{
	if (brief_is_over(&j->brief))
		top_say(t, true, "job %llu is %s", (unsigned long long)j->brief.id, j->brief.state);
	else
		command(t, brief_is(&j->brief, "paused") ? "resume" : "pause", j->brief.id, NULL);
}

/* Keys come faster than answers: the next one counts from what the last one asked for. */
static void
raise_by(struct top *t, const struct top_job *j, int by)
{
	int64_t from = t->raise_id && t->raised_id == j->brief.id ? t->raised_to : j->brief.priority;

	t->raised_id = j->brief.id;
	t->raised_to = from + by;
	command(t, "set", j->brief.id, json_pack("{s:I, s:{s:I}}", "job", (json_int_t)j->brief.id, "set", "priority",
	    (json_int_t)t->raised_to));
	t->raise_id = t->command_id;
}

static void
ask_cancel(struct top *t, const struct top_job *j)
{
	if (brief_is_over(&j->brief)) {
		top_say(t, true, "job %llu is %s", (unsigned long long)j->brief.id, j->brief.state);
		return;
	}
	t->asked_id = j->brief.id;
	t->mode = TOP_ASK;
	top_say(t, true, "cancel job %llu, %s? y/n", (unsigned long long)j->brief.id, brief_label(&j->brief));
}

/* ---- The table --------------------------------------------------------------------------- */

static void
move(struct top *t, long by)
{
	long at = (long)t->board.selected + by, last = t->n_jobs ? (long)t->n_jobs - 1 : 0;

	t->board.selected = (size_t)MAX(0L, MIN(at, last));
	t->selected_id = selected(t) ? selected(t)->brief.id : 0;
}

/* Two questions; the panel opens with the answer to the second. */
static void
ask_about(struct top *t, uint64_t id)
{
	t->why_id = client_send(t->ctl->client, "why", json_pack("{s:I}", "job", (json_int_t)id));
	t->show_id = client_send(t->ctl->client, "show", json_pack("{s:I}", "job", (json_int_t)id));
}

static void
on_job_letter(struct top *t, char letter)
{
	const struct top_job *j = selected(t);

	if (!j)
		top_say(t, true, "no job is selected");
	else if (letter == 'p')
		pause_or_resume(t, j);
	else if (letter == 'c')
		ask_cancel(t, j);
	else
		raise_by(t, j, letter == '-' ? -1 : 1);
}

static void
on_letter(struct top *t, char letter)
{
	switch (letter) {
	case 'q':
		t->ends = true;
		break;
	case 'j':
		move(t, 1);
		break;
	case 'k':
		move(t, -1);
		break;
	case 'h':
	case '?':
		top_show_help(t);
		break;
	case 's':
		t->sort = top_next_sort(t->sort);
		top_say(t, false, "sorted by %s", t->sort);
		break;
	case '/':
		t->mode = TOP_TYPE;
		(void)memcpy(t->typed, t->text, sizeof t->typed);
		break;
	case 'p':
	case 'c':
	case '+':
	case '-':
		on_job_letter(t, letter);
		break;
	default:
		break;
	}
}

static void
on_table_key(struct top *t, enum key key)
{
	long page = t->board.seen_rows > 1 ? (long)t->board.seen_rows - 1 : 1;

	switch (key) {
	case KEY_UP:
		move(t, -1);
		break;
	case KEY_DOWN:
		move(t, 1);
		break;
	case KEY_PAGE_UP:
		move(t, -page);
		break;
	case KEY_PAGE_DOWN:
		move(t, page);
		break;
	case KEY_HOME:
		move(t, -(long)t->board.selected);
		break;
	case KEY_END:
		move(t, (long)t->n_jobs);
		break;
	case KEY_ENTER:
		if (selected(t))
			ask_about(t, selected(t)->brief.id);
		break;
	case KEY_TEXT:
		if (!t->keys.text[1])
			on_letter(t, t->keys.text[0]);
		break;
	case KEY_ESCAPE:
		if (*t->text) { /* all jobs again */
			t->text[0] = '\0';
			top_look(t);
		}
		break;
	case KEY_NONE:
	case KEY_BACKSPACE:
	case KEY_CLEAR:
	case KEY_REDRAW:
		break;
	}
}

/* ---- The other modes ------------------------------------------------------------------------ */

static void
on_ask_key(struct top *t, enum key key)
{
	bool yes = key == KEY_TEXT && (text_equal(t->keys.text, "y") || text_equal(t->keys.text, "Y"));

	t->mode = TOP_TABLE;
	if (yes)
		command(t, "cancel", t->asked_id, NULL);
	else
		top_say(t, false, "job %llu goes on", (unsigned long long)t->asked_id);
}

/* The last character of what was typed, all of its bytes. */
static void
drop_last(char *text)
{
	size_t n = strlen(text);

	while (n && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	text[n ? n - 1 : 0] = '\0';
}

static void
on_type_key(struct top *t, enum key key)
{
	size_t n = strlen(t->typed), more = strlen(t->keys.text);

	switch (key) {
	case KEY_TEXT:
		if (n + more <= TOP_TEXT_MAX)
			memcpy(t->typed + n, t->keys.text, more + 1);
		break;
	case KEY_BACKSPACE:
		drop_last(t->typed);
		break;
	case KEY_CLEAR:
		t->typed[0] = '\0';
		break;
	case KEY_ENTER:
		t->mode = TOP_TABLE;
		(void)memcpy(t->text, t->typed, sizeof t->text);
		top_look(t);
		break;
	case KEY_ESCAPE:
		t->mode = TOP_TABLE;
		break;
	case KEY_NONE:
	case KEY_UP:
	case KEY_DOWN:
	case KEY_PAGE_UP:
	case KEY_PAGE_DOWN:
	case KEY_HOME:
	case KEY_END:
	case KEY_REDRAW:
		break;
	}
}

static void
on_panel_key(struct top *t, enum key key)
{
	size_t page = t->board.seen_rows > 1 ? t->board.seen_rows - 1 : 1, *first = &t->board.panel_first;
	const char *letter = key == KEY_TEXT ? t->keys.text : "";

	if (key == KEY_DOWN || text_equal(letter, "j"))
		++*first;
	else if (key == KEY_UP || text_equal(letter, "k"))
		*first -= *first > 0;
	else if (key == KEY_PAGE_DOWN || text_equal(letter, " "))
		*first += page;
	else if (key == KEY_PAGE_UP)
		*first -= MIN(*first, page);
	else if (key != KEY_REDRAW)
		t->mode = TOP_TABLE;
}

void
top_on_key(struct top *t, enum key key)
{
	t->dirty = t->urgent = true;
	top_say(t, false, "%s", "");
	top_sort(t); /* what came since the last frame has replaced the jobs */
	switch (t->mode) {
	case TOP_TABLE:
		on_table_key(t, key);
		break;
	case TOP_ASK:
		on_ask_key(t, key);
		break;
	case TOP_TYPE:
		on_type_key(t, key);
		break;
	case TOP_PANEL:
		on_panel_key(t, key);
		break;
	}
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void
tell_done(struct top *t, const json_t *result)
{
	json_t *job = json_array_get(json_object_get(result, "jobs"), 0);
	struct brief b;

	brief_read(job ? job : result, &b);
	if (!b.id) {
		top_say(t, false, "%s: done", t->command);
	} else if (text_equal(t->command, "set")) {
		top_take_job(t, job);
		top_say(t, false, "job %llu has priority %lld", (unsigned long long)b.id, (long long)b.priority);
	} else {
		top_say(t, false, "job %llu is %s", (unsigned long long)b.id, b.state);
	}
}

bool
top_on_answer(struct top *t, uint64_t id, const json_t *message)
{
	const json_t *error = json_object_get(message, "error"), *result = json_object_get(message, "result");

	if (id && id == t->why_id) { /* a hauld without `why` has its show */
		t->why_id = 0;
		free(t->why);
		t->why = xstrdup(member_text(json_array_get(json_object_get(result, "jobs"), 0), "text"));
		return true;
	}
	if (id == t->raise_id)
		t->raise_id = 0;
	if (!id || (id != t->command_id && id != t->show_id))
		return false;
	if (error)
		top_say(t, true, "%s", member_text(error, "message"));
	else if (id == t->show_id)
		top_show_job(t, result);
	else
		tell_done(t, result);
	if (id == t->show_id) {
		t->show_id = 0;
	} else {
		t->command_id = 0;
		top_look(t);
	}
	t->dirty = true;
	return true;
}
