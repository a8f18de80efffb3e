/* io/source_ask.c — what a source can be asked about its log: how many partitions, where they begin and end, whose it is. See
 * source.h.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "io/source_kafka.h"

#define LOOK_INTERVAL_NS (10 * AB_NS_PER_S)

static void take_starts(struct ab_source *source, rd_kafka_event_t *event)
{
	size_t count = 0;
	const rd_kafka_ListOffsetsResultInfo_t **info =
	    rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &count);

	for (size_t i = 0; i < count; i++) {
		const rd_kafka_topic_partition_t *one = rd_kafka_ListOffsetsResultInfo_topic_partition(info[i]);
		if (one->err == 0 && one->offset >= 0 && one->partition < AB_PARTITIONS_MAX)
			atomic_store_explicit(&source->log_start[one->partition], one->offset,
					      memory_order_relaxed); /* [S1] */
	}
}

static void take_retention(struct ab_source *source, rd_kafka_event_t *event)
{
	size_t resources = 0, entries = 0;
	const rd_kafka_ConfigResource_t **resource =
	    rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);

	if (resources == 0)
		return;
	const rd_kafka_ConfigEntry_t **entry = rd_kafka_ConfigResource_configs(resource[0], &entries);
	for (size_t i = 0; i < entries; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entry[i]);
		if (strcmp(rd_kafka_ConfigEntry_name(entry[i]), "retention.ms") == 0 && value != NULL)
			atomic_store_explicit(&source->retention_ms, strtoll(value, NULL, 10),
					      memory_order_relaxed); /* [S1] */
	}
}

/* Who may not describe a topic goes without: nothing is said, since nothing depends on it. */
bool ab_source_take_look(struct ab_source *source, rd_kafka_event_t *event)
{
	rd_kafka_event_type_t type = rd_kafka_event_type(event);

	if (type != RD_KAFKA_EVENT_LISTOFFSETS_RESULT && type != RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT)
		return false;
	if (rd_kafka_event_error(event) == 0 && type == RD_KAFKA_EVENT_LISTOFFSETS_RESULT)
		take_starts(source, event);
	else if (rd_kafka_event_error(event) == 0)
		take_retention(source, event);
	return true;
}

int ab_source_partitions(struct ab_source *source)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(source->rk, source->topic, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	int count = -1;

	if (topic == NULL)
		return -1;
	if (rd_kafka_metadata(source->rk, 0, topic, &metadata, AB_SOURCE_ANSWER_MAX_MS) == 0 && metadata->topic_cnt == 1) {
		if (metadata->topics[0].err == 0)
			count = metadata->topics[0].partition_cnt;
		else if (metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			count = 0;
	}
	if (metadata != NULL)
		rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(topic);
	return count;
}

bool ab_source_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next)
{
	return rd_kafka_query_watermark_offsets(source->rk, source->topic, partition, first, next, AB_SOURCE_ANSWER_MAX_MS) == 0;
}

int64_t ab_source_offset_at(struct ab_source *source, uint16_t partition, int64_t time_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t first, next, offset = -1;

	rd_kafka_topic_partition_list_add(list, source->topic, partition)->offset = time_ms;
	if (rd_kafka_offsets_for_times(source->rk, list, AB_SOURCE_ANSWER_MAX_MS) == 0 && list->elems[0].err == 0) {
		offset = list->elems[0].offset;
		if (offset < 0 && ab_source_bounds(source, partition, &first, &next))
			offset = next;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return offset;
}

void ab_source_look(struct ab_source *source, const uint16_t *partition, int count)
{
	int64_t now_ns = ab_monotonic_ns();

	if (count == 0 || (source->looked_ns != 0 && now_ns - source->looked_ns < LOOK_INTERVAL_NS))
		return;
	source->looked_ns = now_ns;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
	for (int i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, source->topic, partition[i])->offset =
		    RD_KAFKA_OFFSET_SPEC_EARLIEST;
	rd_kafka_ListOffsets(source->rk, list, NULL, source->admin);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_ConfigResource_t *topic = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, source->topic);
	rd_kafka_DescribeConfigs(source->rk, &topic, 1, NULL, source->admin);
	rd_kafka_ConfigResource_destroy(topic);
}

int64_t ab_source_log_start(const struct ab_source *source, uint16_t partition)
{
	return atomic_load_explicit(&source->log_start[partition], memory_order_relaxed); /* [S1] */
}

int64_t ab_source_retention_ms(const struct ab_source *source)
{
	return atomic_load_explicit(&source->retention_ms, memory_order_relaxed); /* [S1] */
}

const char *ab_source_cluster(struct ab_source *source)
{
	if (source->cluster[0] == 0) {
		char *id = rd_kafka_clusterid(source->rk, AB_SOURCE_ANSWER_MAX_MS);
		if (id != NULL)
			snprintf(source->cluster, sizeof source->cluster, "%s", id);
		rd_kafka_mem_free(source->rk, id);
	}
	return source->cluster;
}
