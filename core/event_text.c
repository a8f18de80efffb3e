/* core/event_text.c — see event_text.h. */
#include "core/event_text.h"

static const struct ab_text null_text = {"null", 4};

static struct ab_text number(char *to, int64_t value)
{
	return (struct ab_text){to, (uint32_t)ab_format_i64(to, value)};
}

/* As it stands in the message, or else written. */
static struct ab_text number_or(struct ab_text token, char *to, bool has, int64_t value)
{
	if (token.at != NULL)
		return token;
	return has ? number(to, value) : null_text;
}

static struct ab_text quoted_time(char *to, int64_t epoch_us)
{
	to[0] = '"';
	size_t len = 1 + ab_format_iso(to + 1, epoch_us);
	to[len++] = '"';
	return (struct ab_text){to, (uint32_t)len};
}

/* A time to the microsecond from one that leaves zeros out, as Java does. */
static struct ab_text whole_time(char *to, struct ab_text token)
{
	const size_t dot = sizeof "\"2026-11-23T23:19:12" - 1, all = sizeof "\"2026-11-23T23:19:12.353824Z\"" - 1;

	if (token.len == all)
		return token;
	memcpy(to, token.at, token.len);
	memset(to + token.len - 2, '0', all - token.len);
	to[dot] = '.';
	to[all - 2] = 'Z';
	to[all - 1] = '"';
	return (struct ab_text){to, (uint32_t)all};
}

static struct ab_text event_time(char *to, const struct ab_event *event)
{
	if (event->event_ts_json.at != NULL)
		return whole_time(to, event->event_ts_json);
	if (!(event->has & AB_HAS_EVENT_TS) || event->event_us < AB_TIME_MIN_US || event->event_us > AB_TIME_MAX_US)
		return null_text;
	return quoted_time(to, event->event_us);
}

/* A negative time is Kafka's way to say that there is none. */
static struct ab_text kafka_time(struct ab_event_text *text, int64_t epoch_ms)
{
	if (epoch_ms < 0 || epoch_ms > AB_TIME_MAX_US / 1000)
		return null_text;
	int64_t second = epoch_ms / 1000;
	unsigned ms = (unsigned)(epoch_ms % 1000);
	if (second != text->kafka_second) {
		text->kafka_second = second;
		return quoted_time(text->kafka_room, epoch_ms * 1000);
	}
	char *to = text->kafka_room + (sizeof "\"2026-11-23T23:19:12." - 1);
	to[0] = (char)('0' + ms / 100);
	to[1] = (char)('0' + ms / 10 % 10);
	to[2] = (char)('0' + ms % 10);
	return (struct ab_text){text->kafka_room, sizeof "\"2026-11-23T23:19:12.353824Z\"" - 1};
}

void ab_event_text_make(struct ab_event_text *text, const struct ab_event *event)
{
	bool has_pct = event->has & AB_HAS_PCT;

	text->id = number_or(event->id_json, text->room[0], true, event->id);
	text->partition = number(text->room[1], event->partition);
	text->offset = number(text->room[2], event->offset);
	text->lsn = number_or(event->lsn_json, text->room[3], event->has & AB_HAS_LSN, event->lsn);
	text->duration_ms =
	    number_or(event->duration_json, text->room[4], event->has & AB_HAS_DURATION, event->duration_ms);
	text->engagement_pct = null_text;
	if (has_pct)
		text->engagement_pct = (struct ab_text){
		    text->room[5], (uint32_t)ab_format_hundredths(text->room[5], event->pct_hundredths)};
	text->event_time = event_time(text->room[6], event);
	text->kafka_time = kafka_time(text, event->kafka_ts_ms);
	text->made = true;
}
