/* verify/verify.c — one run of verify, in the order that verify.h gives the reasons for. */
#include "verify/verify.h"

#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/exit.h"
#include "core/log.h"
#include "verify/run.h"
#include "verify/time.h"

static const char *const names[AB_VERIFY_WHO] = {"postgres", "redis", "bigquery", "elasticsearch"};
static const uint16_t dead_marks[AB_VERIFY_WHO] = {0, AB_MARK_DEAD_REDIS, AB_MARK_DEAD_BIGQUERY,
						   AB_MARK_DEAD_ELASTICSEARCH};

static bool active(const struct ab_verify *run, enum ab_verify_who who)
{
	return run->sink[who].asked && !run->sink[who].failed;
}

/* --- what was asked ------------------------------------------------------------------------------------------------- */

static bool ask_for(struct ab_verify *run, const char *name, size_t len)
{
	for (int who = 0; who < AB_VERIFY_WHO; who++) {
		if (strlen(names[who]) == len && memcmp(names[who], name, len) == 0) {
			run->sink[who].asked = true;
			return true;
		}
	}
	return false;
}

static bool read_sinks(struct ab_verify *run, const char *list)
{
	if (list == NULL) {
		run->sink[AB_VERIFY_POSTGRES].asked = true;
		for (int who = AB_VERIFY_REDIS; who < AB_VERIFY_WHO; who++)
			run->sink[who].asked = ab_config_has_sink(run->config, names[who]);
		return true;
	}
	while (*list) {
		size_t len = strcspn(list, ",");
		if (!ask_for(run, list, len)) {
			fprintf(stderr, "anabranch: --sink %.*s: there are postgres, redis, bigquery, elasticsearch\n",
				(int)len, list);
			return false;
		}
		list += len + (list[len] == ',');
	}
	return true;
}

static bool read_since(struct ab_verify *run, const char *since)
{
	char *end;
	int64_t us;

	if (since == NULL)
		return true;
	run->since_ms = strtoll(since, &end, 10);
	if (end != since && *end == '\0' && run->since_ms > 0)
		return true;
	if (!ab_verify_time_parse(since, strlen(since), &us) || us <= 0) {
		fprintf(stderr,
			"anabranch: --since %s: want a time such as 2026-11-24T10:00:00Z, or milliseconds since 1970\n",
			since);
		return false;
	}
	run->since_ms = us / 1000;
	return true;
}

static bool read_options(struct ab_verify *run, const struct ab_verify_options *options)
{
	for (int who = 0; who < AB_VERIFY_WHO; who++) {
		run->sink[who].name = names[who];
		run->sink[who].examples_max =
		    options->examples < AB_VERIFY_EXAMPLES_MAX ? options->examples : AB_VERIFY_EXAMPLES_MAX;
	}
	run->sink[AB_VERIFY_BIGQUERY].allows_twice = true;
	return read_sinks(run, options->sinks) && read_since(run, options->since);
}

/* --- the log -------------------------------------------------------------------------------------------------------- */

static int say(enum ab_exit code, const char *what, const char *error)
{
	fprintf(stderr, "anabranch: %s: %s\n", what, error);
	return code;
}

/* The engine's positions first: what is below them must be in the sinks that are looked at later. */
static int read_positions(struct ab_verify *run)
{
	char error[AB_SOURCE_ERROR_MAX_BYTES];

	run->ledger.partition_count = run->log.partition_count;
	if (!active(run, AB_VERIFY_BIGQUERY) && !active(run, AB_VERIFY_ELASTICSEARCH))
		return AB_EXIT_OK;
	if (!ab_verify_committed(run->config, run->log.partition_count, &run->committed, error))
		return say(AB_EXIT_UNAVAILABLE, "kafka", error);
	if (active(run, AB_VERIFY_BIGQUERY) && !run->committed.bigquery.known)
		ab_verify_fail(&run->sink[AB_VERIFY_BIGQUERY],
			       "group %s has committed no positions of it: run `anabranch init`",
			       run->config->group_id);
	if (active(run, AB_VERIFY_ELASTICSEARCH) && !run->committed.elasticsearch.known)
		ab_verify_fail(&run->sink[AB_VERIFY_ELASTICSEARCH],
			       "group %s has committed no positions of it: run `anabranch init`",
			       run->config->group_id);
	return AB_EXIT_OK;
}

static void note_time(void *arg, const struct ab_source_record *record)
{
	struct ab_verify *run = arg;

	if (record->timestamp_ms > run->whole_from_ms)
		run->whole_from_ms = record->timestamp_ms;
}

/* Where the log begins and ends. What began before it, by its time alone, is not compared. */
static int read_bounds(struct ab_verify *run)
{
	int64_t first[AB_PARTITIONS_MAX], next[AB_PARTITIONS_MAX], second[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	bool trimmed = false;

	if (!ab_verify_log_bounds(&run->log, first, next, error))
		return say(AB_EXIT_UNAVAILABLE, "kafka", error);
	for (int p = 0; p < run->log.partition_count; p++) {
		second[p] = first[p];
		if (first[p] > 0 && first[p] < next[p]) {
			second[p] = first[p] + 1;
			trimmed = true;
		}
	}
	/* The first record of each partition whose beginning is gone tells from when on all of it is there. */
	if (trimmed && !ab_verify_log_read(&run->log, first, second, note_time, run, "kafka: first records", error))
		return say(AB_EXIT_UNAVAILABLE, "kafka", error);
	if (run->since_ms > run->whole_from_ms)
		run->whole_from_ms = run->since_ms;
	for (int p = 0; p < run->log.partition_count; p++) {
		int64_t since =
		    run->since_ms > 0 ? ab_source_offset_at(run->log.source, (uint16_t)p, run->since_ms) : first[p];
		if (since < 0)
			return say(AB_EXIT_UNAVAILABLE, "kafka", "the offsets of --since are not known");
		run->ledger.partition[p].first = since > first[p] ? since : first[p];
		run->ledger.partition[p].next = next[p] > since ? next[p] : run->ledger.partition[p].first;
	}
	return AB_EXIT_OK;
}

static size_t memory_there(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	size_t kib = 0;

	while (file != NULL && fgets(line, sizeof line, file)) {
		if (sscanf(line, "MemAvailable: %zu kB", &kib) == 1)
			break;
	}
	if (file != NULL)
		fclose(file);
	return kib > 0 ? kib * 1024 : SIZE_MAX;
}

static int take_memory(struct ab_verify *run)
{
	int64_t records = 0;
	int tables =
	    active(run, AB_VERIFY_POSTGRES) + active(run, AB_VERIFY_BIGQUERY) + active(run, AB_VERIFY_ELASTICSEARCH);
	char words[200];

	for (int p = 0; p < run->ledger.partition_count; p++)
		records += run->ledger.partition[p].next - run->ledger.partition[p].first;
	size_t bytes = ab_verify_ledger_bytes(records, tables);
	fprintf(stderr, "%" PRId64 " records to look at, %zu MB of memory for them\n", records, bytes / 1000000);
	if (bytes > memory_there()) {
		snprintf(words, sizeof words,
			 "that is more than this machine has left: narrow it by --since, or one --sink at a time");
		return say(AB_EXIT_UNAVAILABLE, "memory", words);
	}
	ab_verify_ledger_create(&run->ledger);
	if (active(run, AB_VERIFY_POSTGRES))
		ab_verify_table_create(&run->rows, records, false);
	if (active(run, AB_VERIFY_BIGQUERY))
		ab_verify_table_create(&run->view, records, false);
	if (active(run, AB_VERIFY_ELASTICSEARCH))
		ab_verify_table_create(&run->documents, records, true);
	return AB_EXIT_OK;
}

/* --- dead letters, contents, events --------------------------------------------------------------------------------- */

static uint16_t marks_of_letter(const char *sink, size_t len)
{
	if (len == 3 && memcmp(sink, "all", 3) == 0)
		return AB_MARK_DEAD_REDIS | AB_MARK_DEAD_BIGQUERY | AB_MARK_DEAD_ELASTICSEARCH;
	for (int who = 0; who < AB_VERIFY_WHO; who++) {
		if (strlen(names[who]) == len && memcmp(names[who], sink, len) == 0)
			return dead_marks[who];
	}
	return 0;
}

/* key: <sink>/<topic>/<partition>/<offset> */
static void on_letter(void *arg, const struct ab_source_record *record)
{
	struct ab_verify *run = arg;
	char key[512], topic[256];
	int sink_len = 0, p;
	int64_t offset;

	if (record->key == NULL || record->key_len >= sizeof key)
		return;
	memcpy(key, record->key, record->key_len);
	key[record->key_len] = '\0';
	if (sscanf(key, "%*[^/]%n/%255[^/]/%d/%" SCNd64, &sink_len, topic, &p, &offset) != 3 ||
	    strcmp(topic, run->config->events_topic) != 0)
		return;
	uint16_t *mark = ab_verify_mark(&run->ledger, p, offset);
	run->letters++;
	if (mark != NULL)
		*mark |= marks_of_letter(key, (size_t)sink_len);
}

static void on_content(void *arg, const struct ab_source_record *record)
{
	struct ab_verify *run = arg;
	struct ab_verify_content_row row;

	if (ab_verify_decode_content(&run->decoder, record->value, record->value_len, &row) == AB_VERIFY_EVENT)
		ab_verify_contents_change(run->contents, &row, record->timestamp_ms);
}

/* All of another topic; one that does not exist has nothing in it. */
static int read_topic(struct ab_verify *run, const char *topic, ab_verify_on_record *on_record, const char *what)
{
	int64_t first[AB_PARTITIONS_MAX], next[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES], group[256];
	struct ab_verify_log log;

	snprintf(group, sizeof group, "%.200s.verify", run->config->group_id);
	if (!ab_verify_log_open(&log, run->config, topic, group, error))
		return say(AB_EXIT_UNAVAILABLE, "kafka", error);
	bool read = ab_verify_log_bounds(&log, first, next, error) &&
		    ab_verify_log_read(&log, first, next, on_record, run, what, error);
	ab_verify_log_close(&log);
	return read ? AB_EXIT_OK : say(AB_EXIT_UNAVAILABLE, topic, error);
}

static uint16_t op_marks(char op)
{
	return op == 'c'   ? AB_MARK_COUNTED
	       : op == 'r' ? AB_MARK_COUNTED | AB_MARK_READ
	       : op == 'u' ? AB_MARK_UPDATE
			   : AB_MARK_DELETE;
}

static void expect_event(struct ab_verify *run, struct ab_verify_event *event, uint16_t *mark)
{
	struct ab_verify_partition *partition = &run->ledger.partition[event->partition];
	int64_t i = event->offset - partition->first;

	*mark |= AB_MARK_EVENT | op_marks(event->op);
	partition->digest[i] = ab_verify_event_digest(event);
	partition->micros[i] = ab_verify_micros(event->event_us);
	partition->lsn[i] = ab_verify_lsn_hash(event);
	partition->time_ms[i] = event->kafka_ts_ms;
	if (active(run, AB_VERIFY_POSTGRES))
		ab_verify_postgres_expect(run, event);
	if (active(run, AB_VERIFY_BIGQUERY))
		ab_verify_bigquery_expect(run, event, mark);
	if (active(run, AB_VERIFY_ELASTICSEARCH))
		ab_verify_elasticsearch_expect(run, event, mark);
	if (active(run, AB_VERIFY_REDIS) && *mark & AB_MARK_COUNTED && !(*mark & AB_MARK_DEAD_REDIS))
		ab_verify_redis_expect(&run->redis, &run->sink[AB_VERIFY_REDIS], run->contents, event);
}

static void on_event(void *arg, const struct ab_source_record *record)
{
	struct ab_verify *run = arg;
	struct ab_verify_event event;
	uint16_t *mark = ab_verify_mark(&run->ledger, record->partition, record->offset);

	AB_ASSERT(mark != NULL);
	switch (ab_verify_decode(&run->decoder, record->value, record->value_len, &event)) {
	case AB_VERIFY_EVENT:
		event.partition = record->partition;
		event.offset = record->offset;
		event.kafka_ts_ms = record->timestamp_ms;
		expect_event(run, &event, mark);
		return;
	case AB_VERIFY_BAD:
		*mark |= AB_MARK_BAD;
		return;
	case AB_VERIFY_NOTHING:
		return;
	}
}

static int read_log(struct ab_verify *run)
{
	int64_t from[AB_PARTITIONS_MAX], to[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	int result = read_topic(run, run->config->dead_letter_topic, on_letter, "kafka: dead letters");

	if (result == AB_EXIT_OK)
		result = read_topic(run, run->config->content_topic, on_content, "kafka: contents");
	if (result != AB_EXIT_OK)
		return result;
	if (!run->sink[AB_VERIFY_POSTGRES].failed)
		ab_verify_postgres_contents(run);
	else if (ab_verify_contents_count(run->contents) == 0)
		return say(AB_EXIT_UNAVAILABLE, "contents", "neither PostgreSQL nor the content topic has any");
	run->redis.whole_minute = run->whole_from_ms > 0 ? ab_verify_minute(run->whole_from_ms * 1000) + 1 : INT64_MIN;
	for (int p = 0; p < run->ledger.partition_count; p++) {
		from[p] = run->ledger.partition[p].first;
		to[p] = run->ledger.partition[p].next;
	}
	if (!ab_verify_log_read(&run->log, from, to, on_event, run, "kafka: events", error))
		return say(AB_EXIT_UNAVAILABLE, "kafka", error);
	return AB_EXIT_OK;
}

/* --- examples ------------------------------------------------------------------------------------------------------- */

struct reread {
	struct ab_verify *run;
	struct ab_verify_event event;
	enum ab_verify_record is;
};

static void on_reread(void *arg, const struct ab_source_record *record)
{
	struct reread *reread = arg;

	reread->is = ab_verify_decode(&reread->run->decoder, record->value, record->value_len, &reread->event);
	reread->event.partition = record->partition;
	reread->event.offset = record->offset;
	reread->event.kafka_ts_ms = record->timestamp_ms;
}

const struct ab_verify_event *ab_verify_reread(struct ab_verify *run, int partition, int64_t offset)
{
	static struct reread reread;
	int64_t from[AB_PARTITIONS_MAX] = {0}, to[AB_PARTITIONS_MAX] = {0};
	char error[AB_SOURCE_ERROR_MAX_BYTES];

	reread = (struct reread){.run = run, .is = AB_VERIFY_NOTHING};
	run->decoder.why[0] = '\0';
	from[partition] = offset;
	to[partition] = offset + 1;
	if (!ab_verify_log_read(&run->log, from, to, on_reread, &reread, "kafka: an example", error))
		return NULL;
	return reread.is == AB_VERIFY_EVENT ? &reread.event : NULL;
}

static bool same_text(struct ab_text a, struct ab_text b)
{
	return (a.at == NULL) == (b.at == NULL) && a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

const char *ab_verify_difference(const struct ab_verify_event *is, const struct ab_verify_event *wanted, bool micros,
				 char *to, size_t room)
{
	const struct {
		const char *name;
		struct ab_text is, wanted;
	} text[] = {{"content_id", is->content_id, wanted->content_id},
		    {"user_id", is->user_id, wanted->user_id},
		    {"event_type", is->event_type, wanted->event_type},
		    {"device", is->device, wanted->device}};
	char a[AB_VERIFY_TIME_BYTES], b[AB_VERIFY_TIME_BYTES];

	for (size_t i = 0; i < AB_COUNT(text); i++) {
		if (same_text(text[i].is, text[i].wanted))
			continue;
		snprintf(to, room, "%s is %.*s, not %.*s", text[i].name,
			 text[i].is.at ? (int)ab_min_u64(text[i].is.len, 80) : 4,
			 text[i].is.at ? text[i].is.at : "null",
			 text[i].wanted.at ? (int)ab_min_u64(text[i].wanted.len, 80) : 4,
			 text[i].wanted.at ? text[i].wanted.at : "null");
		return to;
	}
	if (is->id != wanted->id)
		snprintf(to, room, "id is %" PRId64 ", not %" PRId64, is->id, wanted->id);
	else if (is->has_duration != wanted->has_duration || is->duration_ms != wanted->duration_ms)
		snprintf(to, room, "duration_ms is %" PRId64 "%s, not %" PRId64 "%s", is->duration_ms,
			 is->has_duration ? "" : " (null)", wanted->duration_ms, wanted->has_duration ? "" : " (null)");
	else if (ab_verify_second(is->event_us) != ab_verify_second(wanted->event_us) ||
		 (micros && is->event_us != wanted->event_us))
		snprintf(to, room, "the time is %s.%06u, not %s.%06u", ab_verify_datetime_text(a, is->event_us),
			 ab_verify_micros(is->event_us), ab_verify_datetime_text(b, wanted->event_us),
			 ab_verify_micros(wanted->event_us));
	else if ((is->op == 'd') != (wanted->op == 'd'))
		snprintf(to, room, "deleted is %s", is->op == 'd' ? "true" : "false");
	else if (micros && is->kafka_ts_ms != wanted->kafka_ts_ms)
		snprintf(to, room, "processing_time is not the record's time");
	else if (is->has_lsn != wanted->has_lsn || is->lsn != wanted->lsn)
		snprintf(to, room, "version is %" PRId64 ", not %" PRId64, is->lsn, wanted->lsn);
	return to;
}

/* --- comparing ------------------------------------------------------------------------------------------------------ */

/* Records that a sink can only have rejected: each must be among the dead letters once the sink has passed it. */
static void look_for_lost_letters(struct ab_verify *run, enum ab_verify_who who,
				  const struct ab_verify_positions *positions)
{
	uint16_t hopeless = AB_MARK_BAD | (who == AB_VERIFY_ELASTICSEARCH ? AB_MARK_NO_DOCUMENT : 0);

	for (int p = 0; p < run->ledger.partition_count; p++) {
		const struct ab_verify_partition *partition = &run->ledger.partition[p];
		int64_t least = ab_verify_positions_least(positions, p);
		for (int64_t i = 0; i < partition->next - partition->first; i++) {
			uint16_t *mark = &partition->mark[i];
			int64_t offset = partition->first + i;
			if (!(*mark & hopeless) || *mark & dead_marks[who] || offset >= least)
				continue;
			*mark |= AB_MARK_LOST;
			run->sink[who].expected++;
			if (ab_verify_wants_example(&run->sink[who], AB_VERIFY_LOST))
				ab_verify_reread(run, p, offset);
			ab_verify_found(&run->sink[who], AB_VERIFY_LOST,
					"partition %d offset %" PRId64
					": it cannot be delivered (%.160s), and there is no dead letter of it",
					p, offset, *mark & AB_MARK_BAD ? run->decoder.why : "no LSN");
		}
	}
}

static void finish(struct ab_verify *run, enum ab_verify_who who, const struct ab_verify_positions *positions)
{
	struct ab_verify_sink *sink = &run->sink[who];

	if (positions != NULL)
		look_for_lost_letters(run, who, positions);
	if (dead_marks[who] != 0)
		sink->dead = ab_verify_ledger_count(&run->ledger, dead_marks[who], 0);
	ab_verify_ranges(sink, &run->ledger);
	ab_verify_ledger_clear(&run->ledger, AB_MARKS_OF_A_SINK);
}

static void compare(struct ab_verify *run)
{
	if (active(run, AB_VERIFY_REDIS)) {
		struct ab_verify_positions positions = run->redis.positions; /* boards may read newer ones */
		ab_verify_redis_compare(&run->redis, run->config, &run->sink[AB_VERIFY_REDIS], run->contents);
		finish(run, AB_VERIFY_REDIS, &positions);
	}
	if (active(run, AB_VERIFY_BIGQUERY)) {
		ab_verify_bigquery_compare(run);
		run->sink[AB_VERIFY_BIGQUERY].in_flight =
		    ab_verify_ledger_count(&run->ledger, AB_MARK_EVENT, AB_MARK_DUE_BIGQUERY | AB_MARK_DEAD_BIGQUERY);
		finish(run, AB_VERIFY_BIGQUERY, &run->committed.bigquery);
	}
	if (active(run, AB_VERIFY_ELASTICSEARCH)) {
		ab_verify_elasticsearch_compare(run);
		run->sink[AB_VERIFY_ELASTICSEARCH].in_flight = ab_verify_ledger_count(
		    &run->ledger, AB_MARK_EVENT, AB_MARK_DUE_ELASTICSEARCH | AB_MARK_DEAD_ELASTICSEARCH);
		finish(run, AB_VERIFY_ELASTICSEARCH, &run->committed.elasticsearch);
	}
	if (active(run, AB_VERIFY_POSTGRES)) {
		ab_verify_postgres_compare(run);
		finish(run, AB_VERIFY_POSTGRES, NULL);
	}
}

static int run_steps(struct ab_verify *run)
{
	int result = read_positions(run);

	if (result != AB_EXIT_OK)
		return result;
	if (active(run, AB_VERIFY_REDIS))
		ab_verify_redis_begin(&run->redis, run->config, &run->sink[AB_VERIFY_REDIS]);
	if (active(run, AB_VERIFY_ELASTICSEARCH))
		ab_verify_elasticsearch_begin(run);
	ab_verify_postgres_begin(run); /* its contents are needed in any case */
	if (run->sink[AB_VERIFY_POSTGRES].failed && !run->sink[AB_VERIFY_POSTGRES].asked)
		fprintf(stderr, "postgres: %s: contents are taken from the topic alone\n",
			run->sink[AB_VERIFY_POSTGRES].error);
	result = read_bounds(run);
	if (result == AB_EXIT_OK)
		result = take_memory(run);
	if (result == AB_EXIT_OK)
		result = read_log(run);
	if (result == AB_EXIT_OK)
		compare(run);
	return result;
}

static int verdict(const struct ab_verify *run)
{
	int result = AB_EXIT_OK;

	for (int who = 0; who < AB_VERIFY_WHO; who++) {
		const struct ab_verify_sink *sink = &run->sink[who];
		if (!sink->asked || ab_verify_agrees(sink))
			continue;
		if (!sink->failed)
			return AB_EXIT_PROBLEMS;
		result = AB_EXIT_UNAVAILABLE;
	}
	return result;
}

static void clean_up(struct ab_verify *run)
{
	ab_verify_elasticsearch_end(run);
	ab_verify_postgres_end(run);
	ab_verify_redis_end(&run->redis);
	ab_verify_table_destroy(&run->documents);
	ab_verify_table_destroy(&run->view);
	ab_verify_table_destroy(&run->rows);
	ab_verify_ledger_destroy(&run->ledger);
	ab_verify_contents_destroy(run->contents);
	ab_verify_decoder_destroy(&run->decoder);
	for (int who = 0; who < AB_VERIFY_WHO; who++)
		ab_verify_sink_free(&run->sink[who]);
}

int ab_verify_run(const struct ab_config *config, const struct ab_verify_options *options)
{
	static struct ab_verify run;
	char error[AB_SOURCE_ERROR_MAX_BYTES], group[256];
	int64_t begin_ns = ab_monotonic_ns();

	run = (struct ab_verify){.config = config};
	if (!read_options(&run, options))
		return AB_EXIT_USAGE;
	snprintf(group, sizeof group, "%.200s.verify", config->group_id);
	if (!ab_verify_log_open(&run.log, config, config->events_topic, group, error))
		return say(AB_EXIT_UNAVAILABLE, "kafka", error);
	if (run.log.partition_count == 0) {
		ab_verify_log_close(&run.log);
		return say(AB_EXIT_UNAVAILABLE, config->events_topic, "there is no such topic");
	}
	AB_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	run.contents = ab_verify_contents_create();
	ab_verify_decoder_create(&run.decoder, (size_t)config->record_max_bytes);
	int result = run_steps(&run);
	if (result == AB_EXIT_OK) {
		const struct ab_verify_report report = {.topic = config->events_topic,
							.ledger = &run.ledger,
							.contents = ab_verify_contents_count(run.contents),
							.letters = run.letters,
							.seconds = (double)(ab_monotonic_ns() - begin_ns) / 1e9,
							.sink_count = AB_VERIFY_WHO,
							.sink = run.sink};
		(options->json ? ab_verify_print_json : ab_verify_print)(&report, stdout);
		result = verdict(&run);
	}
	ab_verify_log_close(&run.log);
	clean_up(&run);
	return result;
}
