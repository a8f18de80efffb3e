/* tests/unit/test_redis.c — the Redis sink by bytes alone: records, sums, requests, and what answers mean. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/format.h"
#include "sinks/redis_lane.h"

#define ITEM_MAX 64

static struct {
	struct ab_config config;
	struct ab_sink *sink;
	struct ab_sink_lane *lane;
	struct ab_item item[ITEM_MAX];
	uint8_t bytes[64 * 1024];
	struct ab_batch batch;
	struct ab_sink_counts counts;
	char error[AB_SINK_ERROR_MAX_BYTES];
} t;

static void setup(void)
{
	memset(&t, 0, sizeof t);
	ab_config_defaults(&t.config);
	strcpy(t.config.redis_password, "secret");
	strcpy(t.config.events_topic, "events");
	t.sink = ab_redis_ops.create(&t.config, t.error);
	t.lane = ab_redis_ops.lane_create(t.sink, 3, ITEM_MAX, sizeof t.bytes);
	t.batch = (struct ab_batch){
		.item = t.item, .bytes = t.bytes, .item_max = ITEM_MAX, .bytes_max = sizeof t.bytes};
	t.batch.range_count = 1;
	t.batch.range[0] = (struct ab_range){.partition = 2, .first = 100, .next = 110};
}

static void teardown(void)
{
	ab_redis_ops.lane_destroy(t.lane);
	ab_redis_ops.destroy(t.sink);
}

TestSuite(redis, .init = setup, .fini = teardown);

static const struct ab_content_type video = {1, {"video", 5}, {"\"video\"", 7}};

static struct ab_event event(void)
{
	return (struct ab_event){
		.op = AB_OP_CREATE,
		.has = AB_HAS_CONTENT_ID | AB_HAS_EVENT_TS | AB_HAS_PCT,
		.event_us = 120000000,
		.kafka_ts_ms = 120000,
		.content_id = {1, 2},
		.content_type = &video,
		.pct_hundredths = 4200,
	};
}

static enum ab_encode_result encode(const struct ab_event *e, struct ab_redis_record *record, const char **reason)
{
	static uint8_t to[AB_RECORD_ENCODED_MAX_BYTES];
	size_t len = 0;
	enum ab_encode_result result = ab_redis_ops.encode(t.sink, e, to, sizeof to, &len, reason);

	if (result == AB_ENCODE_RECORD)
		*record = ab_redis_record_read(to, len);
	return result;
}

static void add(int64_t offset, const struct ab_event *e)
{
	size_t len = 0;
	const char *reason;

	enum ab_encode_result result = ab_redis_ops.encode(t.sink, e, t.bytes + t.batch.bytes_used,
							   AB_RECORD_ENCODED_MAX_BYTES, &len, &reason);
	cr_assert_eq(result, AB_ENCODE_RECORD);
	t.item[t.batch.item_count++] =
		(struct ab_item){.offset = offset, .at = t.batch.bytes_used, .len = (uint32_t)len, .partition = 2};
	t.batch.bytes_used += (uint32_t)len;
}

static struct ab_request request(void)
{
	struct ab_request out;

	ab_redis_ops.request(t.lane, &t.batch, &out);
	return out;
}

static enum ab_reply_result answer_bytes(struct ab_batch *batch, const char *bytes, size_t len)
{
	const struct ab_reply to = {.counts = &t.counts, .error = t.error};

	return ab_redis_ops.reply(t.lane, batch, bytes, len, &to);
}

static enum ab_reply_result answer(const char *text)
{
	return answer_bytes(&t.batch, text, strlen(text));
}

static enum ab_reply_result greet(const char *text)
{
	struct ab_request out;

	ab_redis_ops.hello(t.lane, &out);
	return answer_bytes(NULL, text, strlen(text));
}

/* One event sent, the answer given. */
static enum ab_reply_result ask(const char *text)
{
	struct ab_event e = event();

	t.batch.item_count = 0;
	t.batch.bytes_used = 0;
	add(105, &e);
	request();
	return answer(text);
}

Test(redis, counts_creates_and_snapshots_and_skips_updates_and_deletes)
{
	struct ab_redis_record record;
	const char *reason;
	struct ab_event e = event();

	cr_expect_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	e.op = AB_OP_READ;
	cr_expect_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	e.op = AB_OP_UPDATE;
	cr_expect_eq(encode(&e, &record, &reason), AB_ENCODE_SKIPPED);
	e.op = AB_OP_DELETE;
	e.has = 0;
	cr_expect_eq(encode(&e, &record, &reason), AB_ENCODE_SKIPPED);
}

Test(redis, a_record_holds_what_is_counted)
{
	struct ab_redis_record record;
	const char *reason;
	struct ab_event e = event();

	cr_assert_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	cr_expect_eq(record.minute, 2);
	cr_expect_eq(record.pct_hundredths, 4200);
	cr_expect(record.has_pct && record.has_content && !record.future);
	cr_expect_eq(record.content_id.lo, 2);
	cr_expect_eq(record.type_len, 5);
	cr_expect_eq(memcmp(record.type, "video", 5), 0);
}

Test(redis, the_minute_of_a_time_before_1970_is_the_one_it_lies_in)
{
	struct ab_redis_record record;
	const char *reason;
	struct ab_event e = event();

	e.event_us = -1;
	cr_assert_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	cr_expect_eq(record.minute, -1);
	e.event_us = -60000000;
	cr_assert_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	cr_expect_eq(record.minute, -1);
}

Test(redis, an_event_without_its_time_is_rejected_with_the_reason)
{
	struct ab_redis_record record;
	const char *reason = NULL;
	struct ab_event e = event();

	e.has &= ~AB_HAS_EVENT_TS;
	cr_expect_eq(encode(&e, &record, &reason), AB_ENCODE_REJECTED);
	cr_expect_not_null(strstr(reason, "event_ts"));
}

Test(redis, a_percentage_that_would_spoil_the_sums_is_rejected)
{
	struct ab_redis_record record;
	const char *reason = NULL;
	struct ab_event e = event();

	e.pct_hundredths = AB_REDIS_PCT_MAX_HUNDREDTHS;
	cr_expect_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	e.pct_hundredths = -AB_REDIS_PCT_MAX_HUNDREDTHS - 1;
	cr_expect_eq(encode(&e, &record, &reason), AB_ENCODE_REJECTED);
}

Test(redis, a_time_a_day_ahead_of_its_kafka_record_is_of_the_future)
{
	struct ab_redis_record record;
	const char *reason;
	struct ab_event e = event();

	e.event_us = (e.kafka_ts_ms + 86400000) * 1000;
	cr_assert_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	cr_expect(!record.future);
	e.event_us += 1000;
	cr_assert_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	cr_expect(record.future);
	e.kafka_ts_ms = -1;			/* a record without a time of its own: the row's commit vouches */
	e.commit_ts_ms = e.event_us / 1000;
	cr_assert_eq(encode(&e, &record, &reason), AB_ENCODE_RECORD);
	cr_expect(!record.future);
}

Test(redis, sums_find_every_pair_again_among_many)
{
	struct ab_redis_sum sum;
	char type[16];

	ab_redis_sum_create(&sum, 4000);
	for (int round = 0; round < 3; round++) {
		ab_redis_sum_clear(&sum, 10);	/* a table of another size in between */
		ab_redis_sum_clear(&sum, 4000);
		for (int i = 0; i < 4000; i++) {
			int len = snprintf(type, sizeof type, "type-%d", i % 7);
			static char kept[4000][16];
			memcpy(kept[i], type, sizeof type);
			struct ab_redis_record record = {
				.minute = i % 10, .pct_hundredths = i, .has_pct = i % 2, .has_content = true,
				.content_id = {7, (uint64_t)(i % 100)}, .type = kept[i], .type_len = (uint8_t)len};
			ab_redis_sum_add(&sum, &record);
		}
		int64_t events = 0, hundredths = 0, of_contents = 0, types = 0, contents = 0;
		for (uint32_t w = sum.windows; w != AB_REDIS_NONE; w = sum.cell[w].next) {
			for (uint32_t i = sum.cell[w].types; i != AB_REDIS_NONE; i = sum.cell[i].next) {
				events += sum.cell[i].events;
				hundredths += sum.cell[i].pct_hundredths;
				types++;
			}
			for (uint32_t i = sum.cell[w].contents; i != AB_REDIS_NONE; i = sum.cell[i].next) {
				of_contents += sum.cell[i].pct_hundredths;
				contents++;
			}
		}
		cr_expect_eq(sum.window_count, 10);
		cr_expect_eq(types, 70);
		cr_expect_eq(contents, 50, "only events with a percentage rank contents");
		cr_expect_eq(events, 4000);
		cr_expect_eq(hundredths, 2000 * 2000);
		cr_expect_eq(of_contents, hundredths);
		cr_expect_eq(sum.newest_minute, 9);
	}
	ab_redis_sum_destroy(&sum);
}

Test(redis, a_request_is_one_well_formed_command)
{
	struct ab_event e = event();
	char wire[8192];
	size_t len = 0, used = 0;

	add(105, &e);
	e.content_type = NULL;
	add(106, &e);
	struct ab_request out = request();
	cr_assert(out.needs_reply);
	for (int i = 0; i < out.piece_count; i++) {
		memcpy(wire + len, out.piece[i].iov_base, out.piece[i].iov_len);
		len += out.piece[i].iov_len;
	}
	cr_assert_eq(ab_resp_measure(wire, len, &used), AB_RESP_COMPLETE);
	cr_expect_eq(used, len);
	wire[len] = '\0';
	cr_expect_not_null(strstr(wire, "$3\r\n2:3\r\n$3\r\n100\r\n$3\r\n110\r\n"));
	cr_expect_not_null(strstr(wire, "$5\r\nvideo\r\n$1\r\n1\r\n$4\r\n4200\r\n$1\r\n1\r\n"));
	cr_expect_not_null(strstr(wire, "$7\r\nunknown\r\n"));
	cr_expect_not_null(strstr(wire, "$36\r\n00000000-0000-0001-0000-000000000002\r\n$5\r\n84.00\r\n"));
}

Test(redis, the_largest_request_fits_the_memory_taken)
{
	static char name[ITEM_MAX][AB_CONTENT_TYPE_MAX_BYTES];
	struct ab_content_type type[ITEM_MAX];

	for (int i = 0; i < ITEM_MAX; i++) {
		memset(name[i], 'x', sizeof name[i]);
		name[i][0] = (char)i;
		type[i] = (struct ab_content_type){.text = {name[i], sizeof name[i]}};
		struct ab_event e = event();
		e.event_us = AB_TIME_MIN_US + i * INT64_C(60000000);
		e.pct_hundredths = -AB_REDIS_PCT_MAX_HUNDREDTHS;
		e.content_id.lo = (uint64_t)i;
		e.content_type = &type[i];
		add(105, &e);
	}
	t.batch.range_count = AB_PARTITIONS_MAX;
	for (int p = 0; p < AB_PARTITIONS_MAX; p++)
		t.batch.range[p] = (struct ab_range){(uint16_t)p, INT64_MAX - 1, INT64_MAX};
	struct ab_request out = request();	/* asserts its bound itself */
	cr_expect_leq(out.piece[1].iov_len, ab_redis_body_bytes(ITEM_MAX));
}

Test(redis, ok_acks_everything_that_was_sent)
{
	cr_expect_eq(ask("*1\r\n$2\r\nOK\r\n"), AB_REPLY_DONE);
	cr_expect_eq(t.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(t.counts.acked, 1);
}

Test(redis, an_answer_may_come_byte_by_byte)
{
	const char *text = "*1\r\n$3\r\nDUP\r\n";

	cr_expect_eq(ask("*"), AB_REPLY_MORE);
	for (size_t i = 1; i + 1 < strlen(text); i++)
		cr_expect_eq(answer_bytes(&t.batch, text + i, 1), AB_REPLY_MORE);
	cr_expect_eq(answer("\n"), AB_REPLY_DONE);
	cr_expect_eq(t.counts.duplicates, 1);
}

Test(redis, an_overlap_cuts_the_batch_at_the_stored_position)
{
	cr_expect_eq(ask("*2\r\n$3\r\nMIX\r\n$3\r\n106\r\n"), AB_REPLY_AGAIN);
	cr_expect_eq(t.batch.range[0].first, 106);
	cr_expect_eq(t.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(t.counts.duplicates, 1);
}

Test(redis, a_range_applied_to_its_end_needs_no_request)
{
	cr_expect_eq(ask("*2\r\n$3\r\nMIX\r\n$3\r\n999\r\n"), AB_REPLY_AGAIN);
	cr_expect_eq(t.batch.range[0].first, 110);
	cr_expect(!request().needs_reply);
}

Test(redis, a_position_that_is_no_offset_is_fatal)
{
	static const char *const text[] = {
		"*2\r\n$3\r\nMIX\r\n$1\r\n-\r\n", "*2\r\n$3\r\nMIX\r\n$4\r\n0100\r\n", "*2\r\n$3\r\nMIX\r\n$-1\r\n",
		"*2\r\n$3\r\nMIX\r\n$3\r\n1e9\r\n", "*2\r\n$3\r\nMIX\r\n$0\r\n\r\n"};

	for (size_t i = 0; i < AB_COUNT(text); i++) {
		cr_expect_eq(ask(text[i]), AB_REPLY_FATAL, "%s", text[i]);
		cr_expect_not_null(strstr(t.error, "partition 2, lane 3"), "%s", t.error);
	}
}

Test(redis, every_error_line_has_its_meaning)
{
	static const struct {
		const char *line;
		enum ab_reply_result result;
		const char *says;
	} known[] = {
		{"-LOADING Redis is loading the dataset in memory\r\n", AB_REPLY_OUTAGE, "waiting"},
		{"-BUSY Redis is busy running a script.\r\n", AB_REPLY_OUTAGE, "busy"},
		{"-READONLY You can't write against a read only replica.\r\n", AB_REPLY_RECONNECT, "master"},
		{"-OOM command not allowed when used memory > 'maxmemory'.\r\n", AB_REPLY_OUTAGE, "maxmemory"},
		{"-ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed\r\n",
		 AB_REPLY_OUTAGE, "maxmemory"},
		{"-MASTERDOWN Link with MASTER is down\r\n", AB_REPLY_RECONNECT, "replica"},
		{"-ERR Script killed by user with SCRIPT KILL.\r\n", AB_REPLY_OUTAGE, "SCRIPT KILL"},
		{"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", AB_REPLY_OUTAGE, "moved"},
		{"-MISCONF Redis is configured to save RDB snapshots\r\n", AB_REPLY_OUTAGE, "disk"},
		{"-NOAUTH Authentication required.\r\n", AB_REPLY_FATAL, "REDIS_PASSWORD"},
		{"-NOPERM this user has no permissions\r\n", AB_REPLY_FATAL, "ACL"},
		{"-WRONGTYPE Operation against a key\r\n", AB_REPLY_FATAL, "rename"},
		{"-MOVED 3999 127.0.0.1:6381\r\n", AB_REPLY_FATAL, "Redis Cluster is not supported"},
		{"-CLUSTERDOWN The cluster is down\r\n", AB_REPLY_FATAL, "Redis Cluster is not supported"},
		{"-ERR unknown command\r\n", AB_REPLY_FATAL, "6.2"},
	};

	for (size_t i = 0; i < AB_COUNT(known); i++) {
		cr_expect_eq(ask(known[i].line), known[i].result, "%s", known[i].line);
		cr_expect_not_null(strstr(t.error, known[i].says), "%s", t.error);
		cr_expect_eq(t.item[0].outcome, AB_OUTCOME_PENDING);
	}
}

Test(redis, a_refusal_of_the_script_names_the_key)
{
	cr_expect_eq(ask("*4\r\n$4\r\nTYPE\r\n$3\r\nkey\r\n$4\r\nlist\r\n$4\r\nhash\r\n"), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "key key is a list"), "%s", t.error);
	cr_expect_eq(ask("*4\r\n$5\r\nVALUE\r\n$3\r\nkey\r\n$5\r\nfield\r\n$4\r\nmany\r\n"), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "\"many\""), "%s", t.error);
	cr_expect_eq(ask("*3\r\n$6\r\nLAYOUT\r\n$1\r\n9\r\n$2\r\nid\r\n"), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "REDIS_SINK_PARALLELISM=9"), "%s", t.error);
}

Test(redis, a_forgotten_script_is_sent_once_and_its_loss_again_is_fatal)
{
	struct ab_event e = event();

	cr_expect_eq(ask("-NOSCRIPT No matching script.\r\n"), AB_REPLY_AGAIN);
	t.batch.item_count = 0;
	add(105, &e);
	cr_expect_eq(request().piece_count, 3);
	cr_expect_eq(answer("$2\r\nab\r\n"), AB_REPLY_MORE);
	cr_expect_eq(answer("-NOSCRIPT No matching script.\r\n"), AB_REPLY_FATAL);
}

Test(redis, the_script_is_loaded_no_more_once_it_worked)
{
	cr_expect_eq(ask("-NOSCRIPT No matching script.\r\n"), AB_REPLY_AGAIN);
	request();
	cr_expect_eq(answer("$2\r\nab\r\n*1\r\n$2\r\nOK\r\n"), AB_REPLY_DONE);
	t.item[0].outcome = AB_OUTCOME_PENDING;
	cr_expect_eq(request().piece_count, 2);
}

Test(redis, what_is_no_answer_is_ambiguous)
{
	static const char *const text[] = {
		"HTTP/1.1 200 OK\r\n", "*1\r\n$2\r\nOKAY\r\n", ":1\r\n", "*0\r\n", "*-1\r\n", "$-2\r\n",
		"$99999999\r\n",
		"*1\r\n$2\r\nNO\r\n", "*1\r\n$2\r\nOK\r\n+OK\r\n", "*9999999\r\n", "*1\r\n$3\r\nMIX\r\n",
		"*3\r\n$3\r\nMIX\r\n$3\r\n106\r\n$3\r\n106\r\n"};

	for (size_t i = 0; i < AB_COUNT(text); i++) {
		cr_expect_eq(ask(text[i]), AB_REPLY_AMBIGUOUS, "%s", text[i]);
		cr_expect_eq(t.counts.ambiguous, i + 1);
		ab_redis_ops.lost(t.lane, &t.batch, true);
	}
}

Test(redis, an_answer_without_end_is_ambiguous)
{
	static char endless[AB_REDIS_REPLY_MAX_BYTES + 1];

	memset(endless, 'x', sizeof endless);
	endless[0] = '+';
	request();
	cr_expect_eq(answer_bytes(&t.batch, endless, sizeof endless), AB_REPLY_AMBIGUOUS);
}

Test(redis, a_lost_connection_forgets_half_an_answer)
{
	cr_expect_eq(ask("*1\r\n$2\r\nO"), AB_REPLY_MORE);
	ab_redis_ops.lost(t.lane, &t.batch, true);
	cr_expect_eq(ask("*1\r\n$2\r\nOK\r\n"), AB_REPLY_DONE);
}

Test(redis, a_greeting_is_answered_by_login_role_and_script)
{
	cr_expect_eq(greet("+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n0\r\n"
			   "$2\r\nab\r\n"), AB_REPLY_DONE);
	cr_expect_eq(greet("+OK\r\n*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:0\r\n$2\r\nab\r\n"),
		     AB_REPLY_OUTAGE);
	cr_expect_eq(greet("-WRONGPASS invalid\r\n-NOAUTH x\r\n-NOAUTH x\r\n"), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "WRONGPASS"), "the first refusal is the cause: %s", t.error);
	cr_expect_eq(greet("+OK\r\n-NOPERM role\r\n$2\r\nab\r\n"), AB_REPLY_DONE);
	cr_expect_eq(greet("+OK\r\n-LOADING x\r\n-LOADING x\r\n"), AB_REPLY_OUTAGE);
}

Test(redis, boards_are_wanted_by_the_first_and_then_by_every_tenth_request)
{
	int wanted = 0;

	for (int i = 0; i < 31; i++) {
		ask("*1\r\n$2\r\nOK\r\n");
		wanted += t.lane->boards != AB_REDIS_BOARDS_NONE;
	}
	cr_expect_eq(wanted, 4);
}

Test(redis, the_longest_name_is_taken_whole)
{
	memset(t.config.redis_key_by, 'k', sizeof t.config.redis_key_by - 1);
	struct ab_sink *sink = ab_redis_ops.create(&t.config, t.error);
	cr_assert_not_null(sink);
	cr_expect_eq(strlen(sink->key_by), sizeof t.config.redis_key_by - 1);
	ab_redis_ops.destroy(sink);
}
