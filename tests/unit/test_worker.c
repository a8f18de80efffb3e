/* tests/unit/test_worker.c — what a worker hands to the lanes when it is stopped. See core/worker.h. */
#include "core/worker.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/clock.h"
#include "core/worker_readers.h"
#include "core/worker_seal.h"
#include "sinks/json_out.h"

static struct ab_config config = {.record_max_bytes = 65536, .events_topic = "events"};
static struct ab_worker worker;
static struct ab_loop *loop;
static struct ab_source_record given[2]; /* what the source has */
static int given_count;

/* Kafka takes no letters. */
enum ab_dead_letter_result ab_dead_letters_put(struct ab_dead_letters *letters, const struct ab_dead_letter *letter,
					       const struct ab_dead_letter_owner *owner)
{
	(void)letters;
	(void)letter;
	(void)owner;
	return AB_DEAD_LETTER_FULL;
}

uint64_t ab_dead_letters_waiting(const struct ab_dead_letters *letters)
{
	(void)letters;
	return 0;
}

int ab_source_drain(struct ab_source *source, int index, struct ab_source_record *record, int max)
{
	int count = given_count < max ? given_count : max;

	(void)source;
	(void)index;
	memcpy(record, given, (size_t)count * sizeof record[0]);
	given_count = 0;
	return count;
}

void ab_source_release(struct ab_source_record *record)
{
	(void)record;
}

/* One sink of one lane, one partition; the lane was given everything below 10, the reader is behind record 10. */
static void begin(void)
{
	char error[256];
	int64_t start[AB_PARTITIONS_MAX];

	loop = ab_loop_create(AB_IO_EPOLL, 1, error);
	cr_assert(loop != NULL);
	ab_worker_create(&worker, 0, &config, NULL, NULL);
	worker.sink_count = 1;
	worker.partition_count = 1;
	worker.sink[0].ops = &ab_null_ops;
	worker.sink[0].lanes = 1;
	worker.sink[0].loop = loop;
	ab_link_create(&worker.sink[0].link[0]);
	worker.sink[0].link[0].covered[0] = 10;
	memset(start, 0xff, sizeof start);
	start[0] = 10;
	ab_worker_set_reader(&worker, 0, NULL, "all", start);
}

static void read_record(int64_t offset)
{
	struct ab_chunk *chunk = ab_link_room(&worker.sink[0].link[0], sizeof(struct ab_record), 1000);
	struct ab_record *record = ab_link_record(chunk);

	*record = (struct ab_record){.offset = offset};
	ab_link_append(chunk, record);
	worker.reader[0].next[0] = offset + 1;
}

static void end(void)
{
	ab_worker_destroy(&worker);
	ab_loop_destroy(loop);
}

Test(worker, hands_over_what_it_has_read_before_it_stands_still)
{
	begin();
	read_record(10);
	ab_worker_seal_leave(&worker);
	struct ab_chunk *chunk = ab_link_peek(&worker.sink[0].link[0]);
	cr_assert(chunk != NULL);
	cr_expect(chunk->record_count == 1 && chunk->range[0].first == 10 && chunk->range[0].next == 11);
	end();
}

Test(worker, hands_over_records_with_the_letters_that_a_lane_has_to_wait_for)
{
	begin();
	read_record(10);
	worker.dead_sent = 1; /* record 11 went to the dead letters, and Kafka has not acknowledged it */
	worker.reader[0].next[0] = 12;
	ab_worker_seal_leave(&worker);
	struct ab_chunk *chunk = ab_link_peek(&worker.sink[0].link[0]);
	cr_assert(chunk != NULL);
	cr_expect(chunk->range[0].next == 12 && chunk->letters == 1);
	end();
}

Test(worker, never_covers_records_it_dropped_for_a_dead_letter_that_it_gave_up)
{
	begin();
	read_record(10);
	worker.dead_given_up = 1; /* record 11 should have gone to the dead letters */
	worker.reader[0].next[0] = 12;
	ab_worker_seal_leave(&worker);
	cr_expect(ab_link_peek(&worker.sink[0].link[0]) == NULL);

	/* The orderly stop: control takes the readers away, and the thread ends. */
	ab_worker_clear_reader(&worker, 0);
	ab_worker_seal_due(&worker, INT64_MAX / 2, true);
	ab_worker_seal_leave(&worker);
	cr_expect(ab_link_peek(&worker.sink[0].link[0]) == NULL, "a chunk speaks for record 10, which nobody was given");
	cr_expect(worker.sink[0].link[0].covered[0] == 10);
	end();
}

Test(worker, stands_still_when_asked_although_kafka_takes_no_dead_letters, .timeout = 5)
{
	static const char poison[] = "not JSON";

	begin();
	read_record(10);
	given[0] = (struct ab_source_record){.kind = AB_RECORD_DATA, .offset = 11, .value = poison, .value_len = 8};
	given_count = 1;
	atomic_store(&worker.pause.asked, true);
	ab_worker_step(&worker, 0, 0);
	ab_worker_seal_due(&worker, INT64_MAX / 2, true);
	cr_expect(ab_link_peek(&worker.sink[0].link[0]) == NULL, "a chunk speaks for a record whose letter is not there");
	ab_worker_seal_leave(&worker);
	cr_expect(ab_link_peek(&worker.sink[0].link[0]) == NULL);
	cr_expect(worker.sink[0].link[0].covered[0] == 10, "both records are read again");
	cr_expect(worker.dead_sent == 0, "no letter is waited for that was never sent");
	end();
}

/* How often the sink thread was told to look since the last time. */
static uint64_t wakes(void)
{
	static uint64_t before;
	uint64_t all;

	ab_loop_step(loop, 0);
	all = ab_loop_counts(loop).wakes;
	uint64_t since = all - before;
	before = all;
	return since;
}

static enum ab_encode_result take_any(const struct ab_sink *sink, const struct ab_event *event, uint8_t *to, size_t room,
				      size_t *len, const char **reason)
{
	(void)sink;
	(void)event;
	(void)to;
	(void)room;
	(void)reason;
	*len = 0;
	return AB_ENCODE_RECORD;
}

/* Each event is a chunk of its own, which the next one seals. */
static void read_events(int64_t offset, int count, int64_t now_ns)
{
	static const char message[] = "{\"id\":2,\"event_type\":\"play\",\"event_ts\":\"1970-01-01T00:00:01Z\",\"__op\":\"c\"}";

	worker.sink[0].record_max = 1;
	for (given_count = 0; given_count < count; given_count++)
		given[given_count] = (struct ab_source_record){
		    .kind = AB_RECORD_DATA, .offset = offset + given_count, .value = message, .value_len = sizeof message - 1};
	cr_assert_eq(ab_worker_step(&worker, 0, now_ns), AB_STEP_DONE);
	ab_worker_seal_due(&worker, now_ns, false);
}

Test(worker, wakes_the_sink_thread_for_half_of_a_lanes_chunks_or_after_a_millisecond_or_when_it_rests)
{
	const struct ab_sink_ops ops = {.name = "any", .encode = take_any};
	struct ab_cache *cache = ab_cache_create(16);

	begin();
	struct ab_link *link = &worker.sink[0].link[0];
	worker.cache = cache;
	worker.sink[0].ops = &ops;
	link->sealed_ns = 1000;		/* not so long ago that a chunk is due */
	wakes();
	read_events(10, 2, 1000);
	cr_expect_eq(ab_ring_count(&link->full), 1);
	cr_expect_eq(wakes(), 0, "one full chunk can wait for the next");
	read_events(12, 1, 2000);
	cr_expect_eq(ab_ring_count(&link->full), 2);
	cr_expect_eq(wakes(), 1, "two cannot: the worker has as many left");
	cr_expect_eq(worker.sink[0].wake_owed_ns, 0);

	ab_link_release(link);
	ab_link_release(link);
	read_events(13, 1, 3000);
	cr_expect_eq(wakes(), 0);
	ab_worker_seal_due(&worker, 3000 + 999999, false);
	cr_expect_eq(wakes(), 0);
	ab_worker_seal_due(&worker, 3000 + 1000000, false);
	cr_expect_eq(wakes(), 1, "one that has waited for a millisecond");

	ab_link_release(link);
	read_events(14, 1, 2000000);
	cr_expect_eq(wakes(), 0);
	ab_worker_seal_due(&worker, 2000001, true);
	cr_expect_eq(wakes(), 1, "none is owed by a worker that sleeps");
	end();
	ab_cache_destroy(cache);
}

static int encoded, too_tight;

static enum ab_encode_result measure(const struct ab_sink *sink, const struct ab_event *event, uint8_t *to, size_t room,
				     size_t *len, const char **reason)
{
	(void)sink;
	(void)to;
	(void)reason;
	*len = 0;
	encoded++;
	too_tight += room < ab_out_room(event);
	return AB_ENCODE_RECORD;
}

Test(worker, leaves_a_sink_room_for_the_longest_content_type)
{
	static const char message[] = "{\"id\":2,\"content_id\":\"a955f1d7-0c0f-4f06-8d3a-0123456789ab\",\"user_id\":\"u\","
				      "\"event_type\":\"play\",\"event_ts\":\"1970-01-01T00:00:01Z\",\"__op\":\"c\"}";
	const struct ab_sink_ops ops = {.name = "measure", .encode = measure};
	struct ab_cache *cache = ab_cache_create(16);
	char type[AB_CONTENT_TYPE_MAX_BYTES];
	struct ab_uuid id;

	memset(type, 1, sizeof type); /* each byte takes six in JSON */
	cr_assert(ab_uuid_parse("a955f1d7-0c0f-4f06-8d3a-0123456789ab", 36, &id));
	cr_assert(ab_cache_put(cache, id, type, sizeof type, false, 0) == AB_CACHE_STORED);
	for (size_t left = 1536; left < 4096; left += 8) {
		begin();
		worker.cache = cache;
		worker.sink[0].ops = &ops;
		worker.sink[0].record_max = 1000;
		struct ab_chunk *chunk = ab_link_room(&worker.sink[0].link[0], left, 1000);
		struct ab_record *filler = ab_link_record(chunk);
		*filler = (struct ab_record){.offset = 10, .len = (uint32_t)(AB_CHUNK_BYTES - left - sizeof *filler)};
		ab_link_append(chunk, filler);
		worker.reader[0].next[0] = 11;
		given[0] = (struct ab_source_record){
		    .kind = AB_RECORD_DATA, .offset = 11, .value = message, .value_len = sizeof message - 1};
		given_count = 1;
		cr_assert(ab_worker_step(&worker, 0, 0) == AB_STEP_DONE);
		end();
	}
	cr_expect(encoded == 320, "%d", encoded);
	cr_expect(too_tight == 0, "%d of %d", too_tight, encoded);
	ab_cache_destroy(cache);
}

static enum ab_encode_result take_creates(const struct ab_sink *sink, const struct ab_event *event, uint8_t *to, size_t room,
					  size_t *len, const char **reason)
{
	(void)sink;
	(void)room;
	(void)reason;
	if (event->op != AB_OP_CREATE)
		return AB_ENCODE_SKIPPED;
	*len = (size_t)snprintf((char *)to, 32, "<%ld>", event->id);
	return AB_ENCODE_RECORD;
}

Test(worker, keeps_samples_of_what_each_sink_was_given, .timeout = 10)
{
#define REST ",\"event_type\":\"play\",\"event_ts\":\"1970-01-01T00:00:01Z\"}"
	static const char *const messages[] = {"{\"id\":7,\"__op\":\"c\"" REST, "{\"id\":8,\"__op\":\"u\"" REST};
	const struct ab_sink_ops ops = {.name = "creates", .encode = take_creates};
	struct ab_cache *cache = ab_cache_create(16);
	struct ab_tap_sample sample;

	config.monitoring_sample_rate = 100;
	begin();
	config.monitoring_sample_rate = 0;
	worker.cache = cache;
	worker.sink[0].ops = &ops;
	worker.sink[0].record_max = 1000;
	for (int i = 0; i < 2; i++)
		given[i] = (struct ab_source_record){
		    .kind = AB_RECORD_DATA, .offset = 10 + i, .value = messages[i], .value_len = strlen(messages[i])};
	given_count = 2;
	cr_assert_eq(ab_worker_step(&worker, 0, 0), AB_STEP_DONE);
	cr_assert_eq(ab_tap_count(&worker.tap), 2);
	cr_assert_eq(ab_tap_read(&worker.tap, 0, &sample), AB_TAP_READ);
	cr_expect(sample.id == 7 && sample.offset == 10 && sample.op == AB_OP_CREATE);
	cr_expect_eq(memcmp(sample.bytes, messages[0], strlen(messages[0])), 0);
	cr_expect(sample.sink[0].outcome == AB_TAP_GIVEN && sample.sink[0].len == 3);
	cr_expect_eq(memcmp(sample.bytes + sample.sink[0].at, "<7>", 3), 0);
	cr_assert_eq(ab_tap_read(&worker.tap, 1, &sample), AB_TAP_READ);
	cr_expect(sample.id == 8 && sample.op == AB_OP_UPDATE && sample.sink[0].outcome == AB_TAP_SKIPPED);
	cr_expect_eq(sample.sink[1].outcome, AB_TAP_NOT_READ, "there is no such sink");
	end();
	ab_cache_destroy(cache);
}

Test(worker, rejects_no_more_than_control_has_looked_at)
{
	begin();
	given[0] = (struct ab_source_record){.kind = AB_RECORD_DATA, .offset = 10};
	given_count = 1;
	ab_count_add(&worker.letters_sent, AB_LETTERS_BETWEEN_LOOKS);
	cr_expect_eq(ab_worker_step(&worker, 0, 0), AB_STEP_BLOCKED);
	cr_expect_eq(given_count, 1, "it reads on");
	ab_worker_allow_letters(&worker);
	ab_worker_step(&worker, 0, 0);
	cr_expect_eq(given_count, 0);
	end();
}

/* Fills the only lane of sink s; what comes next waits for it. */
static void fill_lane(int s)
{
	struct ab_link *link = &worker.sink[s].link[0];
	struct ab_chunk *chunk;

	for (int64_t offset = 10; (chunk = ab_link_room(link, sizeof(struct ab_record), 1000)) != NULL; offset++) {
		struct ab_record *record = ab_link_record(chunk);
		*record = (struct ab_record){.offset = offset};
		ab_link_append(chunk, record);
		worker.reader[0].next[0] = offset + 1;
		ab_link_seal(link, worker.partition, 1, worker.reader[0].next, 0);
	}
	worker.reader[0].blocked[s] = link;
}

static struct ab_source *some_source(void)
{
	static char source;

	return (struct ab_source *)&source; /* drain and release are ours */
}

Test(worker, takes_back_that_a_sink_should_leave_once_it_has_held_nobody_up_for_long)
{
	const int64_t begin_ns = 1000 * AB_NS_PER_S, after_ns = 100 * AB_NS_PER_MS;

	config.detach_after_ms = 100;
	begin();
	worker.sink_count = 2;
	worker.sink[1].ops = &ab_null_ops;
	worker.sink[1].lanes = 1;
	worker.sink[1].loop = loop;
	ab_link_create(&worker.sink[1].link[0]);
	worker.sink[1].link[0].covered[0] = INT64_MAX;
	worker.reader[0].source = some_source();
	fill_lane(0);
	ab_worker_turn(&worker, begin_ns);
	cr_expect(!atomic_load(&worker.sink[0].starving));
	ab_worker_turn(&worker, begin_ns + after_ns);
	cr_expect(atomic_load(&worker.sink[0].starving), "it holds the other up, and stays");
	cr_expect(!atomic_load(&worker.sink[1].starving));

	ab_link_release(&worker.sink[0].link[0]);
	ab_worker_turn(&worker, begin_ns + after_ns);
	cr_expect(atomic_load(&worker.sink[0].starving), "taken back before control could see it");
	ab_worker_turn(&worker, begin_ns + 11 * after_ns);
	cr_expect(!atomic_load(&worker.sink[0].starving), "what was so a second ago makes it leave now");
	end();
}

Test(worker, a_sink_that_leaves_reads_from_what_its_lanes_have_but_not_what_retention_took)
{
	int64_t start[AB_PARTITIONS_MAX], floor[AB_PARTITIONS_MAX] = {0};

	begin();
	ab_worker_part(&worker, 0, some_source(), floor, start);
	cr_expect(start[0] == 10 && worker.reader[1].next[0] == 10);
	floor[0] = 80; /* it was told to go on behind the gap, and has not covered the gap yet */
	ab_worker_part(&worker, 0, some_source(), floor, start);
	cr_expect(start[0] == 80, "it meets the same gap again: %lld", (long long)start[0]);
	cr_expect(worker.reader[1].next[0] == 80);
	end();
}

Test(worker, says_from_where_on_a_sink_reads_by_the_reader_it_has_here)
{
	begin();
	worker.reader[0].next[0] = 90; /* the others have gone on, but this sink reads by itself */
	worker.reader[1].next[0] = 20;
	worker.sink[0].reader = 1;
	cr_expect_eq(ab_worker_reads_from(&worker, 0, 0), 20);
	worker.sink[0].reader = 0; /* it has joined them, in this worker */
	worker.reader[1].next[0] = -1;
	cr_expect_eq(ab_worker_reads_from(&worker, 0, 0), 90);
	worker.reader[0].next[0] = 5; /* where another sink stands: this one has all below 10 */
	cr_expect_eq(ab_worker_reads_from(&worker, 0, 0), 10, "it is told that it lost what it has");
	worker.sink[0].reader = -1;
	cr_expect_eq(ab_worker_reads_from(&worker, 0, 0), -1);
	end();
}

/* A full lane's open chunk is dropped when readers change, the others' are handed over: then they are not level. */
Test(worker, tells_what_no_lane_was_given_from_what_only_some_were)
{
	begin();
	worker.sink[0].lanes = 2;
	ab_link_create(&worker.sink[0].link[1]);
	worker.sink[0].link[1].covered[0] = 14;
	cr_expect_eq(ab_worker_reads_from(&worker, 0, 0), 10);
	cr_expect_eq(ab_worker_untouched_from(&worker, 0, 0), 14);
	worker.reader[0].next[0] = 12;
	cr_expect_eq(ab_worker_reads_from(&worker, 0, 0), 12);
	cr_expect_eq(ab_worker_untouched_from(&worker, 0, 0), 14);
	worker.reader[0].next[0] = 20;
	cr_expect_eq(ab_worker_untouched_from(&worker, 0, 0), 20, "what was read is given, or will be");
	end();
}

Test(worker, one_is_enough_for_two_cores_unless_they_are_named)
{
	struct ab_config defaults;

	ab_config_defaults(&defaults);
	defaults.kafka_source_parallelism = 4;
	cr_expect_eq(ab_worker_count(&defaults, 1), 1);
	cr_expect_eq(ab_worker_count(&defaults, 2), 1);
	cr_expect_eq(ab_worker_count(&defaults, 3), 2);
	cr_expect_eq(ab_worker_count(&defaults, 64), 4);
	defaults.ab_cpus.count = 2;
	cr_expect_eq(ab_worker_count(&defaults, 2), 2);
	cr_expect_eq(ab_worker_count(&defaults, 64), 2);
	defaults.ab_cpus.count = 3;	/* one of them twice: a sink thread shares it */
	cr_expect_eq(ab_worker_count(&defaults, 2), 2);
	defaults.kafka_source_parallelism = 1;
	cr_expect_eq(ab_worker_count(&defaults, 2), 1);
}
