/* core/config_table.h — config.def as data: one entry per key, and a value's way from text into the struct and back.
 *
 * Threads: any; the table is constant.
 * Memory:  none.
 */
#pragma once

#include "core/config.h"

#define AB_CONFIG_NONE 0u
#define AB_CONFIG_NO_EFFECT 1u
#define AB_CONFIG_DEPRECATED 2u
#define AB_CONFIG_NEW 4u

/* Any value as text: the longest is a list of brokers. */
#define AB_CONFIG_VALUE_MAX_BYTES 1024

enum ab_config_type {
#define T(name) AB_TYPE_##name,
	AB_CONFIG_TYPES(T)
#undef T
};

enum ab_config_group {
#define G(name, title) AB_GROUP_##name,
	AB_CONFIG_GROUPS(G)
#undef G
	AB_CONFIG_GROUP_COUNT,
};

struct ab_config_entry {
	const char *key, *default_text, *unit, *help;
	enum ab_config_type type;
	enum ab_config_group group;
	unsigned flags;
	int64_t min, max;
	size_t offset;			/* in struct ab_config */
};

extern const struct ab_config_entry ab_config_entries[AB_CONFIG_KEYS];
extern const char *const ab_config_group_titles[AB_CONFIG_GROUP_COUNT];

/* AB_CONFIG_KEYS: there is none of this name. */
enum ab_config_key ab_config_find(const char *key);
/* NULL: none is near. */
const char *ab_config_nearest(const char *key);

static inline bool ab_config_is_secret(const struct ab_config_entry *entry)
{
	return entry->type == AB_TYPE_SECRET;
}

enum ab_config_value_result {
	AB_VALUE_OK,			/* it is in the struct */
	AB_VALUE_INVALID,		/* nothing changed; reason says what is wanted, nearest may name a word */
};

struct ab_config_value_error {
	char reason[320];
	char nearest[72];
};

enum ab_config_value_result ab_config_value_set(struct ab_config *config, enum ab_config_key key, const char *text,
						struct ab_config_value_error *error) AB_MUST_USE;

/* The value as it would stand in an .env file, without quotes; to takes AB_CONFIG_VALUE_MAX_BYTES. */
void ab_config_value_text(const struct ab_config *config, enum ab_config_key key, char *to);

/* What a key's value may be, for people: "1 to 65535", "auto, uring or epoll", "text of at most 63 bytes". */
void ab_config_value_range(enum ab_config_key key, char *to, size_t room);
