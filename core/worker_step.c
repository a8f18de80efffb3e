/* core/worker_step.c — decode, enrich and encode one window of records. See worker_step.h. */
#include "core/worker_step.h"

#include <string.h>

#include "core/clock.h"
#include "core/crc32c.h"
#include "core/enrich.h"
#include "core/event_text.h"
#include "core/log.h"
#include "core/worker_seal.h"

/* What a sink's encoder writes besides the record's own text: names, punctuation, numbers, the topic's name twice; and
 * the longest content type in JSON. It is reckoned before the content is known: whether a record is too large is a
 * matter of the record alone. */
#define ENCODE_FIXED_BYTES (2048 + 6 * AB_CONTENT_TYPE_MAX_BYTES + 2)

/* What of a record is fetched while the one before it is decoded: where librdkafka reads, its thread wrote it, so it lies in
 * another core's cache (PERFORMANCE.md row P-7; where the worker itself reads it makes no difference, row P-17). Behind this
 * the hardware knows where reading goes. */
#define PREFETCH_BYTES 2560

/* Letters that may be under way before a worker waits: below the producer's queue by what all workers can add with one
 * window each. */
#define LETTERS_WAITING_MAX (AB_DEAD_LETTER_QUEUE_MAX - AB_WORKERS_MAX * AB_SINKS_MAX * AB_DECODE_BATCH)

static void decode_one(struct ab_worker *worker, struct ab_source_record *record, int i)
{
	struct ab_event *event = &worker->event[i];

	if (record->value_len > (size_t)worker->config->record_max_bytes) {
		worker->result[i] = AB_DECODE_REJECTED;
		worker->reason[i].code = AB_REJECT_TOO_LARGE;
		snprintf(worker->reason[i].text, sizeof worker->reason[i].text,
			 "the record has %zu bytes, RECORD_MAX_BYTES allows %lld", record->value_len,
			 (long long)worker->config->record_max_bytes);
		return;
	}
	worker->result[i] =
	    ab_decode_event(worker->decoder, record->value, record->value_len, event, &worker->reason[i]);
	event->partition = record->partition;
	event->offset = record->offset;
	event->kafka_ts_ms = record->timestamp_ms;
}

static void prefetch(const struct ab_source_record *record)
{
	size_t len = record->value_len < PREFETCH_BYTES ? record->value_len : PREFETCH_BYTES;

	for (size_t at = 0; at < len; at += AB_CACHE_LINE_BYTES)
		__builtin_prefetch((const char *)record->value + at);
}

/* Decodes up to a window of the reader's records; returns how many. */
static int decode_window(struct ab_worker *worker, struct ab_worker_reader *reader)
{
	int count = reader->count - reader->at;
	int i;

	count = count < AB_DECODE_BATCH ? count : AB_DECODE_BATCH;
	ab_decoder_reset(worker->decoder);
	for (i = 0; i < count; i++) {
		struct ab_source_record *record = &reader->record[reader->at + i];
		if (reader->at + i + 1 < reader->count)
			prefetch(record + 1);
		if (record->kind != AB_RECORD_DATA)
			continue;
		decode_one(worker, record, i);
		if (worker->result[i] == AB_DECODE_FULL)
			break; /* the scratch is empty again for the next window, which begins here */
		if (worker->result[i] == AB_DECODE_EVENT && (worker->event[i].has & AB_HAS_CONTENT_ID))
			ab_cache_prefetch(worker->cache, worker->event[i].content_id);
	}
	AB_ASSERT(i > 0 || count == 0);
	return i;
}

/* Whether the event has to wait for its content. A record older than ENRICH_WAIT_MS has waited enough, wherever it
 * was; so unknown contents delay a live stream by that much at most, and a backlog not at all. */
static bool must_wait(struct ab_worker *worker, struct ab_worker_reader *reader, const struct ab_event *event,
		      int64_t now_ns)
{
	if (reader->wait_offset == event->offset)
		return now_ns < reader->wait_until_ns;

	int64_t age_ms = ab_wall_ms() - event->kafka_ts_ms;
	int64_t left_ms = worker->config->enrich_wait_ms - (age_ms > 0 ? age_ms : 0);
	ab_count_add(&worker->counts.enrich_misses, 1);
	if (worker->config->enrich_on_miss != AB_ENRICH_WAIT || left_ms <= 0)
		return false;
	reader->wait_offset = event->offset;
	reader->wait_until_ns = now_ns + left_ms * AB_NS_PER_MS;
	return true;
}

static enum ab_step enrich(struct ab_worker *worker, struct ab_worker_reader *reader, struct ab_event *event,
			   int64_t now_ns)
{
	enum ab_cache_result found = ab_enrich(worker->cache, event);
	bool waited = reader->wait_offset == event->offset;

	if (found == AB_CACHE_MISS) {
		if (must_wait(worker, reader, event, now_ns))
			return AB_STEP_BLOCKED;
		ab_count_add(&worker->counts.enrich_unknown, 1);
	} else if (waited) {
		ab_count_add(&worker->counts.enrich_resolved, 1);
	}
	reader->wait_offset = -1;
	return AB_STEP_DONE;
}

static size_t room_for(const struct ab_event *event)
{
	size_t text =
	    event->content_id_json.len + event->user_id_json.len + event->event_type_json.len + event->device_json.len;

	return sizeof(struct ab_record) + ENCODE_FIXED_BYTES + text;
}

/* The chunk of a link that takes the event; NULL: there is none now. */
static struct ab_chunk *room_in(struct ab_worker *worker, struct ab_worker_sink *sink, struct ab_link *link, size_t room,
				int64_t now_ns)
{
	struct ab_chunk *chunk = ab_link_room(link, room, sink->record_max);

	if (chunk == NULL && link->open != NULL && ab_worker_seal(worker, sink, link, now_ns))
		chunk = ab_link_room(link, room, sink->record_max);
	return chunk;
}

/* Where an event goes for one sink. */
struct place {
	struct ab_link *link;
	struct ab_chunk *chunk;
};

/* Room for the event in every sink of the reader, or in none: what is sealed here covers only what came before. Notes
 * which lanes have none. */
static bool make_room(struct ab_worker *worker, int r, const struct ab_event *event, size_t room, struct place *place,
		      int64_t now_ns)
{
	bool all = true;

	for (int s = 0; s < worker->sink_count; s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		if (sink->reader != r)
			continue;
		struct ab_link *link = &sink->link[ab_route_lane(event, sink->key, sink->lanes)];
		place[s] = (struct place){link, room_in(worker, sink, link, room, now_ns)};
		if (place[s].chunk == NULL && link->open == NULL)
			worker->reader[r].blocked[s] = link;
		all = all && place[s].chunk != NULL;
	}
	return all;
}

/* Lanes may wait for it, and the worker for room. */
static void acknowledged(void *arg)
{
	struct ab_worker *worker = arg;

	for (int s = 0; s < worker->sink_count; s++)
		ab_loop_wake(worker->sink[s].loop);
	ab_worker_wake(worker);
}

static void send_letter(struct ab_worker *worker, const char *sink, const struct ab_source_record *record,
			const char *code, const char *reason)
{
	const struct ab_dead_letter letter = {
	    .sink = sink,
	    .topic = worker->config->events_topic,
	    .partition = record->partition,
	    .offset = record->offset,
	    .timestamp_ms = record->timestamp_ms,
	    .code = code,
	    .reason = reason,
	    .reason_len = strlen(reason),
	    .value = record->value,
	    .value_len = record->value_len,
	};
	const struct ab_dead_letter_owner owner = {&worker->acks, worker->dead_sent, acknowledged, worker};

	ab_count_add(&worker->letters_sent, 1); /* [W6] */
	/* LETTERS_WAITING_MAX was looked at before, so FULL means that the sinks' letters took the room, or that Kafka takes
	 * none at all. Control must not wait for that: a letter given up keeps everything from being sealed until leave. */
	while (ab_dead_letters_put(worker->letters, &letter, &owner) == AB_DEAD_LETTER_FULL) {
		if (ab_pause_asked(&worker->pause)) {
			worker->dead_given_up++;
			return;
		}
		ab_park_sleep(&worker->park, AB_NS_PER_MS);
	}
	worker->dead_sent++;
}

/* Each record is consumed once, when a reader of the sink takes it up for the first time… */
static void consume(struct ab_worker *worker, int r, const struct ab_source_record *record)
{
	for (int s = 0; s < worker->sink_count; s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		if (sink->reader != r || record->offset < sink->consumed[record->partition])
			continue;
		ab_count_add(&sink->ledger[record->partition][AB_LEDGER_CONSUMED], 1);
		sink->consumed[record->partition] = record->offset + 1;
	}
}

/* …and what became of it is noted once, when it is through for the first time. Release [L1]: whoever reads an outcome
 * finds its record consumed. */
static void note(struct ab_worker_sink *sink, const struct ab_source_record *record, enum ab_ledger what)
{
	if (record->offset < sink->through[record->partition])
		return;
	atomic_thread_fence(memory_order_release);
	ab_count_add(&sink->ledger[record->partition][what], 1);
}

static void go_through(struct ab_worker *worker, int r, const struct ab_source_record *record)
{
	for (int s = 0; s < worker->sink_count; s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		if (sink->reader == r && record->offset >= sink->through[record->partition])
			sink->through[record->partition] = record->offset + 1;
	}
}

/* What was written for the sink (NULL: nothing), and why not. */
struct written {
	enum ab_tap_outcome outcome;
	struct ab_record *record;
	const char *reason;
};

static struct written encode(struct ab_worker *worker, struct ab_worker_sink *sink, const struct place *place,
			     const struct ab_event *event, const struct ab_source_record *record)
{
	struct ab_chunk *chunk = place->chunk;

	if (event->offset < place->link->covered[event->partition]) { /* given before: the lane would drop it */
		ab_count_add(&place->link->repeated, 1);
		note(sink, record, AB_LEDGER_KNOWN);
		return (struct written){AB_TAP_REPEATED, NULL, NULL};
	}
	struct ab_record *to = ab_link_record(chunk);
	size_t room = AB_CHUNK_BYTES - chunk->used_bytes - sizeof *to, len = 0;
	const char *reason = NULL;

	switch (sink->ops->encode(sink->sink, event, ab_record_bytes(to), room, &len, &reason)) {
	case AB_ENCODE_RECORD:
		*to = (struct ab_record){
		    .offset = event->offset,
		    .commit_ts_ms = event->has & AB_HAS_COMMIT_TS ? event->commit_ts_ms : 0,
		    .len = (uint32_t)len,
		    .partition = event->partition,
		};
		ab_link_append(chunk, to);
		ab_count_add(&sink->events, 1);
		return (struct written){AB_TAP_GIVEN, to, NULL};
	case AB_ENCODE_SKIPPED:
		ab_count_add(&sink->skipped, 1);
		note(sink, record, AB_LEDGER_OPERATION);
		return (struct written){AB_TAP_SKIPPED, NULL, NULL};
	case AB_ENCODE_REJECTED:
		break;
	}
	ab_count_add(&sink->rejected, 1);
	note(sink, record, AB_LEDGER_DEAD);
	send_letter(worker, sink->ops->name, record, "encode", reason);
	return (struct written){AB_TAP_REJECTED, NULL, reason};
}

/* The event for all sinks of its reader, with a sample of it when it is one of those chosen. */
static void encode_all(struct ab_worker *worker, int r, const struct ab_event *event, const struct place *place,
		       const struct ab_source_record *record)
{
	bool sampled = ab_tap_wants(&worker->tap, event->id);

	if (sampled)
		ab_tap_begin(&worker->tap, event, worker->reader[r].name, record->value, record->value_len);
	for (int s = 0; s < worker->sink_count; s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		if (sink->reader != r)
			continue;
		struct written written = encode(worker, sink, &place[s], event, record);
		if (sampled)
			ab_tap_to_sink(&worker->tap, s, written.outcome, (uint32_t)(place[s].link - sink->link),
				       written.record != NULL ? ab_record_bytes(written.record) : NULL,
				       written.record != NULL ? written.record->len : 0, written.reason);
	}
	if (sampled)
		ab_tap_end(&worker->tap);
}

static void reject(struct ab_worker *worker, int r, const struct ab_source_record *record,
		   const struct ab_reason *reason)
{
	ab_count_add(&worker->counts.rejected[reason->code], 1);
	for (int s = 0; s < worker->sink_count; s++) {
		if (worker->sink[s].reader != r)
			continue;
		ab_count_add(&worker->sink[s].rejected, 1);
		note(&worker->sink[s], record, AB_LEDGER_DEAD);
	}
	/* Whoever reads it: nobody can. */
	send_letter(worker, "all", record, ab_reject_name(reason->code), reason->text);
}

static enum ab_step process_event(struct ab_worker *worker, int r, struct ab_event *event,
				  const struct ab_source_record *record, int64_t now_ns)
{
	struct place place[AB_SINKS_MAX];
	size_t room = room_for(event);

	if (room > AB_RECORD_ENCODED_MAX_BYTES) {
		struct ab_reason reason = {.code = AB_REJECT_TOO_LARGE};
		snprintf(reason.text, sizeof reason.text, "its fields have %zu bytes, more than a sink takes (%d)",
			 room, AB_RECORD_ENCODED_MAX_BYTES);
		reject(worker, r, record, &reason);
		return AB_STEP_DONE;
	}
	if (enrich(worker, &worker->reader[r], event, now_ns) == AB_STEP_BLOCKED)
		return AB_STEP_BLOCKED;
	if (!make_room(worker, r, event, room, place, now_ns))
		return AB_STEP_BLOCKED;
	worker->text.made = false;
	event->text = &worker->text;
	encode_all(worker, r, event, place, record);
	event->text = NULL;
	ab_count_add(&worker->counts.op[event->op], 1);
	return AB_STEP_DONE;
}

static void skip(struct ab_worker *worker, int r, const struct ab_source_record *record, ab_count *count)
{
	ab_count_add(count, 1);
	for (int s = 0; s < worker->sink_count; s++) {
		if (worker->sink[s].reader != r)
			continue;
		ab_count_add(&worker->sink[s].skipped, 1);
		note(&worker->sink[s], record, AB_LEDGER_NO_EVENT);
	}
}

static enum ab_step process_data(struct ab_worker *worker, int r, int i, struct ab_source_record *record,
				 int64_t now_ns)
{
	switch (worker->result[i]) {
	case AB_DECODE_EVENT:
		return process_event(worker, r, &worker->event[i], record, now_ns);
	case AB_DECODE_TOMBSTONE:
		skip(worker, r, record, &worker->counts.tombstones);
		return AB_STEP_DONE;
	case AB_DECODE_OTHER:
		skip(worker, r, record, &worker->counts.other);
		return AB_STEP_DONE;
	case AB_DECODE_REJECTED:
		reject(worker, r, record, &worker->reason[i]);
		return AB_STEP_DONE;
	case AB_DECODE_FULL:
		break;
	}
	AB_ASSERT(worker->result[i] != AB_DECODE_FULL);
	return AB_STEP_BLOCKED;
}

static void trouble(struct ab_worker_reader *reader, enum ab_worker_trouble what, const struct ab_source_record *record)
{
	reader->trouble_partition = record->partition;
	reader->trouble_offset = record->offset;
	atomic_store_explicit(&reader->trouble, what, memory_order_release); /* [W1] */
}

/* A record by which the log can be known again after a restart. */
static void take_sample(struct ab_worker *worker, const struct ab_source_record *record)
{
	uint16_t p = record->partition;

	if (atomic_load_explicit(&worker->sampled[p], memory_order_acquire) != 0) /* [W2] */
		return;
	worker->sample[p] = (struct ab_fingerprint){
	    .offset = record->offset,
	    .timestamp_ms = record->timestamp_ms,
	    .crc = ab_crc32c(record->value, record->value ? record->value_len : 0),
	};
	atomic_store_explicit(&worker->sampled[p], 1, memory_order_release); /* [W2] */
}

static enum ab_step process(struct ab_worker *worker, int r, int i, struct ab_source_record *record, int64_t now_ns)
{
	int64_t *next = &worker->reader[r].next[record->partition];
	enum ab_step step = AB_STEP_DONE;

	switch (record->kind) {
	case AB_RECORD_DATA:
		if (record->offset < *next) {
			trouble(&worker->reader[r], AB_TROUBLE_BACK, record);
			return AB_STEP_BLOCKED;
		}
		consume(worker, r, record);
		step = process_data(worker, r, i, record, now_ns);
		if (step != AB_STEP_DONE)
			return step;
		go_through(worker, r, record);
		ab_count_add(&worker->counts.records, 1);
		ab_count_add(&worker->counts.bytes, record->value_len);
		if (r == 0)
			take_sample(worker, record);
		*next = record->offset + 1;
		return step;
	case AB_RECORD_END:
		/* Control records at the end of the log have offsets too: there is nothing below this one. */
		if (record->offset > *next)
			*next = record->offset;
		return step;
	case AB_RECORD_LOST:
		ab_log("kafka: partition %d: %s", record->partition, record->error);
		trouble(&worker->reader[r], AB_TROUBLE_LOST, record);
		return AB_STEP_BLOCKED;
	case AB_RECORD_ERROR:
		if (record->offset >= 0)
			ab_log("kafka: partition %d: %s", record->partition, record->error);
		else
			ab_log("kafka: %s", record->error);
		ab_count_add(&worker->counts.errors, 1);
		return step;
	}
	return step;
}

/* Whether a lane that the next record waits for still has no room: then there is no use in decoding it again. A lane that
 * has got room is not waited for any more, though another is: whoever judges which sink holds the others up asks here. */
static bool still_blocked(struct ab_worker *worker, struct ab_worker_reader *reader)
{
	bool any = false;

	for (int s = 0; s < worker->sink_count; s++) {
		if (reader->blocked[s] != NULL && ab_ring_count(&reader->blocked[s]->empty) > 0)
			reader->blocked[s] = NULL;
		any |= reader->blocked[s] != NULL;
	}
	return any;
}

/* Adds the ticks since begin to a stage: once per window, so that it costs less than a nanosecond a record. */
static uint64_t clocked(ab_count *stage, uint64_t begin)
{
	uint64_t now = ab_ticks();

	ab_count_add(stage, now - begin);
	return now;
}

enum ab_step ab_worker_step(struct ab_worker *worker, int r, int64_t now_ns)
{
	struct ab_worker_reader *reader = &worker->reader[r];
	uint64_t begin = ab_ticks();

	if (atomic_load_explicit(&reader->trouble, memory_order_relaxed) != AB_TROUBLE_NONE)
		return AB_STEP_BLOCKED;
	if (ab_dead_letters_waiting(worker->letters) >= LETTERS_WAITING_MAX ||
	    ab_count_get(&worker->letters_sent) >= atomic_load_explicit(&worker->letters_allowed, memory_order_relaxed))
		return AB_STEP_BLOCKED; /* [W6] */
	if (still_blocked(worker, reader))
		return AB_STEP_BLOCKED;
	if (reader->at == reader->count) {
		reader->at = 0;
		reader->count = ab_source_drain(reader->source, worker->index, reader->record, AB_DRAIN_MAX);
		begin = clocked(&worker->counts.fetch_ticks, begin);
		if (reader->count == 0)
			return AB_STEP_IDLE;
	}
	int count = decode_window(worker, reader);
	enum ab_step step = AB_STEP_DONE;
	begin = clocked(&worker->counts.decode_ticks, begin);
	for (int i = 0; i < count; i++) {
		struct ab_source_record *record = &reader->record[reader->at];
		step = process(worker, r, i, record, now_ns);
		if (step == AB_STEP_BLOCKED)
			break;
		ab_source_release(record);
		reader->at++;
	}
	clocked(&worker->counts.encode_ticks, begin);
	return step;
}
