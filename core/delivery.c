/* core/delivery.c — the sink thread's life, and what control may do with it. See delivery.h. */
#include "core/delivery.h"

#include <sched.h>
#include <string.h>

#include "core/clock.h"
#include "core/delivery_lane.h"
#include "core/log.h"
#include "core/worker.h"

/* A record takes about 500 bytes in Elasticsearch's form, 600 in BigQuery's; in Redis' about 70 and at most 200. A
 * batch of larger ones is closed by its bytes. */
#define BATCH_BYTES_PER_SUM    192
#define BATCH_BYTES_PER_ITEM 1024
/* insertAll refuses requests above 10 MB; what it counts is larger than what is sent. */
#define BATCH_BYTES_MAX (8 * 1024 * 1024)
#define RECEIVE_BYTES   (64 * 1024)
#define SLEEP_MAX_NS    AB_NS_PER_S

/* Offsets without records reach Redis with the next batch, or after this. */
#define COVER_LINGER_NS AB_NS_PER_S

struct lane_settings {
	int64_t batch_size, linger_ms, buffer, parallelism, connect_ms, read_ms;
	const char *host;
	int64_t port;
};

static struct lane_settings settings(const struct ab_config *config, const struct ab_sink_ops *ops)
{
	if (strcmp(ops->name, "redis") == 0)
		return (struct lane_settings){config->redis_batch_size,
					      config->redis_flush_interval_ms,
					      config->redis_max_buffer_size,
					      config->redis_sink_parallelism,
					      config->redis_pool_timeout_ms,
					      config->redis_pool_timeout_ms,
					      config->redis_host,
					      config->redis_port};
	if (strcmp(ops->name, "bigquery") == 0)
		return (struct lane_settings){config->bigquery_batch_size,
					      config->bigquery_flush_interval_ms,
					      config->bigquery_max_buffer_size,
					      config->bigquery_sink_parallelism,
					      config->bigquery_connection_timeout_ms,
					      config->bigquery_read_timeout_ms,
					      config->bigquery_host,
					      config->bigquery_port};
	return (struct lane_settings){config->elasticsearch_batch_size,
				      config->elasticsearch_flush_interval_ms,
				      config->elasticsearch_max_buffer_size,
				      config->elasticsearch_sink_parallelism,
				      config->elasticsearch_connection_timeout_ms,
				      config->elasticsearch_read_timeout_ms,
				      config->elasticsearch_host,
				      config->elasticsearch_port};
}

int ab_delivery_lanes(const struct ab_config *config, const struct ab_sink_ops *ops)
{
	return (int)settings(config, ops).parallelism;
}

struct ab_lane_limits ab_delivery_limits(const struct ab_config *config, const struct ab_sink_ops *ops)
{
	struct lane_settings s = settings(config, ops);
	/* Redis' batches merge while one is in flight, since they are added up before they are sent; the others' requests
	 * never have more than their batch size. */
	uint64_t items =
	    ops->stores_positions ? ab_max_u64((uint64_t)s.buffer, (uint64_t)s.batch_size) : (uint64_t)s.batch_size;
	uint64_t bytes = ab_min_u64(items * (ops->stores_positions ? BATCH_BYTES_PER_SUM : BATCH_BYTES_PER_ITEM), BATCH_BYTES_MAX);

	return (struct ab_lane_limits){
	    .batch_size = (uint32_t)s.batch_size,
	    .item_max = (uint32_t)items,
	    .bytes_max = (uint32_t)ab_max_u64(bytes, AB_CHUNK_BYTES),
	    .linger_ns = s.linger_ms * AB_NS_PER_MS,
	    .cover_linger_ns = COVER_LINGER_NS,
	    .stores_positions = ops->stores_positions,
	};
}

size_t ab_delivery_lane_bytes(void)
{
	return sizeof(struct ab_delivery_lane) + RECEIVE_BYTES;
}

void ab_delivery_sink_create(struct ab_delivery_sink *owner, int index, const struct ab_sink_ops *ops,
			     struct ab_sink *sink, const struct ab_config *config)
{
	struct ab_lane_limits limits = ab_delivery_limits(config, ops);

	memset(owner, 0, sizeof *owner);
	owner->ops = ops;
	owner->sink = sink;
	owner->index = index;
	owner->lane_count = ab_delivery_lanes(config, ops);
	owner->lane = ab_take_lines((size_t)owner->lane_count * sizeof owner->lane[0]);
	AB_ASSERT(pthread_mutex_init(&owner->error_mutex, NULL) == 0);
	for (int l = 0; l < owner->lane_count; l++) {
		struct ab_delivery_lane *lane = &owner->lane[l];
		lane->owner = owner;
		lane->index = l;
		limits.jitter_seed = (uint32_t)(index * AB_LANES_MAX + l);
		ab_lane_create(&lane->lane, &limits);
		lane->sink_lane = ops->lane_create(sink, l, limits.item_max, limits.bytes_max);
		AB_ASSERT(lane->sink_lane != NULL);
	}
}

void ab_delivery_sink_destroy(struct ab_delivery_sink *owner)
{
	for (int l = 0; l < owner->lane_count; l++) {
		owner->ops->lane_destroy(owner->lane[l].sink_lane);
		ab_lane_destroy(&owner->lane[l].lane);
	}
	pthread_mutex_destroy(&owner->error_mutex);
	free(owner->lane);
}

void ab_delivery_conn_config(const struct ab_config *config, const struct ab_sink_ops *ops, struct ab_conn_config *to)
{
	struct lane_settings s = settings(config, ops);

	*to = (struct ab_conn_config){
	    .host = s.host,
	    .port = (int)s.port,
	    .connect_timeout_ms = (uint32_t)s.connect_ms,
	    .first_byte_timeout_ms = (uint32_t)s.read_ms,
	    .request_timeout_ms = (uint32_t)(2 * s.read_ms),
	    .receive_bytes = RECEIVE_BYTES,
	};
}

static bool connect_lanes(struct ab_delivery *delivery, struct ab_delivery_sink *owner, char *error)
{
	struct ab_conn_config config;

	ab_delivery_conn_config(delivery->config, owner->ops, &config);
	for (int l = 0; l < owner->lane_count; l++) {
		struct ab_delivery_lane *lane = &owner->lane[l];
		config.jitter_seed = (uint64_t)owner->index * AB_LANES_MAX + (uint64_t)l;
		lane->delivery = delivery;
		lane->greeted = owner->ops->connectionless;
		if (owner->ops->connectionless)
			continue;
		lane->conn = ab_delivery_lane_connect(lane, delivery->loop, &config, error);
		if (lane->conn == NULL)
			return false;
	}
	return true;
}

bool ab_delivery_create(struct ab_delivery *delivery, int index, const struct ab_config *config,
			struct ab_delivery_sink **sink, int sink_count, struct ab_worker *worker, int worker_count,
			struct ab_dead_letters *letters, char *error)
{
	int conns = 0;

	memset(delivery, 0, sizeof *delivery);
	delivery->index = index;
	delivery->cpu = -1;
	delivery->config = config;
	delivery->letters = letters;
	delivery->worker = worker;
	delivery->worker_count = worker_count;
	delivery->sink_count = sink_count;
	for (int s = 0; s < sink_count; s++) {
		delivery->sink[s] = sink[s];
		conns += sink[s]->lane_count;
	}
	ab_pause_create(&delivery->pause);
	delivery->loop = ab_loop_create((enum ab_io_backend)config->io_backend, conns, error);
	if (delivery->loop == NULL)
		return false;
	for (int s = 0; s < sink_count; s++) {
		if (!connect_lanes(delivery, sink[s], error))
			return false;
	}
	return true;
}

void ab_delivery_destroy(struct ab_delivery *delivery)
{
	for (int s = 0; s < delivery->sink_count; s++) {
		for (int l = 0; l < delivery->sink[s]->lane_count; l++) {
			if (delivery->sink[s]->lane[l].conn != NULL)
				ab_conn_destroy(delivery->sink[s]->lane[l].conn);
		}
	}
	if (delivery->loop != NULL)
		ab_loop_destroy(delivery->loop);
	ab_pause_destroy(&delivery->pause);
}

int64_t ab_delivery_turn(struct ab_delivery *delivery, int64_t now_ns)
{
	int64_t due_ns = INT64_MAX;

	for (int s = 0; s < delivery->sink_count; s++) {
		struct ab_delivery_sink *owner = delivery->sink[s];
		for (int l = 0; l < owner->lane_count; l++) {
			ab_delivery_lane_wish(&owner->lane[l]);
			if (owner->running)
				ab_delivery_lane_pump(&owner->lane[l], now_ns, &due_ns);
		}
	}
	return due_ns;
}

static void *run(void *arg)
{
	struct ab_delivery *delivery = arg;
	int64_t now_ns = ab_monotonic_ns();

	while (!atomic_load_explicit(&delivery->stop, memory_order_relaxed)) {
		if (ab_pause_asked(&delivery->pause)) {
			ab_pause_point(&delivery->pause);
			now_ns = ab_monotonic_ns();
		}
		int64_t due_ns = ab_delivery_turn(delivery, now_ns);
		int64_t wait_ns = due_ns == INT64_MAX ? SLEEP_MAX_NS : due_ns - now_ns;
		if (wait_ns > SLEEP_MAX_NS)
			wait_ns = SLEEP_MAX_NS;
		int64_t then_ns = ab_monotonic_ns();
		ab_loop_step(delivery->loop, wait_ns > 0 ? wait_ns : 0);
		/* The loop looks at the clock when its wait is over; what comes then are callbacks. */
		int64_t woken_ns = ab_loop_now_ns(delivery->loop);
		woken_ns = woken_ns > then_ns ? woken_ns : then_ns;
		int64_t end_ns = ab_monotonic_ns();
		ab_count_add(&delivery->idle_ns, (uint64_t)(woken_ns - then_ns));
		ab_count_add(&delivery->busy_ns, (uint64_t)(then_ns - now_ns + end_ns - woken_ns));
		now_ns = end_ns;
	}
	return NULL;
}

void ab_delivery_start(struct ab_delivery *delivery)
{
	char name[16];

	AB_ASSERT(pthread_create(&delivery->thread, NULL, run, delivery) == 0);
	snprintf(name, sizeof name, "ab-sinks-%d", delivery->index);
	pthread_setname_np(delivery->thread, name);
	if (delivery->cpu >= 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET((size_t)delivery->cpu, &set);
		if (pthread_setaffinity_np(delivery->thread, sizeof set, &set) != 0)
			delivery->cpu = -1;
	}
}

static void wake(void *delivery)
{
	ab_loop_wake(((struct ab_delivery *)delivery)->loop);
}

void ab_delivery_stop(struct ab_delivery *delivery)
{
	atomic_store(&delivery->stop, true);
	ab_pause_end(&delivery->pause);
	wake(delivery);
	pthread_join(delivery->thread, NULL);
}

void ab_delivery_pause(struct ab_delivery *delivery)
{
	ab_pause_begin(&delivery->pause, wake, delivery);
}

void ab_delivery_resume(struct ab_delivery *delivery)
{
	ab_pause_end(&delivery->pause);
}

void ab_delivery_sink_reset(struct ab_delivery_sink *owner)
{
	for (int l = 0; l < owner->lane_count; l++) {
		struct ab_delivery_lane *lane = &owner->lane[l];
		owner->ops->lost(lane->sink_lane, NULL, true);
		lane->greeting = false;
		lane->greeted = owner->ops->connectionless;
		/* A request in flight may still be applied: a new connection makes its answer impossible to mistake. */
		lane->wish = AB_WISH_CLOSE;
		ab_lane_reset(&lane->lane);
		lane->lane.draining = false;
	}
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		ab_count_set(&owner->acked[p], 0);
		ab_count_set(&owner->dead[p], 0);
	}
	owner->running = false;
	atomic_store(&owner->call, AB_CALL_NONE);
}

void ab_delivery_sink_run(struct ab_delivery_sink *owner, bool running)
{
	owner->running = running;
	for (int l = 0; l < owner->lane_count; l++) {
		enum ab_conn_wish *wish = &owner->lane[l].wish;
		if (!running)
			*wish = AB_WISH_CLOSE;
		else /* twice before the sink thread came to it: a close that was wished for is still wished for */
			*wish = *wish == AB_WISH_CLOSE || *wish == AB_WISH_REOPEN ? AB_WISH_REOPEN : AB_WISH_OPEN;
	}
}

void ab_delivery_sink_drain(struct ab_delivery_sink *owner)
{
	for (int l = 0; l < owner->lane_count; l++)
		owner->lane[l].lane.draining = true;
}

/* A name may stand for another server by now; one that cannot be looked up keeps its old addresses. */
void ab_delivery_resolve(void *sink)
{
	struct ab_delivery_sink *owner = sink;
	char error[AB_SINK_ERROR_MAX_BYTES];

	if (!atomic_exchange_explicit(&owner->resolve, false, memory_order_relaxed)) /* [D2] */
		return;
	for (int l = 0; l < owner->lane_count; l++) {
		if (owner->lane[l].conn == NULL || ab_conn_resolve(owner->lane[l].conn, error))
			continue;
		ab_log("%s: %s", owner->ops->name, error);
		return; /* they all have the same */
	}
}

void ab_delivery_error(struct ab_delivery_sink *owner, char *to, size_t room)
{
	pthread_mutex_lock(&owner->error_mutex);
	snprintf(to, room, "%s", owner->error);
	pthread_mutex_unlock(&owner->error_mutex);
}

void ab_delivery_set_error(struct ab_delivery_sink *owner, const char *text)
{
	pthread_mutex_lock(&owner->error_mutex);
	snprintf(owner->error, sizeof owner->error, "%s", text);
	pthread_mutex_unlock(&owner->error_mutex);
	ab_count_add(&owner->errors, 1);
	ab_log("%s: %s", owner->ops->name, text);
}
