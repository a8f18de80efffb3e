/* tests/unit/test_position.c — see core/position.h for the promises. */
#include "core/cluster.h"
#include "core/position.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ab_positions sample(void)
{
	struct ab_positions positions = {
	    .cluster = "abc-123",
	    .fingerprint = {.offset = 99, .timestamp_ms = 1795475954587, .crc = 4294967295u},
	    .sink_count = 2,
	    .sink = {{.sink = "redis", .key = "content_id", .lanes = 3, .next = {110, 100, 105}},
		     {.sink = "elasticsearch", .key = "id", .lanes = 1, .next = {2000}}},
	};
	return positions;
}

Test(position, reads_back_what_it_wrote)
{
	struct ab_positions written = sample(), read;
	char text[AB_POSITION_TEXT_MAX_BYTES];

	cr_assert_gt(ab_positions_write(&written, 100, text, sizeof text), 0);
	cr_assert_str_eq(text,
			 "ab1 abc-123 99:1795475954587:4294967295 redis/3/content_id=10,0,5 elasticsearch/1/id=1900");
	cr_assert_eq(ab_positions_read(&read, 100, text), AB_POSITIONS_OK);
	cr_assert_eq(read.sink_count, 2);
	cr_assert_eq(read.sink[0].next[2], 105);
	cr_assert_eq(read.sink[1].next[0], 2000);
	cr_assert_eq(read.fingerprint.crc, 4294967295u);
	cr_assert_eq(ab_positions_min(&read), 100);
}

Test(position, of_the_largest_engine_fits_kafkas_bound)
{
	struct ab_positions positions = {.sink_count = AB_SINKS_MAX};
	char text[AB_POSITION_TEXT_MAX_BYTES];

	memset(positions.cluster, 'c', sizeof positions.cluster - 1);
	positions.fingerprint = (struct ab_fingerprint){INT64_MAX, INT64_MAX, UINT32_MAX};
	for (int s = 0; s < AB_SINKS_MAX; s++) {
		snprintf(positions.sink[s].sink, sizeof positions.sink[s].sink, "elasticsearch");
		snprintf(positions.sink[s].key, sizeof positions.sink[s].key, "content_id");
		positions.sink[s].lanes = AB_LANES_MAX;
		for (int l = 0; l < AB_LANES_MAX; l++)
			positions.sink[s].next[l] = INT64_MAX;
	}
	cr_assert_gt(ab_positions_write(&positions, 0, text, sizeof text), 0);
}

Test(position, takes_nothing_for_its_own_that_it_did_not_write)
{
	static const char *const foreign[] = {
	    "checkpoint-17",
	    "ab1",
	    "ab1 ",
	    "ab1 c 1:2:3",
	    "ab1 c 1:2 redis/1/id=0",
	    "ab1 c 1:2:3 redis/0/id=",
	    "ab1 c 1:2:3 redis/33/id=0",
	    "ab1 c 1:2:3 redis/2/id=0",
	    "ab1 c 1:2:3 redis/1/id=-1",
	    "ab1 c 1:2:3 redis/1/id=0,1",
	    "ab1 c 1:2:3 redis/1/=0",
	    "ab1 c 1:2:3 redis/1/id=99999999999999999999",
	    "ab1 c 1:2:4294967296 redis/1/id=0",
	    "ab1 c 1:2:3 a/1/id=0 b/1/id=0 c/1/id=0 d/1/id=0 e/1/id=0",
	    "ab2 c 1:2:3 redis/1/id=0",
	};
	struct ab_positions read;

	for (size_t i = 0; i < AB_COUNT(foreign); i++)
		cr_assert_eq(ab_positions_read(&read, 5, foreign[i]), AB_POSITIONS_FOREIGN, "%s", foreign[i]);
	cr_assert_eq(ab_positions_read(&read, 5, ""), AB_POSITIONS_NONE);
	cr_assert_eq(ab_positions_read(&read, 5, NULL), AB_POSITIONS_NONE);
}

Test(position, lets_a_drained_sink_change_its_layout_and_no_other)
{
	struct ab_sink_position drained = {.sink = "redis", .key = "id", .lanes = 3, .next = {7, 7, 7}};
	struct ab_sink_position busy = {.sink = "redis", .key = "id", .lanes = 3, .next = {7, 8, 7}};

	cr_assert_eq(ab_layout_fit(&busy, 3, "id"), AB_LAYOUT_SAME);
	cr_assert_eq(ab_layout_fit(&busy, 4, "id"), AB_LAYOUT_REFUSED);
	cr_assert_eq(ab_layout_fit(&busy, 3, "user_id"), AB_LAYOUT_REFUSED);
	cr_assert_eq(ab_layout_fit(&drained, 5, "user_id"), AB_LAYOUT_CHANGED);
	cr_assert_eq(drained.lanes, 5);
	cr_assert_eq(drained.next[4], 7);
	cr_assert_str_eq(drained.key, "user_id");
}

Test(position, of_other_kafkas_are_known_by_the_cluster)
{
	cr_expect(ab_other_cluster("one", "two"));
	cr_expect_not(ab_other_cluster("one", "one"));
	cr_expect_not(ab_other_cluster("", "two"));
	cr_expect_not(ab_other_cluster("one", "-"));
}
