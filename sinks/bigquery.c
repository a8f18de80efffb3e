/* sinks/bigquery.c — one row per change, over REST: at least once, and looked up before anything is sent twice.
 *
 *     worker:  event ──▶ {"insertId":…,"json":{…}},                                (here)
 *     lane:    batch ──▶ [jobs.query: which are there?] ──▶ insertAll              (here, bigquery_lookup.c)
 *              answer ──▶ an outcome per row                                       (bigquery_reply.c)
 *     control: table, columns, view; what a crash left behind                      (bigquery_admin.c)
 *              is the table still there? what is in it twice?                      (bigquery_tend.c)
 *
 *                      ┌───────────── ambiguous: cut, time-out, 5xx ◀──┐
 *     a batch begins   ▼                                               │
 *       in doubt ─▶ LOOKUP ── absent ones ─▶ INSERT ── 200 ─▶ rows not named are in
 *       otherwise ─────────────────────────▶  ▲  └── stopped, 400, 413 ──┐
 *                                             └──────────────────────────┘
 *
 * insertAll tells nothing when its answer is lost, and its insertId is remembered for about a minute at best. So every
 * row carries topic, partition and offset, a lane has one request in flight, and after any doubt the lane asks which of
 * exactly these rows are there. Never the highest offset: partial inserts leave holes below it.
 * What remains: a request that the server applies after it was looked up. The view <table>_exact hides such repeats.
 *
 * In doubt is a batch (1) whose request got no clear answer, (2) below what was in the table when the engine began,
 * (3) of a partition that this lane has newly begun, until one lookup there finds nothing.
 */
#include "sinks/bigquery.h"

#include "sinks/json_out.h"

#define ROWS_BEGIN "{\"rows\":["
#define ROWS_END   "]}"

static char *write_row(char *to, const struct ab_sink *sink, const struct ab_event *event,
		       const struct ab_event_text *text)
{
	static const char op[][16] = {"\"c\"", "\"r\"", "\"u\"", "\"d\""};

	/* id and version come first: the lookup reads them back from here. */
	to = AB_OUT(to, "{\"id\":\"");
	to = ab_out_token(to, text->id);
	to = AB_OUT(to, "\",\"version\":");
	to = ab_out_quoted(to, text->lsn);
	to = AB_OUT(to, ",\"content_id\":");
	to = ab_out_token(to, event->content_id_json);
	to = AB_OUT(to, ",\"user_id\":");
	to = ab_out_token(to, event->user_id_json);
	to = AB_OUT(to, ",\"event_type\":");
	to = ab_out_token(to, event->event_type_json);
	to = AB_OUT(to, ",\"event_ts\":");
	to = ab_out_datetime(to, text->event_time);
	to = AB_OUT(to, ",\"device\":");
	to = ab_out_token(to, event->device_json);
	to = AB_OUT(to, ",\"content_type\":");
	to = event->content_type == NULL ? AB_OUT(to, "null") : ab_out_token(to, event->content_type->json);
	to = AB_OUT(to, ",\"duration_ms\":");
	to = ab_out_quoted(to, text->duration_ms);
	to = AB_OUT(to, ",\"engagement_pct\":");
	to = ab_out_token(to, text->engagement_pct);
	to = AB_OUT(to, ",\"processing_time\":");
	to = ab_out_datetime(to, text->kafka_time);
	to = AB_OUT(to, ",\"op\":");
	to = ab_out_block(to, op[event->op], 3);
	to = AB_OUT(to, ",\"deleted\":");
	to = ab_out_bool(to, event->op == AB_OP_DELETE);
	to = AB_OUT(to, ",\"kafka_topic\":\"");
	to = ab_out_text(to, sink->topic, sink->topic_len);
	to = AB_OUT(to, "\",\"kafka_partition\":\"");
	to = ab_out_token(to, text->partition);
	to = AB_OUT(to, "\",\"kafka_offset\":\"");
	to = ab_out_token(to, text->offset);
	to = AB_OUT(to, "\",\"kafka_ts\":");
	to = ab_out_token(to, text->kafka_time);
	return AB_OUT(to, "}");
}

static enum ab_encode_result encode(const struct ab_sink *sink, const struct ab_event *event, uint8_t *bytes,
				    size_t room, size_t *len, const char **reason)
{
	AB_ASSERT(room >= ab_out_room(event));
	if (!(event->has & AB_HAS_EVENT_TS)) {
		*reason = event->op == AB_OP_DELETE
			      ? "event_ts is missing in a delete: set REPLICA IDENTITY FULL on engagement_events"
			      : "event_ts is missing";
		return AB_ENCODE_REJECTED;
	}
	if (event->event_us < AB_TIME_MIN_US || event->event_us > AB_TIME_MAX_US) {
		*reason = "event_ts is outside of the years 1 to 9999";
		return AB_ENCODE_REJECTED;
	}
	struct ab_event_text own;
	const struct ab_event_text *text = ab_event_text_of(event, &own);
	char *to = ab_out_text((char *)bytes, sink->row_head, sink->row_head_len);
	to = ab_out_token(to, text->partition);
	*to++ = '-';
	to = ab_out_token(to, text->offset);
	to = AB_OUT(to, "\",\"json\":");
	to = write_row(to, sink, event, text);
	to = AB_OUT(to, "},"); /* the last comma of a request is cut off */
	*len = (size_t)(to - (char *)bytes);
	AB_ASSERT(*len <= room);
	return AB_ENCODE_RECORD;
}

static char *show(const uint8_t *bytes, size_t len)
{
	char *text = strndup((const char *)bytes, len - 1); /* without the comma */

	AB_ASSERT(text != NULL);
	return text;
}

/* insertId is <topic>-<partition>-<offset>; a topic that leaves no room for the numbers is cut and told apart by a hash. */
static void write_row_head(struct ab_sink *sink)
{
	const int numbers = 2 + 5 + 19, hash = 17;
	int room = AB_BQ_INSERT_ID_MAX_BYTES - numbers;

	if ((int)strlen(sink->topic) <= room) {
		snprintf(sink->row_head, sizeof sink->row_head, "{\"insertId\":\"%.*s-", room, sink->topic);
		return;
	}
	uint64_t fnv = UINT64_C(14695981039346656037);
	for (const char *at = sink->topic; *at; at++)
		fnv = (fnv ^ (unsigned char)*at) * UINT64_C(1099511628211);
	snprintf(sink->row_head, sizeof sink->row_head, "{\"insertId\":\"%.*s-%016llx-", room - hash, sink->topic,
		 (unsigned long long)fnv);
}

static struct ab_sink *create(const struct ab_config *config, char *error)
{
	struct ab_sink *sink = calloc(1, sizeof *sink);
	char path[AB_BQ_NAME_MAX_BYTES * 3 + 128];

	(void)error;
	AB_ASSERT(sink != NULL);
	ab_http_admin_start();
	snprintf(sink->host, sizeof sink->host, "%s", config->bigquery_host);
	sink->port = (int)config->bigquery_port;
	snprintf(sink->project, sizeof sink->project, "%s", config->bigquery_project);
	snprintf(sink->dataset, sizeof sink->dataset, "%s", config->bigquery_dataset);
	snprintf(sink->table, sizeof sink->table, "%s", config->bigquery_table);
	snprintf(sink->topic, sizeof sink->topic, "%s", config->events_topic);
	sink->read_timeout_ms = config->bigquery_read_timeout_ms;
	sink->doubts_counted = UINT64_MAX; /* what is there at start is counted too */
	sink->topic_len = strlen(sink->topic);
	write_row_head(sink);
	sink->row_head_len = strlen(sink->row_head);
	snprintf(path, sizeof path, "/bigquery/v2/projects/%s/datasets/%s/tables/%s/insertAll?prettyPrint=false",
		 sink->project, sink->dataset, sink->table);
	AB_ASSERT(ab_http_head_write(sink->insert_head, sizeof sink->insert_head, "POST", path, sink->host, sink->port,
				     "application/json", ""));
	snprintf(path, sizeof path, "/bigquery/v2/projects/%s/queries?prettyPrint=false", sink->project);
	AB_ASSERT(ab_http_head_write(sink->query_head, sizeof sink->query_head, "POST", path, sink->host, sink->port,
				     "application/json", ""));
	sink->admin = (struct ab_http_admin){
	    .name = "bigquery",
	    .host = sink->host,
	    .port = sink->port,
	    .authorization = "",
	    .connect_timeout_ms = (long)config->bigquery_connection_timeout_ms,
	    .read_timeout_ms = (long)config->bigquery_read_timeout_ms,
	};
	return sink;
}

static void destroy(struct ab_sink *sink)
{
	free(sink);
}

static size_t answer_bytes(uint32_t item_max)
{
	return ab_max_u64((uint64_t)item_max * AB_BQ_ROW_ANSWER_BYTES, AB_BQ_ANSWER_FLOOR_BYTES);
}

static void begin_anew(struct ab_sink_lane *lane)
{
	lane->begun = false;
	for (int p = 0; p < AB_PARTITIONS_MAX; p++)
		lane->unsettled[p] = true;
}

static struct ab_sink_lane *lane_create(struct ab_sink *sink, int index, uint32_t item_max, uint32_t bytes_max)
{
	struct ab_sink_lane *lane = calloc(1, sizeof *lane);

	AB_ASSERT(lane != NULL && index >= 0 && index < AB_LANES_MAX);
	AB_ASSERT(bytes_max + sizeof ROWS_BEGIN ROWS_END <= AB_BQ_REQUEST_MAX_BYTES);
	lane->sink = sink;
	lane->span = AB_BQ_LOOKUP_SPAN;
	lane->row = calloc(AB_BQ_LOOKUP_ROWS_MAX, sizeof lane->row[0]);
	AB_ASSERT(lane->row != NULL);
	ab_http_lane_create(&lane->http, item_max, bytes_max, answer_bytes(item_max));
	begin_anew(lane);
	return lane;
}

static void lane_destroy(struct ab_sink_lane *lane)
{
	ab_http_lane_destroy(&lane->http);
	free(lane->row);
	free(lane);
}

static size_t bytes(const struct ab_config *config, size_t lanes, uint32_t item_max, uint32_t bytes_max)
{
	(void)config;
	return sizeof(struct ab_sink) +
	       lanes * (sizeof(struct ab_sink_lane) + AB_BQ_LOOKUP_ROWS_MAX * sizeof(struct ab_bq_row) +
			ab_http_lane_bytes(item_max, bytes_max, answer_bytes(item_max)));
}

bool ab_bq_is_open(const struct ab_item *item)
{
	return item->outcome == AB_OUTCOME_PENDING || item->outcome == AB_OUTCOME_RETRY;
}

/* What control found in the table at start, once per finding. */
static void take_bounds(struct ab_sink_lane *lane)
{
	uint32_t epoch = atomic_load_explicit(&lane->sink->epoch, memory_order_acquire); /* [B1] */

	if (epoch == lane->epoch)
		return;
	lane->epoch = epoch;
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		int64_t bound = atomic_load_explicit(&lane->sink->bound[p], memory_order_relaxed);
		if (lane->doubt_next[p] < bound)
			lane->doubt_next[p] = bound;
		lane->unsettled[p] = true;
	}
}

static void begin_batch(struct ab_sink_lane *lane, const struct ab_batch *batch)
{
	take_bounds(lane);
	lane->begun = true;
	lane->must_look = false;
	lane->late = false;
	lane->gives_up = false;
	lane->refusals = 0;
	lane->look_from = 0;
	ab_http_lane_whole(&lane->http);
	for (uint32_t i = 0; i < batch->item_count && !lane->must_look; i++) {
		const struct ab_item *item = &batch->item[i];
		lane->must_look = lane->unsettled[item->partition] || item->offset < lane->doubt_next[item->partition];
	}
}

static void request_lookup(struct ab_sink_lane *lane, const struct ab_batch *batch, struct ab_request *out)
{
	out->piece[1] = ab_bq_lookup_write(lane, batch);
	out->piece[0] = ab_http_lane_head(&lane->http, lane->sink->query_head, out->piece[1].iov_len);
	out->piece_count = 2;
	lane->phase = AB_BQ_LOOKUP;
}

static void request_insert(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_request *out)
{
	static const char begin[] = ROWS_BEGIN, end[] = ROWS_END;

	uint32_t count = ab_http_lane_select(&lane->http, batch);
	AB_ASSERT(count > 0);
	for (uint32_t i = 0; i < count; i++) {
		const struct ab_item *item = &batch->item[lane->http.sent[i]];
		if (lane->sent_next[item->partition] <= item->offset)
			lane->sent_next[item->partition] = item->offset + 1;
	}
	struct iovec rows = ab_http_lane_gather(&lane->http, batch);
	AB_ASSERT(((const char *)rows.iov_base)[rows.iov_len - 1] == ',');
	rows.iov_len--;
	size_t len = sizeof begin - 1 + rows.iov_len + sizeof end - 1;
	out->piece[0] = ab_http_lane_head(&lane->http, lane->sink->insert_head, len);
	out->piece[1] = (struct iovec){(void *)(uintptr_t)begin, sizeof begin - 1};
	out->piece[2] = rows;
	out->piece[3] = (struct iovec){(void *)(uintptr_t)end, sizeof end - 1};
	out->piece_count = 4;
	lane->phase = AB_BQ_INSERT;
}

static void request(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_request *out)
{
	AB_ASSERT(lane->phase == AB_BQ_QUIET);
	if (!ab_http_lane_has_pending(batch)) {
		lane->begun = false;
		out->piece_count = 0;
		out->needs_reply = false;
		return;
	}
	if (!lane->begun)
		begin_batch(lane, batch);
	if (lane->must_look)
		request_lookup(lane, batch, out);
	else
		request_insert(lane, batch, out);
	out->needs_reply = true;
}

void ab_bq_doubt(struct ab_sink_lane *lane)
{
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		if (lane->doubt_next[p] < lane->sent_next[p])
			lane->doubt_next[p] = lane->sent_next[p];
	}
	lane->must_look = true;
	lane->look_from = 0;
	memset(lane->present, 0, sizeof lane->present);
	memset(lane->absent, 0, sizeof lane->absent);
	/* All lanes of a sink run on one thread. [B2] */
	uint64_t doubts = atomic_load_explicit(&lane->sink->doubts, memory_order_relaxed);
	atomic_store_explicit(&lane->sink->doubts, doubts + 1, memory_order_relaxed);
}

static void lost(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	if (lane->phase == AB_BQ_INSERT) {
		ab_bq_doubt(lane);
		lane->late = true;
	}
	lane->phase = AB_BQ_QUIET;
	if (batch == NULL && in_flight)
		begin_anew(lane);
}

const struct ab_sink_ops ab_bigquery_ops = {
    .name = "bigquery",
    .stores_positions = false,
    .create = create,
    .destroy = destroy,
    .lane_create = lane_create,
    .lane_destroy = lane_destroy,
    .bytes = bytes,
    .encode = encode,
    .show = show,
    .hello = NULL,
    .request = request,
    .reply = ab_bq_reply,
    .lost = lost,
    .probe = ab_bq_probe,
    .init = ab_bq_init,
    .positions = ab_bq_positions,
    .tend = ab_bq_tend,
    .gauges = ab_bq_gauges,
};
