/* loadgen/reader_search.c — a mark is acknowledged by Elasticsearch when a real-time GET finds its document, and
 * searchable when a search does.
 *
 * The GET (of many documents in one request) reads what the shard has taken, refreshed or not; the search sees only what
 * a refresh has made visible, so it is asked less often.
 */
#include <time.h>

#include <jansson.h>

#include "loadgen/clock.h"
#include "loadgen/reader.h"
#include "loadgen/web.h"

/* Documents of one request: older marks first. */
#define GET_MAX 1000
#define SEARCH_MAX 1000
#define SEARCH_PERIOD_NS INT64_C(250000000)

/* {"_index":"engagement-events-2026-01-31","_id":"9223372036854775807","_source":false}, */
#define DOCUMENT_BYTES 96

struct own {
	struct ab_web web;
	char url[2300];
	char *body;
	uint32_t asked[GET_MAX]; /* samples in the order asked for */
};

static int failed(struct ab_reader *r, const char *why)
{
	snprintf(r->error, sizeof r->error, "Elasticsearch at %.200s:%.16s: %.250s", r->settings->search_host,
		r->settings->search_port, why);
	return 0;
}

static int ask(struct ab_reader *r, const char *path, const char *body)
{
	struct own *own = r->own;
	snprintf(own->url, sizeof own->url, "http://%s:%s/%s", r->settings->search_host, r->settings->search_port, path);
	if (!ab_web_ask(&own->web, own->url, body))
		return failed(r, own->web.error);
	if (own->web.status == 200)
		return 1;
	char why[128];
	snprintf(why, sizeof why, "status %ld: %.80s", own->web.status, own->web.answer);
	return failed(r, why);
}

static int connect_search(struct ab_reader *r)
{
	const struct ab_settings *s = r->settings;
	struct own *own = r->own;
	if (own == NULL) {
		own = r->own = calloc(1, sizeof *own);
		AB_ASSERT(own != NULL);
		own->body = malloc(GET_MAX * DOCUMENT_BYTES + 256);
		AB_ASSERT(own->body != NULL);
		ab_web_open(&own->web, s->search_user, s->search_password.value, s->search_api_key.value);
	}
	return ask(r, "_cluster/health", NULL);
}

static void disconnect(struct ab_reader *r)
{
	struct own *own = r->own;
	if (own == NULL || !atomic_load_explicit(&r->stopping, memory_order_relaxed))
		return;
	ab_web_close(&own->web);
	free(own->body);
	free(own);
	r->own = NULL;
}

static size_t put_document(char *to, const struct ab_mark *mark)
{
	char day[16];
	time_t seconds = (time_t)(mark->event_us / 1000000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(day, sizeof day, "%Y-%m-%d", &tm);
	return (size_t)snprintf(to, DOCUMENT_BYTES, "{\"_index\":\"engagement-events-%s\",\"_id\":\"%lld\",\"_source\":false}",
		day, (long long)mark->id);
}

static size_t put_text(char *to, const char *text)
{
	size_t len = strlen(text);
	memcpy(to, text, len + 1);
	return len;
}

/* Marks that no GET has found yet; the answer names them in the order asked for. */
static int look_by_get(struct ab_reader *r)
{
	struct own *own = r->own;
	uint32_t count = 0;
	size_t len = put_text(own->body, "{\"docs\":[");
	for (uint32_t i = r->done; i < r->used && count < GET_MAX; i++) {
		if (r->samples[i].seen_ns != AB_NEVER)
			continue;
		if (count > 0)
			own->body[len++] = ',';
		len += put_document(own->body + len, &r->samples[i].mark);
		own->asked[count++] = i;
	}
	put_text(own->body + len, "]}");
	if (count == 0)
		return 1;
	if (!ask(r, "_mget", own->body))
		return 0;
	int64_t now = ab_lg_now_ns();
	json_t *answer = json_loadb(own->web.answer, own->web.len, 0, NULL);
	json_t *documents = json_object_get(answer, "docs");
	int ok = json_array_size(documents) == count;
	for (uint32_t i = 0; ok && i < count; i++)
		if (json_is_true(json_object_get(json_array_get(documents, i), "found")))
			r->samples[own->asked[i]].seen_ns = now;
	json_decref(answer);
	return ok ? 1 : failed(r, "the answer to _mget names other documents than were asked for");
}

struct found {
	long long id;
	uint32_t sample;
};

static int by_id(const void *a, const void *b)
{
	long long x = ((const struct found *)a)->id, y = ((const struct found *)b)->id;
	return (x > y) - (x < y);
}

static void put_search(struct ab_reader *r, struct found *asked, uint32_t *count)
{
	struct own *own = r->own;
	size_t len = put_text(own->body,
		"{\"size\":1000,\"_source\":false,\"track_total_hits\":false,\"query\":{\"ids\":{\"values\":[");
	*count = 0;
	for (uint32_t i = r->done; i < r->used && *count < SEARCH_MAX; i++) {
		const struct ab_sample *s = &r->samples[i];
		if (s->seen_ns == AB_NEVER || s->searchable_ns != AB_NEVER)
			continue;
		len += (size_t)snprintf(own->body + len, DOCUMENT_BYTES, "%s\"%lld\"", *count > 0 ? "," : "",
			(long long)s->mark.id);
		asked[(*count)++] = (struct found){s->mark.id, i};
	}
	put_text(own->body + len, "]}}}");
}

static int look_by_search(struct ab_reader *r)
{
	struct own *own = r->own;
	struct found asked[SEARCH_MAX];
	uint32_t count;
	put_search(r, asked, &count);
	if (count == 0)
		return 1;
	if (!ask(r, "engagement-events-*/_search?ignore_unavailable=true", own->body))
		return 0;
	int64_t now = ab_lg_now_ns();
	json_t *answer = json_loadb(own->web.answer, own->web.len, 0, NULL), *hit;
	size_t at;
	qsort(asked, count, sizeof *asked, by_id);
	json_array_foreach(json_object_get(json_object_get(answer, "hits"), "hits"), at, hit) {
		const char *id = json_string_value(json_object_get(hit, "_id"));
		struct found wanted = {id != NULL ? strtoll(id, NULL, 10) : 0, 0};
		struct found *found = bsearch(&wanted, asked, count, sizeof *asked, by_id);
		if (found != NULL)
			r->samples[found->sample].searchable_ns = now;
	}
	json_decref(answer);
	return 1;
}

static int look(struct ab_reader *r)
{
	int64_t now = ab_lg_now_ns();
	if (!look_by_get(r))
		return 0;
	if (now < r->search_due_ns)
		return 1;
	r->search_due_ns = now + SEARCH_PERIOD_NS;
	return look_by_search(r);
}

const struct ab_reader_kind ab_reader_search = {.sink = "elasticsearch", .period_ns = 25000000, .has_searchable = 1,
	.connect = connect_search, .look = look, .disconnect = disconnect};
