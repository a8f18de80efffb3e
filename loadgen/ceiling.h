/* loadgen/ceiling.h — how fast this generator can be here, and how exactly it keeps to its times.
 *
 * Into a table or topic of its own, so that no pipeline is loaded: first as fast as the target takes rows, then at 80 %
 * of that by plan. The first is the ceiling, the lateness of the second the accuracy.
 *
 * Threads: the sender's.
 */
#pragma once

#include "loadgen/arguments.h"
#include "loadgen/exit.h"
#include "loadgen/settings.h"

enum ab_exit ab_ceiling(const struct ab_arguments *arguments, const struct ab_settings *settings);
