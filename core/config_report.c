/* core/config_report.c — problems in words, without secrets. See config_report.h. */
#include "core/config_report.h"

#include <stdarg.h>
#include <string.h>

#include "core/config_env.h"

/* Parts of a name that hint at a secret: a mistyped key must not give its value away. */
static const char *const hints[] = {"PASS", "PWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "CREDENTIAL", "PEM"};

bool ab_config_key_hides(const char *key)
{
	enum ab_config_key known = ab_config_find(key);
	size_t len = strlen(key);

	if (known != AB_CONFIG_KEYS)
		return ab_config_is_secret(&ab_config_entries[known]);
	/* The path of a secret is none. */
	if (len > 5 && strcmp(key + len - 5, "_FILE") == 0)
		return false;
	if (strncmp(key, AB_KAFKA_CONF_PREFIX, strlen(AB_KAFKA_CONF_PREFIX)) == 0)
		return ab_config_kafka_hides(key);
	for (size_t i = 0; i < AB_COUNT(hints); i++) {
		if (strcasestr(key, hints[i]) != NULL)
			return true;
	}
	const char *near = ab_config_nearest(key);
	return near != NULL && ab_config_is_secret(&ab_config_entries[ab_config_find(near)]);
}

/* Printable, and cut between characters where it is too long for a line. */
static void show(char *to, size_t room, const char *text)
{
	static const char more[] = "…";
	size_t len = strlen(text), cut = room - sizeof more;

	if (len < room) {
		memcpy(to, text, len + 1);
	} else {
		while (cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80)
			cut--;
		memcpy(to, text, cut);
		memcpy(to + cut, more, sizeof more);
	}
	if (!ab_env_is_printable(to, strlen(to))) {
		for (char *at = to; *at != '\0'; at++) {
			if (*at < 0x20 || *at > 0x7e)
				*at = '?';
		}
	}
}

void ab_config_report(struct ab_config_problems *problems, enum ab_config_severity severity,
		      struct ab_config_origin origin, const char *key, const char *value, const char *nearest,
		      const char *format, ...)
{
	struct ab_config_problem *problem;
	char reason[1024];
	va_list args;

	*(severity == AB_CONFIG_ERROR ? &problems->errors :
	  severity == AB_CONFIG_WARNING ? &problems->warnings : &problems->notes) += 1;
	if (problems->count == AB_CONFIG_PROBLEMS_MAX)
		return;
	problem = &problems->problem[problems->count++];
	*problem = (struct ab_config_problem){.severity = severity, .origin = origin};
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	show(problem->reason, sizeof problem->reason, reason);
	if (key != NULL)
		show(problem->key, sizeof problem->key, key);
	if (value != NULL)
		show(problem->value, sizeof problem->value,
		     key != NULL && *value != '\0' && ab_config_key_hides(key) ? AB_CONFIG_MASK : value);
	if (nearest != NULL)
		show(problem->nearest, sizeof problem->nearest, nearest);
}

void ab_config_report_value(const struct ab_config *config, struct ab_config_problems *problems,
			    enum ab_config_severity severity, enum ab_config_key key, const char *nearest,
			    const char *format, ...)
{
	char value[AB_CONFIG_VALUE_MAX_BYTES], reason[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	ab_config_value_text(config, key, value);
	ab_config_report(problems, severity, config->origin[key], ab_config_entries[key].key, value, nearest, "%s", reason);
}

const char *ab_config_origin_text(const char *file, struct ab_config_origin origin, char *to, size_t room)
{
	switch (origin.source) {
	case AB_FROM_DEFAULT:
		snprintf(to, room, "default");
		break;
	case AB_FROM_FILE:
		snprintf(to, room, "%s:%d", file, origin.line);
		break;
	case AB_FROM_ENVIRONMENT:
		snprintf(to, room, "environment");
		break;
	case AB_FROM_COMMAND_LINE:
		snprintf(to, room, "command line");
		break;
	}
	return to;
}
