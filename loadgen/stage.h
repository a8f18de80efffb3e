/* loadgen/stage.h — the stages of a stress test: a name, a batch, how often, for how long.
 *
 *     Baseline:1s:100:15s      100 rows every second for 15 seconds
 *
 * A file of stages has one such line each; empty lines and lines that begin with # are left out.
 *
 * Threads: any; pure but for the file. Memory: the caller's structs.
 */
#pragma once

#include "core/base.h"
#include "loadgen/text.h"

#define AB_STAGE_NAME_MAX_BYTES 32

/* More stages than a report can show side by side. */
#define AB_STAGES_MAX 32

struct ab_stage {
	char name[AB_STAGE_NAME_MAX_BYTES];
	int64_t interval_ms;
	uint32_t batch_rows;
	int64_t duration_ms;
};

struct ab_stages {
	struct ab_stage at[AB_STAGES_MAX];
	uint32_t count;
};

/* The five of old: 100, 1,000, 2,500, 5,000 and 10,000 rows a second, 15 seconds each. */
void ab_stages_default(struct ab_stages *stages);

/* Adds one; origin stands in the message. */
void ab_stages_add(struct ab_stages *stages, const char *origin, const char *text, struct ab_problems *problems);
void ab_stages_file(struct ab_stages *stages, const char *path, struct ab_problems *problems);

double ab_stage_rate(const struct ab_stage *stage);

/* "500ms", "1.5s", "2m" or seconds without a unit, in milliseconds. */
enum ab_text_result ab_stage_time_ms(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ms);
