/* loadgen/mix.h — which operation comes next: create a row, update one, delete one.
 *
 * Operations are numbered, and so are the rows they create. An update or delete picks a row of an earlier batch that is
 * still there, each of the last AB_MIX_ROWS rows as likely, and no row twice in a batch. Nothing here depends on the
 * database, on time or on the number of connections: the same seed gives the same operations on the same rows.
 *
 *     rows     0 ......... forgotten | ..x....x... may be picked ... | this batch
 *                                      (x: deleted)
 *
 * An operation that finds no row to change (at the start, or when nearly all are deleted) becomes a create, and is
 * counted as such.
 *
 * Threads: one. Memory: taken at start, 4 bytes x AB_MIX_ROWS.
 */
#pragma once

#include "core/base.h"
#include "loadgen/plan.h"

/* Rows that are remembered. A million is minutes at the highest rates and 13 MB here and in pg.h together. */
#define AB_MIX_ROWS (UINT64_C(1) << 20)

/* Draws before an operation gives up finding a row. With half of the rows deleted, 32 misses happen once in 4e9. */
#define AB_MIX_TRIES 32

enum ab_mix_kind { AB_MIX_CREATE, AB_MIX_UPDATE, AB_MIX_DELETE };
#define AB_MIX_KINDS 3

struct ab_mix_operation {
	enum ab_mix_kind kind;
	uint64_t number; /* of the operation */
	uint64_t row;	 /* created, updated or deleted */
};

struct ab_mix {
	uint64_t seed;
	uint8_t percent[AB_MIX_KINDS]; /* together 100 */
	uint64_t operations;
	uint64_t rows;		    /* created so far */
	uint64_t batch_first_row;   /* rows from here on were created in the current batch */
	uint32_t batch;		    /* 1, 2, … */
	uint64_t without_row;	    /* updates and deletes that became creates */
	uint32_t *touched;	    /* of row % AB_MIX_ROWS: the last batch that changed it, or deleted */
};

/* The three percentages together are 100. */
void ab_mix_open(struct ab_mix *mix, uint64_t seed, const uint8_t percent[AB_MIX_KINDS]);
void ab_mix_close(struct ab_mix *mix);

/* Before the first operation of each batch: rows created so far may be picked from now on. */
void ab_mix_begin_batch(struct ab_mix *mix);
struct ab_mix_operation ab_mix_next(struct ab_mix *mix);
