/* core/worker.h — a pinned thread that runs the reading of its partitions, for every reader.
 *
 *     drain ─▶ decode ─▶ enrich ─▶ encode per sink ─▶ chunks ══link══▶ lanes
 *
 * Everything from the fetch to the encoded record happens here, without a hand-over. A record is given to all sinks of
 * its reader or to none: when one of them has no room, the reader stands still and is tried again after a wake, while
 * the other readers of this worker go on. The shared reader comes first; private ones get what it leaves, and a ninth.
 *
 * A rejected record goes to the dead-letter topic; no lane takes a chunk that covers its offset before Kafka has
 * acknowledged the letter. Meanwhile the worker goes on, as far as the links' chunks last.
 *
 * Threads: the functions below are control's, while the worker stands still (core/pause.h), but for create and run.
 * Memory:  taken at creation.
 */
#pragma once

#include <pthread.h>

#include "core/acks.h"
#include "core/cache.h"
#include "core/decode.h"
#include "core/event_text.h"
#include "core/link.h"
#include "core/park.h"
#include "core/pause.h"
#include "core/position.h"
#include "core/route.h"
#include "core/starve.h"
#include "core/stats.h"
#include "core/tap.h"
#include "io/loop.h"
#include "io/source.h"
#include "sinks/dead_letter.h"
#include "sinks/sink.h"

/* Offsets without records of a lane are told to it this often: often enough for lag to look right, rarely enough not
 * to cost anything. */
#define AB_COVER_INTERVAL_NS (50 * INT64_C(1000000))

/* What became of the records of one partition for one sink, each counted once however often it is read, since the sink
 * last began (core/engine.h): consumed = skipped + dead + handed over to its lanes, or on the way there. */
enum ab_ledger {
	AB_LEDGER_CONSUMED,
	AB_LEDGER_DEAD,			/* went to the dead letters before any lane saw it */
	AB_LEDGER_OPERATION,		/* skipped: its operation means nothing to the sink */
	AB_LEDGER_NO_EVENT,		/* skipped: a tombstone, or no row change */
	AB_LEDGER_KNOWN,		/* skipped: the sink had it before it began */
	AB_LEDGER_COUNT,
};

/* Letters of one worker between two looks of control at the breakers, which are 50 ms apart: far above what one poisoned
 * record in a hundred makes, far below what a worker can reject meanwhile. */
#define AB_LETTERS_BETWEEN_LOOKS 1000

/* A sink as a worker sees it. */
struct ab_worker_sink {
	const struct ab_sink_ops *ops;
	struct ab_sink *sink;
	enum ab_route_key key;
	uint32_t lanes;
	uint32_t record_max;		/* records of one chunk: a part of the sink's batch */
	int reader;			/* which reader feeds it; -1: none */
	struct ab_loop *loop;		/* woken after seals */
	int64_t wake_owed_ns;		/* since when a sealed chunk waits for a wake; 0: none does */
	struct ab_link link[AB_LANES_MAX];
	const ab_count *busy[AB_LANES_MAX];	/* the lane's requests under way; NULL: not known */
	ab_count events, skipped, rejected;
	int64_t consumed[AB_PARTITIONS_MAX];	/* below it a record was consumed… */
	int64_t through[AB_PARTITIONS_MAX];	/* …and its outcome noted, or handed over */
	ab_count ledger[AB_PARTITIONS_MAX][AB_LEDGER_COUNT];

	struct ab_starve starve;
	_Atomic bool starving;		/* worker to control: this sink should leave the shared reader [W3] */
	_Atomic bool may_join;		/* control to worker: it may join again [W4] */
	_Atomic bool joined;		/* worker to control: it reads with the others again, its own reader is unused [W5] */
	int64_t hold_until_ns;		/* the shared reader waits for this sink's own until then; 0: it does not */
	int64_t hold_again_ns;		/* and not again before this */
};

/* Something control has to act on. */
enum ab_worker_trouble {
	AB_TROUBLE_NONE,
	AB_TROUBLE_LOST,		/* an offset is not in the log any more */
	AB_TROUBLE_BACK,		/* an offset came that is below the last one: the log was replaced under us */
};

/* One reader's share of this worker. */
struct ab_worker_reader {
	struct ab_source *source;	/* NULL: no such reader */
	const char *name;		/* for dead letters: the sink's, or "all" */
	int at, count;			/* of record[] */
	int64_t wait_offset;		/* the record that waits for its content; -1: none */
	int64_t wait_until_ns;
	struct ab_link *blocked[AB_SINKS_MAX];	/* the lanes without room that the next record waits for; NULL: none */
	int64_t next[AB_PARTITIONS_MAX];	/* the offset after the last record processed; -1: not read */
	struct ab_source_record record[AB_DRAIN_MAX];

	/* Set by the worker, read by control [W1]; the reader stands still until it is cleared. */
	_Atomic int trouble;
	uint16_t trouble_partition;
	int64_t trouble_offset;
};

struct ab_worker_counts {
	ab_count records, bytes;
	ab_count op[4];				/* by enum ab_op */
	ab_count tombstones, other, errors;
	ab_count rejected[AB_REJECT_COUNT];
	ab_count enrich_misses, enrich_resolved, enrich_unknown;
	ab_count busy_ns, idle_ns, blocked_ns;
	ab_count fetch_ticks, decode_ticks, encode_ticks;	/* of ab_ticks(): which part of busy it was */
	ab_count chunks;
};

struct ab_worker {
	AB_GUARD int index;			/* no line is shared with the worker before: its text is written for every event */
	int cpu;				/* -1: not pinned */
	const struct ab_config *config;
	const struct ab_cache *cache;
	struct ab_dead_letters *letters;
	struct ab_park park;
	struct ab_pause pause;
	pthread_t thread;
	_Atomic bool stop;

	int partition_count;
	uint16_t partition[AB_PARTITIONS_MAX];
	int sink_count;
	struct ab_worker_sink *sink;		/* AB_SINKS_MAX */
	struct ab_worker_reader *reader;	/* AB_READERS_MAX */

	uint32_t turn;				/* counts the shared reader's steps, for the private ones' share */
	uint64_t dead_sent;			/* this worker's dead letters, ever: the next one's number */
	/* The same for control, and how many there may be before it looks at the breakers again: so a stream of poison cannot
	 * run ahead of it, however late it is. Worker writes the one, control the other [W6: relaxed, a bound and no order]. */
	ab_count letters_sent;
	_Atomic uint64_t letters_allowed;
	uint64_t dead_given_up;			/* never put, because control wants it to stand still: nothing is sealed till leave */
	struct ab_acks acks;

	/* One record per partition to know the log by again: empty -> filled by the worker -> taken by control [W2]. */
	_Atomic int sampled[AB_PARTITIONS_MAX];
	struct ab_fingerprint sample[AB_PARTITIONS_MAX];

	struct ab_worker_counts counts;
	struct ab_tap tap;

	/* the decoded window */
	struct ab_decoder *decoder;
	struct ab_event *event;			/* AB_DECODE_BATCH */
	enum ab_decode_result *result;
	struct ab_reason *reason;
	struct ab_event_text text;		/* of the event that is being encoded */
};

void ab_worker_create(struct ab_worker *worker, int index, const struct ab_config *config, const struct ab_cache *cache,
		      struct ab_dead_letters *letters);
void ab_worker_destroy(struct ab_worker *worker);
size_t ab_worker_bytes(const struct ab_config *config);

/* How many workers so many cores are good for, if there are partitions enough: KAFKA_SOURCE_PARALLELISM, but one for two
 * cores, since the sinks keep a second one busy (PERFORMANCE.md rows P-9, P-17). AB_CPUS gives each of its cores
 * to a worker first. */
int ab_worker_count(const struct ab_config *config, int cores);

void ab_worker_start(struct ab_worker *worker);
void ab_worker_stop(struct ab_worker *worker);

void ab_worker_pause(struct ab_worker *worker);
void ab_worker_resume(struct ab_worker *worker);

/* Control has looked at what was rejected: so many letters more. Any time. */
void ab_worker_allow_letters(struct ab_worker *worker);

/* Standing still. Gives reader r the source and the offsets (of this worker's partitions; -1: not read). */
void ab_worker_set_reader(struct ab_worker *worker, int r, struct ab_source *source, const char *name,
			  const int64_t *start);
/* Standing still. Releases the records a reader holds; they are read again from what its sinks were given. */
void ab_worker_clear_reader(struct ab_worker *worker, int r);

/* Standing still. Sink s reads by its own reader from what its lanes were given on, but not below floor[p] (start[p],
 * filled in here), or, with source NULL, not at all. The shared reader goes on where it is. */
void ab_worker_part(struct ab_worker *worker, int s, struct ab_source *source, const int64_t *floor, int64_t *start);

/* Standing still. Sink s begins: all its links are empty, and covered[p] is what its lanes have. */
void ab_worker_begin(struct ab_worker *worker, int s);

/* Standing still. Hands over what can be, drops the rest: before readers are cleared. */
void ab_worker_leave(struct ab_worker *worker);

/* Standing still. The least offset of partition p that some lane of sink s was not given; -1: not its partition. */
int64_t ab_worker_given(const struct ab_worker *worker, int s, uint16_t p);

/* Standing still. The least offset of partition p that sink s has still to be given, by whichever reader it has here: it may
 * have joined the others in one worker and not yet in the next, and the shared reader may stand lower for another's sake.
 * -1: it does not read it. */
int64_t ab_worker_reads_from(const struct ab_worker *worker, int s, uint16_t p);

/* Standing still. The offset of partition p from which on no lane of sink s was given anything: below it, down to
 * ab_worker_reads_from, the lanes that were ahead of the others have had their own records. -1: not its partition. */
int64_t ab_worker_untouched_from(const struct ab_worker *worker, int s, uint16_t p);

/* Standing still. Nothing of partition p below `first` is left for sink s to read: a record that it had taken up and not
 * finished there was not consumed. What was in a chunk that was given up stays so. */
void ab_worker_lose(struct ab_worker *worker, int s, uint16_t p, int64_t first);

/* The chunk of a lane was taken: the worker may be waiting for it. Any thread. */
void ab_worker_wake(void *worker);
