/* tests/fuzz/fuzz_config.c — any bytes as an .env file: no crash, each mistake in words, and what was taken reads back.
 *
 * Lines that name files (KEY_FILE) or make librdkafka load code (plugin.library.paths) are left out: the fuzzer would
 * look for paths of this machine.
 */
#include <string.h>

#include "core/config_print.h"
#include "core/config_report.h"

static struct ab_config config, again;
static struct ab_config_problems problems;

static enum ab_config_result load(struct ab_config *to, const char *text, size_t len)
{
	const struct ab_config_sources sources = {.file = "fuzz.env", .text = text, .text_len = len};

	return ab_config_load(to, &sources, &problems);
}

static int names_files(const uint8_t *bytes, size_t len)
{
	return memmem(bytes, len, "_FILE", 5) != NULL || memmem(bytes, len, "PLUGIN", 6) != NULL ||
	       memmem(bytes, len, "plugin", 6) != NULL || memmem(bytes, len, "SSL", 3) != NULL;
}

static void check_problems(void)
{
	AB_ASSERT(problems.errors + problems.warnings + problems.notes >= problems.count);
	for (int i = 0; i < problems.count; i++) {
		const struct ab_config_problem *problem = &problems.problem[i];
		AB_ASSERT(problem->reason[0] != '\0');
		AB_ASSERT(memchr(problem->value, '\0', sizeof problem->value) != NULL);
		AB_ASSERT(memchr(problem->key, '\0', sizeof problem->key) != NULL);
	}
}

static void check_reads_back(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	AB_ASSERT(to != NULL);
	ab_config_print_env(&config, false, to);
	AB_ASSERT(fclose(to) == 0);
	AB_ASSERT(load(&again, text, len) == AB_CONFIG_OK);
	for (int key = 0; key < AB_CONFIG_KEYS; key++) {
		char one[AB_CONFIG_VALUE_MAX_BYTES], two[AB_CONFIG_VALUE_MAX_BYTES];
		ab_config_value_text(&config, (enum ab_config_key)key, one);
		ab_config_value_text(&again, (enum ab_config_key)key, two);
		AB_ASSERT(ab_config_is_secret(&ab_config_entries[key]) || strcmp(one, two) == 0);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	FILE *nowhere = fopen("/dev/null", "w");
	enum ab_config_result result;

	AB_ASSERT(nowhere != NULL);
	if (!names_files(bytes, len)) {
		result = load(&config, (const char *)bytes, len);
		AB_ASSERT((result == AB_CONFIG_OK) == (problems.errors == 0));
		check_problems();
		ab_config_print_problems(&problems, AB_CONFIG_NOTE, nowhere);
		ab_config_print_check_json(&problems, 0, NULL, nowhere);
		if (result == AB_CONFIG_OK)
			check_reads_back();
	}
	fclose(nowhere);
	return 0;
}
