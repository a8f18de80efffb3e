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

/* Contents of their own for marked events: from this number on they are demos of 100 seconds, so that a play of one
 * second is worth exactly one percent, and nothing else points to them. */
#define AB_GEN_MARK_FIRST	   (UINT64_C(1) << 40)
#define AB_GEN_MARK_LENGTH_SECONDS 100
#define AB_GEN_MARK_PERCENT	   1
/* So many there are, used in turn: at 100 marks a second each is used once in 80 seconds, so a minute's sum has at most
 * one mark of it. */
#define AB_GEN_MARK_CONTENTS 8192

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
