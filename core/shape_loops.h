/* core/shape_loops.h — the loops of core/shape_kernel.h, once for each instruction set that includes it. Blocks of 64
 * bytes; what a block is made of (struct block, load, look, equal, put_quotes) and what else is worth being written for
 * a set of instructions (find_places, pieces_equal, read_natural) is defined by the including file.
 */
#pragma once

#include "core/shape_kernel.h"

/* Which bytes of a block are escaped, that is, stand behind an odd number of backslashes. Runs of backslashes that
 * begin at even and at odd places are told apart by an addition whose carry runs through them (Langdale and Lemire,
 * Parsing gigabytes of JSON per second, 2019, 3.1.1). *carry: the next block's first byte is escaped. */
static uint64_t escaped_by_runs(uint64_t backslash, uint64_t *carry)
{
	const uint64_t even = UINT64_C(0x5555555555555555);
	unsigned long long sum;

	backslash &= ~*carry;
	uint64_t follows = backslash << 1 | *carry;
	uint64_t odd_starts = backslash & ~even & ~follows;
	*carry = __builtin_uaddll_overflow(odd_starts, backslash, &sum);
	return (even ^ (uint64_t)sum << 1) & follows;
}

/* The same where no backslash stands behind another one, as nearly everywhere. */
static inline uint64_t escaped_by(uint64_t backslash, uint64_t *carry)
{
	uint64_t follows = backslash << 1 | *carry;

	if (AB_UNLIKELY((backslash & follows) != 0))
		return escaped_by_runs(backslash, carry);
	*carry = backslash >> 63;
	return follows;
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

/* Whether a backslash lies in text[from .. to). */
static inline bool backslash_between(const struct ab_scan *s, size_t from, size_t to)
{
	uint64_t first = s->backslash[from / 64] >> from % 64, any = 0;

	if (to - from <= 64 - from % 64)
		return from < to && first << (64 - (to - from)) != 0;
	for (size_t word = from / 64 + 1; word < to / 64; word++)
		any |= s->backslash[word];
	if (to % 64 != 0)
		any |= s->backslash[to / 64] << (64 - to % 64);
	return (first | any) != 0;
}

static inline bool is_null(struct ab_text token)
{
	uint32_t word;

	memcpy(&word, token.at, 4);
	return (token.len == 4) & (word == UINT32_C(0x6c6c756e));
}

static inline struct ab_json_field *field_at(const struct ab_json_fields *fields, ptrdiff_t field)
{
	return (struct ab_json_field *)(void *)((char *)fields->row + field);
}

static inline void set(struct ab_json_field *field, const char *at, size_t len, int64_t number, bool is_number)
{
	field->token = (struct ab_text){at, (uint32_t)len};
	field->number = number;
	field->is_number = is_number;
}

static inline bool read_scalars(const char *text, const struct ab_scan *s, const struct ab_shape *shape,
				struct ab_json_fields *fields)
{
	for (uint32_t i = 0; i < shape->scalar_count; i++) {
		const struct ab_shape_value *value = &shape->scalar[i];
		size_t first = s->value_at[value->first], end = s->value_at[value->end];
		if (end <= first)
			return false;
		struct ab_text token = {text + first, (uint32_t)(end - first)};
		int64_t number;
		bool null = is_null(token), natural = read_natural(token, &number);
		/* No branch tells a null from a number: in some columns nobody can foresee which it will be. */
		if (AB_UNLIKELY(!(null | natural)) && !ab_shape_scalar_valid(token))
			return false;
		if (value->field == AB_SHAPE_NO_FIELD)
			continue;
		uintptr_t there = (uintptr_t)null - 1;
		set(field_at(fields, value->field), (const char *)((uintptr_t)token.at & there), token.len & there,
		    number & -(int64_t)natural, natural);
	}
	return true;
}

static inline bool read_strings(const char *text, const struct ab_scan *s, const struct ab_shape *shape,
				struct ab_json_fields *fields)
{
	for (uint32_t i = 0; i < shape->unescaped_count; i++) {
		const struct ab_shape_value *stretch = &shape->unescaped[i];
		if (AB_UNLIKELY(backslash_between(s, s->value_at[stretch->first], s->value_at[stretch->end]))) {
			if (!ab_shape_escapes_valid(text, s, shape))
				return false;
			break;
		}
	}
	for (uint32_t i = 0; i < shape->string_count; i++) {
		const struct ab_shape_value *value = &shape->string[i];
		size_t first = s->value_at[value->first], end = s->value_at[value->end];
		if (value->field != AB_SHAPE_NO_FIELD)
			set(field_at(fields, value->field), text + first, end - first, 0, false);
	}
	return true;
}

static bool read(const char *text, struct ab_scan *s, const struct ab_shape *shape, struct ab_json_fields *fields)
{
	find_places(s, shape->piece_quote, shape->piece_offset, shape->piece_count, s->piece_at);
	find_places(s, shape->place_quote, shape->place_offset, shape->place_count, s->value_at);
	if (s->value_at[AB_SHAPE_END_PLACE] != s->quote[s->quotes] || s->piece_at[0] != 0 || !pieces_equal(text, s, shape))
		return false;
	if (!read_scalars(text, s, shape, fields) || !read_strings(text, s, shape, fields))
		return false;
	for (uint32_t i = 0; i < shape->absent_count; i++)
		set(field_at(fields, shape->absent[i]), NULL, 0, 0, false);
	return true;
}
