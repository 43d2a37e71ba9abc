/*
 * What the scheduler costs: nanoseconds of CPU time for each ticket that starts and gives
 * back what it held, while so many others are queued at 1,000 hosts.  See bench/README.md.
 *
 *     dispatch [--runs N] [--dispatches N] [--groups N] [QUEUED ...]
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/loop/loop.h"
#include "daemon/sched/scheduler.h"

enum { HOSTS = 1000, FLIGHT = 64, PER_HOST = 5, RUNS_MOST = 99, SIZES_MOST = 16, GROUPS_MOST = 1000 };

/* As far apart as they are in hauld: in the middle of what is kept of a job. */
struct job_like {
	char before[152];
	struct ticket ticket;
	char after[80];
};

static struct {
	struct loop *loop;
	struct scheduler *s;
	struct sched_group *groups[GROUPS_MOST];
	struct job_like **jobs;
	struct ticket *running[FLIGHT];
	unsigned n_running, n_groups;
	uint64_t random;
} rig;

static uint64_t
random_bits64(void) /* xorshift64*, Vigna 2016 */
{
	rig.random ^= rig.random >> 12;
	rig.random ^= rig.random << 25;
	rig.random ^= rig.random >> 27;
	return rig.random * UINT64_C(2685821657736338717);
}

static void
on_start(struct ticket *t, void *arg UNUSED)
{
	rig.running[rig.n_running++] = t;
}

static const struct sched_ops ops = { .on_start = on_start };

static void
on_stop(void *arg)
{
	loop_stop(arg);
}

static void
turn(void)
{
	struct loop_deferred stop;

	loop_deferred_init(&stop, "stop", on_stop, rig.loop);
	loop_defer(rig.loop, &stop);
	loop_run(rig.loop);
}

/* A new job at a host of its own choice; some are more urgent. */
static void
enqueue(struct ticket *t)
{
	uint64_t r = random_bits64();
	char origin[48];

	t->order = 0;
	t->priority = r % 8 ? 0 : (int32_t)(r >> 8) % 5;
	t->group = rig.n_groups ? rig.groups[(r >> 40) % rig.n_groups] : NULL;
	(void)snprintf(origin, sizeof origin, "https://files%u.example.org:443", (unsigned)((r >> 20) % HOSTS));
	scheduler_enqueue(rig.s, t, origin, 0);
}

/* Those that run end: what they held goes back. */
static void
end_all(void)
{
	for (unsigned i = 0; i < rig.n_running; i++)
		scheduler_withdraw(rig.s, rig.running[i]);
}

static double
measure(uint64_t queued, uint64_t dispatches)
{
	static const struct sched_limits limits = { .global = FLIGHT, .per_host = PER_HOST, .verifying = FLIGHT };
	uint64_t spent = 0, done = 0;

	rig.random = 88172645463325252;
	rig.s = scheduler_new(rig.loop, &limits, &ops, NULL);
	for (unsigned i = 0; i < rig.n_groups; i++)
		rig.groups[i] = scheduler_group_new(rig.s, NULL, 1 + FLIGHT / rig.n_groups);
	rig.jobs = xcalloc(queued, sizeof(rig.jobs[0]));
	for (uint64_t i = 0; i < queued; i++)
		rig.jobs[i] = NEW(struct job_like);
	for (uint64_t i = 0; i < queued; i++)
		enqueue(&rig.jobs[i]->ticket);
	while (done < dispatches) {
		uint64_t begun = clock_thread_cpu_ns();

		turn();
		end_all();
		spent += clock_thread_cpu_ns() - begun;
		if (!rig.n_running)
			abort();
		done += rig.n_running;
		for (unsigned i = 0; i < rig.n_running; i++)
			enqueue(rig.running[i]);
		rig.n_running = 0;
	}
	for (uint64_t i = 0; i < queued; i++) {
		scheduler_withdraw(rig.s, &rig.jobs[i]->ticket);
		free(rig.jobs[i]);
	}
	free(rig.jobs);
	for (unsigned i = 0; i < rig.n_groups; i++)
		scheduler_group_free(rig.groups[i]);
	scheduler_free(rig.s);
	return (double)spent / (double)done;
}

static int
compare(const void *va, const void *vb)
{
	double a = *(const double *)va, b = *(const double *)vb;

	return (a > b) - (a < b);
}

static uint64_t
number(const char *text, uint64_t most)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*end || !n || n > most) {
		(void)fprintf(stderr, "dispatch: %s is not a number from 1 to %llu\n", text, (unsigned long long)most);
		exit(2);
	}
	return n;
}

/* Prints the row of each size; the greatest of them over the first. */
static double
print_rows(const uint64_t *sizes, unsigned n_sizes, double results[][RUNS_MOST], unsigned runs)
{
	double first = 0, worst = 0;

	(void)printf("| queued | ns each | from | to | of the first |\n|---:|---:|---:|---:|---:|\n");
	for (unsigned i = 0; i < n_sizes; i++) {
		double median;

		qsort(results[i], runs, sizeof(double), compare);
		median = results[i][runs / 2];
		first = i ? first : median;
		worst = median > worst ? median : worst;
		(void)printf("| %llu | %.0f | %.0f | %.0f | %.2f |\n", (unsigned long long)sizes[i], median, results[i][0],
		    results[i][runs - 1], median / first);
	}
	return worst / first;
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = { { "runs", required_argument, NULL, 'r' },
		{ "dispatches", required_argument, NULL, 'd' }, { "groups", required_argument, NULL, 'g' }, { 0 } };
	static double results[SIZES_MOST][RUNS_MOST];
	uint64_t sizes[SIZES_MOST] = { 1000, 10000, 100000, 1000000 }, dispatches = 100000;
	unsigned runs = 5, n_sizes = 4;
	int c;

	log_init("dispatch", false);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			runs = (unsigned)number(optarg, RUNS_MOST);
		else if (c == 'd')
			dispatches = number(optarg, UINT64_MAX);
		else if (c == 'g')
			rig.n_groups = (unsigned)number(optarg, GROUPS_MOST);
		else
			return 2;
	}
	if (argv[optind])
		for (n_sizes = 0; argv[optind] && n_sizes < SIZES_MOST; optind++)
			sizes[n_sizes++] = number(argv[optind], UINT32_MAX - 1);
	rig.loop = loop_new();
	for (unsigned r = 0; r < runs; r++)
		for (unsigned i = 0; i < n_sizes; i++)
			results[i][r] = measure(sizes[i], dispatches);
	loop_free(rig.loop);
	return print_rows(sizes, n_sizes, results, runs) <= 1.5 ? 0 : 1;
}
