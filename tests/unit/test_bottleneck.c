/* tests/unit/test_bottleneck.c — who is named when the engine is limited. */
#include <criterion/criterion.h>

#include "core/bottleneck.h"

static struct ab_bottleneck one(void)
{
	return (struct ab_bottleneck){
	    .records = 100000,
	    .behind = 500000,
	    .fetch_ns = 100,
	    .decode_ns = 200,
	    .encode_ns = 50,
	    .sink_count = 2,
	    .sink = {{"redis", 6, 0.1, 1}, {"elasticsearch", 4, 0.3, 35}},
	};
}

static void expect(const struct ab_bottleneck *b, int kind, const char *words)
{
	char text[AB_BOTTLENECK_TEXT_BYTES];

	cr_expect_eq(ab_bottleneck_say(b, text), kind, "%s", text);
	cr_expect_neq(strstr(text, words), NULL, "%s", text);
}

Test(bottleneck, busy_workers_say_where_their_time_goes)
{
	struct ab_bottleneck b = one();
	b.worker_busy = 0.97;
	expect(&b, AB_BOTTLENECK_WORKERS, "350 ns (fetch 100, decode 200, encode 50)");
}

Test(bottleneck, workers_without_room_name_the_sink_that_answers_slowest)
{
	struct ab_bottleneck b = one();
	b.worker_busy = 0.2;
	b.worker_blocked = 0.8;
	b.sink_thread_busy = 0.1;
	b.sink[1].waiting = 0.98;
	expect(&b, AB_BOTTLENECK_SINK + 1, "limited by elasticsearch: its 4 lanes wait 98 % of the time for answers of 35 ms");
}

Test(bottleneck, workers_without_room_name_a_sink_thread_that_is_always_busy)
{
	struct ab_bottleneck b = one();
	b.worker_blocked = 0.6;
	b.sink_thread_busy = 0.95;
	b.sink_thread_ns = 480;
	expect(&b, AB_BOTTLENECK_SINK_THREAD, "the sink thread: busy 95 %, 480 ns");
}

Test(bottleneck, idle_workers_with_a_backlog_name_kafka)
{
	struct ab_bottleneck b = one();
	b.worker_busy = 0.4;
	expect(&b, AB_BOTTLENECK_KAFKA, "60 %");
}

Test(bottleneck, a_sink_that_reads_by_itself_is_named_although_the_workers_idle)
{
	struct ab_bottleneck b = one();
	b.worker_busy = 0.01;
	b.sink[1].waiting = 0.99;
	expect(&b, AB_BOTTLENECK_SINK + 1, "limited by elasticsearch");
}

Test(bottleneck, idle_workers_without_a_backlog_keep_up)
{
	struct ab_bottleneck b = one();
	b.worker_busy = 0.4;
	b.behind = 12;
	expect(&b, AB_BOTTLENECK_NONE, "keeps up");
}

Test(bottleneck, a_backlog_of_which_nothing_comes_is_not_called_keeping_up)
{
	struct ab_bottleneck b = one();
	b.records = 0;
	expect(&b, AB_BOTTLENECK_NONE, "nothing comes");
}
