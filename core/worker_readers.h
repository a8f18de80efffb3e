/* core/worker_readers.h — a worker's readers in turn, and how a sink parts from the others and joins them. Inside of
 * core/worker.
 *
 *     shared reader   ──────────m═══════════▶   from m on it encodes for the sink too
 *     private reader  ────────▶m                delivers up to m, or a little further, and no more
 *
 * Both are read by this one thread, so joining is exact without asking anybody: between two steps, when the private
 * reader stands at or above the shared one in every partition of this worker, the sink changes readers. What the shared
 * one then gives it below that is dropped by the filter (core/link.h, core/lane.h). The shared reader is held for the
 * few milliseconds that this takes, HOLD_NS at most.
 *
 * Threads: the worker's.
 */
#pragma once

#include "core/worker_step.h"

/* Whether to look again soon although nobody may wake this thread. */
bool ab_worker_readers_watch(const struct ab_worker *worker);
