/* core/readers.c — see readers.h. */
#include "core/readers.h"

/* A sink is close when it is so in every partition. */
static bool is_close(const struct ab_reader_sink *sink, const int64_t *foremost)
{
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		if (foremost[p] >= 0 && foremost[p] - sink->next[p] > AB_READER_JOIN_RECORDS)
			return false;
	}
	return true;
}

static void begin_at_least(int64_t *start, const struct ab_reader_sink *sink)
{
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		if (sink->next[p] >= 0 && (start[p] < 0 || sink->next[p] < start[p]))
			start[p] = sink->next[p];
	}
}

/* Somebody has to read with the member of the group: when all are apart, none is. */
static bool some_together(const struct ab_reader_sink *sink, int sink_count)
{
	for (int s = 0; s < sink_count; s++) {
		if (sink[s].ready && !sink[s].apart)
			return true;
	}
	return false;
}

void ab_readers_plan(const struct ab_reader_sink *sink, int sink_count, struct ab_reader_plan *plan)
{
	int64_t foremost[AB_PARTITIONS_MAX];
	bool together = some_together(sink, sink_count);

	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		foremost[p] = -1;
		for (int s = 0; s < sink_count; s++) {
			if (sink[s].ready && !(together && sink[s].apart) && sink[s].next[p] > foremost[p])
				foremost[p] = sink[s].next[p];
		}
		for (int r = 0; r < AB_READERS_MAX; r++)
			plan->start[r][p] = -1;
	}
	for (int s = 0; s < AB_SINKS_MAX; s++) {
		plan->reader[s] = -1;
		if (s >= sink_count || !sink[s].ready)
			continue;
		bool shares = !(together && sink[s].apart) && is_close(&sink[s], foremost);
		plan->reader[s] = shares ? 0 : 1 + s;
		begin_at_least(plan->start[plan->reader[s]], &sink[s]);
	}
}
