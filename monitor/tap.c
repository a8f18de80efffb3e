/* monitor/tap.c — see tap.h. */
#include "monitor/tap.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/exit.h"
#include "monitor/http_get.h"

/* Above 16 workers' samples in one answer; touched as far as it is needed. */
#define ANSWER_MAX_BYTES (32 * 1024 * 1024)
#define INTERVAL_NS      (100 * AB_NS_PER_MS)
#define CURSOR_MAX_BYTES 400

struct following {
	const struct ab_config *config;
	const struct ab_tap_options *options;
	struct ab_http_got got;
	char cursor[CURSOR_MAX_BYTES];
	int64_t shown, rate;
	uint64_t missed;
};

/* As JSON: what rows hold must not reach a terminal as it is. */
static void print_value(const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));

	printf("%s", text != NULL ? text : "?");
	free(text);
}

static int64_t number(const json_t *sample, const char *name)
{
	return json_integer_value(json_object_get(sample, name));
}

static void print_head(const json_t *sample)
{
	int64_t ms = number(sample, "kafka_ts_ms");
	time_t seconds = (time_t)(ms / 1000);
	char time[32];
	struct tm utc;

	if (ms < 0)
		printf("(without time)");
	else if (strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S", gmtime_r(&seconds, &utc)) > 0)
		printf("%s.%03d", time, (int)(ms % 1000));
	printf("  partition %" PRId64 "  offset %" PRId64 "  %s  id %" PRId64 "\n",
	       number(sample, "partition"), number(sample, "offset"), json_string_value(json_object_get(sample, "op")),
	       number(sample, "id"));
}

static void print_row(const json_t *sample)
{
	const json_t *row = json_object_get(sample, "row");

	printf("  %-14s ", "row");
	if (json_is_null(row))
		printf("not shown: %s (%" PRId64 " bytes)", json_string_value(json_object_get(sample, "row_is_null")),
		       number(sample, "record_bytes"));
	else
		print_value(row);
	printf("\n");
}

static void print_content(const json_t *sample)
{
	const json_t *type = json_object_get(sample, "content_type"), *length = json_object_get(sample, "length_seconds"),
		     *pct = json_object_get(sample, "engagement_pct");

	printf("  %-14s ", "content");
	if (json_is_null(type))
		printf("unknown");
	else
		print_value(type);
	if (json_is_integer(length))
		printf(", %" JSON_INTEGER_FORMAT " s", json_integer_value(length));
	if (json_is_number(pct))
		printf(", engagement %.2f %%", json_number_value(pct));
	printf("\n");
}

static void print_sink(const char *name, const json_t *sink)
{
	const char *outcome = json_string_value(json_object_get(sink, "outcome")),
		   *reason = json_string_value(json_object_get(sink, "reason"));
	const json_t *written = json_object_get(sink, "written");

	printf("  %-14s %s", name, outcome);
	if (reason != NULL) {
		printf(": %s", reason);
	} else if (written != NULL) {
		printf(" to lane %" PRId64 ": ", number(sink, "lane"));
		if (json_is_null(written))
			printf("%" PRId64 " bytes", number(sink, "written_bytes"));
		else
			print_value(written);
	}
	printf("\n");
}

static void print_text(json_t *sample)
{
	const char *name;
	json_t *sink;

	print_head(sample);
	print_content(sample);
	print_row(sample);
	json_object_foreach(json_object_get(sample, "sinks"), name, sink) print_sink(name, sink);
}

/* The last line of an answer. */
static void take_cursor(struct following *f, const json_t *line)
{
	uint64_t missed = (uint64_t)number(line, "missed");

	snprintf(f->cursor, sizeof f->cursor, "%s", json_string_value(json_object_get(line, "cursor")));
	f->rate = number(line, "rate");
	f->missed += missed;
	if (missed > 0)
		fprintf(stderr,
			"anabranch: %" PRIu64 " samples were overwritten before they could be shown: a smaller "
			"MONITORING_SAMPLE_RATE shows all of a smaller share\n",
			missed);
}

/* false: it is no line of an engine's. */
static bool take_line(struct following *f, const char *line, size_t len)
{
	json_t *value = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
	bool is_cursor = value != NULL && json_is_string(json_object_get(value, "cursor"));

	if (value == NULL)
		return false;
	if (is_cursor) {
		take_cursor(f, value);
	} else if (f->options->limit == 0 || f->shown < f->options->limit) {
		if (f->options->json)
			printf("%.*s\n", (int)len, line);
		else
			print_text(value);
		f->shown++;
	}
	json_decref(value);
	return true;
}

/* One answer; AB_EXIT_OK: go on. */
static int ask(struct following *f)
{
	char path[CURSOR_MAX_BYTES + 128], error[AB_HTTP_ERROR_MAX_BYTES];
	const char *host = f->config->metrics_host;
	int port = (int)f->config->metrics_port;

	snprintf(path, sizeof path, "/tap?after=%s&raw=%d%s%.60s", f->cursor, f->options->raw,
		 f->options->sink != NULL ? "&sink=" : "", f->options->sink != NULL ? f->options->sink : "");
	long status = ab_http_get(host, port, path, &f->got, error);
	if (status == 0) {
		fprintf(stderr, "anabranch: no engine answers: %s. METRICS_HOST and METRICS_PORT say where it listens\n", error);
		return AB_EXIT_UNAVAILABLE;
	}
	if (status != 200) {
		fprintf(stderr, "anabranch: %s", status == 404 ? "what answers there is no engine of this version\n" : f->got.at);
		return status == 400 ? AB_EXIT_USAGE : AB_EXIT_UNAVAILABLE;
	}
	for (char *line = f->got.at, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		if (!take_line(f, line, (size_t)(end - line))) {
			fprintf(stderr, "anabranch: %s:%d/tap: an answer that cannot be read\n", host, port);
			return AB_EXIT_UNAVAILABLE;
		}
	}
	fflush(stdout);
	return AB_EXIT_OK;
}

int ab_tap_follow(const struct ab_config *config, const struct ab_tap_options *options)
{
	struct following f = {.config = config, .options = options, .got = {.at = malloc(ANSWER_MAX_BYTES), .room = ANSWER_MAX_BYTES}};
	int result;

	AB_ASSERT(f.got.at != NULL);
	for (;;) {
		int64_t before = f.shown;
		result = ask(&f);
		if (result != AB_EXIT_OK || (options->limit > 0 && f.shown >= options->limit))
			break;
		if (f.rate == 0) {
			fprintf(stderr, "anabranch: MONITORING_SAMPLE_RATE of this engine is 0: it keeps no samples\n");
			result = AB_EXIT_PROBLEMS;
			break;
		}
		if (ferror(stdout)) /* whoever read it has gone */
			break;
		if (f.shown == before)
			nanosleep(&(struct timespec){.tv_nsec = INTERVAL_NS}, NULL);
	}
	free(f.got.at);
	return result;
}
