/* tests/unit/test_config_print.c — what is printed can be read again, and holds no secret. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "core/config_print.h"
#include "core/config_report.h"
#include "io/loop.h"

/* The engine casts one into the other. */
_Static_assert((int)AB_CONFIG_IO_AUTO == (int)AB_IO_AUTO && (int)AB_CONFIG_IO_URING == (int)AB_IO_URING &&
	       (int)AB_CONFIG_IO_EPOLL == (int)AB_IO_EPOLL, "both enums name the same back ends");

static struct ab_config config, again;
static struct ab_config_problems problems;
static char *text;
static size_t text_len;

static FILE *begin(void)
{
	free(text);
	text = NULL;
	return open_memstream(&text, &text_len);
}

static enum ab_config_result load(struct ab_config *to, const char *from)
{
	const struct ab_config_sources sources = {.file = "my.env", .text = from, .text_len = strlen(from)};

	return ab_config_load(to, &sources, &problems);
}

static const char settings[] =
	"REDIS_PASSWORD=hunter2\n"
	"POSTGRES_USER='two words'\n"
	"POSTGRES_DB=\"it's\"\n"
	"EVENT_INTERVAL_SECONDS=0.05\n"
	"SINKS=null,redis\n"
	"AB_CPUS=1,2,3,7\n"
	"IO_BACKEND=epoll\n"
	"KAFKA_CONF_SOCKET_TIMEOUT_MS=10000\n"
	"KAFKA_CONF_SASL_PASSWORD=hunter2\n"
	"KAFKA_CONF_SSL_KEY_PEM=hunter2\n";

Test(config_print, what_is_in_force_reads_back_as_the_same)
{
	cr_assert_eq(load(&config, settings), AB_CONFIG_OK);
	FILE *to = begin();
	ab_config_print_env(&config, false, to);
	fclose(to);
	cr_expect_null(strstr(text, "hunter2"));
	cr_expect_not_null(strstr(text, "REDIS_PASSWORD=********\n"));
	cr_expect_not_null(strstr(text, "AB_CPUS=1-3,7\n"));

	cr_assert_eq(load(&again, text), AB_CONFIG_OK);
	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		char one[AB_CONFIG_VALUE_MAX_BYTES], two[AB_CONFIG_VALUE_MAX_BYTES];
		if (ab_config_is_secret(&ab_config_entries[key]))
			continue;
		ab_config_value_text(&config, (enum ab_config_key)key, one);
		ab_config_value_text(&again, (enum ab_config_key)key, two);
		cr_expect_str_eq(one, two, "%s", ab_config_entries[key].key);
	}
	cr_assert_eq(again.kafka_conf_count, 3);
	cr_expect_str_eq(again.kafka_conf[0].value, "10000");
}

Test(config_print, origins_stand_before_a_tab)
{
	cr_assert_eq(load(&config, settings), AB_CONFIG_OK);
	FILE *to = begin();
	ab_config_print_env(&config, true, to);
	fclose(to);
	cr_expect_not_null(strstr(text, "my.env:2\tPOSTGRES_USER='two words'\n"));
	cr_expect_not_null(strstr(text, "default\tREDIS_PORT=6379\n"));
	cr_expect_not_null(strstr(text, "my.env:8\tKAFKA_CONF_SOCKET_TIMEOUT_MS=10000\n"));
}

Test(config_print, json_is_json)
{
	json_error_t error;

	cr_assert_eq(load(&config, settings), AB_CONFIG_OK);
	FILE *to = begin();
	ab_config_print_json(&config, true, to);
	fclose(to);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s", error.text);
	json_t *user = json_object_get(json_object_get(root, "config"), "POSTGRES_USER");
	cr_expect_str_eq(json_string_value(json_object_get(user, "value")), "two words");
	cr_expect_str_eq(json_string_value(json_object_get(user, "origin")), "my.env:2");
	cr_expect_null(strstr(text, "hunter2"));
	json_decref(root);
}

Test(config_print, problems_as_json_are_json_too)
{
	json_error_t error;

	cr_assert_eq(load(&config, "REDIS_PROT='\"quoted\"'\nwhat\nSINKS=\xff\n"), AB_CONFIG_INVALID);
	FILE *to = begin();
	ab_config_print_check_json(&problems, 12, "a line\n", to);
	fclose(to);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s: %s", error.text, text);
	cr_expect_eq(json_integer_value(json_object_get(root, "errors")), 3);
	cr_expect_eq(json_integer_value(json_object_get(root, "memory_bound_bytes")), 12);
	json_t *first = json_array_get(json_object_get(root, "problems"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(first, "nearest")), "REDIS_PORT");
	cr_expect_str_eq(json_string_value(json_object_get(first, "value")), "\"quoted\"");
	json_decref(root);
}

Test(config_print, a_problem_is_one_line_with_file_line_key_value_reason_and_nearest)
{
	cr_assert_eq(load(&config, "\nREDIS_PROT=1\n"), AB_CONFIG_INVALID);
	FILE *to = begin();
	ab_config_print_problems(&problems, AB_CONFIG_NOTE, to);
	ab_config_print_sum(&problems, to);
	fclose(to);
	cr_expect_str_eq(text, "my.env:2: error: REDIS_PROT=1: no such key: `anabranch help settings` lists them all. "
			       "Did you mean REDIS_PORT?\n1 error, 0 warnings\n");
}

Test(config_print, the_example_holds_every_key_and_changes_nothing)
{
	struct ab_config defaults;

	FILE *to = begin();
	ab_config_doc_env(to);
	fclose(to);
	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		char line[128];
		snprintf(line, sizeof line, "\n%s=", ab_config_entries[key].key);
		const char *plain = strstr(text, line);
		snprintf(line, sizeof line, "\n#%s=", ab_config_entries[key].key);
		cr_expect((plain != NULL) != (strstr(text, line) != NULL), "%s stands once", ab_config_entries[key].key);
	}
	cr_assert_eq(load(&config, text), AB_CONFIG_OK);
	cr_expect_eq(problems.count, 0, "%s", problems.problem[0].reason);
	ab_config_defaults(&defaults);
	memset(config.origin, 0, sizeof config.origin);
	memset(config.file, 0, sizeof config.file);
	cr_expect_eq(memcmp(&config, &defaults, sizeof config), 0);
}

Test(config_print, every_line_of_the_documents_is_text)
{
	FILE *to = begin();
	ab_config_doc_markdown(to);
	ab_config_doc_help(to);
	fclose(to);
	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		char cell[128];
		snprintf(cell, sizeof cell, "| `%s`", ab_config_entries[key].key);
		cr_expect_not_null(strstr(text, cell), "%s", ab_config_entries[key].key);
	}
}
