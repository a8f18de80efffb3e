/* loadgen/event.h — rows of engagement_events, and what an update makes of one.
 *
 * Event n of a seed is a pure function of (seed, n, number of contents). Its id is given by the database, its time by
 * the database or by --event-ts; all else is here. An update may regenerate the row it changes instead of keeping it.
 *
 * Threads: any; pure. Memory: the caller's struct.
 */
#pragma once

#include "core/base.h"

/* duration_ms of an event that has none: a click, or a content without length. NULL in the table. */
#define AB_GEN_NO_DURATION (-1)

/* raw_payload: 120 bytes of names and ids around the longest user agent below. */
#define AB_GEN_PAYLOAD_MAX_BYTES 384

struct ab_gen_event {
	uint8_t content_id[16];
	uint8_t user_id[16];
	const char *type;
	const char *device;
	int32_t content_length_seconds;
	int32_t duration_ms;
	uint32_t payload_len;
	char payload[AB_GEN_PAYLOAD_MAX_BYTES];
};

struct ab_gen_update {
	const char *device;
	int32_t duration_ms;
};

/* contents > 0: the event points to one of contents 0 .. contents-1 of the same seed, each as likely. */
void ab_gen_event(uint64_t seed, uint64_t number, uint64_t contents, struct ab_gen_event *out);

/* What operation `operation` writes over the row of event `number`: duration by the same rules, device at random. */
void ab_gen_update(uint64_t seed, uint64_t operation, uint64_t number, uint64_t contents, struct ab_gen_update *out);
