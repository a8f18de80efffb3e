/* loadgen/output.h — a result as text, as results.json, and as a page.
 *
 * Threads: one, after all others have ended.
 */
#pragma once

#include <jansson.h>

#include "loadgen/result.h"

/* Of results.json: a reader that knows this number knows every field. */
#define AB_RESULTS_SCHEMA_VERSION 1

/* Writes the files into --out, then the text to stdout. 0: a file could not be written, which has been said. */
int ab_output_all(const struct ab_result *result);

/* What was measured for a threshold: "5350 ms", "12.30 %", "never". */
#define AB_OUTPUT_VALUE_BYTES 16
void ab_output_value(const struct ab_threshold_result *t, char to[AB_OUTPUT_VALUE_BYTES]);

void ab_output_text(FILE *to, const struct ab_result *result, const char *page);

json_t *ab_output_json(const struct ab_result *result);

/* The page with the results in it; baseline may be NULL. 0: this build has no page (no Node when it was configured), or
 * it could not be written: errno is then not 0. */
int ab_output_page(const char *path, json_t *results, json_t *baseline);
