/* sinks/http_lane.h — what a lane of a sink that speaks HTTP needs: which items go, their bytes, the answer.
 *
 *     batch:   a  r  p  p  p  a  p  p        a acked, r rejected, p pending
 *     window:        [p  p  p]   p  p        at most `limit` pending items, from one end or the other
 *
 * A server that cannot take a request as a whole (too large, or one bad item it does not name) gets halves, until what
 * it refuses is one item. After a success the window doubles again, so that one bad item costs about 2 log n requests.
 *
 * Threads: the sink thread's.
 * Memory:  taken at creation: bytes_max to gather into, body_max for the answer, an index of four bytes per item.
 */
#pragma once

#include "io/http.h"
#include "sinks/sink.h"

/* Request line and headers. Credentials are bounded by the configuration: 641 bytes, 856 in base64. */
#define AB_HTTP_REQUEST_HEAD_MAX_BYTES 2560

/* A lone item that is refused without a reason is given up after this many times when no other item has been taken
 * meanwhile, so that it may as well be the server: about three minutes of backoff. When another was taken, after two. */
#define AB_HTTP_LONE_REFUSALS_MAX   20
#define AB_HTTP_PROVEN_REFUSALS_MAX 2

/* Retry-After is a wish; longer than this nobody waits without asking again. */
#define AB_HTTP_RETRY_AFTER_MAX_S 60

struct ab_http_lane {
	uint32_t item_max, bytes_max;
	uint32_t *sent; /* which items the request in flight has, in its order */
	uint32_t sent_count;
	uint32_t limit; /* of the window; item_max when nothing is wrong */
	bool from_back; /* changes with each refusal: good items at either end are found */
	bool proven; /* since the batch began the server has taken something: it works */
	uint8_t *scratch; /* bytes_max */
	char head[AB_HTTP_REQUEST_HEAD_MAX_BYTES];
	struct ab_http_reply reply;
	char *body; /* body_max; the answer's */
	size_t body_max;
};

void ab_http_lane_create(struct ab_http_lane *lane, uint32_t item_max, uint32_t bytes_max, size_t body_max);
void ab_http_lane_destroy(struct ab_http_lane *lane);
size_t ab_http_lane_bytes(uint32_t item_max, uint32_t bytes_max, size_t body_max);

/* Chooses the window among the pending items (a RETRY counts as pending); returns how many it has. */
uint32_t ab_http_lane_select(struct ab_http_lane *lane, struct ab_batch *batch);

/* The window's bytes, one item after another: where they lie when they lie together, else gathered. */
struct iovec ab_http_lane_gather(struct ab_http_lane *lane, const struct ab_batch *batch);

/* The request was refused as a whole: the next one has half of it, from the other end. */
void ab_http_lane_halve(struct ab_http_lane *lane);
/* The request was taken: the next one may have twice as many. */
void ab_http_lane_grow(struct ab_http_lane *lane);
/* A request of one item was refused as a whole: returns whether it is the item's fault. Else the other end is next. */
bool ab_http_lane_gives_up(struct ab_http_lane *lane, struct ab_batch *batch);
/* A new batch: all of it in one request. */
void ab_http_lane_whole(struct ab_http_lane *lane);

/* Writes the head: fixed is everything up to the value of Content-Length. Begins a new answer. */
struct iovec ab_http_lane_head(struct ab_http_lane *lane, const char *fixed, size_t content_length);

/* Feeds the answer. Anything after its end is a broken protocol: INVALID. */
enum ab_http_result ab_http_lane_feed(struct ab_http_lane *lane, const void *bytes, size_t len);

bool ab_http_lane_has_pending(const struct ab_batch *batch);

/* After a refusal of the whole: what was marked for later is simply pending, and the server's wish to wait is kept. */
void ab_http_lane_put_back(struct ab_http_lane *lane, struct ab_batch *batch);

/* Writes the fixed part of a head. authorization may be "". false: it does not fit. */
bool ab_http_head_write(char *to, size_t room, const char *method, const char *path, const char *host, int port,
			const char *content_type, const char *authorization);
