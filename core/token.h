/* core/token.h — what a single JSON token says: a string with its quotes, a number, a literal.
 *
 * A token is what core/json hands out: the bytes of one value, white space trimmed, strings with their quotes. The
 * text around it has been checked for UTF-8 and for closed strings without control characters, the token has not.
 *
 * Threads: any; pure. Memory: none.
 * Source:  RFC 8259, sections 6 (numbers) and 7 (strings).
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether every escape of a string token is one of JSON's, and no surrogate stands alone. */
bool ab_token_escapes_valid(struct ab_text token);

/* Whether a token is a number as JSON writes them. */
bool ab_token_number_valid(struct ab_text token);

enum ab_token_result {
	AB_TOKEN_OK,
	AB_TOKEN_WRONG_TYPE,	/* not a token of this type */
	AB_TOKEN_OUT_OF_RANGE,	/* of this type, but outside the bounds; of a string: longer than the room */
};

/* An integer, digit for digit: no fraction, no exponent, no leading zero. */
enum ab_token_result ab_token_i64(struct ab_text token, int64_t min, int64_t max, int64_t *value);

/* The bytes a string token stands for. Escapes must have been checked. */
enum ab_token_result ab_token_unescape(struct ab_text token, char *to, size_t room, size_t *len);

/* Whether the token is this text in quotes, written without escapes. */
static inline bool ab_token_is(struct ab_text token, const char *text)
{
	size_t len = strlen(text);
	return token.len == len + 2 && token.at != NULL && token.at[0] == '"' && memcmp(token.at + 1, text, len) == 0;
}

static inline bool ab_token_is_string(struct ab_text token)
{
	return token.at != NULL && token.at[0] == '"';
}

#ifdef __cplusplus
}
#endif
