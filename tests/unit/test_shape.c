/* tests/unit/test_shape.c — learned shapes give what simdjson gives, at every level of instructions. See core/shape.h. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/decode.h"
#include "core/json.h"
#include "core/shape.h"
#include "core/simd.h"

enum { MAX_BYTES = 1 << 16 };

static const char *const levels[] = {"base", "avx2", "avx512"};

#define SCHEMA(version) "{\"schema\":{\"type\":\"struct\",\"version\":" version "},\"payload\":"
#define ROW(id, duration, device)                                                                                       \
	"\"id\":" id ",\"content_id\":\"11111111-2222-4333-8444-555555555555\",\"user_id\":\"u\",\"event_type\":\"play\"," \
	"\"event_ts\":\"2026-11-23T23:19:12.353824Z\",\"duration_ms\":" duration ",\"device\":" device                     \
	",\"raw_payload\":\"{\\\"ip\\\": 1}\""
#define META ",\"__op\":\"c\",\"__lsn\":26765448,\"__source_ts_ms\":1795489422224,\"__source_snapshot\":null}"
#define FLAT "{" ROW("10", "672892", "\"ios\"") META
#define ENVELOPE                                                                                                        \
	"{\"before\":null,\"after\":{" ROW("10", "672892", "\"ios\"") "},\"source\":{\"ts_ms\":1795489422224,\"snapshot\":" \
	"null,\"schema\":\"public\",\"lsn\":26765448},\"op\":\"c\",\"ts_ms\":1795489422302}"

/* Of a table whose REPLICA IDENTITY is FULL. */
#define UPDATE                                                                                                          \
	"{\"before\":{" ROW("10", "1", "\"web\"") "},\"after\":{" ROW("10", "672892", "\"ios\"") "},\"source\":{\"lsn\":" \
	"26765448},\"op\":\"u\",\"ts_ms\":1795489422302}"

static char padded[MAX_BYTES + AB_JSON_PADDING_BYTES];
static struct ab_event event;
static struct ab_reason reason;

static struct ab_decoder *decoder_at(const char *level)
{
	cr_assert_eq(setenv("AB_SIMD", level, 1), 0);
	struct ab_decoder *decoder = ab_decoder_create(MAX_BYTES);
	cr_assert_not_null(decoder);
	return decoder;
}

static enum ab_decode_result decode(struct ab_decoder *decoder, const char *bytes, size_t len)
{
	memset(padded + len, '}', AB_JSON_PADDING_BYTES);
	memmove(padded, bytes, len);
	ab_decoder_reset(decoder);
	return ab_decode_event(decoder, padded, len, &event, &reason);
}

static enum ab_decode_result decode_text(struct ab_decoder *decoder, const char *text)
{
	return decode(decoder, text, strlen(text));
}

static uint64_t matched(struct ab_decoder *decoder)
{
	return ab_count_get(&ab_decoder_shapes(decoder)->matched);
}

static uint64_t learned(struct ab_decoder *decoder)
{
	return ab_count_get(&ab_decoder_shapes(decoder)->learned);
}

static bool same_text(struct ab_text a, struct ab_text b)
{
	if (a.at == NULL || b.at == NULL)
		return a.at == b.at;
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static void expect_same(struct ab_decoder *decoder, struct ab_decoder *plain, const char *bytes, size_t len,
			const char *level)
{
	enum ab_decode_result expected = decode(plain, bytes, len);
	struct ab_event e = event;
	struct ab_reason r = reason;
	enum ab_decode_result got = decode(decoder, bytes, len);

	cr_assert_eq(got, expected, "%s: %d, by simdjson %d (%s): %.*s", level, got, expected, reason.text, (int)len, bytes);
	if (got == AB_DECODE_REJECTED) {
		cr_assert_eq(reason.code, r.code, "%s: %.*s", level, (int)len, bytes);
		cr_assert_str_eq(reason.text, r.text, "%s: %.*s", level, (int)len, bytes);
	}
	if (got != AB_DECODE_EVENT)
		return;
	cr_assert(event.id == e.id && event.lsn == e.lsn && event.event_us == e.event_us && event.has == e.has &&
		      event.duration_ms == e.duration_ms && event.commit_ts_ms == e.commit_ts_ms && event.op == e.op &&
		      event.snapshot == e.snapshot && event.content_id.hi == e.content_id.hi &&
		      event.content_id.lo == e.content_id.lo && same_text(event.content_id_json, e.content_id_json) &&
		      same_text(event.user_id_json, e.user_id_json) && same_text(event.device_json, e.device_json) &&
		      same_text(event.event_type_json, e.event_type_json),
		  "%s: %.*s", level, (int)len, bytes);
}

Test(shape, reads_the_second_message_of_a_kind_without_simdjson)
{
	static const char *const kinds[] = {FLAT, SCHEMA("1") FLAT "}", ENVELOPE, SCHEMA("1") ENVELOPE "}"};

	for (size_t l = 0; l < AB_COUNT(levels); l++) {
		struct ab_decoder *decoder = decoder_at(levels[l]);
		for (size_t k = 0; k < AB_COUNT(kinds); k++) {
			cr_assert_eq(decode_text(decoder, kinds[k]), AB_DECODE_EVENT);
			cr_expect_eq(matched(decoder), k, "%s", kinds[k]);
			cr_assert_eq(decode_text(decoder, kinds[k]), AB_DECODE_EVENT);
			cr_expect_eq(matched(decoder), k + 1, "%s", kinds[k]);
			cr_expect(event.id == 10 && event.duration_ms == 672892 && event.lsn == 26765448);
		}
		ab_decoder_destroy(decoder);
	}
}

Test(shape, tells_a_null_from_a_value_in_the_same_shape)
{
	struct ab_decoder *decoder = decoder_at("avx512");

	cr_assert_eq(decode_text(decoder, "{" ROW("1", "5", "\"ios\"") META), AB_DECODE_EVENT);
	cr_assert_eq(decode_text(decoder, "{" ROW("2", "null", "\"web\"") META), AB_DECODE_EVENT);
	cr_expect_eq(matched(decoder), 1);
	cr_expect(event.id == 2 && !(event.has & AB_HAS_DURATION) && event.duration_ms == 0);
	cr_assert_eq(decode_text(decoder, "{" ROW("3", "-7", "\"web\"") META), AB_DECODE_EVENT);
	cr_expect(event.id == 3 && (event.has & AB_HAS_DURATION) && event.duration_ms == -7);
	/* A null among the strings moves the quotes: another shape. */
	cr_assert_eq(decode_text(decoder, "{" ROW("4", "5", "null") META), AB_DECODE_EVENT);
	cr_expect(matched(decoder) == 2 && learned(decoder) == 2 && event.device_json.at == NULL);
	ab_decoder_destroy(decoder);
}

Test(shape, learns_a_changed_schema_once_and_keeps_both_versions)
{
	struct ab_decoder *decoder = decoder_at("avx512");
	const char *old_version = SCHEMA("1") FLAT "}";
	const char *new_version = SCHEMA("2") "{\"added\":true," ROW("11", "1", "\"ios\"") META "}";

	for (int i = 0; i < 10; i++)
		cr_assert_eq(decode_text(decoder, old_version), AB_DECODE_EVENT);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(decode_text(decoder, new_version), AB_DECODE_EVENT);
		cr_expect_eq(event.id, 11);
		cr_assert_eq(decode_text(decoder, old_version), AB_DECODE_EVENT);
		cr_expect_eq(event.id, 10);
	}
	cr_expect_eq(learned(decoder), 2);
	cr_expect_eq(ab_count_get(&ab_decoder_shapes(decoder)->missed), 2);
	ab_decoder_destroy(decoder);
}

Test(shape, judges_every_message_that_differs_in_one_byte_like_simdjson, .timeout = 120)
{
	static const char *const kinds[] = {FLAT, SCHEMA("1") FLAT "}", ENVELOPE, UPDATE};
	static const char bytes[] = "\"\\{}[]:, 09n-e.\x01\x7f\x80\xc3\xff\t";

	for (size_t l = 0; l < AB_COUNT(levels); l++) {
		struct ab_decoder *decoder = decoder_at(levels[l]), *plain = decoder_at("off");
		for (size_t k = 0; k < AB_COUNT(kinds); k++) {
			char text[2048];
			size_t len = strlen(kinds[k]);
			for (size_t at = 0; at < len; at++) {
				for (size_t b = 0; b < sizeof bytes; b++) {	/* its terminator is one too */
					decode_text(decoder, kinds[k]);
					memcpy(text, kinds[k], len);
					text[at] = bytes[b];
					expect_same(decoder, plain, text, len, levels[l]);
				}
			}
		}
		cr_expect_gt(matched(decoder), 1000);
		ab_decoder_destroy(decoder);
		ab_decoder_destroy(plain);
	}
}

/* Runs of backslashes of every length, beginning at every place of a block of 64 and going on into the next ones. */
Test(shape, counts_backslashes_across_blocks)
{
	enum { RUN_MAX = 140 };
	char text[1024], run[RUN_MAX + 1];

	memset(run, '\\', sizeof run);
	for (size_t l = 0; l < AB_COUNT(levels); l++) {
		struct ab_decoder *decoder = decoder_at(levels[l]), *plain = decoder_at("off");
		decode_text(decoder, FLAT);
		for (int len = 0; len <= RUN_MAX; len++) {
			for (int before = 0; before < 64; before++) {
				int n = snprintf(text, sizeof text,
						 "{" ROW("10", "672892", "\"ios%.*s%.*s\\\"\"") META, before,
						 "0123456789012345678901234567890123456789012345678901234567890123", len, run);
				expect_same(decoder, plain, text, (size_t)n, levels[l]);
			}
		}
		/* An odd run takes the next backslash's quote, and what follows is not JSON. */
		cr_expect_eq(matched(decoder), 64 * (RUN_MAX / 2 + 1));
		ab_decoder_destroy(decoder);
		ab_decoder_destroy(plain);
	}
}

Test(shape, judges_every_message_that_is_cut_off_like_simdjson)
{
	for (size_t l = 0; l < AB_COUNT(levels); l++) {
		struct ab_decoder *decoder = decoder_at(levels[l]), *plain = decoder_at("off");
		decode_text(decoder, FLAT);
		for (size_t len = 1; len < strlen(FLAT); len++)
			expect_same(decoder, plain, FLAT, len, levels[l]);
		ab_decoder_destroy(decoder);
		ab_decoder_destroy(plain);
	}
}

Test(shape, never_reads_by_a_shape_what_depends_on_a_value)
{
	static const char *const texts[] = {
	    /* escapes in a key, an array of numbers, a wrapper's key as a column, the row twice, keys beside the payload */
	    "{\"\\u0069d\":1,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"more\":[1,2],\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"payload\":5,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"payload\":null,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"source\":\"x\",\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"id\":2,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"payload\":{\"id\":1,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"},\"schema\":{\"x\":[{}]}}",
	    "{\"payload\":{\"id\":1,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"},\"id\":\"beside\"}",
	    "{\"id\":{\"a\":1},\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1.0,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":9223372036854775807,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":9223372036854775808,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":01,\"event_type\":\"a\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"event_type\":\"\\ud800\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"event_type\":\"\xc3\xa9\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{\"id\":1,\"event_type\":\"\xc3\x28\",\"event_ts\":0,\"__op\":\"c\"}",
	    "{}", "[]", "{\"\":\"\"}", "\"\"", "null", "{\"id\":1}",
	};

	for (size_t l = 0; l < AB_COUNT(levels); l++) {
		struct ab_decoder *decoder = decoder_at(levels[l]), *plain = decoder_at("off");
		for (int round = 0; round < 3; round++)
			for (size_t i = 0; i < AB_COUNT(texts); i++)
				expect_same(decoder, plain, texts[i], strlen(texts[i]), levels[l]);
		ab_decoder_destroy(decoder);
		ab_decoder_destroy(plain);
	}
}

Test(shape, does_not_learn_for_ever_from_messages_that_all_differ)
{
	struct ab_decoder *decoder = decoder_at("avx512");
	char text[1024];

	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof text, "{\"key%d\":1," ROW("1", "5", "\"ios\"") META, i);
		cr_assert_eq(decode_text(decoder, text), AB_DECODE_EVENT);
	}
	cr_expect_lt(learned(decoder), 300, "%d", (int)learned(decoder));
	cr_assert_eq(decode_text(decoder, FLAT), AB_DECODE_EVENT);
	ab_decoder_destroy(decoder);
}
