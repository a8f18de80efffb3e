/* tests/unit/test_bigquery.c — the BigQuery sink, by bytes alone: what it writes, what it makes of answers, and
 * what it asks before sending twice. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "sinks/bigquery.h"

#define ITEMS_MAX 64
#define BYTES_MAX (64 * 1024)

static const struct ab_sink_ops *ops = &ab_bigquery_ops;
static struct ab_config config;
static struct ab_sink *sink;
static struct ab_sink_lane *lane;
static struct ab_batch batch;
static struct ab_request request;
static struct ab_sink_counts counts;
static char error[AB_SINK_ERROR_MAX_BYTES], reasons[4096], sent[BYTES_MAX];
static uint32_t rejected_item[ITEMS_MAX], rejected_count;

static struct ab_text token(const char *text)
{
	return (struct ab_text){text, (uint32_t)strlen(text)};
}

static const struct ab_content_type podcast = {.text = {"podcast", 7}, .json = {"\"podcast\"", 9}};

static struct ab_event event(int64_t id)
{
	return (struct ab_event){
	    .offset = 1000 + id,
	    .kafka_ts_ms = 1795475954587,
	    .partition = 2,
	    .op = AB_OP_CREATE,
	    .id = id,
	    .lsn = 28704368 + id,
	    .event_us = INT64_C(1795475952353824),
	    .duration_ms = 672892,
	    .has = AB_HAS_CONTENT_ID | AB_HAS_EVENT_TS | AB_HAS_DURATION | AB_HAS_LSN | AB_HAS_PCT,
	    .content_id_json = token("\"a955\""),
	    .user_id_json = token("\"283f\""),
	    .event_type_json = token("\"pause\""),
	    .device_json = {NULL, 0},
	    .content_type = &podcast,
	    .pct_hundredths = -5,
	};
}

static void add(const struct ab_event *e)
{
	const char *reason = NULL;
	size_t len = 0;
	struct ab_item *item = &batch.item[batch.item_count++];

	cr_assert_eq(ops->encode(sink, e, batch.bytes + batch.bytes_used, BYTES_MAX - batch.bytes_used, &len, &reason),
		     AB_ENCODE_RECORD);
	*item = (struct ab_item){
	    .offset = e->offset, .partition = e->partition, .at = batch.bytes_used, .len = (uint32_t)len};
	batch.bytes_used += (uint32_t)len;
}

static void on_reject(void *arg, struct ab_batch *of, uint32_t i, const char *reason, size_t len)
{
	(void)arg;
	cr_assert_eq(of->item[i].outcome, AB_OUTCOME_REJECTED);
	rejected_item[rejected_count++] = i;
	strncat(reasons, reason, len);
}

static enum ab_reply_result feed(const char *bytes, size_t len)
{
	const struct ab_reply to = {on_reject, NULL, &counts, error};
	return ops->reply(lane, &batch, bytes, len, &to);
}

static enum ab_reply_result answer(const char *status, const char *body)
{
	char text[BYTES_MAX];
	int len = snprintf(text, sizeof text,
			   "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", status,
			   strlen(body), body);
	return feed(text, (size_t)len);
}

/* The next request, as one text in `sent`. Returns whether it is a lookup. */
static bool next_request(void)
{
	size_t len = 0;

	ops->request(lane, &batch, &request);
	cr_assert(request.needs_reply);
	for (int i = 0; i < request.piece_count; i++) {
		memcpy(sent + len, request.piece[i].iov_base, request.piece[i].iov_len);
		len += request.piece[i].iov_len;
	}
	sent[len] = '\0';
	return strstr(sent, "/queries?") != NULL;
}

#define INSERTED "{\"kind\":\"bigquery#tableDataInsertAllResponse\"}"
#define NO_ROWS  "{\"jobComplete\":true,\"totalRows\":\"0\",\"rows\":[]}"
#define SERVER_ERROR                                                                                                   \
	"{\"error\":{\"code\":500,\"message\":\"An internal error "                                                    \
	"occurred\",\"errors\":[{\"reason\":\"internalError\"}]}}"

static void add_items(int count)
{
	for (int i = 0; i < count; i++) {
		struct ab_event e = event(i + 1);
		add(&e);
	}
}

/* Count rows are to be sent, and the lane has been here before: no lookup comes first. */
static void send_items(int count)
{
	add_items(count);
	memset(lane->unsettled, 0, sizeof lane->unsettled);
	cr_assert_not(next_request());
}

/* A lookup's answer that has the items of [from, to). */
static enum ab_reply_result answer_found(int from, int to)
{
	char body[BYTES_MAX];
	int len = snprintf(body, sizeof body, "{\"jobComplete\":true,\"totalRows\":\"%d\",\"rows\":[", to - from);

	for (int i = from; i < to; i++)
		len += snprintf(body + len, sizeof body - (size_t)len,
				"%s{\"f\":[{\"v\":\"2\"},{\"v\":\"%d\"},{\"v\":\"%d\"},{\"v\":\"%d\"}]}",
				i > from ? "," : "", 1001 + i, 1 + i, 28704369 + i);
	snprintf(body + len, sizeof body - (size_t)len, "]}");
	return answer("200 OK", body);
}

static void set_up(void)
{
	ab_config_defaults(&config);
	memset(&batch, 0, sizeof batch);
	memset(&counts, 0, sizeof counts);
	batch.item_max = ITEMS_MAX;
	batch.bytes_max = BYTES_MAX;
	batch.item = calloc(ITEMS_MAX, sizeof batch.item[0]);
	batch.bytes = malloc(BYTES_MAX);
	error[0] = reasons[0] = '\0';
	rejected_count = 0;
	sink = ops->create(&config, error);
	cr_assert_not_null(sink, "%s", error);
	lane = ops->lane_create(sink, 0, ITEMS_MAX, BYTES_MAX);
}

static void tear_down(void)
{
	ops->lane_destroy(lane);
	ops->destroy(sink);
	free(batch.item);
	free(batch.bytes);
}

TestSuite(bigquery, .init = set_up, .fini = tear_down);

/* --- insertAll's answers -------------------------------------------------------------------------------------------- */

Test(bigquery, says_how_long_the_request_is)
{
	send_items(3);
	const char *body = strstr(sent, "\r\n\r\n") + 4, *length = strstr(sent, "Content-Length: ");
	cr_expect_eq((size_t)atoi(length + 16), strlen(body));
	cr_expect_eq(strstr(body, ",]"), NULL);
}

Test(bigquery, an_answer_without_errors_acks_every_row)
{
	send_items(2);
	cr_expect_eq(answer("200 OK", INSERTED), AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(counts.acked, 2);
}

Test(bigquery, an_empty_list_of_errors_acks_every_row)
{
	send_items(2);
	cr_expect_eq(answer("200 OK", "{\"kind\":\"bigquery#tableDataInsertAllResponse\",\"insertErrors\":[]}"),
		     AB_REPLY_DONE);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_ACKED);
}

Test(bigquery, rows_stopped_by_an_invalid_one_go_again_at_once_without_it)
{
	send_items(3);
	cr_expect_eq(answer("200 OK",
			    "{\"insertErrors\":["
			    "{\"index\":0,\"errors\":[{\"reason\":\"stopped\",\"location\":\"\",\"message\":\"\"}]},"
			    "{\"index\":1,\"errors\":[{\"reason\":\"invalid\",\"location\":\"device\",\"message\":\"no "
			    "such field\"}]},"
			    "{\"index\":2,\"errors\":[{\"reason\":\"stopped\"}]}]}"),
		     AB_REPLY_AGAIN);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_REJECTED);
	cr_expect_str_eq(reasons, "invalid: device: no such field");
	cr_expect_not(next_request());
	cr_expect_not_null(strstr(sent, "-2-1001\""));
	cr_expect_null(strstr(sent, "-2-1002\""));
	cr_expect_not_null(strstr(sent, "-2-1003\""));
	cr_expect_eq(answer("200 OK", INSERTED), AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[2].outcome, AB_OUTCOME_ACKED);
}

Test(bigquery, a_row_that_is_not_named_among_errors_is_in)
{
	send_items(3);
	cr_expect_eq(answer("200 OK", "{\"insertErrors\":["
				      "{\"index\":1,\"errors\":[{\"reason\":\"timeout\",\"message\":\"slow\"}]}]}"),
		     AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_RETRY);
	cr_expect_eq(batch.item[2].outcome, AB_OUTCOME_ACKED);
}

Test(bigquery, rows_stopped_by_nobody_wait_instead_of_going_round)
{
	send_items(1);
	cr_expect_eq(answer("200 OK", "{\"insertErrors\":[{\"index\":0,\"errors\":[{\"reason\":\"stopped\"}]}]}"),
		     AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_RETRY);
}

Test(bigquery, an_answer_that_names_a_row_nobody_sent_settles_none)
{
	send_items(1);
	cr_expect_eq(answer("200 OK", "{\"insertErrors\":[{\"index\":1,\"errors\":[{\"reason\":\"invalid\"}]}]}"),
		     AB_REPLY_AMBIGUOUS);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
	ops->lost(lane, &batch, true);
	cr_expect(next_request());
}

Test(bigquery, a_page_with_status_200_settles_nothing)
{
	send_items(1);
	cr_expect_eq(answer("200 OK", "<html>hello</html>"), AB_REPLY_AMBIGUOUS);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
}

Test(bigquery, a_rate_is_waited_for_briefly_and_a_quota_for_long)
{
	send_items(3);
	cr_expect_eq(
	    answer("403 Forbidden", "{\"error\":{\"message\":\"m\",\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}}"),
	    AB_REPLY_OUTAGE);
	cr_expect_eq(batch.retry_after_ms, 0, "the lane's own backoff, from 100 ms on");
	cr_assert_not(next_request(), "none was stored, so none is looked up");
	cr_expect_eq(
	    answer("403 Forbidden", "{\"error\":{\"message\":\"m\",\"errors\":[{\"reason\":\"quotaExceeded\"}]}}"),
	    AB_REPLY_OUTAGE);
	cr_expect_eq(batch.retry_after_ms, AB_BQ_QUOTA_WAIT_MS);
	cr_expect_not_null(strstr(error, "quota"));
	cr_expect_eq(rejected_count, 0);
}

Test(bigquery, a_reached_quota_waits_and_a_missing_permission_stops)
{
	send_items(1);
	cr_expect_eq(
	    answer("403 Forbidden", "{\"error\":{\"message\":\"m\",\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}}"),
	    AB_REPLY_OUTAGE);
	cr_expect_not(next_request());
	cr_expect_eq(
	    answer("403 Forbidden", "{\"error\":{\"message\":\"m\",\"errors\":[{\"reason\":\"accessDenied\"}]}}"),
	    AB_REPLY_FATAL);
	cr_expect_not_null(strstr(error, "updateData"));
}

Test(bigquery, a_missing_table_is_an_outage_with_what_to_do)
{
	send_items(1);
	cr_expect_eq(answer("404 Not Found",
			    "{\"error\":{\"message\":\"Not found: table\",\"errors\":[{\"reason\":\"notFound\"}]}}"),
		     AB_REPLY_OUTAGE);
	cr_expect_not_null(strstr(error, "anabranch init"));
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
}

Test(bigquery, a_request_that_is_too_large_goes_in_halves)
{
	send_items(4);
	cr_expect_eq(answer("413 Request Entity Too Large", ""), AB_REPLY_AGAIN);
	cr_expect_not(next_request());
	cr_expect_eq(lane->http.sent_count, 2);
	cr_expect_not_null(strstr(error, "BIGQUERY_BATCH_SIZE"));
}

/* --- in doubt ------------------------------------------------------------------------------------------------------- */

Test(bigquery, looks_first_where_a_lane_newly_begins)
{
	add_items(3);
	cr_expect(next_request());
	cr_expect_not_null(strstr(sent,
				  "kafka_topic = 'streaming.public.engagement_events' AND ((kafka_partition = 2 AND "
				  "kafka_offset BETWEEN 1001 AND 1003))"));
	cr_expect_not_null(strstr(sent, "\"useLegacySql\":false,\"useQueryCache\":false"));
	cr_expect_eq(answer("200 OK", NO_ROWS), AB_REPLY_AGAIN);
	cr_expect_not(next_request());
	cr_expect_eq(answer("200 OK", INSERTED), AB_REPLY_DONE);
	cr_expect_eq(counts.duplicates, 0);
}

Test(bigquery, looks_no_more_once_a_lookup_found_nothing)
{
	add_items(2);
	cr_expect(next_request());
	answer("200 OK", NO_ROWS);
	next_request();
	answer("200 OK", INSERTED);
	batch.item_count = batch.bytes_used = 0;
	struct ab_event e = event(3);
	add(&e);
	cr_expect_not(next_request());
}

Test(bigquery, looks_on_while_lookups_find_rows)
{
	add_items(2);
	cr_expect(next_request());
	cr_expect_eq(answer_found(0, 2), AB_REPLY_DONE);
	cr_expect_eq(counts.duplicates, 2);
	batch.item_count = batch.bytes_used = 0;
	struct ab_event e = event(3);
	add(&e);
	cr_expect(next_request());
}

Test(bigquery, inserts_exactly_what_a_lookup_did_not_find)
{
	add_items(3);
	cr_expect(next_request());
	cr_expect_eq(answer_found(1, 2), AB_REPLY_AGAIN);
	cr_expect_not(next_request());
	cr_expect_not_null(strstr(sent, "-2-1001\""));
	cr_expect_null(strstr(sent, "-2-1002\""));
	cr_expect_not_null(strstr(sent, "-2-1003\""));
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(answer("200 OK", INSERTED), AB_REPLY_DONE);
}

Test(bigquery, a_row_of_an_older_topic_with_the_same_offset_is_not_ours)
{
	add_items(1);
	cr_expect(next_request());
	cr_expect_eq(answer("200 OK", "{\"jobComplete\":true,\"totalRows\":\"2\",\"rows\":["
				      "{\"f\":[{\"v\":\"2\"},{\"v\":\"1001\"},{\"v\":\"1\"},{\"v\":\"77\"}]},"
				      "{\"f\":[{\"v\":\"2\"},{\"v\":\"1001\"},{\"v\":\"9\"},{\"v\":\"28704369\"}]}]}"),
		     AB_REPLY_AGAIN);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
}

Test(bigquery, looks_up_below_what_was_in_the_table_at_start)
{
	memset(lane->unsettled, 0, sizeof lane->unsettled);
	lane->doubt_next[2] = 1002;
	add_items(1);
	cr_expect(next_request());
	answer("200 OK", NO_ROWS);
	next_request();
	answer("200 OK", INSERTED);
	batch.item_count = batch.bytes_used = 0;
	struct ab_event e = event(2);
	add(&e);
	cr_expect_not(next_request());
}

Test(bigquery, a_cut_request_is_looked_up_twice_before_it_is_sent_again)
{
	send_items(2);
	ops->lost(lane, &batch, true);
	cr_expect(next_request());
	cr_expect_eq(answer("200 OK", NO_ROWS), AB_REPLY_DONE);
	cr_expect_eq(batch.retry_after_ms, AB_BQ_LATE_MS);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
	cr_expect(next_request());
	cr_expect_eq(answer_found(0, 1), AB_REPLY_AGAIN);
	cr_expect_not(next_request());
	cr_expect_null(strstr(sent, "-2-1001\""));
	cr_expect_eq(answer("200 OK", INSERTED), AB_REPLY_DONE);
	cr_expect_eq(counts.duplicates, 1);
}

Test(bigquery, half_an_answer_and_a_reset_put_everything_in_doubt)
{
	send_items(1);
	const char *half = "HTTP/1.1 200 OK\r\ncontent-length: 47\r\n\r\n{\"kind\":\"bigquery#table";
	cr_expect_eq(feed(half, strlen(half)), AB_REPLY_MORE);
	ops->lost(lane, &batch, true);
	cr_expect(next_request());
	cr_expect_eq(answer_found(0, 1), AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
}

Test(bigquery, a_cut_lookup_is_asked_again)
{
	add_items(1);
	cr_expect(next_request());
	ops->lost(lane, &batch, true);
	cr_expect(next_request());
	cr_expect_eq(answer("200 OK", NO_ROWS), AB_REPLY_AGAIN);
	cr_expect_not(next_request());
}

Test(bigquery, an_idle_connection_that_closes_puts_nothing_in_doubt)
{
	send_items(1);
	answer("200 OK", INSERTED);
	ops->lost(lane, NULL, false);
	batch.item_count = batch.bytes_used = 0;
	struct ab_event e = event(2);
	add(&e);
	cr_expect_not(next_request());
}

Test(bigquery, after_a_lane_began_anew_what_it_had_in_flight_is_looked_up_in_whatever_batch_it_comes)
{
	send_items(4);
	ops->lost(lane, NULL, true);
	memset(lane->unsettled, 0, sizeof lane->unsettled);
	batch.item_count = batch.bytes_used = 0;
	struct ab_event e = event(4);
	add(&e);
	cr_expect(next_request());
}

Test(bigquery, a_failed_server_is_looked_up_and_sent_again)
{
	send_items(1);
	cr_expect_eq(answer("503 Service Unavailable",
			    "{\"error\":{\"message\":\"m\",\"errors\":[{\"reason\":\"backendError\"}]}}"),
		     AB_REPLY_OUTAGE);
	cr_expect(next_request());
	cr_expect_eq(answer("200 OK", NO_ROWS), AB_REPLY_AGAIN);
	cr_expect_not(next_request());
	cr_expect_eq(answer("200 OK", INSERTED), AB_REPLY_DONE);
}

Test(bigquery, a_lookup_with_errors_or_unfinished_tells_nothing)
{
	add_items(1);
	cr_expect(next_request());
	cr_expect_eq(
	    answer("200 OK",
		   "{\"jobComplete\":true,\"rows\":[],\"totalRows\":\"0\",\"errors\":[{\"message\":\"some data "
		   "were skipped\"}]}"),
	    AB_REPLY_OUTAGE);
	cr_expect_not_null(strstr(error, "some data were skipped"));
	cr_expect(next_request());
	cr_expect_eq(answer("200 OK", "{\"jobComplete\":false}"), AB_REPLY_OUTAGE);
	cr_expect(next_request());
	cr_expect_eq(answer("500 Internal Server Error", SERVER_ERROR), AB_REPLY_OUTAGE);
	cr_expect(next_request());
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
}

Test(bigquery, a_lookup_with_more_rows_than_a_page_is_asked_in_narrower_ones)
{
	add_items(4);
	lane->span = 4;
	cr_expect(next_request());
	cr_expect_eq(answer("200 OK", "{\"jobComplete\":true,\"totalRows\":\"3\",\"rows\":[],\"pageToken\":\"x\"}"),
		     AB_REPLY_AGAIN);
	cr_expect(next_request());
	cr_expect_not_null(strstr(sent, "BETWEEN 1001 AND 1002)"));
	cr_expect_eq(answer("200 OK", NO_ROWS), AB_REPLY_AGAIN);
	cr_expect(next_request());
	cr_expect_not_null(strstr(sent, "BETWEEN 1003 AND 1004)"));
	cr_expect_eq(answer("200 OK", NO_ROWS), AB_REPLY_AGAIN);
	cr_expect_not(next_request());
	cr_expect_eq(lane->http.sent_count, 4);
}

/* --- a row the server cannot take and does not name ------------------------------------------------------------------ */

struct emulator {
	bool in[ITEMS_MAX]; /* the table */
	int bad; /* the row that makes any request fail with `status`; -1: none */
	const char *status, *body;
	int requests, inserts_twice;
};

/* Answers the request in flight as an emulator does: all rows of a request or none. */
static enum ab_reply_result serve(struct emulator *e, bool lookup)
{
	char body[BYTES_MAX] = "";
	int len = 0, rows = 0;

	e->requests++;
	if (!lookup) {
		for (uint32_t n = 0; n < lane->http.sent_count; n++) {
			if ((int)lane->http.sent[n] == e->bad)
				return answer(e->status, e->body);
		}
		for (uint32_t n = 0; n < lane->http.sent_count; n++) {
			e->inserts_twice += e->in[lane->http.sent[n]];
			e->in[lane->http.sent[n]] = true;
		}
		return answer("200 OK", INSERTED);
	}
	for (int i = 0; i < (int)batch.item_count; i++) {
		if (e->in[i])
			len += snprintf(body + len, sizeof body - 256 - (size_t)len,
					"%s{\"f\":[{\"v\":\"2\"},{\"v\":\"%d\"},{\"v\":\"%d\"},{\"v\":\"%d\"}]}",
					rows++ ? "," : "", 1001 + i, 1 + i, 28704369 + i);
	}
	char whole[BYTES_MAX + 128];
	snprintf(whole, sizeof whole, "{\"jobComplete\":true,\"totalRows\":\"%d\",\"rows\":[%s]}", rows, body);
	return answer("200 OK", whole);
}

static void drive(struct emulator *e, int requests_max)
{
	do {
		bool lookup = next_request();
		enum ab_reply_result result = serve(e, lookup);
		cr_assert(result == AB_REPLY_DONE || result == AB_REPLY_AGAIN || result == AB_REPLY_OUTAGE);
	} while (ab_http_lane_has_pending(&batch) && e->requests < requests_max);
}

static void expect_only_bad_is_rejected(const struct emulator *e)
{
	for (uint32_t i = 0; i < batch.item_count; i++)
		cr_expect_eq(batch.item[i].outcome, (int)i == e->bad ? AB_OUTCOME_REJECTED : AB_OUTCOME_ACKED,
			     "item %u", i);
	cr_expect_eq(rejected_count, 1);
	cr_expect_eq(e->inserts_twice, 0);
}

Test(bigquery, one_bad_row_among_good_ones_is_found_wherever_it_is)
{
	for (int bad = 0; bad < 64; bad += 7) {
		struct emulator e = {.bad = bad, .status = "500 Internal Server Error", .body = SERVER_ERROR};
		tear_down();
		set_up();
		add_items(64);
		drive(&e, 200);
		expect_only_bad_is_rejected(&e);
		cr_expect_lt(e.requests, 60, "%d requests", e.requests);
		cr_expect_not_null(strstr(reasons, "internalError"));
	}
}

Test(bigquery, a_request_refused_as_bad_is_narrowed_down_without_lookups)
{
	struct emulator e = {.bad = 5, .status = "400 Bad Request", .body = "{\"error\":{\"message\":\"bad\"}}"};
	memset(lane->unsettled, 0, sizeof lane->unsettled);
	add_items(16);
	drive(&e, 100);
	expect_only_bad_is_rejected(&e);
	cr_expect_lt(e.requests, 20);
}

Test(bigquery, a_server_that_fails_always_gets_no_row_into_the_dead_letters)
{
	send_items(2);
	for (int i = 0; i < 20; i++) {
		cr_expect_eq(answer("500 Internal Server Error", SERVER_ERROR), AB_REPLY_OUTAGE);
		cr_expect(next_request());
		cr_expect_eq(answer("500 Internal Server Error", SERVER_ERROR), AB_REPLY_OUTAGE);
		cr_expect(next_request());
		answer("200 OK", NO_ROWS);
		cr_expect_not(next_request());
	}
	cr_expect_eq(rejected_count, 0);
}

Test(bigquery, a_row_that_went_in_before_the_server_failed_is_not_rejected)
{
	send_items(1);
	lane->refusals = AB_BQ_REFUSALS_BEFORE_HALVES;
	lane->http.proven = true;
	answer("500 Internal Server Error", SERVER_ERROR);
	for (int i = 0; i < 4 && batch.item[0].outcome == AB_OUTCOME_PENDING; i++) {
		bool lookup = next_request();
		if (!lookup)
			answer("500 Internal Server Error", SERVER_ERROR);
		else if (batch.item[0].attempts >= 1)
			answer_found(0, 1);
		else
			answer("200 OK", NO_ROWS);
	}
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(rejected_count, 0);
}

Test(bigquery, a_slow_server_is_looked_at_for_a_small_part_of_the_time)
{
	const int64_t begin_ns = 1000, quick_ns = 1000000, slow_ns = 9 * INT64_C(1000000000);

	cr_expect_eq(ab_bq_next_look_ns(begin_ns, begin_ns + quick_ns), begin_ns + quick_ns + AB_BQ_TABLE_EVERY_NS);
	cr_expect_eq(ab_bq_next_look_ns(begin_ns, begin_ns + slow_ns), begin_ns + slow_ns + AB_BQ_TABLE_PART * slow_ns);
}
