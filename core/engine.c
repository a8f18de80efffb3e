/* core/engine.c — start, the control loop, the orderly stop. See engine.h. */
#include "core/engine.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "monitor/http_server.h"

#define TICK_MS                50
/* Of AB_STOP_MAX_S: Kafka's answer to the last commit is waited for 2 s (io/source_kafka.c). A second is left for the rest,
 * which is cut off then (core/main.c): the group is told that we leave before anything else is closed. */
#define DRAIN_MAX_NS           (6 * AB_NS_PER_S)
/* Beside other engines: they wait for our partitions, and bring what we have not delivered. */
#define HANDOVER_MAX_NS        AB_NS_PER_S
#define COMMIT_INTERVAL_MAX_MS 1000
#define TOPIC_WAIT_NS          (2 * AB_NS_PER_S)

volatile sig_atomic_t ab_engine_signals, ab_engine_end_code;

void ab_engine_source_log(void *engine, const char *text)
{
	(void)engine;
	ab_log_line(text);
}

static void on_commit(void *arg, const char *error)
{
	struct ab_engine *engine = arg;

	engine->commit_under_way = false;
	if (error == NULL) {
		ab_count_add(&engine->commits, 1);
	} else {
		ab_count_add(&engine->commit_failures, 1);
		ab_log("kafka: positions could not be committed: %s; tried again with the next ones", error);
		engine->commit_failed = true;
	}
}

static void on_fatal(void *arg, bool fenced, const char *text)
{
	struct ab_engine *engine = arg;

	if (engine->stop)
		return;
	if (fenced)
		ab_engine_fail(engine, AB_EXIT_CONFIG,
			       "another engine has joined group %s with INSTANCE_ID %s and owns its partitions now: each "
			       "engine needs an INSTANCE_ID of its own",
			       engine->config->group_id, engine->config->instance_id);
	else
		ab_engine_fail(engine, AB_EXIT_UNAVAILABLE, "kafka: the consumer cannot go on: %s", text);
}

/* Waits for the events topic; its partition count decides how many workers there are. */
static bool find_topic(struct ab_engine *engine)
{
	const struct ab_source_callbacks callbacks = {.on_log = ab_engine_source_log, .arg = engine};
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	struct ab_park park;

	ab_park_create(&park);
	struct ab_source *source = ab_source_open_private(engine->config, engine->config->events_topic,
							  engine->config->group_id, &callbacks, &park, error);
	if (source == NULL) {
		ab_engine_fail(engine, AB_EXIT_CONFIG, "%s", error);
		ab_park_destroy(&park);
		return false;
	}
	while (ab_engine_signals == 0) {
		engine->partition_total = ab_source_partitions(source);
		if (engine->partition_total > 0)
			break;
		ab_log(engine->partition_total == 0 ? "waiting: topic %s does not exist yet"
						    : "waiting: Kafka does not answer (topic %s)",
		       engine->config->events_topic);
		ab_source_poll(source, 0);
		ab_park_sleep(&park, TOPIC_WAIT_NS);
	}
	ab_source_close(source);
	ab_park_destroy(&park);
	if (engine->partition_total > AB_PARTITIONS_MAX)
		ab_engine_fail(engine, AB_EXIT_CONFIG, "topic %s has %d partitions, one engine holds %d",
			       engine->config->events_topic, engine->partition_total, AB_PARTITIONS_MAX);
	return engine->partition_total > 0 && !engine->stop;
}

static int cores(void)
{
	cpu_set_t set;

	/* What we may run on, not what the machine has: containers and taskset say less. */
	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* Workers first, then sinks, in the order AB_CPUS names the cores. */
static void pin(struct ab_engine *engine)
{
	const struct ab_config *config = engine->config;
	int next = 0;

	for (int w = 0; w < engine->worker_count && next < config->ab_cpus.count; w++)
		engine->worker[w].cpu = config->ab_cpus.cpu[next++];
	for (int d = 0; d < engine->delivery_count && next < config->ab_cpus.count; d++)
		engine->delivery[d].cpu = config->ab_cpus.cpu[next++];
}

static void on_content(void *arg)
{
	struct ab_engine *engine = arg;

	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_wake(&engine->worker[w]);
}

bool ab_engine_open_member(struct ab_engine *engine)
{
	const struct ab_source_callbacks callbacks = {
	    .on_assign = ab_engine_on_assign,
	    .on_revoke = ab_engine_on_revoke,
	    .on_commit = on_commit,
	    .on_fatal = on_fatal,
	    .on_log = ab_engine_source_log,
	    .arg = engine,
	};
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	struct ab_park *park[AB_WORKERS_MAX];

	for (int w = 0; w < engine->worker_count; w++)
		park[w] = &engine->worker[w].park;
	engine->member = ab_source_open_member(engine->config, &callbacks, park, engine->worker_count, error);
	if (engine->member == NULL)
		ab_engine_fail(engine, AB_EXIT_CONFIG, "%s", error);
	return engine->member != NULL;
}

static void say_how(struct ab_engine *engine)
{
	const char *why = "";
	const char *backend = ab_loop_backend(engine->delivery[0].loop, &why);

	ab_log("anabranch " AB_VERSION ": %d worker%s, %d sink thread%s, %s%s%s%s, kernel %s, records by %s, %zu contents",
	       engine->worker_count, engine->worker_count == 1 ? "" : "s", engine->delivery_count,
	       engine->delivery_count == 1 ? "" : "s", backend, why != NULL && why[0] ? " (io_uring: " : "",
	       why != NULL ? why : "", why != NULL && why[0] ? ")" : "", ab_json_kernel(),
	       ab_source_workers_fetch(engine->config) ? "workers" : "librdkafka",
	       ab_cache_count(engine->feed.cache));
	for (int w = 0; w < engine->worker_count && engine->config->ab_cpus.count > 0; w++) {
		if (engine->worker[w].cpu < 0) {
			ab_log("not every thread could be pinned to the cores of AB_CPUS: the others run where the "
			       "kernel puts them");
			return;
		}
	}
}

static void tend_letters(struct ab_engine *engine)
{
	char words[512];

	if (ab_dead_letters_failed(engine->letters, words, sizeof words))
		ab_engine_fail(engine, AB_EXIT_UNAVAILABLE,
			       "the producer of dead letters has failed for good: %.400s. Restart; nothing is lost",
			       words);
}

void ab_engine_turn(struct ab_engine *engine, int timeout_ms)
{
	int64_t commit_ns = engine->config->checkpoint_interval_ms < COMMIT_INTERVAL_MAX_MS
				? engine->config->checkpoint_interval_ms * AB_NS_PER_MS
				: COMMIT_INTERVAL_MAX_MS * AB_NS_PER_MS;

	ab_source_poll(engine->member, timeout_ms);
	int64_t now_ns = ab_monotonic_ns();
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].own != NULL)
			ab_source_poll(engine->sink[s].own, 0);
	}
	ab_engine_tend_troubles(engine);
	ab_engine_tend_breakers(engine, now_ns);
	ab_engine_tend_sinks(engine, now_ns);
	ab_engine_tend_readers(engine, now_ns);
	if (engine->assigned && !engine->commit_under_way && now_ns >= engine->commit_due_ns) {
		ab_engine_commit(engine, false);
		engine->commit_due_ns = now_ns + commit_ns;
	}
	ab_engine_look(engine, now_ns);
	ab_engine_view_status(engine, now_ns);
}

/* Whether all that was read has been delivered by every sink that runs. */
static bool drained(struct ab_engine *engine)
{
	for (int s = 0; s < engine->sink_count; s++) {
		if (!engine->sink[s].delivery.running)
			continue;
		for (int i = 0; i < engine->partition_count; i++) {
			uint16_t p = engine->partition[i];
			const struct ab_worker_sink *sink = &engine->worker[p % engine->worker_count].sink[s];
			for (uint32_t l = 0; l < sink->lanes; l++) {
				int64_t given = sink->link[l].covered[p];
				if (ab_lane_position(&engine->sink[s].delivery.lane[l].lane, p) < given)
					return false;
			}
		}
	}
	return true;
}

/* Nothing new is read; what was read is delivered, for a limited time; then the last commit. */
void ab_engine_drain(struct ab_engine *engine)
{
	engine->draining = true;
	ab_engine_pause(engine);
	for (int w = 0; w < engine->worker_count; w++) {
		ab_worker_leave(&engine->worker[w]);
		for (int r = 0; r < AB_READERS_MAX; r++)
			ab_worker_clear_reader(&engine->worker[w], r);
	}
	for (int s = 0; s < engine->sink_count; s++)
		ab_delivery_sink_drain(&engine->sink[s].delivery);
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_resume(&engine->delivery[d]);

	/* Who does not own all partitions is not alone. */
	int64_t most_ns = engine->partition_count < engine->partition_total ? HANDOVER_MAX_NS : DRAIN_MAX_NS;
	int64_t end_ns = ab_monotonic_ns() + most_ns;
	while (!drained(engine) && ab_monotonic_ns() < end_ns)
		ab_source_poll(engine->member, 5);
	if (!drained(engine))
		ab_log("not everything could be delivered within %.1f s: the rest is delivered by %s",
		       (double)most_ns / (double)AB_NS_PER_S,
		       most_ns == DRAIN_MAX_NS ? "the next start" : "the engines that take over");
	if (engine->assigned)
		ab_engine_commit(engine, true);
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_resume(&engine->worker[w]);
}

static void stop_threads(struct ab_engine *engine)
{
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_stop(&engine->worker[w]);
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_stop(&engine->delivery[d]);
	engine->stopped = true;
}

static void run_threads(struct ab_engine *engine)
{
	struct ab_http_server *server = ab_http_server_start(
	    engine->config->metrics_host, (int)engine->config->metrics_port,
	    (struct ab_http_page[]){{"/metrics", "text/plain; version=0.0.4", ab_engine_view_metrics, engine, false},
				    {"/readyz", "text/plain", ab_engine_view_ready, engine, false},
				    {"/tap", "application/x-ndjson", ab_engine_tap, engine, true}},
	    3);
	if (server == NULL)
		ab_log("metrics cannot be served on %s:%d: %s; METRICS_PORT changes it", engine->config->metrics_host,
		       (int)engine->config->metrics_port, strerror(errno));
	pin(engine);
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_start(&engine->delivery[d]);
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_start(&engine->worker[w]);
	ab_content_feed_start(&engine->feed, on_content, engine);
	say_how(engine);
	if (ab_engine_open_member(engine)) {
		while (!engine->stop && ab_engine_signals == 0) {
			ab_engine_turn(engine, TICK_MS);
			tend_letters(engine);
		}
		ab_engine_end_code = engine->exit_code;
		if (ab_engine_signals == 0)
			alarm(AB_STOP_MAX_S);	/* as a signal would have set it */
		ab_engine_drain(engine);
	}
	ab_engine_view_summary(engine);
	stop_threads(engine);
	if (server != NULL)
		ab_http_server_stop(server);
	if (engine->member != NULL)
		ab_source_close(engine->member);
}

int ab_engine_run(const struct ab_config *config)
{
	static struct ab_engine engine;
	char error[1024];

	engine.config = config;
	engine.started_ns = ab_monotonic_ns();
	engine.started_ticks = ab_ticks();
	engine.started_wall_ms = ab_wall_ms();
	AB_ASSERT(pthread_mutex_init(&engine.mutex, NULL) == 0);
	if (!find_topic(&engine))
		return engine.exit_code;
	engine.letters = ab_dead_letters_create(config, ab_log_line, error);
	if (engine.letters == NULL) {
		ab_log("%s", error);
		return AB_EXIT_CONFIG;
	}
	if (!ab_content_feed_open(&engine.feed, config, ab_log_line, error)) {
		ab_log("contents: %s", error);
		return AB_EXIT_UNAVAILABLE;
	}
	engine.cores = cores();
	if (ab_engine_create(&engine))
		run_threads(&engine);
	ab_content_feed_close(&engine.feed);
	ab_dead_letters_destroy(engine.letters);
	ab_engine_destroy(&engine);
	return engine.exit_code;
}
