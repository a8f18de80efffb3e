/* core/content.c — see content.h for the order at start. */
#include "core/content.h"

#include <string.h>

#include "core/clock.h"
#include "io/postgres.h"

#define CAPACITY_MIN     65536
#define CAPACITY_PER_ROW 4
#define CATCH_UP_MAX_NS  (60 * AB_NS_PER_S) /* a topic of millions of contents; then events begin to count as unknown */
#define RETRY_NS         (2 * AB_NS_PER_S)
#define DRAIN            64

size_t ab_content_capacity(const struct ab_config *config, int64_t rows)
{
	if (config->content_capacity > 0)
		return (size_t)config->content_capacity;
	return (size_t)ab_max_u64((uint64_t)rows * CAPACITY_PER_ROW, CAPACITY_MIN);
}

static void say(struct ab_content_feed *feed, const char *what, const char *detail)
{
	char line[1024];

	snprintf(line, sizeof line, "contents: %s%s%s", what, detail[0] ? ": " : "", detail);
	feed->on_log(line);
}

static void put(struct ab_content_feed *feed, struct ab_uuid id, const char *type, size_t type_len, bool has_length,
		int64_t length_seconds)
{
	switch (ab_cache_put(feed->cache, id, type, type_len, has_length, length_seconds)) {
	case AB_CACHE_STORED:
		ab_count_add(&feed->rows, 1);
		return;
	case AB_CACHE_FULL:
		if (ab_count_get(&feed->full) == 0)
			say(feed, "the cache is full, more contents read as unknown", "raise CONTENT_CAPACITY");
		break;
	case AB_CACHE_TYPES_FULL:
		if (ab_count_get(&feed->full) == 0)
			say(feed, "more than 1024 content types, the others read as unknown", "");
		break;
	}
	ab_count_add(&feed->full, 1);
}

static void preload_row(void *arg, const char *id, const char *content_type, const char *length_seconds)
{
	struct ab_content_feed *feed = arg;
	struct ab_uuid uuid;
	size_t type_len = strlen(content_type);

	if (!ab_uuid_parse(id, strlen(id), &uuid) || type_len > AB_CONTENT_TYPE_MAX_BYTES) {
		ab_count_add(&feed->rejected, 1);
		say(feed, "a row's content_type is longer than 128 bytes, it reads as unknown", id);
		return;
	}
	put(feed, uuid, content_type, type_len, length_seconds != NULL,
	    length_seconds ? strtoll(length_seconds, NULL, 10) : 0);
}

static void apply(struct ab_content_feed *feed, const struct ab_source_record *record)
{
	struct ab_content_row row;
	struct ab_reason reason;
	enum ab_decode_result result = AB_DECODE_REJECTED;

	if (record->value_len <= (size_t)feed->config->record_max_bytes)
		result = ab_decode_content(feed->decoder, record->value, record->value_len, &row, &reason);
	else
		snprintf(reason.text, sizeof reason.text, "above RECORD_MAX_BYTES");
	ab_decoder_reset(feed->decoder);
	if (result == AB_DECODE_REJECTED) {
		char where[AB_REASON_MAX_BYTES + 64];
		snprintf(where, sizeof where, "partition %d offset %lld: %s", record->partition,
			 (long long)record->offset, reason.text);
		ab_count_add(&feed->rejected, 1);
		say(feed, "a change cannot be read, its content stays as it was", where);
	} else if (result == AB_DECODE_EVENT && row.deleted) {
		ab_cache_delete(feed->cache, row.id);
		ab_count_add(&feed->deletes, 1);
	} else if (result == AB_DECODE_EVENT) {
		put(feed, row.id, row.type, row.type_len, row.has_length, row.length_seconds);
	}
}

/* Applies what is there; returns how many records came. */
static int step(struct ab_content_feed *feed)
{
	struct ab_source_record record[DRAIN];
	int count = ab_source_drain(feed->source, 0, record, DRAIN);

	for (int i = 0; i < count; i++) {
		int64_t *next = &feed->next[record[i].partition];
		if (record[i].kind == AB_RECORD_DATA) {
			apply(feed, &record[i]);
			*next = record[i].offset + 1;
		} else if (record[i].kind == AB_RECORD_END && record[i].offset > *next) {
			*next = record[i].offset;
		} else if (record[i].kind == AB_RECORD_LOST) {
			say(feed,
			    "changes are gone from the topic before they were read; restart to load them from "
			    "PostgreSQL",
			    record[i].error ? record[i].error : "");
		}
		ab_source_release(&record[i]);
	}
	return count;
}

static bool reached_goal(const struct ab_content_feed *feed)
{
	for (int p = 0; p < feed->partition_count; p++) {
		if (feed->next[p] < feed->goal[p])
			return false;
	}
	return true;
}

static void on_source_log(void *arg, const char *text)
{
	say(arg, "topic", text);
}

/* Takes down where the topic ends now; false: it is not there. */
static bool note_ends(struct ab_content_feed *feed)
{
	int count = ab_source_partitions(feed->source);

	if (count <= 0 || count > AB_PARTITIONS_MAX)
		return false;
	for (int p = 0; p < count; p++) {
		int64_t first;
		if (!ab_source_bounds(feed->source, (uint16_t)p, &first, &feed->goal[p]))
			return false;
		feed->next[p] = first;
	}
	feed->partition_count = count;
	return true;
}

static void assign(struct ab_content_feed *feed)
{
	uint16_t partition[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];

	for (int p = 0; p < feed->partition_count; p++)
		partition[p] = (uint16_t)p;
	if (!ab_source_assign(feed->source, partition, feed->next, feed->partition_count, error))
		say(feed, "the topic cannot be read", error);
}

static void catch_up(struct ab_content_feed *feed)
{
	int64_t end_ns = ab_monotonic_ns() + CATCH_UP_MAX_NS;

	assign(feed);
	while (!reached_goal(feed) && ab_monotonic_ns() < end_ns) {
		ab_source_poll(feed->source, 0);
		if (step(feed) == 0)
			ab_park_sleep(&feed->park, 10 * AB_NS_PER_MS);
	}
	if (!reached_goal(feed))
		say(feed,
		    "the topic was not read to its end within 60 s, events of contents behind it wait or read as "
		    "unknown",
		    "");
	atomic_store(&feed->caught_up, true);
}

bool ab_content_feed_open(struct ab_content_feed *feed, const struct ab_config *config,
			  void (*on_log)(const char *text), char *error)
{
	const struct ab_source_callbacks callbacks = {.on_log = on_source_log, .arg = feed};
	char group[256], why[AB_POSTGRES_ERROR_MAX_BYTES];
	int64_t rows = 0;

	memset(feed, 0, sizeof *feed);
	feed->config = config;
	feed->on_log = on_log;
	ab_park_create(&feed->park);
	feed->decoder = ab_decoder_create((size_t)config->record_max_bytes);
	snprintf(group, sizeof group, "%s.content", config->group_id);
	feed->source =
	    ab_source_open_private(config, config->content_topic, group, &callbacks, &feed->park, error);
	if (feed->source == NULL)
		return false;

	bool topic = note_ends(feed);
	enum ab_postgres_result counted = ab_postgres_content_count(config, &rows, why);
	if (counted != AB_POSTGRES_OK && !topic) {
		snprintf(error, 512, "neither PostgreSQL (%.300s) nor topic %.100s can be read", why,
			 config->content_topic);
		return false;
	}
	feed->cache = ab_cache_create(ab_content_capacity(config, rows));
	if (counted == AB_POSTGRES_OK && ab_postgres_contents(config, preload_row, feed, why) == AB_POSTGRES_OK) {
		/* Only what came after the ends were noted has to be applied. */
		memcpy(feed->next, feed->goal, sizeof feed->next);
	} else {
		say(feed, "not preloaded from PostgreSQL, the topic is read from its beginning instead", why);
	}
	if (topic)
		catch_up(feed);
	else
		say(feed, "the topic does not exist yet, changes are seen once it does", config->content_topic);
	return true;
}

static void *run(void *arg)
{
	struct ab_content_feed *feed = arg;

	while (!atomic_load_explicit(&feed->stop, memory_order_relaxed)) {
		if (feed->partition_count == 0) { /* the topic came after us: all of it is news */
			if (note_ends(feed))
				assign(feed);
			else
				ab_park_sleep(&feed->park, RETRY_NS);
			continue;
		}
		ab_source_poll(feed->source, 0);
		if (step(feed) > 0)
			feed->on_change(feed->on_change_arg);
		else
			ab_park_sleep(&feed->park, AB_NS_PER_S);
	}
	return NULL;
}

void ab_content_feed_start(struct ab_content_feed *feed, void (*on_change)(void *arg), void *arg)
{
	feed->on_change = on_change;
	feed->on_change_arg = arg;
	AB_ASSERT(pthread_create(&feed->thread, NULL, run, feed) == 0);
	pthread_setname_np(feed->thread, "ab-contents");
}

void ab_content_feed_close(struct ab_content_feed *feed)
{
	atomic_store(&feed->stop, true);
	ab_park_wake(&feed->park);
	if (feed->on_change != NULL)
		pthread_join(feed->thread, NULL);
	ab_source_close(feed->source);
	ab_decoder_destroy(feed->decoder);
	ab_park_destroy(&feed->park);
	ab_cache_destroy(feed->cache);
}
