/* loadgen/text.c — see text.h. */
#include "loadgen/text.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

/* Reads digits; *at moves behind them. Stops growing at max, so that nothing overflows. */
static enum ab_text_result digits(const char **at, uint64_t max, uint64_t *value)
{
	if (**at < '0' || **at > '9')
		return AB_TEXT_INVALID;
	*value = 0;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		uint64_t digit = (uint64_t)(**at - '0');
		if (*value > (max - digit) / 10)
			return AB_TEXT_INVALID;
		*value = *value * 10 + digit;
	}
	return AB_TEXT_OK;
}

/* 1, 1,000 or 1,000,000; *at moves behind the letter. */
static uint64_t unit(const char **at)
{
	uint64_t factor = **at == 'k' ? 1000 : **at == 'M' ? 1000000 : 1;
	if (factor > 1)
		++*at;
	return factor;
}

enum ab_text_result ab_text_count(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number;
	if (digits(&text, UINT64_MAX / 2000000, &number) != AB_TEXT_OK)
		return AB_TEXT_INVALID;
	number *= unit(&text);
	if (*text != '\0' || number < min || number > max)
		return AB_TEXT_INVALID;
	*value = number;
	return AB_TEXT_OK;
}

enum ab_text_result ab_text_milli(const char *text, int64_t min, int64_t max, int64_t *value)
{
	uint64_t whole;
	if (digits(&text, UINT64_C(1000000000000), &whole) != AB_TEXT_OK)
		return AB_TEXT_INVALID;
	uint64_t milli = whole * 1000;
	if (*text == '.') {
		text++;
		uint64_t place = 100;
		if (*text < '0' || *text > '9')
			return AB_TEXT_INVALID;
		for (; *text >= '0' && *text <= '9' && place > 0; text++, place /= 10)
			milli += (uint64_t)(*text - '0') * place;
	}
	unsigned __int128 scaled = (unsigned __int128)milli * unit(&text);
	if (*text != '\0' || scaled > (unsigned __int128)max || (int64_t)scaled < min)
		return AB_TEXT_INVALID;
	*value = (int64_t)scaled;
	return AB_TEXT_OK;
}

enum ab_text_result ab_text_time(const char *text, int64_t *epoch_us)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	if (strlen(text) != sizeof shape - 1)
		return AB_TEXT_INVALID;
	for (size_t i = 0; shape[i] != '\0'; i++)
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return AB_TEXT_INVALID;
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end == NULL || *end != '\0')
		return AB_TEXT_INVALID;
	int day = tm.tm_mday;
	time_t seconds = timegm(&tm); /* moves February 30th to March */
	if (tm.tm_mday != day)
		return AB_TEXT_INVALID;
	*epoch_us = (int64_t)seconds * 1000000;
	return AB_TEXT_OK;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t ab_text_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	if (a_len > AB_TEXT_WORD_MAX || b_len > AB_TEXT_WORD_MAX)
		return UINT32_MAX;
	/* Three rows of the edit table: the one before the last is for swapped neighbours. */
	uint32_t rows[3][AB_TEXT_WORD_MAX + 1];
	for (uint32_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (uint32_t i = 1; i <= a_len; i++) {
		uint32_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		row[0] = i;
		for (uint32_t j = 1; j <= b_len; j++) {
			row[j] = least(last[j] + 1, row[j - 1] + 1);
			row[j] = least(row[j], last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

void ab_problem(struct ab_problems *problems, const char *format, ...)
{
	problems->count++;
	size_t room = sizeof problems->text - problems->len;
	va_list args;
	va_start(args, format);
	int len = vsnprintf(problems->text + problems->len, room, format, args);
	va_end(args);
	if (len < 0 || (size_t)len + 1 >= room) {
		problems->text[problems->len] = '\0';
		problems->unsaid++;
		return;
	}
	problems->len += (size_t)len;
	problems->text[problems->len++] = '\n';
	problems->text[problems->len] = '\0';
}
