/* sinks/elasticsearch_admin.c — what control asks of Elasticsearch: is it fit, and `anabranch init`.
 *
 * The template carries what documents' versions are (_meta.version_kind): offsets and LSNs do not compare, so that an
 * engine that is set otherwise would have every change refused as older, which reads as success.
 *
 * GET / is not asked: some builds of the server do not have it.
 */
#include <jansson.h>
#include <string.h>

#include "sinks/elasticsearch.h"

#define HEALTH_PATH   "/_cluster/health?timeout=1s"
#define TEMPLATE_PATH "/_index_template/" AB_ES_TEMPLATE

static const char template_format[] =
    "{\"index_patterns\":[\"engagement-events-*\"],\"priority\":200,"
    "\"_meta\":{\"managed_by\":\"anabranch\",\"version_kind\":\"%s\"},"
    "\"template\":{\"settings\":{\"index\":{\"number_of_shards\":%d,\"number_of_replicas\":%d}},"
    "\"mappings\":{\"dynamic\":false,\"properties\":{"
    "\"id\":{\"type\":\"long\"},"
    "\"content_id\":{\"type\":\"keyword\"},\"user_id\":{\"type\":\"keyword\"},\"event_type\":{\"type\":\"keyword\"},"
    "\"device\":{\"type\":\"keyword\"},\"content_type\":{\"type\":\"keyword\"},"
    "\"event_timestamp\":{\"type\":\"date\"},\"duration_ms\":{\"type\":\"long\"},\"engagement_pct\":{\"type\":"
    "\"float\"},"
    "\"processing_time\":{\"type\":\"date\"},\"@timestamp\":{\"type\":\"date\"},\"deleted\":{\"type\":\"boolean\"}}}}}";

static const char *kind_name(enum ab_config_version_kind kind)
{
	return kind == AB_VERSION_KIND_LSN ? "lsn" : "offset";
}

static enum ab_sink_status check_health(struct ab_sink *sink, char *error)
{
	struct ab_http_answer answer;
	enum ab_sink_status status = ab_http_call(&sink->admin, "GET", HEALTH_PATH, NULL, &answer, error);

	if (status != AB_SINK_OK)
		return status;
	if (answer.status != 200 && answer.status != 408) /* 408: it is there and waits for shards */
		status = ab_http_refusal(&sink->admin, "health", &answer, error);
	else if (strstr(answer.body, "\"status\":\"red\"") != NULL)
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "elasticsearch: the cluster is red: some shards are lost or not yet "
			 "there; documents for their indexes wait. See GET /_cluster/allocation/explain");
	ab_http_answer_free(&answer);
	return status;
}

/* kind gets the version kind that the stored template names; "" when it names none. */
static void read_kind(const json_t *root, char *kind, size_t room)
{
	const json_t *entry = json_array_get(json_object_get(root, "index_templates"), 0);
	const json_t *meta = json_object_get(json_object_get(entry, "index_template"), "_meta");
	const char *text = json_string_value(json_object_get(meta, "version_kind"));

	snprintf(kind, room, "%s", text != NULL ? text : "");
}

/* Whether the stored template is ours, and of our kind. *foreign: there is one, and it is not ours. */
static enum ab_sink_status judge_template(const struct ab_sink *sink, const json_t *root, bool *foreign, char *error)
{
	char kind[16];

	read_kind(root, kind, sizeof kind);
	if (kind[0] == '\0') {
		*foreign = true;
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "elasticsearch: the index template " AB_ES_TEMPLATE
			 " is another program's: it does not say what versions are. Run `anabranch init` to "
			 "replace it");
		return AB_SINK_MISSING;
	}
	if (strcmp(kind, kind_name(sink->version_kind)) == 0)
		return AB_SINK_OK;
	snprintf(error, AB_SINK_ERROR_MAX_BYTES,
		 "elasticsearch: its documents' versions are of the kind %s; with ELASTICSEARCH_VERSION_KIND=%s changes would "
		 "be refused as older. Set %s, or delete the indexes and the template and run `anabranch init`",
		 kind, kind_name(sink->version_kind), kind);
	return AB_SINK_REFUSED;
}

static enum ab_sink_status check_template(struct ab_sink *sink, bool *foreign, char *error)
{
	struct ab_http_answer answer;
	json_t *root = NULL;
	enum ab_sink_status status = ab_http_call(&sink->admin, "GET", TEMPLATE_PATH, NULL, &answer, error);

	*foreign = false;
	if (status != AB_SINK_OK)
		return status;
	if (answer.status == 404) {
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "elasticsearch: the index template " AB_ES_TEMPLATE " is missing. Run `anabranch init`");
		status = AB_SINK_MISSING;
	} else if (answer.status != 200) {
		status = ab_http_refusal(&sink->admin, "index template", &answer, error);
	} else {
		status = ab_http_json(&sink->admin, "index template", &answer, &root, error);
	}
	if (root != NULL)
		status = judge_template(sink, root, foreign, error);
	json_decref(root);
	ab_http_answer_free(&answer);
	return status;
}

enum ab_sink_status ab_es_probe(struct ab_sink *sink, char *error)
{
	char health[AB_SINK_ERROR_MAX_BYTES] = "";
	bool foreign;
	enum ab_sink_status status = check_health(sink, health);

	if (status == AB_SINK_OK)
		status = check_template(sink, &foreign, error);
	if (error[0] == '\0')
		memcpy(error, health, sizeof health); /* of a cluster that is red and still OK, too */
	return status;
}

enum ab_sink_status ab_es_init(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
			       const char *run_id, char *note, char *error)
{
	char body[sizeof template_format + 64];
	struct ab_http_answer answer;
	bool foreign;

	(void)first; /* repeats are harmless: no positions are stored here */
	(void)partitions;
	(void)run_id;
	enum ab_sink_status status = check_health(sink, error);
	if (status != AB_SINK_OK)
		return status;
	status = check_template(sink, &foreign, error);
	if (status != AB_SINK_OK && status != AB_SINK_MISSING)
		return status;
	if (foreign)
		snprintf(note, AB_SINK_ERROR_MAX_BYTES,
			 "replaced the index template " AB_ES_TEMPLATE
			 " of another program; indexes that exist keep their mappings and documents");
	int len =
	    snprintf(body, sizeof body, template_format, kind_name(sink->version_kind), sink->shards, sink->replicas);
	AB_ASSERT(len > 0 && (size_t)len < sizeof body);
	error[0] = '\0';
	status = ab_http_call(&sink->admin, "PUT", TEMPLATE_PATH, body, &answer, error);
	if (status != AB_SINK_OK)
		return status;
	if (answer.status != 200)
		status = ab_http_refusal(&sink->admin, "index template", &answer, error);
	ab_http_answer_free(&answer);
	return status;
}
