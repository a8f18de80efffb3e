/* loadgen/reader.h — looks for marked rows in one sink, by the sink's own protocol, in a thread of its own.
 *
 *     sender ──ring──▶ pending marks ──look()──▶ samples: when each was seen
 *
 * It is no part of the engine and knows nothing of it: a row is there when the sink itself shows it. A sample's time is
 * when the sink's answer arrived, so it is late by at most the distance of two looks and the look's own time. Between
 * two looks passes AB_READER_REST times as long as the last one took, so that a sink is not busy with being looked at.
 *
 * Threads: one per reader; samples belong to it until ab_reader_stop() has returned. Memory: the ring, pending marks and
 * samples, all taken at start.
 */
#pragma once

#include <pthread.h>

#include "loadgen/ring.h"
#include "loadgen/settings.h"

/* A reader is busy for at most a quarter of the time; a sink that answers slowly is still looked at this often. */
#define AB_READER_REST	    3
#define AB_READER_REST_MAX_NS INT64_C(200000000)

/* Not seen. */
#define AB_NEVER INT64_MAX

struct ab_sample {
	struct ab_mark mark;
	int64_t seen_ns;
	int64_t searchable_ns; /* Elasticsearch; elsewhere AB_NEVER */
	double wanted;	       /* Redis: the score that shows it */
};

struct ab_reader;

struct ab_reader_kind {
	const char *sink;
	int64_t period_ns; /* between two looks */
	int has_searchable;
	/* Connects, or sets error and returns 0; called again until it succeeds. */
	int (*connect)(struct ab_reader *reader);
	/* A new mark; may note what is wanted. */
	void (*expect)(struct ab_reader *reader, struct ab_sample *sample);
	/* Sets seen_ns (and searchable_ns) of those that are there; 0: the connection is gone, error says why. */
	int (*look)(struct ab_reader *reader);
	void (*disconnect)(struct ab_reader *reader);
};

struct ab_reader {
	const struct ab_reader_kind *kind;
	const struct ab_settings *settings;
	uint64_t seed;
	struct ab_mark_ring *ring;
	struct ab_sample *samples; /* [0, done) are complete, [done, used) are looked for */
	uint32_t done, used, room;
	uint64_t looks;
	int64_t look_max_ns;
	int64_t look_due_ns, search_due_ns;
	void *own; /* the kind's */
	pthread_t thread;
	_Atomic uint32_t settled; /* marks that are seen, for whoever waits for the end; written by the reader, relaxed */
	_Atomic int stopping;	  /* relaxed: the join orders everything */
	char error[512]; /* the last one; read after the end */
	uint64_t errors;
};

extern const struct ab_reader_kind ab_reader_redis, ab_reader_search;

/* room: marks there will be at most. Waits until it is connected or has failed to: a failed start is said in error. */
int ab_reader_start(struct ab_reader *reader, const struct ab_reader_kind *kind, const struct ab_settings *settings,
	uint64_t seed, uint32_t room);
/* Ends the thread; what is pending then was never seen. */
void ab_reader_stop(struct ab_reader *reader);
void ab_reader_free(struct ab_reader *reader);
