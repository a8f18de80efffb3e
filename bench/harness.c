/* bench/harness.c — see harness.h. */
#include "bench/harness.h"

#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

struct result {
	uint64_t calls;	/* in one sample */
	uint64_t sum;
	double ns[AB_BENCH_REPEATS_MAX];	/* per event, by repeat */
};

/* A case of one thread is timed by what its thread used: who else uses the machine then disturbs only the caches. */
static int64_t now_ns(const struct ab_bench_case *c)
{
	struct timespec t;
	clock_gettime(c->wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void usage(const char *program)
{
	fprintf(stderr, "%s [--repeats N] [--sample-ms N] [--only TEXT] [--cpu N] [--json FILE] [--smoke]\n", program);
	exit(64);
}

static int number(const char *program, const char *text, long min, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < min || value > max)
		usage(program);
	return (int)value;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		fprintf(stderr, "not pinned: cpu %d is not ours\n", cpu);
}

void ab_bench_begin(struct ab_bench *bench, const char *program, int argc, char **argv)
{
	static const struct option options[] = {
	    {"repeats", 1, NULL, 'r'}, {"sample-ms", 1, NULL, 'm'}, {"only", 1, NULL, 'o'}, {"cpu", 1, NULL, 'c'},
	    {"json", 1, NULL, 'j'},    {"smoke", 0, NULL, 's'},	    {NULL, 0, NULL, 0},
	};
	int option;

	memset(bench, 0, sizeof *bench);
	*bench = (struct ab_bench){.program = program, .repeats = 15, .sample_ms = 20};
	/* The last core: interrupts and the neighbours' first choice are the first ones. */
	bench->cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			bench->repeats = number(program, optarg, 1, AB_BENCH_REPEATS_MAX);
			break;
		case 'm':
			bench->sample_ms = number(program, optarg, 1, 10000);
			break;
		case 'o':
			bench->only = optarg;
			break;
		case 'c':
			bench->cpu = number(program, optarg, -1, CPU_SETSIZE - 1);
			break;
		case 'j':
			bench->json = optarg;
			break;
		case 's':
			bench->smoke = true;
			break;
		default:
			usage(program);
		}
	}
	if (optind != argc)
		usage(program);
	if (bench->smoke)
		bench->repeats = 1;
	pin(bench->cpu);
}

bool ab_bench_wants(const struct ab_bench *bench, const char *begin)
{
	return bench->only == NULL || strstr(bench->only, begin) != NULL || strstr(begin, bench->only) != NULL;
}

void ab_bench_add(struct ab_bench *bench, const struct ab_bench_case *c)
{
	AB_ASSERT(bench->count < AB_BENCH_CASES_MAX && c->events > 0 && c->run != NULL);
	bench->c[bench->count++] = *c;
}

uint64_t ab_bench_mix_bytes(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;
		memcpy(&word, at, 8);
		sum = ab_bench_mix(sum, word);
	}
	uint64_t rest = len;
	for (size_t i = 0; i < len; i++)
		rest = rest << 8 | at[i];
	return ab_bench_mix(sum, rest);
}

static int find(const struct ab_bench *bench, const char *name)
{
	for (int i = 0; i < bench->count; i++)
		if (strcmp(bench->c[i].name, name) == 0)
			return i;
	fprintf(stderr, "%s: no case %s\n", bench->program, name);
	exit(1);
}

/* A reference is run too when what is compared with it is asked for. */
static bool wanted(const struct ab_bench *bench, int i)
{
	if (bench->only == NULL || strstr(bench->c[i].name, bench->only) != NULL)
		return true;
	for (int k = 0; k < bench->count; k++)
		if (bench->c[k].against != NULL && strcmp(bench->c[k].against, bench->c[i].name) == 0 && wanted(bench, k))
			return true;
	return false;
}

static void expect_sum(const struct ab_bench *bench, int i, uint64_t got, uint64_t expected, const char *whose)
{
	if (got == expected)
		return;
	fprintf(stderr, "%s: %s is WRONG: its sum is %016" PRIx64 ", %s is %016" PRIx64 "\n", bench->program,
		bench->c[i].name, got, whose, expected);
	exit(1);
}

/* Warms up, takes the sum, and finds how many calls fill a sample. */
static void prepare(const struct ab_bench *bench, int i, struct result *result)
{
	const struct ab_bench_case *c = &bench->c[i];

	result[i].sum = c->run(c->arg);
	expect_sum(bench, i, c->run(c->arg), result[i].sum, "that of its first call");
	if (c->against != NULL && c->same_work)
		expect_sum(bench, i, result[i].sum, result[find(bench, c->against)].sum, c->against);
	result[i].calls = 1;
	while (!bench->smoke) {
		int64_t from = now_ns(c);
		for (uint64_t n = 0; n < result[i].calls; n++)
			c->run(c->arg);
		if (now_ns(c) - from >= (int64_t)bench->sample_ms * 1000000)
			break;
		result[i].calls *= 2;
	}
}

static void sample(const struct ab_bench *bench, int i, struct result *result, int repeat)
{
	const struct ab_bench_case *c = &bench->c[i];
	uint64_t sum = result[i].sum;
	int64_t from = now_ns(c);

	for (uint64_t n = 0; n < result[i].calls; n++)
		sum &= c->run(c->arg) == result[i].sum ? ~UINT64_C(0) : 0;
	result[i].ns[repeat] = (double)(now_ns(c) - from) / (double)(result[i].calls * c->events);
	expect_sum(bench, i, sum, result[i].sum, "that of its first call");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct figures {
	double median, min, spread;	/* spread: the middle half, as a part of the median */
};

static struct figures figures_of(const double *values, int count)
{
	double sorted[AB_BENCH_REPEATS_MAX];

	memcpy(sorted, values, (size_t)count * sizeof *values);
	qsort(sorted, (size_t)count, sizeof *sorted, by_value);
	double median = sorted[count / 2];
	return (struct figures){median, sorted[0], (sorted[count * 3 / 4] - sorted[count / 4]) / median};
}

static struct figures ratio_of(const struct ab_bench *bench, const struct result *result, int i)
{
	double ratio[AB_BENCH_REPEATS_MAX];
	const struct result *other = &result[find(bench, bench->c[i].against)];

	for (int r = 0; r < bench->repeats; r++)
		ratio[r] = result[i].ns[r] / other->ns[r];
	return figures_of(ratio, bench->repeats);
}

static void print_case(const struct ab_bench *bench, const struct result *result, int i)
{
	struct figures f = figures_of(result[i].ns, bench->repeats);

	printf("%-34s %9.2f %9.2f %6.1f %%", bench->c[i].name, f.median, f.min, 100 * f.spread);
	if (bench->c[i].against != NULL)
		printf("   %6.3f x %s", ratio_of(bench, result, i).median, bench->c[i].against);
	printf("\n");
}

/* The first "model name" of /proc/cpuinfo. */
static void cpu_name(char *to, size_t size)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "r");

	snprintf(to, size, "unknown");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		char *value = strstr(line, ": ");
		if (strncmp(line, "model name", 10) == 0 && value != NULL) {
			value[strcspn(value, "\"\\\n")] = '\0';
			snprintf(to, size, "%s", value + 2);
			break;
		}
	}
	if (file != NULL)
		fclose(file);
}

static void write_case(FILE *to, const struct ab_bench *bench, const struct result *result, int i)
{
	struct figures f = figures_of(result[i].ns, bench->repeats);

	fprintf(to, "{\"name\":\"%s\",\"unit\":\"ns/event\",\"median\":%.3f,\"min\":%.3f,\"spread\":%.4f,", bench->c[i].name,
		f.median, f.min, f.spread);
	fprintf(to, "\"sum\":\"%016" PRIx64 "\",", result[i].sum);
	if (bench->c[i].against != NULL) {
		struct figures ratio = ratio_of(bench, result, i);
		fprintf(to, "\"against\":\"%s\",\"ratio\":%.4f,\"ratio_spread\":%.4f,", bench->c[i].against, ratio.median,
			ratio.spread);
	}
	fprintf(to, "\"repeats\":[");
	for (int r = 0; r < bench->repeats; r++)
		fprintf(to, "%s%.3f", r > 0 ? "," : "", result[i].ns[r]);
	fprintf(to, "]}");
}

static void write_json(const struct ab_bench *bench, const struct result *result)
{
	FILE *to = strcmp(bench->json, "-") == 0 ? stdout : fopen(bench->json, "w");
	struct utsname host;
	char cpu[256];

	if (to == NULL) {
		perror(bench->json);
		exit(1);
	}
	uname(&host);
	cpu_name(cpu, sizeof cpu);
	fprintf(to, "{\"program\":\"%s\",\"host\":{\"cpu\":\"%s\",\"cores\":%ld,\"kernel\":\"%s\",\"compiler\":\"%s\"},",
		bench->program, cpu, sysconf(_SC_NPROCESSORS_ONLN), host.release, __VERSION__);
	fprintf(to, "\"pinned\":%d,\"sample_ms\":%d,\"cases\":[", bench->cpu, bench->sample_ms);
	const char *between = "";
	for (int i = 0; i < bench->count; i++) {
		if (!wanted(bench, i))
			continue;
		fprintf(to, "%s\n", between);
		write_case(to, bench, result, i);
		between = ",";
	}
	fprintf(to, "\n]}\n");
	if (to != stdout)
		fclose(to);
}

int ab_bench_run(struct ab_bench *bench)
{
	struct result *result = calloc(AB_BENCH_CASES_MAX, sizeof *result);
	int ran = 0;

	AB_ASSERT(result != NULL);
	for (int i = 0; i < bench->count; i++)
		if (wanted(bench, i))
			prepare(bench, i, result);
	for (int r = 0; r < bench->repeats; r++)
		for (int i = 0; i < bench->count; i++)
			if (wanted(bench, i))
				sample(bench, i, result, r);
	bool quiet = bench->json != NULL && strcmp(bench->json, "-") == 0;
	if (!bench->smoke && !quiet)
		printf("%-34s %9s %9s %8s\n", bench->program, "ns/event", "least", "spread");
	for (int i = 0; i < bench->count; i++) {
		if (!wanted(bench, i))
			continue;
		ran++;
		if (!bench->smoke && !quiet)
			print_case(bench, result, i);
	}
	if (bench->json != NULL)
		write_json(bench, result);
	if (bench->smoke)
		printf("%s: %d cases came to the right sums\n", bench->program, ran);
	free(result);
	return ran > 0 ? 0 : 1;
}
