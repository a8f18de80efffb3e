/* core/engine_lost.c — what readers report of the log: records that are gone, and a log that was replaced. See engine.h.
 *
 * Retention deletes by time and size, whoever has not read yet. A sink that it overtakes has lost data: it stops by
 * itself, with the exact offsets, and the others go on; or, when the configuration says so, it goes on behind the gap,
 * over which its positions pass as over any offsets without records. Anything else that is wrong with the log is not one
 * sink's affair, and ends the program.
 */
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"
#include "core/log.h"
#include "core/text.h"
#include "core/worker_seal.h"

/* Where the log begins now, for every partition; false: not known now. */
static bool find_starts(struct ab_engine *engine, int64_t *first)
{
	int64_t next;

	for (int i = 0; i < engine->partition_count; i++) {
		uint16_t p = engine->partition[i];
		if (!ab_source_bounds(engine->member, p, &first[p], &next))
			return false;
	}
	return true;
}

/* Offsets are lost once: a sink that begins anew before it has come behind its gap is told of the gap again. Only the last
 * gap of a partition is kept: who goes back over two counts the earlier one again. */
static void note_gap(struct ab_engine_sink *sink, uint16_t p, int64_t from, int64_t whole_from, int64_t to)
{
	uint64_t known = 0;

	if (from <= sink->lost_to[p] && sink->lost_from[p] <= to) {
		known = (uint64_t)(sink->lost_to[p] - sink->lost_from[p]);
		if (sink->lost_from[p] < from && known > 0) {
			from = sink->lost_from[p];
			whole_from = sink->lost_whole_from[p];
		}
		to = sink->lost_to[p] > to ? sink->lost_to[p] : to;
	}
	sink->lost_offsets += (uint64_t)(to - from) - known;
	sink->lost_from[p] = from;
	sink->lost_whole_from[p] = whole_from;
	sink->lost_to[p] = to;
}

/* Notes what sink s has lost, and says it; NULL when it has lost nothing. The caller frees. */
static char *note_gaps(struct ab_engine *engine, int s, const int64_t *first)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	struct ab_text_out out = ab_text_begin();

	for (int i = 0; i < engine->partition_count; i++) {
		uint16_t p = engine->partition[i];
		struct ab_worker *worker = &engine->worker[p % engine->worker_count];
		int64_t from = ab_worker_reads_from(worker, s, p);
		if (from < 0 || from >= first[p])
			continue;
		int64_t whole_from = ab_worker_untouched_from(worker, s, p);
		if (whole_from > first[p])
			whole_from = first[p];
		note_gap(sink, p, from, whole_from, first[p]);
		ab_worker_lose(worker, s, p, first[p]);
		sink->floor[p] = first[p];
		ab_text_add(&out, "%spartition %d: offsets %" PRId64 " to %" PRId64, out.len > 0 ? ", " : "", p, from,
			    first[p] - 1);
		if (whole_from > from)
			ab_text_add(&out, " (below %" PRId64 " only what is of the lanes that were behind)", whole_from);
	}
	if (out.len > 0)
		return out.text;
	free(out.text);
	return NULL;
}

static void lose(struct ab_engine *engine, int s, const char *gaps)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	char why[AB_SINK_ERROR_MAX_BYTES];

	if (engine->config->on_lost_data == AB_LOST_CONTINUE) {
		ab_log("%s: LOST DATA: retention deleted records before it had them: %s; going on behind them, as ON_LOST_DATA "
		       "says",
		       sink->ops->name, gaps);
		return;
	}
	snprintf(why, sizeof why,
		 "retention deleted records before it had them: %s. Its position stays; ON_LOST_DATA=continue goes on behind "
		 "them",
		 gaps);
	ab_engine_set_state(engine, sink, AB_STATE_LOST, why);
}

/* false: nobody is left to go on with. */
static bool somebody_goes_on(const struct ab_engine *engine)
{
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].state == AB_STATE_RUNNING || engine->sink[s].state == AB_STATE_ABSENT)
			return true;
	}
	return false;
}

/* Hands over all that was read; false: some of it was rejected, and its letter given up. */
static bool hand_over(struct ab_engine *engine)
{
	bool all = true;

	for (int w = 0; w < engine->worker_count; w++) {
		for (int s = 0; s < engine->sink_count; s++) {
			if (engine->worker[w].sink[s].reader >= 0)
				all &= ab_worker_seal_close(&engine->worker[w], s, ab_monotonic_ns());
		}
	}
	return all;
}

static void overtaken(struct ab_engine *engine, struct ab_worker *worker, int r, const int64_t *first)
{
	char *gaps[AB_SINKS_MAX] = {0};

	ab_engine_pause(engine);
	if (!hand_over(engine)) {
		/* It is read again, as far as it is still there; the rest comes up here again. */
		ab_engine_resume(engine);
		ab_engine_replan(engine);
		return;
	}
	pthread_mutex_lock(&engine->mutex);
	for (int s = 0; s < engine->sink_count; s++) {
		if (worker->sink[s].reader == r)
			gaps[s] = note_gaps(engine, s, first);
	}
	pthread_mutex_unlock(&engine->mutex);
	ab_engine_resume(engine);
	for (int s = 0; s < engine->sink_count; s++) {
		if (gaps[s] != NULL)
			lose(engine, s, gaps[s]);
		free(gaps[s]);
	}
	if (somebody_goes_on(engine))
		ab_engine_replan(engine);
	else
		ab_engine_fail(engine, AB_EXIT_DATA, "every sink has lost data, or has stopped");
}

static void tend(struct ab_engine *engine, struct ab_worker *worker, int r)
{
	struct ab_worker_reader *reader = &worker->reader[r];
	int what = atomic_load_explicit(&reader->trouble, memory_order_acquire); /* [W1] */
	uint16_t p = reader->trouble_partition;
	int64_t first[AB_PARTITIONS_MAX] = {0};

	if (what == AB_TROUBLE_NONE)
		return;
	if (what == AB_TROUBLE_LOST) {
		if (!find_starts(engine, first))
			return; /* asked again in the next turn; the reader stands still until then */
		if (reader->next[p] < first[p]) {
			overtaken(engine, worker, r, first);
			return;
		}
		if (reader->trouble_offset >= 0 && reader->trouble_offset < first[p] &&
		    ab_excuse(&engine->late[r][p], reader->next[p]) == AB_EXCUSE_TAKEN) {
			/* Found before the reader was sent on behind this gap, and brought to it afterwards. */
			ab_engine_replan(engine);
			return;
		}
	}
	ab_engine_fail(engine, AB_EXIT_DATA, "partition %d, reader of %s: %s (offset %" PRId64 ")", p, reader->name,
		       what == AB_TROUBLE_LOST
			   ? "the records from its position on are damaged in the topic, or it was truncated"
			   : "an offset came below one already read: the topic was replaced",
		       reader->trouble_offset);
	atomic_store(&reader->trouble, AB_TROUBLE_NONE);
}

void ab_engine_tend_troubles(struct ab_engine *engine)
{
	for (int w = 0; w < engine->worker_count && engine->assigned; w++) {
		for (int r = 0; r < AB_READERS_MAX && !engine->stop; r++)
			tend(engine, &engine->worker[w], r);
	}
}
