/* core/config_kafka.c — KAFKA_CONF_*: any property of librdkafka, asked of librdkafka itself.
 *
 * A key cannot hold dots, so each _ stands for a dot; where no such property exists, for a _ of its name (log_level).
 */
#include <ctype.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "core/config_report.h"
#include "core/nearest.h"

/* Properties that have a key of ours: two ways to say one thing would have to agree. */
static const struct {
	const char *name;
	enum ab_config_key key;
} owned[] = {
	{"bootstrap.servers", AB_KEY_KAFKA_BOOTSTRAP_SERVERS},
	{"metadata.broker.list", AB_KEY_KAFKA_BOOTSTRAP_SERVERS},
	{"group.id", AB_KEY_GROUP_ID},
	{"group.instance.id", AB_KEY_INSTANCE_ID},
	{"fetch.min.bytes", AB_KEY_KAFKA_FETCH_MIN_BYTES},
	{"fetch.wait.max.ms", AB_KEY_KAFKA_FETCH_MAX_WAIT_MS},
	{"max.partition.fetch.bytes", AB_KEY_KAFKA_MAX_PARTITION_FETCH_BYTES},
	{"fetch.message.max.bytes", AB_KEY_KAFKA_MAX_PARTITION_FETCH_BYTES},
	{"socket.receive.buffer.bytes", AB_KEY_KAFKA_RECEIVE_BUFFER_BYTES},
};

/* Properties that the promise of delivery rests on; another value would break it without a word. */
static const struct {
	const char *name, *value;
} fixed[] = {
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"auto.offset.reset", "error"},
	{"isolation.level", "read_committed"},
	{"enable.partition.eof", "true"},
	{"enable.idempotence", "true"},
	{"acks", "all"},
	{"request.required.acks", "all"},
};

/* Properties that hold secrets. */
static const char *const hidden[] = {"password", "secret", "pem", "oauthbearer.config", "jaas"};

static void name_of(const char *key, char *to, size_t room)
{
	size_t i = 0;

	for (key += strlen(AB_KAFKA_CONF_PREFIX); key[i] != '\0' && i + 1 < room; i++)
		to[i] = key[i] == '_' ? '.' : (char)tolower((unsigned char)key[i]);
	to[i] = '\0';
}

void ab_config_kafka_key(const char *name, char *to, size_t room)
{
	size_t i, prefix = (size_t)snprintf(to, room, "%s", AB_KAFKA_CONF_PREFIX);

	for (i = 0; name[i] != '\0' && prefix + i + 1 < room; i++)
		to[prefix + i] = name[i] == '.' ? '_' : (char)toupper((unsigned char)name[i]);
	to[prefix + i] = '\0';
}

bool ab_config_kafka_hides(const char *key)
{
	char name[256];

	name_of(key, name, sizeof name);
	for (size_t i = 0; i < AB_COUNT(hidden); i++) {
		if (strstr(name, hidden[i]) != NULL)
			return true;
	}
	return false;
}

/* Where librdkafka does not know a name with dots alone, tries each way to have a _ instead of some of them. */
static rd_kafka_conf_res_t set_any(rd_kafka_conf_t *conf, char *name, const char *value, char *error, size_t room)
{
	char *dot[8];
	unsigned dots = 0;
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, error, room);

	for (char *at = strchr(name, '.'); at != NULL && dots < AB_COUNT(dot); at = strchr(at + 1, '.'))
		dot[dots++] = at;
	for (unsigned mask = 1; result == RD_KAFKA_CONF_UNKNOWN && mask < 1u << dots; mask++) {
		char words[256];
		for (unsigned i = 0; i < dots; i++)
			*dot[i] = mask >> i & 1 ? '_' : '.';
		result = rd_kafka_conf_set(conf, name, value, words, sizeof words);
		if (result != RD_KAFKA_CONF_UNKNOWN)
			snprintf(error, room, "%s", words);
	}
	for (unsigned i = 0; result == RD_KAFKA_CONF_UNKNOWN && i < dots; i++)
		*dot[i] = '.';
	return result;
}

/* The key of the property that was most likely meant, or "". */
static void nearest_key(rd_kafka_conf_t *conf, const char *name, char *to, size_t room)
{
	const char *names[512];
	size_t count, used = 0;
	const char **dump = rd_kafka_conf_dump(conf, &count);

	for (size_t i = 0; i + 1 < count && used < AB_COUNT(names); i += 2)
		names[used++] = dump[i];
	const char *near = ab_nearest(name, names, used);
	to[0] = '\0';
	if (near != NULL)
		ab_config_kafka_key(near, to, room);
	rd_kafka_conf_dump_free(dump, count);
}

/* Returns false after it has said what is wrong. */
static bool is_allowed(struct ab_config_problems *problems, const char *key, const char *name, const char *value,
		       struct ab_config_origin origin)
{
	for (size_t i = 0; i < AB_COUNT(owned); i++) {
		if (strcmp(owned[i].name, name) == 0) {
			const char *ours = ab_config_entries[owned[i].key].key;
			ab_config_report(problems, AB_CONFIG_ERROR, origin, key, value, ours,
					 "%s has a key of its own: set %s", name, ours);
			return false;
		}
	}
	for (size_t i = 0; i < AB_COUNT(fixed); i++) {
		if (strcmp(fixed[i].name, name) == 0 && strcmp(fixed[i].value, value) != 0) {
			ab_config_report(problems, AB_CONFIG_ERROR, origin, key, value, NULL,
					 "delivery rests on %s=%s: remove this line", name, fixed[i].value);
			return false;
		}
	}
	return true;
}

static bool is_known(struct ab_config_problems *problems, const char *key, char *name, const char *value,
		     struct ab_config_origin origin)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_res_t result;
	char error[256] = "", near[128];

	result = set_any(conf, name, value, error, sizeof error);
	if (result == RD_KAFKA_CONF_UNKNOWN) {
		nearest_key(conf, name, near, sizeof near);
		ab_config_report(problems, AB_CONFIG_ERROR, origin, key, value, near, "librdkafka %s has no property %s",
				 rd_kafka_version_str(), name);
	} else if (result != RD_KAFKA_CONF_OK) {
		/* Its words may quote the value. */
		ab_config_report(problems, AB_CONFIG_ERROR, origin, key, value, NULL, "librdkafka refuses it%s%s",
				 ab_config_kafka_hides(key) ? "" : ": ", ab_config_kafka_hides(key) ? "" : error);
	}
	rd_kafka_conf_destroy(conf);
	return result == RD_KAFKA_CONF_OK;
}

void ab_config_kafka_set(struct ab_config *config, struct ab_config_problems *problems, const char *key,
			 const char *value, struct ab_config_origin origin)
{
	struct ab_kafka_property *property = NULL;
	char name[AB_KAFKA_CONF_NAME_MAX_BYTES + 1];

	name_of(key, name, sizeof name);
	if (strlen(key) - strlen(AB_KAFKA_CONF_PREFIX) >= sizeof name || name[0] == '\0') {
		ab_config_report(problems, AB_CONFIG_ERROR, origin, key, value, NULL,
				 "want the name of a librdkafka property behind %s, with _ for each dot", AB_KAFKA_CONF_PREFIX);
		return;
	}
	if (strlen(value) > AB_KAFKA_CONF_VALUE_MAX_BYTES) {
		ab_config_report(problems, AB_CONFIG_ERROR, origin, key, value, NULL, "has %zu bytes; at most %d are taken",
				 strlen(value), AB_KAFKA_CONF_VALUE_MAX_BYTES);
		return;
	}
	if (!is_allowed(problems, key, name, value, origin) || !is_known(problems, key, name, value, origin))
		return;

	for (int i = 0; i < config->kafka_conf_count && property == NULL; i++) {
		if (strcmp(config->kafka_conf[i].name, name) == 0)
			property = &config->kafka_conf[i];
	}
	if (property == NULL && config->kafka_conf_count == AB_KAFKA_CONF_MAX) {
		ab_config_report(problems, AB_CONFIG_ERROR, origin, key, value, NULL, "at most %d properties can be passed on",
				 AB_KAFKA_CONF_MAX);
		return;
	}
	if (property == NULL)
		property = &config->kafka_conf[config->kafka_conf_count++];
	snprintf(property->name, sizeof property->name, "%s", name);
	snprintf(property->value, sizeof property->value, "%s", value);
	property->origin = origin;
}
