/* loadgen/web.h — one kept HTTP connection: a request, the whole answer.
 *
 * Threads: one per struct. Memory: grows to the largest answer, at most AB_WEB_ANSWER_MAX_BYTES.
 */
#pragma once

#include "core/base.h"

/* An answer about 1,000 documents has 100 KB; more than this is not one of ours. */
#define AB_WEB_ANSWER_MAX_BYTES (64u << 20)

#define AB_WEB_TIMEOUT_MS 5000

struct ab_web {
	void *curl;
	void *headers;
	char *answer; /* ends with a zero byte */
	size_t len, room;
	long status;
	char error[320];
};

/* user: "" for none; key: an API key, "" for none. */
void ab_web_open(struct ab_web *web, const char *user, const char *password, const char *key);
void ab_web_close(struct ab_web *web);

/* body NULL: GET, else POST of JSON. 1: there is an answer, whatever its status; 0: error says why there is none. */
int ab_web_ask(struct ab_web *web, const char *url, const char *body);
