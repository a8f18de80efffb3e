/* io/kafka_conf.c — see kafka_conf.h. */
#include "io/kafka_conf.h"

#include <inttypes.h>

struct ab_kafka_conf ab_kafka_conf_new(const struct ab_config *config)
{
	struct ab_kafka_conf conf = {.conf = rd_kafka_conf_new()};

	ab_kafka_conf_set(&conf, "bootstrap.servers", config->kafka_bootstrap_servers);
	return conf;
}

void ab_kafka_conf_set(struct ab_kafka_conf *conf, const char *name, const char *value)
{
	char error[256];

	if (conf->failed || rd_kafka_conf_set(conf->conf, name, value, error, sizeof error) == RD_KAFKA_CONF_OK)
		return;
	conf->failed = true;
	/* Without the value: it may be a secret. */
	snprintf(conf->error, sizeof conf->error, "Kafka property %.120s: %s", name, error);
}

void ab_kafka_conf_set_int(struct ab_kafka_conf *conf, const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRId64, value);
	ab_kafka_conf_set(conf, name, text);
}

void ab_kafka_conf_pass_through(struct ab_kafka_conf *conf, const struct ab_config *config)
{
	for (int i = 0; i < config->kafka_conf_count; i++)
		ab_kafka_conf_set(conf, config->kafka_conf[i].name, config->kafka_conf[i].value);
}
