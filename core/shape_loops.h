/* core/shape_loops.h — the loops of core/shape_kernel.h, once for each instruction set that includes it. Blocks of 64
 * bytes; what a block is made of (struct block, load, look, equal, put_quotes) is defined by the including file. */
#pragma once

#include "core/shape_kernel.h"

/* Which bytes of a block are escaped, that is, stand behind an odd number of backslashes. Runs of backslashes that
 * begin at even and at odd places are told apart by an addition whose carry runs through them (Langdale and Lemire,
 * Parsing gigabytes of JSON per second, 2019, 3.1.1). *carry: the next block's first byte is escaped. */
static inline uint64_t escaped_by(uint64_t backslash, uint64_t *carry)
{
	const uint64_t even = UINT64_C(0x5555555555555555);
	unsigned long long sum;

	backslash &= ~*carry;
	uint64_t follows = backslash << 1 | *carry;
	uint64_t odd_starts = backslash & ~even & ~follows;
	*carry = __builtin_uaddll_overflow(odd_starts, backslash, &sum);
	return (even ^ (uint64_t)sum << 1) & follows;
}

static inline uint16_t *scan_block(const struct block *b, size_t at, uint64_t *carry, uint16_t *to, struct ab_scan *s)
{
	uint64_t slash = equal(b, '\\'), quote = equal(b, '"');

	s->backslash[at / 64] = slash;
	quote &= ~escaped_by(slash, carry);
	put_quotes(to, quote, (uint16_t)at);
	return to + __builtin_popcountll(quote);
}

static void scan(const char *text, size_t len, struct ab_scan *s)
{
	struct seen seen = seen_nothing();
	uint64_t carry = 0;
	uint16_t *to = s->quote;
	size_t at = 0;

	for (; at + 64 <= len; at += 64) {
		struct block b = load(text + at);
		look(&seen, &b);
		to = scan_block(&b, at, &carry, to, s);
	}
	if (at < len) {
		struct block b = load_last(text + at, len - at);
		look(&seen, &b);
		to = scan_block(&b, at, &carry, to, s);
	}
	*to = (uint16_t)len;
	s->quotes = (uint32_t)(to - s->quote);
	s->backslash[(len + 63) / 64] = 0;
	s->control = seen_control(&seen);
	s->non_ascii = seen_non_ascii(&seen);
}

typedef uint64_t piece_vector __attribute__((vector_size(AB_SHAPE_PIECE_BYTES)));

static bool match(const char *text, const struct ab_scan *s, const struct ab_shape *shape)
{
	piece_vector difference = {0}, bytes, mask, got;

	for (uint32_t i = 0; i < shape->piece_count; i++) {
		const struct ab_shape_place *at = &shape->at[i];
		memcpy(&got, text + s->quote[at->quote] + at->offset, sizeof got);
		memcpy(&bytes, shape->piece[i].bytes, sizeof bytes);
		memcpy(&mask, shape->piece[i].mask, sizeof mask);
		difference |= (got ^ bytes) & mask;
	}
	return (difference[0] | difference[1] | difference[2] | difference[3]) == 0;
}
