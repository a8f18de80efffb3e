/* core/mask.h — a record for people: its row, without what is nobody's business.
 *
 * Masked is the value of every member named raw_payload (it holds addresses of people's machines), or whose name has one
 * of the words in it by which secrets are called (password, secret, token, credential, authorization, api_key).
 *
 * Threads: any; allocates: not for the data path.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

/* The record's JSON without its schema, which is the same in all of them; raw: nothing masked; indent: spaces, or 0 for
 * one line. NULL: it is no JSON, so nothing can be masked in it. The caller frees. */
char *ab_mask_record(const void *value, size_t len, bool raw, int indent);
