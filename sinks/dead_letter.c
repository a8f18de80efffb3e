/* sinks/dead_letter.c — see dead_letter.h. */
#include "sinks/dead_letter.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "core/clock.h"
#include "io/kafka_conf.h"

#define POLL_MS                    100
#define AGAIN_NS                   AB_NS_PER_S
#define PRODUCER_MESSAGE_MAX_BYTES "16777216" /* the topic's own bound decides, not the client's */
#define LINES_EVERY_NS             (10 * AB_NS_PER_S) /* of one refusal */

struct letter;

struct ab_dead_letters {
	rd_kafka_t *rk;
	/* Held so that librdkafka knows the topic before the first letter: of one it meets in a letter it asks the broker only at
	 * its next look, which is up to a second later. */
	rd_kafka_topic_t *known;
	char topic[256];
	void (*on_log)(const char *text);
	pthread_t thread;
	_Atomic bool stop;
	_Atomic uint64_t waiting;
	/* Letters Kafka refuses; put looks at it without the mutex, and may take one more than it should. */
	_Atomic uint64_t refused_count;
	pthread_mutex_t mutex; /* of words */
	char words[256];
	/* the dead-letter thread's */
	struct letter *refused;
	int64_t again_ns, said_ns;
};

/* One letter under way. */
struct letter {
	struct ab_dead_letter_owner owner;
	char key[512];
	rd_kafka_headers_t *headers; /* copied into each try */
	bool cut;
	void *value; /* kept while it is refused; else NULL */
	size_t value_len;
	struct letter *next;
};

static void letter_free(struct letter *letter)
{
	rd_kafka_headers_destroy(letter->headers);
	free(letter->value);
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

static bool too_large(const struct letter *letter, rd_kafka_resp_err_t error)
{
	return !letter->cut &&
	       (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE);
}

static void add_number(rd_kafka_headers_t *headers, const char *name, int64_t value)
{
	char text[32];

	int n = snprintf(text, sizeof text, "%" PRId64, value);
	rd_kafka_header_add(headers, name, -1, text, n);
}

/* A letter that was cut stays so: the topic would refuse the whole again. */
static rd_kafka_resp_err_t produce_again(struct ab_dead_letters *letters, struct letter *letter, const void *value,
					 size_t len)
{
	return produce(letters, letter, value, letter->cut ? ab_min_u64(len, AB_DEAD_LETTER_CUT_BYTES) : len);
}

/* The beginning of the value, and how long it was. */
static rd_kafka_resp_err_t produce_cut(struct ab_dead_letters *letters, struct letter *letter, const void *value,
				       size_t len)
{
	letter->cut = true;
	add_number(letter->headers, "value_cut", (int64_t)len);
	return produce_again(letters, letter, value, len);
}

/* Kept until Kafka takes it. */
static void refuse(struct ab_dead_letters *letters, struct letter *letter, const void *value, size_t len,
		   rd_kafka_resp_err_t error)
{
	int64_t now_ns = ab_monotonic_ns();
	char line[1200];

	if (letter->value == NULL) {
		letter->value = malloc(len + 1);
		AB_ASSERT(letter->value != NULL);
		memcpy(letter->value, value, len);
		letter->value_len = len;
	}
	letter->next = letters->refused;
	letters->refused = letter;
	letters->again_ns = now_ns + AGAIN_NS;
	pthread_mutex_lock(&letters->mutex);
	snprintf(letters->words, sizeof letters->words, "topic %.100s: %.120s", letters->topic,
		 rd_kafka_err2str(error));
	pthread_mutex_unlock(&letters->mutex);
	atomic_fetch_add(&letters->refused_count, 1);
	if (letters->said_ns != 0 && now_ns - letters->said_ns < LINES_EVERY_NS)
		return;
	letters->said_ns = now_ns;
	snprintf(line, sizeof line,
		 "dead letters: Kafka refuses them (%s, %s): their partitions wait, and they are tried again every "
		 "second. Look at the topic and at what we may write",
		 letter->key, rd_kafka_err2str(error));
	letters->on_log(line);
}

static void try_again(struct ab_dead_letters *letters)
{
	struct letter *letter = letters->refused, *next;

	if (letter == NULL || ab_monotonic_ns() < letters->again_ns)
		return;
	letters->refused = NULL;
	for (; letter != NULL; letter = next) {
		next = letter->next;
		atomic_fetch_sub(&letters->refused_count, 1);
		rd_kafka_resp_err_t error = produce_again(letters, letter, letter->value, letter->value_len);
		if (error)
			refuse(letters, letter, NULL, 0, error);
	}
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct ab_dead_letters *letters = opaque;
	struct letter *letter = message->_private;
	rd_kafka_resp_err_t error = message->err;

	(void)rk;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
		ab_acks_note(letter->owner.acks, letter->owner.number);
		atomic_fetch_sub(&letters->waiting, 1);
		letter->owner.wake(letter->owner.wake_arg);
		letter_free(letter);
		return;
	}
	if (atomic_load(&letters->stop)) { /* never acked, so the record is read again after the next start */
		letter_free(letter);
		return;
	}
	if (too_large(letter, error)) {
		error = produce_cut(letters, letter, message->payload, message->len);
		if (!error)
			return;
	}
	refuse(letters, letter, message->payload, message->len, error);
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

	while (!atomic_load(&letters->stop)) {
		rd_kafka_poll(letters->rk, POLL_MS);
		try_again(letters);
	}
	return NULL;
}

struct ab_dead_letters *ab_dead_letters_create(const struct ab_config *config, void (*on_log)(const char *text),
					       char *error)
{
	struct ab_dead_letters *letters = calloc(1, sizeof *letters);
	struct ab_kafka_conf conf = ab_kafka_conf_new(config);

	AB_ASSERT(letters != NULL);
	letters->on_log = on_log;
	AB_ASSERT(pthread_mutex_init(&letters->mutex, NULL) == 0);
	snprintf(letters->topic, sizeof letters->topic, "%s", config->dead_letter_topic);
	/* First, so that what the promise needs wins over it. */
	ab_kafka_conf_pass_through(&conf, config);
	ab_kafka_conf_set(&conf, "client.id", "anabranch-dead-letters");
	ab_kafka_conf_set(&conf, "enable.idempotence", "true");
	ab_kafka_conf_set(&conf, "acks", "all");
	ab_kafka_conf_set(&conf, "message.timeout.ms", "0");
	ab_kafka_conf_set(&conf, "linger.ms", "0");
	ab_kafka_conf_set(&conf, "message.max.bytes", PRODUCER_MESSAGE_MAX_BYTES);
	ab_kafka_conf_set_int(&conf, "queue.buffering.max.messages", AB_DEAD_LETTER_QUEUE_MAX);
	ab_kafka_conf_set_int(&conf, "queue.buffering.max.kbytes", AB_DEAD_LETTER_QUEUE_KIB);
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
	letters->known = rd_kafka_topic_new(letters->rk, letters->topic, NULL);
	AB_ASSERT(letters->known != NULL);
	AB_ASSERT(pthread_create(&letters->thread, NULL, run, letters) == 0);
	return letters;
}

void ab_dead_letters_destroy(struct ab_dead_letters *letters)
{
	atomic_store(&letters->stop, true);
	pthread_join(letters->thread, NULL);
	rd_kafka_purge(letters->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(letters->rk, 1000);
	rd_kafka_topic_destroy(letters->known);
	rd_kafka_destroy(letters->rk);
	for (struct letter *letter = letters->refused, *next; letter != NULL; letter = next) {
		next = letter->next;
		letter_free(letter);
	}
	pthread_mutex_destroy(&letters->mutex);
	free(letters);
}

enum ab_dead_letter_result ab_dead_letters_put(struct ab_dead_letters *letters, const struct ab_dead_letter *record,
					       const struct ab_dead_letter_owner *owner)
{
	if (atomic_load_explicit(&letters->refused_count, memory_order_relaxed) > 0)
		return AB_DEAD_LETTER_FULL;
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
	if (too_large(letter, error))
		error = produce_cut(letters, letter, record->value, record->value_len);
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

uint64_t ab_dead_letters_refused(struct ab_dead_letters *letters, char *words, size_t room)
{
	uint64_t count = atomic_load(&letters->refused_count);

	words[0] = '\0';
	if (count == 0)
		return 0;
	pthread_mutex_lock(&letters->mutex);
	snprintf(words, room, "%s", letters->words);
	pthread_mutex_unlock(&letters->mutex);
	return count;
}

bool ab_dead_letters_failed(struct ab_dead_letters *letters, char *words, size_t room)
{
	return rd_kafka_fatal_error(letters->rk, words, room) != RD_KAFKA_RESP_ERR_NO_ERROR;
}
