/* monitor/scrape.h — one answer of /metrics, as numbers that can be asked for.
 *
 *     anabranch_sink_events_total{sink="redis",outcome="acked"} 4711
 *     name                        labels                        value
 *
 * Threads: any; a scrape belongs to its caller.
 * Memory:  a copy of the text and an array of samples; one scrape of an engine with three sinks has about 400.
 * Source:  Prometheus' text exposition format 0.0.4, of which an engine writes names, labels and values.
 */
#pragma once

#include "core/base.h"

/* An engine with 128 partitions and 7 sinks writes about 6,000 samples; more than this is not an engine. */
#define AB_SCRAPE_SAMPLES_MAX 65536

struct ab_sample {
	const char *name;
	const char *labels; /* between the braces; "" when there are none */
	double value;
};

struct ab_scrape {
	int64_t at_ns; /* monotonic: when it was asked for */
	char *text; /* samples point into it */
	struct ab_sample *sample;
	size_t count;
};

enum ab_scrape_result {
	AB_SCRAPE_OK,
	AB_SCRAPE_MALFORMED, /* no metrics: nothing was taken */
};

/* Copies the text. OK: free it with ab_scrape_free(). */
enum ab_scrape_result ab_scrape_parse(struct ab_scrape *scrape, const char *text, size_t len) AB_MUST_USE;
void ab_scrape_free(struct ab_scrape *scrape);

/* The sum of all samples of a name that carry the labels, each given as key="value"; NULL: any. NAN when there is none. */
double ab_scrape_sum(const struct ab_scrape *scrape, const char *name, const char *label, const char *other);

/* The value of one label of a sample, without its quotes; false when it has no such label or it does not fit. */
int ab_sample_label(const struct ab_sample *sample, const char *key, char *to, size_t room);

/* The least bucket bound (le) that holds the share q (0..1) of what a histogram counted between two scrapes; then may be
 * NULL: since the beginning. INFINITY: beyond the last bound. NAN: nothing was counted. */
double ab_scrape_quantile(const struct ab_scrape *now, const struct ab_scrape *then, const char *name,
			  const char *label, double q);
