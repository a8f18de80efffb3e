/* tests/unit/test_loadgen_result.c — numbers of a test whose truth is known, and what is said about them. */
#include <criterion/criterion.h>

#include "loadgen/output.h"
#include "loadgen/result.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)

static struct ab_arguments arguments;
static struct ab_scrape scrape;
static struct ab_result r;

/* Two stages of ten seconds, 100 rows a second; each row is committed 5 ms after its time and seen 200 ms after that, in
 * the second stage 400 ms. Every tenth row is marked. */
static void make(void)
{
	arguments = (struct ab_arguments){.out = "x"};
	r = (struct ab_result){.arguments = &arguments, .stages = 2, .sinks = 1, .scrape = &scrape, .start_ns = S,
		.end_ns = 22 * S, .ended = "complete"};
	r.stage = calloc(2, sizeof *r.stage);
	r.sink[0].name = "redis";
	r.sink[0].points.at = calloc(200, sizeof *r.sink[0].points.at);
	scrape = (struct ab_scrape){0};
	scrape.first.sinks = 1;
	for (uint32_t stage = 0; stage < 2; stage++) {
		struct ab_stage_result *s = &r.stage[stage];
		s->stage = (struct ab_stage){.interval_ms = 10, .batch_rows = 1, .duration_ms = 10000};
		snprintf(s->stage.name, sizeof s->stage.name, "S%u", stage);
		s->start_ns = S + stage * 10 * S;
		s->end_ns = s->start_ns + 10 * S;
		s->planned = s->report.rows_sent = s->report.acked[0] = 1000;
		for (int64_t i = 0; i < 1000; i++) {
			int64_t meant = s->start_ns + i * 10 * MS, commit = meant + 5 * MS, late = (200 + 200 * stage) * MS;
			uint64_t number = stage * 1000 + (uint64_t)i + 1;
			ab_curve_add(&r.offered, meant, number);
			ab_curve_add(&r.committed, commit, number);
			ab_curve_add(&scrape.settled[0], commit + late, number);
			if (i % 10 == 0)
				r.sink[0].points.at[r.sink[0].points.count++] =
					(struct ab_point){stage, meant, commit, commit + late, AB_NEVER};
		}
	}
}

static void unmake(void)
{
	ab_curve_free(&scrape.settled[0]);
	ab_result_free(&r);
}

Test(loadgen_result, freshness_counts_from_the_commit_and_response_from_the_plan, .init = make, .fini = unmake)
{
	ab_result_compute(&r);
	cr_expect_float_eq(r.stage[0].sink[0].freshness.ms[AB_P50], 200, 1e-6);
	cr_expect_float_eq(r.stage[0].sink[0].response.ms[AB_P50], 205, 1e-6);
	cr_expect_float_eq(r.stage[1].sink[0].freshness.ms[AB_P99], 400, 1e-6);
	cr_expect_float_eq(r.sink[0].freshness.ms[AB_PMAX], 400, 1e-6);
	cr_expect_eq(r.stage[0].sink[0].freshness.count, 100);
	cr_expect(r.stage[0].sink[0].freshness.ms[AB_P999] < 0, "p99.9 of 100 samples");
	cr_expect_float_eq(r.stage[1].sink[0].part_ms[2][0], 400, 1e-6);
}

Test(loadgen_result, behind_is_what_was_committed_and_has_not_arrived, .init = make, .fini = unmake)
{
	ab_result_compute(&r);
	cr_expect(llabs(r.stage[0].sink[0].behind - 20) <= 1, "%lld", (long long)r.stage[0].sink[0].behind);
	cr_expect_float_eq(r.stage[0].sink[0].behind_ms, 200, 15);
	cr_expect(llabs(r.stage[1].sink[0].behind - 40) <= 1);
	cr_expect_float_eq(r.sink[0].drain_ms, 400, 1e-6);
	cr_expect_float_eq(r.stage[0].achieved_rate, 100, 1);
}

Test(loadgen_result, counting_finds_what_marks_find, .init = make, .fini = unmake)
{
	free(r.sink[0].points.at);
	ab_result_points_of_curves(&r.sink[0].points, &r, &scrape.settled[0]);
	ab_result_compute(&r);
	cr_expect_float_eq(r.stage[0].sink[0].freshness.ms[AB_P50], 200, 1);
	cr_expect_float_eq(r.stage[1].sink[0].freshness.ms[AB_P50], 400, 1);
}

static void judge_one(const char *text)
{
	struct ab_problems p = {0};
	arguments.threshold_count = 1;
	ab_threshold_parse(&arguments.thresholds[0], text, &p);
	cr_assert_eq(p.count, 0, "%s", p.text);
	ab_result_judge(&r);
}

Test(loadgen_result, a_threshold_is_held_against_the_worst_stage, .init = make, .fini = unmake)
{
	ab_result_compute(&r);
	judge_one("freshness.p99<500ms");
	cr_expect(r.passed);
	judge_one("freshness.p99<300ms");
	cr_expect(!r.passed);
	cr_expect_str_eq(r.threshold[0].where, "S1, redis");
	cr_expect_float_eq(r.threshold[0].worst, 400, 1e-6);
	judge_one("freshness.p99<300ms@S0");
	cr_expect(r.passed);
	judge_one("freshness.p99.9<300ms");
	cr_expect(!r.passed, "what was not measured does not hold");
	judge_one("lost==0");
	cr_expect(!r.passed, "the verifier did not run");
}

Test(loadgen_result, a_row_that_never_came_crosses_every_time, .init = make, .fini = unmake)
{
	r.sink[0].points.at[7].seen_ns = AB_NEVER;
	ab_result_compute(&r);
	cr_expect_eq(r.stage[0].sink[0].unseen, 1);
	cr_expect_eq(r.sink[0].unseen, 1);
	judge_one("freshness.p50<10s@S0");
	cr_expect(!r.passed);
}

Test(loadgen_result, a_lost_row_fails_without_being_asked_for, .init = make, .fini = unmake)
{
	ab_result_compute(&r);
	r.verify = (struct ab_verify_result){.state = AB_VERIFIED, .sinks = 1,
		.sink = {{.name = "redis", .compared = 1, .expected = 2000, .lost = 1}}};
	arguments.threshold_count = 0;
	ab_result_judge(&r);
	cr_expect(!r.passed);
	r.verify.sink[0].lost = 0;
	ab_result_judge(&r);
	cr_expect(r.passed);
}

Test(loadgen_result, a_load_that_was_not_offered_is_no_result, .init = make, .fini = unmake)
{
	r.stage[1].report.rows_late = 200;
	ab_result_compute(&r);
	ab_result_judge(&r);
	cr_expect(r.stage[0].invalid == NULL);
	cr_expect_not_null(r.stage[1].invalid);
	cr_expect(!r.valid);
}

Test(loadgen_result, json_holds_what_was_computed, .init = make, .fini = unmake)
{
	ab_result_compute(&r);
	ab_result_judge(&r);
	json_t *root = ab_output_json(&r);
	json_t *sink = json_array_get(json_object_get(json_array_get(json_object_get(root, "stages"), 1), "sinks"), 0);
	json_t *ms = json_object_get(sink, "freshness_ms");
	cr_expect_eq(json_integer_value(json_object_get(root, "schema_version")), AB_RESULTS_SCHEMA_VERSION);
	cr_expect_float_eq(json_real_value(json_object_get(ms, "p99")), 400, 1e-6);
	cr_expect(json_is_null(json_object_get(ms, "p99.9")));
	cr_expect(json_is_false(json_object_get(json_object_get(root, "verify"), "run")));
	cr_expect_eq(json_array_size(json_object_get(json_object_get(root, "series"), "t_s")), 85);
	json_decref(root);
}

Test(loadgen_scrape, counters_are_read_by_sink_and_outcome)
{
	struct ab_scraped s;
	ab_scrape_read("# HELP x y\nanabranch_sink_events_total{sink=\"redis\",outcome=\"acked\"} 70\n"
		       "anabranch_sink_events_total{sink=\"redis\",outcome=\"skipped\"} 20\n"
		       "anabranch_sink_events_total{sink=\"redis\",outcome=\"rejected\"} 3\n"
		       "anabranch_sink_events_total{sink=\"redis\",outcome=\"repeated\"} 900\n"
		       "anabranch_sink_events_total{sink=\"bigquery\",outcome=\"acked\"} 5\n"
		       "anabranch_source_lag_messages{topic=\"t\",partition=\"0\"} 4\n"
		       "anabranch_source_lag_messages{topic=\"t\",partition=\"1\"} -1\n"
		       "anabranch_duplicates_total{sink=\"bigquery\"} 6\nprocess_cpu_seconds_total 1.5\n"
		       "process_resident_memory_bytes 1000\nanabranch_contents 8\nanabranch_start_time_seconds 99.5", &s);
	cr_assert_eq(s.sinks, 2);
	cr_expect_str_eq(s.name[0], "redis");
	cr_expect_float_eq(s.settled[0], 93, 1e-9);
	cr_expect_float_eq(s.rejected[0], 3, 1e-9);
	cr_expect_float_eq(s.settled[1], 5, 1e-9);
	cr_expect_float_eq(s.duplicates[1], 6, 1e-9);
	cr_expect_float_eq(s.lag, 4, 1e-9);
	cr_expect_float_eq(s.cpu_s, 1.5, 1e-9);
	cr_expect_float_eq(s.contents, 8, 1e-9);
	cr_expect_float_eq(s.start_time_s, 99.5, 1e-9);
}
