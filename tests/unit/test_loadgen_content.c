/* tests/unit/test_loadgen_content.c — contents as the contract names them, the same for the same seed. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/content.h"
#include "loadgen/random.h"

#define MANY 20000

Test(loadgen_content, the_same_number_gives_the_same_content_in_any_order)
{
	struct ab_gen_content first, again, other;
	memset(&first, 0, sizeof first);
	memset(&again, 0, sizeof again);
	ab_gen_content(1, 7, &first);
	ab_gen_content(1, 4000, &other);
	ab_gen_content(1, 7, &again);
	cr_expect(memcmp(&first, &again, sizeof first) == 0);
	cr_expect(memcmp(first.id, other.id, sizeof first.id) != 0);
}

/* Tables filled yesterday must be found again by tomorrow's generator. */
Test(loadgen_content, the_first_content_of_seed_1_never_changes)
{
	struct ab_gen_content c;
	struct ab_gen_content_text text;
	char id[AB_UUID_TEXT_BYTES];
	ab_gen_content(1, 0, &c);
	ab_gen_content_text(&c, 0, &text);
	ab_uuid_text(c.id, id);
	cr_expect_str_eq(id, "5d8a7595-fa22-465f-a22d-9277b2ca51d8");
	cr_expect_str_eq(text.slug, "video-0-5d8a7595-fa22");
	cr_expect_str_eq(text.title, "Video 1: about winter");
	cr_expect_eq(c.length_seconds, 5881);
	cr_expect_eq(c.publish_us, INT64_C(1710986129000000));
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

Test(loadgen_content, neighbouring_seeds_share_no_id)
{
	static uint8_t ids[3 * MANY][16];
	for (uint64_t seed = 0; seed < 3; seed++)
		for (uint64_t n = 0; n < MANY; n++) {
			struct ab_gen_content c;
			ab_gen_content(seed, n, &c);
			memcpy(ids[seed * MANY + n], c.id, 16);
		}
	qsort(ids, AB_COUNT(ids), 16, by_bytes);
	for (size_t i = 1; i < AB_COUNT(ids); i++)
		cr_assert(memcmp(ids[i - 1], ids[i], 16) != 0, "two contents have one id");
}

Test(loadgen_content, ids_are_version_4_uuids)
{
	for (uint64_t n = 0; n < MANY; n++) {
		struct ab_gen_content c;
		ab_gen_content(1, n, &c);
		cr_assert_eq(c.id[6] >> 4, 4);
		cr_assert_eq(c.id[8] >> 6, 2);
	}
}

/* What the contract says of each type: shortest and longest length, 0 for none. */
static const struct {
	const char *type;
	int32_t shortest, longest;
} CONTRACT[] = {{"podcast", 60, 7200}, {"newsletter", 0, 0}, {"video", 60, 7200}, {"webinar", 60, 7200},
	{"course", 60, 7200}, {"article", 300, 1800}, {"ebook", 0, 0}, {"whitepaper", 0, 0}, {"case-study", 300, 1800},
	{"tutorial", 60, 7200}, {"demo", 60, 7200}, {"interview", 60, 7200}, {"documentary", 60, 7200},
	{"livestream", 60, 7200}, {"audiobook", 60, 7200}, {"blog-post", 300, 1800}};

Test(loadgen_content, all_16_types_come_with_lengths_of_the_contract)
{
	uint32_t seen[AB_COUNT(CONTRACT)] = {0};
	for (uint64_t n = 0; n < MANY; n++) {
		struct ab_gen_content c;
		size_t i = 0;
		ab_gen_content(1, n, &c);
		while (i < AB_COUNT(CONTRACT) && strcmp(CONTRACT[i].type, c.type) != 0)
			i++;
		cr_assert(i < AB_COUNT(CONTRACT), "%s is no type of the contract", c.type);
		seen[i]++;
		if (CONTRACT[i].shortest == 0)
			cr_assert_eq(c.length_seconds, AB_GEN_NO_LENGTH);
		else
			cr_assert(c.length_seconds >= CONTRACT[i].shortest && c.length_seconds <= CONTRACT[i].longest);
	}
	/* 1,250 of each are expected; eight standard deviations are 274. */
	for (size_t i = 0; i < AB_COUNT(CONTRACT); i++)
		cr_expect(seen[i] > 970 && seen[i] < 1530, "%s came %u times", CONTRACT[i].type, seen[i]);
}

Test(loadgen_content, the_largest_number_fits_slug_and_title)
{
	struct ab_gen_content_text text;
	for (uint64_t n = AB_GEN_CONTENTS_MAX - 100; n < AB_GEN_CONTENTS_MAX; n++) {
		struct ab_gen_content c;
		ab_gen_content(1, n, &c);
		ab_gen_content_text(&c, n, &text);
		cr_expect_lt(strlen(text.slug), sizeof text.slug - 1);
		cr_expect_lt(strlen(text.title), sizeof text.title - 1);
	}
}
