/* tests/unit/test_memory_bound.c — the printed bound is what is really taken at start, within a tenth. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <string.h>

#include "core/content.h"
#include "core/delivery.h"
#include "core/memory_bound.h"
#include "core/sinks.h"
#include "core/worker.h"

#if defined(__SANITIZE_ADDRESS__)
#define MEASURABLE false /* its allocator does not tell */
#else
#define MEASURABLE true
#endif

static struct ab_config config;

/* What the process has mapped to write to: malloc's heap, its large blocks, and the huge pages that malloc knows nothing
 * of. What malloc keeps free is given back first. */
static size_t heap(void)
{
	char line[128];
	size_t kilobytes = 0;
	FILE *status = fopen("/proc/self/status", "r");

	malloc_trim(0);
	cr_assert_not_null(status);
	while (kilobytes == 0 && fgets(line, sizeof line, status) != NULL) {
		if (strncmp(line, "VmData:", 7) == 0)
			kilobytes = strtoull(line + 7, NULL, 10);
	}
	fclose(status);
	cr_assert_gt(kilobytes, 0);
	return kilobytes * 1024;
}

/* What an engine takes before it has seen a record, without librdkafka's part. */
static size_t take_all(void)
{
	static struct ab_delivery_sink delivery_sink[AB_SINKS_MAX], *list[AB_SINKS_MAX];
	static struct ab_delivery delivery;
	int workers = ab_memory_bound_workers(&config), sinks = ab_sinks_count(&config);
	char error[512];
	size_t before = heap();
	struct ab_worker *worker = ab_take_lines((size_t)workers * sizeof worker[0]);

	for (int s = 0; s < sinks; s++) {
		const struct ab_sink_ops *ops = ab_sinks_ops(&config, s);
		ab_delivery_sink_create(&delivery_sink[s], s, ops, ops->create(&config, error), &config);
		list[s] = &delivery_sink[s];
	}
	for (int w = 0; w < workers; w++) {
		ab_worker_create(&worker[w], w, &config, NULL, NULL);
		for (int s = 0; s < sinks; s++) {
			for (int l = 0; l < delivery_sink[s].lane_count; l++)
				ab_link_create(&worker[w].sink[s].link[l]);
		}
	}
	cr_assert(ab_delivery_create(&delivery, 0, &config, list, sinks, worker, workers, NULL, error), "%s", error);
	cr_assert_neq(ab_cache_create(ab_content_capacity(&config, config.content_rows)), NULL);
	cr_assert_neq(ab_decoder_create((size_t)config.record_max_bytes), NULL);
	return heap() - before;
}

static void expect_within_a_tenth(void)
{
	FILE *nowhere = fopen("/dev/null", "w");
	size_t bound = ab_memory_bound_print(&config, nowhere);

	bound -= ab_source_bytes(&config, ab_sinks_count(&config), ab_memory_bound_workers(&config));
	fclose(nowhere);
	size_t taken = take_all();
	cr_expect_leq(taken, bound + bound / 10, "%zu taken, %zu printed", taken, bound);
	cr_expect_geq(taken, bound - bound / 10, "%zu taken, %zu printed", taken, bound);
}

Test(memory_bound, is_what_the_defaults_take)
{
	if (!MEASURABLE)
		return;
	ab_config_defaults(&config);
	expect_within_a_tenth();
}

Test(memory_bound, follows_the_settings)
{
	if (!MEASURABLE)
		return;
	ab_config_defaults(&config);
	config.record_max_bytes = 65536;
	config.redis_sink_parallelism = 2;
	config.elasticsearch_sink_parallelism = 16;
	config.elasticsearch_batch_size = 2100; /* just above a huge page: each of its batches takes two */
	config.content_capacity = 1000000;
	expect_within_a_tenth();
}
