/* tests/unit/test_loadgen_event.c — events as the contract names them, the same for the same seed. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/content.h"
#include "loadgen/event.h"
#include "loadgen/random.h"

#define MANY 20000
#define CONTENTS 100

static const char *const TYPES[] = {"play", "pause", "finish", "click"};
static const char *const DEVICES[] = {"ios", "android", "web-chrome", "web-safari", "web-firefox"};

static const struct ab_gen_source source_1 = {.seed = 1, .contents = CONTENTS}, source_2 = {.seed = 2, .contents = CONTENTS};

static size_t place_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	cr_assert(0, "%s is no word of the contract", word);
	return 0;
}

Test(loadgen_event, the_same_number_gives_the_same_event)
{
	struct ab_gen_event a, b;
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	ab_gen_event(&source_1, 5, &a);
	ab_gen_event(&source_1, 5, &b);
	cr_expect(memcmp(&a, &b, sizeof a) == 0);
	ab_gen_event(&source_2, 5, &b);
	cr_expect(memcmp(a.user_id, b.user_id, sizeof a.user_id) != 0);
}

Test(loadgen_event, types_and_devices_are_those_of_the_contract_and_each_as_likely)
{
	uint32_t types[AB_COUNT(TYPES)] = {0}, devices[AB_COUNT(DEVICES)] = {0};
	for (uint64_t n = 0; n < MANY; n++) {
		struct ab_gen_event e;
		ab_gen_event(&source_1, n, &e);
		types[place_of(e.type, TYPES, AB_COUNT(TYPES))]++;
		devices[place_of(e.device, DEVICES, AB_COUNT(DEVICES))]++;
	}
	for (size_t i = 0; i < AB_COUNT(TYPES); i++)
		cr_expect(types[i] > 4500 && types[i] < 5500, "%s came %u times", TYPES[i], types[i]);
	for (size_t i = 0; i < AB_COUNT(DEVICES); i++)
		cr_expect(devices[i] > 3500 && devices[i] < 4500, "%s came %u times", DEVICES[i], devices[i]);
}

Test(loadgen_event, every_content_is_pointed_to_and_no_other)
{
	uint32_t seen[CONTENTS] = {0};
	static struct ab_gen_content contents[CONTENTS];
	for (uint64_t n = 0; n < CONTENTS; n++)
		ab_gen_content(1, n, &contents[n]);
	for (uint64_t n = 0; n < MANY; n++) {
		struct ab_gen_event e;
		size_t i = 0;
		ab_gen_event(&source_1, n, &e);
		while (i < CONTENTS && memcmp(contents[i].id, e.content_id, 16) != 0)
			i++;
		cr_assert(i < CONTENTS, "event %llu points to no content", (unsigned long long)n);
		cr_assert_eq(e.content_length_seconds, contents[i].length_seconds);
		seen[i]++;
	}
	for (size_t i = 0; i < CONTENTS; i++)
		cr_expect(seen[i] > 80 && seen[i] < 320, "content %zu came %u times instead of about 200", i, seen[i]);
}

static void expect_duration(const char *type, int32_t length_seconds, int32_t duration_ms)
{
	if (strcmp(type, "click") == 0 || length_seconds == AB_GEN_NO_LENGTH)
		cr_assert_eq(duration_ms, AB_GEN_NO_DURATION);
	else
		cr_assert(duration_ms >= 1000 && duration_ms <= length_seconds * 1000);
}

Test(loadgen_event, a_duration_is_there_exactly_for_plays_of_known_length)
{
	for (uint64_t n = 0; n < MANY; n++) {
		struct ab_gen_event e;
		ab_gen_event(&source_1, n, &e);
		expect_duration(e.type, e.content_length_seconds, e.duration_ms);
	}
}

Test(loadgen_event, an_update_keeps_to_the_rules_of_the_row_it_changes)
{
	uint32_t changed = 0;
	for (uint64_t n = 0; n < MANY; n++) {
		struct ab_gen_event e;
		struct ab_gen_update u;
		ab_gen_event(&source_1, n, &e);
		ab_gen_update(&source_1, 1000 + n, n, &u);
		expect_duration(e.type, e.content_length_seconds, u.duration_ms);
		(void)place_of(u.device, DEVICES, AB_COUNT(DEVICES));
		changed += strcmp(u.device, e.device) != 0;
	}
	cr_expect(changed > MANY / 2, "only %u updates changed the device", changed);
}

Test(loadgen_event, two_updates_of_one_row_differ)
{
	struct ab_gen_event e;
	struct ab_gen_update a, b;
	uint64_t n = 0;
	do
		ab_gen_event(&source_1, n++, &e);
	while (e.duration_ms == AB_GEN_NO_DURATION);
	ab_gen_update(&source_1, 100, n - 1, &a);
	ab_gen_update(&source_1, 101, n - 1, &b);
	cr_expect_neq(a.duration_ms, b.duration_ms);
}

Test(loadgen_event, the_payload_is_json_with_session_address_and_agent)
{
	for (uint64_t n = 0; n < 1000; n++) {
		struct ab_gen_event e;
		char session[64], agent[256];
		int last = 0, end = 0;
		ab_gen_event(&source_1, n, &e);
		cr_assert_eq(strlen(e.payload), e.payload_len);
		cr_assert_eq(sscanf(e.payload, "{\"session_id\": \"%36[0-9a-f-]\", \"ip\": \"203.0.113.%d\", "
					       "\"user_agent\": \"%255[^\"\\]\"}%n", session, &last, agent, &end), 3);
		cr_assert_eq((uint32_t)end, e.payload_len);
		cr_assert_eq(strlen(session), 36);
		cr_assert(last >= 1 && last <= 254);
	}
}

Test(loadgen_event, a_payload_is_filled_up_and_nothing_else_changes)
{
	static const uint32_t sizes[] = {250, 400, 1000, AB_GEN_PAYLOAD_MAX_BYTES};
	for (size_t i = 0; i < AB_COUNT(sizes); i++) {
		struct ab_gen_source filled = source_1;
		static struct ab_gen_event plain, e;
		filled.payload_bytes = sizes[i];
		for (uint64_t n = 0; n < 50; n++) {
			ab_gen_event(&source_1, n, &plain);
			ab_gen_event(&filled, n, &e);
			cr_assert(e.payload_len == sizes[i] || e.payload_len == plain.payload_len, "%u of %u", e.payload_len, sizes[i]);
			cr_assert_eq(e.payload[e.payload_len - 1], '}');
			cr_assert_eq(memcmp(e.payload, plain.payload, plain.payload_len - 1), 0);
			cr_assert_eq(e.duration_ms, plain.duration_ms);
			cr_assert_str_eq(e.device, plain.device);
		}
	}
}

Test(loadgen_event, a_mark_is_a_play_worth_one_percent_of_a_content_of_its_own)
{
	static struct ab_gen_event e;
	struct ab_gen_content content;
	ab_gen_content(1, AB_GEN_MARK_FIRST + 7, &content);
	ab_gen_event(&source_1, 3, &e);
	ab_gen_event_mark(&source_1, AB_GEN_MARK_FIRST + 7, &e);
	cr_expect_eq(memcmp(e.content_id, content.id, 16), 0);
	cr_expect_str_eq(e.type, "play");
	cr_expect_eq(e.duration_ms * 100, content.length_seconds * 1000 * AB_GEN_MARK_PERCENT);
}
