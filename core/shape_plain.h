/* core/shape_plain.h — for core/shape_loops.h, what needs no instructions of its own: see there. Up to SSE4.1 it is
 * compiled for what is there anyway.
 */
#pragma once

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#include "core/shape_kernel.h"
#include "core/token.h"

/* Where places lie, given as numbers of quotes and bytes from them. */
static inline void find_places(const struct ab_scan *s, const uint16_t *quote, const int16_t *offset, uint32_t count,
			       uint16_t *at)
{
	for (uint32_t i = 0; i < count; i++)
		at[i] = (uint16_t)(s->quote[quote[i]] + offset[i]);
}

typedef uint64_t piece_vector __attribute__((vector_size(AB_SHAPE_PIECE_BYTES)));

static inline bool pieces_equal(const char *text, const struct ab_scan *s, const struct ab_shape *shape)
{
	piece_vector difference = {0}, bytes, mask, got;

	for (uint32_t i = 0; i < shape->piece_count; i++) {
		memcpy(&got, text + s->piece_at[i], sizeof got);
		memcpy(&bytes, shape->piece[i].bytes, sizeof bytes);
		memcpy(&mask, shape->piece[i].mask, sizeof mask);
		difference |= (got ^ bytes) & mask;
	}
	return (difference[0] | difference[1] | difference[2] | difference[3]) == 0;
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
