/* sinks/null.c — takes everything and keeps nothing: what the engine costs without a sink.
 *
 * A record is its offset and its id, so that a lane still moves bytes. Nothing is sent: the batch is acknowledged when
 * it would be.
 */
#include <string.h>

#include "sinks/sink.h"

struct ab_sink {
	int unused;
};

struct ab_sink_lane {
	uint64_t acked;
};

static struct ab_sink *create(const struct ab_config *config, char *error)
{
	struct ab_sink *sink = calloc(1, sizeof *sink);

	(void)config;
	(void)error;
	AB_ASSERT(sink != NULL);
	return sink;
}

static void destroy(struct ab_sink *sink)
{
	free(sink);
}

static struct ab_sink_lane *lane_create(struct ab_sink *sink, int index, uint32_t item_max, uint32_t bytes_max)
{
	struct ab_sink_lane *lane = calloc(1, sizeof *lane);

	(void)sink;
	(void)index;
	(void)item_max;
	(void)bytes_max;
	AB_ASSERT(lane != NULL);
	return lane;
}

static void lane_destroy(struct ab_sink_lane *lane)
{
	free(lane);
}

static size_t bytes(const struct ab_config *config, size_t lanes, uint32_t item_max, uint32_t bytes_max)
{
	(void)config;
	(void)item_max;
	(void)bytes_max;
	return sizeof(struct ab_sink) + lanes * sizeof(struct ab_sink_lane);
}

static enum ab_encode_result encode(const struct ab_sink *sink, const struct ab_event *event, uint8_t *to, size_t room,
				    size_t *len, const char **reason)
{
	(void)sink;
	(void)reason;
	AB_ASSERT(room >= sizeof event->offset + sizeof event->id);
	memcpy(to, &event->offset, sizeof event->offset);
	memcpy(to + sizeof event->offset, &event->id, sizeof event->id);
	*len = sizeof event->offset + sizeof event->id;
	return AB_ENCODE_RECORD;
}

static void request(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_request *out)
{
	for (uint32_t i = 0; i < batch->item_count; i++)
		batch->item[i].outcome = AB_OUTCOME_ACKED;
	lane->acked += batch->item_count;
	out->piece_count = 0;
	out->needs_reply = false;
}

static enum ab_reply_result reply(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				  const struct ab_reply *to)
{
	(void)lane;
	(void)batch;
	(void)bytes;
	(void)len;
	snprintf(to->error, AB_SINK_ERROR_MAX_BYTES, "null: an answer came, though nothing was ever asked");
	return AB_REPLY_AMBIGUOUS;
}

static void lost(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	(void)lane;
	(void)batch;
	(void)in_flight;
}

static enum ab_sink_status probe(struct ab_sink *sink, char *error)
{
	(void)sink;
	(void)error;
	return AB_SINK_OK;
}

static enum ab_sink_status init(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
				const char *run_id, char *note, char *error)
{
	(void)sink;
	(void)first;
	(void)partitions;
	(void)run_id;
	(void)note;
	(void)error;
	return AB_SINK_OK;
}

static enum ab_sink_status positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error)
{
	(void)sink;
	(void)partitions;
	(void)io;
	(void)error;
	return AB_SINK_OK;
}

const struct ab_sink_ops ab_null_ops = {
    .name = "null",
    .connectionless = true,
    .stores_positions = false,
    .create = create,
    .destroy = destroy,
    .lane_create = lane_create,
    .lane_destroy = lane_destroy,
    .bytes = bytes,
    .encode = encode,
    .hello = NULL,
    .request = request,
    .reply = reply,
    .lost = lost,
    .probe = probe,
    .init = init,
    .positions = positions,
};
