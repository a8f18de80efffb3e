/* sinks/bigquery_reply.c — what an answer of insertAll, or of a lookup, means for the rows that were sent.
 *
 *     200, no insertErrors        all rows are in
 *     200, insertErrors           invalid: rejected; stopped: sent again at once, without the invalid; others: later.
 *                                 A row not named is in
 *     400, 413                    none is in: halves, down to the row at fault
 *     401, 403 accessDenied       stop: credentials
 *     403 quotaExceeded           none is in; wait long. Other 403, 404, 429: none is in; wait
 *     500                         may be in: look up; after three, halves (emulators answer so to a value of wrong type)
 *     502, 503, 504, …            may be in: wait, look up
 */
#include <jansson.h>
#include <string.h>

#include "sinks/bigquery.h"

struct settling {
	struct ab_sink_lane *lane;
	struct ab_batch *batch;
	const struct ab_reply *to;
	const char *reason; /* of the error answer, such as quotaExceeded; "" */
	const char *message;
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static void words(const struct settling *s, const char *what, const char *advice)
{
	snprintf(s->to->error, AB_SINK_ERROR_MAX_BYTES, "bigquery: %s: status %d %s: %.200s. %s", what,
		 s->lane->http.reply.status, s->reason, s->message, advice);
}

static void reject(const struct settling *s, uint32_t i, const char *text)
{
	/* The outcome first: when there is no room for the letter, the caller makes it a RETRY. */
	s->batch->item[i].outcome = AB_OUTCOME_REJECTED;
	s->to->counts->rejected++;
	s->to->reject(s->to->reject_arg, s->batch, i, text, strlen(text));
}

/* Something of the batch was settled: is there more to do, and when? */
static enum ab_reply_result go_on(struct settling *s)
{
	bool unsent = false, later = false;

	for (uint32_t i = 0; i < s->batch->item_count; i++) {
		unsent |= s->batch->item[i].outcome == AB_OUTCOME_PENDING;
		later |= s->batch->item[i].outcome == AB_OUTCOME_RETRY;
	}
	if (!unsent && !later) {
		s->lane->begun = false;
		return AB_REPLY_DONE;
	}
	/* Some wait, so all do; and a server that closes is not asked again over the same connection. */
	return later || s->lane->http.reply.close ? AB_REPLY_DONE : AB_REPLY_AGAIN;
}

static enum ab_reply_result outage(struct settling *s)
{
	ab_http_lane_put_back(&s->lane->http, s->batch);
	s->to->counts->outages++;
	return AB_REPLY_OUTAGE;
}

static enum ab_reply_result broken(struct settling *s, enum ab_bq_phase phase, const char *what)
{
	snprintf(s->to->error, AB_SINK_ERROR_MAX_BYTES,
		 "bigquery: %s (status %d, %zu bytes): the connection is closed and the rows are looked up", what,
		 s->lane->http.reply.status, s->lane->http.reply.body_len);
	s->to->counts->ambiguous++;
	/* lost() comes next, but the lane must not depend on it for what it knows about its rows. */
	if (phase == AB_BQ_INSERT)
		ab_bq_doubt(s->lane);
	s->lane->phase = AB_BQ_QUIET;
	return AB_REPLY_AMBIGUOUS;
}

/* --- insertAll: 200 ------------------------------------------------------------------------------------------------ */

static int64_t index_of(const json_t *entry)
{
	const json_t *index = json_object_get(entry, "index");
	const char *text = json_string_value(index);
	char *end;

	if (json_is_integer(index))
		return json_integer_value(index);
	if (text == NULL || text[0] == '\0')
		return -1;
	int64_t value = strtoll(text, &end, 10);
	return *end == '\0' ? value : -1;
}

static bool are_well_formed(const struct ab_http_lane *http, const json_t *entries)
{
	size_t i;
	json_t *entry;

	json_array_foreach(entries, i, entry)
	{
		int64_t index = index_of(entry);
		if (index < 0 || index >= http->sent_count || json_array_size(json_object_get(entry, "errors")) == 0)
			return false;
	}
	return true;
}

/* One row's errors. A row that is invalid stays so, whatever else is said of it. */
static void settle_row(struct settling *s, uint32_t i, const json_t *errors)
{
	size_t n;
	json_t *error;
	bool stopped = true;

	if (!ab_bq_is_open(&s->batch->item[i]))
		return; /* named twice: judged before */
	json_array_foreach(errors, n, error)
	{
		const char *reason = text_of(error, "reason");
		if (strcmp(reason, "invalid") == 0) {
			char text[AB_SINK_ERROR_MAX_BYTES];
			snprintf(text, sizeof text, "invalid: %.100s: %.300s", text_of(error, "location"),
				 text_of(error, "message"));
			reject(s, i, text);
			return;
		}
		if (strcmp(reason, "stopped") != 0 && stopped) {
			stopped = false;
			s->reason = reason;
			s->message = text_of(error, "message");
			words(s, "a row is sent again later", "");
		}
	}
	s->batch->item[i].outcome = stopped ? AB_OUTCOME_PENDING : AB_OUTCOME_RETRY;
}

static void settle_rows(struct settling *s, const json_t *entries)
{
	const struct ab_http_lane *http = &s->lane->http;
	uint64_t rejected_before = s->to->counts->rejected;
	bool *named = (bool *)http->scratch; /* the request is over, so its bytes may go */
	size_t i;
	json_t *entry;

	AB_ASSERT(http->sent_count <= http->bytes_max);
	memset(named, 0, http->sent_count);
	json_array_foreach(entries, i, entry)
	{
		int64_t index = index_of(entry);
		named[index] = true;
		settle_row(s, http->sent[index], json_object_get(entry, "errors"));
	}
	bool none_at_fault = s->to->counts->rejected == rejected_before;
	for (uint32_t n = 0; n < http->sent_count; n++) {
		struct ab_item *item = &s->batch->item[http->sent[n]];
		if (!named[n]) {
			item->outcome = AB_OUTCOME_ACKED;
			s->to->counts->acked++;
		} else if (item->outcome == AB_OUTCOME_PENDING && none_at_fault) {
			item->outcome = AB_OUTCOME_RETRY; /* stopped by nobody: not at once, or it would never end */
		}
	}
}

/* Almost always: small, and without a row in it. */
static bool is_all_good(const struct ab_http_reply *reply)
{
	static const char kind[] = "bigquery#tableDataInsertAllResponse", errors[] = "\"insertErrors\"";

	return reply->body_len < 256 && memmem(reply->body, reply->body_len, kind, sizeof kind - 1) != NULL &&
	       reply->body[reply->body_len - 1] == '}' &&
	       memmem(reply->body, reply->body_len, errors, sizeof errors - 1) == NULL;
}

static enum ab_reply_result inserted(struct settling *s)
{
	struct ab_sink_lane *lane = s->lane;
	json_error_t parse_error;
	json_t *root = NULL;

	if (!is_all_good(&lane->http.reply)) {
		root = json_loadb(lane->http.reply.body, lane->http.reply.body_len, 0, &parse_error);
		const json_t *entries = json_object_get(root, "insertErrors");
		if (!json_is_object(root) || json_object_get(root, "error") != NULL ||
		    (entries != NULL && !json_is_array(entries)) || !are_well_formed(&lane->http, entries)) {
			json_decref(root);
			return broken(s, AB_BQ_INSERT, "its answer does not say what became of the rows");
		}
	}
	settle_rows(s, json_object_get(root, "insertErrors"));
	json_decref(root);
	ab_http_lane_grow(&lane->http);
	return go_on(s);
}

/* --- insertAll: anything else --------------------------------------------------------------------------------------- */

/* None of the rows is in, and the whole request is at fault, or one row of it. */
static enum ab_reply_result narrow_down(struct settling *s)
{
	struct ab_http_lane *http = &s->lane->http;

	if (http->sent_count > 1) {
		words(s, "the request was refused, half of it is sent",
		      http->reply.status == 413 ? "Lower BIGQUERY_BATCH_SIZE." : "");
		ab_http_lane_halve(http);
		return http->reply.close ? AB_REPLY_DONE : AB_REPLY_AGAIN;
	}
	words(s, "a row was refused", "");
	if (!ab_http_lane_gives_up(http, s->batch))
		return outage(s);
	snprintf(s->lane->refusal, sizeof s->lane->refusal, "status %d %.40s: %.180s", http->reply.status, s->reason,
		 s->message);
	reject(s, http->sent[0], s->lane->refusal);
	return go_on(s);
}

/* The server failed, before or after it stored the rows: they are looked up before any of them is sent again. */
static enum ab_reply_result failed(struct settling *s)
{
	struct ab_sink_lane *lane = s->lane;
	struct ab_http_lane *http = &lane->http;

	words(s, "it failed, the rows are looked up", "");
	ab_bq_doubt(lane);
	enum ab_reply_result result = outage(s);
	if (http->reply.status != 500 || ++lane->refusals < AB_BQ_REFUSALS_BEFORE_HALVES)
		return result;
	if (http->sent_count > 1) {
		ab_http_lane_halve(http);
	} else if (ab_http_lane_gives_up(http, s->batch)) {
		lane->gives_up = true;
		lane->given_up = http->sent[0];
		snprintf(lane->refusal, sizeof lane->refusal, "status %d %.40s: %.180s", http->reply.status, s->reason,
			 s->message);
	} else if (!http->proven) {
		return result; /* nothing has been taken lately: it may be down, so the backoff grows */
	}
	s->batch->retry_after_ms = AB_BQ_HALVES_WAIT_MS;
	return result;
}

/* None is in. */
static enum ab_reply_result limited(struct settling *s)
{
	bool quota = strcmp(s->reason, "quotaExceeded") == 0;

	words(s, quota ? "a quota is used up" : "a rate is exceeded",
	      quota ? "It is asked again in half a minute. Look at the project's quotas if this lasts." : "");
	enum ab_reply_result result = outage(s);
	if (quota && s->batch->retry_after_ms == 0)
		s->batch->retry_after_ms = AB_BQ_QUOTA_WAIT_MS;
	return result;
}

static enum ab_reply_result refused(struct settling *s)
{
	switch (s->lane->http.reply.status) {
	case 400:
	case 413:
		return narrow_down(s);
	case 401:
		words(s, "it refuses us", "Check the credentials.");
		return AB_REPLY_FATAL;
	case 403:
		if (strcmp(s->reason, "accessDenied") == 0 || strcmp(s->reason, "billingNotEnabled") == 0) {
			words(s, "it refuses us",
			      "Grant bigquery.tables.updateData on the table, and look at the project's billing.");
			return AB_REPLY_FATAL;
		}
		return limited(s);
	case 404:
		words(s, "the table is not there",
		      "Run `anabranch init`; a table just made takes minutes to take rows.");
		return outage(s);
	case 429:
		words(s, "it is busy", "");
		return outage(s);
	default:
		return failed(s);
	}
}

/* --- lookup --------------------------------------------------------------------------------------------------------- */

static bool has_more_to_look(const struct ab_sink_lane *lane, const struct ab_batch *batch)
{
	for (uint32_t i = lane->look_from; i < batch->item_count; i++) {
		if (ab_bq_is_open(&batch->item[i]))
			return true;
	}
	return false;
}

/* Every item was looked up. What is still open is not in the table. */
static enum ab_reply_result looked_up(struct settling *s)
{
	struct ab_sink_lane *lane = s->lane;
	bool any_absent = false;

	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		any_absent |= lane->absent[p] > 0;
		if (lane->absent[p] > 0 && lane->present[p] == 0)
			lane->unsettled[p] = false;
		lane->present[p] = lane->absent[p] = 0;
	}
	lane->look_from = 0;
	if (lane->late && any_absent) {
		lane->late = false;
		s->batch->retry_after_ms = AB_BQ_LATE_MS;
		return AB_REPLY_DONE; /* with open items: they come again after that time, and are looked up again */
	}
	lane->must_look = false;
	lane->late = false;
	if (lane->gives_up && ab_bq_is_open(&s->batch->item[lane->given_up]))
		reject(s, lane->given_up, lane->refusal);
	lane->gives_up = false;
	return go_on(s);
}

static enum ab_reply_result found(struct settling *s)
{
	struct ab_sink_lane *lane = s->lane;

	switch (ab_bq_lookup_read(lane, s->batch, s->to->counts, s->to->error)) {
	case AB_BQ_LOOKUP_FAILED:
		return outage(s);
	case AB_BQ_LOOKUP_WIDE:
		break;
	case AB_BQ_LOOKUP_DONE:
		if (!has_more_to_look(lane, s->batch))
			return looked_up(s);
		break;
	}
	return lane->http.reply.close ? AB_REPLY_DONE : AB_REPLY_AGAIN;
}

static enum ab_reply_result lookup_refused(struct settling *s)
{
	bool stop = s->lane->http.reply.status == 401 || strcmp(s->reason, "accessDenied") == 0;

	words(s, "looking rows up", stop ? "Grant bigquery.jobs.create in the project." : "");
	return stop ? AB_REPLY_FATAL : outage(s);
}

/* --- any answer ----------------------------------------------------------------------------------------------------- */

static enum ab_reply_result judge_error(struct settling *s, enum ab_bq_phase phase)
{
	json_error_t parse_error;
	json_t *root = json_loadb(s->lane->http.reply.body, s->lane->http.reply.body_len, 0, &parse_error);
	const json_t *error = json_object_get(root, "error");

	s->reason = text_of(json_array_get(json_object_get(error, "errors"), 0), "reason");
	s->message = text_of(error, "message");
	enum ab_reply_result result = phase == AB_BQ_LOOKUP ? lookup_refused(s) : refused(s);
	json_decref(root);
	return result;
}

enum ab_reply_result ab_bq_reply(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				 const struct ab_reply *to)
{
	struct settling s = {.lane = lane, .batch = batch, .to = to, .reason = "", .message = ""};

	AB_ASSERT(batch != NULL && lane->phase != AB_BQ_QUIET); /* there is no hello */
	switch (ab_http_lane_feed(&lane->http, bytes, len)) {
	case AB_HTTP_MORE:
		return AB_REPLY_MORE;
	case AB_HTTP_INVALID:
		return broken(&s, lane->phase, "its answer is not HTTP");
	case AB_HTTP_TOO_LARGE:
		if (lane->phase == AB_BQ_INSERT)
			ab_http_lane_halve(&lane->http);
		else if (lane->span > 1)
			lane->span /= 2;
		return broken(&s, lane->phase, "its answer is larger than there is room for, so less is asked");
	case AB_HTTP_DONE:
		break;
	}
	enum ab_bq_phase phase = lane->phase;
	lane->phase = AB_BQ_QUIET;
	to->counts->requests++;
	if (lane->http.reply.status != 200)
		return judge_error(&s, phase);
	return phase == AB_BQ_LOOKUP ? found(&s) : inserted(&s);
}
