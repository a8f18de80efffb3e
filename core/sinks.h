/* core/sinks.h — the one list of sinks there are. Main thread. */
#pragma once

#include "core/config.h"
#include "core/route.h"
#include "sinks/sink.h"

/* Those named in SINKS, in a fixed order. */
int ab_sinks_count(const struct ab_config *config);
const struct ab_sink_ops *ab_sinks_ops(const struct ab_config *config, int i);

/* Which field decides the lane of this sink. */
enum ab_route_key ab_sinks_key(const struct ab_config *config, const struct ab_sink_ops *ops);
