/* loadgen/changes.c — see changes.h. */
#include "loadgen/changes.h"

#include "loadgen/content.h"

/* What one insert of this table adds to the log, about; only that it grows matters. */
#define LSN_FIRST INT64_C(26574208)
#define LSN_STEP  INT64_C(376)

#define PLACE(row) ((row) & (AB_MIX_ROWS - 1))

void ab_changes_open(struct ab_changes *c, const struct ab_gen_source *source, int64_t first_id, int64_t first_event_us,
	int64_t step_us)
{
	*c = (struct ab_changes){
		.source = source, .first_id = first_id, .first_event_us = first_event_us, .step_us = step_us};
	c->updated_by = calloc(AB_MIX_ROWS, sizeof *c->updated_by);
	c->created_us = calloc(AB_MIX_ROWS, sizeof *c->created_us);
	c->marked = calloc(AB_MIX_ROWS, sizeof *c->marked);
	c->row = malloc(sizeof *c->row);
	c->before = malloc(sizeof *c->before);
	AB_ASSERT(c->updated_by != NULL && c->created_us != NULL && c->marked != NULL && c->row != NULL && c->before != NULL);
}

void ab_changes_close(struct ab_changes *c)
{
	free(c->updated_by);
	free(c->created_us);
	free(c->marked);
	free(c->row);
	free(c->before);
}

/* The row as its last update left it. */
static void fill(const struct ab_changes *c, uint64_t row, struct ab_gen_event *out)
{
	ab_gen_event(c->source, row, out);
	if (c->marked[PLACE(row)] != 0)
		ab_gen_event_mark(c->source, AB_GEN_MARK_FIRST + c->marked[PLACE(row)] - 1, out);
	if (c->updated_by[PLACE(row)] != 0) {
		struct ab_gen_update update;
		ab_gen_update(c->source, c->updated_by[PLACE(row)] - 1, row, &update);
		out->device = update.device;
		out->duration_ms = update.duration_ms;
	}
}

void ab_changes_make(struct ab_changes *c, const struct ab_mix_operation *op, const struct ab_mark *mark, int64_t now_us,
	struct ab_change *out)
{
	uint64_t place = PLACE(op->row);
	if (op->kind == AB_MIX_CREATE) {
		c->updated_by[place] = 0;
		c->marked[place] = mark != NULL ? (uint16_t)(mark->content - AB_GEN_MARK_FIRST + 1) : 0;
		c->created_us[place] = c->step_us < 0 ? now_us : c->first_event_us + (int64_t)op->row * c->step_us;
		if (mark != NULL)
			c->created_us[place] = mark->event_us;
	}
	if (op->kind == AB_MIX_UPDATE) {
		fill(c, op->row, c->before);
		c->updated_by[place] = op->number + 1;
	}
	fill(c, op->row, c->row);
	*out = (struct ab_change){.op = "cud"[op->kind], .id = c->first_id + (int64_t)op->row,
		.lsn = LSN_FIRST + (c->first_id - 1 + (int64_t)op->number) * LSN_STEP,
		.event_us = c->created_us[place],
		.commit_us = c->step_us < 0 ? now_us : c->first_event_us + (int64_t)op->number * c->step_us,
		.row = c->row, .before = c->before};
}
