/* tests/fuzz/fuzz_es_reply.c — any bytes as the answer to a _bulk request of four documents, in two pieces.
 *
 * Whatever comes: an item is never acked by an answer that is not HTTP with status 200, a rejected item is handed over
 * exactly once, and an outage or an ambiguous answer leaves something to send again or everything settled.
 */
#include <string.h>

#include "sinks/elasticsearch.h"

#define ITEMS     4
#define BYTES_MAX (64 * 1024)

static int rejected;

static void on_reject(void *arg, struct ab_batch *batch, uint32_t i, const char *reason, size_t len)
{
	(void)arg;
	AB_ASSERT(batch->item[i].outcome == AB_OUTCOME_REJECTED && strlen(reason) == len);
	rejected++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct ab_config config;
	static struct ab_sink *sink;
	static struct ab_sink_lane *lane;
	static uint8_t text[ITEMS * 8];
	static struct ab_batch batch;
	struct ab_item item[ITEMS] = {0};
	struct ab_request request = {0};
	struct ab_sink_counts counts = {0};
	char error[AB_SINK_ERROR_MAX_BYTES] = "";
	const struct ab_reply to = {on_reject, NULL, &counts, error};

	if (sink == NULL) {
		ab_config_defaults(&config);
		sink = ab_elasticsearch_ops.create(&config, error);
		lane = ab_elasticsearch_ops.lane_create(sink, 0, ITEMS, BYTES_MAX);
	}
	for (uint32_t i = 0; i < ITEMS; i++)
		item[i] = (struct ab_item){.offset = i, .at = i * 8, .len = 8};
	batch = (struct ab_batch){.item = item,
				  .bytes = text,
				  .item_count = ITEMS,
				  .item_max = ITEMS,
				  .bytes_used = sizeof text,
				  .bytes_max = BYTES_MAX};
	rejected = 0;
	ab_elasticsearch_ops.lost(lane, NULL, false);
	ab_elasticsearch_ops.request(lane, &batch, &request);
	size_t cut = len > 0 ? bytes[len - 1] % len : 0;
	enum ab_reply_result result = ab_elasticsearch_ops.reply(lane, &batch, bytes, cut, &to);
	if (result == AB_REPLY_MORE)
		result = ab_elasticsearch_ops.reply(lane, &batch, bytes + cut, len - cut, &to);

	int settled = 0, dead = 0;
	for (uint32_t i = 0; i < ITEMS; i++) {
		settled += item[i].outcome == AB_OUTCOME_ACKED;
		dead += item[i].outcome == AB_OUTCOME_REJECTED;
		AB_ASSERT(item[i].outcome != AB_OUTCOME_ACKED || lane->http.reply.status == 200);
	}
	AB_ASSERT(dead == rejected && (uint64_t)settled == counts.acked);
	AB_ASSERT(result != AB_REPLY_MORE || settled + dead == 0);
	AB_ASSERT(result != AB_REPLY_AMBIGUOUS || settled + dead == 0);
	return 0;
}
