/* sinks/redis.h — what wiring may ask of the Redis sink beyond sinks/sink.h.
 *
 * Threads: control. Memory: hiredis allocates for the length of a call.
 */
#pragma once

#include "sinks/sink.h"

/* What is unwise about this Redis but no reason to refuse it (eviction policy, no append-only file), in words, one a
 * line; "" when there is nothing, or it cannot be asked. Truncated to size bytes at a line's end. */
void ab_redis_warnings(struct ab_sink *sink, char *out, size_t size);

/* Brings the stats:* boards up to date after the stream fell silent: requests carry that along, so the last of them may
 * have been too soon after the one before. To be called about once a second; does nothing unless it is needed. */
enum ab_sink_status ab_redis_refresh(struct ab_sink *sink, char *error);

/* The same, and looks now and then whether Redis has evicted keys. Words about it are in error. */
enum ab_sink_status ab_redis_tend(struct ab_sink *sink, char *error);
int ab_redis_gauges(const struct ab_sink *sink, struct ab_sink_gauge *out);
