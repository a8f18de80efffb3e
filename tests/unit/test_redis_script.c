/* tests/unit/test_redis_script.c — what the script does to a real Redis: counted once, all of it or nothing. */
#include "tests/unit/redis_fixture.h"

#define CONTENT "01234567-89ab-cdef-fedc-ba9876543210"		/* event() is always about it */

TestSuite(redis_script, .init = setup, .fini = teardown, .timeout = 60);

Test(redis_script, counts_by_type_in_the_minute_of_the_event)
{
	begin_batch(0);
	add(&video, MINUTE, 1234);
	add(&video, MINUTE, 1);
	add(&video, MINUTE, -1);
	add(&article, MINUTE + 1, 5000);
	add(NULL, MINUTE, -1);
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);

	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "3");
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " unknown"), "1");
	cr_expect_str_eq(ask("HGET access:by_type:window:202611241001 article"), "1");
	cr_expect_str_eq(ask("ZSCORE engagement:by_type:window:" WINDOW " video"), "12.35");
	cr_expect_str_eq(ask("ZSCORE engagement:by_type:window:" WINDOW " unknown"), "");
	cr_expect_str_eq(ask("ZSCORE engagement:by_content:window:" WINDOW " " CONTENT), "12.35");
	cr_expect_str_eq(ask("HGET engagement:exact:window:" WINDOW " sum:video"), "1235");
	cr_expect_str_eq(ask("HGET engagement:exact:window:" WINDOW " count:video"), "2");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "5");
	cr_expect_eq(t.counts.acked, 5);
	cr_expect_eq(t.counts.duplicates, 0);
	for (uint32_t i = 0; i < t.batch.item_count; i++)
		cr_expect_eq(t.batch.item[i].outcome, AB_OUTCOME_ACKED);
}

/* Windows of the past expire at once; the append-only file still tells how they were called. */
static bool appended(const char *key)
{
	char command[256];

	snprintf(command, sizeof command, "grep -aqF %s %s/appendonlydir/*.aof", key, t.dir);
	/* While Redis waits for a disk it answers before it has written: it says so itself, up to two seconds. */
	for (int i = 0; i < 100; i++) {
		if (system(command) == 0)
			return true;
		usleep(50000);
	}
	return false;
}

Test(redis_script, names_windows_by_the_calendar)
{
	static const struct {
		int64_t minute;
		const char *name;
	} known[] = {
		{0, "197001010000"},		{-1, "196912312359"},		{28401120, "202401010000"},
		{28486079, "202402282359"},	{28486080, "202402290000"},	{28487520, "202403010000"},
		{68374079, "209912312359"},
		{68374080, "210001010000"},	{68459039, "210002282359"},	{68459040, "210003010000"},
		{-1035593280, "000101010000"},	{4223371679, "999912312359"},
	};

	begin_batch(0);
	for (size_t i = 0; i < AB_COUNT(known); i++)
		add(&video, known[i].minute, -1);
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	for (size_t i = 0; i < AB_COUNT(known); i++) {
		char key[64];
		snprintf(key, sizeof key, "access:by_type:window:%s", known[i].name);
		cr_expect(appended(key), "%s", key);
	}
}

Test(redis_script, applies_a_batch_that_is_sent_twice_once)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	add(&video, MINUTE, 1000);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	for (uint32_t i = 0; i < t.batch.item_count; i++)
		t.batch.item[i].outcome = AB_OUTCOME_PENDING;	/* the reply was lost */
	cr_expect_eq(send_batch(), AB_REPLY_DONE);

	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "2");
	cr_expect_eq(t.counts.duplicates, 2);
	cr_expect_eq(t.batch.item[1].outcome, AB_OUTCOME_ACKED);
}

Test(redis_script, applies_only_the_new_part_of_a_batch_that_overlaps)
{
	begin_batch(0);
	add(&video, MINUTE, 100);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);

	begin_batch(0);
	for (int i = 0; i < 5; i++)
		add(&video, MINUTE, 100);
	cr_expect_eq(send_once(), AB_REPLY_AGAIN);
	cr_expect_eq(t.batch.range[0].first, 2);
	cr_expect_eq(send_once(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "5");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "5");
	cr_expect_eq(t.counts.duplicates, 2);
}

Test(redis_script, applies_the_rest_when_one_of_two_partitions_was_applied_before)
{
	ask("HSET anabranch:positions:events 1:0 50");
	begin_batch(0);
	add(&video, MINUTE, 100);
	t.batch.range[t.batch.range_count++] = (struct ab_range){.partition = 1, .first = 10, .next = 20};
	add(&article, MINUTE, 100);
	t.batch.item[1].partition = 1;
	t.batch.item[1].offset = 12;
	cr_expect_eq(send_once(), AB_REPLY_AGAIN);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:" WINDOW), "0", "a mixed batch applies nothing");
	cr_expect_eq(send_once(), AB_REPLY_DONE);

	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "1");
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " article"), "");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 1:0"), "50");
	cr_expect_eq(t.counts.duplicates, 1);
}

Test(redis_script, asks_to_read_again_when_the_position_went_back)
{
	begin_batch(7);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_REWIND);
	cr_expect_not_null(strstr(t.error, "from 7 to 0"), "%s", t.error);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:" WINDOW), "0");
	cr_expect_eq(t.batch.item[0].outcome, AB_OUTCOME_PENDING);
}

Test(redis_script, never_takes_a_missing_position_for_a_fresh_start)
{
	ask("FLUSHALL");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "anabranch init"), "%s", t.error);
	cr_expect_str_eq(ask("DBSIZE"), "0");
}

Test(redis_script, moves_the_position_over_offsets_without_records)
{
	begin_batch(0);
	t.batch.range[0].next = 1000;
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "1000");
}

Test(redis_script, applies_nothing_when_a_key_has_the_wrong_type)
{
	static const char *const key[] = {"access:by_type:window:" WINDOW, "engagement:by_type:window:" WINDOW,
					  "engagement:exact:window:" WINDOW, "engagement:by_content:window:" WINDOW,
					  "stats:top_by_access", "stats:top_by_engagement", "stats:top_content",
					  "access:by_type:window:202611240955"};

	for (size_t i = 0; i < AB_COUNT(key); i++) {
		ask("FLUSHALL");
		init_at(0);
		destroy_sink();		/* its first request asks for the boards */
		create_sink();
		hello();
		ask("LPUSH %s x", key[i]);
		begin_batch(0);
		add(&video, MINUTE, 100);
		cr_expect_eq(send_batch(), AB_REPLY_FATAL, "%s", key[i]);
		cr_expect_not_null(strstr(t.error, key[i]), "%s", t.error);
		cr_expect_str_eq(ask("DBSIZE"), "2", "%s: nothing but it and the positions", key[i]);
		cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "0");
	}
}

Test(redis_script, applies_nothing_when_a_counter_is_no_number)
{
	ask("HSET access:by_type:window:" WINDOW " article many");
	begin_batch(0);
	add(&video, MINUTE, 100);
	add(&article, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "article"), "%s", t.error);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "0");
}

Test(redis_script, refuses_to_add_beyond_exact_integers)
{
	ask("HSET access:by_type:window:" WINDOW " video 9007199254740992");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "9007199254740992");
}

Test(redis_script, gives_windows_an_end_and_forgets_those_past_it)
{
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	long long end = (MINUTE + 1) * 60 + 315360000;
	static const char *const key[] = {
		"access:by_type", "engagement:by_type", "engagement:exact", "engagement:by_content"};
	for (size_t i = 0; i < AB_COUNT(key); i++)
		cr_expect_eq(atoll(ask("EXPIRETIME %s:window:" WINDOW, key[i])), end, "%s", key[i]);

	begin_batch(1);
	add(&video, 100, 100);		/* 1970 */
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:197001010140"), "0");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "2");
	cr_expect_eq(t.counts.acked, 2);
}

Test(redis_script, ranks_the_ten_minutes_that_end_at_the_newest)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	add(&video, MINUTE, 2000);
	add(&video, MINUTE, -1);
	add(&article, MINUTE - 9, 9000);
	add(&article, MINUTE - 10, 100);	/* too old for the boards */
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);

	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "3");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access article"), "1");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_engagement video"), "15");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_engagement article"), "90");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-fedc-ba9876543210"), "120");
	cr_expect_str_eq(ask("GET anabranch:newest_minute"), "29925240");
	cr_expect_eq(strlen(ask("GET stats:last_update")), strlen("2026-11-24T10:00:00.000000Z"));
}

Test(redis_script, never_lets_the_newest_minute_go_back)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	begin_batch(1);
	add(&video, MINUTE - 100, 1000);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("GET anabranch:newest_minute"), "29925240");
}

Test(redis_script, does_not_let_a_broken_clock_take_the_boards)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	struct ab_event wild = event(&article, MINUTE + 1441, 1000);
	wild.kafka_ts_ms = MINUTE * 60000;
	add_event(wild);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("GET anabranch:newest_minute"), "29925240");
	cr_expect_str_eq(ask("HGET access:by_type:window:202611251001 article"), "1", "it is counted all the same");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "1");
}

Test(redis_script, keeps_only_the_best_twenty_contents)
{
	begin_batch(0);
	for (int i = 1; i <= 50; i++) {
		struct ab_event e = event(&video, MINUTE - i % 10, i * 100);
		e.content_id.lo = (uint64_t)i;
		add_event(e);
	}
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("ZCARD stats:top_content"), "20");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-0000-000000000032"), "50");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-0000-00000000001e"), "");
	cr_expect_str_eq(ask("GET anabranch:top_content_exact"), "1");
}

Test(redis_script, takes_five_thousand_events_that_have_nothing_in_common)
{
	begin_batch(0);
	for (int i = 0; i < ITEM_MAX; i++) {
		struct ab_event e = event(&video, MINUTE - i % 2500, 100);
		e.content_id.lo = (uint64_t)i;
		add_event(e);
	}
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "2");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "5000");
}

Test(redis_script, counts_five_thousand_contents_of_one_minute)
{
	begin_batch(0);
	for (int i = 0; i < ITEM_MAX; i++) {
		struct ab_event e = event(&video, MINUTE, i + 1);
		e.content_id.lo = (uint64_t)i;
		add_event(e);
	}
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("ZCARD engagement:by_content:window:" WINDOW), "5000");
	cr_expect_str_eq(ask("ZSCORE %s 01234567-89ab-cdef-0000-000000001387", "engagement:by_content:window:" WINDOW),
			 "50");
	cr_expect_str_eq(ask("HGET engagement:exact:window:" WINDOW " sum:video"), "12502500");
}

Test(redis_script, loads_the_script_again_when_redis_forgot_it)
{
	ask("SCRIPT FLUSH");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_once(), AB_REPLY_AGAIN);
	cr_expect_eq(send_once(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "1");
}

Test(redis_script, calls_a_full_redis_an_outage_and_applies_nothing)
{
	ask("CONFIG SET maxmemory 1");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_OUTAGE);
	cr_expect_not_null(strstr(t.error, "maxmemory"), "%s", t.error);
	ask("CONFIG SET maxmemory 0");
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "1");
}

Test(redis_script, calls_a_replica_an_outage)
{
	ask("REPLICAOF 127.0.0.1 1");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_RECONNECT, "over this connection it will stay one");
	close(t.fd);
	cr_expect_eq(hello(), AB_REPLY_OUTAGE);
	cr_expect_not_null(strstr(t.error, "replica"), "%s", t.error);
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_ABSENT);
}

Test(redis_script, holds_position_and_counters_together_through_kill_9)
{
	int64_t stored = 0;

	for (int round = 0; round < 3; round++) {
		ask("CONFIG SET appendfsync always"); /* else what is answered may wait for a busy disk, and be lost */
		for (int i = 0; i < 20; i++) {
			begin_batch(stored);
			for (int j = 0; j < 10; j++)
				add(&video, MINUTE, 100);
			if (i < 19) {
				cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
				stored += 10;
				continue;
			}
			struct ab_request request;	/* killed with this one on its way */
			ab_redis_ops.request(t.lane, &t.batch, &request);
			send_pieces(&request);
			stop_redis(SIGKILL);
			close(t.fd);
			ab_redis_ops.lost(t.lane, &t.batch, true);
		}
		start_redis();
		cr_expect_eq(hello(), AB_REPLY_DONE, "%s", t.error);
		cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
		stored += 10;
		cr_expect_eq(atoll(ask("HGET access:by_type:window:" WINDOW " video")), stored);
	}
}

Test(redis_script, an_engine_of_an_older_layout_can_add_nothing)
{
	ask("HSET anabranch:positions:events lanes 2");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "second engine"), "%s", t.error);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:" WINDOW), "0");
}

Test(redis_script, boards_are_brought_up_to_date_when_the_stream_falls_silent)
{
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);	/* the first request brings the boards along */
	begin_batch(1);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);	/* the second comes too soon after it */
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "1");
	cr_expect_eq(ab_redis_refresh(t.sink, t.error), AB_SINK_OK);	/* not quiet yet */
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "1");
	ask("SCRIPT FLUSH");
	cr_expect_eq(ab_redis_refresh(t.sink, t.error), AB_SINK_OK, "%s", t.error);
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "2");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-fedc-ba9876543210"), "2");
}
