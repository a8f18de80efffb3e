/* sinks/json_out.c — see json_out.h. */
#include "sinks/json_out.h"

typedef size_t format_fn(char *to, int64_t epoch_us);

static char *time_token(char *to, int64_t epoch_us, format_fn *format)
{
	if (epoch_us < AB_TIME_MIN_US || epoch_us > AB_TIME_MAX_US)
		return AB_OUT(to, "null");
	*to++ = '"';
	to += format(to, epoch_us);
	*to++ = '"';
	return to;
}

char *ab_out_iso(char *to, int64_t epoch_us)
{
	return time_token(to, epoch_us, ab_format_iso);
}

char *ab_out_datetime(char *to, int64_t epoch_us)
{
	return time_token(to, epoch_us, ab_format_datetime);
}

char *ab_out_kafka_iso(char *to, int64_t epoch_ms)
{
	if (epoch_ms < 0 || epoch_ms > AB_TIME_MAX_US / 1000)
		return AB_OUT(to, "null");
	return ab_out_iso(to, epoch_ms * 1000);
}

char *ab_out_iso_as_datetime(char *to, const char *iso, size_t len)
{
	const size_t seconds = sizeof "\"2026-11-23T23:19:12" - 1;

	if (len < seconds)
		return ab_out_bytes(to, iso, len);	/* null */
	memcpy(to, iso, seconds);
	to[sizeof "\"2026-11-23" - 1] = ' ';
	to[seconds] = '"';
	return to + seconds + 1;
}

size_t ab_out_room(const struct ab_event *event)
{
	size_t text = (size_t)event->content_id_json.len + event->user_id_json.len + event->event_type_json.len +
		      event->device_json.len;

	if (event->content_type != NULL)
		text += event->content_type->json.len;
	return AB_OUT_FIXED_BYTES + text;
}
