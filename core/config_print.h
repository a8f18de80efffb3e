/* core/config_print.h — settings and their problems, written for people, for .env readers and as JSON.
 *
 * Threads: main. Memory: none kept. Secrets are masked in all of it.
 */
#pragma once

#include "core/config.h"

/* One object; a change that would break a reader of it raises this. */
#define AB_CONFIG_JSON_VERSION 1

/* One line per problem of at least this severity, then what is not shown:
 *
 *     my.env:14: error: REDIS_PROT=6379: no such key: … Did you mean REDIS_PORT?
 */
void ab_config_print_problems(const struct ab_config_problems *problems, enum ab_config_severity least, FILE *to);

/* "3 errors, 1 warning, 2 notes" */
void ab_config_print_sum(const struct ab_config_problems *problems, FILE *to);

/* The problems and the memory bound as one JSON object. memory_bound: text; NULL when there is none. */
void ab_config_print_check_json(const struct ab_config_problems *problems, size_t memory_bound_bytes,
				const char *memory_bound, FILE *to);

/* What is in force, as the lines of an .env file; with origins these stand before each line, and a tab between. */
void ab_config_print_env(const struct ab_config *config, bool show_origin, FILE *to);
void ab_config_print_json(const struct ab_config *config, bool show_origin, FILE *to);

/* core/config_doc.c: .env.example, docs/CONFIGURATION.md, and the list of keys for a terminal, made from the table. */
void ab_config_doc_env(FILE *to);
void ab_config_doc_markdown(FILE *to);
void ab_config_doc_help(FILE *to);

/* KEY=VALUE in the quotes it needs. Returns false when no .env line can say it: nothing was written. */
bool ab_config_print_pair(const char *key, const char *value, FILE *to);

/* text within quotes, escaped. What is no UTF-8 becomes U+FFFD. */
void ab_config_print_json_text(const char *text, FILE *to);
