/* tests/unit/test_golden.c — the decoder against messages recorded from the real Debezium (tests/golden/record.py).
 *
 * What must come out was worked out from the rows that were written, not from the messages.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "core/decode.h"
#include "core/limits.h"

#define FOLDER "tests/golden"

enum { MAX_BYTES = 4 * 1024 * 1024 };

static const char *const shapes[] = {"unwrapped", "unwrapped_schema", "envelope", "envelope_schema"};

/* One message; bytes == NULL is a null value. */
struct message {
	char name[256];
	char *bytes;
	size_t len;
	bool recorded;
};

static char *read_all(FILE *file, size_t *len)
{
	char *bytes = malloc(MAX_BYTES);
	*len = fread(bytes, 1, MAX_BYTES, file);
	cr_assert(feof(file), "the file is larger than a record may be");
	return bytes;
}

static struct message load(const char *shape, const char *name)
{
	struct message message = {0};
	char path[512], command[600];
	snprintf(message.name, sizeof message.name, "%s/%s", shape, name);
	snprintf(path, sizeof path, FOLDER "/%s.key", message.name);
	message.recorded = access(path, R_OK) == 0;
	snprintf(path, sizeof path, FOLDER "/%s.json", message.name);
	FILE *file = fopen(path, "rb");
	if (file != NULL) {
		message.bytes = read_all(file, &message.len);
		fclose(file);
		return message;
	}
	strcat(path, ".gz");
	if (access(path, R_OK) == 0) {
		snprintf(command, sizeof command, "gzip -dc %s", path);
		file = popen(command, "r");
		cr_assert_not_null(file);
		message.bytes = read_all(file, &message.len);
		cr_assert_eq(pclose(file), 0, "%s", command);
		cr_assert_gt(message.len, 1000000, "%s", path);
	}
	return message;
}

static void expect_text(const char *where, const char *column, struct ab_text token, const json_t *expected)
{
	if (json_is_null(expected)) {
		cr_expect_null(token.at, "%s: %s is not null", where, column);
		return;
	}
	cr_assert_not_null(token.at, "%s: %s is null", where, column);
	json_t *got = json_loadb(token.at, token.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	cr_expect(json_equal(got, expected), "%s: %s is %.*s", where, column, (int)token.len, token.at);
	json_decref(got);
}

static void expect_number(const char *where, const char *column, bool there, int64_t got, const json_t *expected)
{
	cr_expect_eq(there, !json_is_null(expected), "%s: %s", where, column);
	if (there)
		cr_expect_eq(got, json_integer_value(expected), "%s: %s is %" PRId64, where, column, got);
}

static void expect_uuid(const char *where, struct ab_uuid uuid, const json_t *expected)
{
	char text[40];
	snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012" PRIx64, (unsigned)(uuid.hi >> 32),
		 (unsigned)(uuid.hi >> 16 & 0xffff), (unsigned)(uuid.hi & 0xffff), (unsigned)(uuid.lo >> 48),
		 uuid.lo & UINT64_C(0xffffffffffff));
	cr_expect_str_eq(text, json_string_value(expected), "%s", where);
}

static void expect_event(const char *where, const struct ab_event *event, const json_t *expected)
{
	static const char ops[] = {
	    [AB_OP_CREATE] = 'c', [AB_OP_READ] = 'r', [AB_OP_UPDATE] = 'u', [AB_OP_DELETE] = 'd'};
	const json_t *content_id = json_object_get(expected, "content_id");
	cr_expect_eq(ops[event->op], json_string_value(json_object_get(expected, "op"))[0], "%s: op", where);
	cr_expect_eq(event->snapshot, json_is_true(json_object_get(expected, "snapshot")), "%s: snapshot", where);
	expect_number(where, "id", true, event->id, json_object_get(expected, "id"));
	expect_number(where, "event_ts", event->has & AB_HAS_EVENT_TS, event->event_us,
		      json_object_get(expected, "event_us"));
	expect_number(where, "duration_ms", event->has & AB_HAS_DURATION, event->duration_ms,
		      json_object_get(expected, "duration_ms"));
	expect_text(where, "content_id", event->content_id_json, content_id);
	expect_text(where, "user_id", event->user_id_json, json_object_get(expected, "user_id"));
	expect_text(where, "event_type", event->event_type_json, json_object_get(expected, "event_type"));
	expect_text(where, "device", event->device_json, json_object_get(expected, "device"));
	cr_expect_eq(!!(event->has & AB_HAS_CONTENT_ID), !json_is_null(content_id), "%s: content_id", where);
	if (event->has & AB_HAS_CONTENT_ID)
		expect_uuid(where, event->content_id, content_id);
	cr_expect(event->has & AB_HAS_LSN && event->lsn > 0, "%s: lsn", where);
	cr_expect(event->has & AB_HAS_COMMIT_TS && event->commit_ts_ms > INT64_C(1700000000000), "%s: commit time",
		  where);
}

static void expect_row(const char *where, const struct ab_content_row *row, const json_t *expected)
{
	const json_t *type = json_object_get(expected, "content_type");
	bool deleted = strcmp(json_string_value(json_object_get(expected, "op")), "d") == 0;
	cr_expect_eq(row->deleted, deleted, "%s", where);
	expect_uuid(where, row->id, json_object_get(expected, "id"));
	if (deleted)
		return;
	cr_expect(row->type_len == json_string_length(type) &&
		      memcmp(row->type, json_string_value(type), row->type_len) == 0,
		  "%s: content_type is %.*s", where, (int)row->type_len, row->type);
	expect_number(where, "length_seconds", row->has_length, row->length_seconds,
		      json_object_get(expected, "length_seconds"));
}

/* Whether this shape has the message: only an envelope's delete is followed by a tombstone. */
static bool check(struct ab_decoder *decoder, const char *shape, const char *name, const json_t *expected)
{
	struct ab_event event;
	struct ab_content_row row;
	struct ab_reason reason = {0};
	struct message message = load(shape, name);
	bool content = strncmp(name, "content.", 8) == 0;
	bool tombstone = json_is_true(json_object_get(expected, "tombstone"));
	const char *rejected = json_string_value(json_object_get(expected, "rejected"));
	if (!message.recorded && tombstone && strncmp(shape, "unwrapped", 9) == 0)
		return false;
	cr_assert(message.recorded, "%s was not recorded", message.name);
	cr_assert_eq(message.bytes == NULL, tombstone, "%s", message.name);

	ab_decoder_reset(decoder);
	enum ab_decode_result result = content ? ab_decode_content(decoder, message.bytes, message.len, &row, &reason)
					       : ab_decode_event(decoder, message.bytes, message.len, &event, &reason);
	enum ab_decode_result needed = tombstone          ? AB_DECODE_TOMBSTONE
				       : rejected != NULL ? AB_DECODE_REJECTED
							  : AB_DECODE_EVENT;
	cr_assert_eq(result, needed, "%s: %s", message.name, reason.text);
	if (rejected != NULL) {
		cr_expect_str_eq(ab_reject_name(reason.code), rejected, "%s: %s", message.name, reason.text);
		cr_expect_not_null(strstr(reason.text, "REPLICA IDENTITY FULL"), "%s: %s", message.name, reason.text);
	} else if (!tombstone && content) {
		expect_row(message.name, &row, expected);
	} else if (!tombstone) {
		expect_event(message.name, &event, expected);
	}
	free(message.bytes);
	return true;
}

Test(golden, every_message_of_debezium_reads_as_the_row_that_was_written)
{
	json_t *expected = json_load_file(FOLDER "/expected.json", 0, NULL);
	cr_assert_not_null(expected, "run the test from the project's root");
	cr_assert_gt(json_object_size(expected), 20);
	struct ab_decoder *decoder = ab_decoder_create(MAX_BYTES);
	for (size_t i = 0; i < AB_COUNT(shapes); i++) {
		const char *name;
		json_t *value;
		size_t count = 0;
		json_object_foreach(expected, name, value) count += check(decoder, shapes[i], name, value);
		cr_expect_geq(count, json_object_size(expected) - 3, "%s: %zu messages", shapes[i], count);
	}
	ab_decoder_destroy(decoder);
	json_decref(expected);
}
