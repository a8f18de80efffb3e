/* io/http.h — an HTTP/1.1 answer, read as it comes: no socket, no allocation.
 *
 * RFC 9112. Understood: status line, Content-Length, Transfer-Encoding: chunked, Connection: close, 1xx, 204 and 304.
 * Refused: two different lengths, a length and chunked, any other encoding, headers above AB_HTTP_HEAD_MAX_BYTES,
 * obsolete folding, lines that end without CR, HTTP/2. HTTP/1.0 always closes. How the bytes are cut into calls makes
 * no difference.
 *
 * Threads: any; one struct ab_http_reply per connection.
 * Memory:  the body is copied into the caller's buffer as it comes; a body larger than it is AB_HTTP_TOO_LARGE.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

#define AB_HTTP_HEAD_MAX_BYTES (16 * 1024)	/* Elasticsearch and BigQuery send below 1 KiB */
#define AB_HTTP_LINE_MAX_BYTES 1024		/* kept of a line; what we understand is shorter */

enum ab_http_result {
	AB_HTTP_MORE,		/* not complete */
	AB_HTTP_DONE,		/* status, body and body_len are final */
	AB_HTTP_INVALID,	/* not an HTTP answer: close the connection */
	AB_HTTP_TOO_LARGE,	/* head or body above its bound: close the connection */
};

struct ab_http_reply {
	/* out */
	int status;
	bool close;			/* the server will close: reconnect after this answer */
	uint32_t retry_after_s;		/* Retry-After in seconds, 0: none */
	char *body;			/* the caller's buffer */
	size_t body_len;
	size_t body_max;
	/* inside */
	int state;
	bool chunked, has_length, after_cr;
	uint64_t left;
	uint32_t head_bytes, line_len;
	char line[AB_HTTP_LINE_MAX_BYTES];
};

/* Begins a new answer into the caller's buffer. */
void ab_http_reply_begin(struct ab_http_reply *reply, char *body, size_t body_max);

/* Takes bytes; *used says how many belong to this answer. */
enum ab_http_result ab_http_reply_feed(struct ab_http_reply *reply, const void *bytes, size_t len, size_t *used);

/* The peer closed: DONE when the answer was one that ends so, INVALID when it was cut. */
enum ab_http_result ab_http_reply_eof(struct ab_http_reply *reply);
