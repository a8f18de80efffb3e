/* bench/messages.c — see messages.h. */
#include "bench/messages.h"

#include <dirent.h>
#include <string.h>

#include "core/json.h"
#include "loadgen/changes.h"
#include "loadgen/content.h"

#define SEED 7

/* 2026-11-25 00:00:00 UTC, and 50 events in a second: a set of 20,000 spans seven minutes. */
#define FIRST_EVENT_US INT64_C(1795564800000000)
#define STEP_US 20000

/* What lies between two values of a Kafka record batch: lengths, key, headers. */
#define BETWEEN_BYTES 24

static void take(struct ab_bench_messages *messages, uint32_t count, size_t bytes_max)
{
	memset(messages, 0, sizeof *messages);
	messages->at = calloc(count, sizeof messages->at[0]);
	messages->room = count * (bytes_max + BETWEEN_BYTES) + AB_JSON_PADDING_BYTES;
	messages->bytes = calloc(1, messages->room);
	AB_ASSERT(messages->at != NULL && messages->bytes != NULL);
}

static void add(struct ab_bench_messages *messages, const char *bytes, size_t len)
{
	AB_ASSERT(messages->used + len + BETWEEN_BYTES + AB_JSON_PADDING_BYTES <= messages->room);
	char *to = messages->bytes + messages->used;
	memcpy(to, bytes, len);
	memset(to + len, 0x22, BETWEEN_BYTES);	/* quotes: nobody may be led astray by what comes behind */
	messages->at[messages->count++] = (struct ab_text){to, (uint32_t)len};
	messages->used += len + BETWEEN_BYTES;
	messages->mean_bytes += ((double)len - messages->mean_bytes) / messages->count;
}

void ab_bench_messages_make(struct ab_bench_messages *messages, enum ab_shape shape, enum ab_bench_mix mix, uint32_t count)
{
	static const uint8_t mixed[AB_MIX_KINDS] = {94, 5, 1}, inserts[AB_MIX_KINDS] = {100, 0, 0};
	const struct ab_gen_source source = {.seed = SEED, .contents = AB_BENCH_CONTENTS};
	struct ab_changes changes;
	struct ab_mix operations;
	char value[AB_DEBEZIUM_VALUE_MAX_BYTES(AB_GEN_PAYLOAD_PLAIN_BYTES)];

	take(messages, count, 2048);
	ab_mix_open(&operations, SEED, mix == AB_BENCH_MIXED ? mixed : inserts);
	ab_changes_open(&changes, &source, 1, FIRST_EVENT_US, STEP_US + 1);	/* no two with the same fraction */
	for (uint32_t i = 0; i < count; i++) {
		struct ab_change change;
		ab_mix_begin_batch(&operations);
		struct ab_mix_operation operation = ab_mix_next(&operations);
		ab_changes_make(&changes, &operation, NULL, 0, &change);
		add(messages, value, ab_debezium_value(&change, shape, value, sizeof value));
	}
	ab_changes_close(&changes);
	ab_mix_close(&operations);
}

void ab_bench_messages_golden(struct ab_bench_messages *messages, const char *folder, uint32_t times)
{
	enum { FILES_MAX = 64, BYTES_MAX = 65536 };
	char path[512], *bytes = malloc(BYTES_MAX);
	struct dirent **entry;

	take(messages, FILES_MAX * times, 4096);
	snprintf(path, sizeof path, "tests/golden/%s", folder);
	int count = scandir(path, &entry, NULL, alphasort);
	if (count < 0) {
		perror(path);
		exit(1);
	}
	for (int i = 0; i < count; free(entry[i]), i++) {
		const char *name = entry[i]->d_name, *end = strrchr(name, '.');
		if (strncmp(name, "engagement_events.", 18) != 0 || strcmp(end, ".json") != 0)
			continue;
		snprintf(path, sizeof path, "tests/golden/%s/%s", folder, name);
		FILE *file = fopen(path, "rb");
		AB_ASSERT(file != NULL && bytes != NULL);
		size_t len = fread(bytes, 1, BYTES_MAX, file);
		fclose(file);
		for (uint32_t n = 0; n < times && len < BYTES_MAX; n++)
			add(messages, bytes, len);
	}
	free(entry);
	free(bytes);
	AB_ASSERT(messages->count > 0);
}

void ab_bench_messages_destroy(struct ab_bench_messages *messages)
{
	free(messages->at);
	free(messages->bytes);
}

struct ab_cache *ab_bench_contents(void)
{
	struct ab_cache *cache = ab_cache_create(65536);	/* the least CONTENT_CAPACITY */

	AB_ASSERT(cache != NULL);
	for (uint64_t n = 0; n < AB_BENCH_CONTENTS; n++) {
		struct ab_gen_content content;
		struct ab_uuid id;
		ab_gen_content(SEED, n, &content);
		memcpy(&id, content.id, sizeof id);
		id = (struct ab_uuid){__builtin_bswap64(id.hi), __builtin_bswap64(id.lo)};
		AB_ASSERT(ab_cache_put(cache, id, content.type, strlen(content.type),
				       content.length_seconds != AB_GEN_NO_LENGTH,
				       content.length_seconds) == AB_CACHE_STORED);
	}
	return cache;
}
