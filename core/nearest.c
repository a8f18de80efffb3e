/* core/nearest.c — edit distance over three rows. See nearest.h. */
#include "core/nearest.h"

#include <ctype.h>
#include <string.h>

static int same(char a, char b)
{
	return toupper((unsigned char)a) == toupper((unsigned char)b);
}

uint32_t ab_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	uint32_t row[3][AB_NEAREST_MAX_BYTES + 1];	/* of the word so far: two ago, one ago, now */

	if (a_len > AB_NEAREST_MAX_BYTES || b_len > AB_NEAREST_MAX_BYTES)
		return AB_NEAREST_MAX_BYTES + 1;
	for (size_t j = 0; j <= b_len; j++)
		row[2][j] = (uint32_t)j;
	for (size_t i = 1; i <= a_len; i++) {
		memmove(row[0], row[1], 2 * sizeof row[0]);
		row[2][0] = (uint32_t)i;
		for (size_t j = 1; j <= b_len; j++) {
			uint64_t best = row[1][j - 1] + !same(a[i - 1], b[j - 1]);
			best = ab_min_u64(best, ab_min_u64(row[1][j], row[2][j - 1]) + 1);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				best = ab_min_u64(best, row[0][j - 2] + 1);
			row[2][j] = (uint32_t)best;
		}
	}
	return row[2][b_len];
}

const char *ab_nearest(const char *word, const char *const *words, size_t count)
{
	uint32_t limit = (uint32_t)ab_max_u64(2, strlen(word) / 3);
	const char *best = NULL;

	for (size_t i = 0; i < count; i++) {
		uint32_t distance = ab_distance(word, words[i]);
		/* All of a word replaced is no likeness, however short the word. */
		if (distance <= limit && distance < strlen(words[i])) {
			best = words[i];
			limit = distance - (distance > 0);
			if (distance == 0)
				break;
		}
	}
	return best;
}
