/* core/starve.c — see starve.h. */
#include "core/starve.h"

#define FORGIVE 9
#define WAIT_LEAST_NS (INT64_C(2) * 1000000000)
#define WAIT_MOST_NS  (INT64_C(60) * 1000000000)

void ab_starve_reset(struct ab_starve *starve, int64_t now_ns)
{
	*starve = (struct ab_starve){.seen_ns = now_ns};
}

enum ab_starve_result ab_starve_observe(struct ab_starve *starve, bool holding, int64_t now_ns, int64_t after_ns)
{
	int64_t passed_ns = starve->seen_ns == 0 ? 0 : now_ns - starve->seen_ns;

	AB_ASSERT(passed_ns >= 0);
	starve->level_ns += starve->holding ? passed_ns : -(passed_ns / FORGIVE);
	starve->level_ns = starve->level_ns < 0 ? 0 : starve->level_ns > after_ns ? after_ns : starve->level_ns;
	starve->leave = starve->level_ns >= after_ns || (starve->leave && starve->level_ns > 0);
	starve->holding = holding;
	starve->seen_ns = now_ns;
	return starve->leave ? AB_STARVE_LEAVE : AB_STARVE_STAY;
}

void ab_rejoin_left(struct ab_rejoin *rejoin, int64_t now_ns)
{
	bool soon = rejoin->joined_ns != 0 && now_ns - rejoin->joined_ns < WAIT_MOST_NS;

	rejoin->wait_ns = soon && rejoin->wait_ns > 0 ? 2 * rejoin->wait_ns : WAIT_LEAST_NS;
	rejoin->wait_ns = rejoin->wait_ns < WAIT_MOST_NS ? rejoin->wait_ns : WAIT_MOST_NS;
	rejoin->due_ns = now_ns + rejoin->wait_ns;
}

void ab_rejoin_joined(struct ab_rejoin *rejoin, int64_t now_ns)
{
	rejoin->joined_ns = now_ns;
}

bool ab_rejoin_may(const struct ab_rejoin *rejoin, int64_t now_ns)
{
	return now_ns >= rejoin->due_ns;
}
