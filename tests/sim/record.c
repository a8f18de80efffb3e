/* tests/sim/record.c — the records of the log, and what must become of each. See sim.h.
 *
 * A row's changes stand in one partition, with versions that go up. Every record has a minute of its own, so that a
 * window's count in Redis is that record's count.
 */
#include <string.h>

#include "core/decode.h"
#include "core/route.h"
#include "tests/sim/sim.h"

struct ab_uuid sim_content_id(int content)
{
	return (struct ab_uuid){.hi = UINT64_C(0x1111111122224333), .lo = UINT64_C(0x8444555555555500) + (uint64_t)content};
}

static void say_fate(struct sim_record *record, enum sim_fate redis, enum sim_fate others)
{
	record->fate[SIM_REDIS] = redis;
	record->fate[SIM_BIGQUERY] = record->fate[SIM_ELASTICSEARCH] = others;
}

static void write_row(struct sim_record *record, int p, int i, const char *op, bool has_ts, const char *device)
{
	int minute = p * SIM_RECORDS + i;
	char event_ts[64] = "null";

	if (has_ts)
		snprintf(event_ts, sizeof event_ts, "\"2026-11-23T%02d:%02d:12.5Z\"", minute / 60, minute % 60);
	record->len = (size_t)snprintf(
	    record->text, sizeof record->text,
	    "{\"id\":%d,\"content_id\":\"11111111-2222-4333-8444-5555555555%02x\",\"user_id\":\"99999999-8888-4777-8666-"
	    "5555555555%02x\",\"event_type\":\"play\",\"event_ts\":%s,\"duration_ms\":%d,\"device\":\"%s\",\"raw_payload\":"
	    "null,\"__deleted\":\"%s\",\"__op\":\"%s\",\"__table\":\"engagement_events\",\"__ts_ms\":%lld,\"__lsn\":%lld}",
	    record->id, (int)sim_draw(SIM_CONTENTS), (int)sim_draw(200), event_ts, (int)sim_draw(100000), device,
	    op[0] == 'd' ? "true" : "false", op, (long long)record->ts_ms, (long long)record->lsn);
	AB_ASSERT(record->len < sizeof record->text);
}

/* Where the record belongs, from its own bytes and nothing else. */
static void find_lanes(struct sim_record *record, int p)
{
	static struct ab_decoder *decoder;
	struct ab_event event;
	struct ab_reason reason;
	static const enum ab_route_key key[SIM_SINKS] = {AB_ROUTE_CONTENT_ID, AB_ROUTE_USER_ID, AB_ROUTE_ID};

	if (decoder == NULL)
		decoder = ab_decoder_create(SIM_TEXT_BYTES);
	ab_decoder_reset(decoder);
	event.partition = (uint16_t)p;
	bool is_event = record->value != NULL &&
			ab_decode_event(decoder, record->value, record->len, &event, &reason) == AB_DECODE_EVENT;
	/* One that no sink takes is found out by the worker, and never becomes a lane's. */
	bool for_none = record->fate[SIM_REDIS] == SIM_DEAD;
	for (int s = 0; s < SIM_SINKS; s++) {
		record->lane[s] = is_event && !for_none && record->fate[s] != SIM_SKIP
				      ? (int)ab_route_lane(&event, key[s], (uint32_t)sim.lanes[s])
				      : -1;
	}
}

void sim_record_make(int p, int i, int64_t offset)
{
	struct sim_record *record = &sim.log[p].record[i];
	uint32_t what = sim_draw(100);

	memset(record, 0, offsetof(struct sim_record, text));
	record->offset = offset;
	record->id = p * SIM_IDS + (int)sim_draw(SIM_IDS);
	record->lsn = 1000 + 10 * i;
	record->ts_ms = INT64_C(1795478400000) - (int64_t)sim_draw(4000);
	record->value = record->text;
	if (what < 68) {
		write_row(record, p, i, "c", true, "ios");
		say_fate(record, SIM_APPLY, SIM_APPLY);
	} else if (what < 76) {
		write_row(record, p, i, "u", true, "ios");
		say_fate(record, SIM_SKIP, SIM_APPLY);
	} else if (what < 82) {
		write_row(record, p, i, "d", true, "ios");
		say_fate(record, SIM_SKIP, SIM_APPLY);
		record->deletes = true;
	} else if (what < 86) {
		record->value = NULL;
	} else if (what < 90) {
		record->len = (size_t)snprintf(record->text, sizeof record->text, "{\"id\":%d,", record->id);
		say_fate(record, SIM_DEAD, SIM_DEAD);
	} else if (what < 93) {
		write_row(record, p, i, "c", false, "ios");
		say_fate(record, SIM_DEAD, SIM_DEAD);
	} else if (what < 97) {
		write_row(record, p, i, "c", true, "not-for-elasticsearch");
		say_fate(record, SIM_APPLY, SIM_APPLY);
		record->fate[SIM_ELASTICSEARCH] = SIM_DEAD;
	} else {
		write_row(record, p, i, "c", true, "not-for-bigquery");
		say_fate(record, SIM_APPLY, SIM_APPLY);
		record->fate[SIM_BIGQUERY] = SIM_DEAD;
	}
	find_lanes(record, p);
}
