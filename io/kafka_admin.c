/* io/kafka_admin.c — see kafka_admin.h. */
#include "io/kafka_admin.h"

#include "io/kafka_conf.h"

#define WAIT_MS 15000

static enum ab_topic_result result_of(rd_kafka_event_t *event, char *error)
{
	size_t count = 0;

	if (event == NULL) {
		snprintf(error, 512, "Kafka did not answer within %d s", WAIT_MS / 1000);
		return AB_TOPIC_FAILED;
	}
	if (rd_kafka_event_error(event)) {
		snprintf(error, 512, "%s", rd_kafka_event_error_string(event));
		return AB_TOPIC_FAILED;
	}
	const rd_kafka_topic_result_t **topics =
	    rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
	AB_ASSERT(count == 1);
	switch (rd_kafka_topic_result_error(topics[0])) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return AB_TOPIC_CREATED;
	case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
		return AB_TOPIC_THERE;
	default:
		snprintf(error, 512, "%s", rd_kafka_topic_result_error_string(topics[0]));
		return AB_TOPIC_FAILED;
	}
}

enum ab_topic_result ab_kafka_create_topic(const struct ab_config *config, const char *topic, int partitions,
					   const char *max_message_bytes, char *error)
{
	struct ab_kafka_conf conf = ab_kafka_conf_new(config);

	ab_kafka_conf_pass_through(&conf, config);
	rd_kafka_t *rk = conf.failed ? NULL : rd_kafka_new(RD_KAFKA_PRODUCER, conf.conf, error, 512);
	if (rk == NULL) {
		if (conf.failed)
			snprintf(error, 512, "%s", conf.error);
		rd_kafka_conf_destroy(conf.conf);
		return AB_TOPIC_FAILED;
	}
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic, partitions, -1, error, 512);
	enum ab_topic_result result = AB_TOPIC_FAILED;
	if (new_topic != NULL) {
		rd_kafka_NewTopic_set_config(new_topic, "max.message.bytes", max_message_bytes);
		rd_kafka_CreateTopics(rk, &new_topic, 1, NULL, queue);
		rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
		result = result_of(event, error);
		if (event != NULL)
			rd_kafka_event_destroy(event);
		rd_kafka_NewTopic_destroy(new_topic);
	}
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
	return result;
}
