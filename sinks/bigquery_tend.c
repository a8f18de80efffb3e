/* sinks/bigquery_tend.c — what is looked at while the sink runs: is the table still there and the same, and how many
 * rows are in it twice?
 *
 * Both are questions about what was acknowledged before: nothing here changes how rows are delivered. A table that is
 * gone takes its rows with it; it is made again so that what comes is kept, and the loss is told.
 *
 * Threads: the courier, but for the gauges. Memory: jansson and libcurl allocate; nothing is on the way of an event.
 */
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "sinks/bigquery.h"

static void count_loss(struct ab_sink *sink)
{
	atomic_store_explicit(&sink->tables_lost, atomic_load_explicit(&sink->tables_lost, memory_order_relaxed) + 1,
			      memory_order_relaxed); /* [B2] */
}

static enum ab_sink_status make_again(struct ab_sink *sink, char *error)
{
	char note[AB_SINK_ERROR_MAX_BYTES] = "";
	enum ab_sink_status status = ab_bq_init(sink, NULL, 0, "", note, error);

	if (status != AB_SINK_OK)
		return status;
	sink->created[0] = '\0'; /* found anew with the next look */
	count_loss(sink);
	snprintf(error, AB_SINK_ERROR_MAX_BYTES,
		 "bigquery: the table %.100s was deleted and is made again: the rows that were acknowledged before are "
		 "gone with it, and only reading the topic again brings them back",
		 sink->table);
	return AB_SINK_REFUSED;
}

/* Words about a loss come as REFUSED with error set: tend's caller says them. */
static enum ab_sink_status look_at_table(struct ab_sink *sink, char *error)
{
	json_t *root = NULL;
	enum ab_sink_status status = ab_bq_table(sink, &root, error);
	const char *created = json_string_value(json_object_get(root, "creationTime"));

	if (status == AB_SINK_MISSING) {
		json_decref(root);
		return make_again(sink, error);
	}
	if (status == AB_SINK_OK && created != NULL && sink->created[0] && strcmp(created, sink->created) != 0) {
		count_loss(sink);
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "bigquery: the table %.100s is not the one we began with (made %.32s, now %.32s): rows that "
			 "were acknowledged before are gone, and for minutes new ones may still go to the old table",
			 sink->table, sink->created, created);
		status = AB_SINK_REFUSED;
	}
	if (created != NULL)
		snprintf(sink->created, sizeof sink->created, "%s", created);
	json_decref(root);
	return status;
}

static enum ab_sink_status count_twice(struct ab_sink *sink, char *error)
{
	char sql[4 * AB_BQ_NAME_MAX_BYTES];
	json_t *root = NULL;

	snprintf(sql, sizeof sql,
		 "SELECT COALESCE(SUM(n - 1), 0) AS twice FROM (SELECT COUNT(*) AS n FROM `%s.%s.%s` WHERE kafka_topic = "
		 "'%s' GROUP BY kafka_partition, kafka_offset, id, version) AS grouped",
		 sink->project, sink->dataset, sink->table, sink->topic);
	enum ab_sink_status status = ab_bq_query(sink, "counting rows that are there twice", sql, &root, error);
	if (status == AB_SINK_OK) {
		json_t *cells = json_object_get(json_array_get(json_object_get(root, "rows"), 0), "f");
		const char *text = json_string_value(json_object_get(json_array_get(cells, 0), "v"));
		if (text != NULL)
			atomic_store_explicit(&sink->rows_twice, strtoll(text, NULL, 10), memory_order_relaxed); /* [B2] */
	}
	json_decref(root);
	return status;
}

/* Whether it is time to count: some while after the last doubt, when all of them are settled. */
static bool is_count_due(struct ab_sink *sink, int64_t now_ns)
{
	uint64_t doubts = atomic_load_explicit(&sink->doubts, memory_order_relaxed); /* [B2] */

	if (sink->doubt_ns == 0 || doubts != sink->doubts_seen) {
		sink->doubts_seen = doubts;
		sink->doubt_ns = now_ns;
	}
	if (doubts == sink->doubts_counted || now_ns - sink->doubt_ns < AB_BQ_COUNT_AFTER_NS)
		return false;
	/* The count at start, of nothing new, does not use up the turn of the first doubt. */
	return sink->doubts_counted == UINT64_MAX || sink->doubts_counted == 0 ||
	       now_ns - sink->count_ns >= AB_BQ_COUNT_EVERY_NS;
}

int64_t ab_bq_next_look_ns(int64_t begin_ns, int64_t end_ns)
{
	int64_t rest_ns = (end_ns - begin_ns) * AB_BQ_TABLE_PART;

	return end_ns + (rest_ns > AB_BQ_TABLE_EVERY_NS ? rest_ns : AB_BQ_TABLE_EVERY_NS);
}

enum ab_sink_status ab_bq_tend(struct ab_sink *sink, char *error)
{
	int64_t now_ns = ab_monotonic_ns();
	enum ab_sink_status status = AB_SINK_OK;

	if (now_ns >= sink->table_due_ns) {
		status = look_at_table(sink, error);
		sink->table_due_ns = ab_bq_next_look_ns(now_ns, ab_monotonic_ns());
	}
	if (status == AB_SINK_OK && is_count_due(sink, now_ns)) {
		sink->count_ns = now_ns;
		sink->doubts_counted = sink->doubts_seen;
		status = count_twice(sink, error);
	}
	return status;
}

int ab_bq_gauges(const struct ab_sink *sink, struct ab_sink_gauge *out)
{
	out[0] = (struct ab_sink_gauge){"bigquery_duplicate_rows",
					"Rows of the table beyond the first of their record, as of the last count.",
					atomic_load_explicit(&sink->rows_twice, memory_order_relaxed)}; /* [B2] */
	out[1] = (struct ab_sink_gauge){"bigquery_tables_lost", "Times the table was gone, or another one.",
					atomic_load_explicit(&sink->tables_lost, memory_order_relaxed)}; /* [B2] */
	return 2;
}
