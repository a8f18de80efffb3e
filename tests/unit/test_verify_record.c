/* tests/unit/test_verify_record.c — the verifier's own reading of Debezium's records, times and lanes. */
#include <criterion/criterion.h>
#include <string.h>

#include "verify/lane.h"
#include "verify/record.h"
#include "verify/time.h"

#define FLAT                                                                                                   \
	"\"id\":7,\"content_id\":\"0B3A1e00-0000-4000-8000-00000000000f\",\"user_id\":\"u\",\"event_type\":\"play\"," \
	"\"event_ts\":\"2026-11-24T21:59:07.123456Z\",\"duration_ms\":1500,\"device\":\"a \\\"b\\\" \\u00e9\""

static struct ab_verify_decoder decoder;
static struct ab_verify_event event;

static enum ab_verify_record decode(const char *text)
{
	if (decoder.record_max_bytes == 0)
		ab_verify_decoder_create(&decoder, 4096);
	return ab_verify_decode(&decoder, text, strlen(text), &event);
}

static void is_text(struct ab_text text, const char *wanted)
{
	cr_expect(text.at != NULL && text.len == strlen(wanted) && memcmp(text.at, wanted, text.len) == 0, "%.*s, not %s",
		  (int)text.len, text.at, wanted);
}

Test(verify_record, reads_the_four_shapes_alike)
{
	static const char *const shapes[] = {
		"{" FLAT ",\"__op\":\"c\",\"__lsn\":55}",
		"{\"schema\":{\"type\":\"struct\"},\"payload\":{" FLAT ",\"__op\":\"c\",\"__lsn\":55}}",
		"{\"before\":null,\"after\":{" FLAT "},\"source\":{\"lsn\":55},\"op\":\"c\"}",
		"{\"schema\":null,\"payload\":{\"before\":null,\"after\":{" FLAT "},\"source\":{\"lsn\":55},\"op\":\"c\"}}",
	};

	for (size_t i = 0; i < AB_COUNT(shapes); i++) {
		cr_assert_eq(decode(shapes[i]), AB_VERIFY_EVENT, "%zu: %s", i, decoder.why);
		cr_expect_eq(event.op, 'c');
		cr_expect_eq(event.id, 7);
		cr_expect(event.has_lsn && event.lsn == 55);
		cr_expect(event.has_duration && event.duration_ms == 1500);
		cr_expect_eq(event.event_us, INT64_C(1795557547123456));
		is_text(event.device, "a \"b\" \xc3\xa9");
	}
}

Test(verify_record, a_delete_is_one_by_its_op_or_by_its_mark)
{
	cr_assert_eq(decode("{" FLAT ",\"__op\":\"d\"}"), AB_VERIFY_EVENT);
	cr_expect_eq(event.op, 'd');
	cr_assert_eq(decode("{" FLAT ",\"__op\":\"u\",\"__deleted\":\"true\"}"), AB_VERIFY_EVENT);
	cr_expect_eq(event.op, 'd');
	cr_expect_not(event.has_lsn);
	cr_assert_eq(decode("{\"id\":7,\"event_type\":\"\",\"event_ts\":\"1970-01-01T00:00:00Z\",\"__op\":\"d\"}"),
		     AB_VERIFY_BAD);
}

Test(verify_record, says_why_a_record_is_no_event)
{
	static const struct {
		const char *record, *why;
	} cases[] = {
		{"", "not JSON"},
		{"no", "not JSON"},
		{"[1]", "no JSON object"},
		{"{\"id\":1,\"id\":2}", "not JSON"},
		{"{\"id\":1}", "op is none"},
		{"{\"id\":\"7\",\"__op\":\"c\"}", "id is no integer"},
		{"{\"id\":7,\"__op\":\"c\"}", "event_type is missing"},
		{"{\"id\":7,\"__op\":\"c\",\"event_type\":\"x\"}", "event_ts is missing"},
		{"{\"id\":7,\"__op\":\"c\",\"event_type\":\"x\",\"event_ts\":\"yesterday\"}", "event_ts is no time"},
		{"{\"op\":\"u\",\"after\":null,\"source\":{}}", "without its row"},
	};

	for (size_t i = 0; i < AB_COUNT(cases); i++) {
		cr_expect_eq(decode(cases[i].record), AB_VERIFY_BAD, "%s", cases[i].record);
		cr_expect_not_null(strstr(decoder.why, cases[i].why), "%s: %s", cases[i].record, decoder.why);
	}
}

Test(verify_record, what_means_nothing_is_no_event_and_not_bad)
{
	cr_expect_eq(decode("null"), AB_VERIFY_NOTHING);
	cr_expect_eq(decode("{\"schema\":null,\"payload\":null}"), AB_VERIFY_NOTHING);
	cr_expect_eq(decode("{\"op\":\"t\",\"source\":{}}"), AB_VERIFY_NOTHING);
	cr_expect_eq(ab_verify_decode(&decoder, NULL, 0, &event), AB_VERIFY_NOTHING);
}

Test(verify_time, reads_and_writes)
{
	char text[AB_VERIFY_TIME_BYTES];
	int64_t us, minute;
	int32_t day;

	cr_assert(ab_verify_time_parse("2026-01-31T23:59:59.5+02:00", 27, &us));
	cr_expect_eq(us, INT64_C(1769896799500000));
	cr_expect_str_eq(ab_verify_datetime_text(text, us), "2026-01-31 21:59:59");
	cr_expect_str_eq(ab_verify_day_text(text, ab_verify_day(us)), "2026-01-31");
	cr_expect_str_eq(ab_verify_minute_text(text, ab_verify_minute(us)), "202601312159");
	cr_expect(ab_verify_minute_read(text, &minute) && minute == ab_verify_minute(us));
	cr_expect(ab_verify_day_read("2026-01-31", &day) && day == ab_verify_day(us));
	cr_expect_eq(ab_verify_micros(-1), 999999);
	cr_expect_eq(ab_verify_minute(-1), -1);
	static const char *const wrong[] = {"2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01", "2026-01-01T00:00:00.",
					    "2026-01-01T00:00:00.1234567891Z", "2026-01-01T00:00:00X"};
	for (size_t i = 0; i < AB_COUNT(wrong); i++)
		cr_expect_not(ab_verify_time_parse(wrong[i], strlen(wrong[i]), &us), "%s", wrong[i]);
}

Test(verify_lane, positions_say_what_must_be_there)
{
	struct ab_verify_positions positions = {0};
	const char *text = "ab1 cluster 5:6:7 redis/2/content_id=0,9 bigquery/3/user_id=0,5,20";

	cr_assert(ab_verify_positions_read(&positions, 1, 100, text, "bigquery"));
	cr_expect_eq(positions.lanes, 3);
	cr_expect_str_eq(positions.key, "user_id");
	cr_expect_eq(ab_verify_positions_least(&positions, 1), 100);
	cr_expect_eq(ab_verify_positions_most(&positions, 1), 120);
	cr_expect_not(ab_verify_positions_read(&positions, 1, 100, text, "elasticsearch"));
	cr_expect_not(ab_verify_positions_read(&positions, 1, 100, "somebody else's", "bigquery"));

	struct ab_verify_event of = {.partition = 1, .offset = 99, .user_id = {"user", 4}};
	cr_expect_eq(ab_verify_due(&positions, &of), AB_DUE);
	of.offset = 120;
	cr_expect_eq(ab_verify_due(&positions, &of), AB_NOT_DUE);
	of.offset = 110;
	int lane = ab_verify_lane(&of, "user_id", 3);
	cr_assert(lane >= 0 && lane < 3);
	cr_expect_eq(ab_verify_due(&positions, &of), positions.next[1][lane] > 110 ? AB_DUE : AB_NOT_DUE);
	/* Its escapes in the record decide its lane, and they are not known. */
	of.user_id = (struct ab_text){"a\"b", 3};
	cr_expect_eq(ab_verify_due(&positions, &of), AB_DUE_UNSURE);
}
