/* tests/fuzz/fuzz_shape.c — learned shapes against simdjson against jansson: the same bytes, the same result.
 *
 * A decoder that has learned from whole families of messages, and goes on learning from what the fuzzer finds, must
 * give exactly what one gives that only has simdjson (AB_SIMD=off): result, every field of the event, every token byte
 * for byte, reason. At every level of instructions that this machine has. What is accepted is JSON to jansson too.
 *
 * The first byte of an input says what it is made of: a message of its own, or one of the families' messages with some
 * bytes replaced, since most random bytes have no shape at all.
 */
#include <jansson.h>
#include <string.h>

#include "core/decode.h"
#include "core/event_text.h"
#include "core/json.h"
#include "core/simd.h"

enum { MAX_BYTES = 1 << 15, LEVELS = 3 };

#define ROW                                                                                                             \
	"\"id\":10,\"content_id\":\"11111111-2222-4333-8444-555555555555\",\"user_id\":\"99999999-8888-4777-8666-"       \
	"555555555555\",\"event_type\":\"play\",\"event_ts\":\"2026-11-23T23:19:12.353824Z\",\"duration_ms\":672892,"       \
	"\"device\":\"ios\",\"raw_payload\":\"{\\\"ip\\\": \\\"10.0.0.1\\\", \\\"agent\\\": \\\"x\\\\\\\\ y\\\"}\""
#define META                                                                                                            \
	",\"__deleted\":\"false\",\"__op\":\"c\",\"__table\":\"engagement_events\",\"__ts_ms\":1795489422330,\"__lsn\":"    \
	"26765448,\"__source_sequence\":\"[null,\\\"26765448\\\"]\",\"__source_ts_ms\":1795489422224,"                      \
	"\"__source_snapshot\":null}"
#define NULLS                                                                                                           \
	"{\"id\":10,\"content_id\":null,\"user_id\":null,\"event_type\":\"play\",\"event_ts\":\"2026-11-23T23:19:12Z\","     \
	"\"duration_ms\":null,\"device\":null,\"raw_payload\":null"
#define SOURCE                                                                                                          \
	"\"source\":{\"version\":\"3.6.1.Final\",\"ts_ms\":1795489422224,\"snapshot\":\"first\",\"schema\":\"public\","     \
	"\"txId\":761,\"lsn\":26765448,\"xmin\":null},\"transaction\":null,\"op\":\"c\",\"ts_ms\":1795489422302}"
#define SCHEMA "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"field\":\"id\"}]},\"payload\":"

static const char *const family[] = {
    "{" ROW META,
    NULLS META,
    SCHEMA "{" ROW META "}",
    "{\"before\":null,\"after\":{" ROW "}," SOURCE,
    "{\"before\":" NULLS "},\"after\":null," SOURCE,
    SCHEMA "{\"before\":null,\"after\":{" ROW "}," SOURCE "}",
    "{ \"id\" : 1 , \"event_type\" : \"a\" , \"event_ts\" : 1795489422302 , \"__op\" : \"u\" , \"more\" : [ \"x\" , true ] } ",
    "{\"before\":{" ROW "},\"after\":{" ROW "}," SOURCE,
};

static struct ab_decoder *plain, *shaped[LEVELS];
static char bytes[MAX_BYTES + AB_JSON_PADDING_BYTES];

static struct ab_decoder *decoder_at(enum ab_simd level)
{
	setenv("AB_SIMD", ab_simd_name(level), 1);
	struct ab_decoder *decoder = ab_decoder_create(MAX_BYTES);
	AB_ASSERT(decoder != NULL);
	return decoder;
}

static void begin(void)
{
	if (plain != NULL)
		return;
	plain = decoder_at(AB_SIMD_OFF);
	for (int i = 0; i < LEVELS; i++)
		shaped[i] = decoder_at(AB_SIMD_BASE + (enum ab_simd)i);
}

static bool same_text(struct ab_text a, struct ab_text b)
{
	if (a.at == NULL || b.at == NULL)
		return a.at == b.at;
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* What sinks copy as it stands is what they would write. */
static bool as_written(const struct ab_event *event)
{
	struct ab_event plain_event = *event;
	struct ab_event_text copied, written;

	plain_event.id_json = plain_event.lsn_json = plain_event.duration_json = plain_event.event_ts_json =
	    (struct ab_text){NULL, 0};
	const struct ab_event_text *a = ab_event_text_of(event, &copied), *b = ab_event_text_of(&plain_event, &written);
	return same_text(a->id, b->id) && same_text(a->lsn, b->lsn) && same_text(a->duration_ms, b->duration_ms) &&
	       same_text(a->event_time, b->event_time);
}

static bool same_event(const struct ab_event *a, const struct ab_event *b)
{
	return a->id == b->id && a->lsn == b->lsn && a->event_us == b->event_us && a->duration_ms == b->duration_ms &&
	       a->commit_ts_ms == b->commit_ts_ms && a->op == b->op && a->snapshot == b->snapshot && a->has == b->has &&
	       a->content_id.hi == b->content_id.hi && a->content_id.lo == b->content_id.lo &&
	       same_text(a->content_id_json, b->content_id_json) && same_text(a->user_id_json, b->user_id_json) &&
	       same_text(a->event_type_json, b->event_type_json) && same_text(a->device_json, b->device_json);
}

/* Says which message it is: shapes depend on those before it, so an input may not fail alone. */
static void expect(bool holds, const char *what, size_t len)
{
	if (holds)
		return;
	fprintf(stderr, "%s:\n%.*s\n", what, (int)len, bytes);
	abort();
}

/* The whole message to a parser that shares nothing with ours. The schema and strings that nobody asked for may hold
 * escapes that it refuses and simdjson does not look at, so only a message without backslash is judged; and numbers
 * beyond a double, and objects with a key twice where nobody asks, are taken by us. */
static void check_jansson(size_t len)
{
	json_error_t error;

	if (memchr(bytes, '\\', len) != NULL || memmem(bytes, len, "schema", 6) != NULL)
		return;
	json_t *json = json_loadb(bytes, len, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
	bool beyond = json == NULL && json_error_code(&error) == json_error_numeric_overflow;
	expect(json_is_object(json) || beyond, error.text, len);
	json_decref(json);
}

static void compare(size_t len)
{
	struct ab_event expected, got;
	struct ab_reason reason = {0}, reason_got = {0};
	enum ab_decode_result result, first = AB_DECODE_FULL;

	for (int i = 0; i < LEVELS; i++) {
		/* What lies behind the message may change the words of a rejection, never the verdict. */
		memset(bytes + len, "},]"[i], AB_JSON_PADDING_BYTES);
		ab_decoder_reset(plain);
		result = ab_decode_event(plain, bytes, len, &expected, &reason);
		expect(result != AB_DECODE_FULL && (i == 0 || result == first), "what lies behind decides", len);
		first = result;
		ab_decoder_reset(shaped[i]);
		expect(ab_decode_event(shaped[i], bytes, len, &got, &reason_got) == result, "another verdict", len);
		if (result == AB_DECODE_EVENT)
			expect(same_event(&expected, &got) && as_written(&got), "another event", len);
		if (result == AB_DECODE_REJECTED && strcmp(reason.text, reason_got.text) != 0)
			fprintf(stderr, "at level %d: %s\nand not: %s\n", i, reason_got.text, reason.text);
		if (result == AB_DECODE_REJECTED)
			expect(reason.code == reason_got.code && strcmp(reason.text, reason_got.text) == 0,
			       "another reason", len);
	}
	if (result == AB_DECODE_EVENT)
		check_jansson(len);
}

/* One of the families' messages with bytes replaced, removed or put in: four bytes of input each. */
static size_t change(const char *message, const uint8_t *input, size_t input_len)
{
	size_t len = strlen(message);

	memcpy(bytes, message, len);
	for (; input_len >= 4 && len > 0; input += 4, input_len -= 4) {
		size_t at = ((size_t)input[0] << 8 | input[1]) % len;
		if (input[2] < 160) {
			bytes[at] = (char)input[3];
		} else if (input[2] < 200) {
			memmove(bytes + at, bytes + at + 1, len - at - 1);
			len--;
		} else if (len < MAX_BYTES) {
			memmove(bytes + at + 1, bytes + at, len - at);
			bytes[at] = (char)input[3];
			len++;
		}
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
	begin();
	if (input_len == 0 || input_len > MAX_BYTES)
		return 0;
	size_t kind = input[0] % (2 * AB_COUNT(family));
	if (kind < AB_COUNT(family)) {
		/* Learned first, if it is not already, then changed. */
		size_t len = change(family[kind], NULL, 0);
		compare(len);
		len = change(family[kind], input + 1, input_len - 1);
		compare(len);
	} else {
		memcpy(bytes, input + 1, input_len - 1);
		compare(input_len - 1);
		compare(input_len - 1);	/* by the shape that it has made */
	}
	return 0;
}
