/* tests/sim/schedule.c — draws what happens next, for one seed; then lets everything come to rest. See sim.h. */
#include <string.h>

#include "core/worker_step.h"
#include "tests/sim/sim.h"

#define MS INT64_C(1000000)
#define CALM_ROUNDS_MAX 4000

static struct sim_engine *booting;

struct sim_engine *sim_engine_of(const struct ab_engine *engine)
{
	for (int e = 0; e < SIM_ENGINES; e++) {
		if (engine != NULL && sim.engine[e].engine == engine)
			return &sim.engine[e];
	}
	return booting;
}

/* --- an engine's life ---------------------------------------------------------------------------------------------- */

static void learn(struct sim_engine *engine, int content)
{
	static const char *const types[] = {"video", "podcast", "article"};
	const char *type = types[sim_draw(3)];

	enum ab_cache_put_result put = ab_cache_put(engine->cache, sim_content_id(content), type, strlen(type),
						    sim_chance(700), 1 + (int64_t)sim_draw(1000));
	AB_ASSERT(put == AB_CACHE_STORED);
}

/* A cache takes a megabyte, and is emptied as well as made anew. */
static struct ab_cache *an_empty_cache(const struct sim_engine *of)
{
	static struct ab_cache *cache[SIM_ENGINES];
	struct ab_cache **own = &cache[of - sim.engine];

	if (*own == NULL)
		*own = ab_cache_create(64);
	for (int content = 0; content < SIM_CONTENTS; content++)
		ab_cache_delete(*own, sim_content_id(content));
	return *own;
}

static void start(struct sim_engine *of)
{
	struct ab_engine *engine = calloc(1, sizeof *engine);

	AB_ASSERT(engine != NULL);
	booting = of;
	of->engine = engine;
	of->boot++;
	of->frozen = of->dead = of->in_control = of->letters_full = of->several_gaps = false;
	memset(of->watch, 0xff, sizeof of->watch);
	memset(of->told_from, 0, sizeof of->told_from);
	memset(of->told_to, 0, sizeof of->told_to);
	of->cache = an_empty_cache(of);
	for (int content = 0; content < SIM_CONTENTS; content++) {
		if (sim_chance(600))
			learn(of, content);
	}
	sim_trace("engine %td starts", of - sim.engine);
	engine->config = &sim.config;
	engine->cores = sim_chance(500) ? 2 : 4;
	engine->partition_total = sim.partitions;
	engine->feed.cache = of->cache;
	engine->letters = sim_letters_of(of);
	engine->started_ns = sim.now_ns;
	AB_ASSERT(pthread_mutex_init(&engine->mutex, NULL) == 0);
	if (!ab_engine_create(engine) || !ab_engine_open_member(engine))
		sim_fail("an engine does not start");
}

static void end(struct sim_engine *of)
{
	ab_engine_destroy(of->engine);
	pthread_mutex_destroy(&of->engine->mutex);
	free(of->engine);
	of->engine = NULL;
	of->dead = false;
}

void sim_kill(struct sim_engine *of)
{
	sim_trace("engine %td is killed", of - sim.engine);
	sim.tally.crashes++;
	sim_letters_orphan(of->engine->letters);
	sim_group_kill(of);
	end(of);
}

/* --- one action of one thread of an engine; a kill in its middle unwinds to here -------------------------------------- */

enum act { WORKER, DELIVERY, CONTROL, STOP };

static void do_worker(struct ab_engine *engine)
{
	struct ab_worker *worker = &engine->worker[sim_draw((uint32_t)engine->worker_count)];

	if (!worker->pause.standing)
		ab_worker_turn(worker, sim.now_ns);
}

static void do_delivery(struct ab_engine *engine)
{
	struct ab_delivery *delivery = &engine->delivery[sim_draw((uint32_t)engine->delivery_count)];

	if (!delivery->pause.standing)
		ab_delivery_turn(delivery, sim.now_ns);
}

static void do_control(struct sim_engine *of)
{
	of->in_control = true;
	ab_engine_turn(of->engine, 0);
	of->in_control = false;
	if (of->engine->stop)
		sim_fail("engine %td cannot go on (exit code %d)", of - sim.engine, of->engine->exit_code);
}

/* What ab_engine_run() does after a SIGTERM. */
static void do_stop(struct sim_engine *of)
{
	of->in_control = true;
	sim_trace("engine %td stops", of - sim.engine);
	ab_engine_drain(of->engine);
	of->engine->stopped = true;
	sim_letters_orphan(of->engine->letters);
	ab_source_close(of->engine->member);
	end(of);
	of->in_control = false;
}

/* setjmp() and what it guards, apart from what lives across it. */
static bool guarded(struct sim_frame *frame, struct sim_engine *of, enum act what)
{
	if (setjmp(frame->jump) != 0)
		return false;
	switch (what) {
	case WORKER:
		do_worker(of->engine);
		break;
	case DELIVERY:
		do_delivery(of->engine);
		break;
	case CONTROL:
		do_control(of);
		break;
	case STOP:
		do_stop(of);
		break;
	}
	return true;
}

static void act(struct sim_engine *of, enum act what)
{
	struct sim_frame frame;

	if (of->engine == NULL || of->frozen || of->dead || (what >= CONTROL && of->in_control))
		return;
	sim_frame_enter(&frame, of);
	guarded(&frame, of, what);
	sim.frame = frame.outer;
}

/* Those that were killed in the middle of something; not one whose control still stands below us on the stack. */
static void bury(void)
{
	for (int e = 0; e < SIM_ENGINES; e++) {
		struct sim_engine *of = &sim.engine[e];
		bool below = false;
		for (const struct sim_frame *frame = sim.frame; frame != NULL; frame = frame->outer)
			below |= frame->of == of;
		if (of->engine != NULL && of->dead && !below) {
			of->in_control = false;
			sim_kill(of);
		}
	}
}

static void act_beside(void)
{
	struct sim_engine *of = &sim.engine[sim_draw((uint32_t)sim.engines)];
	uint32_t what = sim_draw(10);

	if (what < 3)
		act(of, WORKER);
	else if (what < 6)
		act(of, DELIVERY);
	else if (what < 9)
		sim_wire_step();
	else if (!sim_commit_step())
		sim_letters_step();
	bury();
}

void sim_wait(int64_t ns)
{
	int64_t end_ns = sim.now_ns + ns;
	uint32_t count = sim_draw(5);

	for (uint32_t i = 0; i < count; i++) {
		sim.now_ns += ns / 5;
		act_beside();
		if (sim.frame != NULL && sim.frame->of->dead)
			longjmp(sim.frame->jump, 1);
	}
	if (sim.now_ns < end_ns)
		sim.now_ns = end_ns;
}

/* --- what goes wrong ------------------------------------------------------------------------------------------------ */

static void change_server(void)
{
	static const int percent[] = {0, 0, 0, 10, 40};
	enum sim_sink sink = (enum sim_sink)sim_draw(SIM_SINKS);
	struct sim_server *server = &sim.server[sink];
	uint32_t what = sim_draw(10);

	server->health = what < 2 ? SIM_DOWN : what < 3 ? SIM_SILENT : SIM_UP;
	server->refuse_percent = percent[sim_draw(AB_COUNT(percent))];
	server->item_percent = percent[sim_draw(AB_COUNT(percent))];
	sim_trace("%s is %s, refuses %d %%, of items %d %%", sim_sink_names[sink],
		  server->health == SIM_UP ? "up" : server->health == SIM_DOWN ? "down" : "silent", server->refuse_percent,
		  server->item_percent);
}

static void change_redis(void)
{
	if (!sim.goes_back)
		return;
	if (sim_chance(600)) {
		sim.snapshot = sim.redis;
		return;
	}
	sim_trace("redis goes back to its snapshot");
	sim.tally.rollbacks++;
	sim.redis = sim.snapshot;
	sim.redis.script_known = false;
	sim.server[SIM_REDIS].rolled_back = true;
	if (sim_chance(700))
		sim_wire_cut(SIM_REDIS);	/* else a proxy before it hides the failover */
}

/* Retention: the log begins later, whoever has not read so far. */
static void take_beginning(void)
{
	struct sim_partition *log = &sim.log[sim_draw((uint32_t)sim.partitions)];
	int64_t first = log->produced > 0 ? log->record[sim_draw((uint32_t)log->produced)].offset : 0;

	if (first <= log->first)
		return;
	log->first = first;
	sim_trace("retention: partition %td begins at %lld", log - sim.log, (long long)first);
}

static void go_wrong(void)
{
	struct sim_engine *of = &sim.engine[sim_draw((uint32_t)sim.engines)];
	uint32_t what = sim_draw(100);

	if (sim.retention && sim_chance(30)) {
		take_beginning();
		return;
	}
	if (of->engine == NULL) {
		if (what < 50)
			start(of);
		else if (what < 80)
			sim_group_expire(false);
		return;
	}
	if (what < 8)
		sim_kill(of);
	else if (what < 12)
		act(of, STOP);
	else if (what < 20)
		of->frozen = !of->frozen;
	else if (what < 30)
		sim_group_expire(false);
	else if (what < 60)
		change_server();
	else if (what < 70)
		change_redis();
	else if (what < 80)
		learn(of, (int)sim_draw(SIM_CONTENTS));
	else if (what < 85)
		ab_cache_delete(of->cache, sim_content_id((int)sim_draw(SIM_CONTENTS)));
	else if (what < 90)
		of->letters_full = !of->letters_full;
	else if (of->frozen)
		of->frozen = false;
}

/* --- the log -------------------------------------------------------------------------------------------------------- */

static void produce(int p)
{
	struct sim_partition *log = &sim.log[p];

	if (log->produced == log->count)
		return;
	log->produced++;
	log->next = log->record[log->produced - 1].offset + 1 + sim_draw(2); /* a transaction's marker takes an offset */
	if (log->produced < log->count && log->next > log->record[log->produced].offset)
		log->next = log->record[log->produced].offset;
}

static void make_log(int p, bool sparse)
{
	struct sim_partition *log = &sim.log[p];
	int64_t offset = (int64_t)sim_draw(5);

	log->first = offset;
	log->next = offset;
	log->produced = 0;
	log->count = 3 + (int)sim_draw(SIM_RECORDS - 3);
	log->committed = log->first;
	for (int i = 0; i < log->count; i++) {
		sim_record_make(p, i, offset);
		offset += 1 + (sim_chance(150) ? sim_draw(4) : 0) + (sparse && sim_chance(200) ? sim_draw(90000) : 0);
	}
	struct ab_positions positions = {.fingerprint.offset = -1, .sink_count = SIM_SINKS};
	snprintf(positions.cluster, sizeof positions.cluster, "simulated");
	for (int s = 0; s < SIM_SINKS; s++) {
		static const char *const key[] = {"content_id", "user_id", "id"};
		snprintf(positions.sink[s].sink, sizeof positions.sink[s].sink, "%s", sim_sink_names[s]);
		snprintf(positions.sink[s].key, sizeof positions.sink[s].key, "%s", key[s]);
		positions.sink[s].lanes = sim.lanes[s];
		for (int l = 0; l < sim.lanes[s]; l++)
			positions.sink[s].next[l] = log->first;
	}
	ab_positions_write(&positions, log->first, log->metadata, sizeof log->metadata);
	for (int l = 0; l < SIM_LANES; l++)
		sim.redis.position[l][p] = log->first;
	for (uint32_t some = sim_draw((uint32_t)log->count); some > 0; some--)
		produce(p);
}

/* --- a schedule ------------------------------------------------------------------------------------------------------ */

static void configure(void)
{
	static const int64_t linger_ms[] = {0, 20, 200};
	static struct ab_config defaults;
	struct ab_config *config = &sim.config;

	if (defaults.record_max_bytes == 0)
		ab_config_defaults(&defaults);
	*config = defaults;
	config->record_max_bytes = 2048;
	config->kafka_source_parallelism = 1 + sim_draw(2);
	config->checkpoint_interval_ms = 100 + sim_draw(900);
	config->enrich_on_miss = sim_chance(500) ? AB_ENRICH_WAIT : config->enrich_on_miss;
	config->enrich_wait_ms = 500;
	config->on_lost_data = sim.retention ? AB_LOST_CONTINUE : AB_LOST_STOP;
	config->redis_sink_parallelism = sim.lanes[SIM_REDIS] = 1 + (int)sim_draw(SIM_LANES);
	config->bigquery_sink_parallelism = sim.lanes[SIM_BIGQUERY] = 1 + (int)sim_draw(SIM_LANES);
	config->elasticsearch_sink_parallelism = sim.lanes[SIM_ELASTICSEARCH] = 1 + (int)sim_draw(SIM_LANES);
	config->redis_batch_size = 1 + sim_draw(8);
	config->redis_max_buffer_size = config->redis_batch_size + sim_draw(8);
	config->bigquery_batch_size = 1 + sim_draw(8);
	config->elasticsearch_batch_size = 1 + sim_draw(8);
	config->redis_flush_interval_ms = linger_ms[sim_draw(3)];
	config->bigquery_flush_interval_ms = linger_ms[sim_draw(3)];
	config->elasticsearch_flush_interval_ms = linger_ms[sim_draw(3)];
	config->redis_pool_timeout_ms = 300;
	config->bigquery_connection_timeout_ms = config->elasticsearch_connection_timeout_ms = 300;
	config->bigquery_read_timeout_ms = config->elasticsearch_read_timeout_ms = 500;
}

static void begin(uint64_t seed)
{
	struct sim_tally tally = sim.tally;
	bool trace = sim.trace;

	sim_group_reset();
	memset(&sim, 0, offsetof(struct sim, config));
	memset(&sim.redis, 0, sizeof sim - offsetof(struct sim, redis));
	sim.tally = tally;
	sim.trace = trace;
	sim.seed = sim.random = seed;
	sim.now_ns = 1000 * MS;
	sim_letters_reset();
	sim_wire_reset();
	sim.partitions = 1 + (int)sim_draw(SIM_PARTITIONS);
	sim.engines = sim_chance(500) ? 1 : 2 + (int)sim_draw(SIM_ENGINES - 1);
	sim.only_in_time = sim_chance(300);
	sim.goes_back = sim_chance(300);
	sim.retention = sim_chance(150);
	configure();
	memset(sim.search.version, 0xff, sizeof sim.search.version);
	bool sparse = sim_chance(400);
	for (int p = 0; p < sim.partitions; p++)
		make_log(p, sparse);
	sim.snapshot = sim.redis;
}

static void step(void)
{
	struct sim_engine *of = &sim.engine[sim_draw((uint32_t)sim.engines)];
	uint32_t what = sim_draw(1000);

	sim.steps++;
	sim.now_ns += sim_draw(2000000);
	if (what < 280)
		act(of, WORKER);
	else if (what < 560)
		act(of, DELIVERY);
	else if (what < 800)
		sim_wire_step();
	else if (what < 860)
		act(of, CONTROL);
	else if (what < 885)
		sim_letters_step();
	else if (what < 905)
		sim_commit_step();
	else if (what < 950)
		produce((int)sim_draw((uint32_t)sim.partitions));
	else if (what < 975)
		sim.now_ns += sim_draw(400) * MS;
	else if (sim.faults)
		go_wrong();
	bury();
	if (sim.steps % 8 == 0)
		sim_check_structure(of);
}

/* FLUSHALL: nothing may ever be counted from nothing. */
static void wipe_redis(void)
{
	sim_trace("redis is emptied");
	memset(&sim.redis, 0, sizeof sim.redis);
	memset(sim.redis.position, 0xff, sizeof sim.redis.position);
	sim.server[SIM_REDIS].wiped = sim.server[SIM_REDIS].rolled_back = true;
	sim_wire_cut(SIM_REDIS);
}

/* Nothing goes wrong any more: the servers answer, nobody stands still. But one server may stay dead for now, or Redis
 * may have lost everything. */
static void calm_down(void)
{
	sim_trace("calm");
	sim.faults = false;
	sim.dead = sim_chance(150) ? (int)sim_draw(SIM_SINKS) : -1;
	sim.wiped = sim.dead < 0 && sim_chance(20);
	for (int s = 0; s < SIM_SINKS; s++) {
		sim.server[s].health = SIM_UP;
		sim.server[s].refuse_percent = sim.server[s].item_percent = 0;
	}
	if (sim.dead >= 0)
		sim.server[sim.dead].health = sim_chance(500) ? SIM_DOWN : SIM_SILENT;
	if (sim.wiped)
		wipe_redis();
	for (int e = 0; e < sim.engines; e++) {
		sim.engine[e].frozen = sim.engine[e].letters_full = false;
		if (sim.engine[e].engine == NULL && (e == 0 || sim_chance(300)))
			start(&sim.engine[e]);
	}
	sim_group_expire(true);
	sim_wire_settle();
	for (int p = 0; p < sim.partitions; p++) {
		while (sim.log[p].produced < sim.log[p].count)
			produce(p);
	}
}

/* A Redis that went back has to be met again, even when nothing new comes for it. */
static bool is_all_done(void)
{
	for (int s = 0; s < SIM_SINKS; s++) {
		if (!sim_check_delivered((enum sim_sink)s))
			return false;
	}
	for (int p = 0; p < sim.partitions; p++) {
		if (sim.log[p].committed < sim.log[p].next)
			return false;
	}
	return true;
}

static void round_of_all(void)
{
	for (int e = 0; e < sim.engines; e++) {
		struct sim_engine *of = &sim.engine[e];
		act(of, CONTROL);
		for (int n = 0; n < 4; n++) {
			act(of, WORKER);
			act(of, DELIVERY);
		}
		sim_check_structure(of);
	}
	for (int n = 0; n < 40 && sim_wire_step(); n++)
		;
	while (sim_letters_step())
		;
	sim_commit_step();
}

static void rounds_until(bool (*done)(void), const char *what)
{
	int rounds = 0;

	while (!done()) {
		if (rounds++ == CALM_ROUNDS_MAX)
			sim_fail("%s does not come to an end: committed %lld of %lld in partition 0", what,
				 (long long)sim.log[0].committed, (long long)sim.log[0].next);
		round_of_all();
		sim.steps++;
		sim.now_ns += 20 * MS;
	}
}

/* A dead sink costs the others nothing: they get all there is while it stays dead. */
static bool others_have_all(void)
{
	for (int s = 0; s < SIM_SINKS; s++) {
		if (s != sim.dead && !sim_check_delivered((enum sim_sink)s))
			return false;
	}
	return true;
}

/* Every engine that has partitions has stopped writing to a Redis without positions, and says so. */
static bool redis_is_stopped(void)
{
	bool stopped = true;

	for (int e = 0; e < sim.engines; e++) {
		const struct ab_engine *engine = sim.engine[e].engine;
		if (engine != NULL && engine->partition_count > 0)
			stopped &= engine->sink[SIM_REDIS].state == AB_STATE_STOPPED;
	}
	return stopped && sim_check_delivered(SIM_BIGQUERY) && sim_check_delivered(SIM_ELASTICSEARCH);
}

static void come_to_rest(void)
{
	calm_down();
	if (sim.wiped) {
		rounds_until(redis_is_stopped, "an engine whose Redis was emptied");
		sim_check_wiped();
		return;
	}
	if (sim.dead >= 0) {
		rounds_until(others_have_all, "what has to do without a dead sink");
		sim_trace("%s is back", sim_sink_names[sim.dead]);
		sim.server[sim.dead].health = SIM_UP;
	}
	rounds_until(is_all_done, "it");
	sim_check_end();
}

void sim_run(uint64_t seed)
{
	begin(seed);
	start(&sim.engine[0]);
	sim.faults = true;
	for (uint32_t steps = 120 + sim_draw(600); steps > 0; steps--)
		step();
	sim.tally.steps += (uint64_t)sim.steps;
	come_to_rest();
	sim.trace = false;
	for (int e = 0; e < sim.engines; e++) {
		if (sim.engine[e].engine != NULL)
			sim_kill(&sim.engine[e]);
	}
	sim_wire_reset();
}
