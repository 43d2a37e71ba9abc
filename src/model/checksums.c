/* Lines of checksum lists; see checksums.h. */
#include "model/checksums.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/algo.h"

static const char hex_digits[] = "0123456789abcdefABCDEF";

static const char *
algo_by_digits(size_t n)
{
	static const enum digest_algo algos[] = { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA224,
		DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

	for (size_t i = 0; i < ARRAY_SIZE(algos); i++)
		if (2 * digest_algo_size(algos[i]) == n)
			return digest_algo_to_string(algos[i]);
	return NULL;
}

/* coreutils writes \\, \n and \r in names, and a \ before such a line. */
static void
unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
			*to++ = (char)(*s == 'n' ? '\n' : *s == 'r' ? '\r' : *s);
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static int
finish(const char *algo, size_t n_algo, const char *hex, size_t n_hex, const char *name,
    char **ret_digest, char **ret_name)
{
	while (has_prefix(name, "./"))
		name += 2;
	if (!*name)
		return -EINVAL;
	*ret_digest = xasprintf("%.*s:%.*s", (int)n_algo, algo, (int)n_hex, hex);
	*ret_name = xstrdup(name);
	return 0;
}

/* "SHA256 (NAME) = HEX": the name may hold ") = " itself, so from the end. */
static int
parse_bsd(const char *line, char **ret_digest, char **ret_name)
{
	const char *open = strstr(line, " ("), *hex = strrchr(line, ' ');
	size_t n = open ? (size_t)(open - line) : 0;
	enum digest_algo algo = open ? digest_algo_from_string(line, n) : DIGEST_NONE;
	AUTO_FREE char *name = NULL;

	if (!algo || hex - open < 6 || memcmp(hex - 3, ") =", 3) != 0)
		return -EINVAL;
	hex++;
	if (strspn(hex, hex_digits) != strlen(hex) || strlen(hex) != 2 * digest_algo_size(algo))
		return -EINVAL;
	name = xstrndup(open + 2, (size_t)(hex - 4 - (open + 2)));
	return finish(line, n, hex, strlen(hex), name, ret_digest, ret_name);
}

int
checksum_line_parse(const char *line, char **ret_digest, char **ret_name)
{
	bool escaped = *line == '\\';
	const char *hex = line + escaped, *algo;
	size_t n = strspn(hex, hex_digits);
	AUTO_FREE char *name = NULL;

	algo = algo_by_digits(n);
	if (!algo)
		return escaped ? -EINVAL : parse_bsd(line, ret_digest, ret_name);
	if (hex[n] != ' ' || (hex[n + 1] != ' ' && hex[n + 1] != '*'))
		return -EINVAL;
	name = xstrdup(hex + n + 2);
	if (escaped)
		unescape(name);
	return finish(algo, strlen(algo), hex, n, name, ret_digest, ret_name);
}

bool
checksum_is_armor(enum checksum_armor *at, const char *line)
{
	if (has_prefix(line, "-----BEGIN PGP SIGNED MESSAGE-----"))
		*at = CHECKSUM_ARMOR_HEAD;
	else if (has_prefix(line, "-----BEGIN PGP SIGNATURE-----"))
		*at = CHECKSUM_ARMOR_SIGNATURE;
	else if (*at == CHECKSUM_ARMOR_NONE)
		return false;
	else if (*at == CHECKSUM_ARMOR_HEAD ? !line[strspn(line, " \t\r")] : has_prefix(line, "-----END PGP SIGNATURE-----"))
		*at = CHECKSUM_ARMOR_NONE;
	return true;
}

char *
checksum_url(const char *base, const char *name)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
	AUTO_BUF struct buf url = { 0 };
	size_t n = strlen(base);

	while (n && base[n - 1] == '/')
		n--;
	buf_append(&url, base, n);
	buf_append(&url, "/", 1);
	for (; *name; name++) {
		if (strchr(plain, *name))
			buf_append(&url, name, 1);
		else
			buf_printf(&url, "%%%02X", (unsigned char)*name);
	}
	return xstrdup(buf_cstr(&url));
}
