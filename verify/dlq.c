/* verify/dlq.c — groups of letters, and one of them whole. See dlq.h. */
#include "verify/dlq.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "core/exit.h"
#include "core/mask.h"
#include "verify/time.h"

/* Of a value that is shown; a record may have megabytes. */
#define SHOWN_MAX_BYTES 8192

struct group {
	char kind[AB_DLQ_REASON_MAX_BYTES];
	int64_t count, first_ms, last_ms;
	struct ab_dlq_letter example; /* the first; without its value */
};

struct groups {
	int count;
	int64_t letters, beyond; /* beyond: of reasons there was no room for */
	struct group group[AB_DLQ_GROUPS_MAX];
};

static void add(void *arg, const struct ab_dlq_letter *letter)
{
	struct groups *groups = arg;
	char kind[AB_DLQ_REASON_MAX_BYTES];
	struct group *group = NULL;

	ab_dlq_kind_of_reason(letter->reason, kind, sizeof kind);
	groups->letters++;
	for (int i = 0; i < groups->count && group == NULL; i++) {
		struct group *at = &groups->group[i];
		if (strcmp(at->kind, kind) == 0 && strcmp(at->example.sink, letter->sink) == 0 &&
		    strcmp(at->example.code, letter->code) == 0)
			group = at;
	}
	if (group == NULL && groups->count == AB_DLQ_GROUPS_MAX) {
		groups->beyond++;
		return;
	}
	if (group == NULL) {
		group = &groups->group[groups->count++];
		*group = (struct group){.first_ms = letter->at_ms, .example = *letter};
		group->example.value = NULL;
		memcpy(group->kind, kind, sizeof kind);
	}
	group->count++;
	group->first_ms = letter->at_ms < group->first_ms ? letter->at_ms : group->first_ms;
	group->last_ms = letter->at_ms > group->last_ms ? letter->at_ms : group->last_ms;
}

/* By sink, then the most frequent first, then the oldest: the numbers stay as long as no letters come. */
static int by_sink_and_count(const void *x, const void *y)
{
	const struct group *a = x, *b = y;
	int order = strcmp(a->example.sink, b->example.sink);

	if (order != 0)
		return order;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return a->first_ms != b->first_ms ? (a->first_ms < b->first_ms ? -1 : 1) : strcmp(a->kind, b->kind);
}

static int read_groups(const struct ab_config *config, const char *sink, struct groups *groups)
{
	*groups = (struct groups){0};
	int result = ab_dlq_read(config, sink, add, groups);
	qsort(groups->group, (size_t)groups->count, sizeof groups->group[0], by_sink_and_count);
	return result;
}

static const char *time_text(char *to, int64_t ms)
{
	return ms < 0 ? "-" : ab_verify_datetime_text(to, ms * 1000);
}

static void print_list(const struct groups *groups, const struct ab_config *config)
{
	char first[AB_VERIFY_TIME_BYTES], last[AB_VERIFY_TIME_BYTES];

	printf("%s: %" PRId64 " dead letters\n", config->dead_letter_topic, groups->letters);
	if (groups->count > 0)
		printf("\n%3s  %-14s %-14s %9s  %-19s  %-19s\n", "no", "sink", "code", "letters", "first", "last");
	for (int i = 0; i < groups->count; i++) {
		const struct group *group = &groups->group[i];
		printf("%3d  %-14s %-14s %9" PRId64 "  %-19s  %-19s\n", i + 1, group->example.sink, group->example.code,
		       group->count, time_text(first, group->first_ms), time_text(last, group->last_ms));
		printf("     such as partition %d offset %" PRId64 ": %s\n", group->example.partition,
		       group->example.offset, group->example.reason);
	}
	if (groups->beyond > 0)
		printf("     and %" PRId64 " letters of further reasons\n", groups->beyond);
}

static void print_list_json(const struct groups *groups, const struct ab_config *config)
{
	json_t *list = json_array();

	for (int i = 0; i < groups->count; i++) {
		const struct group *group = &groups->group[i];
		json_t *reason = json_string(group->example.reason);
		json_array_append_new(
		    list, json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:{s:s, s:i, s:I, s:o}}", "no", i + 1, "sink",
				    group->example.sink, "code", group->example.code, "letters",
				    (json_int_t)group->count, "first_ms", (json_int_t)group->first_ms, "last_ms",
				    (json_int_t)group->last_ms, "example", "topic", group->example.topic, "partition",
				    group->example.partition, "offset", (json_int_t)group->example.offset, "reason",
				    reason ? reason : json_string("(not UTF-8)")));
	}
	json_t *root =
	    json_pack("{s:i, s:s, s:I, s:I, s:o}", "schema_version", 1, "topic", config->dead_letter_topic, "letters",
		      (json_int_t)groups->letters, "beyond", (json_int_t)groups->beyond, "groups", list);
	AB_ASSERT(root != NULL);
	json_dumpf(root, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
	json_decref(root);
}

int ab_dlq_list(const struct ab_config *config, const struct ab_dlq_options *options)
{
	static struct groups groups;
	int result = read_groups(config, options->sink, &groups);

	if (result != AB_EXIT_OK)
		return result;
	(options->json ? print_list_json : print_list)(&groups, config);
	return AB_EXIT_OK;
}

/* --- one letter ----------------------------------------------------------------------------------------------------- */

struct wanted {
	const struct ab_dlq_options *options;
	/* Where the letter itself lies, or where its record does. */
	int at_partition, partition;
	int64_t at_offset, offset;
	int shown;
};

/* What could disturb a terminal becomes \xNN. */
static void print_bytes(const char *bytes, size_t len)
{
	size_t shown = len < SHOWN_MAX_BYTES ? len : SHOWN_MAX_BYTES;

	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f && c < 0x80))
			putchar(c);
		else if (c >= 0x80)
			putchar(c); /* of UTF-8, most likely */
		else
			printf("\\x%02x", c);
	}
	printf("%s\n", shown < len ? "\n… (cut)" : "");
}

static void print_value(const struct ab_dlq_letter *letter, bool raw)
{
	bool written = strcmp(letter->code, "sink") == 0;
	char *masked = raw ? NULL : ab_mask_record(letter->value, letter->value_len, false, 2);

	printf("\n");
	if (letter->value_cut >= 0)
		printf("(only the beginning of %" PRId64 " bytes: the topic refused them as too large. The record itself is at "
		       "its topic, partition and offset)\n",
		       letter->value_cut);
	if (letter->value == NULL)
		printf("(no value)\n");
	else if (masked != NULL)
		print_bytes(masked, strlen(masked));
	else if (raw || written) /* what is written for a sink has no raw_payload */
		print_bytes(letter->value, letter->value_len);
	else
		printf("(%zu bytes that are no JSON, in which nothing can be masked: --raw shows them)\n",
		       letter->value_len);
	free(masked);
}

static void show(void *arg, const struct ab_dlq_letter *letter)
{
	struct wanted *wanted = arg;
	char time[AB_VERIFY_TIME_BYTES];

	if (wanted->at_offset >= 0
		? letter->at_partition != wanted->at_partition || letter->at_offset != wanted->at_offset
		: letter->partition != wanted->partition || letter->offset != wanted->offset)
		return;
	printf("%s", wanted->shown++ > 0 ? "\n" : "");
	printf("sink       %s\ntopic      %s\npartition  %d\noffset     %" PRId64 "\n", letter->sink, letter->topic,
	       letter->partition, letter->offset);
	printf("record of  %s\n", time_text(time, letter->timestamp_ms));
	printf("rejected   %s\n", time_text(time, letter->at_ms));
	printf("code       %s\nreason     %s\n", letter->code, letter->reason);
	printf("value      %zu bytes, %s\n", letter->value_len,
	       strcmp(letter->code, "sink") == 0 ? "as written for the sink" : "the record as it came");
	print_value(letter, wanted->options->raw);
}

int ab_dlq_show(const struct ab_config *config, const struct ab_dlq_options *options)
{
	static struct groups groups;
	struct wanted wanted = {
	    .options = options, .at_offset = -1, .partition = options->partition, .offset = options->offset};
	int result = AB_EXIT_OK;

	if (options->group > 0) {
		result = read_groups(config, options->sink, &groups);
		if (result == AB_EXIT_OK && options->group > groups.count) {
			fprintf(stderr, "anabranch: there are %d groups of dead letters: anabranch dlq list\n",
				groups.count);
			return AB_EXIT_PROBLEMS;
		}
		wanted.at_partition = groups.group[options->group - 1].example.at_partition;
		wanted.at_offset = groups.group[options->group - 1].example.at_offset;
	}
	if (result == AB_EXIT_OK)
		result = ab_dlq_read(config, options->sink, show, &wanted);
	if (result == AB_EXIT_OK && wanted.shown == 0) {
		fprintf(stderr, "anabranch: there is no dead letter of partition %d offset %" PRId64 "\n",
			options->partition, options->offset);
		return AB_EXIT_PROBLEMS;
	}
	return result;
}
