/* loadgen/changes.h — row changes as a database's log would hold them, one for each operation of mix.h.
 *
 * Rows are kept as numbers: which operation updated one last, and when it was created. All else is generated again when
 * a change needs the whole row.
 *
 * Threads: one. Memory: 18 bytes for each of AB_MIX_ROWS rows, taken at start.
 */
#pragma once

#include "loadgen/debezium.h"
#include "loadgen/mix.h"
#include "loadgen/target.h"

struct ab_changes {
	const struct ab_gen_source *source;
	int64_t first_id;
	int64_t first_event_us, step_us; /* event_ts of row n; step_us < 0: the time it is made at */
	uint64_t *updated_by; /* of row % AB_MIX_ROWS: the operation + 1 that updated it last; 0: none */
	int64_t *created_us;  /* of row % AB_MIX_ROWS */
	uint16_t *marked;     /* of row % AB_MIX_ROWS: its mark's content + 1 - AB_GEN_MARK_FIRST; 0: no mark */
	struct ab_gen_event *row, *before;
};

void ab_changes_open(struct ab_changes *changes, const struct ab_gen_source *source, int64_t first_id,
	int64_t first_event_us, int64_t step_us);
void ab_changes_close(struct ab_changes *changes);

/* The change that the next operation is; *out points to rows that the next call overwrites. mark: NULL, or what a create
 * becomes. now_us: since 1970, where times are not by plan. */
void ab_changes_make(struct ab_changes *changes, const struct ab_mix_operation *op, const struct ab_mark *mark,
	int64_t now_us, struct ab_change *out);
