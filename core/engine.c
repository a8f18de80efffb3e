/* core/engine.c — start, the control loop, the orderly stop. See engine.h. */
#include "core/engine.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/sinks.h"
#include "monitor/http_server.h"

#define TICK_MS                50
/* Less than what service managers grant between SIGTERM and SIGKILL. */
#define DRAIN_MAX_NS           (10 * AB_NS_PER_S)
#define COMMIT_INTERVAL_MAX_MS 1000
#define TOPIC_WAIT_NS          (2 * AB_NS_PER_S)
/* From here on every sink gets a thread of its own; below it they would only take turns on the same cores. */
#define CORES_FOR_OWN_THREADS 4

volatile sig_atomic_t ab_engine_signals;

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

static int cores(void)
{
	cpu_set_t set;

	/* What we may run on, not what the machine has: containers and taskset say less. */
	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* Waits for the events topic; its partition count decides how many workers there are. */
static bool find_topic(struct ab_engine *engine)
{
	const struct ab_source_callbacks callbacks = {.on_log = ab_engine_source_log, .arg = engine};
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	struct ab_park park;

	ab_park_create(&park);
	struct ab_source *source = ab_source_open_private(engine->config, engine->config->events_topic,
							  engine->config->group_id, &callbacks, &park.fd, 1, error);
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

static bool create_sinks(struct ab_engine *engine)
{
	char error[AB_SINK_ERROR_MAX_BYTES];

	engine->sink = calloc(AB_SINKS_MAX, sizeof engine->sink[0]);
	AB_ASSERT(engine->sink != NULL);
	for (int s = 0; s < ab_sinks_count(engine->config); s++) {
		struct ab_engine_sink *sink = &engine->sink[engine->sink_count];
		sink->ops = ab_sinks_ops(engine->config, s);
		sink->key = ab_sinks_key(engine->config, sink->ops);
		sink->lanes = ab_delivery_lanes(engine->config, sink->ops);
		sink->reader = -1;
		sink->sink = sink->ops->create(engine->config, error);
		if (sink->sink == NULL) {
			ab_engine_fail(engine, AB_EXIT_CONFIG, "%s: %s", sink->ops->name, error);
			return false;
		}
		memset(sink->known.position, 0xff, sizeof sink->known.position);
		ab_delivery_sink_create(&sink->delivery, s, sink->ops, sink->sink, engine->config);
		engine->sink_count++;
	}
	return true;
}

static void create_workers(struct ab_engine *engine)
{
	int count = (int)engine->config->kafka_source_parallelism;

	count = count < engine->partition_total ? count : engine->partition_total;
	count = count < cores() ? count : cores();
	engine->worker_count = count < AB_WORKERS_MAX ? count : AB_WORKERS_MAX;
	engine->worker = ab_take_lines((size_t)engine->worker_count * sizeof engine->worker[0]);
	for (int w = 0; w < engine->worker_count; w++) {
		struct ab_worker *worker = &engine->worker[w];
		ab_worker_create(worker, w, engine->config, engine->feed.cache, engine->letters);
		worker->sink_count = engine->sink_count;
		for (int s = 0; s < engine->sink_count; s++) {
			struct ab_worker_sink *sink = &worker->sink[s];
			struct ab_lane_limits limits = ab_delivery_limits(engine->config, engine->sink[s].ops);
			sink->ops = engine->sink[s].ops;
			sink->sink = engine->sink[s].sink;
			sink->key = engine->sink[s].key;
			sink->lanes = (uint32_t)engine->sink[s].lanes;
			sink->reader = -1;
			/* A quarter of a batch: a batch then comes within a quarter of its size, and never above it. */
			sink->record_max = limits.batch_size / 4 > 0 ? limits.batch_size / 4 : 1;
			for (uint32_t l = 0; l < sink->lanes; l++)
				ab_link_create(&sink->link[l]);
		}
	}
}

static bool create_deliveries(struct ab_engine *engine)
{
	bool own = cores() >= CORES_FOR_OWN_THREADS;
	struct ab_delivery_sink *sinks[AB_SINKS_MAX];
	char error[512];

	engine->delivery_count = own ? engine->sink_count : 1;
	engine->delivery = calloc((size_t)engine->delivery_count, sizeof engine->delivery[0]);
	AB_ASSERT(engine->delivery != NULL);
	for (int s = 0; s < engine->sink_count; s++)
		sinks[s] = &engine->sink[s].delivery;
	for (int d = 0; d < engine->delivery_count; d++) {
		if (!ab_delivery_create(&engine->delivery[d], d, engine->config, own ? &sinks[d] : sinks,
					own ? 1 : engine->sink_count, engine->worker, engine->worker_count,
					engine->letters, error)) {
			ab_engine_fail(engine, AB_EXIT_CONFIG, "%s", error);
			return false;
		}
	}
	for (int w = 0; w < engine->worker_count; w++) {
		for (int s = 0; s < engine->sink_count; s++)
			engine->worker[w].sink[s].loop = engine->delivery[own ? s : 0].loop;
	}
	return true;
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

static bool open_member(struct ab_engine *engine)
{
	const struct ab_source_callbacks callbacks = {
	    .on_assign = ab_engine_on_assign,
	    .on_revoke = ab_engine_on_revoke,
	    .on_commit = on_commit,
	    .on_log = ab_engine_source_log,
	    .arg = engine,
	};
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	int fd[AB_WORKERS_MAX];

	for (int w = 0; w < engine->worker_count; w++)
		fd[w] = engine->worker[w].park.fd;
	engine->member = ab_source_open_member(engine->config, &callbacks, fd, engine->worker_count, error);
	if (engine->member == NULL)
		ab_engine_fail(engine, AB_EXIT_CONFIG, "%s", error);
	return engine->member != NULL;
}

static void say_how(struct ab_engine *engine)
{
	const char *why = "";
	const char *backend = ab_loop_backend(engine->delivery[0].loop, &why);

	ab_log("anabranch " AB_VERSION ": %d worker%s, %d sink thread%s, %s%s%s%s, kernel %s, %zu contents",
	       engine->worker_count, engine->worker_count == 1 ? "" : "s", engine->delivery_count,
	       engine->delivery_count == 1 ? "" : "s", backend, why != NULL && why[0] ? " (io_uring: " : "",
	       why != NULL ? why : "", why != NULL && why[0] ? ")" : "", ab_json_kernel(),
	       ab_cache_count(engine->feed.cache));
	for (int w = 0; w < engine->worker_count && engine->config->ab_cpus.count > 0; w++) {
		if (engine->worker[w].cpu < 0) {
			ab_log("not every thread could be pinned to the cores of AB_CPUS: the others run where the "
			       "kernel puts them");
			return;
		}
	}
}

static void tend_workers(struct ab_engine *engine)
{
	for (int w = 0; w < engine->worker_count; w++) {
		struct ab_worker *worker = &engine->worker[w];
		int what = atomic_load_explicit(&worker->trouble, memory_order_acquire); /* [W1] */
		if (what == AB_TROUBLE_NONE)
			continue;
		const char *reader = worker->reader[worker->trouble_reader].name;
		ab_engine_fail(engine, AB_EXIT_DATA, "partition %d, reader of %s: %s (offset %lld)",
			       worker->trouble_partition, reader,
			       what == AB_TROUBLE_LOST
				   ? "the records from its position on are not in the topic (any more), or damaged there"
				   : "an offset came below one already read: the topic was replaced",
			       (long long)worker->trouble_offset);
		atomic_store(&worker->trouble, AB_TROUBLE_NONE);
	}
}

static void control(struct ab_engine *engine)
{
	int64_t commit_ns = engine->config->checkpoint_interval_ms < COMMIT_INTERVAL_MAX_MS
				? engine->config->checkpoint_interval_ms * AB_NS_PER_MS
				: COMMIT_INTERVAL_MAX_MS * AB_NS_PER_MS;
	int64_t due_ns = 0;

	while (!engine->stop && ab_engine_signals == 0) {
		ab_source_poll(engine->member, TICK_MS);
		int64_t now_ns = ab_monotonic_ns();
		for (int s = 0; s < engine->sink_count; s++) {
			if (engine->sink[s].own != NULL)
				ab_source_poll(engine->sink[s].own, 0);
		}
		tend_workers(engine);
		ab_engine_tend_sinks(engine, now_ns);
		if (engine->assigned && !engine->commit_under_way && now_ns >= due_ns) {
			ab_engine_commit(engine, false);
			due_ns = now_ns + commit_ns;
		}
		ab_engine_view_status(engine, now_ns);
	}
}

/* Whether all that was read has been delivered by every sink that runs. */
static bool drained(struct ab_engine *engine)
{
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].state != AB_STATE_RUNNING || !engine->sink[s].delivery.running)
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

/* Nothing new is read; what was read is delivered, for at most DRAIN_MAX_NS; then the last commit. */
static void drain(struct ab_engine *engine)
{
	engine->draining = true;
	ab_engine_pause(engine);
	for (int w = 0; w < engine->worker_count; w++) {
		for (int r = 0; r < AB_READERS_MAX; r++)
			ab_worker_clear_reader(&engine->worker[w], r);
	}
	for (int s = 0; s < engine->sink_count; s++)
		ab_delivery_sink_drain(&engine->sink[s].delivery);
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_resume(&engine->delivery[d]);

	int64_t end_ns = ab_monotonic_ns() + DRAIN_MAX_NS;
	while (!drained(engine) && ab_monotonic_ns() < end_ns)
		ab_source_poll(engine->member, 5);
	if (!drained(engine))
		ab_log("not everything could be delivered within 10 s: the rest is delivered after the next start");
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

static void destroy(struct ab_engine *engine)
{
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].own != NULL)
			ab_source_close(engine->sink[s].own);
	}
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_destroy(&engine->delivery[d]);
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_destroy(&engine->worker[w]);
	for (int s = 0; s < engine->sink_count; s++) {
		ab_delivery_sink_destroy(&engine->sink[s].delivery);
		engine->sink[s].ops->destroy(engine->sink[s].sink);
	}
	free(engine->delivery);
	free(engine->worker);
	free(engine->sink);
}

static void run_threads(struct ab_engine *engine)
{
	struct ab_http_server *server = ab_http_server_start(
	    engine->config->metrics_host, (int)engine->config->metrics_port,
	    (struct ab_http_page[]){{"/metrics", "text/plain; version=0.0.4", ab_engine_view_metrics, engine},
				    {"/readyz", "text/plain", ab_engine_view_ready, engine}},
	    2);
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
	if (open_member(engine)) {
		control(engine);
		drain(engine);
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
	if (create_sinks(&engine)) {
		create_workers(&engine);
		if (create_deliveries(&engine))
			run_threads(&engine);
		ab_content_feed_close(&engine.feed);
		ab_dead_letters_destroy(engine.letters);
		destroy(&engine);
	}
	return engine.exit_code;
}
