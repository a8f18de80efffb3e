/* monitor/facts.c — see facts.h. Numbers of the engine are in facts_engine.c, the judgement in facts_judge.c. */
#include "monitor/facts.h"

#include <math.h>

#include "core/clock.h"

const char *ab_health_word(enum ab_health health)
{
	static const char *const words[] = {"OK", "IDLE", "BEHIND", "DEGRADED", "STALLED", "DOWN", "ASKING"};

	return words[health];
}

const char *ab_progress_word(enum ab_progress progress)
{
	static const char *const words[] = {"?", "OK", "WARN", "STOP"};

	return words[progress];
}

static void forget(struct ab_facts_history *history)
{
	for (int i = 0; i < history->count; i++)
		ab_scrape_free(&history->scrape[(history->first + i) % AB_FACTS_HISTORY]);
	history->first = 0;
	history->count = 0;
}

void ab_facts_begin(struct ab_facts_history *history)
{
	memset(history, 0, sizeof *history);
	for (int i = 0; i < AB_FACTS_SPARK; i++)
		history->spark_rate[i] = history->spark_p99[i] = NAN;
}

void ab_facts_end(struct ab_facts_history *history)
{
	forget(history);
}

void ab_facts_add(struct ab_facts_history *history, struct ab_scrape scrape)
{
	if (history->count > 0) {
		const struct ab_scrape *last =
		    &history->scrape[(history->first + history->count - 1) % AB_FACTS_HISTORY];
		if (ab_scrape_sum(last, "anabranch_start_time_seconds", NULL, NULL) !=
		    ab_scrape_sum(&scrape, "anabranch_start_time_seconds", NULL, NULL))
			forget(history);
	}
	if (history->count == AB_FACTS_HISTORY) {
		ab_scrape_free(&history->scrape[history->first]);
		history->first = (history->first + 1) % AB_FACTS_HISTORY;
		history->count--;
	}
	history->scrape[(history->first + history->count++) % AB_FACTS_HISTORY] = scrape;
}

static void push(double *points, double value)
{
	memmove(points, points + 1, (AB_FACTS_SPARK - 1) * sizeof points[0]);
	points[AB_FACTS_SPARK - 1] = value;
}

/* The engine's new answer, if there is one. */
static bool take_engine(struct ab_facts_history *history, struct ab_facts_watches *watches, struct ab_facts *facts)
{
	struct ab_scrape scrape;

	facts->engine = ab_watch_copy(&watches->engine, &history->pages);
	if (facts->engine.count == history->engine_count)
		return false;
	history->engine_count = facts->engine.count;
	if (ab_scrape_parse(&scrape, history->pages.metrics, history->pages.metrics_len) != AB_SCRAPE_OK)
		return false;
	scrape.at_ns = history->pages.at_ns;
	ab_facts_add(history, scrape);
	return true;
}

/* Changes a second over the window, from PostgreSQL's own statistics; these reach the view about twice a second. */
static void take_postgres(struct ab_facts_history *history, struct ab_facts_watches *watches, struct ab_facts *facts)
{
	facts->postgres = ab_watch_copy(&watches->postgres, &facts->postgres_said);
	facts->rows_per_s = NAN;
	if (facts->postgres.count != history->postgres_answers) {
		history->postgres_answers = facts->postgres.count;
		if (history->postgres_count == AB_FACTS_HISTORY) {
			history->postgres_first = (history->postgres_first + 1) % AB_FACTS_HISTORY;
			history->postgres_count--;
		}
		history->postgres[(history->postgres_first + history->postgres_count++) % AB_FACTS_HISTORY] =
		    facts->postgres_said;
	}
	for (int i = 0; i < history->postgres_count && facts->postgres.answers; i++) {
		const struct ab_postgres_answer *then =
		    &history->postgres[(history->postgres_first + i) % AB_FACTS_HISTORY];
		int64_t age_ns = facts->postgres_said.at_ns - then->at_ns;
		double rows = facts->postgres_said.changed_rows - then->changed_rows;
		if (age_ns <= 0 || age_ns > AB_FACTS_WINDOW_S * AB_NS_PER_S || rows < 0)
			continue;
		facts->rows_per_s = rows * 1e9 / (double)age_ns;
		break;
	}
}

void ab_facts_take(struct ab_facts_history *history, struct ab_facts_watches *watches, const struct ab_config *config,
		   struct ab_facts *facts)
{
	memset(facts, 0, sizeof *facts);
	facts->wall_ms = ab_wall_ms();
	bool news = take_engine(history, watches, facts);
	take_postgres(history, watches, facts);
	facts->connect = ab_watch_copy(&watches->connect, &facts->connect_said);
	facts->kafka = ab_watch_copy(&watches->kafka, &facts->kafka_said);
	facts->redis = ab_watch_copy(&watches->redis, &facts->redis_said);
	ab_facts_of_engine(history, history->pages.ready, config, facts);
	if (news) {
		push(history->spark_rate, facts->read_per_s);
		push(history->spark_p99, facts->freshness_p99_s);
	}
	memcpy(facts->spark_rate, history->spark_rate, sizeof facts->spark_rate);
	memcpy(facts->spark_p99, history->spark_p99, sizeof facts->spark_p99);
	ab_facts_judge(facts);
}
