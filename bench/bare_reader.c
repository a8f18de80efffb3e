/* bench/bare_reader.c — what it costs to read a topic with librdkafka and do nothing: the floor of any program on it.
 *
 * rd_kafka_consume_batch_queue with the engine's own librdkafka properties (given as NAME=VALUE), one queue per worker,
 * drained with time-out 0 on its eventfd, as the engine does: one consumer for all workers, or one for each. Prints one line
 * of JSON: records, bytes, seconds from the first record to the last, and CPU seconds of the whole process (start included,
 * as for the engine).
 *
 *     build/release/bench/bare_reader TOPIC PARTITIONS RECORDS WORKERS CONSUMERS NAME=VALUE …
 */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 16
#define DRAIN_MAX 256

struct reader {
	rd_kafka_t *consumer;
	rd_kafka_queue_t *queue;
	int fd;
	pthread_t thread;
	uint64_t records, bytes;
	int64_t first_ns, last_ns;
};

static _Atomic uint64_t total;
static uint64_t wanted;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "bare_reader: %s: %s\n", what, why);
	exit(1);
}

static void *run(void *arg)
{
	struct reader *r = arg;
	rd_kafka_message_t *message[DRAIN_MAX];

	while (atomic_load_explicit(&total, memory_order_relaxed) < wanted) {
		ssize_t count = rd_kafka_consume_batch_queue(r->queue, 0, message, DRAIN_MAX);
		uint64_t data = 0;
		for (ssize_t i = 0; i < count; i++) {
			if (message[i]->err == 0) {
				data++;
				r->bytes += message[i]->len;
			}
			rd_kafka_message_destroy(message[i]);
		}
		if (data > 0) {
			r->last_ns = now_ns();
			r->first_ns = r->records == 0 ? r->last_ns : r->first_ns;
			r->records += data;
			atomic_fetch_add_explicit(&total, data, memory_order_relaxed);
		}
		if (count <= 0) {
			struct pollfd fd = {.fd = r->fd, .events = POLLIN};
			uint64_t ignored;
			poll(&fd, 1, 50);
			if (read(r->fd, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
				fail("eventfd", strerror(errno));
		}
	}
	return NULL;
}

static rd_kafka_t *open_consumer(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[512], name[128];

	for (int i = 0; i < argc; i++) {
		const char *value = strchr(argv[i], '=');
		if (value == NULL)
			fail(argv[i], "NAME=VALUE is wanted");
		snprintf(name, sizeof name, "%.*s", (int)(value - argv[i]), argv[i]);
		if (rd_kafka_conf_set(conf, name, value + 1, error, sizeof error) != RD_KAFKA_CONF_OK)
			fail(argv[i], error);
	}
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
	if (rk == NULL)
		fail("librdkafka", error);
	rd_kafka_poll_set_consumer(rk);
	return rk;
}

/* Gives the partitions of one consumer to the queues of its workers. */
static void assign(rd_kafka_t *consumer, const char *topic, int partitions, const struct reader *reader, int workers)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);

	for (int p = 0; p < partitions; p++) {
		if (reader[p % workers].consumer != consumer)
			continue;
		rd_kafka_topic_partition_list_add(list, topic, p)->offset = 0;
		rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(consumer, topic, p);
		rd_kafka_queue_forward(queue, reader[p % workers].queue);
		rd_kafka_queue_destroy(queue);
	}
	if (rd_kafka_assign(consumer, list) != 0)
		fail("assign", topic);
	rd_kafka_topic_partition_list_destroy(list);
}

int main(int argc, char **argv)
{
	static struct reader reader[WORKERS_MAX];
	static const uint64_t one = 1;
	struct rusage usage;

	int partitions = argc > 5 ? (int)strtol(argv[2], NULL, 10) : 0, workers = argc > 5 ? (int)strtol(argv[4], NULL, 10) : 0;
	int consumers = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 0;

	if (workers < 1 || workers > WORKERS_MAX || (consumers != 1 && consumers != workers)) {
		fprintf(stderr, "Example: bare_reader TOPIC 4 1000000 2 1 bootstrap.servers=127.0.0.1:9092 group.id=bare\n"
				"The consumers are one, or as many as the workers.\n");
		return 64;
	}
	wanted = strtoull(argv[3], NULL, 10);
	for (int w = 0; w < workers; w++) {
		reader[w].consumer = w < consumers ? open_consumer(argc - 6, argv + 6) : reader[0].consumer;
		reader[w].queue = rd_kafka_queue_new(reader[w].consumer);
		reader[w].fd = eventfd(0, EFD_NONBLOCK);
		rd_kafka_queue_io_event_enable(reader[w].queue, reader[w].fd, &one, sizeof one);
	}
	for (int c = 0; c < consumers; c++)
		assign(reader[c].consumer, argv[1], partitions, reader, workers);
	for (int w = 0; w < workers; w++)
		pthread_create(&reader[w].thread, NULL, run, &reader[w]);
	uint64_t records = 0, bytes = 0;
	int64_t first_ns = INT64_MAX, last_ns = 0;
	for (int w = 0; w < workers; w++) {
		pthread_join(reader[w].thread, NULL);
		records += reader[w].records;
		bytes += reader[w].bytes;
		first_ns = reader[w].records > 0 && reader[w].first_ns < first_ns ? reader[w].first_ns : first_ns;
		last_ns = reader[w].last_ns > last_ns ? reader[w].last_ns : last_ns;
	}
	getrusage(RUSAGE_SELF, &usage);
	double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	printf("{\"records\":%llu,\"bytes\":%llu,\"seconds\":%.4f,\"cpu_seconds\":%.4f}\n", (unsigned long long)records,
	       (unsigned long long)bytes, (double)(last_ns - first_ns) / 1e9, cpu);
	_exit(fflush(stdout)); /* closing the consumer is no part of reading */
}
