/* core/replay.c — see replay.h. */
#include "core/replay.h"

#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/content.h"
#include "core/decode.h"
#include "core/enrich.h"
#include "core/exit.h"
#include "core/format.h"
#include "core/log.h"
#include "core/replay_lane.h"
#include "core/sinks.h"
#include "verify/dlq.h"
#include "verify/log.h"

/* Offsets that are read at once: between two of them a failed sink is noticed. */
#define SLICE INT64_C(20000)
/* Rejected again: so many are printed. */
#define EXAMPLES 5
/* Of an event's texts; above it no sink takes a record (core/worker_step.c). */
#define TEXT_MAX_BYTES (AB_RECORD_ENCODED_MAX_BYTES - 4096)

struct place {
	int partition;
	int64_t offset;
};

struct replay {
	const struct ab_config *config;
	const struct ab_sink_ops *ops;
	struct ab_replay_lane lane;
	struct ab_verify_log log;
	struct ab_verify_positions positions; /* of the sink, as committed */
	struct ab_content_feed feed;
	bool feed_open;
	struct ab_decoder *decoder;
	uint8_t bytes[AB_CHUNK_BYTES];
	bool failed;
	int64_t read, skipped, unreadable, rejected, unknown, gone, ahead;
	/* Letters: their places, ordered; what is read in between is passed over. */
	struct place *place;
	size_t place_count, place_room, place_at, place_end;
};

/* --- beginning ------------------------------------------------------------------------------------------------------ */

static const struct ab_sink_ops *find_sink(const struct ab_config *config, const char *name)
{
	for (int i = 0; i < ab_sinks_count(config); i++) {
		if (strcmp(ab_sinks_ops(config, i)->name, name) == 0)
			return ab_sinks_ops(config, i);
	}
	return NULL;
}

static void on_rejected(void *arg, int partition, int64_t offset, const char *reason)
{
	struct replay *replay = arg;

	if (++replay->rejected <= EXAMPLES)
		printf("rejected again: partition %d offset %" PRId64 ": %s\n", partition, offset, reason);
}

static int refuse(const struct ab_config *config, const char *name, const struct ab_sink_ops **ops)
{
	if (name == NULL) {
		fprintf(stderr, "anabranch: --sink NAME says into which sink: bigquery or elasticsearch\n");
		return AB_EXIT_USAGE;
	}
	*ops = find_sink(config, name);
	if (*ops == NULL) {
		fprintf(stderr, "anabranch: --sink %s: it is not in SINKS\n", name);
		return AB_EXIT_USAGE;
	}
	if ((*ops)->stores_positions) {
		fprintf(stderr,
			"anabranch: --sink %s is refused: its counters do not tell whether an event is in them "
			"already, so sending one "
			"again could count it twice. What to do: for a rejected record, count it by hand, or begin a "
			"new Redis with "
			"`anabranch init --from earliest`, which counts all that the topic holds\n",
			name);
		return AB_EXIT_USAGE;
	}
	if ((*ops)->connectionless) {
		fprintf(stderr, "anabranch: --sink %s keeps nothing: there is nothing to send again\n", name);
		return AB_EXIT_USAGE;
	}
	return AB_EXIT_OK;
}

static int unavailable(const char *what, const char *error)
{
	fprintf(stderr, "anabranch: %s: %s\n", what, error);
	return AB_EXIT_UNAVAILABLE;
}

static int find_positions(struct replay *replay)
{
	static struct ab_committed_positions committed;
	char error[AB_SOURCE_ERROR_MAX_BYTES];

	if (!ab_verify_committed(replay->config, replay->log.partition_count, &committed, error))
		return unavailable("kafka", error);
	replay->positions = strcmp(replay->ops->name, "bigquery") == 0 ? committed.bigquery : committed.elasticsearch;
	if (replay->positions.known)
		return AB_EXIT_OK;
	fprintf(stderr,
		"anabranch: group %s has committed no positions of %s: nothing was delivered yet that could be sent "
		"again\n",
		replay->config->group_id, replay->ops->name);
	return AB_EXIT_CONFIG;
}

static int open_replay(struct replay *replay)
{
	const struct ab_config *config = replay->config;
	char error[512], group[256];

	snprintf(group, sizeof group, "%.200s.replay", config->group_id);
	if (!ab_verify_log_open(&replay->log, config, config->events_topic, group, error))
		return unavailable("kafka", error);
	int result = find_positions(replay);
	if (result != AB_EXIT_OK)
		return result;
	replay->lane.on_rejected = on_rejected;
	replay->lane.arg = replay;
	enum ab_sink_status status =
	    ab_replay_lane_open(&replay->lane, config, replay->ops, replay->log.partition_count);
	if (status != AB_SINK_OK) {
		fprintf(stderr, "%s: %s\n", replay->ops->name, replay->lane.error);
		return status == AB_SINK_ABSENT ? AB_EXIT_UNAVAILABLE : AB_EXIT_CONFIG;
	}
	if (!ab_content_feed_open(&replay->feed, config, ab_log_line, error))
		return unavailable("contents", error);
	replay->feed_open = true;
	replay->decoder = ab_decoder_create((size_t)config->record_max_bytes);
	AB_ASSERT(replay->decoder != NULL);
	return AB_EXIT_OK;
}

static void close_replay(struct replay *replay)
{
	if (replay->decoder != NULL)
		ab_decoder_destroy(replay->decoder);
	if (replay->feed_open)
		ab_content_feed_close(&replay->feed);
	ab_replay_lane_close(&replay->lane);
	if (replay->log.source != NULL)
		ab_verify_log_close(&replay->log);
	free(replay->place);
}

/* --- one record ----------------------------------------------------------------------------------------------------- */

static bool passed(const struct replay *replay, int partition, int64_t offset)
{
	return offset < ab_verify_positions_least(&replay->positions, partition);
}

static void send(struct replay *replay, struct ab_event *event)
{
	size_t len = 0;
	const char *reason = NULL;
	size_t texts = (size_t)event->content_id_json.len + event->user_id_json.len + event->event_type_json.len +
		       event->device_json.len;

	replay->unknown += ab_enrich(replay->feed.cache, event) == AB_CACHE_MISS;
	if (texts > TEXT_MAX_BYTES) {
		on_rejected(replay, event->partition, event->offset, "its fields are larger than a sink takes");
		return;
	}
	switch (replay->ops->encode(replay->lane.sink, event, replay->bytes, sizeof replay->bytes, &len, &reason)) {
	case AB_ENCODE_RECORD:
		if (!ab_replay_lane_put(&replay->lane, event->partition, event->offset, replay->bytes, len))
			replay->failed = true;
		return;
	case AB_ENCODE_SKIPPED:
		replay->skipped++;
		return;
	case AB_ENCODE_REJECTED:
		on_rejected(replay, event->partition, event->offset, reason);
		return;
	}
}

static void replay_record(struct replay *replay, int partition, int64_t offset, int64_t timestamp_ms, const void *value,
			  size_t len)
{
	struct ab_event event;
	struct ab_reason reason = {0};

	replay->read++;
	ab_decoder_reset(replay->decoder);
	switch (ab_decode_event(replay->decoder, value, len, &event, &reason)) {
	case AB_DECODE_EVENT:
		event.partition = (uint16_t)partition;
		event.offset = offset;
		event.kafka_ts_ms = timestamp_ms;
		send(replay, &event);
		return;
	case AB_DECODE_TOMBSTONE:
	case AB_DECODE_OTHER:
		replay->skipped++;
		return;
	case AB_DECODE_REJECTED:
	case AB_DECODE_FULL: /* cannot be: the scratch takes any one record */
		if (++replay->unreadable <= EXAMPLES)
			printf("cannot be read: partition %d offset %" PRId64 ": %s\n", partition, offset, reason.text);
		return;
	}
}

/* Places come in the order of the log; one that it jumps over is not there any more. */
static bool is_wanted(struct replay *replay, const struct ab_source_record *record)
{
	while (replay->place_at < replay->place_end && replay->place[replay->place_at].offset < record->offset) {
		replay->place_at++;
		replay->gone++;
	}
	if (replay->place_at == replay->place_end || replay->place[replay->place_at].offset != record->offset)
		return false;
	replay->place_at++;
	return true;
}

static void on_record(void *arg, const struct ab_source_record *record)
{
	struct replay *replay = arg;

	if (replay->failed)
		return;
	if (replay->place != NULL && !is_wanted(replay, record))
		return;
	replay_record(replay, record->partition, record->offset, record->timestamp_ms, record->value,
		      record->value_len);
}

static bool read_slice(struct replay *replay, int partition, int64_t from, int64_t to)
{
	int64_t first[AB_PARTITIONS_MAX] = {0}, next[AB_PARTITIONS_MAX] = {0};
	char error[AB_SOURCE_ERROR_MAX_BYTES];

	first[partition] = from;
	next[partition] = to;
	if (!ab_verify_log_read(&replay->log, first, next, on_record, replay, "replay", error)) {
		unavailable("kafka", error);
		replay->failed = true;
	}
	return !replay->failed;
}

static int finish(struct replay *replay)
{
	if (replay->failed || !ab_replay_lane_flush(&replay->lane)) {
		if (replay->lane.error[0])
			fprintf(stderr, "%s: %s\n", replay->ops->name, replay->lane.error);
		fprintf(stderr, "what was sent stays; the same command again does the rest\n");
		return AB_EXIT_UNAVAILABLE;
	}
	printf("%s: %" PRId64 " records read, %" PRIu64 " delivered (%" PRIu64 " of them were there already), %" PRId64
	       " rejected again, %" PRId64 " cannot be read, %" PRId64 " mean nothing to it\n",
	       replay->ops->name, replay->read, replay->lane.acked, replay->lane.counts.duplicates, replay->rejected,
	       replay->unreadable, replay->skipped);
	if (replay->unknown > 0)
		printf("%" PRId64 " of them are of contents that are not known\n", replay->unknown);
	if (replay->ahead > 0)
		printf("%" PRId64 " are above the position of %s: they are the engine's to deliver\n", replay->ahead,
		       replay->ops->name);
	if (replay->gone > 0)
		printf("%" PRId64 " are not in the log any more, and their letters do not hold what could be sent\n",
		       replay->gone);
	return replay->rejected + replay->unreadable + replay->gone > 0 ? AB_EXIT_PROBLEMS : AB_EXIT_OK;
}

/* --- a range -------------------------------------------------------------------------------------------------------- */

/* "0:100,3:50"; false: it is none. Partitions that are not named stay as they are. */
static bool read_places(const char *text, int partitions, int64_t *offset)
{
	for (;;) {
		int end = 0, p;
		int64_t o;
		if (sscanf(text, "%d:%" SCNd64 "%n", &p, &o, &end) != 2 || p < 0 || p >= partitions || o < 0)
			return false;
		offset[p] = o;
		text += end;
		if (*text == '\0')
			return true;
		if (*text++ != ',')
			return false;
	}
}

static bool read_time(const char *text, int64_t *time_ms)
{
	char *end;
	int64_t us;

	*time_ms = strtoll(text, &end, 10);
	if (end != text && *end == '\0' && *time_ms > 0)
		return true;
	if (ab_time_parse(text, strlen(text), &us) != AB_TIME_OK)
		return false;
	*time_ms = us / 1000;
	return true;
}

/* One end of the range, for each partition: -1 where it names none. */
static int read_end(struct replay *replay, const char *option, const char *text, int64_t *offset)
{
	int64_t time_ms = 0;

	for (int p = 0; p < replay->log.partition_count; p++)
		offset[p] = -1;
	if (read_places(text, replay->log.partition_count, offset))
		return AB_EXIT_OK;
	if (strcmp(text, "earliest") != 0 && !read_time(text, &time_ms)) {
		fprintf(stderr,
			"anabranch: %s %s: want a time such as 2026-11-24T10:00:00Z, or PARTITION:OFFSET,... of %d "
			"partitions\n",
			option, text, replay->log.partition_count);
		return AB_EXIT_USAGE;
	}
	for (int p = 0; p < replay->log.partition_count; p++) {
		offset[p] =
		    strcmp(text, "earliest") == 0 ? 0 : ab_source_offset_at(replay->log.source, (uint16_t)p, time_ms);
		if (offset[p] < 0)
			return unavailable("kafka", "the offsets of that time are not known");
	}
	return AB_EXIT_OK;
}

static int replay_range(struct replay *replay, const struct ab_replay_options *options)
{
	int64_t from[AB_PARTITIONS_MAX], to[AB_PARTITIONS_MAX], first[AB_PARTITIONS_MAX], next[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	int result = read_end(replay, "--from", options->from, from);

	if (result == AB_EXIT_OK && options->to != NULL)
		result = read_end(replay, "--to", options->to, to);
	if (result != AB_EXIT_OK)
		return result;
	if (!ab_verify_log_bounds(&replay->log, first, next, error))
		return unavailable("kafka", error);
	for (int p = 0; p < replay->log.partition_count && !replay->failed; p++) {
		int64_t position = ab_verify_positions_least(&replay->positions, p);
		int64_t end = options->to == NULL || to[p] < 0 ? position : to[p];
		if (from[p] < 0)
			continue;
		if (from[p] < first[p]) {
			fprintf(stderr, "partition %d: the log begins at offset %" PRId64 "\n", p, first[p]);
			from[p] = first[p];
		}
		if (end > position) {
			int64_t last = end < next[p] ? end : next[p], begin = from[p] > position ? from[p] : position;
			replay->ahead += last > begin ? last - begin : 0;
			end = position;
		}
		for (int64_t at = from[p]; at < end; at += SLICE) {
			if (!read_slice(replay, p, at, at + SLICE < end ? at + SLICE : end))
				break;
		}
	}
	return finish(replay);
}

int ab_replay_range(const struct ab_config *config, const struct ab_replay_options *options)
{
	static struct replay replay;
	int result;

	replay = (struct replay){.config = config};
	result = refuse(config, options->sink, &replay.ops);
	if (result == AB_EXIT_OK && options->from == NULL) {
		fprintf(stderr, "anabranch: --from says where to begin: a time, PARTITION:OFFSET,... or earliest\n");
		result = AB_EXIT_USAGE;
	}
	if (result != AB_EXIT_OK)
		return result;
	result = open_replay(&replay);
	if (result == AB_EXIT_OK)
		result = replay_range(&replay, options);
	close_replay(&replay);
	return result;
}

/* --- letters -------------------------------------------------------------------------------------------------------- */

static void take_place(void *arg, const struct ab_dlq_letter *letter)
{
	struct replay *replay = arg;

	if (strcmp(letter->topic, replay->config->events_topic) != 0 || letter->partition < 0 ||
	    letter->partition >= replay->log.partition_count)
		return;
	if (!passed(replay, letter->partition, letter->offset)) {
		replay->ahead++;
		return;
	}
	if (replay->place_count == replay->place_room) {
		replay->place_room = replay->place_room ? 2 * replay->place_room : 256;
		replay->place = realloc(replay->place, replay->place_room * sizeof replay->place[0]);
		AB_ASSERT(replay->place != NULL);
	}
	replay->place[replay->place_count++] = (struct place){letter->partition, letter->offset};
}

static int by_place(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* A crash may have written a letter twice. */
static void order_places(struct replay *replay)
{
	size_t kept = 0;

	if (replay->place_count == 0)
		return;
	qsort(replay->place, replay->place_count, sizeof replay->place[0], by_place);
	for (size_t i = 1; i < replay->place_count; i++) {
		if (by_place(&replay->place[kept], &replay->place[i]) != 0)
			replay->place[++kept] = replay->place[i];
	}
	replay->place_count = kept + 1;
}

/* The records of these letters are not in the log any more: the letter itself, as far as it can be sent. */
static void replay_letter(void *arg, const struct ab_dlq_letter *letter)
{
	struct replay *replay = arg;
	struct place place = {letter->partition, letter->offset};

	if (replay->failed || strcmp(letter->topic, replay->config->events_topic) != 0 ||
	    bsearch(&place, replay->place, replay->place_count, sizeof place, by_place) == NULL)
		return;
	if (letter->value_cut >= 0 || letter->value == NULL) {
		replay->gone++;
	} else if (strcmp(letter->code, "sink") != 0) {
		replay_record(replay, letter->partition, letter->offset, letter->timestamp_ms, letter->value,
			      letter->value_len);
	} else if (strcmp(letter->sink, replay->ops->name) == 0 && letter->value_len <= sizeof replay->bytes) {
		replay->read++;
		if (!ab_replay_lane_put(&replay->lane, letter->partition, letter->offset, letter->value,
					letter->value_len))
			replay->failed = true;
	} else {
		replay->gone++;
	}
}

/* Reads the places that the log still has; those below its beginning stay in the list, which it returns the number of. */
static size_t replay_from_log(struct replay *replay, const int64_t *first)
{
	struct place *all = replay->place;
	size_t count = replay->place_count, gone = 0;
	struct place *lost = calloc(count, sizeof lost[0]);

	AB_ASSERT(lost != NULL);
	for (size_t i = 0; i < count && !replay->failed;) {
		if (all[i].offset < first[all[i].partition]) {
			lost[gone++] = all[i++];
			continue;
		}
		size_t end = i + 1;
		while (end < count && all[end].partition == all[i].partition && all[end].offset - all[i].offset < SLICE)
			end++;
		replay->place_at = i;
		replay->place_end = end;
		if (read_slice(replay, all[i].partition, all[i].offset, all[end - 1].offset + 1))
			replay->gone += (int64_t)(end - replay->place_at);
		i = end;
	}
	memcpy(all, lost, gone * sizeof lost[0]);
	free(lost);
	return gone;
}

static int replay_letters(struct replay *replay)
{
	int64_t first[AB_PARTITIONS_MAX], next[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	int result = ab_dlq_read(replay->config, replay->ops->name, take_place, replay);

	if (result != AB_EXIT_OK)
		return result;
	order_places(replay);
	if (!ab_verify_log_bounds(&replay->log, first, next, error))
		return unavailable("kafka", error);
	if (replay->place_count > 0) {
		replay->place_count = replay_from_log(replay, first);
		if (replay->place_count > 0 && !replay->failed)
			result = ab_dlq_read(replay->config, replay->ops->name, replay_letter, replay);
	}
	return result != AB_EXIT_OK ? result : finish(replay);
}

int ab_replay_letters(const struct ab_config *config, const char *sink)
{
	static struct replay replay;

	replay = (struct replay){.config = config};
	int result = refuse(config, sink, &replay.ops);
	if (result != AB_EXIT_OK)
		return result;
	result = open_replay(&replay);
	if (result == AB_EXIT_OK)
		result = replay_letters(&replay);
	close_replay(&replay);
	return result;
}
