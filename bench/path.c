/* bench/path.c — the whole way in one process: record bytes to three encoded requests, with a null transport.
 *
 *     messages ─▶ drain ─▶ decode ─▶ enrich ─▶ encode ×3 ─▶ chunks ─▶ lanes ─▶ batches ─▶ request ─▶ (taken at once)
 *
 * path.*  is the engine's own code (core/worker_step.c, core/link.c, core/lane.c, the sinks' encode and request) with
 *         the lanes, batch sizes and routes of the default settings; only Kafka and the connections are replaced.
 * ref.*   is the straightforward way (bench/reference.h): simdjson, one look-up at a time, snprintf; then the same lanes.
 *
 * Beforehand both are run once on an engine of their own, and every record of every request must be the same.
 */
#include <string.h>

#include "bench/harness.h"
#include "bench/messages.h"
#include "bench/reference.h"
#include "core/clock.h"
#include "core/delivery.h"
#include "core/enrich.h"
#include "core/worker.h"
#include "core/worker_step.h"

enum { PARTITIONS = 4, SINKS = 3, HOT = 400, COLD = 20000 };

/* Offsets begin where they do not gain a digit in any run, so that records keep their length. */
#define FIRST_OFFSET INT64_C(1000000000)

#define EMPTY_LOOKUP "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{\"jobComplete\":true,\"totalRows\":\"0\",\"rows\":[]}"
#define INSERTED     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

struct lane {
	struct ab_lane lane;
	struct ab_sink_lane *sink_lane;
};

struct path {
	struct ab_bench_messages messages;
	bool wrapped, reference, hashing;
	struct ab_config config;
	struct ab_cache *cache;
	struct ab_ref *ref;
	struct ab_loop *loop;
	struct ab_worker worker;
	struct lane lane[SINKS][AB_LANES_MAX];
	/* the source */
	uint32_t at;
	int64_t offset[PARTITIONS];
	/* what came out */
	uint64_t records, bytes, hash;
};

/* The source of the path under way: the worker asks for records by these names. */
static struct path *current;

/* As Kafka gives them: runs of one partition. */
int ab_source_drain(struct ab_source *source, int worker, struct ab_source_record *record, int max)
{
	struct path *path = current;
	int count = (int)(path->messages.count - path->at);
	uint16_t partition = (uint16_t)(path->at / AB_DRAIN_MAX % PARTITIONS);

	(void)source;
	(void)worker;
	count = count < max ? count : max;
	for (int i = 0; i < count; i++) {
		const struct ab_text *m = &path->messages.at[path->at++];
		record[i] = (struct ab_source_record){
		    .kind = AB_RECORD_DATA,
		    .partition = partition,
		    .offset = path->offset[partition]++,
		    .timestamp_ms = INT64_C(1795564800107) + path->at,
		    .value = m->at,
		    .value_len = m->len,
		};
	}
	return count;
}

void ab_source_release(struct ab_source_record *record)
{
	(void)record;
}

enum ab_dead_letter_result ab_dead_letters_put(struct ab_dead_letters *letters, const struct ab_dead_letter *letter,
					       const struct ab_dead_letter_owner *owner)
{
	(void)letters;
	(void)owner;
	fprintf(stderr, "path: no record of a bench is rejected, but: %.*s\n", (int)letter->reason_len, letter->reason);
	abort();
}

uint64_t ab_dead_letters_waiting(const struct ab_dead_letters *letters)
{
	(void)letters;
	return 0;
}

/* --- the sinks' side ------------------------------------------------------------------------------------------------- */

static void ignore_reject(void *arg, struct ab_batch *batch, uint32_t item, const char *reason, size_t reason_len)
{
	(void)arg;
	(void)batch;
	(void)item;
	(void)reason;
	(void)reason_len;
	abort();
}

/* Only BigQuery's lanes ask before they send, and need an answer for their own state. */
static enum ab_reply_result answer(struct path *path, int s, struct lane *lane, bool lookup)
{
	struct ab_sink_counts counts;
	char error[AB_SINK_ERROR_MAX_BYTES];
	const struct ab_reply to = {.reject = ignore_reject, .counts = &counts, .error = error};
	const char *text = lookup ? EMPTY_LOOKUP : INSERTED;

	return path->worker.sink[s].ops->reply(lane->sink_lane, lane->lane.sending, text, strlen(text), &to);
}

static void taken(struct path *path, const struct ab_request *request, struct ab_batch *batch)
{
	for (int i = 0; i < request->piece_count; i++)
		path->bytes += request->piece[i].iov_len;
	for (uint32_t i = 0; i < batch->item_count; i++) {
		struct ab_item *item = &batch->item[i];
		if (path->hashing)
			path->hash += ab_bench_mix_bytes(1, batch->bytes + item->at, item->len);
		item->outcome = AB_OUTCOME_ACKED;
	}
	path->records += batch->item_count;
}

static void send(struct path *path, int s, struct lane *lane, int64_t now_ns)
{
	const struct ab_sink_ops *ops = path->worker.sink[s].ops;
	struct ab_request request = {0};

	ops->request(lane->sink_lane, lane->lane.sending, &request);
	if (ops == &ab_bigquery_ops && request.needs_reply && request.piece_count == 2) {
		AB_ASSERT(answer(path, s, lane, true) == AB_REPLY_AGAIN);
		ops->request(lane->sink_lane, lane->lane.sending, &request);
	}
	if (ops == &ab_bigquery_ops && request.needs_reply)
		AB_ASSERT(answer(path, s, lane, false) == AB_REPLY_DONE);
	taken(path, &request, lane->lane.sending);
	AB_ASSERT(ab_lane_settle(&lane->lane, now_ns) == AB_LANE_IDLE);
}

/* As core/delivery_lane.c does it, without connections. */
static void pump(struct path *path, int64_t now_ns, bool drain)
{
	for (int s = 0; s < SINKS; s++) {
		struct ab_worker_sink *sink = &path->worker.sink[s];
		for (uint32_t l = 0; l < sink->lanes; l++) {
			struct lane *lane = &path->lane[s][l];
			struct ab_chunk *chunk;
			int64_t due_ns = INT64_MAX;
			lane->lane.draining = drain;
			for (;;) {
				while ((chunk = ab_link_peek(&sink->link[l])) != NULL &&
				       ab_lane_take(&lane->lane, chunk, now_ns) == AB_LANE_TAKEN)
					ab_link_release(&sink->link[l]);
				if (ab_lane_next(&lane->lane, now_ns, &due_ns) != AB_LANE_START)
					break;
				if (ab_lane_start(&lane->lane))
					send(path, s, lane, now_ns);
			}
		}
	}
}

/* --- the straightforward worker -------------------------------------------------------------------------------------- */

static void ref_sink(struct path *path, int s, const struct ab_event *event, int64_t now_ns)
{
	struct ab_worker *worker = &path->worker;
	struct ab_worker_sink *sink = &worker->sink[s];
	struct ab_link *link = &sink->link[ab_route_lane(event, sink->key, sink->lanes)];
	struct ab_chunk *chunk = ab_link_room(link, 4096, sink->record_max);
	const char *reason;
	size_t len, room;

	if (chunk == NULL) {
		AB_ASSERT(link->open != NULL);
		ab_link_seal(link, worker->partition, worker->partition_count, worker->reader[0].next, now_ns);
		pump(path, now_ns, false);
		chunk = ab_link_room(link, 4096, sink->record_max);
	}
	struct ab_record *to = ab_link_record(chunk);
	room = AB_CHUNK_BYTES - chunk->used_bytes - sizeof *to;
	if (sink->ops == &ab_elasticsearch_ops)
		len = ab_ref_elasticsearch(event, (char *)ab_record_bytes(to), room);
	else if (sink->ops == &ab_bigquery_ops)
		len = ab_ref_bigquery(event, path->config.events_topic, (char *)ab_record_bytes(to), room);
	else
		AB_ASSERT(sink->ops->encode(sink->sink, event, ab_record_bytes(to), room, &len, &reason) ==
			  AB_ENCODE_RECORD);
	*to = (struct ab_record){.offset = event->offset, .len = (uint32_t)len, .partition = event->partition};
	ab_link_append(chunk, to);
}

static enum ab_step ref_step(struct path *path, int64_t now_ns)
{
	static struct ab_source_record record[AB_DRAIN_MAX];
	int count = ab_source_drain(NULL, 0, record, AB_DRAIN_MAX);

	for (int i = 0; i < count; i++) {
		struct ab_event event;
		ab_ref_decode(path->ref, record[i].value, record[i].value_len, path->wrapped, &event);
		event.partition = record[i].partition;
		event.offset = record[i].offset;
		event.kafka_ts_ms = record[i].timestamp_ms;
		ab_enrich(path->cache, &event);
		for (int s = 0; s < SINKS; s++)
			ref_sink(path, s, &event, now_ns);
		path->worker.reader[0].next[event.partition] = event.offset + 1;
	}
	return count > 0 ? AB_STEP_DONE : AB_STEP_IDLE;
}

/* --- the cases ------------------------------------------------------------------------------------------------------- */

static uint64_t run(void *arg)
{
	struct path *path = arg;
	enum ab_step step;

	current = path;
	path->at = 0;
	path->records = 0;
	path->bytes = 0;
	do {
		int64_t now_ns = ab_monotonic_ns();
		step = path->reference ? ref_step(path, now_ns) : ab_worker_step(&path->worker, 0, now_ns);
		ab_worker_step_seal(&path->worker, now_ns, step != AB_STEP_DONE);
		pump(path, now_ns, false);
	} while (step != AB_STEP_IDLE);
	pump(path, ab_monotonic_ns(), true);
	AB_ASSERT(path->records == (uint64_t)SINKS * path->messages.count);
	return path->records;
}

static void add_sink(struct path *path, int s, const struct ab_sink_ops *ops, enum ab_route_key key)
{
	struct ab_worker_sink *sink = &path->worker.sink[s];
	struct ab_lane_limits limits = ab_delivery_limits(&path->config, ops);
	char error[AB_SINK_ERROR_MAX_BYTES];

	limits.linger_ns = INT64_MAX / 2;	/* batches by size alone, so that every run cuts the same ones */
	sink->ops = ops;
	sink->sink = ops->create(&path->config, error);
	AB_ASSERT(sink->sink != NULL);
	sink->key = key;
	sink->lanes = (uint32_t)ab_delivery_lanes(&path->config, ops);
	sink->record_max = limits.batch_size / 4;
	sink->reader = 0;
	sink->loop = path->loop;
	for (uint32_t l = 0; l < sink->lanes; l++) {
		struct lane *lane = &path->lane[s][l];
		ab_link_create(&sink->link[l]);
		ab_lane_create(&lane->lane, &limits);
		lane->sink_lane = ops->lane_create(sink->sink, (int)l, limits.item_max, limits.bytes_max);
		for (uint16_t p = 0; p < PARTITIONS; p++) {
			sink->link[l].covered[p] = FIRST_OFFSET;
			ab_lane_begin(&lane->lane, p, FIRST_OFFSET);
		}
	}
}

static struct path *path_new(bool wrapped, bool reference, uint32_t count)
{
	struct path *path = ab_take_lines(sizeof *path);
	int64_t start[AB_PARTITIONS_MAX];
	char error[512];

	path->wrapped = wrapped;
	path->reference = reference;
	ab_config_defaults(&path->config);
	ab_bench_messages_make(&path->messages, wrapped ? AB_SHAPE_UNWRAPPED_SCHEMA : AB_SHAPE_UNWRAPPED, AB_BENCH_INSERTS, count);
	path->cache = ab_bench_contents();
	path->ref = ab_ref_create();
	path->loop = ab_loop_create(AB_IO_EPOLL, 1, error);
	AB_ASSERT(path->loop != NULL);
	ab_worker_create(&path->worker, 0, &path->config, path->cache, NULL);
	path->worker.sink_count = SINKS;
	path->worker.partition_count = PARTITIONS;
	memset(start, 0xff, sizeof start);
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		path->worker.partition[p] = p;
		start[p] = FIRST_OFFSET;
		path->offset[p] = FIRST_OFFSET;
	}
	ab_worker_set_reader(&path->worker, 0, (struct ab_source *)path, "all", start);
	add_sink(path, 0, &ab_redis_ops, AB_ROUTE_CONTENT_ID);
	add_sink(path, 1, &ab_bigquery_ops, AB_ROUTE_USER_ID);
	add_sink(path, 2, &ab_elasticsearch_ops, AB_ROUTE_ID);
	return path;
}

/* The sum over every byte of every record that one run of a new engine sends. */
static uint64_t hash_of(bool wrapped, bool reference, uint32_t count)
{
	struct path *path = path_new(wrapped, reference, count);	/* kept: a bench ends soon */

	path->hashing = true;
	run(path);
	return path->hash;
}

static void add_pair(struct ab_bench *bench, const char *name, const char *ref, bool wrapped, uint32_t count)
{
	struct ab_bench_case c = {.run = run, .events = count, .arg = path_new(wrapped, true, count)};

	if (hash_of(wrapped, false, count) != hash_of(wrapped, true, count)) {
		fprintf(stderr, "path: %s is WRONG: its records are not those of %s\n", name, ref);
		exit(1);
	}
	snprintf(c.name, sizeof c.name, "%s", ref);
	ab_bench_add(bench, &c);
	c.arg = path_new(wrapped, false, count);
	c.against = ref;
	c.same_work = true;
	snprintf(c.name, sizeof c.name, "%s", name);
	ab_bench_add(bench, &c);
}

int main(int argc, char **argv)
{
	struct ab_bench bench;

	ab_bench_begin(&bench, "path", argc, argv);
	add_pair(&bench, "path.flat.hot", "ref.path.flat.hot", false, HOT * 5);
	if (!bench.smoke)
		add_pair(&bench, "path.flat.cold", "ref.path.flat.cold", false, COLD);
	add_pair(&bench, "path.wrapped.hot", "ref.path.wrapped.hot", true, HOT * 5);
	if (!bench.smoke)
		add_pair(&bench, "path.wrapped.cold", "ref.path.wrapped.cold", true, COLD);
	return ab_bench_run(&bench);
}
