/* bench/stub/elasticsearch.c — _bulk with external versions, item by item; a template; a green cluster. */
#include <string.h>

#include "bench/stub/json.h"
#include "bench/stub/stub.h"

struct bulk {
	struct stub *stub;
	struct stub_conn *conn;
	struct stub_buffer *items;
	bool filtered;		/* the reply has what filter_path leaves of it */
	bool errors;
	uint64_t count;
};

static bool begins(const struct stub_request *request, const char *with)
{
	return request->line_len >= strlen(with) && memcmp(request->line, with, strlen(with)) == 0;
}

static void put_item(struct bulk *bulk, int64_t id, int64_t version, int status)
{
	struct stub_buffer *to = bulk->items;

	if (bulk->count++ > 0)
		STUB_PUT(to, ",");
	if (status == 409) {
		bulk->errors = true;
		stub_print(to, "{\"index\":{\"status\":409,\"error\":{\"type\":\"version_conflict_engine_exception\","
			       "\"reason\":\"[%lld]: version conflict, current version is higher or equal\"}}}", (long long)id);
	} else if (bulk->filtered) {
		if (status == 201)
			STUB_PUT(to, "{\"index\":{\"status\":201}}");
		else
			STUB_PUT(to, "{\"index\":{\"status\":200}}");
	} else {
		stub_print(to, "{\"index\":{\"_index\":\"engagement-events-2026-01-01\",\"_id\":\"%lld\",\"_version\":%lld,"
			       "\"result\":\"%s\",\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0},\"_seq_no\":%lld,"
			       "\"_primary_term\":1,\"status\":%d}}",
			   (long long)id, (long long)version, status == 201 ? "created" : "updated", (long long)bulk->count,
			   status);
	}
}

static void index_one(struct bulk *bulk, const struct stub_pick *action, const struct stub_pick *source)
{
	struct stub *stub = bulk->stub;
	int64_t id = stub_pick_number(&action[0]), version = stub_pick_number(&action[1]);

	if (id < 0 || id >= (int64_t)STUB_IDS_MAX || version < 0 || action[2].at == NULL || stub_pick_number(source) != id) {
		stub_bad(stub, "elasticsearch: an action without _id, version, _index, or another document's: id %lld",
			 (long long)id);
		return;
	}
	int64_t *stored = &stub->version[id];
	int status = *stored == 0 ? 201 : version > *stored ? 200 : 409;
	if (status == 201)
		stub->count.es_created++;
	else if (status == 200)
		stub->count.es_updated++;
	else
		stub->count.es_conflicts++;
	if (status != 409)
		*stored = version;
	if (status == 201 && stub->items != NULL)
		fprintf(stub->items, "elasticsearch %lld %lld\n", (long long)id, (long long)stub->now_ns);
	put_item(bulk, id, version, status);
}

/* One action line and its document; the place behind them, NULL when they are not that. */
static const char *take_pair(struct bulk *bulk, const char *at, const char *end)
{
	struct stub_pick action[] = {{.key = "_id", .key_len = 3}, {.key = "version", .key_len = 7}, {.key = "_index", .key_len = 6}};
	struct stub_pick source[] = {{.key = "id", .key_len = 2}};

	at = stub_json_value(at, end, action, 3);
	if (at == NULL || at >= end || *at != '\n')
		return NULL;
	at = stub_json_value(at + 1, end, source, 1);
	if (at == NULL || at >= end || *at != '\n')
		return NULL;
	index_one(bulk, action, source);
	return at + 1;
}

static void take_bulk(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	static struct stub_buffer items, body;
	struct bulk bulk = {.stub = stub, .conn = conn, .items = &items};
	const char *at = request->body, *end = request->body + request->body_len;

	items.len = body.len = 0;
	bulk.filtered = memmem(request->line, request->line_len, "filter_path", 11) != NULL;
	stub_note(stub);
	stub->count.es_requests++;
	stub->count.es_bytes += request->body_len;
	while (at != NULL && at < end)
		at = take_pair(&bulk, at, end);
	if (at == NULL) {
		static const char words[] = "{\"error\":{\"type\":\"x_content_parse_exception\",\"reason\":\"not JSON\"}}";
		stub_bad(stub, "elasticsearch: a line of _bulk is not JSON after %llu items", (unsigned long long)bulk.count);
		stub_answer(conn, 400, words, sizeof words - 1);
		return;
	}
	stub_print(&body, "{\"took\":7,\"errors\":%s,\"items\":[", bulk.errors ? "true" : "false");
	stub_put(&body, items.at, items.len);
	STUB_PUT(&body, "]}");
	stub_answer(conn, 200, body.at, body.len);
}

static void answer_template(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	struct stub_buffer *stored = &stub->template_body;
	static struct stub_buffer body;

	body.len = 0;
	if (request->line[0] == 'P') {
		stored->len = 0;
		stub_put(stored, request->body, request->body_len);
		STUB_PUT(&body, "{\"acknowledged\":true}");
	} else if (stored->len > 0) {
		STUB_PUT(&body, "{\"index_templates\":[{\"name\":\"engagement_events_template\",\"index_template\":");
		stub_put(&body, stored->at, stored->len);
		STUB_PUT(&body, "}]}");
	} else {
		STUB_PUT(&body, "{\"error\":{\"type\":\"resource_not_found_exception\",\"reason\":\"no template\"},\"status\":404}");
		stub_answer(conn, 404, body.at, body.len);
		return;
	}
	stub_answer(conn, 200, body.at, body.len);
}

void stub_elasticsearch(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	static const char health[] = "{\"cluster_name\":\"stub\",\"status\":\"green\",\"number_of_nodes\":1}";

	if (begins(request, "POST /_bulk"))
		take_bulk(stub, conn, request);
	else if (begins(request, "GET /_index_template") || begins(request, "PUT /_index_template"))
		answer_template(stub, conn, request);
	else
		stub_answer(conn, 200, health, sizeof health - 1);
}
