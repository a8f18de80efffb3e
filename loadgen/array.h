/* loadgen/array.h — one column of a batch, as PostgreSQL's binary array.
 *
 * A batch is sent as one statement whose parameters are arrays, one per column. Binary, because then no value is ever
 * quoted, and the server does not parse numbers.
 *
 * Threads: one per array. Memory: taken at start for AB_PLAN_BATCH_ROWS_MAX elements of the size that open() is told.
 * Source: PostgreSQL 15, src/backend/utils/adt/arrayfuncs.c, array_recv(): dimensions, flags, element type, length and
 * lower bound of each dimension, then a length (-1: null) and the bytes of each element, all in network order.
 */
#pragma once

#include "core/base.h"

/* Type numbers of PostgreSQL, from its catalogue pg_type; they never change. */
enum ab_oid {
	AB_OID_INT8 = 20,
	AB_OID_INT4 = 23,
	AB_OID_TEXT = 25,
	AB_OID_TIMESTAMPTZ = 1184,
	AB_OID_UUID = 2950,
	AB_OID_JSONB = 3802,
};

struct ab_array {
	char *at;
	size_t len;
	size_t capacity;
	uint32_t count;
	uint32_t nulls;
};

void ab_array_open(struct ab_array *a, uint32_t elements, uint32_t element_max_bytes);
void ab_array_close(struct ab_array *a);

/* Empties the array. Every put up to ab_array_end() is of this type. */
void ab_array_begin(struct ab_array *a, enum ab_oid type);
void ab_array_put_null(struct ab_array *a);
void ab_array_put_bytes(struct ab_array *a, const void *bytes, uint32_t len);
void ab_array_put_text(struct ab_array *a, const char *text);
void ab_array_put_i32(struct ab_array *a, int32_t value);
void ab_array_put_i64(struct ab_array *a, int64_t value);
/* JSON text as a jsonb value: a version byte comes before it. */
void ab_array_put_jsonb(struct ab_array *a, const char *json, uint32_t len);
/* Microseconds since 1970 as a timestamptz, which counts from 2000. */
void ab_array_put_time(struct ab_array *a, int64_t epoch_us);

/* Completes the header; at[0 .. len) is the parameter. At least one element. */
void ab_array_end(struct ab_array *a);
