/* sinks/dead_letter.c — see dead_letter.h. */
#include "sinks/dead_letter.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "io/kafka_conf.h"

#define POLL_MS                    100
#define PRODUCER_MESSAGE_MAX_BYTES "16777216" /* the topic's own bound decides, not the client's */

struct ab_dead_letters {
	rd_kafka_t *rk;
	char topic[256];
	void (*on_log)(const char *text);
	pthread_t thread;
	_Atomic bool stop;
	_Atomic uint64_t waiting;
};

/* One letter under way. Errors are off the data path: a letter is allocated when it is written. */
struct letter {
	struct ab_dead_letter_owner owner;
	char key[512];
	rd_kafka_headers_t *headers; /* a copy for a second try without the value */
};

static void letter_free(struct letter *letter)
{
	rd_kafka_headers_destroy(letter->headers);
	free(letter);
}

static rd_kafka_resp_err_t produce(struct ab_dead_letters *letters, struct letter *letter, const void *value,
				   size_t len)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_copy(letter->headers);
	rd_kafka_resp_err_t error = rd_kafka_producev(
	    letters->rk, RD_KAFKA_V_TOPIC(letters->topic), RD_KAFKA_V_KEY(letter->key, strlen(letter->key)),
	    RD_KAFKA_V_VALUE((void *)(uintptr_t)value, len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
	    RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(letter), RD_KAFKA_V_END);

	if (error) /* on success librdkafka owns the headers */
		rd_kafka_headers_destroy(headers);
	return error;
}

static bool too_large(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}

/* Says why the value is not there, and sends the rest. */
static rd_kafka_resp_err_t produce_without_value(struct ab_dead_letters *letters, struct letter *letter, size_t len)
{
	char text[64];

	int n = snprintf(text, sizeof text, "%zu bytes: more than the topic takes", len);
	rd_kafka_header_add(letter->headers, "value_omitted", -1, text, n);
	return produce(letters, letter, "", 0);
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct ab_dead_letters *letters = opaque;
	struct letter *letter = message->_private;
	rd_kafka_resp_err_t again = RD_KAFKA_RESP_ERR_NO_ERROR;
	char line[1200];

	(void)rk;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		/* Release [N2]: whoever sees the count may move positions over the letter. */
		atomic_fetch_add_explicit(letter->owner.acked, 1, memory_order_release);
		atomic_fetch_sub(&letters->waiting, 1);
		letter->owner.wake(letter->owner.wake_arg);
		letter_free(letter);
		return;
	}
	if (atomic_load(&letters->stop)) { /* never acked, so the record is read again after the next start */
		letter_free(letter);
		return;
	}
	snprintf(line, sizeof line, "dead letters: %s was not written to %s: %s; trying again", letter->key,
		 letters->topic, rd_kafka_err2str(message->err));
	letters->on_log(line);
	again = too_large(message->err) ? produce_without_value(letters, letter, message->len)
					: produce(letters, letter, message->payload, message->len);
	if (again) {
		snprintf(line, sizeof line,
			 "dead letters: %s is lost to %s for now (%s): its partition waits; restart to "
			 "read it again",
			 letter->key, letters->topic, rd_kafka_err2str(again));
		letters->on_log(line);
		letter_free(letter);
	}
}

static void log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	struct ab_dead_letters *letters = rd_kafka_opaque(rk);
	char line[1200];

	(void)facility;
	if (level > 4)
		return;
	snprintf(line, sizeof line, "dead letters: %s", text);
	letters->on_log(line);
}

static void *run(void *arg)
{
	struct ab_dead_letters *letters = arg;

	while (!atomic_load(&letters->stop))
		rd_kafka_poll(letters->rk, POLL_MS);
	return NULL;
}

struct ab_dead_letters *ab_dead_letters_create(const struct ab_config *config, void (*on_log)(const char *text),
					       char *error)
{
	struct ab_dead_letters *letters = calloc(1, sizeof *letters);
	struct ab_kafka_conf conf = ab_kafka_conf_new(config);

	AB_ASSERT(letters != NULL);
	letters->on_log = on_log;
	snprintf(letters->topic, sizeof letters->topic, "%s", config->dead_letter_topic);
	/* First, so that what the promise needs wins over it. */
	ab_kafka_conf_pass_through(&conf, config);
	ab_kafka_conf_set(&conf, "client.id", "anabranch-dead-letters");
	ab_kafka_conf_set(&conf, "enable.idempotence", "true");
	ab_kafka_conf_set(&conf, "acks", "all");
	ab_kafka_conf_set(&conf, "message.timeout.ms", "0");
	ab_kafka_conf_set(&conf, "linger.ms", "2");
	ab_kafka_conf_set(&conf, "message.max.bytes", PRODUCER_MESSAGE_MAX_BYTES);
	ab_kafka_conf_set_int(&conf, "queue.buffering.max.messages", AB_DEAD_LETTER_QUEUE_MAX);
	if (!conf.failed) {
		rd_kafka_conf_set_opaque(conf.conf, letters);
		rd_kafka_conf_set_dr_msg_cb(conf.conf, delivered);
		rd_kafka_conf_set_log_cb(conf.conf, log_cb);
		letters->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf.conf, error, 512);
	} else {
		snprintf(error, 512, "%s", conf.error);
	}
	if (letters->rk == NULL) {
		rd_kafka_conf_destroy(conf.conf);
		free(letters);
		return NULL;
	}
	AB_ASSERT(pthread_create(&letters->thread, NULL, run, letters) == 0);
	return letters;
}

void ab_dead_letters_destroy(struct ab_dead_letters *letters)
{
	atomic_store(&letters->stop, true);
	pthread_join(letters->thread, NULL);
	rd_kafka_purge(letters->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(letters->rk, 1000);
	rd_kafka_destroy(letters->rk);
	free(letters);
}

static void add_number(rd_kafka_headers_t *headers, const char *name, int64_t value)
{
	char text[32];

	int n = snprintf(text, sizeof text, "%" PRId64, value);
	rd_kafka_header_add(headers, name, -1, text, n);
}

enum ab_dead_letter_result ab_dead_letters_put(struct ab_dead_letters *letters, const struct ab_dead_letter *record,
					       const struct ab_dead_letter_owner *owner)
{
	struct letter *letter = calloc(1, sizeof *letter);

	AB_ASSERT(letter != NULL);
	letter->owner = *owner;
	snprintf(letter->key, sizeof letter->key, "%s/%s/%d/%" PRId64, record->sink, record->topic, record->partition,
		 record->offset);
	letter->headers = rd_kafka_headers_new(8);
	rd_kafka_header_add(letter->headers, "sink", -1, record->sink, -1);
	rd_kafka_header_add(letter->headers, "topic", -1, record->topic, -1);
	add_number(letter->headers, "partition", record->partition);
	add_number(letter->headers, "offset", record->offset);
	add_number(letter->headers, "timestamp", record->timestamp_ms);
	rd_kafka_header_add(letter->headers, "code", -1, record->code, -1);
	rd_kafka_header_add(letter->headers, "reason", -1, record->reason, (ssize_t)record->reason_len);

	/* Counted before it is sent: the ack may come before producev returns. */
	atomic_fetch_add(&letters->waiting, 1);
	rd_kafka_resp_err_t error = produce(letters, letter, record->value, record->value_len);
	if (too_large(error))
		error = produce_without_value(letters, letter, record->value_len);
	if (error) {
		if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
			char line[1200];
			snprintf(line, sizeof line, "dead letters: %s is not taken: %s; its partition waits",
				 letters->topic, rd_kafka_err2str(error));
			letters->on_log(line);
		}
		atomic_fetch_sub(&letters->waiting, 1);
		letter_free(letter);
		return AB_DEAD_LETTER_FULL;
	}
	return AB_DEAD_LETTER_TAKEN;
}

uint64_t ab_dead_letters_waiting(const struct ab_dead_letters *letters)
{
	return atomic_load(&letters->waiting);
}
