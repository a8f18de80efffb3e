/* monitor/parts_kafka.c — whether a broker answers, and whether the events topic is there. See parts.h. */
#include "io/kafka_conf.h"
#include "monitor/parts.h"

#define ANSWER_MS 1500

static void quiet(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
	(void)kafka;
	(void)level;
	(void)facility;
	(void)text; /* what is wrong is shown as the answer that did not come */
}

static rd_kafka_t *open_handle(const struct ab_config *config, char *error)
{
	struct ab_kafka_conf conf = ab_kafka_conf_new(config);

	ab_kafka_conf_set(&conf, "client.id", "anabranch-monitor");
	ab_kafka_conf_pass_through(&conf, config);
	if (conf.failed) {
		snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "%.190s", conf.error);
		rd_kafka_conf_destroy(conf.conf);
		return NULL;
	}
	rd_kafka_conf_set_log_cb(conf.conf, quiet);
	rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf.conf, error, AB_WATCH_ERROR_MAX_BYTES);
	if (kafka == NULL)
		rd_kafka_conf_destroy(conf.conf);
	return kafka;
}

enum ab_watch_result ab_ask_kafka(void *self, void *to, char *error)
{
	struct ab_asker *asker = self;
	struct ab_kafka_answer *answer = to;
	const struct rd_kafka_metadata *metadata;

	memset(answer, 0, sizeof *answer);
	if (asker->handle == NULL)
		asker->handle = open_handle(asker->config, error);
	if (asker->handle == NULL)
		return AB_WATCH_FAILED;
	rd_kafka_poll(asker->handle, 0);
	rd_kafka_resp_err_t code = rd_kafka_metadata(asker->handle, 1, NULL, &metadata, ANSWER_MS);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
		snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "%.100s: %s", asker->config->kafka_bootstrap_servers,
			 rd_kafka_err2str(code));
		return AB_WATCH_FAILED;
	}
	answer->brokers = metadata->broker_cnt;
	for (int i = 0; i < metadata->topic_cnt; i++) {
		if (strcmp(metadata->topics[i].topic, asker->config->events_topic) == 0)
			answer->topic_partitions = metadata->topics[i].partition_cnt;
	}
	rd_kafka_metadata_destroy(metadata);
	return AB_WATCH_ANSWERED;
}

void ab_asker_close_kafka(struct ab_asker *asker)
{
	if (asker->handle != NULL)
		rd_kafka_destroy(asker->handle);
	asker->handle = NULL;
}
