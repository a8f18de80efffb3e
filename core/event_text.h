/* core/event_text.h — what more than one sink writes of an event (numbers, times), made into text once.
 *
 * A number or time that stands in the message as sinks write it is pointed at where it stands; the rest is written here.
 * The worker lends each event its text before the sinks encode it, and whichever needs it first fills it in. An event to
 * which nobody lent one is written for each encoder by itself: what comes out is the same.
 *
 * Threads: the event's. Memory: the lender's, and the message's.
 */
#pragma once

#include "core/event.h"
#include "core/format.h"

struct ab_event_text {
	bool made;		/* for this event; the lender clears it */
	struct ab_text id, partition, offset;
	/* null where the event has none */
	struct ab_text lsn, duration_ms, engagement_pct;
	/* "2026-11-23T23:19:12.353824Z", quotes included, or null: outside of the years 1 to 9999, or no time at all */
	struct ab_text event_time, kafka_time;

	char room[7][AB_FORMAT_MAX_BYTES];
	/* Records of one second follow each other: only the milliseconds of its text are written again. */
	char kafka_room[AB_FORMAT_MAX_BYTES];
	int64_t kafka_second;
};

/* kafka_second of a text that has none. */
#define AB_EVENT_TEXT_NO_SECOND INT64_MIN

static inline void ab_event_text_begin(struct ab_event_text *text)
{
	text->made = false;
	text->kafka_second = AB_EVENT_TEXT_NO_SECOND;
}

void ab_event_text_make(struct ab_event_text *text, const struct ab_event *event);

/* The event's text: the one it was lent, or *own. */
static inline const struct ab_event_text *ab_event_text_of(const struct ab_event *event, struct ab_event_text *own)
{
	struct ab_event_text *text = event->text;

	if (text == NULL) {
		text = own;
		ab_event_text_begin(own);
	}
	if (!text->made)
		ab_event_text_make(text, event);
	return text;
}
