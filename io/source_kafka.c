/* io/source_kafka.c — Kafka as a source, by librdkafka. See source.h.
 *
 * Every partition's queue is forwarded to its worker's queue before the partition is assigned, so that no record ever
 * passes through the control thread. Drained with time-out 0 on an eventfd: a batch call with a time-out would wait for
 * a full batch (PERFORMANCE.md row K-1).
 */
#include "io/source.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "io/kafka_conf.h"

#define DRAIN_MAX      1024
#define COMMIT_WAIT_MS 2000 /* the longest a revoke or a stop waits for its commit */
#define BROKER_WAIT_MS 5000 /* the longest a question to the broker may take */
#define LOOK_INTERVAL_NS (10 * AB_NS_PER_S)

struct ab_source {
	rd_kafka_t *rk;
	struct ab_source_callbacks callbacks;
	char topic[AB_TOPIC_MAX_BYTES + 1];
	bool member;
	bool assigned;
	int worker_count;
	rd_kafka_queue_t *worker[AB_WORKERS_MAX];
	rd_kafka_queue_t *admin;
	int commits_under_way;
	char cluster[128];
	int64_t looked_ns;
	_Atomic int64_t retention_ms;			/* written by control, read by views [S1] */
	_Atomic int64_t log_start[AB_PARTITIONS_MAX];	/* likewise */
};

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

	if (error != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		source->callbacks.on_revoke(source->callbacks.arg);
		rd_kafka_assign(rk, NULL);
		source->assigned = false;
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

static struct ab_source *open_source(const struct ab_config *config, const char *topic, const char *group, bool member,
				     const struct ab_source_callbacks *callbacks, const int *worker_fd,
				     int worker_count, char *error)
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
	for (int w = 0; w < worker_count; w++) {
		static const uint64_t one = 1;
		source->worker[w] = rd_kafka_queue_new(source->rk);
		rd_kafka_queue_io_event_enable(source->worker[w], worker_fd[w], &one, sizeof one);
	}
	return source;
}

struct ab_source *ab_source_open_member(const struct ab_config *config, const struct ab_source_callbacks *callbacks,
					const int *worker_fd, int worker_count, char *error)
{
	struct ab_source *source = open_source(config, config->events_topic, config->group_id, true, callbacks,
					       worker_fd, worker_count, error);
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

struct ab_source *ab_source_open_private(const struct ab_config *config, const char *topic, const char *group,
					 const struct ab_source_callbacks *callbacks, const int *worker_fd,
					 int worker_count, char *error)
{
	return open_source(config, topic, group, false, callbacks, worker_fd, worker_count, error);
}

void ab_source_close(struct ab_source *source)
{
	for (int w = 0; w < source->worker_count; w++)
		rd_kafka_queue_destroy(source->worker[w]);
	rd_kafka_queue_destroy(source->admin);
	rd_kafka_consumer_close(source->rk);
	rd_kafka_destroy(source->rk);
	free(source);
}

static void take_starts(struct ab_source *source, rd_kafka_event_t *event)
{
	size_t count = 0;
	const rd_kafka_ListOffsetsResultInfo_t **info =
	    rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &count);

	for (size_t i = 0; i < count; i++) {
		const rd_kafka_topic_partition_t *one = rd_kafka_ListOffsetsResultInfo_topic_partition(info[i]);
		if (one->err == 0 && one->offset >= 0 && one->partition < AB_PARTITIONS_MAX)
			atomic_store_explicit(&source->log_start[one->partition], one->offset,
					      memory_order_relaxed); /* [S1] */
	}
}

static void take_retention(struct ab_source *source, rd_kafka_event_t *event)
{
	size_t resources = 0, entries = 0;
	const rd_kafka_ConfigResource_t **resource =
	    rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);

	if (resources == 0)
		return;
	const rd_kafka_ConfigEntry_t **entry = rd_kafka_ConfigResource_configs(resource[0], &entries);
	for (size_t i = 0; i < entries; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entry[i]);
		if (strcmp(rd_kafka_ConfigEntry_name(entry[i]), "retention.ms") == 0 && value != NULL)
			atomic_store_explicit(&source->retention_ms, strtoll(value, NULL, 10),
					      memory_order_relaxed); /* [S1] */
	}
}

/* Who may not describe a topic goes without: nothing is said, since nothing depends on it. */
static bool take_look(struct ab_source *source, rd_kafka_event_t *event)
{
	rd_kafka_event_type_t type = rd_kafka_event_type(event);

	if (type != RD_KAFKA_EVENT_LISTOFFSETS_RESULT && type != RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT)
		return false;
	if (rd_kafka_event_error(event) == 0 && type == RD_KAFKA_EVENT_LISTOFFSETS_RESULT)
		take_starts(source, event);
	else if (rd_kafka_event_error(event) == 0)
		take_retention(source, event);
	return true;
}

static void serve_admin(struct ab_source *source)
{
	rd_kafka_event_t *event;

	while ((event = rd_kafka_queue_poll(source->admin, 0)) != NULL) {
		if (!take_look(source, event) && rd_kafka_event_error(event))
			say(source, "a group's mirrored offsets could not be committed",
			    rd_kafka_event_error_string(event));
		rd_kafka_event_destroy(event);
	}
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

bool ab_source_assign(struct ab_source *source, const uint16_t *partition, const int64_t *offset, int count,
		      char *error)
{
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
	rd_kafka_resp_err_t result = rd_kafka_committed(source->rk, list, BROKER_WAIT_MS);
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

int ab_source_partitions(struct ab_source *source)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(source->rk, source->topic, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	int count = -1;

	if (topic == NULL)
		return -1;
	if (rd_kafka_metadata(source->rk, 0, topic, &metadata, BROKER_WAIT_MS) == 0 && metadata->topic_cnt == 1) {
		if (metadata->topics[0].err == 0)
			count = metadata->topics[0].partition_cnt;
		else if (metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			count = 0;
	}
	if (metadata != NULL)
		rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(topic);
	return count;
}

bool ab_source_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next)
{
	return rd_kafka_query_watermark_offsets(source->rk, source->topic, partition, first, next, BROKER_WAIT_MS) == 0;
}

int64_t ab_source_offset_at(struct ab_source *source, uint16_t partition, int64_t time_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t first, next, offset = -1;

	rd_kafka_topic_partition_list_add(list, source->topic, partition)->offset = time_ms;
	if (rd_kafka_offsets_for_times(source->rk, list, BROKER_WAIT_MS) == 0 && list->elems[0].err == 0) {
		offset = list->elems[0].offset;
		if (offset < 0 && ab_source_bounds(source, partition, &first, &next))
			offset = next;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return offset;
}

void ab_source_cached_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next)
{
	if (rd_kafka_get_watermark_offsets(source->rk, source->topic, partition, first, next)) {
		*first = -1;
		*next = -1;
	}
}

void ab_source_look(struct ab_source *source, const uint16_t *partition, int count)
{
	int64_t now_ns = ab_monotonic_ns();

	if (count == 0 || (source->looked_ns != 0 && now_ns - source->looked_ns < LOOK_INTERVAL_NS))
		return;
	source->looked_ns = now_ns;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
	for (int i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, source->topic, partition[i])->offset =
		    RD_KAFKA_OFFSET_SPEC_EARLIEST;
	rd_kafka_ListOffsets(source->rk, list, NULL, source->admin);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_ConfigResource_t *topic = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, source->topic);
	rd_kafka_DescribeConfigs(source->rk, &topic, 1, NULL, source->admin);
	rd_kafka_ConfigResource_destroy(topic);
}

int64_t ab_source_log_start(const struct ab_source *source, uint16_t partition)
{
	return atomic_load_explicit(&source->log_start[partition], memory_order_relaxed); /* [S1] */
}

int64_t ab_source_retention_ms(const struct ab_source *source)
{
	return atomic_load_explicit(&source->retention_ms, memory_order_relaxed); /* [S1] */
}

const char *ab_source_cluster(struct ab_source *source)
{
	if (source->cluster[0] == 0) {
		char *id = rd_kafka_clusterid(source->rk, BROKER_WAIT_MS);
		if (id != NULL)
			snprintf(source->cluster, sizeof source->cluster, "%s", id);
		rd_kafka_mem_free(source->rk, id);
	}
	return source->cluster;
}

size_t ab_source_bytes(const struct ab_config *config, int sources)
{
	(void)config;
	return (size_t)sources * (AB_SOURCE_QUEUE_KBYTES * 1024 + AB_SOURCE_ANSWER_BYTES +
				  AB_SOURCE_QUEUE_RECORDS * AB_SOURCE_OPERATION_BYTES);
}
