/* verify/http.h — JSON over HTTP, one connection kept: what Elasticsearch and BigQuery are read by.
 *
 * Threads: one. Memory: an answer and its JSON; pages are asked for in sizes that keep both in tens of megabytes.
 */
#pragma once

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>

#include "core/base.h"

struct ab_verify_http {
	CURL *curl;
	struct curl_slist *headers;
	char base[320];			/* http://host:port */
	char *body;
	size_t len, room;
	char error[1024];
	long status;
};

void ab_verify_http_open(struct ab_verify_http *http, const char *host, int port, long connect_ms, long read_ms);
void ab_verify_http_header(struct ab_verify_http *http, const char *name, const char *value);
void ab_verify_http_close(struct ab_verify_http *http);

/* The answer's JSON, the caller's; NULL: http->error says why. status is set when there was an answer. body: taken;
 * NULL for none. */
json_t *ab_verify_http_call(struct ab_verify_http *http, const char *method, const char *path, json_t *body);
