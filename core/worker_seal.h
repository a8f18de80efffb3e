/* core/worker_seal.h — when a chunk is handed over, and when its sink thread is told. Inside of core/worker.
 *
 *     full ─────────────────────────────▶ sealed ──▶ the lane's second full one ───▶ wake
 *     not full: the worker rests, or          │
 *     the lane has had none for 5 ms ─────────┘───▶ the worker rests, or a millisecond ▶ wake
 *
 * Nothing is sealed while a record below its end has a letter that was given up: no chunk may speak for that record.
 *
 * Threads: the worker's, or control's while it stands still.
 */
#pragma once

#include "core/worker.h"

/* Hands over the open chunk of a link; false: nothing may be sealed now. */
bool ab_worker_seal(struct ab_worker *worker, struct ab_worker_sink *sink, struct ab_link *link, int64_t now_ns);

/* Seals what lanes are waiting for; all of it when resting (about to sleep). */
void ab_worker_seal_due(struct ab_worker *worker, int64_t now_ns, bool resting);

/* Before readers are cleared: seals everything, or drops what must not be sealed yet. */
void ab_worker_seal_leave(struct ab_worker *worker);

/* Hands over all records of sink s that wait in open chunks; false: a letter was given up, and they are read again. */
bool ab_worker_seal_close(struct ab_worker *worker, int s, int64_t now_ns);
