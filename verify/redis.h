/* verify/redis.h — the counters of Redis against the events below its positions.
 *
 *     one script, read-only:  positions, all windows, boards, the time                    an instant of Redis
 *     each event below them:  +1 in its minute and type, its percentage in sum and count  what must be there
 *
 * Positions move in the same script as the counters do, so what is expected is exact at any moment of a running engine.
 * An event that may have met several versions of its content widens what is accepted instead.
 *
 * Threads: one. Memory: 72 bytes for each type and content of a minute that has not expired; the answer of the script.
 * Limits:  windows of contents with more than AB_VERIFY_CONTENT_ENTRIES_MAX entries in all are not read: the script
 *          would hold Redis up for more than a tenth of a second.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "core/config.h"
#include "verify/contents.h"
#include "verify/lane.h"
#include "verify/report.h"

#define AB_VERIFY_CONTENT_ENTRIES_MAX 300000

enum ab_verify_cell_kind { AB_CELL_FREE, AB_CELL_MINUTE, AB_CELL_TYPE, AB_CELL_CONTENT };

/* least and most: the same but for events whose content changed. */
struct ab_verify_span {
	int64_t least, most;
};

struct ab_verify_cell {
	enum ab_verify_cell_kind kind;
	bool found, engaged;		/* its key was there; its sorted set was */
	int64_t minute;
	uint64_t key[2];		/* TYPE: its number; CONTENT: its UUID */
	struct ab_verify_span events, pct_events, hundredths;
	int64_t open;			/* MINUTE: events that may be of any type; CONTENT: unused */
	int64_t seen;			/* MINUTE: events found, over all types */
};

struct ab_verify_cells {
	struct ab_verify_cell *slot;
	size_t slots, count;
};

struct ab_verify_redis {
	redisContext *context;
	redisReply *snapshot;
	struct ab_verify_positions positions;
	int64_t time_s, ttl_s;
	int64_t expired_minute;		/* windows up to this one have expired */
	int64_t whole_minute;		/* windows before this one may have events that the log does not hold */
	int64_t newest_minute;		/* INT64_MIN: none */
	int64_t expired_events, older_events;
	struct ab_verify_cells cells;
};

struct ab_verify_cell *ab_verify_cell(struct ab_verify_cells *cells, enum ab_verify_cell_kind kind, int64_t minute,
				      uint64_t key0, uint64_t key1, bool make);
void ab_verify_cells_destroy(struct ab_verify_cells *cells);

/* Connects and takes the snapshot. */
void ab_verify_redis_begin(struct ab_verify_redis *redis, const struct ab_config *config, struct ab_verify_sink *report);
void ab_verify_redis_end(struct ab_verify_redis *redis);

/* One c or r that is not dead. */
void ab_verify_redis_expect(struct ab_verify_redis *redis, struct ab_verify_sink *report,
			    struct ab_verify_contents *contents, const struct ab_verify_event *event);

void ab_verify_redis_compare(struct ab_verify_redis *redis, const struct ab_config *config,
			     struct ab_verify_sink *report, struct ab_verify_contents *contents);

/* Of the snapshot: each window's key, kind and list (name, value, name, value). */
typedef void ab_verify_on_window(void *arg, const char *what, int64_t minute, const redisReply *list);
void ab_verify_redis_windows(const struct ab_verify_redis *redis, ab_verify_on_window *on_window, void *arg);
const redisReply *ab_verify_redis_board(const struct ab_verify_redis *redis, int which);
enum { AB_BOARD_ACCESS, AB_BOARD_ENGAGEMENT, AB_BOARD_CONTENT, AB_BOARD_COUNT };
bool ab_verify_redis_snapshot(struct ab_verify_redis *redis, const struct ab_config *config, struct ab_verify_sink *report);

/* The stats:* boards, against the windows they are made of. */
void ab_verify_boards(struct ab_verify_redis *redis, const struct ab_config *config, struct ab_verify_sink *report);
