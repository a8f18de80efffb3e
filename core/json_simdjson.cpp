/* core/json_simdjson.cpp — see json.h. simdjson 3.0 On-Demand, without exceptions.
 *
 * On-Demand is lazy: what is not read is not looked at. So every value is walked here, which also keeps On-Demand
 * within the document: its skip counts brackets without telling { from [, and may end beyond the last one. Fields come
 * out as raw tokens, because sinks copy them as they stand; that is why their escapes are checked.
 */
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <string.h>

#include "core/json.h"
#include "core/token.h"

namespace ondemand = simdjson::ondemand;

struct ab_json {
	ondemand::parser parser;
	size_t record_bytes_max;
};

namespace {

/* Debezium nests four deep outside the schema. The walk recurses, so its depth needs a bound: 64 frames are 10 KB. */
constexpr int DEPTH_MAX = 64;

/* Levels above the ones that are counted: the message, its payload, the row. simdjson asserts its own bound on all. */
constexpr int DEPTH_ABOVE = 8;

/* Fields of one list; `seen` has one bit for each. */
constexpr size_t FIELDS_MAX = 32;

/* Keys that say where things are. Each is one bit of reading::seen. */
enum special : unsigned { SCHEMA = 1, PAYLOAD = 2, BEFORE = 4, AFTER = 8, SOURCE = 16 };

struct list {
	ab_json_field *field;
	size_t count;
	size_t next;	/* where the next match is most likely: messages keep their order */
	uint32_t seen;
	uint64_t lengths;	/* a bit for each length of a name: most other keys are told by it */
};

struct reading {
	ondemand::document document;
	const char *end;
	list fields, meta;
	unsigned seen;		/* specials of the level being read */
	bool wrapped;		/* there is a payload object */
	bool payload_null;
	bool envelope;
	ab_json_shape shape;
	const char *payload;
	const char *error;
};

ab_json_result invalid(reading &r, const char *text)
{
	r.error = text;
	return AB_JSON_INVALID;
}

ab_json_result invalid(reading &r, simdjson::error_code code)
{
	switch (code) {
	case simdjson::UTF8_ERROR:
		r.error = "not UTF-8";
		return AB_JSON_NOT_UTF8;
	case simdjson::EMPTY:
		return invalid(r, "no bytes but white space");
	case simdjson::UNCLOSED_STRING:
		return invalid(r, "a string is not closed");
	case simdjson::UNESCAPED_CHARS:
		return invalid(r, "a control character inside a string");
	case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
		return invalid(r, "cut off: an object or array is not closed");
	case simdjson::STRING_ERROR:
		return invalid(r, "a bad escape in a string");
	default:
		return invalid(r, "not JSON: a bracket, comma, colon or quote is missing or out of place");
	}
}

ab_json_result twice(reading &r)
{
	r.error = "a field is there twice";
	return AB_JSON_WRONG_SHAPE;
}

void clear(list &l)
{
	for (size_t i = 0; i < l.count; i++)
		l.field[i] = {l.field[i].name, l.field[i].name_len, {nullptr, 0}, nullptr, 0, false};
	l.seen = 0;
	l.next = 0;
}

list list_of(ab_json_field *field, size_t count)
{
	list l = {field, count, 0, 0, 0};
	for (size_t i = 0; i < count; i++)
		l.lengths |= uint64_t(1) << (field[i].name_len & 63);
	clear(l);
	return l;
}

/* Index of the field of this name, or count. */
size_t find(list &l, std::string_view key)
{
	if (!(l.lengths >> (key.size() & 63) & 1))
		return l.count;
	for (size_t n = 0, i = l.next; n < l.count; n++, i = i + 1 == l.count ? 0 : i + 1) {
		if (key.size() == l.field[i].name_len && memcmp(key.data(), l.field[i].name, key.size()) == 0) {
			l.next = i + 1 == l.count ? 0 : i + 1;
			return i;
		}
	}
	return l.count;
}

/* Without the white space behind it: On-Demand's tokens reach to the next one. */
std::string_view trimmed(std::string_view token)
{
	auto space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
	while (!token.empty() && space(token.back()))
		token.remove_suffix(1);
	return token;
}

/* A value's raw token; empty: it is none. Where brackets are missing, On-Demand takes what lies behind the text for the
 * next token, and its length from an index that is none: nothing is to be read of such a one. And it takes a string
 * before a colon for a key, wherever it stands, and skips from there: so what follows a scalar is looked at here. */
std::string_view token_of(const reading &r, ondemand::value &value)
{
	std::string_view token = value.raw_json_token();
	if (token.data() >= r.end || token.size() > size_t(r.end - token.data()) || token.empty())
		return {};
	const char *next = token.data() + token.size();
	bool scalar = token[0] != '{' && token[0] != '[';
	if (scalar && (next == r.end || (*next != ',' && *next != '}' && *next != ']')))
		return {};
	return trimmed(token);
}

/* Escapes are checked only where somebody is going to use the string. */
ab_json_result check_scalar(reading &r, std::string_view token, bool used)
{
	ab_text text = {token.data(), uint32_t(token.size())};
	if (token.empty())
		return invalid(r, simdjson::TAPE_ERROR);
	if (token[0] == '"') {
		if (token.size() < 2 || token.back() != '"')
			return invalid(r, simdjson::TAPE_ERROR);
		return used && !ab_token_escapes_valid(text) ? invalid(r, simdjson::STRING_ERROR) : AB_JSON_OK;
	}
	if (token == "null" || token == "true" || token == "false" || ab_token_number_valid(text))
		return AB_JSON_OK;
	return invalid(r, "not JSON: a value is neither a string, a number, true, false nor null");
}

ab_json_result key_of(reading &r, ondemand::field &field, std::string_view *key)
{
	const char *raw = field.key().raw(), *at = raw;
	while (at < r.end && *at != '"' && *at != '\\')
		at++;	/* keys are too short for memchr to win */
	if (at >= r.end)
		return invalid(r, simdjson::UNCLOSED_STRING);
	*key = {raw, size_t(at - raw)};
	if (*at == '\\') {
		simdjson::error_code error = field.unescaped_key().get(*key);
		if (error)
			return invalid(r, error);
	}
	return AB_JSON_OK;
}

/* Calls each(key, value) for every field of an object until one does not return AB_JSON_OK. */
template <typename Each> ab_json_result each_field(reading &r, ondemand::object &object, Each each)
{
	for (auto next : object) {
		ondemand::field field;
		std::string_view key;
		simdjson::error_code error = std::move(next).get(field);
		if (error)
			return invalid(r, error);
		ab_json_result result = key_of(r, field, &key);
		if (result == AB_JSON_OK)
			result = each(key, field.value());
		if (result != AB_JSON_OK)
			return result;
	}
	return AB_JSON_OK;
}

/* Goes through a value that nobody asked for: brackets must match, scalars must be JSON's. */
ab_json_result walk(reading &r, ondemand::value value, int depth)
{
	std::string_view token = token_of(r, value);
	if (token.empty() || (token[0] != '{' && token[0] != '['))
		return check_scalar(r, token, false);
	if (depth >= DEPTH_MAX)
		return invalid(r, "nested too deep");
	if (token[0] == '{') {
		ondemand::object object;
		simdjson::error_code error = value.get_object().get(object);
		if (error)
			return invalid(r, error);
		auto each = [&](std::string_view, ondemand::value v) { return walk(r, v, depth + 1); };
		return each_field(r, object, each);
	}
	ondemand::array array;
	simdjson::error_code error = value.get_array().get(array);
	if (error)
		return invalid(r, error);
	for (auto next : array) {
		ondemand::value element;
		if ((error = std::move(next).get(element)))
			return invalid(r, error);
		ab_json_result result = walk(r, element, depth + 1);
		if (result != AB_JSON_OK)
			return result;
	}
	return AB_JSON_OK;
}

/* Keeps the value as field i. An object or array is kept as its bracket: no field of ours is one. */
ab_json_result take(reading &r, list &l, size_t i, ondemand::value value)
{
	if (l.seen & 1u << i)
		return twice(r);
	l.seen |= 1u << i;
	std::string_view token = token_of(r, value);
	l.field[i].place = token.data();
	if (!token.empty() && (token[0] == '{' || token[0] == '[')) {
		l.field[i].token = {token.data(), 1};
		return walk(r, value, 1);
	}
	if (token != "null")
		l.field[i].token = {token.data(), uint32_t(token.size())};
	return check_scalar(r, token, true);
}

void enter_envelope(reading &r)
{
	if (!r.envelope)
		clear(r.fields);	/* what was matched beside before and after is no column */
	r.envelope = true;
}

/* A row of an envelope. `after` counts wherever it stands; `before` only when there is no other. */
ab_json_result read_row(reading &r, ondemand::value value, bool after)
{
	enter_envelope(r);
	if (!after && r.shape == AB_JSON_AFTER)
		return walk(r, value, 1);
	clear(r.fields);
	r.shape = after ? AB_JSON_AFTER : AB_JSON_BEFORE;
	ondemand::object row;
	simdjson::error_code error = value.get_object().get(row);
	if (error)
		return invalid(r, error);
	return each_field(r, row, [&](std::string_view key, ondemand::value v) {
		size_t i = find(r.fields, key);
		return i < r.fields.count ? take(r, r.fields, i, v) : walk(r, v, 2);
	});
}

ab_json_result read_source(reading &r, ondemand::value value)
{
	char name[64] = "source.";
	const size_t prefix = strlen(name);
	enter_envelope(r);
	ondemand::object source;
	simdjson::error_code error = value.get_object().get(source);
	if (error)
		return invalid(r, error);
	return each_field(r, source, [&](std::string_view key, ondemand::value v) {
		if (key.size() >= sizeof name - prefix)
			return walk(r, v, 2);
		memcpy(name + prefix, key.data(), key.size());
		size_t i = find(r.meta, {name, prefix + key.size()});
		return i < r.meta.count ? take(r, r.meta, i, v) : walk(r, v, 2);
	});
}

unsigned special_of(std::string_view key, bool root)
{
	switch (key.size()) {
	case 5:
		return key == "after" ? unsigned(AFTER) : 0;
	case 6:
		if (root && key == "schema")
			return SCHEMA;
		if (key == "before")
			return BEFORE;
		return key == "source" ? unsigned(SOURCE) : 0;
	case 7:
		return root && key == "payload" ? unsigned(PAYLOAD) : 0;
	default:
		return 0;
	}
}

ab_json_result read_column(reading &r, std::string_view key, ondemand::value value)
{
	if (!r.envelope) {
		size_t i = find(r.fields, key);
		if (i < r.fields.count)
			return take(r, r.fields, i, value);
	}
	size_t i = find(r.meta, key);
	return i < r.meta.count ? take(r, r.meta, i, value) : walk(r, value, 1);
}

ab_json_result read_level(reading &r, ondemand::object &object, bool root);

ab_json_result read_payload(reading &r, ondemand::value value)
{
	ondemand::object payload;
	simdjson::error_code error = value.get_object().get(payload);
	if (error)
		return invalid(r, error);
	clear(r.fields);
	clear(r.meta);
	r.wrapped = true;
	r.envelope = false;
	r.shape = AB_JSON_FLAT;
	r.seen &= SCHEMA | PAYLOAD;
	return read_level(r, payload, false);
}

ab_json_result read_key(reading &r, std::string_view key, ondemand::value value, bool root)
{
	unsigned special = special_of(key, root);
	if (root && r.wrapped && special != SCHEMA && special != PAYLOAD)
		return walk(r, value, 1);	/* beside the payload, not part of it */
	if (special & r.seen)
		return twice(r);
	r.seen |= special;
	std::string_view token = token_of(r, value);
	bool object = !token.empty() && token[0] == '{';
	if (special == PAYLOAD)
		r.payload_null = token == "null";
	if (!object || special == 0)
		return read_column(r, key, value);
	switch (special) {
	case SCHEMA:
		return walk(r, value, 1);	/* rare: it is the same in every message, see core/shape.h */
	case PAYLOAD:
		r.payload = token.data();
		return read_payload(r, value);
	case SOURCE:
		return read_source(r, value);
	default:
		return read_row(r, value, special == AFTER);
	}
}

ab_json_result read_level(reading &r, ondemand::object &object, bool root)
{
	auto each = [&](std::string_view key, ondemand::value v) { return read_key(r, key, v, root); };
	return each_field(r, object, each);
}

/* The whole text is null, which simdjson would only tell by its type. */
bool is_null(const char *bytes, size_t len)
{
	std::string_view text{bytes, len};
	size_t from = text.find_first_not_of(" \t\r\n"), to = text.find_last_not_of(" \t\r\n");
	return from != text.npos && text.substr(from, to - from + 1) == "null";
}

ab_json_result read(ab_json *json, reading &r, const char *bytes, size_t len)
{
	ondemand::object object;
	simdjson::error_code error = json->parser.iterate(bytes, len, len + AB_JSON_PADDING_BYTES).get(r.document);
	if (error)
		return invalid(r, error);
	ondemand::json_type type;
	if ((error = r.document.type().get(type)))
		return invalid(r, error);
	if (type != ondemand::json_type::object) {
		std::string_view token;
		if (type != ondemand::json_type::array && !(error = r.document.raw_json_token().get(token)) &&
		    check_scalar(r, trimmed(token), true) != AB_JSON_OK)
			return AB_JSON_INVALID;
		r.error = "not an object";
		return AB_JSON_WRONG_SHAPE;
	}
	if ((error = r.document.get_object().get(object)))
		return invalid(r, error);
	ab_json_result result = read_level(r, object, true);
	if (result != AB_JSON_OK)
		return result;
	if (!r.document.current_location().error())
		return invalid(r, "more bytes behind the end of the object");
	return r.payload_null && (r.seen & SCHEMA) ? AB_JSON_NULL : AB_JSON_OK;
}

} // namespace

struct ab_json *ab_json_create(size_t record_bytes_max)
{
	static_assert(AB_JSON_PADDING_BYTES >= simdjson::SIMDJSON_PADDING, "simdjson reads this far behind the text");
	struct ab_json *json = new (std::nothrow) ab_json;
	if (json == nullptr)
		return nullptr;
	json->record_bytes_max = record_bytes_max;
	if (json->parser.allocate(record_bytes_max, DEPTH_MAX + DEPTH_ABOVE)) {
		delete json;
		return nullptr;
	}
	return json;
}

void ab_json_destroy(struct ab_json *json)
{
	delete json;
}

size_t ab_json_bytes(size_t record_bytes_max)
{
	/* simdjson: 5/3 of the text for unescaped strings, four bytes for each byte that might begin a token. */
	return sizeof(ab_json) + record_bytes_max * 5 / 3 + record_bytes_max * 4 + 4096;
}

const char *ab_json_kernel(void)
{
	static const std::string name = simdjson::get_active_implementation()->name();
	return name.c_str();
}

bool ab_json_utf8_valid(const char *bytes, size_t len)
{
	return simdjson::validate_utf8(bytes, len);
}

enum ab_json_result ab_json_read(struct ab_json *json, const char *bytes, size_t len, struct ab_json_fields *fields,
				 const char **error)
{
	AB_ASSERT(len <= json->record_bytes_max);
	AB_ASSERT(fields->row_count <= FIELDS_MAX && fields->meta_count <= FIELDS_MAX);
	if (is_null(bytes, len))
		return AB_JSON_NULL;
	reading r{};
	r.end = bytes + len;
	r.fields = list_of(fields->row, fields->row_count);
	r.meta = list_of(fields->meta, fields->meta_count);
	r.shape = AB_JSON_FLAT;
	r.payload = bytes;
	enum ab_json_result result = read(json, r, bytes, len);
	if (r.envelope && r.shape == AB_JSON_FLAT)
		r.shape = AB_JSON_NO_ROW;
	fields->shape = r.shape;
	fields->payload = r.payload;
	*error = r.error;
	return result;
}
