/* sinks/redis_request.c — from a batch to one call of the script. Its arguments are described in redis.lua. */
#include <string.h>

#include "core/clock.h"
#include "core/format.h"
#include "sinks/redis_lane.h"

size_t ab_redis_field(char *to, int partition, int lane)
{
	return (size_t)snprintf(to, AB_REDIS_FIELD_MAX_BYTES, "%d:%d", partition, lane);
}

void ab_redis_hello(struct ab_sink_lane *lane, struct ab_request *out)
{
	lane->phase = AB_REDIS_HELLO;
	lane->replies_wanted = lane->sink->hello_replies;
	lane->replies_seen = 0;
	lane->reply_len = 0;
	lane->verdict = AB_REPLY_DONE;
	lane->load_script = false;
	out->piece[0] = (struct iovec){lane->sink->hello, lane->sink->hello_len};
	out->piece_count = 1;
	out->needs_reply = true;
}

/* Boards are recomputed every so many requests, and by the first request after a second: cheap when busy, and soon
 * right when not. */
static enum ab_redis_boards boards_due(struct ab_sink *sink, int64_t now_ns)
{
	sink->requests_since_boards++;
	bool first = sink->boards_ns == 0;
	if (!first && sink->requests_since_boards < sink->boards_every && now_ns - sink->boards_ns < AB_REDIS_BOARDS_NS)
		return AB_REDIS_BOARDS_NONE;
	sink->requests_since_boards = 0;
	sink->boards_ns = now_ns;
	if (!first && now_ns - sink->content_board_ns < AB_REDIS_CONTENT_BOARD_NS)
		return AB_REDIS_BOARDS_TYPES;
	sink->content_board_ns = now_ns;
	return AB_REDIS_BOARDS_ALL;
}

/* Ranges wholly applied already (see redis_reply.c) are left out. */
static uint32_t live_ranges(const struct ab_batch *batch)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < batch->range_count; i++)
		count += batch->range[i].first < batch->range[i].next;
	return count;
}

static void add_up(struct ab_sink_lane *lane, const struct ab_batch *batch)
{
	struct ab_redis_sum *sum = &lane->sink->sum;

	ab_redis_sum_clear(sum, batch->item_count);
	for (uint32_t i = 0; i < batch->item_count; i++) {
		const struct ab_item *item = &batch->item[i];
		if (item->outcome != AB_OUTCOME_PENDING)
			continue;
		struct ab_redis_record record = ab_redis_record_read(batch->bytes + item->at, item->len);
		ab_redis_sum_add(sum, &record);
	}
}

static char *put_settings(char *to, const struct ab_sink_lane *lane)
{
	const struct ab_sink *sink = lane->sink;
	const struct ab_redis_sum *sum = &lane->sink->sum;
	char now[AB_FORMAT_MAX_BYTES];

	to = ab_resp_put_number(to, sink->lanes);
	to = ab_resp_put(to, sink->key_by, strlen(sink->key_by));
	to = ab_resp_put_number(to, sink->window_ttl_seconds);
	to = ab_resp_put_number(to, (int64_t)lane->boards);
	to = ab_resp_put(to, now, ab_format_iso(now, ab_wall_ms() * 1000));
	return sum->has_newest ? ab_resp_put_number(to, sum->newest_minute) : ab_resp_put(to, "", 0);
}

static char *put_ranges(char *to, const struct ab_sink_lane *lane, const struct ab_batch *batch)
{
	to = ab_resp_put_number(to, live_ranges(batch));
	for (uint32_t i = 0; i < batch->range_count; i++) {
		const struct ab_range *range = &batch->range[i];
		char field[AB_REDIS_FIELD_MAX_BYTES];
		if (range->first >= range->next)
			continue;
		to = ab_resp_put(to, field, ab_redis_field(field, range->partition, lane->index));
		to = ab_resp_put_number(to, range->first);
		to = ab_resp_put_number(to, range->next);
	}
	return to;
}

static char *put_window(char *to, const struct ab_redis_sum *sum, const struct ab_redis_cell *window)
{
	to = ab_resp_put_number(to, window->minute);
	to = ab_resp_put_number(to, window->type_count);
	to = ab_resp_put_number(to, window->content_count);
	for (uint32_t i = window->types; i != AB_REDIS_NONE; i = sum->cell[i].next) {
		const struct ab_redis_cell *type = &sum->cell[i];
		to = ab_resp_put(to, type->type.at, type->type.len);
		to = ab_resp_put_number(to, type->events);
		to = ab_resp_put_number(to, type->pct_hundredths);
		to = ab_resp_put_number(to, type->pct_events);
	}
	for (uint32_t i = window->contents; i != AB_REDIS_NONE; i = sum->cell[i].next) {
		const struct ab_redis_cell *content = &sum->cell[i];
		to = ab_resp_put_uuid(to, content->content_id);
		to = ab_resp_put_hundredths(to, content->pct_hundredths);
	}
	return to;
}

static size_t argument_count(const struct ab_sink_lane *lane, const struct ab_batch *batch)
{
	const struct ab_redis_sum *sum = &lane->sink->sum;
	size_t count = 5 + 6 + 1 + 3 * (size_t)live_ranges(batch) + 1;

	for (uint32_t i = sum->windows; i != AB_REDIS_NONE; i = sum->cell[i].next)
		count += 3 + 4 * (size_t)sum->cell[i].type_count + 2 * (size_t)sum->cell[i].content_count;
	return count;
}

/* The command's arguments; their number goes into the head. */
static size_t write_body(struct ab_sink_lane *lane, const struct ab_batch *batch)
{
	const struct ab_redis_sum *sum = &lane->sink->sum;
	char *to = lane->body;

	to = ab_resp_put(to, "EVALSHA", 7);
	to = ab_resp_put(to, ab_redis_script_sha, AB_REDIS_SHA_BYTES);
	to = ab_resp_put_number(to, 2);
	to = ab_resp_put(to, lane->sink->positions_key, strlen(lane->sink->positions_key));
	to = ab_resp_put(to, AB_REDIS_NEWEST_MINUTE, strlen(AB_REDIS_NEWEST_MINUTE));
	to = put_settings(to, lane);
	to = put_ranges(to, lane, batch);
	to = ab_resp_put_number(to, sum->window_count);
	for (uint32_t i = sum->windows; i != AB_REDIS_NONE; i = sum->cell[i].next)
		to = put_window(to, sum, &sum->cell[i]);
	AB_ASSERT((size_t)(to - lane->body) <= lane->body_max);
	return (size_t)(to - lane->body);
}

void ab_redis_request(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_request *out)
{
	struct ab_sink *sink = lane->sink;

	AB_ASSERT(batch->item_count <= lane->item_max);
	*out = (struct ab_request){0};
	if (live_ranges(batch) == 0)
		return;			/* everything in it was applied before */

	add_up(lane, batch);
	lane->boards = boards_due(sink, ab_monotonic_ns());
	lane->boards_mark = atomic_load_explicit(&sink->applied, memory_order_relaxed);		/* [R1] */
	lane->load_sent = lane->load_script;
	lane->phase = AB_REDIS_REQUEST;
	lane->replies_wanted = lane->load_sent ? 2 : 1;
	lane->replies_seen = 0;
	lane->reply_len = 0;
	lane->verdict = AB_REPLY_DONE;

	if (lane->load_sent)
		out->piece[out->piece_count++] = (struct iovec){sink->load, sink->load_len};
	char *head_end = ab_resp_put_array(lane->head, argument_count(lane, batch));
	out->piece[out->piece_count++] = (struct iovec){lane->head, (size_t)(head_end - lane->head)};
	out->piece[out->piece_count++] = (struct iovec){lane->body, write_body(lane, batch)};
	out->needs_reply = true;
}
