/* loadgen/stress.c — see stress.h. */
#include "loadgen/stress.h"

#include <math.h>
#include <time.h>

#include "loadgen/clock.h"
#include "loadgen/content.h"
#include "loadgen/follow.h"
#include "loadgen/host.h"
#include "loadgen/output.h"

/* Between opening and the first batch, so that every thread is asleep where it should be. */
#define HEAD_START_NS INT64_C(200000000)

static uint64_t committed_rows(const struct ab_stress *s)
{
	uint64_t rows = 0;
	for (uint32_t i = 0; i < s->result.stages; i++)
		rows += ab_report_acked(&s->result.stage[i].report);
	return rows;
}

/* --- marks ---------------------------------------------------------------------------------------------------------- */

static void take_mark(void *arg, const struct ab_mark *mark)
{
	struct ab_stress *s = arg;
	for (uint32_t i = 0; i < s->readers; i++)
		ab_mark_ring_put(s->reader[i].ring, mark);
	ab_curve_add(&s->result.committed, mark->commit_ns, committed_rows(s));
}

/* Spread over the batch: its first row would be the first of a transaction, and its last the last. */
static void mark_batch(void *arg, uint32_t rows, int64_t meant_ns)
{
	struct ab_stress *s = arg;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	ab_curve_add(&s->result.offered, meant_ns, s->offered);
	s->offered += rows;
	ab_curve_add(&s->result.offered, meant_ns, s->offered);
	ab_curve_add(&s->result.committed, ab_lg_now_ns(), committed_rows(s));
	s->marks_due += rows * s->marks_per_row;
	uint32_t count = (uint32_t)fmin(s->marks_due, fmin(rows, AB_MARKS_BATCH_MAX));
	s->marks_due = fmin(s->marks_due - count, AB_MARKS_BATCH_MAX);
	for (uint32_t i = 0; i < count; i++) {
		struct ab_mark mark = {.content = AB_GEN_MARK_FIRST + s->marks % AB_GEN_MARK_CONTENTS, .meant_ns = meant_ns,
			.stage = s->stage, .event_us = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000};
		uint32_t before = s->sender.mark_count;
		ab_sender_mark(&s->sender, (uint32_t)((uint64_t)rows * (2 * i + 1) / (2 * count)), &mark);
		s->marks += s->sender.mark_count - before;
	}
}

/* --- the status line ------------------------------------------------------------------------------------------------ */

static void say(struct ab_stress *s, int64_t now_ns)
{
	uint64_t committed = committed_rows(s);
	struct ab_scraped at;
	double seconds = (double)(now_ns - s->said_ns) / 1e9;
	if (s->arguments.quiet || seconds < 1)
		return;
	ab_scrape_now(&s->scrape, &at);
	const struct ab_stage_result *stage = &s->result.stage[s->stage];
	if (s->draining)
		fprintf(stderr, "stress  draining");
	else
		fprintf(stderr, "stress  %-9s %2.0f/%.0f s  planned %.0f/s committed %.0f/s", stage->stage.name,
			fmax(0, (double)(now_ns - stage->start_ns) / 1e9), (double)stage->stage.duration_ms / 1e3,
			ab_stage_rate(&stage->stage), (double)(committed - s->said_committed) / seconds);
	for (uint32_t i = 0; i < s->result.sinks; i++)
		fprintf(stderr, "  %s %.0f behind", s->result.sink[i].name,
			fmax(0, (double)committed - (at.settled[i] - s->scrape.first.settled[i])));
	fputc('\n', stderr);
	s->said_ns = now_ns;
	s->said_committed = committed;
}

static void tick(void *arg, int64_t now_ns)
{
	struct ab_stress *s = arg;
	ab_curve_add(&s->result.committed, now_ns, committed_rows(s));
	say(s, now_ns);
}

/* --- before --------------------------------------------------------------------------------------------------------- */

static enum ab_target_result refuse(struct ab_stress *s, enum ab_target_result result, const char *what,
	const char *advice)
{
	snprintf(s->sender.pg.error, sizeof s->sender.pg.error, "%s\n  What to do: %s", what, advice);
	s->sender.error = s->sender.pg.error;
	return result;
}

static enum ab_target_result start_readers(struct ab_stress *s)
{
	static const struct ab_reader_kind *const kinds[AB_READERS_MAX] = {&ab_reader_redis, &ab_reader_search};
	uint64_t room = 1024;
	for (uint32_t i = 0; i < s->arguments.stages.count; i++)
		room += (uint64_t)s->arguments.stages.at[i].duration_ms * (s->arguments.marks_per_second + 1) / 1000 + 64;
	for (uint32_t k = 0; k < AB_READERS_MAX; k++) {
		uint32_t i = 0;
		while (i < s->scrape.first.sinks && strcmp(s->scrape.first.name[i], kinds[k]->sink) != 0)
			i++;
		if (i == s->scrape.first.sinks)
			continue;
		struct ab_reader *r = &s->reader[s->readers];
		if (!ab_reader_start(r, kinds[k], s->settings, s->arguments.seed, (uint32_t)room))
			return refuse(s, AB_TARGET_UNREACHABLE, r->error, "start it, or correct its address in .env");
		s->readers++;
	}
	return AB_TARGET_OK;
}

/* Rows of somebody else would be taken for ours: nothing may arrive while nothing is sent. */
static enum ab_target_result wait_for_quiet(struct ab_stress *s)
{
	struct ab_scraped now, last;
	int still = 0;
	ab_scrape_now(&s->scrape, &last);
	for (int i = 0; i < AB_STRESS_QUIET_MAX_S * 10 && still < 10 && !ab_sender_stop_asked(); i++) {
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		ab_scrape_now(&s->scrape, &now);
		still = memcmp(now.settled, last.settled, sizeof now.settled) == 0 ? still + 1 : 0;
		last = now;
	}
	return still == 10 || ab_sender_stop_asked()
		       ? AB_TARGET_OK
		       : refuse(s, AB_TARGET_REFUSED, "rows of somebody else arrive in the sinks, and would be counted as this test's",
				 "stop what writes them (the generator of ./run.sh start: stack/stack.sh down loadgen), or wait for the "
				 "backlog to drain");
}

/* Marks whose contents the engine does not know yet would measure how long it waits for contents. */
static enum ab_target_result seed_marks(struct ab_stress *s)
{
	uint64_t inserted, marks;
	struct ab_scraped before, now;
	ab_scrape_now(&s->scrape, &before);
	enum ab_target_result result = ab_sender_seed_contents(&s->sender, &inserted);
	if (result == AB_TARGET_OK)
		result = ab_sender_seed_marks(&s->sender, AB_GEN_MARK_CONTENTS, &marks);
	if (result != AB_TARGET_OK || inserted + marks == 0)
		return result;
	if (!s->arguments.quiet)
		fprintf(stderr, "stress  %llu contents inserted, waiting for the engine to know them\n",
			(unsigned long long)(inserted + marks));
	for (int i = 0; i < AB_STRESS_CONTENTS_MAX_S * 10 && !ab_sender_stop_asked(); i++) {
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		ab_scrape_now(&s->scrape, &now);
		if (now.contents >= before.contents + (double)(inserted + marks))
			return AB_TARGET_OK;
	}
	return ab_sender_stop_asked() ? AB_TARGET_OK
				      : refuse(s, AB_TARGET_REFUSED, "the engine has not heard of new contents for 60 s",
						"see that the connector runs and watches table content: ./run.sh status");
}

enum ab_target_result ab_stress_open(struct ab_stress *s, const struct ab_arguments *a,
	const struct ab_settings *settings)
{
	*s = (struct ab_stress){.arguments = *a, .settings = settings};
	s->arguments.pace = AB_PACE_RATE;
	/* Rows of an earlier test would be found at once. A million ids for every second since 1970. */
	if (a->first_id == 1)
		s->arguments.first_id = (uint64_t)time(NULL) * 1000000;
	enum ab_target_result result = ab_sender_open(&s->sender, &s->arguments, settings, 1);
	if (result != AB_TARGET_OK)
		return result;
	if (!ab_scrape_start(&s->scrape, settings))
		return refuse(s, AB_TARGET_UNREACHABLE, s->scrape.error,
			"start the engine (./run.sh start --no-generator), or correct METRICS_HOST and METRICS_PORT");
	result = wait_for_quiet(s);
	if (result == AB_TARGET_OK && !ab_sender_stop_asked())
		result = seed_marks(s);
	if (result == AB_TARGET_OK && !ab_sender_stop_asked())
		result = start_readers(s);
	if (result != AB_TARGET_OK || ab_sender_stop_asked())
		return result;
	s->sender.pg.take_mark = s->sender.kafka.take_mark = take_mark;
	s->sender.pg.take_mark_arg = s->sender.kafka.take_mark_arg = s;
	s->sender.tick = tick;
	s->sender.tick_arg = s;
	return ab_sender_begin(&s->sender);
}

/* --- the stages ----------------------------------------------------------------------------------------------------- */

static void begin_result(struct ab_stress *s)
{
	struct ab_result *r = &s->result;
	time_t now = time(NULL);
	struct tm tm;
	gmtime_r(&now, &tm);
	*r = (struct ab_result){.arguments = &s->arguments, .stages = s->arguments.stages.count, .scrape = &s->scrape,
		.sinks = s->scrape.first.sinks, .contents = s->sender.source.contents, .ended = "complete"};
	r->started_ms = (int64_t)now * 1000;
	strftime(r->started, sizeof r->started, "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(r->version, sizeof r->version, "%s", AB_VERSION);
	ab_host_describe(&r->host);
	r->stage = calloc(r->stages, sizeof *r->stage);
	AB_ASSERT(r->stage != NULL);
	for (uint32_t i = 0; i < r->sinks; i++)
		r->sink[i].name = s->scrape.first.name[i];
	int64_t at = ab_lg_now_ns() + HEAD_START_NS;
	r->start_ns = at;
	for (uint32_t i = 0; i < r->stages; i++) {
		r->stage[i].stage = s->arguments.stages.at[i];
		r->stage[i].start_ns = at;
		at += r->stage[i].stage.duration_ms * 1000000;
		r->stage[i].end_ns = at;
	}
	ab_curve_add(&r->offered, r->start_ns, 0);
	ab_curve_add(&r->committed, ab_lg_now_ns(), 0);
}

static enum ab_target_result run_stage(struct ab_stress *s, uint32_t number)
{
	struct ab_stage_result *stage = &s->result.stage[number];
	struct ab_plan plan = ab_plan_by_interval(stage->stage.interval_ms * 1000000, stage->stage.batch_rows);
	ab_plan_end_after_time(&plan, stage->stage.duration_ms * 1000000);
	stage->planned = plan.rows;
	stage->report.rate_planned = ab_plan_rate(&plan);
	s->stage = number;
	/* At a low rate every second row at most, so that the load is still the load. */
	s->marks_per_row = fmin(0.5, s->arguments.marks_per_second / stage->report.rate_planned);
	int64_t blocked = s->sender.blocked_ns;
	struct ab_follow follow = {.sender = &s->sender, .plan = &plan, .report = &stage->report,
		.start_ns = stage->start_ns, .unpaced_ns = -1, .chosen = mark_batch, .arg = s};
	enum ab_target_result result = ab_follow(&follow);
	stage->blocked_s = (double)(s->sender.blocked_ns - blocked) / 1e9;
	/* The last interval belongs to the stage. */
	while (result == AB_TARGET_OK && !ab_sender_stop_asked() && ab_lg_now_ns() < stage->end_ns)
		result = ab_sender_wait(&s->sender, stage->end_ns);
	return result;
}

static uint64_t settled_sum(struct ab_stress *s, uint64_t wanted, int *all)
{
	struct ab_scraped now;
	uint64_t sum = 0;
	ab_scrape_now(&s->scrape, &now);
	*all = 1;
	for (uint32_t i = 0; i < s->result.sinks; i++) {
		double settled = now.settled[i] - s->scrape.first.settled[i];
		*all &= settled >= (double)wanted;
		sum += settled > 0 ? (uint64_t)settled : 0;
	}
	for (uint32_t i = 0; i < s->readers; i++) {
		uint32_t seen = atomic_load_explicit(&s->reader[i].settled, memory_order_relaxed);
		*all &= seen == atomic_load_explicit(&s->reader[i].ring->put, memory_order_relaxed);
		sum += seen;
	}
	return sum;
}

/* Until every sink has all rows and every reader has seen every mark; or nothing moves any more. */
static enum ab_target_result drain(struct ab_stress *s)
{
	enum ab_target_result result = ab_sender_finish(&s->sender);
	uint64_t wanted = committed_rows(s), last = UINT64_MAX;
	int64_t begin = ab_lg_now_ns(), moved = begin, now = begin;
	int all = 0;
	ab_curve_add(&s->result.committed, now, wanted);
	s->draining = 1;
	while (result == AB_TARGET_OK && !ab_sender_stop_asked() && !all) {
		uint64_t sum = settled_sum(s, wanted, &all);
		now = ab_lg_now_ns();
		if (sum != last)
			moved = now;
		last = sum;
		if (now - begin > s->arguments.drain_max_ms * 1000000 || now - moved > AB_STRESS_STILL_S * AB_LG_NS_PER_S)
			break;
		result = ab_sender_wait(&s->sender, now + AB_SENDER_TICK_NS);
	}
	s->result.end_ns = ab_lg_now_ns();
	return result;
}

/* The verifier takes the group's offset for BigQuery's position, and what is above it for not yet promised. The engine
 * moves it every few seconds; rows of others that keep coming must not hold this up. */
static void await_commit(struct ab_stress *s)
{
	int64_t begin = ab_lg_now_ns();
	struct ab_scraped now;
	ab_scrape_now(&s->scrape, &now);
	while (now.lag > 0 && !ab_sender_stop_asked() && ab_lg_now_ns() - begin < AB_STRESS_COMMIT_S * AB_LG_NS_PER_S) {
		if (ab_sender_wait(&s->sender, ab_lg_now_ns() + AB_SENDER_TICK_NS) != AB_TARGET_OK)
			return;
		ab_scrape_now(&s->scrape, &now);
	}
}

static void collect(struct ab_stress *s)
{
	struct ab_result *r = &s->result;
	struct timespec used;
	for (uint32_t i = 0; i < s->readers; i++)
		ab_reader_stop(&s->reader[i]);
	ab_scrape_stop(&s->scrape);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	r->generator_cpu_s = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
	r->marks = s->marks;
	for (uint32_t i = 0; i < r->sinks; i++) {
		struct ab_sink_result *sink = &r->sink[i];
		sink->by = AB_SEEN_BY_COUNT;
		for (uint32_t k = 0; k < s->readers; k++) {
			const struct ab_reader *reader = &s->reader[k];
			if (strcmp(reader->kind->sink, sink->name) != 0)
				continue;
			sink->by = AB_SEEN_BY_READER;
			sink->looks = reader->looks;
			sink->look_max_ms = (double)reader->look_max_ns / 1e6;
			sink->look_errors = reader->errors;
			sink->look_error = reader->error;
			r->marks_dropped += reader->ring->dropped;
			ab_result_points_of_reader(&sink->points, reader);
		}
		if (sink->by == AB_SEEN_BY_COUNT)
			ab_result_points_of_curves(&sink->points, r, &s->scrape.settled[i]);
	}
	ab_result_compute(r);
}

enum ab_target_result ab_stress_stages(struct ab_stress *s)
{
	enum ab_target_result result = AB_TARGET_OK;
	ab_scrape_begin(&s->scrape);
	begin_result(s);
	s->said_ns = ab_lg_now_ns();
	for (uint32_t i = 0; i < s->result.stages && result == AB_TARGET_OK && !ab_sender_stop_asked(); i++)
		result = run_stage(s, i);
	if (result == AB_TARGET_OK)
		result = drain(s);
	s->result.end_ns = ab_lg_now_ns();
	if (result == AB_TARGET_OK)
		await_commit(s);
	s->result.ended = result != AB_TARGET_OK ? "failed" : ab_sender_stop_asked() ? "stopped" : "complete";
	collect(s);
	return result;
}

void ab_stress_close(struct ab_stress *s)
{
	for (uint32_t i = 0; i < s->readers; i++) {
		ab_reader_stop(&s->reader[i]);
		ab_reader_free(&s->reader[i]);
	}
	ab_scrape_stop(&s->scrape);
	ab_scrape_free(&s->scrape);
	ab_sender_close(&s->sender);
	ab_result_free(&s->result);
}

/* --- the whole ------------------------------------------------------------------------------------------------------ */

static enum ab_exit finish(struct ab_stress *s, enum ab_target_result result)
{
	struct ab_result *r = &s->result;
	if (result == AB_TARGET_OK && !ab_sender_stop_asked() && !s->arguments.no_verify) {
		if (!s->arguments.quiet)
			fputs("stress  verifying\n", stderr);
		ab_host_verify(&r->verify, &s->arguments, r->started_ms);
	} else
		snprintf(r->verify.why, sizeof r->verify.why, "%s",
			s->arguments.no_verify ? "--no-verify was given" : "the test did not come to its end");
	ab_result_judge(r);
	int written = ab_output_all(r);
	if (result == AB_TARGET_UNREACHABLE)
		return AB_EXIT_UNREACHABLE;
	if (result == AB_TARGET_REFUSED || !written)
		return AB_EXIT_REFUSED;
	if (ab_sender_stop_asked())
		return AB_EXIT_CUT_SHORT;
	if (!r->passed)
		return AB_EXIT_THRESHOLD;
	return r->valid ? AB_EXIT_OK : AB_EXIT_NOT_AS_PLANNED;
}

enum ab_exit ab_stress(const struct ab_arguments *arguments, const struct ab_settings *settings)
{
	struct ab_stress *s = calloc(1, sizeof *s);
	enum ab_exit code;
	AB_ASSERT(s != NULL);
	enum ab_target_result result = ab_stress_open(s, arguments, settings);
	int opened = result == AB_TARGET_OK && !ab_sender_stop_asked();
	if (opened)
		result = ab_stress_stages(s);
	if (result != AB_TARGET_OK)
		fprintf(stderr, "error: %s\n", s->sender.error);
	if (opened)
		code = finish(s, result);
	else
		code = result == AB_TARGET_UNREACHABLE ? AB_EXIT_UNREACHABLE
		       : result == AB_TARGET_REFUSED   ? AB_EXIT_REFUSED
						       : AB_EXIT_CUT_SHORT;
	ab_stress_close(s);
	free(s);
	return code;
}
