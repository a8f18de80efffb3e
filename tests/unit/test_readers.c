/* tests/unit/test_readers.c — see core/readers.h for the promises. */
#include "core/readers.h"

#include <criterion/criterion.h>

static struct ab_reader_sink sink_at(bool ready, int64_t p0, int64_t p1)
{
	struct ab_reader_sink sink = {.ready = ready};

	for (int p = 0; p < AB_PARTITIONS_MAX; p++)
		sink.next[p] = -1;
	sink.next[0] = ready ? p0 : -1;
	sink.next[1] = ready ? p1 : -1;
	return sink;
}

Test(readers, read_together_when_they_stand_close)
{
	struct ab_reader_sink sink[] = {sink_at(true, 1000, 500), sink_at(true, 900, 600)};
	struct ab_reader_plan plan;

	ab_readers_plan(sink, 2, &plan);
	cr_assert_eq(plan.reader[0], 0);
	cr_assert_eq(plan.reader[1], 0);
	cr_assert_eq(plan.start[0][0], 900);
	cr_assert_eq(plan.start[0][1], 500);
	cr_assert_eq(plan.start[0][2], -1);
}

Test(readers, give_a_sink_far_behind_in_any_partition_its_own)
{
	struct ab_reader_sink sink[] = {sink_at(true, 5000000, 100), sink_at(true, 10, 100), sink_at(true, 4950000, 90)};
	struct ab_reader_plan plan;

	ab_readers_plan(sink, 3, &plan);
	cr_assert_eq(plan.reader[0], 0);
	cr_assert_eq(plan.reader[1], 2);
	cr_assert_eq(plan.reader[2], 0);
	cr_assert_eq(plan.start[0][0], 4950000);
	cr_assert_eq(plan.start[2][0], 10);
	cr_assert_eq(plan.start[2][1], 100);
}

Test(readers, leave_out_a_sink_that_is_not_there)
{
	struct ab_reader_sink sink[] = {sink_at(false, 0, 0), sink_at(true, 7, 8)};
	struct ab_reader_plan plan;

	ab_readers_plan(sink, 2, &plan);
	cr_assert_eq(plan.reader[0], -1);
	cr_assert_eq(plan.reader[1], 0);
	cr_assert_eq(plan.start[0][0], 7);
	cr_assert_eq(plan.start[1][0], -1);
}

Test(readers, leave_a_sink_apart_that_held_the_others_up)
{
	struct ab_reader_sink sink[] = {sink_at(true, 1000, 500), sink_at(true, 900, 600), sink_at(true, 990, 490)};
	struct ab_reader_plan plan;

	sink[1].apart = true;
	ab_readers_plan(sink, 3, &plan);
	cr_assert_eq(plan.reader[0], 0);
	cr_assert_eq(plan.reader[1], 2);
	cr_assert_eq(plan.reader[2], 0);
	cr_assert_eq(plan.start[0][0], 990);
	cr_assert_eq(plan.start[2][0], 900);
}

Test(readers, never_leave_the_shared_one_empty)
{
	struct ab_reader_sink sink[] = {sink_at(true, 1000, 500), sink_at(true, 900, 600), sink_at(false, 0, 0)};
	struct ab_reader_plan plan;

	sink[0].apart = sink[1].apart = true;
	ab_readers_plan(sink, 3, &plan);
	cr_assert_eq(plan.reader[0], 0);
	cr_assert_eq(plan.reader[1], 0);
	cr_assert_eq(plan.reader[2], -1);
}
