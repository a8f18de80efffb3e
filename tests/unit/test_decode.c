/* tests/unit/test_decode.c — messages written by hand; what the real Debezium writes is read by test_golden.c. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "core/decode.h"
#include "core/limits.h"

enum { MAX_BYTES = 1 << 16 };

#define ID "a955f1d7-0c0f-4f06-8d3a-0123456789ab"
#define ROW                                                                                                            \
	"\"id\":2,\"content_id\":\"" ID "\",\"user_id\":\"u\",\"event_type\":\"pause\","                               \
	"\"event_ts\":\"1970-01-01T00:00:01Z\",\"duration_ms\":5,\"device\":\"ios\",\"raw_payload\":\"{\\\"ip\\\": "   \
	"1}\""
#define FLAT(tail) "{" ROW tail "}"

static struct ab_event event;
static struct ab_content_row row;
static struct ab_reason reason;

static enum ab_decode_result decode_bytes(const void *bytes, size_t len)
{
	struct ab_decoder *decoder = ab_decoder_create(MAX_BYTES);
	cr_assert_not_null(decoder);
	memset(&reason, 0, sizeof reason);
	enum ab_decode_result result = ab_decode_event(decoder, bytes, len, &event, &reason);
	ab_decoder_destroy(decoder);
	return result;
}

static enum ab_decode_result decode(const char *text)
{
	return decode_bytes(text, strlen(text));
}

static enum ab_decode_result decode_content(const char *text)
{
	struct ab_decoder *decoder = ab_decoder_create(MAX_BYTES);
	memset(&reason, 0, sizeof reason);
	enum ab_decode_result result = ab_decode_content(decoder, text, strlen(text), &row, &reason);
	ab_decoder_destroy(decoder);
	return result;
}

static void expect_rejected(const char *text, enum ab_reject code, const char *words)
{
	cr_expect_eq(decode(text), AB_DECODE_REJECTED, "%s", text);
	cr_expect_eq(reason.code, code, "%s: %s: %s", text, ab_reject_name(reason.code), reason.text);
	cr_expect_not_null(strstr(reason.text, words), "%s: \"%s\" lacks \"%s\"", text, reason.text, words);
}

Test(decode, reads_an_unwrapped_insert)
{
	static const char text[] =
	    FLAT(",\"__deleted\":\"false\",\"__op\":\"c\",\"__lsn\":77,\"__source_ts_ms\":1795475952353,"
		 "\"__source_snapshot\":\"false\"");
	struct ab_decoder *decoder = ab_decoder_create(MAX_BYTES);
	cr_assert_eq(ab_decode_event(decoder, text, sizeof text - 1, &event, &reason), AB_DECODE_EVENT, "%s",
		     reason.text);
	cr_expect_eq(event.op, AB_OP_CREATE);
	cr_expect_eq(event.id, 2);
	cr_expect_eq(event.lsn, 77);
	cr_expect_eq(event.commit_ts_ms, INT64_C(1795475952353));
	cr_expect_eq(event.event_us, 1000000);
	cr_expect_eq(event.duration_ms, 5);
	cr_expect_eq(event.content_id.hi, UINT64_C(0xa955f1d70c0f4f06));
	cr_expect_eq(event.content_id.lo, UINT64_C(0x8d3a0123456789ab));
	cr_expect_not(event.snapshot);
	cr_expect_eq(event.has, AB_HAS_CONTENT_ID | AB_HAS_EVENT_TS | AB_HAS_DURATION | AB_HAS_LSN | AB_HAS_COMMIT_TS);
	cr_expect_eq(event.device_json.len, 5);
	cr_expect_arr_eq(event.device_json.at, "\"ios\"", 5);
	cr_expect_arr_eq(event.user_id_json.at, "\"u\"", 3);
	cr_expect_arr_eq(event.event_type_json.at, "\"pause\"", 7);
	cr_expect_arr_eq(event.content_id_json.at, "\"" ID "\"", 38);
	ab_decoder_destroy(decoder);
}

Test(decode, reads_every_operation)
{
	const struct {
		const char *text;
		enum ab_op op;
	} cases[] = {
	    {FLAT(",\"__op\":\"c\""), AB_OP_CREATE},
	    {FLAT(",\"__op\":\"r\""), AB_OP_READ},
	    {FLAT(",\"__op\":\"u\",\"__deleted\":false"), AB_OP_UPDATE},
	    {FLAT(",\"__op\":\"d\",\"__deleted\":\"true\""), AB_OP_DELETE},
	    {FLAT(",\"__op\":\"d\",\"__deleted\":true"), AB_OP_DELETE},
	    {FLAT(",\"__op\":\"d\",\"__deleted\":null"), AB_OP_DELETE},
	    {FLAT(",\"__deleted\":\"true\""), AB_OP_DELETE},
	    {"{\"before\":null,\"after\":" FLAT("") ",\"op\":\"c\"}", AB_OP_CREATE},
	    {"{\"before\":null,\"after\":" FLAT("") ",\"source\":{\"snapshot\":\"true\"},\"op\":\"r\"}", AB_OP_READ},
	    {"{\"before\":" FLAT("") ",\"after\":" FLAT("") ",\"op\":\"u\"}", AB_OP_UPDATE},
	    {"{\"before\":" FLAT("") ",\"after\":null,\"op\":\"d\"}", AB_OP_DELETE},
	    {"{\"schema\":{\"type\":\"struct\"},\"payload\":{\"before\":" FLAT("") ",\"op\":\"d\"}}", AB_OP_DELETE},
	};
	for (size_t i = 0; i < AB_COUNT(cases); i++) {
		cr_expect_eq(decode(cases[i].text), AB_DECODE_EVENT, "%s: %s", cases[i].text, reason.text);
		cr_expect_eq(event.op, cases[i].op, "%s", cases[i].text);
		cr_expect_eq(event.id, 2);
	}
}

Test(decode, skips_what_is_no_row)
{
	cr_expect_eq(decode_bytes(NULL, 0), AB_DECODE_TOMBSTONE);
	cr_expect_eq(decode("null"), AB_DECODE_TOMBSTONE);
	cr_expect_eq(decode("{\"schema\":{},\"payload\":null}"), AB_DECODE_TOMBSTONE);
	cr_expect_eq(decode("{\"before\":null,\"after\":null,\"source\":{},\"op\":\"t\"}"), AB_DECODE_OTHER);
	cr_expect_eq(decode("{\"op\":\"m\",\"source\":{},\"message\":{\"content\":\"x\"}}"), AB_DECODE_OTHER);
	cr_expect_eq(decode("{\"__op\":\"t\"}"), AB_DECODE_OTHER);
}

Test(decode, reads_null_columns_as_absent)
{
	cr_assert_eq(decode("{\"id\":1,\"content_id\":null,\"user_id\":null,\"event_type\":\"x\",\"duration_ms\":null,"
			    "\"event_ts\":\"1970-01-01T00:00:00Z\",\"__op\":\"c\",\"__lsn\":null}"),
		     AB_DECODE_EVENT);
	cr_expect_eq(event.has, AB_HAS_EVENT_TS);
	cr_expect_null(event.content_id_json.at);
	cr_expect_null(event.user_id_json.at);
	cr_expect_null(event.device_json.at);
}

static void expect_time(const char *event_ts, int64_t us)
{
	char text[512];
	snprintf(text, sizeof text, "{\"id\":1,\"event_type\":\"x\",\"__op\":\"c\",\"event_ts\":%s}", event_ts);
	cr_expect_eq(decode(text), AB_DECODE_EVENT, "%s: %s", event_ts, reason.text);
	cr_expect_eq(event.event_us, us, "%s: %" PRId64, event_ts, event.event_us);
}

Test(decode, reads_times_as_text_microseconds_and_milliseconds)
{
	expect_time("\"2026-11-23T23:19:12.353824Z\"", INT64_C(1795475952353824));
	expect_time("\"2026-11-24T01:19:12.353824+02:00\"", INT64_C(1795475952353824));
	expect_time("\"2026-11-23T23:19:12Z\"", INT64_C(1795475952000000));
	expect_time("1795475952353824", INT64_C(1795475952353824));
	expect_time("1795475952353", INT64_C(1795475952353000));
	expect_time("0", 0);
	expect_time("-1", -1000);
}

Test(decode, tells_snapshot_rows_from_streamed_ones)
{
	const struct {
		const char *text;
		bool snapshot;
	} cases[] = {
	    {FLAT(",\"__op\":\"r\",\"__source_snapshot\":\"first\""), true},
	    {FLAT(",\"__op\":\"r\",\"__source_snapshot\":\"last_in_data_collection\""), true},
	    {FLAT(",\"__op\":\"r\",\"__source_snapshot\":true"), true},
	    {FLAT(",\"__op\":\"r\",\"__snapshot\":\"incremental\""), true},
	    {FLAT(",\"__op\":\"c\",\"__source_snapshot\":\"false\""), false},
	    {FLAT(",\"__op\":\"c\",\"__source_snapshot\":false"), false},
	    {FLAT(",\"__op\":\"c\",\"__source_snapshot\":null"), false},
	    {FLAT(",\"__op\":\"c\""), false},
	    {"{\"after\":" FLAT("") ",\"source\":{\"snapshot\":\"last\",\"lsn\":3},\"op\":\"r\"}", true},
	    {"{\"after\":" FLAT("") ",\"source\":{\"snapshot\":\"false\"},\"op\":\"c\"}", false},
	};
	for (size_t i = 0; i < AB_COUNT(cases); i++) {
		cr_expect_eq(decode(cases[i].text), AB_DECODE_EVENT, "%s: %s", cases[i].text, reason.text);
		cr_expect_eq(event.snapshot, cases[i].snapshot, "%s", cases[i].text);
	}
}

#define WITH(column) "{\"event_type\":\"x\",\"event_ts\":0,\"__op\":\"c\",\"id\":1," column "}"

Test(decode, rejects_with_a_code_and_words)
{
	expect_rejected("", AB_REJECT_NOT_JSON, "empty");
	expect_rejected("not json", AB_REJECT_NOT_JSON, "not json");
	expect_rejected("{\"id\":1", AB_REJECT_NOT_JSON, "cut off");
	expect_rejected("{\"id\":1}}", AB_REJECT_NOT_JSON, "behind the end");
	expect_rejected("{\"id\":\"\xff\"}", AB_REJECT_NOT_UTF8, "UTF-8");
	expect_rejected("[]", AB_REJECT_SHAPE, "not an object");
	expect_rejected("{\"id\":1,\"id\":2}", AB_REJECT_SHAPE, "twice");
	expect_rejected("{}", AB_REJECT_MISSING_FIELD, "__op");
	expect_rejected(FLAT(""), AB_REJECT_MISSING_FIELD, "add.fields");
	expect_rejected(FLAT(",\"__op\":\"x\""), AB_REJECT_UNKNOWN_OP, "\"x\"");
	expect_rejected(FLAT(",\"__op\":1"), AB_REJECT_UNKNOWN_OP, "1");
	expect_rejected(FLAT(",\"__op\":\"c\",\"__deleted\":\"maybe\""), AB_REJECT_WRONG_TYPE, "__deleted");
	expect_rejected(FLAT(",\"__op\":\"c\",\"__deleted\":1"), AB_REJECT_WRONG_TYPE, "__deleted");
	expect_rejected(FLAT(",\"__op\":\"c\",\"__lsn\":\"0/1\""), AB_REJECT_WRONG_TYPE, "__lsn");
	expect_rejected(FLAT(",\"__op\":\"c\",\"__lsn\":-1"), AB_REJECT_OUT_OF_RANGE, "__lsn");
	expect_rejected(FLAT(",\"__op\":\"c\",\"__source_snapshot\":1"), AB_REJECT_WRONG_TYPE, "__source_snapshot");
	expect_rejected("{\"after\":" FLAT("") "}", AB_REJECT_MISSING_FIELD, "op");
	expect_rejected("{\"after\":" FLAT("") ",\"op\":\"d\"}", AB_REJECT_SHAPE, "before");
	expect_rejected("{\"before\":" FLAT("") ",\"after\":null,\"op\":\"u\"}", AB_REJECT_SHAPE, "after");
	expect_rejected("{\"before\":null,\"after\":null,\"source\":{},\"op\":\"c\"}", AB_REJECT_SHAPE, "after");
}

Test(decode, rejects_columns_that_are_missing_or_of_another_type)
{
	expect_rejected("{\"event_type\":\"x\",\"event_ts\":0,\"__op\":\"c\"}", AB_REJECT_MISSING_FIELD, "id");
	expect_rejected("{\"id\":null,\"event_type\":\"x\",\"event_ts\":0,\"__op\":\"c\"}", AB_REJECT_MISSING_FIELD,
			"id");
	expect_rejected("{\"id\":\"1\",\"event_type\":\"x\",\"event_ts\":0,\"__op\":\"c\"}", AB_REJECT_WRONG_TYPE,
			"id");
	expect_rejected("{\"id\":1.0,\"event_type\":\"x\",\"event_ts\":0,\"__op\":\"c\"}", AB_REJECT_WRONG_TYPE, "1.0");
	expect_rejected("{\"id\":9223372036854775808,\"__op\":\"c\"}", AB_REJECT_OUT_OF_RANGE, "9223372036854775808");
	expect_rejected("{\"id\":1,\"event_type\":\"x\",\"__op\":\"c\"}", AB_REJECT_MISSING_FIELD, "event_ts");
	expect_rejected("{\"id\":1,\"event_type\":\"x\",\"__op\":\"d\"}", AB_REJECT_MISSING_FIELD,
			"REPLICA IDENTITY FULL");
	expect_rejected("{\"id\":1,\"event_ts\":0,\"__op\":\"c\"}", AB_REJECT_MISSING_FIELD, "event_type");
	expect_rejected("{\"id\":1,\"event_ts\":0,\"event_type\":7,\"__op\":\"c\"}", AB_REJECT_WRONG_TYPE,
			"event_type");
	expect_rejected("{\"id\":1,\"event_ts\":\"soon\",\"__op\":\"c\"}", AB_REJECT_WRONG_TYPE, "soon");
	expect_rejected("{\"id\":1,\"event_ts\":true,\"__op\":\"c\"}", AB_REJECT_WRONG_TYPE, "event_ts");
	expect_rejected("{\"id\":1,\"event_ts\":\"+10000-01-01T00:00:00Z\",\"__op\":\"c\"}", AB_REJECT_OUT_OF_RANGE,
			"event_ts");
	expect_rejected("{\"id\":1,\"event_ts\":9223372036854775807,\"__op\":\"c\"}", AB_REJECT_OUT_OF_RANGE,
			"event_ts");
	expect_rejected("{\"id\":1,\"event_ts\":-99999999999999,\"__op\":\"c\"}", AB_REJECT_OUT_OF_RANGE, "event_ts");
	expect_rejected(WITH("\"content_id\":\"7\""), AB_REJECT_WRONG_TYPE, "content_id: not a UUID");
	expect_rejected(WITH("\"content_id\":7"), AB_REJECT_WRONG_TYPE, "content_id");
	expect_rejected(WITH("\"user_id\":7"), AB_REJECT_WRONG_TYPE, "user_id");
	expect_rejected(WITH("\"device\":{}"), AB_REJECT_WRONG_TYPE, "device");
	expect_rejected(WITH("\"device\":[\"ios\"]"), AB_REJECT_WRONG_TYPE, "device");
	expect_rejected(WITH("\"duration_ms\":1.5"), AB_REJECT_WRONG_TYPE, "duration_ms");
	expect_rejected(WITH("\"duration_ms\":\"15\""), AB_REJECT_WRONG_TYPE, "duration_ms");
	expect_rejected(WITH("\"duration_ms\":2147483648"), AB_REJECT_OUT_OF_RANGE, "duration_ms");
	expect_rejected(WITH("\"duration_ms\":-2147483649"), AB_REJECT_OUT_OF_RANGE, "duration_ms");
}

Test(decode, never_takes_the_word_for_an_unchanged_column_as_data)
{
	static const char word[] = "\"__debezium_unavailable_value\"";
	const char *const columns[] = {"content_id", "user_id", "device", "event_type", "event_ts"};
	char text[512];
	for (size_t i = 0; i < AB_COUNT(columns); i++) {
		snprintf(text, sizeof text, "{\"id\":1,%s%s\"__op\":\"u\",\"%s\":%s}",
			 i == 3 ? "" : "\"event_type\":\"x\",", i == 4 ? "" : "\"event_ts\":0,", columns[i], word);
		expect_rejected(text, AB_REJECT_MISSING_FIELD, columns[i]);
	}
	snprintf(text, sizeof text, "{\"id\":1,\"event_type\":\"x\",\"event_ts\":0,\"__op\":\"u\",\"raw_payload\":%s}",
		 word);
	cr_expect_eq(decode(text), AB_DECODE_EVENT, "a column that no sink gets may be unchanged");
}

Test(decode, tells_the_defaults_that_stand_for_an_unknown_old_row_from_a_row)
{
	static const char filled[] = "{\"id\":1,\"content_id\":null,\"user_id\":null,\"event_type\":\"\",\"event_ts\":"
				     "\"1970-01-01T00:00:00Z\",\"duration_ms\":null,\"device\":null,\"__op\":\"%s\"}";
	char text[512];
	snprintf(text, sizeof text, filled, "d");
	expect_rejected(text, AB_REJECT_MISSING_FIELD, "REPLICA IDENTITY FULL");
	snprintf(text, sizeof text, filled, "c");
	cr_expect_eq(decode(text), AB_DECODE_EVENT, "nobody fills an insert");
	cr_expect_eq(decode("{\"id\":1,\"event_type\":\"\",\"event_ts\":0,\"device\":\"ios\",\"__op\":\"d\"}"),
		     AB_DECODE_EVENT);
}

Test(decode, keeps_reasons_short_and_printable)
{
	char text[4000];
	int len = snprintf(text, sizeof text, "{\"id\":1,\"event_ts\":\"\xc3\xa9");
	memset(text + len, 'x', 3000);
	strcpy(text + len + 3000, "\",\"__op\":\"c\"}");
	cr_assert_eq(decode(text), AB_DECODE_REJECTED);
	cr_expect_lt(strlen(reason.text), 120);
	for (const char *at = reason.text; *at != '\0'; at++)
		cr_expect(*at >= ' ' && *at <= '~');
}

Test(decode, names_every_reject_code)
{
	for (int code = 0; code < AB_REJECT_COUNT; code++)
		cr_expect_gt(strlen(ab_reject_name(code)), 3);
}

Test(decode, rejects_a_record_above_the_limit)
{
	static char text[MAX_BYTES + 2];
	memset(text, ' ', sizeof text);
	cr_expect_eq(decode_bytes(text, MAX_BYTES + 1), AB_DECODE_REJECTED);
	cr_expect_eq(reason.code, AB_REJECT_TOO_LARGE);
}

Test(decode, takes_a_record_that_ends_with_its_page)
{
	static const char text[] = FLAT(",\"__op\":\"c\"");
	const size_t page = 4096, len = sizeof text - 1;
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(map != MAP_FAILED);
	cr_assert_eq(munmap(map + page, page), 0);
	for (size_t gap = 0; gap < 130; gap++) {
		char *at = map + page - gap - len;
		memcpy(at, text, len);
		memset(at + len, '}', gap);
		cr_assert_eq(decode_bytes(at, len), AB_DECODE_EVENT, "%zu bytes before the end: %s", gap, reason.text);
	}
	munmap(map, page);
}

Test(decode, asks_to_be_emptied_when_its_scratch_is_full)
{
	static const char text[] = FLAT(",\"__op\":\"c\"");
	const size_t page = 4096, len = sizeof text - 1;
	char *map = aligned_alloc(page, page), *at = map + page - len;
	struct ab_decoder *decoder = ab_decoder_create(MAX_BYTES);
	enum ab_decode_result result = AB_DECODE_EVENT;
	struct ab_event first;
	int count = 0;
	memcpy(at, text, len);
	cr_assert_eq(ab_decode_event(decoder, at, len, &first, &reason), AB_DECODE_EVENT);
	while (result == AB_DECODE_EVENT && count++ < 100000)
		result = ab_decode_event(decoder, at, len, &event, &reason);
	cr_expect_eq(result, AB_DECODE_FULL);
	cr_expect_gt(count, AB_DECODE_BATCH);
	memset(at, 'x', len);
	cr_expect_arr_eq(first.device_json.at, "\"ios\"", 5, "a copied record lives until the reset");
	memcpy(at, text, len);
	ab_decoder_reset(decoder);
	cr_expect_eq(ab_decode_event(decoder, at, len, &event, &reason), AB_DECODE_EVENT);
	ab_decoder_destroy(decoder);
	free(map);
}

Test(decode, has_room_for_one_record_of_the_largest_size)
{
	size_t len = MAX_BYTES;
	char *text = malloc(len);
	int head =
	    snprintf(text, len, "{\"id\":1,\"event_type\":\"x\",\"event_ts\":0,\"__op\":\"c\",\"raw_payload\":\"");
	memset(text + head, 'x', len - (size_t)head);
	memcpy(text + len - 2, "\"}", 2);
	cr_expect_eq(decode_bytes(text, len), AB_DECODE_EVENT, "%s", reason.text);
	free(text);
}

Test(content, reads_a_row_with_its_type_unescaped)
{
	cr_assert_eq(decode_content("{\"id\":\"" ID
				    "\",\"content_type\":\"a\\\"\\u00e9\",\"length_seconds\":60,\"__op\":\"u\"}"),
		     AB_DECODE_EVENT, "%s", reason.text);
	cr_expect_eq(row.id.hi, UINT64_C(0xa955f1d70c0f4f06));
	cr_expect_eq(row.type_len, 4);
	cr_expect_arr_eq(row.type, "a\"\xc3\xa9", 4);
	cr_expect(row.has_length && row.length_seconds == 60 && !row.deleted);
	cr_assert_eq(decode_content("{\"id\":\"" ID "\",\"content_type\":\"x\",\"length_seconds\":null}"),
		     AB_DECODE_EVENT, "%s", reason.text);
	cr_expect_not(row.has_length);
}

Test(content, needs_only_the_id_of_a_deleted_row)
{
	cr_expect_eq(decode_content("{\"id\":\"" ID "\",\"content_type\":null,\"__deleted\":\"true\"}"),
		     AB_DECODE_EVENT);
	cr_expect(row.deleted);
	cr_expect_eq(decode_content("{\"before\":{\"id\":\"" ID "\"},\"after\":null,\"op\":\"d\"}"), AB_DECODE_EVENT);
	cr_expect(row.deleted);
	cr_expect_eq(decode_content("{\"before\":null,\"after\":null,\"source\":{},\"op\":\"t\"}"), AB_DECODE_OTHER);
	cr_expect_eq(decode_content("null"), AB_DECODE_TOMBSTONE);
}

static void expect_content_rejected(const char *text, enum ab_reject code)
{
	cr_expect_eq(decode_content(text), AB_DECODE_REJECTED, "%s", text);
	cr_expect_eq(reason.code, code, "%s: %s", text, reason.text);
}

Test(content, rejects_rows_it_cannot_keep)
{
	char text[512], type[AB_CONTENT_TYPE_MAX_BYTES + 2];
	memset(type, 'x', sizeof type);
	type[AB_CONTENT_TYPE_MAX_BYTES] = '\0';
	snprintf(text, sizeof text, "{\"id\":\"" ID "\",\"content_type\":\"%s\",\"__op\":\"c\"}", type);
	cr_expect_eq(decode_content(text), AB_DECODE_EVENT, "%s", reason.text);
	type[AB_CONTENT_TYPE_MAX_BYTES] = 'x';
	type[AB_CONTENT_TYPE_MAX_BYTES + 1] = '\0';
	snprintf(text, sizeof text, "{\"id\":\"" ID "\",\"content_type\":\"%s\",\"__op\":\"c\"}", type);
	expect_content_rejected(text, AB_REJECT_TOO_LARGE);
	expect_content_rejected("{\"content_type\":\"x\",\"__op\":\"c\"}", AB_REJECT_MISSING_FIELD);
	expect_content_rejected("{\"id\":7,\"content_type\":\"x\",\"__op\":\"c\"}", AB_REJECT_WRONG_TYPE);
	expect_content_rejected("{\"id\":\"" ID "\",\"__op\":\"c\"}", AB_REJECT_MISSING_FIELD);
	expect_content_rejected("{\"id\":\"" ID "\",\"content_type\":3,\"__op\":\"c\"}", AB_REJECT_WRONG_TYPE);
	expect_content_rejected("{\"id\":\"" ID "\",\"content_type\":\"x\",\"length_seconds\":\"6\",\"__op\":\"c\"}",
				AB_REJECT_WRONG_TYPE);
	expect_content_rejected("{\"id\":\"" ID
				"\",\"content_type\":\"x\",\"length_seconds\":2147483648,\"__op\":\"c\"}",
				AB_REJECT_OUT_OF_RANGE);
}

Test(uuid, is_36_characters_in_any_case)
{
	struct ab_uuid uuid;
	cr_expect(ab_uuid_parse("00112233-4455-6677-8899-AaBbCcDdEeFf", 36, &uuid));
	cr_expect_eq(uuid.hi, UINT64_C(0x0011223344556677));
	cr_expect_eq(uuid.lo, UINT64_C(0x8899aabbccddeeff));
	cr_expect_not(ab_uuid_parse("00112233-4455-6677-8899-aabbccddeef", 35, &uuid));
	cr_expect_not(ab_uuid_parse("00112233-4455-6677-8899-aabbccddeeff0", 37, &uuid));
	cr_expect_not(ab_uuid_parse("00112233-4455-6677-8899-aabbccddeefg", 36, &uuid));
	cr_expect_not(ab_uuid_parse("00112233-4455-6677-88990aabbccddeeff", 36, &uuid));
	cr_expect_not(ab_uuid_parse("001122334-455-6677-8899-aabbccddeeff", 36, &uuid));
	cr_expect_not(ab_uuid_parse("00112233\xad"
				    "4455-6677-8899-aabbccddeeff",
				    36, &uuid));
}
