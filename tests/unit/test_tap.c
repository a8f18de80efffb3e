/* tests/unit/test_tap.c — which events are chosen, and what of them is kept for how long. See core/tap.h. */
#include "core/tap.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ab_tap tap;
static struct ab_tap_sample sample;

static void put(int64_t id, const char *record)
{
	const struct ab_event event = {.id = id, .offset = id * 10, .partition = 3, .op = AB_OP_UPDATE, .has = AB_HAS_PCT,
				       .pct_hundredths = 1234};

	ab_tap_begin(&tap, &event, "all", record, strlen(record));
	ab_tap_to_sink(&tap, 0, AB_TAP_GIVEN, 5, "written", 7, NULL);
	ab_tap_to_sink(&tap, 2, AB_TAP_REJECTED, 1, NULL, 0, "why");
	ab_tap_end(&tap);
}

/* Of ids 1 to 100,000. */
static int chosen(int percent)
{
	int count = 0;

	ab_tap_create(&tap, percent);
	for (int64_t id = 1; id <= 100000; id++)
		count += ab_tap_wants(&tap, id);
	ab_tap_destroy(&tap);
	return count;
}

Test(tap, chooses_the_share_it_is_told)
{
	cr_expect_eq(chosen(0), 0);
	cr_expect_eq(chosen(100), 100000);
	cr_expect(chosen(1) > 850 && chosen(1) < 1150, "%d", chosen(1));
	cr_expect(chosen(37) > 36300 && chosen(37) < 37700, "%d", chosen(37));
}

Test(tap, the_rows_of_a_smaller_share_are_among_those_of_a_larger_one)
{
	struct ab_tap small, large;
	int both = 0;

	ab_tap_create(&small, 5);
	ab_tap_create(&large, 20);
	for (int64_t id = -20000; id < 20000; id++) {
		both += ab_tap_wants(&small, id);
		cr_assert(!ab_tap_wants(&small, id) || ab_tap_wants(&large, id), "%ld", id);
	}
	cr_expect_gt(both, 0);
	ab_tap_destroy(&small);
	ab_tap_destroy(&large);
}

/* The values of splitmix64 for the seeds 0 and 1, as its author's program prints them. */
Test(tap, the_choice_is_the_same_in_every_version)
{
	cr_expect_eq(ab_tap_hash(0), UINT64_C(0xe220a8397b1dcdaf));
	cr_expect_eq(ab_tap_hash(1), UINT64_C(0x910a2dec89025cc1));
}

Test(tap, a_sample_is_what_was_put)
{
	ab_tap_create(&tap, 100);
	put(7, "{\"id\":7}");
	cr_assert_eq(ab_tap_read(&tap, 0, &sample), AB_TAP_READ);
	cr_expect(sample.id == 7 && sample.offset == 70 && sample.partition == 3 && sample.op == AB_OP_UPDATE);
	cr_expect(sample.has == AB_HAS_PCT && sample.pct_hundredths == 1234 && sample.content_type == NULL);
	cr_expect(sample.record_kept == 8 && memcmp(sample.bytes, "{\"id\":7}", 8) == 0);
	cr_expect(sample.sink[0].outcome == AB_TAP_GIVEN && sample.sink[0].lane == 5 && sample.sink[0].len == 7);
	cr_expect_eq(memcmp(sample.bytes + sample.sink[0].at, "written", 7), 0);
	cr_expect_eq(sample.sink[1].outcome, AB_TAP_NOT_READ);
	cr_expect(sample.sink[2].outcome == AB_TAP_REJECTED && strcmp(sample.sink[2].reason, "why") == 0);
	cr_expect_eq(ab_tap_read(&tap, 1, &sample), AB_TAP_NOT_YET);
	ab_tap_destroy(&tap);
}

Test(tap, the_newest_overwrite_the_oldest_and_a_reader_is_told)
{
	ab_tap_create(&tap, 100);
	for (int64_t id = 0; id <= AB_TAP_SLOTS; id++)
		put(id, "{}");
	cr_expect_eq(ab_tap_count(&tap), AB_TAP_SLOTS + 1);
	cr_expect_eq(ab_tap_read(&tap, 0, &sample), AB_TAP_GONE);
	for (uint64_t n = 1; n <= AB_TAP_SLOTS; n++) {
		cr_assert_eq(ab_tap_read(&tap, n, &sample), AB_TAP_READ);
		cr_assert_eq(sample.id, (int64_t)n);
	}
	cr_expect_eq(ab_tap_read(&tap, AB_TAP_SLOTS + 1, &sample), AB_TAP_NOT_YET);
	ab_tap_destroy(&tap);
}

Test(tap, what_does_not_fit_is_left_out_and_said)
{
	static char record[AB_TAP_SAMPLE_BYTES + 1];

	memset(record, ' ', sizeof record - 1);
	ab_tap_create(&tap, 100);
	put(1, record);
	cr_assert_eq(ab_tap_read(&tap, 0, &sample), AB_TAP_READ);
	cr_expect(sample.record_kept == 0 && sample.record_len == AB_TAP_SAMPLE_BYTES);
	cr_expect_eq(memcmp(sample.bytes + sample.sink[0].at, "written", 7), 0, "the sink's part has room");
	record[sizeof sample.bytes - 3] = '\0';
	put(2, record);
	cr_assert_eq(ab_tap_read(&tap, 1, &sample), AB_TAP_READ);
	cr_expect(sample.record_kept == sizeof sample.bytes - 3 && sample.sink[0].at == UINT32_MAX && sample.sink[0].len == 7);
	ab_tap_destroy(&tap);
}

Test(tap, a_share_of_nothing_takes_no_memory)
{
	ab_tap_create(&tap, 0);
	cr_expect(tap.slot == NULL && tap.open == NULL && ab_tap_bytes(0) == 0 && ab_tap_bytes(1) > 0);
	cr_expect_eq(ab_tap_read(&tap, 0, &sample), AB_TAP_NOT_YET);
	ab_tap_destroy(&tap);
}
