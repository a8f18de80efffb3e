/* verify/time.h — times as the sinks and Debezium write them, read and written anew by the C library's calendar.
 *
 * Not core/format: a mistake there must not be made twice. Threads: any; pure.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

#define AB_VERIFY_TIME_BYTES 80

/* Text that sorts and reads: date, T or blank, time, up to nine digits of a fraction, then Z, +hh:mm or nothing (UTC). */
bool ab_verify_time_parse(const char *text, size_t len, int64_t *epoch_us);

/* Floors: of a time before 1970 too. */
int64_t ab_verify_second(int64_t epoch_us);
int64_t ab_verify_minute(int64_t epoch_us);
int32_t ab_verify_day(int64_t epoch_us);
uint32_t ab_verify_micros(int64_t epoch_us);

/* Each writes into AB_VERIFY_TIME_BYTES and returns to. */
const char *ab_verify_minute_text(char *to, int64_t minute);		/* 202611242159 */
bool ab_verify_minute_read(const char *text, int64_t *minute);
const char *ab_verify_day_text(char *to, int32_t day);			/* 2026-11-24 */
bool ab_verify_day_read(const char *text, int32_t *day);
const char *ab_verify_datetime_text(char *to, int64_t epoch_us);	/* 2026-11-24 21:59:07 */
