/* loadgen/debezium.c — see debezium.h. */
#include "loadgen/debezium.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "loadgen/random.h"

/* Debezium's own clock runs behind the commit by about this. */
#define CAPTURE_DELAY_MS 100

/* Log positions per transaction number, about; only that both grow matters. */
#define TRANSACTION_LSN 16384

const char *const ab_shape_names[AB_SHAPES] = {"unwrapped+schema", "unwrapped", "envelope+schema", "envelope"};

static const char KEY_SCHEMA[] =
	"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"optional\":false,\"default\":0,\"field\":\"id\"}],"
	"\"optional\":false,\"name\":\"streaming.public.engagement_events.Key\"},\"payload\":";

#define OPTIONAL(type, name) "{\"type\":\"" type "\",\"optional\":true,\"field\":\"" name "\"},"
#define NAMED(type, optional, logical, name) \
	"{\"type\":\"" type "\",\"optional\":" optional ",\"name\":\"" logical "\",\"version\":1,\"field\":\"" name "\"},"

#define ROW_FIELDS \
	"{\"type\":\"int64\",\"optional\":false,\"default\":0,\"field\":\"id\"}," \
	NAMED("string", "true", "io.debezium.data.Uuid", "content_id") \
	NAMED("string", "true", "io.debezium.data.Uuid", "user_id") \
	"{\"type\":\"string\",\"optional\":false,\"field\":\"event_type\"}," \
	NAMED("string", "false", "io.debezium.time.ZonedTimestamp", "event_ts") \
	OPTIONAL("int32", "duration_ms") \
	OPTIONAL("string", "device")
#define JSON_FIELD \
	"{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Json\",\"version\":1," \
	"\"field\":\"raw_payload\"}"
#define SNAPSHOT_ENUM \
	"\"name\":\"io.debezium.data.Enum\",\"version\":1,\"parameters\":{\"allowed\":" \
	"\"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental\"},"

static const char UNWRAPPED_SCHEMA[] =
	"{\"schema\":{\"type\":\"struct\",\"fields\":[" ROW_FIELDS JSON_FIELD ","
	OPTIONAL("string", "__deleted") OPTIONAL("string", "__op") OPTIONAL("string", "__table") OPTIONAL("string", "__db")
	OPTIONAL("int64", "__ts_ms") OPTIONAL("int64", "__lsn") OPTIONAL("string", "__source_sequence")
	OPTIONAL("int64", "__source_ts_ms")
	"{\"type\":\"string\",\"optional\":true," SNAPSHOT_ENUM
	"\"field\":\"__source_snapshot\"}],\"optional\":false,\"name\":\"streaming.public.engagement_events.Value\"},"
	"\"payload\":";

#define ROW_STRUCT(name) \
	"{\"type\":\"struct\",\"fields\":[" ROW_FIELDS JSON_FIELD "],\"optional\":true," \
	"\"name\":\"streaming.public.engagement_events.Value\",\"field\":\"" name "\"},"
#define REQUIRED(type, name) "{\"type\":\"" type "\",\"optional\":false,\"field\":\"" name "\"},"

static const char ENVELOPE_SCHEMA[] =
	"{\"schema\":{\"type\":\"struct\",\"fields\":[" ROW_STRUCT("before") ROW_STRUCT("after")
	"{\"type\":\"struct\",\"fields\":[" REQUIRED("string", "version") REQUIRED("string", "connector")
	REQUIRED("string", "name") REQUIRED("int64", "ts_ms")
	"{\"type\":\"string\",\"optional\":true," SNAPSHOT_ENUM "\"default\":\"false\",\"field\":\"snapshot\"},"
	REQUIRED("string", "db") OPTIONAL("string", "sequence") OPTIONAL("int64", "ts_us") OPTIONAL("int64", "ts_ns")
	REQUIRED("string", "schema") REQUIRED("string", "table") OPTIONAL("int64", "txId") OPTIONAL("int64", "lsn")
	OPTIONAL("int64", "xmin") OPTIONAL("string", "origin")
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"origin_lsn\"}],\"optional\":false,"
	"\"name\":\"io.debezium.connector.postgresql.Source\",\"version\":1,\"field\":\"source\"},"
	"{\"type\":\"struct\",\"fields\":[" REQUIRED("string", "id") REQUIRED("int64", "total_order")
	"{\"type\":\"int64\",\"optional\":false,\"field\":\"data_collection_order\"}],\"optional\":true,"
	"\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"},"
	REQUIRED("string", "op") OPTIONAL("int64", "ts_ms") OPTIONAL("int64", "ts_us")
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"}],\"optional\":false,"
	"\"name\":\"streaming.public.engagement_events.Envelope\",\"version\":2},\"payload\":";

struct out {
	char *at;
	size_t len;
	size_t room;
};

static void put(struct out *o, const char *text, size_t len)
{
	AB_ASSERT(o->len + len <= o->room);
	memcpy(o->at + o->len, text, len);
	o->len += len;
}

AB_PRINTF(2, 3) static void print(struct out *o, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(o->at + o->len, o->room - o->len, format, args);
	va_end(args);
	AB_ASSERT(len >= 0 && o->len + (size_t)len < o->room);
	o->len += (size_t)len;
}

/* Text of the generator's: printable ASCII, so quotes and backslashes are all that needs an escape. */
static void put_escaped(struct out *o, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			put(o, "\\", 1);
		put(o, &text[i], 1);
	}
}

/* ISO time with as many fraction digits as it needs: the connector trims zeros. */
static void put_time(struct out *o, int64_t epoch_us)
{
	time_t seconds = (time_t)(epoch_us / 1000000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	char text[40];
	size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t micros = epoch_us % 1000000;
	if (micros != 0) {
		len += (size_t)snprintf(text + len, sizeof text - len, ".%06d", (int)micros);
		while (text[len - 1] == '0')
			len--;
	}
	put(o, text, len);
	put(o, "Z", 1);
}

static int has_schema(enum ab_shape shape)
{
	return shape == AB_SHAPE_UNWRAPPED_SCHEMA || shape == AB_SHAPE_ENVELOPE_SCHEMA;
}

size_t ab_debezium_key(const struct ab_change *change, enum ab_shape shape, char to[AB_DEBEZIUM_KEY_MAX_BYTES])
{
	struct out o = {.at = to, .room = AB_DEBEZIUM_KEY_MAX_BYTES};
	if (has_schema(shape))
		put(&o, KEY_SCHEMA, sizeof KEY_SCHEMA - 1);
	print(&o, "{\"id\":%lld}%s", (long long)change->id, has_schema(shape) ? "}" : "");
	return o.len;
}

/* The table's columns, without the closing brace. */
static void put_row(struct out *o, const struct ab_change *change, const struct ab_gen_event *row)
{
	char content[AB_UUID_TEXT_BYTES];
	char user[AB_UUID_TEXT_BYTES];
	ab_uuid_text(row->content_id, content);
	ab_uuid_text(row->user_id, user);
	print(o, "{\"id\":%lld,\"content_id\":\"%s\",\"user_id\":\"%s\",\"event_type\":\"%s\",\"event_ts\":\"",
	      (long long)change->id, content, user, row->type);
	put_time(o, change->event_us);
	if (row->duration_ms == AB_GEN_NO_DURATION)
		print(o, "\",\"duration_ms\":null");
	else
		print(o, "\",\"duration_ms\":%d", row->duration_ms);
	print(o, ",\"device\":\"%s\",\"raw_payload\":\"", row->device);
	put_escaped(o, row->payload, row->payload_len);
	put(o, "\"", 1);
}

static void put_unwrapped(struct out *o, const struct ab_change *change)
{
	long long commit_ms = change->commit_us / 1000, lsn = change->lsn;
	put_row(o, change, change->row);
	print(o,
	      ",\"__deleted\":\"%s\",\"__op\":\"%c\",\"__table\":\"engagement_events\",\"__db\":\"streaming_db\","
	      "\"__ts_ms\":%lld,\"__lsn\":%lld,\"__source_sequence\":\"[\\\"%lld\\\",\\\"%lld\\\"]\","
	      "\"__source_ts_ms\":%lld,\"__source_snapshot\":null}",
	      change->op == 'd' ? "true" : "false", change->op, commit_ms + CAPTURE_DELAY_MS, lsn, lsn, lsn, commit_ms);
}

static void put_side(struct out *o, const char *name, const struct ab_change *change, const struct ab_gen_event *row)
{
	print(o, "\"%s\":", name);
	if (row == NULL) {
		put(o, "null", 4);
	} else {
		put_row(o, change, row);
		put(o, "}", 1);
	}
	put(o, ",", 1);
}

static void put_envelope(struct out *o, const struct ab_change *change)
{
	long long commit_us = change->commit_us, lsn = change->lsn, capture_us = commit_us + CAPTURE_DELAY_MS * 1000;
	put(o, "{", 1);
	put_side(o, "before", change, change->op == 'c' ? NULL : change->op == 'u' ? change->before : change->row);
	put_side(o, "after", change, change->op == 'd' ? NULL : change->row);
	print(o,
	      "\"source\":{\"version\":\"3.6.1.Final\",\"connector\":\"postgresql\",\"name\":\"streaming\","
	      "\"ts_ms\":%lld,\"snapshot\":null,\"db\":\"streaming_db\",\"sequence\":\"[\\\"%lld\\\",\\\"%lld\\\"]\","
	      "\"ts_us\":%lld,\"ts_ns\":%lld000,\"schema\":\"public\",\"table\":\"engagement_events\",\"txId\":%lld,"
	      "\"lsn\":%lld,\"xmin\":null,\"origin\":null,\"origin_lsn\":null},\"transaction\":null,\"op\":\"%c\","
	      "\"ts_ms\":%lld,\"ts_us\":%lld,\"ts_ns\":%lld000}",
	      commit_us / 1000, lsn, lsn, commit_us, commit_us, lsn / TRANSACTION_LSN, lsn, change->op, capture_us / 1000,
	      capture_us, capture_us);
}

size_t ab_debezium_value(const struct ab_change *change, enum ab_shape shape, char *to, size_t room)
{
	struct out o = {.at = to, .room = room};
	if (shape == AB_SHAPE_UNWRAPPED_SCHEMA)
		put(&o, UNWRAPPED_SCHEMA, sizeof UNWRAPPED_SCHEMA - 1);
	if (shape == AB_SHAPE_ENVELOPE_SCHEMA)
		put(&o, ENVELOPE_SCHEMA, sizeof ENVELOPE_SCHEMA - 1);
	if (shape == AB_SHAPE_UNWRAPPED || shape == AB_SHAPE_UNWRAPPED_SCHEMA)
		put_unwrapped(&o, change);
	else
		put_envelope(&o, change);
	if (has_schema(shape))
		put(&o, "}", 1);
	return o.len;
}
