/* sinks/redis.c — analytics by content type in minute windows, each event counted exactly once.
 *
 *     worker:  event ──▶ record: minute, type, content, percentage                 (redis.c)
 *     lane:    batch ──▶ sums per minute and type, per minute and content          (redis_sum.c)
 *                    ──▶ one EVALSHA with its offset ranges and sums               (redis_request.c)
 *     Redis:   redis.lua: positions as expected? add, move positions : refuse      (redis.lua)
 *     lane:    OK, DUP, or how to cut the batch anew                               (redis_reply.c)
 *     control: positions at start, init, probe                                     (redis_admin.c)
 *
 * Position and data live in one store and move in one script, so whatever is lost, repeated or restored, a counter
 * holds exactly the events below the position beside it. The batch is not applied unless the position is exactly where
 * the lane believes: that also fences a second engine that believes it owns the lane.
 */
#include <jansson.h>
#include <string.h>

#include "core/format.h"
#include "sinks/redis_lane.h"

#define US_PER_MINUTE INT64_C(60000000)

static int64_t minute_of(int64_t event_us)
{
	return event_us / US_PER_MINUTE - (event_us % US_PER_MINUTE < 0);
}

/* Against the record's own times, never the clock of today: a replay must decide alike. */
static bool is_future(const struct ab_event *event)
{
	int64_t known_ms = event->kafka_ts_ms > 0 ? event->kafka_ts_ms : event->commit_ts_ms;

	return event->event_us / 1000 > known_ms + AB_REDIS_FUTURE_MAX_MS;
}

static enum ab_encode_result encode(const struct ab_sink *sink, const struct ab_event *event, uint8_t *to, size_t room,
				    size_t *len, const char **reason)
{
	(void)sink;
	AB_ASSERT(room >= AB_REDIS_RECORD_HEAD_BYTES + AB_CONTENT_TYPE_MAX_BYTES);

	/* What happened is counted when it happened; a later change of the row does not make it happen again. */
	if (event->op != AB_OP_CREATE && event->op != AB_OP_READ)
		return AB_ENCODE_SKIPPED;
	if (!(event->has & AB_HAS_EVENT_TS)) {
		*reason = "event_ts is missing: there is no minute to count the event in";
		return AB_ENCODE_REJECTED;
	}
	bool has_pct = event->has & AB_HAS_PCT;
	if (has_pct && llabs(event->pct_hundredths) > AB_REDIS_PCT_MAX_HUNDREDTHS) {
		*reason = "engagement_pct is beyond 1e9 percent: sums would no longer be exact";
		return AB_ENCODE_REJECTED;
	}
	struct ab_redis_record record = {
		.minute = minute_of(event->event_us),
		.pct_hundredths = has_pct ? event->pct_hundredths : 0,
		.content_id = event->content_id,
		.has_pct = has_pct,
		.has_content = event->has & AB_HAS_CONTENT_ID,
		.future = is_future(event),
	};
	if (event->content_type != NULL) {
		AB_ASSERT(event->content_type->text.len <= AB_CONTENT_TYPE_MAX_BYTES);
		record.type = event->content_type->text.at;
		record.type_len = (uint8_t)event->content_type->text.len;
	}
	*len = ab_redis_record_write(to, &record);
	return AB_ENCODE_RECORD;
}

/* What the event adds to: its minute's window, by type and by content. */
static char *show(const uint8_t *bytes, size_t len)
{
	struct ab_redis_record record = ab_redis_record_read(bytes, len);
	char window[AB_FORMAT_MAX_BYTES], id[AB_UUID_TEXT_BYTES_MAX];
	size_t window_len = ab_format_minute(window, record.minute);

	ab_uuid_write(id, record.content_id);
	json_t *shown = json_object();
	json_object_set_new(shown, "window", json_stringn(window, window_len));
	json_object_set_new(shown, "content_type",
			    record.type_len > 0 ? json_stringn(record.type, record.type_len) : json_string("unknown"));
	json_object_set_new(shown, "content_id", record.has_content ? json_stringn(id, sizeof id) : json_null());
	json_object_set_new(shown, "engagement_pct",
			    record.has_pct ? json_real((double)record.pct_hundredths / 100) : json_null());
	char *text = json_dumps(shown, JSON_COMPACT | JSON_REAL_PRECISION(15));
	AB_ASSERT(text != NULL);
	json_decref(shown);
	return text;
}

static bool copy_text(char *to, size_t room, const char *from, const char *key, char *error)
{
	if ((size_t)snprintf(to, room, "%s", from) < room)
		return true;
	snprintf(error, AB_SINK_ERROR_MAX_BYTES, "%s is longer than %zu bytes", key, room - 1);
	return false;
}

/* The commands every connection begins with, in the form they are sent. */
static void write_hello(struct ab_sink *sink)
{
	size_t user = strlen(sink->user), password = strlen(sink->password);
	size_t room = ab_redis_script_len + user + password + 512;
	char *to = malloc(room);

	AB_ASSERT(to != NULL);
	sink->hello = to;
	sink->hello_replies = 2;
	if (password > 0) {
		to = ab_resp_put_array(to, user > 0 ? 3 : 2);
		to = ab_resp_put(to, "AUTH", 4);
		if (user > 0)
			to = ab_resp_put(to, sink->user, user);
		to = ab_resp_put(to, sink->password, password);
		sink->hello_replies++;
	}
	to = ab_resp_put_array(to, 1);
	to = ab_resp_put(to, "ROLE", 4);
	sink->load = to;
	to = ab_resp_put_array(to, 3);
	to = ab_resp_put(to, "SCRIPT", 6);
	to = ab_resp_put(to, "LOAD", 4);
	to = ab_resp_put(to, ab_redis_script, ab_redis_script_len);
	sink->load_len = (size_t)(to - sink->load);
	sink->hello_len = (size_t)(to - sink->hello);
	AB_ASSERT(sink->hello_len <= room);
}

static struct ab_sink *create(const struct ab_config *config, char *error)
{
	struct ab_sink *sink = calloc(1, sizeof *sink);

	AB_ASSERT(sink != NULL);
	sink->port = (int)config->redis_port;
	sink->lanes = (int)config->redis_sink_parallelism;
	sink->timeout_ms = config->redis_pool_timeout_ms;
	sink->window_ttl_seconds = config->redis_window_ttl_seconds;
	sink->boards_every = config->redis_update_stats_frequency;
	if (!copy_text(sink->host, sizeof sink->host, config->redis_host, "REDIS_HOST", error) ||
	    !copy_text(sink->user, sizeof sink->user, config->redis_user, "REDIS_USER", error) ||
	    !copy_text(sink->password, sizeof sink->password, config->redis_password, "REDIS_PASSWORD", error) ||
	    !copy_text(sink->key_by, sizeof sink->key_by, config->redis_key_by, "REDIS_KEY_BY", error)) {
		free(sink);
		return NULL;
	}
	snprintf(sink->positions_key, sizeof sink->positions_key, AB_REDIS_POSITIONS_PREFIX "%.*s",
		 AB_TOPIC_MAX_BYTES, config->events_topic);
	write_hello(sink);
	return sink;
}

static void destroy(struct ab_sink *sink)
{
	ab_redis_sum_destroy(&sink->sum);
	free(sink->hello);
	free(sink);
}

size_t ab_redis_body_bytes(uint32_t item_max)
{
	return AB_REDIS_REQUEST_FIXED_BYTES + (size_t)AB_PARTITIONS_MAX * AB_REDIS_REQUEST_RANGE_BYTES +
	       (size_t)item_max * AB_REDIS_REQUEST_RECORD_BYTES;
}

static struct ab_sink_lane *lane_create(struct ab_sink *sink, int index, uint32_t item_max, uint32_t bytes_max)
{
	struct ab_sink_lane *lane = calloc(1, sizeof *lane);

	(void)bytes_max;		/* records shrink into sums: their number is the bound */
	AB_ASSERT(lane != NULL && index >= 0 && index < AB_LANES_MAX && item_max > 0);
	lane->sink = sink;
	lane->index = index;
	lane->item_max = item_max;
	/* One for all lanes: they take turns on one thread, and a table that stays warm is worth two that do not. */
	if (sink->sum.cell == NULL)
		ab_redis_sum_create(&sink->sum, item_max);
	lane->body_max = ab_redis_body_bytes(item_max);
	lane->body = malloc(lane->body_max);
	AB_ASSERT(lane->body != NULL);
	return lane;
}

static void lane_destroy(struct ab_sink_lane *lane)
{
	free(lane->body);
	free(lane);
}

static size_t bytes(const struct ab_config *config, size_t lanes, uint32_t item_max, uint32_t bytes_max)
{
	(void)config;
	(void)bytes_max;
	return sizeof(struct ab_sink) + ab_redis_script_len + 1024 + ab_redis_sum_bytes(item_max) +
	       lanes * (sizeof(struct ab_sink_lane) + ab_redis_body_bytes(item_max));
}

static void lost(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	(void)batch;		/* whether it was applied, the position will tell: it is simply sent again */
	(void)in_flight;
	lane->phase = AB_REDIS_QUIET;
	lane->reply_len = 0;
}

const struct ab_sink_ops ab_redis_ops = {
	.name = "redis",
	.stores_positions = true,
	.create = create,
	.destroy = destroy,
	.lane_create = lane_create,
	.lane_destroy = lane_destroy,
	.bytes = bytes,
	.encode = encode,
	.show = show,
	.hello = ab_redis_hello,
	.request = ab_redis_request,
	.reply = ab_redis_reply,
	.lost = lost,
	.probe = ab_redis_probe,
	.init = ab_redis_init,
	.positions = ab_redis_positions,
	.warnings = ab_redis_warnings,
	.tend = ab_redis_tend,
	.gauges = ab_redis_gauges,
};
