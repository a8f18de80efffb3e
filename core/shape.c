/* core/shape.c — the table of shapes, and reading by one of them. See shape.h. */
#include "core/shape.h"

#include <string.h>

#include "core/shape_kernel.h"
#include "core/simd.h"
#include "core/token.h"

/* Learning costs a microsecond. A stream whose messages all differ may learn from so many, then from one more for every
 * so many that matched or missed. */
#define CREDIT_MAX 16
#define CREDIT_EVERY 64

struct ab_shapes *ab_shapes_create(void)
{
	static const struct ab_shape_kernel *const kernels[] = {
	    [AB_SIMD_OFF] = NULL,
	    [AB_SIMD_BASE] = &ab_shape_kernel_base,
#if defined(__x86_64__)
	    [AB_SIMD_AVX2] = &ab_shape_kernel_avx2,
	    [AB_SIMD_AVX512] = &ab_shape_kernel_avx512,
#endif
	};
	struct ab_shapes *shapes = aligned_alloc(AB_CACHE_LINE_BYTES, ab_shapes_bytes());

	if (shapes == NULL)
		return NULL;
	memset(shapes, 0, sizeof *shapes);
	shapes->kernel = kernels[ab_simd_level()];
	shapes->credit = CREDIT_MAX;
	shapes->last_prefix = -1;
	return shapes;
}

void ab_shapes_destroy(struct ab_shapes *shapes)
{
	free(shapes);
}

size_t ab_shapes_bytes(void)
{
	return (sizeof(struct ab_shapes) + AB_CACHE_LINE_BYTES - 1) / AB_CACHE_LINE_BYTES * AB_CACHE_LINE_BYTES;
}

const struct ab_shape_counts *ab_shapes_counts(const struct ab_shapes *shapes)
{
	return &shapes->counts;
}

bool ab_shape_escapes_valid(const char *text, const struct ab_scan *scan, const struct ab_shape *shape)
{
	for (uint32_t i = 0; i < shape->string_count; i++) {
		size_t first = scan->value_at[shape->string[i].first], end = scan->value_at[shape->string[i].end];
		if (!ab_token_escapes_valid((struct ab_text){text + first, (uint32_t)(end - first)}))
			return false;
	}
	return true;
}

bool ab_shape_scalar_valid(struct ab_text token)
{
	return (token.len == 4 && memcmp(token.at, "true", 4) == 0) ||
	       (token.len == 5 && memcmp(token.at, "false", 5) == 0) || ab_token_number_valid(token);
}

/* Reads the scanned text by shape number s, if it has that shape. */
static bool read_by(struct ab_shapes *shapes, int s, const char *text, struct ab_json_fields *fields)
{
	struct ab_shape *shape = &shapes->shape[s];

	if (shape->quotes != shapes->scan.quotes || !shapes->kernel->read(text, &shapes->scan, shape, fields))
		return false;
	fields->shape = shape->shape;
	shape->used = ++shapes->clock;
	shapes->last = s;
	return true;
}

static bool has_prefix(struct ab_shapes *shapes, int p, const char *bytes, size_t len)
{
	struct ab_shape_prefix *prefix = &shapes->prefix[p];

	if (prefix->used == 0 || len <= prefix->len || memcmp(bytes, prefix->bytes, prefix->len) != 0)
		return false;
	prefix->used = shapes->clock + 1;
	return true;
}

/* The prefix that the message begins with; -1: none. */
static int find_prefix(struct ab_shapes *shapes, const char *bytes, size_t len)
{
	if (shapes->last_prefix >= 0 && has_prefix(shapes, shapes->last_prefix, bytes, len))
		return shapes->last_prefix;
	for (int p = 0; p < AB_SHAPE_PREFIXES_MAX; p++)
		if (p != shapes->last_prefix && has_prefix(shapes, p, bytes, len))
			return p;
	return -1;
}

/* Whether the text could have a learned shape at all. */
static bool scan(struct ab_shapes *shapes, const char *text, size_t len)
{
	struct ab_scan *s = &shapes->scan;

	if (len == 0 || len > AB_SHAPE_TEXT_MAX_BYTES)
		return false;
	shapes->kernel->scan(text, len, s);
	return s->quotes <= AB_SHAPE_QUOTES_MAX && !s->control && (!s->non_ascii || ab_json_utf8_valid(text, len));
}

static bool read_by_any(struct ab_shapes *shapes, int prefix, const char *text, struct ab_json_fields *fields)
{
	if (shapes->shape[shapes->last].prefix == prefix && shapes->shape[shapes->last].used != 0 &&
	    read_by(shapes, shapes->last, text, fields))
		return true;
	for (int s = 0, last = shapes->last; s < AB_SHAPES_MAX; s++)
		if (s != last && shapes->shape[s].used != 0 && shapes->shape[s].prefix == prefix &&
		    read_by(shapes, s, text, fields))
			return true;
	return false;
}

static void earn_credit(struct ab_shapes *shapes)
{
	uint64_t seen = ab_count_get(&shapes->counts.matched) + ab_count_get(&shapes->counts.missed);

	if (seen % CREDIT_EVERY == 0 && shapes->credit < CREDIT_MAX)
		shapes->credit++;
}

enum ab_shape_result ab_shapes_read(struct ab_shapes *shapes, const char *bytes, size_t len,
				    struct ab_json_fields *fields)
{
	if (shapes->kernel == NULL)
		return AB_SHAPE_UNKNOWN;
	int prefix = find_prefix(shapes, bytes, len);
	size_t skip = prefix >= 0 ? shapes->prefix[prefix].len : 0;

	shapes->last_prefix = prefix;
	earn_credit(shapes);
	if (AB_LIKELY(scan(shapes, bytes + skip, len - skip) &&
		      read_by_any(shapes, prefix, bytes + skip, fields))) {
		ab_count_add(&shapes->counts.matched, 1);
		return AB_SHAPE_READ;
	}
	ab_count_add(&shapes->counts.missed, 1);
	return AB_SHAPE_UNKNOWN;
}

/* The number of the prefix, a new one in the place of the longest unused; -1: too long. */
static int learn_prefix(struct ab_shapes *shapes, const char *bytes, size_t len)
{
	int oldest = 0;

	if (len > AB_SHAPE_PREFIX_MAX_BYTES)
		return -1;
	for (int p = 0; p < AB_SHAPE_PREFIXES_MAX; p++) {
		const struct ab_shape_prefix *prefix = &shapes->prefix[p];
		if (prefix->used != 0 && prefix->len == len && memcmp(bytes, prefix->bytes, len) == 0)
			return p;
		if (prefix->used < shapes->prefix[oldest].used)
			oldest = p;
	}
	for (int s = 0; s < AB_SHAPES_MAX; s++)
		if (shapes->shape[s].prefix == oldest)
			shapes->shape[s].used = 0;
	shapes->prefix[oldest].used = ++shapes->clock;
	shapes->prefix[oldest].len = (uint32_t)len;
	memcpy(shapes->prefix[oldest].bytes, bytes, len);
	return oldest;
}

void ab_shapes_learn(struct ab_shapes *shapes, const char *bytes, size_t len, const struct ab_json_fields *fields)
{
	const char *payload = fields->payload;
	size_t skip = (size_t)(payload - bytes);
	int prefix = -1, oldest = 0;

	if (shapes->kernel == NULL || shapes->credit == 0 || !scan(shapes, payload, len - skip))
		return;
	shapes->credit--;
	if (skip > 0 && (prefix = learn_prefix(shapes, bytes, skip)) < 0)
		return;
	for (int s = 0; s < AB_SHAPES_MAX; s++)
		if (shapes->shape[s].used < shapes->shape[oldest].used)
			oldest = s;
	struct ab_shape *shape = &shapes->shape[oldest];
	shape->used = 0;
	if (ab_shape_learn(shape, payload, len - skip, &shapes->scan, fields) != AB_SHAPE_LEARNED)
		return;
	shape->prefix = prefix;
	shape->used = ++shapes->clock;
	ab_count_add(&shapes->counts.learned, 1);
}
