/* loadgen/search.c — see search.h. */
#include "loadgen/search.h"

#include "loadgen/output.h"
#include "loadgen/plan.h"
#include "loadgen/stress.h"

/* Twenty batches a second, as in the last of the stages. */
#define INTERVAL_MS 50

/* Beyond it a batch is no statement any more. */
#define RATE_MAX ((double)AB_PLAN_BATCH_ROWS_MAX * 1000 / INTERVAL_MS)

struct trial {
	uint32_t batch_rows;
	int holds;
	char why[96];
};

struct search {
	struct ab_arguments arguments;
	const struct ab_settings *settings;
	struct trial trials[AB_SEARCH_TRIALS_MAX];
	uint32_t count;
	enum ab_exit code; /* AB_EXIT_OK: go on */
};

static double rate_of(uint32_t batch_rows)
{
	return batch_rows * 1000.0 / INTERVAL_MS;
}

static void explain(struct trial *trial, const struct ab_result *r)
{
	for (uint32_t i = 0; i < r->thresholds; i++) {
		if (!r->threshold[i].holds) {
			snprintf(trial->why, sizeof trial->why, "%.60s", r->threshold[i].threshold.text);
			return;
		}
	}
	if (!r->valid)
		snprintf(trial->why, sizeof trial->why, "not as planned: %.1f %% left late", r->stage[0].missed * 100);
}

static void judge(struct search *s, struct ab_stress *stress, struct trial *trial)
{
	struct ab_result *r = &stress->result;
	snprintf(r->verify.why, sizeof r->verify.why, "rates are searched for without it");
	ab_result_judge(r);
	trial->holds = r->passed && r->valid;
	explain(trial, r);
	if (trial->holds && !ab_output_all(r))
		s->code = AB_EXIT_REFUSED;
}

/* One rate. The sinks have nothing of the one before left: each ends with its drain. */
static void try_rate(struct search *s, uint32_t batch_rows)
{
	struct trial *trial = &s->trials[s->count++];
	struct ab_stress *stress = calloc(1, sizeof *stress);
	AB_ASSERT(stress != NULL);
	*trial = (struct trial){.batch_rows = batch_rows};
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
	} else if (ab_sender_stop_asked())
		s->code = AB_EXIT_CUT_SHORT;
	else
		judge(s, stress, trial);
	ab_stress_close(stress);
	free(stress);
}

static void show(const struct search *s, uint32_t best)
{
	printf("\nsearch: rows per second, in the order tried\n");
	for (uint32_t i = 0; i < s->count; i++)
		printf("  %10.0f  %s %s\n", rate_of(s->trials[i].batch_rows), s->trials[i].holds ? "holds" : "does not hold:",
			s->trials[i].why);
	if (best > 0)
		printf("the thresholds hold up to %.0f rows/s; its report is in %s\n", rate_of(best), s->arguments.out);
	else
		printf("the thresholds do not hold at any rate that was tried\n");
}

enum ab_exit ab_search(const struct ab_arguments *arguments, const struct ab_settings *settings)
{
	struct search *s = calloc(1, sizeof *s);
	AB_ASSERT(s != NULL);
	s->arguments = *arguments;
	s->settings = settings;
	uint32_t good = 0, bad = 0, next = AB_SEARCH_FIRST_RATE * INTERVAL_MS / 1000;
	for (int halvings = 0; s->code == AB_EXIT_OK && s->count < AB_SEARCH_TRIALS_MAX && halvings <= AB_SEARCH_HALVINGS;) {
		try_rate(s, next);
		if (s->code != AB_EXIT_OK)
			break;
		if (s->trials[s->count - 1].holds)
			good = next;
		else
			bad = next;
		if (bad == 0 && rate_of(2 * good) > RATE_MAX)
			break;
		next = bad == 0 ? 2 * good : (good + bad) / 2;
		halvings += bad != 0;
		if (bad != 0 && (next == good || next == 0))
			break;
	}
	show(s, good);
	enum ab_exit code = s->code != AB_EXIT_OK ? s->code : good > 0 ? AB_EXIT_OK : AB_EXIT_THRESHOLD;
	free(s);
	return code;
}
