/* core/limits.h — the bounds that more than one file relies on, each with its reason.
 *
 * What depends on the configuration (batch sizes, cache capacity) is in core/config.def; what only one module needs is
 * in its header. `anabranch check` prints what they add up to in bytes.
 */
#pragma once

/* Partitions of the events topic one engine can hold. Debezium topics have a few; positions are arrays of this size. */
#define AB_PARTITIONS_MAX 128

/* Workers of one engine. More than 16 decoders would need more than 20 M events/s to be busy. */
#define AB_WORKERS_MAX 16

/* Sinks of one engine: redis, bigquery, elasticsearch, and one spare for null in tests and benches. */
#define AB_SINKS_MAX 4

/* Lanes of one sink: requests in flight. The contract's defaults are 6, 3 and 4; 32 saturates any of the sinks. */
#define AB_LANES_MAX 32

/* Readers of one engine: the shared one and one per sink. */
#define AB_READERS_MAX (AB_SINKS_MAX + 1)

/* Bytes of encoded records in one chunk. 64 KiB blocks cross cores at 8.7 GB/s where single records make 2.4. */
#define AB_CHUNK_BYTES (64 * 1024)

/* Chunks of one worker-to-lane link: one being filled, one being read, two under way. A power of two. */
#define AB_LINK_CHUNKS 4

/* One encoded record. Elasticsearch refuses keywords above 32,766 bytes, so a larger record is one nobody can take;
 * a chunk always has room for one. A larger one is rejected to the dead-letter topic. */
#define AB_RECORD_ENCODED_MAX_BYTES (48 * 1024)

/* Records decoded before the first of them is enriched: long enough to hide the cache misses of the content table,
 * short enough for all of it to stay in L2. */
#define AB_DECODE_BATCH 32

/* Records taken from Kafka in one call. */
#define AB_DRAIN_MAX 256

/* A content type's text. The contract's longest has 11 bytes; Redis keeps one field per type and minute. */
#define AB_CONTENT_TYPE_MAX_BYTES 128

/* Different content types. The contract has 16; each costs Redis one field per window. */
#define AB_CONTENT_TYPES_MAX 1024

/* A cluster id of Kafka's with its terminator: 22 characters where Kafka makes it, any text where a person did. */
#define AB_CLUSTER_ID_MAX_BYTES 64

/* A topic name of Kafka's, without the terminator. */
#define AB_TOPIC_MAX_BYTES 249

_Static_assert(AB_RECORD_ENCODED_MAX_BYTES + 64 <= AB_CHUNK_BYTES, "a chunk must take any one record");
_Static_assert((AB_LINK_CHUNKS & (AB_LINK_CHUNKS - 1)) == 0, "ring sizes are powers of two");
