/* core/route.c — see route.h. */
#include "core/route.h"

#include <string.h>

static const char *const names[AB_ROUTE_COUNT] = {
    [AB_ROUTE_ID] = "id",           [AB_ROUTE_CONTENT_ID] = "content_id",
    [AB_ROUTE_USER_ID] = "user_id", [AB_ROUTE_EVENT_TYPE] = "event_type",
    [AB_ROUTE_DEVICE] = "device",
};

const char *ab_route_key_name(enum ab_route_key key)
{
	AB_ASSERT(key < AB_ROUTE_COUNT);
	return names[key];
}

enum ab_route_key ab_route_key_parse(const char *name)
{
	int key = 0;

	while (key < AB_ROUTE_COUNT && strcmp(names[key], name) != 0)
		key++;
	return (enum ab_route_key)key;
}
