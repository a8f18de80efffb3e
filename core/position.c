/* core/position.c — see position.h for the text. */
#include "core/position.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

int64_t ab_positions_min(const struct ab_positions *positions)
{
	int64_t least = INT64_MAX;

	AB_ASSERT(positions->sink_count > 0);
	for (int s = 0; s < positions->sink_count; s++) {
		for (int l = 0; l < positions->sink[s].lanes; l++) {
			if (positions->sink[s].next[l] < least)
				least = positions->sink[s].next[l];
		}
	}
	return least;
}

/* snprintf at an offset that remembers a lack of room as at == room. */
static AB_PRINTF(4, 5) void put(char *to, size_t room, size_t *at, const char *format, ...)
{
	va_list args;

	if (*at >= room)
		return;
	va_start(args, format);
	int len = vsnprintf(to + *at, room - *at, format, args);
	va_end(args);
	*at = len < 0 || (size_t)len >= room - *at ? room : *at + (size_t)len;
}

size_t ab_positions_write(const struct ab_positions *positions, int64_t offset, char *to, size_t room)
{
	const struct ab_fingerprint *print = &positions->fingerprint;
	size_t at = 0;

	put(to, room, &at, "ab1 %s %" PRId64 ":%" PRId64 ":%" PRIu32, positions->cluster[0] ? positions->cluster : "-",
	    print->offset, print->timestamp_ms, print->crc);
	for (int s = 0; s < positions->sink_count; s++) {
		const struct ab_sink_position *sink = &positions->sink[s];
		put(to, room, &at, " %s/%d/%s=", sink->sink, sink->lanes, sink->key);
		for (int l = 0; l < sink->lanes; l++) {
			AB_ASSERT(sink->next[l] >= offset);
			put(to, room, &at, "%s%" PRId64, l ? "," : "", sink->next[l] - offset);
		}
	}
	return at >= room ? 0 : at;
}

/* Reads a whole decimal number that ends at one of the characters in ends; moves *at behind that character. */
static bool number(const char **at, const char *ends, int64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoll(*at, &end, 10);
	if (end == *at || errno != 0 || strchr(ends, *end) == NULL)
		return false;
	*at = *end ? end + 1 : end;
	return true;
}

static bool word(const char **at, char end, char *to, size_t room)
{
	const char *stop = strchr(*at, end);

	if (stop == NULL || stop == *at || (size_t)(stop - *at) >= room)
		return false;
	memcpy(to, *at, (size_t)(stop - *at));
	to[stop - *at] = 0;
	*at = stop + 1;
	return true;
}

static bool read_sink(const char **at, int64_t offset, struct ab_sink_position *sink)
{
	int64_t lanes, delta;

	if (!word(at, '/', sink->sink, sizeof sink->sink) || !number(at, "/", &lanes) || lanes < 1 ||
	    lanes > AB_LANES_MAX || !word(at, '=', sink->key, sizeof sink->key))
		return false;
	sink->lanes = (int)lanes;
	for (int l = 0; l < sink->lanes; l++) {
		bool last = l == sink->lanes - 1;
		/* The last one ends at a blank or at the end of the text (strchr finds the terminator too). */
		if (!number(at, last ? " " : ",", &delta) || delta < 0 || delta > INT64_MAX - offset)
			return false;
		if (!last && **at == 0)
			return false;
		sink->next[l] = offset + delta;
	}
	return true;
}

enum ab_positions_result ab_positions_read(struct ab_positions *positions, int64_t offset, const char *text)
{
	int64_t crc;

	memset(positions, 0, sizeof *positions);
	positions->fingerprint.offset = -1;
	if (text == NULL || text[0] == 0)
		return AB_POSITIONS_NONE;
	if (strncmp(text, "ab1 ", 4) != 0 || offset < 0)
		return AB_POSITIONS_FOREIGN;

	const char *at = text + 4;
	if (!word(&at, ' ', positions->cluster, sizeof positions->cluster) ||
	    !number(&at, ":", &positions->fingerprint.offset) ||
	    !number(&at, ":", &positions->fingerprint.timestamp_ms) || !number(&at, " ", &crc) || crc < 0 ||
	    crc > UINT32_MAX)
		return AB_POSITIONS_FOREIGN;
	positions->fingerprint.crc = (uint32_t)crc;
	while (*at != 0) {
		if (positions->sink_count == AB_SINKS_MAX ||
		    !read_sink(&at, offset, &positions->sink[positions->sink_count]))
			return AB_POSITIONS_FOREIGN;
		positions->sink_count++;
	}
	return positions->sink_count > 0 ? AB_POSITIONS_OK : AB_POSITIONS_FOREIGN;
}

const struct ab_sink_position *ab_positions_find(const struct ab_positions *positions, const char *sink)
{
	for (int s = 0; s < positions->sink_count; s++) {
		if (strcmp(positions->sink[s].sink, sink) == 0)
			return &positions->sink[s];
	}
	return NULL;
}

enum ab_layout_result ab_layout_fit(struct ab_sink_position *stored, int lanes, const char *key)
{
	AB_ASSERT(lanes >= 1 && lanes <= AB_LANES_MAX);

	if (stored->lanes == lanes && strcmp(stored->key, key) == 0)
		return AB_LAYOUT_SAME;
	for (int l = 1; l < stored->lanes; l++) {
		if (stored->next[l] != stored->next[0])
			return AB_LAYOUT_REFUSED;
	}
	for (int l = 1; l < lanes; l++)
		stored->next[l] = stored->next[0];
	stored->lanes = lanes;
	snprintf(stored->key, sizeof stored->key, "%s", key);
	return AB_LAYOUT_CHANGED;
}
