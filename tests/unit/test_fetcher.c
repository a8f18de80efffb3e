/* tests/unit/test_fetcher.c — a worker's fetcher against a broker that the test plays itself, request by request. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "io/fetcher.h"
#include "tests/unit/kafka_broker.h"
#include "tests/unit/kafka_log.h"

#define TRIES 400		/* of a millisecond each */
#define WHOLE (-1)

struct broker {
	int listener, fd;
	uint16_t port;
	int32_t correlation;
	int asked;			/* partitions of the last request */
	int partition[8];
	int64_t offset[8];
};

static const struct ab_fetch_limits limits = {
    .wait_ms = 500, .min_bytes = 1, .max_bytes = AB_FETCH_ANSWER_BYTES, .partition_bytes = 1000000};
static struct ab_leaders leaders;
static struct ab_park park;
static struct ab_fetcher *fetcher;
static struct broker here, there;
static struct log topic_log, out;
static struct ab_source_record record[AB_DRAIN_MAX + 1];

static void open_broker(struct broker *broker)
{
	broker->fd = -1;
	broker->listener = broker_listen(SOCK_NONBLOCK, &broker->port);
}

static void lead(uint16_t partition, const struct broker *broker)
{
	broker_leads(&leaders.of[partition], broker->port);
	leaders.version++;
}

static void setup(void)
{
	ab_leaders_create(&leaders, "t");
	ab_park_create(&park);
	open_broker(&here);
	open_broker(&there);
	for (uint16_t p = 0; p < 4; p++)
		lead(p, &here);
	fetcher = ab_fetcher_create(&limits, 0, &leaders, &park);
	topic_log.len = 0;
}

static void teardown(void)
{
	ab_fetcher_destroy(fetcher);
	ab_park_destroy(&park);
	ab_leaders_destroy(&leaders);
}

TestSuite(fetcher, .init = setup, .fini = teardown);

static void assign(int count, int64_t offset)
{
	const uint16_t partition[] = {0, 1, 2, 3};
	const int64_t from[] = {offset, offset, offset, offset};

	ab_fetcher_assign(fetcher, partition, from, count);
}

static void send_bytes(struct broker *broker, const uint8_t *at, size_t len)
{
	while (len > 0) {
		ssize_t n = send(broker->fd, at, len, MSG_NOSIGNAL);
		if (n < 0)
			ab_fetcher_drain(fetcher, record, 0); /* cannot be: its buffers are larger than what tests send */
		cr_assert_gt(n, 0);
		at += n;
		len -= (size_t)n;
	}
}

static void read_exactly(struct broker *broker, uint8_t *to, size_t len)
{
	cr_assert_eq(recv(broker->fd, to, len, MSG_WAITALL), (ssize_t)len);
}

/* Takes one request's bytes off the socket. */
static struct ab_wire take_request(struct broker *broker)
{
	static uint8_t bytes[AB_FETCH_REQUEST_MAX_BYTES];
	uint8_t length[4];

	read_exactly(broker, length, 4);
	size_t len = ab_wire_be32(length);
	cr_assert_leq(len, sizeof bytes);
	read_exactly(broker, bytes, len);
	struct ab_wire wire = {bytes, bytes + len, false};
	ab_wire_i16(&wire);
	ab_wire_i16(&wire);
	broker->correlation = ab_wire_i32(&wire);
	ab_wire_skip(&wire, (size_t)ab_wire_i16(&wire));
	return wire;
}

static bool readable(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&ready, 1, 0) == 1;
}

/* Lets the fetcher go on until the socket has something, or not at all any more. What it gives out must be nothing. */
static bool wait_readable(int fd)
{
	for (int i = 0; i < TRIES && !readable(fd); i++) {
		cr_assert_eq(ab_fetcher_drain(fetcher, record, AB_DRAIN_MAX), 0, "%s", record[0].error);
		usleep(1000);
	}
	return readable(fd);
}

static void say_hello(struct broker *broker)
{
	out.len = 0;
	log_put(&out, 4 + 2 + 4 + 6, 4);
	log_put(&out, (uint64_t)broker->correlation, 4);
	log_put(&out, 0, 2);
	log_put(&out, 1, 4);
	log_put(&out, 1, 2);
	log_put(&out, 4, 2);
	log_put(&out, 17, 2);
	send_bytes(broker, out.at, out.len);
}

static void meet(struct broker *broker)
{
	cr_assert(wait_readable(broker->listener), "nobody connects");
	broker->fd = accept(broker->listener, NULL, NULL);
	cr_assert(wait_readable(broker->fd), "nobody greets");
	take_request(broker);
	say_hello(broker);
}

/* The fetch request that is there, or comes. */
static void take_fetch(struct broker *broker)
{
	cr_assert(readable(broker->fd) || wait_readable(broker->fd), "nobody asks");
	struct ab_wire wire = take_request(broker);
	ab_wire_skip_tags(&wire);
	ab_wire_skip(&wire, 25);
	cr_assert_eq(ab_wire_count(&wire), 1);
	ab_wire_skip(&wire, ab_fetch_has_id(&leaders.topic) ? 16 : (size_t)ab_wire_count(&wire));
	broker->asked = (int)ab_wire_count(&wire);
	for (int i = 0; i < broker->asked; i++) {
		broker->partition[i] = ab_wire_i32(&wire);
		ab_wire_i32(&wire);
		broker->offset[i] = ab_wire_i64(&wire);
		ab_wire_skip(&wire, 16);
		ab_wire_skip_tags(&wire);
	}
	cr_assert_not(wire.failed);
}

/* Assigned, connected, and asked for the first time. */
static void start(int count, int64_t offset)
{
	assign(count, offset);
	meet(&here);
	take_fetch(&here);
}

static int64_t asked_from(const struct broker *broker, int partition)
{
	for (int i = 0; i < broker->asked; i++) {
		if (broker->partition[i] == partition)
			return broker->offset[i];
	}
	return -1;
}

static void begin_answer(struct broker *broker, int parts)
{
	out.len = 0;
	log_put(&out, 0, 4);
	log_put(&out, (uint64_t)broker->correlation, 4);
	log_put(&out, 0, 1 + 4 + 2 + 4);
	log_count(&out, 1);
	if (ab_fetch_has_id(&leaders.topic)) {
		memcpy(out.at + out.len, leaders.topic.id, 16);
		out.len += 16;
	} else {
		log_put(&out, 0x0274, 2);
	}
	log_count(&out, (size_t)parts);
}

/* topic_log's bytes are the records. */
static void put_part(int partition, int error, int64_t stable)
{
	log_put(&out, (uint64_t)partition, 4);
	log_put(&out, (uint64_t)error, 2);
	log_put(&out, (uint64_t)stable, 8);
	log_put(&out, (uint64_t)stable, 8);
	log_put(&out, 0, 8);
	log_put(&out, 1, 1);
	log_put(&out, UINT32_MAX, 4);
	log_count(&out, topic_log.len);
	memcpy(out.at + out.len, topic_log.at, topic_log.len);
	out.len += topic_log.len;
	log_put(&out, 0, 1);
}

static void end_answer(struct broker *broker, int64_t only)
{
	log_put(&out, 0, 2);
	log_set(&out, 0, out.len - 4, 4);
	send_bytes(broker, out.at, only == WHOLE ? out.len : (size_t)only);
}

static void answer(struct broker *broker, int partition, int64_t base, int count, int64_t stable)
{
	topic_log.len = 0;
	if (count > 0)
		log_batch(&topic_log, base, count, 0, -1, AB_UNPACK_NONE);
	begin_answer(broker, 1);
	put_part(partition, 0, stable);
	end_answer(broker, WHOLE);
}

/* What is given out within some time: "0:5" a record, "0:e6" an end, "0:L7" lost there, "E" an error. */
static const char *given(int at_least)
{
	static char text[4096];
	size_t len = 0;
	int count = 0;

	text[0] = '\0';
	for (int i = 0; i < TRIES && count < at_least; i++) {
		int n = ab_fetcher_drain(fetcher, record, AB_DRAIN_MAX);
		for (int k = 0; k < n; k++) {
			static const char *const mark[] = {"", "e", "L", "E"};
			if (record[k].kind == AB_RECORD_DATA) {
				char value[32] = "";
				memcpy(value, record[k].value, record[k].value_len);
				cr_assert_eq(atoll(value), record[k].offset);
			}
			len += (size_t)snprintf(text + len, sizeof text - len, "%u:%s%lld ", record[k].partition,
						mark[record[k].kind], (long long)record[k].offset);
		}
		count += n;
		if (n == 0)
			usleep(1000);
	}
	return text;
}

/* The only part, refused with one of Kafka's errors. */
static void refuse(struct broker *broker, int error)
{
	topic_log.len = 0;
	begin_answer(broker, 1);
	put_part(0, error, -1);
	end_answer(broker, WHOLE);
}

static void hang_up(struct broker *broker)
{
	close(broker->fd);
	broker->fd = -1;
}

Test(fetcher, reads_on_from_where_the_answer_ended)
{
	start(1, 5);
	cr_expect_eq(asked_from(&here, 0), 5);
	answer(&here, 0, 4, 3, 100); /* a batch that begins below */
	cr_expect_str_eq(given(2), "0:5 0:6 ");
	take_fetch(&here);
	cr_expect_eq(asked_from(&here, 0), 7);
	answer(&here, 0, 7, 1, 100);
	cr_expect_str_eq(given(1), "0:7 ");
}

/* The broker looks for the next records while we read these. */
Test(fetcher, asks_on_before_it_gives_out)
{
	start(1, 0);
	answer(&here, 0, 0, 3, 100);
	for (int i = 0; i < TRIES && !readable(here.fd); i++) {
		cr_assert_leq(ab_fetcher_drain(fetcher, record, 1), 1);
		usleep(1000);
	}
	take_fetch(&here);
	cr_expect_eq(asked_from(&here, 0), 3);
	answer(&here, 0, 3, 1, 100);
	cr_expect_str_eq(given(3), "0:1 0:2 0:3 ");
}

Test(fetcher, tells_the_end_once)
{
	int64_t first, next;

	start(1, 0);
	answer(&here, 0, 0, 2, 2);
	cr_expect_str_eq(given(3), "0:0 0:1 0:e2 ");
	take_fetch(&here);
	answer(&here, 0, 0, 0, 2);
	cr_expect_str_eq(given(1), "");
	ab_fetcher_bounds(fetcher, 0, &first, &next);
	cr_expect(first == 0 && next == 2);
	take_fetch(&here);
	answer(&here, 0, 2, 1, 3);
	cr_expect_str_eq(given(2), "0:2 0:e3 ");
}

Test(fetcher, loses_and_doubles_nothing_when_a_broker_goes_within_an_answer)
{
	topic_log.len = 0;
	log_batch(&topic_log, 0, 3, 0, -1, AB_UNPACK_NONE);
	start(1, 0);
	begin_answer(&here, 1);
	put_part(0, 0, 100);
	end_answer(&here, 40);
	cr_expect_str_eq(given(1), "");
	hang_up(&here);
	meet(&here);
	take_fetch(&here);
	cr_expect_eq(asked_from(&here, 0), 0);
	cr_expect(leaders.wanted);
	answer(&here, 0, 0, 3, 100);
	cr_expect_str_eq(given(3), "0:0 0:1 0:2 ");
}

Test(fetcher, loses_and_doubles_nothing_when_a_broker_goes_behind_an_answer)
{
	start(1, 0);
	answer(&here, 0, 0, 3, 100);
	hang_up(&here); /* before the next request can be sent */
	cr_expect_str_eq(given(3), "0:0 0:1 0:2 ");
	meet(&here);
	take_fetch(&here);
	cr_expect_eq(asked_from(&here, 0), 3);
}

Test(fetcher, takes_nothing_of_an_answer_that_makes_no_sense)
{
	start(2, 0);
	topic_log.len = 0;
	log_batch(&topic_log, 0, 3, 0, -1, AB_UNPACK_NONE);
	begin_answer(&here, 2); /* but there is only one */
	put_part(0, 0, 100);
	end_answer(&here, WHOLE);
	cr_expect_str_eq(given(1), "");
	meet(&here);
	take_fetch(&here);
	cr_expect_eq(asked_from(&here, 0), 0);
}

Test(fetcher, goes_to_the_new_leader)
{
	start(2, 0);
	topic_log.len = 0;
	log_batch(&topic_log, 0, 2, 0, -1, AB_UNPACK_NONE);
	begin_answer(&here, 2);
	put_part(0, 0, 100);
	topic_log.len = 0;
	put_part(1, 6, -1);
	end_answer(&here, WHOLE);
	leaders.wanted = false;
	cr_expect_str_eq(given(2), "0:0 0:1 ");
	cr_expect(leaders.wanted);
	take_fetch(&here); /* at once, without the one that has moved */
	cr_expect(asked_from(&here, 0) == 2 && asked_from(&here, 1) == -1);
	lead(1, &there);
	meet(&there);
	take_fetch(&there);
	cr_expect(asked_from(&there, 1) == 0 && asked_from(&there, 0) == -1);
	answer(&there, 1, 0, 1, 100);
	cr_expect_str_eq(given(1), "1:0 ");
}

Test(fetcher, tells_once_what_is_lost_and_goes_on_with_the_others)
{
	start(2, 9);
	topic_log.len = 0;
	begin_answer(&here, 2);
	put_part(0, 1, -1);
	log_batch(&topic_log, 9, 1, 0, -1, AB_UNPACK_NONE);
	put_part(1, 0, 100);
	end_answer(&here, WHOLE);
	cr_expect_str_eq(given(2), "0:L9 1:9 ");
	take_fetch(&here);
	cr_expect(asked_from(&here, 0) == -1 && asked_from(&here, 1) == 10);
}

Test(fetcher, never_goes_on_behind_what_it_cannot_read)
{
	start(1, 0);
	topic_log.len = 0;
	log_batch(&topic_log, 0, 1, 0, -1, AB_UNPACK_NONE);
	log_batch(&topic_log, 1, 2, 0, -1, AB_UNPACK_NONE);
	topic_log.at[topic_log.len - 1] ^= 1;
	begin_answer(&here, 1);
	put_part(0, 0, 100);
	end_answer(&here, WHOLE);
	cr_expect_str_eq(given(2), "0:0 0:L1 ");
	take_fetch(&here); /* it was under way before the records were looked at */
	answer(&here, 0, 3, 1, 100);
	cr_expect_str_eq(given(1), "");
}

Test(fetcher, takes_an_answer_larger_than_its_buffer)
{
	static char value[1001];
	int count = 0;

	memset(value, 'x', 1000);
	start(1, 0);
	/* Six parts of one partition, of which the first counts: nobody would send that, but it is large. */
	topic_log.len = 0;
	log_begin(&topic_log, 0, 0, -1);
	for (int i = 0; i < 400; i++)
		log_add(&topic_log, i, "k", value);
	log_seal(&topic_log);
	size_t part = topic_log.len + 60, parts = 8, len = 0;
	uint8_t *large = malloc(part * parts + 100);
	begin_answer(&here, (int)parts);
	memcpy(large, out.at, out.len);
	len = out.len;
	for (size_t i = 0; i < parts; i++) {
		out.len = 0;
		put_part(0, 0, 1000);
		memcpy(large + len, out.at, out.len);
		len += out.len;
	}
	memset(large + len, 0, 2);
	len += 2;
	struct log length = {.len = 0};
	log_put(&length, len - 4, 4);
	memcpy(large, length.at, 4);
	cr_assert_gt(len, AB_FETCH_ANSWER_BYTES + 65536);
	fcntl(here.fd, F_SETFL, O_NONBLOCK);
	for (size_t at = 0; at < len || count < 400;) {
		ssize_t n = at < len ? send(here.fd, large + at, len - at, MSG_NOSIGNAL) : 0;
		at += n > 0 ? (size_t)n : 0;
		int drained = ab_fetcher_drain(fetcher, record, AB_DRAIN_MAX);
		for (int i = 0; i < drained; i++)
			cr_assert(record[i].kind == AB_RECORD_DATA && record[i].offset == count++ && record[i].value_len == 1000);
	}
	free(large);
	cr_expect_eq(count, 400);
}

Test(fetcher, gives_up_what_was_under_way_when_it_is_assigned_anew)
{
	start(1, 0);
	answer(&here, 0, 0, 3, 100);
	while (ab_fetcher_drain(fetcher, record, 1) == 0)
		usleep(1000);
	start(1, 7);
	cr_expect_eq(asked_from(&here, 0), 7);
	answer(&here, 0, 7, 1, 100);
	cr_expect_str_eq(given(1), "0:7 ");
	assign(0, 0);
	cr_expect_str_eq(given(1), "");
}

Test(fetcher, knows_a_topic_that_was_made_anew)
{
	leaders.topic.id[0] = 1;
	start(1, 5);
	refuse(&here, 100); /* could be that the broker does not know it yet */
	cr_expect_str_eq(given(1), "");
	leaders.topic.id[0] = 2;
	leaders.version++;
	cr_expect_eq(ab_fetcher_drain(fetcher, record, 1), 0);
	take_fetch(&here);
	leaders.topic.id[0] = 1;
	refuse(&here, 100);
	cr_expect_str_eq(given(1), "0:L5 ");
}

Test(fetcher, says_once_that_a_broker_does_not_answer)
{
	close(here.listener);
	assign(1, 0);
	cr_expect_str_eq(given(1), "0:E-1 ");
	cr_expect(strstr(record[0].error, "Connection refused") != NULL, "%s", record[0].error);
	cr_expect_str_eq(given(1), "");
}

Test(fetcher, says_once_what_the_broker_refuses)
{
	assign(1, 0);
	meet(&here);
	for (int i = 0; i < 2; i++) {
		take_fetch(&here);
		refuse(&here, 29);
		cr_expect_str_eq(given(1), i == 0 ? "0:E0 " : "");
	}
}

/* An answer that waits does not wake a worker that stands still for another reason, over and over. */
Test(fetcher, lets_its_worker_sleep_while_nothing_new_comes)
{
	int64_t before_ms, after_ms;
	struct timespec t;

	start(1, 0);
	answer(&here, 0, 0, 3, 100);
	usleep(20000);
	ab_park_sleep(&park, 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	before_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000;
	ab_park_sleep(&park, 30000000);
	clock_gettime(CLOCK_MONOTONIC, &t);
	after_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000;
	cr_expect_geq(after_ms - before_ms, 29);
	cr_expect_str_eq(given(3), "0:0 0:1 0:2 ");
}
