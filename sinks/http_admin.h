/* sinks/http_admin.h — one HTTP call that is no lane's: blocking, over a connection of its own, bounded in time and size.
 *
 * Threads: the courier (or init), one at a time per sink. ab_http_admin_start() once by the main thread, before there are others.
 * Memory:  libcurl allocates; nothing here is on the way of an event.
 * Limits:  answers up to AB_HTTP_ANSWER_MAX_BYTES. Proxies of the environment are not used: events do not go through
 *          them either.
 */
#pragma once

#include <jansson.h>

#include "core/base.h"
#include "sinks/sink.h"

/* The largest is an index template or a table with its schema: below 64 KiB. */
#define AB_HTTP_ANSWER_MAX_BYTES (1024 * 1024)

struct ab_http_admin {
	const char *name; /* of the sink, for words */
	const char *host;
	int port;
	const char *authorization; /* the header's value, or "" */
	long connect_timeout_ms, read_timeout_ms;
};

struct ab_http_answer {
	int status;
	char *body; /* terminated; ab_http_answer_free() */
	size_t len;
};

void ab_http_admin_start(void);

/* AB_SINK_OK: there is an answer, whatever its status. AB_SINK_ABSENT: there is none; error says why. body may be NULL. */
enum ab_sink_status ab_http_call(const struct ab_http_admin *admin, const char *method, const char *path,
				 const char *body, struct ab_http_answer *answer, char *error);

void ab_http_answer_free(struct ab_http_answer *answer);

/* The JSON object an answer of status 200 must hold. AB_SINK_ABSENT: it holds none, so whoever answers there is not what was
 * asked (a proxy's page, a server that is being put up); error says it. */
enum ab_sink_status ab_http_json(const struct ab_http_admin *admin, const char *what, const struct ab_http_answer *answer,
				 json_t **root, char *error);

/* What an answer that is not what was hoped for means to control, in words: ABSENT for 429 and 5xx, else REFUSED. */
enum ab_sink_status ab_http_refusal(const struct ab_http_admin *admin, const char *what,
				    const struct ab_http_answer *answer, char *error);
