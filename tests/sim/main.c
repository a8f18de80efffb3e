/* tests/sim/main.c — runs schedules: simulate [--seeds A..B] [--jobs N] [--seed N [--trace]]. See README.md. */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define SCHEDULES_OF_A_CHECK 10000
#define JOBS_MAX 64

static void on_abort(int signal)
{
	char line[128];
	int len = snprintf(line, sizeof line, "seed %" PRIu64 " fails at step %ld (signal %d)\nreplay: simulate --seed %" PRIu64
			   " --trace\n", sim.seed, sim.steps, signal, sim.seed);

	ssize_t n = write(2, line, (size_t)len);
	(void)n;
	_exit(1);
}

static void usage(void)
{
	fputs("simulate [--seeds A..B] [--jobs N]   runs the schedules A to B, shared between N processes\n"
	      "simulate --seed N [--trace]          runs one, and says all that happens\n", stderr);
	exit(64);
}

static double seconds(void)
{
	struct timespec now;

	timespec_get(&now, TIME_UTC);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Schedules in which nothing went wrong would prove nothing. */
static int tell(uint64_t count, double took)
{
	const struct sim_tally *t = &sim.tally;

	printf("%" PRIu64 " schedules clean in %.1f s: %" PRIu64 " steps, %" PRIu64 " kills, %" PRIu64 " rebalances, %" PRIu64
	       " commits (%" PRIu64 " fenced), %" PRIu64 " answers lost, %" PRIu64 " requests late, %" PRIu64 " twice, %" PRIu64
	       " refused, %" PRIu64 " repeats absorbed, %" PRIu64 " snapshots restored, %" PRIu64 " readers of their own, %" PRIu64
	       " left the others, %" PRIu64 " joined them again, %" PRIu64 " letters, %" PRIu64 " gaps told\n",
	       count, took, t->steps, t->crashes, t->rebalances, t->commits, t->fenced, t->lost, t->late, t->twice, t->refused,
	       t->duplicates, t->rollbacks, t->own_readers, t->detached, t->joins, t->letters, t->gaps);
	if (count >= 1000 && (t->crashes < count || t->fenced == 0 || t->lost < count || t->late < count / 10 || t->twice == 0 ||
			      t->duplicates < count / 10 || t->rollbacks == 0 || t->own_readers == 0 || t->letters < count ||
			      t->gaps == 0)) {
		fprintf(stderr, "too little has gone wrong for this to prove anything\n");
		return 1;
	}
	return 0;
}

static int run(uint64_t first, uint64_t last)
{
	double began = seconds();

	for (uint64_t seed = first; seed <= last; seed++)
		sim_run(seed);
	return tell(last - first + 1, seconds() - began);
}

static int share(uint64_t first, uint64_t last, int jobs)
{
	uint64_t each = (last - first) / (uint64_t)jobs + 1;
	int worst = 0, status;

	for (int job = 0; job < jobs; job++) {
		uint64_t from = first + each * (uint64_t)job, to = from + each - 1 < last ? from + each - 1 : last;
		if (from <= last && fork() == 0)
			exit(run(from, to));
	}
	while (wait(&status) > 0)
		worst |= status != 0;
	return worst;
}

/* A killed engine leaves its memory behind, as a killed process does: that is no leak. Read by AddressSanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(int argc, char **argv)
{
	uint64_t first = 1, last = SCHEDULES_OF_A_CHECK;
	int jobs = 1;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--trace") == 0) {
			sim.trace = true;
			setvbuf(stdout, NULL, _IOLBF, 0);
			continue;
		}
		if (strcmp(argv[i], "--seed") == 0 && sscanf(value, "%" SCNu64, &first) == 1)
			last = first;
		else if (strcmp(argv[i], "--jobs") == 0 && sscanf(value, "%d", &jobs) == 1 && jobs > 0 && jobs <= JOBS_MAX)
			;
		else if (strcmp(argv[i], "--seeds") != 0 || sscanf(value, "%" SCNu64 "..%" SCNu64, &first, &last) != 2)
			usage();
		i++;
	}
	if (first > last)
		usage();
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);

	/* Lookup rows (512 KiB a lane) are hardly touched: as maps of their own they cost least to take and give back. */
	mallopt(M_MMAP_THRESHOLD, 120 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 64 << 20);
	sim_ops_make();
	return jobs == 1 ? run(first, last) : share(first, last, jobs);
}
