/* core/json.h — the C face of the one C++ file, core/json_simdjson.cpp.
 *
 * Reads a Debezium message (any of its four shapes) with simdjson On-Demand in one call, and hands every field out as
 * a raw token. It knows JSON and where Debezium puts things; what the fields mean is core/decode's business.
 *
 * Threads: one ab_json per thread.
 * Memory:  the parser grows once, at creation, to record_bytes_max. Tokens point into the given bytes.
 * Limits:  the given bytes must be followed by AB_JSON_PADDING_BYTES readable bytes (ab_decode sees to it).
 *          The whole text must be UTF-8, and JSON to the letter, nested at most 64 deep; only of strings that were not
 *          asked for the escapes are not looked at.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AB_JSON_PADDING_BYTES 64

struct ab_json;

/* The fields asked for, by place; names are matched exactly after unescaping. */
struct ab_json_field {
	const char *name;
	uint32_t name_len;
	struct ab_text token;	/* out: raw token; strings with quotes and trimmed; at == NULL: missing or null */
	const char *place;	/* out: where its value begins, null too; NULL: missing */
	int64_t number;		/* out: the token's value, when it is known to be a number of up to 16 digits; else 0 */
	bool is_number;		/* out: number is known */
};

/* Initializes a field of a name that is written out. */
#define AB_JSON_FIELD(literal) {literal, sizeof(literal) - 1, {NULL, 0}, NULL, 0, false}

enum ab_json_result {
	AB_JSON_OK,
	AB_JSON_NULL,		/* the whole text (or its payload) is JSON null */
	AB_JSON_INVALID,	/* not JSON, a bad escape, trailing bytes, too deep */
	AB_JSON_NOT_UTF8,
	AB_JSON_WRONG_SHAPE,	/* valid, but not an object where one is needed; or a field twice */
};

struct ab_json *ab_json_create(size_t record_bytes_max);
void ab_json_destroy(struct ab_json *json);

/* Bytes that ab_json_create() takes. */
size_t ab_json_bytes(size_t record_bytes_max);

/* Name of simdjson's kernel in use, such as "icelake". */
const char *ab_json_kernel(void);

/* The shape of a message after unwrapping schema and payload. */
enum ab_json_shape {
	AB_JSON_FLAT,		/* ExtractNewRecordState: columns and __op beside each other */
	AB_JSON_AFTER,		/* envelope; the fields are those of after */
	AB_JSON_BEFORE,		/* envelope; after is null, the fields are those of before */
	AB_JSON_NO_ROW,		/* envelope with neither: truncate and message events */
};

/* What is asked of a message, and what was found. */
struct ab_json_fields {
	struct ab_json_field *row, *meta;
	size_t row_count, meta_count;
	enum ab_json_shape shape;	/* out */
	const char *payload;		/* out: where the wrapper's payload object begins; without one, the message */
};

/* Reads one message: fields of the row (flat: the object; envelope: after, or before when there is no after), and
 * meta from beside it (flat: the object too; envelope: what stands beside before and after by its own name, such as
 * "op", and what stands in source with that before it, such as "source.lsn"). *error gets a static text when the
 * result is neither OK nor NULL. */
enum ab_json_result ab_json_read(struct ab_json *json, const char *bytes, size_t len, struct ab_json_fields *fields,
				 const char **error);

/* Whether a text is UTF-8. */
bool ab_json_utf8_valid(const char *bytes, size_t len);

#ifdef __cplusplus
}
#endif
