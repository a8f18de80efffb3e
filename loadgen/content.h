/* loadgen/content.h — the contents that events point to.
 *
 * Content n of a seed is a pure function of (seed, n): the generator never reads contents back to know their ids, and
 * the first 100 of 5,000 contents are the 100 contents of a smaller run.
 *
 * Threads: any; pure. Memory: the caller's struct.
 */
#pragma once

#include "core/base.h"

/* Bound of --seed-contents and CONTENT_ROWS: more than any catalogue; the engine has the same bound. */
#define AB_GEN_CONTENTS_MAX 100000000

#define AB_GEN_CONTENT_TYPES 16

/* length_seconds of a content that has none; NULL in the table. */
#define AB_GEN_NO_LENGTH (-1)

struct ab_gen_content {
	uint8_t id[16];
	const char *type;
	int32_t length_seconds;
	int64_t publish_us; /* since 1970, UTC */
};

struct ab_gen_content_text {
	char slug[64];
	char title[96];
};

void ab_gen_content(uint64_t seed, uint64_t number, struct ab_gen_content *out);

/* Slug and title are only needed where a content is inserted. */
void ab_gen_content_text(const struct ab_gen_content *content, uint64_t number, struct ab_gen_content_text *out);
