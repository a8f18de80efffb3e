/* tests/fuzz/fuzz_http.c — an answer means the same however it is cut.
 *
 * The first byte seeds where the cuts are, the second bounds the body, the rest is the answer.
 */
#include "io/http.h"

#define BODY_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static enum ab_http_result feed_cut(struct ab_http_reply *reply, const uint8_t *bytes, size_t len, uint32_t seed,
				    size_t *used)
{
	enum ab_http_result result = AB_HTTP_MORE;
	size_t at = 0;

	*used = 0;
	while (at < len && result == AB_HTTP_MORE) {
		seed = seed * 1664525 + 1013904223;
		size_t n, give = (seed >> 24) % 17;
		if (give > len - at)
			give = len - at;
		/* A copy of its own, so that a byte read beyond it is seen. */
		uint8_t *piece = malloc(give ? give : 1);
		AB_ASSERT(piece != NULL);
		memcpy(piece, bytes + at, give);
		result = ab_http_reply_feed(reply, piece, give, &n);
		free(piece);
		AB_ASSERT(n <= give && (result != AB_HTTP_MORE || n == give));
		*used += n;
		at += give;
	}
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct ab_http_reply whole, cut;
	size_t used, cut_used;

	if (len < 2)
		return 0;
	uint32_t seed = bytes[0];
	size_t body_max = (size_t)bytes[1] * 2;
	char *body = malloc(body_max ? body_max : 1), *cut_body = malloc(body_max ? body_max : 1);
	AB_ASSERT(body != NULL && cut_body != NULL && body_max <= BODY_MAX);
	bytes += 2;
	len -= 2;

	ab_http_reply_begin(&whole, body, body_max);
	ab_http_reply_begin(&cut, cut_body, body_max);
	enum ab_http_result result = ab_http_reply_feed(&whole, bytes, len, &used);
	AB_ASSERT(used <= len && (result != AB_HTTP_MORE || used == len));
	AB_ASSERT(feed_cut(&cut, bytes, len, seed, &cut_used) == result);
	if (result == AB_HTTP_MORE || result == AB_HTTP_DONE) {
		AB_ASSERT(cut_used == used && cut.status == whole.status && cut.close == whole.close);
		AB_ASSERT(cut.retry_after_s == whole.retry_after_s && cut.body_len == whole.body_len);
		AB_ASSERT(whole.body_len <= body_max && memcmp(body, cut_body, whole.body_len) == 0);
	}
	if (result == AB_HTTP_DONE)
		AB_ASSERT(whole.status >= 200 && whole.status <= 599);
	AB_ASSERT(ab_http_reply_eof(&whole) == ab_http_reply_eof(&cut));
	free(body);
	free(cut_body);
	return 0;
}
