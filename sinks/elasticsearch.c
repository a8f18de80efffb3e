/* sinks/elasticsearch.c — one document per event, in an index per event day, each change applied once.
 *
 *     worker:  event ──▶ action line, source line                                  (here)
 *     lane:    batch ──▶ POST /_bulk, the records as they lie                      (here)
 *              answer ──▶ an outcome per item                                      (elasticsearch_reply.c)
 *     control: health, template                                                    (elasticsearch_admin.c)
 *              are template and indexes still there?                               (elasticsearch_tend.c)
 *
 * Repeating is harmless: index and _id are pure functions of the record, and version_type external makes Elasticsearch
 * refuse (409) what is not newer than what it has. Deletes are documents with deleted: true, because Elasticsearch
 * forgets the version of a document that is really deleted after a minute, or when a node restarts.
 *
 * Everything that is stored comes from the record: processing_time is the Kafka record's timestamp, not the clock.
 */
#include "sinks/elasticsearch.h"

#include <openssl/evp.h>

#include "sinks/json_out.h"

#define BULK_PATH "/_bulk?filter_path=took,errors,items.*.status,items.*.error.type,items.*.error.reason"

#define DAY_BYTES (sizeof "2026-11-23" - 1)

static char *write_action(char *to, const struct ab_event_text *text, struct ab_text version)
{
	to = AB_OUT(to, "{\"index\":{\"_index\":\"engagement-events-");
	to = ab_out_bytes(to, text->event_time.at + 1, DAY_BYTES);
	to = AB_OUT(to, "\",\"_id\":\"");
	to = ab_out_token(to, text->id);
	to = AB_OUT(to, "\",\"version\":");
	to = ab_out_token(to, version);
	return AB_OUT(to, ",\"version_type\":\"external\"}}\n");
}

static char *write_source(char *to, const struct ab_event *event, const struct ab_event_text *text)
{
	to = AB_OUT(to, "{\"id\":");
	to = ab_out_token(to, text->id);
	to = AB_OUT(to, ",\"content_id\":");
	to = ab_out_token(to, event->content_id_json);
	to = AB_OUT(to, ",\"user_id\":");
	to = ab_out_token(to, event->user_id_json);
	to = AB_OUT(to, ",\"event_type\":");
	to = ab_out_token(to, event->event_type_json);
	to = AB_OUT(to, ",\"device\":");
	to = ab_out_token(to, event->device_json);
	to = AB_OUT(to, ",\"content_type\":");
	to = event->content_type == NULL ? AB_OUT(to, "null") : ab_out_token(to, event->content_type->json);
	to = AB_OUT(to, ",\"event_timestamp\":");
	to = ab_out_token(to, text->event_time);
	to = AB_OUT(to, ",\"duration_ms\":");
	to = ab_out_token(to, text->duration_ms);
	to = AB_OUT(to, ",\"engagement_pct\":");
	to = ab_out_token(to, text->engagement_pct);
	to = AB_OUT(to, ",\"processing_time\":");
	to = ab_out_token(to, text->kafka_time);
	to = AB_OUT(to, ",\"@timestamp\":");
	to = ab_out_token(to, text->event_time);
	to = AB_OUT(to, ",\"deleted\":");
	to = ab_out_bool(to, event->op == AB_OP_DELETE);
	return AB_OUT(to, "}\n");
}

static enum ab_encode_result encode(const struct ab_sink *sink, const struct ab_event *event, uint8_t *to, size_t room,
				    size_t *len, const char **reason)
{
	bool by_lsn = sink->version_kind == AB_VERSION_KIND_LSN;
	int64_t version = by_lsn ? event->lsn : event->offset;

	AB_ASSERT(room >= ab_out_room(event));
	if (!(event->has & AB_HAS_EVENT_TS)) {
		*reason = event->op == AB_OP_DELETE
			      ? "event_ts is missing in a delete: set REPLICA IDENTITY FULL on engagement_events"
			      : "event_ts is missing: there is no day whose index the document belongs to";
		return AB_ENCODE_REJECTED;
	}
	if (event->event_us < AB_TIME_MIN_US || event->event_us > AB_TIME_MAX_US) {
		*reason = "event_ts is outside of the years 1 to 9999";
		return AB_ENCODE_REJECTED;
	}
	if (by_lsn && !(event->has & AB_HAS_LSN)) {
		*reason = "the record has no LSN, which ELASTICSEARCH_VERSION_KIND=lsn needs: add lsn to the "
			  "connector's add.fields";
		return AB_ENCODE_REJECTED;
	}
	if (version < 0) {
		*reason = "the version is negative: Elasticsearch takes none below 0";
		return AB_ENCODE_REJECTED;
	}
	struct ab_event_text own;
	const struct ab_event_text *text = ab_event_text_of(event, &own);
	char *end = write_action((char *)to, text, by_lsn ? text->lsn : text->offset);
	end = write_source(end, event, text);
	*len = (size_t)(end - (char *)to);
	AB_ASSERT(*len <= room);
	return AB_ENCODE_RECORD;
}

/* [action, document] */
static char *show(const uint8_t *bytes, size_t len)
{
	const uint8_t *line = memchr(bytes, '\n', len);
	char *text = NULL;

	AB_ASSERT(line != NULL && bytes[len - 1] == '\n');
	int action = (int)(line - bytes);
	int written = asprintf(&text, "[%.*s,%.*s]", action, (const char *)bytes, (int)len - action - 2, (const char *)line + 1);
	AB_ASSERT(written > 0);
	return text;
}

static bool printable(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

/* The value of the Authorization header, from an API key or user and password; "" without either. */
static bool write_authorization(struct ab_sink *sink, const struct ab_config *config, char *error)
{
	char plain[sizeof config->elasticsearch_user + sizeof config->elasticsearch_password];
	const char *key = config->elasticsearch_api_key, *user = config->elasticsearch_user;

	if (!printable(key) || !printable(user) || !printable(config->elasticsearch_password)) {
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "ELASTICSEARCH_USER, ELASTICSEARCH_PASSWORD or "
			 "ELASTICSEARCH_API_KEY has a line break or another control character in it");
		return false;
	}
	if (key[0] && user[0]) {
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "both ELASTICSEARCH_API_KEY and ELASTICSEARCH_USER are set: keep one");
		return false;
	}
	if (key[0]) {
		snprintf(sink->authorization, sizeof sink->authorization, "ApiKey %s", key);
	} else if (user[0]) {
		int len = snprintf(plain, sizeof plain, "%s:%s", user, config->elasticsearch_password);
		AB_ASSERT(len > 0 && (size_t)(len + 2) / 3 * 4 + 7 <= sizeof sink->authorization);
		char *to = sink->authorization + snprintf(sink->authorization, sizeof sink->authorization, "Basic ");
		EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)plain, len);
	}
	return true;
}

static struct ab_sink *create(const struct ab_config *config, char *error)
{
	struct ab_sink *sink = calloc(1, sizeof *sink);

	AB_ASSERT(sink != NULL);
	ab_http_admin_start();
	snprintf(sink->host, sizeof sink->host, "%s", config->elasticsearch_host);
	sink->port = (int)config->elasticsearch_port;
	sink->version_kind = config->elasticsearch_version_kind;
	sink->shards = (int)config->elasticsearch_index_shards;
	sink->replicas = (int)config->elasticsearch_index_replicas;
	if (!write_authorization(sink, config, error)) {
		free(sink);
		return NULL;
	}
	AB_ASSERT(ab_http_head_write(sink->bulk_head, sizeof sink->bulk_head, "POST", BULK_PATH, sink->host, sink->port,
				     "application/x-ndjson", sink->authorization));
	sink->admin = (struct ab_http_admin){
	    .name = "elasticsearch",
	    .host = sink->host,
	    .port = sink->port,
	    .authorization = sink->authorization,
	    .connect_timeout_ms = (long)config->elasticsearch_connection_timeout_ms,
	    .read_timeout_ms = (long)config->elasticsearch_read_timeout_ms,
	};
	return sink;
}

static void destroy(struct ab_sink *sink)
{
	json_decref(sink->indexes);
	free(sink);
}

static size_t answer_bytes(uint32_t item_max)
{
	return ab_max_u64((uint64_t)item_max * AB_ES_ITEM_ANSWER_BYTES, AB_ES_ANSWER_FLOOR_BYTES);
}

static struct ab_sink_lane *lane_create(struct ab_sink *sink, int index, uint32_t item_max, uint32_t bytes_max)
{
	struct ab_sink_lane *lane = calloc(1, sizeof *lane);

	AB_ASSERT(lane != NULL && index >= 0 && index < AB_LANES_MAX);
	lane->sink = sink;
	ab_http_lane_create(&lane->http, item_max, bytes_max, answer_bytes(item_max));
	return lane;
}

static void lane_destroy(struct ab_sink_lane *lane)
{
	ab_http_lane_destroy(&lane->http);
	free(lane);
}

static size_t bytes(const struct ab_config *config, size_t lanes, uint32_t item_max, uint32_t bytes_max)
{
	(void)config;
	return sizeof(struct ab_sink) +
	       lanes * (sizeof(struct ab_sink_lane) + ab_http_lane_bytes(item_max, bytes_max, answer_bytes(item_max)));
}

static void request(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_request *out)
{
	if (ab_http_lane_select(&lane->http, batch) == 0) {
		out->piece_count = 0;
		out->needs_reply = false;
		return;
	}
	out->piece[1] = ab_http_lane_gather(&lane->http, batch);
	out->piece[0] = ab_http_lane_head(&lane->http, lane->sink->bulk_head, out->piece[1].iov_len);
	out->piece_count = 2;
	out->needs_reply = true;
}

/* Whatever was applied answers 409 the next time. A batch that is given up takes its halving with it. */
static void lost(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	(void)in_flight;
	if (batch == NULL)
		ab_http_lane_whole(&lane->http);
}

static enum ab_sink_status positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error)
{
	(void)sink; /* none are stored here, and repeats are harmless */
	(void)partitions;
	(void)io;
	(void)error;
	return AB_SINK_OK;
}

const struct ab_sink_ops ab_elasticsearch_ops = {
    .name = "elasticsearch",
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
    .reply = ab_es_reply,
    .lost = lost,
    .probe = ab_es_probe,
    .init = ab_es_init,
    .positions = positions,
    .warnings = ab_es_warnings,
    .tend = ab_es_tend,
    .gauges = ab_es_gauges,
};
