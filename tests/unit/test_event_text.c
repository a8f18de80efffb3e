/* tests/unit/test_event_text.c — a record is the same whether its numbers were copied from the message or written. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/decode.h"
#include "core/event_text.h"
#include "sinks/sink.h"

#define MESSAGE_BYTES 1024

static struct ab_decoder *decoder;
static struct ab_config config;
static char message[MESSAGE_BYTES];

static void set_up(void)
{
	decoder = ab_decoder_create(MESSAGE_BYTES);
	ab_config_defaults(&config);
}

static void tear_down(void)
{
	ab_decoder_destroy(decoder);
}

TestSuite(event_text, .init = set_up, .fini = tear_down);

/* The second message of a shape is read by it, so that its numbers are known as they stand. */
static struct ab_event read_twice(const char *id, const char *lsn, const char *duration, const char *time)
{
	struct ab_event event;
	struct ab_reason reason;
	int len = snprintf(message, sizeof message,
			   "{\"id\":%s,\"user_id\":\"u\",\"event_type\":\"play\",\"event_ts\":\"%s\",\"duration_ms\":%s,"
			   "\"__op\":\"c\",\"__lsn\":%s}",
			   id, time, duration, lsn);

	for (int i = 0; i < 2; i++)
		cr_assert_eq(ab_decode_event(decoder, message, (size_t)len, &event, &reason), AB_DECODE_EVENT, "%s",
			     reason.text);
	event.partition = 3;
	event.offset = 99;
	event.kafka_ts_ms = INT64_C(1795475954587);
	return event;
}

static size_t encode(const struct ab_sink_ops *ops, const struct ab_event *event, uint8_t *to, size_t room)
{
	char error[AB_SINK_ERROR_MAX_BYTES];
	const char *reason = "";
	size_t len = 0;
	struct ab_sink *sink = ops->create(&config, error);

	cr_assert_eq(ops->encode(sink, event, to, room, &len, &reason), AB_ENCODE_RECORD, "%s", reason);
	ops->destroy(sink);
	return len;
}

static void expect_same(struct ab_event event)
{
	const struct ab_sink_ops *const sinks[] = {&ab_elasticsearch_ops, &ab_bigquery_ops};
	struct ab_event written = event;

	written.id_json = written.lsn_json = written.duration_json = written.event_ts_json = (struct ab_text){NULL, 0};
	for (size_t i = 0; i < AB_COUNT(sinks); i++) {
		uint8_t copied[4096], made[4096];
		size_t len = encode(sinks[i], &event, copied, sizeof copied);
		cr_expect_eq(len, encode(sinks[i], &written, made, sizeof made));
		cr_expect_arr_eq(copied, made, len, "%.*s\n%.*s", (int)len, copied, (int)len, made);
	}
}

Test(event_text, copies_what_stands_in_the_message_as_it_would_be_written)
{
	struct ab_event event = read_twice("17", "28704368", "672892", "2026-11-23T23:19:12.353824Z");

	expect_same(event);
	if (strcmp(getenv("AB_SIMD") ? getenv("AB_SIMD") : "", "off") != 0) {
		cr_expect_not_null(event.id_json.at);
		cr_expect_not_null(event.event_ts_json.at);
	}
}

Test(event_text, writes_what_stands_there_in_another_form)
{
	static const char *const numbers[] = {"0", "-0", "-7", "9999999999999999", "12345678901234567", "9223372036854775807"};
	static const char *const times[] = {"2026-11-23 23:19:12.353824Z", "2026-11-23T23:19:12Z",  "2026-11-23T23:19:12.3Z",
					    "2026-11-23T23:19:12.1234567", "2026-11-23T23:19:12.35382Z", "2026-11-23T23:19:12.000001Z",
					    "2026-11-23T23:19:12+01", "2026-11-23T23:19:12.1+02:00",
					    "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"};

	for (size_t i = 0; i < AB_COUNT(numbers); i++)
		for (size_t t = 0; t < AB_COUNT(times); t++)
			expect_same(read_twice(numbers[i], numbers[i][0] == '-' ? "5" : numbers[i], "null", times[t]));
	expect_same(read_twice("1", "3", "-2147483648", times[0]));
}

Test(event_text, writes_a_records_time_again_when_its_second_changes)
{
	static const int64_t times[] = {0, 1, 999, 1000, INT64_C(1795475954587), INT64_C(1795475954999), INT64_C(1795475955000),
					-1, INT64_C(1795475955001), AB_TIME_MAX_US / 1000, AB_TIME_MAX_US / 1000 + 1, INT64_MIN};
	struct ab_event event = read_twice("1", "2", "3", "2026-11-23T23:19:12.353824Z");
	struct ab_event_text lent;

	ab_event_text_begin(&lent);
	for (size_t i = 0; i < AB_COUNT(times); i++) {
		struct ab_event_text own;
		event.kafka_ts_ms = times[i];
		lent.made = false;
		event.text = NULL;
		const struct ab_event_text *expected = ab_event_text_of(&event, &own);
		event.text = &lent;
		const struct ab_event_text *got = ab_event_text_of(&event, &own);
		cr_expect_eq(got, &lent);
		cr_expect_eq(got->kafka_time.len, expected->kafka_time.len);
		cr_expect_arr_eq(got->kafka_time.at, expected->kafka_time.at, got->kafka_time.len);
	}
}
