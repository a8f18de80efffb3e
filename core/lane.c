/* core/lane.c — see lane.h for the states and the invariants. */
#include "core/lane.h"

#include <string.h>

#include "core/pages.h"

static void batch_create(struct ab_batch *batch, const struct ab_lane_limits *limits)
{
	memset(batch, 0, sizeof *batch);
	batch->item_max = limits->item_max;
	batch->bytes_max = limits->bytes_max;
	batch->item = ab_pages_take(batch->item_max * sizeof batch->item[0]);
	batch->bytes = ab_pages_take(batch->bytes_max + AB_COPY_STEP_BYTES);
	AB_ASSERT(batch->item != NULL && batch->bytes != NULL);
}

static void batch_clear(struct ab_batch *batch)
{
	batch->item_count = 0;
	batch->bytes_used = 0;
	batch->range_count = 0;
	batch->retry_after_ms = 0;
	batch->oldest_ns = 0;
}

void ab_lane_create(struct ab_lane *lane, const struct ab_lane_limits *limits)
{
	AB_ASSERT(limits->bytes_max >= AB_CHUNK_BYTES); /* an empty batch takes any chunk */
	AB_ASSERT(limits->item_max > 0 && limits->batch_size > 0);

	memset(lane, 0, sizeof *lane);
	lane->limits = *limits;
	batch_create(&lane->batch[0], limits);
	batch_create(&lane->batch[1], limits);
	ab_lane_reset(lane);
}

void ab_lane_destroy(struct ab_lane *lane)
{
	for (int i = 0; i < 2; i++) {
		struct ab_batch *batch = &lane->batch[i];
		ab_pages_give(batch->item, batch->item_max * sizeof batch->item[0]);
		ab_pages_give(batch->bytes, batch->bytes_max + AB_COPY_STEP_BYTES);
	}
}

size_t ab_lane_bytes(const struct ab_lane_limits *limits)
{
	return sizeof(struct ab_lane) +
	       2 * (ab_pages_bytes(limits->item_max * sizeof(struct ab_item)) + ab_pages_bytes(limits->bytes_max + AB_COPY_STEP_BYTES));
}

void ab_lane_reset(struct ab_lane *lane)
{
	lane->state = AB_LANE_IDLE;
	lane->filling = &lane->batch[0];
	lane->sending = &lane->batch[1];
	batch_clear(lane->filling);
	batch_clear(lane->sending);
	lane->due_ns = 0;
	lane->attempt = 0;
	lane->filling_full = false;
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		lane->accepted[p] = -1;
		atomic_store_explicit(&lane->position[p], -1, memory_order_release); /* [N1] */
	}
}

void ab_lane_begin(struct ab_lane *lane, uint16_t p, int64_t next)
{
	AB_ASSERT(p < AB_PARTITIONS_MAX && lane->accepted[p] < 0 && next >= 0);
	lane->accepted[p] = next;
	atomic_store_explicit(&lane->position[p], next, memory_order_release); /* [N1] */
}

/* Extends the batch's range of a partition, or begins it. */
static void cover(struct ab_batch *batch, uint16_t p, int64_t first, int64_t next)
{
	for (uint32_t i = 0; i < batch->range_count; i++) {
		if (batch->range[i].partition == p) {
			AB_ASSERT(batch->range[i].next == first);
			batch->range[i].next = next;
			return;
		}
	}
	AB_ASSERT(batch->range_count < AB_PARTITIONS_MAX);
	batch->range[batch->range_count++] = (struct ab_range){.partition = p, .first = first, .next = next};
}

/* By steps of which about as many are needed for each record of a sink, so that the processor foresees the last one
 * (PERFORMANCE.md row S-17). Up to a step more than len is read and written, less one: both sides have it to spare. */
static inline void copy(uint8_t *to, const uint8_t *from, size_t len)
{
	for (size_t at = 0; at < len; at += AB_COPY_STEP_BYTES)
		memcpy(to + at, from + at, AB_COPY_STEP_BYTES);
}

static void add(struct ab_batch *batch, struct ab_record *record)
{
	struct ab_item *item = &batch->item[batch->item_count++];

	*item = (struct ab_item){
	    .offset = record->offset,
	    .commit_ts_ms = record->commit_ts_ms,
	    .at = batch->bytes_used,
	    .len = record->len,
	    .partition = record->partition,
	    .outcome = AB_OUTCOME_PENDING,
	};
	copy(batch->bytes + batch->bytes_used, ab_record_bytes(record), record->len);
	batch->bytes_used += record->len;
}

enum ab_lane_take ab_lane_take(struct ab_lane *lane, struct ab_chunk *chunk, int64_t now_ns)
{
	struct ab_batch *batch = lane->filling;

	for (uint32_t i = 0; i < chunk->range_count; i++) {
		const struct ab_range *range = &chunk->range[i];
		if (lane->accepted[range->partition] < range->first)
			return AB_LANE_GAP;
	}
	if (batch->item_count + chunk->record_count > batch->item_max ||
	    batch->bytes_used + chunk->used_bytes > batch->bytes_max) {
		AB_ASSERT(batch->item_count > 0);
		lane->filling_full = true;
		return AB_LANE_FULL;
	}
	if (batch->range_count == 0)
		batch->oldest_ns = now_ns;

	struct ab_record *record = (struct ab_record *)chunk->bytes;
	for (uint32_t i = 0; i < chunk->record_count; i++, record = ab_record_next(record)) {
		if (record->offset >= lane->accepted[record->partition])
			add(batch, record);
		else
			lane->repeated++;
	}
	for (uint32_t i = 0; i < chunk->range_count; i++) {
		const struct ab_range *range = &chunk->range[i];
		int64_t *accepted = &lane->accepted[range->partition];
		if (range->next > *accepted) {
			cover(batch, range->partition, *accepted, range->next);
			*accepted = range->next;
		}
	}
	return AB_LANE_TAKEN;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static enum ab_lane_next next_when_idle(const struct ab_lane *lane, int64_t now_ns, int64_t *due_ns)
{
	const struct ab_batch *batch = lane->filling;
	const struct ab_lane_limits *limits = &lane->limits;

	if (batch->range_count == 0)
		return AB_LANE_WAIT;
	if (batch->item_count >= limits->batch_size || lane->filling_full || lane->draining)
		return AB_LANE_START;
	if (batch->item_count == 0 && !limits->stores_positions)
		return AB_LANE_START; /* costs no request */

	int64_t due = batch->oldest_ns + (batch->item_count > 0 ? limits->linger_ns : limits->cover_linger_ns);
	if (now_ns >= due)
		return AB_LANE_START;
	*due_ns = earlier(*due_ns, due);
	return AB_LANE_WAIT;
}

enum ab_lane_next ab_lane_next(const struct ab_lane *lane, int64_t now_ns, int64_t *due_ns)
{
	switch (lane->state) {
	case AB_LANE_IDLE:
		return next_when_idle(lane, now_ns, due_ns);
	case AB_LANE_IN_FLIGHT:
		return AB_LANE_WAIT;
	case AB_LANE_WAITING:
		if (now_ns >= lane->due_ns)
			return AB_LANE_SEND_AGAIN;
		*due_ns = earlier(*due_ns, lane->due_ns);
		return AB_LANE_WAIT;
	case AB_LANE_DEAD_LETTERS:
		if (ab_acks_upto(&lane->acks) == lane->dead_sent)
			return AB_LANE_SETTLE;
		return AB_LANE_WAIT;
	}
	return AB_LANE_WAIT;
}

/* Everything of the sending batch is settled: its offsets are durable. */
static void finish(struct ab_lane *lane)
{
	struct ab_batch *batch = lane->sending;

	for (uint32_t i = 0; i < batch->range_count; i++) {
		const struct ab_range *range = &batch->range[i];
		AB_ASSERT(range->next >= ab_lane_position(lane, range->partition));
		/* Release [N1]: control commits what it reads here. */
		atomic_store_explicit(&lane->position[range->partition], range->next, memory_order_release);
	}
	batch_clear(batch);
	lane->attempt = 0;
	lane->state = AB_LANE_IDLE;
}

bool ab_lane_start(struct ab_lane *lane)
{
	AB_ASSERT(lane->state == AB_LANE_IDLE && lane->sending->range_count == 0);

	struct ab_batch *batch = lane->filling;
	lane->filling = lane->sending;
	lane->sending = batch;
	lane->filling_full = false;
	if (batch->item_count == 0 && !lane->limits.stores_positions) {
		finish(lane);
		return false;
	}
	lane->state = AB_LANE_IN_FLIGHT;
	return true;
}

void ab_lane_resume(struct ab_lane *lane)
{
	AB_ASSERT(lane->state == AB_LANE_WAITING);
	lane->state = AB_LANE_IN_FLIGHT;
}

static void wait_backoff(struct ab_lane *lane, int64_t now_ns)
{
	int64_t wait_ns = (int64_t)lane->sending->retry_after_ms * 1000000;

	if (wait_ns == 0)
		wait_ns = ab_lane_backoff_ns(lane->attempt, lane->limits.jitter_seed + lane->attempt);
	lane->sending->retry_after_ms = 0;
	lane->attempt++;
	lane->due_ns = now_ns + wait_ns;
	lane->state = AB_LANE_WAITING;
}

enum ab_lane_state ab_lane_settle(struct ab_lane *lane, int64_t now_ns)
{
	AB_ASSERT(lane->state == AB_LANE_IN_FLIGHT || lane->state == AB_LANE_DEAD_LETTERS);

	bool again = false;
	for (uint32_t i = 0; i < lane->sending->item_count; i++) {
		struct ab_item *item = &lane->sending->item[i];
		if (item->outcome == AB_OUTCOME_RETRY) {
			item->outcome = AB_OUTCOME_PENDING;
			item->attempts++;
		}
		again |= item->outcome == AB_OUTCOME_PENDING;
	}
	if (again)
		wait_backoff(lane, now_ns);
	else if (ab_acks_upto(&lane->acks) != lane->dead_sent)
		lane->state = AB_LANE_DEAD_LETTERS;
	else
		finish(lane);
	return lane->state;
}

void ab_lane_outage(struct ab_lane *lane, int64_t now_ns)
{
	AB_ASSERT(lane->state == AB_LANE_IN_FLIGHT);
	wait_backoff(lane, now_ns);
}

void ab_lane_lost(struct ab_lane *lane, int64_t now_ns)
{
	if (lane->state != AB_LANE_IN_FLIGHT)
		return;
	/* The connection has a backoff of its own; a second one on top would only add to it. */
	lane->due_ns = now_ns;
	lane->state = AB_LANE_WAITING;
}

int64_t ab_lane_position(const struct ab_lane *lane, uint16_t p)
{
	return atomic_load_explicit(&lane->position[p], memory_order_acquire); /* [N1] */
}

uint32_t ab_lane_held(const struct ab_lane *lane)
{
	return lane->filling->item_count + lane->sending->item_count;
}

int64_t ab_lane_backoff_ns(uint32_t attempt, uint32_t seed)
{
	const int64_t first_ns = 100 * INT64_C(1000000), most_ns = 10 * INT64_C(1000000000);
	int64_t wait_ns = attempt >= 7 ? most_ns : first_ns << attempt;

	/* Knuth's multiplicative hash: the jitter only has to differ between lanes. */
	uint64_t part = ((uint64_t)seed * 2654435761u) & 0xffff;
	return wait_ns - (int64_t)((uint64_t)(wait_ns / 4) * part / 0xffff);
}
