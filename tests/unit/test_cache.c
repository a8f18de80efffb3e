/* tests/unit/test_cache.c */
#include <criterion/criterion.h>
#include <string.h>

#include "core/cache.h"
#include "core/limits.h"

static struct ab_uuid id(uint64_t n)
{
	return (struct ab_uuid){n * UINT64_C(0x9e3779b97f4a7c15), n};
}

static enum ab_cache_put_result put(struct ab_cache *cache, uint64_t n, const char *type, int64_t length_seconds)
{
	return ab_cache_put(cache, id(n), type, strlen(type), true, length_seconds);
}

Test(cache, gives_back_what_was_put)
{
	struct ab_cache *cache = ab_cache_create(10);
	struct ab_content content;
	cr_expect_eq(ab_cache_get(cache, id(1), &content), AB_CACHE_MISS);
	cr_expect_eq(put(cache, 1, "video", 7200), AB_CACHE_STORED);
	cr_expect_eq(ab_cache_put(cache, id(2), "ebook", 5, false, 0), AB_CACHE_STORED);
	cr_assert_eq(ab_cache_get(cache, id(1), &content), AB_CACHE_HIT);
	cr_expect(content.has_length);
	cr_expect_eq(content.length_seconds, 7200);
	cr_expect_eq(content.type->text.len, 5);
	cr_expect_arr_eq(content.type->text.at, "video", 5);
	cr_expect_eq(content.type->json.len, 7);
	cr_expect_arr_eq(content.type->json.at, "\"video\"", 7);
	cr_assert_eq(ab_cache_get(cache, id(2), &content), AB_CACHE_HIT);
	cr_expect_not(content.has_length);
	cr_expect_eq(ab_cache_count(cache), 2);
	ab_cache_destroy(cache);
}

Test(cache, takes_its_full_capacity_and_refuses_one_more)
{
	enum { CAPACITY = 5000 };
	struct ab_cache *cache = ab_cache_create(CAPACITY);
	struct ab_content content;
	for (uint64_t n = 0; n < CAPACITY; n++)
		cr_assert_eq(put(cache, n, "video", (int64_t)n), AB_CACHE_STORED);
	cr_expect_eq(put(cache, CAPACITY, "video", 1), AB_CACHE_FULL);
	cr_expect_eq(put(cache, 7, "audio", 8), AB_CACHE_STORED, "a content that is there can still change");
	for (uint64_t n = 0; n < CAPACITY; n++) {
		cr_assert_eq(ab_cache_get(cache, id(n), &content), AB_CACHE_HIT);
		cr_assert_eq(content.length_seconds, n == 7 ? 8 : (int64_t)n);
	}
	cr_expect_eq(ab_cache_get(cache, id(CAPACITY), &content), AB_CACHE_MISS);
	cr_expect_eq(ab_cache_count(cache), CAPACITY);
	ab_cache_destroy(cache);
}

Test(cache, keeps_ids_apart_that_share_half_of_their_bits)
{
	struct ab_cache *cache = ab_cache_create(2000);
	struct ab_content content;
	for (uint64_t n = 0; n < 1000; n++) {
		cr_assert_eq(ab_cache_put(cache, (struct ab_uuid){0, n}, "a", 1, true, (int64_t)n), AB_CACHE_STORED);
		cr_assert_eq(ab_cache_put(cache, (struct ab_uuid){n, 5000}, "b", 1, true, (int64_t)n), AB_CACHE_STORED);
	}
	for (uint64_t n = 0; n < 1000; n++) {
		cr_assert_eq(ab_cache_get(cache, (struct ab_uuid){0, n}, &content), AB_CACHE_HIT);
		cr_assert(content.length_seconds == (int64_t)n && *content.type->text.at == 'a');
		cr_assert_eq(ab_cache_get(cache, (struct ab_uuid){n, 5000}, &content), AB_CACHE_HIT);
		cr_assert(content.length_seconds == (int64_t)n && *content.type->text.at == 'b');
	}
	ab_cache_destroy(cache);
}

Test(cache, misses_a_deleted_content_until_it_comes_back)
{
	struct ab_cache *cache = ab_cache_create(1);
	struct ab_content content;
	cr_assert_eq(put(cache, 1, "video", 5), AB_CACHE_STORED);
	ab_cache_delete(cache, id(1));
	ab_cache_delete(cache, id(1));
	ab_cache_delete(cache, id(2));
	cr_expect_eq(ab_cache_get(cache, id(1), &content), AB_CACHE_MISS);
	cr_expect_eq(ab_cache_count(cache), 0);
	cr_expect_eq(put(cache, 2, "video", 5), AB_CACHE_FULL, "a deleted content keeps its slot");
	cr_expect_eq(put(cache, 1, "audio", 6), AB_CACHE_STORED);
	cr_expect_eq(ab_cache_get(cache, id(1), &content), AB_CACHE_HIT);
	cr_expect_eq(content.length_seconds, 6);
	cr_expect_eq(ab_cache_count(cache), 1);
	ab_cache_destroy(cache);
}

Test(cache, keeps_lengths_from_the_smallest_to_the_largest_integer_of_postgresql)
{
	struct ab_cache *cache = ab_cache_create(4);
	struct ab_content content;
	const int64_t lengths[] = {INT32_MIN, -1, 0, INT32_MAX};
	for (size_t i = 0; i < AB_COUNT(lengths); i++) {
		cr_assert_eq(put(cache, i, "video", lengths[i]), AB_CACHE_STORED);
		cr_assert_eq(ab_cache_get(cache, id(i), &content), AB_CACHE_HIT);
		cr_expect_eq(content.length_seconds, lengths[i]);
	}
	ab_cache_destroy(cache);
}

Test(cache, keeps_one_type_once)
{
	struct ab_cache *cache = ab_cache_create(4);
	struct ab_content a, b, c;
	cr_assert_eq(put(cache, 1, "video", 1), AB_CACHE_STORED);
	cr_assert_eq(put(cache, 2, "video", 2), AB_CACHE_STORED);
	cr_assert_eq(put(cache, 3, "vide", 3), AB_CACHE_STORED);
	cr_assert_eq(ab_cache_get(cache, id(1), &a), AB_CACHE_HIT);
	cr_assert_eq(ab_cache_get(cache, id(2), &b), AB_CACHE_HIT);
	cr_assert_eq(ab_cache_get(cache, id(3), &c), AB_CACHE_HIT);
	cr_expect_eq(a.type, b.type);
	cr_expect_neq(a.type, c.type);
	cr_expect_neq(a.type->id, c.type->id);
	ab_cache_destroy(cache);
}

Test(cache, escapes_a_type_for_json)
{
	const char text[] = "a\"b\\c\nd\x01\x1f/\xc3\xa9";
	const char json[] = "\"a\\\"b\\\\c\\u000ad\\u0001\\u001f/\xc3\xa9\"";
	struct ab_cache *cache = ab_cache_create(1);
	struct ab_content content;
	cr_assert_eq(put(cache, 1, text, 1), AB_CACHE_STORED);
	cr_assert_eq(ab_cache_get(cache, id(1), &content), AB_CACHE_HIT);
	cr_expect_eq(content.type->json.len, sizeof json - 1);
	cr_expect_arr_eq(content.type->json.at, json, sizeof json - 1);
	cr_expect_eq(content.type->text.len, sizeof text - 1);
	ab_cache_destroy(cache);
}

Test(cache, has_room_for_the_longest_type_when_every_byte_is_escaped)
{
	char text[AB_CONTENT_TYPE_MAX_BYTES + 1];
	memset(text, 1, sizeof text);
	struct ab_cache *cache = ab_cache_create(2);
	struct ab_content content;
	cr_assert_eq(ab_cache_put(cache, id(1), text, sizeof text - 1, false, 0), AB_CACHE_STORED);
	cr_assert_eq(ab_cache_get(cache, id(1), &content), AB_CACHE_HIT);
	cr_expect_eq(content.type->json.len, 6 * AB_CONTENT_TYPE_MAX_BYTES + 2);
	cr_expect_eq(ab_cache_put(cache, id(2), text, sizeof text, false, 0), AB_CACHE_TYPES_FULL);
	ab_cache_destroy(cache);
}

Test(cache, reads_a_content_as_a_hit_of_unknown_type_when_types_are_used_up)
{
	struct ab_cache *cache = ab_cache_create(AB_CONTENT_TYPES_MAX + 2);
	struct ab_content content;
	char type[16];
	for (uint64_t n = 0; n < AB_CONTENT_TYPES_MAX; n++) {
		snprintf(type, sizeof type, "type-%u", (unsigned)n);
		cr_assert_eq(put(cache, n, type, 1), AB_CACHE_STORED);
	}
	cr_expect_eq(put(cache, 5000, "one-more", 60), AB_CACHE_TYPES_FULL);
	cr_expect_eq(put(cache, 5001, "type-3", 60), AB_CACHE_STORED);
	cr_assert_eq(ab_cache_get(cache, id(5000), &content), AB_CACHE_HIT);
	cr_expect_null(content.type);
	cr_expect_eq(content.length_seconds, 60);
	ab_cache_destroy(cache);
}

Test(cache, says_how_many_bytes_it_takes)
{
	cr_expect_eq(ab_cache_bytes(200 * 32768) - ab_cache_bytes(100 * 32768), 100 * 32768 * 64);
}
