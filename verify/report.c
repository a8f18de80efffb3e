/* verify/report.c — see report.h. */
#include "verify/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

#define PROGRESS_NS (AB_NS_PER_S / 5)

static const char *const kind_names[AB_VERIFY_KINDS] = {"lost", "duplicated", "differing"};

static char *words(const char *format, va_list args) AB_PRINTF(1, 0);

static char *words(const char *format, va_list args)
{
	char *text;

	AB_ASSERT(vasprintf(&text, format, args) >= 0);
	return text;
}

void ab_verify_note(struct ab_verify_sink *sink, const char *format, ...)
{
	va_list args;

	if (sink->note_count == AB_VERIFY_NOTES_MAX)
		return;
	va_start(args, format);
	sink->note[sink->note_count++] = words(format, args);
	va_end(args);
}

void ab_verify_fail(struct ab_verify_sink *sink, const char *format, ...)
{
	va_list args;

	if (sink->failed)
		return;
	sink->failed = true;
	va_start(args, format);
	vsnprintf(sink->error, sizeof sink->error, format, args);
	va_end(args);
	sink->error[strcspn(sink->error, "\n")] = '\0';
}

bool ab_verify_wants_example(const struct ab_verify_sink *sink, enum ab_verify_kind kind)
{
	return sink->example_count[kind] < sink->examples_max;
}

void ab_verify_found(struct ab_verify_sink *sink, enum ab_verify_kind kind, const char *format, ...)
{
	va_list args;

	sink->found[kind]++;
	if (!ab_verify_wants_example(sink, kind))
		return;
	va_start(args, format);
	sink->example[kind][sink->example_count[kind]++] = words(format, args);
	va_end(args);
}

/* Extends the last range when only offsets without events lie between. */
static void add_place(struct ab_verify_sink *sink, enum ab_verify_kind kind, int partition, int64_t offset, bool joined)
{
	struct ab_verify_range *list = sink->range[kind];
	int count = sink->range_count[kind];

	if (joined && count > 0 && sink->more_ranges[kind] == 0) {
		list[count - 1].last = offset;
		list[count - 1].count++;
	} else if (joined) {
		return; /* of a range that there was no room for */
	} else if (count == AB_VERIFY_RANGES_MAX) {
		sink->more_ranges[kind]++;
	} else {
		list[sink->range_count[kind]++] = (struct ab_verify_range){partition, offset, offset, 1};
	}
}

static void scan(struct ab_verify_sink *sink, const struct ab_verify_partition *partition, int p,
		 enum ab_verify_kind kind, uint16_t mark)
{
	bool joined = false;

	for (int64_t i = 0; i < partition->next - partition->first; i++) {
		uint16_t is = partition->mark[i];
		if (is & mark) {
			add_place(sink, kind, p, partition->first + i, joined);
			joined = true;
		} else if (is & (AB_MARK_EVENT | AB_MARK_BAD)) {
			joined = false;
		}
	}
}

void ab_verify_ranges(struct ab_verify_sink *sink, const struct ab_verify_ledger *ledger)
{
	for (int p = 0; p < ledger->partition_count; p++) {
		scan(sink, &ledger->partition[p], p, AB_VERIFY_LOST, AB_MARK_LOST);
		scan(sink, &ledger->partition[p], p, AB_VERIFY_TWICE, AB_MARK_TWICE);
		scan(sink, &ledger->partition[p], p, AB_VERIFY_DIFFERS, AB_MARK_DIFFERS);
	}
}

bool ab_verify_agrees(const struct ab_verify_sink *sink)
{
	return !sink->failed && sink->found[AB_VERIFY_LOST] == 0 && sink->found[AB_VERIFY_DIFFERS] == 0 &&
	       (sink->allows_twice || sink->found[AB_VERIFY_TWICE] == 0);
}

void ab_verify_sink_free(struct ab_verify_sink *sink)
{
	for (int kind = 0; kind < AB_VERIFY_KINDS; kind++) {
		for (int i = 0; i < sink->example_count[kind]; i++)
			free(sink->example[kind][i]);
	}
	for (int i = 0; i < sink->note_count; i++)
		free(sink->note[i]);
}

/* --- text ----------------------------------------------------------------------------------------------------------- */

/* 1234567 as 1,234,567. */
static const char *grouped(char *to, int64_t value)
{
	char plain[24];
	int len = snprintf(plain, sizeof plain, "%" PRId64, value), out = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0 && plain[i - 1] != '-')
			to[out++] = ',';
		to[out++] = plain[i];
	}
	to[out] = '\0';
	return to;
}

static void print_row(const struct ab_verify_sink *sink, FILE *to)
{
	const int64_t column[] = {sink->expected,
				  sink->present,
				  sink->found[AB_VERIFY_LOST],
				  sink->found[AB_VERIFY_TWICE],
				  sink->found[AB_VERIFY_DIFFERS],
				  sink->dead,
				  sink->in_flight};
	char text[32];

	fprintf(to, "%-14s", sink->name);
	for (size_t i = 0; i < AB_COUNT(column); i++)
		fprintf(to, " %*s", i == 0 || i == 1 ? 12 : 10, sink->failed ? "-" : grouped(text, column[i]));
	fprintf(to, "  %s\n", sink->failed ? "not compared" : ab_verify_agrees(sink) ? "agrees" : "DIFFERS");
}

static void print_details(const struct ab_verify_sink *sink, FILE *to)
{
	char text[32];
	bool any = sink->failed || sink->note_count > 0;

	for (int kind = 0; kind < AB_VERIFY_KINDS; kind++)
		any |= sink->found[kind] > 0;
	if (!any)
		return;
	fprintf(to, "\n%s\n", sink->name);
	if (sink->failed)
		fprintf(to, "  %s\n", sink->error);
	for (int kind = 0; kind < AB_VERIFY_KINDS; kind++) {
		if (sink->found[kind] == 0)
			continue;
		fprintf(to, "  %s: %s\n", kind_names[kind], grouped(text, sink->found[kind]));
		for (int i = 0; i < sink->range_count[kind]; i++) {
			const struct ab_verify_range *range = &sink->range[kind][i];
			fprintf(to, "    partition %d offset %" PRId64, range->partition, range->first);
			if (range->last > range->first)
				fprintf(to, "-%" PRId64 " (%s)", range->last, grouped(text, range->count));
			fputc('\n', to);
		}
		if (sink->more_ranges[kind] > 0)
			fprintf(to, "    and %s ranges more\n", grouped(text, sink->more_ranges[kind]));
		for (int i = 0; i < sink->example_count[kind]; i++)
			fprintf(to, "      %s\n", sink->example[kind][i]);
	}
	for (int i = 0; i < sink->note_count; i++)
		fprintf(to, "  %s\n", sink->note[i]);
}

void ab_verify_print(const struct ab_verify_report *report, FILE *to)
{
	char text[32], contents[32], letters[32];

	fprintf(to, "%s: %s records looked at, %s contents, %s dead letters, in %.1f s\n", report->topic,
		grouped(text, report->ledger->records), grouped(contents, report->contents),
		grouped(letters, report->letters), report->seconds);
	for (int p = 0; p < report->ledger->partition_count; p++)
		fprintf(to, "  partition %d: offsets %" PRId64 " to %" PRId64 "\n", p,
			report->ledger->partition[p].first, report->ledger->partition[p].next - 1);
	fprintf(to, "\n%-14s %12s %12s %10s %10s %10s %10s %10s\n", "", "expected", "present", "lost", "duplicated",
		"differing", "dead", "in flight");
	for (int s = 0; s < report->sink_count; s++) {
		if (report->sink[s].asked)
			print_row(&report->sink[s], to);
	}
	for (int s = 0; s < report->sink_count; s++) {
		if (report->sink[s].asked)
			print_details(&report->sink[s], to);
	}
}

/* --- JSON ----------------------------------------------------------------------------------------------------------- */

static json_t *list_of(char *const *list, int count)
{
	json_t *array = json_array();

	for (int i = 0; i < count; i++) {
		/* What a sink holds need not be UTF-8. */
		json_t *text = json_string(list[i]);
		json_array_append_new(array, text != NULL ? text : json_string("(not UTF-8)"));
	}
	return array;
}

static json_t *kind_of(const struct ab_verify_sink *sink, int kind)
{
	json_t *ranges = json_array();

	for (int i = 0; i < sink->range_count[kind]; i++) {
		const struct ab_verify_range *range = &sink->range[kind][i];
		json_array_append_new(ranges, json_pack("{s:i, s:I, s:I, s:I}", "partition", range->partition, "first",
							(json_int_t)range->first, "last", (json_int_t)range->last,
							"count", (json_int_t)range->count));
	}
	return json_pack("{s:I, s:o, s:I, s:o}", "count", (json_int_t)sink->found[kind], "ranges", ranges,
			 "more_ranges", (json_int_t)sink->more_ranges[kind], "examples",
			 list_of(sink->example[kind], sink->example_count[kind]));
}

static json_t *sink_json(const struct ab_verify_sink *sink)
{
	json_t *object = json_pack("{s:s, s:b, s:b}", "sink", sink->name, "compared", !sink->failed, "agrees",
				   ab_verify_agrees(sink));

	if (sink->failed) {
		json_object_set_new(object, "error", json_string(sink->error));
		return object;
	}
	json_object_set_new(object, "expected", json_integer(sink->expected));
	json_object_set_new(object, "present", json_integer(sink->present));
	json_object_set_new(object, "dead", json_integer(sink->dead));
	json_object_set_new(object, "in_flight", json_integer(sink->in_flight));
	json_object_set_new(object, "bounded", json_integer(sink->bounded));
	for (int kind = 0; kind < AB_VERIFY_KINDS; kind++)
		json_object_set_new(object, kind_names[kind], kind_of(sink, kind));
	json_object_set_new(object, "notes", list_of(sink->note, sink->note_count));
	return object;
}

void ab_verify_print_json(const struct ab_verify_report *report, FILE *to)
{
	json_t *partitions = json_array(), *sinks = json_array();
	bool agrees = true;

	for (int p = 0; p < report->ledger->partition_count; p++)
		json_array_append_new(partitions, json_pack("{s:i, s:I, s:I}", "partition", p, "first",
							    (json_int_t)report->ledger->partition[p].first, "next",
							    (json_int_t)report->ledger->partition[p].next));
	for (int s = 0; s < report->sink_count; s++) {
		if (!report->sink[s].asked)
			continue;
		agrees &= ab_verify_agrees(&report->sink[s]);
		json_array_append_new(sinks, sink_json(&report->sink[s]));
	}
	json_t *root = json_pack("{s:i, s:b, s:s, s:I, s:I, s:I, s:f, s:o, s:o}", "schema_version", 1, "agrees", agrees,
				 "topic", report->topic, "records", (json_int_t)report->ledger->records, "contents",
				 (json_int_t)report->contents, "dead_letters", (json_int_t)report->letters, "seconds",
				 report->seconds, "partitions", partitions, "sinks", sinks);
	AB_ASSERT(root != NULL);
	json_dumpf(root, to, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', to);
	json_decref(root);
}

void ab_verify_progress(const char *what, int64_t at, int64_t of, bool done)
{
	static int64_t last_ns;
	static bool open;
	char a[32], b[32];
	int64_t now_ns = ab_monotonic_ns();

	if (!isatty(STDERR_FILENO) || (!done && now_ns - last_ns < PROGRESS_NS) || (done && !open))
		return;
	last_ns = now_ns;
	open = !done;
	if (of > 0)
		fprintf(stderr, "\r\033[K%s: %s of %s%s", what, grouped(a, at), grouped(b, of), done ? "\r\033[K" : "");
	else
		fprintf(stderr, "\r\033[K%s: %s%s", what, grouped(a, at), done ? "\r\033[K" : "");
	fflush(stderr);
}
