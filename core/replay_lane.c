/* core/replay_lane.c — see replay_lane.h. */
#include "core/replay_lane.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/delivery.h"

#define STEP_NS  (100 * AB_NS_PER_MS)
#define LATER_MS 500 /* between two tries of what a sink does not take now; bounded by the patience above */

static void tell(struct ab_replay_lane *lane, const char *text)
{
	if (strcmp(lane->told, text) == 0)
		return;
	snprintf(lane->told, sizeof lane->told, "%s", text);
	fprintf(stderr, "%s: %s\n", lane->ops->name, text);
}

static void on_reject(void *arg, struct ab_batch *batch, uint32_t i, const char *reason, size_t reason_len)
{
	struct ab_replay_lane *lane = arg;
	char words[512];

	snprintf(words, sizeof words, "%.*s", (int)(reason_len < sizeof words ? reason_len : sizeof words - 1), reason);
	lane->on_rejected(lane->arg, batch->item[i].partition, batch->item[i].offset, words);
}

static void on_up(void *arg)
{
	(void)arg;
}

static void on_data(void *arg, const void *bytes, size_t len)
{
	struct ab_replay_lane *lane = arg;
	const struct ab_reply reply = {on_reject, lane, &lane->counts, lane->error};

	lane->error[0] = '\0';
	enum ab_reply_result result = lane->ops->reply(lane->lane, &lane->batch, bytes, len, &reply);
	if (result == AB_REPLY_MORE)
		return;
	lane->in_flight = false;
	lane->settled = true;
	lane->result = result;
	if (result == AB_REPLY_AMBIGUOUS || result == AB_REPLY_FATAL || result == AB_REPLY_REWIND) {
		ab_conn_close(lane->conn, result == AB_REPLY_AMBIGUOUS ? AB_CONN_RECONNECT : AB_CONN_STAY_DOWN);
		lane->ops->lost(lane->lane, &lane->batch, true);
	} else {
		ab_conn_done(lane->conn);
	}
}

static void on_down(void *arg, bool in_flight, const char *reason)
{
	struct ab_replay_lane *lane = arg;

	(void)in_flight;
	lane->ops->lost(lane->lane, lane->in_flight ? &lane->batch : NULL, lane->in_flight);
	if (lane->in_flight) {
		lane->settled = true;
		lane->result = AB_REPLY_AMBIGUOUS;
	}
	lane->in_flight = false;
	tell(lane, reason);
}

static enum ab_sink_status connect_lane(struct ab_replay_lane *lane, const struct ab_config *config)
{
	const struct ab_conn_callbacks callbacks = {
	    .on_up = on_up, .on_data = on_data, .on_down = on_down, .arg = lane};
	struct ab_conn_config conn;
	char error[512];

	ab_delivery_conn_config(config, lane->ops, &conn);
	lane->loop = ab_loop_create((enum ab_io_backend)config->io_backend, 1, error);
	lane->conn = lane->loop != NULL ? ab_conn_create(lane->loop, &conn, &callbacks, error) : NULL;
	if (lane->conn == NULL) {
		snprintf(lane->error, sizeof lane->error, "%.400s", error);
		return AB_SINK_ABSENT;
	}
	ab_conn_open(lane->conn);
	return AB_SINK_OK;
}

enum ab_sink_status ab_replay_lane_open(struct ab_replay_lane *lane, const struct ab_config *config,
					const struct ab_sink_ops *ops, int partitions)
{
	static struct ab_sink_positions positions;
	struct ab_lane_limits limits = ab_delivery_limits(config, ops);

	lane->ops = ops;
	lane->sink = ops->create(config, lane->error);
	if (lane->sink == NULL)
		return AB_SINK_REFUSED;
	enum ab_sink_status status = ops->probe(lane->sink, lane->error);
	memset(&positions, 0xff, sizeof positions);
	/* BigQuery learns here how far its table goes: everything below is looked up before it is inserted. */
	if (status == AB_SINK_OK)
		status = ops->positions(lane->sink, partitions, &positions, lane->error);
	if (status != AB_SINK_OK)
		return status;
	lane->lane = ops->lane_create(lane->sink, 0, limits.item_max, limits.bytes_max);
	lane->batch_size = limits.batch_size < limits.item_max ? limits.batch_size : limits.item_max;
	lane->batch = (struct ab_batch){.item_max = limits.item_max, .bytes_max = limits.bytes_max};
	lane->batch.item = calloc(limits.item_max, sizeof lane->batch.item[0]);
	lane->batch.bytes = malloc(limits.bytes_max);
	AB_ASSERT(lane->lane != NULL && lane->batch.item != NULL && lane->batch.bytes != NULL);
	return connect_lane(lane, config);
}

void ab_replay_lane_close(struct ab_replay_lane *lane)
{
	if (lane->conn != NULL)
		ab_conn_destroy(lane->conn);
	if (lane->loop != NULL)
		ab_loop_destroy(lane->loop);
	if (lane->lane != NULL)
		lane->ops->lane_destroy(lane->lane);
	if (lane->sink != NULL)
		lane->ops->destroy(lane->sink);
	free(lane->batch.item);
	free(lane->batch.bytes);
}

static uint32_t count_open(const struct ab_batch *batch)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < batch->item_count; i++)
		count += batch->item[i].outcome == AB_OUTCOME_PENDING || batch->item[i].outcome == AB_OUTCOME_RETRY;
	return count;
}

/* One request and its answer; false when there was no connection in time. */
static bool exchange(struct ab_replay_lane *lane, int64_t end_ns)
{
	struct ab_request request = {0};

	while (ab_conn_state(lane->conn) != AB_CONN_UP) {
		if (ab_monotonic_ns() > end_ns)
			return false;
		ab_loop_step(lane->loop, STEP_NS);
	}
	lane->ops->request(lane->lane, &lane->batch, &request);
	lane->settled = true;
	lane->result = AB_REPLY_DONE;
	if (!request.needs_reply)
		return true;
	lane->settled = false;
	lane->in_flight = true;
	ab_conn_send(lane->conn, request.piece, request.piece_count);
	while (!lane->settled) /* the connection's own time-outs end it */
		ab_loop_step(lane->loop, STEP_NS);
	return true;
}

static void wait_ms(struct ab_replay_lane *lane, int64_t ms)
{
	int64_t end_ns = ab_monotonic_ns() + ms * AB_NS_PER_MS;

	while (ab_monotonic_ns() < end_ns)
		ab_loop_step(lane->loop, STEP_NS);
}

static void begin_anew(struct ab_replay_lane *lane)
{
	for (uint32_t i = 0; i < lane->batch.item_count; i++) {
		lane->acked += lane->batch.item[i].outcome == AB_OUTCOME_ACKED;
		lane->rejected += lane->batch.item[i].outcome == AB_OUTCOME_REJECTED;
	}
	lane->batch.item_count = 0;
	lane->batch.bytes_used = 0;
}

bool ab_replay_lane_flush(struct ab_replay_lane *lane)
{
	int64_t end_ns = ab_monotonic_ns() + AB_REPLAY_PATIENCE_S * AB_NS_PER_S;
	uint32_t open = count_open(&lane->batch);

	while (open > 0) {
		if (!exchange(lane, end_ns) || ab_monotonic_ns() > end_ns) {
			snprintf(lane->error, sizeof lane->error, "took nothing for %d s: %.300s", AB_REPLAY_PATIENCE_S,
				 lane->told);
			return false;
		}
		if (lane->result == AB_REPLY_FATAL || lane->result == AB_REPLY_REWIND)
			return false;
		if (lane->error[0])
			tell(lane, lane->error);
		uint32_t left = count_open(&lane->batch);
		if (left < open)
			end_ns = ab_monotonic_ns() + AB_REPLAY_PATIENCE_S * AB_NS_PER_S;
		if (left > 0 && lane->result != AB_REPLY_AGAIN)
			wait_ms(lane, lane->batch.retry_after_ms > 0 ? lane->batch.retry_after_ms : LATER_MS);
		open = left;
	}
	begin_anew(lane);
	return true;
}

bool ab_replay_lane_put(struct ab_replay_lane *lane, int partition, int64_t offset, const void *bytes, size_t len)
{
	struct ab_batch *batch = &lane->batch;

	AB_ASSERT(len <= batch->bytes_max);
	if ((batch->item_count == lane->batch_size || batch->bytes_used + len > batch->bytes_max) &&
	    !ab_replay_lane_flush(lane))
		return false;
	batch->item[batch->item_count++] = (struct ab_item){.offset = offset,
							    .at = batch->bytes_used,
							    .len = (uint32_t)len,
							    .partition = (uint16_t)partition,
							    .outcome = AB_OUTCOME_PENDING};
	memcpy(batch->bytes + batch->bytes_used, bytes, len);
	batch->bytes_used += (uint32_t)len;
	return true;
}
