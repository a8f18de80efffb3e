/* core/route.h — which lane of a sink an event belongs to: a pure function of the Kafka record.
 *
 * Never of the content cache: after a crash a content may have become known, the event would go to another lane, and
 * the positions of two lanes would both (or neither) cover it.
 *
 * What is stored with the positions names the field and the number of lanes, not this function: whoever changes it gives
 * the fields new names there, so that unfinished positions of the old one are refused.
 *
 * Threads: worker. A text by words of eight bytes, little-endian, the last one filled up with zeros: byte by byte, as FNV
 * does it, a user's id costs more than all other work on it. A last multiply mixes the high bits into the remainder.
 */
#pragma once

#include <endian.h>

#include "core/event.h"

#define AB_ROUTE_GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t ab_route_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * AB_ROUTE_GOLDEN;
	return hash ^ hash >> 32;
}

static inline uint64_t ab_route_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t word = 0;
	size_t from = 0;

	for (; from + 8 <= len; from += 8) {
		memcpy(&word, at + from, 8);
		hash = ab_route_word(hash, le64toh(word));
	}
	if (from == len)
		return hash;
	word = 0;
	for (size_t i = from; i < len; i++)
		word |= (uint64_t)at[i] << 8 * (i - from);
	return ab_route_word(hash, word);
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
		hash = (hash ^ (uint64_t)event->id) * AB_ROUTE_GOLDEN;
		break;
	case AB_ROUTE_CONTENT_ID:
		hash = (hash ^ event->content_id.hi) * AB_ROUTE_GOLDEN;
		hash = (hash ^ event->content_id.lo) * AB_ROUTE_GOLDEN;
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
	return (uint32_t)((hash ^ (hash >> 32)) * AB_ROUTE_GOLDEN >> 32) % lanes;
}
