/* core/format.c — see format.h. */
#include "core/format.h"

#include <stdbool.h>
#include <string.h>
#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#include "core/digits.h"

#define DAY_SECONDS INT64_C(86400)
#define SECOND_US INT64_C(1000000)

/* Division that rounds down, so that times before 1970 fall into the day, minute and second they belong to. */
static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Eight digits, or of the first group those behind its leading zeros; always stores eight bytes. */
static size_t write_group(char *to, uint32_t value, bool first)
{
	uint64_t digits = ab_digits_of(value);
	unsigned zeros = 0;

	if (first)	/* a bit in the last byte: a zero is one digit */
		zeros = (unsigned)__builtin_ctzll((digits & UINT64_C(0x0f0f0f0f0f0f0f0f)) | UINT64_C(1) << 56) / 8;
	digits >>= 8 * zeros;
	memcpy(to, &digits, 8);
	return 8 - zeros;
}

/* Stores up to seven bytes beyond the number, 28 in all. */
static size_t write_u64(char *to, uint64_t value)
{
	const uint64_t group = 100000000;
	size_t len;

	if (value < group)
		return write_group(to, (uint32_t)value, true);
	if (value < group * group) {
		len = write_group(to, (uint32_t)(value / group), true);
	} else {
		len = write_group(to, (uint32_t)(value / (group * group)), true);
		len += write_group(to + len, (uint32_t)(value / group % group), false);
	}
	return len + write_group(to + len, (uint32_t)(value % group), false);
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

size_t ab_format_i64(char *to, int64_t value)
{
	to[0] = '-';
	size_t sign = value < 0;
	return sign + write_u64(to + sign, magnitude(value));
}

static char *two(char *to, unsigned value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	memcpy(to, pairs + 2 * value, 2);
	return to + 2;
}

size_t ab_format_hundredths(char *to, int64_t hundredths)
{
	uint64_t size = magnitude(hundredths);
	char *at = to;
	if (hundredths < 0)
		*at++ = '-';
	at += write_u64(at, size / 100);
	*at++ = '.';
	at = two(at, (unsigned)(size % 100));
	return (size_t)(at - to);
}

struct date {
	unsigned year, month, day;
};

/* Days since 1970 to a date of the Gregorian calendar, 0001-01-01 to 9999-12-31. A year that starts in March puts the
 * leap day last, so that months have fixed lengths before it; 719468 days lie between 0000-03-01 and 1970-01-01.
 * Source: Neri and Schneider, Euclidean affine functions and their application to calendar algorithms (2022). */
static struct date date_of(int64_t days)
{
	uint32_t quarters = 4 * (uint32_t)(days + 719468) + 3;
	uint32_t century = quarters / 146097, day_of_century = quarters % 146097 / 4;
	uint64_t scaled = UINT64_C(2939745) * (4 * day_of_century + 3);	/* by 2^32 / 1461 */
	uint32_t year_of_century = (uint32_t)(scaled >> 32), day_of_year = (uint32_t)scaled / 2939745 / 4;
	uint32_t month_and_day = 2141 * day_of_year + 197913;		/* by 2^16 / 30.6 */
	bool next_year = day_of_year >= 306;

	return (struct date){
		.year = 100 * century + year_of_century + next_year,
		.month = (month_and_day >> 16) - (next_year ? 12 : 0),
		.day = (month_and_day & 0xffff) / 2141 + 1,
	};
}

static int64_t days_of(struct date date)
{
	unsigned year = date.year - (date.month <= 2);	/* year 1 at least, so never below zero */
	unsigned march_month = date.month > 2 ? date.month - 3 : date.month + 9;
	unsigned day_of_year = (153 * march_month + 2) / 5 + date.day - 1;
	return (int64_t)year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static char *write_date(char *at, struct date date, const char *separator)
{
	at = two(at, date.year / 100);
	at = two(at, date.year % 100);
	if (*separator != '\0')
		*at++ = *separator;
	at = two(at, date.month);
	if (*separator != '\0')
		*at++ = *separator;
	return two(at, date.day);
}

static char *write_clock(char *at, unsigned second_of_day)
{
	at = two(at, second_of_day / 3600);
	*at++ = ':';
	at = two(at, second_of_day / 60 % 60);
	*at++ = ':';
	return two(at, second_of_day % 60);
}

size_t ab_format_minute(char *to, int64_t minute)
{
	AB_ASSERT(minute >= floor_div(AB_TIME_MIN_US, 60 * SECOND_US) && minute <= AB_TIME_MAX_US / (60 * SECOND_US));
	int64_t days = floor_div(minute, 1440);
	unsigned minute_of_day = (unsigned)(minute - days * 1440);
	char *at = write_date(to, date_of(days), "");
	at = two(at, minute_of_day / 60);
	at = two(at, minute_of_day % 60);
	return (size_t)(at - to);
}

/* The date and the second of the day of a time that is within bounds. */
static struct date split(int64_t epoch_us, unsigned *second_of_day)
{
	AB_ASSERT(epoch_us >= AB_TIME_MIN_US && epoch_us <= AB_TIME_MAX_US);
	int64_t seconds = floor_div(epoch_us, SECOND_US);
	int64_t days = floor_div(seconds, DAY_SECONDS);
	*second_of_day = (unsigned)(seconds - days * DAY_SECONDS);
	return date_of(days);
}

size_t ab_format_datetime(char *to, int64_t epoch_us)
{
	unsigned second_of_day;
	char *at = write_date(to, split(epoch_us, &second_of_day), "-");
	*at++ = ' ';
	return (size_t)(write_clock(at, second_of_day) - to);
}

size_t ab_format_iso(char *to, int64_t epoch_us)
{
	unsigned second_of_day;
	char *at = write_date(to, split(epoch_us, &second_of_day), "-");
	unsigned micros = (unsigned)(epoch_us - floor_div(epoch_us, SECOND_US) * SECOND_US);
	*at++ = 'T';
	at = write_clock(at, second_of_day);
	uint64_t digits = ab_digits_of(micros);	/* two zeros and six digits */
	digits = (digits >> 8 & ~UINT64_C(0xff)) | '.' | (uint64_t)'Z' << 56;
	memcpy(at, &digits, 8);
	at += 8;
	return (size_t)(at - to);
}

/* What is left of a text while it is read. */
struct cursor {
	const char *at, *end;
};

/* Exactly `digits` digits. */
static bool take_number(struct cursor *c, unsigned digits, unsigned *value)
{
	if (c->end - c->at < (ptrdiff_t)digits)
		return false;
	*value = 0;
	for (unsigned i = 0; i < digits; i++) {
		char digit = *c->at++;
		if (digit < '0' || digit > '9')
			return false;
		*value = *value * 10 + (unsigned)(digit - '0');
	}
	return true;
}

static bool take_char(struct cursor *c, const char *any_of)
{
	if (c->at == c->end || *c->at == '\0' || strchr(any_of, *c->at) == NULL)
		return false;
	c->at++;
	return true;
}

/* .ffffffZ to the end of the text, or fewer digits, as Java leaves zeros out: what nearly every time has. A date and a
 * clock stand before it. */
static bool take_micros_utc(struct cursor *c, unsigned *micros)
{
	const uint64_t zeros = UINT64_C(0x3030303030303030);
	ptrdiff_t left = c->end - c->at;
	uint64_t word;

	if (left < 3 || left > 8)
		return false;
	memcpy(&word, c->end - 8, 8);
	word >>= 8 * (8 - left);
	if ((char)word != '.' || word >> 8 * (left - 1) != 'Z')
		return false;
	uint64_t digits = (UINT64_C(1) << 8 * (left - 2)) - 1;	/* which bytes behind the dot are some */
	word = (word >> 8 & digits) | (zeros & ~digits);
	word = word << 16 | (zeros >> 48);			/* two zeros and six digits */
	if (!ab_digits_valid(word))
		return false;
	*micros = (unsigned)ab_digits_value(word);
	c->at = c->end;
	return true;
}

/* No fraction is zero; digits behind the sixth are below PostgreSQL's resolution and always zero there. */
static bool take_fraction(struct cursor *c, unsigned *micros)
{
	*micros = 0;
	if (!take_char(c, "."))
		return true;
	unsigned digits = 0;
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits++)
		if (digits < 6)
			*micros = *micros * 10 + (unsigned)(*c->at - '0');
	if (digits == 0 || digits > 9)
		return false;
	for (; digits < 6; digits++)
		*micros *= 10;
	return true;
}

/* Z, +hh, +hh:mm, +hh:mm:ss or nothing; ISO 8601 and PostgreSQL know offsets up to 18 hours. */
static bool take_offset(struct cursor *c, int64_t *seconds)
{
	unsigned part[3] = {0};
	*seconds = 0;
	if (c->at == c->end || take_char(c, "Z"))
		return true;
	bool negative = *c->at == '-';
	if (!take_char(c, "+-") || !take_number(c, 2, &part[0]))
		return false;
	for (int i = 1; i < 3 && take_char(c, ":"); i++)
		if (!take_number(c, 2, &part[i]))
			return false;
	if (part[0] > 18 || part[1] > 59 || part[2] > 59)
		return false;
	*seconds = part[0] * 3600 + part[1] * 60 + part[2];
	if (negative)
		*seconds = -*seconds;
	return true;
}

static bool date_valid(struct date date)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (date.month < 1 || date.month > 12 || date.day < 1)
		return false;
	bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
	return date.day <= days[date.month - 1] + (unsigned)(leap && date.month == 2);
}

#if defined(__SSE4_1__)
/* The nineteen characters of a date and a time at once: sixteen in a vector, the seconds by themselves. */
static bool take_date_and_clock(struct cursor *c, struct date *date, int64_t *second_of_day)
{
	if (c->end - c->at < 19)
		return false;
	const char *at = c->at;
	const __m128i all = _mm_loadu_si128((const __m128i *)(const void *)at), nine = _mm_set1_epi8(9);
	const __m128i between = _mm_setr_epi8(0, 0, 0, 0, '-', 0, 0, '-', 0, 0, 'T', 0, 0, ':', 0, 0);
	__m128i digit = _mm_sub_epi8(all, _mm_set1_epi8('0'));
	unsigned digits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digit, nine), digit));
	unsigned others = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(all, between));
	unsigned ten = (uint8_t)(at[17] - '0'), one = (uint8_t)(at[18] - '0');

	/* Digits in all places but four, and in those what belongs there; a blank may stand for the T. */
	others |= at[10] == ' ' ? 1u << 10 : 0;
	if (digits != 0xdb6f || (others & 0x2490) != 0x2490 || at[16] != ':' || ten > 9 || one > 9)
		return false;
	/* Pairs of digits: year, year, month, day, hour, minute. */
	__m128i pairs = _mm_shuffle_epi8(digit, _mm_setr_epi8(0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, -1, -1, -1, -1));
	pairs = _mm_maddubs_epi16(pairs, _mm_set1_epi16(0x010a));
	date->year = (unsigned)_mm_extract_epi16(pairs, 0) * 100 + (unsigned)_mm_extract_epi16(pairs, 1);
	date->month = (unsigned)_mm_extract_epi16(pairs, 2);
	date->day = (unsigned)_mm_extract_epi16(pairs, 3);
	unsigned hour = (unsigned)_mm_extract_epi16(pairs, 4), minute = (unsigned)_mm_extract_epi16(pairs, 5);
	unsigned second = ten * 10 + one;
	*second_of_day = hour * 3600 + minute * 60 + second;
	c->at += 19;
	return hour <= 23 && minute <= 59 && second <= 59;
}
#else
static bool take_date(struct cursor *c, struct date *date)
{
	return take_number(c, 4, &date->year) && take_char(c, "-") && take_number(c, 2, &date->month) &&
	       take_char(c, "-") && take_number(c, 2, &date->day);
}

static bool take_clock(struct cursor *c, int64_t *seconds)
{
	unsigned hour, minute, second;
	if (!take_number(c, 2, &hour) || !take_char(c, ":") || !take_number(c, 2, &minute) || !take_char(c, ":") ||
	    !take_number(c, 2, &second) || hour > 23 || minute > 59 || second > 59)
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return true;
}

static bool take_date_and_clock(struct cursor *c, struct date *date, int64_t *second_of_day)
{
	return take_date(c, date) && take_char(c, "T ") && take_clock(c, second_of_day);
}
#endif

enum ab_time_result ab_time_parse(const char *text, size_t len, int64_t *epoch_us)
{
	struct cursor c = {text, text + len};
	struct date date;
	int64_t second_of_day, offset_seconds = 0;
	unsigned micros;

	/* A sign stands before a year of more than four digits: so Java writes PostgreSQL's infinity. */
	if (len >= 6 && (text[0] == '+' || text[0] == '-') && text[1] >= '0' && text[1] <= '9')
		return AB_TIME_OUT_OF_RANGE;
	if (!take_date_and_clock(&c, &date, &second_of_day) || !date_valid(date))
		return AB_TIME_INVALID;
	if (!take_micros_utc(&c, &micros) &&
	    (!take_fraction(&c, &micros) || !take_offset(&c, &offset_seconds) || c.at != c.end))
		return AB_TIME_INVALID;
	if (date.year < 1)
		return AB_TIME_OUT_OF_RANGE;
	int64_t seconds = days_of(date) * DAY_SECONDS + second_of_day - offset_seconds;
	*epoch_us = seconds * SECOND_US + micros;
	return *epoch_us < AB_TIME_MIN_US || *epoch_us > AB_TIME_MAX_US ? AB_TIME_OUT_OF_RANGE : AB_TIME_OK;
}
