/* monitor/http_server.h — a few text pages over HTTP, for metrics and health. By libmicrohttpd, in a thread of its own.
 *
 * Threads: start and stop from main; pages are rendered in the server's thread.
 * Limits:  loopback by default; 16 connections, 5 s each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ab_http_asked;

struct ab_http_page {
	const char *path;
	const char *content_type;
	/* Returns text on the heap. */
	char *(*render)(void *arg, const struct ab_http_asked *asked, size_t *len, int *http_status);
	void *arg;
	bool this_host_only;	/* it shows what rows hold: whoever asks from another host is refused (403) */
};

struct ab_http_server;

/* NULL with errno set. GET /healthz is answered always: the process lives. */
struct ab_http_server *ab_http_server_start(const char *host, int port, const struct ab_http_page *page,
					    int page_count);
void ab_http_server_stop(struct ab_http_server *server);

/* What stands behind ?name= in the request; NULL: nothing. Valid while the page is rendered. asked NULL: nothing. */
const char *ab_http_argument(const struct ab_http_asked *asked, const char *name);
