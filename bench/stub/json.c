/* bench/stub/json.c — see json.h. */
#include "bench/stub/json.h"

#include <emmintrin.h>
#include <string.h>

struct walk {
	const char *end;
	struct stub_pick *pick;
	int count;
	int depth;
};

const char *stub_json_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* The first byte that is not plain: a quote, a backslash, a control character, or the beginning of UTF-8. */
static const char *plain(const char *at, const char *end)
{
	while (end - at >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		/* Signed comparison: bytes from 0x80 on are negative, so "below 0x20" finds them too. */
		__m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
					       _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
							    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
		int mask = _mm_movemask_epi8(special);
		if (mask != 0)
			return at + __builtin_ctz((unsigned)mask);
		at += 16;
	}
	while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
		at++;
	return at;
}

static int is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *escape(const char *at, const char *end)
{
	if (end - at < 2)
		return NULL;
	if (at[1] != 'u')
		return strchr("\"\\/bfnrt", at[1]) != NULL && at[1] != '\0' ? at + 2 : NULL;
	if (end - at < 6)
		return NULL;
	for (int i = 2; i < 6; i++) {
		if (!is_hex(at[i]))
			return NULL;
	}
	return at + 6;
}

static const char *utf8(const char *at, const char *end)
{
	const unsigned char *b = (const unsigned char *)at;
	int len = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
	uint32_t code = b[0] & (0xffu >> (len + 1));

	if (b[0] < 0xc2 || b[0] > 0xf4 || end - at < len)
		return NULL;
	for (int i = 1; i < len; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return NULL;
		code = code << 6 | (b[i] & 0x3f);
	}
	if ((len == 3 && code < 0x800) || (len == 4 && (code < 0x10000 || code > 0x10ffff)) ||
	    (code >= 0xd800 && code <= 0xdfff))
		return NULL;
	return at + len;
}

/* at is behind the opening quote; returns the place of the closing one. */
static const char *string(const char *at, const char *end)
{
	for (;;) {
		at = plain(at, end);
		if (at >= end)
			return NULL;
		if (*at == '"')
			return at;
		if (*at == '\\')
			at = escape(at, end);
		else
			at = (unsigned char)*at >= 0x80 ? utf8(at, end) : NULL;
		if (at == NULL)
			return NULL;
	}
}

static const char *digits(const char *at, const char *end)
{
	const char *from = at;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at > from ? at : NULL;
}

static const char *number(const char *at, const char *end)
{
	at += *at == '-';
	if (at < end && *at == '0')
		at++;
	else if ((at = digits(at, end)) == NULL)
		return NULL;
	if (at < end && *at == '.' && (at = digits(at + 1, end)) == NULL)
		return NULL;
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		at = digits(at, end);
	}
	return at;
}

static const char *word(const char *at, const char *end, const char *what, size_t len)
{
	return (size_t)(end - at) >= len && memcmp(at, what, len) == 0 ? at + len : NULL;
}

static const char *value(struct walk *w, const char *at);

static struct stub_pick *wanted(const struct walk *w, const char *key, size_t len)
{
	for (int i = 0; i < w->count; i++) {
		if (w->pick[i].key_len == len && memcmp(w->pick[i].key, key, len) == 0)
			return &w->pick[i];
	}
	return NULL;
}

static const char *member(struct walk *w, const char *at)
{
	if (at >= w->end || *at != '"')
		return NULL;
	const char *key = at + 1;
	const char *quote = string(key, w->end);
	if (quote == NULL)
		return NULL;
	at = stub_json_blanks(quote + 1, w->end);
	if (at >= w->end || *at != ':')
		return NULL;
	at = stub_json_blanks(at + 1, w->end);
	struct stub_pick *pick = wanted(w, key, (size_t)(quote - key));
	const char *after = value(w, at);
	if (pick != NULL && after != NULL) {
		pick->at = at;
		pick->len = (size_t)(after - at);
	}
	return after;
}

/* An object or an array: at is behind its opening bracket. */
static const char *many(struct walk *w, const char *at, char close)
{
	if (++w->depth > STUB_JSON_DEPTH_MAX)
		return NULL;
	at = stub_json_blanks(at, w->end);
	if (at < w->end && *at == close) {
		w->depth--;
		return at + 1;
	}
	for (;;) {
		at = close == '}' ? member(w, at) : value(w, at);
		if (at == NULL)
			return NULL;
		at = stub_json_blanks(at, w->end);
		if (at >= w->end || (*at != ',' && *at != close))
			return NULL;
		if (*at == close) {
			w->depth--;
			return at + 1;
		}
		at = stub_json_blanks(at + 1, w->end);
	}
}

static const char *value(struct walk *w, const char *at)
{
	if (at >= w->end)
		return NULL;
	switch (*at) {
	case '"': {
		const char *quote = string(at + 1, w->end);
		return quote != NULL ? quote + 1 : NULL;
	}
	case '{': return many(w, at + 1, '}');
	case '[': return many(w, at + 1, ']');
	case 't': return word(at, w->end, "true", 4);
	case 'f': return word(at, w->end, "false", 5);
	case 'n': return word(at, w->end, "null", 4);
	default: return *at == '-' || (*at >= '0' && *at <= '9') ? number(at, w->end) : NULL;
	}
}

const char *stub_json_value(const char *at, const char *end, struct stub_pick *pick, int count)
{
	struct walk w = {end, pick, count, 0};

	for (int i = 0; i < count; i++)
		pick[i].at = NULL;
	return value(&w, stub_json_blanks(at, end));
}

int64_t stub_pick_number(const struct stub_pick *pick)
{
	const char *at = pick->at;
	int64_t n = 0;

	if (at == NULL)
		return -1;
	const char *end = at + pick->len;
	if (*at == '"') {
		at++;
		end--;
	}
	if (at >= end || end - at > 18)
		return -1;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return -1;
		n = n * 10 + (*at - '0');
	}
	return n;
}
