/* verify/contents.h — what each content was, and when: an event may have been given any of its versions.
 *
 *     content topic: ──v1──────v2───────────(deleted)──▶          PostgreSQL now: v3
 *                         ▲ an event of this time may show v1, v2, unknown, v3: read then, or again today
 *
 * An event is exact when only one version was ever possible; else it is bounded by the possible ones.
 *
 * Threads: one. Memory: 56 bytes a content and 24 a version, grown by doubling.
 */
#pragma once

#include <stdbool.h>

#include "verify/record.h"

/* How long before an event its content must have been known for the event to be surely given it. Above ENRICH_WAIT_MS'
 * default by the delay of a machine under load. */
#define AB_VERIFY_CONTENT_MARGIN_MS 10000

/* The versions one event may have been given; more are as good as any. */
#define AB_VERIFY_CHOICES_MAX 8

struct ab_verify_contents;

struct ab_verify_contents *ab_verify_contents_create(void);
void ab_verify_contents_destroy(struct ab_verify_contents *contents);
int64_t ab_verify_contents_count(const struct ab_verify_contents *contents);

/* In the order of the topic. */
void ab_verify_contents_change(struct ab_verify_contents *contents, const struct ab_verify_content_row *row,
			       int64_t kafka_ts_ms);
/* Of the database, after the topic. */
void ab_verify_contents_now(struct ab_verify_contents *contents, struct ab_text id, struct ab_text type, bool has_length,
			    int64_t length_seconds);

/* One possible enrichment. */
struct ab_verify_choice {
	int type;			/* of ab_verify_contents_type(); -1: unknown */
	bool has_pct;
	int64_t pct_hundredths;
};

struct ab_verify_choices {
	int count;			/* different ones; 1: exact */
	bool any;			/* the versions of that time are not known: everything is possible */
	struct ab_verify_choice choice[AB_VERIFY_CHOICES_MAX];
};

void ab_verify_choices(const struct ab_verify_contents *contents, const struct ab_verify_event *event,
		       struct ab_verify_choices *choices);
bool ab_verify_choices_allow(const struct ab_verify_contents *contents, const struct ab_verify_choices *choices,
			     struct ab_text type, bool has_pct, int64_t pct_hundredths);

/* A type's number, made when it is new; and its name. */
int ab_verify_type(struct ab_verify_contents *contents, struct ab_text name);
const char *ab_verify_type_name(const struct ab_verify_contents *contents, int type);

/* round(duration_ms / 1000 / length_seconds * 100, 2) in hundredths, half away from zero. */
int64_t ab_verify_pct(int64_t duration_ms, int64_t length_seconds);
