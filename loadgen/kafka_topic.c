/* loadgen/kafka_topic.c — the scratch topic is made and deleted. See kafka.h. */
#include "loadgen/kafka.h"

#include <librdkafka/rdkafka.h>

#define TIMEOUT_MS 15000
#define PARTITIONS 4

struct admin {
	rd_kafka_t *client;
	rd_kafka_queue_t *queue;
};

static enum ab_target_result open_admin(struct admin *admin, const char *brokers, char *error, size_t room)
{
	char why[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	*admin = (struct admin){0};
	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why) == RD_KAFKA_CONF_OK)
		admin->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (admin->client == NULL) {
		rd_kafka_conf_destroy(conf);
		snprintf(error, room, "Kafka: %s: %s", brokers, why);
		return AB_TARGET_UNREACHABLE;
	}
	admin->queue = rd_kafka_queue_new(admin->client);
	return AB_TARGET_OK;
}

static void close_admin(struct admin *admin)
{
	rd_kafka_queue_destroy(admin->queue);
	rd_kafka_destroy(admin->client);
}

/* The one topic's own result, or the request's. */
static rd_kafka_resp_err_t answer(struct admin *admin)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(admin->queue, TIMEOUT_MS);
	const rd_kafka_topic_result_t **topics = NULL;
	size_t count = 0;
	if (event == NULL)
		return RD_KAFKA_RESP_ERR__TIMED_OUT;
	rd_kafka_resp_err_t err = rd_kafka_event_error(event);
	if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
		topics = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
	else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DELETETOPICS_RESULT)
		topics = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR && count == 1)
		err = rd_kafka_topic_result_error(topics[0]);
	rd_kafka_event_destroy(event);
	return err;
}

enum ab_target_result ab_kafka_make_scratch(const char *brokers, char *error, size_t room)
{
	struct admin admin;
	enum ab_target_result result = open_admin(&admin, brokers, error, room);
	if (result != AB_TARGET_OK)
		return result;
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(AB_KAFKA_SCRATCH_TOPIC, PARTITIONS, -1, NULL, 0);
	rd_kafka_NewTopic_set_config(topic, "retention.ms", "600000");
	rd_kafka_CreateTopics(admin.client, &topic, 1, NULL, admin.queue);
	rd_kafka_resp_err_t err = answer(&admin);
	rd_kafka_NewTopic_destroy(topic);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
		snprintf(error, room, "Kafka: topic " AB_KAFKA_SCRATCH_TOPIC " could not be made: %s", rd_kafka_err2str(err));
		result = AB_TARGET_REFUSED;
	}
	close_admin(&admin);
	return result;
}

enum ab_target_result ab_kafka_drop_scratch(const char *brokers, char *error, size_t room)
{
	struct admin admin;
	enum ab_target_result result = open_admin(&admin, brokers, error, room);
	if (result != AB_TARGET_OK)
		return result;
	rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(AB_KAFKA_SCRATCH_TOPIC);
	rd_kafka_DeleteTopics(admin.client, &topic, 1, NULL, admin.queue);
	rd_kafka_resp_err_t err = answer(&admin);
	rd_kafka_DeleteTopic_destroy(topic);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
		snprintf(error, room, "Kafka: topic " AB_KAFKA_SCRATCH_TOPIC " could not be deleted: %s", rd_kafka_err2str(err));
		result = AB_TARGET_REFUSED;
	}
	close_admin(&admin);
	return result;
}
