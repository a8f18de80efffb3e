/* core/enrich.c — see enrich.h. */
#include "core/enrich.h"

int64_t ab_engagement_hundredths(int64_t duration_ms, int64_t length_seconds)
{
	AB_ASSERT(duration_ms >= INT32_MIN && duration_ms <= INT32_MAX);
	AB_ASSERT(length_seconds > 0 && length_seconds <= INT32_MAX);
	/* duration / 1000 / length * 100 percent, times 100 for hundredths, is duration * 10 / length. */
	int64_t numerator = (duration_ms < 0 ? -duration_ms : duration_ms) * 10;
	int64_t rounded = numerator / length_seconds + (numerator % length_seconds * 2 >= length_seconds);
	return duration_ms < 0 ? -rounded : rounded;
}

enum ab_cache_result ab_enrich(const struct ab_cache *cache, struct ab_event *event)
{
	struct ab_content content;

	event->has &= (uint16_t)~(AB_HAS_LENGTH | AB_HAS_PCT);
	event->content_type = NULL;
	event->length_seconds = 0;
	event->pct_hundredths = 0;
	if (!(event->has & AB_HAS_CONTENT_ID))
		return AB_CACHE_HIT;
	if (ab_cache_get(cache, event->content_id, &content) == AB_CACHE_MISS)
		return AB_CACHE_MISS;

	event->content_type = content.type;
	if (!content.has_length)
		return AB_CACHE_HIT;
	event->has |= AB_HAS_LENGTH;
	event->length_seconds = content.length_seconds;
	if (event->has & AB_HAS_DURATION && content.length_seconds > 0) {
		event->has |= AB_HAS_PCT;
		event->pct_hundredths = ab_engagement_hundredths(event->duration_ms, content.length_seconds);
	}
	return AB_CACHE_HIT;
}
