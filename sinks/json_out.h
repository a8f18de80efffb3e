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

/* Bytes whose number is not known to the compiler, most often less than 64: two or four stores that may overlap, and no
 * call. Nothing outside of either is touched. */
static inline char *ab_out_text(char *to, const char *bytes, size_t len)
{
	typedef char part __attribute__((vector_size(16)));
	part first, second, third, last;

	if (AB_UNLIKELY(len > 64))
		return ab_out_bytes(to, bytes, len);
	if (len >= 16) {
		memcpy(&first, bytes, 16);
		memcpy(&last, bytes + len - 16, 16);
		if (len > 32) {
			memcpy(&second, bytes + 16, 16);
			memcpy(&third, bytes + len - 32, 16);
			memcpy(to + 16, &second, 16);
			memcpy(to + len - 32, &third, 16);
		}
		memcpy(to, &first, 16);
		memcpy(to + len - 16, &last, 16);
	} else if (len >= 8) {
		memcpy(&first, bytes, 8);
		memcpy(&last, bytes + len - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + len - 8, &last, 8);
	} else if (len >= 4) {
		memcpy(&first, bytes, 4);
		memcpy(&last, bytes + len - 4, 4);
		memcpy(to, &first, 4);
		memcpy(to + len - 4, &last, 4);
	} else {
		for (size_t i = 0; i < len; i++)
			to[i] = bytes[i];
	}
	return to + len;
}

/* A token of the message, or null. */
static inline char *ab_out_token(char *to, struct ab_text token)
{
	return token.at == NULL ? AB_OUT(to, "null") : ab_out_text(to, token.at, token.len);
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

/* What ab_out_iso() or ab_out_kafka_iso() wrote, as ab_out_datetime() writes it. */
char *ab_out_iso_as_datetime(char *to, const char *iso, size_t len);

/* Upper bound of one encoded event, in either form. */
size_t ab_out_room(const struct ab_event *event);
