/* loadgen/random.h — numbers that depend on (seed, stream, index) and on nothing else.
 *
 * Every generated thing has its own little generator, started from the thing's number. So content 7 is the same whether
 * it is made first or last, and drawing one number more for updates does not move a single content or event.
 *
 * Threads: any; the state is the caller's. Memory: 8 bytes.
 * Source: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
 */
#pragma once

#include "core/base.h"

/* What the numbers are for. The values are part of "same seed, same data": never renumber them. */
enum ab_stream {
	AB_STREAM_CONTENT = 1,
	AB_STREAM_EVENT = 2,
	AB_STREAM_MIX = 3,
	AB_STREAM_UPDATE = 4,
	AB_STREAM_PAD = 5,
	AB_STREAM_POISON = 6,
};

struct ab_random {
	uint64_t state;
};

#define AB_RANDOM_GAMMA UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t ab_random_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Each of the three joins what is already mixed. Not the exclusive or of separately mixed ones: that would give
 * content 2 of seed 1 and content 1 of seed 2 the same numbers. */
static inline struct ab_random ab_random_start(uint64_t seed, enum ab_stream stream, uint64_t index)
{
	uint64_t state = ab_random_mix(seed + AB_RANDOM_GAMMA);
	state = ab_random_mix(state + (uint64_t)stream * AB_RANDOM_GAMMA);
	return (struct ab_random){.state = ab_random_mix(state + index * AB_RANDOM_GAMMA)};
}

static inline uint64_t ab_random_next(struct ab_random *r)
{
	r->state += AB_RANDOM_GAMMA;
	return ab_random_mix(r->state);
}

/* Uniform in [0, limit). The multiplication is off by at most limit / 2^64, which no test of ours can see. */
static inline uint64_t ab_random_below(struct ab_random *r, uint64_t limit)
{
	AB_ASSERT(limit > 0);
	return (uint64_t)(((unsigned __int128)ab_random_next(r) * limit) >> 64);
}

static inline int64_t ab_random_between(struct ab_random *r, int64_t first, int64_t last)
{
	AB_ASSERT(first <= last);
	return first + (int64_t)ab_random_below(r, (uint64_t)(last - first) + 1);
}

/* 16 bytes that look like a version 4 UUID (RFC 9562, 5.4). */
static inline void ab_random_uuid(struct ab_random *r, uint8_t uuid[16])
{
	for (int half = 0; half < 2; half++) {
		uint64_t bits = ab_random_next(r);
		for (int i = 0; i < 8; i++)
			uuid[half * 8 + i] = (uint8_t)(bits >> (56 - 8 * i));
	}
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

#define AB_UUID_TEXT_BYTES 37 /* with the terminator */

static inline void ab_uuid_text(const uint8_t uuid[16], char text[AB_UUID_TEXT_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	char *at = text;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = hex[uuid[i] >> 4];
		*at++ = hex[uuid[i] & 15];
	}
	*at = '\0';
}
