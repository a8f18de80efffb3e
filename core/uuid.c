/* core/uuid.c — see uuid.h. */
#include "core/uuid.h"

#if defined(__SSSE3__) && defined(__SSE4_1__)
#include <smmintrin.h>

/* Sixteen hexadecimal digits to their values; *bad collects bytes that are none. */
static inline __m128i nibbles(__m128i text, __m128i *bad)
{
	__m128i digit = _mm_sub_epi8(text, _mm_set1_epi8('0'));
	__m128i letter = _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
	__m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
	__m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);

	*bad = _mm_or_si128(*bad, _mm_andnot_si128(_mm_or_si128(is_digit, is_letter), _mm_set1_epi8(-1)));
	return _mm_blendv_epi8(_mm_add_epi8(letter, _mm_set1_epi8(10)), digit, is_digit);
}

/*     xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx
 *     └─── head ─────┘   └──── tail ─────┘      head ends at 16, two of its digits come from the load at 2;
 *       └── head+2 ────┘  └─── tail+1 ────┘     tail begins at 19, its last digit comes from the load at 20 */
bool ab_uuid_parse(const char *text, size_t len, struct ab_uuid *out)
{
	if (len != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
		return false;
	const __m128i head = _mm_loadu_si128((const __m128i *)(const void *)text);
	const __m128i head2 = _mm_loadu_si128((const __m128i *)(const void *)(text + 2));
	const __m128i tail = _mm_loadu_si128((const __m128i *)(const void *)(text + 19));
	const __m128i tail1 = _mm_loadu_si128((const __m128i *)(const void *)(text + 20));
	__m128i hi = _mm_or_si128(
	    _mm_shuffle_epi8(head, _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, -1, -1)),
	    _mm_shuffle_epi8(head2, _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 14, 15)));
	__m128i lo = _mm_or_si128(
	    _mm_shuffle_epi8(tail, _mm_setr_epi8(0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -1)),
	    _mm_shuffle_epi8(tail1, _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 15)));
	__m128i bad = _mm_setzero_si128();

	hi = nibbles(hi, &bad);
	lo = nibbles(lo, &bad);
	if (!_mm_testz_si128(bad, bad))
		return false;
	/* Pairs of nibbles to bytes, two texts of sixteen to one vector of sixteen. */
	__m128i bytes = _mm_packus_epi16(_mm_maddubs_epi16(hi, _mm_set1_epi16(0x0110)),
					 _mm_maddubs_epi16(lo, _mm_set1_epi16(0x0110)));
	*out = (struct ab_uuid){__builtin_bswap64((uint64_t)_mm_cvtsi128_si64(bytes)),
				__builtin_bswap64((uint64_t)_mm_extract_epi64(bytes, 1))};
	return true;
}
#else
static int hex_digit(char c)
{
	char letter = (char)(c | 32);
	if (c >= '0' && c <= '9')
		return c - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool ab_uuid_parse(const char *text, size_t len, struct ab_uuid *out)
{
	uint64_t half[2] = {0, 0};
	int digits = 0;
	if (len != 36)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
			continue;
		}
		int digit = hex_digit(text[i]);
		if (digit < 0)
			return false;
		half[digits / 16] = half[digits / 16] << 4 | (uint64_t)digit;
		digits++;
	}
	*out = (struct ab_uuid){half[0], half[1]};
	return true;
}
#endif

#if defined(__SSSE3__) && defined(__SSE4_1__)
/* Sixteen bytes to thirty-two digits. */
static void write_digits(char *to, struct ab_uuid uuid)
{
	const __m128i hex = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f');
	const __m128i low = _mm_set1_epi8(15);
	__m128i bytes = _mm_set_epi64x((int64_t)__builtin_bswap64(uuid.lo), (int64_t)__builtin_bswap64(uuid.hi));
	__m128i first = _mm_shuffle_epi8(hex, _mm_and_si128(_mm_srli_epi64(bytes, 4), low));
	__m128i second = _mm_shuffle_epi8(hex, _mm_and_si128(bytes, low));

	_mm_storeu_si128((__m128i *)(void *)to, _mm_unpacklo_epi8(first, second));
	_mm_storeu_si128((__m128i *)(void *)(to + 16), _mm_unpackhi_epi8(first, second));
}
#else
static void write_digits(char *to, struct ab_uuid uuid)
{
	static const char hex[] = "0123456789abcdef";

	for (int nibble = 0; nibble < 32; nibble++) {
		uint64_t half = nibble < 16 ? uuid.hi : uuid.lo;
		to[nibble] = hex[half >> (60 - 4 * (nibble % 16)) & 15];
	}
}
#endif

void ab_uuid_write(char *to, struct ab_uuid uuid)
{
	char digits[32];

	write_digits(digits, uuid);
	memcpy(to, digits, 8);
	memcpy(to + 9, digits + 8, 4);
	memcpy(to + 14, digits + 12, 4);
	memcpy(to + 19, digits + 16, 4);
	memcpy(to + 24, digits + 20, 12);
	to[8] = to[13] = to[18] = to[23] = '-';
}
