/* sinks/bigquery_lookup.c — which of these rows are in the table? See bigquery.c for when that is asked.
 *
 *     items of p0:  100 102 105 | 109 …        one query: offsets 100..105 of p0, 40..47 of p1
 *     items of p1:   40  47     |
 *
 * The query names ranges, not offsets: a list of a thousand numbers takes seconds to parse in the emulators. What lies
 * between ours is other lanes' rows and is passed over here. A row is ours when id and version are the same too: a
 * topic that was made anew has the same offsets again.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "sinks/bigquery.h"

struct interval {
	int64_t low, high;
};

/* Takes items from look_from on, as long as their ranges are narrow enough. Returns how many partitions they have. */
static int choose(struct ab_sink_lane *lane, const struct ab_batch *batch, struct interval *of, uint16_t *partition)
{
	uint64_t span = 0;
	int count = 0;
	uint32_t i;

	for (int p = 0; p < AB_PARTITIONS_MAX; p++)
		of[p] = (struct interval){INT64_MAX, -1};
	for (i = lane->look_from; i < batch->item_count; i++) {
		const struct ab_item *item = &batch->item[i];
		struct interval *at = &of[item->partition];
		if (!ab_bq_is_open(item))
			continue;
		int64_t low = item->offset < at->low ? item->offset : at->low;
		int64_t high = item->offset > at->high ? item->offset : at->high;
		uint64_t grown = at->high < 0 ? 1 : (uint64_t)(high - low) - (uint64_t)(at->high - at->low);
		if (span > 0 && span + grown > lane->span)
			break;
		if (at->high < 0)
			partition[count++] = item->partition;
		span += grown;
		*at = (struct interval){low, high};
	}
	lane->look_to = i;
	return count;
}

static void AB_PRINTF(3, 4) add(char *to, size_t *len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int added = vsnprintf(to + *len, AB_BQ_QUERY_MAX_BYTES - *len, format, args);
	va_end(args);
	AB_ASSERT(added >= 0 && *len + (size_t)added < AB_BQ_QUERY_MAX_BYTES);
	*len += (size_t)added;
}

/* Names in it have letters, digits, dots, lines and hyphens only (core/config), so nothing has to be escaped. */
struct iovec ab_bq_lookup_write(struct ab_sink_lane *lane, const struct ab_batch *batch)
{
	struct interval of[AB_PARTITIONS_MAX];
	uint16_t partition[AB_PARTITIONS_MAX];
	const struct ab_sink *sink = lane->sink;
	int count = choose(lane, batch, of, partition);
	char *to = lane->query;
	size_t len = 0;

	AB_ASSERT(count > 0);
	add(to, &len,
	    "{\"query\":\"SELECT kafka_partition, kafka_offset, id, version FROM `%s.%s.%s` WHERE kafka_topic = '%s' "
	    "AND (",
	    sink->project, sink->dataset, sink->table, sink->topic);
	for (int i = 0; i < count; i++)
		add(to, &len, "%s(kafka_partition = %u AND kafka_offset BETWEEN %" PRId64 " AND %" PRId64 ")",
		    i ? " OR " : "", partition[i], of[partition[i]].low, of[partition[i]].high);
	add(to, &len,
	    ") GROUP BY kafka_partition, kafka_offset, id, version\",\"useLegacySql\":false,\"useQueryCache\":false,"
	    "\"timeoutMs\":%" PRId64 ",\"maxResults\":%d}",
	    sink->read_timeout_ms * 4 / 5, AB_BQ_LOOKUP_ROWS_MAX); /* it must answer before we stop waiting */
	return (struct iovec){to, len};
}

/* BigQuery writes 64-bit numbers as strings. false: it is neither that nor null (which becomes `missing`). */
static bool read_i64(const json_t *cell, int64_t missing, int64_t *to)
{
	const json_t *value = json_object_get(cell, "v");
	const char *text = json_string_value(value);
	char *end;

	if (json_is_integer(value)) {
		*to = json_integer_value(value);
		return true;
	}
	if (text == NULL) {
		*to = missing;
		return json_is_null(value);
	}
	*to = strtoll(text, &end, 10);
	return text[0] != '\0' && *end == '\0';
}

static int compare(const void *a, const void *b)
{
	const struct ab_bq_row *x = a, *y = b;
	const int64_t left[] = {x->partition, x->offset, x->id, x->version};
	const int64_t right[] = {y->partition, y->offset, y->id, y->version};

	for (size_t i = 0; i < AB_COUNT(left); i++) {
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	}
	return 0;
}

static bool read_rows(struct ab_sink_lane *lane, const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		const json_t *cells = json_object_get(row, "f");
		struct ab_bq_row *to = &lane->row[i];
		if (json_array_size(cells) != 4 || !read_i64(json_array_get(cells, 0), -1, &to->partition) ||
		    !read_i64(json_array_get(cells, 1), -1, &to->offset) ||
		    !read_i64(json_array_get(cells, 2), -1, &to->id) ||
		    !read_i64(json_array_get(cells, 3), -1, &to->version))
			return false;
	}
	qsort(lane->row, i, sizeof lane->row[0], compare);
	return true;
}

/* id and version as encode() wrote them: "json":{"id":"7","version":"28704368", or null for the latter. */
static struct ab_bq_row row_of(const struct ab_batch *batch, const struct ab_item *item)
{
	static const char mark[] = "\"json\":{\"id\":\"", then[] = "\",\"version\":";
	const char *bytes = (const char *)batch->bytes + item->at;
	const char *at = memmem(bytes, item->len, mark, sizeof mark - 1);
	char *end;

	AB_ASSERT(at != NULL);
	struct ab_bq_row row = {.partition = item->partition, .offset = item->offset, .version = -1};
	row.id = strtoll(at + sizeof mark - 1, &end, 10);
	AB_ASSERT(strncmp(end, then, sizeof then - 1) == 0);
	if (end[sizeof then - 1] == '"')
		row.version = strtoll(end + sizeof then, NULL, 10);
	return row;
}

static void settle(struct ab_sink_lane *lane, struct ab_batch *batch, size_t rows, struct ab_sink_counts *counts)
{
	for (uint32_t i = lane->look_from; i < lane->look_to; i++) {
		struct ab_item *item = &batch->item[i];
		if (!ab_bq_is_open(item))
			continue;
		struct ab_bq_row wanted = row_of(batch, item);
		if (bsearch(&wanted, lane->row, rows, sizeof lane->row[0], compare) == NULL) {
			lane->absent[item->partition]++;
			continue;
		}
		lane->present[item->partition]++;
		item->outcome = AB_OUTCOME_ACKED;
		counts->acked++;
		counts->duplicates++;
	}
	lane->look_from = lane->look_to;
}

static enum ab_bq_lookup read_answer(struct ab_sink_lane *lane, const json_t *root, size_t *count, char *words)
{
	const json_t *rows = json_object_get(root, "rows"), *errors = json_object_get(root, "errors");
	const char *message = json_string_value(json_object_get(json_array_get(errors, 0), "message"));
	const char *total = json_string_value(json_object_get(root, "totalRows"));

	*count = json_array_size(rows);
	if (json_array_size(errors) > 0) /* also beside rows: then some may be missing */
		snprintf(words, AB_SINK_ERROR_MAX_BYTES,
			 "bigquery: looking rows up: %.300s. If columns are missing, run "
			 "`anabranch init`",
			 message ? message : "an error without words");
	else if (!json_is_true(json_object_get(root, "jobComplete")))
		snprintf(words, AB_SINK_ERROR_MAX_BYTES,
			 "bigquery: looking rows up took longer than BIGQUERY_READ_TIMEOUT_MS");
	else if (*count > AB_BQ_LOOKUP_ROWS_MAX || json_object_get(root, "pageToken") != NULL ||
		 (total != NULL && strtoull(total, NULL, 10) != *count))
		return AB_BQ_LOOKUP_WIDE;
	else if (!read_rows(lane, rows))
		snprintf(words, AB_SINK_ERROR_MAX_BYTES,
			 "bigquery: looking rows up: the answer has rows of another form");
	else
		return AB_BQ_LOOKUP_DONE;
	return AB_BQ_LOOKUP_FAILED;
}

enum ab_bq_lookup ab_bq_lookup_read(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_sink_counts *counts,
				    char *words)
{
	size_t rows = 0;
	json_error_t parse_error;
	json_t *root = json_loadb(lane->http.reply.body, lane->http.reply.body_len, 0, &parse_error);
	enum ab_bq_lookup result = read_answer(lane, root, &rows, words);

	json_decref(root);
	if (result == AB_BQ_LOOKUP_DONE) {
		settle(lane, batch, rows, counts);
		lane->span = AB_BQ_LOOKUP_SPAN;
	} else if (result == AB_BQ_LOOKUP_WIDE) {
		if (lane->span == 1) {
			snprintf(words, AB_SINK_ERROR_MAX_BYTES,
				 "bigquery: one offset has more rows than a lookup takes");
			return AB_BQ_LOOKUP_FAILED;
		}
		lane->span /= 2;
	}
	return result;
}
