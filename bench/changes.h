/* bench/changes.h — a stream of row changes as PostgreSQL would make them, in order.
 *
 * Change n of a seed depends on the changes before it (a deleted row stays deleted, a delete carries the last update),
 * so a stream is read from its beginning. Rows and contents are those of the generator: `anabranch-loadgen run
 * --seed S --seed-contents N --count 0` puts the same contents into PostgreSQL.
 *
 * Threads: one. Memory: 9 bytes per change, taken at creation.
 */
#pragma once

#include "loadgen/event.h"

/* Nine bytes each; a longer stream is made by several runs with different seeds. */
#define AB_CHANGES_MAX 200000000

struct ab_changes_plan {
	uint64_t seed;
	uint64_t count;		/* changes in all */
	uint64_t contents;	/* rows point to contents 0 .. contents-1 of the seed */
	uint32_t update_percent;
	uint32_t delete_percent;
	int64_t first_event_us; /* event_ts of the first change, since 1970, UTC */
	int64_t step_us;	/* between one change and the next */
};

struct ab_change {
	char op;	   /* c u d */
	int64_t id;	   /* primary key of the row */
	int64_t lsn;	   /* grows with every change */
	int64_t event_us;  /* when the row was created; updates keep it */
	int64_t commit_us; /* when this change was */
	struct ab_gen_event row;
};

struct ab_changes;

struct ab_changes *ab_changes_create(const struct ab_changes_plan *plan);
void ab_changes_destroy(struct ab_changes *changes);

enum ab_changes_result {
	AB_CHANGES_ONE, /* *out is the next change */
	AB_CHANGES_END,
};
enum ab_changes_result ab_changes_next(struct ab_changes *changes, struct ab_change *out);
