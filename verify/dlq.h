/* verify/dlq.h — `anabranch dlq`: what lies among the dead letters, and why; core/replay.h puts it through a sink again.
 *
 *     topic of letters ─▶ groups by sink, code and reason (numbers and quoted values left out of it) ─▶ list, or one shown
 *
 * Read-only: a consumer of its own (GROUP_ID.dlq) that commits nothing.
 *
 * Threads: main, blocking. Memory: AB_DLQ_GROUPS_MAX groups; a letter at a time.
 */
#pragma once

#include <stdbool.h>

#include "core/config.h"
#include "io/source.h"

/* Different reasons that are told apart; letters of further ones are counted together. */
#define AB_DLQ_GROUPS_MAX       200
#define AB_DLQ_REASON_MAX_BYTES 512

struct ab_dlq_letter {
	char sink[32], topic[AB_TOPIC_MAX_BYTES + 1], code[64], reason[AB_DLQ_REASON_MAX_BYTES];
	int partition;			/* of the record */
	int64_t offset, timestamp_ms;	/* -1: not said */
	int64_t value_cut;		/* how long it was, when the topic took its beginning only; -1: it is whole */
	const void *value;		/* the record, or what was written for the sink (code "sink"); valid in the callback */
	size_t value_len;
	int at_partition;		/* where the letter itself lies */
	int64_t at_offset, at_ms;
};

/* Hands over every letter that is in the topic now, sink NULL or this sink's (those for all included). Returns an exit
 * code; what is wrong is on standard error. */
typedef void ab_dlq_on_letter(void *arg, const struct ab_dlq_letter *letter);
int ab_dlq_read(const struct ab_config *config, const char *sink, ab_dlq_on_letter *on_letter, void *arg);

struct ab_dlq_options {
	const char *sink;		/* NULL: all */
	int group;			/* show: as list numbers them; 0: not given */
	int partition;			/* show: of the record; -1: not given */
	int64_t offset;
	bool raw, json;
};

int ab_dlq_list(const struct ab_config *config, const struct ab_dlq_options *options);
int ab_dlq_show(const struct ab_config *config, const struct ab_dlq_options *options);

/* A reason without what differs from letter to letter: runs of digits become #, quoted values "…". Pure. */
void ab_dlq_kind_of_reason(const char *reason, char *to, size_t room);
