/* core/config_doc.c — .env.example, docs/CONFIGURATION.md and `anabranch help settings`, from the table. */
#include <string.h>

#include "core/config_print.h"
#include "core/config_report.h"

/* Columns of .env.example and of a terminal. */
#define WIDTH 100

/* Prints text in lines of at most WIDTH columns, each behind the prefix. */
static void wrap(const char *prefix, const char *text, FILE *to)
{
	size_t column = 0;

	for (const char *at = text; *at != '\0';) {
		size_t len = strcspn(at, " ");
		if (column > 0 && column + 1 + len > WIDTH) {
			fputc('\n', to);
			column = 0;
		}
		column += (size_t)fprintf(to, "%s%.*s", column == 0 ? prefix : " ", (int)len, at);
		at += len;
		at += strspn(at, " ");
	}
	fputc('\n', to);
}

static const char *flag_words(unsigned flags)
{
	if (flags & AB_CONFIG_DEPRECATED)
		return "Deprecated, no effect. ";
	if (flags & AB_CONFIG_NO_EFFECT)
		return "No effect. ";
	return "";
}

/* What a value may be, in brackets, where that says more than that it is a text. */
static void range_words(enum ab_config_key key, char *to, size_t room)
{
	char range[160];

	to[0] = '\0';
	switch (ab_config_entries[key].type) {
	case AB_TYPE_TEXT:
	case AB_TYPE_SECRET:
	case AB_TYPE_HOST:
	case AB_TYPE_BROKERS:
	case AB_TYPE_TOPIC:
	case AB_TYPE_NAME:
	case AB_TYPE_SINKS:
	case AB_TYPE_CPUS:
		return;
	default:
		ab_config_value_range(key, range, sizeof range);
		snprintf(to, room, " (%s)", range);
	}
}

/* A line that would say nothing, or that is rarely wanted, stands as a comment. */
static bool is_commented(const struct ab_config_entry *entry)
{
	return entry->default_text[0] == '\0' || (entry->flags & AB_CONFIG_NO_EFFECT) != 0 ||
	       entry->group == AB_GROUP_STACK;
}

void ab_config_doc_env(FILE *to)
{
	char text[1024], range[256];
	int group = -1;

	fputs("# .env: settings of Anabranch. A line begins with its key and has no comment behind its value; a value\n"
	      "# with blanks or characters of the shell's stands in single quotes. `anabranch check` finds every\n"
	      "# mistake at once.\n"
	      "# This file is made by `anabranch config --doc env`; a copy of it is yours to change.\n", to);
	for (int i = 0; i < AB_CONFIG_KEYS; i++) {
		const struct ab_config_entry *entry = &ab_config_entries[i];
		if ((int)entry->group != group) {
			group = (int)entry->group;
			fprintf(to, "\n# --- %s ---\n", ab_config_group_titles[group]);
		}
		range_words((enum ab_config_key)i, range, sizeof range);
		snprintf(text, sizeof text, "%s%s%s", flag_words(entry->flags), entry->help, range);
		fputc('\n', to);
		wrap("# ", text, to);
		fputs(is_commented(entry) ? "#" : "", to);
		bool written = ab_config_print_pair(entry->key, entry->default_text, to);
		AB_ASSERT(written);
		fputc('\n', to);
	}
	fputs("\n# --- Any property of librdkafka ---\n\n"
	      "# KAFKA_CONF_ and the property's name in capitals, with _ for each dot.\n"
	      "#KAFKA_CONF_SOCKET_KEEPALIVE_ENABLE=true\n", to);
}

void ab_config_doc_help(FILE *to)
{
	char range[256], text[1024];
	int group = -1;

	for (int i = 0; i < AB_CONFIG_KEYS; i++) {
		const struct ab_config_entry *entry = &ab_config_entries[i];
		if ((int)entry->group != group) {
			group = (int)entry->group;
			fprintf(to, "%s%s\n", group > 0 ? "\n" : "", ab_config_group_titles[group]);
		}
		range_words((enum ab_config_key)i, range, sizeof range);
		fprintf(to, "  %s=%s\n", entry->key, entry->default_text);
		snprintf(text, sizeof text, "%s%s%s", flag_words(entry->flags), entry->help, range);
		wrap("      ", text, to);
	}
	fputs("\nAny property of librdkafka\n  KAFKA_CONF_NAME=value, its name in capitals with _ for each dot\n", to);
}

static const char markdown_head[] =
	"# Configuration\n"
	"\n"
	"<!-- Made by `anabranch config --doc markdown` from core/config.def; a test holds them equal. -->\n"
	"\n"
	"Every setting is a key and a value. Later sources win:\n"
	"\n"
	"1. the default, below;\n"
	"2. the file behind `-e FILE`, or `.env` in the working directory where there is one;\n"
	"3. the process environment;\n"
	"4. `-s KEY=VALUE`, as often as needed.\n"
	"\n"
	"```sh\n"
	"anabranch check -e my.env                # every mistake at once, and the memory that will be taken\n"
	"anabranch config -e my.env --show-origin # what is in force, and which file and line says so\n"
	"anabranch run -e my.env -s REDIS_PORT=6380\n"
	"```\n"
	"\n"
	"An unknown key in the file or behind `-s` is an error that names the nearest key; the process\n"
	"environment may hold anything. A number out of its range, a text that is too long, two settings that\n"
	"contradict each other: all are errors, nothing is cut or corrected in silence. The exit code is then 78.\n"
	"\n"
	"## The file\n"
	"\n"
	"`KEY=VALUE` from the first column, empty lines, and lines that begin with `#`. A value with blanks, `#`\n"
	"at its beginning or characters of the shell's stands in single quotes: `POSTGRES_PASSWORD='p$ss word'`.\n"
	"This is what Docker Compose, systemd (`EnvironmentFile=`), a shell (`set -a; . ./.env`) and Anabranch\n"
	"read alike. What they read differently is refused with its line: `export`, a comment behind a value, `$`\n"
	"outside of single quotes, a backslash, blanks around `=`, CRLF line ends. Nothing in the file is\n"
	"executed or replaced.\n"
	"\n"
	"## Secrets\n"
	"\n"
	"A key that holds a secret may be given as `KEY_FILE`, the path of a file with the secret in its only\n"
	"line, as Docker and Kubernetes secrets and systemd credentials come. Giving both is an error. Secrets\n"
	"are never shown: `check` and\n"
	"`config` print `" AB_CONFIG_MASK "`.\n"
	"\n"
	"## Kafka properties\n"
	"\n"
	"`KAFKA_CONF_` and the name of any librdkafka property in capitals, with `_` for each dot:\n"
	"`KAFKA_CONF_SECURITY_PROTOCOL=sasl_ssl` sets `security.protocol`. Properties with a key of their own\n"
	"below, and those that delivery rests on (such as `enable.auto.commit`), are refused.\n"
	"`KAFKA_CONF_SASL_PASSWORD_FILE` works as above. With any of them librdkafka reads the events topic as\n"
	"well, which takes more CPU; `KAFKA_FETCHER=workers` has it read by the workers nevertheless, but not\n"
	"over TLS.\n"
	"\n"
	"## Not there yet\n"
	"\n"
	"TLS to Redis, Elasticsearch and BigQuery, the real BigQuery (only emulators), Redis Cluster and\n"
	"Sentinel. Asking for one of them is an error at start that says what to use instead. TLS and SASL to\n"
	"Kafka work, by Kafka properties.\n";

/* | would end a cell of a table. */
static void cell(const char *text, FILE *to)
{
	for (; *text != '\0'; text++)
		fprintf(to, "%s%c", *text == '|' || *text == '*' ? "\\" : "", *text);
}

void ab_config_doc_markdown(FILE *to)
{
	char range[256];
	int group = -1;

	fputs(markdown_head, to);
	for (int i = 0; i < AB_CONFIG_KEYS; i++) {
		const struct ab_config_entry *entry = &ab_config_entries[i];
		if ((int)entry->group != group) {
			group = (int)entry->group;
			fprintf(to, "\n## %s\n\n| key | default | values | meaning |\n|---|---|---|---|\n",
				ab_config_group_titles[group]);
		}
		ab_config_value_range((enum ab_config_key)i, range, sizeof range);
		fprintf(to, "| `%s`%s | %s%s%s | ", entry->key, ab_config_is_secret(entry) ? " (secret)" : "",
			entry->default_text[0] ? "`" : "", entry->default_text[0] ? entry->default_text : "empty",
			entry->default_text[0] ? "`" : "");
		cell(range, to);
		fprintf(to, " | %s", flag_words(entry->flags));
		cell(entry->help, to);
		fprintf(to, "%s |\n", entry->flags & AB_CONFIG_NEW ? " *New.*" : "");
	}
	fputs("\n*New*: not a key of the Flink pipeline that this engine takes the place of; all others have the names and "
	      "defaults they had there.\n", to);
}
