/* core/uuid.h — a UUID: 16 bytes, and the text they are written as.
 *
 * Threads: any; pure. Source: RFC 9562, section 4.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

struct ab_uuid {
	uint64_t hi, lo;	/* big-endian halves of the 16 bytes */
};

#define AB_UUID_TEXT_BYTES_MAX 36

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", any case. Returns false for anything else. */
bool ab_uuid_parse(const char *text, size_t len, struct ab_uuid *out);

/* Writes the 36 characters, in lower case, without a terminator. */
void ab_uuid_write(char *to, struct ab_uuid uuid);
