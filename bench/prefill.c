/* bench/prefill.c — fills a Kafka topic with the records that Debezium would have written for a stream of changes.
 *
 * The topic must exist; a key's partition is the one Kafka's Java producer would choose. Same arguments, same records.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "bench/debezium.h"
#include "loadgen/exit.h"
#include "loadgen/text.h"

#define TRANSACTION_TIMEOUT_MS 60000
/* Records given to librdkafka and not yet at the broker: its own bound is 100,000, below that there is always room. */
#define QUEUE_MESSAGES "90000"

struct settings {
	const char *brokers;
	const char *topic;
	const char *compression;
	struct ab_changes_plan plan;
	uint64_t transaction_records; /* 0: not transactional */
	enum ab_debezium_shape shape;
	int quiet;
};

struct run {
	rd_kafka_t *producer;
	rd_kafka_topic_t *topic;
	uint64_t failed;
	char reason[256];
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static const char USAGE[] =
	"Example: prefill --brokers 127.0.0.1:9092 --topic t --count 1M --contents 5000 --update-share 8 --delete-share 2\n"
	"\n"
	"  --brokers LIST        host:port, with commas between (127.0.0.1:9092)\n"
	"  --topic NAME          an existing topic\n"
	"  --count N             records; 200000, 200k, 1M\n"
	"  --seed N              same seed, same records (1)\n"
	"  --contents N          rows point to this many contents of the generator, same seed (5000)\n"
	"  --update-share PCT    percent of the changes that update an earlier row (0)\n"
	"  --delete-share PCT    percent that delete one (0)\n"
	"  --event-ts TIME[,US]  2026-01-31T00:00:00Z of the first, microseconds between two (2026-01-01T00:00:00Z,1000);\n"
	"                        now[,US]: so that the last one happens now\n"
	"  --transaction N       N records per transaction, as Connect writes with exactly-once (0: none)\n"
	"  --bare                without the schema wrapper\n"
	"  --compression NAME    none lz4 zstd (none)\n"
	"  --quiet               no line at the end\n";

/* TIME[,STEP]: false when it is neither a time nor "now". The count must be known for "now". */
static int parse_event_ts(const char *text, struct ab_changes_plan *plan, int *until_now)
{
	char time_text[32] = "";
	const char *comma = strchr(text, ',');
	size_t len = comma != NULL ? (size_t)(comma - text) : strlen(text);
	if (len >= sizeof time_text)
		return 0;
	memcpy(time_text, text, len);
	uint64_t step = (uint64_t)plan->step_us;
	if (comma != NULL && ab_text_count(comma + 1, 0, UINT64_C(3600000000), &step) != AB_TEXT_OK)
		return 0;
	plan->step_us = (int64_t)step;
	*until_now = strcmp(time_text, "now") == 0;
	return *until_now || ab_text_time(time_text, &plan->first_event_us) == AB_TEXT_OK;
}

static void refuse(const char *option, const char *value)
{
	fprintf(stderr, "prefill: %s: \"%s\" is not valid\n\n%s", option, value, USAGE);
	exit(AB_EXIT_USAGE);
}

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;
	if (ab_text_count(text, min, max, &value) != AB_TEXT_OK)
		refuse(option, text);
	return value;
}

enum option_id {
	BROKERS = 1000, TOPIC, COUNT, SEED, CONTENTS, UPDATES, DELETES, EVENT_TS, TRANSACTION, BARE, COMPRESSION, QUIET
};

static const struct option_name {
	const char *name;
	enum option_id option;
	int has_value;
} OPTIONS[] = {
	{"brokers", BROKERS, 1}, {"topic", TOPIC, 1}, {"count", COUNT, 1}, {"seed", SEED, 1}, {"contents", CONTENTS, 1},
	{"update-share", UPDATES, 1}, {"delete-share", DELETES, 1}, {"event-ts", EVENT_TS, 1},
	{"transaction", TRANSACTION, 1}, {"bare", BARE, 0}, {"compression", COMPRESSION, 1}, {"quiet", QUIET, 0},
};

static void take(struct settings *s, enum option_id option, const char *name, const char *value, int *until_now)
{
	switch (option) {
	case BROKERS: s->brokers = value; break;
	case TOPIC: s->topic = value; break;
	case COUNT: s->plan.count = number(name, value, 1, AB_CHANGES_MAX); break;
	case SEED: s->plan.seed = number(name, value, 0, UINT64_MAX / 2000000); break;
	case CONTENTS: s->plan.contents = number(name, value, 1, 10000000); break;
	case UPDATES: s->plan.update_percent = (uint32_t)number(name, value, 0, 99); break;
	case DELETES: s->plan.delete_percent = (uint32_t)number(name, value, 0, 99); break;
	case TRANSACTION: s->transaction_records = number(name, value, 0, AB_CHANGES_MAX); break;
	case BARE: s->shape = AB_DEBEZIUM_BARE; break;
	case COMPRESSION: s->compression = value; break;
	case QUIET: s->quiet = 1; break;
	case EVENT_TS:
		if (!parse_event_ts(value, &s->plan, until_now))
			refuse(name, value);
		break;
	}
}

static void parse(int argc, char **argv, struct settings *s)
{
	struct option longs[AB_COUNT(OPTIONS) + 2] = {{0}};
	for (size_t i = 0; i < AB_COUNT(OPTIONS); i++)
		longs[i] = (struct option){OPTIONS[i].name, OPTIONS[i].has_value, NULL, (int)OPTIONS[i].option};
	longs[AB_COUNT(OPTIONS)] = (struct option){"help", 0, NULL, 'h'};
	int until_now = 0;
	int got;
	int at = 0;
	while ((got = getopt_long(argc, argv, "h", longs, &at)) != -1) {
		if (got == 'h') {
			fputs(USAGE, stdout);
			exit(AB_EXIT_OK);
		}
		if (got == '?') {
			fprintf(stderr, "\n%s", USAGE);
			exit(AB_EXIT_USAGE);
		}
		take(s, (enum option_id)got, longs[at].name, optarg, &until_now);
	}
	if (s->topic == NULL || s->plan.count == 0 || optind != argc ||
	    s->plan.update_percent + s->plan.delete_percent >= 100) {
		fprintf(stderr, "prefill: --topic and --count are needed, and the shares stay below 100 together\n\n%s", USAGE);
		exit(AB_EXIT_USAGE);
	}
	if (until_now)
		s->plan.first_event_us = (int64_t)time(NULL) * 1000000 - (int64_t)s->plan.count * s->plan.step_us;
}

/* A record that did not reach the broker: counted, the first reason kept. */
static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *arg)
{
	struct run *run = arg;
	(void)producer;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	if (run->failed++ == 0)
		snprintf(run->reason, sizeof run->reason, "%s", rd_kafka_err2str(message->err));
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char error[256];
	if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
		fprintf(stderr, "prefill: %s=%s: %s\n", name, value, error);
		exit(AB_EXIT_USAGE);
	}
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "prefill: %s: %s\n", what, why);
	exit(AB_EXIT_UNREACHABLE);
}

static void check(const char *what, rd_kafka_error_t *error)
{
	if (error != NULL)
		fail(what, rd_kafka_error_string(error));
}

static void open_producer(const struct settings *s, struct run *run)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", s->brokers);
	set(conf, "client.id", "anabranch-prefill");
	set(conf, "compression.type", s->compression);
	set(conf, "enable.idempotence", "true");
	set(conf, "linger.ms", "20");
	set(conf, "batch.size", "1000000");
	set(conf, "queue.buffering.max.messages", QUEUE_MESSAGES);
	set(conf, "partitioner", "murmur2_random");
	if (s->transaction_records > 0) {
		char id[64];
		snprintf(id, sizeof id, "anabranch-prefill-%ld", (long)getpid());
		set(conf, "transactional.id", id);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_opaque(conf, run);
	char error[256];
	run->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
	if (run->producer == NULL)
		fail("librdkafka", error);
	run->topic = rd_kafka_topic_new(run->producer, s->topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t err = rd_kafka_metadata(run->producer, 0, run->topic, &metadata, 10000);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail(s->brokers, rd_kafka_err2str(err));
	err = metadata->topics[0].err;
	rd_kafka_metadata_destroy(metadata);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail(s->topic, rd_kafka_err2str(err));
	if (s->transaction_records > 0) {
		check("transactions", rd_kafka_init_transactions(run->producer, TRANSACTION_TIMEOUT_MS));
		check("transactions", rd_kafka_begin_transaction(run->producer));
	}
}

static void produce(const struct settings *s, struct run *run, const struct ab_change *change)
{
	char key[AB_DEBEZIUM_KEY_MAX_BYTES];
	char value[AB_DEBEZIUM_VALUE_MAX_BYTES];
	size_t key_len = ab_debezium_key(change, s->shape, key);
	size_t value_len = ab_debezium_value(change, s->shape, value);
	while (rd_kafka_produce(run->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, value_len, key, key_len,
				NULL) != 0) {
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			fail(s->topic, rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(run->producer, 10);
	}
}

static uint64_t fill(const struct settings *s, struct run *run)
{
	struct ab_changes *changes = ab_changes_create(&s->plan);
	struct ab_change change;
	uint64_t count = 0;
	while (!interrupted && ab_changes_next(changes, &change) == AB_CHANGES_ONE) {
		produce(s, run, &change);
		count++;
		if (count % 1024 == 0)
			rd_kafka_poll(run->producer, 0);
		if (s->transaction_records > 0 && count % s->transaction_records == 0) {
			check("commit", rd_kafka_commit_transaction(run->producer, TRANSACTION_TIMEOUT_MS));
			check("transactions", rd_kafka_begin_transaction(run->producer));
		}
	}
	if (s->transaction_records > 0)
		check("commit", rd_kafka_commit_transaction(run->producer, TRANSACTION_TIMEOUT_MS));
	rd_kafka_resp_err_t err = rd_kafka_flush(run->producer, TRANSACTION_TIMEOUT_MS);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("flush", rd_kafka_err2str(err));
	ab_changes_destroy(changes);
	return count;
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct settings s = {
		.brokers = "127.0.0.1:9092",
		.compression = "none",
		/* 2026-01-01T00:00:00Z, 1 ms apart: a minute's window holds 60,000 changes. */
		.plan = {.seed = 1, .contents = 5000, .first_event_us = INT64_C(1767225600000000), .step_us = 1000},
	};
	parse(argc, argv, &s);
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	struct run run = {0};
	double begin = now_s();
	open_producer(&s, &run);
	uint64_t count = fill(&s, &run);
	double took = now_s() - begin;
	rd_kafka_topic_destroy(run.topic);
	rd_kafka_destroy(run.producer);
	if (run.failed > 0) {
		fprintf(stderr, "prefill: %llu of %llu records did not reach %s: %s\n", (unsigned long long)run.failed,
			(unsigned long long)count, s.topic, run.reason);
		return AB_EXIT_UNREACHABLE;
	}
	if (!s.quiet)
		printf("%llu records in %.1f s, %.0f/s\n", (unsigned long long)count, took, (double)count / took);
	return interrupted ? AB_EXIT_CUT_SHORT : AB_EXIT_OK;
}
