/* loadgen/mix.c — see mix.h for how operations are chosen. */
#include "loadgen/mix.h"

#include "loadgen/random.h"

#define DELETED UINT32_MAX

_Static_assert((AB_MIX_ROWS & (AB_MIX_ROWS - 1)) == 0, "the window is a power of two");
_Static_assert(AB_MIX_ROWS > 2 * AB_PLAN_BATCH_ROWS_MAX, "a batch must not forget the rows it may pick");

void ab_mix_open(struct ab_mix *mix, uint64_t seed, const uint8_t percent[AB_MIX_KINDS])
{
	AB_ASSERT(percent[AB_MIX_CREATE] + percent[AB_MIX_UPDATE] + percent[AB_MIX_DELETE] == 100);
	*mix = (struct ab_mix){.seed = seed};
	for (int i = 0; i < AB_MIX_KINDS; i++)
		mix->percent[i] = percent[i];
	mix->touched = calloc(AB_MIX_ROWS, sizeof *mix->touched);
	AB_ASSERT(mix->touched != NULL);
}

void ab_mix_close(struct ab_mix *mix)
{
	free(mix->touched);
	mix->touched = NULL;
}

void ab_mix_begin_batch(struct ab_mix *mix)
{
	mix->batch++;
	AB_ASSERT(mix->batch != DELETED);
	mix->batch_first_row = mix->rows;
}

static uint32_t *touched(struct ab_mix *mix, uint64_t row)
{
	return &mix->touched[row & (AB_MIX_ROWS - 1)];
}

/* The oldest row whose place no row of this batch can have taken, however many it creates. */
static uint64_t oldest_row(const struct ab_mix *mix)
{
	uint64_t end = mix->batch_first_row + AB_PLAN_BATCH_ROWS_MAX;
	return end > AB_MIX_ROWS ? end - AB_MIX_ROWS : 0;
}

enum pick_result { PICK_FOUND, PICK_NONE };

static enum pick_result pick(struct ab_mix *mix, struct ab_random *r, uint64_t *row)
{
	uint64_t oldest = oldest_row(mix);
	if (oldest >= mix->batch_first_row)
		return PICK_NONE;
	for (int i = 0; i < AB_MIX_TRIES; i++) {
		*row = oldest + ab_random_below(r, mix->batch_first_row - oldest);
		uint32_t last = *touched(mix, *row);
		if (last != DELETED && last != mix->batch)
			return PICK_FOUND;
	}
	return PICK_NONE;
}

static enum ab_mix_kind draw_kind(const struct ab_mix *mix, struct ab_random *r)
{
	uint64_t draw = ab_random_below(r, 100);
	if (draw < mix->percent[AB_MIX_CREATE])
		return AB_MIX_CREATE;
	return draw < (uint64_t)mix->percent[AB_MIX_CREATE] + mix->percent[AB_MIX_UPDATE] ? AB_MIX_UPDATE : AB_MIX_DELETE;
}

struct ab_mix_operation ab_mix_next(struct ab_mix *mix)
{
	AB_ASSERT(mix->batch > 0);
	AB_ASSERT(mix->rows - mix->batch_first_row < AB_PLAN_BATCH_ROWS_MAX);
	struct ab_mix_operation op = {.number = mix->operations++};
	struct ab_random r = ab_random_start(mix->seed, AB_STREAM_MIX, op.number);
	op.kind = draw_kind(mix, &r);
	if (op.kind != AB_MIX_CREATE && pick(mix, &r, &op.row) == PICK_NONE) {
		mix->without_row++;
		op.kind = AB_MIX_CREATE;
	}
	if (op.kind == AB_MIX_CREATE)
		op.row = mix->rows++;
	*touched(mix, op.row) = op.kind == AB_MIX_DELETE ? DELETED : mix->batch;
	return op;
}
