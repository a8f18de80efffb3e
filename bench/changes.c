/* bench/changes.c — see changes.h. */
#include "bench/changes.h"

#include <string.h>

#include "loadgen/random.h"

/* Numbers of our own kind; those of the generator are 1 to 4, and both may be used with one seed. */
#define STREAM_CHANGES ((enum ab_stream)64)

/* What one insert of this table adds to the log, about; only that it grows matters. */
#define LSN_FIRST INT64_C(26574208)
#define LSN_STEP INT64_C(376)

#define NEVER_UPDATED UINT32_MAX

struct ab_changes {
	struct ab_changes_plan plan;
	uint64_t number; /* of the next change */
	uint64_t rows;	 /* created so far */
	uint64_t live;	 /* and not deleted */
	uint32_t *updated_by; /* by row: the change that updated it last */
	uint8_t *deleted;     /* by row */
	uint32_t *created_by; /* by row: the change that created it */
};

struct ab_changes *ab_changes_create(const struct ab_changes_plan *plan)
{
	AB_ASSERT(plan->count <= AB_CHANGES_MAX && plan->contents > 0);
	AB_ASSERT(plan->update_percent + plan->delete_percent < 100);
	struct ab_changes *c = calloc(1, sizeof *c);
	AB_ASSERT(c != NULL);
	c->plan = *plan;
	c->updated_by = malloc((plan->count + 1) * sizeof *c->updated_by);
	c->created_by = malloc((plan->count + 1) * sizeof *c->created_by);
	c->deleted = calloc(plan->count + 1, 1);
	AB_ASSERT(c->updated_by != NULL && c->created_by != NULL && c->deleted != NULL);
	return c;
}

void ab_changes_destroy(struct ab_changes *c)
{
	free(c->updated_by);
	free(c->created_by);
	free(c->deleted);
	free(c);
}

/* A random row that is still there. Deleted ones are skipped upwards: a row behind a deleted one is a bit likelier. */
static uint64_t live_row(struct ab_changes *c, struct ab_random *r)
{
	AB_ASSERT(c->live > 0);
	uint64_t row = ab_random_below(r, c->rows);
	while (c->deleted[row])
		row = (row + 1) % c->rows;
	return row;
}

/* The row as it stands now: as created, then as its last update left it. */
static void fill(struct ab_changes *c, uint64_t row, struct ab_change *out)
{
	const struct ab_changes_plan *plan = &c->plan;
	ab_gen_event(plan->seed, row, plan->contents, &out->row);
	if (c->updated_by[row] != NEVER_UPDATED) {
		struct ab_gen_update update;
		ab_gen_update(plan->seed, c->updated_by[row], row, plan->contents, &update);
		out->row.device = update.device;
		out->row.duration_ms = update.duration_ms;
	}
	out->id = (int64_t)row + 1;
	out->event_us = plan->first_event_us + (int64_t)c->created_by[row] * plan->step_us;
}

enum ab_changes_result ab_changes_next(struct ab_changes *c, struct ab_change *out)
{
	const struct ab_changes_plan *plan = &c->plan;
	if (c->number == plan->count)
		return AB_CHANGES_END;
	struct ab_random r = ab_random_start(plan->seed, STREAM_CHANGES, c->number);
	uint64_t roll = ab_random_below(&r, 100);
	uint64_t row = c->rows;
	out->op = 'c';
	if (c->live > 0 && roll < plan->update_percent) {
		out->op = 'u';
		row = live_row(c, &r);
		c->updated_by[row] = (uint32_t)c->number;
	} else if (c->live > 0 && roll < plan->update_percent + plan->delete_percent) {
		out->op = 'd';
		row = live_row(c, &r);
		c->deleted[row] = 1;
		c->live--;
	} else {
		c->created_by[row] = (uint32_t)c->number;
		c->updated_by[row] = NEVER_UPDATED;
		c->rows++;
		c->live++;
	}
	fill(c, row, out);
	out->lsn = LSN_FIRST + (int64_t)c->number * LSN_STEP;
	out->commit_us = plan->first_event_us + (int64_t)c->number * plan->step_us;
	c->number++;
	return AB_CHANGES_ONE;
}
