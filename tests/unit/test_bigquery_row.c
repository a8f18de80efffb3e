/* tests/unit/test_bigquery_row.c — how one event becomes a row of BigQuery's. */
#include <criterion/criterion.h>
#include <string.h>

#include "sinks/bigquery.h"

static const struct ab_sink_ops *ops = &ab_bigquery_ops;
static struct ab_config config;
static struct ab_sink *sink;
static char row[8192], error[AB_SINK_ERROR_MAX_BYTES];

static const struct ab_content_type podcast = {.text = {"podcast", 7}, .json = {"\"podcast\"", 9}};

static struct ab_text token(const char *text)
{
	return (struct ab_text){text, (uint32_t)strlen(text)};
}

static struct ab_event event(void)
{
	return (struct ab_event){
	    .offset = 1001,
	    .kafka_ts_ms = 1795475954587,
	    .partition = 2,
	    .id = 1,
	    .lsn = 28704369,
	    .event_us = INT64_C(1795475952353824),
	    .duration_ms = 672892,
	    .has = AB_HAS_CONTENT_ID | AB_HAS_EVENT_TS | AB_HAS_DURATION | AB_HAS_LSN | AB_HAS_PCT,
	    .content_id_json = token("\"a955\""),
	    .user_id_json = token("\"283f\""),
	    .event_type_json = token("\"pa\\u0075se \\\"x\\\"\""),
	    .content_type = &podcast,
	    .pct_hundredths = -5,
	};
}

/* The row, or why there is none. */
static const char *encoded(const struct ab_event *e)
{
	const char *reason = NULL;
	size_t len = 0;

	if (ops->encode(sink, e, (uint8_t *)row, sizeof row, &len, &reason) == AB_ENCODE_REJECTED)
		return reason;
	row[len] = '\0';
	return row;
}

static void set_up(void)
{
	ab_config_defaults(&config);
	sink = ops->create(&config, error);
}

static void tear_down(void)
{
	ops->destroy(sink);
}

TestSuite(bigquery_row, .init = set_up, .fini = tear_down);

Test(bigquery_row, says_where_it_came_from)
{
	struct ab_event e = event();
	cr_expect_str_eq(encoded(&e),
			 "{\"insertId\":\"streaming.public.engagement_events-2-1001\",\"json\":{\"id\":\"1\","
			 "\"version\":\"28704369\",\"content_id\":\"a955\",\"user_id\":\"283f\","
			 "\"event_type\":\"pa\\u0075se \\\"x\\\"\",\"event_ts\":\"2026-11-23 23:19:12\","
			 "\"device\":null,\"content_type\":\"podcast\",\"duration_ms\":\"672892\","
			 "\"engagement_pct\":-0.05,\"processing_time\":\"2026-11-23 23:19:14\",\"op\":\"c\","
			 "\"deleted\":false,\"kafka_topic\":\"streaming.public.engagement_events\","
			 "\"kafka_partition\":\"2\",\"kafka_offset\":\"1001\","
			 "\"kafka_ts\":\"2026-11-23T23:19:14.587000Z\"}},");
}

Test(bigquery_row, is_appended_for_a_delete_too)
{
	struct ab_event e = event();
	e.op = AB_OP_DELETE;
	cr_expect_not_null(strstr(encoded(&e), "\"op\":\"d\",\"deleted\":true"));
}

Test(bigquery_row, has_null_for_what_is_not_known)
{
	struct ab_event e = event();
	e.content_type = NULL;
	e.has = AB_HAS_EVENT_TS;
	e.kafka_ts_ms = -1;
	cr_expect_not_null(strstr(encoded(&e), "\"version\":null"));
	cr_expect_not_null(strstr(row, "\"content_type\":null,\"duration_ms\":null,\"engagement_pct\":null,"
				       "\"processing_time\":null"));
	cr_expect_not_null(strstr(row, "\"kafka_ts\":null"));
}

Test(bigquery_row, is_refused_for_a_delete_without_its_time_and_says_what_to_set)
{
	struct ab_event e = event();
	e.op = AB_OP_DELETE;
	e.has &= (uint16_t)~AB_HAS_EVENT_TS;
	cr_expect_not_null(strstr(encoded(&e), "REPLICA IDENTITY FULL"));
}

Test(bigquery_row, has_an_insert_id_within_128_bytes_that_tells_long_topics_apart)
{
	char first[256] = "";

	for (int n = 0; n < 2; n++) {
		ops->destroy(sink);
		memset(config.events_topic, 't', AB_TOPIC_MAX_BYTES);
		config.events_topic[AB_TOPIC_MAX_BYTES - 1] = (char)('a' + n);
		sink = ops->create(&config, error);
		struct ab_event e = event();
		e.partition = UINT16_MAX;
		e.offset = INT64_MAX;
		cr_assert_eq(encoded(&e), row);
		char *id = row + strlen("{\"insertId\":\"");
		*strchr(id, '"') = '\0';
		cr_expect_leq(strlen(id), 128);
		cr_expect_str_neq(first, id);
		strcpy(first, id);
	}
}
