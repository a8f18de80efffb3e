/* verify/bigquery.c — the table row by row, by topic, partition and offset; then the view, by id.
 *
 * Only rows of offsets below the log's end of now are asked for, so none is of a record that is not looked at. Answers
 * are read page by page; ranges of offsets keep each query's answer small where an emulator runs the query anew for
 * every page.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "verify/run.h"
#include "verify/time.h"

#define PAGE_ROWS  50000
#define RANGE_ROWS INT64_C(500000)
#define QUERY_MS   60000
#define SQL_BYTES  2048
#define COLUMNS                                                                                                        \
	"kafka_partition, kafka_offset, id, content_id, user_id, event_type, event_ts, device, content_type, "         \
	"duration_ms, "                                                                                                \
	"engagement_pct, processing_time, op, deleted, version"

enum column {
	PARTITION,
	OFFSET,
	ID,
	CONTENT_ID,
	USER_ID,
	EVENT_TYPE,
	EVENT_TS,
	DEVICE,
	CONTENT_TYPE,
	DURATION,
	PCT,
	PROCESSED,
	OP,
	DELETED,
	VERSION,
	COLUMN_COUNT,
};

typedef void on_row(struct ab_verify *run, struct ab_text *cell, void *arg);

static struct ab_verify_sink *report_of(struct ab_verify *run)
{
	return &run->sink[AB_VERIFY_BIGQUERY];
}

void ab_verify_bigquery_expect(struct ab_verify *run, const struct ab_verify_event *event, uint16_t *mark)
{
	bool due = ab_verify_due(&run->committed.bigquery, event) == AB_DUE, dead = *mark & AB_MARK_DEAD_BIGQUERY;

	if (due)
		*mark |= AB_MARK_DUE_BIGQUERY;
	ab_verify_table_add(&run->view, event->id, 0, event->has_lsn ? event->lsn : -1,
			    ab_place(event->partition, event->offset), due && !dead);
}

/* --- queries -------------------------------------------------------------------------------------------------------- */

static void take_rows(struct ab_verify *run, const json_t *answer, int columns, on_row *row, void *arg)
{
	struct ab_text cell[COLUMN_COUNT];
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(answer, "rows"), i, line)
	{
		const json_t *cells = json_object_get(line, "f");
		for (int c = 0; c < columns; c++)
			cell[c] = ab_verify_member(json_array_get(cells, (size_t)c), "v");
		row(run, cell, arg);
	}
}

/* The page behind this one; NULL: there is none, or *failed. */
static json_t *next_page(struct ab_verify_http *http, const struct ab_config *config, const json_t *answer,
			 bool *failed)
{
	const json_t *job = json_object_get(answer, "jobReference");
	const char *token = json_string_value(json_object_get(answer, "pageToken"));
	const char *id = json_string_value(json_object_get(job, "jobId"));
	const char *location = json_string_value(json_object_get(job, "location"));
	char path[1024];

	if (token == NULL || token[0] == '\0' || id == NULL)
		return NULL;
	char *escaped = curl_easy_escape(http->curl, token, 0);
	snprintf(path, sizeof path, "/bigquery/v2/projects/%s/queries/%s?maxResults=%d&pageToken=%s%s%s",
		 config->bigquery_project, id, PAGE_ROWS, escaped ? escaped : "", location ? "&location=" : "",
		 location ? location : "");
	curl_free(escaped);
	json_t *page = ab_verify_http_call(http, "GET", path, NULL);
	*failed = page == NULL;
	return page;
}

static bool query(struct ab_verify *run, struct ab_verify_http *http, const char *sql, int columns, on_row *row,
		  void *arg)
{
	char path[512];
	bool failed = false;

	snprintf(path, sizeof path, "/bigquery/v2/projects/%s/queries", run->config->bigquery_project);
	json_t *answer =
	    ab_verify_http_call(http, "POST", path,
				json_pack("{s:s, s:b, s:b, s:i, s:i}", "query", sql, "useLegacySql", 0, "useQueryCache",
					  0, "timeoutMs", QUERY_MS, "maxResults", PAGE_ROWS));
	const json_t *errors = json_object_get(answer, "errors");
	if (answer == NULL) {
		ab_verify_fail(report_of(run), "%s", http->error);
	} else if (json_array_size(errors) > 0) {
		const char *message = json_string_value(json_object_get(json_array_get(errors, 0), "message"));
		ab_verify_fail(report_of(run), "a query was refused: %.300s", message ? message : "without words");
	} else if (!json_is_true(json_object_get(answer, "jobComplete"))) {
		ab_verify_fail(report_of(run), "a query took longer than %d s", QUERY_MS / 1000);
	}
	while (answer != NULL && !report_of(run)->failed) {
		take_rows(run, answer, columns, row, arg);
		json_t *page = next_page(http, run->config, answer, &failed);
		json_decref(answer);
		answer = page;
		if (failed)
			ab_verify_fail(report_of(run), "%s", http->error);
	}
	json_decref(answer);
	return !report_of(run)->failed;
}

/* --- the table ------------------------------------------------------------------------------------------------------ */

static bool whole(struct ab_text cell, int64_t *value)
{
	char *end;

	if (cell.at == NULL || cell.len == 0)
		return false;
	*value = strtoll(cell.at, &end, 10);
	return *end == '\0';
}

static void found(struct ab_verify *run, enum ab_verify_kind kind, int p, int64_t offset, const char *what)
{
	uint16_t *mark = ab_verify_mark(&run->ledger, p, offset);

	if (mark != NULL)
		*mark |= kind == AB_VERIFY_LOST    ? AB_MARK_LOST
			 : kind == AB_VERIFY_TWICE ? AB_MARK_TWICE
						   : AB_MARK_DIFFERS;
	ab_verify_found(report_of(run), kind, "partition %d offset %" PRId64 ": %s", p, offset, what);
}

static char op_of(uint16_t mark)
{
	return mark & AB_MARK_UPDATE ? 'u' : mark & AB_MARK_DELETE ? 'd' : mark & AB_MARK_READ ? 'r' : 'c';
}

/* NULL, or what is wrong with the row's form. */
static const char *read_row(const struct ab_text *cell, struct ab_verify_event *event)
{
	int64_t processed_us;

	if (!whole(cell[ID], &event->id))
		return "id is no integer";
	if (cell[EVENT_TS].at == NULL || !ab_verify_time_parse(cell[EVENT_TS].at, cell[EVENT_TS].len, &event->event_us))
		return "event_ts is no time";
	if (cell[PROCESSED].at != NULL && !ab_verify_time_parse(cell[PROCESSED].at, cell[PROCESSED].len, &processed_us))
		return "processing_time is no time";
	event->content_id = cell[CONTENT_ID];
	event->user_id = cell[USER_ID];
	event->event_type = cell[EVENT_TYPE];
	event->device = cell[DEVICE];
	event->has_duration = whole(cell[DURATION], &event->duration_ms);
	event->has_lsn = whole(cell[VERSION], &event->lsn);
	event->op = cell[OP].at != NULL && cell[OP].len == 1 ? cell[OP].at[0] : '?';
	return NULL;
}

/* What is wrong with a row whose columns are the record's; NULL: nothing. */
static const char *check_derived(struct ab_verify *run, const struct ab_text *cell, const struct ab_verify_event *event,
				 uint16_t mark, char *what, size_t room)
{
	bool deleted = cell[DELETED].at != NULL && strcasecmp(cell[DELETED].at, "true") == 0;
	struct ab_verify_choices choices;
	char expected[AB_VERIFY_TIME_BYTES];
	int64_t pct = cell[PCT].at != NULL ? llround(strtod(cell[PCT].at, NULL) * 100) : 0;

	if (event->op != op_of(mark)) {
		snprintf(what, room, "op is %c, not %c", event->op, op_of(mark));
		return what;
	}
	if (deleted != (event->op == 'd'))
		return "deleted does not belong to op";
	ab_verify_datetime_text(expected, event->kafka_ts_ms * 1000);
	if (event->kafka_ts_ms >= 0 && (cell[PROCESSED].at == NULL || strcmp(cell[PROCESSED].at, expected) != 0)) {
		snprintf(what, room, "processing_time is %.40s, not %s",
			 cell[PROCESSED].at ? cell[PROCESSED].at : "null", expected);
		return what;
	}
	ab_verify_choices(run->contents, event, &choices);
	report_of(run)->bounded += choices.count > 1 || choices.any;
	if (ab_verify_choices_allow(run->contents, &choices, cell[CONTENT_TYPE], cell[PCT].at != NULL, pct))
		return NULL;
	snprintf(what, room, "content_type %.60s with engagement_pct %.20s belongs to no version of its content",
		 cell[CONTENT_TYPE].at ? cell[CONTENT_TYPE].at : "null", cell[PCT].at ? cell[PCT].at : "null");
	return what;
}

static void compare_with(struct ab_verify *run, const struct ab_text *cell, struct ab_verify_event *event,
			 const struct ab_verify_partition *partition)
{
	int64_t i = event->offset - partition->first;
	char what[512] = "another content than the record's";
	const char *why = read_row(cell, event);

	if (why == NULL &&
	    (partition->digest[i] != ab_verify_event_digest(event) || partition->lsn[i] != ab_verify_lsn_hash(event))) {
		why = what;
		const struct ab_verify_event *record = ab_verify_wants_example(report_of(run), AB_VERIFY_DIFFERS)
							   ? ab_verify_reread(run, event->partition, event->offset)
							   : NULL;
		if (record != NULL)
			ab_verify_difference(event, record, false, what, sizeof what);
	}
	if (why == NULL)
		why = check_derived(run, cell, event, partition->mark[i], what, sizeof what);
	if (why != NULL)
		found(run, AB_VERIFY_DIFFERS, event->partition, event->offset, why);
}

static void compare_row(struct ab_verify *run, struct ab_text *cell, void *arg)
{
	struct ab_verify_sink *report = report_of(run);
	struct ab_verify_event event = {.kafka_ts_ms = -1};
	int64_t *seen = arg, p = -1, offset = -1;

	ab_verify_progress("bigquery: rows", ++*seen, 0, false);
	if (!whole(cell[PARTITION], &p) || !whole(cell[OFFSET], &offset))
		return;
	uint16_t *mark = ab_verify_mark(&run->ledger, (int)p, offset);
	if (mark == NULL)
		return; /* asked for by range: cannot be */
	if (!(*mark & AB_MARK_EVENT)) {
		found(run, AB_VERIFY_DIFFERS, (int)p, offset, "there is a row of it, but the log has no event here");
		return;
	}
	if (*mark & AB_MARK_SEEN) {
		found(run, AB_VERIFY_TWICE, (int)p, offset, "there is more than one row of it");
		return;
	}
	*mark |= AB_MARK_SEEN;
	if ((*mark & AB_MARK_DUE_BIGQUERY) && !(*mark & AB_MARK_DEAD_BIGQUERY))
		report->present++;
	event.partition = (int)p;
	event.offset = offset;
	const struct ab_verify_partition *partition = &run->ledger.partition[p];
	event.kafka_ts_ms = partition->time_ms[offset - partition->first];
	compare_with(run, cell, &event, partition);
}

static bool compare_table(struct ab_verify *run, struct ab_verify_http *http)
{
	const struct ab_config *config = run->config;
	char sql[SQL_BYTES];
	int64_t seen = 0;

	for (int p = 0; p < run->ledger.partition_count; p++) {
		const struct ab_verify_partition *partition = &run->ledger.partition[p];
		for (int64_t from = partition->first; from < partition->next; from += RANGE_ROWS) {
			int64_t to = from + RANGE_ROWS < partition->next ? from + RANGE_ROWS : partition->next;
			snprintf(sql, sizeof sql,
				 "SELECT " COLUMNS
				 " FROM `%s.%s.%s` WHERE kafka_topic = '%s' AND kafka_partition = %d AND "
				 "kafka_offset >= %" PRId64 " AND kafka_offset < %" PRId64,
				 config->bigquery_project, config->bigquery_dataset, config->bigquery_table,
				 config->events_topic, p, from, to);
			if (!query(run, http, sql, COLUMN_COUNT, compare_row, &seen))
				return false;
		}
	}
	ab_verify_progress("bigquery: rows", seen, 0, true);
	return true;
}

static void look_for_lost_rows(struct ab_verify *run)
{
	struct ab_verify_sink *report = report_of(run);
	const uint16_t due = AB_MARK_EVENT | AB_MARK_DUE_BIGQUERY;

	for (int p = 0; p < run->ledger.partition_count; p++) {
		const struct ab_verify_partition *partition = &run->ledger.partition[p];
		for (int64_t i = 0; i < partition->next - partition->first; i++) {
			uint16_t mark = partition->mark[i];
			if ((mark & due) != due || mark & AB_MARK_DEAD_BIGQUERY)
				continue;
			report->expected++;
			if (!(mark & AB_MARK_SEEN))
				found(run, AB_VERIFY_LOST, p, partition->first + i, "there is no row of it");
		}
	}
}

/* --- the view ------------------------------------------------------------------------------------------------------- */

static void view_differs(struct ab_verify *run, int64_t id, const char *what)
{
	ab_verify_found(report_of(run), AB_VERIFY_DIFFERS, "view %s_exact, id %" PRId64 ": %s",
			run->config->bigquery_table, id, what);
}

static void compare_view_row(struct ab_verify *run, struct ab_text *cell, void *arg)
{
	int64_t *seen = arg, id, p, offset, version = -1;
	char what[160];

	ab_verify_progress("bigquery: rows of the view", ++*seen, 0, false);
	if (!whole(cell[0], &id) || !whole(cell[1], &p) || !whole(cell[2], &offset))
		return;
	whole(cell[3], &version);
	if (p >= run->ledger.partition_count || offset >= run->ledger.partition[p].next)
		return; /* newer than what is looked at */
	struct ab_verify_entry *entry = ab_verify_table_find(&run->view, id, 0);
	if (entry == NULL || !(ab_entry_flags(entry) & AB_ENTRY_DUE)) {
		if (entry == NULL && offset >= run->ledger.partition[p].first)
			view_differs(run, id, "the log has no such row");
		return;
	}
	if (ab_entry_flags(entry) & AB_ENTRY_FOUND) {
		view_differs(run, id, "it is there twice");
		return;
	}
	ab_entry_set(entry, AB_ENTRY_FOUND);
	uint16_t mark = *ab_verify_mark(&run->ledger, ab_place_partition(ab_entry_place(entry)),
					ab_place_offset(ab_entry_place(entry)));
	if (ab_place((int)p, offset) == ab_entry_place(entry) && !(mark & AB_MARK_DELETE))
		return;
	if (ab_entry_flags(entry) & AB_ENTRY_MAYBE && version >= entry->version)
		return;
	snprintf(what, sizeof what,
		 "it shows partition %" PRId64 " offset %" PRId64 ", the newest change is partition %d offset %" PRId64
		 "%s",
		 p, offset, ab_place_partition(ab_entry_place(entry)), ab_place_offset(ab_entry_place(entry)),
		 mark & AB_MARK_DELETE ? ", a delete" : "");
	view_differs(run, id, what);
}

static void look_for_missing_in_view(struct ab_verify *run)
{
	for (size_t i = 0; i < run->view.slots; i++) {
		const struct ab_verify_entry *entry = &run->view.slot[i];
		unsigned flags = ab_entry_flags(entry);
		if (!(flags & AB_ENTRY_DUE) || flags & (AB_ENTRY_FOUND | AB_ENTRY_MAYBE))
			continue;
		ab_verify_place place = ab_entry_place(entry);
		uint16_t mark = *ab_verify_mark(&run->ledger, ab_place_partition(place), ab_place_offset(place));
		/* A lost row was told already, and an older one may stand for it. */
		if (!(mark & (AB_MARK_DELETE | AB_MARK_LOST)))
			view_differs(run, entry->id, "it is not there");
	}
}

static void change_to_come(struct ab_verify *run, struct ab_text *cell, void *arg)
{
	struct ab_verify_entry *entry;
	int64_t id;

	(void)arg;
	if (whole(cell[0], &id) && (entry = ab_verify_table_find(&run->view, id, 0)) != NULL)
		ab_entry_set(entry, AB_ENTRY_MAYBE);
}

/* A row whose change lies behind the end of the log that is looked at is shown by that change, or, when it is a delete, not at
 * all: these rows may be missing. Asked after the view was: whatever the view could see is found here. */
static bool look_for_changes_to_come(struct ab_verify *run, struct ab_verify_http *http)
{
	const struct ab_config *config = run->config;
	char sql[SQL_BYTES];

	for (int p = 0; p < run->ledger.partition_count; p++) {
		snprintf(sql, sizeof sql,
			 "SELECT DISTINCT id FROM `%s.%s.%s` WHERE kafka_topic = '%s' AND kafka_partition = %d AND "
			 "kafka_offset >= %" PRId64,
			 config->bigquery_project, config->bigquery_dataset, config->bigquery_table,
			 config->events_topic, p, run->ledger.partition[p].next);
		if (!query(run, http, sql, 1, change_to_come, NULL))
			return false;
	}
	return true;
}

static bool compare_view(struct ab_verify *run, struct ab_verify_http *http)
{
	const struct ab_config *config = run->config;
	char sql[SQL_BYTES];
	int64_t seen = 0;

	snprintf(sql, sizeof sql,
		 "SELECT id, kafka_partition, kafka_offset, version FROM `%s.%s.%s_exact` WHERE kafka_topic = '%s' "
		 "ORDER BY id",
		 config->bigquery_project, config->bigquery_dataset, config->bigquery_table, config->events_topic);
	if (!query(run, http, sql, 4, compare_view_row, &seen) || !look_for_changes_to_come(run, http))
		return false;
	ab_verify_progress("bigquery: rows of the view", seen, 0, true);
	look_for_missing_in_view(run);
	return true;
}

void ab_verify_bigquery_compare(struct ab_verify *run)
{
	const struct ab_config *config = run->config;
	struct ab_verify_sink *report = report_of(run);
	struct ab_verify_http http;

	ab_verify_http_open(&http, config->bigquery_host, (int)config->bigquery_port,
			    (long)config->bigquery_connection_timeout_ms, 2 * QUERY_MS);
	if (compare_table(run, &http)) {
		look_for_lost_rows(run);
		if (compare_view(run, &http))
			ab_verify_note(report, "view %s_exact: %zu ids compared", config->bigquery_table,
				       run->view.count);
		if (report->found[AB_VERIFY_TWICE] > 0)
			ab_verify_note(
			    report,
			    "doubled rows are within the promise (at least once): the view shows each event once");
	}
	ab_verify_http_close(&http);
}
