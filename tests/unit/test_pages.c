/* tests/unit/test_pages.c — blocks in huge pages. See core/pages.h. */
#include <criterion/criterion.h>

#include "core/pages.h"

#define HALF (AB_PAGE_HUGE_BYTES / 2)

static void expect_zeroed(const uint8_t *block, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		cr_assert_eq(block[i], 0, "byte %zu of %zu", i, bytes);
}

Test(pages, gives_zeroed_blocks_that_do_not_overlap)
{
	const size_t size[] = {1, 127, 128, 129, 70000, HALF - 128, HALF, HALF + 1, AB_PAGE_HUGE_BYTES + 1, 70000, 1};
	uint8_t *block[AB_COUNT(size)];

	for (size_t i = 0; i < AB_COUNT(size); i++) {
		block[i] = ab_pages_take(size[i]);
		cr_assert_not_null(block[i]);
		cr_expect_eq((uintptr_t)block[i] % (2 * AB_CACHE_LINE_BYTES), 0);
		expect_zeroed(block[i], size[i]);
		memset(block[i], (int)i + 1, size[i]);
	}
	for (size_t i = 0; i < AB_COUNT(size); i++) {
		for (size_t at = 0; at < size[i]; at++)
			cr_assert_eq(block[i][at], i + 1, "byte %zu of block %zu", at, i);
		ab_pages_give(block[i], size[i]);
	}
	uint8_t *again = ab_pages_take(70000);
	expect_zeroed(again, 70000);
	ab_pages_give(again, 70000);
	ab_pages_give(NULL, 70000);
}

#if !defined(__SANITIZE_ADDRESS__) /* there every block is malloc's, so that a step beyond its end is seen */
Test(pages, small_blocks_share_a_page_and_a_page_without_blocks_is_used_again)
{
	const size_t third = AB_PAGE_HUGE_BYTES / 3 - 128;
	uintptr_t page = 0;

	for (int round = 0; round < 3; round++) {
		uint8_t *block[3];
		for (int i = 0; i < 3; i++) {
			block[i] = ab_pages_take(third);
			uintptr_t in = (uintptr_t)block[i] / AB_PAGE_HUGE_BYTES;
			page = page == 0 ? in : page;
			cr_expect_eq(in, page, "block %d of round %d", i, round);
		}
		for (int i = 0; i < 3; i++)
			ab_pages_give(block[i], third);
	}
}
#endif

Test(pages, tell_what_a_block_takes)
{
	cr_expect_eq(ab_pages_bytes(HALF + 1), AB_PAGE_HUGE_BYTES);
	cr_expect_eq(ab_pages_bytes(AB_PAGE_HUGE_BYTES + 1), 2 * AB_PAGE_HUGE_BYTES);
	cr_expect_eq(ab_pages_bytes(HALF - 128), HALF, "two of them fill a page");
	cr_expect(ab_pages_bytes(100) >= 128 && ab_pages_bytes(100) < 140);
}
