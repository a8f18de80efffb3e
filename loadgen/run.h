/* loadgen/run.h — one run of the generator: connect, seed contents, follow the plan, report.
 *
 * Threads: one, which owns the process: it handles SIGINT and SIGTERM. The first ends the run after the batch under
 * way, the second kills.
 */
#pragma once

#include "loadgen/arguments.h"
#include "loadgen/exit.h"
#include "loadgen/settings.h"

/* After a stop, the answers under way may take this long: a pipeline of jobs is answered within a second. */
#define AB_RUN_STOP_MAX_S 10

enum ab_exit ab_run(const struct ab_arguments *arguments, const struct ab_settings *settings);
