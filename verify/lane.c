/* verify/lane.c — see lane.h. */
#include "verify/lane.h"

#include <string.h>

#define BEGIN UINT64_C(14695981039346656037)
#define GOLDEN    UINT64_C(11400714819323198485)

/* " redis/6/content_id=0,0,3 …": numbers are relative to the committed offset. */
bool ab_verify_positions_read(struct ab_verify_positions *positions, int partition, int64_t offset,
			      const char *metadata, const char *sink)
{
	char begin[AB_VERIFY_KEY_BYTES + 4];
	int lanes = 0, end = 0;

	snprintf(begin, sizeof begin, " %s/", sink);
	const char *at = strncmp(metadata, "ab1 ", 4) == 0 ? strstr(metadata, begin) : NULL;
	if (at == NULL || sscanf(at + strlen(begin), "%d/%31[^= ]=%n", &lanes, positions->key, &end) != 2 || end == 0 ||
	    lanes < 1 || lanes > AB_LANES_MAX)
		return false;
	at += strlen(begin) + (size_t)end;
	for (int l = 0; l < lanes; l++) {
		char *after;
		long long ahead = strtoll(at, &after, 10);
		if (after == at || ahead < 0)
			return false;
		positions->next[partition][l] = offset + ahead;
		at = *after == ',' ? after + 1 : after;
	}
	positions->lanes = lanes;
	positions->known = true;
	return true;
}

int64_t ab_verify_positions_least(const struct ab_verify_positions *positions, int partition)
{
	int64_t least = INT64_MAX;

	for (int l = 0; l < positions->lanes; l++)
		least = positions->next[partition][l] < least ? positions->next[partition][l] : least;
	return least == INT64_MAX ? -1 : least;
}

int64_t ab_verify_positions_most(const struct ab_verify_positions *positions, int partition)
{
	int64_t most = -1;

	for (int l = 0; l < positions->lanes; l++)
		most = positions->next[partition][l] > most ? positions->next[partition][l] : most;
	return most;
}

/* Whether a text stands in a JSON record as it is, between quotes: then its bytes there are known. */
static bool plain(struct ab_text text)
{
	for (uint32_t i = 0; i < text.len; i++) {
		if (text.at[i] < ' ' || text.at[i] > '~' || text.at[i] == '"' || text.at[i] == '\\' ||
		    text.at[i] == '/')
			return false;
	}
	return true;
}

/* The text with its quotes, eight bytes to a word, the first one lowest. */
static uint64_t hash_text(uint64_t hash, struct ab_text text)
{
	uint64_t word = 0;

	for (uint32_t i = 0; i < text.len + 2; i++) {
		bool quote = i == 0 || i == text.len + 1;
		word |= (uint64_t)(unsigned char)(quote ? '"' : text.at[i - 1]) << 8 * (i % 8);
		if (i % 8 == 7 || i == text.len + 1) {
			hash = (hash ^ word) * GOLDEN;
			hash ^= hash >> 32;
			word = 0;
		}
	}
	return hash;
}

int ab_verify_lane(const struct ab_verify_event *event, const char *key, int lanes)
{
	uint64_t hash = BEGIN, half[2] = {0, 0};
	struct ab_text text = {NULL, 0};

	if (lanes == 1)
		return 0;
	if (strcmp(key, "id") == 0) {
		hash = (hash ^ (uint64_t)event->id) * GOLDEN;
	} else if (strcmp(key, "content_id") == 0) {
		if (event->content_id.at != NULL && !ab_verify_uuid(event->content_id, half))
			return -1;
		hash = (((hash ^ half[0]) * GOLDEN) ^ half[1]) * GOLDEN;
	} else if (strcmp(key, "user_id") == 0) {
		text = event->user_id;
	} else if (strcmp(key, "event_type") == 0) {
		text = event->event_type;
	} else if (strcmp(key, "device") == 0) {
		text = event->device;
	} else {
		return -1;
	}
	if (text.at != NULL) {
		if (!plain(text))
			return -1;
		hash = hash_text(hash, text);
	}
	uint64_t mixed = (hash ^ hash >> 32) * GOLDEN;
	return (int)((uint32_t)(mixed >> 32) % (uint32_t)lanes);
}

enum ab_verify_due ab_verify_due(const struct ab_verify_positions *positions, const struct ab_verify_event *event)
{
	int p = event->partition;

	if (event->offset < ab_verify_positions_least(positions, p))
		return AB_DUE;
	if (event->offset >= ab_verify_positions_most(positions, p))
		return AB_NOT_DUE;
	int lane = ab_verify_lane(event, positions->key, positions->lanes);
	if (lane < 0)
		return AB_DUE_UNSURE;
	return event->offset < positions->next[p][lane] ? AB_DUE : AB_NOT_DUE;
}
