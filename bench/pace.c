/* bench/pace.c — writes change events to Kafka at a steady rate and notes when each was sent: the open end of a latency.
 *
 * Open loop: event n is due at start + n / rate, whatever became of those before it, and its time counts from when it was
 * due: a stall is seen by every event that waited in it, and so is the sleep's own lateness, about 60 µs. Not batched by the
 * producer (linger 0), so that what is measured is the pipeline and not the producer.
 *
 *     build/release/bench/pace BROKERS TOPIC RATE SECONDS SEED OUT
 *
 * OUT gets one line per event: partition, offset, nanoseconds (monotonic) when it was due and when the broker had it. SIGTERM
 * ends it early. Event n has the id n + 1.
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "loadgen/debezium.h"
#include "loadgen/event.h"

#define CONTENTS 5000
/* What an insert adds to the log, about: only that it grows matters. */
#define LSN_STEP INT64_C(376)

struct event {
	int64_t due_ns, acked_ns, offset;
	int32_t partition;
};

static volatile sig_atomic_t ending;

static void end(int signal)
{
	(void)signal;
	ending = 1;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "pace: %s: %s\n", what, why);
	exit(1);
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *arg)
{
	struct event *event = message->_private;

	(void)producer;
	(void)arg;
	if (message->err)
		fail("delivery", rd_kafka_err2str(message->err));
	event->acked_ns = now_ns();
	event->offset = message->offset;
	event->partition = message->partition;
}

static rd_kafka_t *open_producer(const char *brokers)
{
	const char *const setting[][2] = {{"bootstrap.servers", brokers}, {"linger.ms", "0"}, {"acks", "1"},
					  {"partitioner", "murmur2_random"}, {"socket.nagle.disable", "true"},
					  {"queue.buffering.max.messages", "1000000"}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[256];

	for (size_t i = 0; i < AB_COUNT(setting); i++) {
		if (rd_kafka_conf_set(conf, setting[i][0], setting[i][1], error, sizeof error) != RD_KAFKA_CONF_OK)
			fail(setting[i][0], error);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
	if (producer == NULL)
		fail("librdkafka", error);
	return producer;
}

static void send_one(rd_kafka_topic_t *topic, const struct ab_gen_source *source, uint64_t n, struct event *event)
{
	static struct ab_gen_event row;
	static char value[AB_DEBEZIUM_VALUE_MAX_BYTES(AB_GEN_PAYLOAD_MAX_BYTES)];
	char key[AB_DEBEZIUM_KEY_MAX_BYTES];
	int64_t now_us = (int64_t)time(NULL) * 1000000;
	const struct ab_change change = {
	    .op = 'c', .id = (int64_t)n + 1, .lsn = ((int64_t)n + 1) * LSN_STEP, .event_us = now_us, .commit_us = now_us, .row = &row};

	ab_gen_event(source, n, &row);
	size_t key_len = ab_debezium_key(&change, AB_SHAPE_UNWRAPPED_SCHEMA, key);
	size_t value_len = ab_debezium_value(&change, AB_SHAPE_UNWRAPPED_SCHEMA, value, sizeof value);
	if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, value_len, key, key_len, event) != 0)
		fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
}

/* Returns how many it sent. */
static uint64_t run(rd_kafka_t *producer, rd_kafka_topic_t *topic, const struct ab_gen_source *source, struct event *event,
		    uint64_t count, double rate)
{
	int64_t begin_ns = now_ns() + 100000000;
	uint64_t n;

	for (n = 0; n < count && !ending; n++) {
		event[n].due_ns = begin_ns + (int64_t)((double)n * 1e9 / rate);
		while (now_ns() < event[n].due_ns) {
			int64_t left_ns = event[n].due_ns - now_ns();
			if (left_ns > 2000000)
				rd_kafka_poll(producer, (int)(left_ns / 1000000) - 1);
			else if (left_ns > 0)
				nanosleep(&(struct timespec){0, left_ns}, NULL);
		}
		send_one(topic, source, n, &event[n]);
		rd_kafka_poll(producer, 0);
	}
	if (rd_kafka_flush(producer, 30000) != 0)
		fail("flush", "not everything reached the broker within 30 s");
	return n;
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "Example: pace 127.0.0.1:9092 topic 1000 10 1 /tmp/sent\n");
		return 64;
	}
	double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL);
	uint64_t count = (uint64_t)(rate * seconds);
	struct ab_gen_source source = {.seed = strtoull(argv[5], NULL, 10), .contents = CONTENTS};
	struct event *event = calloc(count, sizeof *event);
	FILE *out = fopen(argv[6], "w");
	if (event == NULL || out == NULL || count == 0)
		fail(argv[6], "cannot be written, or there is nothing to send");
	rd_kafka_t *producer = open_producer(argv[1]);
	rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, argv[2], NULL);
	const struct rd_kafka_metadata *metadata;
	if (rd_kafka_metadata(producer, 0, topic, &metadata, 10000) == 0)
		rd_kafka_metadata_destroy(metadata);
	signal(SIGTERM, end);
	count = run(producer, topic, &source, event, count, rate);
	for (uint64_t n = 0; n < count; n++)
		fprintf(out, "%d %lld %lld %lld\n", (int)event[n].partition, (long long)event[n].offset, (long long)event[n].due_ns,
			(long long)event[n].acked_ns);
	return fclose(out) == 0 ? 0 : 1;
}
