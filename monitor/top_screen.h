/* monitor/top_screen.h — draws the facts on a terminal.
 *
 *      anabranch 0.1.0  up 01:12:07   ● OK   freshness p99 ≤ 512 ms (redis)          14:03:22
 *      all sinks take what comes
 *      PostgreSQL ──▶ Debezium ──▶ Kafka ──▶ anabranch ─┬▶ redis …
 *      SINK  STATE  IN/S  ACK/S  …
 *
 * From 80 x 24 on; what a narrow screen leaves out is in the order of least use (first bytes, then p50, batches, the last
 * error). A number that is not known is "?", one that is zero is "0".
 *
 * Threads: one, the only one that may call ncurses. Source: ncurses' wide functions (ncursesw).
 */
#pragma once

#include "monitor/facts.h"

enum ab_top_sort { AB_SORT_NUMBER, AB_SORT_LAG };

struct ab_top_view {
	bool ascii; /* no UTF-8 here */
	bool colour;
	bool paused;
	bool help;
	bool typing; /* the filter is being typed */
	enum ab_top_sort sort; /* of partitions */
	char filter[32]; /* rows whose name or status holds it */
};

void ab_top_draw(const struct ab_facts *facts, const struct ab_top_view *view);

/* The same facts as lines, for --once without a terminal. */
void ab_top_print(const struct ab_facts *facts, FILE *out);
