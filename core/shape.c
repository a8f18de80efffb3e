/* core/shape.c — the table of shapes, and reading by one of them. See shape.h. */
#include "core/shape.h"

#include <string.h>
#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

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

static inline size_t where(const struct ab_scan *scan, struct ab_shape_place place)
{
	return (size_t)(scan->quote[place.quote] + place.offset);
}

/* Whether a backslash lies in text[from .. to). */
static inline bool backslash_between(const struct ab_scan *scan, size_t from, size_t to)
{
	uint64_t first = scan->backslash[from / 64] >> from % 64, any = 0;

	if (to - from <= 64 - from % 64)
		return from < to && first << (64 - (to - from)) != 0;
	for (size_t word = from / 64 + 1; word < to / 64; word++)
		any |= scan->backslash[word];
	if (to % 64 != 0)
		any |= scan->backslash[to / 64] << (64 - to % 64);
	return (first | any) != 0;
}

static bool escapes_valid(const char *text, const struct ab_scan *scan, const struct ab_shape *shape)
{
	for (uint32_t i = 0; i < shape->string_count; i++) {
		size_t first = where(scan, shape->string[i].first), end = where(scan, shape->string[i].end);
		if (!ab_token_escapes_valid((struct ab_text){text + first, (uint32_t)(end - first)}))
			return false;
	}
	return true;
}

static inline bool is_null(struct ab_text token)
{
	uint32_t word;

	memcpy(&word, token.at, 4);
	return (token.len == 4) & (word == UINT32_C(0x6c6c756e));
}

static bool scalar_valid(struct ab_text token)
{
	return (token.len == 4 && memcmp(token.at, "true", 4) == 0) ||
	       (token.len == 5 && memcmp(token.at, "false", 5) == 0) || ab_token_number_valid(token);
}

/* Up to sixteen digits without a leading zero: what almost every scalar is. Reads sixteen bytes. */
static inline bool read_natural(struct ab_text token, int64_t *value)
{
#if defined(__SSE4_1__)
	/* Byte i of the digits moved up so that the last one is the highest; zeros come before the first. */
	static const int8_t up[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
				      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15};
	uint32_t len = token.len <= 16 ? token.len : 16;
	const __m128i nine = _mm_set1_epi8(9);
	__m128i digit = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)token.at), _mm_set1_epi8('0'));
	unsigned others = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(_mm_max_epu8(digit, nine), nine)) |
			  (unsigned)_mm_movemask_epi8(digit);

	digit = _mm_shuffle_epi8(digit, _mm_loadu_si128((const __m128i *)(const void *)(up + len)));
	__m128i pairs = _mm_maddubs_epi16(digit, _mm_set1_epi16(0x010a));
	__m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
	__m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
	uint64_t halves = (uint64_t)_mm_cvtsi128_si64(eights);
	*value = (int64_t)((halves & UINT32_MAX) * 100000000 + (halves >> 32));
	return (token.len <= 16) & ((others & ((1u << len) - 1)) == 0) & ((token.at[0] != '0') | (token.len == 1));
#else
	return ab_token_i64(token, 0, INT64_MAX, value) == AB_TOKEN_OK;
#endif
}

static inline struct ab_json_field *field_of(const struct ab_json_fields *fields, uint8_t slot)
{
	return slot < fields->row_count ? &fields->row[slot] : &fields->meta[slot - fields->row_count];
}

static inline void set(struct ab_json_field *field, const char *at, size_t len, int64_t number, bool is_number)
{
	field->token = (struct ab_text){at, (uint32_t)len};
	field->number = number;
	field->is_number = is_number;
}

static bool read_scalars(const char *text, const struct ab_scan *scan, const struct ab_shape *shape,
			 struct ab_json_fields *fields)
{
	for (uint32_t i = 0; i < shape->scalar_count; i++) {
		const struct ab_shape_value *value = &shape->scalar[i];
		size_t first = where(scan, value->first), end = where(scan, value->end);
		if (end <= first)
			return false;
		struct ab_text token = {text + first, (uint32_t)(end - first)};
		int64_t number;
		bool null = is_null(token), natural = read_natural(token, &number);
		/* No branch tells a null from a number: in some columns nobody can foresee which it will be. */
		if (AB_UNLIKELY(!(null | natural)) && !scalar_valid(token))
			return false;
		if (value->slot == AB_SHAPE_NO_SLOT)
			continue;
		uintptr_t there = (uintptr_t)null - 1;
		set(field_of(fields, value->slot), (const char *)((uintptr_t)token.at & there), token.len & there,
		    number & -(int64_t)natural, natural);
	}
	return true;
}

static bool read_strings(const char *text, const struct ab_scan *scan, const struct ab_shape *shape,
			 struct ab_json_fields *fields)
{
	for (uint32_t i = 0; i < shape->unescaped_count; i++) {
		const struct ab_shape_value *stretch = &shape->unescaped[i];
		if (AB_UNLIKELY(backslash_between(scan, where(scan, stretch->first), where(scan, stretch->end)))) {
			if (!escapes_valid(text, scan, shape))
				return false;
			break;
		}
	}
	for (uint32_t i = 0; i < shape->string_count; i++) {
		const struct ab_shape_value *value = &shape->string[i];
		size_t first = where(scan, value->first), end = where(scan, value->end);
		if (value->slot == AB_SHAPE_NO_SLOT)
			continue;
		set(field_of(fields, value->slot), text + first, end - first, 0, false);
	}
	return true;
}

/* Reads the scanned text by shape number s, if it has that shape. */
static bool read_by(struct ab_shapes *shapes, int s, const char *text, size_t len, struct ab_json_fields *fields)
{
	const struct ab_scan *scan = &shapes->scan;
	struct ab_shape *shape = &shapes->shape[s];

	if (shape->quotes != scan->quotes || where(scan, shape->tail_end) != len || where(scan, shape->at[0]) != 0 ||
	    !shapes->kernel->match(text, scan, shape))
		return false;
	if (!read_scalars(text, scan, shape, fields) || !read_strings(text, scan, shape, fields))
		return false;
	for (uint32_t i = 0; i < shape->absent_count; i++)
		set(field_of(fields, shape->absent[i]), NULL, 0, 0, false);
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

static bool read_by_any(struct ab_shapes *shapes, int prefix, const char *text, size_t len,
			struct ab_json_fields *fields)
{
	if (shapes->shape[shapes->last].prefix == prefix && shapes->shape[shapes->last].used != 0 &&
	    read_by(shapes, shapes->last, text, len, fields))
		return true;
	for (int s = 0, last = shapes->last; s < AB_SHAPES_MAX; s++)
		if (s != last && shapes->shape[s].used != 0 && shapes->shape[s].prefix == prefix &&
		    read_by(shapes, s, text, len, fields))
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
		      read_by_any(shapes, prefix, bytes + skip, len - skip, fields))) {
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
