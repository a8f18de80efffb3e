/* loadgen/scrape.c — see scrape.h. */
#include "loadgen/scrape.h"

#include <time.h>

#include "loadgen/clock.h"

/* The value of label name="…" within the braces; 0: it is not there. */
static int label(const char *line, const char *end, const char *name, char *to, size_t room)
{
	char wanted[48];
	snprintf(wanted, sizeof wanted, "%s=\"", name);
	const char *at = memmem(line, (size_t)(end - line), wanted, strlen(wanted));
	if (at == NULL)
		return 0;
	at += strlen(wanted);
	size_t len = strcspn(at, "\"");
	snprintf(to, room, "%.*s", (int)len, at);
	return 1;
}

static uint32_t sink_of(struct ab_scraped *s, const char *name)
{
	uint32_t i = 0;
	while (i < s->sinks && strcmp(s->name[i], name) != 0)
		i++;
	if (i == s->sinks && s->sinks < AB_SINKS_MAX)
		snprintf(s->name[s->sinks++], AB_SINK_NAME_BYTES, "%s", name);
	return i;
}

static int is(const char *line, const char *name)
{
	size_t len = strlen(name);
	return strncmp(line, name, len) == 0 && (line[len] == '{' || line[len] == ' ');
}

static void read_sink(struct ab_scraped *out, const char *line, const char *end, double value)
{
	char name[AB_SINK_NAME_BYTES], outcome[32] = "";
	if (!label(line, end, "sink", name, sizeof name))
		return;
	uint32_t i = sink_of(out, name);
	if (i == AB_SINKS_MAX)
		return;
	if (is(line, "anabranch_sink_events_total") && label(line, end, "outcome", outcome, sizeof outcome)) {
		if (strcmp(outcome, "acked") == 0 || strcmp(outcome, "rejected") == 0 || strcmp(outcome, "skipped") == 0)
			out->settled[i] += value;
		if (strcmp(outcome, "rejected") == 0)
			out->rejected[i] += value;
	} else if (is(line, "anabranch_duplicates_total"))
		out->duplicates[i] += value;
	else if (is(line, "anabranch_sink_errors_total"))
		out->errors[i] += value;
	else if (is(line, "anabranch_sink_up"))
		out->up[i] = value;
}

static void read_line(struct ab_scraped *out, const char *line, const char *end)
{
	const char *space = memrchr(line, ' ', (size_t)(end - line));
	if (*line == '#' || space == NULL)
		return;
	double value = strtod(space + 1, NULL);
	if (strncmp(line, "anabranch_sink_", 15) == 0 || is(line, "anabranch_duplicates_total"))
		read_sink(out, line, end, value);
	else if (is(line, "anabranch_source_lag_messages"))
		out->lag += value > 0 ? value : 0;
	else if (is(line, "anabranch_start_time_seconds"))
		out->start_time_s = value;
	else if (is(line, "anabranch_contents"))
		out->contents = value;
	else if (is(line, "process_cpu_seconds_total"))
		out->cpu_s = value;
	else if (is(line, "process_resident_memory_bytes"))
		out->rss_bytes = value;
}

void ab_scrape_read(const char *text, struct ab_scraped *out)
{
	*out = (struct ab_scraped){0};
	while (*text != '\0') {
		const char *end = strchrnul(text, '\n');
		read_line(out, text, end);
		text = *end == '\0' ? end : end + 1;
	}
}

/* Counters begin anew when the engine does: what was counted before is added. */
static void keep(struct ab_scrape *s, struct ab_scraped *now)
{
	const struct ab_scraped *last = s->used > 0 ? &s->series[s->used - 1] : &s->first;
	if (now->start_time_s > last->start_time_s + 0.5) {
		s->restarts++;
		for (uint32_t i = 0; i < s->first.sinks; i++)
			s->before_restart[i] = last->settled[i];
	}
	for (uint32_t i = 0; i < s->first.sinks && i < now->sinks; i++) {
		now->settled[i] += s->before_restart[i];
		double since = now->settled[i] - s->first.settled[i];
		ab_curve_add(&s->settled[i], now->ns, since > 0 ? (uint64_t)since : 0);
	}
	if (s->used == s->room) {
		s->room = s->room == 0 ? 1024 : 2 * s->room;
		s->series = realloc(s->series, s->room * sizeof *s->series);
		AB_ASSERT(s->series != NULL);
	}
	s->series[s->used++] = *now;
}

static int scrape(struct ab_scrape *s, struct ab_scraped *out)
{
	if (!ab_web_ask(&s->web, s->url, NULL)) {
		snprintf(s->error, sizeof s->error, "%s", s->web.error);
		return 0;
	}
	if (s->web.status != 200) {
		snprintf(s->error, sizeof s->error, "%.200s: status %ld", s->url, s->web.status);
		return 0;
	}
	ab_scrape_read(s->web.answer, out);
	out->ns = ab_lg_now_ns();
	return 1;
}

static void *work(void *arg)
{
	struct ab_scrape *s = arg;
	int64_t due = ab_lg_now_ns();
	while (!atomic_load_explicit(&s->stopping, memory_order_relaxed)) {
		struct ab_scraped now;
		struct timespec at = {.tv_sec = due / AB_LG_NS_PER_S, .tv_nsec = due % AB_LG_NS_PER_S};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		int there = scrape(s, &now);
		pthread_mutex_lock(&s->lock);
		if (there) {
			keep(s, &now);
			s->now = now;
		} else
			s->failures++;
		pthread_mutex_unlock(&s->lock);
		due += AB_SCRAPE_PERIOD_NS;
		if (due < ab_lg_now_ns())
			due = ab_lg_now_ns() + AB_SCRAPE_PERIOD_NS;
	}
	return NULL;
}

int ab_scrape_start(struct ab_scrape *s, const struct ab_settings *settings)
{
	*s = (struct ab_scrape){0};
	snprintf(s->url, sizeof s->url, "http://%s:%s/metrics", settings->metrics_host, settings->metrics_port);
	ab_web_open(&s->web, "", "", "");
	if (!scrape(s, &s->first)) {
		ab_web_close(&s->web);
		return 0;
	}
	s->now = s->first;
	pthread_mutex_init(&s->lock, NULL);
	AB_ASSERT(pthread_create(&s->thread, NULL, work, s) == 0);
	return 1;
}

void ab_scrape_begin(struct ab_scrape *s)
{
	pthread_mutex_lock(&s->lock);
	s->first = s->now;
	s->used = 0;
	s->restarts = 0;
	s->failures = 0;
	for (uint32_t i = 0; i < AB_SINKS_MAX; i++) {
		ab_curve_free(&s->settled[i]);
		s->before_restart[i] = 0;
	}
	for (uint32_t i = 0; i < s->first.sinks; i++)
		ab_curve_add(&s->settled[i], s->first.ns, 0);
	pthread_mutex_unlock(&s->lock);
}

void ab_scrape_now(struct ab_scrape *s, struct ab_scraped *now)
{
	pthread_mutex_lock(&s->lock);
	*now = s->now;
	pthread_mutex_unlock(&s->lock);
}

void ab_scrape_stop(struct ab_scrape *s)
{
	if (s->thread == 0)
		return;
	atomic_store_explicit(&s->stopping, 1, memory_order_relaxed);
	pthread_join(s->thread, NULL);
	s->thread = 0;
}

void ab_scrape_free(struct ab_scrape *s)
{
	ab_web_close(&s->web);
	for (uint32_t i = 0; i < AB_SINKS_MAX; i++)
		ab_curve_free(&s->settled[i]);
	free(s->series);
	s->series = NULL;
}
