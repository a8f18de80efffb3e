/* core/cli_help.c — help: examples first, then what there is. */
#include <string.h>

#include "core/cli.h"
#include "core/config_print.h"

static const char overview[] =
	"Examples\n"
	"  anabranch check -e my.env           every mistake in the settings at once, and the memory they need\n"
	"  anabranch init -e my.env            creates tables, templates, topics and positions; once\n"
	"  anabranch run -e my.env             delivers until it is told to stop (SIGTERM, Ctrl-C)\n"
	"  anabranch run -s REDIS_PORT=6380    .env of this directory, with one setting changed\n"
	"  anabranch verify -e my.env          is everything that Kafka holds in every sink, once and right?\n"
	"\n"
	"Commands\n"
	"  run        deliver events from Kafka to the sinks\n"
	"  check      look at the settings, say everything that is wrong, start nothing\n"
	"  config     print the settings in force, or the documents made from their table\n"
	"  init       create what run needs and will never create by itself\n"
	"  verify     compare PostgreSQL, Kafka and every sink; say what is lost, doubled or different\n"
	"  top        the pipeline on this terminal, live (anabranch top --help)\n"
	"  tap        show some of the events that go through a running engine, and what each sink was given\n"
	"  dlq        list the dead letters by reason, show one, put them through a sink again\n"
	"  replay     send a range of the log to one sink again\n"
	"  version    print the versions of this program and of its libraries\n"
	"  help       this, or help about one topic\n"
	"\n"
	"Options of every command but version and help\n"
	"  -e, --env-file FILE   settings; without it .env of this directory, where there is one\n"
	"  -s, --set KEY=VALUE   one setting, above file and environment; may be repeated\n"
	"  -h, --help            help about the command\n"
	"\n"
	"Topics: run check config init verify tap dlq replay version settings exit-codes\n";

static const char run_text[] =
	"Examples\n"
	"  anabranch run -e my.env\n"
	"  anabranch run -e my.env -s SINKS=redis -s IO_BACKEND=epoll\n"
	"\n"
	"anabranch run [-e FILE] [-s KEY=VALUE]...\n"
	"\n"
	"Reads Kafka and delivers to every sink until SIGTERM or SIGINT: then it drains what is under way,\n"
	"commits, and says what each sink has received. A second signal stops at once; nothing is lost either\n"
	"way. A sink that is away does not stop the others. Lines for people go to standard error, one of them\n"
	"each second with rates and lag.\n"
	"http://METRICS_HOST:METRICS_PORT/ has /metrics, /healthz, /readyz and, for this host alone, /tap.\n";

static const char check_text[] =
	"Examples\n"
	"  anabranch check -e my.env\n"
	"  anabranch check -e my.env --format json | jq .problems\n"
	"  anabranch check -e my.env --host\n"
	"\n"
	"anabranch check [-e FILE] [-s KEY=VALUE]... [--host] [--format text|json]\n"
	"\n"
	"Reads the settings as run does and says everything that is wrong: file and line, key, value, reason, and\n"
	"the key that was most likely meant. Then the memory that run takes at start, part by part, in bytes.\n"
	"--host looks at this machine as well: cores, io_uring, huge pages, governor, clock, open files, memory;\n"
	"what is, what should be, why, and the command that changes it (text format only).\n"
	"Nothing is connected to. Exit code: 0, or 78 when there are errors, or 1 when --host finds something red;\n"
	"warnings and notes do not count.\n";

static const char config_text[] =
	"Examples\n"
	"  anabranch config -e my.env --show-origin\n"
	"  anabranch config --doc env > .env\n"
	"\n"
	"anabranch config [-e FILE] [-s KEY=VALUE]... [--show-origin] [--format env|json]\n"
	"anabranch config --doc markdown|env\n"
	"\n"
	"Prints every setting in force, secrets masked; --show-origin puts before each where it comes from: a\n"
	"line of a file, the environment, the command line, or the default. --doc prints docs/CONFIGURATION.md or\n"
	".env.example.\n";

static const char init_text[] =
	"Examples\n"
	"  anabranch init -e my.env                                         from the beginning of the topic\n"
	"  anabranch init -e my.env --from group:flink-datastream-processor from where another consumer group stands\n"
	"  anabranch init -e my.env --from 2026-01-31T12:00:00Z             from a time\n"
	"\n"
	"anabranch init [-e FILE] [-s KEY=VALUE]... [--from earliest|latest|TIME|group:NAME] [-y]\n"
	"\n"
	"Creates the dead-letter topic, the index template, the table and its view, and the first positions of\n"
	"every sink. What is there already stays as it is, so it may be repeated. TIME is ISO 8601 (UTC without a\n"
	"zone), or milliseconds since 1970; the first record at or after it is the first to be delivered. -y asks\n"
	"nothing.\n";

static const char verify_text[] =
	"Examples\n"
	"  anabranch verify -e my.env                                everything, the engine running or not\n"
	"  anabranch verify -e my.env --sink redis,elasticsearch     only these\n"
	"  anabranch verify -e my.env --since 2026-01-31T12:00:00Z   what Kafka got from then on\n"
	"  anabranch verify -e my.env --format json | jq .sinks\n"
	"\n"
	"anabranch verify [-e FILE] [-s KEY=VALUE]... [--sink NAME,...] [--since TIME] [--examples N]\n"
	"                 [--format text|json]\n"
	"\n"
	"Reads PostgreSQL, Kafka (as a consumer that commits nothing) and every sink, and prints for each what was\n"
	"expected and present, and what is lost, duplicated or differing, with ranges of offsets and N examples (5)\n"
	"of each. It shares no decoder and no encoder with the engine. While the engine runs, Redis is compared as\n"
	"of the positions of one instant, the others up to the committed positions; the rest counts as in flight.\n"
	"NAME is postgres, redis, bigquery or elasticsearch; without --sink PostgreSQL and all of SINKS.\n"
	"Exit code: 0 when all agree, 1 when something does not, 69 when something cannot be reached. Doubled rows\n"
	"of BigQuery are told and agree: the table is at least once, the view is exact. docs/VERIFY.md says more.\n";

static const char tap_text[] =
	"Examples\n"
	"  anabranch tap -e my.env                                  as they come, until Ctrl-C\n"
	"  anabranch tap elasticsearch --limit 1 -e my.env          one document, as it is sent\n"
	"  anabranch tap --format json -e my.env | jq 'select(.op == \"d\")'\n"
	"\n"
	"anabranch tap [redis|bigquery|elasticsearch] [--limit N] [--raw] [--format text|json] [-e FILE]\n"
	"              [-s KEY=VALUE]...\n"
	"\n"
	"Asks the engine at METRICS_HOST:METRICS_PORT, on its own host, for samples: MONITORING_SAMPLE_RATE percent of\n"
	"the rows, chosen by their id, so that a row's changes are all shown or none, by every engine and every time. It\n"
	"begins with those that the engine still has (256 of each worker). Each shows where the event is in Kafka, its\n"
	"row, its content, and for each sink that it was read for what became of it: given (with what was written for\n"
	"the sink), skipped, rejected, or repeated. raw_payload, and what is called like a secret, is masked; --raw\n"
	"shows it. JSON is a line for each. Samples that were overwritten before they could be shown are counted on\n"
	"standard error. Records that nobody can read have no id: anabranch dlq list.\n"
	"Exit code: 0 after --limit, 1 when the engine keeps no samples, 69 when none answers.\n";

static const char dlq_text[] =
	"Examples\n"
	"  anabranch dlq list -e my.env                                 by sink and reason, with one example each\n"
	"  anabranch dlq show 2 -e my.env                               the example of number 2 of the list\n"
	"  anabranch dlq show --partition 3 --offset 1234 -e my.env     the letters of one record\n"
	"  anabranch dlq replay --sink elasticsearch -e my.env          once their cause is gone\n"
	"\n"
	"anabranch dlq list [--sink NAME] [--format text|json] [-e FILE] [-s KEY=VALUE]...\n"
	"anabranch dlq show N | --partition P --offset O [--sink NAME] [--raw] [-e FILE] [-s KEY=VALUE]...\n"
	"anabranch dlq replay --sink NAME [-e FILE] [-s KEY=VALUE]...\n"
	"\n"
	"The records that no sink, or one sink, could take lie in DEAD_LETTER_TOPIC with their reasons. list counts\n"
	"them; --sink leaves those of other sinks out. show masks raw_payload, --raw does not. replay reads the\n"
	"records of a sink's letters from their topic, or takes the letters' own values where they are gone from\n"
	"there, and sends them to that sink as the engine does; the engine may run. Nothing is delivered twice: to\n"
	"Redis, where that cannot be known, it is refused. Letters stay in the topic.\n"
	"Exit code of replay: 0, or 1 when some are rejected again or are gone.\n";

static const char replay_text[] =
	"Examples\n"
	"  anabranch replay --sink elasticsearch --from 2026-01-31T12:00:00Z --to 2026-01-31T13:00:00Z\n"
	"  anabranch replay --sink bigquery --from 0:1000,2:950 --to 0:2000,2:2100\n"
	"  anabranch replay --sink elasticsearch --from earliest\n"
	"\n"
	"anabranch replay --sink NAME --from FROM [--to TO] [-e FILE] [-s KEY=VALUE]...\n"
	"\n"
	"Sends a range of the log to one sink again: an index that was deleted, rows that were. FROM and TO are\n"
	"times, or PARTITION:OFFSET with commas between, and then only these partitions; TO is not sent any more.\n"
	"Without TO it goes as far as the sink has got: what is above is the engine's, which may run meanwhile.\n"
	"Elasticsearch keeps what is newer, BigQuery is asked which rows are there: nothing is delivered twice.\n"
	"Redis is refused: a counter does not tell whether an event is in it.\n"
	"Exit code: 0, or 1 when some are rejected.\n";

static const char version_text[] =
	"anabranch version [--format text|json]\n"
	"\n"
	"One line for this program, then compiler, flags, the JSON kernel this processor gets, and each library:\n"
	"as compiled against, and as found at run time.\n";

static const char exit_text[] =
	"Exit codes\n"
	"    0  all is well\n"
	"    1  something that was asked about is not as it should be\n"
	"   64  the command line is wrong\n"
	"   65  records are gone from Kafka that were not delivered; the log says which\n"
	"   69  a neighbour cannot be reached\n"
	"   70  a fault of the program itself\n"
	"   78  the settings are wrong; `anabranch check` says where\n"
	"  130  ended by SIGINT before an orderly stop was done\n"
	"  143  ended by SIGTERM before an orderly stop was done\n"
	"\n"
	"For systemd: RestartPreventExitStatus=64 65 78, because starting again does not help there.\n";

static const struct {
	const char *topic, *text;
} pages[] = {
	{"run", run_text},     {"check", check_text},	  {"config", config_text},
	{"init", init_text},   {"verify", verify_text},	  {"tap", tap_text},
	{"dlq", dlq_text},
	{"replay", replay_text}, {"version", version_text},
	{"exit-codes", exit_text},
};

const char *const ab_cli_topics[] = {"run", "check", "config", "init", "verify", "tap", "dlq",
				     "replay", "version", "settings", "exit-codes"};
const size_t ab_cli_topic_count = AB_COUNT(ab_cli_topics);

bool ab_cli_help(const char *topic, FILE *to)
{
	if (topic == NULL) {
		fputs(overview, to);
		return true;
	}
	if (strcmp(topic, "settings") == 0) {
		ab_config_doc_help(to);
		return true;
	}
	for (size_t i = 0; i < AB_COUNT(pages); i++) {
		if (strcmp(pages[i].topic, topic) == 0) {
			fputs(pages[i].text, to);
			return true;
		}
	}
	return false;
}
