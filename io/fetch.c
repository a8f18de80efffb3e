/* io/fetch.c — see fetch.h. */
#include "io/fetch.h"

#define API_FETCH 1
#define BY_NAME 12
#define BY_ID 13
#define API_VERSIONS 18
#define CLIENT "anabranch-fetcher"
#define READ_COMMITTED 1
#define NO_SESSION (-1)
#define TAG_DIVERGING 0

static void put_header(struct ab_wire_out *out, int16_t api, int16_t version, int32_t correlation)
{
	ab_wire_put_i32(out, 0); /* the length, by finish() */
	ab_wire_put_i16(out, api);
	ab_wire_put_i16(out, version);
	ab_wire_put_i32(out, correlation);
	ab_wire_put_i16(out, sizeof CLIENT - 1);
	ab_wire_put(out, CLIENT, sizeof CLIENT - 1);
}

static size_t finish(uint8_t *to, const struct ab_wire_out *out)
{
	size_t bytes = (size_t)(out->at - to);
	uint32_t be = htobe32((uint32_t)(bytes - 4));

	memcpy(to, &be, sizeof be);
	return bytes;
}

bool ab_fetch_has_id(const struct ab_fetch_topic *topic)
{
	static const uint8_t none[sizeof topic->id];

	return memcmp(topic->id, none, sizeof none) != 0;
}

size_t ab_fetch_request(uint8_t *to, int32_t correlation, const struct ab_fetch_topic *topic, bool by_id,
			const struct ab_fetch_limits *limits, const struct ab_fetch_ask *ask, int count)
{
	struct ab_wire_out out = {to, to + AB_FETCH_REQUEST_MAX_BYTES};

	put_header(&out, API_FETCH, by_id ? BY_ID : BY_NAME, correlation);
	ab_wire_put_tags(&out);
	ab_wire_put_i32(&out, -1); /* a consumer, no replica */
	ab_wire_put_i32(&out, limits->wait_ms);
	ab_wire_put_i32(&out, limits->min_bytes);
	ab_wire_put_i32(&out, limits->max_bytes);
	ab_wire_put_i8(&out, READ_COMMITTED);
	ab_wire_put_i32(&out, 0);
	ab_wire_put_i32(&out, NO_SESSION);
	ab_wire_put_count(&out, 1);
	if (by_id) {
		ab_wire_put(&out, topic->id, sizeof topic->id);
	} else {
		ab_wire_put_count(&out, strlen(topic->name));
		ab_wire_put(&out, topic->name, strlen(topic->name));
	}
	ab_wire_put_count(&out, (size_t)count);
	for (int i = 0; i < count; i++) {
		ab_wire_put_i32(&out, ask[i].partition);
		ab_wire_put_i32(&out, -1); /* the leader's epoch: who is not the leader says so anyway */
		ab_wire_put_i64(&out, ask[i].offset);
		ab_wire_put_i32(&out, ask[i].epoch);
		ab_wire_put_i64(&out, -1); /* where a follower's log begins */
		ab_wire_put_i32(&out, limits->partition_bytes);
		ab_wire_put_tags(&out);
	}
	ab_wire_put_tags(&out);
	ab_wire_put_count(&out, 0); /* topics that a session should forget */
	ab_wire_put_count(&out, 0); /* our rack */
	ab_wire_put_tags(&out);
	return finish(to, &out);
}

size_t ab_fetch_hello(uint8_t *to, int32_t correlation)
{
	struct ab_wire_out out = {to, to + AB_FETCH_REQUEST_MAX_BYTES};

	put_header(&out, API_VERSIONS, 0, correlation);
	return finish(to, &out);
}

enum ab_fetch_hello ab_fetch_read_hello(const uint8_t *at, size_t len, int32_t correlation, bool *by_id)
{
	struct ab_wire wire = {at, at + len, false};

	if (ab_wire_i32(&wire) != correlation || ab_wire_i16(&wire) != 0)
		return AB_FETCH_HELLO_BAD;
	for (int32_t n = ab_wire_i32(&wire); n > 0 && !wire.failed; n--) {
		int16_t api = ab_wire_i16(&wire), least = ab_wire_i16(&wire), newest = ab_wire_i16(&wire);
		if (api != API_FETCH || wire.failed)
			continue;
		*by_id = newest >= BY_ID;
		return least <= BY_ID && newest >= BY_NAME ? AB_FETCH_HELLO_OK : AB_FETCH_HELLO_OTHER;
	}
	return AB_FETCH_HELLO_BAD;
}

bool ab_fetch_begin(struct ab_fetch_answer *answer, uint8_t *at, size_t len, int32_t correlation, bool by_id,
		    int16_t *error)
{
	struct ab_wire *wire = &answer->wire;

	*answer = (struct ab_fetch_answer){.wire = {at, at + len, false}, .by_id = by_id};
	bool ours = ab_wire_i32(wire) == correlation;
	ab_wire_skip_tags(wire);
	ab_wire_i32(wire); /* throttled for: the broker does it, by not listening */
	*error = ab_wire_i16(wire);
	ab_wire_i32(wire); /* session */
	answer->topics = ab_wire_count(wire);
	return ours && !wire->failed;
}

/* Goes on to the next topic that has parts. There is only one, unless a broker is strange. */
static bool find_parts(struct ab_fetch_answer *answer)
{
	struct ab_wire *wire = &answer->wire;

	while (answer->parts <= 0) {
		if (answer->topics <= 0 || wire->failed)
			return false;
		answer->topics--;
		int64_t name_len = answer->by_id ? 16 : ab_wire_count(wire);
		ab_wire_skip(wire, name_len > 0 ? (size_t)name_len : 0);
		answer->parts = ab_wire_count(wire);
		if (answer->parts <= 0)
			ab_wire_skip_tags(wire);
	}
	return !wire->failed;
}

static void read_tags(struct ab_wire *wire, struct ab_fetch_part *part)
{
	for (uint64_t n = ab_wire_unsigned(wire); n > 0 && !wire->failed; n--) {
		uint64_t tag = ab_wire_unsigned(wire);
		size_t len = ab_wire_unsigned(wire);
		const uint8_t *at = ab_wire_skip(wire, len);
		if (tag == TAG_DIVERGING && at != NULL && len >= 12)
			part->diverging = (int64_t)ab_wire_be64(at + 4); /* behind the epoch */
	}
}

bool ab_fetch_next(struct ab_fetch_answer *answer, struct ab_fetch_part *part)
{
	struct ab_wire *wire = &answer->wire;

	if (!find_parts(answer))
		return false;
	int32_t partition = ab_wire_i32(wire);
	*part = (struct ab_fetch_part){.partition = (uint16_t)partition, .diverging = -1};
	part->error = ab_wire_i16(wire);
	ab_wire_i64(wire); /* high watermark: above `stable`, which is what we may read */
	part->stable = ab_wire_i64(wire);
	part->log_start = ab_wire_i64(wire);
	part->aborted_count = ab_wire_count(wire);
	part->aborted = (uint8_t *)(uintptr_t)wire->at; /* ab_fetch_begin was given bytes that may be written */
	for (int64_t i = 0; i < part->aborted_count && !wire->failed; i++) {
		ab_wire_skip(wire, 16);
		ab_wire_skip_tags(wire);
	}
	part->aborted_bytes = (size_t)(wire->at - part->aborted);
	ab_wire_i32(wire); /* a replica that would rather be read */
	int64_t bytes = ab_wire_count(wire);
	part->records_bytes = bytes > 0 ? (size_t)bytes : 0;
	part->records = ab_wire_skip(wire, part->records_bytes);
	read_tags(wire, part);
	if (--answer->parts == 0)
		ab_wire_skip_tags(wire);
	if (partition < 0 || partition >= AB_PARTITIONS_MAX)
		wire->failed = true;
	return !wire->failed;
}
