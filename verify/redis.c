/* verify/redis.c — what the windows must hold, and whether they do. See redis.h. */
#include "verify/redis.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "verify/ledger.h"
#include "verify/time.h"

#define FIRST_SLOTS 1024

struct ab_verify_cell *ab_verify_cell(struct ab_verify_cells *cells, enum ab_verify_cell_kind kind, int64_t minute,
				      uint64_t key0, uint64_t key1, bool make)
{
	if (make && cells->count * 4 >= cells->slots * 3) {
		struct ab_verify_cells old = *cells;
		cells->slots = old.slots ? 2 * old.slots : FIRST_SLOTS;
		cells->slot = calloc(cells->slots, sizeof cells->slot[0]);
		AB_ASSERT(cells->slot != NULL);
		cells->count = 0;
		for (size_t i = 0; i < old.slots; i++) {
			const struct ab_verify_cell *cell = &old.slot[i];
			if (cell->kind != AB_CELL_FREE)
				*ab_verify_cell(cells, cell->kind, cell->minute, cell->key[0], cell->key[1], true) =
				    *cell;
		}
		free(old.slot);
	}
	if (cells->slots == 0)
		return NULL;
	uint64_t hash = ab_verify_mix(ab_verify_mix((uint64_t)minute, (uint64_t)kind), key0);
	size_t at = ab_verify_mix(hash, key1) % cells->slots;
	for (;; at = (at + 1) % cells->slots) {
		struct ab_verify_cell *cell = &cells->slot[at];
		if (cell->kind == AB_CELL_FREE)
			break;
		if (cell->kind == kind && cell->minute == minute && cell->key[0] == key0 && cell->key[1] == key1)
			return cell;
	}
	if (!make)
		return NULL;
	cells->count++;
	cells->slot[at] = (struct ab_verify_cell){.kind = kind, .minute = minute, .key = {key0, key1}};
	return &cells->slot[at];
}

void ab_verify_cells_destroy(struct ab_verify_cells *cells)
{
	free(cells->slot);
	*cells = (struct ab_verify_cells){0};
}

/* --- expected ------------------------------------------------------------------------------------------------------- */

static void widen(struct ab_verify_span *span, bool sure, int64_t value)
{
	span->least += sure || value < 0 ? value : 0;
	span->most += sure || value > 0 ? value : 0;
}

static void expect_choice(struct ab_verify_redis *redis, const struct ab_verify_choice *choice, int64_t minute,
			  const uint64_t content[2], bool has_content, bool sure)
{
	/* An unknown type counts as "unknown", a name like others. */
	struct ab_verify_cell *type =
	    ab_verify_cell(&redis->cells, AB_CELL_TYPE, minute, (uint64_t)choice->type, 0, true);

	widen(&type->events, sure, 1);
	if (!choice->has_pct)
		return;
	widen(&type->pct_events, sure, 1);
	widen(&type->hundredths, sure, choice->pct_hundredths);
	if (has_content) {
		struct ab_verify_cell *cell =
		    ab_verify_cell(&redis->cells, AB_CELL_CONTENT, minute, content[0], content[1], true);
		widen(&cell->hundredths, sure, choice->pct_hundredths);
	}
}

void ab_verify_redis_expect(struct ab_verify_redis *redis, struct ab_verify_sink *report,
			    struct ab_verify_contents *contents, const struct ab_verify_event *event)
{
	int64_t minute = ab_verify_minute(event->event_us);
	enum ab_verify_due due = ab_verify_due(&redis->positions, event);
	uint64_t content[2] = {0, 0};
	struct ab_verify_choices choices;

	if (due == AB_NOT_DUE) {
		report->in_flight++;
		return;
	}
	if (minute <= redis->expired_minute || minute < redis->whole_minute) {
		redis->expired_events += minute <= redis->expired_minute;
		redis->older_events += minute > redis->expired_minute;
		return;
	}
	bool has_content = event->content_id.at != NULL && ab_verify_uuid(event->content_id, content);
	ab_verify_choices(contents, event, &choices);
	bool sure = due == AB_DUE && choices.count == 1 && !choices.any;
	report->bounded += !sure;
	struct ab_verify_cell *whole = ab_verify_cell(&redis->cells, AB_CELL_MINUTE, minute, 0, 0, true);
	widen(&whole->events, due == AB_DUE, 1);
	whole->open += choices.any;
	for (int i = 0; i < choices.count; i++) {
		struct ab_verify_choice choice = choices.choice[i];
		if (choice.type < 0)
			choice.type = ab_verify_type(contents, (struct ab_text){"unknown", 7});
		expect_choice(redis, &choice, minute, content, has_content, sure);
	}
}

/* --- found ---------------------------------------------------------------------------------------------------------- */

struct comparison {
	struct ab_verify_redis *redis;
	struct ab_verify_sink *report;
	struct ab_verify_contents *contents;
	int64_t windows, not_compared, contents_skipped;
};

static bool comparable(const struct ab_verify_redis *redis, int64_t minute)
{
	return minute > redis->expired_minute && minute >= redis->whole_minute;
}

static const char *key_text(char *to, size_t room, const char *what, int64_t minute)
{
	char time[AB_VERIFY_TIME_BYTES];

	snprintf(to, room, "%s:window:%s", what, ab_verify_minute_text(time, minute));
	return to;
}

static void check(struct comparison *of, const char *what, int64_t minute, const char *name, double found,
		  struct ab_verify_span wanted, double unit)
{
	char key[128], range[64];

	if (found >= (double)wanted.least * unit - 0.0051 * (unit < 1) &&
	    found <= (double)wanted.most * unit + 0.0051 * (unit < 1))
		return;
	if (wanted.least == wanted.most)
		snprintf(range, sizeof range, "%.*f", unit < 1 ? 2 : 0, (double)wanted.least * unit);
	else
		snprintf(range, sizeof range, "%.*f to %.*f", unit < 1 ? 2 : 0, (double)wanted.least * unit,
			 unit < 1 ? 2 : 0, (double)wanted.most * unit);
	ab_verify_found(of->report, AB_VERIFY_DIFFERS, "%s %.60s is %.*f, expected %s",
			key_text(key, sizeof key, what, minute), name, unit < 1 ? 2 : 0, found, range);
}

/* Counters: how many events are missing or too many is what they say. */
static void check_count(struct comparison *of, int64_t minute, const char *name, int64_t found,
			struct ab_verify_span wanted)
{
	struct ab_verify_sink *report = of->report;
	enum ab_verify_kind kind = found < wanted.least ? AB_VERIFY_LOST : AB_VERIFY_TWICE;
	int64_t by = found < wanted.least ? wanted.least - found : found - wanted.most;
	char key[128];

	if (found >= wanted.least && found <= wanted.most)
		return;
	ab_verify_found(report, kind, "%s %.60s is %" PRId64 ", expected %" PRId64 "%s",
			key_text(key, sizeof key, "access:by_type", minute), name, found,
			kind == AB_VERIFY_LOST ? wanted.least : wanted.most,
			wanted.least < wanted.most ? " or so" : "");
	report->found[kind] += by - 1;
}

static struct ab_verify_cell *type_cell(struct comparison *of, int64_t minute, const char *name)
{
	int type = ab_verify_type(of->contents, (struct ab_text){name, (uint32_t)strlen(name)});

	return ab_verify_cell(&of->redis->cells, AB_CELL_TYPE, minute, (uint64_t)type, 0, true);
}

static void take_access(struct comparison *of, int64_t minute, const redisReply *list)
{
	struct ab_verify_cell *whole = ab_verify_cell(&of->redis->cells, AB_CELL_MINUTE, minute, 0, 0, true);
	int64_t open = whole->open, seen = 0;

	whole->found = true;
	of->windows++;
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		const char *name = list->element[i]->str;
		int64_t found = strtoll(list->element[i + 1]->str, NULL, 10);
		struct ab_verify_cell *cell = type_cell(of, minute, name);
		cell->found = true;
		seen += found;
		check_count(of, minute, name, found,
			    (struct ab_verify_span){cell->events.least, cell->events.most + open});
	}
	of->report->present += seen;
	/* Found again: the table may have grown. */
	ab_verify_cell(&of->redis->cells, AB_CELL_MINUTE, minute, 0, 0, true)->seen = seen;
}

static int64_t open_events(struct comparison *of, int64_t minute)
{
	const struct ab_verify_cell *whole = ab_verify_cell(&of->redis->cells, AB_CELL_MINUTE, minute, 0, 0, false);

	return whole != NULL ? whole->open : 0;
}

static void take_engagement(struct comparison *of, int64_t minute, const redisReply *list)
{
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		struct ab_verify_cell *cell = type_cell(of, minute, list->element[i]->str);
		cell->engaged = true;
		if (open_events(of, minute) == 0)
			check(of, "engagement:by_type", minute, list->element[i]->str,
			      strtod(list->element[i + 1]->str, NULL), cell->hundredths, 0.01);
	}
}

static void take_exact(struct comparison *of, int64_t minute, const redisReply *list)
{
	for (size_t i = 0; i + 1 < list->elements && open_events(of, minute) == 0; i += 2) {
		const char *field = list->element[i]->str;
		double found = strtod(list->element[i + 1]->str, NULL);
		if (strncmp(field, "sum:", 4) == 0)
			check(of, "engagement:exact", minute, field, found,
			      type_cell(of, minute, field + 4)->hundredths, 1);
		else if (strncmp(field, "count:", 6) == 0)
			check(of, "engagement:exact", minute, field, found,
			      type_cell(of, minute, field + 6)->pct_events, 1);
	}
}

static void take_contents(struct comparison *of, int64_t minute, const redisReply *list)
{
	uint64_t id[2];

	if (list->type == REDIS_REPLY_INTEGER) {
		of->contents_skipped = list->integer;
		return;
	}
	for (size_t i = 0; i + 1 < list->elements && open_events(of, minute) == 0; i += 2) {
		const redisReply *name = list->element[i];
		if (!ab_verify_uuid((struct ab_text){name->str, (uint32_t)name->len}, id))
			continue;
		struct ab_verify_cell *cell =
		    ab_verify_cell(&of->redis->cells, AB_CELL_CONTENT, minute, id[0], id[1], true);
		cell->found = true;
		check(of, "engagement:by_content", minute, name->str, strtod(list->element[i + 1]->str, NULL),
		      cell->hundredths, 0.01);
	}
}

static void take_window(void *arg, const char *what, int64_t minute, const redisReply *list)
{
	struct comparison *of = arg;

	if (!comparable(of->redis, minute))
		of->not_compared += strcmp(what, "access:by_type") == 0;
	else if (strcmp(what, "access:by_type") == 0)
		take_access(of, minute, list);
	else if (strcmp(what, "engagement:by_type") == 0)
		take_engagement(of, minute, list);
	else if (strcmp(what, "engagement:exact") == 0)
		take_exact(of, minute, list);
	else if (strcmp(what, "engagement:by_content") == 0)
		take_contents(of, minute, list);
}

/* What no key said anything about. */
static void missing_cell(struct comparison *of, const struct ab_verify_cell *cell)
{
	const char *name = cell->kind == AB_CELL_TYPE ? ab_verify_type_name(of->contents, (int)cell->key[0]) : "";
	char id[40];

	if (cell->kind == AB_CELL_TYPE && !cell->found)
		check_count(of, cell->minute, name, 0, cell->events);
	if (cell->kind == AB_CELL_TYPE && !cell->engaged && cell->pct_events.least > 0)
		check(of, "engagement:by_type", cell->minute, name, 0, cell->hundredths, 0.01);
	if (cell->kind == AB_CELL_CONTENT && !cell->found && of->contents_skipped == 0) {
		snprintf(id, sizeof id, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
			 cell->key[0] >> 32, cell->key[0] >> 16 & 0xffff, cell->key[0] & 0xffff, cell->key[1] >> 48,
			 cell->key[1] & UINT64_C(0xffffffffffff));
		check(of, "engagement:by_content", cell->minute, id, 0, cell->hundredths, 0.01);
	}
}

static void look_for_missing(struct comparison *of)
{
	const struct ab_verify_cells *cells = &of->redis->cells;

	for (size_t i = 0; i < cells->slots; i++)
		missing_cell(of, &cells->slot[i]);
	/* Events of changed contents may be of either type, but each is of one: the sum over all types is exact. */
	bool counts_agree = of->report->found[AB_VERIFY_LOST] + of->report->found[AB_VERIFY_TWICE] == 0;
	for (size_t i = 0; i < cells->slots; i++) {
		const struct ab_verify_cell *cell = &cells->slot[i];
		if (cell->kind != AB_CELL_MINUTE)
			continue;
		of->report->expected += cell->events.least;
		if (counts_agree)
			check_count(of, cell->minute, "(all types)", cell->seen, cell->events);
	}
}

void ab_verify_redis_compare(struct ab_verify_redis *redis, const struct ab_config *config,
			     struct ab_verify_sink *report, struct ab_verify_contents *contents)
{
	struct comparison of = {.redis = redis, .report = report, .contents = contents};

	ab_verify_redis_windows(redis, take_window, &of);
	look_for_missing(&of);
	ab_verify_note(report, "%" PRId64 " windows compared, as of the positions in the same instant of Redis",
		       of.windows);
	if (redis->expired_events > 0)
		ab_verify_note(report, "%" PRId64 " events were counted in windows that have expired: not comparable",
			       redis->expired_events);
	if (redis->older_events > 0 || of.not_compared > 0)
		ab_verify_note(report, "%" PRId64 " windows are older than what was looked at: not compared",
			       of.not_compared);
	if (of.contents_skipped > 0)
		ab_verify_note(report,
			       "windows of contents have %" PRId64
			       " entries, more than is read in one instant: not compared",
			       of.contents_skipped);
	if (report->bounded > 0)
		ab_verify_note(report, "%" PRId64 " events met a content that changed: bounded, not exact",
			       report->bounded);
	ab_verify_boards(redis, config, report);
}
