/* loadgen/follow.c — see follow.h. */
#include "loadgen/follow.h"

#include "loadgen/clock.h"

static int out_of_time(const struct ab_follow *f)
{
	return f->plan->period_ns == 0 && f->unpaced_ns >= 0 && ab_lg_now_ns() - f->start_ns >= f->unpaced_ns;
}

enum ab_target_result ab_follow(const struct ab_follow *f)
{
	enum ab_target_result result = AB_TARGET_OK;
	uint32_t rows;
	for (uint64_t batch = 0; (rows = ab_plan_rows(f->plan, batch)) > 0; batch++) {
		int64_t meant_ns = f->start_ns + ab_plan_time_ns(f->plan, batch);
		/* At least one look at sockets and signals, also when every batch is late. */
		do {
			result = ab_sender_wait(f->sender, meant_ns);
		} while (result == AB_TARGET_OK && !ab_sender_stop_asked() && ab_lg_now_ns() < meant_ns);
		if (result != AB_TARGET_OK || ab_sender_stop_asked() || out_of_time(f))
			break;
		if (f->plan->period_ns == 0)
			meant_ns = ab_lg_now_ns();
		ab_sender_choose(f->sender, rows);
		if (f->chosen != NULL)
			f->chosen(f->arg, rows, meant_ns);
		result = ab_sender_send(f->sender, batch, rows, meant_ns, f->report);
		if (result != AB_TARGET_OK)
			break;
	}
	return result;
}
