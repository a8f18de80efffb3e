/* core/engine_commit.c — the group's offset: the least position of all sinks, with the exact ones in its metadata. */
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/cluster.h"
#include "core/engine.h"
#include "core/log.h"
#include "core/same_log.h"

/* Group offsets expire after seven days without a commit (offsets.retention.minutes): say the same again daily. */
#define RECOMMIT_NS (24 * 3600 * AB_NS_PER_S)
/* How long committed offsets are asked for: above what a broker takes to come back, far below max.poll.interval.ms. */
#define COMMITTED_WAIT_NS (60 * AB_NS_PER_S)

/* Exact positions of one sink in one partition: from its lanes while they run, else as last known. */
static bool sink_position(const struct ab_engine_sink *sink, uint16_t p, struct ab_sink_position *out)
{
	snprintf(out->sink, sizeof out->sink, "%s", sink->ops->name);
	snprintf(out->key, sizeof out->key, "%s", ab_route_key_name(sink->key));
	out->lanes = sink->lanes;
	for (int l = 0; l < sink->lanes; l++) {
		int64_t next = ab_lane_position(&sink->delivery.lane[l].lane, p);
		out->next[l] = next >= 0 ? next : sink->known.position[l][p];
		if (out->next[l] < 0)
			return false;
	}
	return true;
}

/* A sample becomes the fingerprint once everything up to it is committed. */
static void take_fingerprint(struct ab_engine *engine, uint16_t p, int64_t offset)
{
	struct ab_worker *worker = &engine->worker[p % engine->worker_count];

	if (atomic_load_explicit(&worker->sampled[p], memory_order_acquire) == 0) /* [W2] */
		return;
	if (worker->sample[p].offset >= offset)
		return;
	engine->fingerprint[p] = worker->sample[p];
	atomic_store_explicit(&worker->sampled[p], 0, memory_order_release); /* [W2] */
}

static void mirror(struct ab_engine *engine, const struct ab_engine_sink *sink)
{
	struct ab_commit commit[AB_PARTITIONS_MAX];
	char group[256];
	int count = 0;

	for (int i = 0; i < engine->partition_count; i++) {
		struct ab_sink_position position;
		uint16_t p = engine->partition[i];
		if (!sink_position(sink, p, &position))
			continue;
		commit[count].partition = p;
		commit[count].metadata = NULL;
		commit[count].offset = position.next[0];
		for (int l = 1; l < position.lanes; l++) {
			if (position.next[l] < commit[count].offset)
				commit[count].offset = position.next[l];
		}
		count++;
	}
	snprintf(group, sizeof group, "%s.%s", engine->config->group_id, sink->ops->name);
	if (count > 0)
		ab_source_commit_group(engine->member, group, commit, count);
}

static bool gather(struct ab_engine *engine, uint16_t p, struct ab_positions *positions)
{
	memset(positions, 0, sizeof *positions);
	snprintf(positions->cluster, sizeof positions->cluster, "%s", ab_source_cluster(engine->member));
	positions->sink_count = engine->sink_count;
	for (int s = 0; s < engine->sink_count; s++) {
		if (!sink_position(&engine->sink[s], p, &positions->sink[s]))
			return false;
	}
	return true;
}

void ab_engine_commit(struct ab_engine *engine, bool wait)
{
	struct ab_commit commit[AB_PARTITIONS_MAX];
	int count = 0;
	int64_t now_ns = ab_monotonic_ns();
	bool again = engine->commit_failed || now_ns - engine->committed_ns > RECOMMIT_NS;

	for (int i = 0; i < engine->partition_count; i++) {
		struct ab_positions positions;
		uint16_t p = engine->partition[i];
		if (!gather(engine, p, &positions))
			continue;
		int64_t offset = ab_positions_min(&positions);
		take_fingerprint(engine, p, offset);
		positions.fingerprint = engine->fingerprint[p];
		size_t len = ab_positions_write(&positions, offset, engine->saying[p], sizeof engine->saying[p]);
		AB_ASSERT(len > 0); /* AB_SINKS_MAX * AB_LANES_MAX deltas of 19 digits fit */
		if (!again && offset == engine->committed[p] && strcmp(engine->saying[p], engine->said[p]) == 0)
			continue;
		memcpy(engine->said[p], engine->saying[p], len + 1);
		commit[count++] = (struct ab_commit){.partition = p, .offset = offset, .metadata = engine->saying[p]};
	}
	if (count == 0)
		return;
	engine->commit_under_way = true;
	engine->commit_failed = false;
	engine->committed_ns = now_ns;
	if (!ab_source_commit(engine->member, commit, count, wait)) {
		/* Not begun, or no answer in time: on_commit may never come. */
		engine->commit_under_way = false;
		engine->commit_failed = true;
	} else {
		pthread_mutex_lock(&engine->mutex);
		for (int i = 0; i < count; i++)
			engine->committed[commit[i].partition] = commit[i].offset;
		pthread_mutex_unlock(&engine->mutex);
	}
	for (int s = 0; s < engine->sink_count; s++)
		mirror(engine, &engine->sink[s]);
}

static bool adopt_sink(struct ab_engine *engine, struct ab_engine_sink *sink, uint16_t p,
		       struct ab_positions *positions)
{
	struct ab_sink_position *stored =
	    (struct ab_sink_position *)(uintptr_t)ab_positions_find(positions, sink->ops->name);
	const char *key = ab_route_key_name(sink->key);

	if (stored == NULL) {
		ab_engine_fail(engine, AB_EXIT_CONFIG,
			       "%s has no position in partition %d: run `anabranch init` to give it one",
			       sink->ops->name, p);
		return false;
	}
	int old_lanes = stored->lanes;
	char old_key[AB_POSITION_NAME_MAX_BYTES];
	memcpy(old_key, stored->key, sizeof old_key);
	if (!sink->ops->stores_positions && ab_layout_fit(stored, sink->lanes, key) == AB_LAYOUT_REFUSED) {
		ab_engine_fail(
		    engine, AB_EXIT_CONFIG,
		    "%s has unfinished positions of %d lanes by %s, the configuration says %d by %s: start once with "
		    "the old values, let it catch up, stop it, then change them",
		    sink->ops->name, old_lanes, old_key, sink->lanes, key);
		return false;
	}
	for (int l = 0; l < sink->lanes; l++)
		sink->known.position[l][p] = l < stored->lanes ? stored->next[l] : stored->next[0];
	sink->known.lanes = sink->lanes;
	return true;
}

static bool adopt(struct ab_engine *engine, const struct ab_committed *one)
{
	struct ab_positions positions;
	const char *cluster = ab_source_cluster(engine->member);
	int64_t first, next;

	switch (ab_positions_read(&positions, one->offset, one->metadata)) {
	case AB_POSITIONS_OK:
		break;
	case AB_POSITIONS_NONE:
		ab_engine_fail(
		    engine, AB_EXIT_CONFIG,
		    "group %s has no positions for partition %d of %s: run `anabranch init` once (--from says where to "
		    "begin)",
		    engine->config->group_id, one->partition, engine->config->events_topic);
		return false;
	case AB_POSITIONS_FOREIGN:
		ab_engine_fail(
		    engine, AB_EXIT_CONFIG,
		    "the commit of group %s in partition %d was not made by this program (metadata \"%.60s\"): choose "
		    "another GROUP_ID, or delete the group and run `anabranch init`",
		    engine->config->group_id, one->partition, one->metadata);
		return false;
	}
	if (ab_other_cluster(positions.cluster, cluster)) {
		ab_engine_fail(
		    engine, AB_EXIT_CONFIG,
		    "positions are of Kafka cluster %s, this is %s: offsets of one mean nothing in the other; run "
		    "`anabranch init` with another GROUP_ID",
		    positions.cluster, cluster);
		return false;
	}
	/* A position below first is for its sinks' readers to find: retention overtook these sinks, and no others. */
	if (ab_source_bounds(engine->member, one->partition, &first, &next) && one->offset > next) {
		ab_engine_fail(engine, AB_EXIT_DATA,
			       "partition %d: the position is %" PRId64 ", but the topic holds %" PRId64 " to %" PRId64
			       ": it was truncated or created anew",
			       one->partition, one->offset, first, next);
		return false;
	}
	engine->fingerprint[one->partition] = positions.fingerprint;
	for (int s = 0; s < engine->sink_count; s++) {
		if (!adopt_sink(engine, &engine->sink[s], one->partition, &positions))
			return false;
	}
	for (int s = 0; s < positions.sink_count; s++) {
		bool known = false;
		for (int i = 0; i < engine->sink_count; i++)
			known |= strcmp(engine->sink[i].ops->name, positions.sink[s].sink) == 0;
		if (!known)
			ab_log("positions of sink %s are given up: it is not in SINKS any more",
			       positions.sink[s].sink);
	}
	return true;
}

static bool know_again(struct ab_engine *engine, const uint16_t *partition, int count)
{
	uint16_t other = 0;

	switch (ab_same_log(engine->config, engine->fingerprint, partition, count, &other)) {
	case AB_SAME_LOG_YES:
		return true;
	case AB_SAME_LOG_UNKNOWN:
		ab_log("kafka: the record by which partition %d would be known again cannot be read: whether it is still the "
		       "same log is not known",
		       other);
		return true;
	case AB_SAME_LOG_NO:
		break;
	}
	ab_engine_fail(engine, AB_EXIT_DATA,
		       "partition %d holds another record at offset %" PRId64
		       " than when it was delivered: %s was deleted and created anew, or restored. Positions mean nothing in it: "
		       "choose another GROUP_ID (and empty or rename what the sinks hold), then run `anabranch init`",
		       other, engine->fingerprint[other].offset, engine->config->events_topic);
	return false;
}

bool ab_engine_load_committed(struct ab_engine *engine, const uint16_t *partition, int count)
{
	struct ab_committed committed[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	bool ok = true;

	memset(committed, 0, sizeof committed);
	for (int i = 0; i < count; i++)
		committed[i].partition = partition[i];
	if (count == 0)
		return true;
	/* A coordinator that has just come back with its broker needs a moment, and the group waits for us meanwhile. */
	int64_t end_ns = ab_monotonic_ns() + COMMITTED_WAIT_NS;
	while (!ab_source_committed(engine->member, committed, count, error)) {
		for (int i = 0; i < count; i++) {
			free(committed[i].metadata);
			committed[i].metadata = NULL;
		}
		if (ab_engine_signals != 0)
			return false;
		if (ab_monotonic_ns() >= end_ns) {
			ab_engine_fail(engine, AB_EXIT_UNAVAILABLE, "%s", error);
			return false;
		}
		ab_log("kafka: %s; trying again", error);
		nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	}
	for (int i = 0; i < count; i++) {
		ok = ok && adopt(engine, &committed[i]);
		engine->committed[committed[i].partition] = committed[i].offset;
		free(committed[i].metadata);
	}
	return ok && know_again(engine, partition, count);
}
