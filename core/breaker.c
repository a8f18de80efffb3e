/* core/breaker.c — see breaker.h. */
#include "core/breaker.h"

#include <string.h>

#include "core/clock.h"

#define MARKS (AB_BREAKER_WINDOW_S + 1)

void ab_breaker_create(struct ab_breaker *breaker, int64_t share_percent)
{
	AB_ASSERT(share_percent >= 1 && share_percent <= 100);
	memset(breaker, 0, sizeof *breaker);
	breaker->share_percent = share_percent;
	for (int i = 0; i < MARKS; i++)
		breaker->mark[i].second = -1;
}

/* The counts as of a window ago, or of the last look before it: a window is longer when nobody looked for a while. In the
 * first minute, as of the first look. This second's mark is there. */
static const struct ab_breaker_counts *window_begin(const struct ab_breaker *breaker, int64_t second)
{
	int oldest = (int)(second % MARKS), before = -1;

	for (int i = 0; i < MARKS; i++) {
		int64_t at = breaker->mark[i].second;
		if (at < 0)
			continue;
		if (at < breaker->mark[oldest].second)
			oldest = i;
		if (second - at >= AB_BREAKER_WINDOW_S && (before < 0 || at > breaker->mark[before].second))
			before = i;
	}
	return &breaker->mark[before >= 0 ? before : oldest].counts;
}

static void measure(struct ab_breaker *breaker, const struct ab_breaker_counts *begin,
		    const struct ab_breaker_counts *now)
{
	uint64_t rejected = now->rejected - begin->rejected, unfit = now->unfit - begin->unfit;
	uint64_t given = now->given - begin->given, settled = now->acked - begin->acked + rejected;

	/* What was given may be settled later (a batch fills, an outage passes), and what is settled may have been given
	 * before the window. The larger of the two is the fair measure: the breaker may open late, never wrongly. */
	breaker->window_records = unfit + ab_max_u64(given, settled);
	breaker->window_rejected = unfit + rejected;
}

enum ab_breaker_result ab_breaker_look(struct ab_breaker *breaker, const struct ab_breaker_counts *counts,
				       int64_t now_ns)
{
	int64_t second = now_ns / AB_NS_PER_S;
	int at = (int)(second % MARKS);

	if (breaker->open)
		return AB_BREAKER_OPEN;
	if (breaker->mark[at].second != second) {
		breaker->mark[at].second = second;
		breaker->mark[at].counts = *counts;
	}
	measure(breaker, window_begin(breaker, second), counts);
	if (breaker->window_rejected < AB_BREAKER_REJECTED_MIN)
		return AB_BREAKER_CLOSED;
	breaker->open = breaker->window_rejected * 100 > (uint64_t)breaker->share_percent * breaker->window_records;
	return breaker->open ? AB_BREAKER_OPENS : AB_BREAKER_CLOSED;
}
