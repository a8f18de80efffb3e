/* tests/sim/search.c — an Elasticsearch that understands _bulk with external versions, and a bit of HTTP. See sim.h. */
#include <string.h>

#include "tests/sim/sim.h"

void sim_http_answer(struct sim_request *to, int status, const char *body)
{
	int len = snprintf(to->reply, SIM_REPLY_BYTES,
			   "HTTP/1.1 %d Simulated\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
			   strlen(body), body);

	AB_ASSERT(len > 0 && len < SIM_REPLY_BYTES);
	to->reply_len = (size_t)len;
}

const char *sim_http_body(const char *bytes, size_t len)
{
	const char *body = memmem(bytes, len, "\r\n\r\n", 4);

	AB_ASSERT(body != NULL);
	return body + 4;
}

static int64_t field(const char *line, const char *end, const char *name)
{
	const char *at = memmem(line, (size_t)(end - line), name, strlen(name));

	AB_ASSERT(at != NULL);
	return strtoll(at + strlen(name), NULL, 10);
}

static bool has(const char *line, const char *end, const char *what)
{
	return memmem(line, (size_t)(end - line), what, strlen(what)) != NULL;
}

/* One document; what its item of the answer says. */
static const char *index_one(int64_t id, int64_t version, bool deleted, bool bad)
{
	AB_ASSERT(id >= 0 && id < SIM_PARTITIONS * SIM_IDS);
	if (sim_chance((uint32_t)sim.server[SIM_ELASTICSEARCH].item_percent * 10)) {
		sim.tally.refused++;
		return "{\"index\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution_exception\",\"reason\":\"full\"}}}";
	}
	if (bad)
		return "{\"index\":{\"status\":400,\"error\":{\"type\":\"document_parsing_exception\",\"reason\":\"bad\"}}}";
	if (version <= sim.search.version[id]) {
		sim.tally.duplicates++;
		return "{\"index\":{\"status\":409,\"error\":{\"type\":\"version_conflict_engine_exception\",\"reason\":\"\"}}}";
	}
	sim_trace("elasticsearch: document %lld has version %lld", (long long)id, (long long)version);
	sim.search.version[id] = version;
	sim.search.deleted[id] = deleted;
	return "{\"index\":{\"status\":201}}";
}

void sim_search_serve(const char *bytes, size_t len, bool late, struct sim_request *to)
{
	static char body[SIM_REPLY_BYTES - 512];
	const char *line = sim_http_body(bytes, len), *end = bytes + len;
	size_t used = 0;
	bool errors = false;

	(void)late;
	if (sim_chance((uint32_t)sim.server[SIM_ELASTICSEARCH].refuse_percent * 10)) {
		sim.tally.refused++;
		sim_http_answer(to, sim_chance(500) ? 503 : 429, "{\"error\":{\"type\":\"busy\",\"reason\":\"\"}}");
		return;
	}
	bool blocked = sim_chance((uint32_t)sim.server[SIM_ELASTICSEARCH].refuse_percent * 5);
	while (line < end) {
		const char *source = memchr(line, '\n', (size_t)(end - line)) + 1;
		const char *next = memchr(source, '\n', (size_t)(end - source)) + 1;
		const char *item =
		    blocked ? "{\"index\":{\"status\":403,\"error\":{\"type\":\"cluster_block_exception\",\"reason\":\"disk\"}}}"
			    : index_one(field(line, source, "\"_id\":\""), field(line, source, "\"version\":"),
					has(source, next, "\"deleted\":true"),
					has(source, next, "\"not-for-elasticsearch\""));
		errors |= has(item, item + strlen(item), "error");
		used += (size_t)snprintf(body + used, sizeof body - used, "%s%s", used ? "," : "", item);
		AB_ASSERT(used < sizeof body - 64);
		line = next;
	}
	static char whole[SIM_REPLY_BYTES - 256];
	snprintf(whole, sizeof whole, "{\"took\":1,\"errors\":%s,\"items\":[%s]}", errors ? "true" : "false", body);
	sim_http_answer(to, 200, whole);
}
