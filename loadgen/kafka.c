/* loadgen/kafka.c — see kafka.h for what is written. */
#include "loadgen/kafka.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "loadgen/clock.h"
#include "loadgen/random.h"

#define TRANSACTION_TIMEOUT_MS 60000
#define METADATA_TIMEOUT_MS 10000

static enum ab_target_result fail(struct ab_kafka *k, enum ab_target_result result, const char *format, ...)
	AB_PRINTF(3, 4);

static enum ab_target_result fail(struct ab_kafka *k, enum ab_target_result result, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(k->error, sizeof k->error, format, args);
	va_end(args);
	return result;
}

static enum ab_target_result unreachable(struct ab_kafka *k, const char *what, const char *why)
{
	return fail(k, AB_TARGET_UNREACHABLE,
		"Kafka: %s: %s\n  What to do: start it and create the topic, or correct KAFKA_BOOTSTRAP_SERVERS or EVENTS_TOPIC",
		what, why);
}

static void delivered(rd_kafka_t *producer, const rd_kafka_message_t *message, void *arg)
{
	struct ab_kafka *k = arg;
	struct ab_kafka_ref *ref = message->_private;
	int64_t now = ab_lg_now_ns();
	(void)producer;
	k->in_flight--;
	ref->left--;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (k->failed++ == 0)
			(void)fail(k, AB_TARGET_UNREACHABLE, "Kafka: records did not reach topic %s: %s",
				rd_kafka_topic_name(message->rkt), rd_kafka_err2str(message->err));
		return;
	}
	ref->report->acked[ref->kind]++;
	ab_latency_add(&ref->report->commit, now - ref->meant_ns, 1);
	ab_latency_add(&ref->report->service, now - ref->sent_ns, 1);
	k->last_ack_ns = now;
	if (ref->is_mark && k->take_mark != NULL) {
		ref->mark.commit_ns = now;
		k->take_mark(k->take_mark_arg, &ref->mark);
	}
}

static enum ab_target_result configure(struct ab_kafka *k, rd_kafka_conf_t *conf, const struct ab_settings *settings,
	int paced)
{
	char queue[16], id[64];
	snprintf(queue, sizeof queue, "%d", AB_KAFKA_QUEUE + AB_PLAN_BATCH_ROWS_MAX);
	snprintf(id, sizeof id, "anabranch-loadgen-%ld", (long)getpid());
	const char *const pairs[][2] = {{"bootstrap.servers", settings->brokers}, {"client.id", "anabranch-loadgen"},
		{"enable.idempotence", "true"}, {"linger.ms", paced ? "1" : "20"}, {"batch.size", "1000000"},
		{"message.max.bytes", "16000000"}, {"queue.buffering.max.messages", queue},
		{"partitioner", "murmur2_random"}, {"transactional.id", k->transaction_records > 0 ? id : NULL}};
	for (size_t i = 0; i < AB_COUNT(pairs); i++) {
		char error[256];
		if (pairs[i][1] != NULL &&
			rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], error, sizeof error) != RD_KAFKA_CONF_OK)
			return unreachable(k, pairs[i][0], error);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set_opaque(conf, k);
	return AB_TARGET_OK;
}

static enum ab_target_result transaction(struct ab_kafka *k, rd_kafka_error_t *error)
{
	if (error == NULL)
		return AB_TARGET_OK;
	enum ab_target_result result = unreachable(k, "transaction", rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return result;
}

static enum ab_target_result look_for_topic(struct ab_kafka *k, const struct ab_settings *settings)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t err = rd_kafka_metadata(k->producer, 0, k->topic, &metadata, METADATA_TIMEOUT_MS);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return unreachable(k, settings->brokers, rd_kafka_err2str(err));
	err = metadata->topics[0].err;
	rd_kafka_metadata_destroy(metadata);
	return err == RD_KAFKA_RESP_ERR_NO_ERROR ? AB_TARGET_OK
						 : unreachable(k, settings->topic, rd_kafka_err2str(err));
}

static void take_memory(struct ab_kafka *k)
{
	uint32_t payload = k->source->payload_bytes;
	k->refs = calloc(AB_KAFKA_REFS, sizeof *k->refs);
	k->value_room = AB_DEBEZIUM_VALUE_MAX_BYTES(ab_max_u64(payload, AB_GEN_PAYLOAD_PLAIN_BYTES));
	k->value = malloc(k->value_room);
	AB_ASSERT(k->refs != NULL && k->value != NULL);
}

enum ab_target_result ab_kafka_open(struct ab_kafka *k, const struct ab_settings *settings,
	const struct ab_arguments *a, const struct ab_gen_source *source)
{
	char error[256];
	*k = (struct ab_kafka){.source = source, .shape = a->shape, .poison_ppm = a->poison_ppm,
		.transaction_records = a->transaction_records};
	ab_changes_open(&k->changes, source, (int64_t)a->first_id, a->event_ts_us,
		a->event_ts_fixed ? a->event_ts_step_us : -1);
	take_memory(k);
	k->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	AB_ASSERT(k->wake_fd >= 0);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	enum ab_target_result result = configure(k, conf, settings, a->pace != AB_PACE_UNPACED);
	if (result == AB_TARGET_OK)
		k->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
	if (k->producer == NULL) {
		rd_kafka_conf_destroy(conf);
		return result != AB_TARGET_OK ? result : unreachable(k, "librdkafka", error);
	}
	rd_kafka_queue_t *queue = rd_kafka_queue_get_main(k->producer);
	static const uint64_t one = 1;
	rd_kafka_queue_io_event_enable(queue, k->wake_fd, &one, sizeof one);
	rd_kafka_queue_destroy(queue);
	k->topic = rd_kafka_topic_new(k->producer, settings->topic, NULL);
	if (k->topic == NULL)
		return unreachable(k, settings->topic, rd_kafka_err2str(rd_kafka_last_error()));
	result = look_for_topic(k, settings);
	if (result == AB_TARGET_OK && k->transaction_records > 0)
		result = transaction(k, rd_kafka_init_transactions(k->producer, TRANSACTION_TIMEOUT_MS));
	if (result == AB_TARGET_OK && k->transaction_records > 0)
		result = transaction(k, rd_kafka_begin_transaction(k->producer));
	return result;
}

void ab_kafka_close(struct ab_kafka *k)
{
	if (k->topic != NULL)
		rd_kafka_topic_destroy(k->topic);
	if (k->producer != NULL)
		rd_kafka_destroy(k->producer);
	if (k->wake_fd > 0)
		close(k->wake_fd);
	ab_changes_close(&k->changes);
	free(k->refs);
	free(k->value);
	*k = (struct ab_kafka){0};
}

int ab_kafka_room(const struct ab_kafka *k, uint32_t rows)
{
	if (k->in_flight + rows > AB_KAFKA_QUEUE)
		return 0;
	for (uint32_t i = 0; i < AB_MIX_KINDS + AB_MARKS_BATCH_MAX; i++)
		if (k->refs[(k->next_ref + i) % AB_KAFKA_REFS].left > 0)
			return 0;
	return 1;
}

static struct ab_kafka_ref *take_ref(struct ab_kafka *k, struct ab_report *report, enum ab_mix_kind kind, int64_t meant_ns)
{
	struct ab_kafka_ref *ref = &k->refs[k->next_ref];
	AB_ASSERT(ref->left == 0);
	k->next_ref = (k->next_ref + 1) % AB_KAFKA_REFS;
	*ref = (struct ab_kafka_ref){.report = report, .kind = kind, .meant_ns = meant_ns, .sent_ns = ab_lg_now_ns()};
	return ref;
}

static int64_t wall_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* What no reader can make sense of: the value cut in half, bytes that are no text, a text that is no JSON. */
static size_t poison(struct ab_kafka *k, uint64_t number, size_t len)
{
	struct ab_random r = ab_random_start(k->source->seed, AB_STREAM_POISON, number);
	if (k->poison_ppm == 0 || ab_random_below(&r, 1000000) >= k->poison_ppm)
		return len;
	k->poisoned++;
	switch (ab_random_below(&r, 3)) {
	case 0: return len / 2;
	case 1: memset(k->value, 0xff, 64); return 64;
	default: memcpy(k->value, "not a change event", 18); return 18;
	}
}

static enum ab_target_result produce(struct ab_kafka *k, const struct ab_change *change, uint64_t number,
	struct ab_kafka_ref *ref)
{
	char key[AB_DEBEZIUM_KEY_MAX_BYTES];
	size_t key_len = ab_debezium_key(change, k->shape, key);
	size_t len = ab_debezium_value(change, k->shape, k->value, k->value_room);
	if (!ref->is_mark)
		len = poison(k, number, len);
	ref->left++;
	k->in_flight++;
	if (rd_kafka_produce(k->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, k->value, len, key, key_len, ref) == 0)
		return AB_TARGET_OK;
	ref->left--;
	k->in_flight--;
	return unreachable(k, rd_kafka_topic_name(k->topic), rd_kafka_err2str(rd_kafka_last_error()));
}

static enum ab_target_result count_in_transaction(struct ab_kafka *k)
{
	if (k->transaction_records == 0 || ++k->in_transaction < k->transaction_records)
		return AB_TARGET_OK;
	k->in_transaction = 0;
	enum ab_target_result result =
		transaction(k, rd_kafka_commit_transaction(k->producer, TRANSACTION_TIMEOUT_MS));
	return result == AB_TARGET_OK ? transaction(k, rd_kafka_begin_transaction(k->producer)) : result;
}

enum ab_target_result ab_kafka_send(struct ab_kafka *k, const struct ab_mix_operation *operations, uint32_t rows,
	int64_t meant_ns, const struct ab_mark *marks, uint32_t mark_count, struct ab_report *report)
{
	struct ab_kafka_ref *of_kind[AB_MIX_KINDS] = {NULL};
	enum ab_target_result result = AB_TARGET_OK;
	int64_t now_us = wall_us();
	uint32_t next_mark = 0;
	for (uint32_t i = 0; i < rows && result == AB_TARGET_OK; i++) {
		const struct ab_mix_operation *op = &operations[i];
		const struct ab_mark *mark = NULL;
		struct ab_kafka_ref *ref;
		struct ab_change change;
		if (op->kind == AB_MIX_CREATE && next_mark < mark_count && marks[next_mark].row == op->row) {
			mark = &marks[next_mark++];
			ref = take_ref(k, report, op->kind, meant_ns);
			ref->is_mark = 1;
			ref->mark = *mark;
			ref->mark.id = k->changes.first_id + (int64_t)op->row;
		} else {
			if (of_kind[op->kind] == NULL)
				of_kind[op->kind] = take_ref(k, report, op->kind, meant_ns);
			ref = of_kind[op->kind];
		}
		ab_changes_make(&k->changes, op, mark, now_us, &change);
		result = produce(k, &change, op->number, ref);
		if (result == AB_TARGET_OK)
			result = count_in_transaction(k);
	}
	rd_kafka_poll(k->producer, 0);
	return k->failed > 0 ? AB_TARGET_UNREACHABLE : result;
}

enum ab_target_result ab_kafka_wait(struct ab_kafka *k, int64_t until_ns, const sigset_t *open_signals)
{
	struct pollfd fd = {.fd = k->wake_fd, .events = POLLIN};
	int64_t left = until_ns - ab_lg_now_ns();
	if (left < 0)
		left = 0;
	struct timespec timeout = {.tv_sec = left / AB_LG_NS_PER_S, .tv_nsec = left % AB_LG_NS_PER_S};
	int ready = ppoll(&fd, 1, &timeout, open_signals);
	AB_ASSERT(ready >= 0 || errno == EINTR);
	if (ready > 0) {
		uint64_t drained;
		(void)!read(k->wake_fd, &drained, sizeof drained);
	}
	rd_kafka_poll(k->producer, 0);
	return k->failed > 0 ? AB_TARGET_UNREACHABLE : AB_TARGET_OK;
}

enum ab_target_result ab_kafka_finish(struct ab_kafka *k)
{
	if (k->transaction_records == 0)
		return AB_TARGET_OK;
	return transaction(k, rd_kafka_commit_transaction(k->producer, TRANSACTION_TIMEOUT_MS));
}
