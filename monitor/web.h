/* monitor/web.h — the live page: static files, and the facts as a stream of events (SSE). By libmicrohttpd.
 *
 *     main ── ab_web_publish(facts as JSON) ──mutex, condition──▶ a thread per viewer ──▶ "data: {…}\n\n"
 *
 * Nothing is loaded from elsewhere, and the page may not: Content-Security-Policy says so. There is no login; it listens on
 * loopback unless told otherwise, and it only shows.
 *
 * Threads: start, publish, stop from main; viewers have threads of their own.
 * Limits:  AB_WEB_VIEWERS_MAX at once; a further one is refused by the server.
 * Source:  HTML standard, 9.2 Server-sent events; CSP level 3.
 */
#pragma once

#include "core/base.h"

#define AB_WEB_VIEWERS_MAX 32

struct ab_web;

/* NULL with errno set. */
struct ab_web *ab_web_start(const char *host, int port);
/* Gives viewers a new message. json: one line; copied. */
void ab_web_publish(struct ab_web *web, const char *json);
/* Ends all streams and waits for them. */
void ab_web_stop(struct ab_web *web);
