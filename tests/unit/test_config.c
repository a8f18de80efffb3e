/* tests/unit/test_config.c — sources in order, and every mistake in words. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config_report.h"

static struct ab_config config;
static struct ab_config_problems problems;

static enum ab_config_result load(const char *text, char *const *environment, const char *const *set, int set_count)
{
	const struct ab_config_sources sources = {
		.file = "my.env", .text = text, .text_len = strlen(text),
		.environment = environment, .set = set, .set_count = set_count};

	return ab_config_load(&config, &sources, &problems);
}

static enum ab_config_result load_text(const char *text)
{
	return load(text, NULL, NULL, 0);
}

/* The first problem about a key; it must be there. */
static const struct ab_config_problem *problem_of(const char *key)
{
	for (int i = 0; i < problems.count; i++) {
		if (strcmp(problems.problem[i].key, key) == 0)
			return &problems.problem[i];
	}
	cr_assert_fail("nothing was said about %s", key);
	return NULL;
}

static void refuses(const char *text, const char *key, const char *words)
{
	cr_expect_eq(load_text(text), AB_CONFIG_INVALID, "%s", text);
	const struct ab_config_problem *problem = problem_of(key);
	cr_expect_eq(problem->severity, AB_CONFIG_ERROR, "%s", text);
	cr_expect_not_null(strstr(problem->reason, words), "%s: %s", text, problem->reason);
}

static void accepts(const char *text)
{
	cr_expect_eq(load_text(text), AB_CONFIG_OK, "%s: %s: %s", text, problems.problem[0].key,
		     problems.problem[0].reason);
}

Test(config, has_the_defaults_that_users_know)
{
	accepts("");
	cr_expect_eq(problems.count, 0);
	cr_expect_eq(config.redis_batch_size, 500);
	cr_expect_eq(config.redis_port, 6379);
	cr_expect_eq(config.checkpoint_interval_ms, 30000);
	cr_expect_eq(config.kafka_fetch_min_bytes, 1);
	cr_expect_eq(config.elasticsearch_read_timeout_ms, 15000);
	cr_expect_eq(config.metrics_port, 9464);
	cr_expect_eq(config.record_max_bytes, 4194304);
	cr_expect_eq(config.enrich_on_miss, AB_ENRICH_WAIT);
	cr_expect_eq(config.elasticsearch_version_kind, AB_VERSION_KIND_LSN);
	cr_expect_eq(config.io_backend, AB_CONFIG_IO_AUTO);
	cr_expect_str_eq(config.kafka_bootstrap_servers, "127.0.0.1:9092");
	cr_expect_str_eq(config.events_topic, "streaming.public.engagement_events");
	cr_expect_str_eq(config.postgres_password, "streaming_pass");
	cr_expect_eq(config.event_interval_seconds, 1.0);
	cr_expect_eq(config.ab_cpus.count, 0);
	cr_assert_eq(config.sinks.count, 3);
	cr_expect_str_eq(config.sinks.name[0], "redis");
	cr_expect(ab_config_has_sink(&config, "elasticsearch"));
	cr_expect_not(ab_config_has_sink(&config, "null"));
}

Test(config, a_later_source_wins_and_its_origin_is_known)
{
	char *environment[] = {"REDIS_PORT=2", "BIGQUERY_PORT=2", "PATH=/bin", "UNKNOWN_TO_US=\x01", NULL};
	const char *set[] = {"BIGQUERY_PORT=3"};

	cr_assert_eq(load("ELASTICSEARCH_PORT=1\nREDIS_PORT=1\nBIGQUERY_PORT=1\n", environment, set, 1), AB_CONFIG_OK);
	cr_expect_eq(config.elasticsearch_port, 1);
	cr_expect_eq(config.redis_port, 2);
	cr_expect_eq(config.bigquery_port, 3);
	cr_expect_eq(config.origin[AB_KEY_POSTGRES_PORT].source, AB_FROM_DEFAULT);
	cr_expect_eq(config.origin[AB_KEY_ELASTICSEARCH_PORT].source, AB_FROM_FILE);
	cr_expect_eq(config.origin[AB_KEY_ELASTICSEARCH_PORT].line, 1);
	cr_expect_eq(config.origin[AB_KEY_REDIS_PORT].source, AB_FROM_ENVIRONMENT);
	cr_expect_eq(config.origin[AB_KEY_BIGQUERY_PORT].source, AB_FROM_COMMAND_LINE);
}

Test(config, finds_all_mistakes_at_once_in_reading_order)
{
	const char *set[] = {"REDIS_PROT=1", "nothing"};

	cr_assert_eq(load("REDIS_PORT=x\n\nSINKS=redis,kafka\nexport A=1\n", NULL, set, 2), AB_CONFIG_INVALID);
	cr_assert_eq(problems.errors, 5);
	cr_expect_eq(problems.problem[0].origin.line, 1);
	cr_expect_eq(problems.problem[1].origin.line, 3);
	cr_expect_eq(problems.problem[2].origin.line, 4);
	cr_expect_eq(problems.problem[3].origin.source, AB_FROM_COMMAND_LINE);
	cr_expect_str_eq(problem_of("REDIS_PROT")->nearest, "REDIS_PORT");

	/* What is found when all is read still stands where its line is. */
	cr_assert_eq(load_text("REDIS_HOST=a:1\nREDIS_PORT=x\n"), AB_CONFIG_INVALID);
	cr_expect_str_eq(problems.problem[0].key, "REDIS_HOST");
	cr_expect_str_eq(problems.problem[1].key, "REDIS_PORT");
}

Test(config, a_key_that_nobody_knows_is_a_mistake_in_the_file_but_not_in_the_environment)
{
	char *environment[] = {"REDIS_PROT=1", "REDIS_PORT_FILE=/nowhere", NULL};

	refuses("REDIS_PROT=1\n", "REDIS_PROT", "no such key");
	cr_expect_eq(load("", environment, NULL, 0), AB_CONFIG_OK);
}

Test(config, numbers_are_whole_and_within_their_range)
{
	static const char *const bad[] = {"0", "65536", "-1", "+1", " 1", "1 ", "0x10", "1e3", "6379.0", "",
					  "99999999999999999999", "1_000", "6379ms"};

	for (size_t i = 0; i < AB_COUNT(bad); i++) {
		char text[64];
		snprintf(text, sizeof text, "REDIS_PORT='%s'\n", bad[i]);
		refuses(text, "REDIS_PORT", "a whole number from 1 to 65535");
		cr_expect_eq(config.redis_port, 6379, "a refused value changes nothing");
	}
	accepts("REDIS_PORT=1\n");
	accepts("REDIS_PORT=65535\n");
	refuses("REDIS_SINK_PARALLELISM=33\n", "REDIS_SINK_PARALLELISM", "1 to 32 lanes");
}

Test(config, a_decimal_has_three_places)
{
	accepts("EVENT_INTERVAL_SECONDS=0.05\n");
	cr_expect_float_eq(config.event_interval_seconds, 0.05, 1e-12);
	accepts("EVENT_INTERVAL_SECONDS=3600\n");
	refuses("EVENT_INTERVAL_SECONDS=0\n", "EVENT_INTERVAL_SECONDS", "0.001 to 3600 s");
	refuses("EVENT_INTERVAL_SECONDS=0.0001\n", "EVENT_INTERVAL_SECONDS", "0.001 to 3600 s");
	refuses("EVENT_INTERVAL_SECONDS=3600.001\n", "EVENT_INTERVAL_SECONDS", "0.001 to 3600 s");
	refuses("EVENT_INTERVAL_SECONDS=.\n", "EVENT_INTERVAL_SECONDS", "0.001 to 3600 s");
	refuses("EVENT_INTERVAL_SECONDS=1.\n", "EVENT_INTERVAL_SECONDS", "0.001 to 3600 s");
}

Test(config, words_are_taken_to_the_letter_and_near_ones_named)
{
	accepts("IO_BACKEND=epoll\nENRICH_ON_MISS=unknown\nELASTICSEARCH_VERSION_KIND=offset\n");
	cr_expect_eq(config.io_backend, AB_CONFIG_IO_EPOLL);
	cr_expect_eq(config.enrich_on_miss, AB_ENRICH_UNKNOWN);
	cr_expect_eq(config.elasticsearch_version_kind, AB_VERSION_KIND_OFFSET);
	refuses("IO_BACKEND=io_uring\n", "IO_BACKEND", "auto, uring or epoll");
	refuses("IO_BACKEND=epol\n", "IO_BACKEND", "auto, uring or epoll");
	cr_expect_str_eq(problem_of("IO_BACKEND")->nearest, "epoll");
	refuses("REDIS_KEY_BY=contentid\n", "REDIS_KEY_BY", "content_id");
	cr_expect_str_eq(problem_of("REDIS_KEY_BY")->nearest, "content_id");
}

Test(config, sinks_are_named_once_each)
{
	accepts("SINKS=null,redis\n");
	cr_assert_eq(config.sinks.count, 2);
	cr_expect_str_eq(config.sinks.name[0], "null");
	refuses("SINKS=\n", "SINKS", "empty");
	refuses("SINKS=redis,\n", "SINKS", "none empty");
	refuses("SINKS=redis,redis\n", "SINKS", "twice");
	refuses("SINKS=redis,kafka\n", "SINKS", "redis, bigquery, elasticsearch or null");
	refuses("SINKS=redisbigqueryelasticsearch\n", "SINKS", "redis, bigquery");
}

Test(config, processors_are_numbers_and_ranges)
{
	accepts("AB_CPUS=8,2-4,3,0\n");
	cr_assert_eq(config.ab_cpus.count, 5);
	cr_expect_eq(config.ab_cpus.cpu[0], 0);
	cr_expect_eq(config.ab_cpus.cpu[1], 2);
	cr_expect_eq(config.ab_cpus.cpu[4], 8);
	accepts("AB_CPUS=\n");
	cr_expect_eq(config.ab_cpus.count, 0);
	accepts("AB_CPUS=0-1023\n");
	cr_expect_eq(config.ab_cpus.count, AB_CPUS_MAX);
	refuses("AB_CPUS=4-2\n", "AB_CPUS", "ranges");
	refuses("AB_CPUS=1024\n", "AB_CPUS", "ranges");
	refuses("AB_CPUS=1,\n", "AB_CPUS", "ranges");
	refuses("AB_CPUS=1-2-3\n", "AB_CPUS", "ranges");
	refuses("AB_CPUS=-1\n", "AB_CPUS", "ranges");
}

Test(config, a_text_that_does_not_fit_is_refused_not_cut)
{
	char text[400];
	int len = snprintf(text, sizeof text, "POSTGRES_USER=%0*d\n", 63, 0);

	accepts(text);
	cr_expect_eq(strlen(config.postgres_user), 63u);
	snprintf(text, sizeof text, "POSTGRES_USER=%0*d\n", 64, 0);
	cr_expect_eq((size_t)len + 1, strlen(text));
	refuses(text, "POSTGRES_USER", "at most 63");
	refuses("POSTGRES_USER=\n", "POSTGRES_USER", "empty");
	refuses("EVENTS_TOPIC='a b'\n", "EVENTS_TOPIC", "letters, digits");
	refuses("EVENTS_TOPIC=..\n", "EVENTS_TOPIC", "no name");
}

Test(config, a_key_that_stands_twice_is_warned_about_and_the_last_counts)
{
	accepts("REDIS_PORT=1\nREDIS_PORT=2\n");
	cr_expect_eq(config.redis_port, 2);
	cr_expect_eq(problem_of("REDIS_PORT")->severity, AB_CONFIG_WARNING);
	cr_expect_not_null(strstr(problem_of("REDIS_PORT")->reason, "line 1"));
}

/* --- addresses --- */

Test(config, what_is_not_there_yet_is_refused_in_words)
{
	refuses("ELASTICSEARCH_HOST=https://es.example\n", "ELASTICSEARCH_HOST", "TLS to sinks is not supported in");
	refuses("BIGQUERY_HOST=https://bq.example\n", "BIGQUERY_HOST", "TLS to sinks is not supported");
	refuses("REDIS_HOST=rediss://r.example\n", "REDIS_HOST", "TLS to sinks is not supported");
	refuses("BIGQUERY_HOST=bigquery.googleapis.com\n", "BIGQUERY_HOST", "use an emulator");
	refuses("BIGQUERY_HOST=https://bigquery.googleapis.com\n", "BIGQUERY_HOST", "use an emulator");
	refuses("REDIS_HOST=a,b,c\n", "REDIS_HOST", "Redis Cluster");
	refuses("REDIS_CLUSTER_NODES=a:1\n", "REDIS_CLUSTER_NODES", "use one Redis server");
	refuses("REDIS_TLS=true\n", "REDIS_TLS", "TLS to sinks is not supported");
	refuses("GOOGLE_APPLICATION_CREDENTIALS=x\n", "GOOGLE_APPLICATION_CREDENTIALS", "use an emulator");
}

Test(config, a_host_is_a_name_alone)
{
	refuses("ELASTICSEARCH_HOST=http://es:9200\n", "ELASTICSEARCH_HOST", "ELASTICSEARCH_PORT");
	refuses("REDIS_HOST=redis://r\n", "REDIS_HOST", "REDIS_PORT");
	refuses("REDIS_HOST=r:6379\n", "REDIS_HOST", "REDIS_PORT");
	refuses("REDIS_HOST='a b'\n", "REDIS_HOST", "one host");
	refuses("REDIS_HOST=user@host\n", "REDIS_HOST", "one host");
	refuses("REDIS_HOST=a/b\n", "REDIS_HOST", "one host");
	accepts("REDIS_HOST=::1\n");
	accepts("REDIS_HOST=redis.internal\n");
	accepts("POSTGRES_HOST=/var/run/postgresql\n");
}

Test(config, brokers_are_hosts_with_ports)
{
	accepts("KAFKA_BOOTSTRAP_SERVERS=a:1,b:65535\n");
	accepts("KAFKA_BOOTSTRAP_SERVERS=[::1]:9092\n");
	refuses("KAFKA_BOOTSTRAP_SERVERS=a\n", "KAFKA_BOOTSTRAP_SERVERS", "no port");
	refuses("KAFKA_BOOTSTRAP_SERVERS=a:0\n", "KAFKA_BOOTSTRAP_SERVERS", "no port");
	refuses("KAFKA_BOOTSTRAP_SERVERS=a:65536\n", "KAFKA_BOOTSTRAP_SERVERS", "no port");
	refuses("KAFKA_BOOTSTRAP_SERVERS=a:1,\n", "KAFKA_BOOTSTRAP_SERVERS", "one comma");
	refuses("KAFKA_BOOTSTRAP_SERVERS=:9092\n", "KAFKA_BOOTSTRAP_SERVERS", "host:port");
	refuses("KAFKA_BOOTSTRAP_SERVERS='a:1, b:2'\n", "KAFKA_BOOTSTRAP_SERVERS", "no blank");
	refuses("KAFKA_BOOTSTRAP_SERVERS=SSL://a:1\n", "KAFKA_BOOTSTRAP_SERVERS", "SECURITY_PROTOCOL");
}

/* --- settings together --- */

Test(config, settings_that_contradict_each_other_are_refused)
{
	refuses("REDIS_BATCH_SIZE=5001\n", "REDIS_BATCH_SIZE", "REDIS_MAX_BUFFER_SIZE=5000");
	refuses("BIGQUERY_MAX_BUFFER_SIZE=1\n", "BIGQUERY_BATCH_SIZE", "BIGQUERY_MAX_BUFFER_SIZE=1");
	refuses("ELASTICSEARCH_MAX_BUFFER_SIZE=1\n", "ELASTICSEARCH_BATCH_SIZE", "above");
	refuses("CONTENT_TOPIC=x\nEVENTS_TOPIC=x\n", "CONTENT_TOPIC", "same");
	refuses("DEAD_LETTER_TOPIC=streaming.public.content\n", "DEAD_LETTER_TOPIC", "come back");
	refuses("METRICS_PORT=9465\n", "WEB_PORT", "same");
	refuses("ELASTICSEARCH_USER=u\n", "ELASTICSEARCH_USER", "come together");
	refuses("ELASTICSEARCH_PASSWORD=u\n", "ELASTICSEARCH_USER", "come together");
	refuses("ELASTICSEARCH_USER=u\nELASTICSEARCH_PASSWORD=p\nELASTICSEARCH_API_KEY=k\n", "ELASTICSEARCH_API_KEY",
		"one way");
	refuses("REDIS_USER=u\n", "REDIS_USER", "REDIS_PASSWORD");
	accepts("ELASTICSEARCH_USER=u\nELASTICSEARCH_PASSWORD=p\nREDIS_USER=u\nREDIS_PASSWORD=p\n");
}

Test(config, values_with_a_price_and_keys_without_effect_are_explained)
{
	accepts("KAFKA_FETCH_MIN_BYTES=1048576\nREDIS_POOL_MAX_TOTAL=20\nFLINK_PARALLELISM=12\nPROCESSING_PARALLELISM=8\n");
	cr_expect_not_null(strstr(problem_of("KAFKA_FETCH_MIN_BYTES")->reason, "500 ms late"));
	cr_expect_eq(problem_of("REDIS_POOL_MAX_TOTAL")->severity, AB_CONFIG_NOTE);
	cr_expect_not_null(strstr(problem_of("PROCESSING_PARALLELISM")->reason, "no effect"));
	cr_expect_eq(problem_of("FLINK_PARALLELISM")->severity, AB_CONFIG_WARNING);
	cr_expect_eq(problems.notes, 3);
	cr_expect_eq(problems.warnings, 1);
	accepts("REDIS_WINDOW_TTL_SECONDS=599\n");
	cr_expect_eq(problem_of("REDIS_WINDOW_TTL_SECONDS")->severity, AB_CONFIG_WARNING);
	accepts("REDIS_POOL_TIMEOUT_MS=100\n");
	cr_expect_eq(problems.count, 0, "this one of the pool's has an effect");
}

/* --- secrets --- */

static const char *secret_file(const char *text, size_t len)
{
	static char path[64];
	snprintf(path, sizeof path, "/tmp/test_config_secret.%d", getpid());
	FILE *file = fopen(path, "wb");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(text, 1, len, file), len);
	fclose(file);
	return path;
}

static void load_secret(const char *content, size_t len)
{
	char text[200];

	snprintf(text, sizeof text, "REDIS_PASSWORD_FILE=%s\n", secret_file(content, len));
	load_text(text);
	unlink(secret_file("", 0));
}

Test(config, a_secret_comes_from_a_file_without_its_line_end)
{
	load_secret("hunter2\n", 8);
	cr_expect_eq(problems.count, 0);
	cr_expect_str_eq(config.redis_password, "hunter2");
	load_secret(" $x\\ ", 5);
	cr_expect_str_eq(config.redis_password, " $x\\ ", "nothing in it is replaced or trimmed");
}

Test(config, a_secret_file_that_is_no_line_of_text_is_refused)
{
	char long_one[600];

	load_secret("a\nb\n", 4);
	cr_expect_eq(problems.errors, 1);
	load_secret("a\0b", 3);
	cr_expect_eq(problems.errors, 1);
	load_secret("a\r\n", 3);
	cr_expect_eq(problems.errors, 1);
	memset(long_one, 'x', sizeof long_one);
	load_secret(long_one, sizeof long_one);
	cr_expect_eq(problems.errors, 1);
	cr_expect_not_null(strstr(problem_of("REDIS_PASSWORD_FILE")->reason, "at most 512"));
	refuses("REDIS_PASSWORD_FILE=/nowhere\n", "REDIS_PASSWORD_FILE", "No such file");
	refuses("REDIS_PASSWORD_FILE=/tmp\n", "REDIS_PASSWORD_FILE", "directory");
	refuses("REDIS_PASSWORD_FILE=/dev/null\n", "REDIS_PASSWORD_FILE", "no regular file");
}

Test(config, a_secret_given_in_both_ways_is_refused)
{
	char text[200];
	char *environment[] = {"REDIS_PASSWORD=x", NULL};

	snprintf(text, sizeof text, "REDIS_PASSWORD_FILE=%s\n", secret_file("y", 1));
	cr_expect_eq(load(text, environment, NULL, 0), AB_CONFIG_INVALID);
	unlink(secret_file("", 0));
	cr_expect_not_null(strstr(problem_of("REDIS_PASSWORD")->reason, "environment"));
}

Test(config, only_secrets_come_from_files)
{
	refuses("REDIS_PORT_FILE=/etc/hostname\n", "REDIS_PORT_FILE", "no such key");
}

/* Nothing that a problem says may hold the secret. */
static void keeps_secret(const char *text, const char *secret)
{
	const char *set[] = {"REDIS_PASSWORD=hunter2"};

	load(text, NULL, set, 1);
	cr_expect_gt(problems.count, 0);
	for (int i = 0; i < problems.count; i++) {
		cr_expect_null(strstr(problems.problem[i].value, secret), "%s", text);
		cr_expect_null(strstr(problems.problem[i].reason, secret), "%s", text);
	}
}

Test(config, problems_never_show_a_secret)
{
	char text[700];

	keeps_secret("REDIS_PASWORD=hunter2\n", "hunter2");
	keeps_secret("MY_SECRET=hunter2\n", "hunter2");
	keeps_secret("REDIS_PASSWORD=hunter2 # why\n", "hunter2");
	keeps_secret("REDIS_PASSWORD hunter2\n", "hunter2");
	keeps_secret("export REDIS_PASSWORD=hunter2\n", "hunter2");
	keeps_secret("KAFKA_CONF_SASL_PASWORD=hunter2\nKAFKA_CONF_SSL_KEY_PASSWORD_X=hunter2\n", "ssl=hunter2");
	keeps_secret("KAFKA_CONF_SSL_KEY_PEM=hunter2\n", "hunter2");
	snprintf(text, sizeof text, "REDIS_PASSWORD=hunter2%0*d\n", 600, 0);
	keeps_secret(text, "hunter2");
}

Test(config, warns_that_a_command_line_can_be_read)
{
	const char *set[] = {"REDIS_PASSWORD=x"};

	cr_expect_eq(load("", NULL, set, 1), AB_CONFIG_OK);
	cr_expect_str_eq(problem_of("REDIS_PASSWORD")->value, AB_CONFIG_MASK);
	cr_expect_eq(problem_of("REDIS_PASSWORD")->severity, AB_CONFIG_WARNING);
}

/* --- Kafka properties --- */

Test(config, any_property_of_librdkafka_passes_through)
{
	char *environment[] = {"KAFKA_CONF_SOCKET_TIMEOUT_MS=20000", NULL};

	cr_assert_eq(load("KAFKA_CONF_SOCKET_TIMEOUT_MS=10000\nKAFKA_CONF_LOG_LEVEL=7\n", environment, NULL, 0),
		     AB_CONFIG_OK);
	cr_assert_eq(config.kafka_conf_count, 2);
	cr_expect_str_eq(config.kafka_conf[0].name, "socket.timeout.ms");
	cr_expect_str_eq(config.kafka_conf[0].value, "20000");
	cr_expect_eq(config.kafka_conf[0].origin.source, AB_FROM_ENVIRONMENT);
	cr_expect_str_eq(config.kafka_conf[1].name, "log_level");
}

Test(config, librdkafka_itself_is_asked_about_a_property)
{
	refuses("KAFKA_CONF_SOKET_TIMEOUT_MS=1\n", "KAFKA_CONF_SOKET_TIMEOUT_MS", "no property soket.timeout.ms");
	cr_expect_str_eq(problem_of("KAFKA_CONF_SOKET_TIMEOUT_MS")->nearest, "KAFKA_CONF_SOCKET_TIMEOUT_MS");
	refuses("KAFKA_CONF_SOCKET_TIMEOUT_MS=x\n", "KAFKA_CONF_SOCKET_TIMEOUT_MS", "librdkafka refuses it");
	refuses("KAFKA_CONF_=x\n", "KAFKA_CONF_", "name of a librdkafka property");
}

Test(config, properties_that_we_set_are_refused)
{
	refuses("KAFKA_CONF_FETCH_MIN_BYTES=5\n", "KAFKA_CONF_FETCH_MIN_BYTES", "set KAFKA_FETCH_MIN_BYTES");
	refuses("KAFKA_CONF_GROUP_ID=x\n", "KAFKA_CONF_GROUP_ID", "set GROUP_ID");
	refuses("KAFKA_CONF_ENABLE_AUTO_COMMIT=true\n", "KAFKA_CONF_ENABLE_AUTO_COMMIT", "delivery rests on");
	refuses("KAFKA_CONF_ISOLATION_LEVEL=read_uncommitted\n", "KAFKA_CONF_ISOLATION_LEVEL", "delivery rests on");
	accepts("KAFKA_CONF_ENABLE_AUTO_COMMIT=false\n");
}

Test(config, a_secret_property_comes_from_a_file_too)
{
	char text[200];

	snprintf(text, sizeof text, "KAFKA_CONF_SASL_PASSWORD_FILE=%s\n", secret_file("hunter2\n", 8));
	accepts(text);
	unlink(secret_file("", 0));
	cr_assert_eq(config.kafka_conf_count, 1);
	cr_expect_str_eq(config.kafka_conf[0].name, "sasl.password");
	cr_expect_str_eq(config.kafka_conf[0].value, "hunter2");
}

/* --- the file itself --- */

Test(config, a_file_that_was_asked_for_must_be_there)
{
	const struct ab_config_sources sources = {.file = "/nowhere/my.env"};

	cr_expect_eq(ab_config_load(&config, &sources, &problems), AB_CONFIG_INVALID);
	cr_expect_not_null(strstr(problem_of("-e")->reason, "No such file"));
}

Test(config, without_a_file_the_env_of_the_directory_is_read_when_there_is_one)
{
	const struct ab_config_sources sources = {0};
	char directory[] = "/tmp/test_config_XXXXXX";

	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
	cr_expect_eq(ab_config_load(&config, &sources, &problems), AB_CONFIG_OK);
	cr_expect_str_eq(config.file, "");
	FILE *file = fopen(".env", "w");
	cr_assert_not_null(file);
	fputs("REDIS_PORT=7\n", file);
	fclose(file);
	cr_expect_eq(ab_config_load(&config, &sources, &problems), AB_CONFIG_OK);
	cr_expect_eq(config.redis_port, 7);
	cr_expect_str_eq(config.file, ".env");
	unlink(".env");
	rmdir(directory);
}

Test(config, more_mistakes_than_are_kept_are_counted)
{
	char text[AB_CONFIG_PROBLEMS_MAX * 2 + 100] = "";

	for (int i = 0; i < AB_CONFIG_PROBLEMS_MAX + 9; i++)
		snprintf(text + 2 * i, sizeof text - (size_t)(2 * i), "x\n");
	cr_expect_eq(load_text(text), AB_CONFIG_INVALID);
	cr_expect_eq(problems.count, AB_CONFIG_PROBLEMS_MAX);
	cr_expect_eq(problems.errors, AB_CONFIG_PROBLEMS_MAX + 9);
}

Test(config, every_key_is_said_within_its_room)
{
	char range[160];

	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		const struct ab_config_entry *entry = &ab_config_entries[key];
		cr_expect_lt(strlen(entry->key), sizeof problems.problem[0].key, "%s", entry->key);
		cr_expect_eq(ab_config_find(entry->key), (enum ab_config_key)key, "%s stands twice", entry->key);
		ab_config_value_range((enum ab_config_key)key, range, sizeof range);
		cr_expect_lt(strlen(range), sizeof range - 1, "%s", entry->key);
		cr_expect_gt(strlen(range), 5u, "%s", entry->key);
		cr_expect_gt(strlen(entry->help), 5u, "%s", entry->key);
	}
}
