/* bench/reference.h — the straightforward way of doing what the engine does, to be compared with.
 *
 * simdjson On-Demand as its own benchmarks use it (reused parser, one pass over the object, the kernel for this
 * machine: the file is compiled with -march=native), one cache look-up at a time, snprintf. Written to be as fast as
 * one gets without thinking about the messages, so that no slow reference flatters the engine.
 *
 * Threads: one ab_ref per thread. Memory: grows to the largest message.
 * Limits:  well-formed messages of ExtractNewRecordState alone, followed by AB_JSON_PADDING_BYTES readable bytes. It
 *          checks far less than the engine's decoder: whatever it takes on trust is to its advantage.
 */
#pragma once

#include "core/event.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ab_ref;

struct ab_ref *ab_ref_create(void);
void ab_ref_destroy(struct ab_ref *ref);

/* simdjson's kernel: that of its compiled part, and that of its header. */
const char *ab_ref_kernels(void);

/* What simdjson's own benchmarks do with a document: find the fields, numbers as numbers, strings as they stand.
 * Returns a sum of them. */
uint64_t ab_ref_extract(struct ab_ref *ref, const char *bytes, size_t len, bool wrapped);

/* The same, made into an event as ab_decode_event makes it: UUID, time, operation. */
void ab_ref_decode(struct ab_ref *ref, const char *bytes, size_t len, bool wrapped, struct ab_event *event);

/* The engine's records, byte for byte, by snprintf. Return their length. */
size_t ab_ref_elasticsearch(const struct ab_event *event, char *to, size_t room);
size_t ab_ref_bigquery(const struct ab_event *event, const char *topic, char *to, size_t room);

#ifdef __cplusplus
}
#endif
