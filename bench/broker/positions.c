/* bench/broker/positions.c — see positions.h. */
#include "bench/broker/positions.h"

#include <stdlib.h>

#include "bench/broker/wire.h"

static struct position *position[GROUPS_MAX];
static int position_count;

struct position *position_of(const char *group, const char *name)
{
	for (int i = 0; i < position_count; i++) {
		if (strcmp(position[i]->group, group) == 0 && strcmp(position[i]->topic, name) == 0)
			return position[i];
	}
	if (position_count == GROUPS_MAX)
		die(group, "too many groups");
	struct position *new = calloc(1, sizeof *new);
	if (new == NULL)
		die(group, "no memory");
	snprintf(new->group, sizeof new->group, "%s", group);
	snprintf(new->topic, sizeof new->topic, "%s", name);
	for (int p = 0; p < PARTITIONS_MAX; p++)
		new->of[p].offset = -1;
	return position[position_count++] = new;
}
