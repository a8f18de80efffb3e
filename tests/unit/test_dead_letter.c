/* tests/unit/test_dead_letter.c — letters that Kafka refuses, against librdkafka's mock broker. See sinks/dead_letter.h. */
#include "sinks/dead_letter.h"

#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>
#include <unistd.h>

#include "core/exit.h"
#include "verify/dlq.h"

#define PRODUCE_KEY INT16_C(0) /* Kafka's request number */
#define TOPIC "dead"

static rd_kafka_t *host; /* of the mock broker */
static rd_kafka_mock_cluster_t *cluster;
static struct ab_config config;
static struct ab_dead_letters *letters;
static struct ab_acks acks;
static uint64_t taken;
static _Atomic int logged;

static void on_log(const char *text)
{
	(void)text;
	atomic_fetch_add(&logged, 1);
}

static void wake(void *arg)
{
	(void)arg;
}

static void begin(void)
{
	char error[512];

	ab_config_defaults(&config);
	host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof error);
	cr_assert(host != NULL);
	cluster = rd_kafka_mock_cluster_new(host, 1);
	rd_kafka_mock_topic_create(cluster, TOPIC, 1, 1);
	snprintf(config.kafka_bootstrap_servers, sizeof config.kafka_bootstrap_servers, "%s",
		 rd_kafka_mock_cluster_bootstraps(cluster));
	snprintf(config.dead_letter_topic, sizeof config.dead_letter_topic, TOPIC);
	letters = ab_dead_letters_create(&config, on_log, error);
	cr_assert(letters != NULL, "%s", error);
}

static void end(void)
{
	ab_dead_letters_destroy(letters);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(host);
}

static enum ab_dead_letter_result put(int64_t offset, const void *value, size_t len)
{
	const struct ab_dead_letter letter = {
	    .sink = "all",
	    .topic = "events",
	    .offset = offset,
	    .timestamp_ms = 1,
	    .code = "not_json",
	    .reason = "no JSON",
	    .reason_len = 7,
	    .value = value,
	    .value_len = len,
	};
	const struct ab_dead_letter_owner owner = {&acks, taken, wake, NULL};
	enum ab_dead_letter_result result = ab_dead_letters_put(letters, &letter, &owner);

	taken += result == AB_DEAD_LETTER_TAKEN;
	return result;
}

static bool becomes_acked(uint64_t wanted)
{
	for (int i = 0; i < 2000 && ab_acks_upto(&acks) < wanted; i++)
		usleep(5000);
	return ab_acks_upto(&acks) == wanted;
}

/* The first letter in the topic; the caller destroys it. */
static rd_kafka_message_t *read_back(rd_kafka_t **reader)
{
	char error[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_message_t *found = NULL;

	rd_kafka_conf_set(conf, "bootstrap.servers", config.kafka_bootstrap_servers, error, sizeof error);
	rd_kafka_conf_set(conf, "group.id", "reader", error, sizeof error);
	*reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
	cr_assert(*reader != NULL, "%s", error);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, TOPIC, 0)->offset = 0;
	cr_assert_eq(rd_kafka_assign(*reader, list), RD_KAFKA_RESP_ERR_NO_ERROR);
	rd_kafka_topic_partition_list_destroy(list);
	for (int i = 0; i < 100 && found == NULL; i++) {
		found = rd_kafka_consumer_poll(*reader, 100);
		if (found != NULL && found->err) {
			rd_kafka_message_destroy(found);
			found = NULL;
		}
	}
	cr_assert(found != NULL);
	return found;
}

static bool header_is(const rd_kafka_message_t *message, const char *name, const char *wanted)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t len;

	return rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
	       rd_kafka_header_get_last(headers, name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR &&
	       len == strlen(wanted) && memcmp(value, wanted, len) == 0;
}

Test(dead_letter, one_that_is_too_large_for_the_topic_arrives_cut_and_says_so, .timeout = 60)
{
	static char value[100000];
	rd_kafka_t *reader;

	memset(value, 'x', sizeof value);
	begin();
	rd_kafka_mock_push_request_errors(cluster, PRODUCE_KEY, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	cr_expect_eq(put(7, value, sizeof value), AB_DEAD_LETTER_TAKEN);
	cr_expect(becomes_acked(1));
	rd_kafka_message_t *found = read_back(&reader);
	cr_expect_eq(found->len, AB_DEAD_LETTER_CUT_BYTES);
	cr_expect(header_is(found, "value_cut", "100000"));
	cr_expect(header_is(found, "offset", "7"));
	rd_kafka_message_destroy(found);
	rd_kafka_destroy(reader);
	end();
}

Test(dead_letter, one_that_was_refused_before_it_was_cut_stays_cut, .timeout = 60)
{
	static char value[100000];
	rd_kafka_t *reader;

	memset(value, 'x', sizeof value);
	begin();
	rd_kafka_mock_push_request_errors(cluster, PRODUCE_KEY, 3, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
					  RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
					  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	cr_expect_eq(put(7, value, sizeof value), AB_DEAD_LETTER_TAKEN);
	cr_expect(becomes_acked(1));
	rd_kafka_message_t *found = read_back(&reader);
	cr_expect_eq(found->len, AB_DEAD_LETTER_CUT_BYTES, "%zu bytes, which the topic would refuse for ever", found->len);
	cr_expect(header_is(found, "value_cut", "100000"));
	rd_kafka_message_destroy(found);
	rd_kafka_destroy(reader);
	end();
}

static struct ab_dlq_letter seen[4];
static size_t seen_count;

static void see(void *arg, const struct ab_dlq_letter *letter)
{
	(void)arg;
	if (seen_count < AB_COUNT(seen))
		seen[seen_count] = *letter;
	seen_count++;
}

Test(dead_letter, whoever_reads_letters_knows_which_are_cut, .timeout = 60)
{
	static char value[100000];

	memset(value, 'x', sizeof value);
	begin();
	rd_kafka_mock_push_request_errors(cluster, PRODUCE_KEY, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	cr_expect_eq(put(7, value, sizeof value), AB_DEAD_LETTER_TAKEN);
	cr_expect(becomes_acked(1));
	cr_expect_eq(put(8, "poison", 6), AB_DEAD_LETTER_TAKEN);
	cr_expect(becomes_acked(2));
	cr_expect_eq(ab_dlq_read(&config, NULL, see, NULL), AB_EXIT_OK);
	cr_assert_eq(seen_count, 2);
	cr_expect(seen[0].offset == 7 && seen[0].value_cut == 100000 && seen[0].value_len == AB_DEAD_LETTER_CUT_BYTES);
	cr_expect(seen[1].offset == 8 && seen[1].value_cut == -1 && seen[1].value_len == 6);
	end();
}

Test(dead_letter, one_that_kafka_refuses_for_good_is_tried_again_until_it_takes_it, .timeout = 60)
{
	char words[256];

	begin();
	rd_kafka_mock_push_request_errors(cluster, PRODUCE_KEY, 2, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
					  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	cr_expect_eq(put(7, "poison", 6), AB_DEAD_LETTER_TAKEN);
	for (int i = 0; i < 1000 && ab_dead_letters_refused(letters, words, sizeof words) == 0; i++)
		usleep(2000);
	cr_expect_eq(ab_dead_letters_refused(letters, words, sizeof words), 1);
	cr_expect(strstr(words, TOPIC) != NULL, "%s", words);
	cr_expect_eq(put(8, "poison", 6), AB_DEAD_LETTER_FULL, "more are not taken while some are refused");
	cr_expect_eq(ab_acks_upto(&acks), 0);
	cr_expect(becomes_acked(1));
	cr_expect_eq(ab_dead_letters_refused(letters, words, sizeof words), 0);
	cr_expect_eq(ab_dead_letters_waiting(letters), 0);
	cr_expect_eq(put(8, "poison", 6), AB_DEAD_LETTER_TAKEN);
	cr_expect(becomes_acked(2));
	cr_expect(atomic_load(&logged) >= 1 && atomic_load(&logged) < 20, "%d lines", atomic_load(&logged));
	end();
}

Test(dead_letter, one_that_is_refused_when_the_engine_stops_is_never_acked, .timeout = 60)
{
	char words[256];

	begin();
	rd_kafka_mock_push_request_errors(cluster, PRODUCE_KEY, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	cr_expect_eq(put(7, "poison", 6), AB_DEAD_LETTER_TAKEN);
	for (int i = 0; i < 1000 && ab_dead_letters_refused(letters, words, sizeof words) == 0; i++)
		usleep(2000);
	end();
	cr_expect_eq(ab_acks_upto(&acks), 0);
}
