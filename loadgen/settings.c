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

static const char *const KEYS[] = {"EVENT_INTERVAL_SECONDS", "BATCH_SIZE", "CONTENT_ROWS", "POSTGRES_HOST",
	"POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"};

static const char *nearest_key(const char *key, uint32_t *distance)
{
	const char *nearest = NULL;
	*distance = UINT32_MAX;
	for (size_t i = 0; i < AB_COUNT(KEYS); i++) {
		uint32_t d = ab_text_distance(key, KEYS[i]);
		if (d < *distance) {
			*distance = d;
			nearest = KEYS[i];
		}
	}
	return nearest;
}

void ab_settings_default(struct ab_settings *settings)
{
	*settings = (struct ab_settings){.interval_ms = 1000,
		.batch_rows = 50,
		.content_rows = 5000,
		.host = "127.0.0.1",
		.port = "5432",
		.database = "streaming_db",
		.user = "streaming_user",
		.password = "streaming_pass"};
}

/* Says what is wrong with a value, in the one form of all of them. Secrets are never numbers, so none is shown. */
static void invalid(struct ab_problems *problems, const char *origin, const char *key, const char *value,
	const char *want)
{
	ab_problem(problems, "%s: %s: want %s, got \"%s\"", origin, key, want, value);
}

static void set_text(char to[AB_SETTING_VALUE_MAX_BYTES], const char *value)
{
	AB_ASSERT(strlen(value) < AB_SETTING_VALUE_MAX_BYTES);
	memcpy(to, value, strlen(value) + 1);
}

static void set_number(struct ab_settings *s, const char *key, const char *value, const char *origin,
	struct ab_problems *problems)
{
	uint64_t number;
	if (strcmp(key, "EVENT_INTERVAL_SECONDS") == 0) {
		if (ab_text_milli(value, 1, INTERVAL_MAX_MS, &s->interval_ms) != AB_TEXT_OK)
			invalid(problems, origin, key, value, "seconds from 0.001 to 3600");
	} else if (strcmp(key, "BATCH_SIZE") == 0) {
		if (ab_text_count(value, 1, AB_PLAN_BATCH_ROWS_MAX, &number) != AB_TEXT_OK)
			invalid(problems, origin, key, value, "rows from 1 to 10000");
		else
			s->batch_rows = (uint32_t)number;
	} else if (strcmp(key, "CONTENT_ROWS") == 0) {
		if (ab_text_count(value, 1, AB_GEN_CONTENTS_MAX, &s->content_rows) != AB_TEXT_OK)
			invalid(problems, origin, key, value, "contents from 1 to 100000000");
	} else {
		AB_ASSERT(strcmp(key, "POSTGRES_PORT") == 0);
		if (ab_text_count(value, 1, 65535, &number) != AB_TEXT_OK)
			invalid(problems, origin, key, value, "a port from 1 to 65535");
		else
			snprintf(s->port, sizeof s->port, "%u", (unsigned)number);
	}
}

static char *name_of(struct ab_settings *s, const char *key)
{
	if (strcmp(key, "POSTGRES_HOST") == 0)
		return s->host;
	if (strcmp(key, "POSTGRES_DB") == 0)
		return s->database;
	return strcmp(key, "POSTGRES_USER") == 0 ? s->user : NULL;
}

enum set_result { SET_OURS, SET_NOT_OURS };

static enum set_result set(struct ab_settings *s, const char *key, const char *value, const char *origin,
	struct ab_problems *problems)
{
	char *name;
	uint32_t distance;
	(void)nearest_key(key, &distance);
	if (distance != 0)
		return SET_NOT_OURS;
	if (strlen(value) >= AB_SETTING_VALUE_MAX_BYTES)
		ab_problem(problems, "%s: %s: the value has more than %d bytes", origin, key, AB_SETTING_VALUE_MAX_BYTES - 1);
	else if (strcmp(key, "POSTGRES_PASSWORD") == 0) {
		set_text(s->password, value);
		snprintf(s->password_origin, sizeof s->password_origin, "%s", origin);
	} else if (strcmp(key, "POSTGRES_PASSWORD_FILE") == 0)
		set_text(s->password_file, value);
	else if ((name = name_of(s, key)) != NULL && *value == '\0')
		invalid(problems, origin, key, value, "a name");
	else if (name != NULL)
		set_text(name, value);
	else
		set_number(s, key, value, origin, problems);
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

void ab_settings_complete(struct ab_settings *settings, struct ab_problems *problems)
{
	const char *path = settings->password_file;
	if (*path == '\0')
		return;
	if (settings->password_origin[0] != '\0') {
		ab_problem(problems, "%s: POSTGRES_PASSWORD: POSTGRES_PASSWORD_FILE is given too; leave one of them out",
			settings->password_origin);
		return;
	}
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		ab_problem(problems, "POSTGRES_PASSWORD_FILE: %s: %s", path, strerror(errno));
		return;
	}
	size_t len = fread(settings->password, 1, sizeof settings->password, file);
	fclose(file);
	if (len == sizeof settings->password) {
		ab_problem(problems, "POSTGRES_PASSWORD_FILE: %s: more than %zu bytes", path, sizeof settings->password - 1);
		len--;
	}
	settings->password[len] = '\0';
	settings->password[strcspn(settings->password, "\r\n")] = '\0';
}
