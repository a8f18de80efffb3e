/* core/init.c — see init.h. */
#include "core/init.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/delivery.h"
#include "core/engine.h"
#include "core/format.h"
#include "core/position.h"
#include "core/sinks.h"
#include "io/kafka_admin.h"
#include "io/source.h"

#define MESSAGE_MARGIN_BYTES (1024 * 1024) /* a dead letter is the record with its headers */

struct init {
	const struct ab_config *config;
	struct ab_source *source;
	struct ab_park park;
	int partition_count;
	int64_t first[AB_PARTITIONS_MAX];
	struct ab_positions positions[AB_PARTITIONS_MAX];
	bool has_commit[AB_PARTITIONS_MAX];
	int64_t committed[AB_PARTITIONS_MAX];
	bool yes;
	char run_id[40];
	char commit_error[512];
};

static void on_log(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static void on_commit(void *arg, const char *error)
{
	struct init *init = arg;

	snprintf(init->commit_error, sizeof init->commit_error, "%s", error ? error : "");
}

static struct ab_source *open_group(struct init *init, const char *group)
{
	const struct ab_source_callbacks callbacks = {.on_log = on_log, .on_commit = on_commit, .arg = init};
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	struct ab_source *source = ab_source_open_private(init->config, init->config->events_topic, group, &callbacks,
							  &init->park, error);
	if (source == NULL)
		fprintf(stderr, "kafka: %s\n", error);
	return source;
}

static int first_of_group(struct init *init, const char *group)
{
	struct ab_committed committed[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	struct ab_source *source = open_group(init, group);
	int result = AB_EXIT_OK;

	if (source == NULL)
		return AB_EXIT_CONFIG;
	memset(committed, 0, sizeof committed);
	for (int p = 0; p < init->partition_count; p++)
		committed[p].partition = (uint16_t)p;
	if (!ab_source_committed(source, committed, init->partition_count, error)) {
		fprintf(stderr, "kafka: %s\n", error);
		result = AB_EXIT_UNAVAILABLE;
	}
	for (int p = 0; p < init->partition_count && result == AB_EXIT_OK; p++) {
		free(committed[p].metadata);
		init->first[p] = committed[p].offset;
		if (committed[p].offset < 0) {
			fprintf(stderr, "group %s has no offset for partition %d of %s: is the name right?\n", group, p,
				init->config->events_topic);
			result = AB_EXIT_CONFIG;
		}
	}
	ab_source_close(source);
	return result;
}

/* Milliseconds since 1970, or an ISO time. */
static bool parse_time(const char *from, int64_t *time_ms)
{
	char *end;
	int64_t epoch_us;

	*time_ms = strtoll(from, &end, 10);
	if (end != from && *end == 0 && *time_ms > 0)
		return true;
	if (ab_time_parse(from, strlen(from), &epoch_us) != AB_TIME_OK)
		return false;
	*time_ms = epoch_us / 1000;
	return true;
}

static int find_first(struct init *init, const char *from)
{
	int64_t time_ms = 0;

	if (strncmp(from, "group:", 6) == 0)
		return first_of_group(init, from + 6);
	bool earliest = strcmp(from, "earliest") == 0, latest = strcmp(from, "latest") == 0;
	if (!earliest && !latest && !parse_time(from, &time_ms)) {
		fprintf(stderr,
			"--from %s: want earliest, latest, group:NAME, or a time such as 2026-11-24T10:00:00Z\n", from);
		return AB_EXIT_USAGE;
	}
	for (int p = 0; p < init->partition_count; p++) {
		int64_t first, next;
		if (!ab_source_bounds(init->source, (uint16_t)p, &first, &next)) {
			fprintf(stderr, "kafka: the offsets of partition %d cannot be had\n", p);
			return AB_EXIT_UNAVAILABLE;
		}
		init->first[p] = earliest ? first
				 : latest ? next
					  : ab_source_offset_at(init->source, (uint16_t)p, time_ms);
		if (init->first[p] < 0)
			return AB_EXIT_UNAVAILABLE;
	}
	return AB_EXIT_OK;
}

static int load_committed(struct init *init)
{
	struct ab_committed committed[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];

	memset(committed, 0, sizeof committed);
	for (int p = 0; p < init->partition_count; p++)
		committed[p].partition = (uint16_t)p;
	if (!ab_source_committed(init->source, committed, init->partition_count, error)) {
		fprintf(stderr, "kafka: %s\n", error);
		return AB_EXIT_UNAVAILABLE;
	}
	int result = AB_EXIT_OK;
	for (int p = 0; p < init->partition_count; p++) {
		init->committed[p] = committed[p].offset;
		init->has_commit[p] = committed[p].offset >= 0;
		if (init->has_commit[p] && result == AB_EXIT_OK &&
		    ab_positions_read(&init->positions[p], committed[p].offset, committed[p].metadata) !=
			AB_POSITIONS_OK) {
			fprintf(
			    stderr,
			    "group %s has an offset in partition %d that this program did not commit: choose another "
			    "GROUP_ID, or delete the group first\n",
			    init->config->group_id, p);
			result = AB_EXIT_CONFIG;
		}
		free(committed[p].metadata);
	}
	return result;
}

/* Whether a sink had positions of its own, by the group's commit, and has lost them all. */
static bool was_emptied(struct init *init, const struct ab_sink_ops *ops, struct ab_sink *sink)
{
	static struct ab_sink_positions stored;
	char error[AB_SINK_ERROR_MAX_BYTES];
	bool known = false;

	for (int p = 0; p < init->partition_count; p++)
		known |= init->has_commit[p] && ab_positions_find(&init->positions[p], ops->name) != NULL;
	if (!known || !ops->stores_positions)
		return false;
	memset(&stored, 0xff, sizeof stored);
	return ops->positions(sink, init->partition_count, &stored, error) == AB_SINK_MISSING;
}

static int init_sink(struct init *init, int s)
{
	static struct ab_sink_positions first;
	const struct ab_sink_ops *ops = ab_sinks_ops(init->config, s);
	char error[AB_SINK_ERROR_MAX_BYTES] = "", note[AB_SINK_ERROR_MAX_BYTES] = "";
	struct ab_sink *sink = ops->create(init->config, error);

	if (sink == NULL) {
		fprintf(stderr, "%s: %s\n", ops->name, error);
		return AB_EXIT_CONFIG;
	}
	if (was_emptied(init, ops, sink) && !init->yes) {
		fprintf(stderr,
			"%s: its positions are gone, though group %s had committed some: it was emptied, or it is "
			"another one. Its "
			"counters are gone with them. `anabranch init --from earliest -y` counts again all that the "
			"topic holds\n",
			ops->name, init->config->group_id);
		ops->destroy(sink);
		return AB_EXIT_CONFIG;
	}
	first.lanes = ab_delivery_lanes(init->config, ops);
	snprintf(first.cluster, sizeof first.cluster, "%s", ab_source_cluster(init->source));
	for (int l = 0; l < first.lanes; l++) {
		for (int p = 0; p < init->partition_count; p++)
			first.position[l][p] = init->first[p];
	}
	enum ab_sink_status status = ops->init(sink, &first, init->partition_count, init->run_id, note, error);
	if (note[0])
		printf("%s: %s\n", ops->name, note);
	if (status == AB_SINK_OK)
		printf("%s: ready\n", ops->name);
	else
		fprintf(stderr, "%s: %s\n", ops->name, error);
	ops->destroy(sink);
	return status == AB_SINK_OK ? AB_EXIT_OK : status == AB_SINK_ABSENT ? AB_EXIT_UNAVAILABLE : AB_EXIT_CONFIG;
}

/* A sink without positions in a partition gets the first ones. Returns whether there is something to commit. */
static bool complete(struct init *init, int p)
{
	struct ab_positions *positions = &init->positions[p];
	bool changed = false;

	if (!init->has_commit[p]) {
		memset(positions, 0, sizeof *positions);
		positions->fingerprint.offset = -1;
		snprintf(positions->cluster, sizeof positions->cluster, "%s", ab_source_cluster(init->source));
	}
	for (int s = 0; s < ab_sinks_count(init->config); s++) {
		const struct ab_sink_ops *ops = ab_sinks_ops(init->config, s);
		if (ab_positions_find(positions, ops->name) != NULL || positions->sink_count == AB_SINKS_MAX)
			continue;
		struct ab_sink_position *sink = &positions->sink[positions->sink_count++];
		snprintf(sink->sink, sizeof sink->sink, "%s", ops->name);
		snprintf(sink->key, sizeof sink->key, "%s", ab_route_key_name(ab_sinks_key(init->config, ops)));
		sink->lanes = ab_delivery_lanes(init->config, ops);
		for (int l = 0; l < sink->lanes; l++)
			sink->next[l] = init->first[p];
		changed = true;
	}
	return changed;
}

static int commit(struct init *init)
{
	static char text[AB_PARTITIONS_MAX][AB_POSITION_TEXT_MAX_BYTES];
	struct ab_commit list[AB_PARTITIONS_MAX];
	int count = 0;

	for (int p = 0; p < init->partition_count; p++) {
		if (!complete(init, p))
			continue;
		int64_t offset = ab_positions_min(&init->positions[p]);
		AB_ASSERT(ab_positions_write(&init->positions[p], offset, text[p], sizeof text[p]) > 0);
		list[count++] = (struct ab_commit){.partition = (uint16_t)p, .offset = offset, .metadata = text[p]};
	}
	if (count == 0) {
		printf("kafka: group %s has positions already, they stay\n", init->config->group_id);
		return AB_EXIT_OK;
	}
	if (!ab_source_commit(init->source, list, count, true) || init->commit_error[0]) {
		fprintf(stderr,
			"kafka: the positions of group %s could not be committed: %s; is an engine of this group still "
			"running?\n",
			init->config->group_id, init->commit_error[0] ? init->commit_error : "no answer");
		return AB_EXIT_UNAVAILABLE;
	}
	printf("kafka: group %s begins at", init->config->group_id);
	for (int i = 0; i < count; i++)
		printf(" %d:%" PRId64, list[i].partition, list[i].offset);
	printf("\n");
	return AB_EXIT_OK;
}

static int create_dead_letter_topic(struct init *init)
{
	char error[512], max_bytes[32];

	snprintf(max_bytes, sizeof max_bytes, "%" PRId64, init->config->record_max_bytes + MESSAGE_MARGIN_BYTES);
	switch (ab_kafka_create_topic(init->config, init->config->dead_letter_topic, 1, max_bytes, error)) {
	case AB_TOPIC_CREATED:
		printf("kafka: topic %s created\n", init->config->dead_letter_topic);
		return AB_EXIT_OK;
	case AB_TOPIC_THERE:
		return AB_EXIT_OK;
	case AB_TOPIC_FAILED:
		fprintf(stderr, "kafka: topic %s: %s\n", init->config->dead_letter_topic, error);
		return AB_EXIT_UNAVAILABLE;
	}
	return AB_EXIT_BUG;
}

static int run_steps(struct init *init, const char *from)
{
	int result, worst = AB_EXIT_OK;

	init->partition_count = ab_source_partitions(init->source);
	if (init->partition_count <= 0 || init->partition_count > AB_PARTITIONS_MAX) {
		fprintf(stderr,
			init->partition_count == 0
			    ? "kafka: topic %s does not exist\n"
			    : "kafka: no answer, or more partitions than one engine holds (topic %s)\n",
			init->config->events_topic);
		return AB_EXIT_UNAVAILABLE;
	}
	if ((result = find_first(init, from)) != AB_EXIT_OK || (result = load_committed(init)) != AB_EXIT_OK ||
	    (result = create_dead_letter_topic(init)) != AB_EXIT_OK)
		return result;
	for (int s = 0; s < ab_sinks_count(init->config); s++) {
		result = init_sink(init, s);
		worst = worst == AB_EXIT_OK ? result : worst;
	}
	result = commit(init);
	return worst == AB_EXIT_OK ? result : worst;
}

int ab_init_run(const struct ab_config *config, const char *from, bool yes)
{
	static struct init init;
	uint64_t random[2];

	init.config = config;
	init.yes = yes;
	AB_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
	snprintf(init.run_id, sizeof init.run_id, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
	ab_park_create(&init.park);
	init.source = open_group(&init, config->group_id);
	int result = AB_EXIT_CONFIG;
	if (init.source != NULL) {
		result = run_steps(&init, from);
		ab_source_close(init.source);
	}
	ab_park_destroy(&init.park);
	return result;
}
