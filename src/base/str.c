/* Text; see str.h. */
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

int
parse_u64_n(const char *s, size_t n, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned)digit_value(s[i]) >= base)
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit_value(s[i]), &v))
			return -ERANGE;
	*ret = v;
	return 0;
}

int
parse_u64(const char *s, uint64_t *ret)
{
	return parse_u64_n(s, strlen(s), 10, ret);
}

int
parse_mode(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = parse_u64_n(s, strlen(s), 8, &v);

	if (r < 0)
		return r;
	if (v > 07777)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

/* Bytes per unit, 0 when the suffix is none of ours. */
static uint64_t
size_unit(const char *suffix)
{
	static const char letters[] = "KMGTP";
	const char *at;

	if (!*suffix || text_equal(suffix, "B"))
		return 1;
	at = strchr(letters, suffix[0] == 'k' ? 'K' : suffix[0]);
	if (!at)
		return 0;
	if (suffix[1] && !text_equal(suffix + 1, "B") && !text_equal(suffix + 1, "iB"))
		return 0;
	return UINT64_C(1) << (10 * (unsigned)(at - letters + 1));
}

int
parse_size(const char *s, uint64_t *ret)
{
	size_t whole = strspn(s, "0123456789"), part = 0;
	const char *suffix = s + whole;
	uint64_t v, unit, f = 0, scale = 1;
	int r;

	if (*suffix == '.') {
		part = strspn(suffix + 1, "0123456789");
		suffix += 1 + part;
		if (part == 0 || part > 6)
			return -EINVAL;
	}
	while (*suffix == ' ')
		suffix++;
	unit = size_unit(suffix);
	if (!unit)
		return -EINVAL;
	r = parse_u64_n(s, whole, 10, &v);
	if (r < 0)
		return r;
	if (part) {
		r = parse_u64_n(s + whole + 1, part, 10, &f);
		if (r < 0)
			return r;
		for (size_t i = 0; i < part; i++)
			scale *= 10;
	}
	if (__builtin_mul_overflow(v, unit, &v) ||
	    __builtin_add_overflow(v, (uint64_t)((double)unit / (double)scale * (double)f), &v) ||
	    v > INT64_MAX)
		return -ERANGE;
	*ret = v;
	return 0;
}

static uint64_t
duration_unit(const char *s, size_t n)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "min", 60 * 1000 },
		{ "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0)
			return units[i].ms;
	return 0;
}

int
parse_duration(const char *s, uint64_t *ret)
{
	uint64_t total = 0, last = UINT64_MAX;

	if (!*s)
		return -EINVAL;
	while (*s) {
		size_t digits = strspn(s, "0123456789");
		size_t letters = strspn(s + digits, "abcdefghijklmnopqrstuvwxyz");
		uint64_t v, unit;
		int r = parse_u64_n(s, digits, 10, &v);

		if (r < 0)
			return r;
		unit = letters ? duration_unit(s + digits, letters) : 1000;
		/* "30" stands alone; "1h30m" goes from large to small. */
		if (!unit || (!letters && (last != UINT64_MAX || s[digits])) || unit >= last)
			return -EINVAL;
		if (__builtin_mul_overflow(v, unit, &v) ||
		    __builtin_add_overflow(total, v, &total) || total > INT64_MAX)
			return -ERANGE;
		last = unit;
		s += digits + letters;
		while (*s == ' ')
			s++;
	}
	*ret = total;
	return 0;
}

char *
format_size(char *out, size_t n, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 999.5 && u + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		u++;
	}
	if (u == 0 || v >= 99.95)
		(void)snprintf(out, n, "%.0f %s", v, units[u]);
	else
		(void)snprintf(out, n, "%.1f %s", v, units[u]);
	return out;
}

char *
format_duration(char *out, size_t n, uint64_t ms)
{
	unsigned long long s = ms / 1000;

	if (ms < 10000)
		(void)snprintf(out, n, "%.1fs", (double)ms / 1000);
	else if (s < 60)
		(void)snprintf(out, n, "%llus", s);
	else if (s < 3600)
		(void)snprintf(out, n, "%llum%02llus", s / 60, s % 60);
	else if (s < 100 * 3600ULL)
		(void)snprintf(out, n, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		(void)snprintf(out, n, "%llud", s / 86400);
	return out;
}

char *
format_duration_exact(char *out, size_t n, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };
	size_t u = 0;

	while (u < ARRAY_SIZE(units) && (!ms || ms % units[u].ms))
		u++;
	if (u < ARRAY_SIZE(units))
		(void)snprintf(out, n, "%" PRIu64 "%s", ms / units[u].ms, units[u].name);
	else
		(void)snprintf(out, n, "%" PRIu64 "%s", ms, ms ? "ms" : "s");
	return out;
}

char *
format_size_exact(char *out, size_t n, uint64_t bytes)
{
	static const char units[][2] = { "", "K", "M", "G", "T" };
	size_t u = 0;

	while (bytes && bytes % 1024 == 0 && u + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		u++;
	}
	(void)snprintf(out, n, "%" PRIu64 "%s", bytes, units[u]);
	return out;
}

void
hex_encode(const uint8_t *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * n] = '\0';
}

int
hex_decode(const char *s, size_t n, uint8_t *out)
{
	if (n % 2)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (digit_value(s[i]) > 15)
			return -EINVAL;
	for (size_t i = 0; i < n / 2; i++)
		out[i] = (uint8_t)(digit_value(s[2 * i]) << 4 | digit_value(s[2 * i + 1]));
	return 0;
}

unsigned
utf8_length(const unsigned char *s, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	uint32_t c;

	if (len <= 1 || len > n)
		return len <= n ? len : 0;
	c = s[0] & (0x7fU >> len);
	for (unsigned i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

/* Control characters, and those that reorder or hide text on a terminal. */
static bool
is_hostile(const unsigned char *s, unsigned len)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x1f }, { '\\', '\\' }, { 0x7f, 0x9f }, { 0x61c, 0x61c }, { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff },
	};
	uint32_t c = len == 1 ? s[0] : s[0] & (0x7fU >> len);

	if (c >= 0x20 && c < 0x7f)
		return c == '\\'; /* nearly all of it is that */
	for (unsigned i = 1; i < len; i++)
		c = c << 6 | (s[i] & 0x3f);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static char *
make_safe(char *out, size_t max, const char *s, size_t n, bool again)
{
	size_t o = 0, i = 0, cut = 0; /* cut: where "..." has room */

	if (max < 4) {
		if (max)
			out[0] = '\0';
		return out;
	}
	while (i < n) {
		const unsigned char *p = (const unsigned char *)s + i;
		unsigned len = utf8_length(p, n - i);
		bool raw = len && ((again && *p == '\\') || !is_hostile(p, len));
		unsigned take = len ? len : 1;
		size_t need = raw ? take : 4 * (size_t)take;

		if (o + need + 1 > max) {
			memcpy(out + cut, "...", 3);
			o = cut + 3;
			break;
		}
		for (unsigned k = 0; k < take; k++, p++)
			if (raw)
				out[o++] = (char)*p;
			else
				o += (size_t)snprintf(out + o, max - o, "\\x%02x", *p);
		i += take;
		if (o + 4 <= max)
			cut = o;
	}
	out[o] = '\0';
	return out;
}

char *
str_safe(char *out, size_t max, const char *s, size_t n)
{
	return make_safe(out, max, s, n, false);
}

char *
str_safe_again(char *out, size_t max, const char *s, size_t n)
{
	return make_safe(out, max, s, n, true);
}

unsigned
str_distance(const char *a, const char *b)
{
	enum { MAX_WORD = 48 };
	size_t na = strlen(a), nb = strlen(b);
	unsigned d[3][MAX_WORD + 1];

	if (na > MAX_WORD || nb > MAX_WORD)
		return MAX_WORD;
	for (unsigned j = 0; j <= nb; j++)
		d[0][j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned *row = d[i % 3], *up = d[(i - 1) % 3], *up2 = d[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= nb; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, up[j] + 1);
			best = MIN(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, up2[j - 2] + 1);
			row[j] = best;
		}
	}
	return d[na % 3][nb];
}

bool
str_is_nearer(const char *name, const char *one, unsigned *least)
{
	unsigned d = str_distance(name, one);

	if (d >= *least)
		return false;
	*least = d;
	return true;
}

bool
str_take(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool
text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool
is_same(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool
text_equal_nocase(const char *a, size_t na, const char *b)
{
	return strlen(b) == na && is_same(a, b, na);
}

/* Where part (of n bytes) is in text first; NULL: nowhere.  In time that grows with both lengths
 * and not with their product (Knuth, Morris, Pratt), for patterns come from everybody. */
static const char *
find_part(const char *text, const char *part, size_t n)
{
	AUTO_FREE size_t *back = n ? xcalloc(n, sizeof back[0]) : NULL; /* how much of part ends what was compared */
	size_t k = 0;

	for (size_t i = 1; i < n; i++) {
		while (k && lower(part[i]) != lower(part[k]))
			k = back[k - 1];
		k += lower(part[i]) == lower(part[k]);
		back[i] = k;
	}
	k = 0;
	for (; k < n && *text; text++) {
		while (k && lower(*text) != lower(part[k]))
			k = back[k - 1];
		k += lower(*text) == lower(part[k]);
	}
	return k == n ? text - n : NULL;
}

bool
glob_match(const char *p, const char *t)
{
	size_t n = strcspn(p, "*"), left = strlen(t);

	if (!p[n])
		return n == left && is_same(p, t, n);
	if (n > left || !is_same(p, t, n))
		return false;
	for (t += n;; t += n) {
		p += n + 1;
		n = strcspn(p, "*");
		if (!p[n])
			break;
		t = find_part(t, p, n);
		if (!t)
			return false;
	}
	left = strlen(t);
	return n <= left && is_same(p, t + left - n, n);
}

char *
text_next_line(char **at)
{
	char *line = *at;
	size_t n = strcspn(line, "\n");

	if (!*line)
		return NULL;
	*at = line + n + (line[n] == '\n');
	line[n] = '\0';
	if (n && line[n - 1] == '\r')
		line[n - 1] = '\0';
	return line;
}
