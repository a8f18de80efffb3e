/* loadgen/stage.c — see stage.h for what a stage is. */
#include "loadgen/stage.h"

#include <ctype.h>
#include <errno.h>

#include "loadgen/plan.h"

#define INTERVAL_MAX_MS INT64_C(3600000)
#define DURATION_MAX_MS INT64_C(86400000)

void ab_stages_default(struct ab_stages *stages)
{
	*stages = (struct ab_stages){.count = 5,
		.at = {{"Baseline", 1000, 100, 15000}, {"Low", 500, 500, 15000}, {"Medium", 200, 500, 15000},
			{"High", 100, 500, 15000}, {"Extreme", 50, 500, 15000}}};
}

enum ab_text_result ab_stage_time_ms(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ms)
{
	char number[32];
	size_t len = strspn(text, "0123456789.");
	const char *unit = text + len;
	int64_t value;
	if (len >= sizeof number)
		return AB_TEXT_INVALID;
	memcpy(number, text, len);
	number[len] = '\0';
	/* In thousandths of the unit: of a second that is what is wanted. */
	if (ab_text_milli(number, 0, INT64_C(1000000000000), &value) != AB_TEXT_OK)
		return AB_TEXT_INVALID;
	if (strcmp(unit, "ms") == 0)
		value = (value + 999) / 1000;
	else if (strcmp(unit, "m") == 0)
		value *= 60;
	else if (*unit != '\0' && strcmp(unit, "s") != 0)
		return AB_TEXT_INVALID;
	if (value < min_ms || value > max_ms)
		return AB_TEXT_INVALID;
	*ms = value;
	return AB_TEXT_OK;
}

enum parse_result { PARSED, NO_STAGE };

static enum parse_result parse(struct ab_stage *stage, const char *text)
{
	char copy[128], *field[4], *at = copy;
	uint64_t rows;
	if (strlen(text) >= sizeof copy)
		return NO_STAGE;
	memcpy(copy, text, strlen(text) + 1);
	for (size_t i = 0; i < AB_COUNT(field); i++)
		if ((field[i] = strsep(&at, ":")) == NULL)
			return NO_STAGE;
	size_t name_len = strlen(field[0]);
	if (at != NULL || name_len == 0 || name_len >= sizeof stage->name)
		return NO_STAGE;
	/* The name stands in thresholds, in JSON and in HTML. */
	for (size_t i = 0; i < name_len; i++)
		if (!isalnum((unsigned char)field[0][i]) && strchr("-_.", field[0][i]) == NULL)
			return NO_STAGE;
	if (ab_stage_time_ms(field[1], 1, INTERVAL_MAX_MS, &stage->interval_ms) != AB_TEXT_OK ||
		ab_text_count(field[2], 1, AB_PLAN_BATCH_ROWS_MAX, &rows) != AB_TEXT_OK ||
		ab_stage_time_ms(field[3], 1, DURATION_MAX_MS, &stage->duration_ms) != AB_TEXT_OK)
		return NO_STAGE;
	memcpy(stage->name, field[0], name_len + 1);
	stage->batch_rows = (uint32_t)rows;
	return PARSED;
}

void ab_stages_add(struct ab_stages *stages, const char *origin, const char *text, struct ab_problems *problems)
{
	struct ab_stage stage;
	if (parse(&stage, text) != PARSED) {
		ab_problem(problems, "%s: want NAME:INTERVAL:ROWS:DURATION, such as High:100ms:500:15s, got \"%s\"", origin,
			text);
		return;
	}
	if (stages->count == AB_STAGES_MAX) {
		ab_problem(problems, "%s: more than %d stages", origin, AB_STAGES_MAX);
		return;
	}
	for (uint32_t i = 0; i < stages->count; i++)
		if (strcmp(stages->at[i].name, stage.name) == 0)
			ab_problem(problems, "%s: there are two stages named %s", origin, stage.name);
	stages->at[stages->count++] = stage;
}

void ab_stages_file(struct ab_stages *stages, const char *path, struct ab_problems *problems)
{
	char line[256], origin[512];
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		ab_problem(problems, "--stages: %s: %s", path, strerror(errno));
		return;
	}
	for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		snprintf(origin, sizeof origin, "%s:%u", path, number);
		ab_stages_add(stages, origin, line, problems);
	}
	fclose(file);
	if (stages->count == 0)
		ab_problem(problems, "--stages: %s: there is no stage in it", path);
}

double ab_stage_rate(const struct ab_stage *stage)
{
	return stage->batch_rows * 1000.0 / (double)stage->interval_ms;
}
