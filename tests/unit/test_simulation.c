/* tests/unit/test_simulation.c — 1,000 seeded schedules of lost replies, repeats, refusals and crashes.
 *
 * The real links, lanes and reader plan are driven by a scheduler that draws what happens next; the sinks are models:
 * one that keeps positions with its counts in one atomic step (as the Redis script), one that absorbs repeats by
 * identity and lives from the committed positions (as Elasticsearch). A failing seed replays exactly: put it in SEED.
 */
#include "core/lane.h"
#include "core/link.h"
#include "core/position.h"
#include "core/readers.h"

#include <criterion/criterion.h>
#include <string.h>

#define SCHEDULES  1000
#define PARTITIONS 2
#define RECORDS    300
#define SINKS      2
#define LANES      3

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
	/* splitmix64: one seed is one schedule. */
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

/* What survives a crash of the engine. */
static struct {
	int64_t stored[LANES][PARTITIONS]; /* sink 0's own positions */
	int applied[SINKS][PARTITIONS][RECORDS];
	int64_t committed[SINKS][LANES][PARTITIONS]; /* the commit's metadata */
	unsigned duplicates, crashes, lost;
} world;

/* What does not. */
static struct {
	struct ab_link link[SINKS][LANES];
	struct ab_lane lane[SINKS][LANES];
	bool in_flight[SINKS][LANES];
	int64_t next[SINKS][PARTITIONS]; /* each sink's reader; the same one when they share */
	int reader[SINKS];
	int64_t now_ns;
} engine;

static int lane_of(int p, int64_t offset)
{
	return (int)((offset * 7 + p) % LANES);
}

/* Some offsets hold no record: transaction markers, compaction. */
static bool is_hole(int p, int64_t offset)
{
	return (offset + p) % 11 == 5;
}

static void start_engine(void)
{
	struct ab_reader_sink at[SINKS] = {0};
	struct ab_reader_plan plan;

	for (int s = 0; s < SINKS; s++) {
		at[s].ready = true;
		for (int p = 0; p < AB_PARTITIONS_MAX; p++)
			at[s].next[p] = -1;
		for (int l = 0; l < LANES; l++) {
			ab_link_reset(&engine.link[s][l]);
			ab_lane_reset(&engine.lane[s][l]);
			engine.in_flight[s][l] = false;
			for (uint16_t p = 0; p < PARTITIONS; p++) {
				int64_t first = s == 0 ? world.stored[l][p] : world.committed[s][l][p];
				ab_lane_begin(&engine.lane[s][l], p, first);
				engine.link[s][l].covered[p] = first;
				if (at[s].next[p] < 0 || first < at[s].next[p])
					at[s].next[p] = first;
			}
		}
	}
	ab_readers_plan(at, SINKS, &plan);
	for (int s = 0; s < SINKS; s++) {
		engine.reader[s] = plan.reader[s];
		memcpy(engine.next[s], plan.start[plan.reader[s]], sizeof engine.next[s]);
	}
}

static void seal(int s, int l)
{
	static const uint16_t all[PARTITIONS] = {0, 1};

	if (engine.link[s][l].open != NULL || ab_link_room(&engine.link[s][l], 0, 1) != NULL)
		ab_link_seal(&engine.link[s][l], all, PARTITIONS, engine.next[s], engine.now_ns);
}

/* The worker: one record of partition p to both sinks, or to none. */
static void read_one(uint16_t p)
{
	int64_t offset = engine.next[0][p];
	struct ab_chunk *chunk[SINKS];

	if (offset >= RECORDS)
		return;
	for (int s = 0; s < SINKS && !is_hole(p, offset); s++) {
		struct ab_link *link = &engine.link[s][lane_of(p, offset)];
		chunk[s] = ab_link_room(link, 64, 5);
		if (chunk[s] == NULL && link->open != NULL) {
			seal(s, lane_of(p, offset));
			chunk[s] = ab_link_room(link, 64, 5);
		}
		if (chunk[s] == NULL)
			return; /* back-pressure */
	}
	for (int s = 0; s < SINKS; s++) {
		if (!is_hole(p, offset)) {
			struct ab_record *record = ab_link_record(chunk[s]);
			*record = (struct ab_record){.offset = offset, .len = 8, .partition = p};
			ab_link_append(chunk[s], record);
		}
		engine.next[s][p] = offset + 1;
	}
}

/* The first sink's script: all ranges as expected, all applied before, or nothing is touched. */
static enum { MODEL_OK, MODEL_DUP, MODEL_OTHER } check_positions(int l, const struct ab_batch *batch)
{
	uint32_t same = 0, behind = 0;

	for (uint32_t i = 0; i < batch->range_count; i++) {
		int64_t stored = world.stored[l][batch->range[i].partition];
		same += stored == batch->range[i].first;
		behind += stored >= batch->range[i].next;
	}
	if (same == batch->range_count)
		return MODEL_OK;
	return behind == batch->range_count ? MODEL_DUP : MODEL_OTHER;
}

static void apply(int s, int l)
{
	struct ab_batch *batch = engine.lane[s][l].sending;

	if (s == 0) {
		switch (check_positions(l, batch)) {
		case MODEL_OK:
			break;
		case MODEL_DUP:
			world.duplicates++;
			return;
		case MODEL_OTHER:
			cr_assert_fail("a batch overlaps what is stored: one owner, one order, so it cannot");
		}
		for (uint32_t i = 0; i < batch->range_count; i++)
			world.stored[l][batch->range[i].partition] = batch->range[i].next;
	}
	for (uint32_t i = 0; i < batch->item_count; i++) {
		int *applied = &world.applied[s][batch->item[i].partition][batch->item[i].offset];
		if (batch->item[i].outcome != AB_OUTCOME_PENDING)
			continue;
		if (s == 1 && *applied > 0)
			world.duplicates++; /* a version conflict */
		else
			(*applied)++;
	}
}

static void reply(int s, int l)
{
	struct ab_lane *lane = &engine.lane[s][l];
	uint32_t what = draw(10);

	engine.in_flight[s][l] = false;
	if (what == 0) { /* lost before it got there */
		ab_lane_lost(lane, engine.now_ns);
		world.lost++;
		return;
	}
	if (what == 1) { /* refused as a whole */
		ab_lane_outage(lane, engine.now_ns);
		return;
	}
	apply(s, l);
	if (what == 2) { /* applied, and the answer lost */
		ab_lane_lost(lane, engine.now_ns);
		world.lost++;
		return;
	}
	for (uint32_t i = 0; i < lane->sending->item_count; i++) {
		if (lane->sending->item[i].outcome == AB_OUTCOME_PENDING)
			lane->sending->item[i].outcome = s == 1 && draw(8) == 0 ? AB_OUTCOME_RETRY : AB_OUTCOME_ACKED;
	}
	ab_lane_settle(lane, engine.now_ns);
}

static void step_lane(int s, int l)
{
	struct ab_lane *lane = &engine.lane[s][l];
	int64_t due_ns = INT64_MAX;
	struct ab_chunk *chunk = ab_link_peek(&engine.link[s][l]);

	if (chunk != NULL && draw(2) == 0) {
		enum ab_lane_take taken = ab_lane_take(lane, chunk, engine.now_ns);
		cr_assert_neq(taken, AB_LANE_GAP);
		if (taken == AB_LANE_TAKEN)
			ab_link_release(&engine.link[s][l]);
	}
	if (engine.in_flight[s][l]) {
		reply(s, l);
		return;
	}
	switch (ab_lane_next(lane, engine.now_ns, &due_ns)) {
	case AB_LANE_START:
		engine.in_flight[s][l] = ab_lane_start(lane);
		return;
	case AB_LANE_SEND_AGAIN:
		ab_lane_resume(lane);
		engine.in_flight[s][l] = true;
		return;
	default:
		return;
	}
}

/* The control thread's commit: what the lanes say is durable, and nothing that is not. */
static void commit(void)
{
	for (int s = 0; s < SINKS; s++) {
		for (int l = 0; l < LANES; l++) {
			for (uint16_t p = 0; p < PARTITIONS; p++) {
				int64_t position = ab_lane_position(&engine.lane[s][l], p);
				cr_assert_geq(position, world.committed[s][l][p]);
				world.committed[s][l][p] = position;
			}
		}
	}
}

static void check_no_position_passes_a_missing_record(void)
{
	for (int s = 0; s < SINKS; s++) {
		for (int p = 0; p < PARTITIONS; p++) {
			for (int64_t o = 0; o < RECORDS; o++) {
				int l = lane_of(p, o);
				if (!is_hole(p, o) && world.committed[s][l][p] > o)
					cr_assert_eq(world.applied[s][p][o], 1);
			}
		}
	}
}

static bool finished(void)
{
	for (int s = 0; s < SINKS; s++) {
		for (int l = 0; l < LANES; l++) {
			for (uint16_t p = 0; p < PARTITIONS; p++) {
				if (ab_lane_position(&engine.lane[s][l], p) < RECORDS)
					return false;
			}
		}
	}
	return true;
}

static void run_schedule(uint64_t seed)
{
	int steps = 0;

	random_state = seed;
	memset(&world.stored, 0, sizeof world.stored);
	memset(&world.applied, 0, sizeof world.applied);
	memset(&world.committed, 0, sizeof world.committed);
	start_engine();
	while (!finished()) {
		cr_assert_lt(steps++, 200000, "seed %llu does not come to an end", (unsigned long long)seed);
		engine.now_ns += draw(20000000);
		uint32_t what = draw(1000);
		if (what < 500)
			read_one((uint16_t)draw(PARTITIONS));
		else if (what < 560)
			seal((int)draw(SINKS), (int)draw(LANES));
		else if (what < 980)
			step_lane((int)draw(SINKS), (int)draw(LANES));
		else if (what < 997)
			commit();
		else {
			world.crashes++;
			check_no_position_passes_a_missing_record();
			start_engine();
		}
	}
	commit();
	check_no_position_passes_a_missing_record();
	for (int s = 0; s < SINKS; s++) {
		for (int p = 0; p < PARTITIONS; p++) {
			for (int64_t o = 0; o < RECORDS; o++)
				cr_assert_eq(world.applied[s][p][o], is_hole(p, o) ? 0 : 1,
					     "seed %llu: sink %d %d:%lld applied %d times", (unsigned long long)seed, s,
					     p, (long long)o, world.applied[s][p][o]);
		}
	}
}

Test(simulation, every_record_takes_effect_once_in_a_thousand_schedules, .timeout = 300)
{
	const char *only = getenv("SEED");

	for (int s = 0; s < SINKS; s++) {
		for (int l = 0; l < LANES; l++) {
			const struct ab_lane_limits limits = {.batch_size = 6,
							      .item_max = 12,
							      .bytes_max = AB_CHUNK_BYTES,
							      .linger_ns = 30000000,
							      .cover_linger_ns = 60000000,
							      .stores_positions = s == 0};
			ab_link_create(&engine.link[s][l]);
			ab_lane_create(&engine.lane[s][l], &limits);
		}
	}
	for (uint64_t seed = 1; seed <= SCHEDULES; seed++)
		run_schedule(only != NULL ? strtoull(only, NULL, 10) : seed);
	/* Schedules in which nothing went wrong would prove nothing. */
	cr_assert_gt(world.crashes, 500);
	cr_assert_gt(world.lost, 1000);
	cr_assert_gt(world.duplicates, 1000);
}
