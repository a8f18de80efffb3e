/* core/shape_avx512.c — the loops with AVX-512 (BW, VL, VBMI2); see shape_kernel.h. The build compiles this file for it. */
#include <immintrin.h>

#include "core/shape_kernel.h"

struct block {
	__m512i all;
};

/* All bytes so far: the least of each lane, and the bits that any had. */
struct seen {
	__m512i least, any;
};

static inline struct seen seen_nothing(void)
{
	return (struct seen){_mm512_set1_epi8(' '), _mm512_setzero_si512()};
}

static inline struct block load(const char *at)
{
	return (struct block){_mm512_loadu_si512(at)};
}

/* The last bytes of a text, and blanks. */
static inline struct block load_last(const char *at, size_t len)
{
	return (struct block){_mm512_mask_loadu_epi8(_mm512_set1_epi8(' '), (UINT64_C(1) << len) - 1, at)};
}

static inline void look(struct seen *seen, const struct block *b)
{
	seen->least = _mm512_min_epu8(seen->least, b->all);
	seen->any = _mm512_or_si512(seen->any, b->all);
}

static inline bool seen_control(const struct seen *seen)
{
	return _mm512_cmplt_epu8_mask(seen->least, _mm512_set1_epi8(' ')) != 0;
}

static inline bool seen_non_ascii(const struct seen *seen)
{
	return _mm512_movepi8_mask(seen->any) != 0;
}

static inline uint64_t equal(const struct block *b, uint8_t c)
{
	return _mm512_cmpeq_epi8_mask(b->all, _mm512_set1_epi8((char)c));
}

/* The places of a block's bytes, pressed together to those that are quotes. */
static inline void put_quotes(uint16_t *to, uint64_t quote, uint16_t base)
{
	const __m512i place = _mm512_set_epi8(
	    63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35,
	    34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,
	    4, 3, 2, 1, 0);
	__m512i found = _mm512_maskz_compress_epi8(quote, place);
	__m256i from = _mm256_set1_epi16((short)base), few = _mm256_cvtepu8_epi16(_mm512_castsi512_si128(found));

	/* Sixteen are nearly always enough, and half as many bytes to store. */
	_mm256_storeu_si256((__m256i *)(void *)to, _mm256_add_epi16(few, from));
	if (AB_UNLIKELY(__builtin_popcountll(quote) > 16)) {
		__m512i all = _mm512_set1_epi16((short)base);
		__m256i high = _mm512_extracti64x4_epi64(found, 1);
		_mm512_storeu_si512(to, _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(found)), all));
		_mm512_storeu_si512(to + 32, _mm512_add_epi16(_mm512_cvtepu8_epi16(high), all));
	}
}

/* Thirty-two places at once: among 128 quotes a permutation finds what they are counted from. */
static inline void find_places(const struct ab_scan *s, const uint16_t *quote, const int16_t *offset, uint32_t count,
			       uint16_t *at)
{
	if (AB_UNLIKELY(s->quotes >= 128)) {
		for (uint32_t i = 0; i < count; i++)
			at[i] = (uint16_t)(s->quote[quote[i]] + offset[i]);
		return;
	}
	const __m512i a = _mm512_loadu_si512(s->quote), b = _mm512_loadu_si512(s->quote + 32);
	const __m512i c = _mm512_loadu_si512(s->quote + 64), d = _mm512_loadu_si512(s->quote + 96);
	for (uint32_t i = 0; i < count; i += AB_SHAPE_PLACES_ROUND) {
		__m512i number = _mm512_loadu_si512(quote + i), low = _mm512_permutex2var_epi16(a, number, b);
		__mmask32 high = _mm512_test_epi16_mask(number, _mm512_set1_epi16(64));
		__m512i from = _mm512_mask_mov_epi16(low, high, _mm512_permutex2var_epi16(c, number, d));
		_mm512_storeu_si512(at + i, _mm512_add_epi16(from, _mm512_loadu_si512(offset + i)));
	}
}

static inline bool pieces_equal(const char *text, const struct ab_scan *s, const struct ab_shape *shape)
{
	__mmask32 other = 0;

	for (uint32_t i = 0; i < shape->piece_count; i++) {
		__m256i got = _mm256_loadu_si256((const __m256i *)(const void *)(text + s->piece_at[i]));
		__m256i bytes = _mm256_load_si256((const __m256i *)(const void *)shape->piece[i].bytes);
		other = _kor_mask32(other, _mm256_mask_cmpneq_epi8_mask(shape->piece_bits[i], bytes, got));
	}
	return _kortestz_mask32_u8(other, other);
}

/* Up to sixteen digits without a leading zero: what almost every scalar is. The last digit comes to the highest byte,
 * zeros before the first; the mask keeps everything outside of the token from being read. */
static inline bool read_natural(struct ab_text token, int64_t *value)
{
	uint32_t len = token.len <= 16 ? token.len : 16;
	__mmask16 there = (__mmask16)(0xffff0000u >> len);
	__m128i text = _mm_maskz_loadu_epi8(there, token.at + len - 16);
	__m128i digit = _mm_maskz_sub_epi8(there, text, _mm_set1_epi8('0'));
	__m128i pairs = _mm_maddubs_epi16(digit, _mm_set1_epi16(0x010a));
	__m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
	__m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
	uint64_t halves = (uint64_t)_mm_cvtsi128_si64(eights);

	*value = (int64_t)((halves & UINT32_MAX) * 100000000 + (halves >> 32));
	return (token.len <= 16) & (_mm_cmpgt_epu8_mask(digit, _mm_set1_epi8(9)) == 0) &
	       ((token.at[0] != '0') | (token.len == 1));
}

#include "core/shape_loops.h"

const struct ab_shape_kernel ab_shape_kernel_avx512 = {.scan = scan, .read = read};
