/* Numbers for people; see figures.h. */
#include "term/figures.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/str.h"

enum { DAY_S = 86400 };

unsigned
figures_percent(uint64_t done, uint64_t total)
{
	if (total == 0)
		return 0;
	if (done >= total)
		return 100;
	/* A large file is "99%" until its last byte is there. */
	return MIN((unsigned)((double)done / (double)total * 100), 99U);
}

uint64_t
figures_eta(uint64_t done, uint64_t total, uint64_t rate)
{
	uint64_t s;

	if (total == 0 || rate == 0)
		return FIGURES_UNKNOWN;
	if (done >= total)
		return 0;
	s = (total - done) / rate + ((total - done) % rate != 0);
	return s < UINT64_C(99) * DAY_S ? s : FIGURES_UNKNOWN;
}

char *
figures_pair(char *out, uint64_t done, uint64_t total)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t most = MAX(done, total);
	double scale = 1;
	size_t u = 0;
	int digits;

	if (total == 0)
		return format_size(out, FIGURES_SIZE, done);
	/* Both in the unit of the larger one, with as many digits as it has. */
	for (; (double)most / scale >= 999.5 && u + 1 < ARRAY_SIZE(units); u++)
		scale *= 1024;
	digits = u > 0 && (double)most / scale < 99.95 ? 1 : 0;
	(void)snprintf(out, FIGURES_SIZE, "%.*f/%.*f %s", digits, (double)done / scale, digits,
	    (double)total / scale, units[u]);
	return out;
}

char *
figures_rate(char *out, uint64_t rate)
{
	char size[FIGURES_SIZE - 2];

	(void)snprintf(out, FIGURES_SIZE, "%s/s", format_size(size, sizeof size, rate));
	return out;
}

char *
figures_time(char *out, uint64_t s)
{
	if (s < 60)
		(void)snprintf(out, FIGURES_SIZE, "%us", (unsigned)s);
	else /* format_duration() has tenths below ten seconds: they would flicker */
		(void)format_duration(out, FIGURES_SIZE, MIN(s, UINT64_MAX / 1000) * 1000);
	return out;
}

char *
figures_eta_text(char *out, uint64_t s)
{
	char t[FIGURES_SIZE];

	out[0] = '\0';
	if (s != FIGURES_UNKNOWN)
		(void)snprintf(out, FIGURES_SIZE, "ETA %.*s", FIGURES_SIZE - 5, figures_time(t, s));
	return out;
}
