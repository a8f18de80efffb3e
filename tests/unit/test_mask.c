/* tests/unit/test_mask.c — what of a record is shown, and what is not. */
#include "core/mask.h"

#include <criterion/criterion.h>
#include <string.h>

Test(mask, raw_payload_is_masked_wherever_it_is)
{
	static const char *const records[] = {
		"{\"id\":1,\"raw_payload\":\"{\\\"ip\\\":\\\"10.0.0.1\\\"}\"}",
		"{\"schema\":{},\"payload\":{\"id\":1,\"raw_payload\":\"10.0.0.1\"}}",
		"{\"before\":{\"raw_payload\":\"10.0.0.1\"},\"after\":{\"id\":1,\"raw_payload\":\"10.0.0.1\"},\"op\":\"u\"}",
		"{\"id\":1,\"raw_payload\":{\"ip\":\"10.0.0.1\"}}",
	};

	for (size_t i = 0; i < AB_COUNT(records); i++) {
		char *shown = ab_mask_record(records[i], strlen(records[i]), false, 2);
		cr_assert_not_null(shown);
		cr_expect_null(strstr(shown, "10.0.0.1"), "%s", shown);
		cr_expect_not_null(strstr(shown, "(masked)"), "%s", shown);
		cr_expect_not_null(strstr(shown, "\"id\": 1"), "%s", shown);
		free(shown);
	}
	cr_expect_null(ab_mask_record("no JSON: 10.0.0.1", 17, false, 2));
	cr_expect_null(ab_mask_record(NULL, 0, false, 2));
}

Test(mask, so_is_what_is_called_like_a_secret_but_no_null)
{
	static const char record[] = "{\"id\":1,\"user_Password\":\"hunter2\",\"AccessToken\":[\"hunter2\"],"
				     "\"x\":[{\"api_key\":7}],\"device\":\"ios\",\"raw_payload\":null}";
	char *shown = ab_mask_record(record, strlen(record), false, 0);

	cr_expect_str_eq(shown, "{\"id\":1,\"user_Password\":\"(masked)\",\"AccessToken\":\"(masked)\","
				"\"x\":[{\"api_key\":\"(masked)\"}],\"device\":\"ios\",\"raw_payload\":null}");
	free(shown);
}

Test(mask, raw_shows_all_in_one_line)
{
	static const char record[] = "{\n\"schema\":{},\"payload\":{\"raw_payload\":\"10.0.0.1\",\n\"token\":1}}";
	char *shown = ab_mask_record(record, strlen(record), true, 0);

	cr_expect_str_eq(shown, "{\"raw_payload\":\"10.0.0.1\",\"token\":1}");
	free(shown);
}
