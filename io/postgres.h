/* io/postgres.h — the content table, read once at start. By libpq; blocking; control thread. */
#pragma once

#include <stdbool.h>

#include "core/config.h"

#define AB_POSTGRES_ERROR_MAX_BYTES 512

enum ab_postgres_result {
	AB_POSTGRES_OK,
	AB_POSTGRES_ABSENT,	/* cannot be reached or will not let us in: error says why */
	AB_POSTGRES_FAILED,	/* reached, but the table cannot be read */
};

/* Values are PostgreSQL's text form; length_seconds NULL when there is none. */
typedef void ab_postgres_row_fn(void *arg, const char *id, const char *content_type, const char *length_seconds);

enum ab_postgres_result ab_postgres_content_count(const struct ab_config *config, int64_t *count, char *error);
enum ab_postgres_result ab_postgres_contents(const struct ab_config *config, ab_postgres_row_fn *row, void *arg,
					     char *error);
