/* sinks/elasticsearch_reply.c — what an answer of _bulk means: 200 says little, each item has its own.
 *
 * "errors": false settles the whole request after its items were counted; anything else is read item by item. Items
 * answer in the order they were sent.
 */
#include <jansson.h>
#include <string.h>

#include "sinks/elasticsearch.h"

struct rule {
	const char *type; /* NULL: any */
	const char *says; /* in the reason, case not minded; NULL: anything */
	enum ab_es_verdict verdict;
	const char *advice;
};

/* The first that fits. What would fail for every document is an outage, whatever its type says: dead letters are for
 * documents. */
static const struct rule rules[] = {
    {NULL, "limit of total fields", AB_ES_OUTAGE,
     "Raise index.mapping.total_fields.limit, or find what maps so many fields."},
    {NULL, "op_type of create", AB_ES_OUTAGE, "The name belongs to a data stream: delete it, or its template."},
    {NULL, "maximum normal shards open", AB_ES_OUTAGE, "Raise cluster.max_shards_per_node, or delete old indexes."},
    {"version_conflict_engine_exception", NULL, AB_ES_DUPLICATE, ""},
    {"cluster_block_exception", NULL, AB_ES_OUTAGE,
     "Free disk space on the nodes, or lift the index's or cluster's block."},
    {"index_closed_exception", NULL, AB_ES_OUTAGE, "Open the index."},
    {"index_not_found_exception", NULL, AB_ES_OUTAGE, "Allow action.auto_create_index for engagement-events-*."},
    {"security_exception", NULL, AB_ES_OUTAGE, "Give the user create_index and index on engagement-events-*."},
    {"es_rejected_execution_exception", NULL, AB_ES_RETRY, ""},
    {"circuit_breaking_exception", NULL, AB_ES_RETRY, ""},
    {"document_parsing_exception", NULL, AB_ES_REJECTED, ""},
    {"mapper_parsing_exception", NULL, AB_ES_REJECTED, ""},
    {"strict_dynamic_mapping_exception", NULL, AB_ES_REJECTED, ""},
    {"x_content_parse_exception", NULL, AB_ES_REJECTED, ""},
    {"parsing_exception", NULL, AB_ES_REJECTED, ""},
    {"action_request_validation_exception", NULL, AB_ES_REJECTED, ""},
    {"illegal_argument_exception", NULL, AB_ES_REJECTED, ""},
};

enum ab_es_verdict ab_es_classify(int status, const char *type, const char *reason, const char **advice)
{
	*advice = "";
	if (status >= 200 && status < 300)
		return AB_ES_ACKED;
	for (size_t i = 0; i < AB_COUNT(rules); i++) {
		const struct rule *rule = &rules[i];
		if ((rule->type == NULL || strcmp(rule->type, type) == 0) &&
		    (rule->says == NULL || strcasestr(reason, rule->says) != NULL)) {
			*advice = rule->advice;
			return rule->verdict;
		}
	}
	if (status == 429 || status >= 500)
		return AB_ES_RETRY;
	*advice = "This error is not known here, so nothing is thrown away for it: look at the cluster's log.";
	return AB_ES_OUTAGE;
}

/* How often a text occurs. */
static uint32_t count_of(const char *text, size_t len, const char *what, size_t what_len)
{
	const char *end = text + len, *at;
	uint32_t count = 0;

	while ((at = memmem(text, (size_t)(end - text), what, what_len)) != NULL) {
		count++;
		text = at + what_len;
	}
	return count;
}

/* Whether the items, all but always, have the words of the first: a text that is equal to itself moved on by one item's
 * length is that item again and again. */
static bool are_alike(const char *items, const char *end, uint32_t count)
{
	const char *next = memmem(items, (size_t)(end - items), "},{", 3);
	size_t len = next != NULL ? (size_t)(next + 2 - items) : 0;	/* with its comma */

	return len > 0 && (size_t)(end - items) + 1 == len * count &&
	       memcmp(items, items + len, (size_t)(end - items) - len) == 0 &&
	       count_of(items, len, "\"status\":20", 11) == 1 && count_of(items, len, "\"status\":", 9) == 1;
}

/* An answer without errors says nothing else of interest than how many items it speaks of. "errors" comes before the
 * items, and without errors no text of ours or a user's is in it. */
static bool is_all_good(const struct ab_sink_lane *lane)
{
	static const char begin[] = "\"items\":[", end[] = "]}";
	const struct ab_http_reply *reply = &lane->http.reply;
	size_t front = ab_min_u64(reply->body_len, 64);

	if (memmem(reply->body, front, "\"errors\":false", 14) == NULL)
		return false;
	const char *items = memmem(reply->body, front, begin, sizeof begin - 1);
	const char *last = reply->body + reply->body_len - (sizeof end - 1);
	if (items != NULL && memcmp(last, end, sizeof end - 1) == 0 &&
	    are_alike(items + sizeof begin - 1, last, lane->http.sent_count))
		return true;
	return count_of(reply->body, reply->body_len, "\"status\":20", 11) == lane->http.sent_count &&
	       count_of(reply->body, reply->body_len, "\"status\":", 9) == lane->http.sent_count;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

struct settling {
	struct ab_sink_lane *lane;
	struct ab_batch *batch;
	const struct ab_reply *to;
	enum ab_reply_result result;
};

static void words(const struct settling *s, const char *what, int status, const char *type, const char *reason,
		  const char *advice)
{
	snprintf(s->to->error, AB_SINK_ERROR_MAX_BYTES, "elasticsearch: %s: status %d, %s: %.200s. %s", what, status,
		 type, reason, advice);
}

static void reject(const struct settling *s, uint32_t i, const char *type, const char *reason)
{
	char text[AB_SINK_ERROR_MAX_BYTES];
	int len = snprintf(text, sizeof text, "%s: %.400s", type, reason);

	/* The outcome first: when there is no room for the letter, the caller makes it a RETRY. */
	s->batch->item[i].outcome = AB_OUTCOME_REJECTED;
	s->to->counts->rejected++;
	s->to->reject(s->to->reject_arg, s->batch, i, text, ab_min_u64((uint64_t)len, sizeof text - 1));
}

static void settle_item(struct settling *s, uint32_t i, int status, const char *type, const char *reason)
{
	struct ab_item *item = &s->batch->item[i];
	const char *advice;

	switch (ab_es_classify(status, type, reason, &advice)) {
	case AB_ES_DUPLICATE:
		s->to->counts->duplicates++;
		/* fallthrough */
	case AB_ES_ACKED:
		item->outcome = AB_OUTCOME_ACKED;
		s->to->counts->acked++;
		return;
	case AB_ES_RETRY:
		item->outcome = AB_OUTCOME_RETRY;
		if (!s->to->error[0])
			words(s, "an item is sent again later", status, type, reason, advice);
		return;
	case AB_ES_REJECTED:
		reject(s, i, type, reason);
		return;
	case AB_ES_OUTAGE:
		if (s->result != AB_REPLY_OUTAGE)
			words(s, "it does not take documents", status, type, reason, advice);
		s->result = AB_REPLY_OUTAGE;
		return;
	}
}

/* Reads each item's answer. false: the answer is not what was asked for; nothing was changed. */
static bool settle_items(struct settling *s, const json_t *items)
{
	const struct ab_http_lane *http = &s->lane->http;
	size_t i;
	json_t *item;

	if (json_array_size(items) != http->sent_count)
		return false;
	json_array_foreach(items, i, item)
	{
		void *action = json_object_iter(item);
		if (action == NULL || !json_is_integer(json_object_get(json_object_iter_value(action), "status")))
			return false;
	}
	json_array_foreach(items, i, item)
	{
		json_t *answer = json_object_iter_value(json_object_iter(item));
		json_t *error = json_object_get(answer, "error");
		settle_item(s, http->sent[i], (int)json_integer_value(json_object_get(answer, "status")),
			    text_of(error, "type"), text_of(error, "reason"));
	}
	return true;
}

/* Everything sent has its outcome: what next? */
static enum ab_reply_result finish(struct settling *s)
{
	struct ab_http_lane *http = &s->lane->http;

	if (s->result == AB_REPLY_OUTAGE) {
		ab_http_lane_put_back(http, s->batch);
		s->to->counts->outages++;
		return AB_REPLY_OUTAGE;
	}
	bool unsent = false, later = false;
	for (uint32_t i = 0; i < s->batch->item_count; i++) {
		unsent |= s->batch->item[i].outcome == AB_OUTCOME_PENDING;
		later |= s->batch->item[i].outcome == AB_OUTCOME_RETRY;
	}
	if (!unsent && !later) {
		ab_http_lane_whole(http);
		return AB_REPLY_DONE;
	}
	ab_http_lane_grow(http);
	if (later && http->reply.retry_after_s > 0)
		s->batch->retry_after_ms =
		    1000 * (uint32_t)ab_min_u64(http->reply.retry_after_s, AB_HTTP_RETRY_AFTER_MAX_S);
	/* Some wait, so all do; and a server that closes is not asked again over the same connection. */
	return later || http->reply.close ? AB_REPLY_DONE : AB_REPLY_AGAIN;
}

static enum ab_reply_result broken(struct settling *s, const char *what)
{
	snprintf(s->to->error, AB_SINK_ERROR_MAX_BYTES,
		 "elasticsearch: %s (status %d, %zu bytes, %u documents sent): the connection is closed and they are "
		 "sent again",
		 what, s->lane->http.reply.status, s->lane->http.reply.body_len, s->lane->http.sent_count);
	s->to->counts->ambiguous++;
	return AB_REPLY_AMBIGUOUS;
}

static enum ab_reply_result settle_all(struct settling *s)
{
	const struct ab_http_lane *http = &s->lane->http;
	json_error_t error;

	if (is_all_good(s->lane)) {
		for (uint32_t i = 0; i < http->sent_count; i++)
			s->batch->item[http->sent[i]].outcome = AB_OUTCOME_ACKED;
		s->to->counts->acked += http->sent_count;
		return finish(s);
	}
	json_t *root = json_loadb(http->reply.body, http->reply.body_len, 0, &error);
	bool fits = settle_items(s, json_object_get(root, "items"));
	json_decref(root);
	return fits ? finish(s) : broken(s, "its answer does not name every document that was sent");
}

/* The request as a whole was refused, so that none of it was applied. */
static enum ab_reply_result refused(struct settling *s)
{
	struct ab_http_lane *http = &s->lane->http;
	char type[64] = "", reason[256] = "";
	int status = http->reply.status;
	json_error_t parse_error;
	json_t *root = json_loadb(http->reply.body, http->reply.body_len, 0, &parse_error);
	const json_t *error = json_object_get(root, "error");

	snprintf(type, sizeof type, "%s", text_of(error, "type"));
	snprintf(reason, sizeof reason, "%s", text_of(error, "reason"));
	json_decref(root);
	if (status == 401 || status == 403) { /* also said for a while by a cluster whose users are not loaded yet */
		words(s, "it refuses us", status, type, reason,
		      "Check ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD, or ELASTICSEARCH_API_KEY, and what they "
		      "may do.");
		s->result = AB_REPLY_OUTAGE;
		return finish(s);
	}
	bool halves = status == 413 || status == 400;
	if (halves && http->sent_count > 1) {
		words(s, "the request was refused, half of it is sent", status, type, reason,
		      status == 413 ? "Lower ELASTICSEARCH_BATCH_SIZE, or raise http.max_content_length." : "");
		ab_http_lane_halve(http);
		return http->reply.close ? AB_REPLY_DONE : AB_REPLY_AGAIN;
	}
	if (status == 400 && ab_http_lane_gives_up(http, s->batch)) {
		reject(s, http->sent[0], type, reason);
		return finish(s);
	}
	words(s, "the request was refused", status, type, reason,
	      status == 413 ? "Raise http.max_content_length." : "");
	s->result = AB_REPLY_OUTAGE;
	return finish(s);
}

enum ab_reply_result ab_es_reply(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				 const struct ab_reply *to)
{
	struct settling s = {.lane = lane, .batch = batch, .to = to, .result = AB_REPLY_DONE};

	AB_ASSERT(batch != NULL); /* there is no hello */
	switch (ab_http_lane_feed(&lane->http, bytes, len)) {
	case AB_HTTP_MORE:
		return AB_REPLY_MORE;
	case AB_HTTP_INVALID:
		return broken(&s, "its answer is not HTTP");
	case AB_HTTP_TOO_LARGE:
		ab_http_lane_halve(&lane->http);
		return broken(&s, "its answer is larger than there is room for, so half as many documents are sent");
	case AB_HTTP_DONE:
		break;
	}
	to->counts->requests++;
	return lane->http.reply.status == 200 ? settle_all(&s) : refused(&s);
}
