/* verify/record.h — what a Kafka record says, read by jansson: the verifier's own reading of the contract.
 *
 * It shares nothing with core/decode: what the engine misreads must not be misread here too. Strings are unescaped.
 *
 * Threads: one decoder, one thread. Memory: jansson's, freed by the next call; the schema part is parsed once per
 * spelling and then only compared.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "core/base.h"

struct ab_verify_event {
	int partition;
	int64_t offset, kafka_ts_ms;
	char op;			/* c r u d */
	bool has_lsn, has_duration;
	int64_t id, lsn, duration_ms;
	int64_t event_us;
	/* at == NULL: null */
	struct ab_text content_id, user_id, event_type, device;
};

enum ab_verify_record {
	AB_VERIFY_EVENT,
	AB_VERIFY_NOTHING,	/* tombstone, truncate, message: means nothing to any sink */
	AB_VERIFY_BAD,		/* no event: decoder->why says why; its place is among the dead letters */
};

struct ab_verify_decoder {
	size_t record_max_bytes;
	json_t *root;
	char *schema;			/* the schema text that was found to be JSON last */
	size_t schema_len;
	char why[160];
};

void ab_verify_decoder_create(struct ab_verify_decoder *decoder, size_t record_max_bytes);
void ab_verify_decoder_destroy(struct ab_verify_decoder *decoder);

/* value == NULL is a tombstone. event borrows from the decoder until the next call; partition, offset and time of the
 * record are the caller's. */
enum ab_verify_record ab_verify_decode(struct ab_verify_decoder *decoder, const void *value, size_t len,
				       struct ab_verify_event *event);

/* A change of the content table. of_insert: the row began (or was there) with this record; else it was changed. */
struct ab_verify_content_row {
	struct ab_text id, type;	/* type.at == NULL: deleted */
	bool has_length, of_insert;
	int64_t length_seconds;
};
enum ab_verify_record ab_verify_decode_content(struct ab_verify_decoder *decoder, const void *value, size_t len,
					       struct ab_verify_content_row *row);

/* A member of a JSON object as text; at == NULL when it is null, missing or no string. */
struct ab_text ab_verify_member(const json_t *object, const char *name);
/* A member that is an integer, or one in a string. false: neither. */
bool ab_verify_member_i64(const json_t *object, const char *name, int64_t *value);
bool ab_verify_uuid(struct ab_text text, uint64_t half[2]);
