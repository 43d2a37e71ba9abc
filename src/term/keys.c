/* Keys; see keys.h. */
#include "term/keys.h"

#include <string.h>

#include "base/str.h"

enum { ESCAPE = 0x1b };

static void
drop(struct keys *k, size_t n)
{
	memmove(k->data, k->data + n, k->n - n);
	k->n -= n;
}

static enum key
key_of_letter(unsigned char c)
{
	switch (c) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	default:
		return KEY_NONE;
	}
}

/* "5~" */
static enum key
key_of_number(unsigned char c)
{
	switch (c) {
	case '1':
	case '7':
		return KEY_HOME;
	case '4':
	case '8':
		return KEY_END;
	case '5':
		return KEY_PAGE_UP;
	case '6':
		return KEY_PAGE_DOWN;
	default:
		return KEY_NONE;
	}
}

/* CSI: parameters up to a final byte from 0x40 on (ECMA-48 5.4). *ret_n: bytes of
 * it, 0: it is not whole. */
static enum key
take_csi(const struct keys *k, size_t *ret_n)
{
	size_t at = 2;

	while (at < k->n && (k->data[at] < 0x40 || k->data[at] > 0x7e))
		at++;
	*ret_n = at < k->n ? at + 1 : 0;
	if (!*ret_n)
		return KEY_NONE;
	if (k->data[at] == '~')
		return at == 3 ? key_of_number(k->data[2]) : KEY_NONE;
	return at == 2 ? key_of_letter(k->data[at]) : KEY_NONE;
}

/* At an escape; *ret_n as above. */
static enum key
take_escape(const struct keys *k, bool late, size_t *ret_n)
{
	enum key key = KEY_NONE;

	*ret_n = 0;
	if (k->n > 1 && k->data[1] == '[') {
		key = take_csi(k, ret_n);
	} else if (k->n > 2 && k->data[1] == 'O') { /* the same in "application" mode */
		*ret_n = 3;
		return key_of_letter(k->data[2]);
	} else if (k->n > 1 && k->data[1] != 'O') { /* with Alt, or two keys */
		*ret_n = 1;
		return KEY_ESCAPE;
	}
	if (*ret_n || !late)
		return key;
	*ret_n = k->n; /* a sequence that does not end, or the key alone */
	return k->n == 1 ? KEY_ESCAPE : KEY_NONE;
}

static enum key
take_control(unsigned char c)
{
	switch (c) {
	case '\r':
	case '\n':
		return KEY_ENTER;
	case 0x7f:
	case '\b':
		return KEY_BACKSPACE;
	case 0x15:
		return KEY_CLEAR;
	case 0x0c:
		return KEY_REDRAW;
	case 0x10: /* ^P and ^N, as in shells */
		return KEY_UP;
	case 0x0e:
		return KEY_DOWN;
	default:
		return KEY_NONE;
	}
}

/* Could more bytes make a character of these? */
static bool
is_cut(const struct keys *k)
{
	size_t at = 1;

	while (at < k->n && (k->data[at] & 0xc0) == 0x80)
		at++;
	return k->data[0] >= 0xc2 && k->data[0] < 0xf5 && at == k->n && k->n < 4;
}

/* A character; one that is cut may go on with the next read. */
static enum key
take_text(struct keys *k, bool late, size_t *ret_n)
{
	unsigned len = utf8_length(k->data, k->n);

	*ret_n = 1;
	if (k->data[0] < 0x20 || k->data[0] == 0x7f)
		return take_control(k->data[0]);
	if (!len) {
		*ret_n = !late && is_cut(k) ? 0 : 1;
		return KEY_NONE;
	}
	memcpy(k->text, k->data, len);
	k->text[len] = '\0';
	*ret_n = len;
	return KEY_TEXT;
}

enum key
keys_next(struct keys *k, bool late)
{
	while (k->n) {
		size_t n;
		enum key key = k->data[0] == ESCAPE ? take_escape(k, late, &n) : take_text(k, late, &n);

		if (n == 0 && k->n == KEYS_SIZE) /* longer than any key */
			n = k->n;
		if (n == 0)
			return KEY_NONE;
		drop(k, n);
		if (key != KEY_NONE)
			return key;
	}
	return KEY_NONE;
}
