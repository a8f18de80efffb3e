/* sinks/redis_resp.c — see redis_resp.h. */
#include "sinks/redis_resp.h"

#include <string.h>

#include "core/format.h"

/* The end of the line that begins at `at`, or NULL when it has not come yet. */
static const char *line_end(const char *at, const char *end)
{
	const char *cr = memchr(at, '\r', (size_t)(end - at));

	return cr != NULL && cr + 1 < end ? cr : NULL;
}

/* Decimal digits with an optional minus: false for anything else, and beyond eighteen digits, which no answer needs. */
static int parse_number(const char *at, const char *end, int64_t *number)
{
	int negative = at < end && *at == '-';
	int64_t value = 0;

	at += negative;
	if (at == end || end - at > 18)
		return 0;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return 0;
		value = value * 10 + (*at - '0');
	}
	*number = negative ? -value : value;
	return 1;
}

/* One value's own bytes; *children is how many values must follow as its children. */
static enum ab_resp_result measure_one(const char **at, const char *end, int64_t *children)
{
	const char *mark = *at;
	const char *cr;
	int64_t number = 0;

	*children = 0;
	if (mark == end)
		return AB_RESP_MORE;
	if (memchr("+-:$*", *mark, 5) == NULL)
		return AB_RESP_INVALID;
	cr = line_end(mark + 1, end);
	if (cr == NULL)
		return end - mark > AB_RESP_TEXT_MAX_BYTES ? AB_RESP_INVALID : AB_RESP_MORE;
	if (cr[1] != '\n' || cr - mark > AB_RESP_TEXT_MAX_BYTES)
		return AB_RESP_INVALID;
	*at = cr + 2;
	if (*mark == '+' || *mark == '-')
		return AB_RESP_COMPLETE;
	if (!parse_number(mark + 1, cr, &number))
		return AB_RESP_INVALID;
	if (*mark == ':')
		return AB_RESP_COMPLETE;
	if (number < -1 || number > (*mark == '$' ? AB_RESP_TEXT_MAX_BYTES : AB_RESP_CHILDREN_MAX))
		return AB_RESP_INVALID;
	if (number == -1)
		return AB_RESP_COMPLETE;
	if (*mark == '*') {
		*children = number;
		return AB_RESP_COMPLETE;
	}
	if (end - *at < number + 2)
		return AB_RESP_MORE;
	*at += number;
	if ((*at)[0] != '\r' || (*at)[1] != '\n')
		return AB_RESP_INVALID;
	*at += 2;
	return AB_RESP_COMPLETE;
}

enum ab_resp_result ab_resp_measure(const char *bytes, size_t len, size_t *used)
{
	const char *at = bytes;
	const char *end = bytes + len;
	int64_t open[AB_RESP_DEPTH_MAX + 1] = {1};	/* values still to come, per level */
	int depth = 0;

	for (;;) {
		int64_t children;
		enum ab_resp_result result = measure_one(&at, end, &children);

		if (result != AB_RESP_COMPLETE)
			return result;
		open[depth]--;
		if (children > 0) {
			if (depth == AB_RESP_DEPTH_MAX)
				return AB_RESP_INVALID;
			open[++depth] = children;
		}
		while (open[depth] == 0) {
			if (depth == 0) {
				*used = (size_t)(at - bytes);
				return AB_RESP_COMPLETE;
			}
			depth--;
		}
	}
}

struct ab_resp_value ab_resp_next(const char **at)
{
	const char *mark = *at;
	const char *cr = rawmemchr(mark, '\r');	/* measured: it is there */
	struct ab_resp_value value = {.kind = AB_RESP_TEXT, .text = {mark + 1, (uint32_t)(cr - mark - 1)}};

	*at = cr + 2;
	switch (*mark) {
	case '+':
		return value;
	case '-':
		value.kind = AB_RESP_ERROR;
		return value;
	}
	int valid = parse_number(mark + 1, cr, &value.number);
	AB_ASSERT(valid);		/* measured before */
	if (*mark == ':') {
		value.kind = AB_RESP_NUMBER;
	} else if (value.number < 0) {
		value.kind = AB_RESP_NIL;
		value.text = (struct ab_text){0};
	} else if (*mark == '*') {
		value.kind = AB_RESP_ARRAY;
	} else {
		value.text = (struct ab_text){*at, (uint32_t)value.number};
		*at += value.number + 2;
	}
	return value;
}

static char *put_head(char *to, char mark, uint64_t number)
{
	*to++ = mark;
	if (number < 10)	/* as nearly all lengths */
		*to++ = (char)('0' + number);
	else
		to += ab_format_i64(to, (int64_t)number);
	memcpy(to, "\r\n", 2);
	return to + 2;
}

char *ab_resp_put_array(char *to, size_t count)
{
	return put_head(to, '*', count);
}

char *ab_resp_put(char *to, const void *text, size_t len)
{
	to = put_head(to, '$', len);
	memcpy(to, text, len);
	memcpy(to + len, "\r\n", 2);
	return to + len + 2;
}

/* As ab_resp_put(), of digits: all that there is room for is copied, what is too much is written over. */
static char *put_digits(char *to, const char digits[AB_FORMAT_MAX_BYTES], size_t len)
{
	to = put_head(to, '$', len);
	memcpy(to, digits, AB_FORMAT_MAX_BYTES);
	memcpy(to + len, "\r\n", 2);
	return to + len + 2;
}

char *ab_resp_put_number(char *to, int64_t number)
{
	char digits[AB_FORMAT_MAX_BYTES];

	return put_digits(to, digits, ab_format_i64(digits, number));
}

char *ab_resp_put_hundredths(char *to, int64_t hundredths)
{
	char digits[AB_FORMAT_MAX_BYTES];

	return put_digits(to, digits, ab_format_hundredths(digits, hundredths));
}

char *ab_resp_put_uuid(char *to, struct ab_uuid uuid)
{
	const size_t len = AB_UUID_TEXT_BYTES_MAX;

	memcpy(to, "$36\r\n", 5);
	ab_uuid_write(to + 5, uuid);
	memcpy(to + 5 + len, "\r\n", 2);
	return to + 5 + len + 2;
}
