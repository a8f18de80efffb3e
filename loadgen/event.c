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
static uint32_t payload(struct ab_random *r, const struct device *device, char *to)
{
	uint8_t session[16];
	char text[AB_UUID_TEXT_BYTES];
	ab_random_uuid(r, session);
	ab_uuid_text(session, text);
	int len = snprintf(to, AB_GEN_PAYLOAD_MAX_BYTES,
		"{\"session_id\": \"%s\", \"ip\": \"203.0.113.%d\", \"user_agent\": \"%s\"}", text,
		(int)ab_random_between(r, 1, 254), device->user_agent);
	AB_ASSERT(len > 0 && len < AB_GEN_PAYLOAD_MAX_BYTES);
	return (uint32_t)len;
}

void ab_gen_event(uint64_t seed, uint64_t number, uint64_t contents, struct ab_gen_event *out)
{
	struct ab_random r = ab_random_start(seed, AB_STREAM_EVENT, number);
	struct ab_gen_content content;
	ab_gen_content(seed, ab_random_below(&r, contents), &content);
	memcpy(out->content_id, content.id, sizeof out->content_id);
	out->content_length_seconds = content.length_seconds;
	ab_random_uuid(&r, out->user_id);
	out->type = TYPES[ab_random_below(&r, AB_COUNT(TYPES))];
	const struct device *device = &DEVICES[ab_random_below(&r, AB_COUNT(DEVICES))];
	out->device = device->name;
	out->payload_len = payload(&r, device, out->payload);
	out->duration_ms = duration(&r, out->type, content.length_seconds);
}

void ab_gen_update(uint64_t seed, uint64_t operation, uint64_t number, uint64_t contents, struct ab_gen_update *out)
{
	struct ab_gen_event event;
	ab_gen_event(seed, number, contents, &event);
	struct ab_random r = ab_random_start(seed, AB_STREAM_UPDATE, operation);
	out->device = DEVICES[ab_random_below(&r, AB_COUNT(DEVICES))].name;
	out->duration_ms = duration(&r, event.type, event.content_length_seconds);
}
