/* core/enrich.h — adds to an event what the content table knows, and the figures derived from it.
 *
 *     engagement_pct = round(duration_ms / 1000 / length_seconds * 100, 2), half away from zero, in hundredths:
 *     round_half_away(duration_ms * 10 / length_seconds), by integers alone.
 *
 * Threads: worker. Pure but for reading the cache.
 */
#pragma once

#include "core/cache.h"

/* Looks up event->content_id and fills content_type, length_seconds, pct_hundredths. MISS: the content is not known;
 * the event then reads as one of unknown content, and the caller decides whether to wait and ask again. An event
 * without content_id is a HIT: there is nothing to wait for. */
enum ab_cache_result ab_enrich(const struct ab_cache *cache, struct ab_event *event);

/* duration_ms in milliseconds, length_seconds > 0. The result is the percentage times 100. */
int64_t ab_engagement_hundredths(int64_t duration_ms, int64_t length_seconds);
