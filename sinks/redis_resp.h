/* sinks/redis_resp.h — Redis' wire format (RESP2): measuring and walking answers, writing commands.
 *
 * An answer is measured first: is it complete, is it well-formed, how long is it. Only a measured answer is walked, and
 * walking cannot fail, so the code that understands answers has no error paths of its own.
 *
 *     *2\r\n $2\r\nOK\r\n :7\r\n        ARRAY of 2, then TEXT "OK", then NUMBER 7
 *
 * Threads: any; pure.
 * Memory:  none; texts point into the given bytes.
 * Limits:  AB_RESP_DEPTH_MAX levels, AB_RESP_TEXT_MAX_BYTES a text, AB_RESP_CHILDREN_MAX children: more is INVALID.
 * Source:  the Redis serialization protocol specification, version 2.
 */
#pragma once

#include "core/uuid.h"

/* ROLE answers with arrays in an array; nothing we send is answered deeper. */
#define AB_RESP_DEPTH_MAX 4
/* Longest text we ever ask for is a script's SHA-1; error lines quote key names. */
#define AB_RESP_TEXT_MAX_BYTES (16 * 1024)
/* One stored position per partition, or ROLE's list of replicas. */
#define AB_RESP_CHILDREN_MAX 4096
/* A number, or the length of a text, with its mark and line end. */
#define AB_RESP_NUMBER_MAX_BYTES 24

enum ab_resp_result {
	AB_RESP_COMPLETE,	/* *used bytes are one whole answer */
	AB_RESP_MORE,		/* the beginning of an answer */
	AB_RESP_INVALID,	/* never becomes an answer: close the connection */
};

enum ab_resp_kind { AB_RESP_TEXT, AB_RESP_NIL, AB_RESP_ERROR, AB_RESP_NUMBER, AB_RESP_ARRAY };

struct ab_resp_value {
	enum ab_resp_kind kind;
	struct ab_text text;	/* TEXT and ERROR (without the '-'); of a NUMBER its digits */
	int64_t number;		/* NUMBER; ARRAY: how many values follow as its children */
};

/* Measures the answer at the beginning of the bytes. */
enum ab_resp_result ab_resp_measure(const char *bytes, size_t len, size_t *used);

/* The next value of a measured answer: *at moves over it, not over an array's children. */
struct ab_resp_value ab_resp_next(const char **at);

/* Writers append at `to` and return where to go on; the caller has made sure of room, and of AB_FORMAT_MAX_BYTES more
 * behind a number. */
char *ab_resp_put_array(char *to, size_t count);
char *ab_resp_put(char *to, const void *text, size_t len);
char *ab_resp_put_number(char *to, int64_t number);
char *ab_resp_put_hundredths(char *to, int64_t hundredths);
char *ab_resp_put_uuid(char *to, struct ab_uuid uuid);
