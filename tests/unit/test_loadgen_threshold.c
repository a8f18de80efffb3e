/* tests/unit/test_loadgen_threshold.c — thresholds and stages are read as their pages say, or refused. */
#include <criterion/criterion.h>

#include "loadgen/stage.h"
#include "loadgen/threshold.h"

static struct ab_problems p;
static struct ab_threshold t;

static int reads(const char *text)
{
	p = (struct ab_problems){0};
	ab_threshold_parse(&t, text, &p);
	return p.count == 0;
}

Test(loadgen_threshold, a_sink_a_percentile_and_a_stage_are_told_apart)
{
	cr_assert(reads("redis.freshness.p99.9 <= 1.5s@High"));
	cr_expect_str_eq(t.sink, "redis");
	cr_expect_str_eq(t.stage, "High");
	cr_expect_eq(t.measure, AB_MEASURE_FRESHNESS);
	cr_expect_eq(t.percentile, AB_P999);
	cr_expect_eq(t.relation, AB_LESS_EQUAL);
	cr_expect_float_eq(t.limit, 1500, 1e-9);
	cr_expect_str_eq(t.text, "redis.freshness.p99.9 <= 1.5s@High");
}

Test(loadgen_threshold, each_measure_has_its_unit)
{
	cr_assert(reads("missed<1%"));
	cr_expect_float_eq(t.limit, 0.01, 1e-9);
	cr_assert(reads("achieved>=0.99"));
	cr_expect_float_eq(t.limit, 0.99, 1e-9);
	cr_assert(reads("lost==0"));
	cr_assert(reads("elasticsearch.behind<1000"));
	cr_assert(reads("drain<20s"));
	cr_expect_float_eq(t.limit, 20000, 1e-9);
	cr_assert(reads("commit.max<80ms"));
}

Test(loadgen_threshold, what_is_no_threshold_is_refused)
{
	static const char *const wrong[] = {"", "freshness", "freshness<5s", "freshness.p99", "freshness.p98<5s",
		"freshness.p99<5", "freshness.p99<ms", "freshness.p99<-5ms", "kafka.freshness.p99<5s", "redis.lost==0",
		"lost==0@High", "lost.p99==0", "lost==0%", "missed<5s", "missed<101%", "freshness.p99<5s@", "freshness.p99=5s"};
	for (size_t i = 0; i < AB_COUNT(wrong); i++)
		cr_expect(!reads(wrong[i]), "%s was taken", wrong[i]);
}

Test(loadgen_threshold, the_limit_itself_decides)
{
	static const struct {
		const char *text;
		int below, at, above;
	} cases[] = {{"drain<1s", 1, 0, 0}, {"drain<=1s", 1, 1, 0}, {"drain==1s", 0, 1, 0}, {"drain>=1s", 0, 1, 1},
		{"drain>1s", 0, 0, 1}};
	for (size_t i = 0; i < AB_COUNT(cases); i++) {
		cr_assert(reads(cases[i].text));
		cr_expect_eq(ab_threshold_holds(&t, 999), cases[i].below, "%s", cases[i].text);
		cr_expect_eq(ab_threshold_holds(&t, 1000), cases[i].at, "%s", cases[i].text);
		cr_expect_eq(ab_threshold_holds(&t, 1001), cases[i].above, "%s", cases[i].text);
	}
}

Test(loadgen_threshold, a_percentile_needs_a_sample_beyond_it)
{
	cr_expect_eq(ab_percentile_samples(AB_P50), 2);
	cr_expect_eq(ab_percentile_samples(AB_P99), 100);
	cr_expect_eq(ab_percentile_samples(AB_P999), 1000);
	cr_expect_eq(ab_percentile_samples(AB_PMAX), 1);
}

Test(loadgen_stage, the_five_of_old_are_the_default)
{
	static const double rates[] = {100, 1000, 2500, 5000, 10000};
	struct ab_stages stages;
	ab_stages_default(&stages);
	cr_assert_eq(stages.count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		cr_expect_float_eq(ab_stage_rate(&stages.at[i]), rates[i], 1e-9);
		cr_expect_eq(stages.at[i].duration_ms, 15000);
	}
}

Test(loadgen_stage, a_stage_is_read_or_refused_with_its_place)
{
	static const char *const wrong[] = {"", "High", "High:100ms:500", "High:100ms:500:15s:1", ":1s:1:1s", "a b:1s:1:1s",
		"a:0:1:1s", "a:1s:0:1s", "a:1s:10001:1s", "a:1s:1:0", "a:1h:1:1s", "a:1s:1:-1s"};
	struct ab_stages stages = {0};
	p = (struct ab_problems){0};
	ab_stages_add(&stages, "--stage", "High:100ms:500:1.5m", &p);
	cr_assert_eq(p.count, 0, "%s", p.text);
	cr_expect_eq(stages.at[0].interval_ms, 100);
	cr_expect_eq(stages.at[0].batch_rows, 500);
	cr_expect_eq(stages.at[0].duration_ms, 90000);
	for (size_t i = 0; i < AB_COUNT(wrong); i++) {
		p = (struct ab_problems){0};
		ab_stages_add(&stages, "x:3", wrong[i], &p);
		cr_expect_eq(p.count, 1, "%s was taken", wrong[i]);
		cr_expect_not_null(strstr(p.text, "x:3: "), "%s", p.text);
	}
	p = (struct ab_problems){0};
	ab_stages_add(&stages, "--stage", "High:1s:1:1s", &p);
	cr_expect_eq(p.count, 1, "a second stage of the same name was taken");
}
