/* core/shape_avx2.c — the loops with AVX2 and BMI2; see shape_kernel.h. The build compiles this file for them. */
#include <immintrin.h>

#include "core/shape_kernel.h"

struct block {
	__m256i low, high;
};

/* All bytes so far: the least of each lane, and the bits that any had. */
struct seen {
	__m256i least, any;
};

static inline struct seen seen_nothing(void)
{
	return (struct seen){_mm256_set1_epi8(' '), _mm256_setzero_si256()};
}

static inline struct block load(const char *at)
{
	return (struct block){_mm256_loadu_si256((const __m256i *)(const void *)at),
			      _mm256_loadu_si256((const __m256i *)(const void *)(at + 32))};
}

/* The last bytes of a text, and blanks. */
static inline struct block load_last(const char *at, size_t len)
{
	char copy[64];

	memset(copy, ' ', sizeof copy);
	memcpy(copy, at, len);
	return load(copy);
}

static inline void look(struct seen *seen, const struct block *b)
{
	seen->least = _mm256_min_epu8(seen->least, _mm256_min_epu8(b->low, b->high));
	seen->any = _mm256_or_si256(seen->any, _mm256_or_si256(b->low, b->high));
}

static inline bool seen_control(const struct seen *seen)
{
	__m256i most = _mm256_set1_epi8(0x1f);

	return _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(seen->least, most), most)) != 0;
}

static inline bool seen_non_ascii(const struct seen *seen)
{
	return _mm256_movemask_epi8(seen->any) != 0;
}

static inline uint64_t bits(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

static inline uint64_t equal(const struct block *b, uint8_t c)
{
	__m256i all = _mm256_set1_epi8((char)c);

	return bits(_mm256_cmpeq_epi8(b->low, all), _mm256_cmpeq_epi8(b->high, all));
}

/* Eight at a time, needed or not: a branch for each quote would be mispredicted at the last of every block. */
static inline void put_quotes(uint16_t *to, uint64_t quote, uint16_t base)
{
	do {
		for (int i = 0; i < 8; i++) {
			to[i] = (uint16_t)(base + _tzcnt_u64(quote));
			quote = _blsr_u64(quote);
		}
		to += 8;
	} while (AB_UNLIKELY(quote != 0));
}

#include "core/shape_plain.h"
#include "core/shape_loops.h"

const struct ab_shape_kernel ab_shape_kernel_avx2 = {.scan = scan, .read = read};
