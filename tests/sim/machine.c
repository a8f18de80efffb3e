/* tests/sim/machine.c — the machine an engine runs on: chance, clock, sleep, pause, log lines, dead letters. See sim.h. */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "core/park.h"
#include "core/pause.h"
#include "core/worker_step.h"
#include "sinks/dead_letter.h"
#include "tests/sim/sim.h"

#define WALL_AT_START_NS (INT64_C(1795478400) * 1000000000)	/* 2026-11-24, 00:00 */

struct sim sim;
const char *const sim_sink_names[SIM_SINKS] = {"redis", "bigquery", "elasticsearch"};

/* splitmix64: one seed is one schedule. */
uint32_t sim_draw(uint32_t below)
{
	uint64_t z = sim.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

bool sim_chance(uint32_t in_thousand)
{
	return sim_draw(1000) < in_thousand;
}

/* --- words --------------------------------------------------------------------------------------------------------- */

static void AB_PRINTF(1, 0) say(const char *format, va_list args)
{
	printf("%6ld %10.3f ms  ", sim.steps, (double)sim.now_ns / 1e6);
	vprintf(format, args);
	putchar('\n');
}

void sim_trace(const char *format, ...)
{
	va_list args;

	if (!sim.trace)
		return;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void sim_fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "seed %llu fails at step %ld: ", (unsigned long long)sim.seed, sim.steps);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nreplay: simulate --seed %llu --trace\n", (unsigned long long)sim.seed);
	exit(1);
}

void ab_log(const char *format, ...)
{
	va_list args;

	/* What only its words tell: a sink that left the others, and one that joined them again. */
	sim.tally.detached += strstr(format, ": detached: ") != NULL;
	sim.tally.joins += strstr(format, "with the others again") != NULL;
	if (strstr(format, "LOST DATA") != NULL) {
		char line[4096];
		va_start(args, format);
		vsnprintf(line, sizeof line, format, args);
		va_end(args);
		sim_check_said(sim.frame->of, line);
	}
	if (!sim.trace)
		return;
	va_start(args, format);
	printf("        log: ");
	say(format, args);
	va_end(args);
}

void ab_log_line(const char *line)
{
	ab_log("%s", line);
}

/* --- clock --------------------------------------------------------------------------------------------------------- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *to);
int __wrap_nanosleep(const struct timespec *wait, struct timespec *left);

int __wrap_clock_gettime(clockid_t clock, struct timespec *to)
{
	int64_t ns = sim.now_ns + (clock == CLOCK_REALTIME ? WALL_AT_START_NS : 0);

	*to = (struct timespec){ns / 1000000000, ns % 1000000000};
	return 0;
}

int __wrap_nanosleep(const struct timespec *wait, struct timespec *left)
{
	(void)left;
	sim_wait(wait->tv_sec * INT64_C(1000000000) + wait->tv_nsec);
	return 0;
}

/* --- the chunks of links: taken once, since zeroing 2 MB for every start would be most of a schedule's time -------------- */

void __wrap_ab_link_create(struct ab_link *link);
void __wrap_ab_link_destroy(struct ab_link *link);

static struct ab_chunk *spare[SIM_ENGINES * AB_WORKERS_MAX * SIM_SINKS * SIM_LANES];
static int spare_count;

void __wrap_ab_link_create(struct ab_link *link)
{
	memset(link, 0, sizeof *link);
	link->chunk = spare_count > 0 ? spare[--spare_count] : ab_take_lines(AB_LINK_CHUNKS * sizeof(struct ab_chunk));
	ab_link_reset(link);
}

void __wrap_ab_link_destroy(struct ab_link *link)
{
	spare[spare_count++] = link->chunk;
}

/* --- kill -9 in the middle of an action ---------------------------------------------------------------------------- */

void sim_frame_enter(struct sim_frame *frame, struct sim_engine *of)
{
	frame->of = of;
	frame->outer = sim.frame;
	sim.frame = frame;
}

void sim_crash_point(void)
{
	if (sim.frame == NULL || !sim.faults || sim_draw(400) != 0)
		return;
	sim_trace("engine %td: killed in the middle of what it does", sim.frame->of - sim.engine);
	sim.frame->of->dead = true;
	longjmp(sim.frame->jump, 1);
}

/* --- sleep and pause ------------------------------------------------------------------------------------------------ */

void ab_park_create(struct ab_park *park)
{
	park->fd = -1;
}

void ab_park_destroy(struct ab_park *park)
{
	(void)park;
}

void ab_park_wake(struct ab_park *park)
{
	(void)park;
}

/* A worker that cannot hand a letter over, or control that looks for a record: Kafka goes on meanwhile. */
void ab_park_sleep(struct ab_park *park, int64_t timeout_ns)
{
	(void)park;
	sim.now_ns += timeout_ns;
	sim_letters_step();
}

void ab_pause_create(struct ab_pause *pause)
{
	memset(pause, 0, sizeof *pause);
}

void ab_pause_destroy(struct ab_pause *pause)
{
	(void)pause;
}

void ab_pause_point(struct ab_pause *pause)
{
	(void)pause;
}

/* The thread comes to its pause point, perhaps with one turn before: what run() in worker.c and delivery.c does. */
void ab_pause_begin(struct ab_pause *pause, void (*wake)(void *arg), void *arg)
{
	bool is_worker = wake == ab_worker_wake;

	if (pause->standing)
		return;
	atomic_store(&pause->asked, true);
	if (is_worker) {
		if (sim_chance(300))
			ab_worker_turn(arg, sim.now_ns);
	}
	pause->standing = true;
}

void ab_pause_end(struct ab_pause *pause)
{
	atomic_store(&pause->asked, false);
	pause->standing = false;
}

/* --- dead letters: an idempotent producer, whose letters arrive in order in each of two partitions ------------------- */

struct ab_dead_letters {
	struct sim_engine *of;
	uint64_t waiting;
};

static struct letter {
	struct ab_dead_letters *from;	/* NULL: its engine is gone */
	struct ab_dead_letter_owner owner;
	char sink[16];
	int partition;
	int64_t offset;
} letter[SIM_LETTERS];
static int letter_first, letter_count;
static struct ab_dead_letters producer[SIM_ENGINES];

struct ab_dead_letters *sim_letters_of(struct sim_engine *engine)
{
	struct ab_dead_letters *own = &producer[engine - sim.engine];

	*own = (struct ab_dead_letters){.of = engine};
	return own;
}

void sim_letters_reset(void)
{
	letter_first = letter_count = 0;
}

/* core/engine.c's start and end, which are not ours. */
struct ab_dead_letters *ab_dead_letters_create(const struct ab_config *config, void (*on_log)(const char *text),
					       char *error)
{
	(void)config;
	(void)on_log;
	(void)error;
	return NULL;
}

void ab_dead_letters_destroy(struct ab_dead_letters *letters)
{
	(void)letters;
}

uint64_t ab_dead_letters_waiting(const struct ab_dead_letters *letters)
{
	return letters->waiting;
}

uint64_t ab_dead_letters_refused(struct ab_dead_letters *letters, char *words, size_t room)
{
	(void)letters;
	(void)room;
	words[0] = '\0';
	return 0;
}

bool ab_dead_letters_failed(struct ab_dead_letters *letters, char *words, size_t room)
{
	(void)letters;
	(void)words;
	(void)room;
	return false;
}

enum ab_dead_letter_result ab_dead_letters_put(struct ab_dead_letters *letters, const struct ab_dead_letter *one,
					       const struct ab_dead_letter_owner *owner)
{
	sim_crash_point();
	if (letter_count == SIM_LETTERS || (sim.faults && sim_chance(letters->of->letters_full ? 900 : 20)))
		return AB_DEAD_LETTER_FULL;
	struct letter *to = &letter[(letter_first + letter_count++) % SIM_LETTERS];
	*to = (struct letter){.from = letters, .owner = *owner, .partition = one->partition, .offset = one->offset};
	snprintf(to->sink, sizeof to->sink, "%s", one->sink);
	letters->waiting++;
	sim_trace("letter of %s: %d:%lld, %s", one->sink, one->partition, (long long)one->offset, one->code);
	return AB_DEAD_LETTER_TAKEN;
}

static void keep(const struct letter *one)
{
	int i = sim_log_index(one->partition, one->offset);

	if (i < 0)
		sim_fail("a letter of %d:%lld, where no record is", one->partition, (long long)one->offset);
	for (int s = 0; s < SIM_SINKS; s++) {
		bool of_all = strcmp(one->sink, "all") == 0;
		if (!of_all && strcmp(one->sink, sim_sink_names[s]) != 0)
			continue;
		if (sim.log[one->partition].record[i].fate[s] != SIM_DEAD)
			sim_fail("a letter of %s for %d:%lld, which %s takes", one->sink, one->partition,
				 (long long)one->offset, sim_sink_names[s]);
		sim.letter[s][one->partition][i] = 1;
	}
	sim.tally.letters++;
}

static struct letter *letter_at(int i)
{
	return &letter[(letter_first + i) % SIM_LETTERS];
}

static int half_of(const struct letter *one)
{
	return (int)(one->offset % 2);
}

/* The next one of a partition that is drawn, or of the other. */
static struct letter take_letter(void)
{
	int half = (int)sim_draw(2), i = 0;

	while (i < letter_count && half_of(letter_at(i)) != half)
		i++;
	i = i < letter_count ? i : 0;
	struct letter taken = *letter_at(i);
	for (; i > 0; i--)
		*letter_at(i) = *letter_at(i - 1);
	letter_first = (letter_first + 1) % SIM_LETTERS;
	letter_count--;
	return taken;
}

bool sim_letters_step(void)
{
	while (letter_count > 0) {
		struct letter one = take_letter();
		if (one.from == NULL) {
			if (one.partition < 0)
				continue;	/* it was lost with its engine */
			keep(&one);
			return true;
		}
		keep(&one);
		one.from->waiting--;
		ab_acks_note(one.owner.acks, one.owner.number);
		return true;
	}
	return false;
}

/* The engine is gone. What Kafka had been sent may still arrive, but in neither partition a later one without an earlier. */
void sim_letters_orphan(struct ab_dead_letters *letters)
{
	bool lost[2] = {false, false};

	for (int i = 0; i < letter_count; i++) {
		struct letter *one = letter_at(i);
		if (one->from != letters)
			continue;
		lost[half_of(one)] |= sim_chance(300);
		one->from = NULL;
		if (lost[half_of(one)])
			one->partition = -1;
	}
}
