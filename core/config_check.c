/* core/config_check.c — what no single value tells: settings that contradict each other, addresses that ask for
 * what is not there yet, and values with a price. Each says what to do instead. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "core/config_report.h"

static const char no_tls[] =
	"TLS to sinks is not supported in this version: use the name alone and a plain port, such as a TLS proxy's here";
static const char no_cluster[] =
	"Redis Cluster is not supported in this version: use one Redis server, REDIS_HOST and REDIS_PORT";
static const char real_bigquery[] =
	"the real BigQuery is not supported in this version: use an emulator, BIGQUERY_HOST and BIGQUERY_PORT";

/* Keys that others have and we do not yet. A name matches when it holds the part. */
static const struct {
	const char *part, *reason;
} unsupported[] = {
	{"REDIS_CLUSTER", no_cluster},
	{"REDIS_SENTINEL", "Redis Sentinel is not supported in this version: use an address that follows the primary"},
	{"REDIS_URL", "is not a key of ours: use REDIS_HOST, REDIS_PORT, REDIS_USER and REDIS_PASSWORD"},
	{"ELASTICSEARCH_URL", "is not a key of ours: use ELASTICSEARCH_HOST and ELASTICSEARCH_PORT"},
	{"ELASTICSEARCH_HOSTS", "is not a key of ours: use ELASTICSEARCH_HOST and ELASTICSEARCH_PORT, one address"},
	{"GOOGLE_APPLICATION", real_bigquery},
	{"BIGQUERY_CREDENTIALS", real_bigquery},
	{"KAFKA_SECURITY", "is not a key of ours: use KAFKA_CONF_SECURITY_PROTOCOL"},
	{"KAFKA_SASL", "is not a key of ours: use KAFKA_CONF_SASL_MECHANISMS, …_SASL_USERNAME, …_SASL_PASSWORD"},
	{"KAFKA_SSL", "is not a key of ours: use KAFKA_CONF_SECURITY_PROTOCOL=ssl and KAFKA_CONF_SSL_*"},
	{"_TLS", no_tls},
	{"_SSL", no_tls},
	{"_HTTPS", no_tls},
};

const char *ab_config_unsupported_key(const char *key)
{
	for (size_t i = 0; i < AB_COUNT(unsupported); i++) {
		if (strstr(key, unsupported[i].part) != NULL)
			return unsupported[i].reason;
	}
	return NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

/* --- addresses --- */

/* key is X_HOST, and X_PORT belongs to it. */
static void check_host(const struct ab_config *config, struct ab_config_problems *problems, enum ab_config_key key,
		       const char *host)
{
	const char *name = ab_config_entries[key].key;
	int stem = (int)(strlen(name) - strlen("_HOST"));
	const char *scheme = strstr(host, "://");

	if (key == AB_KEY_POSTGRES_HOST && host[0] == '/')
		return;		/* the directory of its Unix socket */
	if (ends_with(host, "googleapis.com"))
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, key, "%s", real_bigquery);
	else if (strncasecmp(host, "https://", 8) == 0 || strncasecmp(host, "rediss://", 9) == 0)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, key, "%s", no_tls);
	else if (scheme != NULL)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, key,
				     "want a host without %.*s: use the name alone, and the port in %.*s_PORT",
				     (int)ab_min_u64((uint64_t)(scheme - host) + 3, 16), host, stem, name);
	else if (strchr(host, ',') != NULL && key == AB_KEY_REDIS_HOST)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, key, "%s", no_cluster);
	else if (strpbrk(host, ",@/ ?#[]\"'\\") != NULL)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, key, "want one host name or address and nothing else");
	else if (strchr(host, ':') != NULL && strchr(host, ':') == strrchr(host, ':'))
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, key,
				     "want a host without its port: use %.*s_PORT for that", stem, name);
}

static bool is_port(const char *text, size_t len)
{
	int64_t port = 0;

	for (size_t i = 0; i < len && len <= 5; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (text[i] - '0');
	}
	return len > 0 && len <= 5 && port >= 1 && port <= 65535;
}

static void check_brokers(const struct ab_config *config, struct ab_config_problems *problems)
{
	enum ab_config_key key = AB_KEY_KAFKA_BOOTSTRAP_SERVERS;

	if (strstr(config->kafka_bootstrap_servers, "://") != NULL) {
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, key,
				     "want host:port without a protocol: use KAFKA_CONF_SECURITY_PROTOCOL for that");
		return;
	}
	for (const char *at = config->kafka_bootstrap_servers;; at++) {
		size_t len = strcspn(at, ",");
		const char *colon = memrchr(at, ':', len);
		if (len == 0 || strcspn(at, " /@\t") < len || colon == at) {
			ab_config_report_key(config, problems, AB_CONFIG_ERROR, key,
					     "want host:port, more of them with one comma and no blank between");
			return;
		}
		if (colon == NULL || !is_port(colon + 1, (size_t)(at + len - colon - 1))) {
			ab_config_report_key(config, problems, AB_CONFIG_ERROR, key,
					     "%.*s has no port from 1 to 65535: want host:port", (int)ab_min_u64(len, 100), at);
			return;
		}
		at += len;
		if (*at == '\0')
			return;
	}
}

static void check_addresses(const struct ab_config *config, struct ab_config_problems *problems)
{
	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		const struct ab_config_entry *entry = &ab_config_entries[key];
		if (entry->type == AB_TYPE_HOST)
			check_host(config, problems, (enum ab_config_key)key, (const char *)config + entry->offset);
	}
	check_brokers(config, problems);
	if (config->metrics_port == config->web_port)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, AB_KEY_WEB_PORT,
				     "METRICS_PORT is the same: use another");
}

/* --- settings together --- */

static void check_topics(const struct ab_config *config, struct ab_config_problems *problems)
{
	if (strcmp(config->events_topic, config->content_topic) == 0)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, AB_KEY_CONTENT_TOPIC,
				     "EVENTS_TOPIC is the same: each table has a topic of its own");
	if (strcmp(config->dead_letter_topic, config->events_topic) == 0 ||
	    strcmp(config->dead_letter_topic, config->content_topic) == 0)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, AB_KEY_DEAD_LETTER_TOPIC,
				     "is read by the engine too: what it refuses would come back for ever; use another topic");
}

static void check_batch(const struct ab_config *config, struct ab_config_problems *problems,
			enum ab_config_key batch_key, int64_t batch, enum ab_config_key buffer_key, int64_t buffer)
{
	if (batch > buffer)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, batch_key,
				     "is above %s=%" PRId64 ": a batch could never fill; raise that or lower this",
				     ab_config_entries[buffer_key].key, buffer);
}

static void check_logins(const struct ab_config *config, struct ab_config_problems *problems)
{
	bool by_user = config->elasticsearch_user[0] != '\0' || config->elasticsearch_password[0] != '\0';

	if (config->elasticsearch_api_key[0] != '\0' && by_user)
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, AB_KEY_ELASTICSEARCH_API_KEY,
				     "ELASTICSEARCH_USER or ELASTICSEARCH_PASSWORD is given too: use one way to log in");
	if ((config->elasticsearch_user[0] != '\0') != (config->elasticsearch_password[0] != '\0'))
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, AB_KEY_ELASTICSEARCH_USER,
				     "ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD come together: give both or none");
	if (config->redis_user[0] != '\0' && config->redis_password[0] == '\0')
		ab_config_report_key(config, problems, AB_CONFIG_ERROR, AB_KEY_REDIS_USER,
				     "there is no REDIS_PASSWORD: give it, or remove the user");
}

/* --- values with a price --- */

static void check_prices(const struct ab_config *config, struct ab_config_problems *problems)
{
	if (config->kafka_fetch_min_bytes > 1)
		ab_config_report_key(config, problems, AB_CONFIG_NOTE, AB_KEY_KAFKA_FETCH_MIN_BYTES,
				     "a broker waits for this many bytes, or KAFKA_FETCH_MAX_WAIT_MS=%" PRId64
				     ": when little happens, each event is up to %" PRId64
				     " ms late. 1 sends at once and costs nothing under load",
				     config->kafka_fetch_max_wait_ms, config->kafka_fetch_max_wait_ms);
	if (ab_config_has_sink(config, "redis") && config->redis_window_ttl_seconds < 600)
		ab_config_report_key(config, problems, AB_CONFIG_WARNING, AB_KEY_REDIS_WINDOW_TTL_SECONDS,
				     "the stats:* boards look back ten minutes: below 600 s they miss windows that have expired");
	if (strcmp(config->metrics_host, "127.0.0.1") != 0 && strcmp(config->metrics_host, "localhost") != 0 &&
	    strcmp(config->metrics_host, "::1") != 0)
		ab_config_report_key(config, problems, AB_CONFIG_NOTE, AB_KEY_METRICS_HOST,
				     "metrics have no login: everybody who reaches this address can read them");
}

/* The workers' own fetcher speaks in the clear. */
static void check_fetcher(const struct ab_config *config, struct ab_config_problems *problems)
{
	if (config->kafka_fetcher != AB_CONFIG_FETCHER_WORKERS)
		return;
	for (int i = 0; i < config->kafka_conf_count; i++) {
		const struct ab_kafka_property *property = &config->kafka_conf[i];
		if (strcmp(property->name, "security.protocol") == 0 && strcasecmp(property->value, "plaintext") != 0)
			ab_config_report_key(config, problems, AB_CONFIG_ERROR, AB_KEY_KAFKA_FETCHER,
					     "workers read without TLS and login only, KAFKA_CONF_SECURITY_PROTOCOL asks for %s: "
					     "want auto or librdkafka",
					     property->value);
	}
}

static void check_flags(const struct ab_config *config, struct ab_config_problems *problems)
{
	for (int i = 0; i < AB_CONFIG_KEYS; i++) {
		enum ab_config_key key = (enum ab_config_key)i;
		const struct ab_config_entry *entry = &ab_config_entries[key];

		if (config->origin[key].source == AB_FROM_DEFAULT)
			continue;
		if (entry->flags & AB_CONFIG_DEPRECATED)
			ab_config_report_key(config, problems, AB_CONFIG_WARNING, key,
					     "is accepted but has no effect, and will go: remove it. %s", entry->help);
		else if (entry->flags & AB_CONFIG_NO_EFFECT)
			ab_config_report_key(config, problems, AB_CONFIG_NOTE, key, "is accepted but has no effect. %s",
					     entry->help);
	}
}

void ab_config_check(const struct ab_config *config, struct ab_config_problems *problems)
{
	check_addresses(config, problems);
	check_topics(config, problems);
	check_batch(config, problems, AB_KEY_REDIS_BATCH_SIZE, config->redis_batch_size, AB_KEY_REDIS_MAX_BUFFER_SIZE,
		    config->redis_max_buffer_size);
	check_batch(config, problems, AB_KEY_BIGQUERY_BATCH_SIZE, config->bigquery_batch_size,
		    AB_KEY_BIGQUERY_MAX_BUFFER_SIZE, config->bigquery_max_buffer_size);
	check_batch(config, problems, AB_KEY_ELASTICSEARCH_BATCH_SIZE, config->elasticsearch_batch_size,
		    AB_KEY_ELASTICSEARCH_MAX_BUFFER_SIZE, config->elasticsearch_max_buffer_size);
	check_logins(config, problems);
	check_prices(config, problems);
	check_fetcher(config, problems);
	check_flags(config, problems);
}
