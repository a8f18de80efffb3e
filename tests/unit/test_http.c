/* tests/unit/test_http.c — what servers answer, and what they should not. */
#include "io/http.h"

#include <criterion/criterion.h>

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

struct outcome {
	enum ab_http_result result;
	size_t used;
	struct ab_http_reply reply;
};

/* Every way of cutting the answer in two, and byte by byte, must come to the same. */
static enum ab_http_result feed_cut(struct ab_http_reply *reply, const char *bytes, size_t len, size_t step,
				    size_t *used)
{
	enum ab_http_result result = AB_HTTP_MORE;

	*used = 0;
	for (size_t at = 0; at < len && result == AB_HTTP_MORE; at += step) {
		size_t n, give = len - at < step ? len - at : step;
		result = ab_http_reply_feed(reply, bytes + at, give, &n);
		*used += n;
	}
	return result;
}

static struct outcome read_answer(const char *answer, char *body, size_t body_max)
{
	size_t len = strlen(answer);
	struct outcome whole;
	char other_body[4096];

	ab_http_reply_begin(&whole.reply, body, body_max);
	whole.result = ab_http_reply_feed(&whole.reply, answer, len, &whole.used);
	for (size_t step = 1; step < len; step++) {
		struct ab_http_reply reply;
		size_t used;
		ab_http_reply_begin(&reply, other_body, body_max);
		cr_expect_eq(feed_cut(&reply, answer, len, step, &used), whole.result, "in steps of %zu", step);
		if (whole.result > AB_HTTP_DONE)
			continue;
		cr_expect_eq(used, whole.used);
		cr_expect_eq(reply.status, whole.reply.status);
		cr_expect_eq(reply.body_len, whole.reply.body_len);
		cr_expect_eq(memcmp(other_body, body, reply.body_len), 0);
	}
	return whole;
}

static char body[4096];

static void expect_result(const char *answer, enum ab_http_result result)
{
	cr_expect_eq(read_answer(answer, body, sizeof body).result, result, "%s", answer);
}

Test(http, takes_a_body_of_the_announced_length_and_no_byte_more)
{
	struct outcome o = read_answer(OK "Content-Type: text/plain\r\ncontent-LENGTH:  5 \r\n\r\nhelloHTTP",
				       body, sizeof body);

	cr_expect_eq(o.result, AB_HTTP_DONE);
	cr_expect_eq(o.reply.status, 200);
	cr_expect_not(o.reply.close);
	cr_expect_eq(o.reply.body_len, 5);
	cr_expect_eq(memcmp(body, "hello", 5), 0);
	cr_expect_eq(o.used, strlen(OK "Content-Type: text/plain\r\ncontent-LENGTH:  5 \r\n\r\nhello"));
}

Test(http, joins_chunks_and_passes_over_extensions_and_trailers)
{
	struct outcome o = read_answer(CHUNKED
				       "5\r\nhello\r\n6;name=\"value\"\r\n world\r\n"
				       "00A \r\n0123456789\r\n0\r\nX: y\r\n\r\nrest",
				       body, sizeof body);

	cr_expect_eq(o.result, AB_HTTP_DONE);
	cr_expect_eq(o.reply.body_len, 21);
	cr_expect_eq(memcmp(body, "hello world0123456789", 21), 0);
}

Test(http, an_answer_without_a_length_lasts_until_the_peer_closes)
{
	struct outcome o = read_answer(OK "\r\nhello", body, sizeof body);

	cr_expect_eq(o.result, AB_HTTP_MORE);
	cr_expect(o.reply.close);
	cr_expect_eq(ab_http_reply_eof(&o.reply), AB_HTTP_DONE);
	cr_expect_eq(o.reply.body_len, 5);
}

Test(http, an_answer_that_was_cut_is_invalid)
{
	const char *cut[] = {"", OK, OK "Content-Length: 5\r\n\r\nhell",
			     CHUNKED "5\r\nhello\r\n0\r\n"};

	for (size_t i = 0; i < AB_COUNT(cut); i++) {
		struct outcome o = read_answer(cut[i], body, sizeof body);
		cr_expect_eq(o.result, AB_HTTP_MORE);
		cr_expect_eq(ab_http_reply_eof(&o.reply), AB_HTTP_INVALID, "%s", cut[i]);
	}
}

Test(http, announcements_come_before_the_answer)
{
	struct outcome o = read_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n"
				       "Connection: close\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
				       body, sizeof body);

	cr_expect_eq(o.result, AB_HTTP_DONE);
	cr_expect_eq(o.reply.status, 201);
	cr_expect_not(o.reply.close);
	cr_expect_eq(o.reply.body_len, 2);
}

Test(http, some_answers_have_no_body_whatever_they_announce)
{
	struct outcome o = read_answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\nHTTP/1.1", body,
				       sizeof body);

	cr_expect_eq(o.result, AB_HTTP_DONE);
	cr_expect_eq(o.reply.body_len, 0);
	expect_result("HTTP/1.1 204 No Content\r\n\r\n", AB_HTTP_DONE);
	expect_result(OK "Content-Length: 0\r\n\r\n", AB_HTTP_DONE);
}

Test(http, says_when_to_come_back_and_whether_the_connection_stays)
{
	struct outcome o = read_answer("HTTP/1.1 503 \r\nRetry-After: 120\r\nConnection: x, Close ,y\r\n"
				       "Content-Length: 0\r\n\r\n",
				       body, sizeof body);

	cr_expect_eq(o.result, AB_HTTP_DONE);
	cr_expect_eq(o.reply.retry_after_s, 120);
	cr_expect(o.reply.close);
	o = read_answer("HTTP/1.1 429\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nConnection: keep-alive\r\n"
			"Content-Length: 0\r\n\r\n", body, sizeof body);
	cr_expect_eq(o.result, AB_HTTP_DONE);
	cr_expect_eq(o.reply.retry_after_s, 0);
	cr_expect_not(o.reply.close);
	o = read_answer("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", body, sizeof body);
	cr_expect(o.reply.close);
}

Test(http, two_equal_lengths_are_one_and_two_different_are_none)
{
	expect_result(OK "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", AB_HTTP_DONE);
	expect_result(OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", AB_HTTP_INVALID);
}

Test(http, refuses_what_two_readers_could_read_differently)
{
	const char *refused[] = {
		OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		OK "Content-Length: +5\r\n\r\n",
		OK "Content-Length: -5\r\n\r\n",
		OK "Content-Length: 5, 5\r\n\r\n",
		OK "Content-Length: 0x5\r\n\r\n",
		OK "Content-Length:\r\n\r\n",
		OK "Content-Length: 18446744073709551616\r\n\r\n",
		OK "Content-Length : 5\r\n\r\n",
		OK "X: a\r\n folded\r\n\r\n",
		OK ": no name\r\n\r\n",
		OK "no colon\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		OK "X: a\rb\r\n\r\n",
		OK "X: a\001b\r\n\r\n",
		CHUNKED "5\r\nhello!\r\n0\r\n\r\n",
		CHUNKED "\r\n",
		CHUNKED "g\r\n",
		CHUNKED "5 5\r\n",
		CHUNKED "10000000000000000\r\n",
	};

	for (size_t i = 0; i < AB_COUNT(refused); i++)
		expect_result(refused[i], AB_HTTP_INVALID);
}

Test(http, refuses_what_is_not_http_1)
{
	const char *refused[] = {"+OK\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n",
				 "HTTP/1.1 099 x\r\n", "HTTP/1.1 600 x\r\n", "HTTP/1.1  200 OK\r\n",
				 "\r\nHTTP/1.1 200 OK\r\n",
				 "HTTP/1.1 101 Switching Protocols\r\n\r\n", "<!DOCTYPE html>\r\n"};

	for (size_t i = 0; i < AB_COUNT(refused); i++)
		expect_result(refused[i], AB_HTTP_INVALID);
}

Test(http, a_body_above_its_bound_is_too_large_before_it_is_copied)
{
	char small[4 + 1] = {0, 0, 0, 0, 'z'};

	cr_expect_eq(read_answer(OK "Content-Length: 4\r\n\r\nfour", small, 4).result, AB_HTTP_DONE);
	cr_expect_eq(read_answer(OK "Content-Length: 5\r\n\r\n", small, 4).result, AB_HTTP_TOO_LARGE);
	cr_expect_eq(read_answer(OK "\r\nhello", small, 4).result, AB_HTTP_TOO_LARGE);
	cr_expect_eq(read_answer(CHUNKED "3\r\nabc\r\n2\r\n", small, 4).result,
		     AB_HTTP_TOO_LARGE);
	cr_expect_eq(read_answer(CHUNKED "ffffffffffffffff\r\n", small, 4).result,
		     AB_HTTP_TOO_LARGE);
	cr_expect_eq(small[4], 'z');
}

static enum ab_http_result feed_padded(const char *before, size_t padding, const char *after)
{
	struct ab_http_reply reply;
	char *answer = malloc(strlen(before) + padding + strlen(after) + 1);
	size_t used, len = strlen(before);

	strcpy(answer, before);
	memset(answer + len, 'a', padding);
	strcpy(answer + len + padding, after);
	ab_http_reply_begin(&reply, body, sizeof body);
	enum ab_http_result result = ab_http_reply_feed(&reply, answer, len + padding + strlen(after), &used);
	free(answer);
	return result;
}

Test(http, a_head_has_a_bound_and_long_lines_within_it_are_fine)
{
	const char *start = OK "Warning: ", *end = "\r\nContent-Length: 0\r\n\r\n";
	size_t rest = strlen(start) + strlen(end);

	cr_expect_eq(feed_padded(start, AB_HTTP_LINE_MAX_BYTES * 2, end), AB_HTTP_DONE);
	cr_expect_eq(feed_padded(start, AB_HTTP_HEAD_MAX_BYTES - rest, end), AB_HTTP_DONE);
	cr_expect_eq(feed_padded(start, AB_HTTP_HEAD_MAX_BYTES - rest + 1, end), AB_HTTP_TOO_LARGE);
	cr_expect_eq(feed_padded("HTTP/1.1 200 ", AB_HTTP_LINE_MAX_BYTES * 2, end), AB_HTTP_DONE);
	cr_expect_eq(feed_padded(OK "Connection: ", AB_HTTP_LINE_MAX_BYTES, end), AB_HTTP_TOO_LARGE);
	cr_expect_eq(feed_padded(CHUNKED "1;", AB_HTTP_LINE_MAX_BYTES, "\r\n"),
		     AB_HTTP_TOO_LARGE);
	cr_expect_eq(feed_padded(CHUNKED "0\r\nX: ", AB_HTTP_HEAD_MAX_BYTES, ""),
		     AB_HTTP_TOO_LARGE);
}

Test(http, stays_with_its_verdict)
{
	struct ab_http_reply reply;
	size_t used;

	ab_http_reply_begin(&reply, body, sizeof body);
	cr_expect_eq(ab_http_reply_feed(&reply, "x\r\n", 3, &used), AB_HTTP_INVALID);
	cr_expect_eq(ab_http_reply_feed(&reply, "HTTP/1.1 204 x\r\n\r\n", 18, &used), AB_HTTP_INVALID);
	cr_expect_eq(used, 0);
	cr_expect_eq(ab_http_reply_eof(&reply), AB_HTTP_INVALID);
	ab_http_reply_begin(&reply, body, sizeof body);
	cr_expect_eq(ab_http_reply_feed(&reply, "HTTP/1.1 204 x\r\n\r\n", 18, &used), AB_HTTP_DONE);
	cr_expect_eq(ab_http_reply_feed(&reply, "H", 1, &used), AB_HTTP_DONE);
	cr_expect_eq(used, 0);
	cr_expect_eq(ab_http_reply_eof(&reply), AB_HTTP_DONE);
}
