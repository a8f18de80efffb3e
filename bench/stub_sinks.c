/* bench/stub_sinks.c — Redis, Elasticsearch and BigQuery as one small process, so that a bench measures the engine.
 *
 *     build/release/bench/stub_sinks PORT        Redis at PORT, Elasticsearch + 1, BigQuery + 2, control + 3
 *     curl 127.0.0.1:PORT+3/                     what came so far, as JSON
 *
 * STUB_APPLIED=FILE: a line for each range a Redis batch applied: partition, next offset, monotonic nanoseconds.
 * STUB_ITEMS=FILE:   a line for each new document and row: elasticsearch or bigquery, its id, monotonic nanoseconds.
 * They are written out when the control page is asked for.
 *
 * SIGUSR1: all three are down: their connections are cut and new ones refused, until SIGUSR2. What they hold stays.
 *
 * See bench/stub/stub.h for what is checked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/stub/stub.h"

/* One read; the largest requests of the engine are about 1 MB. */
#define READ_BYTES (1024u * 1024)
#define EVENTS_MAX 64
#define DESCRIPTORS_MAX 1024

static struct stub_conn *open_conn[DESCRIPTORS_MAX];	/* by descriptor */
static volatile sig_atomic_t down;

static void grow(struct stub_buffer *buffer, size_t room)
{
	if (buffer->room >= room)
		return;
	buffer->room = room > 2 * buffer->room ? room : 2 * buffer->room;
	buffer->at = realloc(buffer->at, buffer->room);
	if (buffer->at == NULL)
		abort();
}

void stub_put(struct stub_buffer *to, const void *bytes, size_t len)
{
	grow(to, to->len + len + 1);
	memcpy(to->at + to->len, bytes, len);
	to->len += len;
}

void stub_print(struct stub_buffer *to, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	stub_put(to, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

void stub_bad(struct stub *stub, const char *format, ...)
{
	va_list args;

	if (stub->count.bad++ > 0)
		return;
	va_start(args, format);
	vsnprintf(stub->count.words, sizeof stub->count.words, format, args);
	va_end(args);
	fprintf(stderr, "stub_sinks: %s\n", stub->count.words);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void stub_note(struct stub *stub)
{
	stub->last_ns = now_ns();
	if (stub->first_ns == 0)
		stub->first_ns = stub->last_ns;
}

void stub_begin(struct stub *stub)
{
	memset(stub, 0, sizeof *stub);
	memset(stub->position, 0xff, sizeof stub->position);
	stub->version = mmap(NULL, STUB_IDS_MAX * sizeof stub->version[0], PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stub->version == MAP_FAILED)
		abort();
}

void stub_control(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	const struct stub_counts *c = &stub->count;
	static struct stub_buffer body;

	(void)request;
	if (stub->applied != NULL)
		fflush(stub->applied);
	if (stub->items != NULL)
		fflush(stub->items);
	body.len = 0;
#define FIELD(name) stub_print(&body, "\"" #name "\":%llu,", (unsigned long long)c->name)
	STUB_PUT(&body, "{");
	FIELD(redis_requests);
	FIELD(redis_events);
	FIELD(redis_dup);
	FIELD(redis_mix);
	FIELD(es_requests);
	FIELD(es_created);
	FIELD(es_updated);
	FIELD(es_conflicts);
	FIELD(es_bytes);
	FIELD(bq_requests);
	FIELD(bq_rows);
	FIELD(bq_doubled);
	FIELD(bq_lookups);
	FIELD(bq_bytes);
	FIELD(bad);
	stub_print(&body, "\"first_ns\":%lld,\"last_ns\":%lld,\"words\":\"", (long long)stub->first_ns, (long long)stub->last_ns);
	for (const char *at = c->words; *at; at++)
		stub_put(&body, *at == '"' || *at == '\\' || (unsigned char)*at < ' ' ? "'" : at, 1);
	STUB_PUT(&body, "\"}\n");
	stub_answer(conn, 200, body.at, body.len);
}

static int listen_at(int port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0) {
		fprintf(stderr, "stub_sinks: port %d: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

static void watch(int epoll, struct stub_conn *conn, int how)
{
	struct epoll_event event = {.events = EPOLLIN | (conn->blocked ? EPOLLOUT : 0u), .data.ptr = conn};

	epoll_ctl(epoll, how, conn->fd, &event);
}

static void end(struct stub_conn *conn)
{
	open_conn[conn->fd] = NULL;
	close(conn->fd);
	free(conn->in.at);
	free(conn->out.at);
	free(conn);
}

static void accept_all(int epoll, const struct stub_conn *listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct stub_conn *conn = calloc(1, sizeof *conn);
		if (conn == NULL || fd >= DESCRIPTORS_MAX)
			abort();
		open_conn[fd] = conn;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		conn->fd = fd;
		conn->protocol = listener->protocol;
		conn->queued = -1;
		watch(epoll, conn, EPOLL_CTL_ADD);
	}
}

/* Sends what can be sent. false: the peer is gone. */
static bool flush(int epoll, struct stub_conn *conn)
{
	while (conn->out_from < conn->out.len) {
		ssize_t n = send(conn->fd, conn->out.at + conn->out_from, conn->out.len - conn->out_from, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		conn->out_from += (size_t)n;
	}
	bool blocked = conn->out_from < conn->out.len;
	if (!blocked)
		conn->out.len = conn->out_from = 0;
	if (blocked != conn->blocked) {
		conn->blocked = blocked;
		watch(epoll, conn, EPOLL_CTL_MOD);
	}
	return true;
}

static void handle(struct stub *stub, struct stub_conn *conn)
{
	while (conn->in.len - conn->in_from >= (conn->need > 0 ? conn->need : 1)) {
		const char *bytes = conn->in.at + conn->in_from;
		size_t len = conn->in.len - conn->in_from;
		size_t used = conn->protocol == STUB_REDIS ? stub_redis(stub, conn, bytes, len)
							   : stub_http(stub, conn, bytes, len);
		if (used == 0)
			break;
		conn->in_from += used;
		conn->need = 0;
	}
	if (conn->in_from > 0) {
		memmove(conn->in.at, conn->in.at + conn->in_from, conn->in.len - conn->in_from);
		conn->in.len -= conn->in_from;
		conn->in_from = 0;
	}
}

/* Reads and answers. false: the peer is gone. */
static bool serve(struct stub *stub, int epoll, struct stub_conn *conn)
{
	grow(&conn->in, (conn->need > conn->in.len ? conn->need : conn->in.len) + READ_BYTES);
	ssize_t n = recv(conn->fd, conn->in.at + conn->in.len, conn->in.room - conn->in.len, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return false;
	if (stub->applied != NULL || stub->items != NULL)
		stub->now_ns = now_ns();
	if (n > 0) {
		conn->in.len += (size_t)n;
		if (conn->in.len > STUB_REQUEST_MAX_BYTES) {
			stub_bad(stub, "a request of more than %u bytes", STUB_REQUEST_MAX_BYTES);
			return false;
		}
		handle(stub, conn);
	}
	return flush(epoll, conn);
}

static void on_signal(int number)
{
	down = number == SIGUSR1;
}

/* Whoever asks what came so far is answered all the time. */
static void go_down(struct stub_conn *listener)
{
	for (int i = 0; i < STUB_CONTROL; i++)
		close(listener[i].fd);
	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
		if (open_conn[fd] != NULL && open_conn[fd]->protocol != STUB_CONTROL)
			end(open_conn[fd]);
	}
}

static void come_up(int epoll, struct stub_conn *listener, int port)
{
	for (int i = 0; i < STUB_CONTROL; i++) {
		listener[i].fd = listen_at(port + i);
		watch(epoll, &listener[i], EPOLL_CTL_ADD);
	}
}

int main(int argc, char **argv)
{
	static struct stub stub;
	struct stub_conn listener[STUB_PROTOCOLS];
	bool is_down = false;
	struct epoll_event event[EVENTS_MAX];
	int port = argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (port <= 0 || port > 65532) {
		fprintf(stderr, "Example: stub_sinks 7000    Redis 7000, Elasticsearch 7001, BigQuery 7002, control 7003\n");
		return 64;
	}
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	stub_begin(&stub);
	if (getenv("STUB_APPLIED") != NULL)
		stub.applied = fopen(getenv("STUB_APPLIED"), "w");
	if (getenv("STUB_ITEMS") != NULL)
		stub.items = fopen(getenv("STUB_ITEMS"), "w");
	for (int i = 0; i < STUB_PROTOCOLS; i++) {
		listener[i] = (struct stub_conn){.fd = listen_at(port + i), .protocol = i};
		watch(epoll, &listener[i], EPOLL_CTL_ADD);
	}
	for (;;) {
		int count = epoll_wait(epoll, event, EVENTS_MAX, -1);
		if (is_down != (down != 0)) {
			is_down = !is_down;
			if (is_down)
				go_down(listener);
			else
				come_up(epoll, listener, port);
			continue; /* what the events are of may be gone */
		}
		for (int i = 0; i < count; i++) {
			struct stub_conn *conn = event[i].data.ptr;
			if (conn >= listener && conn < listener + STUB_PROTOCOLS)
				accept_all(epoll, conn);
			else if (!serve(&stub, epoll, conn))
				end(conn);
		}
	}
}
