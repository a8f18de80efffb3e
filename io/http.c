/* io/http.c — see http.h. Lines are collected whole and then judged; bodies are copied as they come. */
#include "io/http.h"

#include <strings.h>

enum state {
	STATUS_LINE,
	HEADER,
	BODY_LENGTH,		/* left bytes */
	BODY_UNTIL_CLOSE,
	CHUNK_SIZE,
	CHUNK_DATA,		/* left bytes */
	CHUNK_END,		/* the empty line after a chunk */
	TRAILER,
	DONE,
	INVALID,
	TOO_LARGE,
};

void ab_http_reply_begin(struct ab_http_reply *reply, char *body, size_t body_max)
{
	reply->body = body;
	reply->body_max = body_max;
	reply->body_len = 0;
	reply->status = 0;
	reply->close = false;
	reply->retry_after_s = 0;
	reply->state = STATUS_LINE;
	reply->chunked = reply->has_length = reply->after_cr = false;
	reply->left = 0;
	reply->head_bytes = reply->line_len = 0;
}

static enum ab_http_result verdict(const struct ab_http_reply *reply)
{
	switch (reply->state) {
	case DONE:
		return AB_HTTP_DONE;
	case INVALID:
		return AB_HTTP_INVALID;
	case TOO_LARGE:
		return AB_HTTP_TOO_LARGE;
	default:
		return AB_HTTP_MORE;
	}
}

/* Lines */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2 */
static bool is_token(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool same(struct ab_text text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

static struct ab_text trimmed(const char *at, size_t len)
{
	while (len > 0 && (at[0] == ' ' || at[0] == '\t'))
		at++, len--;
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	return (struct ab_text){at, (uint32_t)len};
}

/* False: not a number, or above limit. */
static bool number(struct ab_text text, uint64_t limit, uint64_t *value)
{
	*value = 0;
	for (uint32_t i = 0; i < text.len; i++) {
		if (!is_digit(text.at[i]))
			return false;
		uint64_t digit = (uint64_t)(text.at[i] - '0');
		if (*value > (limit - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return text.len > 0;
}

/* RFC 9112, 4. The reason may be missing, and some servers leave out the space before it then. */
static int status_line(struct ab_http_reply *reply, struct ab_text line)
{
	if (line.len < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 || !is_digit(line.at[7]) || line.at[8] != ' ')
		return INVALID;
	if (!is_digit(line.at[9]) || !is_digit(line.at[10]) || !is_digit(line.at[11]))
		return INVALID;
	if (line.len > 12 && line.at[12] != ' ')
		return INVALID;
	reply->status = (line.at[9] - '0') * 100 + (line.at[10] - '0') * 10 + (line.at[11] - '0');
	if (reply->status < 100 || reply->status > 599 || reply->status == 101)
		return INVALID;		/* 101: nobody asked for another protocol */
	reply->close = line.at[7] == '0';
	return HEADER;
}

static int content_length(struct ab_http_reply *reply, struct ab_text value)
{
	uint64_t length;

	if (!number(value, UINT64_MAX, &length))
		return INVALID;
	if (reply->chunked || (reply->has_length && reply->left != length))
		return INVALID;
	reply->has_length = true;
	reply->left = length;
	return HEADER;
}

static int transfer_encoding(struct ab_http_reply *reply, struct ab_text value)
{
	if (reply->has_length || reply->chunked || !same(value, "chunked"))
		return INVALID;
	reply->chunked = true;
	return HEADER;
}

static int connection(struct ab_http_reply *reply, struct ab_text value)
{
	while (value.len > 0) {
		const char *comma = memchr(value.at, ',', value.len);
		size_t len = comma != NULL ? (size_t)(comma - value.at) : value.len;
		if (same(trimmed(value.at, len), "close"))
			reply->close = true;
		len += comma != NULL;
		value.at += len;
		value.len -= (uint32_t)len;
	}
	return HEADER;
}

/* A date is left out: the caller has a backoff of its own. */
static int retry_after(struct ab_http_reply *reply, struct ab_text value)
{
	uint64_t seconds;

	if (number(value, UINT32_MAX, &seconds))
		reply->retry_after_s = (uint32_t)seconds;
	return HEADER;
}

static int header(struct ab_http_reply *reply, struct ab_text line, bool whole)
{
	static const struct {
		const char *name;
		int (*take)(struct ab_http_reply *reply, struct ab_text value);
	} known[] = {
		{"content-length", content_length},
		{"transfer-encoding", transfer_encoding},
		{"connection", connection},
		{"retry-after", retry_after},
	};
	uint32_t name = 0;

	while (name < line.len && is_token(line.at[name]))
		name++;
	/* Folding begins with a space, and a space before the colon is as bad: RFC 9112, 5.1 and 5.2. */
	if (name == 0 || name == line.len || line.at[name] != ':')
		return INVALID;
	for (size_t i = 0; i < AB_COUNT(known); i++) {
		if (!same((struct ab_text){line.at, name}, known[i].name))
			continue;
		if (!whole)
			return TOO_LARGE;
		return known[i].take(reply, trimmed(line.at + name + 1, line.len - name - 1));
	}
	return HEADER;
}

/* RFC 9112, 6.3: how long the body is. */
static int head_end(struct ab_http_reply *reply)
{
	if (reply->status < 200) {
		/* Only an announcement: the answer follows. */
		reply->status = 0;
		reply->close = reply->chunked = reply->has_length = false;
		reply->retry_after_s = 0;
		reply->left = 0;
		return STATUS_LINE;
	}
	if (reply->status == 204 || reply->status == 304)
		return DONE;
	if (reply->chunked)
		return CHUNK_SIZE;
	if (!reply->has_length) {
		reply->close = true;
		return BODY_UNTIL_CLOSE;
	}
	if (reply->left > reply->body_max)
		return TOO_LARGE;
	return reply->left > 0 ? BODY_LENGTH : DONE;
}

/* RFC 9112, 7.1: hexadecimal, then perhaps extensions, which we have no use for. */
static int chunk_size(struct ab_http_reply *reply, struct ab_text line)
{
	uint64_t size = 0;
	uint32_t i = 0;

	for (; i < line.len; i++) {
		char c = line.at[i];
		uint64_t digit;
		if (is_digit(c))
			digit = (uint64_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (uint64_t)((c | 0x20) - 'a' + 10);
		else
			break;
		if (size >> 60 != 0)
			return INVALID;
		size = size << 4 | digit;
	}
	struct ab_text rest = trimmed(line.at + i, line.len - i);
	if (i == 0 || (rest.len > 0 && rest.at[0] != ';'))
		return INVALID;
	if (size > reply->body_max - reply->body_len)
		return TOO_LARGE;
	reply->left = size;
	return size > 0 ? CHUNK_DATA : TRAILER;
}

static int line_complete(struct ab_http_reply *reply)
{
	bool whole = reply->line_len <= AB_HTTP_LINE_MAX_BYTES;
	struct ab_text line = {reply->line, whole ? reply->line_len : AB_HTTP_LINE_MAX_BYTES};

	reply->line_len = 0;
	switch (reply->state) {
	case STATUS_LINE:
		return status_line(reply, line);
	case HEADER:
		return line.len == 0 ? head_end(reply) : header(reply, line, whole);
	case CHUNK_SIZE:
		return whole ? chunk_size(reply, line) : TOO_LARGE;
	case CHUNK_END:
		return line.len == 0 ? CHUNK_SIZE : INVALID;
	default:
		return line.len == 0 ? DONE : TRAILER;
	}
}

/* One byte of a line. */
static void line_byte(struct ab_http_reply *reply, char c)
{
	bool of_head = reply->state == STATUS_LINE || reply->state == HEADER || reply->state == TRAILER;

	if (of_head && ++reply->head_bytes > AB_HTTP_HEAD_MAX_BYTES) {
		reply->state = TOO_LARGE;
	} else if (reply->after_cr) {
		reply->after_cr = false;
		reply->state = c == '\n' ? line_complete(reply) : INVALID;
	} else if (c == '\r') {
		reply->after_cr = true;
	} else if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f) {
		reply->state = INVALID;
	} else {
		if (reply->line_len < AB_HTTP_LINE_MAX_BYTES)
			reply->line[reply->line_len] = c;
		else if (!of_head)
			reply->state = TOO_LARGE;	/* chunk extensions have no bound of their own */
		reply->line_len++;
	}
}

/* Bodies */

static size_t take_body(struct ab_http_reply *reply, const char *bytes, size_t len)
{
	if (reply->state != BODY_UNTIL_CLOSE && len > reply->left)
		len = (size_t)reply->left;
	if (len > reply->body_max - reply->body_len) {
		reply->state = TOO_LARGE;	/* only without a length: the others were judged by theirs */
		return 0;
	}
	memcpy(reply->body + reply->body_len, bytes, len);
	reply->body_len += len;
	if (reply->state == BODY_UNTIL_CLOSE)
		return len;
	reply->left -= len;
	if (reply->left == 0)
		reply->state = reply->state == CHUNK_DATA ? CHUNK_END : DONE;
	return len;
}

enum ab_http_result ab_http_reply_feed(struct ab_http_reply *reply, const void *bytes, size_t len, size_t *used)
{
	const char *at = bytes;
	size_t i = 0;

	while (i < len && reply->state < DONE) {
		if (reply->state == BODY_LENGTH || reply->state == BODY_UNTIL_CLOSE || reply->state == CHUNK_DATA)
			i += take_body(reply, at + i, len - i);
		else
			line_byte(reply, at[i++]);
	}
	*used = i;
	return verdict(reply);
}

enum ab_http_result ab_http_reply_eof(struct ab_http_reply *reply)
{
	if (reply->state == BODY_UNTIL_CLOSE)
		reply->state = DONE;
	else if (reply->state < DONE)
		reply->state = INVALID;
	return verdict(reply);
}
