/* core/digits.h — decimal digits by the word: eight of them read or written by a few multiplications.
 *
 * Threads: any; pure. Nothing outside of the given bytes is read.
 * Source:  the well-known SWAR method (Langdale and Lemire; Khuong, "How to quickly parse eight digits").
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

/* One to eight digits as one word, the last digit in the highest byte, zeros before the first. */
static inline uint64_t ab_digits_word(const char *at, size_t count)
{
	const uint64_t zeros = UINT64_C(0x3030303030303030);
	uint64_t word = 0;

	if (count == 8) {
		memcpy(&word, at, 8);
		return word;
	}
	if (count >= 4) {	/* the first four and the last four, which overlap */
		uint32_t first, last;
		memcpy(&first, at, 4);
		memcpy(&last, at + count - 4, 4);
		word = (uint64_t)last << 32 | (uint64_t)first << (64 - 8 * count);
	} else {
		for (size_t i = 0; i < count; i++)
			word |= (uint64_t)(uint8_t)at[i] << (64 - 8 * (count - i));
	}
	return word | zeros >> 8 * count;
}

/* Whether all eight bytes are digits: 3 in the high half, and still 3 with 6 added. */
static inline bool ab_digits_valid(uint64_t word)
{
	const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0);

	return ((word & high) | ((word + UINT64_C(0x0606060606060606)) & high) >> 4) == UINT64_C(0x3333333333333333);
}

/* Eight digits to their value: pairs, then fours, then all, each by one multiplication. */
static inline uint64_t ab_digits_value(uint64_t word)
{
	word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
	word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
	return (word & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
}

/* A value below 10^8 as eight digits, the first in the lowest byte: halves, pairs, then single digits, side by side. */
static inline uint64_t ab_digits_of(uint32_t value)
{
	uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
	uint64_t hundreds = fours * 10486 >> 20 & UINT64_C(0x7f0000007f);
	uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
	uint64_t tens = twos * 103 >> 10 & UINT64_C(0x000f000f000f000f);

	return (tens | (twos - 10 * tens) << 8) | UINT64_C(0x3030303030303030);
}
