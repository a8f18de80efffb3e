/* tests/sim/check.c — what must hold: at every commit, at every request, between any two steps, and at the end. See sim.h. */
#include <inttypes.h>
#include <string.h>

#include "tests/sim/sim.h"

/* Offsets are lost once, however often a sink begins anew before it has come behind the gap. */
static void check_lost_count(const struct sim_engine *engine, int s)
{
	uint64_t most = 0;

	if (engine->several_gaps)
		return; /* one that goes back over two gaps counts the earlier one again */
	for (int p = 0; p < SIM_PARTITIONS; p++)
		most += (uint64_t)(engine->told_to[s][p] - engine->told_from[s][p]);
	if (engine->engine->sink[s].lost_offsets > most)
		sim_fail("%s counts %" PRIu64 " lost offsets, and there are at most %" PRIu64, sim_sink_names[s],
			 engine->engine->sink[s].lost_offsets, most);
}

void sim_check_said(struct sim_engine *engine, const char *line)
{
	long long first, last;
	int s = 0, p;

	while (strncmp(line, sim_sink_names[s], strlen(sim_sink_names[s])) != 0)
		s++;
	while ((line = strstr(line, "partition ")) != NULL) {
		if (sscanf(line++, "partition %d: offsets %lld to %lld", &p, &first, &last) != 3 || first > last ||
		    last >= sim.log[p].first)
			sim_fail("told as lost, and is not: %s", line - 1);
		sim.tally.gaps++;
		int64_t *from = &engine->told_from[s][p], *to = &engine->told_to[s][p];
		engine->several_gaps |= *to > 0 && (first > *to || last + 1 < *from);
		if (*to == 0 || first < *from)
			*from = first;
		if (last >= *to)
			*to = last + 1;
		for (int i = 0; i < sim.log[p].count; i++) {
			if (sim.log[p].record[i].offset >= first && sim.log[p].record[i].offset <= last)
				sim.told[s][p][i] |= (uint8_t)(1 << (engine - sim.engine));
		}
	}
	check_lost_count(engine, s);
}

static bool was_told(const struct ab_engine *engine, int s, int p, int i)
{
	return sim.told[s][p][i] >> (sim_engine_of(engine) - sim.engine) & 1;
}

bool sim_durable(enum sim_sink sink, int p, int i)
{
	const struct sim_record *record = &sim.log[p].record[i];

	if (sim.told[sink][p][i] != 0)
		return true;
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

/* Of the batch that is sent: records whose outcome is in the accounts already. A letter is when it goes out, all others
 * when none of the batch is open any more. */
static int64_t noted(const struct ab_engine *engine, int s, uint16_t p)
{
	int64_t count = 0;

	for (int l = 0; l < engine->sink[s].lanes; l++) {
		const struct ab_lane *lane = &engine->sink[s].delivery.lane[l].lane;
		for (uint32_t i = 0; i < lane->sending->item_count; i++) {
			const struct ab_item *item = &lane->sending->item[i];
			count += item->partition == p && (lane->state == AB_LANE_DEAD_LETTERS || item->outcome == AB_OUTCOME_REJECTED);
		}
	}
	return count;
}

/* The accounts that are shown: consumed = acked + dead + skipped + in flight, and what is in flight is so by name. */
static void check_ledger(const struct ab_engine *engine, int s, uint16_t p)
{
	const struct ab_delivery_sink *delivery = &engine->sink[s].delivery;
	const struct ab_worker_sink *its = &engine->worker[p % engine->worker_count].sink[s];
	int64_t settled = (int64_t)(ab_count_get(&delivery->acked[p]) + ab_count_get(&delivery->dead[p]));
	int64_t in_flight = -noted(engine, s, p);
	bool told = false;

	for (int account = AB_LEDGER_DEAD; account < AB_LEDGER_COUNT; account++)
		settled += (int64_t)ab_count_get(&its->ledger[p][account]);
	for (int i = 0; i < sim.log[p].produced; i++) {
		const struct sim_record *record = &sim.log[p].record[i];
		int lane = record->lane[s];
		bool held = lane >= 0 && record->offset >= ab_lane_position(&delivery->lane[lane].lane, p);
		if (was_told(engine, s, p, i)) {
			told = true; /* gone before it was given: only what was in a chunk then is still consumed */
			continue;
		}
		in_flight += record->offset < its->consumed[p] && (held || record->offset >= its->through[p]);
	}
	int64_t consumed = (int64_t)ab_count_get(&its->ledger[p][AB_LEDGER_CONSUMED]);
	if (told ? consumed < settled + in_flight : consumed != settled + in_flight)
		sim_fail("%s, partition %d: %lld records consumed, of which %lld have an outcome and %lld are in flight",
			 sim_sink_names[s], p, (long long)consumed, (long long)settled, (long long)in_flight);
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
		if (record->lane[s] != l || was_told(engine, s, p, i))
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
			check_ledger(engine, s, engine->partition[i]);
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
	if (sim.redis.applied[p][i] != counts && !(sim.told[SIM_REDIS][p][i] && sim.redis.applied[p][i] == 0))
		sim_fail("the end: redis counts %d:%lld %d times", p, offset, sim.redis.applied[p][i]);
	int copies = sim.warehouse.copies[p][i], late = sim.warehouse.late[p][i];
	if (copies > 0 && record->fate[SIM_BIGQUERY] != SIM_APPLY)
		sim_fail("the end: bigquery has %d:%lld, which it cannot have", p, offset);
	if (copies > 1 + late)
		sim_fail("the end: bigquery has %d:%lld %d times, of which %d came late", p, offset, copies, late);
}

static void check_document(int id)
{
	int64_t version = -1, least = -1;
	bool deleted = false;

	for (int p = 0; p < sim.partitions; p++) {
		for (int i = 0; i < sim.log[p].count; i++) {
			const struct sim_record *record = &sim.log[p].record[i];
			if (record->id != id || record->fate[SIM_ELASTICSEARCH] != SIM_APPLY)
				continue;
			if (!sim.told[SIM_ELASTICSEARCH][p][i] && record->lsn > least)
				least = record->lsn;
			if (record->lsn < version)
				continue;
			version = record->lsn;
			deleted = record->deletes;
		}
	}
	if (sim.search.version[id] < version && sim.search.version[id] >= least)
		return; /* what is missing was told as lost */
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

void sim_check_wiped(void)
{
	for (int p = 0; p < sim.partitions; p++) {
		for (int i = 0; i < sim.log[p].count; i++) {
			if (sim.redis.applied[p][i] != 0)
				sim_fail("the end: redis was emptied, and counts %d:%lld anew", p,
					 (long long)sim.log[p].record[i].offset);
		}
	}
}
