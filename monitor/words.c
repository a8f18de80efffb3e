/* monitor/words.c — see words.h. */
#include "monitor/words.h"

#include <math.h>

static const char *scaled(double value, double step, const char *const *units, int count, char *to)
{
	int unit = 0;

	if (isnan(value))
		return memcpy(to, "?", sizeof "?");
	/* 999.95 would be printed as 1000.0 */
	while (unit + 1 < count && fabs(value) >= step * 0.99995) {
		value /= step;
		unit++;
	}
	snprintf(to, AB_WORD_BYTES, unit == 0 ? "%.0f%s" : "%.1f%s", value, units[unit]);
	return to;
}

const char *ab_word_count(double value, char *to)
{
	static const char *const units[] = {"", "k", "M", "G"};

	if (value > 0 && value < 10 && value != floor(value)) {
		snprintf(to, AB_WORD_BYTES, "%.1f", value);
		return to;
	}
	return scaled(value, 1000, units, 4, to);
}

const char *ab_word_bytes(double value, char *to)
{
	static const char *const units[] = {" B", " kB", " MB", " GB", " TB"};

	return scaled(value, 1000, units, 5, to);
}

const char *ab_word_seconds(double value, char *to)
{
	if (isnan(value))
		return memcpy(to, "?", sizeof "?");
	if (value < 1)
		snprintf(to, AB_WORD_BYTES, "%.0f ms", value * 1000);
	else if (value < 10)
		snprintf(to, AB_WORD_BYTES, "%.1f s", value);
	else if (value < 120)
		snprintf(to, AB_WORD_BYTES, "%.0f s", value);
	else if (value < 7200)
		snprintf(to, AB_WORD_BYTES, "%.0f min", value / 60);
	else
		snprintf(to, AB_WORD_BYTES, "%.0f h", value / 3600);
	return to;
}

const char *ab_word_bound(double seconds, int ascii, char *to)
{
	char word[AB_WORD_BYTES];

	if (isnan(seconds))
		return memcpy(to, "-", sizeof "-");
	if (isinf(seconds))
		return memcpy(to, "> 1 min", sizeof "> 1 min");
	snprintf(to, AB_WORD_BYTES, "%s%.16s", ascii ? "<=" : "≤", ab_word_seconds(seconds, word));
	return to;
}

const char *ab_word_percent(double share, char *to)
{
	if (isnan(share))
		return memcpy(to, "?", sizeof "?");
	snprintf(to, AB_WORD_BYTES, "%.0f %%", 100 * share);
	return to;
}
