/* monitor/facts_json.c — see facts_json.h. By jansson. */
#include "monitor/facts_json.h"

#include <jansson.h>
#include <math.h>

/* JSON has no NaN and no infinity: what is not known is null, what is beyond the last bucket is said by its own key. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static void put(json_t *object, const char *key, json_t *value)
{
	AB_ASSERT(json_object_set_new(object, key, value) == 0);
}

static json_t *watch_json(const struct ab_watch_state *state)
{
	json_t *object = json_object();

	put(object, "answers", json_boolean(state->answers));
	put(object, "age_s", state->age_ns < 0 ? json_null() : json_real((double)state->age_ns / 1e9));
	put(object, "error", json_string(state->error));
	return object;
}

static json_t *numbers_json(const double *value, int count)
{
	json_t *array = json_array();

	for (int i = 0; i < count; i++)
		AB_ASSERT(json_array_append_new(array, number(value[i])) == 0);
	return array;
}

static json_t *sink_json(const struct ab_facts_sink *sink, int buckets)
{
	const struct {
		const char *key;
		double value;
	} numbers[] = {
	    {"stalled_s", sink->stalled_s},
	    {"given_per_s", sink->given_per_s},
	    {"acked_per_s", sink->acked_per_s},
	    {"bytes_per_s", sink->bytes_per_s},
	    {"requests_per_s", sink->requests_per_s},
	    {"freshness_p50_s", sink->p50_s},
	    {"freshness_p99_s", sink->p99_s},
	    {"request_p99_s", sink->request_p99_s},
	    {"behind_records", sink->behind},
	    {"behind_s", sink->behind_s},
	    {"in_flight_requests", sink->in_flight},
	    {"held_records", sink->held},
	    {"batch_records", sink->batch_records},
	    {"batch_records_max", sink->batch_max},
	    {"retries", sink->retries},
	    {"duplicates", sink->duplicates},
	    {"dead", sink->dead},
	    {"errors", sink->errors},
	    {"errors_in_window", sink->errors_new},
	};
	json_t *object = json_object();

	put(object, "name", json_string(sink->name));
	put(object, "state", json_string(sink->state));
	put(object, "why", json_string(sink->why));
	put(object, "stalled", json_boolean(sink->stalled));
	for (size_t i = 0; i < AB_COUNT(numbers); i++)
		put(object, numbers[i].key, number(numbers[i].value));
	put(object, "freshness_counts", numbers_json(sink->freshness_count, buckets));
	return object;
}

static json_t *partition_json(const struct ab_facts *facts, const struct ab_facts_partition *partition)
{
	json_t *object = json_object(), *sinks = json_object();

	put(object, "partition", json_integer(partition->number));
	put(object, "committed", number(partition->committed));
	put(object, "end", number(partition->end));
	put(object, "lag_records", number(partition->lag));
	put(object, "status", json_string(ab_progress_word(partition->progress)));
	for (int s = 0; s < facts->sink_count; s++)
		put(sinks, facts->sink[s].name, number(partition->sink_lag[s]));
	put(object, "sink_lag_records", sinks);
	return object;
}

static json_t *thread_json(const struct ab_facts_thread *thread)
{
	json_t *object = json_object();

	put(object, "name", json_string(thread->name));
	put(object, "busy", number(thread->busy));
	put(object, "idle", number(thread->idle));
	put(object, "backpressured", number(thread->blocked));
	return object;
}

static json_t *board_json(const struct ab_board *board)
{
	json_t *rows = json_array();

	for (int i = 0; i < board->count; i++) {
		json_t *row = json_object();
		put(row, "name", json_string(board->row[i].name));
		put(row, "score", number(board->row[i].score));
		AB_ASSERT(json_array_append_new(rows, row) == 0);
	}
	return rows;
}

static json_t *neighbours_json(const struct ab_facts *facts)
{
	json_t *object = json_object();
	json_t *postgres = watch_json(&facts->postgres), *connect = watch_json(&facts->connect);
	json_t *kafka = watch_json(&facts->kafka), *redis = watch_json(&facts->redis);

	put(postgres, "changes_per_s", number(facts->rows_per_s));
	put(postgres, "slot_active", json_boolean(facts->postgres_said.slot_active));
	put(postgres, "slot_lag_bytes",
	    facts->postgres.answers ? number(facts->postgres_said.slot_lag_bytes) : json_null());
	put(connect, "connector", json_string(facts->connect_said.connector));
	put(connect, "task", json_string(facts->connect_said.task));
	put(connect, "why", json_string(facts->connect_said.why));
	put(kafka, "brokers", json_integer(facts->kafka_said.brokers));
	put(kafka, "topic_partitions", json_integer(facts->kafka_said.topic_partitions));
	put(redis, "top_by_engagement", board_json(&facts->redis_said.engagement));
	put(redis, "top_by_access", board_json(&facts->redis_said.access));
	put(redis, "top_content", board_json(&facts->redis_said.content));
	put(redis, "last_update", json_string(facts->redis_said.last_update));
	put(object, "postgres", postgres);
	put(object, "connect", connect);
	put(object, "kafka", kafka);
	put(object, "redis", redis);
	return object;
}

static json_t *engine_json(const struct ab_facts *facts)
{
	json_t *object = watch_json(&facts->engine);

	put(object, "version", json_string(facts->version));
	put(object, "uptime_s", number(facts->uptime_s));
	put(object, "cpu_share", number(facts->cpu_share));
	put(object, "resident_bytes", number(facts->rss_bytes));
	put(object, "contents", number(facts->contents));
	put(object, "read_per_s", number(facts->read_per_s));
	put(object, "read_bytes_per_s", number(facts->read_bytes_per_s));
	put(object, "lag_records", number(facts->lag));
	put(object, "freshness_p99_s", number(facts->freshness_p99_s));
	put(object, "freshness_sink", json_string(facts->freshness_sink));
	put(object, "dead_letters", number(facts->dead_letters));
	put(object, "enriched_as_unknown", number(facts->enrich_unknown));
	return object;
}

char *ab_facts_json(const struct ab_facts *facts)
{
	json_t *root = json_object(), *sinks = json_array(), *partitions = json_array(), *threads = json_array();

	int buckets = facts->bound_count > 0 ? facts->bound_count + 1 : 0;
	put(root, "schema_version", json_integer(AB_FACTS_SCHEMA_VERSION));
	put(root, "at_ms", json_integer(facts->wall_ms));
	put(root, "window_s", json_integer(AB_FACTS_WINDOW_S));
	put(root, "health", json_string(ab_health_word(facts->health)));
	put(root, "sentence", json_string(facts->sentence));
	put(root, "bottleneck", json_string(facts->bottleneck));
	put(root, "freshness_bounds_s", numbers_json(facts->bound_s, facts->bound_count));
	put(root, "engine", engine_json(facts));
	put(root, "neighbours", neighbours_json(facts));
	for (int s = 0; s < facts->sink_count; s++)
		AB_ASSERT(json_array_append_new(sinks, sink_json(&facts->sink[s], buckets)) == 0);
	for (int p = 0; p < facts->partition_count; p++)
		AB_ASSERT(json_array_append_new(partitions, partition_json(facts, &facts->partition[p])) == 0);
	for (int t = 0; t < facts->thread_count; t++)
		AB_ASSERT(json_array_append_new(threads, thread_json(&facts->thread[t])) == 0);
	put(root, "sinks", sinks);
	put(root, "partitions", partitions);
	put(root, "threads", threads);
	char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(12));
	AB_ASSERT(text != NULL);
	json_decref(root);
	return text;
}
