/* tests/unit/test_json.c */
#include <criterion/criterion.h>
#include <string.h>

#include "core/json.h"

enum { MAX_BYTES = 1 << 16 };

static struct ab_json_field fields[] = {AB_JSON_FIELD("id"), AB_JSON_FIELD("name")};
static struct ab_json_field meta[] = {AB_JSON_FIELD("__op"), AB_JSON_FIELD("op"), AB_JSON_FIELD("source.lsn")};
static enum ab_json_shape shape;
static const char *error;
static char padded[MAX_BYTES + AB_JSON_PADDING_BYTES];

/* Reads a text followed by what could mislead: bytes that would go on with the text. */
static enum ab_json_result read_before(const char *text, const char *behind)
{
	struct ab_json *json = ab_json_create(MAX_BYTES);
	size_t len = strlen(text);
	cr_assert(json != NULL && len <= MAX_BYTES);
	for (size_t i = 0; i < sizeof padded - len; i++)
		padded[len + i] = behind[i % strlen(behind)];
	memcpy(padded, text, len);
	error = NULL;
	struct ab_json_fields asked = {
	    .row = fields, .row_count = AB_COUNT(fields), .meta = meta, .meta_count = AB_COUNT(meta)};
	enum ab_json_result result = ab_json_read(json, padded, len, &asked, &error);
	shape = asked.shape;
	ab_json_destroy(json);
	return result;
}

static enum ab_json_result read(const char *text)
{
	return read_before(text, " ");
}

static void expect_token(struct ab_text token, const char *text)
{
	if (text == NULL) {
		cr_expect_null(token.at);
		return;
	}
	cr_assert_not_null(token.at, "%s is missing", text);
	cr_expect(token.len == strlen(text) && memcmp(token.at, text, token.len) == 0, "%.*s is not %s", (int)token.len,
		  token.at, text);
}

static void expect(const char *text, enum ab_json_shape expected, const char *id, const char *name, const char *op)
{
	cr_assert_eq(read(text), AB_JSON_OK, "%s: %s", text, error);
	cr_expect_eq(shape, expected, "%s", text);
	expect_token(fields[0].token, id);
	expect_token(fields[1].token, name);
	expect_token(meta[shape == AB_JSON_FLAT ? 0 : 1].token, op);
}

Test(json, reads_the_four_shapes)
{
	expect("{\"id\":1,\"name\":\"x\",\"__op\":\"c\"}", AB_JSON_FLAT, "1", "\"x\"", "\"c\"");
	expect("{\"schema\":{\"a\":[{}]},\"payload\":{\"id\":1,\"name\":\"x\",\"__op\":\"c\"}}", AB_JSON_FLAT, "1",
	       "\"x\"", "\"c\"");
	expect("{\"before\":null,\"after\":{\"id\":1,\"name\":\"x\"},\"source\":{\"lsn\":5},\"op\":\"c\"}",
	       AB_JSON_AFTER, "1", "\"x\"", "\"c\"");
	expect_token(meta[2].token, "5");
	expect("{\"schema\":{},\"payload\":{\"before\":{\"id\":1,\"name\":\"x\"},\"after\":null,\"source\":{\"lsn\":6},"
	       "\"op\":\"d\"}}",
	       AB_JSON_BEFORE, "1", "\"x\"", "\"d\"");
	expect_token(meta[2].token, "6");
}

Test(json, takes_the_row_after_the_change_in_whatever_order_rows_stand)
{
	expect("{\"before\":{\"id\":1,\"name\":\"old\"},\"after\":{\"id\":1,\"name\":\"new\"},\"op\":\"u\"}",
	       AB_JSON_AFTER, "1", "\"new\"", "\"u\"");
	expect("{\"op\":\"u\",\"after\":{\"id\":1,\"name\":\"new\"},\"before\":{\"id\":1,\"name\":\"old\"}}",
	       AB_JSON_AFTER, "1", "\"new\"", "\"u\"");
	expect("{\"before\":{\"id\":1,\"name\":\"old\"},\"after\":{\"id\":1},\"op\":\"u\"}", AB_JSON_AFTER, "1", NULL,
	       "\"u\"");
}

Test(json, takes_no_column_from_beside_the_rows_of_an_envelope)
{
	expect("{\"id\":9,\"source\":{\"id\":8},\"op\":\"m\"}", AB_JSON_NO_ROW, NULL, NULL, "\"m\"");
	expect("{\"source\":{},\"id\":9,\"op\":\"t\",\"before\":null,\"after\":null}", AB_JSON_NO_ROW, NULL, NULL,
	       "\"t\"");
}

Test(json, takes_columns_that_are_named_like_parts_of_an_envelope)
{
	expect("{\"source\":\"web\",\"after\":null,\"payload\":\"{}\",\"schema\":\"s\",\"id\":1,\"__op\":\"c\"}",
	       AB_JSON_FLAT, "1", NULL, "\"c\"");
}

Test(json, takes_no_column_from_beside_the_payload)
{
	expect("{\"id\":9,\"schema\":null,\"payload\":{\"name\":\"x\"},\"__op\":\"d\"}", AB_JSON_FLAT, NULL, "\"x\"",
	       NULL);
}

Test(json, reads_null_as_missing_and_as_nothing_at_all)
{
	expect("{\"id\":null,\"name\" : null }", AB_JSON_FLAT, NULL, NULL, NULL);
	cr_expect_eq(read("null"), AB_JSON_NULL);
	cr_expect_eq(read(" \n null\t"), AB_JSON_NULL);
	cr_expect_eq(read("{\"schema\":{},\"payload\":null}"), AB_JSON_NULL);
	cr_expect_eq(read("{\"schema\":null,\"payload\":null}"), AB_JSON_NULL);
}

Test(json, trims_tokens_and_keeps_escapes)
{
	expect(" { \"id\" : -12 \n, \"name\" : \"a\\u00e9\\\"\\\\\" \t} \r\n", AB_JSON_FLAT, "-12",
	       "\"a\\u00e9\\\"\\\\\"", NULL);
	expect("{\"i\\u0064\":1}", AB_JSON_FLAT, "1", NULL, NULL);
	expect("{\"id\\u0000\":1,\"id \":2,\"i\":3,\"\":4}", AB_JSON_FLAT, NULL, NULL, NULL);
}

Test(json, gives_an_object_or_array_as_its_bracket)
{
	expect("{\"id\":{\"id\":[1,{}]},\"name\":[[],\"x\"]}", AB_JSON_FLAT, "{", "[", NULL);
}

Test(json, refuses_a_field_that_is_there_twice)
{
	const char *const texts[] = {
	    "{\"id\":1,\"id\":1}",
	    "{\"id\":null,\"id\":1}",
	    "{\"id\":1,\"i\\u0064\":2}",
	    "{\"__op\":\"c\",\"__op\":\"d\"}",
	    "{\"after\":{\"id\":1},\"after\":{\"id\":2}}",
	    "{\"after\":null,\"after\":{\"id\":2}}",
	    "{\"payload\":{\"id\":1},\"payload\":{\"id\":2}}",
	    "{\"schema\":{},\"schema\":{},\"payload\":{}}",
	    "{\"source\":{\"lsn\":1,\"lsn\":2}}",
	    "{\"after\":{\"id\":1,\"id\":1}}",
	};
	for (size_t i = 0; i < AB_COUNT(texts); i++)
		cr_expect_eq(read(texts[i]), AB_JSON_WRONG_SHAPE, "%s", texts[i]);
}

Test(json, refuses_what_is_no_object)
{
	const char *const texts[] = {"[]", "[{\"id\":1}]", "\"text\"", "12", "true"};
	for (size_t i = 0; i < AB_COUNT(texts); i++)
		cr_expect_eq(read(texts[i]), AB_JSON_WRONG_SHAPE, "%s", texts[i]);
}

static const char *const broken[] = {
    "",
    "   ",
    "nul",
    "nulll",
    "{",
    "}",
    "{\"id\"",
    "{\"id\":",
    "{\"id\":1",
    "{\"id\":1,",
    "{\"id\":1,}",
    "{\"id\"}",
    "{\"id\":}",
    "{\"id\":,}",
    "{id:1}",
    "{\"id\":1}}",
    "{\"id\":1}{}",
    "{\"id\":1} x",
    "{\"id\":1},",
    "{\"id\":01}",
    "{\"id\":+1}",
    "{\"id\":1.}",
    "{\"x\":01}",
    "{\"x\":tru}",
    "{\"x\":nulll}",
    "{\"x\":1 2}",
    "{\"x\":\"a\" \"b\"}",
    "{\"x\":\"a\"b}",
    "{\"x\" 1}",
    "{\"x\"::1}",
    "{,\"x\":1}",
    "{\"x\":[1,]}",
    "{\"x\":[1 2]}",
    "{\"x\":[1}",
    "{\"x\":{]}",
    "{\"x\":[1}}",
    "{\"x\":{\"y\":1}",
    "{\"x\":[{\"y\":1}]",
    "{\"id\":\"a}",
    "{\"id\":\"\\x\"}",
    "{\"id\":\"\\ud800\"}",
    "{\"i\\x\":1}",
    "{\"after\":{\"id\":1}",
    "{\"after\":{\"id\":1,}}",
    "{\"source\":{\"lsn\":1}",
    "{\"payload\":{\"id\":1}",
    "{\"schema\":{\"a\":1}",
    "{\"schema\":{\"a\":[1}",
    "{\"schema\":{\"a\":1,\"payload\":{}",
    "{\"schema\":{\"a\":[1}}",
    "{\"schema\":{",
    "{\"schema\":{}",
    "{\"schema\":{},",
    "{\"schema\":{}}}",
    "{\"schema\":{!,\"payload\":null}",
    "{\"schema\":\"type\":\"struct\",\"x\":[{\"a\":1}]},\"payload\":{\"id\":1}}",
    "{\"x\":\"y\":\"z\",\"id\":1}",
    "{\"after\":{\"x\":[\"a\",\"b\":1,\"c\":{\"d\":1}}}",
    "{\"after\":{\"x\":[{\"d\":1}}",
    "{\"x\":[\"a\",{\"b\":[{\"c\":1}",
    "\xef\xbb\xbf{\"id\":1}",
    "{\"id\":\"\n\"}",
    "{\"id\":\"\t\"}",
    "{\"id\":\"\x01\"}",
    "{'id':1}",
    "{\"id\":NaN}",
    "{\"id\":1}\"",
    "{\"id\":1\"\"}",
    "{\"id\":\"\"1}",
    "{\"id\":null\"\"}",
    "{\"id\":nulltrue}",
    "{\"id\":-}",
};

Test(json, refuses_broken_text_whatever_lies_behind_it)
{
	const char *const behind[] = {" ", "}", "]",    ",",          ":",   "\"",  "1",
				      "{", "[", "}}]}", ",\"id\":5}", "\"}", ":1}", "\xff"};
	for (size_t i = 0; i < AB_COUNT(broken); i++)
		for (size_t b = 0; b < AB_COUNT(behind); b++)
			cr_expect_eq(read_before(broken[i], behind[b]), AB_JSON_INVALID, "%s before %s", broken[i],
				     behind[b]);
}

Test(json, says_something_for_people_about_everything_it_refuses)
{
	for (size_t i = 0; i < AB_COUNT(broken); i++) {
		read(broken[i]);
		cr_expect_not_null(error, "%s", broken[i]);
	}
}

Test(json, refuses_bytes_that_are_not_utf8)
{
	const char *const texts[] = {
	    "{\"id\":\"\xff\"}",
	    "{\"x\":\"\xc3\"}",
	    "{\"x\":\"\xc0\x80\"}",
	    "{\"x\":\"\xed\xa0\x80\"}",
	    "{\"schema\":{\"\xe9\":1},\"payload\":{}}",
	    "{\"x\":\"\xf5\x80\x80\x80\"}",
	};
	for (size_t i = 0; i < AB_COUNT(texts); i++)
		cr_expect_eq(read(texts[i]), AB_JSON_NOT_UTF8);
}

/* {"x":[[[…]]],"id":1} with so many brackets, in an unread value, or in the schema. */
static enum ab_json_result read_nested(const char *key, int depth)
{
	static char text[MAX_BYTES];
	int len = snprintf(text, sizeof text, "{\"%s\":{\"y\":", key);
	memset(text + len, '[', (size_t)depth);
	memset(text + len + depth, ']', (size_t)depth);
	strcpy(text + len + 2 * depth, "},\"payload\":{\"id\":1}}");
	return read(text);
}

Test(json, bounds_nesting)
{
	cr_expect_eq(read_nested("x", 50), AB_JSON_OK);
	cr_expect_eq(read_nested("x", 100), AB_JSON_INVALID);
	cr_expect_eq(read_nested("x", 20000), AB_JSON_INVALID);
	cr_expect_eq(read_nested("schema", 50), AB_JSON_OK);
	expect_token(fields[0].token, "1");
	cr_expect_eq(read_nested("schema", 20000), AB_JSON_INVALID);
}

Test(json, names_the_kernel_it_uses)
{
	cr_expect_gt(strlen(ab_json_kernel()), 0);
}
