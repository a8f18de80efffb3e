/* core/cli.h — what somebody typed, as a struct; nothing is done here.
 *
 *     anabranch [COMMAND] [options]      run  check  config  init  verify  tap  dlq  replay  version  help
 *
 * Threads: main, at start. Memory: pointers into argv, and fixed arrays.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

/* -s on one command line. More settings than this belong in a file. */
#define AB_CLI_SET_MAX 64

enum ab_cli_command {
	AB_CLI_NONE,		/* nothing was typed: the help, and exit 64 */
	AB_CLI_RUN,
	AB_CLI_CHECK,
	AB_CLI_CONFIG,
	AB_CLI_INIT,
	AB_CLI_VERIFY,
	AB_CLI_TAP,
	AB_CLI_DLQ,		/* verb says what */
	AB_CLI_REPLAY,
	AB_CLI_VERSION,
	AB_CLI_HELP,		/* topic says about what */
};

enum ab_cli_format { AB_CLI_TEXT, AB_CLI_ENV, AB_CLI_JSON };
enum ab_cli_dlq { AB_CLI_DLQ_LIST, AB_CLI_DLQ_SHOW, AB_CLI_DLQ_REPLAY };
enum ab_cli_doc { AB_CLI_NO_DOC, AB_CLI_DOC_MARKDOWN, AB_CLI_DOC_ENV };

struct ab_cli {
	enum ab_cli_command command;
	const char *env_file;			/* -e; NULL: not given */
	const char *set[AB_CLI_SET_MAX];	/* -s, each KEY=VALUE, in order */
	int set_count;
	enum ab_cli_format format;
	bool show_origin;			/* config */
	bool host;				/* check: the machine too */
	enum ab_cli_doc doc;			/* config */
	enum ab_cli_dlq verb;			/* dlq */
	const char *from;			/* init: "earliest", "latest", "group:NAME", a time; replay: a time, places */
	const char *to;				/* replay: likewise; NULL: not given */
	bool yes;				/* init: -y, ask nothing */
	const char *sink;			/* verify: names with commas between; tap, dlq, replay: one; NULL: not given */
	int group;				/* dlq show: the number in the list; 0: not given */
	int partition;				/* dlq show: of the record; -1: not given */
	int64_t offset;				/* likewise */
	bool raw;				/* tap, dlq show: nothing masked */
	int64_t limit;				/* tap: samples; 0: not given */
	const char *since;			/* verify: a time; NULL: not given */
	int examples;				/* verify: -1: not given */
	const char *topic;			/* help; NULL: all of it */
	char error[256];			/* what is wrong, with the nearest word, without a line end */
};

enum ab_cli_result {
	AB_CLI_OK,		/* do cli->command */
	AB_CLI_USAGE,		/* print cli->error, exit 64 */
};

enum ab_cli_result ab_cli_parse(struct ab_cli *cli, int argc, char **argv) AB_MUST_USE;

/* Help about a topic (NULL: the overview). Returns false when there is no such topic: nothing was printed. */
bool ab_cli_help(const char *topic, FILE *to);

/* Topics of ab_cli_help(), for "did you mean". */
extern const char *const ab_cli_topics[];
extern const size_t ab_cli_topic_count;
