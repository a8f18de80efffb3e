/* monitor/top_screen.c — see top_screen.h. */
#include "monitor/top_screen.h"

#include <math.h>
#include <ncurses.h>
#include <stdarg.h>
#include <time.h>
#include <wchar.h>

#include "monitor/words.h"

/* What the lines of a screen need at least. */
#define COLUMNS_MIN 80
#define LINES_MIN   20
#define WIDE        112 /* from here on a sink's row has room for everything */

enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD, PAIR_QUIET };

struct glyphs {
	const char *arrow, *tee, *fork, *end, *dot;
	const char *level[8];
};

static const struct glyphs wide_glyphs = {"──▶", "─┬▶", " ├▶", " └▶", "●", {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}};
static const struct glyphs ascii_glyphs = {"-->", "-+>", " +>", " +>", "*", {"_", "_", ".", ".", "-", "-", "=", "#"}};

static const struct glyphs *glyphs_of(const struct ab_top_view *view)
{
	return view->ascii ? &ascii_glyphs : &wide_glyphs;
}

static attr_t paint(const struct ab_top_view *view, int pair)
{
	attr_t bold = pair == PAIR_BAD || pair == PAIR_WARN ? A_BOLD : 0;

	return view->colour ? (attr_t)COLOR_PAIR(pair) | bold : bold;
}

/* Writes at most width columns; returns the column behind. All our glyphs are one column wide. */
static int text(int y, int x, int width, attr_t attributes, const char *format, ...) AB_PRINTF(5, 6);

static int text(int y, int x, int width, attr_t attributes, const char *format, ...)
{
	char bytes[1024];
	wchar_t wide[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(bytes, sizeof bytes, format, args);
	va_end(args);
	size_t len = mbstowcs(wide, bytes, AB_COUNT(wide));
	if (len == (size_t)-1 || y >= LINES)
		return x;
	if (width > COLS - x)
		width = COLS - x;
	int shown = (int)len < width ? (int)len : width;
	if (shown <= 0)
		return x;
	attron(attributes);
	mvaddnwstr(y, x, wide, shown);
	attroff(attributes);
	return x + shown;
}

static int right(int y, int x, int width, attr_t attributes, const char *word)
{
	wchar_t wide[64];
	size_t len = mbstowcs(wide, word, AB_COUNT(wide));
	int pad = len == (size_t)-1 || (int)len > width ? 0 : width - (int)len;

	text(y, x + pad, width - pad, attributes, "%s", word);
	return x + width;
}

static int pair_of(enum ab_health health)
{
	return health == AB_HEALTH_OK || health == AB_HEALTH_IDLE           ? PAIR_GOOD
	       : health == AB_HEALTH_BEHIND || health == AB_HEALTH_DEGRADED ? PAIR_WARN
									    : PAIR_BAD;
}

static void draw_header(const struct ab_facts *facts, const struct ab_top_view *view)
{
	char word[AB_WORD_BYTES], clock[16];
	struct tm now;
	time_t seconds = (time_t)(facts->wall_ms / 1000);
	int x = text(0, 1, COLS, A_BOLD, "anabranch %s", facts->version);

	if (!isnan(facts->uptime_s))
		x = text(0, x + 2, COLS, 0, "up %02d:%02d:%02d", (int)facts->uptime_s / 3600,
			 (int)facts->uptime_s / 60 % 60, (int)facts->uptime_s % 60);
	x = text(0, x + 2, COLS, paint(view, pair_of(facts->health)), "%s %s", glyphs_of(view)->dot,
		 ab_health_word(facts->health));
	x = text(0, x + 2, COLS, 0, "freshness p99 %s", ab_word_bound(facts->freshness_p99_s, view->ascii, word));
	if (facts->freshness_sink[0] && x + (int)strlen(facts->freshness_sink) + 4 < COLS - 18)
		text(0, x, COLS, 0, " (%s)", facts->freshness_sink);
	localtime_r(&seconds, &now);
	strftime(clock, sizeof clock, "%H:%M:%S", &now);
	text(0, COLS - (view->paused ? 17 : 9), 16, view->paused ? A_REVERSE : 0, "%s%s",
	     view->paused ? "PAUSED  " : "", clock);
	text(1, 1, COLS - 2, facts->health == AB_HEALTH_OK ? 0 : paint(view, pair_of(facts->health)), "%s",
	     facts->sentence);
}

/* A part of the picture: its name, and two lines below it. */
static int part(int y, int x, const char *name, attr_t attributes, const char *first, const char *second)
{
	text(y, x, COLS, attributes | A_BOLD, "%s", name);
	text(y + 1, x, 14, attributes, "%s", first);
	text(y + 2, x, 14, attributes, "%s", second);
	return x + (int)strlen(name) + 1;
}

static void draw_sink_branch(int y, int x, const struct ab_facts *facts, const struct ab_top_view *view, int s)
{
	const struct glyphs *glyphs = glyphs_of(view);
	const struct ab_facts_sink *sink = &facts->sink[s];
	const char *arm = s == 0 ? glyphs->tee : s + 1 == facts->sink_count ? glyphs->end : glyphs->fork;
	attr_t attributes = sink->stalled ? paint(view, PAIR_BAD) : sink->live ? 0 : paint(view, PAIR_WARN);

	x = text(y + s, x, COLS, 0, "%s ", arm);
	text(y + s, x, COLS, attributes, "%s", sink->name);
}

static void draw_picture(int y, const struct ab_facts *facts, const struct ab_top_view *view)
{
	const char *arrow = glyphs_of(view)->arrow;
	char a[AB_WORD_BYTES], b[AB_WORD_BYTES], first[32], second[32];
	attr_t bad = paint(view, PAIR_BAD);
	bool runs = strcmp(facts->connect_said.task, "RUNNING") == 0;
	double busy = NAN;

	snprintf(first, sizeof first, "%s/s", ab_word_count(facts->rows_per_s, a));
	int x =
	    part(y, 1, "PostgreSQL", facts->postgres.answers ? 0 : bad, facts->postgres.answers ? first : "DOWN", "");
	x = text(y, x, COLS, 0, "%s ", arrow);
	snprintf(second, sizeof second, "slot %s",
		 facts->postgres.answers ? ab_word_bytes(facts->postgres_said.slot_lag_bytes, b) : "?");
	x = part(y, x, "Debezium", facts->connect.answers && runs ? 0 : bad,
		 !facts->connect.answers       ? "DOWN"
		 : facts->connect_said.task[0] ? facts->connect_said.task
					       : "no connector",
		 second);
	x = text(y, x, COLS, 0, "%s ", arrow);
	snprintf(first, sizeof first, "%s/s", ab_word_count(facts->read_per_s, a));
	snprintf(second, sizeof second, "lag %s", ab_word_count(facts->lag, b));
	/* "Kafka" is short: its words need the width of the arrow behind it. */
	x = part(y, x, "Kafka", facts->kafka.answers ? 0 : bad, facts->kafka.answers ? first : "DOWN", second);
	x = text(y, x, COLS, 0, "%s%s ", view->ascii ? "----" : "────", arrow);
	for (int t = 0; t < facts->thread_count; t++)
		busy = isnan(busy) || facts->thread[t].busy > busy ? facts->thread[t].busy : busy;
	snprintf(first, sizeof first, "busy %s", ab_word_percent(busy, a));
	snprintf(second, sizeof second, "cpu %s", ab_word_percent(facts->cpu_share, b));
	x = part(y, x, "anabranch", facts->engine.answers ? 0 : bad, facts->engine.answers ? first : "DOWN", second);
	for (int s = 0; s < facts->sink_count; s++)
		draw_sink_branch(y, x, facts, view, s);
}

static bool shown(const struct ab_top_view *view, const char *name, const char *status)
{
	return view->filter[0] == 0 || strcasestr(name, view->filter) != NULL ||
	       strcasestr(status, view->filter) != NULL;
}

static void draw_sink_heads(int y)
{
	static const char *const heads[] = {"IN/S", "ACK/S", "P99", "BEHIND", "INFLT", "DEAD", "ERR"};
	static const int widths[] = {7, 8, 9, 9, 7, 7, 6};
	static const char *const more[] = {"MB/S", "P50", "BATCH", "RETRY", "DUP"};
	static const int more_widths[] = {7, 9, 10, 6, 8};
	int x = 26;

	text(y, 1, COLS, A_BOLD, "SINK          STATE");
	for (size_t i = 0; i < AB_COUNT(heads); i++)
		x = right(y, x, widths[i] - 1, A_BOLD, heads[i]) + 1;
	for (size_t i = 0; i < AB_COUNT(more) && COLS >= WIDE; i++)
		x = right(y, x, more_widths[i] - 1, A_BOLD, more[i]) + 1;
}

static void draw_sink(int y, const struct ab_facts_sink *sink, const struct ab_top_view *view)
{
	char word[AB_WORD_BYTES], batch[2 * AB_WORD_BYTES];
	attr_t state = sink->stalled ? paint(view, PAIR_BAD) : sink->live ? paint(view, PAIR_GOOD) : paint(view, PAIR_WARN);
	attr_t dead = sink->dead > 0 ? paint(view, PAIR_WARN) : 0,
	       errors = sink->errors_new > 0 ? paint(view, PAIR_BAD) : 0;
	int x = 26;

	text(y, 1, 13, 0, "%s", sink->name);
	text(y, 15, 11, state, "%s", sink->stalled ? "STALLED" : sink->state);
	x = right(y, x, 6, 0, ab_word_count(sink->given_per_s, word)) + 1;
	x = right(y, x, 7, 0, ab_word_count(sink->acked_per_s, word)) + 1;
	x = right(y, x, 8, 0, ab_word_bound(sink->p99_s, view->ascii, word)) + 1;
	x = right(y, x, 8, sink->stalled ? paint(view, PAIR_BAD) : 0, ab_word_count(sink->behind, word)) + 1;
	x = right(y, x, 6, 0, ab_word_count(sink->in_flight, word)) + 1;
	x = right(y, x, 6, dead, ab_word_count(sink->dead, word)) + 1;
	x = right(y, x, 5, errors, ab_word_count(sink->errors, word)) + 1;
	if (COLS < WIDE)
		return;
	snprintf(batch, sizeof batch, "%s/%.0f", ab_word_count(sink->batch_records, word), sink->batch_max);
	x = right(y, x, 6, 0,
		  isnan(sink->bytes_per_s) ? "?"
					   : (snprintf(word, sizeof word, "%.2f", sink->bytes_per_s / 1e6), word)) +
	    1;
	x = right(y, x, 8, 0, ab_word_bound(sink->p50_s, view->ascii, word)) + 1;
	x = right(y, x, 9, 0, isnan(sink->batch_records) ? "-" : batch) + 1;
	x = right(y, x, 5, 0, ab_word_count(sink->retries, word)) + 1;
	right(y, x, 7, 0, ab_word_count(sink->duplicates, word));
}

static int draw_sinks(int y, const struct ab_facts *facts, const struct ab_top_view *view)
{
	draw_sink_heads(y++);
	for (int s = 0; s < facts->sink_count; s++) {
		if (shown(view, facts->sink[s].name, facts->sink[s].stalled ? "stalled" : facts->sink[s].state))
			draw_sink(y++, &facts->sink[s], view);
	}
	return y;
}

static int compare_lag(const void *a, const void *b)
{
	const struct ab_facts_partition *const *left = a, *const *other = b;
	double x = isnan((*left)->lag) ? INFINITY : (*left)->lag, y = isnan((*other)->lag) ? INFINITY : (*other)->lag;

	return x < y ? 1 : x > y ? -1 : (*left)->number - (*other)->number;
}

/* Cells of partitions, as many to a line as fit; returns the line behind. */
static int draw_partitions(int y, int end, const struct ab_facts *facts, const struct ab_top_view *view)
{
	const struct ab_facts_partition *row[AB_PARTITIONS_MAX];
	char word[AB_WORD_BYTES], name[16];
	int count = 0, x = 1, left_out = 0;

	for (int p = 0; p < facts->partition_count; p++) {
		snprintf(name, sizeof name, "p%d", facts->partition[p].number);
		if (shown(view, name, ab_progress_word(facts->partition[p].progress)))
			row[count++] = &facts->partition[p];
	}
	if (view->sort == AB_SORT_LAG)
		qsort(row, (size_t)count, sizeof row[0], compare_lag);
	text(y++, 1, COLS, A_BOLD, "LAG by partition (records behind the slowest sink)%s",
	     view->sort == AB_SORT_LAG ? ", most first" : "");
	if (count == 0)
		text(y, 1, COLS, paint(view, PAIR_QUIET),
		     facts->engine.answers ? "no partitions here" : "not known: the engine does not answer");
	for (int i = 0; i < count; i++) {
		enum ab_progress progress = row[i]->progress;
		if (x + 19 > COLS) {
			x = 1;
			y++;
		}
		if (y >= end) {
			left_out = count - i;
			break;
		}
		attr_t attributes = progress == AB_PROGRESS_STOP   ? paint(view, PAIR_BAD)
				    : progress == AB_PROGRESS_WARN ? paint(view, PAIR_WARN)
								   : 0;
		snprintf(name, sizeof name, "p%d", row[i]->number);
		text(y, x, 18, attributes, "%-4s %6s %-4s", name, ab_word_count(row[i]->lag, word),
		     ab_progress_word(progress));
		x += 19;
	}
	if (left_out > 0)
		text(y - 1, COLS - 10, 10, paint(view, PAIR_QUIET), "+%d more", left_out);
	return y + 1;
}

static void draw_board(int y, int end, int x, int width, const char *title, const struct ab_board *board, int rows,
		       bool percent)
{
	char word[AB_WORD_BYTES];

	text(y++, x, width - 1, A_BOLD, "%s", title);
	for (int i = 0; i < board->count && i < rows && y < end; i++) {
		text(y, x, width - 10, 0, "%s", board->row[i].name);
		if (percent)
			snprintf(word, sizeof word, "%.1f %%", board->row[i].score);
		else
			ab_word_count(board->row[i].score, word);
		right(y++, x + width - 9, 7, 0, word);
	}
	if (board->count == 0)
		text(y, x, width - 1, 0, "nothing in the last 10 min");
}

static int draw_boards(int y, int end, const struct ab_facts *facts, const struct ab_top_view *view)
{
	int width = (COLS - 2) / 3;

	if (!facts->redis.answers) {
		text(y, 1, COLS, A_BOLD, "BOARDS of the last 10 minutes");
		text(y + 1, 1, COLS - 2, paint(view, PAIR_WARN), "Redis does not answer: %s", facts->redis.error);
		return y + 2;
	}
	draw_board(y, end, 1, width, "BY ENGAGEMENT, 10 min", &facts->redis_said.engagement, 3, true);
	draw_board(y, end, 1 + width, width, "BY ACCESS", &facts->redis_said.access, 5, false);
	draw_board(y, end, 1 + 2 * width, width, "CONTENT, sum of %", &facts->redis_said.content, 5, false);
	return y + 1 + AB_BOARD_ROWS;
}

static int draw_errors(int y, int end, const struct ab_facts *facts, const struct ab_top_view *view)
{
	int begin = y++;

	for (int s = 0; s < facts->sink_count && y < end; s++) {
		const struct ab_facts_sink *sink = &facts->sink[s];
		if (!(sink->errors > 0) && !(sink->dead > 0) && sink->why[0] == 0)
			continue;
		text(y++, 1, COLS - 2, sink->errors_new > 0 ? paint(view, PAIR_BAD) : 0,
		     "%s: %.0f errors (%.0f new), %.0f dead%s%s", sink->name, sink->errors, sink->errors_new,
		     sink->dead, sink->why[0] ? ": " : "", sink->why);
	}
	if (facts->enrich_unknown > 0 && y < end)
		text(y++, 1, COLS - 2, 0, "enrichment: %.0f events of unknown content", facts->enrich_unknown);
	if (y == begin + 1)
		text(y++, 1, COLS, facts->engine.answers ? 0 : paint(view, PAIR_QUIET), "%s",
		     facts->engine.answers ? "none" : "not known");
	text(begin, 1, COLS, A_BOLD, "ERRORS since the engine started, of the last %d s", AB_FACTS_WINDOW_S);
	return y;
}

/* Who works, who waits: the shares of each thread's time. */
static int draw_threads(int y, int end, const struct ab_facts *facts, const struct ab_top_view *view)
{
	char busy[AB_WORD_BYTES], blocked[AB_WORD_BYTES];

	text(y++, 1, COLS, A_BOLD, "THREADS       BUSY  BACK-PRESSURED");
	for (int t = 0; t < facts->thread_count && y < end; t++) {
		const struct ab_facts_thread *thread = &facts->thread[t];
		text(y, 1, 12, 0, "%s", thread->name);
		right(y, 13, 6, thread->busy > 0.9 ? paint(view, PAIR_WARN) : 0, ab_word_percent(thread->busy, busy));
		right(y, 21, 14, thread->blocked > 0.5 ? paint(view, PAIR_WARN) : 0,
		      isnan(thread->blocked) ? "-" : ab_word_percent(thread->blocked, blocked));
		y++;
	}
	return y;
}

static void draw_spark(int y, int x, const char *title, const double *points, const struct ab_top_view *view)
{
	double most = 0;
	int room = COLS - x - (int)strlen(title) - 2, first = AB_FACTS_SPARK > room ? AB_FACTS_SPARK - room : 0;

	for (int i = first; i < AB_FACTS_SPARK; i++)
		most = isfinite(points[i]) && points[i] > most ? points[i] : most;
	x = text(y, x, COLS, A_BOLD, "%s ", title);
	for (int i = first; i < AB_FACTS_SPARK; i++) {
		int level = isfinite(points[i]) && most > 0 ? (int)(points[i] / most * 7.999) : -1;
		x = text(y, x, 1, 0, "%s", level < 0 ? " " : glyphs_of(view)->level[level]);
	}
}

static void draw_help(const struct ab_top_view *view)
{
	static const char *const lines[] = {
	    "q        quit",
	    "p        pause: the screen stands still, asking goes on",
	    "s        order of partitions: by number, by lag",
	    "/        filter: sinks and partitions whose name or status holds the word; empty: all",
	    "?        this page; any key leaves it",
	    "",
	    "Rates and percentiles are of the last 10 seconds; a percentile is the bound of a histogram's bucket.",
	    "IN/S     records encoded for a sink         ACK/S   records it has acknowledged",
	    "P99      from the commit in PostgreSQL to the acknowledgement; - when nothing was acknowledged",
	    "BEHIND   records between the sink's position and the end of the log; ? when it is not known",
	    "INFLT    requests sent and not answered     DEAD    records in the dead-letter topic",
	    "OK WARN STOP of a partition: it moves; it moves and falls behind; there are records and it stands",
	};

	(void)view;
	text(0, 1, COLS, A_BOLD, "anabranch-monitor: keys and words");
	for (int i = 0; i < (int)AB_COUNT(lines); i++)
		text(2 + i, 2, COLS - 3, 0, "%s", lines[i]);
}

void ab_top_draw(const struct ab_facts *facts, const struct ab_top_view *view)
{
	int last = LINES - 1, y = 2;

	erase();
	if (COLS < COLUMNS_MIN || LINES < LINES_MIN) {
		text(0, 0, COLS, 0, "%s: %s", ab_health_word(facts->health), facts->sentence);
		text(1, 0, COLS, 0, "the screen is %d x %d; all of it needs %d x %d", COLS, LINES, COLUMNS_MIN,
		     LINES_MIN);
		refresh();
		return;
	}
	if (view->help) {
		draw_help(view);
		refresh();
		return;
	}
	draw_header(facts, view);
	if (facts->bottleneck[0])
		text(y, 1, COLS - 2, paint(view, PAIR_WARN), "%s", facts->bottleneck);
	draw_picture(y + 1, facts, view);
	y += 1 + (facts->sink_count > 3 ? facts->sink_count : 3);
	y = draw_sinks(y, facts, view);
	y = draw_partitions(y, last - 8 > y + 2 ? last - 8 : y + 2, facts, view);
	if (last - y > 12) {
		draw_spark(y++, 1, "RECORDS/S", facts->spark_rate, view);
		draw_spark(y++, 1, "FRESHNESS", facts->spark_p99, view);
	}
	if (last - y > 16 + facts->thread_count)
		y = draw_threads(y, last - 9, facts, view);
	y = draw_boards(y, last - 3, facts, view);
	draw_errors(y < last - 3 ? y : last - 3, last, facts, view);
	if (view->typing || view->filter[0])
		text(last, 1, COLS, A_REVERSE, " /%s%s ", view->filter, view->typing ? "_" : "  (/ and Enter: all)");
	else
		text(last, 1, COLS, paint(view, PAIR_QUIET), "q quit  p pause  s sort  / filter  ? help");
	refresh();
}
