/* core/engine_tap.c — GET /tap: samples of events as lines of JSON, made in the server's thread. See engine.h.
 *
 *     /tap?after=CURSOR&sink=NAME&raw=1      samples from the cursor on, worker by worker, oldest first; without one, all that
 *                                            are kept. sink: of what was read for it, and what became of it there
 *     {"partition":…,"offset":…,…}
 *     {"cursor":"…","missed":0,"rate":1}      the last line: what to ask with next, and how many were overwritten unread
 *
 * A cursor is the engine's start and the number of each worker's next sample: after a restart it is void, and nothing is
 * counted as missed.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "core/engine.h"
#include "core/format.h"
#include "core/mask.h"
#include "core/text.h"
#include "monitor/http_server.h"

/* Samples of one worker in one answer: some hundred kilobytes, and a moment of the thread that answers /metrics too. */
#define ANSWER_MAX 64

static const char *const op_names[] = {
    [AB_OP_CREATE] = "c", [AB_OP_READ] = "r", [AB_OP_UPDATE] = "u", [AB_OP_DELETE] = "d"};
static const char *const outcome_names[] = {
    [AB_TAP_NOT_READ] = "", [AB_TAP_GIVEN] = "given", [AB_TAP_REPEATED] = "repeated", [AB_TAP_SKIPPED] = "skipped",
    [AB_TAP_REJECTED] = "rejected"};

static void add_reason(struct ab_text_out *out, const char *reason)
{
	json_t *words = json_string(reason);
	char *text = words != NULL ? json_dumps(words, JSON_ENCODE_ANY) : NULL;

	ab_text_add(out, ",\"reason\":%s", text != NULL ? text : "null");
	free(text);
	json_decref(words);
}

static void add_sink(struct ab_text_out *out, const struct ab_engine_sink *sink, const struct ab_tap_sample *sample, int s)
{
	const struct ab_tap_sink *its = &sample->sink[s];

	ab_text_add(out, "\"%s\":{\"outcome\":\"%s\",\"lane\":%d", sink->ops->name, outcome_names[its->outcome], its->lane);
	if (its->reason != NULL)
		add_reason(out, its->reason);
	if (its->outcome == AB_TAP_GIVEN) {
		bool kept = its->at != UINT32_MAX && sink->ops->show != NULL;
		char *text = kept ? sink->ops->show(sample->bytes + its->at, its->len) : NULL;
		ab_text_add(out, ",\"written_bytes\":%u,\"written\":%s", its->len, text != NULL ? text : "null");
		free(text);
	}
	ab_text_add(out, "}");
}

static void add_content(struct ab_text_out *out, const struct ab_tap_sample *sample)
{
	char pct[AB_FORMAT_MAX_BYTES];

	if (sample->content_type == NULL)
		ab_text_add(out, ",\"content_type\":null");
	else
		ab_text_add(out, ",\"content_type\":%.*s", (int)sample->content_type->json.len, sample->content_type->json.at);
	if (sample->has & AB_HAS_LENGTH)
		ab_text_add(out, ",\"length_seconds\":%" PRId64, sample->length_seconds);
	else
		ab_text_add(out, ",\"length_seconds\":null");
	if (sample->has & AB_HAS_PCT)
		ab_text_add(out, ",\"engagement_pct\":%.*s", (int)ab_format_hundredths(pct, sample->pct_hundredths), pct);
	else
		ab_text_add(out, ",\"engagement_pct\":null");
}

/* What was asked for. */
struct asked {
	int sink;		/* -1: all */
	bool raw;
};

static void add_sample(struct ab_text_out *out, const struct ab_engine *engine, const struct ab_tap_sample *sample,
		       const struct asked *asked)
{
	if (asked->sink >= 0 && sample->sink[asked->sink].outcome == AB_TAP_NOT_READ)
		return;
	char *row = sample->record_kept > 0 ? ab_mask_record(sample->bytes, sample->record_kept, asked->raw, 0) : NULL;
	const char *comma = "", *row_is_null = "";

	if (sample->record_kept == 0)
		row_is_null = ",\"row_is_null\":\"larger than a sample keeps\"";
	else if (row == NULL)
		row_is_null = ",\"row_is_null\":\"it has a number beyond what can be shown\"";
	ab_text_add(out, "{\"partition\":%d,\"offset\":%" PRId64 ",\"kafka_ts_ms\":%" PRId64 ",\"op\":\"%s\",\"id\":%" PRId64,
		    sample->partition, sample->offset, sample->kafka_ts_ms, op_names[sample->op], sample->id);
	ab_text_add(out, ",\"reader\":\"%s\"", sample->reader);
	add_content(out, sample);
	ab_text_add(out, ",\"record_bytes\":%u,\"row\":%s%s,\"sinks\":{", sample->record_len, row != NULL ? row : "null",
		    row_is_null);
	free(row);
	for (int s = 0; s < engine->sink_count; s++) {
		if (sample->sink[s].outcome == AB_TAP_NOT_READ || (asked->sink >= 0 && asked->sink != s))
			continue;
		ab_text_add(out, "%s", comma);
		add_sink(out, &engine->sink[s], sample, s);
		comma = ",";
	}
	ab_text_add(out, "}}\n");
}

/* The samples of one worker from *next on; how many were overwritten before they could be read. */
static uint64_t add_worker(struct ab_text_out *out, const struct ab_engine *engine, int w, uint64_t *next,
			   const struct asked *asked)
{
	const struct ab_tap *tap = &engine->worker[w].tap;
	uint64_t end = ab_tap_count(tap), missed = 0;
	struct ab_tap_sample sample;

	if (end > *next + AB_TAP_SLOTS) {
		missed = end - AB_TAP_SLOTS - *next;
		*next = end - AB_TAP_SLOTS;
	}
	for (int i = 0; i < ANSWER_MAX && *next < end; i++, ++*next) {
		if (ab_tap_read(tap, *next, &sample) == AB_TAP_READ)
			add_sample(out, engine, &sample, asked);
		else
			missed++;
	}
	return missed;
}

/* Fills next[] from a cursor; false: it is none of this engine's. */
static bool read_cursor(const struct ab_engine *engine, const char *text, uint64_t *next)
{
	char *at;

	if (text == NULL || strtoll(text, &at, 10) != engine->started_wall_ms)
		return false;
	for (int w = 0; w < engine->worker_count; w++) {
		if (*at != '-')
			return false;
		next[w] = strtoull(at + 1, &at, 10);
		if (next[w] > ab_tap_count(&engine->worker[w].tap))
			return false;
	}
	return *at == '\0';
}

static int find_sink(const struct ab_engine *engine, const char *name, struct ab_text_out *out)
{
	ab_text_add(out, "there is no sink %.60s: this engine has", name);
	for (int s = 0; s < engine->sink_count; s++) {
		if (strcmp(engine->sink[s].ops->name, name) == 0) {
			out->len = 0;
			return s;
		}
		ab_text_add(out, " %s", engine->sink[s].ops->name);
	}
	ab_text_add(out, "\n");
	return -1;
}

char *ab_engine_tap(void *arg, const struct ab_http_asked *request, size_t *len, int *http_status)
{
	const struct ab_engine *engine = arg;
	struct ab_text_out out = ab_text_begin();
	const char *raw = ab_http_argument(request, "raw"), *sink = ab_http_argument(request, "sink");
	struct asked asked = {.sink = -1, .raw = raw != NULL && strcmp(raw, "1") == 0};
	uint64_t next[AB_WORKERS_MAX] = {0}, missed = 0;
	bool goes_on = read_cursor(engine, ab_http_argument(request, "after"), next);

	if (sink != NULL && (asked.sink = find_sink(engine, sink, &out)) < 0) {
		*http_status = 400;
		*len = out.len;
		return out.text;
	}
	*http_status = 200;
	for (int w = 0; w < engine->worker_count; w++) {
		uint64_t end = ab_tap_count(&engine->worker[w].tap);
		if (!goes_on) /* what was overwritten before anybody asked was not missed */
			next[w] = end > AB_TAP_SLOTS ? end - AB_TAP_SLOTS : 0;
		missed += add_worker(&out, engine, w, &next[w], &asked);
	}
	ab_text_add(&out, "{\"cursor\":\"%" PRId64, engine->started_wall_ms);
	for (int w = 0; w < engine->worker_count; w++)
		ab_text_add(&out, "-%" PRIu64, next[w]);
	ab_text_add(&out, "\",\"missed\":%" PRIu64 ",\"rate\":%" PRId64 "}\n", missed, engine->config->monitoring_sample_rate);
	*len = out.len;
	return out.text;
}

void ab_engine_tap_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	uint64_t samples = 0;

	for (int w = 0; w < engine->worker_count; w++)
		samples += ab_tap_count(&engine->worker[w].tap);
	ab_text_add(out, "# HELP anabranch_tap_samples_total Events chosen by MONITORING_SAMPLE_RATE, once for each reader.\n"
			 "# TYPE anabranch_tap_samples_total counter\nanabranch_tap_samples_total %" PRIu64 "\n", samples);
}
