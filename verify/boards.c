/* verify/boards.c — the stats:* boards against the windows of the ten minutes that they sum up.
 *
 * The engine computes boards anew every so many batches, and once more when it has become quiet; so while events come
 * they are a second old. They are read again until they fit, or until nothing has moved and they still do not.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "verify/ledger.h"
#include "verify/redis.h"

#define MINUTES   10
#define TOP       20
#define TOLERANCE 0.011
/* A quiet engine has refreshed its boards after two looks of a second each. */
#define TRIES  4
#define NAP_MS 1300

/* Sums over the ten minutes, by type's name or content. */
struct total {
	char name[160];
	double events, hundredths, pct_events, score;
};
struct totals {
	int64_t newest;
	struct total *list;
	size_t count, room;
	struct ab_verify_cells index; /* by a hash of the name, to its place in the list */
	bool contents_skipped;
};

static struct total *total_of(struct totals *totals, const char *name)
{
	uint64_t half[2] = {0, 0};

	for (size_t i = 0; name[i]; i++)
		half[i % 2] = ab_verify_mix(half[i % 2], (unsigned char)name[i] + 1);
	struct ab_verify_cell *cell = ab_verify_cell(&totals->index, AB_CELL_CONTENT, 0, half[0], half[1], true);
	if (!cell->found) {
		if (totals->count == totals->room) {
			totals->room = totals->room ? 2 * totals->room : 256;
			totals->list = realloc(totals->list, totals->room * sizeof totals->list[0]);
			AB_ASSERT(totals->list != NULL);
		}
		cell->found = true;
		cell->seen = (int64_t)totals->count;
		struct total *made = &totals->list[totals->count++];
		*made = (struct total){0};
		snprintf(made->name, sizeof made->name, "%s", name);
	}
	return &totals->list[cell->seen];
}

static void add_window(void *arg, const char *what, int64_t minute, const redisReply *list)
{
	struct totals *totals = arg;

	if (minute > totals->newest || minute <= totals->newest - MINUTES)
		return;
	if (list->type == REDIS_REPLY_INTEGER) {
		totals->contents_skipped = true;
		return;
	}
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		const char *name = list->element[i]->str;
		double value = strtod(list->element[i + 1]->str, NULL);
		char content[48];
		if (strcmp(what, "access:by_type") == 0) {
			total_of(totals, name)->events += value;
		} else if (strcmp(what, "engagement:exact") == 0 && strncmp(name, "sum:", 4) == 0) {
			total_of(totals, name + 4)->hundredths += value;
		} else if (strcmp(what, "engagement:exact") == 0 && strncmp(name, "count:", 6) == 0) {
			total_of(totals, name + 6)->pct_events += value;
		} else if (strcmp(what, "engagement:by_content") == 0) {
			snprintf(content, sizeof content, "/%.40s", name); /* no type begins so: they are apart */
			total_of(totals, content)->score += value;
		}
	}
}

static double wanted(const struct total *total, int board)
{
	if (board == AB_BOARD_ACCESS)
		return total->events > 0 && total->name[0] != '/' ? total->events : NAN;
	if (board == AB_BOARD_ENGAGEMENT)
		return total->pct_events > 0 ? total->hundredths / 100 / total->pct_events : NAN;
	return total->name[0] == '/' ? total->score : NAN;
}

static const char *const names[AB_BOARD_COUNT] = {"stats:top_by_access", "stats:top_by_engagement",
						  "stats:top_content"};

/* The first thing that is wrong with a board, in words; "" when nothing is. */
static void judge(struct totals *totals, int board, const redisReply *list, char *words, size_t room)
{
	size_t entries = list->elements / 2, should = 0, above = 0;
	double last = INFINITY;

	for (size_t i = 0; i < entries; i++) {
		char name[160];
		snprintf(name, sizeof name, "%s%s", board == AB_BOARD_CONTENT ? "/" : "", list->element[2 * i]->str);
		double found = strtod(list->element[2 * i + 1]->str, NULL), is = wanted(total_of(totals, name), board);
		last = found < last ? found : last;
		if (!(fabs(found - is) <= TOLERANCE)) {
			snprintf(words, room, "%s %.60s is %.2f, its windows say %.2f", names[board],
				 list->element[2 * i]->str, found, is);
			return;
		}
	}
	for (size_t i = 0; i < totals->count; i++) {
		double is = wanted(&totals->list[i], board);
		should += !isnan(is);
		above += is > last + TOLERANCE;
	}
	if (board == AB_BOARD_CONTENT && should > TOP)
		should = TOP;
	if (entries != should)
		snprintf(words, room, "%s has %zu entries, its windows make %zu", names[board], entries, should);
	else if (above >= entries && entries > 0)
		snprintf(words, room, "%s leaves out %zu that are above its last", names[board], above + 1 - entries);
}

/* How many boards are wrong; words gets one of them. */
static int wrong_boards(struct ab_verify_redis *redis, char words[AB_BOARD_COUNT][256])
{
	struct totals totals = {.newest = redis->newest_minute};
	int wrong = 0;

	ab_verify_redis_windows(redis, add_window, &totals);
	for (int board = 0; board < AB_BOARD_COUNT; board++) {
		words[board][0] = '\0';
		if (board != AB_BOARD_CONTENT || !totals.contents_skipped)
			judge(&totals, board, ab_verify_redis_board(redis, board), words[board], sizeof words[board]);
		wrong += words[board][0] != '\0';
	}
	free(totals.list);
	ab_verify_cells_destroy(&totals.index);
	return wrong;
}

void ab_verify_boards(struct ab_verify_redis *redis, const struct ab_config *config, struct ab_verify_sink *report)
{
	static struct ab_verify_positions before;
	char words[AB_BOARD_COUNT][256];
	bool moved = false;
	int wrong = 0;

	if (redis->newest_minute == INT64_MIN)
		return;
	if (redis->newest_minute - MINUTES + 1 <= redis->expired_minute) {
		ab_verify_note(report, "boards: windows that they sum up have expired, not comparable");
		return;
	}
	for (int i = 0; i < TRIES; i++) {
		wrong = wrong_boards(redis, words);
		if (wrong == 0 || i == TRIES - 1)
			break;
		before = redis->positions;
		nanosleep(&(struct timespec){.tv_sec = NAP_MS / 1000, .tv_nsec = NAP_MS % 1000 * AB_NS_PER_MS}, NULL);
		if (!ab_verify_redis_snapshot(redis, config, report))
			return;
		moved = memcmp(before.next, redis->positions.next, sizeof before.next) != 0;
	}
	if (wrong == 0)
		ab_verify_note(report, "boards compared with their windows");
	else if (moved)
		ab_verify_note(report, "boards: events come while they are computed anew, not comparable (%s)",
			       words[0][0]   ? words[0]
			       : words[1][0] ? words[1]
					     : words[2]);
	for (int board = 0; board < AB_BOARD_COUNT && !moved; board++) {
		if (words[board][0])
			ab_verify_found(report, AB_VERIFY_DIFFERS, "%s", words[board]);
	}
}
