/* core/excuse.h — how often a refusal that should not be there is taken for a late one.
 *
 * A consumer may bring the refusal of an offset after its reader was sent on behind the gap: that is no damage, and the
 * reader is set anew. Damage that looks alike comes again and again while the reader does not move from its place.
 *
 * A plain state machine for one reader and partition; begins zeroed. Threads: its owner's.
 */
#pragma once

#include "core/base.h"

/* Refusals under way when a reader is set anew: one for each request, of which a consumer has one or two. */
#define AB_EXCUSES_MAX 8

struct ab_excuse {
	int64_t next;	/* where the reader stood then */
	int times;	/* so often, without having moved since */
};

enum ab_excuse_result {
	AB_EXCUSE_TAKEN,
	AB_EXCUSE_WORN_OUT,	/* it is no late one */
};

/* next: where the reader stands now. */
static inline enum ab_excuse_result ab_excuse(struct ab_excuse *excuse, int64_t next)
{
	if (excuse->next != next)
		*excuse = (struct ab_excuse){.next = next};
	if (excuse->times == AB_EXCUSES_MAX)
		return AB_EXCUSE_WORN_OUT;
	excuse->times++;
	return AB_EXCUSE_TAKEN;
}
