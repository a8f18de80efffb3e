/* core/route.h — which lane of a sink an event belongs to: a pure function of the Kafka record.
 *
 * Never of the content cache: after a crash a content may have become known, the event would go to another lane, and
 * the positions of two lanes would both (or neither) cover it.
 *
 * Threads: worker. FNV-1a of 64 bits (draft-eastlake-fnv), then a multiply to mix the high bits into the remainder.
 */
#pragma once

#include "core/event.h"

static inline uint64_t ab_route_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* The fields a lane can be decided by: *_KEY_BY. */
enum ab_route_key {
	AB_ROUTE_ID,
	AB_ROUTE_CONTENT_ID,
	AB_ROUTE_USER_ID,
	AB_ROUTE_EVENT_TYPE,
	AB_ROUTE_DEVICE,
	AB_ROUTE_COUNT,
};

/* "id", "content_id", …; the inverse returns AB_ROUTE_COUNT for an unknown name. */
const char *ab_route_key_name(enum ab_route_key key);
enum ab_route_key ab_route_key_parse(const char *name);

static inline uint32_t ab_route_lane(const struct ab_event *event, enum ab_route_key key, uint32_t lanes)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	const struct ab_text *text = NULL;

	switch (key) {
	case AB_ROUTE_ID:
		/* One word instead of eight bytes one by one. */
		hash = (hash ^ (uint64_t)event->id) * UINT64_C(0x9e3779b97f4a7c15);
		break;
	case AB_ROUTE_CONTENT_ID:
		hash = (hash ^ event->content_id.hi) * UINT64_C(0x9e3779b97f4a7c15);
		hash = (hash ^ event->content_id.lo) * UINT64_C(0x9e3779b97f4a7c15);
		break;
	case AB_ROUTE_USER_ID:
		text = &event->user_id_json;
		break;
	case AB_ROUTE_EVENT_TYPE:
		text = &event->event_type_json;
		break;
	case AB_ROUTE_DEVICE:
		text = &event->device_json;
		break;
	case AB_ROUTE_COUNT:
		AB_ASSERT(key != AB_ROUTE_COUNT);
	}
	if (text != NULL && text->at != NULL)
		hash = ab_route_bytes(hash, text->at, text->len);
	return (uint32_t)((hash ^ (hash >> 32)) * UINT64_C(0x9e3779b97f4a7c15) >> 32) % lanes;
}
