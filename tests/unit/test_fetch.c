/* tests/unit/test_fetch.c — the Fetch messages, byte by byte against the protocol's description. */
#include <criterion/criterion.h>

#include "io/fetch.h"
#include "tests/unit/kafka_log.h"

static const struct ab_fetch_limits limits = {.wait_ms = 500, .min_bytes = 1, .max_bytes = 1000, .partition_bytes = 100};
static const struct ab_fetch_topic by_name = {.name = "t"};
static const struct ab_fetch_topic by_id = {.name = "t", .id = {1, 2, 3}};

/* Bytes as hexadecimal digits. */
static const char *hex(const uint8_t *at, size_t len)
{
	static char text[1024];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", at[i]);
	return text;
}

#define CLIENT_HEX "0011616e616272616e63682d66657463686572"	/* anabranch-fetcher */

Test(fetch, asks_by_name_where_a_topic_has_no_id)
{
	uint8_t to[AB_FETCH_REQUEST_MAX_BYTES];
	const struct ab_fetch_ask ask[] = {{.partition = 3, .offset = 7, .epoch = -1}};
	size_t len = ab_fetch_request(to, 9, &by_name, false, &limits, ask, 1);

	cr_expect_str_eq(hex(to, len), "0000005e" "0001" "000c" "00000009" CLIENT_HEX "00"
			 "ffffffff" "000001f4" "00000001" "000003e8" "01" "00000000" "ffffffff"
			 "02" "0274"
			 "02" "00000003" "ffffffff" "0000000000000007" "ffffffff" "ffffffffffffffff" "00000064" "00"
			 "00" "01" "01" "00");
}

Test(fetch, asks_by_id_where_there_is_one)
{
	uint8_t to[AB_FETCH_REQUEST_MAX_BYTES];
	const struct ab_fetch_ask ask[] = {{.partition = 3, .offset = 7, .epoch = 5}};
	size_t len = ab_fetch_request(to, 9, &by_id, true, &limits, ask, 1);

	cr_expect_str_eq(hex(to, len), "0000006c" "0001" "000d" "00000009" CLIENT_HEX "00"
			 "ffffffff" "000001f4" "00000001" "000003e8" "01" "00000000" "ffffffff"
			 "02" "01020300000000000000000000000000"
			 "02" "00000003" "ffffffff" "0000000000000007" "00000005" "ffffffffffffffff" "00000064" "00"
			 "00" "01" "01" "00");
}

/* All there can be fits what its caller gives. */
Test(fetch, asks_for_all_partitions_of_the_longest_name)
{
	static uint8_t to[AB_FETCH_REQUEST_MAX_BYTES];
	struct ab_fetch_ask ask[AB_PARTITIONS_MAX] = {0};
	struct ab_fetch_topic topic = {0};

	memset(topic.name, 'x', AB_TOPIC_MAX_BYTES);
	cr_expect_leq(ab_fetch_request(to, 1, &topic, false, &limits, ask, AB_PARTITIONS_MAX), sizeof to);
}

static struct log answer_bytes;

static void begin_answer(int16_t error)
{
	answer_bytes.len = 0;
	log_put(&answer_bytes, 9, 4);
	log_put(&answer_bytes, 0, 1);
	log_put(&answer_bytes, 0, 4);
	log_put(&answer_bytes, (uint16_t)error, 2);
	log_put(&answer_bytes, 0, 4);
}

static void put_part(int partition, int error, int aborted, size_t records, bool diverging)
{
	log_put(&answer_bytes, (uint64_t)partition, 4);
	log_put(&answer_bytes, (uint64_t)error, 2);
	log_put(&answer_bytes, 100, 8);
	log_put(&answer_bytes, 90, 8);
	log_put(&answer_bytes, 10, 8);
	log_put(&answer_bytes, (uint64_t)aborted + 1, 1);
	for (int i = 0; i < aborted; i++) {
		log_put(&answer_bytes, 11, 8);
		log_put(&answer_bytes, (uint64_t)i, 8);
		log_put(&answer_bytes, 0, 1);
	}
	log_put(&answer_bytes, UINT32_MAX, 4);
	log_put(&answer_bytes, records + 1, 1);
	for (size_t i = 0; i < records; i++)
		log_put(&answer_bytes, i, 1);
	log_put(&answer_bytes, diverging, 1);
	if (!diverging)
		return;
	log_put(&answer_bytes, 0, 1);
	log_put(&answer_bytes, 13, 1);
	log_put(&answer_bytes, 4, 4);
	log_put(&answer_bytes, 55, 8);
	log_put(&answer_bytes, 0, 1);
}

static void whole_answer(bool id)
{
	begin_answer(0);
	log_put(&answer_bytes, 2, 1);
	if (id)
		log_put(&answer_bytes, 0, 8);
	log_put(&answer_bytes, id ? 0 : 0x0274, id ? 8 : 2);
	log_put(&answer_bytes, 4, 1);
	put_part(3, 0, 2, 5, false);
	put_part(4, 6, 0, 0, false);
	put_part(5, 0, 0, 0, true);
	log_put(&answer_bytes, 0, 1);
	log_put(&answer_bytes, 0, 1);
}

static void is_read(bool id)
{
	struct ab_fetch_answer answer;
	struct ab_fetch_part part;
	int16_t error;

	whole_answer(id);
	cr_assert(ab_fetch_begin(&answer, answer_bytes.at, answer_bytes.len, 9, id, &error));
	cr_expect_eq(error, 0);
	cr_assert(ab_fetch_next(&answer, &part));
	cr_expect(part.partition == 3 && part.error == 0 && part.stable == 90 && part.log_start == 10 && part.diverging == -1);
	cr_expect(part.aborted_count == 2 && part.aborted_bytes == 34 && part.records_bytes == 5 && part.records[4] == 4);
	cr_assert(ab_fetch_next(&answer, &part));
	cr_expect(part.partition == 4 && part.error == 6 && part.records_bytes == 0 && part.aborted_count == 0);
	cr_assert(ab_fetch_next(&answer, &part));
	cr_expect(part.partition == 5 && part.diverging == 55);
	cr_expect_not(ab_fetch_next(&answer, &part));
	cr_expect_not(answer.wire.failed);
}

Test(fetch, answers_are_read)
{
	is_read(false);
	is_read(true);
}

Test(fetch, answers_cut_off_anywhere_are_refused)
{
	struct ab_fetch_answer answer;
	struct ab_fetch_part part;
	int16_t error;

	whole_answer(false);
	for (size_t len = 0; len + 1 < answer_bytes.len; len++) { /* the last tag is nobody's business */
		bool begun = ab_fetch_begin(&answer, answer_bytes.at, len, 9, false, &error);
		while (begun && ab_fetch_next(&answer, &part))
			cr_assert(part.records + part.records_bytes <= answer_bytes.at + len);
		cr_assert(!begun || answer.wire.failed, "%zu bytes", len);
	}
}

Test(fetch, answers_to_another_request_are_refused)
{
	struct ab_fetch_answer answer;
	int16_t error;

	whole_answer(false);
	cr_expect_not(ab_fetch_begin(&answer, answer_bytes.at, answer_bytes.len, 8, false, &error));
	begin_answer(70);
	log_put(&answer_bytes, 1, 1);
	cr_expect(ab_fetch_begin(&answer, answer_bytes.at, answer_bytes.len, 9, false, &error));
	cr_expect_eq(error, 70);
}

Test(fetch, answers_of_partitions_that_nobody_can_have_are_refused)
{
	struct ab_fetch_answer answer;
	struct ab_fetch_part part;
	int16_t error;

	begin_answer(0);
	log_put(&answer_bytes, 0x02027402, 4);
	put_part(AB_PARTITIONS_MAX, 0, 0, 0, false);
	ab_fetch_begin(&answer, answer_bytes.at, answer_bytes.len, 9, false, &error);
	cr_expect_not(ab_fetch_next(&answer, &part));
	cr_expect(answer.wire.failed);
}

static bool ids;

static enum ab_fetch_hello hello(int least, int newest)
{
	struct log said = {.len = 0};
	log_put(&said, 9, 4);
	log_put(&said, 0, 2);
	log_put(&said, 2, 4);
	log_put(&said, 0, 2);
	log_put(&said, 12, 4);
	log_put(&said, 1, 2);
	log_put(&said, (uint64_t)least, 2);
	log_put(&said, (uint64_t)newest, 2);
	return ab_fetch_read_hello(said.at, said.len, 9, &ids);
}

Test(fetch, brokers_of_other_times_are_known)
{
	cr_expect_eq(hello(4, 17), AB_FETCH_HELLO_OK);
	cr_expect(ids);
	cr_expect_eq(hello(0, 12), AB_FETCH_HELLO_OK);
	cr_expect_not(ids);
	cr_expect_eq(hello(0, 11), AB_FETCH_HELLO_OTHER);
	cr_expect_eq(hello(14, 20), AB_FETCH_HELLO_OTHER);
	cr_expect_eq(ab_fetch_read_hello((const uint8_t *)"HTTP/1.1 400 Bad Request", 24, 9, &ids), AB_FETCH_HELLO_BAD);
}
