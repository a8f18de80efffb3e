/* loadgen/array.c — see array.h for the format. */
#include "loadgen/array.h"

#include <string.h>

#define HEADER_BYTES 20
#define EPOCH_2000_US INT64_C(946684800000000)
#define JSONB_VERSION 1

static void store_u32(char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(value >> (24 - 8 * i));
}

static void store_u64(char *at, uint64_t value)
{
	store_u32(at, (uint32_t)(value >> 32));
	store_u32(at + 4, (uint32_t)value);
}

void ab_array_open(struct ab_array *a, uint32_t elements, uint32_t element_max_bytes)
{
	*a = (struct ab_array){.capacity = HEADER_BYTES + (size_t)elements * (4 + element_max_bytes)};
	a->at = malloc(a->capacity);
	AB_ASSERT(a->at != NULL);
}

void ab_array_close(struct ab_array *a)
{
	free(a->at);
	*a = (struct ab_array){0};
}

void ab_array_begin(struct ab_array *a, enum ab_oid type)
{
	a->len = HEADER_BYTES;
	a->count = 0;
	a->nulls = 0;
	store_u32(a->at, 1); /* dimensions */
	store_u32(a->at + 8, (uint32_t)type);
	store_u32(a->at + 16, 1); /* lower bound */
}

/* Room for an element of len bytes, its length already written. */
static char *element(struct ab_array *a, uint32_t len)
{
	AB_ASSERT(a->capacity - a->len >= 4 + (size_t)len);
	char *at = a->at + a->len;
	store_u32(at, len);
	a->len += 4 + len;
	a->count++;
	return at + 4;
}

void ab_array_put_null(struct ab_array *a)
{
	char *at = element(a, 0);
	store_u32(at - 4, UINT32_MAX);
	a->nulls++;
}

void ab_array_put_bytes(struct ab_array *a, const void *bytes, uint32_t len)
{
	memcpy(element(a, len), bytes, len);
}

void ab_array_put_text(struct ab_array *a, const char *text)
{
	ab_array_put_bytes(a, text, (uint32_t)strlen(text));
}

void ab_array_put_i32(struct ab_array *a, int32_t value)
{
	store_u32(element(a, 4), (uint32_t)value);
}

void ab_array_put_i64(struct ab_array *a, int64_t value)
{
	store_u64(element(a, 8), (uint64_t)value);
}

void ab_array_put_jsonb(struct ab_array *a, const char *json, uint32_t len)
{
	char *at = element(a, len + 1);
	*at = JSONB_VERSION;
	memcpy(at + 1, json, len);
}

void ab_array_put_time(struct ab_array *a, int64_t epoch_us)
{
	ab_array_put_i64(a, epoch_us - EPOCH_2000_US);
}

void ab_array_end(struct ab_array *a)
{
	AB_ASSERT(a->count > 0);
	store_u32(a->at + 4, a->nulls > 0);
	store_u32(a->at + 12, a->count);
}
