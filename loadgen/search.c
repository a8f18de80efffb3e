/* loadgen/search.c — see search.h. */
#include "loadgen/search.h"

#include "loadgen/output.h"
#include "loadgen/plan.h"
#include "loadgen/stress.h"

/* Twenty batches a second, as in the last of the stages. */
#define INTERVAL_MS 50

/* Beyond it a batch is no statement any more. */
#define RATE_MAX ((double)AB_PLAN_BATCH_ROWS_MAX * 1000 / INTERVAL_MS)

struct search {
	struct ab_arguments arguments;
	const struct ab_settings *settings;
	struct ab_search_trial trials[AB_SEARCH_TRIALS_MAX];
	uint32_t count;
	enum ab_exit code; /* AB_EXIT_OK: go on */
};

static double rate_of(uint32_t batch_rows)
{
	return batch_rows * 1000.0 / INTERVAL_MS;
}

/* Whether this trial of a rate that was not as planned is the second. */
static int again(const struct ab_search_trial *trial, uint32_t i)
{
	for (uint32_t j = 0; j < i; j++)
		if (trial[j].batch_rows == trial[i].batch_rows)
			return 1;
	return 0;
}

struct ab_search_state ab_search_state(const struct ab_search_trial *trial, uint32_t count)
{
	struct ab_search_state s = {.next = AB_SEARCH_FIRST_RATE * INTERVAL_MS / 1000};
	int halvings = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (trial[i].verdict == AB_SEARCH_NOT_AS_PLANNED && !again(trial, i)) {
			s.next = trial[i].batch_rows;
			continue;
		}
		if (trial[i].verdict == AB_SEARCH_HOLDS)
			s.good = trial[i].batch_rows;
		else
			s.bad = trial[i].batch_rows;
		s.next = s.bad == 0 ? 2 * s.good : (s.good + s.bad) / 2;
		halvings += s.bad != 0;
		if (halvings > AB_SEARCH_HALVINGS || (s.bad == 0 && rate_of(s.next) > RATE_MAX) || s.next == s.good)
			s.next = 0;
	}
	if (count == AB_SEARCH_TRIALS_MAX)
		s.next = 0;
	return s;
}

enum ab_search_verdict ab_search_verdict(int as_planned, int thresholds_hold)
{
	if (!as_planned)
		return AB_SEARCH_NOT_AS_PLANNED;
	return thresholds_hold ? AB_SEARCH_HOLDS : AB_SEARCH_CROSSED;
}

static const char *const verdicts[] = {
	[AB_SEARCH_HOLDS] = "holds", [AB_SEARCH_CROSSED] = "does not hold: ", [AB_SEARCH_NOT_AS_PLANNED] = "not as planned: "};

static void judge(struct search *s, struct ab_stress *stress, struct ab_search_trial *trial)
{
	struct ab_result *r = &stress->result;
	snprintf(r->verify.why, sizeof r->verify.why, "rates are searched for without it");
	ab_result_judge(r);
	trial->verdict = ab_search_verdict(r->valid, r->passed);
	if (trial->verdict == AB_SEARCH_NOT_AS_PLANNED)
		snprintf(trial->why, sizeof trial->why, "%s", r->stage[0].invalid);
	for (uint32_t i = 0; i < r->thresholds && trial->why[0] == '\0'; i++) {
		const struct ab_threshold_result *t = &r->threshold[i];
		char value[AB_OUTPUT_VALUE_BYTES];
		ab_output_value(t, value);
		if (!t->holds)
			snprintf(trial->why, sizeof trial->why, "%.60s: %s, %s", t->threshold.text, value, t->where);
	}
	fprintf(stderr, "search  %.0f rows/s: %s%s\n", rate_of(trial->batch_rows), verdicts[trial->verdict], trial->why);
	if (trial->verdict == AB_SEARCH_HOLDS && !ab_output_all(r))
		s->code = AB_EXIT_REFUSED;
}

/* One rate. The sinks have nothing of the one before left: each ends with its drain. */
static void try_rate(struct search *s, uint32_t batch_rows)
{
	struct ab_search_trial *trial = &s->trials[s->count];
	struct ab_stress *stress = calloc(1, sizeof *stress);
	AB_ASSERT(stress != NULL);
	*trial = (struct ab_search_trial){.batch_rows = batch_rows};
	s->arguments.stages.count = 1;
	s->arguments.stages.at[0].interval_ms = INTERVAL_MS;
	s->arguments.stages.at[0].batch_rows = batch_rows;
	snprintf(s->arguments.stages.at[0].name, sizeof s->arguments.stages.at[0].name, "%.0f-per-s", rate_of(batch_rows));
	fprintf(stderr, "search  %.0f rows/s\n", rate_of(batch_rows));
	enum ab_target_result result = ab_stress_open(stress, &s->arguments, s->settings);
	int opened = result == AB_TARGET_OK && !ab_sender_stop_asked();
	if (opened)
		result = ab_stress_stages(stress);
	if (result != AB_TARGET_OK) {
		fprintf(stderr, "error: %s\n", stress->sender.error);
		s->code = result == AB_TARGET_UNREACHABLE ? AB_EXIT_UNREACHABLE : AB_EXIT_REFUSED;
	} else if (ab_sender_stop_asked()) {
		s->code = AB_EXIT_CUT_SHORT;
	} else {
		judge(s, stress, trial);
		s->count++;
	}
	ab_stress_close(stress);
	free(stress);
}

/* What keeps the next higher rate from holding. */
static const struct ab_search_trial *limit(const struct search *s, uint32_t bad)
{
	uint32_t i = s->count;
	while (i > 0 && s->trials[i - 1].batch_rows != bad)
		i--;
	return i > 0 ? &s->trials[i - 1] : NULL;
}

static void show(const struct search *s, const struct ab_search_state *state)
{
	const struct ab_search_trial *above = limit(s, state->bad);
	printf("\nsearch: rows per second, in the order tried\n");
	for (uint32_t i = 0; i < s->count; i++)
		printf("  %10.0f  %s%s\n", rate_of(s->trials[i].batch_rows), verdicts[s->trials[i].verdict], s->trials[i].why);
	if (s->code != AB_EXIT_OK)
		printf("the search did not come to its end\n");
	if (state->good > 0)
		printf("the thresholds hold up to %.0f rows/s; its report is in %s\n", rate_of(state->good), s->arguments.out);
	else if (s->code == AB_EXIT_OK)
		printf("the thresholds do not hold at any rate that was tried\n");
	if (above != NULL && above->verdict == AB_SEARCH_NOT_AS_PLANNED)
		printf("above it the load itself could not be kept, twice: the limit is this machine or the target of the load, and what "
		       "the sinks could take is not known\n");
}

enum ab_exit ab_search(const struct ab_arguments *arguments, const struct ab_settings *settings)
{
	struct search *s = calloc(1, sizeof *s);
	AB_ASSERT(s != NULL);
	s->arguments = *arguments;
	s->settings = settings;
	struct ab_search_state state = ab_search_state(s->trials, 0);
	while (s->code == AB_EXIT_OK && state.next != 0) {
		try_rate(s, state.next);
		state = ab_search_state(s->trials, s->count);
	}
	show(s, &state);
	const struct ab_search_trial *above = limit(s, state.bad);
	enum ab_exit code = s->code;
	if (code == AB_EXIT_OK && state.good == 0)
		code = above != NULL && above->verdict == AB_SEARCH_NOT_AS_PLANNED ? AB_EXIT_NOT_AS_PLANNED : AB_EXIT_THRESHOLD;
	free(s);
	return code;
}
