/* tests/unit/test_dlq.c — what makes two dead letters of one kind. */
#include <criterion/criterion.h>
#include <string.h>

#include "verify/dlq.h"

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
