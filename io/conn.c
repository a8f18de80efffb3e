/* io/conn.c — see conn.h for the states. Every way down goes through drop(); every callback is the last thing a
 * function does, since the owner may close or send from inside it. */
#include "io/conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>

#include "core/clock.h"
#include "io/loop_backend.h"

#define BACKOFF_FIRST_NS (50 * AB_NS_PER_MS)
#define BACKOFF_MAX_NS (5 * AB_NS_PER_S)

#define ERROR_BYTES 256		/* of create and resolve */

_Static_assert(AB_CONN_PIECES_MAX == AB_SOCKET_PIECES_MAX, "one bound, seen from two sides");

struct address {
	struct sockaddr_storage at;
	socklen_t len;
};

struct ab_conn {
	struct ab_socket socket;	/* first: the loop's callbacks get it */
	struct ab_loop *loop;
	struct ab_conn_config config;
	struct ab_conn_callbacks call;
	void (*on_timer)(void *arg);

	enum ab_conn_state state;
	bool willing;			/* reconnects by itself */
	bool in_flight, sent, answering;
	const char *doom;		/* UP in name only: the next step says so by on_down() */
	uint32_t failures;		/* in a row */
	int64_t retry_ns, connect_due_ns, first_byte_due_ns, request_due_ns;
	uint64_t random;
	uint32_t tried;			/* addresses, in this attempt */
	uint32_t address_next;

	pthread_mutex_t address_mutex;	/* ab_conn_resolve() may run elsewhere */
	uint32_t address_count;
	struct address address[AB_CONN_ADDRESSES_MAX];
	char reason[AB_CONN_REASON_MAX_BYTES];
	char host[];
};

static void AB_PRINTF(2, 3) say(struct ab_conn *conn, const char *format, ...)
{
	va_list args;
	int n = snprintf(conn->reason, sizeof conn->reason, "%s:%d ", conn->host, conn->config.port);

	if (n < 0 || (size_t)n >= sizeof conn->reason)
		return;
	va_start(args, format);
	vsnprintf(conn->reason + n, sizeof conn->reason - (size_t)n, format, args);
	va_end(args);
}

static int64_t nearer(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* When the connection itself has to act, by its state. */
static void arm(struct ab_conn *conn)
{
	int64_t due_ns = INT64_MAX;

	if (conn->state == AB_CONN_CONNECTING)
		due_ns = conn->connect_due_ns;
	else if (conn->state == AB_CONN_DOWN && conn->willing)
		due_ns = conn->retry_ns;
	else if (conn->doom != NULL)
		due_ns = 0;
	else if (conn->in_flight && conn->sent && !conn->answering)
		due_ns = nearer(conn->first_byte_due_ns, conn->request_due_ns);
	else if (conn->in_flight)
		due_ns = conn->request_due_ns;
	ab_loop_timer(conn->loop, &conn->socket, AB_TIMER_CONN, due_ns);
}

/* xorshift64: only has to differ between connections. */
static uint64_t chance(struct ab_conn *conn)
{
	conn->random ^= conn->random << 13;
	conn->random ^= conn->random >> 7;
	conn->random ^= conn->random << 17;
	return conn->random;
}

static void back_off(struct ab_conn *conn)
{
	int64_t delay_ns = BACKOFF_FIRST_NS;

	for (uint32_t i = 0; i < conn->failures && delay_ns < BACKOFF_MAX_NS; i++)
		delay_ns *= 2;
	if (delay_ns > BACKOFF_MAX_NS)
		delay_ns = BACKOFF_MAX_NS;
	delay_ns += (int64_t)(chance(conn) % (uint64_t)(delay_ns / 4));
	conn->retry_ns = ab_monotonic_ns() + delay_ns;
	conn->failures++;
}

static void drop(struct ab_conn *conn)
{
	/* With a request under way: a reset, so that the peer does not go on reading what nobody waits for. */
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (conn->in_flight && conn->socket.fd >= 0)
		setsockopt(conn->socket.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	ab_loop_close(conn->loop, &conn->socket);
	conn->state = AB_CONN_DOWN;
	conn->in_flight = conn->sent = conn->answering = false;
	conn->doom = NULL;
	conn->tried = 0;
}

/* The reason is in conn->reason. */
static void go_down(struct ab_conn *conn)
{
	bool in_flight = conn->in_flight;

	drop(conn);
	back_off(conn);
	arm(conn);
	conn->call.on_down(conn->call.arg, in_flight, conn->reason);
}

/* Connecting */

/* 0, or -errno. */
static int start_connect(struct ab_conn *conn)
{
	struct ab_socket *s = &conn->socket;
	struct address to;

	pthread_mutex_lock(&conn->address_mutex);
	to = conn->address[conn->address_next % conn->address_count];
	pthread_mutex_unlock(&conn->address_mutex);

	int result = ab_loop_open(conn->loop, s, to.at.ss_family);
	if (result < 0)
		return result;
	s->address = to.at;
	s->address_len = to.len;
	conn->state = AB_CONN_CONNECTING;
	conn->connect_due_ns = conn->loop->now_ns + conn->config.connect_timeout_ms * AB_NS_PER_MS;
	arm(conn);
	ab_loop_begin(conn->loop, s, AB_OP_CONNECT);
	return 0;
}

static void explain_connect(struct ab_conn *conn, int result)
{
	if (result == -ECONNREFUSED)
		say(conn, "refused the connection: is the server running, and are host and port its own?");
	else if (result == -ETIMEDOUT)
		say(conn, "did not accept a connection within %u ms: is the host up, and no firewall between?",
		    conn->config.connect_timeout_ms);
	else if (result == -EMFILE || result == -ENFILE)
		say(conn, "needs a socket and there is none: raise the limit of open files (ulimit -n)");
	else
		say(conn, "cannot be connected to: %s", strerror(-result));
}

/* The next address of the host, or down when all were tried. */
static void connect_failed(struct ab_conn *conn, int result)
{
	do {
		ab_loop_close(conn->loop, &conn->socket);
		conn->address_next++;
		conn->tried++;
		if (conn->tried >= conn->address_count) {
			explain_connect(conn, result);
			go_down(conn);
			return;
		}
		result = start_connect(conn);
	} while (result < 0);
}

static void connected(struct ab_conn *conn)
{
	const int on = 1;

	setsockopt(conn->socket.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	conn->state = AB_CONN_UP;
	conn->tried = 0;
	arm(conn);
	ab_loop_begin(conn->loop, &conn->socket, AB_OP_RECV);
	conn->call.on_up(conn->call.arg);
}

/* A request and its answer */

static void sent(struct ab_conn *conn, size_t bytes)
{
	struct msghdr *message = &conn->socket.message;

	while (message->msg_iovlen > 0 && bytes >= message->msg_iov->iov_len) {
		bytes -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen > 0) {
		message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + bytes;
		message->msg_iov->iov_len -= bytes;
		ab_loop_begin(conn->loop, &conn->socket, AB_OP_SEND);
		return;
	}
	conn->sent = true;
	conn->first_byte_due_ns = conn->loop->now_ns + conn->config.first_byte_timeout_ms * AB_NS_PER_MS;
	arm(conn);
}

static void explain_loss(struct ab_conn *conn, int result)
{
	const char *when = conn->in_flight ? " while a request was under way" : "";

	if (result == 0)
		say(conn, "closed the connection%s", when);
	else if (result == -ECONNRESET || result == -EPIPE)
		say(conn, "reset the connection%s", when);
	else
		say(conn, "was lost%s: %s", when, strerror(-result));
}

static void received(struct ab_conn *conn, size_t bytes)
{
	if (!conn->in_flight) {
		say(conn, "sent %zu bytes that answer no request: is it the server we take it for?", bytes);
		go_down(conn);
		return;
	}
	if (!conn->answering) {
		conn->answering = true;
		arm(conn);
	}
	conn->call.on_data(conn->call.arg, conn->socket.receive, bytes);
	if (conn->state == AB_CONN_UP && conn->doom == NULL)	/* the owner may have closed it */
		ab_loop_begin(conn->loop, &conn->socket, AB_OP_RECV);
}

static void done(struct ab_socket *socket, enum ab_op_kind kind, int result)
{
	struct ab_conn *conn = (struct ab_conn *)socket;

	if (kind == AB_OP_CONNECT && result < 0) {
		connect_failed(conn, result);
	} else if (kind == AB_OP_CONNECT) {
		connected(conn);
	} else if (result < 0 || (kind == AB_OP_RECV && result == 0)) {
		explain_loss(conn, result);
		go_down(conn);
	} else if (kind == AB_OP_SEND) {
		sent(conn, (size_t)result);
	} else {
		received(conn, (size_t)result);
	}
}

static void too_late(struct ab_conn *conn)
{
	if (conn->doom != NULL)
		say(conn, "%s", conn->doom);
	else if (conn->loop->now_ns >= conn->request_due_ns)
		say(conn, "did not complete a request within %u ms%s", conn->config.request_timeout_ms,
		    conn->sent ? "" : ": it does not read what it is sent");
	else
		say(conn, "did not begin to answer within %u ms", conn->config.first_byte_timeout_ms);
	go_down(conn);
}

static void due(struct ab_socket *socket, enum ab_timer_kind kind)
{
	struct ab_conn *conn = (struct ab_conn *)socket;
	int result;

	if (kind == AB_TIMER_OWNER) {
		conn->on_timer(conn->call.arg);
	} else if (conn->state == AB_CONN_UP) {
		too_late(conn);
	} else if (conn->state == AB_CONN_CONNECTING) {
		connect_failed(conn, -ETIMEDOUT);
	} else {
		conn->tried = 0;
		result = start_connect(conn);
		if (result < 0)
			connect_failed(conn, result);
	}
}

/* What the owner calls */

static bool look_up(const struct ab_conn *conn, struct address *address, uint32_t *count, char *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
	char port[16];

	snprintf(port, sizeof port, "%d", conn->config.port);
	int result = getaddrinfo(conn->host, port, &hints, &found);
	if (result == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
		result = getaddrinfo(conn->host, port, &hints, &found);
	}
	if (result != 0) {
		snprintf(error, ERROR_BYTES, "host %.160s: %s: is the name right?", conn->host,
			 result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
		return false;
	}
	*count = 0;
	for (struct addrinfo *a = found; a != NULL && *count < AB_CONN_ADDRESSES_MAX; a = a->ai_next) {
		memcpy(&address[*count].at, a->ai_addr, a->ai_addrlen);
		address[(*count)++].len = a->ai_addrlen;
	}
	freeaddrinfo(found);
	return true;
}

bool ab_conn_resolve(struct ab_conn *conn, char *error)
{
	struct address address[AB_CONN_ADDRESSES_MAX];
	uint32_t count;

	if (!look_up(conn, address, &count, error))
		return false;
	pthread_mutex_lock(&conn->address_mutex);
	memcpy(conn->address, address, count * sizeof address[0]);
	conn->address_count = count;
	pthread_mutex_unlock(&conn->address_mutex);
	return true;
}

struct ab_conn *ab_conn_create(struct ab_loop *loop, const struct ab_conn_config *config,
			       const struct ab_conn_callbacks *callbacks, char *error)
{
	AB_ASSERT(config->receive_bytes > 0);
	struct ab_conn *conn = calloc(1, sizeof *conn + strlen(config->host) + 1);
	AB_ASSERT(conn != NULL);
	conn->loop = loop;
	conn->config = *config;
	memcpy(conn->host, config->host, strlen(config->host) + 1);
	conn->call = *callbacks;
	conn->random = config->jitter_seed * 2 + 1;	/* never 0, where xorshift stays */
	conn->socket.done = done;
	conn->socket.due = due;
	conn->socket.receive_bytes = config->receive_bytes;
	pthread_mutex_init(&conn->address_mutex, NULL);

	if (!ab_conn_resolve(conn, error)) {
		/* said */
	} else if (!ab_loop_add(loop, &conn->socket)) {
		snprintf(error, ERROR_BYTES, "the loop was made for %d connections and has them", loop->socket_max);
	} else {
		conn->socket.receive = ab_take_lines(config->receive_bytes);
		return conn;
	}
	pthread_mutex_destroy(&conn->address_mutex);
	free(conn);
	return NULL;
}

void ab_conn_destroy(struct ab_conn *conn)
{
	drop(conn);
	ab_loop_remove(conn->loop, &conn->socket);
	pthread_mutex_destroy(&conn->address_mutex);
	free(conn->socket.receive);
	free(conn);
}

enum ab_conn_state ab_conn_state(const struct ab_conn *conn)
{
	return conn->state;
}

void ab_conn_open(struct ab_conn *conn)
{
	AB_ASSERT(ab_loop_is_ours(conn->loop));
	conn->willing = true;
	arm(conn);
}

void ab_conn_close(struct ab_conn *conn, enum ab_conn_close then)
{
	AB_ASSERT(ab_loop_is_ours(conn->loop));
	conn->willing = then == AB_CONN_RECONNECT;
	drop(conn);
	if (conn->willing)
		back_off(conn);
	arm(conn);
}

void ab_conn_send(struct ab_conn *conn, const struct iovec *piece, int piece_count)
{
	struct ab_socket *s = &conn->socket;
	int64_t now_ns = ab_monotonic_ns();	/* the step's may be old: between steps anything may have taken long */

	AB_ASSERT(ab_loop_is_ours(conn->loop));
	AB_ASSERT(conn->state == AB_CONN_UP && !conn->in_flight);
	AB_ASSERT(piece_count > 0 && piece_count <= AB_CONN_PIECES_MAX);
	conn->in_flight = true;
	conn->sent = conn->answering = false;
	conn->request_due_ns = now_ns + conn->config.request_timeout_ms * AB_NS_PER_MS;
	arm(conn);
	if (conn->doom != NULL)
		return;

	size_t bytes = 0;
	for (int i = 0; i < piece_count; i++) {
		s->piece[i] = piece[i];
		bytes += piece[i].iov_len;
	}
	AB_ASSERT(bytes > 0);
	s->message = (struct msghdr){.msg_iov = s->piece, .msg_iovlen = (size_t)piece_count};
	ab_loop_begin(conn->loop, s, AB_OP_SEND);
}

void ab_conn_done(struct ab_conn *conn)
{
	AB_ASSERT(ab_loop_is_ours(conn->loop));
	AB_ASSERT(conn->state == AB_CONN_UP && conn->in_flight);
	if (conn->sent) {
		conn->failures = 0;
	} else {
		/* The request's bytes are the caller's again, and the peer has not read them all: no way to go on. */
		conn->doom = "answered before it had read the whole request: the connection cannot be used again";
		ab_loop_close(conn->loop, &conn->socket);
	}
	conn->in_flight = false;
	arm(conn);
}

void ab_conn_timer(struct ab_conn *conn, int64_t due_ns, void (*on_timer)(void *arg))
{
	AB_ASSERT(due_ns == 0 || on_timer != NULL);
	conn->on_timer = on_timer;
	ab_loop_timer(conn->loop, &conn->socket, AB_TIMER_OWNER, due_ns == 0 ? INT64_MAX : due_ns);
}
