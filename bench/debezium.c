/* bench/debezium.c — see debezium.h. */
#include "bench/debezium.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "loadgen/random.h"

/* Debezium's own clock runs behind the commit by about this. */
#define CAPTURE_DELAY_MS 100

static const char KEY_SCHEMA[] =
	"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"optional\":false,\"default\":0,\"field\":\"id\"}],"
	"\"optional\":false,\"name\":\"streaming.public.engagement_events.Key\"},\"payload\":";

#define OPTIONAL(type, name) "{\"type\":\"" type "\",\"optional\":true,\"field\":\"" name "\"},"
#define NAMED(type, optional, logical, name) \
	"{\"type\":\"" type "\",\"optional\":" optional ",\"name\":\"" logical "\",\"version\":1,\"field\":\"" name "\"},"

static const char VALUE_SCHEMA[] =
	"{\"schema\":{\"type\":\"struct\",\"fields\":["
	"{\"type\":\"int64\",\"optional\":false,\"default\":0,\"field\":\"id\"},"
	NAMED("string", "true", "io.debezium.data.Uuid", "content_id")
	NAMED("string", "true", "io.debezium.data.Uuid", "user_id")
	"{\"type\":\"string\",\"optional\":false,\"field\":\"event_type\"},"
	NAMED("string", "false", "io.debezium.time.ZonedTimestamp", "event_ts")
	OPTIONAL("int32", "duration_ms")
	OPTIONAL("string", "device")
	NAMED("string", "true", "io.debezium.data.Json", "raw_payload")
	OPTIONAL("string", "__deleted") OPTIONAL("string", "__op") OPTIONAL("string", "__table") OPTIONAL("string", "__db")
	OPTIONAL("int64", "__ts_ms") OPTIONAL("int64", "__lsn") OPTIONAL("string", "__source_sequence")
	OPTIONAL("int64", "__source_ts_ms")
	"{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1,\"parameters\":{\"allowed\":"
	"\"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental\"},"
	"\"field\":\"__source_snapshot\"}],\"optional\":false,\"name\":\"streaming.public.engagement_events.Value\"},"
	"\"payload\":";

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

size_t ab_debezium_key(const struct ab_change *change, enum ab_debezium_shape shape,
		       char to[AB_DEBEZIUM_KEY_MAX_BYTES])
{
	struct out o = {.at = to, .room = AB_DEBEZIUM_KEY_MAX_BYTES};
	if (shape == AB_DEBEZIUM_WRAPPED)
		put(&o, KEY_SCHEMA, sizeof KEY_SCHEMA - 1);
	print(&o, "{\"id\":%lld}%s", (long long)change->id, shape == AB_DEBEZIUM_WRAPPED ? "}" : "");
	return o.len;
}

static void put_row(struct out *o, const struct ab_change *change)
{
	const struct ab_gen_event *row = &change->row;
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
	print(o, "\",");
}

size_t ab_debezium_value(const struct ab_change *change, enum ab_debezium_shape shape,
			 char to[AB_DEBEZIUM_VALUE_MAX_BYTES])
{
	struct out o = {.at = to, .room = AB_DEBEZIUM_VALUE_MAX_BYTES};
	if (shape == AB_DEBEZIUM_WRAPPED)
		put(&o, VALUE_SCHEMA, sizeof VALUE_SCHEMA - 1);
	put_row(&o, change);
	long long commit_ms = change->commit_us / 1000;
	long long lsn = change->lsn;
	print(&o,
	      "\"__deleted\":\"%s\",\"__op\":\"%c\",\"__table\":\"engagement_events\",\"__db\":\"streaming_db\","
	      "\"__ts_ms\":%lld,\"__lsn\":%lld,\"__source_sequence\":\"[\\\"%lld\\\",\\\"%lld\\\"]\","
	      "\"__source_ts_ms\":%lld,\"__source_snapshot\":null}%s",
	      change->op == 'd' ? "true" : "false", change->op, commit_ms + CAPTURE_DELAY_MS, lsn, lsn, lsn, commit_ms,
	      shape == AB_DEBEZIUM_WRAPPED ? "}" : "");
	return o.len;
}
