/* tests/fuzz/fuzz_resp.c — any bytes as Redis' answer, in any portions: no crash, and the portions never matter.
 *
 * The first byte chooses: bit 0 greeting or request, bits 1-2 how large portions are. The rest is the answer.
 */
#include <string.h>

#include "sinks/redis_lane.h"

static struct ab_sink *sink;
static struct ab_sink_lane *lane;

static void batch_of_two(struct ab_batch *batch, struct ab_item *item, uint8_t *bytes)
{
	const struct ab_event event = {.op = AB_OP_CREATE, .has = AB_HAS_EVENT_TS, .event_us = 1};
	const char *reason;
	size_t len;

	ab_redis_ops.encode(sink, &event, bytes, AB_RECORD_ENCODED_MAX_BYTES, &len, &reason);
	*batch = (struct ab_batch){.item = item, .bytes = bytes, .item_max = 2, .item_count = 2, .range_count = 2};
	for (uint16_t i = 0; i < 2; i++) {
		item[i] = (struct ab_item){.offset = 15, .len = (uint32_t)len, .partition = i};
		batch->range[i] = (struct ab_range){.partition = i, .first = 10, .next = 20};
	}
}

struct outcome {
	enum ab_reply_result result;
	size_t used;		/* where the verdict fell */
	int64_t first[2];
	enum ab_outcome item[2];
};

static struct outcome answer(const uint8_t *data, size_t size, bool greeting, size_t portion)
{
	static uint8_t bytes[AB_RECORD_ENCODED_MAX_BYTES];
	struct ab_item item[2];
	struct ab_batch batch;
	struct ab_request request;
	struct ab_sink_counts counts = {0};
	char error[AB_SINK_ERROR_MAX_BYTES] = "";
	const struct ab_reply to = {.counts = &counts, .error = error};
	struct outcome outcome = {.result = AB_REPLY_MORE};

	batch_of_two(&batch, item, bytes);
	lane->load_script = false;
	if (greeting)
		ab_redis_ops.hello(lane, &request);
	else
		ab_redis_ops.request(lane, &batch, &request);
	while (outcome.used < size && outcome.result == AB_REPLY_MORE) {
		size_t take = ab_min_u64(portion, size - outcome.used);
		outcome.result = ab_redis_ops.reply(lane, greeting ? NULL : &batch, data + outcome.used, take, &to);
		outcome.used += take;
	}
	AB_ASSERT(memchr(error, '\0', sizeof error) != NULL);
	AB_ASSERT(outcome.result == AB_REPLY_MORE || outcome.result == AB_REPLY_DONE ||
		  outcome.result == AB_REPLY_AGAIN || error[0] != '\0');
	ab_redis_ops.lost(lane, greeting ? NULL : &batch, true);
	for (int i = 0; i < 2; i++) {
		outcome.first[i] = batch.range[i].first;
		outcome.item[i] = item[i].outcome;
	}
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sink == NULL) {
		static struct ab_config config;
		char error[AB_SINK_ERROR_MAX_BYTES];
		ab_config_defaults(&config);
		sink = ab_redis_ops.create(&config, error);
		lane = ab_redis_ops.lane_create(sink, 0, 2, 4096);
	}
	if (size == 0)
		return 0;
	bool greeting = data[0] & 1;
	size_t portion = (size_t)1 << (data[0] >> 1 & 3);
	struct outcome parts = answer(data + 1, size - 1, greeting, portion);
	/* The same bytes at once, up to where the verdict fell, so that what follows it is not held against them. */
	struct outcome whole = answer(data + 1, parts.used, greeting, size);

	AB_ASSERT(whole.result == parts.result);
	AB_ASSERT(memcmp(whole.first, parts.first, sizeof whole.first) == 0);
	AB_ASSERT(memcmp(whole.item, parts.item, sizeof whole.item) == 0);
	return 0;
}
