/* core/starve.h — whether one sink holds the others of its reader up for too long: then it leaves them.
 *
 * A record goes to all sinks of a reader or to none, so a sink that takes nothing stops them all. A sink that is only
 * slow never stops them for long at a time, and yet holds all of them at its pace. So the time for which others had
 * nothing to do because of it is added up, and forgiven at a ninth of the pace while they have:
 *
 *     level ▲            ╱ after_ns: leaves
 *           │      ╱╲   ╱
 *           │  ╱╲ ╱  ╲╱            dead for after_ns: leaves after after_ns
 *           └─╱──╳────────▶ time   the others idle for more than a tenth of the time: leaves in the end; less: never
 *
 * That it should leave stands until all of it is forgiven, 9 after_ns: long enough for control to see it. Control may be
 * unable to act (no memory for a reader, nobody left to hold up), and what was so then must not count when it can.
 *
 * A plain state machine: the time comes in as an argument; no threads, no clock, no I/O.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

struct ab_starve {
	int64_t level_ns;
	int64_t seen_ns;	/* of the last observation */
	bool holding;		/* what was so since then */
	bool leave;		/* it reached after_ns, and is not forgiven yet */
};

enum ab_starve_result {
	AB_STARVE_STAY,
	AB_STARVE_LEAVE,	/* the sink should leave the reader */
};

void ab_starve_reset(struct ab_starve *starve, int64_t now_ns);

/* holding: from now on a record waits for this sink alone, while another sink of the reader has nothing to do. To be
 * called whenever that may have changed. */
enum ab_starve_result ab_starve_observe(struct ab_starve *starve, bool holding, int64_t now_ns, int64_t after_ns);

/* How long a sink stays by itself before it may join again. Joining costs the others a moment and leaving costs them
 * after_ns, so one that leaves soon after it joined waits twice as long as last time, a minute at most. */
struct ab_rejoin {
	int64_t joined_ns;	/* when it last joined; 0: never */
	int64_t wait_ns;	/* the last wait */
	int64_t due_ns;		/* from when on it may join */
};

void ab_rejoin_left(struct ab_rejoin *rejoin, int64_t now_ns);
void ab_rejoin_joined(struct ab_rejoin *rejoin, int64_t now_ns);
bool ab_rejoin_may(const struct ab_rejoin *rejoin, int64_t now_ns);
