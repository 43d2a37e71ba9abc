/* `haulctl add`. */
#include "ctl/batch.h"

int
verb_add(struct ctl *c)
{
	struct batch b;
	int r;

	batch_init(&b, c);
	r = batch_read(&b);
	if (r == CTL_OK)
		r = batch_send(&b, true);
	batch_done(&b);
	return r;
}
