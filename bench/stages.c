/* bench/stages.c — what each stage of the hot path costs by itself, in ns per event.
 *
 * decode.*    record bytes to event; ref.* is the same by bench/reference.h, ref.extract without making an event of it
 * cache.*     one look-up: of a batch with prefetch, or one that has to wait for the last one's answer (ref)
 * enrich      look-up and percentage; encode.* one record for one sink; ref.* the same bytes by snprintf
 * ring.*      hand-over of one pointer; stats.* what a worker counts per event
 *
 * "hot" messages stay in L2 (400 of them), "cold" ones do not (20,000).
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "bench/harness.h"
#include "bench/messages.h"
#include "bench/reference.h"
#include "core/decode.h"
#include "core/enrich.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/ring.h"
#include "core/stats.h"
#include "sinks/sink.h"

enum { HOT = 400, COLD = 20000, RECORD_MAX_BYTES = 4 * 1024 * 1024 };

/* Independent products, so that the sum is not the longest chain of what is measured. */
static inline uint64_t sum_of(const struct ab_event *e)
{
	uint64_t texts = (uint64_t)e->content_id_json.len + ((uint64_t)e->user_id_json.len << 16) +
			 ((uint64_t)e->event_type_json.len << 32) + ((uint64_t)e->device_json.len << 48);
	uint64_t head = 0, flags = (uint64_t)e->op | (uint64_t)e->has << 8 | (uint64_t)e->snapshot << 40;

	if (e->user_id_json.at != NULL)
		memcpy(&head, e->user_id_json.at, 8);
	return (uint64_t)e->id * 3 + (uint64_t)e->lsn * 5 + (uint64_t)e->event_us * 7 + (uint64_t)e->duration_ms * 11 +
	       (uint64_t)e->commit_ts_ms * 13 + e->content_id.hi * 17 + e->content_id.lo * 19 + texts * 23 + head * 29 +
	       flags * 31;
}

/* --- decode ---------------------------------------------------------------------------------------------------------- */

struct decode {
	struct ab_bench_messages messages;
	struct ab_decoder *decoder;
	struct ab_ref *ref;
	bool wrapped;
};

/* In windows, as a worker does. */
static uint64_t run_decode(void *arg)
{
	struct decode *d = arg;
	struct ab_event event[AB_DECODE_BATCH];
	struct ab_reason reason;
	uint64_t sum = 0;

	for (uint32_t from = 0; from < d->messages.count; from += AB_DECODE_BATCH) {
		uint32_t count = d->messages.count - from < AB_DECODE_BATCH ? d->messages.count - from : AB_DECODE_BATCH;
		ab_decoder_reset(d->decoder);
		for (uint32_t i = 0; i < count; i++) {
			const struct ab_text *m = &d->messages.at[from + i];
			enum ab_decode_result result = ab_decode_event(d->decoder, m->at, m->len, &event[i], &reason);
			AB_ASSERT(result == AB_DECODE_EVENT);
		}
		for (uint32_t i = 0; i < count; i++)
			sum += sum_of(&event[i]);
	}
	return sum;
}

static uint64_t run_ref_decode(void *arg)
{
	struct decode *d = arg;
	struct ab_event event;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < d->messages.count; i++) {
		ab_ref_decode(d->ref, d->messages.at[i].at, d->messages.at[i].len, d->wrapped, &event);
		sum += sum_of(&event);
	}
	return sum;
}

static uint64_t run_ref_extract(void *arg)
{
	struct decode *d = arg;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < d->messages.count; i++)
		sum += ab_ref_extract(d->ref, d->messages.at[i].at, d->messages.at[i].len, d->wrapped);
	return sum;
}

static struct decode *decode_new(bool wrapped)
{
	struct decode *d = calloc(1, sizeof *d);

	AB_ASSERT(d != NULL);
	d->decoder = ab_decoder_create(RECORD_MAX_BYTES);
	d->ref = ab_ref_create();
	d->wrapped = wrapped;
	AB_ASSERT(d->decoder != NULL);
	return d;
}

static void add_case(struct ab_bench *bench, const char *name, const char *set, void *arg, uint64_t events,
		     uint64_t (*run)(void *), const char *against, bool same_work)
{
	struct ab_bench_case c = {
	    .arg = arg, .events = events, .run = run, .against = against, .same_work = same_work};

	snprintf(c.name, sizeof c.name, "%s%s", name, set);
	ab_bench_add(bench, &c);
}

/* Names live as long as the program. */
static const char *text(const char *a, const char *b)
{
	size_t size = strlen(a) + strlen(b) + 1;
	char *to = malloc(size);

	AB_ASSERT(to != NULL);
	snprintf(to, size, "%s%s", a, b);
	return to;
}

static void add_made(struct ab_bench *bench, const char *set, bool wrapped, enum ab_bench_mix mix, uint32_t count)
{
	struct decode *d = decode_new(wrapped);

	ab_bench_messages_make(&d->messages, wrapped ? AB_SHAPE_UNWRAPPED_SCHEMA : AB_SHAPE_UNWRAPPED, mix, count);
	add_case(bench, "ref.extract.", set, d, count, run_ref_extract, NULL, false);
	add_case(bench, "ref.decode.", set, d, count, run_ref_decode, text("ref.extract.", set), false);
	add_case(bench, "decode.", set, d, count, run_decode, text("ref.decode.", set), true);
}

static void add_decodes(struct ab_bench *bench)
{
	static const char *const folder[] = {"unwrapped", "unwrapped_schema", "envelope", "envelope_schema"};

	add_made(bench, "flat.hot", false, AB_BENCH_INSERTS, HOT);
	add_made(bench, "flat.cold", false, AB_BENCH_INSERTS, COLD);
	add_made(bench, "flat.mixed", false, AB_BENCH_MIXED, HOT);
	add_made(bench, "wrapped.hot", true, AB_BENCH_INSERTS, HOT);
	add_made(bench, "wrapped.cold", true, AB_BENCH_INSERTS, COLD);
	for (size_t i = 0; i < AB_COUNT(folder); i++) {
		struct decode *d = decode_new(false);
		ab_bench_messages_golden(&d->messages, folder[i], 32);
		add_case(bench, "decode.golden.", folder[i], d, d->messages.count, run_decode, NULL, false);
	}
}

/* --- cache and enrich ------------------------------------------------------------------------------------------------ */

enum { IDS = 1 << 16 };

struct lookups {
	struct ab_cache *cache;
	struct ab_uuid id[IDS];
};

static struct ab_uuid uuid_of(uint64_t n)
{
	return (struct ab_uuid){ab_bench_mix(1, n) ^ n, ab_bench_mix(2, n) + n};
}

static uint64_t run_lookup_batch(void *arg)
{
	struct lookups *l = arg;
	struct ab_content content = {0};
	uint64_t sum = 0;

	for (uint32_t from = 0; from < IDS; from += AB_DECODE_BATCH) {
		for (uint32_t i = 0; i < AB_DECODE_BATCH; i++)
			ab_cache_prefetch(l->cache, l->id[from + i]);
		for (uint32_t i = 0; i < AB_DECODE_BATCH; i++) {
			bool hit = ab_cache_get(l->cache, l->id[from + i], &content) == AB_CACHE_HIT;
			sum += hit ? (uint64_t)content.length_seconds + 1 : 0;
		}
	}
	return sum;
}

/* Which id is asked for next depends on the last answer, though not in a way that changes it. */
static uint64_t run_lookup_one(void *arg)
{
	struct lookups *l = arg;
	struct ab_content content = {0};
	uint64_t sum = 0;

	for (uint32_t i = 0; i < IDS; i++) {
		uint32_t waits = (uint32_t)(sum >> 62);
		bool hit = ab_cache_get(l->cache, l->id[i + waits], &content) == AB_CACHE_HIT;
		sum += hit ? (uint64_t)content.length_seconds + 1 : 0;
	}
	return sum;
}

static void add_cache(struct ab_bench *bench, const char *size, uint64_t contents)
{
	struct ab_cache *cache = ab_cache_create(contents * 4 > 65536 && contents < 100000 ? contents * 4 : contents + 65536);
	struct lookups *hit = malloc(sizeof *hit), *miss = malloc(sizeof *miss);

	AB_ASSERT(cache != NULL && hit != NULL && miss != NULL);
	for (uint64_t n = 0; n < contents; n++)
		AB_ASSERT(ab_cache_put(cache, uuid_of(n), "video", 5, true, (int64_t)(n % 7200)) == AB_CACHE_STORED);
	hit->cache = miss->cache = cache;
	for (uint64_t i = 0; i < IDS; i++) {
		hit->id[i] = uuid_of(ab_bench_mix(3, i) % contents);
		miss->id[i] = uuid_of(contents + i);
	}
	add_case(bench, "ref.cache.hit.", size, hit, IDS, run_lookup_one, NULL, false);
	add_case(bench, "cache.hit.", size, hit, IDS, run_lookup_batch, text("ref.cache.hit.", size), true);
	add_case(bench, "cache.miss.", size, miss, IDS, run_lookup_batch, NULL, false);
}

struct events {
	struct ab_bench_messages messages;	/* the tokens' bytes */
	struct ab_cache *cache;
	struct ab_event event[HOT];
	const struct ab_sink_ops *ops;
	struct ab_sink *sink;
	const char *topic;
	uint8_t out[4096];
};

static uint64_t run_enrich(void *arg)
{
	struct events *e = arg;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < HOT; i++) {
		if (ab_enrich(e->cache, &e->event[i]) == AB_CACHE_HIT)
			sum += (uint64_t)e->event[i].pct_hundredths + 1;
	}
	return sum;
}

/* --- encode ---------------------------------------------------------------------------------------------------------- */

/* Eight bytes of every record, and its length: enough to see a wrong one, as whole records are compared beforehand. */
static inline uint64_t record_sum(const uint8_t *out, size_t len)
{
	uint64_t tail;

	memcpy(&tail, out + len - 8, 8);
	return tail + len;
}

static uint64_t run_encode(void *arg)
{
	struct events *e = arg;
	const char *reason;
	uint64_t sum = 0;
	size_t len;

	for (uint32_t i = 0; i < HOT; i++) {
		enum ab_encode_result result =
		    e->ops->encode(e->sink, &e->event[i], e->out, sizeof e->out, &len, &reason);
		AB_ASSERT(result == AB_ENCODE_RECORD);
		sum += record_sum(e->out, len);
	}
	return sum;
}

static uint64_t run_ref_elasticsearch(void *arg)
{
	struct events *e = arg;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < HOT; i++)
		sum += record_sum(e->out, ab_ref_elasticsearch(&e->event[i], (char *)e->out, sizeof e->out));
	return sum;
}

static uint64_t run_ref_bigquery(void *arg)
{
	struct events *e = arg;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < HOT; i++)
		sum += record_sum(e->out, ab_ref_bigquery(&e->event[i], e->topic, (char *)e->out, sizeof e->out));
	return sum;
}

/* Every byte of every record, engine and reference. */
static void compare_records(struct events *e, bool bigquery)
{
	char ref[4096];
	const char *reason;
	size_t len;

	for (uint32_t i = 0; i < HOT; i++) {
		AB_ASSERT(e->ops->encode(e->sink, &e->event[i], e->out, sizeof e->out, &len, &reason) ==
			  AB_ENCODE_RECORD);
		size_t ref_len = bigquery ? ab_ref_bigquery(&e->event[i], e->topic, ref, sizeof ref)
					  : ab_ref_elasticsearch(&e->event[i], ref, sizeof ref);
		if (len != ref_len || memcmp(ref, e->out, len) != 0) {
			fprintf(stderr, "%s: record %u differs from the reference:\n%.*s\n%.*s\n", e->ops->name, i,
				(int)len, (char *)e->out, (int)ref_len, ref);
			exit(1);
		}
	}
}

static struct events *events_new(const struct ab_config *config, const struct ab_sink_ops *ops)
{
	struct events *e = calloc(1, sizeof *e);
	struct ab_decoder *decoder = ab_decoder_create(RECORD_MAX_BYTES);
	struct ab_reason reason;
	char error[AB_SINK_ERROR_MAX_BYTES] = "";

	AB_ASSERT(e != NULL && decoder != NULL);
	ab_bench_messages_make(&e->messages, AB_SHAPE_UNWRAPPED, AB_BENCH_INSERTS, HOT);
	e->cache = ab_bench_contents();
	e->topic = config->events_topic;
	for (uint32_t i = 0; i < HOT; i++) {
		struct ab_event *event = &e->event[i];
		AB_ASSERT(ab_decode_event(decoder, e->messages.at[i].at, e->messages.at[i].len, event, &reason) ==
			  AB_DECODE_EVENT);
		event->partition = (uint16_t)(i % 4);
		event->offset = 1000000 + i;
		event->kafka_ts_ms = event->commit_ts_ms + 107;
		AB_ASSERT(ab_enrich(e->cache, event) == AB_CACHE_HIT);
	}
	e->ops = ops;
	if (ops != NULL) {
		e->sink = ops->create(config, error);
		AB_ASSERT(e->sink != NULL);
	}
	/* The decoder stays: it owns copies of messages that tokens point into. */
	return e;
}

static void add_encodes(struct ab_bench *bench)
{
	static struct ab_config config;
	struct events *e;

	ab_config_defaults(&config);
	add_case(bench, "enrich", "", events_new(&config, NULL), HOT, run_enrich, NULL, false);
	add_case(bench, "encode.", "redis", events_new(&config, &ab_redis_ops), HOT, run_encode, NULL, false);
	e = events_new(&config, &ab_elasticsearch_ops);
	compare_records(e, false);
	add_case(bench, "ref.encode.", "elasticsearch", e, HOT, run_ref_elasticsearch, NULL, false);
	add_case(bench, "encode.", "elasticsearch", e, HOT, run_encode, "ref.encode.elasticsearch", true);
	e = events_new(&config, &ab_bigquery_ops);
	compare_records(e, true);
	add_case(bench, "ref.encode.", "bigquery", e, HOT, run_ref_bigquery, NULL, false);
	add_case(bench, "encode.", "bigquery", e, HOT, run_encode, "ref.encode.bigquery", true);
}

/* --- ring and stats -------------------------------------------------------------------------------------------------- */

enum { HAND_OVERS = 100000 };

static uint64_t run_ring_one(void *arg)
{
	struct ab_ring *ring = arg;
	uint64_t sum = 0;

	for (uintptr_t i = 1; i <= HAND_OVERS; i++) {
		AB_ASSERT(ab_ring_push(ring, (void *)i) == AB_RING_OK);
		sum += (uintptr_t)ab_ring_pop(ring);
	}
	return sum;
}

static void *ring_producer(void *arg)
{
	struct ab_ring *ring = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	pthread_setaffinity_np(pthread_self(), sizeof set, &set);
	for (uintptr_t i = 1; i <= HAND_OVERS; i++) {
		while (ab_ring_push(ring, (void *)i) != AB_RING_OK)
			sched_yield();
	}
	return NULL;
}

/* The producer on the first core, this thread where the harness pinned it. Starting the thread is part of the time. */
static uint64_t run_ring_two(void *arg)
{
	struct ab_ring *ring = arg;
	pthread_t thread;
	uint64_t sum = 0;

	AB_ASSERT(pthread_create(&thread, NULL, ring_producer, ring) == 0);
	for (uint64_t count = 0; count < HAND_OVERS;) {
		void *p = ab_ring_pop(ring);
		sum += (uintptr_t)p;
		count += p != NULL;
		if (p == NULL)
			sched_yield();
	}
	pthread_join(thread, NULL);
	return sum;
}

/* What a worker counts for an event with three sinks: records, bytes, operation, each sink's. */
static uint64_t run_stats(void *arg)
{
	ab_count *count = arg;
	uint64_t before = ab_count_get(&count[0]);

	for (uint32_t i = 0; i < HAND_OVERS; i++) {
		ab_count_add(&count[0], 1);
		ab_count_add(&count[1], 492);
		ab_count_add(&count[2 + (i & 3)], 1);
		ab_count_add(&count[6], 1);
		ab_count_add(&count[7], 1);
		ab_count_add(&count[8], 1);
	}
	return ab_count_get(&count[0]) - before;
}

static void add_plumbing(struct ab_bench *bench)
{
	add_case(bench, "ring.", "one_thread", ab_take_lines(sizeof(struct ab_ring)), HAND_OVERS, run_ring_one, NULL, false);
	add_case(bench, "ring.", "two_threads", ab_take_lines(sizeof(struct ab_ring)), HAND_OVERS, run_ring_two, NULL,
		 false);
	bench->c[bench->count - 1].wall = true;
	add_case(bench, "stats.", "per_event", ab_take_lines(16 * sizeof(ab_count)), HAND_OVERS, run_stats, NULL, false);
}

int main(int argc, char **argv)
{
	struct ab_bench bench;

	ab_bench_begin(&bench, "stages", argc, argv);
	fprintf(stderr, "simdjson: engine %s, reference %s\n", ab_json_kernel(), ab_ref_kernels());
	add_decodes(&bench);
	add_cache(&bench, "5k", 5000);
	if (!bench.smoke && ab_bench_wants(&bench, "cache")) {	/* 160 MB and 1.3 GB */
		add_cache(&bench, "1m", 1000000);
		add_cache(&bench, "10m", 10000000);
	}
	add_encodes(&bench);
	add_plumbing(&bench);
	return ab_bench_run(&bench);
}
