/* core/memory_bound.c — see memory_bound.h. */
#include "core/memory_bound.h"

#include <sched.h>

#include "core/content.h"
#include "core/delivery.h"
#include "core/sinks.h"
#include "core/worker.h"

static size_t line(FILE *to, const char *part, size_t bytes, const char *of)
{
	fprintf(to, "  %-34s %14zu  %s\n", part, bytes, of);
	return bytes;
}

int ab_memory_bound_workers(const struct ab_config *config)
{
	cpu_set_t set;

	return ab_worker_count(config, sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1);
}

size_t ab_memory_bound_print(const struct ab_config *config, FILE *to)
{
	size_t sum = 0, links = 0;
	char of[160];
	int workers = ab_memory_bound_workers(config);

	fprintf(to, "memory taken at start, at most (bytes):\n");
	snprintf(of, sizeof of, "%d workers (KAFKA_SOURCE_PARALLELISM, as cores allow), records up to %lld bytes", workers,
		 (long long)config->record_max_bytes);
	sum += line(to, "workers", (size_t)workers * ab_worker_bytes(config), of);
	for (int s = 0; s < ab_sinks_count(config); s++) {
		const struct ab_sink_ops *ops = ab_sinks_ops(config, s);
		struct ab_lane_limits limits = ab_delivery_limits(config, ops);
		size_t lanes = (size_t)ab_delivery_lanes(config, ops);
		links += lanes * (size_t)workers * ab_link_bytes();
		snprintf(of, sizeof of, "%zu lanes, batches of %u records and %u bytes, two each", lanes,
			 limits.item_max, limits.bytes_max);
		sum += line(to, ops->name,
			    lanes * (ab_lane_bytes(&limits) + ab_delivery_lane_bytes()) +
				ops->bytes(config, lanes, limits.item_max, limits.bytes_max),
			    of);
	}
	snprintf(of, sizeof of, "%d chunks of %d bytes from each worker to each lane", AB_LINK_CHUNKS, AB_CHUNK_BYTES);
	sum += line(to, "chunks", links, of);
	sum += line(to, "contents", sizeof(struct ab_content_feed) + ab_decoder_bytes((size_t)config->record_max_bytes),
		    "their decoder");
	size_t capacity = ab_content_capacity(config, config->content_rows);
	snprintf(of, sizeof of, "%zu contents%s", capacity,
		 config->content_capacity > 0 ? "" : ", four times CONTENT_ROWS; by the rows found at start");
	sum += line(to, "content cache", ab_cache_bytes(capacity), of);
	snprintf(of, sizeof of, "contents, shared reader, and one for each sink reading by itself: %s",
		 ab_source_workers_fetch(config) ? "an answer a worker and broker (here one)" : "librdkafka's queues");
	sum += line(to, "Kafka", ab_source_bytes(config, ab_sinks_count(config), workers), of);
	return line(to, "sum", sum, "");
}
