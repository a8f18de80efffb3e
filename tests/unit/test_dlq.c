/* tests/unit/test_dlq.c — what makes two dead letters of one kind, and what of a letter is shown. */
#include <criterion/criterion.h>
#include <string.h>

#include "monitor/dlq.h"

static const char *kind(const char *reason)
{
	static char to[128];

	ab_dlq_kind_of_reason(reason, to, sizeof to);
	return to;
}

Test(dlq, reasons_of_one_kind_are_one)
{
	cr_expect_str_eq(kind("the record has 70001 bytes, RECORD_MAX_BYTES allows 65536"),
			 "the record has # bytes, RECORD_MAX_BYTES allows #");
	cr_expect_str_eq(kind("id: not an integer: \"900\""), "id: not an integer: \"…\"");
	cr_expect_str_eq(kind("event_ts: not a time: \"cut off here"), "event_ts: not a time: \"…\"");
	cr_expect_str_eq(kind("failed to parse field [device] of type [long] in document with id '12'"),
			 "failed to parse field […] of type […] in document with id '…'");
	cr_expect_str_eq(kind("it isn't there"), "it isn't there");
	cr_expect_str_eq(kind(""), "");
}

Test(dlq, a_long_reason_is_cut)
{
	char reason[400], to[32];

	memset(reason, 'x', sizeof reason - 1);
	reason[sizeof reason - 1] = '\0';
	ab_dlq_kind_of_reason(reason, to, sizeof to);
	cr_expect(strlen(to) < sizeof to && to[0] == 'x');
}

Test(dlq, raw_payload_is_masked_wherever_it_is)
{
	static const char *const records[] = {
		"{\"id\":1,\"raw_payload\":\"{\\\"ip\\\":\\\"10.0.0.1\\\"}\"}",
		"{\"schema\":{},\"payload\":{\"id\":1,\"raw_payload\":\"10.0.0.1\"}}",
		"{\"before\":{\"raw_payload\":\"10.0.0.1\"},\"after\":{\"id\":1,\"raw_payload\":\"10.0.0.1\"},\"op\":\"u\"}",
	};

	for (size_t i = 0; i < AB_COUNT(records); i++) {
		char *shown = ab_dlq_masked(records[i], strlen(records[i]));
		cr_assert_not_null(shown);
		cr_expect_null(strstr(shown, "10.0.0.1"), "%s", shown);
		cr_expect_not_null(strstr(shown, "(masked)"), "%s", shown);
		cr_expect_not_null(strstr(shown, "\"id\": 1"), "%s", shown);
		free(shown);
	}
	cr_expect_null(ab_dlq_masked("no JSON: 10.0.0.1", 17));
	cr_expect_null(ab_dlq_masked(NULL, 0));
}
