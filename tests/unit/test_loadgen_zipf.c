/* tests/unit/test_loadgen_zipf.c — the skew is the one asked for, and nothing falls outside. */
#include <criterion/criterion.h>
#include <math.h>

#include "loadgen/zipf.h"

#define COUNT 50
#define MANY 400000

static uint32_t seen[COUNT];

static void draw(int64_t s_milli)
{
	struct ab_zipf zipf;
	ab_zipf_open(&zipf, COUNT, s_milli);
	memset(seen, 0, sizeof seen);
	for (uint64_t n = 0; n < MANY; n++) {
		struct ab_random r = ab_random_start(1, AB_STREAM_EVENT, n);
		uint64_t k = ab_zipf_draw(&zipf, &r);
		cr_assert(k < COUNT);
		seen[k]++;
	}
}

Test(loadgen_zipf, each_number_comes_as_often_as_its_weight_says)
{
	static const int64_t exponents[] = {300, 1000, 1100, 2500};
	for (size_t e = 0; e < AB_COUNT(exponents); e++) {
		double sum = 0, s = (double)exponents[e] / 1000;
		draw(exponents[e]);
		for (int k = 0; k < COUNT; k++)
			sum += pow(k + 1, -s);
		for (int k = 0; k < COUNT; k++) {
			double want = MANY * pow(k + 1, -s) / sum;
			cr_expect(fabs(seen[k] - want) < 5 * sqrt(want) + 1, "s %.1f, %d: %u instead of %.0f", s, k, seen[k], want);
		}
	}
}

Test(loadgen_zipf, one_content_is_always_content_0)
{
	struct ab_zipf zipf;
	ab_zipf_open(&zipf, 1, 1100);
	for (uint64_t n = 0; n < 1000; n++) {
		struct ab_random r = ab_random_start(1, AB_STREAM_EVENT, n);
		cr_assert_eq(ab_zipf_draw(&zipf, &r), 0);
	}
}
