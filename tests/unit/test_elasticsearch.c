/* tests/unit/test_elasticsearch.c — the Elasticsearch sink, by bytes alone: what it writes,
 * and what it makes of every answer _bulk is known to give. */
#include <criterion/criterion.h>
#include <string.h>

#include "sinks/elasticsearch.h"

#define ITEMS_MAX 64
#define BYTES_MAX (64 * 1024)

static const struct ab_sink_ops *ops = &ab_elasticsearch_ops;
static struct ab_config config;
static struct ab_sink *sink;
static struct ab_sink_lane *lane;
static struct ab_batch batch;
static struct ab_request request;
static struct ab_sink_counts counts;
static char error[AB_SINK_ERROR_MAX_BYTES], reasons[4096];
static uint32_t rejected_item[ITEMS_MAX], rejected_count;
static bool no_room_for_letters;

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
	    .content_id_json = token("\"a955f1d7-0000-4000-8000-000000000001\""),
	    .user_id_json = token("\"283f\""),
	    .event_type_json = token("\"pa\\u0075se \\\"x\\\"\""),
	    .device_json = {NULL, 0},
	    .content_type = &podcast,
	    .pct_hundredths = 1234,
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
	if (no_room_for_letters) {
		of->item[i].outcome = AB_OUTCOME_RETRY;
		return;
	}
	rejected_item[rejected_count++] = i;
	strncat(reasons, reason, len);
}

static enum ab_reply_result feed(const char *bytes, size_t len)
{
	const struct ab_reply to = {on_reject, NULL, &counts, error};
	return ops->reply(lane, &batch, bytes, len, &to);
}

/* A whole answer with this status line and body. */
static enum ab_reply_result answer(const char *status, const char *body)
{
	char text[BYTES_MAX];
	int len = snprintf(text, sizeof text,
			   "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", status,
			   strlen(body), body);
	return feed(text, (size_t)len);
}

static void send_items(int count)
{
	for (int i = 0; i < count; i++) {
		struct ab_event e = event(i + 1);
		add(&e);
	}
	ops->request(lane, &batch, &request);
	cr_assert(request.needs_reply);
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
	no_room_for_letters = false;
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

TestSuite(elasticsearch, .init = set_up, .fini = tear_down);

static const char *encoded(const struct ab_event *e)
{
	static char text[BYTES_MAX];
	const char *reason = NULL;
	size_t len = 0;

	if (ops->encode(sink, e, (uint8_t *)text, sizeof text, &len, &reason) == AB_ENCODE_REJECTED)
		return reason;
	text[len] = '\0';
	return text;
}

Test(elasticsearch, writes_one_action_and_one_source_line)
{
	struct ab_event e = event(7);
	cr_expect_str_eq(
	    encoded(&e),
	    "{\"index\":{\"_index\":\"engagement-events-2026-11-23\",\"_id\":\"7\",\"version\":28704375,"
	    "\"version_type\":\"external\"}}\n"
	    "{\"id\":7,\"content_id\":\"a955f1d7-0000-4000-8000-000000000001\",\"user_id\":\"283f\","
	    "\"event_type\":\"pa\\u0075se \\\"x\\\"\",\"device\":null,\"content_type\":\"podcast\","
	    "\"event_timestamp\":\"2026-11-23T23:19:12.353824Z\",\"duration_ms\":672892,\"engagement_pct\":12.34,"
	    "\"processing_time\":\"2026-11-23T23:19:14.587000Z\",\"@timestamp\":\"2026-11-23T23:19:12.353824Z\","
	    "\"deleted\":false}\n");
}

Test(elasticsearch, keeps_a_deleted_row_as_a_document_that_says_so)
{
	struct ab_event e = event(7);
	e.op = AB_OP_DELETE;
	cr_expect_not_null(strstr(encoded(&e), "\"deleted\":true}\n"));
}

Test(elasticsearch, writes_null_for_what_is_not_known)
{
	struct ab_event e = event(7);
	e.content_type = NULL;
	e.has &= (uint16_t) ~(AB_HAS_DURATION | AB_HAS_PCT);
	e.kafka_ts_ms = -1;
	const char *text = encoded(&e);
	cr_expect_not_null(strstr(text, "\"content_type\":null"));
	cr_expect_not_null(strstr(text, "\"duration_ms\":null,\"engagement_pct\":null,\"processing_time\":null"));
}

Test(elasticsearch, takes_the_index_day_from_the_event_in_utc)
{
	struct ab_event e = event(7);
	e.event_us = -1;
	cr_expect_not_null(strstr(encoded(&e), "engagement-events-1969-12-31"));
}

Test(elasticsearch, rejects_a_record_without_the_version_kind_and_never_takes_the_other)
{
	struct ab_event e = event(7);
	e.has &= (uint16_t)~AB_HAS_LSN;
	cr_expect_not_null(strstr(encoded(&e), "no LSN"));
	tear_down();
	set_up();
	ops->destroy(sink);
	config.elasticsearch_version_kind = AB_VERSION_KIND_OFFSET;
	sink = ops->create(&config, error);
	cr_expect_not_null(strstr(encoded(&e), "\"version\":1007,"));
}

Test(elasticsearch, rejects_a_delete_without_its_time_and_says_what_to_set)
{
	struct ab_event e = event(7);
	e.op = AB_OP_DELETE;
	e.has &= (uint16_t)~AB_HAS_EVENT_TS;
	cr_expect_not_null(strstr(encoded(&e), "REPLICA IDENTITY FULL"));
}

Test(elasticsearch, sends_a_whole_batch_as_it_lies)
{
	char head[4096] = "";
	send_items(3);
	cr_assert_eq(request.piece_count, 2);
	cr_expect_eq(request.piece[1].iov_base, batch.bytes);
	cr_expect_eq(request.piece[1].iov_len, batch.bytes_used);
	memcpy(head, request.piece[0].iov_base, request.piece[0].iov_len);
	cr_expect_eq(strncmp(head, "POST /_bulk?filter_path=", 24), 0);
	cr_expect_not_null(strstr(head, "\r\nHost: 127.0.0.1:9200\r\n"));
	cr_expect_not_null(strstr(head, "\r\nContent-Type: application/x-ndjson\r\n"));
	cr_expect_null(strstr(head, "Authorization"));
	char length[64];
	snprintf(length, sizeof length, "\r\nContent-Length: %u\r\n\r\n", batch.bytes_used);
	cr_expect_not_null(strstr(head, length));
}

Test(elasticsearch, logs_in_with_user_and_password_or_an_api_key)
{
	ops->destroy(sink);
	strcpy(config.elasticsearch_user, "elastic");
	strcpy(config.elasticsearch_password, "changeme");
	sink = ops->create(&config, error);
	cr_expect_not_null(strstr(sink->bulk_head, "\r\nAuthorization: Basic ZWxhc3RpYzpjaGFuZ2VtZQ==\r\n"));
	ops->destroy(sink);
	config.elasticsearch_user[0] = '\0';
	strcpy(config.elasticsearch_api_key, "abc==");
	sink = ops->create(&config, error);
	cr_expect_not_null(strstr(sink->bulk_head, "\r\nAuthorization: ApiKey abc==\r\n"));
}

Test(elasticsearch, takes_no_credentials_that_would_write_headers_of_their_own)
{
	strcpy(config.elasticsearch_api_key, "abc\r\nX: y");
	cr_expect_null(ops->create(&config, error));
	cr_expect_not_null(strstr(error, "control character"));
}

Test(elasticsearch, an_answer_without_errors_acks_everything)
{
	send_items(2);
	cr_expect_eq(answer("200 OK", "{\"errors\":false,\"took\":3,\"items\":[{\"index\":{\"status\":201}},"
				      "{\"index\":{\"status\":200}}]}"),
		     AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(counts.acked, 2);
	cr_expect_eq(counts.duplicates, 0);
}

Test(elasticsearch, half_an_answer_is_waited_for)
{
	send_items(1);
	const char *first = "HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{\"errors\":false,\"took\":3,";
	cr_expect_eq(feed(first, strlen(first)), AB_REPLY_MORE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
	const char *rest = "\"items\":[{\"index\":{\"status\":201}}]}";
	cr_assert_eq(strlen(rest) + 25, 60);
	cr_expect_eq(feed(rest, strlen(rest)), AB_REPLY_DONE);
}

Test(elasticsearch, after_half_an_answer_and_a_reset_everything_is_sent_again)
{
	send_items(2);
	const char *first = "HTTP/1.1 200 OK\r\ncontent-length: 61\r\n\r\n{\"errors\"";
	cr_expect_eq(feed(first, strlen(first)), AB_REPLY_MORE);
	ops->lost(lane, &batch, true);
	ops->request(lane, &batch, &request);
	cr_expect_eq(request.piece[1].iov_len, batch.bytes_used);
	cr_expect_eq(answer("200 OK", "{\"errors\":false,\"took\":3,\"items\":[{\"index\":{\"status\":201}},"
				      "{\"index\":{\"status\":200}}]}"),
		     AB_REPLY_DONE);
}

Test(elasticsearch, an_answer_about_fewer_documents_settles_none)
{
	send_items(2);
	cr_expect_eq(answer("200 OK", "{\"errors\":false,\"took\":3,\"items\":[{\"index\":{\"status\":201}}]}"),
		     AB_REPLY_AMBIGUOUS);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
	cr_expect_not_null(strstr(error, "every document"));
}

Test(elasticsearch, each_item_has_an_outcome_of_its_own)
{
	send_items(5);
	cr_expect_eq(answer("200 OK", "{\"errors\":true,\"took\":3,\"items\":["
				      "{\"index\":{\"status\":201}},"
				      "{\"index\":{\"status\":409,\"error\":{\"type\":\"version_conflict_engine_"
				      "exception\",\"reason\":\"[2]: …\"}}},"
				      "{\"index\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution_"
				      "exception\",\"reason\":\"queue full\"}}},"
				      "{\"index\":{\"status\":400,\"error\":{\"type\":\"document_parsing_exception\","
				      "\"reason\":\"bad \\\"id\\\"\"}}},"
				      "{\"index\":{\"status\":503,\"error\":{\"type\":\"unavailable_shards_exception\","
				      "\"reason\":\"primary\"}}}]}"),
		     AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[2].outcome, AB_OUTCOME_RETRY);
	cr_expect_eq(batch.item[3].outcome, AB_OUTCOME_REJECTED);
	cr_expect_eq(batch.item[4].outcome, AB_OUTCOME_RETRY);
	cr_expect_eq(counts.duplicates, 1);
	cr_expect_eq(rejected_count, 1);
	cr_expect_eq(rejected_item[0], 3);
	cr_expect_str_eq(reasons, "document_parsing_exception: bad \"id\"");
}

Test(elasticsearch, only_what_is_pending_is_sent_again_and_answers_match_by_order)
{
	send_items(4);
	batch.item[1].outcome = AB_OUTCOME_ACKED;
	batch.item[2].outcome = AB_OUTCOME_REJECTED;
	ops->request(lane, &batch, &request);
	cr_expect_eq(request.piece[1].iov_len, batch.item[0].len + batch.item[3].len);
	cr_expect_eq(memcmp((char *)request.piece[1].iov_base + batch.item[0].len, batch.bytes + batch.item[3].at,
			    batch.item[3].len),
		     0);
	cr_expect_eq(answer("200 OK", "{\"errors\":true,\"took\":3,\"items\":[{\"index\":{\"status\":201}},"
				      "{\"index\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution_"
				      "exception\",\"reason\":\"\"}}}]}"),
		     AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[2].outcome, AB_OUTCOME_REJECTED);
	cr_expect_eq(batch.item[3].outcome, AB_OUTCOME_RETRY);
}

Test(elasticsearch, a_full_disk_is_an_outage_and_costs_no_document)
{
	send_items(2);
	cr_expect_eq(answer("200 OK", "{\"errors\":true,\"took\":3,\"items\":[{\"index\":{\"status\":201}},"
				      "{\"index\":{\"status\":429,\"error\":{\"type\":\"cluster_block_exception\","
				      "\"reason\":\"index [x] blocked by: "
				      "[TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]\"}}}]}"),
		     AB_REPLY_OUTAGE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_ACKED);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_PENDING);
	cr_expect_eq(rejected_count, 0);
	cr_expect_not_null(strstr(error, "disk space"));
}

Test(elasticsearch, an_outage_leaves_nothing_marked_for_later)
{
	send_items(2);
	cr_expect_eq(
	    answer(
		"200 OK",
		"{\"errors\":true,\"took\":3,\"items\":["
		"{\"index\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution_exception\",\"reason\":\"\"}}},"
		"{\"index\":{\"status\":404,\"error\":{\"type\":\"index_not_found_exception\",\"reason\":\"\"}}}]}"),
	    AB_REPLY_OUTAGE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
	cr_expect_eq(batch.item[1].outcome, AB_OUTCOME_PENDING);
}

Test(elasticsearch, tells_a_bad_document_from_a_bad_index)
{
	const char *advice;
	const char *illegal = "illegal_argument_exception";
	cr_expect_eq(ab_es_classify(400, illegal, "Document contains at least one immense term", &advice),
		     AB_ES_REJECTED);
	cr_expect_eq(ab_es_classify(400, illegal, "Limit of total fields [1000] has been exceeded", &advice),
		     AB_ES_OUTAGE);
	cr_expect_eq(ab_es_classify(400, illegal,
				    "only write ops with an op_type of create are allowed in data streams", &advice),
		     AB_ES_OUTAGE);
	cr_expect_eq(ab_es_classify(400, "validation_exception",
				    "this action would add [2] shards, but this cluster "
				    "currently has [1000]/[1000] maximum normal shards open;",
				    &advice),
		     AB_ES_OUTAGE);
	cr_expect_eq(ab_es_classify(403, "security_exception", "", &advice), AB_ES_OUTAGE);
	cr_expect_eq(ab_es_classify(403, "cluster_block_exception", "", &advice), AB_ES_OUTAGE);
	cr_expect_eq(ab_es_classify(400, "something_new_exception", "", &advice), AB_ES_OUTAGE);
	cr_expect_eq(ab_es_classify(500, "something_new_exception", "", &advice), AB_ES_RETRY);
	cr_expect_eq(ab_es_classify(400, "mapper_parsing_exception", "", &advice), AB_ES_REJECTED);
}

Test(elasticsearch, a_busy_cluster_is_an_outage_for_as_long_as_it_asks)
{
	send_items(1);
	const char *text = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\ncontent-length: 2\r\n\r\n{}";
	cr_expect_eq(feed(text, strlen(text)), AB_REPLY_OUTAGE);
	cr_expect_eq(batch.retry_after_ms, 7000);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
	cr_expect_eq(counts.outages, 1);
}

Test(elasticsearch, an_answer_of_something_in_between_is_an_outage)
{
	send_items(1);
	cr_expect_eq(answer("502 Bad Gateway", "<html>bad gateway</html>"), AB_REPLY_OUTAGE);
}

Test(elasticsearch, a_page_with_status_200_settles_nothing)
{
	send_items(1);
	cr_expect_eq(answer("200 OK", "<html>hello</html>"), AB_REPLY_AMBIGUOUS);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
}

Test(elasticsearch, wrong_credentials_are_an_outage_and_name_the_keys)
{
	send_items(1);
	cr_expect_eq(answer("401 Unauthorized", "{\"error\":{\"type\":\"security_exception\",\"reason\":\"missing "
						"authentication credentials\"},\"status\":401}"),
		     AB_REPLY_OUTAGE);
	cr_expect_not_null(strstr(error, "ELASTICSEARCH_API_KEY"));
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_PENDING);
	cr_expect_eq(rejected_count, 0);
}

Test(elasticsearch, a_request_that_is_too_large_goes_in_halves)
{
	send_items(4);
	cr_expect_eq(answer("413 Content Too Large", ""), AB_REPLY_AGAIN);
	cr_expect_not_null(strstr(error, "ELASTICSEARCH_BATCH_SIZE"));
	ops->request(lane, &batch, &request);
	cr_expect_eq(request.piece[1].iov_len, batch.item[2].len + batch.item[3].len);
	cr_expect_eq(answer("200 OK",
			    "{\"errors\":false,\"items\":[{\"index\":{\"status\":201}},{\"index\":{\"status\":201}}]}"),
		     AB_REPLY_AGAIN);
	ops->request(lane, &batch, &request);
	cr_expect_eq(request.piece[1].iov_len, batch.item[0].len + batch.item[1].len);
	cr_expect_eq(answer("200 OK",
			    "{\"errors\":false,\"items\":[{\"index\":{\"status\":201}},{\"index\":{\"status\":201}}]}"),
		     AB_REPLY_DONE);
}

Test(elasticsearch, a_refusal_that_names_no_item_is_narrowed_down_to_the_one_at_fault)
{
	int requests = 0, bad = 5;
	enum ab_reply_result result = AB_REPLY_AGAIN;

	send_items(16);
	while (result != AB_REPLY_DONE && ++requests < 40) {
		char body[2048] = "{\"errors\":false,\"items\":[";
		bool has_bad = false;
		for (uint32_t i = 0; i < lane->http.sent_count; i++) {
			has_bad |= lane->http.sent[i] == (uint32_t)bad;
			strcat(body, i ? ",{\"index\":{\"status\":201}}" : "{\"index\":{\"status\":201}}");
		}
		strcat(body, "]}");
		result = has_bad ? answer("400 Bad Request", "{\"error\":{\"type\":\"parse\",\"reason\":\"line\"}}")
				 : answer("200 OK", body);
		if (result == AB_REPLY_AGAIN || result == AB_REPLY_OUTAGE)
			ops->request(lane, &batch, &request);
	}
	cr_expect_eq(result, AB_REPLY_DONE);
	cr_expect_eq(rejected_count, 1);
	cr_expect_eq(rejected_item[0], (uint32_t)bad);
	for (int i = 0; i < 16; i++)
		cr_expect_eq(batch.item[i].outcome, i == bad ? AB_OUTCOME_REJECTED : AB_OUTCOME_ACKED);
}

Test(elasticsearch, a_server_that_refuses_everything_gets_no_document_into_the_dead_letters_soon)
{
	enum ab_reply_result result = AB_REPLY_AGAIN;

	send_items(4);
	for (int i = 0; i < 12; i++) {
		result = answer("400 Bad Request", "no");
		ops->request(lane, &batch, &request);
	}
	cr_expect_eq(result, AB_REPLY_OUTAGE);
	cr_expect_eq(rejected_count, 0);
}

Test(elasticsearch, an_answer_above_its_room_halves_the_next_request)
{
	static char text[256 * 1024];

	send_items(4);
	int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n");
	memset(text + len, ' ', 200000);
	cr_expect_eq(feed(text, (size_t)len + 200000), AB_REPLY_AMBIGUOUS);
	ops->lost(lane, &batch, true);
	ops->request(lane, &batch, &request);
	cr_expect_eq(lane->http.sent_count, 2);
}

Test(elasticsearch, without_room_for_its_letter_a_rejected_document_is_sent_again)
{
	no_room_for_letters = true;
	send_items(1);
	cr_expect_eq(answer("200 OK", "{\"errors\":true,\"items\":[{\"index\":{\"status\":400,\"error\":{\"type\":"
				      "\"document_parsing_exception\",\"reason\":\"x\"}}}]}"),
		     AB_REPLY_DONE);
	cr_expect_eq(batch.item[0].outcome, AB_OUTCOME_RETRY);
}

Test(elasticsearch, bytes_after_an_answer_break_the_connection)
{
	send_items(1);
	const char *text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200";
	cr_expect_eq(feed(text, strlen(text)), AB_REPLY_AMBIGUOUS);
}
