/* Lines of checksum lists, as md5sum to sha512sum and the BSDs write them. */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"

/*
 * "HEX  NAME", "HEX *NAME", "\HEX  ESCAPED NAME" (the algorithm by the number
 * of digits: md5, sha1, sha224, sha256, sha384, sha512) or "SHA256 (NAME) =
 * HEX".  0 with *ret_digest ("algo:hex") and *ret_name (a leading "./" taken
 * off), both newly allocated, or -EINVAL.
 */
int checksum_line_parse(const char *line, char **ret_digest, char **ret_name) MUST_CHECK;

enum checksum_armor { CHECKSUM_ARMOR_NONE, CHECKSUM_ARMOR_HEAD, CHECKSUM_ARMOR_SIGNATURE };

/* Is the line one of those that `gpg --clearsign` puts around a list?  The signature is
 * left out, and not checked.  *at is CHECKSUM_ARMOR_NONE before the first line. */
bool checksum_is_armor(enum checksum_armor *at, const char *line);
/* base + "/" + the name, percent-encoded but for its slashes: newly allocated. */
char *checksum_url(const char *base, const char *name);
