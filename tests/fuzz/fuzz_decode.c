/* tests/fuzz/fuzz_decode.c — any bytes through the decoder.
 *
 * Beyond not crashing: what is accepted is JSON to another parser too, token by token, because sinks copy tokens as
 * they stand; and the same bytes give the same result wherever they lie.
 */
#include <jansson.h>
#include <string.h>

#include "core/decode.h"

enum { MAX_BYTES = 1 << 16 };

/* A string token, and the same text as jansson reads it. */
static void check_token(struct ab_text token)
{
	if (token.at == NULL)
		return;
	json_t *string = json_loadb(token.at, token.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	AB_ASSERT(json_is_string(string));
	AB_ASSERT(token.len >= 2 && token.at[0] == '"' && token.at[token.len - 1] == '"');
	json_decref(string);
}

static void check_reason(const struct ab_reason *reason)
{
	size_t len = strnlen(reason->text, sizeof reason->text);
	AB_ASSERT(len > 0 && len < sizeof reason->text);
	AB_ASSERT(strlen(ab_reject_name(reason->code)) > 0);
	for (size_t i = 0; i < len; i++)
		AB_ASSERT(reason->text[i] >= ' ' && reason->text[i] <= '~');
}

static void check_event(const struct ab_event *event)
{
	check_token(event->content_id_json);
	check_token(event->user_id_json);
	check_token(event->event_type_json);
	check_token(event->device_json);
	AB_ASSERT(event->event_type_json.at != NULL);
	AB_ASSERT(event->has & AB_HAS_EVENT_TS);
	AB_ASSERT(event->duration_ms >= INT32_MIN && event->duration_ms <= INT32_MAX);
	AB_ASSERT(!(event->has & AB_HAS_CONTENT_ID) == (event->content_id_json.at == NULL));
	AB_ASSERT(event->lsn >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct ab_decoder *decoder;
	static char elsewhere[MAX_BYTES + 128];
	struct ab_event event, again;
	struct ab_content_row row;
	struct ab_reason reason = {0}, reason_again = {0};

	if (len > MAX_BYTES)
		return 0;
	if (decoder == NULL)
		decoder = ab_decoder_create(MAX_BYTES);
	AB_ASSERT(decoder != NULL);
	ab_decoder_reset(decoder);

	enum ab_decode_result result = ab_decode_event(decoder, bytes, len, &event, &reason);
	AB_ASSERT(result != AB_DECODE_FULL);
	if (result == AB_DECODE_REJECTED)
		check_reason(&reason);
	if (result == AB_DECODE_EVENT)
		check_event(&event);

	/* Behind the copy lies what would close or go on with the text. */
	memset(elsewhere, bytes != NULL && len % 2 ? '}' : ',', sizeof elsewhere);
	if (len > 0)
		memcpy(elsewhere, bytes, len);
	enum ab_decode_result result_again =
		ab_decode_event(decoder, bytes != NULL ? elsewhere : NULL, len, &again, &reason_again);
	AB_ASSERT(result_again == result || result_again == AB_DECODE_FULL);
	if (result == AB_DECODE_EVENT && result_again == AB_DECODE_EVENT)
		AB_ASSERT(again.id == event.id && again.op == event.op && again.event_us == event.event_us &&
			  again.device_json.len == event.device_json.len);
	if (result == AB_DECODE_REJECTED && result_again == AB_DECODE_REJECTED)
		AB_ASSERT(reason_again.code == reason.code);

	ab_decoder_reset(decoder);
	result = ab_decode_content(decoder, bytes, len, &row, &reason);
	if (result == AB_DECODE_REJECTED)
		check_reason(&reason);
	if (result == AB_DECODE_EVENT && !row.deleted)
		AB_ASSERT(row.type_len <= sizeof row.type && row.length_seconds <= INT32_MAX);
	return 0;
}
