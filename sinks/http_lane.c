/* sinks/http_lane.c — see http_lane.h. */
#include "sinks/http_lane.h"

#include <string.h>

void ab_http_lane_create(struct ab_http_lane *lane, uint32_t item_max, uint32_t bytes_max, size_t body_max)
{
	AB_ASSERT(item_max > 0 && bytes_max > 0 && body_max > 0);
	memset(lane, 0, sizeof *lane);
	lane->item_max = item_max;
	lane->bytes_max = bytes_max;
	lane->body_max = body_max;
	lane->limit = item_max;
	lane->sent = calloc(item_max, sizeof lane->sent[0]);
	lane->scratch = malloc(bytes_max);
	lane->body = malloc(body_max);
	AB_ASSERT(lane->sent != NULL && lane->scratch != NULL && lane->body != NULL);
}

void ab_http_lane_destroy(struct ab_http_lane *lane)
{
	free(lane->sent);
	free(lane->scratch);
	free(lane->body);
}

size_t ab_http_lane_bytes(uint32_t item_max, uint32_t bytes_max, size_t body_max)
{
	return sizeof(struct ab_http_lane) + item_max * sizeof(uint32_t) + bytes_max + body_max;
}

static bool is_open(const struct ab_item *item)
{
	return item->outcome == AB_OUTCOME_PENDING || item->outcome == AB_OUTCOME_RETRY;
}

bool ab_http_lane_has_pending(const struct ab_batch *batch)
{
	for (uint32_t i = 0; i < batch->item_count; i++) {
		if (is_open(&batch->item[i]))
			return true;
	}
	return false;
}

uint32_t ab_http_lane_select(struct ab_http_lane *lane, struct ab_batch *batch)
{
	uint32_t pending = 0, skip = 0, seen = 0;

	AB_ASSERT(batch->item_count <= lane->item_max && lane->limit > 0);
	for (uint32_t i = 0; i < batch->item_count; i++) {
		if (is_open(&batch->item[i]))
			pending++;
	}
	if (lane->from_back && pending > lane->limit)
		skip = pending - lane->limit;
	lane->sent_count = 0;
	for (uint32_t i = 0; i < batch->item_count && lane->sent_count < lane->limit; i++) {
		if (!is_open(&batch->item[i]) || seen++ < skip)
			continue;
		batch->item[i].outcome = AB_OUTCOME_PENDING;
		lane->sent[lane->sent_count++] = i;
	}
	return lane->sent_count;
}

struct iovec ab_http_lane_gather(struct ab_http_lane *lane, const struct ab_batch *batch)
{
	AB_ASSERT(lane->sent_count > 0);
	uint32_t first = lane->sent[0], last = lane->sent[lane->sent_count - 1];
	uint32_t end = batch->item[last].at + batch->item[last].len;

	AB_ASSERT(end <= batch->bytes_used);
	if (last - first + 1 == lane->sent_count)
		return (struct iovec){batch->bytes + batch->item[first].at, end - batch->item[first].at};

	uint32_t used = 0;
	for (uint32_t i = 0; i < lane->sent_count; i++) {
		const struct ab_item *item = &batch->item[lane->sent[i]];
		AB_ASSERT(used + item->len <= lane->bytes_max);
		memcpy(lane->scratch + used, batch->bytes + item->at, item->len);
		used += item->len;
	}
	return (struct iovec){lane->scratch, used};
}

void ab_http_lane_halve(struct ab_http_lane *lane)
{
	lane->limit = lane->sent_count > 1 ? lane->sent_count / 2 : 1;
	lane->from_back = !lane->from_back;
}

void ab_http_lane_grow(struct ab_http_lane *lane)
{
	lane->limit = lane->limit > lane->item_max / 2 ? lane->item_max : lane->limit * 2;
	lane->proven = true;
}

bool ab_http_lane_gives_up(struct ab_http_lane *lane, struct ab_batch *batch)
{
	AB_ASSERT(lane->sent_count == 1);
	struct ab_item *item = &batch->item[lane->sent[0]];

	lane->limit = 1;
	lane->from_back = !lane->from_back;
	item->attempts++;
	return item->attempts >= (lane->proven ? AB_HTTP_PROVEN_REFUSALS_MAX : AB_HTTP_LONE_REFUSALS_MAX);
}

void ab_http_lane_whole(struct ab_http_lane *lane)
{
	lane->limit = lane->item_max;
	lane->from_back = false;
	lane->proven = false;
}

struct iovec ab_http_lane_head(struct ab_http_lane *lane, const char *fixed, size_t content_length)
{
	int len = snprintf(lane->head, sizeof lane->head, "%s%zu\r\n\r\n", fixed, content_length);

	AB_ASSERT(len > 0 && (size_t)len < sizeof lane->head);
	ab_http_reply_begin(&lane->reply, lane->body, lane->body_max);
	return (struct iovec){lane->head, (size_t)len};
}

enum ab_http_result ab_http_lane_feed(struct ab_http_lane *lane, const void *bytes, size_t len)
{
	size_t used = 0;
	enum ab_http_result result = ab_http_reply_feed(&lane->reply, bytes, len, &used);

	return result == AB_HTTP_DONE && used != len ? AB_HTTP_INVALID : result;
}

void ab_http_lane_put_back(struct ab_http_lane *lane, struct ab_batch *batch)
{
	for (uint32_t i = 0; i < batch->item_count; i++) {
		if (batch->item[i].outcome == AB_OUTCOME_RETRY)
			batch->item[i].outcome = AB_OUTCOME_PENDING;
	}
	if (lane->reply.retry_after_s > 0)
		batch->retry_after_ms =
		    1000 * (uint32_t)ab_min_u64(lane->reply.retry_after_s, AB_HTTP_RETRY_AFTER_MAX_S);
}

bool ab_http_head_write(char *to, size_t room, const char *method, const char *path, const char *host, int port,
			const char *content_type, const char *authorization)
{
	bool v6 = strchr(host, ':') != NULL;
	int len = snprintf(to, room,
			   "%s %s HTTP/1.1\r\nHost: %s%s%s:%d\r\nUser-Agent: anabranch/" AB_VERSION "\r\n"
			   "Accept: application/json\r\nContent-Type: %s\r\n%s%s%sContent-Length: ",
			   method, path, v6 ? "[" : "", host, v6 ? "]" : "", port, content_type,
			   authorization[0] ? "Authorization: " : "", authorization, authorization[0] ? "\r\n" : "");

	return len > 0 && (size_t)len + 32 < room;
}
