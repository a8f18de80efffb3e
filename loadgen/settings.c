/* loadgen/settings.c — see settings.h for the order and the form. */
#include "loadgen/settings.h"

#include <errno.h>
#include <string.h>

#include "loadgen/content.h"
#include "loadgen/plan.h"

/* An hour: longer is a typing error. The engine, which judges the same file, has the same bound. */
#define INTERVAL_MAX_MS INT64_C(3600000)

/* A key this close to one of ours is meant to be ours. */
#define NEAR 2

enum kind { INTERVAL, BATCH, CONTENTS, NAME, WORD, PORT, SECRET };

#define AT(field) offsetof(struct ab_settings, field)

static const struct key {
	const char *name;
	enum kind kind;
	size_t at;
	const char *usual; /* of a text */
} KEYS[] = {
	{"EVENT_INTERVAL_SECONDS", INTERVAL, AT(interval_ms), NULL},
	{"BATCH_SIZE", BATCH, AT(batch_rows), NULL},
	{"CONTENT_ROWS", CONTENTS, AT(content_rows), NULL},
	{"POSTGRES_HOST", NAME, AT(host), "127.0.0.1"},
	{"POSTGRES_PORT", PORT, AT(port), "5432"},
	{"POSTGRES_DB", NAME, AT(database), "streaming_db"},
	{"POSTGRES_USER", NAME, AT(user), "streaming_user"},
	{"POSTGRES_PASSWORD", SECRET, AT(password.value), "streaming_pass"},
	{"POSTGRES_PASSWORD_FILE", WORD, AT(password.file), ""},
	{"KAFKA_BOOTSTRAP_SERVERS", NAME, AT(brokers), "127.0.0.1:9092"},
	{"EVENTS_TOPIC", NAME, AT(topic), "streaming.public.engagement_events"},
	{"REDIS_HOST", NAME, AT(redis_host), "127.0.0.1"},
	{"REDIS_PORT", PORT, AT(redis_port), "6379"},
	{"REDIS_USER", WORD, AT(redis_user), ""},
	{"REDIS_PASSWORD", SECRET, AT(redis_password.value), ""},
	{"REDIS_PASSWORD_FILE", WORD, AT(redis_password.file), ""},
	{"ELASTICSEARCH_HOST", NAME, AT(search_host), "127.0.0.1"},
	{"ELASTICSEARCH_PORT", PORT, AT(search_port), "9200"},
	{"ELASTICSEARCH_USER", WORD, AT(search_user), ""},
	{"ELASTICSEARCH_PASSWORD", SECRET, AT(search_password.value), ""},
	{"ELASTICSEARCH_PASSWORD_FILE", WORD, AT(search_password.file), ""},
	{"ELASTICSEARCH_API_KEY", SECRET, AT(search_api_key.value), ""},
	{"ELASTICSEARCH_API_KEY_FILE", WORD, AT(search_api_key.file), ""},
	{"METRICS_HOST", NAME, AT(metrics_host), "127.0.0.1"},
	{"METRICS_PORT", PORT, AT(metrics_port), "9464"},
};

static const struct key *key_of(const char *name)
{
	for (size_t i = 0; i < AB_COUNT(KEYS); i++)
		if (strcmp(name, KEYS[i].name) == 0)
			return &KEYS[i];
	return NULL;
}

static const char *nearest_key(const char *key, uint32_t *distance)
{
	const char *nearest = NULL;
	*distance = UINT32_MAX;
	for (size_t i = 0; i < AB_COUNT(KEYS); i++) {
		uint32_t d = ab_text_distance(key, KEYS[i].name);
		if (d < *distance) {
			*distance = d;
			nearest = KEYS[i].name;
		}
	}
	return nearest;
}

void ab_settings_default(struct ab_settings *settings)
{
	*settings = (struct ab_settings){.interval_ms = 1000, .batch_rows = 50, .content_rows = 5000};
	for (size_t i = 0; i < AB_COUNT(KEYS); i++)
		if (KEYS[i].usual != NULL)
			snprintf((char *)settings + KEYS[i].at, AB_SETTING_VALUE_MAX_BYTES, "%s", KEYS[i].usual);
}

/* Says what is wrong with a value, in the one form of all of them. Secrets are never numbers, so none is shown. */
static void invalid(struct ab_problems *problems, const char *origin, const char *key, const char *value,
	const char *want)
{
	ab_problem(problems, "%s: %s: want %s, got \"%s\"", origin, key, want, value);
}

static void set_value(struct ab_settings *s, const struct key *key, const char *value, const char *origin,
	struct ab_problems *problems)
{
	char *text = (char *)s + key->at;
	uint64_t number;
	switch (key->kind) {
	case INTERVAL:
		if (ab_text_milli(value, 1, INTERVAL_MAX_MS, &s->interval_ms) != AB_TEXT_OK)
			invalid(problems, origin, key->name, value, "seconds from 0.001 to 3600");
		return;
	case BATCH:
		if (ab_text_count(value, 1, AB_PLAN_BATCH_ROWS_MAX, &number) != AB_TEXT_OK)
			invalid(problems, origin, key->name, value, "rows from 1 to 10000");
		else
			s->batch_rows = (uint32_t)number;
		return;
	case CONTENTS:
		if (ab_text_count(value, 1, AB_GEN_CONTENTS_MAX, &s->content_rows) != AB_TEXT_OK)
			invalid(problems, origin, key->name, value, "contents from 1 to 100000000");
		return;
	case PORT:
		if (ab_text_count(value, 1, 65535, &number) != AB_TEXT_OK)
			invalid(problems, origin, key->name, value, "a port from 1 to 65535");
		else
			snprintf(text, AB_SETTING_VALUE_MAX_BYTES, "%u", (unsigned)number);
		return;
	case NAME:
		if (*value == '\0') {
			invalid(problems, origin, key->name, value, "a name");
			return;
		}
		break;
	case SECRET: {
		struct ab_secret *secret = (struct ab_secret *)(void *)text;
		snprintf(secret->origin, sizeof secret->origin, "%s", origin);
		break;
	}
	case WORD: break;
	}
	memcpy(text, value, strlen(value) + 1);
}

enum set_result { SET_OURS, SET_NOT_OURS };

static enum set_result set(struct ab_settings *s, const char *name, const char *value, const char *origin,
	struct ab_problems *problems)
{
	const struct key *key = key_of(name);
	if (key == NULL)
		return SET_NOT_OURS;
	if (strlen(value) >= AB_SETTING_VALUE_MAX_BYTES)
		ab_problem(problems, "%s: %s: the value has more than %d bytes", origin, name, AB_SETTING_VALUE_MAX_BYTES - 1);
	else
		set_value(s, key, value, origin, problems);
	return SET_OURS;
}

/* What four readers of such a file would not read alike; NULL: nothing. Quotes are taken off in place. */
static const char *unquote(char **value)
{
	char *text = *value;
	size_t len = strlen(text);
	if (*text == '"' || *text == '\'') {
		if (len < 2 || text[len - 1] != *text)
			return "the quote is not closed";
		char quote = *text;
		text[len - 1] = '\0';
		*value = ++text;
		if (strchr(text, quote) != NULL)
			return "quotes within quotes are read differently by a shell and by Compose";
		if (quote == '\'')
			return NULL;
	} else if (strpbrk(text, " \t\"'") != NULL)
		return "spaces and quotes within a value need one pair of quotes around it; no comment may follow";
	if (strchr(text, '$') != NULL)
		return "$ is replaced by some readers: put the value in single quotes";
	if (strchr(text, '\\') != NULL)
		return "a backslash is read differently: put the value in single quotes";
	return NULL;
}

static void read_line(struct ab_settings *s, const char *origin, char *line, struct ab_problems *problems)
{
	if (line[strspn(line, " \t")] == '\0' || *line == '#')
		return;
	char *value = strchr(line, '=');
	if (value == NULL) {
		ab_problem(problems, "%s: want KEY=VALUE, a comment that begins with #, or nothing", origin);
		return;
	}
	*value++ = '\0';
	if (*line == '\0' || strpbrk(line, " \t") != NULL || *value == ' ' || *value == '\t') {
		ab_problem(problems, "%s: want KEY=VALUE without spaces around = and without export", origin);
		return;
	}
	uint32_t distance;
	const char *nearest = nearest_key(line, &distance);
	if (distance > 0 && distance <= NEAR) {
		ab_problem(problems, "%s: there is no key %s; did you mean %s?", origin, line, nearest);
		return;
	}
	if (distance != 0)
		return;
	const char *wrong = unquote(&value);
	if (wrong != NULL)
		ab_problem(problems, "%s: %s: %s", origin, line, wrong);
	else
		(void)set(s, line, value, origin, problems);
}

void ab_settings_text(struct ab_settings *settings, const char *name, const char *text, size_t len,
	struct ab_problems *problems)
{
	const char *end = text + len;
	unsigned carriage_returns = 0;
	for (unsigned number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline != NULL ? newline : end;
		size_t line_len = (size_t)(line_end - text);
		char origin[512], line[2 * AB_SETTING_VALUE_MAX_BYTES];
		snprintf(origin, sizeof origin, "%s:%u", name, number);
		if (line_len > 0 && text[line_len - 1] == '\r') {
			line_len--;
			if (carriage_returns++ == 0)
				ab_problem(problems, "%s: lines end with CR LF; save the file with LF alone", origin);
		}
		if (line_len >= sizeof line || memchr(text, '\0', line_len) != NULL)
			ab_problem(problems, "%s: the line has a zero byte or more than %zu bytes", origin, sizeof line - 1);
		else {
			memcpy(line, text, line_len);
			line[line_len] = '\0';
			read_line(settings, origin, line, problems);
		}
		text = line_end + 1;
	}
}

void ab_settings_file(struct ab_settings *settings, const char *path, struct ab_problems *problems)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		ab_problem(problems, "%s: %s. Give an existing file with -e, or none", path, strerror(errno));
		return;
	}
	char *text = malloc(AB_SETTINGS_FILE_MAX_BYTES + 1);
	AB_ASSERT(text != NULL);
	size_t len = fread(text, 1, AB_SETTINGS_FILE_MAX_BYTES + 1, file);
	if (ferror(file))
		ab_problem(problems, "%s: cannot be read: %s", path, strerror(errno));
	else if (len > AB_SETTINGS_FILE_MAX_BYTES)
		ab_problem(problems, "%s: more than %d bytes: not a file of settings", path, AB_SETTINGS_FILE_MAX_BYTES);
	else
		ab_settings_text(settings, path, text, len, problems);
	free(text);
	fclose(file);
}

void ab_settings_environment(struct ab_settings *settings, char *const *environment, struct ab_problems *problems)
{
	for (; *environment != NULL; environment++) {
		const char *equals = strchr(*environment, '=');
		char key[AB_TEXT_WORD_MAX + 1];
		if (equals == NULL || (size_t)(equals - *environment) >= sizeof key)
			continue;
		memcpy(key, *environment, (size_t)(equals - *environment));
		key[equals - *environment] = '\0';
		(void)set(settings, key, equals + 1, "environment", problems);
	}
}

void ab_settings_argument(struct ab_settings *settings, const char *pair, struct ab_problems *problems)
{
	const char *equals = strchr(pair, '=');
	char key[AB_TEXT_WORD_MAX + 1];
	if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof key) {
		ab_problem(problems, "-s %s: want KEY=VALUE", pair);
		return;
	}
	memcpy(key, pair, (size_t)(equals - pair));
	key[equals - pair] = '\0';
	if (set(settings, key, equals + 1, "-s", problems) == SET_NOT_OURS) {
		uint32_t distance;
		const char *nearest = nearest_key(key, &distance);
		if (distance <= strlen(key) / 2)
			ab_problem(problems, "-s: the generator has no key %s; did you mean %s?", key, nearest);
		else
			ab_problem(problems, "-s: the generator has no key %s; anabranch-loadgen --help lists them", key);
	}
}

static void complete(struct ab_secret *secret, const char *key, struct ab_problems *problems)
{
	if (secret->file[0] == '\0')
		return;
	if (secret->origin[0] != '\0') {
		ab_problem(problems, "%s: %s: %s_FILE is given too; leave one of them out", secret->origin, key, key);
		return;
	}
	FILE *file = fopen(secret->file, "re");
	if (file == NULL) {
		ab_problem(problems, "%s_FILE: %s: %s", key, secret->file, strerror(errno));
		return;
	}
	size_t len = fread(secret->value, 1, sizeof secret->value, file);
	fclose(file);
	if (len == sizeof secret->value) {
		ab_problem(problems, "%s_FILE: %s: more than %zu bytes", key, secret->file, sizeof secret->value - 1);
		len--;
	}
	secret->value[len] = '\0';
	secret->value[strcspn(secret->value, "\r\n")] = '\0';
}

void ab_settings_complete(struct ab_settings *settings, struct ab_problems *problems)
{
	complete(&settings->password, "POSTGRES_PASSWORD", problems);
	complete(&settings->redis_password, "REDIS_PASSWORD", problems);
	complete(&settings->search_password, "ELASTICSEARCH_PASSWORD", problems);
	complete(&settings->search_api_key, "ELASTICSEARCH_API_KEY", problems);
}
