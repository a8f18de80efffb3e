/* sinks/json_out.h — writing a record's JSON: names as they stand here, values as they stood in the message.
 *
 * A field's token is JSON already, validated by core/decode, so it is copied and never escaped again. What is not a
 * token (numbers, times, flags) cannot need escaping. Every function writes at `to`, returns what follows, and may
 * write up to AB_OUT_SPARE_BYTES more, which count for nothing.
 *
 * Threads: any; pure. The caller has made sure of room: ab_out_room() says how much one event takes at most.
 */
#pragma once

#include <string.h>

#include "core/event_text.h"

#define AB_OUT_SPARE_BYTES 64

/* Names, punctuation, numbers and times of one record in either form, a topic's name twice (2 * 249), and the spare. */
#define AB_OUT_FIXED_BYTES 1536

/* A literal, without its terminator: whole blocks of 16 are stored, what is too much is written over by what follows. */
#define AB_OUT(to, literal) ab_out_block((to), "" literal "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", sizeof(literal) - 1)

static inline char *ab_out_block(char *to, const char *bytes, size_t len)
{
	memcpy(to, bytes, (len + 15) & ~(size_t)15);
	return to + len;
}

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

/* A token of the message, or null. Which of a few lengths it has nobody can foresee, so a short one is copied as if it
 * were longer: what is too much is written over. Few lie so near a page's end that this may not be read. */
static inline char *ab_out_token(char *to, struct ab_text token)
{
	static const _Alignas(64) char null_token[64] = "null";
	const char *from = token.at != NULL ? token.at : null_token;
	size_t len = token.at != NULL ? token.len : 4;

	if (AB_UNLIKELY(len > 64 || !ab_readable(from, 64)))
		return ab_out_text(to, from, len);
	memcpy(to, from, 32);
	if (len > 32)
		memcpy(to + 32, from + 32, 32);
	return to + len;
}

/* A number's text in quotes, so that readers which hold numbers as doubles keep all 64 bits; null without them. */
static inline char *ab_out_quoted(char *to, struct ab_text number)
{
	bool quotes = number.at[0] != 'n';	/* no branch: null or not is anybody's guess */

	*to = '"';
	to = ab_out_token(to + quotes, number);
	*to = '"';
	return to + quotes;
}

static inline char *ab_out_bool(char *to, bool value)
{
	return value ? AB_OUT(to, "true") : AB_OUT(to, "false");
}

/* An event's or record's time as "2026-11-23 23:19:12", or null. */
char *ab_out_datetime(char *to, struct ab_text iso);

/* Upper bound of one encoded event, in either form. */
size_t ab_out_room(const struct ab_event *event);
