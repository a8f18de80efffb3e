/* tests/unit/test_records.c — record batches: what readers of committed records see of them, and what is never stepped over. */
#include <criterion/criterion.h>

#include "io/records.h"
#include "tests/unit/kafka_log.h"

static struct log topic_log;
static struct ab_records walk;
static struct ab_unpack *unpack;

static void setup(void)
{
	unpack = ab_unpack_create();
	topic_log.len = 0;
	memset(&walk, 0, sizeof walk);
}

static void teardown(void)
{
	ab_unpack_destroy(unpack);
}

TestSuite(records, .init = setup, .fini = teardown);

/* The offsets that are given out, as text, then why it ended. */
static const char *offsets(int64_t wanted)
{
	static char text[4096];
	struct ab_records_one one;
	size_t len = 0;

	ab_records_begin(&walk, topic_log.at, topic_log.len, wanted, unpack);
	text[0] = '\0';
	for (;;) {
		enum ab_records_step step = ab_records_next(&walk, &one);
		if (step == AB_RECORDS_BUSY) {
			walk.borrowed = false;
			continue;
		}
		if (step == AB_RECORDS_BAD)
			snprintf(text + len, sizeof text - len, "bad at %lld: %s", (long long)walk.bad_offset, walk.bad);
		if (step != AB_RECORDS_ONE)
			return text;
		len += (size_t)snprintf(text + len, sizeof text - len, "%lld ", (long long)one.offset);
	}
}

Test(records, are_given_with_what_they_hold)
{
	struct ab_records_one one;

	log_begin(&topic_log, 40, 0, -1);
	log_add(&topic_log, 0, "key", "value");
	log_add(&topic_log, 5, NULL, NULL);
	log_add(&topic_log, 6, "", "");
	log_seal(&topic_log);
	ab_records_begin(&walk, topic_log.at, topic_log.len, 0, unpack);

	cr_assert_eq(ab_records_next(&walk, &one), AB_RECORDS_ONE);
	cr_expect_eq(one.offset, 40);
	cr_expect_eq(one.timestamp_ms, LOG_MS);
	cr_expect(one.key_len == 3 && memcmp(one.key, "key", 3) == 0);
	cr_expect(one.value_len == 5 && memcmp(one.value, "value", 5) == 0);
	cr_assert_eq(ab_records_next(&walk, &one), AB_RECORDS_ONE);
	cr_expect_eq(one.offset, 45);
	cr_expect_eq(one.timestamp_ms, LOG_MS + 5);
	cr_expect(one.key == NULL && one.value == NULL && one.value_len == 0);
	cr_assert_eq(ab_records_next(&walk, &one), AB_RECORDS_ONE);
	cr_expect(one.key != NULL && one.value != NULL && one.value_len == 0);
	cr_assert_eq(ab_records_next(&walk, &one), AB_RECORDS_END);
}

Test(records, have_the_time_of_their_append_where_the_topic_says_so)
{
	struct ab_records_one one;

	log_batch(&topic_log, 0, 2, LOG_APPEND_TIME, -1, AB_UNPACK_NONE);
	ab_records_begin(&walk, topic_log.at, topic_log.len, 0, unpack);
	ab_records_next(&walk, &one);
	cr_expect_eq(one.timestamp_ms, LOG_MS + 99);
}

Test(records, begin_where_they_are_wanted)
{
	log_batch(&topic_log, 0, 3, 0, -1, AB_UNPACK_NONE);
	log_batch(&topic_log, 3, 3, 0, -1, AB_UNPACK_GZIP);
	cr_expect_str_eq(offsets(0), "0 1 2 3 4 5 ");
	cr_expect_str_eq(offsets(2), "2 3 4 5 ");
	cr_expect_str_eq(offsets(4), "4 5 ");
	cr_expect_str_eq(offsets(6), "");
}

Test(records, come_out_of_every_codec)
{
	int64_t base = 0;

	for (int round = 0; round < 2; round++) {
		for (int codec = AB_UNPACK_NONE; codec <= AB_UNPACK_ZSTD; codec++, base += 2)
			log_batch(&topic_log, base, 2, 0, -1, (enum ab_unpack_codec)codec);
	}
	cr_expect_str_eq(offsets(0), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 ");
}

/* Java frames snappy: a magic number, two versions, then blocks with their lengths. */
Test(records, come_out_of_snappy_as_java_writes_it)
{
	static struct log framed;
	static const uint8_t head[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
	uint8_t *plain = topic_log.at + 61;

	log_begin(&topic_log, 0, AB_UNPACK_SNAPPY, -1);
	log_add(&topic_log, 0, "k", "first");
	log_add(&topic_log, 1, "k", "second");
	size_t len = topic_log.len - 61, at = 0;
	memcpy(framed.at, head, sizeof head);
	framed.len = sizeof head;
	for (size_t block = 7; at < len; at += block) {
		size_t n = block < len - at ? block : len - at, out = 1000;
		char packed[1000];
		snappy_compress((char *)plain + at, n, packed, &out);
		log_put(&framed, out, 4);
		memcpy(framed.at + framed.len, packed, out);
		framed.len += out;
	}
	memcpy(plain, framed.at, framed.len);
	topic_log.len = 61 + framed.len;
	log_seal(&topic_log);
	cr_expect_str_eq(offsets(0), "0 1 ");
}

/* What was given out lies in the one buffer there is. */
Test(records, of_a_second_packed_batch_wait_until_the_first_are_returned)
{
	struct ab_records_one one;

	log_batch(&topic_log, 0, 1, 0, -1, AB_UNPACK_LZ4);
	log_batch(&topic_log, 1, 1, 0, -1, AB_UNPACK_LZ4);
	ab_records_begin(&walk, topic_log.at, topic_log.len, 0, unpack);
	cr_expect_eq(ab_records_next(&walk, &one), AB_RECORDS_ONE);
	cr_expect_eq(ab_records_next(&walk, &one), AB_RECORDS_BUSY);
	cr_expect_eq(ab_records_next(&walk, &one), AB_RECORDS_BUSY);
	walk.borrowed = false;
	cr_expect_eq(ab_records_next(&walk, &one), AB_RECORDS_ONE);
	cr_expect_eq(one.offset, 1);
}

/* Those returned were not all of the batch: the rest of it lies there as well. */
Test(records, of_a_packed_batch_given_out_in_two_goes_are_not_overwritten)
{
	struct ab_records_one one;

	log_batch(&topic_log, 0, 2, 0, -1, AB_UNPACK_LZ4);
	log_batch(&topic_log, 2, 1, 0, -1, AB_UNPACK_LZ4);
	ab_records_begin(&walk, topic_log.at, topic_log.len, 0, unpack);
	cr_expect_eq(ab_records_next(&walk, &one), AB_RECORDS_ONE);
	walk.borrowed = false;
	cr_expect_eq(ab_records_next(&walk, &one), AB_RECORDS_ONE);
	cr_expect_eq(ab_records_next(&walk, &one), AB_RECORDS_BUSY);
	cr_expect(one.value_len == 1 && one.value[0] == '1');
}

Test(records, larger_than_the_first_buffer_are_unpacked)
{
	static char value[1001];
	struct ab_records_one one;
	int count = 0;

	memset(value, 'x', 1000);
	for (int codec = AB_UNPACK_GZIP; codec <= AB_UNPACK_ZSTD; codec++) {
		topic_log.len = 0;
		log_begin(&topic_log, 0, 0, -1);
		for (int i = 0; i < 500; i++)
			log_add(&topic_log, i, "k", value);
		log_pack(&topic_log, (enum ab_unpack_codec)codec);
		log_seal(&topic_log);
		ab_records_begin(&walk, topic_log.at, topic_log.len, 0, unpack);
		walk.borrowed = false;
		for (count = 0; ab_records_next(&walk, &one) == AB_RECORDS_ONE; count++)
			cr_assert(one.value_len == 1000 && memcmp(one.value, value, 1000) == 0);
		cr_expect_eq(count, 500, "%s", ab_unpack_name((enum ab_unpack_codec)codec));
	}
}

static uint8_t aborted[64];

static void aborted_from(int64_t producer, int64_t first)
{
	struct log entry = {.len = 0};

	log_put(&entry, (uint64_t)producer, 8);
	log_put(&entry, (uint64_t)first, 8);
	log_put(&entry, 0, 1);
	memcpy(aborted + walk.aborted_bytes, entry.at, entry.len);
	ab_records_aborted(&walk, aborted, walk.aborted_bytes + entry.len, walk.aborted_count + 1);
}

static const char *committed(void)
{
	static char text[1024];
	struct ab_records_one one;
	size_t len = 0;

	text[0] = '\0';
	while (ab_records_next(&walk, &one) == AB_RECORDS_ONE)
		len += (size_t)snprintf(text + len, sizeof text - len, "%lld ", (long long)one.offset);
	return text;
}

Test(records, of_aborted_transactions_are_not_given)
{
	log_batch(&topic_log, 0, 2, LOG_TRANSACTIONAL, 11, AB_UNPACK_NONE);	/* aborted by 5 */
	log_batch(&topic_log, 2, 1, LOG_TRANSACTIONAL, 12, AB_UNPACK_NONE);	/* committed by 6 */
	log_batch(&topic_log, 3, 1, 0, -1, AB_UNPACK_NONE);
	log_batch(&topic_log, 4, 1, LOG_TRANSACTIONAL, 11, AB_UNPACK_NONE);	/* still the aborted one */
	log_marker(&topic_log, 5, 11, 0);
	log_marker(&topic_log, 6, 12, 1);
	log_batch(&topic_log, 7, 1, LOG_TRANSACTIONAL, 11, AB_UNPACK_NONE);	/* the same producer's next: committed */
	log_marker(&topic_log, 8, 11, 1);
	log_batch(&topic_log, 9, 1, LOG_TRANSACTIONAL, 11, AB_UNPACK_NONE);	/* and one more, aborted */
	log_marker(&topic_log, 10, 11, 0);
	ab_records_begin(&walk, topic_log.at, topic_log.len, 0, unpack);
	walk.aborted_bytes = 0;
	aborted_from(11, 0);
	aborted_from(11, 9);
	cr_expect_str_eq(committed(), "2 3 7 ");
}

/* The transaction began below what was asked for. */
Test(records, of_an_aborted_transaction_that_began_earlier_are_not_given)
{
	log_batch(&topic_log, 10, 2, LOG_TRANSACTIONAL, 11, AB_UNPACK_NONE);
	log_marker(&topic_log, 12, 11, 0);
	log_batch(&topic_log, 13, 1, 0, -1, AB_UNPACK_NONE);
	ab_records_begin(&walk, topic_log.at, topic_log.len, 11, unpack);
	walk.aborted_bytes = 0;
	aborted_from(11, 3);
	cr_expect_str_eq(committed(), "13 ");
}

Test(records, of_a_batch_cut_off_by_the_answer_are_not_there)
{
	log_batch(&topic_log, 0, 2, 0, -1, AB_UNPACK_NONE);
	size_t first = topic_log.len;
	log_batch(&topic_log, 2, 2, 0, -1, AB_UNPACK_NONE);
	size_t both = topic_log.len;

	for (topic_log.len = first; topic_log.len < both; topic_log.len++) {
		cr_assert_str_eq(offsets(0), "0 1 ");
		struct ab_records_end end = ab_records_end(topic_log.at, topic_log.len, 0);
		cr_assert(end.offset == 2 && end.epoch == 7);
	}
	for (topic_log.len = 0; topic_log.len < first; topic_log.len++) {
		cr_assert_str_eq(offsets(0), "");
		struct ab_records_end end = ab_records_end(topic_log.at, topic_log.len, 0);
		cr_assert(end.offset == 0 && end.epoch == -1);
	}
}

/* A batch that compaction has left without its last records still ends where it did. */
Test(records, end_behind_their_batches_last_offset)
{
	log_begin(&topic_log, 0, 0, -1);
	log_add(&topic_log, 0, "k", "v");
	log_set(&topic_log, topic_log.batch + 23, 9, 4);
	log_seal(&topic_log);
	cr_expect_eq(ab_records_end(topic_log.at, topic_log.len, 0).offset, 10);
	cr_expect_eq(ab_records_end(topic_log.at, topic_log.len, 20).offset, 20);
}

Test(records, that_cannot_be_read_are_never_stepped_over)
{
	log_batch(&topic_log, 0, 1, 0, -1, AB_UNPACK_NONE);
	log_batch(&topic_log, 1, 2, 0, -1, AB_UNPACK_NONE);
	size_t second = topic_log.batch;

	topic_log.at[topic_log.len - 1] ^= 1;
	cr_expect_str_eq(offsets(0), "0 bad at 1: a batch of 95 bytes does not match its checksum");
	cr_expect_str_eq(offsets(2), "bad at 2: a batch of 95 bytes does not match its checksum");

	topic_log.at[second + 16] = 1;
	cr_expect_str_eq(offsets(0), "0 bad at 1: records in format 1 of Kafka before 0.11 cannot be read");
}

Test(records, that_are_no_zstd_are_told_so)
{
	log_batch(&topic_log, 5, 1, AB_UNPACK_ZSTD, -1, AB_UNPACK_NONE);
	cr_expect(strncmp(offsets(0), "bad at 5: a batch cannot be decompressed (zstd): ", 48) == 0, "%s", offsets(0));
	topic_log.len = 0;
	log_batch(&topic_log, 5, 1, 7, -1, AB_UNPACK_NONE);
	cr_expect_str_eq(offsets(0), "bad at 5: a batch cannot be decompressed (a codec that is not known): "
				     "this version does not know it");
}

Test(records, of_a_batch_that_lies_about_their_number_are_told)
{
	log_batch(&topic_log, 5, 1, 0, -1, AB_UNPACK_NONE);
	topic_log.records = 2;
	log_seal(&topic_log);
	cr_expect_str_eq(offsets(0), "5 bad at 6: a batch ends within a record, 1 before its last");
	topic_log.len = 0;
	log_batch(&topic_log, 5, 1, 0, -1, AB_UNPACK_NONE);
	topic_log.records = -1;
	log_seal(&topic_log);
	cr_expect_str_eq(offsets(0), "bad at 5: a batch says that it has -1 records");
}

/* Compaction may leave a batch without records, for the producer's numbers' sake. */
Test(records, may_be_none_in_a_batch)
{
	log_batch(&topic_log, 5, 0, 0, -1, AB_UNPACK_NONE);
	log_set(&topic_log, topic_log.batch + 23, 2, 4);
	log_seal(&topic_log);
	log_batch(&topic_log, 8, 1, 0, -1, AB_UNPACK_NONE);
	cr_expect_str_eq(offsets(0), "8 ");
}
