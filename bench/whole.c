/* bench/whole.c — see whole.h. */
#include "bench/whole.h"

#include <string.h>

#include "bench/harness.h"
#include "core/clock.h"
#include "core/delivery.h"

/* Offsets begin where they do not gain a digit in any run, so that records keep their length. */
#define FIRST_OFFSET INT64_C(1000000000)

/* As core/conn reads: an answer comes in pieces. */
#define PIECE_BYTES (16 * 1024)

#define APPLIED      "*1\r\n$2\r\nOK\r\n"
#define EMPTY_LOOKUP "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{\"jobComplete\":true,\"totalRows\":\"0\",\"rows\":[]}"
#define INSERTED     "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{\"kind\":\"bigquery#tableDataInsertAllResponse\"}"
#define BULK_HEAD    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %010zu\r\n\r\n"
#define BULK_BEGIN   "{\"took\":17,\"errors\":false,\"items\":["
#define BULK_ITEM    "{\"index\":{\"status\":201}}"

/* As Kafka gives them: runs of one partition. */
int ab_source_drain(struct ab_source *source, int worker, struct ab_source_record *record, int max)
{
	struct ab_bench_whole *whole = (struct ab_bench_whole *)source;
	int count = (int)(whole->messages.count - whole->at);
	uint16_t partition = (uint16_t)(whole->at / AB_DRAIN_MAX % AB_BENCH_PARTITIONS);

	(void)worker;
	count = count < max ? count : max;
	for (int i = 0; i < count; i++) {
		const struct ab_text *m = &whole->messages.at[whole->at++];
		record[i] = (struct ab_source_record){
		    .kind = AB_RECORD_DATA,
		    .partition = partition,
		    .offset = whole->offset[partition]++,
		    .timestamp_ms = INT64_C(1795564800107) + whole->at,
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
	fprintf(stderr, "whole: no record of a bench is rejected, but: %.*s\n", (int)letter->reason_len, letter->reason);
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
	fprintf(stderr, "whole: no record of a bench is refused, but: %.*s\n", (int)reason_len, reason);
	abort();
}

static enum ab_reply_result feed(struct ab_bench_whole *whole, int s, struct ab_bench_lane *lane, const char *text,
				 size_t len)
{
	struct ab_sink_counts counts = {0};
	char error[AB_SINK_ERROR_MAX_BYTES];
	const struct ab_reply to = {.reject = ignore_reject, .counts = &counts, .error = error};
	enum ab_reply_result result = AB_REPLY_MORE;

	for (size_t at = 0; at < len; at += PIECE_BYTES) {
		AB_ASSERT(result == AB_REPLY_MORE);
		result = whole->worker.sink[s].ops->reply(lane->sink_lane, lane->lane.sending, text + at,
							  ab_min_u64(len - at, PIECE_BYTES), &to);
	}
	return result;
}

/* As Elasticsearch 8 answers to what the sink asks of it (filter_path). */
static size_t bulk_answer(struct ab_bench_whole *whole, const struct ab_batch *batch)
{
	const size_t item_len = strlen(BULK_ITEM);
	size_t body = strlen(BULK_BEGIN) + batch->item_count * (item_len + 1) + 1;
	char *to = whole->answer + snprintf(whole->answer, whole->answer_room, BULK_HEAD, body);

	AB_ASSERT((size_t)(to - whole->answer) + body <= whole->answer_room);
	memcpy(to, BULK_BEGIN, strlen(BULK_BEGIN));
	to += strlen(BULK_BEGIN);
	for (uint32_t i = 0; i < batch->item_count; i++) {
		memcpy(to, BULK_ITEM, item_len);
		to[item_len] = i + 1 < batch->item_count ? ',' : ']';
		to += item_len + 1;
	}
	*to++ = '}';
	return (size_t)(to - whole->answer);
}

static enum ab_reply_result answer(struct ab_bench_whole *whole, int s, struct ab_bench_lane *lane)
{
	const struct ab_sink_ops *ops = whole->worker.sink[s].ops;

	if (ops == &ab_bigquery_ops)
		return feed(whole, s, lane, INSERTED, strlen(INSERTED));
	if (ops == &ab_redis_ops)
		return feed(whole, s, lane, APPLIED, strlen(APPLIED));
	return feed(whole, s, lane, whole->answer, bulk_answer(whole, lane->lane.sending));
}

static void taken(struct ab_bench_whole *whole, const struct ab_request *request, const struct ab_batch *batch)
{
	for (int i = 0; i < request->piece_count; i++)
		whole->bytes += request->piece[i].iov_len;
	for (uint32_t i = 0; whole->hashing && i < batch->item_count; i++)
		whole->hash += ab_bench_mix_bytes(1, batch->bytes + batch->item[i].at, batch->item[i].len);
	whole->records += batch->item_count;
}

/* BigQuery's lanes ask before they send for the first time, and need an answer for their own state. */
static void send(struct ab_bench_whole *whole, int s, struct ab_bench_lane *lane, int64_t now_ns)
{
	const struct ab_sink_ops *ops = whole->worker.sink[s].ops;
	struct ab_batch *batch = lane->lane.sending;
	struct ab_request request = {0};
	bool bigquery = ops == &ab_bigquery_ops;

	ops->request(lane->sink_lane, batch, &request);
	if (bigquery && request.needs_reply && request.piece_count == 2) {
		AB_ASSERT(feed(whole, s, lane, EMPTY_LOOKUP, strlen(EMPTY_LOOKUP)) == AB_REPLY_AGAIN);
		ops->request(lane->sink_lane, batch, &request);
	}
	if (request.needs_reply && (whole->answering || bigquery))
		AB_ASSERT(answer(whole, s, lane) == AB_REPLY_DONE);
	taken(whole, &request, batch);
	for (uint32_t i = 0; !whole->answering && i < batch->item_count; i++)
		batch->item[i].outcome = AB_OUTCOME_ACKED;
	AB_ASSERT(ab_lane_settle(&lane->lane, now_ns) == AB_LANE_IDLE);
}

/* As core/delivery_lane.c does it, without connections. */
void ab_bench_whole_pump(struct ab_bench_whole *whole, int64_t now_ns, bool drain)
{
	for (int s = 0; s < AB_BENCH_SINKS; s++) {
		struct ab_worker_sink *sink = &whole->worker.sink[s];
		for (uint32_t l = 0; l < sink->lanes; l++) {
			struct ab_bench_lane *lane = &whole->lane[s][l];
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
					send(whole, s, lane, now_ns);
			}
		}
	}
}

void ab_bench_whole_run(struct ab_bench_whole *whole)
{
	enum ab_step step;

	whole->at = 0;
	whole->records = 0;
	whole->bytes = 0;
	do {
		int64_t now_ns = ab_monotonic_ns();
		step = whole->step != NULL ? whole->step(whole, now_ns) : ab_worker_step(&whole->worker, 0, now_ns);
		ab_worker_seal_due(&whole->worker, now_ns, step != AB_STEP_DONE);
		ab_bench_whole_pump(whole, now_ns, false);
	} while (step != AB_STEP_IDLE);
	ab_bench_whole_pump(whole, ab_monotonic_ns(), true);
}

static void add_sink(struct ab_bench_whole *whole, int s, const struct ab_sink_ops *ops, enum ab_route_key key)
{
	struct ab_worker_sink *sink = &whole->worker.sink[s];
	struct ab_lane_limits limits = ab_delivery_limits(&whole->config, ops);
	char error[AB_SINK_ERROR_MAX_BYTES];

	limits.linger_ns = INT64_MAX / 2;	/* batches by size alone, so that every run cuts the same ones */
	if (ops == &ab_elasticsearch_ops) {
		whole->answer_room = 1024 + limits.item_max * (strlen(BULK_ITEM) + 1);
		whole->answer = ab_take_lines(whole->answer_room);
	}
	sink->ops = ops;
	sink->sink = ops->create(&whole->config, error);
	AB_ASSERT(sink->sink != NULL);
	sink->key = key;
	sink->lanes = (uint32_t)ab_delivery_lanes(&whole->config, ops);
	sink->record_max = limits.batch_size / 4;
	sink->reader = 0;
	sink->loop = whole->loop;
	for (uint32_t l = 0; l < sink->lanes; l++) {
		struct ab_bench_lane *lane = &whole->lane[s][l];
		ab_link_create(&sink->link[l]);
		ab_lane_create(&lane->lane, &limits);
		lane->sink_lane = ops->lane_create(sink->sink, (int)l, limits.item_max, limits.bytes_max);
		for (uint16_t p = 0; p < AB_BENCH_PARTITIONS; p++) {
			sink->link[l].covered[p] = FIRST_OFFSET;
			ab_lane_begin(&lane->lane, p, FIRST_OFFSET);
		}
	}
}

struct ab_bench_whole *ab_bench_whole_new(enum ab_shape shape, enum ab_bench_mix mix, uint32_t count)
{
	struct ab_bench_whole *whole = ab_take_lines(sizeof *whole);
	int64_t start[AB_PARTITIONS_MAX];
	char error[512];

	ab_config_defaults(&whole->config);
	ab_bench_messages_make(&whole->messages, shape, mix, count);
	whole->cache = ab_bench_contents();
	whole->loop = ab_loop_create(AB_IO_EPOLL, 1, error);
	AB_ASSERT(whole->loop != NULL);
	ab_worker_create(&whole->worker, 0, &whole->config, whole->cache, NULL);
	whole->worker.sink_count = AB_BENCH_SINKS;
	whole->worker.partition_count = AB_BENCH_PARTITIONS;
	memset(start, 0xff, sizeof start);
	for (uint16_t p = 0; p < AB_BENCH_PARTITIONS; p++) {
		whole->worker.partition[p] = p;
		start[p] = FIRST_OFFSET;
		whole->offset[p] = FIRST_OFFSET;
	}
	ab_worker_set_reader(&whole->worker, 0, (struct ab_source *)whole, "all", start);
	add_sink(whole, 0, &ab_redis_ops, AB_ROUTE_CONTENT_ID);
	add_sink(whole, 1, &ab_bigquery_ops, AB_ROUTE_USER_ID);
	add_sink(whole, 2, &ab_elasticsearch_ops, AB_ROUTE_ID);
	return whole;
}
