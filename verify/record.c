/* verify/record.c — see record.h. */
#include "verify/record.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "verify/time.h"

#define FLAGS        (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY)
#define UNAVAILABLE  "__debezium_unavailable_value"
#define SCHEMA_BEGIN "{\"schema\":"
#define PAYLOAD      ",\"payload\":"
/* Integers are microseconds since 1970 from here on, milliseconds below: Debezium's two ways without a schema. */
#define MICROS_FROM INT64_C(100000000000000)
#define TIME_MIN_US INT64_C(-62135596800000000)
#define TIME_MAX_US INT64_C(253402300799999999)

void ab_verify_decoder_create(struct ab_verify_decoder *decoder, size_t record_max_bytes)
{
	*decoder = (struct ab_verify_decoder){.record_max_bytes = record_max_bytes};
}

void ab_verify_decoder_destroy(struct ab_verify_decoder *decoder)
{
	json_decref(decoder->root);
	free(decoder->schema);
	*decoder = (struct ab_verify_decoder){0};
}

static enum ab_verify_record AB_PRINTF(2, 3) bad(struct ab_verify_decoder *decoder, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(decoder->why, sizeof decoder->why, format, args);
	va_end(args);
	return AB_VERIFY_BAD;
}

struct ab_text ab_verify_member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (struct ab_text){json_string_value(value), (uint32_t)json_string_length(value)};
}

bool ab_verify_member_i64(const json_t *object, const char *name, int64_t *value)
{
	const json_t *member = json_object_get(object, name);
	char *end;

	if (json_is_integer(member)) {
		*value = json_integer_value(member);
		return true;
	}
	const char *text = json_string_value(member);
	if (text == NULL || text[0] == '\0')
		return false;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return *end == '\0' && errno == 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool ab_verify_uuid(struct ab_text text, uint64_t half[2])
{
	int nibble = 0;

	half[0] = half[1] = 0;
	if (text.at == NULL || text.len != 36)
		return false;
	for (uint32_t i = 0; i < text.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		int digit = hex(text.at[i]);
		if (dash ? text.at[i] != '-' : digit < 0)
			return false;
		if (dash)
			continue;
		half[nibble / 16] = half[nibble / 16] << 4 | (uint64_t)digit;
		nibble++;
	}
	return true;
}

static bool is(struct ab_text text, const char *word)
{
	return text.at != NULL && text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

static bool blank(const json_t *row, const char *name)
{
	const json_t *value = json_object_get(row, name);

	return value == NULL || json_is_null(value);
}

/* The schema part is long, the same in all records, and means nothing here: it is parsed once per spelling. */
static bool known_schema(struct ab_verify_decoder *decoder, const char *schema, size_t len)
{
	json_error_t error;

	if (decoder->schema != NULL && decoder->schema_len == len && memcmp(decoder->schema, schema, len) == 0)
		return true;
	json_t *parsed = json_loadb(schema, len, FLAGS, &error);
	if (parsed == NULL)
		return false;
	json_decref(parsed);
	free(decoder->schema);
	decoder->schema = malloc(len);
	AB_ASSERT(decoder->schema != NULL);
	memcpy(decoder->schema, schema, len);
	decoder->schema_len = len;
	return true;
}

/* Root gets what is to be looked at: the payload, or the whole. NULL: no JSON, why says what. */
static const json_t *parse(struct ab_verify_decoder *decoder, const char *text, size_t len)
{
	json_error_t error;
	size_t begin = sizeof SCHEMA_BEGIN - 1, mark = sizeof PAYLOAD - 1;
	const char *cut = NULL;

	json_decref(decoder->root);
	decoder->root = NULL;
	if (len > begin && memcmp(text, SCHEMA_BEGIN, begin) == 0 && text[len - 1] == '}')
		cut = memmem(text, len, PAYLOAD, mark);
	if (cut != NULL && known_schema(decoder, text + begin, (size_t)(cut - text) - begin)) {
		const char *payload = cut + mark;
		decoder->root = json_loadb(payload, len - (size_t)(payload - text) - 1, FLAGS, &error);
		if (decoder->root != NULL)
			return decoder->root;
	}
	decoder->root = json_loadb(text, len, FLAGS, &error);
	if (decoder->root == NULL) {
		bad(decoder, "not JSON: %.100s", error.text);
		return NULL;
	}
	if (json_object_get(decoder->root, "schema") != NULL && json_object_get(decoder->root, "payload") != NULL)
		return json_object_get(decoder->root, "payload");
	return decoder->root;
}

/* Where a change's parts are, whichever of Debezium's two shapes it has. */
struct change {
	const json_t *row;
	char op;
	const json_t *source; /* what holds the LSN */
	const char *lsn;
};

static bool deleted_mark(const json_t *row)
{
	const json_t *mark = json_object_get(row, "__deleted");

	return json_is_true(mark) || is(ab_verify_member(row, "__deleted"), "true");
}

static enum ab_verify_record read_change(struct ab_verify_decoder *decoder, const void *value, size_t len,
					 bool op_needed, struct change *change)
{
	if (value == NULL)
		return AB_VERIFY_NOTHING;
	if (len > decoder->record_max_bytes)
		return bad(decoder, "%zu bytes, above RECORD_MAX_BYTES", len);
	const json_t *root = parse(decoder, value, len);
	if (root == NULL)
		return AB_VERIFY_BAD;
	if (json_is_null(root))
		return AB_VERIFY_NOTHING;
	if (!json_is_object(root))
		return bad(decoder, "no JSON object");
	bool envelope = json_object_get(root, "op") != NULL &&
			(json_object_get(root, "before") != NULL || json_object_get(root, "after") != NULL ||
			 json_object_get(root, "source") != NULL);
	struct ab_text op = ab_verify_member(root, envelope ? "op" : "__op");
	*change = (struct change){.row = root, .source = root, .lsn = blank(root, "__lsn") ? "__source_lsn" : "__lsn"};
	change->op = op.len == 1 ? op.at[0] : op_needed ? '?' : 'r';
	if (!envelope && deleted_mark(root))
		change->op = 'd';
	if (change->op == 't' || change->op == 'm')
		return AB_VERIFY_NOTHING;
	if (strchr("crud", change->op) == NULL)
		return bad(decoder, "op is none of c r u d t m");
	if (envelope) {
		change->row = json_object_get(root, change->op == 'd' ? "before" : "after");
		change->source = json_object_get(root, "source");
		change->lsn = "lsn";
		if (!json_is_object(change->row))
			return bad(decoder, "a change without its row");
	}
	return AB_VERIFY_EVENT;
}

static enum ab_verify_record integer(struct ab_verify_decoder *decoder, const json_t *row, const char *name,
				     int64_t min, int64_t max, int64_t *value)
{
	const json_t *member = json_object_get(row, name);

	if (!json_is_integer(member))
		return bad(decoder, "%s is no integer", name);
	*value = json_integer_value(member);
	if (*value < min || *value > max)
		return bad(decoder, "%s is out of range", name);
	return AB_VERIFY_EVENT;
}

static enum ab_verify_record text(struct ab_verify_decoder *decoder, const json_t *row, const char *name, bool needed,
				  struct ab_text *to)
{
	*to = (struct ab_text){NULL, 0};
	if (blank(row, name))
		return needed ? bad(decoder, "%s is missing", name) : AB_VERIFY_EVENT;
	*to = ab_verify_member(row, name);
	if (to->at == NULL)
		return bad(decoder, "%s is no text", name);
	if (is(*to, UNAVAILABLE))
		return bad(decoder, "%s is not in the log (REPLICA IDENTITY FULL is missing)", name);
	return AB_VERIFY_EVENT;
}

static enum ab_verify_record time_of(struct ab_verify_decoder *decoder, const json_t *row, const char *name,
				     int64_t *epoch_us)
{
	const json_t *member = json_object_get(row, name);
	struct ab_text word = ab_verify_member(row, name);

	if (blank(row, name))
		return bad(decoder, "%s is missing", name);
	if (json_is_integer(member)) {
		*epoch_us = json_integer_value(member);
		if (*epoch_us > -MICROS_FROM && *epoch_us < MICROS_FROM)
			*epoch_us *= 1000;
	} else if (word.at == NULL || !ab_verify_time_parse(word.at, word.len, epoch_us)) {
		return bad(decoder, "%s is no time", name);
	}
	if (*epoch_us < TIME_MIN_US || *epoch_us > TIME_MAX_US)
		return bad(decoder, "%s is outside the years 1 to 9999", name);
	return AB_VERIFY_EVENT;
}

/* A delete of a table without REPLICA IDENTITY FULL: the id, and defaults for what must not be null. */
static bool hollow(const struct ab_verify_event *event)
{
	return event->op == 'd' && event->event_us == 0 && event->event_type.len == 0 && event->user_id.at == NULL &&
	       event->device.at == NULL && event->content_id.at == NULL && !event->has_duration;
}

#define TAKE(call)                                                                                                     \
	do {                                                                                                           \
		enum ab_verify_record took = (call);                                                                   \
		if (took != AB_VERIFY_EVENT)                                                                           \
			return took;                                                                                   \
	} while (0)

enum ab_verify_record ab_verify_decode(struct ab_verify_decoder *decoder, const void *value, size_t len,
				       struct ab_verify_event *event)
{
	struct change change;
	uint64_t half[2];

	*event = (struct ab_verify_event){0};
	TAKE(read_change(decoder, value, len, true, &change));
	event->op = change.op;
	if (!blank(change.source, change.lsn)) {
		TAKE(integer(decoder, change.source, change.lsn, 0, INT64_MAX, &event->lsn));
		event->has_lsn = true;
	}
	TAKE(integer(decoder, change.row, "id", INT64_MIN, INT64_MAX, &event->id));
	TAKE(text(decoder, change.row, "event_type", true, &event->event_type));
	TAKE(time_of(decoder, change.row, "event_ts", &event->event_us));
	TAKE(text(decoder, change.row, "content_id", false, &event->content_id));
	if (event->content_id.at != NULL && !ab_verify_uuid(event->content_id, half))
		return bad(decoder, "content_id is no UUID");
	TAKE(text(decoder, change.row, "user_id", false, &event->user_id));
	TAKE(text(decoder, change.row, "device", false, &event->device));
	if (!blank(change.row, "duration_ms")) {
		TAKE(integer(decoder, change.row, "duration_ms", INT32_MIN, INT32_MAX, &event->duration_ms));
		event->has_duration = true;
	}
	return hollow(event) ? bad(decoder, "event_ts is missing in a delete") : AB_VERIFY_EVENT;
}

enum ab_verify_record ab_verify_decode_content(struct ab_verify_decoder *decoder, const void *value, size_t len,
					       struct ab_verify_content_row *row)
{
	struct change change;
	uint64_t half[2];

	*row = (struct ab_verify_content_row){0};
	TAKE(read_change(decoder, value, len, false, &change));
	row->of_insert = change.op == 'c' || change.op == 'r';
	TAKE(text(decoder, change.row, "id", true, &row->id));
	if (!ab_verify_uuid(row->id, half))
		return bad(decoder, "id is no UUID");
	if (change.op == 'd')
		return AB_VERIFY_EVENT;
	TAKE(text(decoder, change.row, "content_type", true, &row->type));
	if (!blank(change.row, "length_seconds")) {
		TAKE(integer(decoder, change.row, "length_seconds", INT32_MIN, INT32_MAX, &row->length_seconds));
		row->has_length = true;
	}
	return AB_VERIFY_EVENT;
}
