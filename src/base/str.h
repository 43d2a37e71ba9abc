/*
 * Text: strict numbers, sizes and durations, escaping of foreign strings,
 * hexadecimal.  No function here accepts "12abc", a sign, or white space
 * where a number is expected; this is the only place that parses numbers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* All parsers: 0 and *ret set, or -EINVAL (not that form) / -ERANGE. */
int parse_u64(const char *s, uint64_t *ret) MUST_CHECK;
int parse_u64_n(const char *s, size_t n, unsigned base, uint64_t *ret) MUST_CHECK;
/* "0", "64M", "1.5G", "2KiB", "10MB": 1024-based; bytes. */
int parse_size(const char *s, uint64_t *ret_bytes) MUST_CHECK;
/* "30" (seconds), "250ms", "30s", "5m", "6h", "2d", "1h30m"; milliseconds. */
int parse_duration(const char *s, uint64_t *ret_ms) MUST_CHECK;
/* "0644" or "644", octal, at most 07777. */
int parse_mode(const char *s, uint32_t *ret) MUST_CHECK;

/* Writers of a short text into out[n]; return out. */
char *format_size(char *out, size_t n, uint64_t bytes);           /* "1.5 GiB" */
char *format_duration(char *out, size_t n, uint64_t ms);          /* "1h 02m" */
char *format_duration_exact(char *out, size_t n, uint64_t ms);    /* "90m", "1500ms": parse_duration() gives it back */
char *format_size_exact(char *out, size_t n, uint64_t bytes);     /* "64M", "1000": and parse_size() */

/* Hexadecimal, lower case out, both cases in. */
void hex_encode(const uint8_t *data, size_t n, char *out /* 2n+1 */);
int hex_decode(const char *s, size_t n, uint8_t *out /* n/2 */) MUST_CHECK;

/* What a foreign string may look like in a log or on a terminal: bytes outside
 * printable UTF-8 become \xNN, at most max bytes of output, "..." at a cut.
 * Returns out (NUL-terminated). */
char *str_safe(char *out, size_t max, const char *s, size_t n);
/* Of a sentence that another of our processes says it made safe: what went
 * through str_safe() once stays as it is. */
char *str_safe_again(char *out, size_t max, const char *s, size_t n);

/* Edits (insert, drop, change, swap of neighbours) between two words. */
unsigned str_distance(const char *a, const char *b);
/* For who looks for the word that was meant: is one nearer than *least, which it is then? */
bool str_is_nearer(const char *name, const char *one, unsigned *least);

bool has_prefix(const char *s, const char *prefix);
bool has_suffix(const char *s, const char *suffix);
bool text_equal(const char *a, const char *b); /* NULL equals NULL */
/* ASCII only, whatever the locale. */
bool text_equal_nocase(const char *a, size_t na, const char *b);
/* "*" matches any run of characters; ASCII case is ignored. */
bool glob_match(const char *pattern, const char *text);
/* *s begins with c: it moves on behind that. */
bool str_take(const char **s, char c);
/* The line at *at without its end, cut there; *at moves on; NULL at the end. */
char *text_next_line(char **at);
/* The length of the valid UTF-8 sequence at s (1 to 4), 0 when there is none. */
unsigned utf8_length(const unsigned char *s, size_t n);
