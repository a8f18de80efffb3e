/* tests/unit/test_enrich.c */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "core/enrich.h"

Test(engagement, rounds_halves_away_from_zero)
{
	const struct {
		int64_t duration_ms, length_seconds, hundredths;
	} cases[] = {
	    {0, 60, 0},
	    {30000, 60, 5000}, /* 50 % */
	    {60000, 60, 10000},
	    {90000, 60, 15000}, /* more than all of it: seen twice */
	    {1, 20, 1}, /* 0.5 hundredths: up */
	    {1, 21, 0}, /* 0.476 */
	    {3, 20, 2}, /* 1.5: up */
	    {5, 20, 3}, /* 2.5: up, not to even */
	    {-1, 20, -1}, /* -0.5: down */
	    {-1, 21, 0},
	    {-5, 20, -3},
	    {672892, 7200, 935}, /* 934.57 */
	    {1, 1, 10},
	    {INT32_MAX, 1, INT64_C(21474836470)},
	    {INT32_MIN, 1, INT64_C(-21474836480)},
	    {INT32_MAX, INT32_MAX, 10},
	    {1, INT32_MAX, 0},
	};
	for (size_t i = 0; i < AB_COUNT(cases); i++) {
		int64_t got = ab_engagement_hundredths(cases[i].duration_ms, cases[i].length_seconds);
		cr_expect_eq(got, cases[i].hundredths, "%" PRId64 " of %" PRId64 ": %" PRId64, cases[i].duration_ms,
			     cases[i].length_seconds, got);
	}
}

static const struct ab_uuid video = {1, 2}, ebook = {3, 4}, empty = {5, 6}, absent = {7, 8};

static struct ab_cache *filled(void)
{
	struct ab_cache *cache = ab_cache_create(8);
	cr_assert_eq(ab_cache_put(cache, video, "video", 5, true, 60), AB_CACHE_STORED);
	cr_assert_eq(ab_cache_put(cache, ebook, "ebook", 5, false, 0), AB_CACHE_STORED);
	cr_assert_eq(ab_cache_put(cache, empty, "video", 5, true, 0), AB_CACHE_STORED);
	return cache;
}

static struct ab_event event_of(struct ab_uuid content_id)
{
	return (struct ab_event){
	    .has = AB_HAS_CONTENT_ID | AB_HAS_DURATION, .content_id = content_id, .duration_ms = 30000};
}

Test(enrich, adds_type_length_and_percentage)
{
	struct ab_cache *cache = filled();
	struct ab_event event = event_of(video);
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_HIT);
	cr_expect_arr_eq(event.content_type->json.at, "\"video\"", 7);
	cr_expect_eq(event.length_seconds, 60);
	cr_expect_eq(event.pct_hundredths, 5000);
	cr_expect_eq(event.has, AB_HAS_CONTENT_ID | AB_HAS_DURATION | AB_HAS_LENGTH | AB_HAS_PCT);
	ab_cache_destroy(cache);
}

Test(enrich, has_no_percentage_without_length_or_duration_or_with_a_length_of_zero)
{
	struct ab_cache *cache = filled();
	struct ab_event event = event_of(ebook);
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_HIT);
	cr_expect_not(event.has & (AB_HAS_LENGTH | AB_HAS_PCT));
	cr_expect_arr_eq(event.content_type->text.at, "ebook", 5);

	event = event_of(empty);
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_HIT);
	cr_expect(event.has & AB_HAS_LENGTH);
	cr_expect_not(event.has & AB_HAS_PCT);

	event = event_of(video);
	event.has = AB_HAS_CONTENT_ID;
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_HIT);
	cr_expect(event.has & AB_HAS_LENGTH);
	cr_expect_not(event.has & AB_HAS_PCT);
	ab_cache_destroy(cache);
}

Test(enrich, reads_an_unknown_content_as_a_miss_and_no_content_as_nothing_to_wait_for)
{
	struct ab_cache *cache = filled();
	struct ab_event event = event_of(absent);
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_MISS);
	cr_expect_null(event.content_type);

	event.has = AB_HAS_DURATION;
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_HIT);
	cr_expect_null(event.content_type);
	ab_cache_destroy(cache);
}

Test(enrich, forgets_what_an_earlier_look_up_found)
{
	struct ab_cache *cache = filled();
	struct ab_event event = event_of(video);
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_HIT);
	ab_cache_delete(cache, video);
	cr_expect_eq(ab_enrich(cache, &event), AB_CACHE_MISS);
	cr_expect_null(event.content_type);
	cr_expect_eq(event.has, AB_HAS_CONTENT_ID | AB_HAS_DURATION);
	ab_cache_destroy(cache);
}
