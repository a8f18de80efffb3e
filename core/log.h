/* core/log.h — lines for people, on stderr, with the time; the same line at most once a second, then with its count.
 *
 * Threads: any. Not for the data path: it formats and writes.
 */
#pragma once

#include "core/base.h"

void ab_log(const char *format, ...) AB_PRINTF(1, 2);

/* For callbacks that hand over a finished line. */
void ab_log_line(const char *line);
