/* tests/unit/test_loadgen_mix.c — the operations: same for the same seed, and each possible when its turn comes. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/mix.h"

#define BATCH 50

static const uint8_t MIXED[AB_MIX_KINDS] = {60, 25, 15};

struct row {
	uint8_t alive;
	uint64_t batch; /* that touched it last */
};

/* Follows the operations with a table of its own. */
static void follow(struct ab_mix *mix, struct row *rows, uint64_t batches, uint32_t batch_rows,
	uint64_t counts[AB_MIX_KINDS])
{
	for (uint64_t b = 1; b <= batches; b++) {
		ab_mix_begin_batch(mix);
		for (uint32_t i = 0; i < batch_rows; i++) {
			struct ab_mix_operation op = ab_mix_next(mix);
			counts[op.kind]++;
			if (op.kind == AB_MIX_CREATE)
				cr_assert_not(rows[op.row].alive);
			else
				cr_assert(rows[op.row].alive, "operation %llu changes row %llu, which is not there",
					(unsigned long long)op.number, (unsigned long long)op.row);
			cr_assert(op.kind == AB_MIX_CREATE || rows[op.row].batch < b, "a row is changed twice in a batch");
			rows[op.row] = (struct row){.alive = op.kind != AB_MIX_DELETE, .batch = b};
		}
	}
}

Test(loadgen_mix, only_rows_of_earlier_batches_that_are_still_there_are_changed_once_a_batch)
{
	struct ab_mix mix;
	uint64_t counts[AB_MIX_KINDS] = {0};
	struct row *rows = calloc(2000 * BATCH, sizeof *rows);
	ab_mix_open(&mix, 1, MIXED);
	follow(&mix, rows, 2000, BATCH, counts);
	cr_expect(counts[AB_MIX_UPDATE] > 24000 && counts[AB_MIX_UPDATE] < 26000);
	cr_expect(counts[AB_MIX_DELETE] > 14000 && counts[AB_MIX_DELETE] < 16000);
	cr_expect_eq(counts[AB_MIX_CREATE], mix.rows);
	ab_mix_close(&mix);
	free(rows);
}

Test(loadgen_mix, the_same_seed_gives_the_same_operations)
{
	struct ab_mix a, b;
	ab_mix_open(&a, 1, MIXED);
	ab_mix_open(&b, 1, MIXED);
	for (int batch = 0; batch < 100; batch++) {
		ab_mix_begin_batch(&a);
		ab_mix_begin_batch(&b);
		for (int i = 0; i < BATCH; i++) {
			struct ab_mix_operation x = ab_mix_next(&a), y = ab_mix_next(&b);
			cr_assert(x.kind == y.kind && x.row == y.row && x.number == y.number);
		}
	}
	ab_mix_close(&a);
	ab_mix_close(&b);
}

Test(loadgen_mix, the_first_batch_can_only_create)
{
	struct ab_mix mix;
	ab_mix_open(&mix, 1, (const uint8_t[]){0, 50, 50});
	ab_mix_begin_batch(&mix);
	for (int i = 0; i < BATCH; i++)
		cr_assert_eq(ab_mix_next(&mix).kind, AB_MIX_CREATE);
	cr_expect_eq(mix.without_row, BATCH);
	ab_mix_close(&mix);
}

Test(loadgen_mix, when_nothing_is_left_to_delete_rows_are_created)
{
	struct ab_mix mix;
	uint64_t counts[AB_MIX_KINDS] = {0};
	struct row *rows = calloc(2000 * BATCH, sizeof *rows);
	ab_mix_open(&mix, 1, (const uint8_t[]){0, 0, 100});
	follow(&mix, rows, 2000, BATCH, counts);
	cr_expect_gt(counts[AB_MIX_DELETE], 0);
	cr_expect_eq(counts[AB_MIX_CREATE], mix.without_row);
	ab_mix_close(&mix);
	free(rows);
}

Test(loadgen_mix, rows_beyond_the_window_are_forgotten_and_never_mistaken_for_new_ones)
{
	struct ab_mix mix;
	uint64_t counts[AB_MIX_KINDS] = {0};
	uint64_t batches = 2 * AB_MIX_ROWS / AB_PLAN_BATCH_ROWS_MAX;
	struct row *rows = calloc((batches + 1) * AB_PLAN_BATCH_ROWS_MAX, sizeof *rows);
	ab_mix_open(&mix, 1, (const uint8_t[]){90, 8, 2});
	follow(&mix, rows, batches, AB_PLAN_BATCH_ROWS_MAX, counts);
	cr_expect_gt(mix.rows, AB_MIX_ROWS);
	for (int i = 0; i < 1000; i++) {
		ab_mix_begin_batch(&mix);
		struct ab_mix_operation op = ab_mix_next(&mix);
		cr_assert(op.kind == AB_MIX_CREATE || op.row + AB_MIX_ROWS > mix.rows);
	}
	ab_mix_close(&mix);
	free(rows);
}

Test(loadgen_mix, creates_alone_touch_nothing_else)
{
	struct ab_mix mix;
	ab_mix_open(&mix, 1, (const uint8_t[]){100, 0, 0});
	ab_mix_begin_batch(&mix);
	for (uint64_t i = 0; i < 1000; i++) {
		struct ab_mix_operation op = ab_mix_next(&mix);
		cr_assert(op.kind == AB_MIX_CREATE && op.row == i);
	}
	ab_mix_close(&mix);
}
