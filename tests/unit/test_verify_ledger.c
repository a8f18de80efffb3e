/* tests/unit/test_verify_ledger.c — what the verifier remembers of the log, and what it says of it. */
#include <criterion/criterion.h>
#include <string.h>

#include "verify/contents.h"
#include "verify/redis.h"
#include "verify/report.h"

static struct ab_verify_ledger ledger;

static void open_ledger(void)
{
	ledger = (struct ab_verify_ledger){.partition_count = 2, .partition = {{.first = 10, .next = 30}, {.first = 0, .next = 5}}};
	ab_verify_ledger_create(&ledger);
}

static void mark(int partition, int64_t offset, uint16_t marks)
{
	*ab_verify_mark(&ledger, partition, offset) |= marks;
}

Test(verify_ledger, knows_its_offsets_and_no_others)
{
	open_ledger();
	cr_expect_eq(ledger.records, 25);
	cr_expect_null(ab_verify_mark(&ledger, 0, 9));
	cr_expect_not_null(ab_verify_mark(&ledger, 0, 10));
	cr_expect_null(ab_verify_mark(&ledger, 0, 30));
	cr_expect_null(ab_verify_mark(&ledger, 2, 0));
	cr_expect_eq(ab_place_partition(ab_place(127, (INT64_C(1) << 47) + 3)), 127);
	cr_expect_eq(ab_place_offset(ab_place(127, (INT64_C(1) << 47) + 3)), (INT64_C(1) << 47) + 3);
}

Test(verify_ledger, ranges_join_over_what_is_no_record)
{
	static struct ab_verify_sink sink = {.name = "s", .examples_max = 1};

	open_ledger();
	for (int64_t offset = 10; offset < 30; offset++)
		mark(0, offset, offset == 14 ? 0 : AB_MARK_EVENT); /* 14: a transaction's marker */
	mark(0, 12, AB_MARK_LOST);
	mark(0, 13, AB_MARK_LOST);
	mark(0, 15, AB_MARK_LOST);
	mark(0, 17, AB_MARK_LOST);
	mark(1, 0, AB_MARK_EVENT | AB_MARK_LOST);
	ab_verify_ranges(&sink, &ledger);
	cr_assert_eq(sink.range_count[AB_VERIFY_LOST], 3);
	const struct ab_verify_range *range = sink.range[AB_VERIFY_LOST];
	cr_expect(range[0].first == 12 && range[0].last == 15 && range[0].count == 3);
	cr_expect(range[1].first == 17 && range[1].last == 17);
	cr_expect(range[2].partition == 1 && range[2].first == 0);
	cr_expect_eq(sink.range_count[AB_VERIFY_DIFFERS], 0);
}

Test(verify_ledger, many_ranges_are_counted)
{
	static struct ab_verify_sink sink = {.name = "s"};

	ledger = (struct ab_verify_ledger){.partition_count = 1, .partition = {{.first = 0, .next = 100}}};
	ab_verify_ledger_create(&ledger);
	for (int64_t offset = 0; offset < 100; offset++)
		mark(0, offset, AB_MARK_EVENT | (offset % 2 ? AB_MARK_TWICE : 0));
	ab_verify_ranges(&sink, &ledger);
	cr_expect_eq(sink.range_count[AB_VERIFY_TWICE], AB_VERIFY_RANGES_MAX);
	cr_expect_eq(sink.more_ranges[AB_VERIFY_TWICE], 50 - AB_VERIFY_RANGES_MAX);
}

Test(verify_table, keeps_the_newest_that_is_due)
{
	struct ab_verify_table table;
	struct ab_verify_entry *entry;

	ab_verify_table_create(&table, 100, false);
	ab_verify_table_add(&table, 1, 0, 50, ab_place(0, 5), true);
	ab_verify_table_add(&table, 1, 0, 40, ab_place(0, 6), true); /* older: came again */
	ab_verify_table_add(&table, 1, 0, 50, ab_place(0, 7), true); /* the same again */
	ab_verify_table_add(&table, 1, 0, 60, ab_place(0, 8), false);
	entry = ab_verify_table_find(&table, 1, 0);
	cr_assert_not_null(entry);
	cr_expect_eq(entry->version, 50);
	cr_expect_eq(ab_place_offset(ab_entry_place(entry)), 5);
	cr_expect_eq(ab_entry_flags(entry), AB_ENTRY_USED | AB_ENTRY_DUE | AB_ENTRY_MAYBE);
	ab_verify_table_add(&table, 2, 0, -1, ab_place(0, 1), true);
	ab_verify_table_add(&table, 2, 0, -1, ab_place(0, 2), true); /* without versions the last counts */
	cr_expect_eq(ab_place_offset(ab_entry_place(ab_verify_table_find(&table, 2, 0))), 2);
	cr_expect_null(ab_verify_table_find(&table, 3, 0));
	cr_expect_eq(table.count, 2);
	ab_verify_table_destroy(&table);
}

Test(verify_table, under_way_first_then_due)
{
	struct ab_verify_table table;

	ab_verify_table_create(&table, 10, true);
	ab_verify_table_add(&table, 1, 7, 90, ab_place(0, 9), false);
	ab_verify_table_add(&table, 1, 7, 10, ab_place(0, 1), true);
	ab_verify_table_add(&table, 1, 8, 11, ab_place(0, 2), true); /* another day's */
	cr_expect_eq(ab_verify_table_find(&table, 1, 7)->version, 10);
	cr_expect_eq(ab_verify_table_find(&table, 1, 8)->version, 11);
	cr_expect_null(ab_verify_table_find(&table, 1, 9));
	ab_verify_table_destroy(&table);
}

Test(verify_ledger, digests_tell_null_from_empty_and_rows_apart)
{
	struct ab_verify_event a = {.id = 1, .event_type = {"play", 4}, .op = 'c'}, b = a;

	cr_expect_eq(ab_verify_event_digest(&a), ab_verify_event_digest(&b));
	b.device = (struct ab_text){"", 0};
	cr_expect_neq(ab_verify_event_digest(&a), ab_verify_event_digest(&b));
	b = a;
	b.op = 'd';
	cr_expect_neq(ab_verify_event_digest(&a), ab_verify_event_digest(&b));
	b = a;
	b.has_duration = true;
	cr_expect_neq(ab_verify_event_digest(&a), ab_verify_event_digest(&b));
	b = a;
	b.event_us = 999999; /* below a second: BigQuery does not keep it */
	cr_expect_eq(ab_verify_event_digest(&a), ab_verify_event_digest(&b));
}

/* --- contents ------------------------------------------------------------------------------------------------------- */

#define ID "00000000-0000-4000-8000-000000000001"

static struct ab_text text_of(const char *text)
{
	return (struct ab_text){text, (uint32_t)strlen(text)};
}

static void change(struct ab_verify_contents *contents, const char *type, int64_t length, int64_t at_ms, bool of_insert)
{
	struct ab_verify_content_row row = {.id = text_of(ID), .has_length = true, .length_seconds = length, .of_insert = of_insert};

	if (type != NULL)
		row.type = text_of(type);
	ab_verify_contents_change(contents, &row, at_ms);
}

static struct ab_verify_choices choices_at(struct ab_verify_contents *contents, int64_t at_ms)
{
	struct ab_verify_event event = {.content_id = text_of(ID), .kafka_ts_ms = at_ms, .has_duration = true, .duration_ms = 1000};
	struct ab_verify_choices choices;

	ab_verify_choices(contents, &event, &choices);
	return choices;
}

Test(verify_contents, one_version_is_exact_and_what_nobody_knows_is_unknown)
{
	struct ab_verify_contents *contents = ab_verify_contents_create();
	struct ab_verify_choices choices = choices_at(contents, 5000000);

	cr_expect(choices.count == 1 && choices.choice[0].type == -1 && !choices.any);
	change(contents, "podcast", 8, 1000, true);
	change(contents, "podcast", 8, 2000, false); /* its title, perhaps */
	choices = choices_at(contents, 5000000);
	cr_assert_eq(choices.count, 1);
	cr_expect_eq(choices.choice[0].pct_hundredths, 1250);
	cr_expect(ab_verify_choices_allow(contents, &choices, text_of("podcast"), true, 1250));
	cr_expect_not(ab_verify_choices_allow(contents, &choices, text_of("podcast"), true, 1251));
	cr_expect_not(ab_verify_choices_allow(contents, &choices, text_of("video"), true, 1250));
	cr_expect_not(ab_verify_choices_allow(contents, &choices, (struct ab_text){NULL, 0}, false, 0));
	ab_verify_contents_destroy(contents);
}

Test(verify_contents, an_event_may_show_any_version_since_its_time)
{
	struct ab_verify_contents *contents = ab_verify_contents_create();

	change(contents, "a", 10, 1000000, true);
	change(contents, "b", 10, 2000000, false);
	change(contents, NULL, 0, 3000000, false);
	cr_expect_eq(choices_at(contents, 1500000).count, 3); /* a, b, and gone: read again today */
	cr_expect_eq(choices_at(contents, 2500000).count, 2);
	cr_expect_eq(choices_at(contents, 3500000).count, 1);
	/* It came before its content: unknown, or read later. */
	cr_expect_eq(choices_at(contents, 900000).count, 3);
	ab_verify_contents_now(contents, text_of(ID), text_of("c"), false, 0);
	cr_expect_eq(choices_at(contents, 3500000).count, 2);
	ab_verify_contents_destroy(contents);
}

Test(verify_contents, what_was_before_a_first_change_may_be_anything)
{
	struct ab_verify_contents *contents = ab_verify_contents_create();

	change(contents, "a", 10, 1000000, false);
	cr_expect(choices_at(contents, 900000).any);
	cr_expect_not(choices_at(contents, 1500000).any);
	ab_verify_contents_destroy(contents);
}

Test(verify_contents, percentages_are_rounded_half_away_from_zero)
{
	cr_expect_eq(ab_verify_pct(1000, 8), 1250);
	cr_expect_eq(ab_verify_pct(1, 20), 1); /* 0.5 hundredths */
	cr_expect_eq(ab_verify_pct(-1, 20), -1);
	cr_expect_eq(ab_verify_pct(1, 21), 0);
	cr_expect_eq(ab_verify_pct(2147483647, 1), INT64_C(21474836470));
}

/* --- Redis' expectation --------------------------------------------------------------------------------------------- */

Test(verify_redis, counts_what_is_below_the_positions)
{
	static struct ab_verify_redis redis;
	static struct ab_verify_sink report = {.name = "redis"};
	struct ab_verify_contents *contents = ab_verify_contents_create();
	struct ab_verify_event event = {.content_id = text_of(ID), .kafka_ts_ms = 9000000, .has_duration = true, .duration_ms = 1000,
					.event_us = INT64_C(120000000)};

	change(contents, "podcast", 8, 1000, true);
	redis.positions = (struct ab_verify_positions){.known = true, .lanes = 1, .next = {{10}}};
	redis.expired_minute = 0;
	redis.whole_minute = INT64_MIN;
	for (event.offset = 5; event.offset < 15; event.offset++)
		ab_verify_redis_expect(&redis, &report, contents, &event);
	cr_expect_eq(report.in_flight, 5);
	struct ab_verify_cell *cell = ab_verify_cell(&redis.cells, AB_CELL_TYPE, 2, 0, 0, false);
	cr_assert_not_null(cell);
	cr_expect(cell->events.least == 5 && cell->events.most == 5);
	cr_expect(cell->hundredths.least == 5 * 1250 && cell->pct_events.most == 5);
	event.offset = 5;
	event.event_us = 0;
	ab_verify_redis_expect(&redis, &report, contents, &event);
	cr_expect_eq(redis.expired_events, 1);
	ab_verify_contents_destroy(contents);
}

Test(verify_redis, an_event_of_a_changed_content_widens_both)
{
	static struct ab_verify_redis redis;
	static struct ab_verify_sink report = {.name = "redis"};
	struct ab_verify_contents *contents = ab_verify_contents_create();
	struct ab_verify_event event = {.content_id = text_of(ID), .kafka_ts_ms = 1500000, .event_us = INT64_C(120000000)};

	change(contents, "a", 10, 1000000, true);
	change(contents, "b", 10, 2000000, false);
	redis.positions = (struct ab_verify_positions){.known = true, .lanes = 1, .next = {{10}}};
	redis.whole_minute = INT64_MIN;
	ab_verify_redis_expect(&redis, &report, contents, &event);
	for (uint64_t type = 0; type < 2; type++) {
		struct ab_verify_cell *cell = ab_verify_cell(&redis.cells, AB_CELL_TYPE, 2, type, 0, false);
		cr_assert_not_null(cell);
		cr_expect(cell->events.least == 0 && cell->events.most == 1);
	}
	/* Whichever it is, it is one event of its minute. */
	struct ab_verify_cell *whole = ab_verify_cell(&redis.cells, AB_CELL_MINUTE, 2, 0, 0, false);
	cr_expect(whole->events.least == 1 && whole->events.most == 1);
	cr_expect_eq(report.bounded, 1);
	ab_verify_contents_destroy(contents);
}

Test(verify_report, doubled_rows_may_be_within_the_promise)
{
	static struct ab_verify_sink sink = {.name = "s", .examples_max = 2};

	cr_expect(ab_verify_agrees(&sink));
	for (int i = 0; i < 5; i++)
		ab_verify_found(&sink, AB_VERIFY_TWICE, "one %d", i);
	cr_expect_eq(sink.found[AB_VERIFY_TWICE], 5);
	cr_expect_eq(sink.example_count[AB_VERIFY_TWICE], 2);
	cr_expect_not(ab_verify_agrees(&sink));
	sink.allows_twice = true;
	cr_expect(ab_verify_agrees(&sink));
	ab_verify_fail(&sink, "away\nand more");
	cr_expect_str_eq(sink.error, "away");
	cr_expect_not(ab_verify_agrees(&sink));
}
