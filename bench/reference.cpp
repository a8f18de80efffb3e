/* bench/reference.cpp — see reference.h: the part in C++, which is simdjson's. */
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <string.h>

extern "C" {
#include "core/format.h"
#include "core/uuid.h"
}

#include "bench/reference.h"

namespace ondemand = simdjson::ondemand;

struct ab_ref {
	ondemand::parser parser;
};

namespace {

/* One message's fields: strings with their quotes, numbers read. */
struct fields {
	int64_t id, duration_ms, lsn, commit_ts_ms;
	bool has_duration, snapshot, deleted;
	std::string_view content_id, user_id, event_type, event_ts, device, op;
};

inline int64_t number(ondemand::value value)
{
	int64_t n = 0;
	if (value.get_int64().get(n))
		abort();
	return n;
}

/* The token with its quotes; empty: null. On-Demand's reaches to the next token, hence the trimming. */
inline std::string_view text(ondemand::value value)
{
	std::string_view token = value.raw_json_token();
	while (token.back() == ' ')
		token.remove_suffix(1);
	return token[0] == '"' ? token : std::string_view{};
}

/* In the order in which the connector writes them, which is On-Demand's fast way. */
inline void read(ab_ref *ref, const char *bytes, size_t len, bool wrapped, fields &f)
{
	ondemand::document document;
	ondemand::object object;
	if (ref->parser.iterate(bytes, len, len + simdjson::SIMDJSON_PADDING).get(document))
		abort();
	if (wrapped ? document.find_field("payload").get_object().get(object) : document.get_object().get(object))
		abort();
	auto value = [&](std::string_view key) {
		ondemand::value v;
		if (object.find_field(key).get(v))
			abort();
		return v;
	};
	f.id = number(value("id"));
	f.content_id = text(value("content_id"));
	f.user_id = text(value("user_id"));
	f.event_type = text(value("event_type"));
	f.event_ts = text(value("event_ts"));
	ondemand::value duration = value("duration_ms");
	f.has_duration = !duration.is_null().value_unsafe();
	f.duration_ms = f.has_duration ? number(duration) : 0;
	f.device = text(value("device"));
	f.deleted = text(value("__deleted")) == "\"true\"";
	f.op = text(value("__op"));
	f.lsn = number(value("__lsn"));
	f.commit_ts_ms = number(value("__source_ts_ms"));
	std::string_view snapshot = text(value("__source_snapshot"));
	f.snapshot = !snapshot.empty() && snapshot != "\"false\"";
}

ab_text token(std::string_view text)
{
	return {text.empty() ? nullptr : text.data(), uint32_t(text.size())};
}

} // namespace

ab_ref *ab_ref_create(void)
{
	ab_ref *ref = new ab_ref;
	if (ref->parser.allocate(65536))
		abort();
	return ref;
}

void ab_ref_destroy(ab_ref *ref)
{
	delete ref;
}

const char *ab_ref_kernels(void)
{
	static const std::string names =
		simdjson::get_active_implementation()->name() + " / " SIMDJSON_STRINGIFY(SIMDJSON_BUILTIN_IMPLEMENTATION);
	return names.c_str();
}

uint64_t ab_ref_extract(ab_ref *ref, const char *bytes, size_t len, bool wrapped)
{
	fields f{};
	read(ref, bytes, len, wrapped, f);
	return uint64_t(f.id) + uint64_t(f.duration_ms) + uint64_t(f.lsn) + uint64_t(f.commit_ts_ms) +
	       f.content_id.size() + f.user_id.size() + f.event_type.size() + f.event_ts.size() + f.device.size() +
	       f.op.size() + f.deleted + f.snapshot;
}

void ab_ref_decode(ab_ref *ref, const char *bytes, size_t len, bool wrapped, ab_event *event)
{
	fields f{};
	memset(event, 0, sizeof *event);
	read(ref, bytes, len, wrapped, f);
	event->id = f.id;
	event->lsn = f.lsn;
	event->commit_ts_ms = f.commit_ts_ms;
	event->duration_ms = f.duration_ms;
	event->snapshot = f.snapshot;
	char op = f.deleted ? 'd' : f.op[1];
	event->op = op == 'c' ? AB_OP_CREATE : op == 'r' ? AB_OP_READ : op == 'u' ? AB_OP_UPDATE : AB_OP_DELETE;
	unsigned has = AB_HAS_LSN | AB_HAS_COMMIT_TS | (f.has_duration ? unsigned(AB_HAS_DURATION) : 0);
	if (!f.content_id.empty() && ab_uuid_parse(f.content_id.data() + 1, f.content_id.size() - 2, &event->content_id))
		has |= AB_HAS_CONTENT_ID;
	if (ab_time_parse(f.event_ts.data() + 1, f.event_ts.size() - 2, &event->event_us) == AB_TIME_OK)
		has |= AB_HAS_EVENT_TS;
	event->has = uint16_t(has);
	event->content_id_json = token(f.content_id);
	event->user_id_json = token(f.user_id);
	event->event_type_json = token(f.event_type);
	event->device_json = token(f.device);
}
