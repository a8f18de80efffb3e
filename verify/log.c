/* verify/log.c — see log.h. */
#include "verify/log.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"

#define DRAIN      256
#define SILENCE_NS (60 * AB_NS_PER_S) /* brokers that restart are back by then */
#define NAP_NS     (20 * AB_NS_PER_MS)

static void on_log(void *arg, const char *text)
{
	(void)arg;
	ab_log("kafka: %s", text);
}

bool ab_verify_log_open(struct ab_verify_log *log, const struct ab_config *config, const char *topic, const char *group,
			char *error)
{
	const struct ab_source_callbacks callbacks = {.on_log = on_log, .arg = log};

	ab_park_create(&log->park);
	log->source = ab_source_open_private(config, topic, group, &callbacks, &log->park, error);
	if (log->source == NULL) {
		ab_park_destroy(&log->park);
		return false;
	}
	log->partition_count = ab_source_partitions(log->source);
	if (log->partition_count >= 0 && log->partition_count <= AB_PARTITIONS_MAX)
		return true;
	snprintf(error, AB_SOURCE_ERROR_MAX_BYTES,
		 log->partition_count < 0 ? "topic %.200s: no broker answers at %.200s"
					  : "topic %.200s has too many partitions",
		 topic, config->kafka_bootstrap_servers);
	ab_verify_log_close(log);
	return false;
}

void ab_verify_log_close(struct ab_verify_log *log)
{
	ab_source_close(log->source);
	ab_park_destroy(&log->park);
}

bool ab_verify_log_bounds(struct ab_verify_log *log, int64_t *first, int64_t *next, char *error)
{
	for (int p = 0; p < log->partition_count; p++) {
		if (!ab_source_bounds(log->source, (uint16_t)p, &first[p], &next[p])) {
			snprintf(error, AB_SOURCE_ERROR_MAX_BYTES, "the bounds of partition %d are not known", p);
			return false;
		}
	}
	return true;
}

struct reading {
	const int64_t *to;
	bool open[AB_PARTITIONS_MAX];
	int open_count;
	int64_t count, total;
	ab_verify_on_record *on_record;
	void *arg;
	char *error;
	bool failed;
};

static void finish(struct reading *reading, int p)
{
	if (reading->open[p]) {
		reading->open[p] = false;
		reading->open_count--;
	}
}

static void take(struct reading *reading, const struct ab_source_record *record)
{
	int p = record->partition;

	if (!reading->open[p])
		return;
	switch (record->kind) {
	case AB_RECORD_DATA:
		if (record->offset < reading->to[p]) {
			reading->on_record(reading->arg, record);
			reading->count++;
		}
		if (record->offset >= reading->to[p] - 1)
			finish(reading, p);
		return;
	case AB_RECORD_END:
		finish(reading, p);
		return;
	case AB_RECORD_LOST:
		snprintf(reading->error, AB_SOURCE_ERROR_MAX_BYTES,
			 "partition %d: %.300s (retention may have taken records meanwhile: try again)", p,
			 record->error ? record->error : "records are gone");
		reading->failed = true;
		return;
	case AB_RECORD_ERROR:
		ab_log("kafka: partition %d: %s", p, record->error ? record->error : "an error");
		return;
	}
}

static bool begin(struct ab_verify_log *log, struct reading *reading, const int64_t *from)
{
	uint16_t partition[AB_PARTITIONS_MAX];
	int64_t offset[AB_PARTITIONS_MAX];
	int count = 0;

	for (int p = 0; p < log->partition_count; p++) {
		if (from[p] >= reading->to[p])
			continue;
		partition[count] = (uint16_t)p;
		offset[count++] = from[p];
		reading->open[p] = true;
		reading->total += reading->to[p] - from[p];
	}
	reading->open_count = count;
	return count == 0 || ab_source_assign(log->source, partition, offset, count, reading->error);
}

bool ab_verify_log_read(struct ab_verify_log *log, const int64_t *from, const int64_t *to,
			ab_verify_on_record *on_record, void *arg, const char *what, char *error)
{
	struct reading reading = {.to = to, .on_record = on_record, .arg = arg, .error = error};
	struct ab_source_record record[DRAIN];
	int64_t heard_ns = ab_monotonic_ns();

	if (!begin(log, &reading, from))
		return false;
	while (reading.open_count > 0 && !reading.failed) {
		ab_source_poll(log->source, 0);
		int count = ab_source_drain(log->source, 0, record, DRAIN);
		for (int i = 0; i < count; i++) {
			if (!reading.failed)
				take(&reading, &record[i]);
			ab_source_release(&record[i]);
		}
		ab_verify_progress(what, reading.count, reading.total, false);
		if (count > 0) {
			heard_ns = ab_monotonic_ns();
			continue;
		}
		if (ab_monotonic_ns() - heard_ns > SILENCE_NS) {
			snprintf(error, AB_SOURCE_ERROR_MAX_BYTES, "Kafka has been silent for 60 s");
			reading.failed = true;
		}
		ab_park_sleep(&log->park, NAP_NS);
	}
	ab_verify_progress(what, reading.count, reading.total, true);
	ab_source_unassign(log->source);
	return !reading.failed;
}

bool ab_verify_committed(const struct ab_config *config, int partition_count, struct ab_committed_positions *positions,
			 char *error)
{
	struct ab_committed list[AB_PARTITIONS_MAX];
	struct ab_verify_log log;

	memset(positions, 0, sizeof *positions);
	memset(positions->bigquery.next, 0xff, sizeof positions->bigquery.next);
	memset(positions->elasticsearch.next, 0xff, sizeof positions->elasticsearch.next);
	/* The engine's own group, to ask and nothing more: no subscription, so no member. */
	if (!ab_verify_log_open(&log, config, config->events_topic, config->group_id, error))
		return false;
	memset(list, 0, sizeof list);
	for (int p = 0; p < partition_count; p++)
		list[p].partition = (uint16_t)p;
	bool read = ab_source_committed(log.source, list, partition_count, error);
	for (int p = 0; p < partition_count; p++) {
		if (read && list[p].offset >= 0) {
			positions->committed[p] = true;
			ab_verify_positions_read(&positions->bigquery, p, list[p].offset, list[p].metadata, "bigquery");
			ab_verify_positions_read(&positions->elasticsearch, p, list[p].offset, list[p].metadata,
						 "elasticsearch");
		}
		free(list[p].metadata);
	}
	ab_verify_log_close(&log);
	return read;
}
