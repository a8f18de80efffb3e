/* io/loop.h — one event loop that hosts any number of connections, over io_uring or epoll.
 *
 *     owner thread:  ab_loop_step(loop, timeout) ──▶ callbacks of connections (io/conn.h) ──▶ …
 *     other threads: ab_loop_wake(loop)          ──▶ the step in progress returns
 *
 * The two back ends do the same and are chosen at creation: AUTO takes io_uring where the kernel allows it (Docker's
 * default seccomp profile refuses it) and epoll otherwise.
 *
 * Threads: a loop belongs to the thread that steps it; only ab_loop_wake() may be called from others.
 * Memory:  taken at creation for conn_max connections. Step never allocates.
 */
#pragma once

#include "core/base.h"

enum ab_io_backend { AB_IO_AUTO, AB_IO_URING, AB_IO_EPOLL };

struct ab_loop;

/* NULL with *error (at least 256 bytes) filled: URING was asked for and the kernel refuses it, or out of memory. */
struct ab_loop *ab_loop_create(enum ab_io_backend backend, int conn_max, char *error);
void ab_loop_destroy(struct ab_loop *loop);

/* "io_uring" or "epoll", and in *why (may be NULL) why AUTO did not take io_uring, or "". */
const char *ab_loop_backend(const struct ab_loop *loop, const char **why);

/* Waits for completions, a wake or the time-out (nanoseconds; 0 only polls; < 0 waits without one), runs the callbacks
 * of what happened and of time-outs that are due, and returns. now_ns is read once per step. */
void ab_loop_step(struct ab_loop *loop, int64_t timeout_ns);

/* CLOCK_MONOTONIC as of the current step. */
int64_t ab_loop_now_ns(const struct ab_loop *loop);

/* Makes the current or the next step return. Cheap when the loop is not asleep [L1]. Any thread. */
void ab_loop_wake(struct ab_loop *loop);

/* Counters for metrics: system calls that waited, completions. Single writer, relaxed. */
struct ab_loop_counts {
	uint64_t steps, waits, completions, wakes;
};
struct ab_loop_counts ab_loop_counts(const struct ab_loop *loop);
