/* bench/stub/http.c — requests with Content-Length over kept connections, and who answers them. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/stub/stub.h"

#define HEAD_MAX_BYTES 8192

void stub_answer(struct stub_conn *conn, int status, const char *body, size_t len)
{
	stub_print(&conn->out,
		   "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nX-elastic-product: Elasticsearch\r\n"
		   "content-length: %zu\r\n\r\n",
		   status, status < 300 ? "OK" : "Error", len);
	stub_put(&conn->out, body, len);
}

static size_t content_length(const char *head, size_t len)
{
	static const char name[] = "content-length:";

	for (const char *at = head; at != NULL; at = memchr(at, '\n', (size_t)(head + len - at))) {
		at += *at == '\n';
		if ((size_t)(head + len - at) > sizeof name && strncasecmp(at, name, sizeof name - 1) == 0)
			return strtoul(at + sizeof name - 1, NULL, 10);
	}
	return 0;
}

size_t stub_http(struct stub *stub, struct stub_conn *conn, const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len < HEAD_MAX_BYTES ? len : HEAD_MAX_BYTES, "\r\n\r\n", 4);
	static const char more[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (end == NULL) {
		if (len >= HEAD_MAX_BYTES) {
			stub_bad(stub, "http: a head without end: %.40s", bytes);
			return len;
		}
		return 0;
	}
	size_t head_len = (size_t)(end + 4 - bytes), body_len = content_length(bytes, head_len);
	if (len < head_len + body_len) {
		if (conn->need <= head_len && memmem(bytes, head_len, "100-continue", 12) != NULL)
			stub_put(&conn->out, more, sizeof more - 1);
		conn->need = head_len + body_len;
		return 0;
	}
	const char *line_end = memchr(bytes, '\r', head_len);
	struct stub_request request = {bytes, (size_t)(line_end - bytes), bytes + head_len, body_len};
	if (conn->protocol == STUB_ELASTICSEARCH)
		stub_elasticsearch(stub, conn, &request);
	else if (conn->protocol == STUB_BIGQUERY)
		stub_bigquery(stub, conn, &request);
	else
		stub_control(stub, conn, &request);
	return head_len + body_len;
}
