/* core/cluster.h — Kafka's cluster id, by which positions are known to be of this Kafka and not of another.
 *
 * Threads: any; pure.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

static inline bool ab_cluster_is_known(const char *id)
{
	return id[0] != '\0' && strcmp(id, "-") != 0; /* as a commit says that it was not known */
}

/* Whether two ids are of different Kafkas. One that is not known could be of any. */
static inline bool ab_other_cluster(const char *a, const char *b)
{
	return ab_cluster_is_known(a) && ab_cluster_is_known(b) && strcmp(a, b) != 0;
}
