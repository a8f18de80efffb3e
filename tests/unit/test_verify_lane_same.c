/* tests/unit/test_verify_lane_same.c — the verifier's lanes are the engine's: two programs of one documented function. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/decode.h"
#include "core/route.h"
#include "verify/lane.h"

Test(verify_lane, is_the_engines_for_every_key)
{
	struct ab_decoder *engine = ab_decoder_create(4096);
	struct ab_verify_decoder verify;
	struct ab_reason reason;
	char record[512];

	ab_verify_decoder_create(&verify, 4096);
	for (int i = 0; i < 500; i++) {
		struct ab_event a;
		struct ab_verify_event b;
		char content[64];
		snprintf(content, sizeof content, i % 7 ? "\"%08x-1234-4abc-8def-0123456789ab\"" : "null", i * 2654435761u);
		int len = snprintf(record, sizeof record,
				   "{\"id\":%d,\"content_id\":%s,\"user_id\":\"user %d\",\"event_type\":\"type%d\","
				   "\"event_ts\":\"2026-01-01T00:00:00Z\",\"device\":%s,\"__op\":\"c\"}",
				   i * 7919 - 1000, content, i, i % 5, i % 3 ? "\"ios\"" : "null");
		cr_assert_eq(ab_decode_event(engine, record, (size_t)len, &a, &reason), AB_DECODE_EVENT, "%s", reason.text);
		cr_assert_eq(ab_verify_decode(&verify, record, (size_t)len, &b), AB_VERIFY_EVENT, "%s", verify.why);
		for (int key = 0; key < AB_ROUTE_COUNT; key++) {
			for (uint32_t lanes = 1; lanes <= 6; lanes++)
				cr_assert_eq(ab_verify_lane(&b, ab_route_key_name((enum ab_route_key)key), (int)lanes),
					     (int)ab_route_lane(&a, (enum ab_route_key)key, lanes), "%s of %s",
					     ab_route_key_name((enum ab_route_key)key), record);
		}
		ab_decoder_reset(engine);
	}
	ab_verify_decoder_destroy(&verify);
	ab_decoder_destroy(engine);
}
