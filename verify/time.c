/* verify/time.c — see time.h. */
#include "verify/time.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#define US_PER_SECOND  INT64_C(1000000)
#define US_PER_MINUTE  (60 * US_PER_SECOND)
#define SECONDS_OF_DAY 86400

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t ab_verify_second(int64_t epoch_us)
{
	return floor_div(epoch_us, US_PER_SECOND);
}

int64_t ab_verify_minute(int64_t epoch_us)
{
	return floor_div(epoch_us, US_PER_MINUTE);
}

int32_t ab_verify_day(int64_t epoch_us)
{
	return (int32_t)floor_div(ab_verify_second(epoch_us), SECONDS_OF_DAY);
}

uint32_t ab_verify_micros(int64_t epoch_us)
{
	return (uint32_t)(epoch_us - ab_verify_second(epoch_us) * US_PER_SECOND);
}

/* Exactly count digits at text; -1 when they are not there. */
static int digits(const char *text, size_t len, size_t at, size_t count)
{
	int value = 0;

	for (size_t i = at; i < at + count; i++) {
		if (i >= len || !isdigit((unsigned char)text[i]))
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* The zone behind the time: seconds east of Greenwich. */
static bool read_zone(const char *text, size_t len, int64_t *east_s)
{
	*east_s = 0;
	if (len == 0 || (len == 1 && text[0] == 'Z'))
		return true;
	if (text[0] != '+' && text[0] != '-')
		return false;
	bool colon = len > 3 && text[3] == ':';
	int hours = digits(text, len, 1, 2), minutes = len > 3 ? digits(text, len, colon ? 4 : 3, 2) : 0;
	size_t want = len > 3 ? (colon ? 6 : 5) : 3;
	if (hours < 0 || minutes < 0 || hours > 18 || minutes > 59 || len != want)
		return false;
	*east_s = (hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
	return true;
}

bool ab_verify_time_parse(const char *text, size_t len, int64_t *epoch_us)
{
	int year = digits(text, len, 0, 4), month = digits(text, len, 5, 2), day = digits(text, len, 8, 2);
	int hour = digits(text, len, 11, 2), minute = digits(text, len, 14, 2), second = digits(text, len, 17, 2);
	int64_t fraction = 0, east_s;
	size_t at = 19;

	if (len < 19 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' ||
	    text[16] != ':')
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
	    minute > 59 || second < 0 || second > 59)
		return false;
	if (at < len && text[at] == '.') {
		size_t begin = ++at;
		for (; at < len && isdigit((unsigned char)text[at]); at++) {
			if (at - begin < 6)
				fraction = fraction * 10 + (text[at] - '0');
		}
		if (at == begin || at - begin > 9)
			return false;
		for (size_t i = at - begin; i < 6; i++)
			fraction *= 10;
	}
	if (!read_zone(text + at, len - at, &east_s))
		return false;
	struct tm tm = {.tm_year = year - 1900,
			.tm_mon = month - 1,
			.tm_mday = day,
			.tm_hour = hour,
			.tm_min = minute,
			.tm_sec = second};
	time_t seconds = timegm(&tm);
	if (tm.tm_mday != day) /* the 31st of a month of 30 days */
		return false;
	*epoch_us = ((int64_t)seconds - east_s) * US_PER_SECOND + fraction;
	return true;
}

static struct tm calendar(int64_t second)
{
	time_t t = (time_t)second;
	struct tm tm;

	gmtime_r(&t, &tm);
	return tm;
}

const char *ab_verify_minute_text(char *to, int64_t minute)
{
	struct tm tm = calendar(minute * 60);

	snprintf(to, AB_VERIFY_TIME_BYTES, "%04d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min);
	return to;
}

bool ab_verify_minute_read(const char *text, int64_t *minute)
{
	char spread[20];
	int64_t us;

	if (strlen(text) != 12)
		return false;
	snprintf(spread, sizeof spread, "%.4s-%.2s-%.2sT%.2s:%.2s:00", text, text + 4, text + 6, text + 8, text + 10);
	if (!ab_verify_time_parse(spread, strlen(spread), &us))
		return false;
	*minute = ab_verify_minute(us);
	return true;
}

const char *ab_verify_day_text(char *to, int32_t day)
{
	struct tm tm = calendar((int64_t)day * SECONDS_OF_DAY);

	snprintf(to, AB_VERIFY_TIME_BYTES, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	return to;
}

bool ab_verify_day_read(const char *text, int32_t *day)
{
	char whole[32];
	int64_t us;

	if (strlen(text) != 10)
		return false;
	snprintf(whole, sizeof whole, "%sT00:00:00", text);
	if (!ab_verify_time_parse(whole, strlen(whole), &us))
		return false;
	*day = ab_verify_day(us);
	return true;
}

const char *ab_verify_datetime_text(char *to, int64_t epoch_us)
{
	struct tm tm = calendar(ab_verify_second(epoch_us));

	snprintf(to, AB_VERIFY_TIME_BYTES, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return to;
}
