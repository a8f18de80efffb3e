/* loadgen/event.c — see event.h for what an event is made of. */
#include "loadgen/event.h"

#include <string.h>

#include "loadgen/content.h"
#include "loadgen/random.h"

/* The orders are part of "same seed, same data". */
static const char *const TYPES[] = {"play", "pause", "finish", "click"};

struct device {
	const char *name;
	const char *user_agent;
};

static const struct device DEVICES[] = {
	{"ios", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"},
	{"android", "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36"},
	{"web-chrome", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36"},
	{"web-safari", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15"},
	{"web-firefox", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"},
};

static int32_t duration(struct ab_random *r, const char *type, int32_t length_seconds)
{
	if (length_seconds == AB_GEN_NO_LENGTH || strcmp(type, "click") == 0)
		return AB_GEN_NO_DURATION;
	return (int32_t)ab_random_between(r, 1000, (int64_t)length_seconds * 1000);
}

/* Addresses come from 203.0.113.0/24, which belongs to nobody (RFC 5737). */
/* Letters that a compressor cannot foresee, up to the wanted size. They have random numbers of their own, so that the
 * size of a payload changes nothing else. */
static uint32_t pad(const struct ab_gen_source *source, uint64_t number, char *to, uint32_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345", opening[] = ", \"pad\": \"", closing[] = "\"}";
	uint32_t frame = sizeof opening + sizeof closing - 2;
	if (len - 1 + frame >= source->payload_bytes)
		return len;
	struct ab_random r = ab_random_start(source->seed, AB_STREAM_PAD, number);
	char *at = to + len - 1, *end = to + source->payload_bytes - (sizeof closing - 1);
	memcpy(at, opening, sizeof opening - 1);
	at += sizeof opening - 1;
	while (at < end) {
		uint64_t bits = ab_random_next(&r);
		for (int i = 0; i < 12 && at < end; i++, bits >>= 5)
			*at++ = letters[bits & 31];
	}
	memcpy(at, closing, sizeof closing - 1);
	return source->payload_bytes;
}

static uint32_t payload(struct ab_random *r, const struct device *device, char *to)
{
	uint8_t session[16];
	char text[AB_UUID_TEXT_BYTES];
	ab_random_uuid(r, session);
	ab_uuid_text(session, text);
	int len = snprintf(to, AB_GEN_PAYLOAD_PLAIN_BYTES,
		"{\"session_id\": \"%s\", \"ip\": \"203.0.113.%d\", \"user_agent\": \"%s\"}", text,
		(int)ab_random_between(r, 1, 254), device->user_agent);
	AB_ASSERT(len > 0 && len < AB_GEN_PAYLOAD_PLAIN_BYTES);
	return (uint32_t)len;
}

void ab_gen_event(const struct ab_gen_source *source, uint64_t number, struct ab_gen_event *out)
{
	struct ab_random r = ab_random_start(source->seed, AB_STREAM_EVENT, number);
	struct ab_gen_content content;
	uint64_t which = source->skew.count > 0 ? ab_zipf_draw(&source->skew, &r) : ab_random_below(&r, source->contents);
	ab_gen_content(source->seed, which, &content);
	memcpy(out->content_id, content.id, sizeof out->content_id);
	out->content_length_seconds = content.length_seconds;
	ab_random_uuid(&r, out->user_id);
	out->type = TYPES[ab_random_below(&r, AB_COUNT(TYPES))];
	const struct device *device = &DEVICES[ab_random_below(&r, AB_COUNT(DEVICES))];
	out->device = device->name;
	out->payload_len = pad(source, number, out->payload, payload(&r, device, out->payload));
	out->duration_ms = duration(&r, out->type, content.length_seconds);
}

void ab_gen_event_mark(const struct ab_gen_source *source, uint64_t content, struct ab_gen_event *event)
{
	struct ab_gen_content mark;
	AB_ASSERT(content >= AB_GEN_MARK_FIRST);
	ab_gen_content(source->seed, content, &mark);
	memcpy(event->content_id, mark.id, sizeof event->content_id);
	event->content_length_seconds = mark.length_seconds;
	event->type = TYPES[0];
	event->duration_ms = mark.length_seconds * 10 * AB_GEN_MARK_PERCENT;
}

void ab_gen_update(const struct ab_gen_source *source, uint64_t operation, uint64_t number, struct ab_gen_update *out)
{
	struct ab_gen_event event;
	ab_gen_event(source, number, &event);
	struct ab_random r = ab_random_start(source->seed, AB_STREAM_UPDATE, operation);
	out->device = DEVICES[ab_random_below(&r, AB_COUNT(DEVICES))].name;
	out->duration_ms = duration(&r, event.type, event.content_length_seconds);
}
