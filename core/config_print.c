/* core/config_print.c — see config_print.h. */
#include "core/config_print.h"

#include <string.h>

#include "core/config_env.h"
#include "core/config_report.h"

static const char *const severity_words[] = {
	[AB_CONFIG_NOTE] = "note",
	[AB_CONFIG_WARNING] = "warning",
	[AB_CONFIG_ERROR] = "error",
};

/* --- problems --- */

void ab_config_print_problems(const struct ab_config_problems *problems, enum ab_config_severity least, FILE *to)
{
	char where[AB_PATH_MAX_BYTES + 16];
	int all = problems->errors + problems->warnings + problems->notes;

	for (int i = 0; i < problems->count; i++) {
		const struct ab_config_problem *problem = &problems->problem[i];
		if (problem->severity < least)
			continue;
		fprintf(to, "%s: %s: ", ab_config_origin_text(problems->file, problem->origin, where, sizeof where),
			severity_words[problem->severity]);
		if (strcmp(problem->key, "-e") == 0)
			fprintf(to, "%s ", problem->key);
		else if (problem->key[0] != '\0')
			fprintf(to, "%s%s", problem->key, problem->value[0] != '\0' ? "=" : "");
		fprintf(to, "%s%s%s", problem->value, problem->key[0] != '\0' ? ": " : "", problem->reason);
		if (problem->nearest[0] != '\0')
			fprintf(to, ". Did you mean %s?", problem->nearest);
		fputc('\n', to);
	}
	if (problems->count < all)
		fprintf(to, "and %d more\n", all - problems->count);
}

static const char *plural(int count)
{
	return count == 1 ? "" : "s";
}

void ab_config_print_sum(const struct ab_config_problems *problems, FILE *to)
{
	fprintf(to, "%d error%s, %d warning%s", problems->errors, plural(problems->errors), problems->warnings,
		plural(problems->warnings));
	if (problems->notes > 0)
		fprintf(to, ", %d note%s", problems->notes, plural(problems->notes));
	fputc('\n', to);
}

/* --- JSON --- */

void ab_config_print_json_text(const char *text, FILE *to)
{
	fputc('"', to);
	for (const char *at = text; *at != '\0';) {
		size_t len = 1;
		if (*at == '"' || *at == '\\') {
			fprintf(to, "\\%c", *at);
		} else if ((unsigned char)*at < 0x20 || *at == 0x7f) {
			fprintf(to, "\\u%04x", (unsigned)(unsigned char)*at);
		} else {
			while (len < 4 && ((unsigned char)at[len] & 0xc0) == 0x80)
				len++;
			if (ab_env_is_printable(at, len))
				fwrite(at, 1, len, to);
			else
				fputs("\\ufffd", to);
		}
		at += len;
	}
	fputc('"', to);
}

static void json_member(const char *name, const char *value, FILE *to)
{
	fprintf(to, ",\"%s\":", name);
	ab_config_print_json_text(value, to);
}

void ab_config_print_check_json(const struct ab_config_problems *problems, size_t memory_bound_bytes,
				const char *memory_bound, FILE *to)
{
	char where[AB_PATH_MAX_BYTES + 16];

	fprintf(to, "{\"schema_version\":%d,\"ok\":%s,\"errors\":%d,\"warnings\":%d,\"notes\":%d,\"problems\":[",
		AB_CONFIG_JSON_VERSION, problems->errors == 0 ? "true" : "false", problems->errors, problems->warnings,
		problems->notes);
	for (int i = 0; i < problems->count; i++) {
		const struct ab_config_problem *problem = &problems->problem[i];
		fprintf(to, "%s{\"severity\":\"%s\"", i > 0 ? "," : "", severity_words[problem->severity]);
		json_member("origin", ab_config_origin_text(problems->file, problem->origin, where, sizeof where), to);
		json_member("key", problem->key, to);
		json_member("value", problem->value, to);
		json_member("reason", problem->reason, to);
		if (problem->nearest[0] != '\0')
			json_member("nearest", problem->nearest, to);
		fputc('}', to);
	}
	fputc(']', to);
	if (memory_bound != NULL) {
		fprintf(to, ",\"memory_bound_bytes\":%zu", memory_bound_bytes);
		json_member("memory_bound", memory_bound, to);
	}
	fputs("}\n", to);
}

/* --- what is in force --- */

/* True when our reader, and so every other, reads KEY=<open>value<open> as this value. */
static bool reads_back(const char *key, const char *value, const char *quote)
{
	char line[2 * AB_CONFIG_VALUE_MAX_BYTES];
	struct ab_env_pair pair;
	int len = snprintf(line, sizeof line, "%s=%s%s%s", key, quote, value, quote);
	struct ab_env_reader reader = ab_env_begin(line, (size_t)len);

	AB_ASSERT(len < (int)sizeof line);
	return ab_env_next(&reader, &pair) == AB_ENV_PAIR && pair.value.len == strlen(value) &&
	       memcmp(pair.value.at, value, pair.value.len) == 0;
}

bool ab_config_print_pair(const char *key, const char *value, FILE *to)
{
	static const char *const quotes[] = {"", "'", "\""};

	for (size_t i = 0; i < AB_COUNT(quotes); i++) {
		if (reads_back(key, value, quotes[i])) {
			fprintf(to, "%s=%s%s%s", key, quotes[i], value, quotes[i]);
			return true;
		}
	}
	return false;
}

/* A value for showing: masked when it is a secret that is there. */
static void shown_text(const struct ab_config *config, enum ab_config_key key, char *to)
{
	ab_config_value_text(config, key, to);
	if (to[0] != '\0' && ab_config_is_secret(&ab_config_entries[key]))
		snprintf(to, AB_CONFIG_VALUE_MAX_BYTES, "%s", AB_CONFIG_MASK);
}

static void print_line(const struct ab_config *config, bool show_origin, struct ab_config_origin origin,
		       const char *key, const char *value, FILE *to)
{
	char where[AB_PATH_MAX_BYTES + 16];

	if (show_origin)
		fprintf(to, "%s\t", ab_config_origin_text(config->file, origin, where, sizeof where));
	if (!ab_config_print_pair(key, value, to))
		fprintf(to, "# %s is set, but no .env line can say its value", key);
	fputc('\n', to);
}

void ab_config_print_env(const struct ab_config *config, bool show_origin, FILE *to)
{
	char value[AB_CONFIG_VALUE_MAX_BYTES], key[AB_KAFKA_CONF_NAME_MAX_BYTES + 16];

	for (int i = 0; i < AB_CONFIG_KEYS; i++) {
		shown_text(config, (enum ab_config_key)i, value);
		print_line(config, show_origin, config->origin[i], ab_config_entries[i].key, value, to);
	}
	for (int i = 0; i < config->kafka_conf_count; i++) {
		const struct ab_kafka_property *property = &config->kafka_conf[i];
		ab_config_kafka_key(property->name, key, sizeof key);
		print_line(config, show_origin, property->origin, key,
			   ab_config_kafka_hides(key) ? AB_CONFIG_MASK : property->value, to);
	}
}

static void json_setting(const struct ab_config *config, bool show_origin, struct ab_config_origin origin, bool first,
			 const char *key, const char *value, FILE *to)
{
	char where[AB_PATH_MAX_BYTES + 16];

	fprintf(to, "%s\n  ", first ? "" : ",");
	ab_config_print_json_text(key, to);
	fputs(show_origin ? ":{\"value\":" : ":", to);
	ab_config_print_json_text(value, to);
	if (show_origin) {
		json_member("origin", ab_config_origin_text(config->file, origin, where, sizeof where), to);
		fputc('}', to);
	}
}

void ab_config_print_json(const struct ab_config *config, bool show_origin, FILE *to)
{
	char value[AB_CONFIG_VALUE_MAX_BYTES], key[AB_KAFKA_CONF_NAME_MAX_BYTES + 16];

	fprintf(to, "{\"schema_version\":%d,\"config\":{", AB_CONFIG_JSON_VERSION);
	for (int i = 0; i < AB_CONFIG_KEYS; i++) {
		shown_text(config, (enum ab_config_key)i, value);
		json_setting(config, show_origin, config->origin[i], i == 0, ab_config_entries[i].key, value, to);
	}
	for (int i = 0; i < config->kafka_conf_count; i++) {
		const struct ab_kafka_property *property = &config->kafka_conf[i];
		ab_config_kafka_key(property->name, key, sizeof key);
		json_setting(config, show_origin, property->origin, false, key,
			     ab_config_kafka_hides(key) ? AB_CONFIG_MASK : property->value, to);
	}
	fputs("\n}}\n", to);
}
