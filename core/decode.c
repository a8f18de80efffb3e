/* core/decode.c — see decode.h. Text to tokens is core/json's; what columns and Debezium's own fields mean is here.
 *
 * Debezium's own fields have the names ExtractNewRecordState gives them (`__` before, `.` becomes `_`) in the flat
 * shape, and those of the envelope otherwise; both are asked for at once and the shape says which to look at.
 */
#include "core/decode.h"

#include <stdarg.h>
#include <string.h>

#include "core/format.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/token.h"

/* Scratch beyond one record of the largest size: of a batch's records 1.5 % end near a page's end and are copied. */
#define SCRATCH_EXTRA_BYTES (256 * 1024)

/* Integers are epoch microseconds from here on, else milliseconds: 10^14 is 1973 in the one and 5138 in the other. */
#define TIME_MICROS_FROM INT64_C(100000000000000)

/* A reason quotes so much of a value. */
#define REASON_VALUE_MAX_BYTES 48

/* What Debezium writes for a large column that an update left alone and that the log therefore does not hold. */
#define UNAVAILABLE "__debezium_unavailable_value"

enum meta {
	META_OP, META_DELETED, META_LSN, META_SOURCE_LSN, META_COMMIT_TS, META_SNAPSHOT, META_SOURCE_SNAPSHOT,
	META_ENVELOPE_OP, META_ENVELOPE_LSN, META_ENVELOPE_COMMIT_TS, META_ENVELOPE_SNAPSHOT,
	META_COUNT,
};

static const struct ab_json_field meta_template[META_COUNT] = {
	[META_OP] = AB_JSON_FIELD("__op"),
	[META_DELETED] = AB_JSON_FIELD("__deleted"),
	[META_LSN] = AB_JSON_FIELD("__lsn"),
	[META_SOURCE_LSN] = AB_JSON_FIELD("__source_lsn"),
	[META_COMMIT_TS] = AB_JSON_FIELD("__source_ts_ms"),
	[META_SNAPSHOT] = AB_JSON_FIELD("__snapshot"),
	[META_SOURCE_SNAPSHOT] = AB_JSON_FIELD("__source_snapshot"),
	[META_ENVELOPE_OP] = AB_JSON_FIELD("op"),
	[META_ENVELOPE_LSN] = AB_JSON_FIELD("source.lsn"),
	[META_ENVELOPE_COMMIT_TS] = AB_JSON_FIELD("source.ts_ms"),
	[META_ENVELOPE_SNAPSHOT] = AB_JSON_FIELD("source.snapshot"),
};

enum event_field { ID, CONTENT_ID, USER_ID, EVENT_TYPE, EVENT_TS, DURATION_MS, DEVICE, EVENT_FIELDS };

static const struct ab_json_field event_template[EVENT_FIELDS] = {
	[ID] = AB_JSON_FIELD("id"),
	[CONTENT_ID] = AB_JSON_FIELD("content_id"),
	[USER_ID] = AB_JSON_FIELD("user_id"),
	[EVENT_TYPE] = AB_JSON_FIELD("event_type"),
	[EVENT_TS] = AB_JSON_FIELD("event_ts"),
	[DURATION_MS] = AB_JSON_FIELD("duration_ms"),
	[DEVICE] = AB_JSON_FIELD("device"),
};

enum content_field { ROW_ID, ROW_TYPE, ROW_LENGTH, CONTENT_FIELDS };

static const struct ab_json_field content_template[CONTENT_FIELDS] = {
	[ROW_ID] = AB_JSON_FIELD("id"),
	[ROW_TYPE] = AB_JSON_FIELD("content_type"),
	[ROW_LENGTH] = AB_JSON_FIELD("length_seconds"),
};

struct ab_decoder {
	struct ab_json *json;
	size_t record_bytes_max;
	char *scratch;
	size_t scratch_bytes, scratch_used;
	struct ab_shapes *shapes;	/* of events; contents are too few to be worth it */
	/* one message's tokens */
	enum ab_json_shape shape;
	struct ab_json_field event[EVENT_FIELDS];
	struct ab_json_field content[CONTENT_FIELDS];
	struct ab_json_field meta[META_COUNT];
};

const char *ab_reject_name(enum ab_reject code)
{
	static const char *const names[AB_REJECT_COUNT] = {
		[AB_REJECT_NOT_JSON] = "not_json",
		[AB_REJECT_NOT_UTF8] = "not_utf8",
		[AB_REJECT_SHAPE] = "shape",
		[AB_REJECT_MISSING_FIELD] = "missing_field",
		[AB_REJECT_WRONG_TYPE] = "wrong_type",
		[AB_REJECT_OUT_OF_RANGE] = "out_of_range",
		[AB_REJECT_TOO_LARGE] = "too_large",
		[AB_REJECT_UNKNOWN_OP] = "unknown_op",
	};
	AB_ASSERT(code >= 0 && code < AB_REJECT_COUNT);
	return names[code];
}

static size_t scratch_bytes(size_t record_bytes_max)
{
	return record_bytes_max + AB_JSON_PADDING_BYTES + SCRATCH_EXTRA_BYTES;
}

size_t ab_decoder_bytes(size_t record_bytes_max)
{
	return sizeof(struct ab_decoder) + scratch_bytes(record_bytes_max) + ab_json_bytes(record_bytes_max) +
	       ab_shapes_bytes();
}

struct ab_decoder *ab_decoder_create(size_t record_bytes_max)
{
	struct ab_decoder *decoder = calloc(1, sizeof *decoder);
	if (decoder == NULL)
		return NULL;
	decoder->record_bytes_max = record_bytes_max;
	decoder->scratch_bytes = scratch_bytes(record_bytes_max);
	decoder->scratch = malloc(decoder->scratch_bytes);
	decoder->json = ab_json_create(record_bytes_max);
	decoder->shapes = ab_shapes_create();
	if (decoder->scratch == NULL || decoder->json == NULL || decoder->shapes == NULL) {
		ab_decoder_destroy(decoder);
		return NULL;
	}
	memcpy(decoder->event, event_template, sizeof event_template);
	memcpy(decoder->content, content_template, sizeof content_template);
	memcpy(decoder->meta, meta_template, sizeof meta_template);
	return decoder;
}

void ab_decoder_destroy(struct ab_decoder *decoder)
{
	if (decoder == NULL)
		return;
	if (decoder->json != NULL)
		ab_json_destroy(decoder->json);
	ab_shapes_destroy(decoder->shapes);
	free(decoder->scratch);
	free(decoder);
}

const struct ab_shape_counts *ab_decoder_shapes(const struct ab_decoder *decoder)
{
	return ab_shapes_counts(decoder->shapes);
}

void ab_decoder_reset(struct ab_decoder *decoder)
{
	decoder->scratch_used = 0;
}

/* A rejection in words: "event_ts: not a time: \"yesterday\"". Anything that could disturb a log becomes '?'. */
static enum ab_decode_result reject(struct ab_reason *reason, enum ab_reject code, const char *field, const char *what,
				    struct ab_text value)
{
	char shown[REASON_VALUE_MAX_BYTES + 1];
	size_t len = 0;
	for (; value.at != NULL && len < value.len && len < REASON_VALUE_MAX_BYTES; len++)
		shown[len] = value.at[len] >= ' ' && value.at[len] <= '~' ? value.at[len] : '?';
	shown[len] = '\0';
	reason->code = code;
	snprintf(reason->text, sizeof reason->text, "%s%s%s%s%s%s", field, *field ? ": " : "", what,
		 len > 0 ? ": " : "", shown, value.at != NULL && value.len > len ? "..." : "");
	return AB_DECODE_REJECTED;
}

static const struct ab_text no_value = {NULL, 0};

/* The record with readable bytes behind it, since simdjson reads a little further; or NULL when the scratch is full. */
static const char *padded(struct ab_decoder *decoder, const char *bytes, size_t len)
{
	if (ab_readable(bytes + len - 1, 1 + AB_JSON_PADDING_BYTES))
		return bytes;
	if (decoder->scratch_bytes - decoder->scratch_used < len + AB_JSON_PADDING_BYTES)
		return NULL;
	char *copy = decoder->scratch + decoder->scratch_used;
	memcpy(copy, bytes, len);
	memset(copy + len, 0, AB_JSON_PADDING_BYTES);
	decoder->scratch_used += len + AB_JSON_PADDING_BYTES;
	return copy;
}

/* Takes a record apart into the tokens of the row and of decoder->meta: by a learned shape, or else by simdjson.
 * AB_DECODE_EVENT: go on. */
static enum ab_decode_result read_tokens(struct ab_decoder *decoder, const void *value, size_t len,
					 struct ab_json_field *row, size_t row_count, struct ab_shapes *shapes,
					 struct ab_reason *reason)
{
	struct ab_json_fields fields = {
	    .row = row, .row_count = row_count, .meta = decoder->meta, .meta_count = META_COUNT};
	const char *error = NULL;

	if (value == NULL)
		return AB_DECODE_TOMBSTONE;
	if (len == 0)
		return reject(reason, AB_REJECT_NOT_JSON, "", "the value is empty", no_value);
	if (len > decoder->record_bytes_max)
		return reject(reason, AB_REJECT_TOO_LARGE, "", "larger than RECORD_MAX_BYTES", no_value);
	const char *bytes = padded(decoder, value, len);
	if (bytes == NULL)
		return AB_DECODE_FULL;

	if (shapes != NULL && ab_shapes_read(shapes, bytes, len, &fields) == AB_SHAPE_READ) {
		decoder->shape = fields.shape;
		return AB_DECODE_EVENT;
	}
	struct ab_text text = {bytes, (uint32_t)len};
	enum ab_json_result result = ab_json_read(decoder->json, bytes, len, &fields, &error);
	decoder->shape = fields.shape;
	switch (result) {
	case AB_JSON_OK:
		if (shapes != NULL)
			ab_shapes_learn(shapes, bytes, len, &fields);
		return AB_DECODE_EVENT;
	case AB_JSON_NULL:
		return AB_DECODE_TOMBSTONE;
	case AB_JSON_NOT_UTF8:
		return reject(reason, AB_REJECT_NOT_UTF8, "", error, text);
	case AB_JSON_WRONG_SHAPE:
		return reject(reason, AB_REJECT_SHAPE, "", error, text);
	case AB_JSON_INVALID:
		break;
	}
	return reject(reason, AB_REJECT_NOT_JSON, "", error, text);
}

/* An integer column or field within bounds. AB_DECODE_EVENT: *value is set. Must not be null. */
static enum ab_decode_result read_i64(const struct ab_json_field *field, int64_t min, int64_t max, int64_t *value,
				      struct ab_reason *reason)
{
	*value = field->number;
	if (AB_LIKELY(field->is_number && *value >= min && *value <= max))
		return AB_DECODE_EVENT;
	switch (ab_token_i64(field->token, min, max, value)) {
	case AB_TOKEN_OK:
		return AB_DECODE_EVENT;
	case AB_TOKEN_OUT_OF_RANGE:
		return reject(reason, AB_REJECT_OUT_OF_RANGE, field->name, "out of range", field->token);
	case AB_TOKEN_WRONG_TYPE:
		break;
	}
	return reject(reason, AB_REJECT_WRONG_TYPE, field->name, "not an integer", field->token);
}

/* The token of a number that is written as ab_format_i64() writes it: without a sign, a fraction or a leading zero. */
static struct ab_text as_written(const struct ab_json_field *field)
{
	return field->is_number ? field->token : no_value;
}

/* Of a token that was read as a time, whether it is written as ab_format_iso() writes it, or with fewer digits. */
static bool is_iso(struct ab_text token)
{
	return token.at[0] == '"' && token.len <= sizeof "\"2026-11-23T23:19:12.353824Z\"" - 1 && token.at[11] == 'T' &&
	       token.at[token.len - 2] == 'Z';
}

/* A text column: a string with a value. Must not be null. */
static enum ab_decode_result check_string(const struct ab_json_field *field, struct ab_reason *reason)
{
	if (!ab_token_is_string(field->token))
		return reject(reason, AB_REJECT_WRONG_TYPE, field->name, "not a string", field->token);
	if (AB_UNLIKELY(ab_token_is(field->token, UNAVAILABLE)))
		return reject(reason, AB_REJECT_MISSING_FIELD, field->name,
			      "unchanged, and the log does not hold it; set the table to REPLICA IDENTITY FULL",
			      no_value);
	return AB_DECODE_EVENT;
}

static enum ab_decode_result read_uuid(const struct ab_json_field *field, struct ab_uuid *uuid,
				       struct ab_reason *reason)
{
	enum ab_decode_result result = check_string(field, reason);
	if (result != AB_DECODE_EVENT)
		return result;
	if (!ab_uuid_parse(field->token.at + 1, field->token.len - 2, uuid))
		return reject(reason, AB_REJECT_WRONG_TYPE, field->name, "not a UUID", field->token);
	return AB_DECODE_EVENT;
}

/* ISO text, or an integer whose size tells microseconds from milliseconds. */
static enum ab_decode_result read_time(const struct ab_json_field *field, int64_t *epoch_us, struct ab_reason *reason)
{
	enum ab_time_result time = AB_TIME_OK;
	if (ab_token_is_string(field->token)) {
		enum ab_decode_result result = check_string(field, reason);
		if (result != AB_DECODE_EVENT)
			return result;
		time = ab_time_parse(field->token.at + 1, field->token.len - 2, epoch_us);
	} else {
		enum ab_decode_result result = read_i64(field, INT64_MIN, INT64_MAX, epoch_us, reason);
		if (result != AB_DECODE_EVENT)
			return result;
		if (*epoch_us > -TIME_MICROS_FROM && *epoch_us < TIME_MICROS_FROM)
			*epoch_us *= 1000;
		if (*epoch_us < AB_TIME_MIN_US || *epoch_us > AB_TIME_MAX_US)
			time = AB_TIME_OUT_OF_RANGE;
	}
	if (time == AB_TIME_OUT_OF_RANGE)
		return reject(reason, AB_REJECT_OUT_OF_RANGE, field->name, "outside the years 1 to 9999", field->token);
	if (time == AB_TIME_INVALID)
		return reject(reason, AB_REJECT_WRONG_TYPE, field->name, "not a time", field->token);
	return AB_DECODE_EVENT;
}

/* __deleted: "true" or true. */
static enum ab_decode_result read_deleted(const struct ab_decoder *decoder, bool *deleted, struct ab_reason *reason)
{
	const struct ab_json_field *field = &decoder->meta[META_DELETED];
	*deleted = false;
	if (decoder->shape != AB_JSON_FLAT || field->token.at == NULL)
		return AB_DECODE_EVENT;
	bool text = ab_token_is_string(field->token);
	struct ab_text word = {field->token.at + text, field->token.len - 2u * text};
	*deleted = word.len == 4 && memcmp(word.at, "true", 4) == 0;
	if (!*deleted && !(word.len == 5 && memcmp(word.at, "false", 5) == 0))
		return reject(reason, AB_REJECT_WRONG_TYPE, field->name, "neither true nor false", field->token);
	return AB_DECODE_EVENT;
}

/* In an envelope a change has the row it is about: after, and of a delete before. */
static enum ab_decode_result check_row(const struct ab_decoder *decoder, enum ab_op op, struct ab_reason *reason)
{
	enum ab_json_shape needed = op == AB_OP_DELETE ? AB_JSON_BEFORE : AB_JSON_AFTER;
	if (decoder->shape == AB_JSON_FLAT || decoder->shape == needed)
		return AB_DECODE_EVENT;
	return reject(reason, AB_REJECT_SHAPE, op == AB_OP_DELETE ? "before" : "after",
		      op == AB_OP_DELETE ? "a delete needs this row, and no other" : "this operation needs this row",
		      no_value);
}

static enum ab_decode_result read_op(const struct ab_decoder *decoder, enum ab_op *op, struct ab_reason *reason)
{
	bool flat = decoder->shape == AB_JSON_FLAT, deleted;
	const struct ab_json_field *field = &decoder->meta[flat ? META_OP : META_ENVELOPE_OP];
	enum ab_decode_result result = read_deleted(decoder, &deleted, reason);
	if (result != AB_DECODE_EVENT)
		return result;
	if (field->token.at == NULL && !deleted)
		return reject(reason, AB_REJECT_MISSING_FIELD, field->name,
			      "no operation; let the connector's unwrap transform add.fields=op,lsn,source.ts_ms",
			      no_value);
	char letter = field->token.len == 3 && field->token.at[0] == '"' ? field->token.at[1] : '\0';
	switch (deleted ? 'd' : letter) {
	case 'c':
		*op = AB_OP_CREATE;
		break;
	case 'r':
		*op = AB_OP_READ;
		break;
	case 'u':
		*op = AB_OP_UPDATE;
		break;
	case 'd':
		*op = AB_OP_DELETE;
		break;
	case 't':
	case 'm':
		return AB_DECODE_OTHER;
	default:
		return reject(reason, AB_REJECT_UNKNOWN_OP, field->name, "not one of c r u d t m", field->token);
	}
	return check_row(decoder, *op, reason);
}

/* The first of two fields that has a value, or the first. */
static const struct ab_json_field *either(const struct ab_json_field *a, const struct ab_json_field *b)
{
	return a->token.at == NULL && b->token.at != NULL ? b : a;
}

/* Where in the source's log the change stands. */
static enum ab_decode_result read_source(const struct ab_decoder *decoder, struct ab_event *event,
					 struct ab_reason *reason)
{
	const struct ab_json_field *meta = decoder->meta;
	bool flat = decoder->shape == AB_JSON_FLAT;
	const struct ab_json_field *lsn =
		flat ? either(&meta[META_LSN], &meta[META_SOURCE_LSN]) : &meta[META_ENVELOPE_LSN];
	const struct ab_json_field *commit = &meta[flat ? META_COMMIT_TS : META_ENVELOPE_COMMIT_TS];
	const struct ab_json_field *snapshot =
		flat ? either(&meta[META_SOURCE_SNAPSHOT], &meta[META_SNAPSHOT]) : &meta[META_ENVELOPE_SNAPSHOT];
	enum ab_decode_result result = AB_DECODE_EVENT;

	if (lsn->token.at != NULL) {
		result = read_i64(lsn, 0, INT64_MAX, &event->lsn, reason);
		event->lsn_json = as_written(lsn);
		event->has |= AB_HAS_LSN;
	}
	if (result == AB_DECODE_EVENT && commit->token.at != NULL) {
		result = read_i64(commit, INT64_MIN, INT64_MAX, &event->commit_ts_ms, reason);
		event->has |= AB_HAS_COMMIT_TS;
	}
	if (result != AB_DECODE_EVENT)
		return result;
	/* "true", "first", "last", "incremental", … or a bool of older versions; only "false" and null mean none. */
	char kind = snapshot->token.at != NULL ? snapshot->token.at[0] : 'f';
	if (kind != '"' && kind != 't' && kind != 'f')
		return reject(reason, AB_REJECT_WRONG_TYPE, snapshot->name, "neither text nor true nor false",
			      snapshot->token);
	event->snapshot = kind == 't' || (kind == '"' && !ab_token_is(snapshot->token, "false"));
	return AB_DECODE_EVENT;
}

static enum ab_decode_result missing(const char *name, enum ab_op op, struct ab_reason *reason)
{
	return reject(reason, AB_REJECT_MISSING_FIELD, name,
		      op == AB_OP_DELETE ? "missing in a delete; set the table to REPLICA IDENTITY FULL"
					 : "missing or null",
		      no_value);
}

/* Columns that every event has. */
static enum ab_decode_result read_needed(const struct ab_json_field *row, struct ab_event *event,
					 struct ab_reason *reason)
{
	if (row[ID].token.at == NULL)
		return reject(reason, AB_REJECT_MISSING_FIELD, row[ID].name, "missing or null", no_value);
	enum ab_decode_result result = read_i64(&row[ID], INT64_MIN, INT64_MAX, &event->id, reason);
	event->id_json = as_written(&row[ID]);
	if (result != AB_DECODE_EVENT)
		return result;
	if (row[EVENT_TS].token.at == NULL)
		return missing(row[EVENT_TS].name, event->op, reason);
	result = read_time(&row[EVENT_TS], &event->event_us, reason);
	if (result != AB_DECODE_EVENT)
		return result;
	event->has |= AB_HAS_EVENT_TS;
	if (AB_LIKELY(is_iso(row[EVENT_TS].token)))
		event->event_ts_json = row[EVENT_TS].token;
	if (row[EVENT_TYPE].token.at == NULL)
		return missing(row[EVENT_TYPE].name, event->op, reason);
	event->event_type_json = row[EVENT_TYPE].token;
	return check_string(&row[EVENT_TYPE], reason);
}

/* Columns that may be null. */
static enum ab_decode_result read_nullable(const struct ab_json_field *row, struct ab_event *event,
					   struct ab_reason *reason)
{
	enum ab_decode_result result = AB_DECODE_EVENT;
	if (row[CONTENT_ID].token.at != NULL) {
		result = read_uuid(&row[CONTENT_ID], &event->content_id, reason);
		event->has |= AB_HAS_CONTENT_ID;
	}
	/* Null or not is a toss-up in this column, so a number and a null take the same way. */
	const struct ab_json_field *duration = &row[DURATION_MS];
	bool null = duration->token.at == NULL;
	if (AB_LIKELY((null | duration->is_number) & (duration->number <= INT32_MAX))) {
		event->duration_ms = duration->number;
		event->duration_json = duration->token;
		event->has |= (uint16_t)(null ? 0 : AB_HAS_DURATION);
	} else if (result == AB_DECODE_EVENT) {
		result = read_i64(&row[DURATION_MS], INT32_MIN, INT32_MAX, &event->duration_ms, reason);
		event->has |= AB_HAS_DURATION;
	}
	if (result == AB_DECODE_EVENT && row[USER_ID].token.at != NULL)
		result = check_string(&row[USER_ID], reason);
	if (result == AB_DECODE_EVENT && row[DEVICE].token.at != NULL)
		result = check_string(&row[DEVICE], reason);
	event->content_id_json = row[CONTENT_ID].token;
	event->user_id_json = row[USER_ID].token;
	event->device_json = row[DEVICE].token;
	return result;
}

/* Of a delete in a table without REPLICA IDENTITY FULL the log holds the id alone, and Debezium fills the columns that
 * must not be null with the defaults of their types: an empty text, the first second of 1970. That is no row. */
static enum ab_decode_result check_filled(const struct ab_event *event, struct ab_reason *reason)
{
	if (event->op == AB_OP_DELETE && event->event_us == 0 && ab_token_is(event->event_type_json, "") &&
	    event->user_id_json.at == NULL && event->device_json.at == NULL &&
	    !(event->has & (AB_HAS_CONTENT_ID | AB_HAS_DURATION)))
		return missing("event_ts", event->op, reason);
	return AB_DECODE_EVENT;
}

enum ab_decode_result ab_decode_event(struct ab_decoder *decoder, const void *value, size_t len, struct ab_event *event,
				      struct ab_reason *reason)
{
	*event = (struct ab_event){0};
	enum ab_decode_result result =
	    read_tokens(decoder, value, len, decoder->event, EVENT_FIELDS, decoder->shapes, reason);
	if (result == AB_DECODE_EVENT)
		result = read_op(decoder, &event->op, reason);
	if (result == AB_DECODE_EVENT)
		result = read_source(decoder, event, reason);
	if (result == AB_DECODE_EVENT)
		result = read_needed(decoder->event, event, reason);
	if (result == AB_DECODE_EVENT)
		result = read_nullable(decoder->event, event, reason);
	if (result == AB_DECODE_EVENT)
		result = check_filled(event, reason);
	return result;
}

static enum ab_decode_result read_content(const struct ab_json_field *field, struct ab_content_row *row,
					  struct ab_reason *reason)
{
	if (field[ROW_TYPE].token.at == NULL)
		return reject(reason, AB_REJECT_MISSING_FIELD, field[ROW_TYPE].name, "missing or null", no_value);
	enum ab_decode_result result = check_string(&field[ROW_TYPE], reason);
	if (result != AB_DECODE_EVENT)
		return result;
	_Static_assert(AB_CONTENT_TYPE_MAX_BYTES <= AB_REASON_MAX_BYTES, "a type must fit the row");
	if (ab_token_unescape(field[ROW_TYPE].token, row->type, AB_CONTENT_TYPE_MAX_BYTES, &row->type_len) !=
	    AB_TOKEN_OK)
		return reject(reason, AB_REJECT_TOO_LARGE, field[ROW_TYPE].name, "longer than a content type may be",
			      field[ROW_TYPE].token);
	row->has_length = field[ROW_LENGTH].token.at != NULL;
	if (!row->has_length)
		return AB_DECODE_EVENT;
	return read_i64(&field[ROW_LENGTH], INT32_MIN, INT32_MAX, &row->length_seconds, reason);
}

enum ab_decode_result ab_decode_content(struct ab_decoder *decoder, const void *value, size_t len,
					struct ab_content_row *row, struct ab_reason *reason)
{
	enum ab_op op = AB_OP_CREATE;
	*row = (struct ab_content_row){0};
	enum ab_decode_result result =
	    read_tokens(decoder, value, len, decoder->content, CONTENT_FIELDS, NULL, reason);
	if (result != AB_DECODE_EVENT)
		return result;
	/* Without add.fields a row that is there says enough: which operation wrote it makes no difference here. */
	if (decoder->shape == AB_JSON_FLAT && decoder->meta[META_OP].token.at == NULL) {
		result = read_deleted(decoder, &row->deleted, reason);
	} else {
		result = read_op(decoder, &op, reason);
		row->deleted = op == AB_OP_DELETE;
	}
	if (result != AB_DECODE_EVENT)
		return result;
	if (decoder->content[ROW_ID].token.at == NULL)
		return reject(reason, AB_REJECT_MISSING_FIELD, decoder->content[ROW_ID].name, "missing or null",
			      no_value);
	result = read_uuid(&decoder->content[ROW_ID], &row->id, reason);
	if (result == AB_DECODE_EVENT && !row->deleted)
		result = read_content(decoder->content, row, reason);
	return result;
}
