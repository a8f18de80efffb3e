/* core/token.c — see token.h. */
#include "core/token.h"

#include <string.h>

#include "core/digits.h"

/* The four hexadecimal digits of a \u escape, or -1. */
static int hex4(const char *at, const char *end)
{
	int value = 0;
	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = at[i], letter = (char)(c | 32);
		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if (letter >= 'a' && letter <= 'f')
			value = value * 16 + (letter - 'a' + 10);
		else
			return -1;
	}
	return value;
}

static bool is_low_surrogate(int code)
{
	return code >= 0xDC00 && code <= 0xDFFF;
}

static bool is_high_surrogate(int code)
{
	return code >= 0xD800 && code <= 0xDBFF;
}

/* Reads one escape at *at (a backslash) and moves behind it. The code point, or -1. */
static int32_t read_escape(const char **at, const char *end)
{
	static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *p = *at;
	if (end - p < 2)
		return -1;
	if (p[1] != 'u') {
		const char *name = memchr(names, p[1], sizeof names - 1);
		*at = p + 2;
		return name != NULL ? meanings[name - names] : -1;
	}
	int code = hex4(p + 2, end);
	*at = p + 6;
	if (code < 0 || is_low_surrogate(code))
		return -1;
	if (!is_high_surrogate(code))
		return code;
	int low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
	*at = p + 12;
	return is_low_surrogate(low) ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : -1;
}

bool ab_token_escapes_valid(struct ab_text token)
{
	AB_ASSERT(token.len >= 2);
	const char *end = token.at + token.len - 1;
	for (const char *at = token.at + 1; (at = memchr(at, '\\', (size_t)(end - at))) != NULL;)
		if (read_escape(&at, end) < 0)
			return false;
	return true;
}

static const char *skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

bool ab_token_number_valid(struct ab_text token)
{
	const char *at = token.at, *end = at + token.len;
	if (at < end && *at == '-')
		at++;
	const char *from = at;
	at = skip_digits(at, end);
	if (at == from || (*from == '0' && at - from > 1))
		return false;
	if (at < end && *at == '.') {
		from = at + 1;
		at = skip_digits(from, end);
		if (at == from)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		from = at;
		at = skip_digits(from, end);
		if (at == from)
			return false;
	}
	return at == end;
}

/* A number of at most nineteen digits, eight at a time from its end. */
static inline bool take_natural(const char *at, size_t count, uint64_t *value)
{
	uint64_t low = ab_digits_word(at + (count > 8 ? count - 8 : 0), count > 8 ? 8 : count), middle, high;

	*value = ab_digits_value(low);
	if (count <= 8)
		return ab_digits_valid(low);
	count -= 8;
	middle = ab_digits_word(at + (count > 8 ? count - 8 : 0), count > 8 ? 8 : count);
	*value += ab_digits_value(middle) * 100000000;
	if (count <= 8)
		return ab_digits_valid(low) && ab_digits_valid(middle);
	high = ab_digits_word(at, count - 8);
	*value += ab_digits_value(high) * UINT64_C(10000000000000000);
	return ab_digits_valid(low) && ab_digits_valid(middle) && ab_digits_valid(high);
}

enum ab_token_result ab_token_i64(struct ab_text token, int64_t min, int64_t max, int64_t *value)
{
	const char *at = token.at, *end = at + token.len;
	bool negative = at < end && *at == '-';
	uint64_t size;

	at += negative;
	if (at == end || (*at == '0' && end - at > 1))
		return AB_TOKEN_WRONG_TYPE;
	if (end - at > 19)
		return skip_digits(at, end) == end ? AB_TOKEN_OUT_OF_RANGE : AB_TOKEN_WRONG_TYPE;
	if (!take_natural(at, (size_t)(end - at), &size))
		return AB_TOKEN_WRONG_TYPE;
	/* The smallest number has no positive twin. */
	if (size > (uint64_t)INT64_MAX + negative)
		return AB_TOKEN_OUT_OF_RANGE;
	int64_t number = (int64_t)(negative ? 0 - size : size);
	if (number < min || number > max)
		return AB_TOKEN_OUT_OF_RANGE;
	*value = number;
	return AB_TOKEN_OK;
}

static size_t write_utf8(char *to, uint32_t code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xC0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (char)(0xE0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 0x3F));
		to[2] = (char)(0x80 | (code & 0x3F));
		return 3;
	}
	to[0] = (char)(0xF0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 0x3F));
	to[2] = (char)(0x80 | (code >> 6 & 0x3F));
	to[3] = (char)(0x80 | (code & 0x3F));
	return 4;
}

enum ab_token_result ab_token_unescape(struct ab_text token, char *to, size_t room, size_t *len)
{
	if (!ab_token_is_string(token))
		return AB_TOKEN_WRONG_TYPE;
	const char *at = token.at + 1, *end = token.at + token.len - 1;
	size_t n = 0;
	while (at < end) {
		char bytes[4] = {*at};
		size_t count = 1;
		if (*at == '\\') {
			int32_t code = read_escape(&at, end);
			AB_ASSERT(code >= 0);
			count = write_utf8(bytes, (uint32_t)code);
		} else {
			at++;
		}
		if (count > room - n)
			return AB_TOKEN_OUT_OF_RANGE;
		memcpy(to + n, bytes, count);
		n += count;
	}
	*len = n;
	return AB_TOKEN_OK;
}
