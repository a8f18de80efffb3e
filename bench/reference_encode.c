/* bench/reference_encode.c — see reference.h: the records of two sinks by snprintf, times by gmtime_r. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "bench/reference.h"

/* Room for a time or a number; gcc reckons with eleven digits for each part of a time. */
enum { TEXT_BYTES = 96 };

/* A token or null, for %.*s. */
#define TOKEN(text) (text).at == NULL ? 4 : (int)(text).len, (text).at == NULL ? "null" : (text).at

static struct tm broken_down(int64_t epoch_us)
{
	time_t seconds = (time_t)(epoch_us / 1000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return tm;
}

static void iso(char to[TEXT_BYTES], int64_t epoch_us)
{
	struct tm tm = broken_down(epoch_us);

	snprintf(to, TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec, (unsigned)(epoch_us % 1000000) % 1000000);
}

static void datetime(char to[TEXT_BYTES], int64_t epoch_us)
{
	struct tm tm = broken_down(epoch_us);

	snprintf(to, TEXT_BYTES, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec);
}

static void optional_i64(char to[TEXT_BYTES], bool there, int64_t value, const char *quote)
{
	if (there)
		snprintf(to, TEXT_BYTES, "%s%" PRId64 "%s", quote, value, quote);
	else
		snprintf(to, TEXT_BYTES, "null");
}

static void percentage(char to[TEXT_BYTES], const struct ab_event *event)
{
	if (event->has & AB_HAS_PCT)
		snprintf(to, TEXT_BYTES, "%.2f", (double)event->pct_hundredths / 100);
	else
		snprintf(to, TEXT_BYTES, "null");
}

static struct ab_text type_of(const struct ab_event *event)
{
	return event->content_type == NULL ? (struct ab_text){NULL, 0} : event->content_type->json;
}

size_t ab_ref_elasticsearch(const struct ab_event *event, char *to, size_t room)
{
	char when[TEXT_BYTES], kafka[TEXT_BYTES], duration[TEXT_BYTES], percent[TEXT_BYTES];

	iso(when, event->event_us);
	iso(kafka, event->kafka_ts_ms * 1000);
	optional_i64(duration, event->has & AB_HAS_DURATION, event->duration_ms, "");
	percentage(percent, event);
	int len = snprintf(
	    to, room,
	    "{\"index\":{\"_index\":\"engagement-events-%.10s\",\"_id\":\"%" PRId64 "\",\"version\":%" PRId64
	    ",\"version_type\":\"external\"}}\n{\"id\":%" PRId64 ",\"content_id\":%.*s,\"user_id\":%.*s,\"event_type\":%.*s,"
	    "\"device\":%.*s,\"content_type\":%.*s,\"event_timestamp\":\"%s\",\"duration_ms\":%s,\"engagement_pct\":%s,"
	    "\"processing_time\":\"%s\",\"@timestamp\":\"%s\",\"deleted\":%s}\n",
	    when, event->id, event->lsn, event->id, TOKEN(event->content_id_json), TOKEN(event->user_id_json),
	    TOKEN(event->event_type_json), TOKEN(event->device_json), TOKEN(type_of(event)), when, duration, percent, kafka,
	    when, event->op == AB_OP_DELETE ? "true" : "false");
	AB_ASSERT(len > 0 && (size_t)len < room);
	return (size_t)len;
}

size_t ab_ref_bigquery(const struct ab_event *event, const char *topic, char *to, size_t room)
{
	static const char op[] = {[AB_OP_CREATE] = 'c', [AB_OP_READ] = 'r', [AB_OP_UPDATE] = 'u', [AB_OP_DELETE] = 'd'};
	char when[TEXT_BYTES], kafka[TEXT_BYTES], kafka_iso[TEXT_BYTES], duration[TEXT_BYTES], percent[TEXT_BYTES], version[TEXT_BYTES];

	datetime(when, event->event_us);
	datetime(kafka, event->kafka_ts_ms * 1000);
	iso(kafka_iso, event->kafka_ts_ms * 1000);
	optional_i64(duration, event->has & AB_HAS_DURATION, event->duration_ms, "\"");
	optional_i64(version, event->has & AB_HAS_LSN, event->lsn, "\"");
	percentage(percent, event);
	int len = snprintf(
	    to, room,
	    "{\"insertId\":\"%s-%d-%" PRId64 "\",\"json\":{\"id\":\"%" PRId64 "\",\"version\":%s,\"content_id\":%.*s,"
	    "\"user_id\":%.*s,\"event_type\":%.*s,\"event_ts\":\"%s\",\"device\":%.*s,\"content_type\":%.*s,"
	    "\"duration_ms\":%s,\"engagement_pct\":%s,\"processing_time\":\"%s\",\"op\":\"%c\",\"deleted\":%s,"
	    "\"kafka_topic\":\"%s\",\"kafka_partition\":\"%d\",\"kafka_offset\":\"%" PRId64 "\",\"kafka_ts\":\"%s\"}},",
	    topic, event->partition, event->offset, event->id, version, TOKEN(event->content_id_json),
	    TOKEN(event->user_id_json), TOKEN(event->event_type_json), when, TOKEN(event->device_json),
	    TOKEN(type_of(event)), duration, percent, kafka, op[event->op],
	    event->op == AB_OP_DELETE ? "true" : "false", topic, event->partition, event->offset, kafka_iso);
	AB_ASSERT(len > 0 && (size_t)len < room);
	return (size_t)len;
}
