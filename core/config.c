/* core/config.c — loads the settings from their sources, in order, and collects every mistake. See config.h. */
#include "core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config_env.h"
#include "core/config_report.h"

/* An .env file. Ours has 84 keys; a file above this is something else. */
#define FILE_MAX_BYTES (1024 * 1024)

/* A key, with its terminator; no known key is longer than 40. */
#define KEY_MAX_BYTES 128

/* A value on its way, with its terminator: above what any key takes, so that the key itself says it is too long. */
#define VALUE_MAX_BYTES (4 * AB_CONFIG_VALUE_MAX_BYTES)

static const char file_suffix[] = "_FILE";

struct loader {
	struct ab_config *config;
	struct ab_config_problems *problems;
	int line[AB_CONFIG_KEYS];			/* of the file that gave the key last; 0: none */
	bool plain[AB_CONFIG_KEYS], by_file[AB_CONFIG_KEYS];	/* how a secret was given */
	struct ab_config_origin plain_origin[AB_CONFIG_KEYS], by_file_origin[AB_CONFIG_KEYS];
};

void ab_config_defaults(struct ab_config *config)
{
	struct ab_config_value_error error;

	memset(config, 0, sizeof *config);
	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		enum ab_config_value_result result =
			ab_config_value_set(config, (enum ab_config_key)key, ab_config_entries[key].default_text, &error);
		AB_ASSERT(result == AB_VALUE_OK);
	}
}

bool ab_config_has_sink(const struct ab_config *config, const char *name)
{
	for (int i = 0; i < config->sinks.count; i++) {
		if (strcmp(config->sinks.name[i], name) == 0)
			return true;
	}
	return false;
}

/* Reads at most room bytes. Returns the length, or -1 with errno (EFBIG: there is more). */
static ssize_t read_all(int fd, char *to, size_t room)
{
	size_t len = 0;

	for (;;) {
		char more;
		ssize_t got = len < room ? read(fd, to + len, room - len) : read(fd, &more, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			return (ssize_t)len;
		if (len == room) {
			errno = EFBIG;
			return -1;
		}
		len += (size_t)got;
	}
}

/* Reads the secret that a KEY_FILE names: its text without one line end. Returns false after it has said why not. */
static bool read_secret(struct loader *loader, const char *key, const char *path, struct ab_config_origin origin,
			char *to, size_t room)
{
	struct stat stat;
	ssize_t len = -1;
	/* Not blocking: a pipe would make the start wait for somebody who never writes. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && fstat(fd, &stat) == 0) {
		if (S_ISREG(stat.st_mode))
			len = read_all(fd, to, room - 1);
		else
			errno = S_ISDIR(stat.st_mode) ? EISDIR : ENOTSUP;
	}
	if (len < 0)
		ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, path, NULL, "this file cannot be read: %s",
				 errno == ENOTSUP ? "it is no regular file" : strerror(errno));
	if (fd >= 0)
		close(fd);
	if (len < 0)
		return false;
	if (len > 0 && to[len - 1] == '\n')
		len--;
	to[len] = '\0';
	if (strlen(to) != (size_t)len || !ab_env_is_printable(to, (size_t)len)) {
		ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, path, NULL,
				 "this file must hold one line of text: UTF-8, no control characters, LF at its end or nothing");
		return false;
	}
	return true;
}

static void assign_known(struct loader *loader, enum ab_config_key key, const char *value,
			 struct ab_config_origin origin)
{
	struct ab_config_value_error error;

	if (origin.source == AB_FROM_COMMAND_LINE && ab_config_is_secret(&ab_config_entries[key]))
		ab_config_report(loader->problems, AB_CONFIG_WARNING, origin, ab_config_entries[key].key, value, NULL,
				 "everybody on this machine can read a command line: use %s_FILE", ab_config_entries[key].key);
	if (ab_config_value_set(loader->config, key, value, &error) == AB_VALUE_INVALID)
		ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, ab_config_entries[key].key, value, error.nearest,
				 "%s", error.reason);
	else
		loader->config->origin[key] = origin;
}

static void assign_plain(struct loader *loader, enum ab_config_key key, const char *value,
			 struct ab_config_origin origin)
{
	if (origin.source == AB_FROM_FILE) {
		if (loader->line[key] != 0)
			ab_config_report(loader->problems, AB_CONFIG_WARNING, origin, ab_config_entries[key].key, value, NULL,
					 "this key stands on line %d too: the last one counts", loader->line[key]);
		loader->line[key] = origin.line;
	}
	loader->plain[key] = true;
	loader->plain_origin[key] = origin;
	assign_known(loader, key, value, origin);
}

/* key without its last len bytes. */
static const char *base_of(const char *key, size_t len, char *to)
{
	snprintf(to, KEY_MAX_BYTES, "%.*s", (int)(strlen(key) - len), key);
	return to;
}

/* Returns false when nobody knows the key: nothing was done. */
static bool assign(struct loader *loader, const char *key, const char *value, struct ab_config_origin origin)
{
	enum ab_config_key known = ab_config_find(key);
	size_t key_len = strlen(key), suffix_len = strlen(file_suffix);
	bool is_file = key_len > suffix_len && strcmp(key + key_len - suffix_len, file_suffix) == 0;
	bool is_kafka = strncmp(key, AB_KAFKA_CONF_PREFIX, strlen(AB_KAFKA_CONF_PREFIX)) == 0;
	char base[KEY_MAX_BYTES], secret[VALUE_MAX_BYTES];

	if (known != AB_CONFIG_KEYS) {
		assign_plain(loader, known, value, origin);
		return true;
	}
	if (is_kafka && !(is_file && ab_config_kafka_hides(base_of(key, suffix_len, base)))) {
		ab_config_kafka_set(loader->config, loader->problems, key, value, origin);
		return true;
	}
	known = is_file ? ab_config_find(base_of(key, suffix_len, base)) : AB_CONFIG_KEYS;
	if (!is_kafka && (known == AB_CONFIG_KEYS || !ab_config_is_secret(&ab_config_entries[known])))
		return false;
	if (!is_kafka) {
		loader->by_file[known] = true;
		loader->by_file_origin[known] = origin;
	}
	if (!read_secret(loader, key, value, origin, secret, sizeof secret))
		return true;
	if (is_kafka) {
		ab_config_kafka_set(loader->config, loader->problems, base, secret, origin);
		return true;
	}
	/* The origin is the file's line, not the command line: the secret itself was not on it. */
	struct ab_config_value_error error;
	if (ab_config_value_set(loader->config, known, secret, &error) == AB_VALUE_INVALID)
		ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, value, NULL, "what this file holds %s",
				 error.reason);
	else
		loader->config->origin[known] = origin;
	return true;
}

/* A key in the file or behind -s: must be known. */
static void assign_strictly(struct loader *loader, const char *key, const char *value, struct ab_config_origin origin)
{
	const char *reason;

	if (strlen(key) >= KEY_MAX_BYTES || strlen(value) >= VALUE_MAX_BYTES) {
		ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, value, NULL, "is too long: %d bytes at most",
				 strlen(key) >= KEY_MAX_BYTES ? KEY_MAX_BYTES - 1 : VALUE_MAX_BYTES - 1);
		return;
	}
	if (assign(loader, key, value, origin))
		return;
	reason = ab_config_unsupported_key(key);
	ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, value, reason ? NULL : ab_config_nearest(key),
			 "%s", reason ? reason : "no such key: `anabranch help settings` lists them all");
}

/* --- the sources --- */

static void load_text(struct loader *loader, const char *text, size_t len)
{
	struct ab_env_reader reader = ab_env_begin(text, len);
	struct ab_env_pair pair;
	enum ab_env_next next;

	while ((next = ab_env_next(&reader, &pair)) != AB_ENV_END) {
		struct ab_config_origin origin = {.source = AB_FROM_FILE, .line = pair.line};
		char key[KEY_MAX_BYTES + 1] = "", value[VALUE_MAX_BYTES + 1] = "";

		if (pair.key.at != NULL)
			snprintf(key, sizeof key, "%.*s", (int)ab_min_u64(pair.key.len, KEY_MAX_BYTES), pair.key.at);
		if (pair.value.at != NULL)
			snprintf(value, sizeof value, "%.*s", (int)ab_min_u64(pair.value.len, VALUE_MAX_BYTES), pair.value.at);
		/* A line that is no pair may hold a secret anywhere: only its key is shown. */
		if (next == AB_ENV_ERROR)
			ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, NULL, NULL, "%s", pair.error);
		else
			assign_strictly(loader, key, value, origin);
	}
}

static void load_file(struct loader *loader, const struct ab_config_sources *sources)
{
	const char *path = sources->file != NULL ? sources->file : ".env";
	struct ab_config_origin origin = {.source = AB_FROM_COMMAND_LINE};
	int fd = -1;
	ssize_t len = -1;
	char *text;

	if (strlen(path) >= AB_PATH_MAX_BYTES) {
		ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, "-e", path, NULL, "the path is too long");
		return;
	}
	snprintf(loader->problems->file, sizeof loader->problems->file, "%s", path);
	snprintf(loader->config->file, sizeof loader->config->file, "%s", path);
	if (sources->text != NULL) {
		load_text(loader, sources->text, sources->text_len);
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && sources->file == NULL) {
		loader->config->file[0] = '\0';
		return;
	}
	text = malloc(FILE_MAX_BYTES);
	AB_ASSERT(text != NULL);
	if (fd >= 0)
		len = read_all(fd, text, FILE_MAX_BYTES);
	if (len < 0)
		ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, "-e", path, NULL, "cannot be read: %s",
				 errno == EFBIG ? "it has more than 1 MiB, this is no .env file" : strerror(errno));
	else
		load_text(loader, text, (size_t)len);
	free(text);
	if (fd >= 0)
		close(fd);
}

static void load_environment(struct loader *loader, char *const *environment)
{
	struct ab_config_origin origin = {.source = AB_FROM_ENVIRONMENT};

	for (; environment != NULL && *environment != NULL; environment++) {
		char key[KEY_MAX_BYTES];
		const char *value = strchr(*environment, '=');

		/* It may hold anything; what is no key of ours is none of our business. */
		if (value == NULL || value - *environment >= KEY_MAX_BYTES)
			continue;
		snprintf(key, sizeof key, "%.*s", (int)(value - *environment), *environment);
		if (!ab_env_is_printable(value + 1, strlen(value + 1))) {
			if (ab_config_find(key) != AB_CONFIG_KEYS)
				ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, NULL, NULL,
						 "the value holds a control character or is not UTF-8");
			continue;
		}
		assign(loader, key, value + 1, origin);
	}
}

static void load_set(struct loader *loader, const char *const *set, int count)
{
	struct ab_config_origin origin = {.source = AB_FROM_COMMAND_LINE};

	for (int i = 0; i < count; i++) {
		char key[KEY_MAX_BYTES + 1];
		const char *value = strchr(set[i], '=');

		if (value == NULL || value == set[i]) {
			ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, "-s", NULL, NULL, "want KEY=VALUE");
			continue;
		}
		snprintf(key, sizeof key, "%.*s", (int)ab_min_u64((uint64_t)(value - set[i]), KEY_MAX_BYTES), set[i]);
		if (!ab_env_is_printable(value + 1, strlen(value + 1)))
			ab_config_report(loader->problems, AB_CONFIG_ERROR, origin, key, NULL, NULL,
					 "the value holds a control character or is not UTF-8");
		else
			assign_strictly(loader, key, value + 1, origin);
	}
}

/* A secret that is given in both ways: the two may differ, and nobody could tell which one is meant. */
static void check_secrets(const struct loader *loader)
{
	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		const char *name = ab_config_entries[key].key;
		char where[AB_PATH_MAX_BYTES + 16];
		if (!loader->plain[key] || !loader->by_file[key])
			continue;
		ab_config_origin_text(loader->config->file, loader->plain_origin[key], where, sizeof where);
		ab_config_report(loader->problems, AB_CONFIG_ERROR, loader->by_file_origin[key], name, NULL, NULL,
				 "%s_FILE is given here and %s too (%.64s): remove one of them", name, name, where);
	}
}

/* As somebody reads: the file from top to bottom, then the rest. What the defaults say together comes last. */
static int reading_order(const void *a, const void *b)
{
	static const int rank[] = {
		[AB_FROM_FILE] = 0, [AB_FROM_ENVIRONMENT] = 1, [AB_FROM_COMMAND_LINE] = 2, [AB_FROM_DEFAULT] = 3};
	const struct ab_config_problem *p = a, *q = b;
	int by_source = rank[p->origin.source] - rank[q->origin.source];
	int by_line = p->origin.line - q->origin.line;

	return by_source != 0 ? by_source : by_line != 0 ? by_line : strcmp(p->key, q->key);
}

enum ab_config_result ab_config_load(struct ab_config *config, const struct ab_config_sources *sources,
				     struct ab_config_problems *problems)
{
	struct loader loader = {.config = config, .problems = problems};

	problems->file[0] = '\0';
	problems->errors = problems->warnings = problems->notes = problems->count = 0;
	ab_config_defaults(config);
	load_file(&loader, sources);
	load_environment(&loader, sources->environment);
	load_set(&loader, sources->set, sources->set_count);
	check_secrets(&loader);
	ab_config_check(config, problems);
	qsort(problems->problem, (size_t)problems->count, sizeof problems->problem[0], reading_order);
	return problems->errors == 0 ? AB_CONFIG_OK : AB_CONFIG_INVALID;
}
