/* core/sinks.c — see sinks.h. */
#include "core/sinks.h"

#include <string.h>

static const struct ab_sink_ops *const all[] = {&ab_redis_ops, &ab_bigquery_ops, &ab_elasticsearch_ops, &ab_null_ops};

int ab_sinks_count(const struct ab_config *config)
{
	return config->sinks.count;
}

const struct ab_sink_ops *ab_sinks_ops(const struct ab_config *config, int i)
{
	for (size_t k = 0; k < AB_COUNT(all); k++) {
		if (strcmp(all[k]->name, config->sinks.name[i]) == 0)
			return all[k];
	}
	AB_ASSERT(!"a sink of the configuration that is not in the list");
	return NULL;
}

enum ab_route_key ab_sinks_key(const struct ab_config *config, const struct ab_sink_ops *ops)
{
	const char *field = config->elasticsearch_key_by;

	if (ops == &ab_redis_ops)
		field = config->redis_key_by;
	else if (ops == &ab_bigquery_ops)
		field = config->bigquery_key_by;

	enum ab_route_key key = ab_route_key_parse(field);
	AB_ASSERT(key != AB_ROUTE_COUNT); /* the configuration's FIELD type knows the same names */
	return key;
}
