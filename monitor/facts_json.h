/* monitor/facts_json.h — the facts as one JSON object, for scripts and for the web page.
 *
 * Numbers that are not known are null; names carry their units. "schema_version" grows when a name goes or changes.
 *
 * Threads: any. Memory: the caller frees the text.
 */
#pragma once

#include "monitor/facts.h"

#define AB_FACTS_SCHEMA_VERSION 1

/* One line, without a newline. */
char *ab_facts_json(const struct ab_facts *facts);
