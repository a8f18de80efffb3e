/* io/kafka_conf.h — librdkafka properties from our configuration; the first mistake is kept, in words.
 *
 * Threads: any. Owns: conf, until it is given to rd_kafka_new().
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "core/config.h"

struct ab_kafka_conf {
	rd_kafka_conf_t *conf;
	bool failed;
	char error[512];
};

/* Begins with the brokers from the configuration. */
struct ab_kafka_conf ab_kafka_conf_new(const struct ab_config *config);
void ab_kafka_conf_set(struct ab_kafka_conf *conf, const char *name, const char *value);
void ab_kafka_conf_set_int(struct ab_kafka_conf *conf, const char *name, int64_t value);
/* The KAFKA_CONF_* keys, last, so that they win. */
void ab_kafka_conf_pass_through(struct ab_kafka_conf *conf, const struct ab_config *config);
