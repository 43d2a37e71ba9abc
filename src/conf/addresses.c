/* Lists of addresses; see addresses.h. */
#include "conf/addresses.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/address.h"

void
addresses_put(struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	AUTO_FREE char *why = NULL;
	struct address_range r;
	char canonical[ADDRESS_TEXT_MAX];

	if (address_range_parse(text, &r, &why) < 0)
		check_tell(c, d, row, at, why);
	else if (row->id == DAEMON_ALLOW_ADDRESSES && r.bits == 0)
		check_tell(c, d, row, at,
		    "has every address: there is no switch that turns the address policy off; name the ranges that are meant");
	else if (draft_count(d, row->id) == ADDRESS_RANGES_MAX)
		check_tell(c, d, row, at, "has more than 1000 ranges");
	else
		draft_put_text(d, row, at, address_range_format(&r, canonical));
}

void
addresses_check(struct check *c, const struct draft *daemon)
{
	const struct draft_item *allow, *deny;

	for (allow = draft_find(daemon, DAEMON_ALLOW_ADDRESSES); allow; allow = draft_next(daemon, allow))
		for (deny = draft_find(daemon, DAEMON_DENY_ADDRESSES); deny; deny = draft_next(daemon, deny))
			if (text_equal(allow->text, deny->text))
				emit_error(c->emit, deny->at, daemon->label,
				    "deny-addresses has %s, which allow-addresses has too", deny->text);
}
