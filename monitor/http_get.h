/* monitor/http_get.h — one page of a neighbour by GET, over a connection of its own, by libcurl.
 *
 * Threads: any. Memory: the caller's; libcurl allocates for the length of a call. Limits: 1.5 s.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define AB_HTTP_ERROR_MAX_BYTES 200 /* AB_WATCH_ERROR_MAX_BYTES takes it */

struct ab_http_got {
	char *at;		/* terminated */
	size_t len, room;
	bool too_long;		/* room bytes were not enough */
};

/* Proxies of the environment are not used. Returns the HTTP status, or 0 with *error: there is no answer. */
long ab_http_get(const char *host, int port, const char *path, struct ab_http_got *to, char *error);
