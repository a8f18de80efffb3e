/* sinks/bigquery_admin.c — what control asks of BigQuery: is the table there, what did a crash leave in it, and
 * `anabranch init`.
 *
 * Made when missing: dataset, table, our columns in a table of the original pipeline's, the view <table>_exact.
 * Everything is asked for before it is made: one emulator answers 500 when a dataset is made twice.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "sinks/bigquery.h"

struct column {
	const char *name, *type, *sql_type;
	bool ours; /* not in the original pipeline's table */
};

static const struct column columns[] = {
    {"id", "INTEGER", "INT64", false},
    {"content_id", "STRING", "STRING", false},
    {"user_id", "STRING", "STRING", false},
    {"event_type", "STRING", "STRING", false},
    {"event_ts", "STRING", "STRING", false},
    {"device", "STRING", "STRING", false},
    {"content_type", "STRING", "STRING", false},
    {"duration_ms", "INTEGER", "INT64", false},
    {"engagement_pct", "FLOAT", "FLOAT64", false},
    {"processing_time", "STRING", "STRING", false},
    {"op", "STRING", "STRING", true},
    {"deleted", "BOOLEAN", "BOOL", true},
    {"version", "INTEGER", "INT64", true},
    {"kafka_topic", "STRING", "STRING", true},
    {"kafka_partition", "INTEGER", "INT64", true},
    {"kafka_offset", "INTEGER", "INT64", true},
    {"kafka_ts", "TIMESTAMP", "TIMESTAMP", true},
};

#define PATH_MAX_BYTES (3 * AB_BQ_NAME_MAX_BYTES + 128)
#define SQL_MAX_BYTES  4096

/* table NULL: the dataset's address; suffix is added to the table's name. */
static void write_path(char *to, const struct ab_sink *sink, const char *table, const char *suffix)
{
	if (table == NULL)
		snprintf(to, PATH_MAX_BYTES, "/bigquery/v2/projects/%s/datasets/%s", sink->project, sink->dataset);
	else
		snprintf(to, PATH_MAX_BYTES, "/bigquery/v2/projects/%s/datasets/%s/tables/%s%s", sink->project,
			 sink->dataset, table, suffix);
}

/* Takes body; NULL for none. */
static enum ab_sink_status call_json(struct ab_sink *sink, const char *method, const char *path, json_t *body,
				     struct ab_http_answer *answer, char *error)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	enum ab_sink_status status = ab_http_call(&sink->admin, method, path, text, answer, error);

	free(text);
	json_decref(body);
	return status;
}

/* A call that must answer 200. Takes body; *root gets the answer when root is not NULL. */
static enum ab_sink_status must(struct ab_sink *sink, const char *what, const char *method, const char *path,
				json_t *body, json_t **root, char *error)
{
	struct ab_http_answer answer;
	enum ab_sink_status status = call_json(sink, method, path, body, &answer, error);

	if (status != AB_SINK_OK)
		return status;
	if (answer.status != 200)
		status = ab_http_refusal(&sink->admin, what, &answer, error);
	else if (root != NULL)
		status = ab_http_json(&sink->admin, what, &answer, root, error);
	ab_http_answer_free(&answer);
	return status;
}

enum there { IS_THERE, IS_NOT_THERE, IS_UNKNOWN };

/* UNKNOWN: *status and error say why. *root, when not NULL, gets what was answered. */
static enum there look_for(struct ab_sink *sink, const char *what, const char *path, json_t **root,
			   enum ab_sink_status *status, char *error)
{
	struct ab_http_answer answer;
	enum there there = IS_UNKNOWN;

	*status = ab_http_call(&sink->admin, "GET", path, NULL, &answer, error);
	if (*status != AB_SINK_OK)
		return IS_UNKNOWN;
	if (answer.status == 404)
		there = IS_NOT_THERE;
	else if (answer.status != 200)
		*status = ab_http_refusal(&sink->admin, what, &answer, error);
	else if (root != NULL)
		*status = ab_http_json(&sink->admin, what, &answer, root, error);
	if (answer.status == 200 && *status == AB_SINK_OK)
		there = IS_THERE;
	ab_http_answer_free(&answer);
	return there;
}

/* Runs a query. An error that comes with status 200 is REFUSED, as BigQuery's own 400 is. */
enum ab_sink_status ab_bq_query(struct ab_sink *sink, const char *what, const char *sql, json_t **root, char *error)
{
	char path[PATH_MAX_BYTES];
	json_t *answer = NULL;

	snprintf(path, sizeof path, "/bigquery/v2/projects/%s/queries", sink->project);
	json_t *body = json_pack("{s:s, s:b, s:b, s:I}", "query", sql, "useLegacySql", 0, "useQueryCache", 0,
				 "timeoutMs", (json_int_t)sink->read_timeout_ms);
	enum ab_sink_status status = must(sink, what, "POST", path, body, &answer, error);
	const json_t *errors = json_object_get(answer, "errors");
	if (status == AB_SINK_OK && json_array_size(errors) > 0) {
		const char *message = json_string_value(json_object_get(json_array_get(errors, 0), "message"));
		snprintf(error, AB_SINK_ERROR_MAX_BYTES, "bigquery: %s: %.300s", what,
			 message ? message : "an error without words");
		status = AB_SINK_REFUSED;
	} else if (status == AB_SINK_OK && !json_is_true(json_object_get(answer, "jobComplete"))) {
		snprintf(error, AB_SINK_ERROR_MAX_BYTES, "bigquery: %s took longer than BIGQUERY_READ_TIMEOUT_MS",
			 what);
		status = AB_SINK_ABSENT;
	}
	if (root != NULL && status == AB_SINK_OK)
		*root = answer;
	else
		json_decref(answer);
	return status;
}

enum ab_sink_status ab_bq_table(struct ab_sink *sink, json_t **root, char *error)
{
	char path[PATH_MAX_BYTES];
	enum ab_sink_status status;

	write_path(path, sink, sink->table, "");
	if (look_for(sink, "table", path, root, &status, error) != IS_NOT_THERE)
		return status;
	snprintf(error, AB_SINK_ERROR_MAX_BYTES,
		 "bigquery: the table %.100s.%.100s.%.100s is missing. Run `anabranch init`", sink->project,
		 sink->dataset, sink->table);
	return AB_SINK_MISSING;
}

enum ab_sink_status ab_bq_probe(struct ab_sink *sink, char *error)
{
	return ab_bq_table(sink, NULL, error);
}

/* --- positions ------------------------------------------------------------------------------------------------------ */

static void take_bound(struct ab_sink *sink, int partitions, const json_t *row)
{
	const json_t *cells = json_object_get(row, "f");
	const char *partition = json_string_value(json_object_get(json_array_get(cells, 0), "v"));
	const char *newest = json_string_value(json_object_get(json_array_get(cells, 1), "v"));

	if (partition == NULL || newest == NULL)
		return;
	int64_t p = strtoll(partition, NULL, 10), offset = strtoll(newest, NULL, 10);
	if (p >= 0 && p < partitions && p < AB_PARTITIONS_MAX && offset >= 0 && offset < INT64_MAX)
		atomic_store_explicit(&sink->bound[p], offset + 1, memory_order_relaxed); /* [B1] */
}

/* No positions are stored here. The newest offset of each partition is only how far rows may be there already; below
 * it every batch is looked up before it is inserted. */
enum ab_sink_status ab_bq_positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error)
{
	char sql[SQL_MAX_BYTES];
	json_t *root = NULL, *row;
	size_t i;

	(void)io;
	snprintf(sql, sizeof sql,
		 "SELECT kafka_partition, MAX(kafka_offset) AS newest FROM `%s.%s.%s` WHERE kafka_topic = '%s' "
		 "GROUP BY kafka_partition",
		 sink->project, sink->dataset, sink->table, sink->topic);
	enum ab_sink_status status = ab_bq_query(sink, "newest offsets", sql, &root, error);
	if (status == AB_SINK_REFUSED) {
		size_t len = strlen(error);
		snprintf(error + len, AB_SINK_ERROR_MAX_BYTES - len,
			 ". If its columns are missing, run `anabranch init`");
	}
	if (status != AB_SINK_OK)
		return status;
	json_array_foreach(json_object_get(root, "rows"), i, row) take_bound(sink, partitions, row);
	json_decref(root);
	atomic_fetch_add_explicit(&sink->epoch, 1, memory_order_release); /* [B1] */
	return AB_SINK_OK;
}

/* --- init ----------------------------------------------------------------------------------------------------------- */

static json_t *field(const struct column *column)
{
	return json_pack("{s:s, s:s, s:s}", "name", column->name, "type", column->type, "mode", "NULLABLE");
}

static json_t *table_reference(const struct ab_sink *sink, const char *suffix)
{
	char name[AB_BQ_NAME_MAX_BYTES + 16];

	snprintf(name, sizeof name, "%s%s", sink->table, suffix);
	return json_pack("{s:s, s:s, s:s}", "projectId", sink->project, "datasetId", sink->dataset, "tableId", name);
}

static enum ab_sink_status make_dataset(struct ab_sink *sink, char *error)
{
	char path[PATH_MAX_BYTES];
	enum ab_sink_status status;

	write_path(path, sink, NULL, "");
	if (look_for(sink, "dataset", path, NULL, &status, error) != IS_NOT_THERE)
		return status;
	snprintf(path, sizeof path, "/bigquery/v2/projects/%s/datasets", sink->project);
	json_t *body =
	    json_pack("{s:{s:s, s:s}}", "datasetReference", "projectId", sink->project, "datasetId", sink->dataset);
	return must(sink, "making the dataset", "POST", path, body, NULL, error);
}

static void write_tables_path(char *to, const struct ab_sink *sink)
{
	write_path(to, sink, NULL, "");
	size_t len = strlen(to);
	snprintf(to + len, PATH_MAX_BYTES - len, "/tables");
}

static enum ab_sink_status make_table(struct ab_sink *sink, char *error)
{
	char path[PATH_MAX_BYTES];
	json_t *fields = json_array();

	for (size_t i = 0; i < AB_COUNT(columns); i++)
		json_array_append_new(fields, field(&columns[i]));
	write_tables_path(path, sink);
	json_t *body =
	    json_pack("{s:o, s:{s:o}}", "tableReference", table_reference(sink, ""), "schema", "fields", fields);
	return must(sink, "making the table", "POST", path, body, NULL, error);
}

static bool has_column(const json_t *fields, const char *name)
{
	size_t i;
	json_t *at;

	json_array_foreach(fields, i, at)
	{
		const char *is = json_string_value(json_object_get(at, "name"));
		if (is != NULL && strcasecmp(is, name) == 0)
			return true;
	}
	return false;
}

/* Adds the columns of ours that the table lacks: by SQL, and by a patch of the schema, because one emulator keeps the
 * two apart. With the service the second finds nothing left to do. */
static enum ab_sink_status add_columns(struct ab_sink *sink, const json_t *table, int *added, char *error)
{
	char sql[SQL_MAX_BYTES], path[PATH_MAX_BYTES];
	json_t *fields = json_deep_copy(json_object_get(json_object_get(table, "schema"), "fields"));
	enum ab_sink_status status = AB_SINK_OK;

	*added = 0;
	for (size_t i = 0; i < AB_COUNT(columns) && status == AB_SINK_OK; i++) {
		const struct column *column = &columns[i];
		if (has_column(fields, column->name))
			continue;
		if (!column->ours) {
			snprintf(error, AB_SINK_ERROR_MAX_BYTES,
				 "bigquery: the table %.200s has no column %s: it is another table. Set "
				 "BIGQUERY_TABLE, or rename it",
				 sink->table, column->name);
			status = AB_SINK_REFUSED;
			break;
		}
		snprintf(sql, sizeof sql, "ALTER TABLE `%s.%s.%s` ADD COLUMN IF NOT EXISTS %s %s", sink->project,
			 sink->dataset, sink->table, column->name, column->sql_type);
		status = ab_bq_query(sink, "adding a column", sql, NULL, error);
		json_array_append_new(fields, field(column));
		(*added)++;
	}
	if (status != AB_SINK_OK || *added == 0) {
		json_decref(fields);
		return status;
	}
	write_path(path, sink, sink->table, "");
	return must(sink, "adding columns", "PATCH", path, json_pack("{s:{s:o}}", "schema", "fields", fields), NULL,
		    error);
}

static void write_column_list(char *to, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < AB_COUNT(columns); i++)
		len += (size_t)snprintf(to + len, room - len, "%s%s", i ? ", " : "", columns[i].name);
	AB_ASSERT(len < room);
}

/* Of rows with the same version the first counts, as in Elasticsearch: the others are repeats. Of rows without one the last
 * counts. Two keys instead of a negated one: goccy's emulator knows no unary minus. */
static enum ab_sink_status make_view(struct ab_sink *sink, char *error)
{
	char sql[SQL_MAX_BYTES], list[512], path[PATH_MAX_BYTES];
	enum ab_sink_status status;

	write_path(path, sink, sink->table, "_exact");
	if (look_for(sink, "view", path, NULL, &status, error) != IS_NOT_THERE)
		return status;
	write_column_list(list, sizeof list);
	snprintf(sql, sizeof sql,
		 "SELECT %s FROM (SELECT %s, ROW_NUMBER() OVER (PARTITION BY id ORDER BY COALESCE(version, -1) DESC, "
		 "IF(version IS NULL, COALESCE(kafka_offset, -1), 0) DESC, kafka_offset) AS newest_first FROM `%s.%s.%s`) "
		 "WHERE newest_first = 1 AND COALESCE(deleted, FALSE) = FALSE",
		 list, list, sink->project, sink->dataset, sink->table);
	write_tables_path(path, sink);
	json_t *body = json_pack("{s:o, s:{s:s, s:b}}", "tableReference", table_reference(sink, "_exact"), "view",
				 "query", sql, "useLegacySql", 0);
	return must(sink, "making the view", "POST", path, body, NULL, error);
}

/* Metadata and storage are two things in an emulator; what counts is what a query sees. */
static enum ab_sink_status check_columns(struct ab_sink *sink, char *error)
{
	char sql[SQL_MAX_BYTES], list[512];

	write_column_list(list, sizeof list);
	snprintf(sql, sizeof sql, "SELECT %s FROM `%s.%s.%s` LIMIT 0", list, sink->project, sink->dataset, sink->table);
	return ab_bq_query(sink, "looking at the columns", sql, NULL, error);
}

enum ab_sink_status ab_bq_init(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
			       const char *run_id, char *note, char *error)
{
	char path[PATH_MAX_BYTES];
	json_t *table = NULL;
	int added = 0;

	(void)first; /* no positions are stored here */
	(void)partitions;
	(void)run_id;
	enum ab_sink_status status = make_dataset(sink, error);
	if (status != AB_SINK_OK)
		return status;
	write_path(path, sink, sink->table, "");
	switch (look_for(sink, "table", path, &table, &status, error)) {
	case IS_UNKNOWN:
		return status;
	case IS_NOT_THERE:
		status = make_table(sink, error);
		break;
	case IS_THERE:
		status = add_columns(sink, table, &added, error);
		json_decref(table);
		if (added > 0 && status == AB_SINK_OK)
			snprintf(note, AB_SINK_ERROR_MAX_BYTES, "added %d columns to the table %.200s", added,
				 sink->table);
		break;
	}
	if (status == AB_SINK_OK)
		status = check_columns(sink, error);
	return status == AB_SINK_OK ? make_view(sink, error) : status;
}
