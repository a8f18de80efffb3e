/* bench/path.c — the whole way in one process (bench/whole.h), and the straightforward one beside it.
 *
 * path.*  is the engine's own code with the default settings; only Kafka and the connections are replaced.
 * ref.*   is the straightforward way (bench/reference.h): simdjson, one look-up at a time, snprintf; then the same lanes.
 *
 * Beforehand both are run once on an engine of their own, and every record of every request must be the same.
 */
#include <string.h>

#include "bench/harness.h"
#include "bench/reference.h"
#include "bench/whole.h"
#include "core/enrich.h"

enum { HOT = 400, COLD = 20000 };

struct reference {
	struct ab_ref *ref;
	bool wrapped;
};

/* --- the straightforward worker -------------------------------------------------------------------------------------- */

static void ref_sink(struct ab_bench_whole *whole, int s, const struct ab_event *event, int64_t now_ns)
{
	struct ab_worker *worker = &whole->worker;
	struct ab_worker_sink *sink = &worker->sink[s];
	struct ab_link *link = &sink->link[ab_route_lane(event, sink->key, sink->lanes)];
	struct ab_chunk *chunk = ab_link_room(link, 4096, sink->record_max);
	const char *reason;
	size_t len, room;

	if (chunk == NULL) {
		AB_ASSERT(link->open != NULL);
		ab_link_seal(link, worker->partition, worker->partition_count, worker->reader[0].next, now_ns);
		ab_bench_whole_pump(whole, now_ns, false);
		chunk = ab_link_room(link, 4096, sink->record_max);
	}
	struct ab_record *to = ab_link_record(chunk);
	room = AB_CHUNK_BYTES - chunk->used_bytes - sizeof *to;
	if (sink->ops == &ab_elasticsearch_ops)
		len = ab_ref_elasticsearch(event, (char *)ab_record_bytes(to), room);
	else if (sink->ops == &ab_bigquery_ops)
		len = ab_ref_bigquery(event, whole->config.events_topic, (char *)ab_record_bytes(to), room);
	else
		AB_ASSERT(sink->ops->encode(sink->sink, event, ab_record_bytes(to), room, &len, &reason) ==
			  AB_ENCODE_RECORD);
	*to = (struct ab_record){.offset = event->offset, .len = (uint32_t)len, .partition = event->partition};
	ab_link_append(chunk, to);
}

static enum ab_step ref_step(struct ab_bench_whole *whole, int64_t now_ns)
{
	const struct reference *reference = whole->step_arg;
	static struct ab_source_record record[AB_DRAIN_MAX];
	int count = ab_source_drain((struct ab_source *)whole, 0, record, AB_DRAIN_MAX);

	for (int i = 0; i < count; i++) {
		struct ab_event event;
		ab_ref_decode(reference->ref, record[i].value, record[i].value_len, reference->wrapped, &event);
		event.partition = record[i].partition;
		event.offset = record[i].offset;
		event.kafka_ts_ms = record[i].timestamp_ms;
		ab_enrich(whole->cache, &event);
		for (int s = 0; s < AB_BENCH_SINKS; s++)
			ref_sink(whole, s, &event, now_ns);
		whole->worker.reader[0].next[event.partition] = event.offset + 1;
	}
	return count > 0 ? AB_STEP_DONE : AB_STEP_IDLE;
}

/* --- the cases ------------------------------------------------------------------------------------------------------- */

static uint64_t run(void *arg)
{
	struct ab_bench_whole *whole = arg;

	ab_bench_whole_run(whole);
	AB_ASSERT(whole->records == (uint64_t)AB_BENCH_SINKS * whole->messages.count);
	return whole->records;
}

static struct ab_bench_whole *new(bool wrapped, bool reference, uint32_t count)
{
	struct ab_bench_whole *whole =
	    ab_bench_whole_new(wrapped ? AB_SHAPE_UNWRAPPED_SCHEMA : AB_SHAPE_UNWRAPPED, AB_BENCH_INSERTS, count);
	struct reference *arg;

	if (reference) {
		arg = ab_take_lines(sizeof *arg);
		*arg = (struct reference){.ref = ab_ref_create(), .wrapped = wrapped};
		whole->step = ref_step;
		whole->step_arg = arg;
	}
	return whole;
}

/* The sum over every byte of every record that one run of a new engine sends. */
static uint64_t hash_of(bool wrapped, bool reference, uint32_t count)
{
	struct ab_bench_whole *whole = new(wrapped, reference, count);	/* kept: a bench ends soon */

	whole->hashing = true;
	run(whole);
	return whole->hash;
}

static void add_pair(struct ab_bench *bench, const char *name, const char *ref, bool wrapped, uint32_t count)
{
	struct ab_bench_case c = {.run = run, .events = count, .arg = new(wrapped, true, count)};

	if (hash_of(wrapped, false, count) != hash_of(wrapped, true, count)) {
		fprintf(stderr, "path: %s is WRONG: its records are not those of %s\n", name, ref);
		exit(1);
	}
	snprintf(c.name, sizeof c.name, "%s", ref);
	ab_bench_add(bench, &c);
	c.arg = new(wrapped, false, count);
	c.against = ref;
	c.same_work = true;
	snprintf(c.name, sizeof c.name, "%s", name);
	ab_bench_add(bench, &c);
}

/* The flat way with another share of the events sampled (core/tap.h) than the default of 1 %. */
static void add_sampled(struct ab_bench *bench, const char *name, int percent)
{
	struct ab_bench_whole *whole = new(false, false, HOT * 5);
	struct ab_bench_case c = {
	    .run = run, .events = HOT * 5, .arg = whole, .against = "path.flat.hot", .same_work = true};

	ab_tap_destroy(&whole->worker.tap);
	ab_tap_create(&whole->worker.tap, percent);
	snprintf(c.name, sizeof c.name, "%s", name);
	ab_bench_add(bench, &c);
}

int main(int argc, char **argv)
{
	struct ab_bench bench;

	ab_bench_begin(&bench, "path", argc, argv);
	add_pair(&bench, "path.flat.hot", "ref.path.flat.hot", false, HOT * 5);
	add_sampled(&bench, "path.flat.sampled-0", 0);
	add_sampled(&bench, "path.flat.sampled-100", 100);
	if (!bench.smoke)
		add_pair(&bench, "path.flat.cold", "ref.path.flat.cold", false, COLD);
	add_pair(&bench, "path.wrapped.hot", "ref.path.wrapped.hot", true, HOT * 5);
	if (!bench.smoke)
		add_pair(&bench, "path.wrapped.cold", "ref.path.wrapped.cold", true, COLD);
	return ab_bench_run(&bench);
}
