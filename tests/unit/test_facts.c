/* tests/unit/test_facts.c — what the monitor concludes: stalled, behind, idle, down, and never a zero that is not known. */
#include "monitor/facts_json.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>

#include "core/clock.h"

static struct ab_config config;
static struct ab_facts_history history;
static struct ab_facts facts;

struct story {
	double start, records, acked, position, committed, lag, in_flight, errors;
};

static void begin(void)
{
	ab_config_defaults(&config);
	config.sinks.count = 1;
	ab_facts_begin(&history);
	memset(&facts, 0, sizeof facts);
	facts.engine.answers = facts.postgres.answers = facts.connect.answers = facts.kafka.answers = true;
	snprintf(facts.connect_said.connector, sizeof facts.connect_said.connector, "RUNNING");
	snprintf(facts.connect_said.task, sizeof facts.connect_said.task, "RUNNING");
}

/* What an engine with one sink and one partition would say at that second. */
static void answer(double second, struct story said)
{
	char text[2048];
	struct ab_scrape scrape;

	snprintf(text, sizeof text,
		 "anabranch_start_time_seconds %f\nanabranch_source_records_total %f\n"
		 "anabranch_sink_events_total{sink=\"redis\",outcome=\"acked\"} %f\n"
		 "anabranch_sink_events_total{sink=\"redis\",outcome=\"rejected\"} 0\n"
		 "anabranch_sink_errors_total{sink=\"redis\",error_type=\"outage\"} %f\n"
		 "anabranch_sink_retries_total{sink=\"redis\"} 3\n"
		 "anabranch_sink_inflight_requests{sink=\"redis\"} %f\n"
		 "anabranch_sink_position{sink=\"redis\",partition=\"0\"} %f\n"
		 "anabranch_committed_offset{partition=\"0\"} %f\n"
		 "anabranch_source_lag_messages{topic=\"t\",partition=\"0\"} %f\n"
		 "anabranch_bottleneck{stage=\"none\"} 0\nanabranch_bottleneck{stage=\"redis\"} 1\n",
		 said.start, said.records, said.acked, said.errors, said.in_flight, said.position, said.committed,
		 said.lag);
	cr_assert_eq(ab_scrape_parse(&scrape, text, strlen(text)), AB_SCRAPE_OK);
	scrape.at_ns = (int64_t)((100 + second) * 1e9);
	ab_facts_add(&history, scrape);
}

static void conclude(const char *ready)
{
	ab_facts_of_engine(&history, ready, &config, &facts);
	ab_facts_judge(&facts);
}

#define WELL "ready\nredis: live\n"

Test(facts, retries_are_those_the_engine_counts, .init = begin)
{
	answer(0, (struct story){.records = 100, .acked = 100, .position = 100, .committed = 100});
	conclude(WELL);
	cr_expect_eq(facts.sink[0].retries, 3);
}

Test(facts, a_sink_that_holds_a_request_for_two_seconds_is_stalled_and_its_records_are_counted, .init = begin)
{
	answer(0, (struct story){.records = 100, .acked = 100, .position = 100, .committed = 100, .lag = 0});
	answer(1, (struct story){
		      .records = 500, .acked = 200, .position = 200, .committed = 200, .lag = 300, .in_flight = 1});
	answer(2, (struct story){
		      .records = 600, .acked = 200, .position = 200, .committed = 200, .lag = 400, .in_flight = 1});
	conclude(WELL);
	cr_expect_not(facts.sink[0].stalled);
	answer(3, (struct story){
		      .records = 600, .acked = 200, .position = 200, .committed = 200, .lag = 450, .in_flight = 1});
	conclude(WELL);
	cr_expect(facts.sink[0].stalled);
	cr_expect_eq(facts.sink[0].behind, 450);
	cr_expect_eq(facts.health, AB_HEALTH_STALLED);
	cr_expect(strstr(facts.sentence, "redis has taken nothing for 2 s, 450 records") != NULL, "%s", facts.sentence);
	ab_facts_end(&history);
}

Test(facts, a_lane_that_waits_for_its_batch_is_not_stalled, .init = begin)
{
	for (int i = 0; i < 5; i++)
		answer(i, (struct story){.records = 500, .acked = 200, .position = 200, .committed = 200, .lag = 3});
	conclude(WELL);
	cr_expect_not(facts.sink[0].stalled);
	ab_facts_end(&history);
}

Test(facts, a_lane_that_has_waited_for_its_batch_and_has_just_sent_it_is_not_stalled, .init = begin)
{
	for (int i = 0; i < 5; i++)
		answer(i, (struct story){.records = 500, .acked = 200, .position = 200, .committed = 200, .lag = 300,
					 .in_flight = i == 4});
	conclude(WELL);
	cr_expect_not(facts.sink[0].stalled);
	ab_facts_end(&history);
}

Test(facts, an_error_before_the_last_record_taken_is_forgotten, .init = begin)
{
	answer(0, (struct story){.records = 500, .acked = 100, .position = 100, .committed = 100, .lag = 300});
	for (int i = 1; i < 6; i++)
		answer(i, (struct story){.records = 500, .acked = 200, .position = 200, .committed = 200, .lag = 300, .errors = 3});
	conclude(WELL);
	cr_expect_not(facts.sink[0].stalled);
	ab_facts_end(&history);
}

Test(facts, a_sink_that_refuses_connections_is_stalled_too, .init = begin)
{
	for (int i = 0; i < 4; i++)
		answer(i, (struct story){
			      .records = 500, .acked = 200, .position = 200, .committed = 200, .lag = 30, .errors = i});
	conclude(WELL);
	cr_expect(facts.sink[0].stalled);
	ab_facts_end(&history);
}

Test(facts, an_engine_that_does_not_answer_has_no_lag_of_zero, .init = begin)
{
	answer(0, (struct story){.records = 100, .acked = 100, .position = 100, .committed = 100, .lag = 0});
	facts.engine.answers = false;
	snprintf(facts.engine.error, sizeof facts.engine.error, "connection refused");
	conclude(WELL);
	cr_expect_eq(facts.health, AB_HEALTH_DOWN);
	cr_expect(isnan(facts.lag) && isnan(facts.sink[0].behind) && isnan(facts.sink[0].acked_per_s));
	char *text = ab_facts_json(&facts);
	json_t *root = json_loads(text, 0, NULL);
	cr_assert_not_null(root);
	cr_expect(json_is_null(json_object_get(json_object_get(root, "engine"), "lag_records")));
	cr_expect(json_is_null(json_object_get(json_array_get(json_object_get(root, "sinks"), 0), "behind_records")));
	json_decref(root);
	free(text);
	ab_facts_end(&history);
}

Test(facts, rates_are_of_the_window_and_not_of_a_life_before, .init = begin)
{
	answer(0, (struct story){.start = 1, .records = 1000000});
	answer(1, (struct story){.start = 2, .records = 10});
	conclude(WELL);
	cr_expect(isnan(facts.read_per_s), "one answer of this life gives no rate");
	answer(3, (struct story){.start = 2, .records = 210, .lag = 1});
	conclude(WELL);
	cr_expect_float_eq(facts.read_per_s, 100, 1e-6);
	ab_facts_end(&history);
}

Test(facts, the_state_and_its_reason_are_the_engine_s_words, .init = begin)
{
	answer(0, (struct story){.position = -1, .committed = 5, .lag = 7});
	conclude("ready, not every sink takes part\nredis: stopped: WRONGPASS: invalid username-password pair\n");
	cr_expect_str_eq(facts.sink[0].state, "stopped");
	cr_expect_str_eq(facts.sink[0].why, "WRONGPASS: invalid username-password pair");
	cr_expect_eq(facts.health, AB_HEALTH_DEGRADED);
	ab_facts_end(&history);
}

Test(facts, how_far_a_detached_sink_is_behind_is_its_reason, .init = begin)
{
	answer(0, (struct story){.position = 5, .committed = 5, .lag = 7});
	conclude("ready, not every sink takes part\nredis: detached; behind 7 events, 3 KiB, 12 s\n");
	cr_expect_str_eq(facts.sink[0].state, "detached");
	cr_expect_str_eq(facts.sink[0].why, "behind 7 events, 3 KiB, 12 s");
	ab_facts_end(&history);
}

Test(facts, a_dead_connector_is_named_with_its_reason, .init = begin)
{
	for (int i = 0; i < 3; i++)
		answer(i, (struct story){
			      .records = 100 + i, .acked = 100 + i, .position = 100, .committed = 100, .lag = 0});
	snprintf(facts.connect_said.task, sizeof facts.connect_said.task, "FAILED");
	snprintf(facts.connect_said.why, sizeof facts.connect_said.why, "slot is gone");
	conclude(WELL);
	cr_expect_eq(facts.health, AB_HEALTH_DEGRADED);
	cr_expect_str_eq(facts.sentence, "Debezium is FAILED: slot is gone");
	ab_facts_end(&history);
}

Test(facts, a_partition_that_stands_with_records_is_a_stop, .init = begin)
{
	for (int i = 0; i < 8; i++)
		answer(i, (struct story){.records = 100, .acked = 100, .position = 90, .committed = 90, .lag = 10});
	conclude(WELL);
	cr_expect_eq(facts.partition[0].progress, AB_PROGRESS_STOP);
	cr_expect_eq(facts.health, AB_HEALTH_BEHIND);
	ab_facts_end(&history);
}

Test(facts, the_bottleneck_is_the_one_that_the_engine_names, .init = begin)
{
	answer(0, (struct story){.records = 100, .lag = 3});
	conclude(WELL);
	cr_expect_str_eq(facts.bottleneck, "redis limits: a worker waits 0 % of the time");
	ab_facts_end(&history);
}

Test(facts, nothing_in_and_nothing_waiting_is_idle, .init = begin)
{
	for (int i = 0; i < 3; i++)
		answer(i, (struct story){.records = 100, .acked = 100, .position = 100, .committed = 100, .lag = 0});
	conclude(WELL);
	cr_expect_eq(facts.health, AB_HEALTH_IDLE);
	ab_facts_end(&history);
}

Test(facts, the_history_keeps_no_more_than_its_bound, .init = begin)
{
	for (int i = 0; i < 3 * AB_FACTS_HISTORY; i++)
		answer(i, (struct story){.records = i, .acked = i, .position = i, .committed = i, .lag = 0});
	cr_expect_eq(history.count, AB_FACTS_HISTORY);
	conclude(WELL);
	cr_expect_float_eq(facts.read_per_s, 1, 1e-6);
	ab_facts_end(&history);
}
