/* core/content.h — fills the content cache and keeps it fresh.
 *
 *     content topic's end offsets ─▶ preload from PostgreSQL ─▶ apply the topic from those offsets on, for ever
 *
 * In this order nothing is missed: what PostgreSQL did not show yet comes by the topic. Without PostgreSQL the topic is
 * read from its beginning instead. Every engine reads all partitions of the content topic.
 *
 * Threads: create, preload and start from main; then a thread of its own, the cache's one writer.
 */
#pragma once

#include <pthread.h>

#include "core/cache.h"
#include "core/decode.h"
#include "core/park.h"
#include "core/stats.h"
#include "io/source.h"

struct ab_content_feed {
	const struct ab_config *config;
	struct ab_cache *cache;
	struct ab_source *source;
	struct ab_decoder *decoder;
	struct ab_park park;
	pthread_t thread;
	_Atomic bool stop;
	void (*on_change)(void *arg);		/* a content became known: events may be waiting for it */
	void *on_change_arg;
	void (*on_log)(const char *text);
	int partition_count;
	int64_t next[AB_PARTITIONS_MAX];	/* the next offset of each partition; -1: not known yet */
	int64_t goal[AB_PARTITIONS_MAX];	/* the end at start */
	ab_count rows, deletes, rejected, full;
	_Atomic bool caught_up;			/* the topic's end as of start was reached */
};

/* Creates the cache (capacity from the configuration, else from the number of rows), preloads it, and catches up with
 * the topic. false with *error (512 bytes) only when neither PostgreSQL nor the topic can be read. */
bool ab_content_feed_open(struct ab_content_feed *feed, const struct ab_config *config, void (*on_log)(const char *text),
			  char *error);
void ab_content_feed_start(struct ab_content_feed *feed, void (*on_change)(void *arg), void *arg);
void ab_content_feed_close(struct ab_content_feed *feed);

size_t ab_content_capacity(const struct ab_config *config, int64_t rows);
