/* loadgen/text.h — numbers out of text, strictly; the nearest word; and the list of what is wrong.
 *
 * Threads: one. Memory: the caller's structs.
 */
#pragma once

#include "core/base.h"

enum ab_text_result {
	AB_TEXT_OK,
	AB_TEXT_INVALID, /* not a number of this form, or outside its bounds: the value is left alone */
};

/* Digits with an optional k or M behind them: 200000, 200k, 2M. */
enum ab_text_result ab_text_count(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* A decimal number with an optional k or M, in thousandths: 0.5 is 500, 20k is 20000000. At most three decimals. */
enum ab_text_result ab_text_milli(const char *text, int64_t min, int64_t max, int64_t *value);

/* 2026-01-31T23:59:59Z as microseconds since 1970. */
enum ab_text_result ab_text_time(const char *text, int64_t *epoch_us);

/* How many letters must be changed, added, left out or swapped to make one word of the other. */
uint32_t ab_text_distance(const char *a, const char *b);

/* Words longer than this are nobody's typing error. */
#define AB_TEXT_WORD_MAX 63

/* Everything that is wrong, so that it is said in one go: one line each. */
struct ab_problems {
	uint32_t count;
	uint32_t unsaid; /* counted, but there was no room for their words */
	size_t len;
	char text[8192];
};

void ab_problem(struct ab_problems *problems, const char *format, ...) AB_PRINTF(2, 3);
