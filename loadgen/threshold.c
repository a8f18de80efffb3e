/* loadgen/threshold.c — see threshold.h for the form. */
#include "loadgen/threshold.h"

const char *const ab_percentile_names[AB_PERCENTILES] = {"p50", "p90", "p99", "p99.9", "max"};
const uint32_t ab_percentile_ppm[AB_PERCENTILES] = {500000, 900000, 990000, 999000, 1000000};

static const struct measure {
	const char *name;
	enum ab_measure measure;
} MEASURES[] = {
	{"freshness", AB_MEASURE_FRESHNESS}, {"response", AB_MEASURE_RESPONSE}, {"searchable", AB_MEASURE_SEARCHABLE},
	{"commit", AB_MEASURE_COMMIT}, {"behind", AB_MEASURE_BEHIND}, {"missed", AB_MEASURE_MISSED},
	{"achieved", AB_MEASURE_ACHIEVED}, {"lost", AB_MEASURE_LOST}, {"duplicated", AB_MEASURE_DUPLICATED},
	{"drain", AB_MEASURE_DRAIN},
};

static const char *const SINKS[] = {"redis", "elasticsearch", "bigquery"};

uint64_t ab_percentile_samples(enum ab_percentile which)
{
	return which == AB_PMAX ? 1 : 1000000 / (1000000 - ab_percentile_ppm[which]);
}

int ab_measure_is_time(enum ab_measure measure)
{
	return measure <= AB_MEASURE_COMMIT;
}

int ab_measure_is_of_sink(enum ab_measure measure)
{
	return measure <= AB_MEASURE_SEARCHABLE || measure == AB_MEASURE_BEHIND;
}

int ab_measure_is_of_run(enum ab_measure measure)
{
	return measure >= AB_MEASURE_LOST;
}

enum parse_result { PARSED, NOT_THIS };

/* The words before the relation: [SINK.]MEASURE[.PERCENTILE]. */
static enum parse_result parse_name(struct ab_threshold *t, char *name)
{
	char *at = name;
	for (size_t i = 0; i < AB_COUNT(SINKS); i++) {
		size_t len = strlen(SINKS[i]);
		if (strncmp(at, SINKS[i], len) == 0 && at[len] == '.') {
			snprintf(t->sink, sizeof t->sink, "%s", SINKS[i]);
			at += len + 1;
			break;
		}
	}
	char *percentile = strchr(at, '.');
	if (percentile != NULL)
		*percentile++ = '\0';
	for (size_t i = 0; i < AB_COUNT(MEASURES); i++) {
		if (strcmp(at, MEASURES[i].name) != 0)
			continue;
		t->measure = MEASURES[i].measure;
		if (t->sink[0] != '\0' && !ab_measure_is_of_sink(t->measure))
			return NOT_THIS;
		if (!ab_measure_is_time(t->measure))
			return percentile == NULL ? PARSED : NOT_THIS;
		for (size_t p = 0; percentile != NULL && p < AB_PERCENTILES; p++) {
			if (strcmp(percentile, ab_percentile_names[p]) == 0) {
				t->percentile = (enum ab_percentile)p;
				return PARSED;
			}
		}
		return NOT_THIS;
	}
	return NOT_THIS;
}

/* A time in ms, a share, or a number: what the measure is counted in. */
static enum parse_result parse_limit(struct ab_threshold *t, const char *text)
{
	char *unit;
	if (*text < '0' || *text > '9')
		return NOT_THIS;
	t->limit = strtod(text, &unit);
	if (ab_measure_is_time(t->measure) || t->measure == AB_MEASURE_DRAIN) {
		if (strcmp(unit, "s") == 0)
			t->limit *= 1000;
		else if (strcmp(unit, "ms") != 0)
			return NOT_THIS;
		return PARSED;
	}
	if (t->measure == AB_MEASURE_MISSED || t->measure == AB_MEASURE_ACHIEVED) {
		if (strcmp(unit, "%") == 0)
			t->limit /= 100;
		else if (*unit != '\0')
			return NOT_THIS;
		return t->limit <= 1 ? PARSED : NOT_THIS;
	}
	return *unit == '\0' ? PARSED : NOT_THIS;
}

static enum parse_result parse(struct ab_threshold *t, const char *text)
{
	static const struct {
		const char *sign;
		enum ab_relation relation;
	} relations[] = {{"<=", AB_LESS_EQUAL}, {">=", AB_GREATER_EQUAL}, {"==", AB_EQUAL}, {"<", AB_LESS}, {">", AB_GREATER}};
	char copy[sizeof t->text];
	size_t len = 0;
	if (strlen(text) >= sizeof copy)
		return NOT_THIS;
	for (; *text != '\0'; text++)
		if (*text != ' ')
			copy[len++] = *text;
	copy[len] = '\0';
	char *stage = strchr(copy, '@');
	if (stage != NULL) {
		*stage++ = '\0';
		if (strlen(stage) >= sizeof t->stage || *stage == '\0')
			return NOT_THIS;
		snprintf(t->stage, sizeof t->stage, "%s", stage);
	}
	for (size_t i = 0; i < AB_COUNT(relations); i++) {
		char *sign = strstr(copy, relations[i].sign);
		if (sign == NULL)
			continue;
		*sign = '\0';
		t->relation = relations[i].relation;
		if (parse_name(t, copy) != PARSED || (t->stage[0] != '\0' && ab_measure_is_of_run(t->measure)))
			return NOT_THIS;
		return parse_limit(t, sign + strlen(relations[i].sign));
	}
	return NOT_THIS;
}

void ab_threshold_parse(struct ab_threshold *threshold, const char *text, struct ab_problems *problems)
{
	*threshold = (struct ab_threshold){0};
	if (parse(threshold, text) != PARSED) {
		ab_problem(problems,
			"--threshold: want [SINK.]MEASURE<LIMIT[@STAGE], such as freshness.p99<500ms, redis.response.max<2s, "
			"missed<1%%, achieved>=99%%, behind<1000@High or lost==0, got \"%s\"", text);
		return;
	}
	memcpy(threshold->text, text, strlen(text) + 1);
}

int ab_threshold_holds(const struct ab_threshold *t, double value)
{
	switch (t->relation) {
	case AB_LESS: return value < t->limit;
	case AB_LESS_EQUAL: return value <= t->limit;
	case AB_EQUAL: return value >= t->limit && value <= t->limit;
	case AB_GREATER_EQUAL: return value >= t->limit;
	case AB_GREATER: return value > t->limit;
	}
	return 0;
}
