/* sinks/json_out.c — see json_out.h. */
#include "sinks/json_out.h"

char *ab_out_datetime(char *to, struct ab_text iso)
{
	const size_t seconds = sizeof "\"2026-11-23T23:19:12" - 1;
	char *end = ab_out_token(to, iso);

	if (iso.len < seconds)
		return end;	/* null */
	to[sizeof "\"2026-11-23" - 1] = ' ';
	to[seconds] = '"';
	return to + seconds + 1;
}

size_t ab_out_room(const struct ab_event *event)
{
	size_t text = (size_t)event->content_id_json.len + event->user_id_json.len + event->event_type_json.len +
		      event->device_json.len;

	if (event->content_type != NULL)
		text += event->content_type->json.len;
	return AB_OUT_FIXED_BYTES + text;
}
