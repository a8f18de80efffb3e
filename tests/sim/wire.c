/* tests/sim/wire.c — io/conn.h and io/loop.h over a network that a seed drives. See sim.h.
 *
 * A request is on its way, is served, and its answer is on its way back; at every step the connection may be cut, by
 * the network or by the engine's own time-outs. A request whose connection is gone may still arrive: that is what comes
 * late. Or it arrives twice.
 */
#include <string.h>

#include "io/conn.h"
#include "tests/sim/sim.h"

struct ab_conn {
	struct ab_conn_callbacks callbacks;
	struct ab_conn_config config;
	struct sim_engine *of;
	enum sim_sink sink;
	enum ab_conn_state state;
	bool willing;
	bool in_flight;
	int64_t due_ns;		/* connecting, or the backoff: until then; in flight: the time-out */
	uint32_t failures;
};

struct ab_loop {
	int unused;
};

#define CONNS_MAX (SIM_ENGINES * SIM_SINKS * SIM_LANES)

static struct ab_conn *conns[CONNS_MAX];
static struct sim_request requests[SIM_REQUESTS];

static struct sim_request *free_request(void)
{
	for (int i = 0; i < SIM_REQUESTS; i++) {
		if (!requests[i].used)
			return &requests[i];
	}
	sim_fail("more than %d requests on the network", SIM_REQUESTS);
}

static void done_with(struct sim_request *request)
{
	request->used = false;
	request->conn = NULL;
}

void sim_wire_reset(void)
{
	for (int i = 0; i < SIM_REQUESTS; i++)
		done_with(&requests[i]);
	memset(conns, 0, sizeof conns);
}

/* Nobody waits for it any more: it may have been served, may still be, or never. */
static void let_go(struct ab_conn *conn)
{
	for (int i = 0; i < SIM_REQUESTS; i++) {
		struct sim_request *request = &requests[i];
		if (!request->used || request->conn != conn)
			continue;
		request->conn = NULL;
		if (request->answered || sim.only_in_time || sim_chance(400))
			done_with(request);
	}
}

static void serve(struct sim_request *request, bool late)
{
	request->reply_len = 0;
	sim_trace("%s: a request%s arrives", sim_sink_names[request->sink], late ? ", late," : "");
	sim.tally.late += late;
	switch (request->sink) {
	case SIM_REDIS:
		sim_redis_serve(request->bytes, request->len, late, request);
		return;
	case SIM_BIGQUERY:
		sim_warehouse_serve(request->bytes, request->len, late, request);
		return;
	case SIM_ELASTICSEARCH:
		sim_search_serve(request->bytes, request->len, late, request);
		return;
	}
}

/* --- io/loop.h ------------------------------------------------------------------------------------------------------- */

struct ab_loop *ab_loop_create(enum ab_io_backend backend, int conn_max, char *error)
{
	static struct ab_loop loop;

	(void)backend;
	(void)conn_max;
	(void)error;
	return &loop;
}

void ab_loop_destroy(struct ab_loop *loop)
{
	(void)loop;
}

const char *ab_loop_backend(const struct ab_loop *loop, const char **why)
{
	(void)loop;
	*why = "";
	return "simulated";
}

void ab_loop_step(struct ab_loop *loop, int64_t timeout_ns)
{
	(void)loop;
	(void)timeout_ns;
}

int64_t ab_loop_now_ns(const struct ab_loop *loop)
{
	(void)loop;
	return sim.now_ns;
}

void ab_loop_wake(struct ab_loop *loop)
{
	(void)loop;
}

struct ab_loop_counts ab_loop_counts(const struct ab_loop *loop)
{
	(void)loop;
	return (struct ab_loop_counts){0};
}

/* --- io/conn.h ------------------------------------------------------------------------------------------------------- */

struct ab_conn *ab_conn_create(struct ab_loop *loop, const struct ab_conn_config *config,
			       const struct ab_conn_callbacks *callbacks, char *error)
{
	struct ab_conn *conn = calloc(1, sizeof *conn);
	const struct ab_delivery_lane *lane = callbacks->arg;
	int i = 0;

	(void)loop;
	(void)error;
	AB_ASSERT(conn != NULL);
	conn->callbacks = *callbacks;
	conn->config = *config;
	conn->sink = (enum sim_sink)lane->owner->index;
	conn->of = sim_engine_of(NULL);
	while (conns[i] != NULL)
		i++;
	AB_ASSERT(i < CONNS_MAX);
	conns[i] = conn;
	return conn;
}

void ab_conn_destroy(struct ab_conn *conn)
{
	let_go(conn);
	for (int i = 0; i < CONNS_MAX; i++) {
		if (conns[i] == conn)
			conns[i] = NULL;
	}
	free(conn);
}

bool ab_conn_resolve(struct ab_conn *conn, char *error)
{
	(void)conn;
	(void)error;
	return true;
}

enum ab_conn_state ab_conn_state(const struct ab_conn *conn)
{
	return conn->state;
}

static void back_off(struct ab_conn *conn)
{
	conn->due_ns = sim.now_ns + (INT64_C(50000000) << (conn->failures < 6 ? conn->failures : 6));
	conn->failures++;
}

void ab_conn_open(struct ab_conn *conn)
{
	conn->willing = true;
}

static void drop(struct ab_conn *conn)
{
	let_go(conn);
	conn->state = AB_CONN_DOWN;
	conn->in_flight = false;
}

void ab_conn_close(struct ab_conn *conn, enum ab_conn_close then)
{
	if (conn->in_flight)
		sim.tally.lost++;
	drop(conn);
	conn->willing = then == AB_CONN_RECONNECT;
	if (conn->willing)
		back_off(conn);
}

void ab_conn_send(struct ab_conn *conn, const struct iovec *piece, int piece_count)
{
	const struct ab_delivery_lane *lane = conn->callbacks.arg;

	AB_ASSERT(conn->state == AB_CONN_UP && !conn->in_flight);
	if (!lane->greeting)
		sim_check_send(conn->of, lane);
	sim_crash_point();
	struct sim_request *request = free_request();
	size_t len = 0;
	for (int i = 0; i < piece_count; i++)
		len += piece[i].iov_len;
	if (len + 1 > request->room) {
		request->room = len + 1;
		request->bytes = realloc(request->bytes, request->room);
	}
	if (request->reply == NULL)
		request->reply = malloc(SIM_REPLY_BYTES);
	AB_ASSERT(request->bytes != NULL && request->reply != NULL);
	request->len = 0;
	for (int i = 0; i < piece_count; i++) {
		memcpy(request->bytes + request->len, piece[i].iov_base, piece[i].iov_len);
		request->len += piece[i].iov_len;
	}
	request->bytes[len] = 0;
	request->used = true;
	request->conn = conn;
	request->sink = conn->sink;
	request->answered = false;
	request->of_zombie = sim_group_is_zombie(conn->of);
	request->again = sim.faults && !sim.only_in_time && sim_chance(15);
	conn->in_flight = true;
	conn->due_ns = sim.now_ns + conn->config.first_byte_timeout_ms * INT64_C(1000000);
	sim_crash_point();
}

void ab_conn_done(struct ab_conn *conn)
{
	AB_ASSERT(conn->in_flight);
	conn->in_flight = false;
	conn->failures = 0;
}

void ab_conn_timer(struct ab_conn *conn, int64_t due_ns, void (*on_timer)(void *arg))
{
	(void)conn;
	(void)due_ns;
	(void)on_timer;
}

/* --- what happens on the network --------------------------------------------------------------------------------------- */

/* A sink thread does what control wished for before it looks at its connections again. */
static bool acts(const struct ab_conn *conn)
{
	const struct ab_delivery_lane *lane = conn->callbacks.arg;

	return !conn->of->frozen && conn->of->engine != NULL && !conn->of->dead && !lane->delivery->pause.standing &&
	       lane->wish == AB_WISH_NONE;
}

static void go_down(struct ab_conn *conn, const char *why)
{
	bool in_flight = conn->in_flight;

	sim_trace("engine %td: connection to %s is gone: %s", conn->of - sim.engine, sim_sink_names[conn->sink], why);
	sim.tally.lost += in_flight;
	drop(conn);
	back_off(conn);
	conn->callbacks.on_down(conn->callbacks.arg, in_flight, why);
}

/* true: something happened. */
static bool step_conn(struct ab_conn *conn)
{
	enum sim_health health = sim.server[conn->sink].health;

	if (conn->state == AB_CONN_UP && health == SIM_DOWN) {
		go_down(conn, "reset");
		return true;
	}
	if (conn->state == AB_CONN_UP && conn->in_flight && sim.now_ns >= conn->due_ns) {
		go_down(conn, "no answer in time");
		return true;
	}
	if (conn->state == AB_CONN_UP && sim.faults && sim_chance(conn->in_flight ? 20 : 4)) {
		go_down(conn, "cut");
		return true;
	}
	if (conn->state != AB_CONN_DOWN || !conn->willing || sim.now_ns < conn->due_ns)
		return false;
	if (health != SIM_UP || (sim.faults && sim_chance(50))) {
		back_off(conn);
		conn->callbacks.on_down(conn->callbacks.arg, false, "refused");
		return true;
	}
	conn->state = AB_CONN_UP;
	conn->callbacks.on_up(conn->callbacks.arg);
	return true;
}

/* The answer, in one piece or in two; or the connection is cut between them. */
static void hand_over(struct sim_request *request)
{
	static char answer[SIM_REPLY_BYTES];
	struct ab_conn *conn = request->conn;
	size_t len = request->reply_len, cut = len > 1 && sim_chance(200) ? 1 + sim_draw((uint32_t)len - 1) : 0;

	memcpy(answer, request->reply, len);
	done_with(request);
	if (cut > 0) {
		conn->callbacks.on_data(conn->callbacks.arg, answer, cut);
		if (conn->state == AB_CONN_UP && sim.faults && sim_chance(200))
			go_down(conn, "cut within an answer");
	}
	if (conn->state == AB_CONN_UP && conn->in_flight)
		conn->callbacks.on_data(conn->callbacks.arg, answer + cut, len - cut);
}

/* Its sender was put out of the group before it was sent, or since; or has begun anew without it. */
static bool nobody_waits(const struct sim_request *request)
{
	const struct ab_delivery_lane *lane = request->conn->callbacks.arg;

	return request->of_zombie || lane->wish != AB_WISH_NONE || sim_group_is_zombie(request->conn->of);
}

static bool step_request(struct sim_request *request)
{
	if (request->conn == NULL) {
		if (sim.server[request->sink].health != SIM_UP)
			return false;
		if (!sim_chance(500))
			return false;
		serve(request, true);
		done_with(request);
		return true;
	}
	if (!request->answered) {
		if (sim.server[request->sink].health != SIM_UP)
			return false;
		serve(request, nobody_waits(request));
		request->answered = true;
		if (request->again) {
			struct sim_request copy = *request, *to = free_request();
			char *bytes = realloc(to->bytes, request->room);
			*to = (struct sim_request){.used = true, .sink = copy.sink, .bytes = bytes, .reply = to->reply,
						   .len = copy.len, .room = copy.room};
			if (to->reply == NULL)
				to->reply = malloc(SIM_REPLY_BYTES);
			memcpy(to->bytes, copy.bytes, copy.len + 1);
			sim.tally.twice++;
		}
		return true;
	}
	hand_over(request);
	return true;
}

/* May unwind (a kill in the middle of what an answer leads to). */
static bool step_one(struct ab_conn *conn, struct sim_request *request)
{
	struct sim_frame frame;
	bool any = false;

	if (conn == NULL)
		return step_request(request);
	sim_frame_enter(&frame, conn->of);
	if (setjmp(frame.jump) == 0)
		any = request != NULL ? step_request(request) : step_conn(conn);
	else
		any = true;
	sim.frame = frame.outer;
	return any;
}

bool sim_wire_step(void)
{
	uint32_t from = sim_draw(SIM_REQUESTS + CONNS_MAX);

	for (uint32_t n = 0; n < SIM_REQUESTS + CONNS_MAX; n++) {
		uint32_t i = (from + n) % (SIM_REQUESTS + CONNS_MAX);
		if (i >= SIM_REQUESTS) {
			struct ab_conn *conn = conns[i - SIM_REQUESTS];
			if (conn != NULL && acts(conn) && step_one(conn, NULL))
				return true;
			continue;
		}
		struct sim_request *request = &requests[i];
		if (!request->used)
			continue;
		/* An answer waits in the kernel while its engine stands still. */
		if (request->conn != NULL && request->answered && !acts(request->conn))
			continue;
		if (step_one(request->answered ? request->conn : NULL, request))
			return true;
	}
	return false;
}

void sim_wire_cut(enum sim_sink sink)
{
	for (int i = 0; i < CONNS_MAX; i++) {
		if (conns[i] != NULL && conns[i]->sink == sink && conns[i]->state == AB_CONN_UP && acts(conns[i]))
			go_down(conns[i], "the server is gone");
	}
}

void sim_wire_settle(void)
{
	for (int i = 0; i < SIM_REQUESTS; i++) {
		if (!requests[i].used || requests[i].conn != NULL)
			continue;
		if (sim_chance(700))
			serve(&requests[i], true);
		done_with(&requests[i]);
	}
}

int64_t sim_wire_due_ns(void)
{
	int64_t due_ns = INT64_MAX;

	for (int i = 0; i < CONNS_MAX; i++) {
		if (conns[i] != NULL && conns[i]->due_ns > sim.now_ns && conns[i]->due_ns < due_ns)
			due_ns = conns[i]->due_ns;
	}
	return due_ns;
}
