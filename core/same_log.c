/* core/same_log.c — see same_log.h. */
#include "core/same_log.h"

#include <stdbool.h>

#include "core/clock.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/park.h"
#include "io/source.h"

#define DRAIN 64

struct look {
	const struct ab_fingerprint *print;
	bool wanted[AB_PARTITIONS_MAX];
	int open;	/* partitions without an answer */
	enum ab_same_log result;
	uint16_t *other;
};

static void on_log(void *arg, const char *text)
{
	(void)arg;
	ab_log_line(text);
}

static void answer(struct look *look, uint16_t p, enum ab_same_log result)
{
	look->wanted[p] = false;
	look->open--;
	/* NO is worse than UNKNOWN, and both are worse than YES. */
	if (result == AB_SAME_LOG_YES || look->result == AB_SAME_LOG_NO)
		return;
	look->result = result;
	*look->other = p;
}

static void compare(struct look *look, const struct ab_source_record *record)
{
	const struct ab_fingerprint *print = &look->print[record->partition];

	if (!look->wanted[record->partition] || record->kind == AB_RECORD_ERROR)
		return;
	if (record->kind != AB_RECORD_DATA || record->offset != print->offset)
		answer(look, record->partition, AB_SAME_LOG_UNKNOWN);	/* deleted since, by retention or compaction */
	else if (record->timestamp_ms == print->timestamp_ms &&
		 ab_crc32c(record->value, record->value ? record->value_len : 0) == print->crc)
		answer(look, record->partition, AB_SAME_LOG_YES);
	else
		answer(look, record->partition, AB_SAME_LOG_NO);
}

static void read_all(struct look *look, struct ab_source *source, struct ab_park *park)
{
	int64_t end_ns = ab_monotonic_ns() + AB_SAME_LOG_WAIT_MS * AB_NS_PER_MS;
	struct ab_source_record record[DRAIN];

	while (look->open > 0 && ab_monotonic_ns() < end_ns) {
		int count = ab_source_drain(source, 0, record, DRAIN);
		for (int i = 0; i < count; i++) {
			compare(look, &record[i]);
			ab_source_release(&record[i]);
		}
		ab_source_poll(source, 0);
		if (count == 0)
			ab_park_sleep(park, 20 * AB_NS_PER_MS);
	}
}

enum ab_same_log ab_same_log(const struct ab_config *config, const struct ab_fingerprint *print,
			     const uint16_t *partition, int count, uint16_t *other)
{
	const struct ab_source_callbacks callbacks = {.on_log = on_log};
	struct look look = {.print = print, .result = AB_SAME_LOG_YES, .other = other};
	uint16_t asked[AB_PARTITIONS_MAX];
	int64_t offset[AB_PARTITIONS_MAX];
	char group[256], error[AB_SOURCE_ERROR_MAX_BYTES];
	struct ab_park park;

	for (int i = 0; i < count; i++) {
		if (print[partition[i]].offset < 0)
			continue;
		asked[look.open] = partition[i];
		offset[look.open++] = print[partition[i]].offset;
		look.wanted[partition[i]] = true;
	}
	if (look.open == 0)
		return AB_SAME_LOG_YES;
	*other = asked[0];
	ab_park_create(&park);
	snprintf(group, sizeof group, "%s.fingerprint", config->group_id);
	struct ab_source *source =
	    ab_source_open_private(config, config->events_topic, group, &callbacks, &park, error);
	if (source == NULL || !ab_source_assign(source, asked, offset, look.open, error)) {
		ab_log("kafka: %s", error);
	} else {
		read_all(&look, source, &park);
	}
	if (source != NULL)
		ab_source_close(source);
	ab_park_destroy(&park);
	return look.open > 0 && look.result == AB_SAME_LOG_YES ? AB_SAME_LOG_UNKNOWN : look.result;
}
