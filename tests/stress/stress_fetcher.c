/* tests/stress/stress_fetcher.c — a worker's fetcher between two brokers that cut answers off, close, refuse and move, while
 * control tells it who leads: every record once, in order. Run it under TSan too.
 *
 * A broker is a thread with one connection at a time; what it does to each request is drawn from a seed.
 */
#include <pthread.h>
#include <unistd.h>

#include "io/fetcher.h"
#include "tests/unit/kafka_broker.h"
#include "tests/unit/kafka_log.h"

#define RECORDS 6000
#define PARTITIONS 2
#define BATCH_MAX 40

struct broker {
	int listener;
	uint16_t port;
	uint32_t random;
	struct log records, answer;
};

static const struct ab_fetch_limits limits = {
    .wait_ms = 500, .min_bytes = 1, .max_bytes = AB_FETCH_ANSWER_BYTES, .partition_bytes = 1000000};
static struct ab_leaders leaders;
static struct ab_park park;
static struct broker broker[2];
static _Atomic bool over;

static uint32_t chance(struct broker *b, uint32_t of)
{
	b->random = b->random * 1664525 + 1013904223;
	return (b->random >> 8) % of;
}

static bool receive(int fd, uint8_t *to, size_t len)
{
	return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

/* Some batches from an offset on, now and then with one that ends in the middle. */
static void some_records(struct broker *b, int64_t offset)
{
	b->records.len = 0;
	for (uint32_t n = chance(b, 3); n > 0 && offset < RECORDS; n--) {
		int64_t first = offset - (int64_t)chance(b, (uint32_t)(offset < 5 ? offset + 1 : 5)); /* below what is asked */
		int count = 1 + (int)(offset - first) + (int)chance(b, BATCH_MAX);
		if (first + count > RECORDS)
			count = (int)(RECORDS - first);
		log_batch(&b->records, first, count, 0, -1, (enum ab_unpack_codec)chance(b, 5));
		offset = first + count;
	}
	if (b->records.len > 61 && chance(b, 4) == 0)
		b->records.len -= 1 + chance(b, (uint32_t)b->records.len - 1);
}

static void put_part(struct broker *b, int32_t partition, int64_t offset)
{
	struct log *to = &b->answer;
	bool refuses = chance(b, 10) == 0;

	some_records(b, offset);
	log_put(to, (uint64_t)partition, 4);
	log_put(to, refuses ? 6 : 0, 2);
	log_put(to, RECORDS, 8);
	log_put(to, RECORDS, 8);
	log_put(to, 0, 8);
	log_put(to, 1, 1);
	log_put(to, UINT32_MAX, 4);
	if (refuses)
		b->records.len = 0;
	log_count(to, b->records.len);
	memcpy(to->at + to->len, b->records.at, b->records.len);
	to->len += b->records.len;
	log_put(to, 0, 1);
}

static void answer_fetch(struct broker *b, struct ab_wire *wire)
{
	struct log *to = &b->answer;

	ab_wire_skip_tags(wire);
	ab_wire_skip(wire, 25);
	ab_wire_count(wire);
	ab_wire_skip(wire, (size_t)ab_wire_count(wire));
	int64_t parts = ab_wire_count(wire);
	log_put(to, 0, 1 + 4 + 2 + 4);
	log_count(to, 1);
	log_put(to, 0x0274, 2);
	log_count(to, (size_t)parts);
	for (int64_t i = 0; i < parts; i++) {
		int32_t partition = ab_wire_i32(wire);
		ab_wire_i32(wire);
		int64_t offset = ab_wire_i64(wire);
		ab_wire_skip(wire, 16);
		ab_wire_skip_tags(wire);
		put_part(b, partition, offset);
	}
	log_put(to, 0, 2);
	AB_ASSERT(!wire->failed);
}

/* false: the connection is over. */
static bool serve(struct broker *b, int fd)
{
	uint8_t length[4], bytes[AB_FETCH_REQUEST_MAX_BYTES];

	if (!receive(fd, length, 4) || !receive(fd, bytes, ab_wire_be32(length)))
		return false;
	struct ab_wire wire = {bytes, bytes + ab_wire_be32(length), false};
	int16_t api = ab_wire_i16(&wire);
	ab_wire_i16(&wire);
	b->answer.len = 4;
	log_put(&b->answer, (uint64_t)ab_wire_i32(&wire), 4);
	ab_wire_skip(&wire, (size_t)ab_wire_i16(&wire));
	if (api == 1) {
		answer_fetch(b, &wire);
	} else {
		log_put(&b->answer, 0, 2);
		log_put(&b->answer, 1, 4);
		log_put(&b->answer, 0x00010004000c, 6);
	}
	log_set(&b->answer, 0, b->answer.len - 4, 4);
	size_t len = chance(b, 12) == 0 ? chance(b, (uint32_t)b->answer.len) : b->answer.len;
	return send(fd, b->answer.at, len, MSG_NOSIGNAL) == (ssize_t)b->answer.len && chance(b, 20) != 0;
}

static void *run_broker(void *arg)
{
	struct broker *b = arg;

	for (;;) {
		int fd = accept(b->listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		while (serve(b, fd))
			continue;
		close(fd);
	}
}

/* Control: tells who leads whenever it is asked, and now and then somebody else. */
static void *run_control(void *arg)
{
	uint32_t turn = 0;

	(void)arg;
	while (!atomic_load(&over)) {
		usleep(2000);
		if (!atomic_exchange(&leaders.wanted, false)) /* [D1] */
			continue;
		pthread_mutex_lock(&leaders.mutex);
		turn++;
		for (int p = 0; p < PARTITIONS; p++)
			broker_leads(&leaders.of[p], broker[(turn / 8 + (uint32_t)p * (turn / 32)) % 2].port);
		atomic_fetch_add_explicit(&leaders.version, 1, memory_order_release); /* [D2] */
		pthread_mutex_unlock(&leaders.mutex);
		ab_park_wake(&park);
	}
	return NULL;
}

static void check(const struct ab_source_record *record, int64_t *next, bool *ended)
{
	char text[32] = "";

	switch (record->kind) {
	case AB_RECORD_DATA:
		AB_ASSERT(record->offset == next[record->partition]++);
		AB_ASSERT(record->value_len < sizeof text);
		memcpy(text, record->value, record->value_len);
		AB_ASSERT(atoll(text) == record->offset);
		break;
	case AB_RECORD_END:
		AB_ASSERT(record->offset == RECORDS && next[record->partition] == RECORDS);
		ended[record->partition] = true;
		break;
	case AB_RECORD_LOST:
		AB_ASSERT(!"nothing was lost");
		break;
	case AB_RECORD_ERROR:
		break;
	}
}

int main(void)
{
	static struct ab_source_record record[AB_DRAIN_MAX];
	const uint16_t partition[PARTITIONS] = {0, 1};
	int64_t next[PARTITIONS] = {0, 0};
	bool ended[PARTITIONS] = {false, false};
	pthread_t control, thread[2];
	uint32_t random = 7;

	ab_leaders_create(&leaders, "t");
	ab_park_create(&park);
	for (uint32_t i = 0; i < 2; i++) {
		broker[i].random = i + 1;
		broker[i].listener = broker_listen(0, &broker[i].port);
		pthread_create(&thread[i], NULL, run_broker, &broker[i]);
	}
	pthread_create(&control, NULL, run_control, NULL);
	struct ab_fetcher *fetcher = ab_fetcher_create(&limits, 0, &leaders, &park);
	ab_fetcher_assign(fetcher, partition, next, PARTITIONS);
	while (!ended[0] || !ended[1]) {
		random = random * 1664525 + 1013904223;
		int count = ab_fetcher_drain(fetcher, record, 1 + (int)(random >> 24));
		for (int i = 0; i < count; i++)
			check(&record[i], next, ended);
		if (count == 0)
			ab_park_sleep(&park, 50000000); /* as a worker does */
	}
	atomic_store(&over, true);
	pthread_join(control, NULL);
	for (int i = 0; i < 2; i++)
		shutdown(broker[i].listener, SHUT_RDWR);
	ab_fetcher_destroy(fetcher);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	printf("%d records of %d partitions, each once and in order\n", RECORDS, PARTITIONS);
	return 0;
}
