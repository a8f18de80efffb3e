/* io/source_kafka.c — Kafka as a source: its group, and its records where librdkafka reads them. See source.h.
 *
 * Where workers fetch by themselves, the group is told of an assignment and librdkafka has nothing to read. Where they do
 * not, every partition's queue is forwarded to its worker's queue before the partition is assigned, so that no record ever
 * passes through the control thread; drained with time-out 0 on an eventfd, since a batch call with a time-out would wait for
 * a full batch (PERFORMANCE.md row K-1).
 */
#include "io/source_kafka.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/pages.h"
#include "io/kafka_conf.h"
#include "io/unpack.h"

#define DRAIN_MAX      1024
#define COMMIT_WAIT_MS 2000 /* the longest a revoke or a stop waits for its commit */

static void say(struct ab_source *source, const char *what, const char *text)
{
	char line[AB_SOURCE_ERROR_MAX_BYTES];

	snprintf(line, sizeof line, "kafka: %s%s%s", what, text[0] ? ": " : "", text);
	source->callbacks.on_log(source->callbacks.arg, line);
}

static void log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)facility;
	if (level <= 4) /* warnings and worse */
		say(rd_kafka_opaque(rk), "librdkafka", text);
}

/* Tells that the consumer will never read again. librdkafka says so once, by its error callback or among the records. */
static void tell_fatal(struct ab_source *source)
{
	char text[256] = "";
	bool fenced = rd_kafka_fatal_error(source->rk, text, sizeof text) == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;

	if (source->callbacks.on_fatal != NULL)
		source->callbacks.on_fatal(source->callbacks.arg, fenced, text);
	else
		say(source, "consumer cannot go on", text);
}

static void error_cb(rd_kafka_t *rk, int error, const char *text, void *opaque)
{
	struct ab_source *source = opaque;

	(void)rk;
	if (error == RD_KAFKA_RESP_ERR__FATAL)
		tell_fatal(source);
	else
		say(source, rd_kafka_err2str((rd_kafka_resp_err_t)error), text);
}

static void commit_cb(rd_kafka_t *rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct ab_source *source = opaque;

	(void)rk;
	/* librdkafka calls it an error only when all partitions failed. */
	for (int i = 0; list != NULL && i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		error = list->elems[i].err;
	if (source->commits_under_way > 0)
		source->commits_under_way--;
	if (source->callbacks.on_commit != NULL)
		source->callbacks.on_commit(source->callbacks.arg, error ? rd_kafka_err2str(error) : NULL);
}

static void rebalance_cb(rd_kafka_t *rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct ab_source *source = opaque;
	uint16_t partition[AB_PARTITIONS_MAX];
	int count = 0;

	(void)rk;
	if (error != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		source->callbacks.on_revoke(source->callbacks.arg);
		ab_source_unassign(source);
		return;
	}
	for (int i = 0; i < list->cnt; i++) {
		if (list->elems[i].partition >= AB_PARTITIONS_MAX) {
			say(source, "more partitions than one engine can hold are assigned (128); add engines", "");
			continue;
		}
		partition[count++] = (uint16_t)list->elems[i].partition;
	}
	source->callbacks.on_assign(source->callbacks.arg, partition, count);
}

static rd_kafka_conf_t *configure(struct ab_source *source, const struct ab_config *config, const char *group,
				  char *error)
{
	struct ab_kafka_conf conf = ab_kafka_conf_new(config);
	char client[128];

	snprintf(client, sizeof client, "anabranch%s%s", source->member ? "" : "-reader-", source->member ? "" : group);
	ab_kafka_conf_set(&conf, "client.id", client);
	ab_kafka_conf_set(&conf, "group.id", group);
	ab_kafka_conf_set(&conf, "enable.auto.commit", "false");
	ab_kafka_conf_set(&conf, "enable.auto.offset.store", "false");
	ab_kafka_conf_set(&conf, "auto.offset.reset", "error");
	ab_kafka_conf_set(&conf, "isolation.level", "read_committed");
	ab_kafka_conf_set(&conf, "check.crcs", "true");
	ab_kafka_conf_set(&conf, "enable.partition.eof", "true");
	ab_kafka_conf_set(&conf, "allow.auto.create.topics", "false");
	ab_kafka_conf_set(&conf, "partition.assignment.strategy", "range");
	/* Six seconds is the least a broker accepts by default: a killed engine's partitions are free after that. */
	ab_kafka_conf_set(&conf, "session.timeout.ms", "6000");
	ab_kafka_conf_set(&conf, "heartbeat.interval.ms", "500");
	ab_kafka_conf_set_int(&conf, "queued.min.messages", AB_SOURCE_QUEUE_RECORDS);
	ab_kafka_conf_set_int(&conf, "queued.max.messages.kbytes", AB_SOURCE_QUEUE_KBYTES);
	ab_kafka_conf_set(&conf, "fetch.queue.backoff.ms", "1");
	ab_kafka_conf_set_int(&conf, "fetch.max.bytes", AB_SOURCE_ANSWER_BYTES);
	ab_kafka_conf_set_int(&conf, "fetch.min.bytes", config->kafka_fetch_min_bytes);
	ab_kafka_conf_set_int(&conf, "fetch.wait.max.ms", config->kafka_fetch_max_wait_ms);
	ab_kafka_conf_set_int(&conf, "max.partition.fetch.bytes", config->kafka_max_partition_fetch_bytes);
	ab_kafka_conf_set_int(&conf, "socket.receive.buffer.bytes", config->kafka_receive_buffer_bytes);
	if (source->member && config->instance_id[0])
		ab_kafka_conf_set(&conf, "group.instance.id", config->instance_id);
	ab_kafka_conf_pass_through(&conf, config);
	if (conf.failed) {
		snprintf(error, AB_SOURCE_ERROR_MAX_BYTES, "%s", conf.error);
		rd_kafka_conf_destroy(conf.conf);
		return NULL;
	}
	rd_kafka_conf_set(conf.conf, "log.queue", "true", NULL, 0);
	rd_kafka_conf_set_opaque(conf.conf, source);
	rd_kafka_conf_set_log_cb(conf.conf, log_cb);
	rd_kafka_conf_set_error_cb(conf.conf, error_cb);
	rd_kafka_conf_set_offset_commit_cb(conf.conf, commit_cb);
	if (source->member)
		rd_kafka_conf_set_rebalance_cb(conf.conf, rebalance_cb);
	return conf.conf;
}

/* A KAFKA_CONF_ key is a wish about librdkafka, which might be for TLS or for its fetching: so librdkafka reads then. */
bool ab_source_workers_fetch(const struct ab_config *config)
{
	switch (config->kafka_fetcher) {
	case AB_CONFIG_FETCHER_WORKERS: return true;
	case AB_CONFIG_FETCHER_LIBRDKAFKA: return false;
	case AB_CONFIG_FETCHER_AUTO: break;
	}
	return config->kafka_conf_count == 0;
}

/* A sink that reads by itself is behind, or slow: nobody waits for its last milliseconds, and the others have the cores. Not
 * more of them, though: where it joins the others again they wait for it. */
#define APART_MIN_BYTES (256 * 1024)
#define APART_WAIT_MS 5

static struct ab_fetch_limits fetch_limits(const struct ab_config *config, bool apart)
{
	struct ab_fetch_limits limits = {
	    .wait_ms = (int32_t)config->kafka_fetch_max_wait_ms,
	    .min_bytes = (int32_t)config->kafka_fetch_min_bytes,
	    .max_bytes = AB_FETCH_ANSWER_BYTES,
	    .partition_bytes = (int32_t)config->kafka_max_partition_fetch_bytes,
	};

	if (apart && limits.min_bytes < APART_MIN_BYTES)
		limits.min_bytes = APART_MIN_BYTES;
	if (apart && limits.wait_ms > APART_WAIT_MS)
		limits.wait_ms = APART_WAIT_MS;
	return limits;
}

static struct ab_source *open_source(const struct ab_config *config, const char *topic, const char *group, bool member,
				     bool fetch, const struct ab_source_callbacks *callbacks,
				     struct ab_park *const *park, int worker_count, char *error)
{
	AB_ASSERT(worker_count > 0 && worker_count <= AB_WORKERS_MAX);
	struct ab_source *source = calloc(1, sizeof *source);
	AB_ASSERT(source != NULL);
	source->callbacks = *callbacks;
	source->member = member;
	source->worker_count = worker_count;
	snprintf(source->topic, sizeof source->topic, "%s", topic);
	source->retention_ms = -1;
	for (int p = 0; p < AB_PARTITIONS_MAX; p++)
		source->log_start[p] = -1;

	rd_kafka_conf_t *conf = configure(source, config, group, error);
	if (conf != NULL) {
		source->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, AB_SOURCE_ERROR_MAX_BYTES);
		if (source->rk == NULL)
			rd_kafka_conf_destroy(conf);
	}
	if (source->rk == NULL) {
		free(source);
		return NULL;
	}
	rd_kafka_set_log_queue(source->rk, NULL);
	rd_kafka_poll_set_consumer(source->rk);
	source->admin = rd_kafka_queue_new(source->rk);
	ab_leaders_create(&source->leaders, topic);
	const struct ab_fetch_limits limits = fetch_limits(config, !member);
	for (int w = 0; w < worker_count; w++) {
		static const uint64_t one = 1;
		source->park[w] = park[w];
		source->worker[w] = rd_kafka_queue_new(source->rk);
		if (fetch)
			source->fetcher[w] = ab_fetcher_create(&limits, (int)config->kafka_receive_buffer_bytes,
							&source->leaders, park[w]);
		else
			rd_kafka_queue_io_event_enable(source->worker[w], park[w]->fd, &one, sizeof one);
	}
	return source;
}

struct ab_source *ab_source_open_member(const struct ab_config *config, const struct ab_source_callbacks *callbacks,
					struct ab_park *const *park, int worker_count, char *error)
{
	struct ab_source *source = open_source(config, config->events_topic, config->group_id, true,
					       ab_source_workers_fetch(config), callbacks, park, worker_count, error);
	if (source == NULL)
		return NULL;

	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, source->topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t result = rd_kafka_subscribe(source->rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (result) {
		snprintf(error, AB_SOURCE_ERROR_MAX_BYTES, "subscribe: %s", rd_kafka_err2str(result));
		ab_source_close(source);
		return NULL;
	}
	return source;
}

struct ab_source *ab_source_open_reader(const struct ab_config *config, const char *group,
					const struct ab_source_callbacks *callbacks, struct ab_park *const *park,
					int worker_count, char *error)
{
	return open_source(config, config->events_topic, group, false, ab_source_workers_fetch(config), callbacks, park, worker_count,
			   error);
}

struct ab_source *ab_source_open_private(const struct ab_config *config, const char *topic, const char *group,
					 const struct ab_source_callbacks *callbacks, struct ab_park *park, char *error)
{
	return open_source(config, topic, group, false, false, callbacks, &park, 1, error);
}

void ab_source_close(struct ab_source *source)
{
	for (int w = 0; w < source->worker_count; w++)
		rd_kafka_queue_destroy(source->worker[w]);
	rd_kafka_queue_destroy(source->admin);
	rd_kafka_consumer_close(source->rk);
	rd_kafka_destroy(source->rk);
	for (int w = 0; w < source->worker_count; w++) {
		if (source->fetcher[w] != NULL)
			ab_fetcher_destroy(source->fetcher[w]);
	}
	ab_leaders_destroy(&source->leaders);
	free(source);
}

static bool take_leaders(struct ab_source *source, rd_kafka_event_t *event)
{
	const char *why = NULL;

	switch (ab_leaders_take(&source->leaders, event, &why)) {
	case AB_LEADERS_OTHER: return false;
	case AB_LEADERS_UNKNOWN: say(source, "which brokers lead the topic's partitions is not known", why); break;
	case AB_LEADERS_NEW:
		for (int w = 0; w < source->worker_count; w++)
			ab_park_wake(source->park[w]);
	}
	return true;
}

static void serve_admin(struct ab_source *source)
{
	rd_kafka_event_t *event;

	while ((event = rd_kafka_queue_poll(source->admin, 0)) != NULL) {
		if (!take_leaders(source, event) && !ab_source_take_look(source, event) && rd_kafka_event_error(event))
			say(source, "a group's mirrored offsets could not be committed",
			    rd_kafka_event_error_string(event));
		rd_kafka_event_destroy(event);
	}
	if (source->fetcher[0] != NULL && source->assigned)
		ab_leaders_ask(&source->leaders, source->rk, source->admin);
}

void ab_source_poll(struct ab_source *source, int timeout_ms)
{
	int64_t end_ns = ab_monotonic_ns() + timeout_ms * AB_NS_PER_MS;
	int64_t left_ms;

	serve_admin(source);
	/* librdkafka knows no wait below a millisecond: the last one is not waited for, rather than spun through. */
	do {
		left_ms = (end_ns - ab_monotonic_ns()) / AB_NS_PER_MS;
		rd_kafka_message_t *message = rd_kafka_consumer_poll(source->rk, left_ms > 0 ? (int)left_ms : 0);
		if (message == NULL)
			continue;
		/* Records go to the workers' queues; what comes here are errors of the consumer as a whole. */
		AB_ASSERT(message->err != RD_KAFKA_RESP_ERR_NO_ERROR);
		if (message->err == RD_KAFKA_RESP_ERR__FATAL)
			tell_fatal(source);
		else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
			say(source, rd_kafka_err2str(message->err), rd_kafka_message_errstr(message));
		rd_kafka_message_destroy(message);
	} while (left_ms > 0);
}

static void forward_to_workers(struct ab_source *source, const uint16_t *partition, int count)
{
	for (int i = 0; i < count; i++) {
		rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(source->rk, source->topic, partition[i]);
		AB_ASSERT(queue != NULL);
		rd_kafka_queue_forward(queue, source->worker[partition[i] % source->worker_count]);
		rd_kafka_queue_destroy(queue);
	}
}

/* Each worker's share to its fetcher. */
static void assign_fetchers(struct ab_source *source, const uint16_t *partition, const int64_t *offset, int count)
{
	for (int w = 0; w < source->worker_count; w++) {
		uint16_t mine[AB_PARTITIONS_MAX];
		int64_t from[AB_PARTITIONS_MAX];
		int n = 0;
		for (int i = 0; i < count; i++) {
			if (partition[i] % source->worker_count != w)
				continue;
			mine[n] = partition[i];
			from[n++] = offset[i];
		}
		ab_fetcher_assign(source->fetcher[w], mine, from, n);
	}
}

bool ab_source_assign(struct ab_source *source, const uint16_t *partition, const int64_t *offset, int count,
		      char *error)
{
	if (source->fetcher[0] != NULL) {
		assign_fetchers(source, partition, offset, count);
		count = 0; /* the group has to hear of an assignment, librdkafka has nothing to read */
	}
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

	if (source->assigned)
		rd_kafka_assign(source->rk, NULL);
	for (int i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, source->topic, partition[i])->offset = offset[i];
	forward_to_workers(source, partition, count);
	rd_kafka_resp_err_t result = rd_kafka_assign(source->rk, list);
	/* Stopping the last assignment's fetches clears the forwarding, in librdkafka's thread and after assign(NULL) has
	 * returned: when that came behind the first forwarding, nobody would ever see the partition's records. Now it is
	 * over, since the thread takes one request after the other. */
	forward_to_workers(source, partition, count);
	rd_kafka_topic_partition_list_destroy(list);
	source->assigned = result == RD_KAFKA_RESP_ERR_NO_ERROR;
	if (!source->assigned)
		snprintf(error, AB_SOURCE_ERROR_MAX_BYTES, "assign: %s", rd_kafka_err2str(result));
	return source->assigned;
}

void ab_source_unassign(struct ab_source *source)
{
	if (source->fetcher[0] != NULL)
		assign_fetchers(source, NULL, NULL, 0);
	rd_kafka_assign(source->rk, NULL);
	source->assigned = false;
}

static enum ab_record_kind kind_of(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return AB_RECORD_DATA;
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		return AB_RECORD_END;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
	case RD_KAFKA_RESP_ERR__LOG_TRUNCATION:
	/* librdkafka goes on behind a batch that it cannot read: going on with it would lose the batch. */
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
		return AB_RECORD_LOST;
	default:
		return AB_RECORD_ERROR;
	}
}

int ab_source_drain(struct ab_source *source, int worker, struct ab_source_record *record, int max)
{
	rd_kafka_message_t *message[DRAIN_MAX];

	if (source->fetcher[worker] != NULL)
		return ab_fetcher_drain(source->fetcher[worker], record, max);
	ssize_t count = rd_kafka_consume_batch_queue(source->worker[worker], 0, message,
						     (size_t)(max < DRAIN_MAX ? max : DRAIN_MAX));
	for (ssize_t i = 0; i < count; i++) {
		rd_kafka_message_t *m = message[i];
		record[i] = (struct ab_source_record){
		    .kind = kind_of(m->err),
		    .partition = (uint16_t)m->partition,
		    .offset = m->offset,
		    .handle = m,
		};
		if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
			record[i].error = rd_kafka_message_errstr(m);
			continue;
		}
		record[i].timestamp_ms = rd_kafka_message_timestamp(m, NULL);
		record[i].key = m->key;
		record[i].key_len = m->key_len;
		record[i].value = m->payload;
		record[i].value_len = m->len;
	}
	return count > 0 ? (int)count : 0;
}

void ab_source_release(struct ab_source_record *record)
{
	if (record->handle != NULL)
		rd_kafka_message_destroy(record->handle);
	record->handle = NULL;
}

static rd_kafka_topic_partition_list_t *commit_list(struct ab_source *source, const struct ab_commit *commit, int count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

	for (int i = 0; i < count; i++) {
		rd_kafka_topic_partition_t *one =
		    rd_kafka_topic_partition_list_add(list, source->topic, commit[i].partition);
		one->offset = commit[i].offset;
		if (commit[i].metadata != NULL) {
			one->metadata = strdup(commit[i].metadata); /* freed by librdkafka with the list */
			one->metadata_size = strlen(commit[i].metadata);
		}
	}
	return list;
}

bool ab_source_commit(struct ab_source *source, const struct ab_commit *commit, int count, bool wait)
{
	rd_kafka_topic_partition_list_t *list = commit_list(source, commit, count);
	rd_kafka_resp_err_t result = rd_kafka_commit(source->rk, list, 1);

	rd_kafka_topic_partition_list_destroy(list);
	if (result) {
		say(source, "commit", rd_kafka_err2str(result));
		return false;
	}
	source->commits_under_way++;
	int64_t end_ns = ab_monotonic_ns() + COMMIT_WAIT_MS * AB_NS_PER_MS;
	while (wait && source->commits_under_way > 0 && ab_monotonic_ns() < end_ns)
		ab_source_poll(source, 10);
	return !wait || source->commits_under_way == 0;
}

bool ab_source_committed(struct ab_source *source, struct ab_committed *committed, int count, char *error)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

	for (int i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, source->topic, committed[i].partition);
	rd_kafka_resp_err_t result = rd_kafka_committed(source->rk, list, AB_SOURCE_ANSWER_MAX_MS);
	for (int i = 0; i < list->cnt && result == 0; i++) {
		result = list->elems[i].err;
		committed[i].offset = list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
		committed[i].metadata =
		    strndup(list->elems[i].metadata ? list->elems[i].metadata : "", list->elems[i].metadata_size);
	}
	rd_kafka_topic_partition_list_destroy(list);
	if (result)
		snprintf(error, AB_SOURCE_ERROR_MAX_BYTES, "committed offsets cannot be read: %s",
			 rd_kafka_err2str(result));
	return result == 0;
}

void ab_source_commit_group(struct ab_source *source, const char *group, const struct ab_commit *commit, int count)
{
	rd_kafka_topic_partition_list_t *list = commit_list(source, commit, count);
	rd_kafka_AlterConsumerGroupOffsets_t *request = rd_kafka_AlterConsumerGroupOffsets_new(group, list);

	rd_kafka_AlterConsumerGroupOffsets(source->rk, &request, 1, NULL, source->admin);
	rd_kafka_AlterConsumerGroupOffsets_destroy(request);
	rd_kafka_topic_partition_list_destroy(list);
}

void ab_source_cached_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next)
{
	if (source->fetcher[0] != NULL) {
		ab_fetcher_bounds(source->fetcher[partition % source->worker_count], partition, first, next);
		return;
	}
	if (rd_kafka_get_watermark_offsets(source->rk, source->topic, partition, first, next)) {
		*first = -1;
		*next = -1;
	}
}

size_t ab_source_bytes(const struct ab_config *config, int sinks, int workers)
{
	const size_t queue = AB_SOURCE_QUEUE_KBYTES * 1024 + AB_SOURCE_ANSWER_BYTES +
			     AB_SOURCE_QUEUE_RECORDS * AB_SOURCE_OPERATION_BYTES;
	const size_t one = ab_pages_bytes(AB_FETCH_BUFFER_BYTES) + AB_UNPACK_FIRST_BYTES;
	size_t readers = 1 + (size_t)sinks;

	return queue + readers * (ab_source_workers_fetch(config) ? (size_t)workers * one : queue);
}
