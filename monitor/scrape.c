/* monitor/scrape.c — see scrape.h. */
#include "monitor/scrape.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>

/* Cuts one line into a sample; false for comments, empty lines and what is none. */
static bool read_line(char *line, struct ab_sample *sample)
{
	char *at = line, *end;

	if (!isalpha((unsigned char)*at) && *at != '_')
		return false;
	while (isalnum((unsigned char)*at) || *at == '_' || *at == ':')
		at++;
	sample->name = line;
	sample->labels = "";
	if (*at == '{') {
		char *close = strrchr(at, '}');
		if (close == NULL)
			return false;
		*at++ = 0;
		*close = 0;
		sample->labels = at;
		at = close + 1;
	}
	if (*at != ' ')
		return false;
	*at++ = 0;
	sample->value = strtod(at, &end);
	return end != at && (*end == 0 || *end == ' ' || *end == '\r');
}

enum ab_scrape_result ab_scrape_parse(struct ab_scrape *scrape, const char *text, size_t len)
{
	size_t lines = 1;
	char *rest, *line;

	memset(scrape, 0, sizeof *scrape);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	if (lines > AB_SCRAPE_SAMPLES_MAX)
		return AB_SCRAPE_MALFORMED;
	scrape->text = malloc(len + 1);
	scrape->sample = calloc(lines, sizeof scrape->sample[0]);
	AB_ASSERT(scrape->text != NULL && scrape->sample != NULL);
	memcpy(scrape->text, text, len);
	scrape->text[len] = 0;
	rest = scrape->text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (read_line(line, &scrape->sample[scrape->count]))
			scrape->count++;
	}
	if (scrape->count > 0)
		return AB_SCRAPE_OK;
	ab_scrape_free(scrape);
	return AB_SCRAPE_MALFORMED;
}

void ab_scrape_free(struct ab_scrape *scrape)
{
	free(scrape->text);
	free(scrape->sample);
	memset(scrape, 0, sizeof *scrape);
}

/* Whether the labels hold this one: key="value", at their beginning or behind a comma. */
static bool carries(const char *labels, const char *label)
{
	size_t len = strlen(label);

	for (const char *at = labels; (at = strstr(at, label)) != NULL; at++) {
		if ((at == labels || at[-1] == ',') && (at[len] == 0 || at[len] == ','))
			return true;
	}
	return false;
}

static bool matches(const struct ab_sample *sample, const char *name, const char *label, const char *other)
{
	return strcmp(sample->name, name) == 0 && (label == NULL || carries(sample->labels, label)) &&
	       (other == NULL || carries(sample->labels, other));
}

double ab_scrape_sum(const struct ab_scrape *scrape, const char *name, const char *label, const char *other)
{
	double sum = 0;
	bool found = false;

	for (size_t i = 0; i < scrape->count; i++) {
		if (matches(&scrape->sample[i], name, label, other)) {
			sum += scrape->sample[i].value;
			found = true;
		}
	}
	return found ? sum : NAN;
}

int ab_sample_label(const struct ab_sample *sample, const char *key, char *to, size_t room)
{
	size_t len = strlen(key);

	for (const char *at = sample->labels; (at = strstr(at, key)) != NULL; at += len) {
		if ((at != sample->labels && at[-1] != ',') || at[len] != '=' || at[len + 1] != '"')
			continue;
		const char *value = at + len + 2, *end = strchr(value, '"');
		if (end == NULL || (size_t)(end - value) >= room)
			return 0;
		memcpy(to, value, (size_t)(end - value));
		to[end - value] = 0;
		return 1;
	}
	return 0;
}

/* What a cumulative bucket counted since then. The engine writes the buckets of one histogram in ascending order. */
static double counted(const struct ab_sample *bucket, const struct ab_scrape *then)
{
	double before = 0;

	for (size_t i = 0; then != NULL && i < then->count; i++) {
		if (strcmp(then->sample[i].name, bucket->name) == 0 &&
		    strcmp(then->sample[i].labels, bucket->labels) == 0)
			before = then->sample[i].value;
	}
	/* An engine that was started again counts from zero. */
	return bucket->value >= before ? bucket->value - before : bucket->value;
}

double ab_scrape_quantile(const struct ab_scrape *now, const struct ab_scrape *then, const char *name,
			  const char *label, double q)
{
	char bucket_name[128], bound[32];
	double total = 0;

	snprintf(bucket_name, sizeof bucket_name, "%s_bucket", name);
	for (size_t i = 0; i < now->count; i++) {
		if (matches(&now->sample[i], bucket_name, label, "le=\"+Inf\""))
			total += counted(&now->sample[i], then);
	}
	if (total <= 0)
		return NAN;
	for (size_t i = 0; i < now->count; i++) {
		const struct ab_sample *sample = &now->sample[i];
		if (matches(sample, bucket_name, label, NULL) && counted(sample, then) >= q * total &&
		    ab_sample_label(sample, "le", bound, sizeof bound))
			return strcmp(bound, "+Inf") == 0 ? INFINITY : strtod(bound, NULL);
	}
	return INFINITY;
}
