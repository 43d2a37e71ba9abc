/*
 * The program haulctl: arguments -> verb -> exit status.  It links no loop
 * library: what waits, waits in poll(2) of client.c and watch.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/help.h"

static int
run(struct ctl *c, int argc, char **argv)
{
	AUTO_FREE char *why = NULL;

	if (args_parse(&c->args, argc, argv, &why) < 0) {
		ctl_tell(c, "%s", why);
		return CTL_USAGE;
	}
	if (c->args.version) {
		buf_append_str(&c->out, "haulctl " PACKAGE_VERSION "\n");
		return CTL_OK;
	}
	if (c->args.help) {
		help_print(c, c->args.verb);
		return CTL_OK;
	}
	if (!c->args.verb) {
		help_print_usage(c);
		return CTL_USAGE;
	}
	return c->args.verb->run(c);
}

int
main(int argc, char **argv)
{
	struct ctl c = { 0 };
	int status;

	if (fd_sane_stdio() < 0)
		return CTL_FAILED;
	term_init(&c.term, STDOUT_FILENO, TERM_COLOUR_AUTO);
	term_init(&c.err, STDERR_FILENO, TERM_COLOUR_AUTO);
	status = run(&c, argc, argv);
	if (!ctl_flush(&c) && status == CTL_OK)
		status = CTL_FAILED;
	client_free(c.client);
	buf_done(&c.out);
	args_done(&c.args);
	return status;
}
