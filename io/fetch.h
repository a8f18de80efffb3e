/* io/fetch.h — the two messages of reading a partition: what a Fetch request says, what its answer holds.
 *
 *     request  = topic, { partition, from which offset, how much } …
 *     answer   = { partition, error, where its log begins and ends, what was aborted, record batches } …
 *
 * Version 13, which names the topic by its id, so that a topic made anew is not taken for the old one (Kafka 3.1, 2022); or
 * 12, by its name, where it has no id (Kafka 2.7, 2020). From 12 on a broker says by itself that the log was cut off below
 * us. No fetch session: every request names all partitions, so nothing has to be remembered on either side.
 *
 * Threads: any; plain functions of their arguments.
 * Source:  https://kafka.apache.org/protocol (Fetch, ApiVersions); KIP-227, KIP-320, KIP-516, KIP-595.
 */
#pragma once

#include "core/limits.h"
#include "io/wire.h"

/* In front of each message: how many bytes follow. */
#define AB_FETCH_LENGTH_BYTES 4

struct ab_fetch_topic {
	char name[AB_TOPIC_MAX_BYTES + 1];
	uint8_t id[16];			/* all zero: it has none */
};

/* What a request has besides its partitions, and for each of them. */
#define AB_FETCH_REQUEST_FIXED_BYTES (128 + AB_TOPIC_MAX_BYTES)
#define AB_FETCH_REQUEST_PART_BYTES 40
#define AB_FETCH_REQUEST_MAX_BYTES (AB_FETCH_REQUEST_FIXED_BYTES + AB_PARTITIONS_MAX * AB_FETCH_REQUEST_PART_BYTES)

struct ab_fetch_ask {
	uint16_t partition;
	int64_t offset;
	int32_t epoch;			/* of the leader that wrote the record before it; -1: not known */
};

struct ab_fetch_limits {
	int32_t wait_ms, min_bytes, max_bytes, partition_bytes;
};

/* Whole, with its length in front; the topic by its id (version 13) or name (12). Returns its bytes; to has
 * AB_FETCH_REQUEST_MAX_BYTES. */
size_t ab_fetch_request(uint8_t *to, int32_t correlation, const struct ab_fetch_topic *topic, bool by_id,
			const struct ab_fetch_limits *limits, const struct ab_fetch_ask *ask, int count);

/* The question what a broker can, and what of that we need: its answer without the length. *by_id: it knows version 13. */
size_t ab_fetch_hello(uint8_t *to, int32_t correlation);
enum ab_fetch_hello {
	AB_FETCH_HELLO_OK,
	AB_FETCH_HELLO_OTHER,		/* a broker that knows none of our versions */
	AB_FETCH_HELLO_BAD,
};
enum ab_fetch_hello ab_fetch_read_hello(const uint8_t *at, size_t len, int32_t correlation, bool *by_id);
bool ab_fetch_has_id(const struct ab_fetch_topic *topic);

struct ab_fetch_part {
	uint16_t partition;
	int16_t error;			/* Kafka's number; 0: none */
	int64_t log_start, stable;	/* first offset; first one that is not decided yet: the end for us */
	int64_t diverging;		/* the log was cut off: it goes on with another history from here; -1: it was not */
	uint8_t *aborted;		/* what ab_records needs of them */
	size_t aborted_bytes;
	int64_t aborted_count;
	const uint8_t *records;
	size_t records_bytes;
};

/* The parts of an answer, one after the other. */
struct ab_fetch_answer {
	struct ab_wire wire;
	bool by_id;
	int64_t topics, parts;		/* that are left */
};

/* Without the length. false: this is no answer to that request. *error: of the request as a whole. */
bool ab_fetch_begin(struct ab_fetch_answer *answer, uint8_t *at, size_t len, int32_t correlation, bool by_id,
		    int16_t *error);
/* false: there are no more, or (answer->wire.failed) the rest makes no sense. */
bool ab_fetch_next(struct ab_fetch_answer *answer, struct ab_fetch_part *part);
