/* core/text.h — text that grows as it is written: metrics pages and status lines. Not for the data path: it allocates.
 *
 * Threads: any; a text belongs to its caller, who frees out.text.
 */
#pragma once

#include "core/base.h"

struct ab_text_out {
	char *text;	/* terminated */
	size_t len, room;
};

struct ab_text_out ab_text_begin(void);
void ab_text_add(struct ab_text_out *out, const char *format, ...) AB_PRINTF(2, 3);

/* process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds (Prometheus' names). */
void ab_text_process_metrics(struct ab_text_out *out);
