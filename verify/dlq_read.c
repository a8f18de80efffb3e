/* verify/dlq_read.c — from the topic to letters. See dlq.h. */
#include <ctype.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "core/exit.h"
#include "verify/dlq.h"
#include "verify/log.h"

struct reading {
	const char *sink;
	ab_dlq_on_letter *on_letter;
	void *arg;
	int64_t foreign; /* records of the topic that are no letters of ours */
};

static bool header(const rd_kafka_headers_t *headers, const char *name, char *to, size_t room)
{
	const void *value;
	size_t len;

	to[0] = '\0';
	if (headers == NULL || rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	snprintf(to, room, "%.*s", (int)(len < room ? len : room - 1), (const char *)value);
	return true;
}

static bool number(const rd_kafka_headers_t *headers, const char *name, int64_t *to)
{
	char text[32], *end;

	*to = -1;
	if (!header(headers, name, text, sizeof text) || text[0] == '\0')
		return false;
	*to = strtoll(text, &end, 10);
	return *end == '\0';
}

static void on_record(void *arg, const struct ab_source_record *record)
{
	struct reading *reading = arg;
	rd_kafka_headers_t *headers = NULL;
	struct ab_dlq_letter letter = {.value = record->value,
				       .value_len = record->value_len,
				       .at_partition = record->partition,
				       .at_offset = record->offset,
				       .at_ms = record->timestamp_ms};
	int64_t partition = -1;

	rd_kafka_message_headers(record->handle, &headers);
	if (!header(headers, "sink", letter.sink, sizeof letter.sink) ||
	    !header(headers, "topic", letter.topic, sizeof letter.topic) || !number(headers, "partition", &partition) ||
	    !number(headers, "offset", &letter.offset)) {
		reading->foreign++;
		return;
	}
	header(headers, "code", letter.code, sizeof letter.code);
	header(headers, "reason", letter.reason, sizeof letter.reason);
	number(headers, "timestamp", &letter.timestamp_ms);
	number(headers, "value_cut", &letter.value_cut);
	letter.partition = (int)partition;
	if (reading->sink == NULL || strcmp(letter.sink, reading->sink) == 0 || strcmp(letter.sink, "all") == 0)
		reading->on_letter(reading->arg, &letter);
}

int ab_dlq_read(const struct ab_config *config, const char *sink, ab_dlq_on_letter *on_letter, void *arg)
{
	int64_t first[AB_PARTITIONS_MAX], next[AB_PARTITIONS_MAX];
	struct reading reading = {.sink = sink, .on_letter = on_letter, .arg = arg};
	char error[AB_SOURCE_ERROR_MAX_BYTES], group[256];
	struct ab_verify_log log;

	snprintf(group, sizeof group, "%.200s.dlq", config->group_id);
	if (!ab_verify_log_open(&log, config, config->dead_letter_topic, group, error)) {
		fprintf(stderr, "anabranch: kafka: %s\n", error);
		return AB_EXIT_UNAVAILABLE;
	}
	bool read = ab_verify_log_bounds(&log, first, next, error) &&
		    ab_verify_log_read(&log, first, next, on_record, &reading, "dead letters", error);
	ab_verify_log_close(&log);
	if (!read) {
		fprintf(stderr, "anabranch: %s: %s\n", config->dead_letter_topic, error);
		return AB_EXIT_UNAVAILABLE;
	}
	if (reading.foreign > 0)
		fprintf(stderr, "%" PRId64 " records of %s are no dead letters of anabranch: passed over\n",
			reading.foreign, config->dead_letter_topic);
	return AB_EXIT_OK;
}

void ab_dlq_kind_of_reason(const char *reason, char *to, size_t room)
{
	size_t len = 0;

	AB_ASSERT(room > 8);
	for (const char *at = reason; *at && len + 8 < room;) {
		char quote = *at == '"' || *at == '\'' || *at == '[' ? *at : '\0';
		const char *end = quote ? strchr(at + 1, quote == '[' ? ']' : quote) : NULL;
		if (isdigit((unsigned char)*at)) {
			while (isdigit((unsigned char)*at))
				at++;
			to[len++] = '#';
		} else if (quote && (end != NULL || quote == '"')) {
			/* A quoted value may have been cut off by the reason's own end. */
			len += (size_t)snprintf(to + len, room - len, "%c…%c", quote, quote == '[' ? ']' : quote);
			at = end != NULL ? end + 1 : at + strlen(at);
		} else {
			to[len++] = *at++;
		}
	}
	to[len] = '\0';
}
