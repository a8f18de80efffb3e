/* bench/stub_broker.c — one Kafka broker that serves log segments of a real one from memory, so that a bench measures the
 * engine and not the broker.
 *
 *     build/release/bench/stub_broker PORT DIR TOPIC
 *
 * DIR is log.dirs of a Kafka whose topic was filled before (it may run, but must not write to the topic): a segment file is
 * record batches one after another, as they travel in a Fetch answer, so nothing is made or copied. Any other topic
 * exists with one empty partition. One consumer per group; positions are kept as long as the process lives.
 *
 * Answers what librdkafka asks of it: ApiVersions, Metadata, ListOffsets, Fetch, FindCoordinator, JoinGroup, SyncGroup,
 * Heartbeat, LeaveGroup, OffsetFetch, OffsetCommit, CreateTopics, InitProducerId, in the oldest versions that it takes. A
 * fetch does not wait for records: one with nothing to give is answered after half the time it may take.
 *
 * Threads: one, with epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bench/broker/log.h"
#include "bench/broker/positions.h"
#include "bench/broker/wire.h"

#define REQUEST_MAX_BYTES (1024 * 1024)
#define ANSWER_MAX_BYTES (256 * 1024)
#define PIECES_MAX (2 * PARTITIONS_MAX + 1)
#define EVENTS_MAX 64
#define CONNS_MAX 256

struct conn {
	int fd;
	uint8_t *in;
	size_t in_len;
	uint8_t *out;			/* the answers' own bytes */
	struct iovec piece[PIECES_MAX];	/* and the log's between them */
	int pieces, pieces_sent;
	int64_t due_ns;			/* 0: the answer may go; else not before */
	bool blocked;
	bool looked_at;			/* nothing has come since */
};

static const char *topic;
static int topic_partitions, port;
static struct partition partition[PARTITIONS_MAX];

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

/* Names of the protocol's requests, with its numbers. */
enum {
	PRODUCE = 0,
	FETCH = 1,
	LIST_OFFSETS = 2,
	METADATA = 3,
	OFFSET_COMMIT = 8,
	OFFSET_FETCH = 9,
	FIND_COORDINATOR = 10,
	JOIN_GROUP = 11,
	HEARTBEAT = 12,
	LEAVE_GROUP = 13,
	SYNC_GROUP = 14,
	API_VERSIONS = 18,
	CREATE_TOPICS = 19,
	INIT_PRODUCER_ID = 22,
};

/* Where fields have tags, and lengths have as many bytes as they need: the engine's own fetcher asks so. */
#define FLEXIBLE_FETCH 12

/* Produce is told so that librdkafka knows of record batches; nobody here takes one. */
static const struct {
	int16_t key, version;
} apis[] = {{PRODUCE, 3}, {FETCH, FLEXIBLE_FETCH}, {LIST_OFFSETS, 1}, {METADATA, 4}, {OFFSET_COMMIT, 2}, {OFFSET_FETCH, 1},
	    {FIND_COORDINATOR, 0}, {JOIN_GROUP, 0}, {HEARTBEAT, 0}, {LEAVE_GROUP, 0}, {SYNC_GROUP, 0}, {API_VERSIONS, 0},
	    {CREATE_TOPICS, 4}, {INIT_PRODUCER_ID, 0}};

static void api_versions(struct writer *w, int16_t version)
{
	int count = sizeof apis / sizeof apis[0];

	put_i16(w, version == 0 ? 0 : 35); /* 35: ask again with version 0 */
	put_i32(w, count);
	for (int i = 0; i < count; i++) {
		put_i16(w, apis[i].key);
		bool older = apis[i].key == PRODUCE || apis[i].key == METADATA || apis[i].key == CREATE_TOPICS;
		put_i16(w, older ? 0 : apis[i].key == FETCH ? 4 : apis[i].version);
		put_i16(w, apis[i].version);
	}
}

static void put_topic(struct writer *w, const char *name)
{
	int count = strcmp(name, topic) == 0 ? topic_partitions : 1;

	put_i16(w, 0);
	put_string(w, name);
	put(w, "", 1); /* not internal */
	put_i32(w, count);
	for (int p = 0; p < count; p++) {
		put_i16(w, 0);
		put_i32(w, p);
		put_i32(w, 1); /* leader, then replicas, then those in sync */
		put_i32(w, 1);
		put_i32(w, 1);
		put_i32(w, 1);
		put_i32(w, 1);
	}
}

static void metadata(struct reader *r, struct writer *w, int16_t version)
{
	int32_t count = take_i32(r);
	char name[256];

	if (version >= 3)
		put_i32(w, 0); /* throttled for */
	put_i32(w, 1);
	put_i32(w, 1);
	put_string(w, "127.0.0.1");
	put_i32(w, port);
	put_i16(w, -1); /* no rack */
	put_string(w, "stub-cluster");
	put_i32(w, 1); /* controller */
	put_i32(w, count < 0 ? 1 : count);
	if (count < 0)
		put_topic(w, topic);
	for (int32_t i = 0; i < count; i++) {
		take_string(r, name, sizeof name);
		put_topic(w, name);
	}
}

static bool is_ours(const char *name, int32_t p)
{
	return strcmp(name, topic) == 0 && p >= 0 && p < topic_partitions;
}

static void list_offsets(struct reader *r, struct writer *w)
{
	char name[256];

	take_i32(r); /* replica */
	int32_t topics = take_i32(r);
	put_i32(w, topics);
	for (int32_t t = 0; t < topics; t++) {
		take_string(r, name, sizeof name);
		int32_t count = take_i32(r);
		put_string(w, name);
		put_i32(w, count);
		for (int32_t i = 0; i < count; i++) {
			int32_t p = take_i32(r);
			int64_t time_ms = (int64_t)take(r, 8);
			put_i32(w, p);
			put_i16(w, 0);
			put_i64(w, -1);
			put_i64(w, time_ms == -1 && is_ours(name, p) ? partition[p].next : 0);
		}
	}
}

/* Ends the piece of own bytes that began at `from` and adds bytes of the log. */
static void weave(struct conn *c, struct writer *w, uint8_t **from, struct iovec log)
{
	c->piece[c->pieces++] = (struct iovec){*from, (size_t)(w->at - *from)};
	c->piece[c->pieces++] = log;
	*from = w->at;
}

/* Both versions in one: what only the flexible one has is read and written only then. */
static size_t fetch(struct conn *c, struct reader *r, struct writer *w, uint8_t **from, bool flexible)
{
	size_t sum = 0;
	char name[256];

	take_i32(r); /* replica */
	int32_t wait_ms = take_i32(r);
	take_i32(r); /* least */
	size_t left = (size_t)take_i32(r);
	take(r, 1); /* isolation: there are no open transactions */
	if (flexible)
		take(r, 8); /* session */
	int32_t topics = take_count(r, flexible);
	put_i32(w, 0); /* throttled for */
	if (flexible)
		put(w, "\0\0\0\0\0", 6); /* no error, no session */
	put_count(w, topics, flexible);
	for (int32_t t = 0; t < topics; t++) {
		take_name(r, name, sizeof name, flexible);
		int32_t count = take_count(r, flexible);
		put_name(w, name, flexible);
		put_count(w, count, flexible);
		for (int32_t i = 0; i < count; i++) {
			int32_t p = take_i32(r);
			if (flexible)
				take_i32(r); /* leader's epoch */
			int64_t offset = (int64_t)take(r, 8);
			if (flexible)
				take(r, 12); /* last epoch, a follower's first offset */
			size_t max = (size_t)take_i32(r);
			take_tags(r, flexible);
			struct iovec log = {NULL, 0};
			if (is_ours(name, p) && left > 0 && c->pieces + 3 < PIECES_MAX)
				log = read_log(&partition[p], offset, max < left ? max : left);
			int64_t next = is_ours(name, p) ? partition[p].next : 0;
			left -= log.iov_len < left ? log.iov_len : left;
			sum += log.iov_len;
			put_i32(w, p);
			put_i16(w, offset > next ? 1 : 0);
			put_i64(w, next);
			put_i64(w, next);
			if (flexible)
				put_i64(w, 0); /* where the log begins */
			put_count(w, 0, flexible); /* aborted transactions */
			if (flexible)
				put_i32(w, -1); /* no replica to be read rather */
			put_count(w, (int32_t)log.iov_len, flexible);
			if (log.iov_len > 0)
				weave(c, w, from, log);
			put_tags(w, flexible);
		}
		take_tags(r, flexible);
		put_tags(w, flexible);
	}
	put_tags(w, flexible);
	if (sum == 0)
		c->due_ns = now_ns() + (int64_t)wait_ms * 500000;
	return sum;
}

static void offset_commit(struct reader *r, struct writer *w)
{
	char group[256], text[METADATA_MAX_BYTES], name[256];

	take_string(r, group, sizeof group);
	take_i32(r); /* generation */
	take_string(r, text, sizeof text);
	take(r, 8); /* retention */
	int32_t topics = take_i32(r);
	put_i32(w, topics);
	for (int32_t t = 0; t < topics; t++) {
		take_string(r, name, sizeof name);
		int32_t count = take_i32(r);
		struct position *at = position_of(group, name);
		put_string(w, name);
		put_i32(w, count);
		for (int32_t i = 0; i < count; i++) {
			int32_t p = take_i32(r);
			int64_t offset = (int64_t)take(r, 8);
			take_string(r, text, sizeof text);
			if (p >= 0 && p < PARTITIONS_MAX) {
				at->of[p].offset = offset;
				memcpy(at->of[p].metadata, text, sizeof text);
			}
			put_i32(w, p);
			put_i16(w, 0);
		}
	}
}

static void offset_fetch(struct reader *r, struct writer *w)
{
	char group[256], name[256];

	take_string(r, group, sizeof group);
	int32_t topics = take_i32(r);
	put_i32(w, topics > 0 ? topics : 0);
	for (int32_t t = 0; t < topics; t++) {
		take_string(r, name, sizeof name);
		int32_t count = take_i32(r);
		struct position *at = position_of(group, name);
		put_string(w, name);
		put_i32(w, count);
		for (int32_t i = 0; i < count; i++) {
			int32_t p = take_i32(r);
			bool known = p >= 0 && p < PARTITIONS_MAX;
			put_i32(w, p);
			put_i64(w, known ? at->of[p].offset : -1);
			put_string(w, known ? at->of[p].metadata : "");
			put_i16(w, 0);
		}
	}
}

/* One member per group, who leads it: its own subscription is handed back as the group's, to be assigned by it. */
static void join_group(struct reader *r, struct writer *w)
{
	char text[256], protocol[256] = "";
	const uint8_t *bytes = NULL;
	int32_t len = 0;

	take_string(r, text, sizeof text); /* group */
	take_i32(r);
	take_string(r, text, sizeof text); /* member */
	take_string(r, text, sizeof text); /* kind */
	int32_t count = take_i32(r);
	for (int32_t i = 0; i < count; i++) {
		take_string(r, text, sizeof text);
		int32_t n = take_i32(r);
		if (n < 0 || r->end - r->at < n)
			die("JoinGroup", "a subscription longer than it");
		if (i == 0) {
			snprintf(protocol, sizeof protocol, "%s", text);
			bytes = r->at;
			len = n;
		}
		r->at += n;
	}
	put_i16(w, 0);
	put_i32(w, 1); /* generation */
	put_string(w, protocol);
	put_string(w, "member"); /* the leader, and who asks */
	put_string(w, "member");
	put_i32(w, 1);
	put_string(w, "member");
	put_i32(w, len);
	put(w, bytes, (size_t)len);
}

static void sync_group(struct reader *r, struct writer *w)
{
	char text[256];

	take_string(r, text, sizeof text);
	take_i32(r);
	take_string(r, text, sizeof text);
	int32_t count = take_i32(r);
	put_i16(w, 0);
	if (count < 1) {
		put_i32(w, 0);
		return;
	}
	take_string(r, text, sizeof text);
	int32_t len = take_i32(r);
	if (len < 0 || r->end - r->at < len)
		die("SyncGroup", "an assignment longer than it");
	put_i32(w, len);
	put(w, r->at, (size_t)len);
}

/* Every topic exists already. */
static void create_topics(struct reader *r, struct writer *w, int16_t version)
{
	char text[4096];
	int32_t count = take_i32(r);

	if (version >= 2)
		put_i32(w, 0); /* throttled for */
	put_i32(w, count);
	for (int32_t i = 0; i < count; i++) {
		take_string(r, text, sizeof text);
		put_string(w, text);
		put_i16(w, 36);
		if (version >= 1)
			put_i16(w, -1); /* no words */
		take(r, 6); /* partitions, replicas */
		for (int32_t n = take_i32(r); n > 0; n--) {
			take_i32(r);
			for (int32_t k = take_i32(r); k > 0; k--)
				take_i32(r);
		}
		for (int32_t n = take_i32(r); n > 0; n--) {
			take_string(r, text, sizeof text);
			take_string(r, text, sizeof text);
		}
	}
}

static void answer(struct conn *c, struct reader *r)
{
	struct writer w = {c->out, c->out + ANSWER_MAX_BYTES};
	uint8_t *from = w.at;
	int16_t key = (int16_t)take(r, 2), version = (int16_t)take(r, 2);
	int32_t correlation = take_i32(r);
	size_t log_bytes = 0;
	char client[256];

	take_string(r, client, sizeof client);
	put_i32(&w, 0); /* the length, below */
	put_i32(&w, correlation);
	switch (key) {
	case API_VERSIONS: api_versions(&w, version); break;
	case METADATA: metadata(r, &w, version); break;
	case LIST_OFFSETS: list_offsets(r, &w); break;
	case FETCH:
		take_tags(r, version >= FLEXIBLE_FETCH);
		put_tags(&w, version >= FLEXIBLE_FETCH);
		log_bytes = fetch(c, r, &w, &from, version >= FLEXIBLE_FETCH);
		break;
	case OFFSET_COMMIT: offset_commit(r, &w); break;
	case OFFSET_FETCH: offset_fetch(r, &w); break;
	case JOIN_GROUP: join_group(r, &w); break;
	case SYNC_GROUP: sync_group(r, &w); break;
	case CREATE_TOPICS: create_topics(r, &w, version); break;
	case HEARTBEAT:
	case LEAVE_GROUP: put_i16(&w, 0); break;
	case FIND_COORDINATOR:
		put_i16(&w, 0);
		put_i32(&w, 1);
		put_string(&w, "127.0.0.1");
		put_i32(&w, port);
		break;
	case INIT_PRODUCER_ID:
		put_i32(&w, 0);
		put_i16(&w, 0);
		put_i64(&w, 1);
		put_i16(&w, 0);
		break;
	default: die("request", "one that is not known here");
	}
	if (w.at > from)
		c->piece[c->pieces++] = (struct iovec){from, (size_t)(w.at - from)};
	uint32_t len = htobe32((uint32_t)((size_t)(w.at - c->out) - 4 + log_bytes));
	memcpy(c->out, &len, 4);
}

/* --- connections ------------------------------------------------------------------------------------------------------ */

static void watch(int epoll, struct conn *c, int how)
{
	struct epoll_event event = {.events = c->blocked ? EPOLLOUT : EPOLLIN, .data.ptr = c};

	epoll_ctl(epoll, how, c->fd, &event);
}

/* Sends the answer that is ready. false: the peer is gone. */
static bool flush(struct conn *c)
{
	while (c->pieces_sent < c->pieces) {
		struct msghdr message = {.msg_iov = c->piece + c->pieces_sent, .msg_iovlen = (size_t)(c->pieces - c->pieces_sent)};
		ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN;
		while (n > 0 && (size_t)n >= c->piece[c->pieces_sent].iov_len)
			n -= (ssize_t)c->piece[c->pieces_sent++].iov_len;
		if (n > 0) {
			c->piece[c->pieces_sent].iov_base = (char *)c->piece[c->pieces_sent].iov_base + n;
			c->piece[c->pieces_sent].iov_len -= (size_t)n;
		}
	}
	c->pieces = c->pieces_sent = 0;
	return true;
}

/* One request at a time: the next is looked at when the answer of the last is away. */
static bool serve(int epoll, struct conn *c)
{
	for (;;) {
		if (c->due_ns > now_ns())
			return true;
		c->due_ns = 0;
		if (!flush(c))
			return false;
		bool blocked = c->pieces > 0;
		if (blocked != c->blocked) {
			c->blocked = blocked;
			watch(epoll, c, EPOLL_CTL_MOD);
		}
		if (blocked)
			return true;
		uint32_t len = 0;
		if (c->in_len >= 4) {
			memcpy(&len, c->in, 4);
			len = be32toh(len);
			if (len > REQUEST_MAX_BYTES - 4)
				return false;
		}
		if (c->in_len < 4 || c->in_len < 4 + (size_t)len) {
			ssize_t n = recv(c->fd, c->in + c->in_len, REQUEST_MAX_BYTES - c->in_len, 0);
			if (n <= 0)
				return n < 0 && errno == EAGAIN;
			c->in_len += (size_t)n;
			continue;
		}
		struct reader r = {c->in + 4, c->in + 4 + len};
		answer(c, &r);
		c->in_len -= 4 + (size_t)len;
		memmove(c->in, c->in + 4 + len, c->in_len);
	}
}

static struct conn *accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	struct conn *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;

	if (c == NULL)
		return NULL;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->fd = fd;
	c->in = malloc(REQUEST_MAX_BYTES);
	c->out = malloc(ANSWER_MAX_BYTES);
	if (c->in == NULL || c->out == NULL)
		die("connection", "no memory");
	return c;
}

static void drop(struct conn **list, int *count, int i)
{
	close(list[i]->fd);
	free(list[i]->in);
	free(list[i]->out);
	free(list[i]);
	list[i] = list[--*count];
}

static int listen_at(void)
{
	const struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0)
		die("port", strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	static struct conn *list[CONNS_MAX];
	struct epoll_event event[EVENTS_MAX];
	int count = 0, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (argc != 4) {
		fprintf(stderr, "Example: stub_broker 17760 .stack/data/kafka bench.pipeline.wrapped.1000000\n");
		return 64;
	}
	port = (int)strtol(argv[1], NULL, 10);
	topic = argv[3];
	topic_partitions = open_partitions(partition, argv[2], topic);
	int listener = listen_at();
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
	for (;;) {
		int64_t wait_ns = 1000000000;
		for (int i = 0; i < count; i++) {
			if (list[i]->due_ns != 0 && list[i]->due_ns - now_ns() < wait_ns)
				wait_ns = list[i]->due_ns - now_ns();
		}
		int n = epoll_wait(epoll, event, EVENTS_MAX, wait_ns > 0 ? (int)(wait_ns / 1000000) + 1 : 0);
		for (int i = 0; i < n; i++) {
			struct conn *c = event[i].data.ptr;
			if (c != NULL)
				c->looked_at = false;
			else if (count < CONNS_MAX && (c = accept_one(listener)) != NULL)
				watch(epoll, list[count++] = c, EPOLL_CTL_ADD);
		}
		for (int i = count - 1; i >= 0; i--) {
			struct conn *c = list[i];
			bool due = c->due_ns != 0 && c->due_ns <= now_ns();
			if ((due || !c->looked_at) && !serve(epoll, c))
				drop(list, &count, i);
			else
				c->looked_at = true;
		}
	}
}
