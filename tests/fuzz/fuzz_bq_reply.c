/* tests/fuzz/fuzz_bq_reply.c — any bytes as the answer to an insert of four rows, or (first byte odd) to a lookup of them.
 *
 * Whatever comes: a row is never acked by an answer that is not HTTP with status 200, a rejected row is handed over
 * exactly once, and after an ambiguous answer the next request is a lookup.
 */
#include <string.h>

#include "sinks/bigquery.h"

#define ITEMS     4
#define BYTES_MAX (64 * 1024)

static struct ab_sink *sink;
static struct ab_sink_lane *lane;
static uint8_t bytes_of_rows[4096];
static struct ab_item item[ITEMS];
static struct ab_batch batch;
static int rejected;

static void on_reject(void *arg, struct ab_batch *of, uint32_t i, const char *reason, size_t len)
{
	(void)arg;
	AB_ASSERT(of->item[i].outcome == AB_OUTCOME_REJECTED && strlen(reason) == len);
	rejected++;
}

static void set_up(bool lookup)
{
	static struct ab_config config;
	char error[AB_SINK_ERROR_MAX_BYTES];
	const char *reason;
	size_t len;

	if (sink == NULL) {
		ab_config_defaults(&config);
		sink = ab_bigquery_ops.create(&config, error);
		lane = ab_bigquery_ops.lane_create(sink, 0, ITEMS, BYTES_MAX);
	}
	batch = (struct ab_batch){
	    .item = item, .bytes = bytes_of_rows, .item_count = ITEMS, .item_max = ITEMS, .bytes_max = BYTES_MAX};
	for (uint32_t i = 0; i < ITEMS; i++) {
		const struct ab_event event = {.offset = 10 + i,
					       .partition = (uint16_t)(i % 2),
					       .id = i,
					       .lsn = 5,
					       .has = AB_HAS_EVENT_TS | AB_HAS_LSN};
		AB_ASSERT(ab_bigquery_ops.encode(sink, &event, bytes_of_rows + batch.bytes_used, BYTES_MAX, &len,
						 &reason) == AB_ENCODE_RECORD);
		item[i] = (struct ab_item){
		    .offset = event.offset, .partition = event.partition, .at = batch.bytes_used, .len = (uint32_t)len};
		batch.bytes_used += (uint32_t)len;
		AB_ASSERT(batch.bytes_used < sizeof bytes_of_rows);
	}
	ab_bigquery_ops.lost(lane, NULL, true);
	memset(lane->unsettled, lookup, sizeof lane->unsettled);
	memset(lane->doubt_next, 0, sizeof lane->doubt_next);
	lane->span = AB_BQ_LOOKUP_SPAN;
	rejected = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct ab_request request = {0};
	struct ab_sink_counts counts = {0};
	char error[AB_SINK_ERROR_MAX_BYTES] = "";
	const struct ab_reply to = {on_reject, NULL, &counts, error};

	if (len == 0)
		return 0;
	set_up(bytes[0] & 1);
	bytes++;
	len--;
	ab_bigquery_ops.request(lane, &batch, &request);
	AB_ASSERT((lane->phase == AB_BQ_LOOKUP) == lane->unsettled[0]);
	size_t cut = len > 0 ? bytes[len - 1] % len : 0;
	enum ab_reply_result result = ab_bigquery_ops.reply(lane, &batch, bytes, cut, &to);
	if (result == AB_REPLY_MORE)
		result = ab_bigquery_ops.reply(lane, &batch, bytes + cut, len - cut, &to);

	int acked = 0, dead = 0;
	for (uint32_t i = 0; i < ITEMS; i++) {
		acked += item[i].outcome == AB_OUTCOME_ACKED;
		dead += item[i].outcome == AB_OUTCOME_REJECTED;
		AB_ASSERT(item[i].outcome != AB_OUTCOME_ACKED || lane->http.reply.status == 200);
	}
	AB_ASSERT(dead == rejected && (uint64_t)acked == counts.acked);
	if (result == AB_REPLY_AMBIGUOUS || result == AB_REPLY_MORE) {
		AB_ASSERT(acked + dead == 0);
		ab_bigquery_ops.lost(lane, &batch, true);
		ab_bigquery_ops.request(lane, &batch, &request);
		AB_ASSERT(lane->phase == AB_BQ_LOOKUP);
	}
	return 0;
}
