/* loadgen/content.c — see content.h for what a content is. */
#include "loadgen/content.h"

#include "loadgen/random.h"

struct kind {
	const char *type;
	const char *title;
	int32_t shortest_seconds; /* 0: this type has no length */
	int32_t longest_seconds;
};

/* The order is part of "same seed, same data". */
static const struct kind KINDS[] = {
	{"podcast", "Podcast", 60, 7200},
	{"newsletter", "Newsletter", 0, 0},
	{"video", "Video", 60, 7200},
	{"webinar", "Webinar", 60, 7200},
	{"course", "Course", 60, 7200},
	{"article", "Article", 300, 1800},
	{"ebook", "E-book", 0, 0},
	{"whitepaper", "White paper", 0, 0},
	{"case-study", "Case study", 300, 1800},
	{"tutorial", "Tutorial", 60, 7200},
	{"demo", "Demo", 60, 7200},
	{"interview", "Interview", 60, 7200},
	{"documentary", "Documentary", 60, 7200},
	{"livestream", "Livestream", 60, 7200},
	{"audiobook", "Audiobook", 60, 7200},
	{"blog-post", "Blog post", 300, 1800},
};

#define MARK_KIND 10 /* demo */

_Static_assert(AB_COUNT(KINDS) == AB_GEN_CONTENT_TYPES, "the contract names 16 content types");

/* Published some time in 2024, to the second: a fixed year, so that the same seed makes the same rows on any day. */
#define PUBLISH_FIRST_S INT64_C(1704067200) /* 2024-01-01 00:00:00 UTC */
#define PUBLISH_SPAN_S (INT64_C(366) * 86400)

void ab_gen_content(uint64_t seed, uint64_t number, struct ab_gen_content *out)
{
	struct ab_random r = ab_random_start(seed, AB_STREAM_CONTENT, number);
	ab_random_uuid(&r, out->id);
	const struct kind *kind = &KINDS[ab_random_below(&r, AB_COUNT(KINDS))];
	out->type = kind->type;
	out->length_seconds = AB_GEN_NO_LENGTH;
	if (kind->shortest_seconds > 0)
		out->length_seconds = (int32_t)ab_random_between(&r, kind->shortest_seconds, kind->longest_seconds);
	if (number >= AB_GEN_MARK_FIRST) {
		out->type = KINDS[MARK_KIND].type;
		out->length_seconds = AB_GEN_MARK_LENGTH_SECONDS;
	}
	out->publish_us = (PUBLISH_FIRST_S + (int64_t)ab_random_below(&r, PUBLISH_SPAN_S)) * 1000000;
}

static const char *title_of(const char *type)
{
	for (size_t i = 0; i < AB_COUNT(KINDS); i++)
		if (KINDS[i].type == type)
			return KINDS[i].title;
	AB_ASSERT(!"a content's type is one of KINDS");
	return NULL;
}

void ab_gen_content_text(const struct ab_gen_content *content, uint64_t number, struct ab_gen_content_text *out)
{
	static const char *const subjects[] = {"rivers", "clocks", "maps", "bridges", "harbours", "gardens", "signals",
		"glass", "winter", "bread", "engines", "forests", "letters", "islands", "numbers", "stars"};
	char id[AB_UUID_TEXT_BYTES];
	ab_uuid_text(content->id, id);
	/* Part of the id makes the slug unique across seeds too: a content is never kept out by another seed's slug. */
	snprintf(out->slug, sizeof out->slug, "%s-%llu-%.13s", content->type, (unsigned long long)number, id);
	snprintf(out->title, sizeof out->title, "%s %llu: about %s", title_of(content->type),
		(unsigned long long)number + 1, subjects[content->id[15] % AB_COUNT(subjects)]);
}
