/* verify/contents.c — see contents.h. */
#include "verify/contents.h"

#include <string.h>

struct version {
	int64_t from_ms; /* INT64_MIN: since ever; INT64_MAX: now */
	int32_t type; /* -1: there was no such content */
	int32_t length_seconds; /* -1: none */
	int32_t next; /* the version after it; -1: the last */
};

struct content {
	uint64_t id[2];
	bool used, began; /* began: its first version is its beginning, not a change of something older */
	int32_t first, last;
};

struct ab_verify_contents {
	struct content *slot;
	size_t slots, count;
	struct version *version;
	size_t version_count, version_room;
	char **type;
	int type_count, type_room;
};

#define FIRST_SLOTS 1024

struct ab_verify_contents *ab_verify_contents_create(void)
{
	struct ab_verify_contents *contents = calloc(1, sizeof *contents);

	AB_ASSERT(contents != NULL);
	contents->slots = FIRST_SLOTS;
	contents->slot = calloc(contents->slots, sizeof contents->slot[0]);
	AB_ASSERT(contents->slot != NULL);
	return contents;
}

void ab_verify_contents_destroy(struct ab_verify_contents *contents)
{
	for (int i = 0; i < contents->type_count; i++)
		free(contents->type[i]);
	free(contents->type);
	free(contents->version);
	free(contents->slot);
	free(contents);
}

int64_t ab_verify_contents_count(const struct ab_verify_contents *contents)
{
	return (int64_t)contents->count;
}

int ab_verify_type(struct ab_verify_contents *contents, struct ab_text name)
{
	/* A few dozen at most, and the same few again and again. */
	for (int i = 0; i < contents->type_count; i++) {
		if (strlen(contents->type[i]) == name.len && memcmp(contents->type[i], name.at, name.len) == 0)
			return i;
	}
	if (contents->type_count == contents->type_room) {
		contents->type_room = contents->type_room ? 2 * contents->type_room : 32;
		contents->type = realloc(contents->type, (size_t)contents->type_room * sizeof contents->type[0]);
		AB_ASSERT(contents->type != NULL);
	}
	contents->type[contents->type_count] = strndup(name.at, name.len);
	AB_ASSERT(contents->type[contents->type_count] != NULL);
	return contents->type_count++;
}

const char *ab_verify_type_name(const struct ab_verify_contents *contents, int type)
{
	return type < 0 ? "unknown" : contents->type[type];
}

static struct content *find(const struct ab_verify_contents *contents, const uint64_t id[2])
{
	size_t at = (id[0] ^ id[1] * UINT64_C(0x9e3779b97f4a7c15)) % contents->slots;

	while (contents->slot[at].used && memcmp(contents->slot[at].id, id, sizeof contents->slot[at].id) != 0)
		at = (at + 1) % contents->slots;
	return &contents->slot[at];
}

static void grow(struct ab_verify_contents *contents)
{
	struct content *old = contents->slot;
	size_t slots = contents->slots;

	if (contents->count * 4 < slots * 3)
		return;
	contents->slots *= 2;
	contents->slot = calloc(contents->slots, sizeof old[0]);
	AB_ASSERT(contents->slot != NULL);
	for (size_t i = 0; i < slots; i++) {
		if (old[i].used)
			*find(contents, old[i].id) = old[i];
	}
	free(old);
}

static bool same(const struct version *a, const struct version *b)
{
	return a->type == b->type && a->length_seconds == b->length_seconds;
}

static void add(struct ab_verify_contents *contents, struct ab_text id, struct version version, bool began)
{
	uint64_t half[2];

	if (!ab_verify_uuid(id, half))
		return;
	grow(contents);
	struct content *content = find(contents, half);
	if (content->used && same(&contents->version[content->last], &version))
		return;
	if (contents->version_count == contents->version_room) {
		contents->version_room = contents->version_room ? 2 * contents->version_room : 1024;
		contents->version = realloc(contents->version, contents->version_room * sizeof contents->version[0]);
		AB_ASSERT(contents->version != NULL);
	}
	version.next = -1;
	int32_t index = (int32_t)contents->version_count++;
	contents->version[index] = version;
	if (content->used) {
		contents->version[content->last].next = index;
	} else {
		*content = (struct content){.id = {half[0], half[1]}, .used = true, .began = began, .first = index};
		contents->count++;
	}
	content->last = index;
}

void ab_verify_contents_change(struct ab_verify_contents *contents, const struct ab_verify_content_row *row,
			       int64_t kafka_ts_ms)
{
	struct version version = {.from_ms = kafka_ts_ms, .type = -1, .length_seconds = -1};

	if (row->type.at != NULL) {
		version.type = ab_verify_type(contents, row->type);
		version.length_seconds = row->has_length ? (int32_t)row->length_seconds : -1;
	}
	add(contents, row->id, version, row->of_insert);
}

void ab_verify_contents_now(struct ab_verify_contents *contents, struct ab_text id, struct ab_text type,
			    bool has_length, int64_t length_seconds)
{
	struct version version = {
	    .from_ms = INT64_MAX,
	    .type = ab_verify_type(contents, type),
	    .length_seconds = has_length ? (int32_t)length_seconds : -1,
	};
	uint64_t half[2];

	/* The topic tells nothing of it: it was there before the topic, and has not changed since. */
	if (ab_verify_uuid(id, half) && !find(contents, half)->used)
		version.from_ms = INT64_MIN;
	add(contents, id, version, true);
}

int64_t ab_verify_pct(int64_t duration_ms, int64_t length_seconds)
{
	/* duration / 1000 / length * 100, in hundredths: duration * 10 / length. Twice that tells which half it is. */
	int64_t magnitude = llabs(duration_ms) * 20 / length_seconds;
	int64_t rounded = (magnitude + 1) / 2;

	return duration_ms < 0 ? -rounded : rounded;
}

static void choose(struct ab_verify_choices *choices, const struct ab_verify_event *event, int type, int64_t length)
{
	struct ab_verify_choice choice = {.type = type};

	if (event->has_duration && length > 0) {
		choice.has_pct = true;
		choice.pct_hundredths = ab_verify_pct(event->duration_ms, length);
	}
	for (int i = 0; i < choices->count; i++) {
		const struct ab_verify_choice *is = &choices->choice[i];
		if (is->type == choice.type && is->has_pct == choice.has_pct &&
		    is->pct_hundredths == choice.pct_hundredths)
			return;
	}
	if (choices->count == AB_VERIFY_CHOICES_MAX)
		choices->any = true;
	else
		choices->choice[choices->count++] = choice;
}

void ab_verify_choices(const struct ab_verify_contents *contents, const struct ab_verify_event *event,
		       struct ab_verify_choices *choices)
{
	uint64_t half[2];

	choices->count = 0;
	choices->any = false;
	const struct content *content =
	    event->content_id.at != NULL && ab_verify_uuid(event->content_id, half) ? find(contents, half) : NULL;
	if (content == NULL || !content->used) {
		choose(choices, event, -1, -1);
		return;
	}
	int64_t surely_ms = event->kafka_ts_ms - AB_VERIFY_CONTENT_MARGIN_MS;
	const struct version *first = &contents->version[content->first];
	if (first->from_ms > surely_ms && !content->began)
		choices->any = true;
	if (first->from_ms > surely_ms)
		choose(choices, event, -1, -1);
	for (int32_t v = content->first; v >= 0; v = contents->version[v].next) {
		const struct version *version = &contents->version[v];
		int64_t until_ms = version->next >= 0 ? contents->version[version->next].from_ms : INT64_MAX;
		if (version->next < 0 || until_ms > surely_ms)
			choose(choices, event, version->type, version->length_seconds);
	}
}

bool ab_verify_choices_allow(const struct ab_verify_contents *contents, const struct ab_verify_choices *choices,
			     struct ab_text type, bool has_pct, int64_t pct_hundredths)
{
	for (int i = 0; i < choices->count; i++) {
		const struct ab_verify_choice *choice = &choices->choice[i];
		if (choice->has_pct != has_pct || (has_pct && choice->pct_hundredths != pct_hundredths))
			continue;
		if (choice->type < 0 ? type.at == NULL
				     : type.at != NULL && strlen(contents->type[choice->type]) == type.len &&
					   memcmp(contents->type[choice->type], type.at, type.len) == 0)
			return true;
	}
	return choices->any;
}
