/* verify/report.h — what was found, per sink: counts, ranges of offsets, examples in words; as text and as JSON.
 *
 * Threads: one. Memory: AB_VERIFY_RANGES_MAX ranges and --examples words for each kind of difference; the rest is counted.
 */
#pragma once

#include <stdbool.h>

#include "verify/ledger.h"

/* Nobody reads more; how many more there are is said. */
#define AB_VERIFY_RANGES_MAX   16
#define AB_VERIFY_EXAMPLES_MAX 100
#define AB_VERIFY_NOTES_MAX    16

enum ab_verify_kind { AB_VERIFY_LOST, AB_VERIFY_TWICE, AB_VERIFY_DIFFERS, AB_VERIFY_KINDS };

struct ab_verify_range {
	int partition;
	int64_t first, last, count;	/* count: of the records between, those that are meant */
};

struct ab_verify_sink {
	const char *name;
	bool asked;
	bool allows_twice;		/* at least once is the promise: doubled ones are told, and no disagreement */
	bool failed;			/* it could not be compared: error says why */
	char error[1024];
	int64_t expected, present, dead, in_flight;
	int64_t bounded;		/* events whose content changed: compared with all that was possible */
	int64_t found[AB_VERIFY_KINDS];
	int range_count[AB_VERIFY_KINDS];
	int64_t more_ranges[AB_VERIFY_KINDS];
	struct ab_verify_range range[AB_VERIFY_KINDS][AB_VERIFY_RANGES_MAX];
	int example_count[AB_VERIFY_KINDS], examples_max;
	char *example[AB_VERIFY_KINDS][AB_VERIFY_EXAMPLES_MAX];
	int note_count;
	char *note[AB_VERIFY_NOTES_MAX];
};

void ab_verify_note(struct ab_verify_sink *sink, const char *format, ...) AB_PRINTF(2, 3);
void ab_verify_fail(struct ab_verify_sink *sink, const char *format, ...) AB_PRINTF(2, 3);
/* Counts one, and keeps its words when there is room. */
void ab_verify_found(struct ab_verify_sink *sink, enum ab_verify_kind kind, const char *format, ...) AB_PRINTF(3, 4);
bool ab_verify_wants_example(const struct ab_verify_sink *sink, enum ab_verify_kind kind);
/* From the marks LOST, TWICE and DIFFERS of the ledger; offsets that are no events do not end a range. */
void ab_verify_ranges(struct ab_verify_sink *sink, const struct ab_verify_ledger *ledger);

bool ab_verify_agrees(const struct ab_verify_sink *sink);

struct ab_verify_report {
	const char *topic;
	const struct ab_verify_ledger *ledger;
	int64_t contents, letters;
	double seconds;
	int sink_count;
	struct ab_verify_sink *sink;
};

void ab_verify_print(const struct ab_verify_report *report, FILE *to);
void ab_verify_print_json(const struct ab_verify_report *report, FILE *to);
void ab_verify_sink_free(struct ab_verify_sink *sink);

/* One line on standard error that is written over, when that is a terminal; at most five times a second. done: the
 * last time, and the line is ended. */
void ab_verify_progress(const char *what, int64_t at, int64_t of, bool done);
