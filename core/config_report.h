/* core/config_report.h — how the parts of the loader say that something is wrong.
 *
 * Threads: the one that loads. Memory: fixed, in struct ab_config_problems.
 */
#pragma once

#include "core/config_table.h"

/* What stands for a secret, everywhere. */
#define AB_CONFIG_MASK "********"

/* key and value may be NULL. A value is masked when its key is a secret, or looks like one. */
void ab_config_report(struct ab_config_problems *problems, enum ab_config_severity severity,
		      struct ab_config_origin origin, const char *key, const char *value, const char *nearest,
		      const char *format, ...) AB_PRINTF(7, 8);

/* For a mistake that lies in the value of a known key. */
#define ab_config_report_key(config, problems, severity, key, ...) \
	ab_config_report_value(config, problems, severity, key, NULL, __VA_ARGS__)
void ab_config_report_value(const struct ab_config *config, struct ab_config_problems *problems,
			    enum ab_config_severity severity, enum ab_config_key key, const char *nearest,
			    const char *format, ...) AB_PRINTF(6, 7);

/* True when what a key of this name holds should not be shown. */
bool ab_config_key_hides(const char *key);

/* core/config_check.c: what several settings say together, and what is not there yet. */
void ab_config_check(const struct ab_config *config, struct ab_config_problems *problems);
/* Says why a key nobody knows is refused, when it stands for something that is not there yet; else NULL. */
const char *ab_config_unsupported_key(const char *key);

/* core/config_kafka.c: KAFKA_CONF_*. */
#define AB_KAFKA_CONF_PREFIX "KAFKA_CONF_"
void ab_config_kafka_set(struct ab_config *config, struct ab_config_problems *problems, const char *key,
			 const char *value, struct ab_config_origin origin);
/* True when the property of this key is a secret. */
bool ab_config_kafka_hides(const char *key);
/* socket.timeout.ms becomes KAFKA_CONF_SOCKET_TIMEOUT_MS. */
void ab_config_kafka_key(const char *name, char *to, size_t room);
