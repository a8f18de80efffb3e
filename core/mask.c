/* core/mask.c — see mask.h. */
#include "core/mask.h"

#include <jansson.h>
#include <string.h>

static bool is_hidden(const char *name)
{
	static const char *const words[] = {"password", "secret", "token", "credential", "authorization", "api_key", "apikey"};

	if (strcasecmp(name, "raw_payload") == 0)
		return true;
	for (size_t i = 0; i < AB_COUNT(words); i++) {
		if (strcasestr(name, words[i]) != NULL)
			return true;
	}
	return false;
}

static void mask(json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach(value, i, member) mask(member);
	json_object_foreach(value, name, member)
	{
		if (is_hidden(name) && !json_is_null(member))
			json_object_set_new(value, name, json_string("(masked)"));
		else
			mask(member);
	}
}

char *ab_mask_record(const void *value, size_t len, bool raw, int indent)
{
	json_error_t error;
	json_t *root = value != NULL ? json_loadb(value, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error) : NULL;

	if (root == NULL)
		return NULL;
	json_t *payload = json_object_get(root, "payload");
	json_t *shown = payload != NULL && json_object_get(root, "schema") != NULL ? payload : root;
	if (!raw)
		mask(shown);
	char *text = json_dumps(shown, JSON_ENCODE_ANY | JSON_PRESERVE_ORDER |
					   (indent > 0 ? (size_t)JSON_INDENT((size_t)indent) : JSON_COMPACT));
	json_decref(root);
	return text;
}
