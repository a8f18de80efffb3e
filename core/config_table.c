/* core/config_table.c — config.def as an array, and the way from text into the struct. See config_table.h. */
#include "core/config_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/nearest.h"
#include "core/route.h"

#define NONE AB_CONFIG_NONE
#define NO_EFFECT AB_CONFIG_NO_EFFECT
#define DEPRECATED AB_CONFIG_DEPRECATED
#define NEW AB_CONFIG_NEW

const struct ab_config_entry ab_config_entries[AB_CONFIG_KEYS] = {
#define X(field, KEY, TYPE, DEFAULT, MIN, MAX, UNIT, GROUP, FLAGS, HELP)                       \
	[AB_KEY_##KEY] = {.key = #KEY, .default_text = DEFAULT, .unit = UNIT, .help = HELP,    \
			  .type = AB_TYPE_##TYPE, .group = AB_GROUP_##GROUP, .flags = (FLAGS), \
			  .min = MIN, .max = MAX, .offset = offsetof(struct ab_config, field)},
#include "core/config.def"
#undef X
};

const char *const ab_config_group_titles[AB_CONFIG_GROUP_COUNT] = {
#define G(name, title) [AB_GROUP_##name] = title,
	AB_CONFIG_GROUPS(G)
#undef G
};

/* The words of an enum, in the order of its members. */
struct words {
	const char *const *word;
	size_t count;
};

static const char *const io_words[] = {"auto", "uring", "epoll"};
static const char *const fetcher_words[] = {"auto", "workers", "librdkafka"};
static const char *const miss_words[] = {"wait", "unknown"};
static const char *const lost_words[] = {"stop", "continue"};
static const char *const version_words[] = {"lsn", "offset"};
static const char *const emulator_words[] = {"bqemulator", "goccy"};
static const char *const sink_words[] = {"redis", "bigquery", "elasticsearch", "null"};

#define WORDS(array) ((struct words){array, AB_COUNT(array)})

static struct words words_of(enum ab_config_type type)
{
	switch (type) {
	case AB_TYPE_IO_BACKEND: return WORDS(io_words);
	case AB_TYPE_FETCHER: return WORDS(fetcher_words);
	case AB_TYPE_ON_MISS: return WORDS(miss_words);
	case AB_TYPE_ON_LOST: return WORDS(lost_words);
	case AB_TYPE_VERSION_KIND: return WORDS(version_words);
	case AB_TYPE_EMULATOR: return WORDS(emulator_words);
	case AB_TYPE_SINKS: return WORDS(sink_words);
	default: return (struct words){0};
	}
}

static bool is_enum(enum ab_config_type type)
{
	return type != AB_TYPE_SINKS && words_of(type).count > 0;
}

enum ab_config_key ab_config_find(const char *key)
{
	for (int i = 0; i < AB_CONFIG_KEYS; i++) {
		if (strcmp(ab_config_entries[i].key, key) == 0)
			return (enum ab_config_key)i;
	}
	return AB_CONFIG_KEYS;
}

const char *ab_config_nearest(const char *key)
{
	const char *keys[AB_CONFIG_KEYS];

	for (int i = 0; i < AB_CONFIG_KEYS; i++)
		keys[i] = ab_config_entries[i].key;
	return ab_nearest(key, keys, AB_CONFIG_KEYS);
}

static void *field_of(struct ab_config *config, enum ab_config_key key)
{
	return (char *)config + ab_config_entries[key].offset;
}

static const void *field_in(const struct ab_config *config, enum ab_config_key key)
{
	return (const char *)config + ab_config_entries[key].offset;
}

/* --- text into the struct --- */

static enum ab_config_value_result refuse(struct ab_config_value_error *error, const char *format, ...) AB_PRINTF(2, 3);

static enum ab_config_value_result refuse(struct ab_config_value_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->reason, sizeof error->reason, format, args);
	va_end(args);
	return AB_VALUE_INVALID;
}

static enum ab_config_value_result refuse_range(struct ab_config_value_error *error, enum ab_config_key key)
{
	enum ab_config_type type = ab_config_entries[key].type;
	char range[160];

	ab_config_value_range(key, range, sizeof range);
	return refuse(error, "want %s%s", type == AB_TYPE_INT ? "a whole number from " :
					  type == AB_TYPE_DECIMAL ? "a number from " : "", range);
}

/* Digits of at most 18 places: no overflow, no sign, no blanks, no 0x. */
static bool read_digits(const char *text, size_t len, int64_t *value)
{
	*value = 0;
	if (len == 0 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (text[i] - '0');
	}
	return true;
}

static enum ab_config_value_result set_int(struct ab_config *config, enum ab_config_key key, const char *text,
					   struct ab_config_value_error *error)
{
	const struct ab_config_entry *entry = &ab_config_entries[key];
	int64_t value;

	if (!read_digits(text, strlen(text), &value) || value < entry->min || value > entry->max)
		return refuse_range(error, key);
	memcpy(field_of(config, key), &value, sizeof value);
	return AB_VALUE_OK;
}

static enum ab_config_value_result set_decimal(struct ab_config *config, enum ab_config_key key, const char *text,
					       struct ab_config_value_error *error)
{
	const struct ab_config_entry *entry = &ab_config_entries[key];
	size_t whole_len = strcspn(text, ".");
	int64_t whole, part = 0;
	double value;

	if (whole_len > 9 || !read_digits(text, whole_len, &whole))
		return refuse_range(error, key);
	if (text[whole_len] == '.') {
		size_t part_len = strlen(text + whole_len + 1);
		if (part_len > 3 || !read_digits(text + whole_len + 1, part_len, &part))
			return refuse_range(error, key);
		for (; part_len < 3; part_len++)
			part *= 10;
	}
	if (whole * 1000 + part < entry->min || whole * 1000 + part > entry->max)
		return refuse_range(error, key);
	value = (double)(whole * 1000 + part) / 1000;
	memcpy(field_of(config, key), &value, sizeof value);
	return AB_VALUE_OK;
}

static enum ab_config_value_result set_word(struct ab_config *config, enum ab_config_key key, const char *text,
					    struct ab_config_value_error *error)
{
	struct words words = words_of(ab_config_entries[key].type);

	/* Enums are written as unsigned, which is what gcc and clang make of one without negative members. */
	_Static_assert(sizeof(enum ab_config_io) == sizeof(unsigned), "enums must have the size of unsigned");
	for (unsigned i = 0; i < words.count; i++) {
		if (strcmp(words.word[i], text) == 0) {
			memcpy(field_of(config, key), &i, sizeof i);
			return AB_VALUE_OK;
		}
	}
	const char *near = ab_nearest(text, words.word, words.count);
	snprintf(error->nearest, sizeof error->nearest, "%s", near != NULL ? near : "");
	return refuse_range(error, key);
}

static enum ab_config_value_result set_sinks(struct ab_config *config, enum ab_config_key key, const char *text,
					     struct ab_config_value_error *error)
{
	struct words words = words_of(AB_TYPE_SINKS);
	struct ab_config_sinks sinks = {0};

	for (const char *at = text;; at += strcspn(at, ",") + 1) {
		char name[16];
		size_t i = 0, len = strcspn(at, ",");
		if (len == 0)
			return refuse(error, "want names with one comma between, none empty");
		snprintf(name, sizeof name, "%.*s", (int)ab_min_u64(len, sizeof name), at);
		while (i < words.count && (strlen(words.word[i]) != len || strcmp(words.word[i], name) != 0))
			i++;
		if (i == words.count) {
			const char *near = ab_nearest(name, words.word, words.count);
			snprintf(error->nearest, sizeof error->nearest, "%s", near != NULL ? near : "");
			return refuse_range(error, key);
		}
		for (int s = 0; s < sinks.count; s++) {
			if (strcmp(sinks.name[s], name) == 0)
				return refuse(error, "%s is named twice: name each sink once", name);
		}
		_Static_assert(AB_COUNT(sink_words) <= AB_SINKS_MAX, "each sink once must fit");
		snprintf(sinks.name[sinks.count++], sizeof sinks.name[0], "%s", name);
		if (at[len] == '\0')
			break;
	}
	memcpy(field_of(config, key), &sinks, sizeof sinks);
	return AB_VALUE_OK;
}

static enum ab_config_value_result set_cpus(struct ab_config *config, enum ab_config_key key, const char *text,
					    struct ab_config_value_error *error)
{
	struct ab_config_cpus cpus = {0};
	bool named[AB_CPUS_MAX] = {false};

	for (const char *at = text; *text != '\0'; at += strcspn(at, ",") + 1) {
		size_t len = strcspn(at, ","), first_len = strcspn(at, "-,");
		int64_t first, last;
		if (!read_digits(at, first_len, &first))
			return refuse_range(error, key);
		last = first;
		if (first_len < len && !read_digits(at + first_len + 1, len - first_len - 1, &last))
			return refuse_range(error, key);
		if (last < first || last >= AB_CPUS_MAX)
			return refuse_range(error, key);
		for (int64_t cpu = first; cpu <= last; cpu++)
			named[cpu] = true;
		if (at[len] == '\0')
			break;
	}
	for (int cpu = 0; cpu < AB_CPUS_MAX; cpu++) {
		if (named[cpu])
			cpus.cpu[cpus.count++] = (uint16_t)cpu;
	}
	memcpy(field_of(config, key), &cpus, sizeof cpus);
	return AB_VALUE_OK;
}

/* What more than its length is asked of a text. */
static enum ab_config_value_result check_text(enum ab_config_key key, const char *text,
					      struct ab_config_value_error *error)
{
	enum ab_config_type type = ab_config_entries[key].type;

	if (type == AB_TYPE_TOPIC || type == AB_TYPE_NAME) {
		size_t good = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
		if (text[good] != '\0')
			return refuse(error, "want letters, digits, and . _ -");
		if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
			return refuse(error, "is no name");
	}
	if (type == AB_TYPE_FIELD && ab_route_key_parse(text) == AB_ROUTE_COUNT) {
		const char *fields[AB_ROUTE_COUNT];
		for (int i = 0; i < AB_ROUTE_COUNT; i++)
			fields[i] = ab_route_key_name((enum ab_route_key)i);
		const char *near = ab_nearest(text, fields, AB_ROUTE_COUNT);
		snprintf(error->nearest, sizeof error->nearest, "%s", near != NULL ? near : "");
		return refuse_range(error, key);
	}
	return AB_VALUE_OK;
}

enum ab_config_value_result ab_config_value_set(struct ab_config *config, enum ab_config_key key, const char *text,
						struct ab_config_value_error *error)
{
	const struct ab_config_entry *entry = &ab_config_entries[key];
	size_t len = strlen(text);

	*error = (struct ab_config_value_error){0};
	if (is_enum(entry->type))
		return set_word(config, key, text, error);
	if (entry->type == AB_TYPE_INT)
		return set_int(config, key, text, error);
	if (entry->type == AB_TYPE_DECIMAL)
		return set_decimal(config, key, text, error);
	if ((int64_t)len < entry->min)
		return refuse(error, "is empty: give a value, or remove the line to get the default");
	if ((int64_t)len > entry->max)
		return refuse(error, "has %zu bytes; at most %" PRId64 " are taken", len, entry->max);
	if (entry->type == AB_TYPE_SINKS)
		return set_sinks(config, key, text, error);
	if (entry->type == AB_TYPE_CPUS)
		return set_cpus(config, key, text, error);
	if (check_text(key, text, error) == AB_VALUE_INVALID)
		return AB_VALUE_INVALID;
	memcpy(field_of(config, key), text, len + 1);
	return AB_VALUE_OK;
}

/* --- and back --- */

static void cpus_text(const struct ab_config_cpus *cpus, char *to)
{
	int last, used = 0;

	to[0] = '\0';
	for (int first = 0; first < cpus->count; first = last + 1) {
		last = first;
		while (last + 1 < cpus->count && cpus->cpu[last + 1] == cpus->cpu[last] + 1)
			last++;
		used += snprintf(to + used, (size_t)(AB_CONFIG_VALUE_MAX_BYTES - used), "%s%u", used > 0 ? "," : "",
				 cpus->cpu[first]);
		if (last > first)
			used += snprintf(to + used, (size_t)(AB_CONFIG_VALUE_MAX_BYTES - used), "-%u", cpus->cpu[last]);
		AB_ASSERT(used < AB_CONFIG_VALUE_MAX_BYTES);
	}
}

static void sinks_text(const struct ab_config_sinks *sinks, char *to)
{
	int used = 0;

	to[0] = '\0';
	for (int i = 0; i < sinks->count; i++)
		used += snprintf(to + used, (size_t)(AB_CONFIG_VALUE_MAX_BYTES - used), "%s%s", i > 0 ? "," : "",
				 sinks->name[i]);
}

static void decimal_text(double value, char *to)
{
	int used = snprintf(to, AB_CONFIG_VALUE_MAX_BYTES, "%.3f", value);

	while (to[used - 1] == '0')
		used--;
	to[to[used - 1] == '.' ? used - 1 : used] = '\0';
}

void ab_config_value_text(const struct ab_config *config, enum ab_config_key key, char *to)
{
	const struct ab_config_entry *entry = &ab_config_entries[key];
	const void *field = field_in(config, key);
	int64_t number;
	double decimal;
	unsigned word;

	if (is_enum(entry->type)) {
		memcpy(&word, field, sizeof word);
		snprintf(to, AB_CONFIG_VALUE_MAX_BYTES, "%s", words_of(entry->type).word[word]);
	} else if (entry->type == AB_TYPE_INT) {
		memcpy(&number, field, sizeof number);
		snprintf(to, AB_CONFIG_VALUE_MAX_BYTES, "%" PRId64, number);
	} else if (entry->type == AB_TYPE_DECIMAL) {
		memcpy(&decimal, field, sizeof decimal);
		decimal_text(decimal, to);
	} else if (entry->type == AB_TYPE_SINKS) {
		sinks_text(field, to);
	} else if (entry->type == AB_TYPE_CPUS) {
		cpus_text(field, to);
	} else {
		snprintf(to, AB_CONFIG_VALUE_MAX_BYTES, "%s", (const char *)field);
	}
}

static void words_text(const char *const *word, size_t count, char *to, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < count && used < room; i++)
		used += (size_t)snprintf(to + used, room - used, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", word[i]);
}

void ab_config_value_range(enum ab_config_key key, char *to, size_t room)
{
	const struct ab_config_entry *entry = &ab_config_entries[key];
	struct words words = words_of(entry->type);
	const char *fields[AB_ROUTE_COUNT];
	const char *unit = entry->unit;

	if (entry->type == AB_TYPE_INT) {
		snprintf(to, room, "%" PRId64 " to %" PRId64 "%s%s", entry->min, entry->max,
			 *unit ? " " : "", unit);
	} else if (entry->type == AB_TYPE_DECIMAL) {
		snprintf(to, room, "%g to %g%s%s", (double)entry->min / 1000, (double)entry->max / 1000,
			 *unit ? " " : "", unit);
	} else if (words.count > 0) {
		words_text(words.word, words.count, to, room);
	} else if (entry->type == AB_TYPE_FIELD) {
		for (int i = 0; i < AB_ROUTE_COUNT; i++)
			fields[i] = ab_route_key_name((enum ab_route_key)i);
		words_text(fields, AB_ROUTE_COUNT, to, room);
	} else if (entry->type == AB_TYPE_CPUS) {
		snprintf(to, room, "processor numbers below %d and ranges, such as 2-5,8", AB_CPUS_MAX);
	} else if (entry->type == AB_TYPE_HOST) {
		snprintf(to, room, "a host name or address, without port");
	} else if (entry->type == AB_TYPE_BROKERS) {
		snprintf(to, room, "host:port, with commas between");
	} else {
		snprintf(to, room, "%s to %" PRId64 " bytes", entry->min == 0 ? "empty, or text of up" : "text of up",
			 entry->max);
	}
}
