/* sinks/elasticsearch.h — the Elasticsearch sink's own: what its files and its tests share. See elasticsearch.c.
 *
 * Threads: struct ab_sink is constant after creation, but for what tend keeps. A lane is the sink thread's.
 * Memory:  taken at creation.
 * Source:  the Bulk, Index and Index template APIs of Elasticsearch 8 and 9.
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "sinks/http_admin.h"
#include "sinks/http_lane.h"

/* One item's share of an answer: a version conflict takes about 250 bytes, a mapping error with a preview of the value
 * about 500. An answer above item_max of them (or above the floor) is too large: the lane asks in halves. */
#define AB_ES_ITEM_ANSWER_BYTES  512
#define AB_ES_ANSWER_FLOOR_BYTES (128 * 1024)

/* Whether template and indexes are still there is asked this often. */
#define AB_ES_LOOK_NS (5 * INT64_C(1000000000))

#define AB_ES_TEMPLATE "engagement_events_template"

struct ab_sink {
	char host[256];
	int port;
	enum ab_config_version_kind version_kind;
	int shards, replicas;
	char authorization[1024];
	char bulk_head[AB_HTTP_REQUEST_HEAD_MAX_BYTES];
	struct ab_http_admin admin;
	/* what tend has seen: name -> uuid of our indexes, or NULL; the courier's */
	json_t *indexes;
	int64_t looked_ns;
	/* Times an index or the template was found gone; tend's caller writes, metrics reads. Relaxed: the number stands for
	 * itself. [E1] */
	_Atomic int64_t losses;
};

enum ab_es_verdict {
	AB_ES_ACKED,
	AB_ES_DUPLICATE, /* this version or a newer one is there: applied before */
	AB_ES_RETRY, /* this item, later */
	AB_ES_REJECTED, /* this document, never */
	AB_ES_OUTAGE, /* not the document's fault: index, cluster or permissions */
};

/* What one item's answer means. type and reason may be "". *advice: what to do about an outage. Pure. */
enum ab_es_verdict ab_es_classify(int status, const char *type, const char *reason, const char **advice);

enum ab_reply_result ab_es_reply(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				 const struct ab_reply *to);

enum ab_sink_status ab_es_probe(struct ab_sink *sink, char *error);
enum ab_sink_status ab_es_init(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
			       const char *run_id, char *note, char *error);

void ab_es_warnings(struct ab_sink *sink, char *out, size_t size);
enum ab_sink_status ab_es_tend(struct ab_sink *sink, char *error);
int ab_es_gauges(const struct ab_sink *sink, struct ab_sink_gauge *out);

struct ab_sink_lane {
	struct ab_sink *sink;
	struct ab_http_lane http;
};
