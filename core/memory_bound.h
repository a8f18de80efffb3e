/* core/memory_bound.h — what the engine takes at start, part by part, from the configuration alone. */
#pragma once

#include "core/config.h"

/* ab_worker_count() of the cores we may run on. */
int ab_memory_bound_workers(const struct ab_config *config);

/* Prints a line per part and the sum; says what depends on the host (workers, contents). Returns the sum in bytes. */
size_t ab_memory_bound_print(const struct ab_config *config, FILE *to);
