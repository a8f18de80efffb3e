/* monitor/words.h — numbers as short words: 12.1k, 3.4 MB, 18 ms. "?" is what is not known.
 *
 * Threads: any; pure. Memory: the caller's; AB_WORD_BYTES is enough for each.
 */
#pragma once

#include "core/base.h"

#define AB_WORD_BYTES 24

/* Each returns to. */
const char *ab_word_count(double value, char *to); /* 0, 12, 1.2k, 3.4M */
const char *ab_word_bytes(double value, char *to); /* 12 B, 3.4 kB, 1.2 GB */
const char *ab_word_seconds(double value, char *to); /* 8 ms, 1.3 s, 4 min, 2 h */
/* As an upper bound: a histogram's bucket. ascii: <= instead of one sign. Beyond the last bucket: "> 1 min". */
const char *ab_word_bound(double seconds, int ascii, char *to);
const char *ab_word_percent(double share, char *to);
