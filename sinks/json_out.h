/* sinks/json_out.h — writing a record's JSON: names as they stand here, values as they stood in the message.
 *
 * A field's token is JSON already, validated by core/decode, so it is copied and never escaped again. What is not a
 * token (numbers, times, flags) cannot need escaping. Every function writes at `to` and returns what follows.
 *
 * Threads: any; pure. The caller has made sure of room: ab_out_room() says how much one event takes at most.
 */
#pragma once

#include <string.h>

#include "core/event.h"
#include "core/format.h"

/* Names, punctuation, numbers and times of one record in either form, and a topic's name twice (2 * 249). */
#define AB_OUT_FIXED_BYTES 1536

/* A literal, without its terminator. */
#define AB_OUT(to, literal) ab_out_bytes((to), "" literal, sizeof(literal) - 1)

static inline char *ab_out_bytes(char *to, const char *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return to + len;
}

/* A token of the message, or null. */
static inline char *ab_out_token(char *to, struct ab_text token)
{
	return token.at == NULL ? AB_OUT(to, "null") : ab_out_bytes(to, token.at, token.len);
}

static inline char *ab_out_i64(char *to, int64_t value)
{
	return to + ab_format_i64(to, value);
}

/* In quotes: readers that hold numbers as doubles keep all 64 bits. */
static inline char *ab_out_quoted_i64(char *to, int64_t value)
{
	*to++ = '"';
	to = ab_out_i64(to, value);
	*to++ = '"';
	return to;
}

static inline char *ab_out_bool(char *to, bool value)
{
	return value ? AB_OUT(to, "true") : AB_OUT(to, "false");
}

/* "2026-11-23T23:19:12.353824Z", quotes included; null outside of the years 1 to 9999. */
char *ab_out_iso(char *to, int64_t epoch_us);
/* "2026-11-23 23:19:12", likewise. */
char *ab_out_datetime(char *to, int64_t epoch_us);
/* The same for Kafka's milliseconds, where a negative time means that there is none. */
char *ab_out_kafka_iso(char *to, int64_t epoch_ms);
char *ab_out_kafka_datetime(char *to, int64_t epoch_ms);

/* Upper bound of one encoded event, in either form. */
size_t ab_out_room(const struct ab_event *event);
