/* io/kafka_admin.h — what init asks of Kafka besides offsets. Blocking, main thread. */
#pragma once

#include "core/config.h"

enum ab_topic_result { AB_TOPIC_CREATED, AB_TOPIC_THERE, AB_TOPIC_FAILED };

/* error: 512 bytes. replication -1: the broker's default. */
enum ab_topic_result ab_kafka_create_topic(const struct ab_config *config, const char *topic, int partitions,
					   const char *max_message_bytes, char *error);
