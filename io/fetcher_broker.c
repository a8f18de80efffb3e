/* io/fetcher_broker.c — see fetcher_broker.h. */
#include "io/fetcher_broker.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pages.h"

#define CONNECT_MAX_NS (10 * AB_NS_PER_S)
/* Above what the broker was told it may wait, and between two pieces of its answer: a broker that is alive answers, if only
 * with nothing. */
#define ANSWER_MAX_NS (30 * AB_NS_PER_S)
#define BACKOFF_FIRST_NS (50 * AB_NS_PER_MS)
#define BACKOFF_MAX_NS AB_NS_PER_S
/* A partition whose leader moves, or that is not to be had: how soon it is tried again. */
#define PART_RETRY_NS (100 * AB_NS_PER_MS)

void ab_fetcher_close_broker(struct ab_fetch_broker *broker)
{
	if (broker->state != AB_BROKER_DOWN)
		close(broker->fd);
	broker->state = AB_BROKER_DOWN;
	broker->due_ns = 0;
}

void ab_fetcher_say(struct ab_fetcher *fetcher, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fetcher->text, sizeof fetcher->text, format, args);
	va_end(args);
	fetcher->said = true;
}

enum ab_fetch_fate ab_fetcher_fate(const struct ab_fetcher *fetcher, int16_t error, const char **words)
{
	switch (error) {
	case 1: *words = "offset out of range: the log does not hold it (any more)"; return AB_FATE_LOST;
	case 2: *words = "the broker finds the log damaged there"; return AB_FATE_SAY;
	case 3: *words = "the broker knows no such topic or partition"; return AB_FATE_SAY;
	case 29: *words = "not allowed to read the topic"; return AB_FATE_SAY;
	case 100: *words = "the topic was deleted and made anew"; return fetcher->replaced ? AB_FATE_LOST : AB_FATE_MOVED;
	case 5:		/* leader not available */
	case 6:		/* not leader or follower */
	case 9:		/* replica not available */
	case 56:	/* storage error */
	case 74:	/* fenced, unknown leader's epoch */
	case 76:
	case 75:
	case 78: *words = ""; return AB_FATE_MOVED; /* offset not available yet */
	default: *words = "the broker refuses"; return AB_FATE_SAY;
	}
}

/* The connection is no use any more. What it was asked for is asked again. */
static void fail(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns, const char *why)
{
	int64_t delay_ns = BACKOFF_FIRST_NS << (broker->failures < 5 ? broker->failures : 5);

	ab_fetcher_close_broker(broker);
	for (int i = 0; i < fetcher->count; i++) {
		struct ab_fetch_place *place = &fetcher->place[fetcher->partition[i]];
		if (place->broker == (int)(broker - fetcher->broker))
			place->asked = -1;
	}
	broker->due_ns = now_ns + (delay_ns < BACKOFF_MAX_NS ? delay_ns : BACKOFF_MAX_NS);
	/* A broker closes connections that nobody used; so the first time says nothing yet. */
	if (++broker->failures == 2)
		ab_fetcher_say(fetcher, "broker %s: %s; trying again until it works", broker->leader.name, why);
	ab_fetcher_want_leaders(fetcher);
}

static bool send_all(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, const uint8_t *at, size_t len, int64_t now_ns)
{
	/* Requests are small and come one after an answer: a socket that cannot take one whole is a broken one. */
	ssize_t n = send(broker->fd, at, len, MSG_NOSIGNAL);

	if (n == (ssize_t)len)
		return true;
	fail(fetcher, broker, now_ns, n < 0 ? strerror(errno) : "it does not take a request");
	return false;
}

static void start_connect(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	/* Each attempt by another address: some of a name's may have nobody behind them. */
	const struct ab_leader_address *to = &broker->leader.address[broker->failures % broker->leader.count];
	const int on = 1;

	broker->fd = socket(to->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (broker->fd < 0) {
		broker->due_ns = now_ns + BACKOFF_MAX_NS;
		if (++broker->failures == 2)
			ab_fetcher_say(fetcher, "broker %s: no socket: %s", broker->leader.name, strerror(errno));
		return;
	}
	broker->state = AB_BROKER_CONNECTING;
	broker->due_ns = now_ns + CONNECT_MAX_NS;
	broker->have = 0;
	setsockopt(broker->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(broker->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	if (fetcher->receive_bytes > 0)
		setsockopt(broker->fd, SOL_SOCKET, SO_RCVBUF, &fetcher->receive_bytes, sizeof fetcher->receive_bytes);
	if (!ab_park_watch(fetcher->park, broker->fd) ||
	    (connect(broker->fd, (const struct sockaddr *)&to->at, to->len) != 0 && errno != EINPROGRESS))
		fail(fetcher, broker, now_ns, strerror(errno));
}

static void greet(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	struct pollfd fd = {.fd = broker->fd, .events = POLLOUT};
	uint8_t request[AB_FETCH_REQUEST_MAX_BYTES];
	int error = 0;
	socklen_t len = sizeof error;

	if (poll(&fd, 1, 0) == 0)
		return;
	getsockopt(broker->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		fail(fetcher, broker, now_ns, strerror(error));
		return;
	}
	broker->state = AB_BROKER_HELLO;
	send_all(fetcher, broker, request, ab_fetch_hello(request, (int32_t)++broker->correlation), now_ns);
}

/* All of its partitions that may be asked for. */
static void ask(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	uint8_t request[AB_FETCH_REQUEST_MAX_BYTES];
	struct ab_fetch_ask list[AB_PARTITIONS_MAX];
	int count = 0;

	fetcher->turn++;
	for (int i = 0; i < fetcher->count; i++) {
		uint16_t p = fetcher->partition[((unsigned)i + fetcher->turn) % (unsigned)fetcher->count];
		struct ab_fetch_place *place = &fetcher->place[p];
		place->asked = place->broker == (int)(broker - fetcher->broker) ? -1 : place->asked;
		if (place->broker != (int)(broker - fetcher->broker) || place->halted || now_ns < place->retry_ns)
			continue;
		list[count++] = (struct ab_fetch_ask){p, place->ask, place->epoch};
		place->asked = place->ask;
	}
	broker->state = AB_BROKER_READY;
	if (count == 0)
		return;
	broker->by_id = broker->knows_ids && ab_fetch_has_id(&fetcher->topic);
	size_t len = ab_fetch_request(request, (int32_t)++broker->correlation, &fetcher->topic, broker->by_id,
				      &fetcher->limits, list, count);
	broker->due_ns = now_ns + fetcher->limits.wait_ms * AB_NS_PER_MS + ANSWER_MAX_NS;
	broker->state = AB_BROKER_ASKED;
	send_all(fetcher, broker, request, len, now_ns);
}

static void note_section(struct ab_fetcher *fetcher, const struct ab_fetch_part *section, int64_t now_ns)
{
	struct ab_fetch_place *place = &fetcher->place[section->partition];
	struct ab_records_end end =
	    ab_records_end(section->records, section->error == 0 ? section->records_bytes : 0, place->asked);
	const char *words;

	place->from = place->asked;
	place->upto = place->ask = end.offset;
	place->epoch = end.epoch >= 0 ? end.epoch : place->epoch;
	place->asked = -1;
	if (section->error != 0) {
		place->retry_ns = now_ns + PART_RETRY_NS;
		place->halted |= ab_fetcher_fate(fetcher, section->error, &words) == AB_FATE_LOST;
		ab_fetcher_want_leaders(fetcher);
		return;
	}
	place->halted |= section->diverging >= 0;
	atomic_store_explicit(&place->log_start, section->log_start, memory_order_relaxed); /* [S2] */
	atomic_store_explicit(&place->stable, section->stable, memory_order_relaxed);
}

/* Notes where reading goes on behind the answer, before it is walked through, so that the next request can go at once. An
 * answer that is not whole and sound is not taken in part: nothing is noted then. */
static bool look_through(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	struct ab_fetch_answer answer, again;
	struct ab_fetch_part section;
	int16_t error;

	if (!ab_fetch_begin(&answer, broker->buffer + AB_FETCH_LENGTH_BYTES, broker->have - AB_FETCH_LENGTH_BYTES,
			    (int32_t)broker->correlation, broker->by_id, &error) || error != 0)
		return false;
	fetcher->answer = again = answer;
	while (ab_fetch_next(&answer, &section))
		continue;
	if (answer.wire.failed)
		return false;
	while (ab_fetch_next(&again, &section)) {
		const struct ab_fetch_place *place = &fetcher->place[section.partition];
		if (place->asked >= 0 && place->broker == (int)(broker - fetcher->broker))
			note_section(fetcher, &section, now_ns);
	}
	return true;
}

/* What it can is known now. */
static void take_hello(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	size_t len = broker->have - AB_FETCH_LENGTH_BYTES;

	broker->have = 0;
	switch (ab_fetch_read_hello(broker->buffer + AB_FETCH_LENGTH_BYTES, len, (int32_t)broker->correlation,
				    &broker->knows_ids)) {
	case AB_FETCH_HELLO_OK:
		ask(fetcher, broker, now_ns);
		break;
	case AB_FETCH_HELLO_OTHER:
		fail(fetcher, broker, now_ns,
		     "it does not know Fetch 12 or 13, being older than Kafka 2.7 or far newer: set KAFKA_FETCHER=librdkafka");
		break;
	case AB_FETCH_HELLO_BAD:
		fail(fetcher, broker, now_ns, "it does not speak Kafka's protocol (TLS, perhaps)");
		break;
	}
}

/* The whole answer is there. */
static void take_answer(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	if (broker->state == AB_BROKER_HELLO) {
		take_hello(fetcher, broker, now_ns);
	} else if (look_through(fetcher, broker, now_ns)) {
		broker->failures = 0;
		fetcher->current = broker;
		ask(fetcher, broker, now_ns);
	} else {
		fail(fetcher, broker, now_ns, "its answer makes no sense");
	}
}

/* The buffer takes len bytes. */
static bool make_room(struct ab_fetch_broker *broker, size_t len)
{
	if (len <= broker->room)
		return true;
	uint8_t *larger = len <= AB_FETCH_ANSWER_MAX_BYTES ? ab_pages_take(len) : NULL;
	if (larger == NULL)
		return false;
	if (broker->have > 0)
		memcpy(larger, broker->buffer, broker->have);
	ab_pages_give(broker->buffer, broker->room);
	broker->buffer = larger;
	broker->room = len;
	return true;
}

static void receive(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	size_t need = AB_FETCH_BUFFER_BYTES;

	for (;;) {
		if (broker->have >= AB_FETCH_LENGTH_BYTES)
			need = AB_FETCH_LENGTH_BYTES + (size_t)ab_wire_be32(broker->buffer);
		if (broker->have >= AB_FETCH_LENGTH_BYTES && broker->have >= need)
			break;
		if (!make_room(broker, need)) {
			fail(fetcher, broker, now_ns, "its answer is larger than can be held");
			return;
		}
		ssize_t n = recv(broker->fd, broker->buffer + broker->have, need - broker->have, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			fail(fetcher, broker, now_ns, n < 0 ? strerror(errno) : "it closed the connection");
			return;
		}
		broker->have += (size_t)n;
		broker->due_ns = now_ns + ANSWER_MAX_NS; /* it lives; and a worker may have stood still meanwhile */
	}
	take_answer(fetcher, broker, now_ns);
}

void ab_fetcher_tend_broker(struct ab_fetcher *fetcher, struct ab_fetch_broker *broker, int64_t now_ns)
{
	switch (broker->state) {
	case AB_BROKER_DOWN:
		if (now_ns >= broker->due_ns)
			start_connect(fetcher, broker, now_ns);
		return;
	case AB_BROKER_CONNECTING:
		greet(fetcher, broker, now_ns);
		break;
	case AB_BROKER_READY:
		ask(fetcher, broker, now_ns);
		return;
	case AB_BROKER_HELLO:
	case AB_BROKER_ASKED:
		receive(fetcher, broker, now_ns);
		break;
	}
	bool waits = broker->state != AB_BROKER_DOWN && broker->state != AB_BROKER_READY && fetcher->current != broker;
	if (waits && now_ns >= broker->due_ns)
		fail(fetcher, broker, now_ns, "it does not answer");
}

