/* core/format.h — numbers and times as text, by integer arithmetic alone.
 *
 * Threads: any; pure. Every function writes at `to`, returns the number of bytes that count, and never terminates. The
 * caller has made sure of room: AB_FORMAT_MAX_BYTES, of which what lies behind the text may be written over.
 */
#pragma once

#include "core/base.h"

#define AB_FORMAT_MAX_BYTES 32

size_t ab_format_i64(char *to, int64_t value);
/* 1234 becomes 12.34, -5 becomes -0.05: valid JSON, exactly two decimals. */
size_t ab_format_hundredths(char *to, int64_t hundredths);
/* YYYYMMDDHHMM, UTC (Redis windows). minute counts minutes since 1970. */
size_t ab_format_minute(char *to, int64_t minute);
/* YYYY-MM-DD HH:MM:SS, UTC (BigQuery). */
size_t ab_format_datetime(char *to, int64_t epoch_us);
/* YYYY-MM-DDTHH:MM:SS.ffffffZ, UTC (Elasticsearch date; its first ten are the day). */
size_t ab_format_iso(char *to, int64_t epoch_us);

/* Times are refused outside these, so that no year needs more than four digits: 0001-01-01 to 9999-12-31. */
#define AB_TIME_MIN_US INT64_C(-62135596800000000)
#define AB_TIME_MAX_US INT64_C(253402300799999999)

/* Parses an ISO 8601 time of Debezium's: date, T or space, time, 0-9 fraction digits, Z or +hh:mm (none: UTC).
 * Fractions are cut to microseconds, PostgreSQL's own resolution. */
enum ab_time_result { AB_TIME_OK, AB_TIME_INVALID, AB_TIME_OUT_OF_RANGE };
enum ab_time_result ab_time_parse(const char *text, size_t len, int64_t *epoch_us);
