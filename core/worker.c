/* core/worker.c — the worker's thread: reader by reader, then to sleep. See worker.h. */
#include "core/worker.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "core/clock.h"
#include "core/worker_readers.h"
#include "core/worker_seal.h"
#include "core/worker_step.h"

/* While a lane holds the shared reader up, or it waits for another: how soon that is looked at again. */
#define WATCH_INTERVAL_NS (2 * AB_NS_PER_MS)

void ab_worker_create(struct ab_worker *worker, int index, const struct ab_config *config, const struct ab_cache *cache,
		      struct ab_dead_letters *letters)
{
	memset(worker, 0, sizeof *worker);
	worker->index = index;
	worker->cpu = -1;
	worker->config = config;
	worker->cache = cache;
	worker->letters = letters;
	ab_worker_allow_letters(worker);
	ab_event_text_begin(&worker->text);
	ab_park_create(&worker->park);
	ab_pause_create(&worker->pause);
	worker->sink = ab_take_lines(AB_SINKS_MAX * sizeof worker->sink[0]);
	worker->reader = calloc(AB_READERS_MAX, sizeof worker->reader[0]);
	worker->event = calloc(AB_DECODE_BATCH, sizeof worker->event[0]);
	worker->result = calloc(AB_DECODE_BATCH, sizeof worker->result[0]);
	worker->reason = calloc(AB_DECODE_BATCH, sizeof worker->reason[0]);
	worker->decoder = ab_decoder_create((size_t)config->record_max_bytes);
	AB_ASSERT(worker->sink && worker->reader && worker->event && worker->result && worker->reason);
	AB_ASSERT(worker->decoder != NULL);
	ab_tap_create(&worker->tap, (int)config->monitoring_sample_rate);
}

void ab_worker_destroy(struct ab_worker *worker)
{
	for (int s = 0; s < worker->sink_count; s++) {
		for (uint32_t l = 0; l < worker->sink[s].lanes; l++)
			ab_link_destroy(&worker->sink[s].link[l]);
	}
	ab_decoder_destroy(worker->decoder);
	ab_tap_destroy(&worker->tap);
	ab_pause_destroy(&worker->pause);
	ab_park_destroy(&worker->park);
	free(worker->sink);
	free(worker->reader);
	free(worker->event);
	free(worker->result);
	free(worker->reason);
}

size_t ab_worker_bytes(const struct ab_config *config)
{
	return sizeof(struct ab_worker) + AB_SINKS_MAX * sizeof(struct ab_worker_sink) +
	       AB_READERS_MAX * sizeof(struct ab_worker_reader) +
	       AB_DECODE_BATCH * (sizeof(struct ab_event) + sizeof(struct ab_reason)) +
	       ab_decoder_bytes((size_t)config->record_max_bytes) + ab_tap_bytes((int)config->monitoring_sample_rate);
}

int ab_worker_count(const struct ab_config *config, int cores)
{
	uint64_t asked = ab_min_u64((uint64_t)config->kafka_source_parallelism, AB_WORKERS_MAX);
	uint64_t named = ab_min_u64((uint64_t)config->ab_cpus.count, (uint64_t)cores);

	return (int)ab_min_u64(asked, named > 0 ? named : (uint64_t)(cores + 1) / 2);
}

void ab_worker_allow_letters(struct ab_worker *worker)
{
	atomic_store_explicit(&worker->letters_allowed, ab_count_get(&worker->letters_sent) + AB_LETTERS_BETWEEN_LOOKS,
			      memory_order_relaxed); /* [W6] */
}

void ab_worker_wake(void *worker)
{
	ab_park_wake(&((struct ab_worker *)worker)->park);
}

void ab_worker_pause(struct ab_worker *worker)
{
	ab_pause_begin(&worker->pause, ab_worker_wake, worker);
}

void ab_worker_resume(struct ab_worker *worker)
{
	ab_pause_end(&worker->pause);
}

void ab_worker_leave(struct ab_worker *worker)
{
	ab_worker_seal_leave(worker);
}

void ab_worker_clear_reader(struct ab_worker *worker, int r)
{
	struct ab_worker_reader *reader = &worker->reader[r];

	for (int i = reader->at; i < reader->count; i++)
		ab_source_release(&reader->record[i]);
	reader->at = 0;
	reader->count = 0;
	reader->wait_offset = -1;
	reader->source = NULL;
	memset(reader->blocked, 0, sizeof reader->blocked);
	atomic_store_explicit(&reader->trouble, AB_TROUBLE_NONE, memory_order_relaxed);
	/* What it had read and could not hand over must not be covered by a later chunk. */
	memset(reader->next, 0xff, sizeof reader->next);
}

void ab_worker_set_reader(struct ab_worker *worker, int r, struct ab_source *source, const char *name,
			  const int64_t *start)
{
	ab_worker_clear_reader(worker, r);
	worker->reader[r].source = source;
	worker->reader[r].name = name;
	memcpy(worker->reader[r].next, start, sizeof worker->reader[r].next);
}

void ab_worker_begin(struct ab_worker *worker, int s)
{
	struct ab_worker_sink *sink = &worker->sink[s];

	for (int i = 0; i < worker->partition_count; i++) {
		uint16_t p = worker->partition[i];
		sink->consumed[p] = sink->through[p] = ab_worker_given(worker, s, p);
		for (int l = 0; l < AB_LEDGER_COUNT; l++)
			ab_count_set(&sink->ledger[p][l], 0);
	}
}

int64_t ab_worker_given(const struct ab_worker *worker, int s, uint16_t p)
{
	const struct ab_worker_sink *sink = &worker->sink[s];
	int64_t least = -1;

	for (uint32_t l = 0; l < sink->lanes; l++) {
		int64_t covered = sink->link[l].covered[p];
		if (covered >= 0 && (least < 0 || covered < least))
			least = covered;
	}
	return least;
}

int64_t ab_worker_reads_from(const struct ab_worker *worker, int s, uint16_t p)
{
	int r = worker->sink[s].reader;
	int64_t next = r >= 0 ? worker->reader[r].next[p] : -1, given = ab_worker_given(worker, s, p);

	return next < 0 || next > given ? next : given;
}

int64_t ab_worker_untouched_from(const struct ab_worker *worker, int s, uint16_t p)
{
	const struct ab_worker_sink *sink = &worker->sink[s];
	int64_t most = ab_worker_reads_from(worker, s, p);

	for (uint32_t l = 0; l < sink->lanes; l++) {
		if (sink->link[l].covered[p] > most)
			most = sink->link[l].covered[p];
	}
	return most;
}

void ab_worker_lose(struct ab_worker *worker, int s, uint16_t p, int64_t first)
{
	struct ab_worker_sink *sink = &worker->sink[s];
	ab_count *consumed = &sink->ledger[p][AB_LEDGER_CONSUMED];

	/* Records of a partition are taken up one after the other: between the two there is one at most. */
	if (sink->consumed[p] <= sink->through[p] || sink->consumed[p] > first)
		return;
	sink->consumed[p] = sink->through[p];
	ab_count_set(consumed, ab_count_get(consumed) - 1);
}

/* How long to sleep: until the first record waiting for its content may go on, or until covers are due. */
static int64_t sleep_ns(const struct ab_worker *worker, int64_t now_ns)
{
	int64_t least = AB_COVER_INTERVAL_NS;

	if (ab_worker_readers_watch(worker))
		least = WATCH_INTERVAL_NS;
	for (int r = 0; r < AB_READERS_MAX; r++) {
		const struct ab_worker_reader *reader = &worker->reader[r];
		if (reader->source != NULL && reader->wait_offset >= 0 && reader->wait_until_ns - now_ns < least)
			least = reader->wait_until_ns - now_ns;
	}
	return least > 0 ? least : 0;
}

static void *run(void *arg)
{
	struct ab_worker *worker = arg;
	int64_t now_ns = ab_monotonic_ns();

	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		if (ab_pause_asked(&worker->pause)) {
			ab_pause_point(&worker->pause);
			now_ns = ab_monotonic_ns();
		}
		enum ab_step step = ab_worker_turn(worker, now_ns);

		int64_t then_ns = ab_monotonic_ns();
		ab_count_add(&worker->counts.busy_ns, (uint64_t)(then_ns - now_ns));
		now_ns = then_ns;
		if (step == AB_STEP_DONE)
			continue;
		ab_park_sleep(&worker->park, sleep_ns(worker, now_ns));
		then_ns = ab_monotonic_ns();
		ab_count_add(step == AB_STEP_IDLE ? &worker->counts.idle_ns : &worker->counts.blocked_ns,
			     (uint64_t)(then_ns - now_ns));
		now_ns = then_ns;
	}
	ab_worker_seal_leave(worker);
	return NULL;
}

void ab_worker_start(struct ab_worker *worker)
{
	AB_ASSERT(pthread_create(&worker->thread, NULL, run, worker) == 0);
	char name[16];
	snprintf(name, sizeof name, "ab-worker-%d", worker->index);
	pthread_setname_np(worker->thread, name);
	if (worker->cpu >= 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET((size_t)worker->cpu, &set);
		if (pthread_setaffinity_np(worker->thread, sizeof set, &set) != 0)
			worker->cpu = -1; /* not allowed here: control says so once */
	}
}

void ab_worker_stop(struct ab_worker *worker)
{
	atomic_store(&worker->stop, true);
	ab_pause_end(&worker->pause);
	ab_worker_wake(worker);
	pthread_join(worker->thread, NULL);
}
