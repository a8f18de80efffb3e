/* bench/harness.h — runs bench cases so that their times can be believed and repeated.
 *
 *     for each repeat:  case 1 │ case 2 │ case 3 …        interleaved, so that a loud minute of the host hits all alike
 *     for each case:    median, least, spread of ns per event; ratio to its reference, repeat by repeat
 *
 * A case returns a sum over everything it produced. The sum must be the same in every call and, where a case names a
 * reference of the same work, the same as the reference's: a case that is wrong has no time, it ends the program.
 *
 * Options of every bench program: --repeats N, --sample-ms N, --only TEXT, --cpu N (-1: not pinned), --json FILE,
 * --smoke (each case once: correctness alone).
 *
 * Threads: one, pinned. Memory: taken before the first sample.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

/* Cases of one program; repeats of one case. */
#define AB_BENCH_CASES_MAX 64
#define AB_BENCH_REPEATS_MAX 101

struct ab_bench_case {
	char name[48];
	void *arg;
	uint64_t events;		/* that one call works through: times are divided by it */
	uint64_t (*run)(void *arg);	/* returns the sum of what came out */
	const char *against;		/* the case that this one is compared with, earlier in the list; NULL: none */
	bool same_work;			/* both must come to the same sum */
	bool wall;			/* by the wall clock, for several threads; else by the thread's own CPU time */
};

struct ab_bench {
	const char *program;
	int repeats, sample_ms, cpu;
	const char *only, *json;
	bool smoke;
	int count;
	struct ab_bench_case c[AB_BENCH_CASES_MAX];
};

/* Reads the options and pins the thread; ends the program when they are wrong. */
void ab_bench_begin(struct ab_bench *bench, const char *program, int argc, char **argv);

/* Whether --only leaves any case whose name begins like this: what is costly to prepare need not be. */
bool ab_bench_wants(const struct ab_bench *bench, const char *begin);

/* Appends a case. name is copied. */
void ab_bench_add(struct ab_bench *bench, const struct ab_bench_case *c);

/* Runs all cases, prints a table, writes the JSON. Returns the exit code. */
int ab_bench_run(struct ab_bench *bench);

/* Folds bytes into a sum: slow enough to notice every bit, fast enough not to be what is measured. */
static inline uint64_t ab_bench_mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * UINT64_C(0x9E3779B97F4A7C15);
	return sum ^ (sum >> 29);
}

uint64_t ab_bench_mix_bytes(uint64_t sum, const void *bytes, size_t len);
