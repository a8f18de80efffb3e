/* verify/ledger.h — what the log holds, in a few bytes per record: what every sink is compared with.
 *
 *     per offset   digest of the row (64 bits), times, a hash of its LSN, marks                    26 bytes
 *     per row id   the newest change of it: version and place; one table for each sink that needs one   40 bytes
 *
 * The offsets of a topic are known before it is read, so all of it is taken at once, and the plan is printed: 10^7
 * records are 0.3 GB, and 0.4 GB for each of PostgreSQL, the view of BigQuery and Elasticsearch. Nothing else grows
 * with the log. A digest of 64 bits lets one of 10^19 different rows pass; the words of an example are never digests:
 * the record is read from Kafka again.
 *
 * Threads: one.
 */
#pragma once

#include "core/limits.h"
#include "verify/record.h"

enum {
	AB_MARK_EVENT = 1 << 0,
	AB_MARK_BAD = 1 << 1,		/* no event */
	AB_MARK_COUNTED = 1 << 2,	/* c or r */
	AB_MARK_UPDATE = 1 << 3,
	AB_MARK_DELETE = 1 << 4,
	AB_MARK_READ = 1 << 5,
	/* a dead letter lies in the topic, for this sink or for all */
	AB_MARK_DEAD_REDIS = 1 << 6,
	AB_MARK_DEAD_BIGQUERY = 1 << 7,
	AB_MARK_DEAD_ELASTICSEARCH = 1 << 8,
	/* below the sink's position: it must be there */
	AB_MARK_DUE_BIGQUERY = 1 << 9,
	AB_MARK_DUE_ELASTICSEARCH = 1 << 10,
	AB_MARK_NO_DOCUMENT = 1 << 11,	/* it has no version: Elasticsearch can only reject it */
	/* of the sink that is being compared */
	AB_MARK_SEEN = 1 << 12,
	AB_MARK_LOST = 1 << 13,
	AB_MARK_TWICE = 1 << 14,
	AB_MARK_DIFFERS = 1 << 15,
};
#define AB_MARKS_OF_A_SINK (AB_MARK_SEEN | AB_MARK_LOST | AB_MARK_TWICE | AB_MARK_DIFFERS)

struct ab_verify_partition {
	int64_t first, next;		/* the offsets looked at: [first, next) */
	uint64_t *digest;		/* ab_verify_event_digest() */
	int64_t *time_ms;		/* of the record */
	uint32_t *micros, *lsn;		/* of event_ts; a hash */
	uint16_t *mark;
};

/* A partition and an offset in one number. */
typedef uint64_t ab_verify_place;
#define AB_PLACE_OFFSET_BITS 48
static inline ab_verify_place ab_place(int partition, int64_t offset)
{
	return (uint64_t)partition << AB_PLACE_OFFSET_BITS | (uint64_t)offset;
}
static inline int ab_place_partition(ab_verify_place place)
{
	return (int)(place >> AB_PLACE_OFFSET_BITS & 0xff);
}
static inline int64_t ab_place_offset(ab_verify_place place)
{
	return (int64_t)(place & ((UINT64_C(1) << AB_PLACE_OFFSET_BITS) - 1));
}

enum {
	AB_ENTRY_USED = 1 << 0,
	AB_ENTRY_DUE = 1 << 1,		/* version and place are of the newest change that must be there */
	AB_ENTRY_MAYBE = 1 << 2,	/* and there are changes that may be there: under way, or rejected */
	AB_ENTRY_FOUND = 1 << 3,
};

struct ab_verify_entry {
	int64_t id, version;		/* version -1: the record has none */
	uint64_t extra;			/* Elasticsearch: the day; PostgreSQL: the row's digest */
	uint64_t place_and_flags;	/* flags in the highest byte */
};

static inline unsigned ab_entry_flags(const struct ab_verify_entry *entry)
{
	return (unsigned)(entry->place_and_flags >> 56);
}
static inline void ab_entry_set(struct ab_verify_entry *entry, unsigned flags)
{
	entry->place_and_flags |= (uint64_t)flags << 56;
}
static inline ab_verify_place ab_entry_place(const struct ab_verify_entry *entry)
{
	return entry->place_and_flags & ((UINT64_C(1) << 56) - 1);
}

/* Open addressing; as many slots as there can ever be entries, and a quarter more. */
struct ab_verify_table {
	struct ab_verify_entry *slot;
	size_t slots, count;
	bool by_extra;			/* extra belongs to the key */
};

struct ab_verify_ledger {
	int partition_count;
	struct ab_verify_partition partition[AB_PARTITIONS_MAX];
	int64_t records;		/* offsets looked at */
};

/* Bytes for so many records with so many tables. */
size_t ab_verify_ledger_bytes(int64_t records, int tables);

/* first and next of each partition are set. */
void ab_verify_ledger_create(struct ab_verify_ledger *ledger);
void ab_verify_ledger_destroy(struct ab_verify_ledger *ledger);

/* NULL: the offset is not among those looked at. */
uint16_t *ab_verify_mark(const struct ab_verify_ledger *ledger, int partition, int64_t offset);
void ab_verify_ledger_clear(struct ab_verify_ledger *ledger, uint16_t marks);
/* Offsets that have all of these marks and none of those. */
int64_t ab_verify_ledger_count(const struct ab_verify_ledger *ledger, uint16_t with, uint16_t without);

void ab_verify_table_create(struct ab_verify_table *table, int64_t records, bool by_extra);
void ab_verify_table_destroy(struct ab_verify_table *table);
/* NULL: not there. */
struct ab_verify_entry *ab_verify_table_find(const struct ab_verify_table *table, int64_t id, uint64_t extra);
/* Of changes that are due the newest stays: the greatest version, of equal ones the first, of those without any the
 * last. */
struct ab_verify_entry *ab_verify_table_add(struct ab_verify_table *table, int64_t id, uint64_t extra, int64_t version,
					    ab_verify_place place, bool due);

/* The columns alone, to the second. */
uint64_t ab_verify_row_digest(const struct ab_verify_event *event);
/* With whether it is a deletion. */
uint64_t ab_verify_event_digest(const struct ab_verify_event *event);
uint64_t ab_verify_mix(uint64_t hash, uint64_t value);
uint32_t ab_verify_lsn_hash(const struct ab_verify_event *event);
