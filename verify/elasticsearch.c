/* verify/elasticsearch.c — every document against the newest change that its day's index must hold.
 *
 * Read by a scroll that is opened before the log's end is looked up: it shows the indexes as they were then, so that
 * every document in it is of a record that is looked at.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "verify/run.h"
#include "verify/time.h"

#define INDICES "/engagement-events-*"
#define PREFIX  "engagement-events-"
/* 10,000 is Elasticsearch's own bound; half of it keeps a page below 4 MB. */
#define PAGE 5000
/* How long the scroll lives between two pages: the log is read between the first and the second. */
#define SCROLL "60m"

struct ab_verify_scroll {
	struct ab_verify_http http;
	json_t *page; /* the one that is looked at next */
	char *id;
};

static struct ab_verify_sink *report_of(struct ab_verify *run)
{
	return &run->sink[AB_VERIFY_ELASTICSEARCH];
}

static void log_in(struct ab_verify_http *http, const struct ab_config *config)
{
	char value[600];

	if (config->elasticsearch_api_key[0]) {
		snprintf(value, sizeof value, "ApiKey %s", config->elasticsearch_api_key);
		ab_verify_http_header(http, "Authorization", value);
	} else if (config->elasticsearch_user[0]) {
		curl_easy_setopt(http->curl, CURLOPT_USERNAME, config->elasticsearch_user);
		curl_easy_setopt(http->curl, CURLOPT_PASSWORD, config->elasticsearch_password);
	}
}

void ab_verify_elasticsearch_begin(struct ab_verify *run)
{
	const struct ab_config *config = run->config;
	struct ab_verify_scroll *scroll = calloc(1, sizeof *scroll);

	AB_ASSERT(scroll != NULL);
	run->scroll = scroll;
	ab_verify_http_open(&scroll->http, config->elasticsearch_host, (int)config->elasticsearch_port,
			    (long)config->elasticsearch_connection_timeout_ms,
			    (long)config->elasticsearch_read_timeout_ms);
	log_in(&scroll->http, config);
	/* What was acknowledged is seen by a search only after a refresh; without the right to it, a second later. */
	json_t *refreshed = ab_verify_http_call(&scroll->http, "POST", INDICES "/_refresh", NULL);
	if (refreshed == NULL && scroll->http.status == 403)
		ab_verify_note(report_of(run),
			       "no right to refresh the indexes: documents of the last second may be missed");
	else if (refreshed == NULL) {
		ab_verify_fail(report_of(run), "%s", scroll->http.error);
		return;
	}
	json_decref(refreshed);
	scroll->page = ab_verify_http_call(&scroll->http, "POST", INDICES "/_search?scroll=" SCROLL,
					   json_pack("{s:i, s:b, s:[s]}", "size", PAGE, "version", 1, "sort", "_doc"));
	if (scroll->page == NULL)
		ab_verify_fail(report_of(run), "%s", scroll->http.error);
}

static int64_t version_of(const struct ab_verify *run, const struct ab_verify_event *event)
{
	return run->config->elasticsearch_version_kind == AB_VERSION_KIND_LSN ? event->has_lsn ? event->lsn : -1
									      : event->offset;
}

void ab_verify_elasticsearch_expect(struct ab_verify *run, const struct ab_verify_event *event, uint16_t *mark)
{
	enum ab_verify_due due = ab_verify_due(&run->committed.elasticsearch, event);
	int64_t version = version_of(run, event);
	bool dead = *mark & AB_MARK_DEAD_ELASTICSEARCH;

	if (due == AB_DUE)
		*mark |= AB_MARK_DUE_ELASTICSEARCH;
	if (version < 0) {
		*mark |= AB_MARK_NO_DOCUMENT;
		return;
	}
	ab_verify_table_add(&run->documents, event->id, (uint64_t)(int64_t)ab_verify_day(event->event_us), version,
			    ab_place(event->partition, event->offset), due == AB_DUE && !dead);
}

/* --- documents ------------------------------------------------------------------------------------------------------ */

struct document {
	const char *index;
	int32_t day;
	int64_t id, version;
	struct ab_verify_event event;
	struct ab_text content_type;
	bool has_pct;
	int64_t pct_hundredths;
};

/* NULL, or what is wrong with its form. */
static const char *read_document(const json_t *hit, struct document *document)
{
	const json_t *source = json_object_get(hit, "_source");
	struct ab_text time = ab_verify_member(source, "event_timestamp"),
		       stamp = ab_verify_member(source, "@timestamp");
	struct ab_text processed = ab_verify_member(source, "processing_time");
	const json_t *pct = json_object_get(source, "engagement_pct"), *deleted = json_object_get(source, "deleted");
	struct ab_verify_event *event = &document->event;
	int64_t processed_us = 0;

	*document = (struct document){.index = json_string_value(json_object_get(hit, "_index"))};
	if (document->index == NULL || strncmp(document->index, PREFIX, sizeof PREFIX - 1) != 0 ||
	    !ab_verify_day_read(document->index + sizeof PREFIX - 1, &document->day))
		return "its index is of no day";
	if (!ab_verify_member_i64(hit, "_id", &document->id) ||
	    !ab_verify_member_i64(hit, "_version", &document->version))
		return "its _id or _version is no number";
	if (!ab_verify_member_i64(source, "id", &event->id))
		return "id is no integer";
	if (time.at == NULL || !ab_verify_time_parse(time.at, time.len, &event->event_us))
		return "event_timestamp is no time";
	if (stamp.len != time.len || memcmp(stamp.at, time.at, time.len) != 0)
		return "@timestamp is not event_timestamp";
	if (processed.at != NULL && !ab_verify_time_parse(processed.at, processed.len, &processed_us))
		return "processing_time is no time";
	if (!json_is_boolean(deleted))
		return "deleted is neither true nor false";
	event->kafka_ts_ms = processed.at != NULL ? processed_us / 1000 : -1;
	event->op = json_is_true(deleted) ? 'd' : 'c';
	event->content_id = ab_verify_member(source, "content_id");
	event->user_id = ab_verify_member(source, "user_id");
	event->event_type = ab_verify_member(source, "event_type");
	event->device = ab_verify_member(source, "device");
	event->has_duration = ab_verify_member_i64(source, "duration_ms", &event->duration_ms);
	document->content_type = ab_verify_member(source, "content_type");
	document->has_pct = json_is_number(pct);
	if (document->has_pct)
		document->pct_hundredths = llround(json_number_value(pct) * 100);
	return NULL;
}

static void mark_place(struct ab_verify *run, const struct ab_verify_entry *entry, uint16_t marks)
{
	ab_verify_place place = ab_entry_place(entry);
	uint16_t *mark = ab_verify_mark(&run->ledger, ab_place_partition(place), ab_place_offset(place));

	AB_ASSERT(mark != NULL);
	*mark |= marks;
}

static void differs(struct ab_verify *run, const struct document *document, const struct ab_verify_entry *entry,
		    const char *what)
{
	ab_verify_place place = ab_entry_place(entry);

	mark_place(run, entry, AB_MARK_DIFFERS);
	ab_verify_found(report_of(run), AB_VERIFY_DIFFERS, "%s/%" PRId64 " (partition %d offset %" PRId64 "): %s",
			document->index, document->id, ab_place_partition(place), ab_place_offset(place), what);
}

static void compare_content(struct ab_verify *run, const struct document *document, const struct ab_verify_entry *entry)
{
	struct ab_verify_choices choices;
	char what[256];

	ab_verify_choices(run->contents, &document->event, &choices);
	report_of(run)->bounded += choices.count > 1 || choices.any;
	if (ab_verify_choices_allow(run->contents, &choices, document->content_type, document->has_pct,
				    document->pct_hundredths))
		return;
	snprintf(what, sizeof what, "content_type %.*s with engagement_pct %s%.2f belongs to no version of its content",
		 document->content_type.at ? (int)document->content_type.len : 4,
		 document->content_type.at ? document->content_type.at : "null", document->has_pct ? "" : "null ",
		 (double)document->pct_hundredths / 100);
	differs(run, document, entry, what);
}

static void compare_row(struct ab_verify *run, const struct document *document, const struct ab_verify_entry *entry)
{
	ab_verify_place place = ab_entry_place(entry);
	const struct ab_verify_partition *partition = &run->ledger.partition[ab_place_partition(place)];
	int64_t i = ab_place_offset(place) - partition->first;
	char what[512] = "another content than the record's";

	if (partition->digest[i] == ab_verify_event_digest(&document->event) &&
	    partition->micros[i] == ab_verify_micros(document->event.event_us) &&
	    partition->time_ms[i] == document->event.kafka_ts_ms) {
		compare_content(run, document, entry);
		return;
	}
	if (ab_verify_wants_example(report_of(run), AB_VERIFY_DIFFERS)) {
		const struct ab_verify_event *event =
		    ab_verify_reread(run, ab_place_partition(place), ab_place_offset(place));
		if (event != NULL)
			ab_verify_difference(&document->event, event, true, what, sizeof what);
	}
	differs(run, document, entry, what);
}

static void unexpected(struct ab_verify *run, const json_t *hit, const struct document *document, const char *why,
		       int64_t *older)
{
	if (why == NULL && document->event.kafka_ts_ms < run->whole_from_ms) {
		(*older)++;
		return;
	}
	const char *id = json_string_value(json_object_get(hit, "_id"));
	ab_verify_found(report_of(run), AB_VERIFY_DIFFERS, "%s/%s: %s", document->index ? document->index : "?",
			id ? id : "?", why ? why : "no record of the log makes this document");
}

static void compare_document(struct ab_verify *run, const json_t *hit, int64_t *older)
{
	struct ab_verify_sink *report = report_of(run);
	struct document document;
	char what[160];
	const char *why = read_document(hit, &document);
	struct ab_verify_entry *entry =
	    why == NULL || document.index != NULL
		? ab_verify_table_find(&run->documents, document.id, (uint64_t)(int64_t)document.day)
		: NULL;

	if (entry == NULL) {
		unexpected(run, hit, &document, why, older);
		return;
	}
	ab_entry_set(entry, AB_ENTRY_FOUND);
	unsigned flags = ab_entry_flags(entry);
	if (!(flags & AB_ENTRY_DUE))
		return; /* under way, or with a letter and yet there */
	report->present++;
	if (why != NULL) {
		differs(run, &document, entry, why);
	} else if (document.version == entry->version) {
		compare_row(run, &document, entry);
	} else if (!(document.version > entry->version && (flags & AB_ENTRY_MAYBE))) {
		snprintf(what, sizeof what, "version %" PRId64 ", the newest change is %" PRId64, document.version,
			 entry->version);
		differs(run, &document, entry, what);
	}
}

static bool next_page(struct ab_verify *run)
{
	struct ab_verify_scroll *scroll = run->scroll;
	const char *id = json_string_value(json_object_get(scroll->page, "_scroll_id"));

	if (id != NULL) {
		free(scroll->id);
		scroll->id = strdup(id);
		AB_ASSERT(scroll->id != NULL);
	}
	json_decref(scroll->page);
	scroll->page =
	    ab_verify_http_call(&scroll->http, "POST", "/_search/scroll",
				json_pack("{s:s, s:s}", "scroll", SCROLL, "scroll_id", scroll->id ? scroll->id : ""));
	if (scroll->page == NULL)
		ab_verify_fail(report_of(run), "%s", scroll->http.error);
	return scroll->page != NULL;
}

static void look_for_lost(struct ab_verify *run)
{
	struct ab_verify_sink *report = report_of(run);
	char day[AB_VERIFY_TIME_BYTES];

	for (size_t i = 0; i < run->documents.slots; i++) {
		const struct ab_verify_entry *entry = &run->documents.slot[i];
		unsigned flags = ab_entry_flags(entry);
		ab_verify_place place = ab_entry_place(entry);
		if (!(flags & AB_ENTRY_DUE))
			continue;
		report->expected++;
		if (flags & AB_ENTRY_FOUND)
			continue;
		mark_place(run, entry, AB_MARK_LOST);
		ab_verify_found(report, AB_VERIFY_LOST,
				"id %" PRId64 " (partition %d offset %" PRId64 "): there is no document " PREFIX
				"%s/%" PRId64,
				entry->id, ab_place_partition(place), ab_place_offset(place),
				ab_verify_day_text(day, (int32_t)(int64_t)entry->extra), entry->id);
	}
}

/* Rows whose event_ts was moved to another day: the old day's document stays, as docs/DELIVERY.md says. */
static int64_t count_moved(const struct ab_verify *run)
{
	struct ab_verify_table ids;
	int64_t moved = 0;

	ab_verify_table_create(&ids, (int64_t)run->documents.count, false);
	for (size_t i = 0; i < run->documents.slots; i++) {
		const struct ab_verify_entry *entry = &run->documents.slot[i];
		if (ab_entry_flags(entry) == 0)
			continue;
		moved += ab_verify_table_find(&ids, entry->id, 0) != NULL;
		ab_verify_table_add(&ids, entry->id, 0, 0, 0, true);
	}
	ab_verify_table_destroy(&ids);
	return moved;
}

void ab_verify_elasticsearch_compare(struct ab_verify *run)
{
	struct ab_verify_sink *report = report_of(run);
	int64_t older = 0, seen = 0;
	json_t *hit;
	size_t i;

	for (;;) {
		const json_t *hits = json_object_get(json_object_get(run->scroll->page, "hits"), "hits");
		const json_t *shards = json_object_get(run->scroll->page, "_shards");
		int64_t failed = 0;
		if (ab_verify_member_i64(shards, "failed", &failed) && failed > 0) {
			ab_verify_fail(report, "%" PRId64 " shards did not answer: see GET /_cluster/health", failed);
			return;
		}
		if (json_array_size(hits) == 0)
			break;
		json_array_foreach(hits, i, hit) compare_document(run, hit, &older);
		seen += (int64_t)json_array_size(hits);
		ab_verify_progress("elasticsearch: documents", seen, 0, false);
		if (!next_page(run))
			return;
	}
	ab_verify_progress("elasticsearch: documents", seen, 0, true);
	look_for_lost(run);
	int64_t moved = count_moved(run);
	if (moved > 0)
		ab_verify_note(report,
			       "%" PRId64
			       " documents of rows whose event_ts was moved to another day stay in the old day's index "
			       "(a limit, see docs/DELIVERY.md)",
			       moved);
	if (older > 0)
		ab_verify_note(report, "%" PRId64 " documents are older than what was looked at: not compared", older);
}

void ab_verify_elasticsearch_end(struct ab_verify *run)
{
	struct ab_verify_scroll *scroll = run->scroll;

	if (scroll == NULL)
		return;
	const char *id = json_string_value(json_object_get(scroll->page, "_scroll_id"));
	if (id != NULL || scroll->id != NULL)
		json_decref(ab_verify_http_call(&scroll->http, "DELETE", "/_search/scroll",
						json_pack("{s:s}", "scroll_id", id ? id : scroll->id)));
	json_decref(scroll->page);
	free(scroll->id);
	ab_verify_http_close(&scroll->http);
	free(scroll);
	run->scroll = NULL;
}
