/* bench/stub/json.h — is this JSON, strictly, and where in it do the values of a few keys lie?
 *
 * Shares nothing with the engine, so that the two cannot be wrong together. RFC 8259 to the letter: escapes, numbers,
 * UTF-8 without surrogates and overlong forms. Depth STUB_JSON_DEPTH_MAX.
 *
 * Threads: any; pure. Memory: none.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STUB_JSON_DEPTH_MAX 16

/* Wanted: the value of this key, at any depth; at points to it as it stands in the text, NULL when it did not occur. */
struct stub_pick {
	const char *key;
	size_t key_len;
	const char *at;
	size_t len;
};

/* The end of the value that begins at `at` (blanks before it allowed), NULL when it is not JSON. */
const char *stub_json_value(const char *at, const char *end, struct stub_pick *pick, int count);
const char *stub_json_blanks(const char *at, const char *end);

/* The number in a picked value, "17" or 17; -1: none. */
int64_t stub_pick_number(const struct stub_pick *pick);
