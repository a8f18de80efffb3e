/* tests/stress/stress_courier.c — errands go there and back between control and a courier, ten thousand times. */
#include "core/courier.h"

#include <sched.h>
#include <string.h>

#define ERRANDS 10000

struct ab_sink {
	int64_t asked;	/* plain: the courier's alone */
};

static enum ab_sink_status probe(struct ab_sink *sink, char *error)
{
	snprintf(error, AB_SINK_ERROR_MAX_BYTES, "asked %lld times", (long long)++sink->asked);
	if (sink->asked % 5 == 0)
		sched_yield();
	return AB_SINK_OK;
}

static enum ab_sink_status positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error)
{
	(void)sink;
	(void)error;
	for (int p = 0; p < partitions; p++)
		io->position[0][p]++;
	return AB_SINK_OK;
}

static enum ab_sink_status tend(struct ab_sink *sink, char *error)
{
	return probe(sink, error);
}

int main(void)
{
	static const struct ab_sink_ops ops = {.name = "stress", .probe = probe, .positions = positions, .tend = tend};
	static struct ab_courier courier;
	static struct ab_sink_positions known;
	struct ab_sink sink = {0};
	long waited = 0;

	ab_courier_start(&courier, &ops, &sink, 2);
	for (int64_t i = 0; i < ERRANDS; i++) {
		bool meet = i % 2 == 0;
		known.position[0][1] = i;
		AB_ASSERT(ab_courier_ask(&courier, meet ? AB_ERRAND_MEET : AB_ERRAND_TEND, meet ? &known : NULL, i));
		AB_ASSERT(!ab_courier_ask(&courier, AB_ERRAND_TEND, NULL, -1)); /* away, or back and not yet asked what it heard */
		const struct ab_errand *errand;
		while ((errand = ab_courier_take(&courier, i % 3 == 0 ? 100 : 0)) == NULL)
			waited++;
		AB_ASSERT(errand->number == i && errand->status == AB_SINK_OK && errand->error[0] == 'a');
		AB_ASSERT(!meet || errand->positions.position[0][1] == i + 1);
	}
	AB_ASSERT(ab_courier_take(&courier, 0) == NULL);
	ab_courier_end(&courier);
	AB_ASSERT(ab_courier_stop(&courier));
	AB_ASSERT(sink.asked == ERRANDS);
	printf("%d errands, %ld looks in vain\n", ERRANDS, waited);
	return 0;
}
