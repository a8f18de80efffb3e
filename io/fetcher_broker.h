/* io/fetcher_broker.h — inside of io/fetcher: what it knows of its partitions and brokers, and the connections to these.
 *
 *     DOWN ──▶ CONNECTING ──▶ HELLO ──▶ ASKED ◀──▶ READY (nothing to ask for now)
 *      ▲            │           │         │
 *      └────────────┴───────────┴─────────┘ whatever was asked for and did not come whole is asked for again
 *
 * Threads: the worker's; control's while that stands still.
 */
#pragma once

#include "io/fetcher.h"
#include "io/records.h"

enum ab_fetch_broker_state {
	AB_BROKER_DOWN,
	AB_BROKER_CONNECTING,
	AB_BROKER_HELLO,		/* asked what it can */
	AB_BROKER_READY,		/* nothing is under way */
	AB_BROKER_ASKED,
};

struct ab_fetch_broker {
	struct ab_leader leader;
	enum ab_fetch_broker_state state;
	int fd;
	uint32_t correlation;		/* of the last request */
	bool knows_ids;			/* it may be asked by a topic's id */
	bool by_id;			/* the request under way does so */
	int64_t due_ns;			/* DOWN: when to try again; else when to give up */
	int failures;			/* in a row */
	uint8_t *buffer;
	size_t room, have;
};

struct ab_fetch_place {
	int broker;			/* index; -1: nobody leads it */
	bool halted;			/* told as lost */
	int64_t ask;			/* the next offset to ask for… */
	int32_t epoch;			/* …and the epoch of what is before it */
	int64_t asked;			/* by the request under way; -1: it is not in it */
	int64_t from, upto;		/* what the answer that is held has of it */
	int64_t told_end;		/* the last end that was given out */
	int64_t retry_ns;
	int16_t error;			/* as last said; 0: none */
	_Atomic int64_t log_start, stable;	/* worker to views [S2] */
};

struct ab_fetcher {
	struct ab_fetch_limits limits;
	int receive_bytes;
	struct ab_leaders *leaders;
	struct ab_park *park;
	uint32_t leaders_seen;
	struct ab_fetch_topic topic;
	bool replaced;				/* there is another topic of this name now */
	int count;
	uint16_t partition[AB_PARTITIONS_MAX];
	struct ab_fetch_place place[AB_PARTITIONS_MAX];	/* by partition */
	unsigned turn;				/* which partition is named first: the broker fills answers in that order */
	int broker_count;
	unsigned broker_turn;			/* which broker is looked at first */
	struct ab_fetch_broker broker[AB_PARTITIONS_MAX];

	struct ab_fetch_broker *current;	/* whose answer is held and walked through: it receives nothing; NULL: none */
	struct ab_fetch_answer answer;
	struct ab_fetch_part section;
	bool walking;				/* within section */
	struct ab_records walk;
	struct ab_unpack *unpack;
	char text[AB_SOURCE_ERROR_MAX_BYTES];	/* of an error that was given out */
	bool said;				/* text is to be given out */
};

/* What Kafka's error numbers mean for a reader. */
enum ab_fetch_fate {
	AB_FATE_MOVED,			/* ask somebody else, or again: nothing a person has to know */
	AB_FATE_SAY,			/* try again, but say so */
	AB_FATE_LOST,
};

enum ab_fetch_fate ab_fetcher_fate(const struct ab_fetcher *fetcher, int16_t error, const char **words);

/* To be given out with the next records. */
void ab_fetcher_say(struct ab_fetcher *fetcher, const char *format, ...) AB_PRINTF(2, 3);
/* Which broker leads what is to be asked again. */
void ab_fetcher_want_leaders(struct ab_fetcher *fetcher);

/* One broker, as far as it goes without waiting. When its answer is there, it becomes fetcher->current. */
void ab_fetcher_tend_broker(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns);
void ab_fetcher_close_broker(struct ab_fetch_broker *broker);
