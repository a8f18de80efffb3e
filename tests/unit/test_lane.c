/* tests/unit/test_lane.c — the lane's promises, one at a time. The seeded schedules are in tests/sim. */
#include "core/lane.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ab_lane lane;
static struct ab_chunk chunk;

static void setup_with(bool stores_positions)
{
	const struct ab_lane_limits limits = {
	    .batch_size = 4,
	    .item_max = 8,
	    .bytes_max = AB_CHUNK_BYTES,
	    .linger_ns = 100,
	    .cover_linger_ns = 1000,
	    .stores_positions = stores_positions,
	};
	ab_lane_create(&lane, &limits);
	ab_lane_begin(&lane, 0, 10);
}

static void setup(void)
{
	setup_with(false);
}

static void teardown(void)
{
	ab_lane_destroy(&lane);
}

TestSuite(lane, .init = setup, .fini = teardown);

/* A chunk of partition 0 that covers [first, next) and has a record for each offset in the list (ended by -1). */
static struct ab_chunk *chunk_of(int64_t first, int64_t next, const int64_t *offset)
{
	struct ab_record *record = (struct ab_record *)chunk.bytes;

	chunk.used_bytes = 0;
	chunk.record_count = 0;
	for (; offset != NULL && *offset >= 0; offset++, record = ab_record_next(record)) {
		*record = (struct ab_record){.offset = *offset, .len = 3, .partition = 0};
		memcpy(ab_record_bytes(record), "abc", 3);
		chunk.record_count++;
		chunk.used_bytes += (uint32_t)ab_record_size(3);
	}
	chunk.range_count = 1;
	chunk.range[0] = (struct ab_range){.partition = 0, .first = first, .next = next};
	return &chunk;
}

static enum ab_lane_next next_at(int64_t now_ns)
{
	int64_t due_ns = INT64_MAX;
	return ab_lane_next(&lane, now_ns, &due_ns);
}

static void answer(enum ab_outcome outcome)
{
	for (uint32_t i = 0; i < lane.sending->item_count; i++)
		lane.sending->item[i].outcome = outcome;
}

Test(lane, moves_its_position_only_when_the_batch_is_acknowledged)
{
	cr_assert_eq(ab_lane_take(&lane, chunk_of(10, 20, (int64_t[]){12, 15, -1}), 0), AB_LANE_TAKEN);
	cr_assert_eq(ab_lane_position(&lane, 0), 10);
	cr_assert_eq(next_at(100), AB_LANE_START);
	cr_assert(ab_lane_start(&lane));
	cr_assert_eq(ab_lane_position(&lane, 0), 10);
	answer(AB_OUTCOME_ACKED);
	cr_assert_eq(ab_lane_settle(&lane, 0), AB_LANE_IDLE);
	cr_assert_eq(ab_lane_position(&lane, 0), 20);
}

Test(lane, waits_for_the_linger_unless_the_batch_is_large_enough)
{
	ab_lane_take(&lane, chunk_of(10, 13, (int64_t[]){10, 11, 12, -1}), 0);
	cr_assert_eq(next_at(99), AB_LANE_WAIT);
	ab_lane_take(&lane, chunk_of(13, 14, (int64_t[]){13, -1}), 50);
	cr_assert_eq(next_at(51), AB_LANE_START);
}

Test(lane, drops_records_that_it_has_accepted_before)
{
	ab_lane_take(&lane, chunk_of(10, 14, (int64_t[]){10, 13, -1}), 0);
	cr_assert_eq(ab_lane_take(&lane, chunk_of(10, 16, (int64_t[]){10, 13, 15, -1}), 0), AB_LANE_TAKEN);
	cr_assert_eq(lane.filling->item_count, 3);
	cr_assert_eq(lane.filling->item[2].offset, 15);
	cr_assert_eq(lane.accepted[0], 16);
	cr_assert_eq(lane.repeated, 2);
}

Test(lane, refuses_a_chunk_that_begins_above_what_it_accepted)
{
	cr_assert_eq(ab_lane_take(&lane, chunk_of(11, 12, NULL), 0), AB_LANE_GAP);
	cr_assert_eq(lane.accepted[0], 10);
}

Test(lane, moves_over_offsets_without_records_at_no_cost)
{
	ab_lane_take(&lane, chunk_of(10, 500, NULL), 0);
	cr_assert_eq(next_at(0), AB_LANE_START);
	cr_assert_not(ab_lane_start(&lane));
	cr_assert_eq(ab_lane_position(&lane, 0), 500);
	cr_assert_eq(lane.state, AB_LANE_IDLE);
}

Test(lane, that_stores_positions_sends_them_even_without_records)
{
	ab_lane_destroy(&lane);
	setup_with(true);
	ab_lane_take(&lane, chunk_of(10, 500, NULL), 0);
	cr_assert_eq(next_at(999), AB_LANE_WAIT);
	cr_assert_eq(next_at(1000), AB_LANE_START);
	cr_assert(ab_lane_start(&lane));
	cr_assert_eq(ab_lane_position(&lane, 0), 10);
}

Test(lane, sends_again_only_what_was_refused_for_now)
{
	ab_lane_take(&lane, chunk_of(10, 14, (int64_t[]){10, 11, 12, 13, -1}), 0);
	ab_lane_start(&lane);
	answer(AB_OUTCOME_ACKED);
	lane.sending->item[2].outcome = AB_OUTCOME_RETRY;
	lane.sending->retry_after_ms = 5;
	cr_assert_eq(ab_lane_settle(&lane, 1000), AB_LANE_WAITING);
	cr_assert_eq(ab_lane_position(&lane, 0), 10);
	cr_assert_eq(next_at(1000 + 4999999), AB_LANE_WAIT);
	cr_assert_eq(next_at(1000 + 5000000), AB_LANE_SEND_AGAIN);
	cr_assert_eq(lane.sending->item[1].outcome, AB_OUTCOME_ACKED);
	cr_assert_eq(lane.sending->item[2].outcome, AB_OUTCOME_PENDING);
	ab_lane_resume(&lane);
	lane.sending->item[2].outcome = AB_OUTCOME_ACKED;
	cr_assert_eq(ab_lane_settle(&lane, 0), AB_LANE_IDLE);
	cr_assert_eq(ab_lane_position(&lane, 0), 14);
}

Test(lane, does_not_pass_a_rejected_record_before_its_letter_is_acknowledged)
{
	ab_lane_take(&lane, chunk_of(10, 11, (int64_t[]){10, -1}), 0);
	lane.draining = true;
	ab_lane_start(&lane);
	answer(AB_OUTCOME_REJECTED);
	lane.dead_sent++;
	cr_assert_eq(ab_lane_settle(&lane, 0), AB_LANE_DEAD_LETTERS);
	cr_assert_eq(next_at(INT64_MAX), AB_LANE_WAIT);
	cr_assert_eq(ab_lane_position(&lane, 0), 10);
	ab_acks_note(&lane.acks, 0);
	cr_assert_eq(next_at(0), AB_LANE_SETTLE);
	cr_assert_eq(ab_lane_settle(&lane, 0), AB_LANE_IDLE);
	cr_assert_eq(ab_lane_position(&lane, 0), 11);
}

Test(lane, takes_more_while_a_request_is_in_flight_until_it_is_full)
{
	ab_lane_take(&lane, chunk_of(10, 14, (int64_t[]){10, 11, 12, 13, -1}), 0);
	ab_lane_start(&lane);
	cr_assert_eq(ab_lane_take(&lane, chunk_of(14, 19, (int64_t[]){14, 15, 16, 17, 18, -1}), 0), AB_LANE_TAKEN);
	cr_assert_eq(ab_lane_take(&lane, chunk_of(19, 23, (int64_t[]){19, 20, 21, 22, -1}), 0), AB_LANE_FULL);
	cr_assert_eq(ab_lane_take(&lane, chunk_of(19, 22, (int64_t[]){19, 20, 21, -1}), 0), AB_LANE_TAKEN);
}

Test(lane, sends_the_same_again_after_a_lost_connection)
{
	ab_lane_take(&lane, chunk_of(10, 14, (int64_t[]){10, 11, 12, 13, -1}), 0);
	ab_lane_start(&lane);
	ab_lane_lost(&lane, 7);
	cr_assert_eq(next_at(7), AB_LANE_SEND_AGAIN);
	ab_lane_resume(&lane);
	cr_assert_eq(lane.sending->item_count, 4);
	cr_assert_eq(lane.sending->item[0].outcome, AB_OUTCOME_PENDING);
}

Test(lane, backs_off_longer_each_time_and_never_above_ten_seconds)
{
	cr_assert_leq(ab_lane_backoff_ns(0, 1), 100000000);
	cr_assert_geq(ab_lane_backoff_ns(0, 1), 75000000);
	cr_assert_gt(ab_lane_backoff_ns(3, 1), ab_lane_backoff_ns(1, 1));
	cr_assert_leq(ab_lane_backoff_ns(1000, 12345), INT64_C(10000000000));
	cr_assert_neq(ab_lane_backoff_ns(4, 1), ab_lane_backoff_ns(4, 2));
}
