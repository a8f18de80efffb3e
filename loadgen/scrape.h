/* loadgen/scrape.h — reads the engine's /metrics ten times a second: what each sink has taken, and what that costs.
 *
 * Threads: one of its own; the series belong to it until ab_scrape_stop() has returned, ab_scrape_now() may be called by
 * any. Memory: grows by 200 bytes a scrape.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "loadgen/curve.h"
#include "loadgen/settings.h"
#include "loadgen/web.h"

#define AB_SCRAPE_PERIOD_NS INT64_C(100000000)

#define AB_SINKS_MAX 4
#define AB_SINK_NAME_BYTES 24

/* One reading, counted from the first one of the engine's life where it is a counter. */
struct ab_scraped {
	int64_t ns; /* the answer arrived; 0: none yet */
	uint32_t sinks;
	char name[AB_SINKS_MAX][AB_SINK_NAME_BYTES];
	double settled[AB_SINKS_MAX]; /* records with an outcome: acked, rejected, skipped */
	double rejected[AB_SINKS_MAX];
	double duplicates[AB_SINKS_MAX];
	double errors[AB_SINKS_MAX];
	double up[AB_SINKS_MAX];
	double lag; /* records between the group's offset and the log's end */
	double cpu_s, rss_bytes, start_time_s;
	double contents;
};

struct ab_scrape {
	struct ab_web web;
	char url[2200];
	struct ab_scraped first;
	struct ab_curve settled[AB_SINKS_MAX]; /* since first */
	struct ab_scraped *series;
	size_t used, room;
	uint32_t restarts; /* the engine's, meanwhile */
	double before_restart[AB_SINKS_MAX];
	uint64_t failures; /* scrapes without an answer */
	char error[320];
	pthread_t thread;
	pthread_mutex_t lock; /* of now */
	struct ab_scraped now;
	_Atomic int stopping; /* relaxed: the join orders everything */
};

/* One scrape at once; 0: the engine does not answer, error says why. */
int ab_scrape_start(struct ab_scrape *scrape, const struct ab_settings *settings);
/* Begins to count from what is there now. */
void ab_scrape_begin(struct ab_scrape *scrape);
void ab_scrape_now(struct ab_scrape *scrape, struct ab_scraped *now);
void ab_scrape_stop(struct ab_scrape *scrape);
void ab_scrape_free(struct ab_scrape *scrape);

/* The text of /metrics; pure. */
void ab_scrape_read(const char *text, struct ab_scraped *out);
