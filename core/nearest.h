/* core/nearest.h — which known word somebody most likely meant, for "did you mean".
 *
 * Threads: any; pure. Limits: words above AB_NEAREST_MAX_BYTES are near to nothing.
 * Source:  optimal string alignment: insert, delete, replace, swap of two neighbours; each counts one.
 */
#pragma once

#include "core/base.h"

#define AB_NEAREST_MAX_BYTES 64

/* Case does not count. AB_NEAREST_MAX_BYTES + 1 when a word is too long. */
uint32_t ab_distance(const char *a, const char *b);

/* The nearest of words when it is near enough (a third of the word's length, at least 2); else NULL. */
const char *ab_nearest(const char *word, const char *const *words, size_t count);
