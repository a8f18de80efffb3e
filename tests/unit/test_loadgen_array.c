/* tests/unit/test_loadgen_array.c — binary arrays byte for byte, as PostgreSQL documents and sends them. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/array.h"

static void expect(const struct ab_array *a, const char *bytes, size_t len)
{
	cr_expect_eq(a->len, len);
	cr_expect(a->len == len && memcmp(a->at, bytes, len) == 0);
}

/* What `SELECT array_send(ARRAY[1,NULL,-2])` answers. */
Test(loadgen_array, numbers_and_nulls_have_the_servers_bytes)
{
	struct ab_array a;
	static const char want[] = "\0\0\0\1\0\0\0\1\0\0\0\27\0\0\0\3\0\0\0\1"
				   "\0\0\0\4\0\0\0\1\377\377\377\377\0\0\0\4\377\377\377\376";
	ab_array_open(&a, 3, 4);
	ab_array_begin(&a, AB_OID_INT4);
	ab_array_put_i32(&a, 1);
	ab_array_put_null(&a);
	ab_array_put_i32(&a, -2);
	ab_array_end(&a);
	expect(&a, want, sizeof want - 1);
	ab_array_close(&a);
}

Test(loadgen_array, an_array_that_is_begun_again_is_empty)
{
	struct ab_array a;
	static const char want[] = "\0\0\0\1\0\0\0\0\0\0\0\31\0\0\0\1\0\0\0\1\0\0\0\2ab";
	ab_array_open(&a, 2, 8);
	ab_array_begin(&a, AB_OID_INT8);
	ab_array_put_i64(&a, 1);
	ab_array_put_null(&a);
	ab_array_end(&a);
	ab_array_begin(&a, AB_OID_TEXT);
	ab_array_put_text(&a, "ab");
	ab_array_end(&a);
	expect(&a, want, sizeof want - 1);
	ab_array_close(&a);
}

/* timestamptz '2000-01-01 00:00:01Z' is one million; jsonb '1' is a version byte and the text. */
Test(loadgen_array, times_count_from_2000_and_jsonb_has_a_version)
{
	struct ab_array a;
	static const char time[] = "\0\0\0\10\0\0\0\0\0\17\102\100", json[] = "\0\0\0\2\1" "1";
	ab_array_open(&a, 1, 8);
	ab_array_begin(&a, AB_OID_TIMESTAMPTZ);
	ab_array_put_time(&a, INT64_C(946684801000000));
	ab_array_end(&a);
	cr_expect(memcmp(a.at + 20, time, sizeof time - 1) == 0);
	ab_array_begin(&a, AB_OID_JSONB);
	ab_array_put_jsonb(&a, "1", 1);
	ab_array_end(&a);
	cr_expect(memcmp(a.at + 20, json, sizeof json - 1) == 0);
	ab_array_close(&a);
}
