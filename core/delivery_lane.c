/* core/delivery_lane.c — between a lane's state machine, its connection and its sink. See delivery_lane.h. */
#include "core/delivery_lane.h"

#include <string.h>

#include "core/clock.h"
#include "core/worker.h"

static void wake_delivery(void *delivery)
{
	ab_loop_wake(((struct ab_delivery *)delivery)->loop);
}

/* sink->reply() found an item that can never be taken: its letter, and what the lane must wait for. */
static void rejected(void *arg, struct ab_batch *batch, uint32_t i, const char *reason, size_t reason_len)
{
	struct ab_delivery_lane *lane = arg;
	struct ab_delivery *delivery = lane->delivery;
	struct ab_item *item = &batch->item[i];
	const struct ab_dead_letter letter = {
	    .sink = lane->owner->ops->name,
	    .topic = delivery->config->events_topic,
	    .partition = item->partition,
	    .offset = item->offset,
	    .timestamp_ms = item->commit_ts_ms,
	    .code = "sink",
	    .reason = reason,
	    .reason_len = reason_len,
	    .value = batch->bytes + item->at,
	    .value_len = item->len,
	};
	const struct ab_dead_letter_owner owner = {&lane->lane.acks, lane->lane.dead_sent, wake_delivery, delivery};

	if (ab_dead_letters_put(delivery->letters, &letter, &owner) == AB_DEAD_LETTER_FULL) {
		item->outcome = AB_OUTCOME_RETRY; /* the sink will refuse it again, when there is room for the letter */
		return;
	}
	lane->lane.dead_sent++;
	ab_count_add(&lane->counts.rejected, 1);
	atomic_thread_fence(memory_order_release); /* [L1] */
	ab_count_add(&lane->owner->dead[item->partition], 1);
}

static void publish(struct ab_delivery_lane *lane)
{
	struct ab_lane_counts *to = &lane->counts;
	const struct ab_sink_counts *from = &lane->sink_counts;

	ab_count_set(&to->duplicates, from->duplicates);
	ab_count_set(&to->repeated, lane->lane.repeated);
	ab_count_set(&to->in_flight, lane->lane.state == AB_LANE_IN_FLIGHT);
	ab_count_set(&to->held, ab_lane_held(&lane->lane));
	const struct ab_batch *oldest = lane->lane.sending->item_count > 0 ? lane->lane.sending : lane->lane.filling;
	ab_count_set(&to->oldest_ms, oldest->item_count > 0 ? (uint64_t)oldest->item[0].commit_ts_ms : 0);
}

/* Counts what an answer settled: acked items are counted once, when they become so. */
static void count_acked(struct ab_delivery_lane *lane)
{
	const struct ab_batch *batch = lane->lane.sending;
	int64_t now_ms = ab_wall_ms();
	uint64_t acked = 0;

	atomic_thread_fence(memory_order_release); /* [L1] */
	for (uint32_t i = 0; i < batch->item_count; i++) {
		const struct ab_item *item = &batch->item[i];
		if (item->outcome != AB_OUTCOME_ACKED)
			continue;
		acked++;
		ab_count_add(&lane->owner->acked[item->partition], 1);
		if (item->commit_ts_ms > 0)
			ab_hist_add(&lane->counts.freshness, now_ms - item->commit_ts_ms);
	}
	ab_count_add(&lane->counts.acked, acked);
}

static void settle(struct ab_delivery_lane *lane, int64_t now_ns)
{
	bool first = lane->lane.state == AB_LANE_IN_FLIGHT;
	bool pending = false;

	for (uint32_t i = 0; first && i < lane->lane.sending->item_count; i++)
		pending |= lane->lane.sending->item[i].outcome <= AB_OUTCOME_PENDING ||
			   lane->lane.sending->item[i].outcome == AB_OUTCOME_RETRY;
	if (first && !pending)
		count_acked(lane);
	ab_lane_settle(&lane->lane, now_ns);
}

static void send_pending(struct ab_delivery_lane *lane, int64_t now_ns)
{
	struct ab_request request = {0};

	lane->owner->ops->request(lane->sink_lane, lane->lane.sending, &request);
	if (!request.needs_reply) {
		settle(lane, now_ns);
		return;
	}
	size_t bytes = 0;
	for (int i = 0; i < request.piece_count; i++)
		bytes += request.piece[i].iov_len;
	ab_count_add(&lane->counts.bytes, bytes);
	ab_count_add(&lane->counts.requests, 1);
	lane->sent_ns = now_ns;
	ab_conn_send(lane->conn, request.piece, request.piece_count);
}

static void call_control(struct ab_delivery_lane *lane, enum ab_sink_call call)
{
	/* Release [D1]: the error text is written before. */
	atomic_store_explicit(&lane->owner->call, call, memory_order_release);
	lane->owner->running = false; /* until control has acted: nothing is sent on a wrong footing */
}

/* The sink as a whole said no to a greeting: try again by a new connection, whose backoff grows. */
static void refuse_greeting(struct ab_delivery_lane *lane)
{
	lane->greeting = false;
	atomic_store_explicit(&lane->owner->resolve, true, memory_order_relaxed); /* [D2] */
	ab_conn_close(lane->conn, AB_CONN_RECONNECT);
	lane->owner->ops->lost(lane->sink_lane, NULL, false);
}

static void leave(struct ab_delivery_lane *lane, int64_t now_ns, bool in_doubt)
{
	lane->greeting = false;
	lane->greeted = false;
	lane->owner->ops->lost(lane->sink_lane, in_doubt ? lane->lane.sending : NULL, in_doubt);
	ab_lane_lost(&lane->lane, now_ns);
}

static void cut(struct ab_delivery_lane *lane, int64_t now_ns)
{
	bool in_flight = lane->lane.state == AB_LANE_IN_FLIGHT;

	leave(lane, now_ns, in_flight);
	if (in_flight)
		ab_count_add(&lane->counts.ambiguous, 1);
}

static void answered(struct ab_delivery_lane *lane, enum ab_reply_result result, const char *error, int64_t now_ns)
{
	if (error[0])
		ab_delivery_set_error(lane->owner, error);
	if (result != AB_REPLY_MORE) {
		ab_count_add(&lane->counts.waiting_ns, (uint64_t)(now_ns > lane->sent_ns ? now_ns - lane->sent_ns : 0));
		ab_count_add(&lane->counts.answers, 1);
	}
	switch (result) {
	case AB_REPLY_MORE:
		return;
	case AB_REPLY_DONE:
		ab_conn_done(lane->conn);
		ab_hist_add(&lane->counts.request, (now_ns - lane->sent_ns) / AB_NS_PER_MS);
		settle(lane, now_ns);
		return;
	case AB_REPLY_AGAIN:
		ab_conn_done(lane->conn);
		send_pending(lane, now_ns);
		return;
	case AB_REPLY_OUTAGE:
		ab_conn_done(lane->conn);
		ab_count_add(&lane->counts.outages, 1);
		ab_lane_outage(&lane->lane, now_ns);
		return;
	case AB_REPLY_RECONNECT:
		ab_count_add(&lane->counts.outages, 1);
		ab_conn_close(lane->conn, AB_CONN_RECONNECT);
		atomic_store_explicit(&lane->owner->resolve, true, memory_order_relaxed); /* [D2] */
		leave(lane, now_ns, false);
		return;
	case AB_REPLY_AMBIGUOUS:
		ab_conn_close(lane->conn, AB_CONN_RECONNECT);
		cut(lane, now_ns);
		return;
	case AB_REPLY_REWIND:
		ab_conn_close(lane->conn, AB_CONN_STAY_DOWN);
		cut(lane, now_ns);
		call_control(lane, AB_CALL_REWIND);
		return;
	case AB_REPLY_FATAL:
		ab_conn_close(lane->conn, AB_CONN_STAY_DOWN);
		cut(lane, now_ns);
		call_control(lane, AB_CALL_STOP);
		return;
	}
}

static void greeted(struct ab_delivery_lane *lane, enum ab_reply_result result, const char *error)
{
	if (error[0])
		ab_delivery_set_error(lane->owner, error);
	switch (result) {
	case AB_REPLY_MORE:
		return;
	case AB_REPLY_DONE:
		ab_conn_done(lane->conn);
		lane->greeting = false;
		lane->greeted = true;
		return;
	case AB_REPLY_FATAL:
		refuse_greeting(lane);
		ab_conn_close(lane->conn, AB_CONN_STAY_DOWN);
		call_control(lane, AB_CALL_STOP);
		return;
	default:
		refuse_greeting(lane);
		return;
	}
}

static void on_data(void *arg, const void *bytes, size_t len)
{
	struct ab_delivery_lane *lane = arg;
	int64_t now_ns = ab_loop_now_ns(lane->delivery->loop);
	char error[AB_SINK_ERROR_MAX_BYTES] = "";
	const struct ab_reply reply = {rejected, lane, &lane->sink_counts, error};
	struct ab_batch *batch = lane->greeting ? NULL : lane->lane.sending;
	enum ab_reply_result result = lane->owner->ops->reply(lane->sink_lane, batch, bytes, len, &reply);

	if (lane->greeting)
		greeted(lane, result, error);
	else
		answered(lane, result, error, now_ns);
	publish(lane);
}

static void on_up(void *arg)
{
	struct ab_delivery_lane *lane = arg;
	struct ab_request request = {0};

	ab_count_add(&lane->counts.connects, 1);
	if (lane->owner->ops->hello == NULL) {
		lane->greeted = true;
		return;
	}
	lane->owner->ops->hello(lane->sink_lane, &request);
	lane->greeting = true;
	ab_conn_send(lane->conn, request.piece, request.piece_count);
}

static void on_down(void *arg, bool in_flight, const char *reason)
{
	struct ab_delivery_lane *lane = arg;
	char text[AB_SINK_ERROR_MAX_BYTES];

	/* Servers close connections that were idle for long. If it is more than that, making the next one fails and says so. */
	if (in_flight || !lane->greeted) {
		snprintf(text, sizeof text, "connection %d: %s", lane->index, reason);
		ab_delivery_set_error(lane->owner, text);
		ab_count_add(&lane->counts.failures, 1);
	}
	atomic_store_explicit(&lane->owner->resolve, true, memory_order_relaxed); /* [D2] */
	cut(lane, ab_loop_now_ns(lane->delivery->loop));
	publish(lane);
}

struct ab_conn *ab_delivery_lane_connect(struct ab_delivery_lane *lane, struct ab_loop *loop,
					 const struct ab_conn_config *config, char *error)
{
	const struct ab_conn_callbacks callbacks = {
	    .on_up = on_up, .on_data = on_data, .on_down = on_down, .arg = lane};

	return ab_conn_create(loop, config, &callbacks, error);
}

void ab_delivery_lane_wish(struct ab_delivery_lane *lane)
{
	enum ab_conn_wish wish = lane->wish;

	if (wish == AB_WISH_NONE)
		return;
	lane->wish = AB_WISH_NONE;
	if (lane->owner->ops->connectionless)
		return;
	if (wish != AB_WISH_OPEN) {
		ab_conn_close(lane->conn, AB_CONN_STAY_DOWN);
		lane->greeting = false;
		lane->greeted = false;
	}
	if (wish != AB_WISH_CLOSE)
		ab_conn_open(lane->conn);
}

static void take_chunks(struct ab_delivery_lane *lane, int64_t now_ns)
{
	struct ab_delivery *delivery = lane->delivery;

	for (int n = 0; n < delivery->worker_count; n++) {
		int w = (lane->next_worker + n) % delivery->worker_count;
		struct ab_worker *worker = &delivery->worker[w];
		struct ab_link *link = &worker->sink[lane->owner->index].link[lane->index];
		struct ab_chunk *chunk;
		while ((chunk = ab_link_peek(link)) != NULL && ab_acks_upto(&worker->acks) >= chunk->letters) {
			enum ab_lane_take taken = ab_lane_take(&lane->lane, chunk, now_ns);
			if (taken == AB_LANE_FULL) {
				lane->next_worker = w;
				return;
			}
			AB_ASSERT(taken == AB_LANE_TAKEN); /* GAP: positions would pass records nobody delivered */
			if (ab_link_release(link))
				ab_worker_wake(worker);
		}
	}
	lane->next_worker = (lane->next_worker + 1) % delivery->worker_count;
}

void ab_delivery_lane_pump(struct ab_delivery_lane *lane, int64_t now_ns, int64_t *due_ns)
{
	enum ab_lane_next next;

	take_chunks(lane, now_ns);
	while ((next = ab_lane_next(&lane->lane, now_ns, due_ns)) != AB_LANE_WAIT) {
		if (next == AB_LANE_SETTLE) {
			settle(lane, now_ns);
			continue;
		}
		if (!lane->greeted && !(next == AB_LANE_START && lane->lane.filling->item_count == 0 &&
					!lane->lane.limits.stores_positions))
			break; /* on_up, or the greeting's answer, brings us back */
		if (next == AB_LANE_SEND_AGAIN) {
			ab_lane_resume(&lane->lane);
			ab_count_add(&lane->counts.retries, 1);
		} else if (!ab_lane_start(&lane->lane)) {
			continue;
		}
		send_pending(lane, now_ns);
		take_chunks(lane, now_ns); /* the batch that was full is on its way */
	}
	publish(lane);
}
