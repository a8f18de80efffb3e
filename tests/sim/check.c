/* tests/sim/check.c — what must hold: at every commit, at every request, between any two steps, and at the end. See sim.h. */
#include <string.h>

#include "tests/sim/sim.h"

bool sim_durable(enum sim_sink sink, int p, int i)
{
	const struct sim_record *record = &sim.log[p].record[i];

	switch (record->fate[sink]) {
	case SIM_SKIP:
		return true;
	case SIM_DEAD:
		return sim.letter[sink][p][i] != 0;
	case SIM_APPLY:
		break;
	}
	switch (sink) {
	case SIM_REDIS:
		return sim.redis.applied[p][i] > 0;
	case SIM_BIGQUERY:
		return sim.warehouse.copies[p][i] > 0;
	case SIM_ELASTICSEARCH:
		return sim.search.version[record->id] >= record->lsn;
	}
	return false;
}

static void check_below(enum sim_sink sink, int p, int lane, int64_t next)
{
	const struct sim_partition *log = &sim.log[p];

	/* What Redis lost with a snapshot it says itself; the commit may be ahead of it. */
	if (sink == SIM_REDIS && sim.server[SIM_REDIS].rolled_back)
		return;
	for (int i = 0; i < log->produced && log->record[i].offset < next; i++) {
		const struct sim_record *record = &log->record[i];
		if (lane >= 0 && record->lane[sink] >= 0 && record->lane[sink] != lane)
			continue;
		if (!sim_durable(sink, p, i))
			sim_fail("committed: %s, lane %d has everything below %lld of %d, but %lld is not there",
				 sim_sink_names[sink], lane, (long long)next, p, (long long)record->offset);
	}
}

void sim_check_commit(int p, int64_t offset, const char *metadata)
{
	struct ab_positions positions;

	if (ab_positions_read(&positions, offset, metadata) != AB_POSITIONS_OK || positions.sink_count != SIM_SINKS)
		sim_fail("a commit that cannot be read back: %s", metadata);
	for (int s = 0; s < SIM_SINKS; s++) {
		const struct ab_sink_position *of = ab_positions_find(&positions, sim_sink_names[s]);
		if (of == NULL || of->lanes != sim.lanes[s])
			sim_fail("a commit without the lanes of %s: %s", sim_sink_names[s], metadata);
		check_below((enum sim_sink)s, p, -1, offset);
		for (int l = 0; l < of->lanes; l++) {
			if (of->next[l] < offset)
				sim_fail("committed %lld is above a position %lld", (long long)offset,
					 (long long)of->next[l]);
			check_below((enum sim_sink)s, p, l, of->next[l]);
		}
	}
}

/* Order: within a request by offset, and no batch after a later one, whatever was to be sent again. */
void sim_check_send(struct sim_engine *engine, const struct ab_delivery_lane *lane)
{
	const struct ab_batch *batch = lane->lane.sending;
	struct sim_watch *watch = &engine->watch[lane->owner->index][lane->index];
	int64_t first[SIM_PARTITIONS], last[SIM_PARTITIONS];

	memset(first, 0xff, sizeof first);
	memset(last, 0xff, sizeof last);
	for (uint32_t i = 0; i < batch->item_count; i++) {
		const struct ab_item *item = &batch->item[i];
		if (item->offset <= last[item->partition])
			sim_fail("%s, lane %d: a request with %lld of %d after %lld", lane->owner->ops->name, lane->index,
				 (long long)item->offset, item->partition, (long long)last[item->partition]);
		if (first[item->partition] < 0)
			first[item->partition] = item->offset;
		last[item->partition] = item->offset;
	}
	for (int p = 0; p < sim.partitions; p++) {
		if (first[p] < 0)
			continue;
		if (first[p] != watch->first[p] && first[p] <= watch->last[p])
			sim_fail("%s, lane %d: %lld of %d is sent after %lld", lane->owner->ops->name, lane->index,
				 (long long)first[p], p, (long long)watch->last[p]);
		watch->first[p] = first[p];
		watch->last[p] = last[p];
	}
}

/* --- structure: consumed = acked + dead + skipped + in flight, record by record ------------------------------------- */

static uint8_t in_batch[SIM_PARTITIONS][SIM_RECORDS], in_chunk[SIM_PARTITIONS][SIM_RECORDS];

static void mark(uint8_t mark_of[SIM_PARTITIONS][SIM_RECORDS], int sink, int lane, int p, int64_t offset)
{
	int i = sim_log_index(p, offset);

	if (i < 0)
		sim_fail("%s holds %d:%lld, where no record is", sim_sink_names[sink], p, (long long)offset);
	if (sim.log[p].record[i].lane[sink] != lane)
		sim_fail("%s: %d:%lld is in lane %d, and belongs to %d", sim_sink_names[sink], p, (long long)offset, lane,
			 sim.log[p].record[i].lane[sink]);
	mark_of[p][i]++;
}

static void mark_batch(const struct ab_batch *batch, int sink, int lane)
{
	for (uint32_t i = 0; i < batch->item_count; i++)
		mark(in_batch, sink, lane, batch->item[i].partition, batch->item[i].offset);
}

/* What the lane will take of a link: it drops what it has been given before. */
static void mark_link(const struct ab_link *link, const struct ab_lane *lane, int sink, int l)
{
	int64_t accepted[SIM_PARTITIONS];

	memcpy(accepted, lane->accepted, sizeof accepted);
	for (uint32_t at = link->full.head; at != link->full.tail; at++) {
		struct ab_chunk *chunk = link->full.slot[at & (AB_RING_SLOTS - 1)];
		struct ab_record *record = (struct ab_record *)chunk->bytes;
		for (uint32_t i = 0; i < chunk->record_count; i++, record = ab_record_next(record)) {
			if (record->offset >= accepted[record->partition])
				mark(in_chunk, sink, l, record->partition, record->offset);
		}
		for (uint32_t i = 0; i < chunk->range_count; i++) {
			const struct ab_range *range = &chunk->range[i];
			if (range->first > accepted[range->partition])
				sim_fail("%s, lane %d: a chunk begins at %lld of %d, above %lld", sim_sink_names[sink], l,
					 (long long)range->first, range->partition, (long long)accepted[range->partition]);
			if (range->next > accepted[range->partition])
				accepted[range->partition] = range->next;
		}
	}
}

/* The numbers that are shown: what a sink was given is acked, dead, under way or dropped, and never more than that. */
static void check_counts(const struct ab_engine *engine, int s)
{
	uint64_t given = 0, settled = 0, under_way = 0;

	for (int w = 0; w < engine->worker_count; w++)
		given += ab_count_get(&engine->worker[w].sink[s].events);
	for (int l = 0; l < engine->sink[s].lanes; l++) {
		const struct ab_delivery_lane *lane = &engine->sink[s].delivery.lane[l];
		bool counted = lane->lane.state == AB_LANE_DEAD_LETTERS; /* its batch is in acked already */
		settled += ab_count_get(&lane->counts.acked) + ab_count_get(&lane->counts.rejected);
		under_way += lane->lane.filling->item_count + (counted ? 0 : lane->lane.sending->item_count);
	}
	/* A letter is counted when it is sent, its batch's other records when all are settled. */
	for (int l = 0; l < engine->sink[s].lanes; l++) {
		const struct ab_batch *sending = engine->sink[s].delivery.lane[l].lane.sending;
		bool counted = engine->sink[s].delivery.lane[l].lane.state == AB_LANE_DEAD_LETTERS;
		for (uint32_t i = 0; i < sending->item_count && !counted; i++)
			under_way -= sending->item[i].outcome == AB_OUTCOME_REJECTED;
	}
	if (settled + under_way > given)
		sim_fail("%s was given %llu records: %llu are acked or dead, and %llu under way", sim_sink_names[s],
			 (unsigned long long)given, (unsigned long long)settled, (unsigned long long)under_way);
}

static void check_lane(const struct ab_engine *engine, int s, int l, uint16_t p)
{
	const struct ab_lane *lane = &engine->sink[s].delivery.lane[l].lane;
	const struct ab_link *link = &engine->worker[p % engine->worker_count].sink[s].link[l];
	int64_t position = ab_lane_position(lane, p), accepted = lane->accepted[p], covered = link->covered[p];

	if (position < 0 || position > accepted || accepted > covered)
		sim_fail("%s, lane %d, partition %d: position %lld, accepted %lld, given %lld", sim_sink_names[s], l, p,
			 (long long)position, (long long)accepted, (long long)covered);
	for (int i = 0; i < sim.log[p].produced; i++) {
		const struct sim_record *record = &sim.log[p].record[i];
		if (record->lane[s] != l)
			continue;
		bool held = record->offset >= position && record->offset < accepted;
		bool given = record->offset >= accepted && record->offset < covered;
		if (in_batch[p][i] != held || (given && in_chunk[p][i] != 1))
			sim_fail("%s, lane %d: %d:%lld is %d times in batches, %d times in chunks; position %lld, accepted "
				 "%lld, given %lld", sim_sink_names[s], l, p, (long long)record->offset, in_batch[p][i],
				 in_chunk[p][i], (long long)position, (long long)accepted, (long long)covered);
		/* What is below a position is there, unless its server has lost it. */
		if (record->offset < position && !sim_durable((enum sim_sink)s, p, i) &&
		    !(s == SIM_REDIS && sim.server[SIM_REDIS].rolled_back))
			sim_fail("%s, lane %d: position %lld of %d is above %lld, which is not there", sim_sink_names[s], l,
				 (long long)position, p, (long long)record->offset);
	}
}

void sim_check_structure(const struct sim_engine *of)
{
	const struct ab_engine *engine = of->engine;

	if (engine == NULL || of->in_control || !engine->assigned)
		return;
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].state != AB_STATE_RUNNING || engine->sink[s].reader < 0 ||
		    !engine->sink[s].delivery.running)
			continue;
		check_counts(engine, s);
		memset(in_batch, 0, sizeof in_batch);
		memset(in_chunk, 0, sizeof in_chunk);
		for (int l = 0; l < engine->sink[s].lanes; l++) {
			mark_batch(engine->sink[s].delivery.lane[l].lane.filling, s, l);
			mark_batch(engine->sink[s].delivery.lane[l].lane.sending, s, l);
			for (int w = 0; w < engine->worker_count; w++)
				mark_link(&engine->worker[w].sink[s].link[l],
					  &engine->sink[s].delivery.lane[l].lane, s, l);
		}
		for (int i = 0; i < engine->partition_count; i++) {
			for (int l = 0; l < engine->sink[s].lanes; l++)
				check_lane(engine, s, l, engine->partition[i]);
		}
	}
}

/* --- the end ----------------------------------------------------------------------------------------------------------- */

bool sim_check_delivered(enum sim_sink sink)
{
	for (int p = 0; p < sim.partitions; p++) {
		for (int i = 0; i < sim.log[p].count; i++) {
			if (i >= sim.log[p].produced || !sim_durable(sink, p, i))
				return false;
		}
	}
	return true;
}

static void check_record(int p, int i)
{
	const struct sim_record *record = &sim.log[p].record[i];
	long long offset = (long long)record->offset;

	for (int s = 0; s < SIM_SINKS; s++) {
		if (!sim_durable((enum sim_sink)s, p, i))
			sim_fail("the end: %s has lost %d:%lld", sim_sink_names[s], p, offset);
	}
	bool counts = record->fate[SIM_REDIS] == SIM_APPLY;
	if (sim.redis.applied[p][i] != counts)
		sim_fail("the end: redis counts %d:%lld %d times", p, offset, sim.redis.applied[p][i]);
	int copies = sim.warehouse.copies[p][i], late = sim.warehouse.late[p][i];
	if (copies > 0 && record->fate[SIM_BIGQUERY] != SIM_APPLY)
		sim_fail("the end: bigquery has %d:%lld, which it cannot have", p, offset);
	if (copies > 1 + late)
		sim_fail("the end: bigquery has %d:%lld %d times, of which %d came late", p, offset, copies, late);
}

static void check_document(int id)
{
	int64_t version = -1;
	bool deleted = false;

	for (int p = 0; p < sim.partitions; p++) {
		for (int i = 0; i < sim.log[p].count; i++) {
			const struct sim_record *record = &sim.log[p].record[i];
			if (record->id != id || record->fate[SIM_ELASTICSEARCH] != SIM_APPLY || record->lsn < version)
				continue;
			version = record->lsn;
			deleted = record->deletes;
		}
	}
	if (sim.search.version[id] != version || (version >= 0 && sim.search.deleted[id] != deleted))
		sim_fail("the end: document %d has version %lld, should have %lld", id, (long long)sim.search.version[id],
			 (long long)version);
}

void sim_check_end(void)
{
	for (int p = 0; p < sim.partitions; p++) {
		for (int i = 0; i < sim.log[p].count; i++)
			check_record(p, i);
	}
	for (int id = 0; id < sim.partitions * SIM_IDS; id++)
		check_document(id);
}
