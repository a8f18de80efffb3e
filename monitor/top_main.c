/* monitor/top_main.c — anabranch-monitor: the pipeline on a terminal, once as text or JSON, or as a web page.
 *
 * Threads: main draws; one thread for each part that is asked (monitor/watch.h).
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "monitor/facts_json.h"
#include "monitor/top_screen.h"
#include "monitor/web.h"

/* sysexits, as the engine's. */
enum { EXIT_FINE = 0, EXIT_NOT_WELL = 1, EXIT_WRONG_USAGE = 64, EXIT_WRONG_CONFIG = 78 };

#define INTERVAL_MS_MIN 200
#define INTERVAL_MS_MAX 60000
#define SETTINGS_MAX    64
#define KEY_WAIT_MS     100
/* --once waits this long for everybody's answer, and for a second answer of the engine: rates need two. */
#define ONCE_WAIT_NS (4 * AB_NS_PER_S)
#define CONNECTOR    "postgres-connector"

struct options {
	const char *env_file, *connector;
	const char *set[SETTINGS_MAX];
	int set_count;
	int64_t interval_ms;
	bool once, json, ascii, web;
};

static struct ab_config config;
static struct ab_config_problems problems;
static struct ab_facts_history history;
static struct ab_facts_watches watches;
static struct ab_facts facts;
static struct ab_asker engine_asker, postgres_asker, connect_asker, kafka_asker, redis_asker;
static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number)
{
	(void)number;
	asked_to_stop = 1;
}

static const char usage_text[] =
    "Examples\n"
    "  anabranch-monitor                        the pipeline of this directory's .env, on the terminal\n"
    "  anabranch-monitor -e my.env              another one\n"
    "  anabranch-monitor --once --format json   all facts once, for scripts: | jq '.sinks[] | {name, behind_records}'\n"
    "  anabranch-monitor --web                  the live page on http://127.0.0.1:WEB_PORT, until Ctrl-C\n"
    "\n"
    "anabranch-monitor [-e FILE] [-s KEY=VALUE]... [--interval SECONDS] [--web | --once [--format text|json]]\n"
    "                  [--ascii] [--connector NAME]\n"
    "\n"
    "  -e, --env-file FILE   settings, the engine's; without it .env of this directory, where there is one\n"
    "  -s, --set KEY=VALUE   one setting, above file and environment; may be repeated\n"
    "      --interval S      how often everything is asked (1)\n"
    "      --web             serves the live page on WEB_PORT of METRICS_HOST, without a terminal\n"
    "      --once            asks once, prints, ends: 0 when all is well (OK, IDLE, BEHIND), 1 when not\n"
    "      --format F        of --once: text or json\n"
    "      --ascii           no line drawing; taken by itself where the locale is not UTF-8\n"
    "      --connector NAME  the connector's name in Kafka Connect (" CONNECTOR ")\n"
    "\n"
    "Colours are left out when NO_COLOR is set. On the terminal: q ends, ? explains.\n";

static int usage(const char *format, ...) AB_PRINTF(1, 2);

static int usage(const char *format, ...)
{
	va_list args;

	fputs("anabranch-monitor: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; --help shows what there is\n", stderr);
	return EXIT_WRONG_USAGE;
}

enum { OPT_INTERVAL = 256, OPT_ONCE, OPT_FORMAT, OPT_ASCII, OPT_CONNECTOR, OPT_WEB };

static const struct option long_options[] = {
    {"env-file", required_argument, NULL, 'e'},
    {"set", required_argument, NULL, 's'},
    {"interval", required_argument, NULL, OPT_INTERVAL},
    {"once", no_argument, NULL, OPT_ONCE},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"ascii", no_argument, NULL, OPT_ASCII},
    {"connector", required_argument, NULL, OPT_CONNECTOR},
    {"web", no_argument, NULL, OPT_WEB},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static bool read_interval(const char *word, struct options *options)
{
	char *end;
	double seconds = strtod(word, &end);

	options->interval_ms = (int64_t)(seconds * 1000);
	return end != word && *end == 0 && options->interval_ms >= INTERVAL_MS_MIN &&
	       options->interval_ms <= INTERVAL_MS_MAX;
}

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *options)
{
	int option;

	*options = (struct options){.connector = CONNECTOR, .interval_ms = 1000};
	while ((option = getopt_long(argc, argv, "e:s:hV", long_options, NULL)) != -1) {
		switch (option) {
		case 'e':
			options->env_file = optarg;
			break;
		case 's':
			if (options->set_count == SETTINGS_MAX)
				return usage("too many settings at %s", optarg);
			options->set[options->set_count++] = optarg;
			break;
		case OPT_INTERVAL:
			if (!read_interval(optarg, options))
				return usage("--interval %s: want seconds from 0.2 to 60", optarg);
			break;
		case OPT_ONCE:
			options->once = true;
			break;
		case OPT_FORMAT:
			options->json = strcmp(optarg, "json") == 0;
			if (!options->json && strcmp(optarg, "text") != 0)
				return usage("--format %s: want text or json", optarg);
			break;
		case OPT_ASCII:
			options->ascii = true;
			break;
		case OPT_CONNECTOR:
			options->connector = optarg;
			break;
		case OPT_WEB:
			options->web = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return EXIT_FINE;
		case 'V':
			puts("anabranch-monitor " AB_VERSION);
			return EXIT_FINE;
		default:
			return EXIT_WRONG_USAGE; /* getopt_long has said what */
		}
	}
	if (optind < argc)
		return usage("it takes no words such as %s", argv[optind]);
	if (options->web && options->once)
		return usage("--web and --once do not go together");
	if (options->json && !options->once)
		return usage("--format json goes with --once");
	return -1;
}

static bool load(const struct options *options)
{
	const struct ab_config_sources sources = {
	    .file = options->env_file, .environment = environ, .set = options->set, .set_count = options->set_count};

	if (ab_config_load(&config, &sources, &problems) == AB_CONFIG_OK)
		return true;
	for (int i = 0; i < problems.count; i++) {
		const struct ab_config_problem *problem = &problems.problem[i];
		char where[AB_PATH_MAX_BYTES + 32];
		if (problem->severity == AB_CONFIG_ERROR)
			fprintf(stderr, "%s: %s: %s\n",
				ab_config_origin_text(problems.file, problem->origin, where, sizeof where),
				problem->key, problem->reason);
	}
	return false;
}

static void start_watches(const struct options *options)
{
	int64_t interval_ns = options->interval_ms * AB_NS_PER_MS;
	struct ab_asker *const askers[] = {&engine_asker, &postgres_asker, &connect_asker, &kafka_asker, &redis_asker};

	for (size_t i = 0; i < AB_COUNT(askers); i++)
		*askers[i] = (struct ab_asker){.config = &config, .connector = options->connector};
	ab_watch_start(&watches.engine, "engine", ab_ask_engine, &engine_asker, sizeof(struct ab_engine_pages),
		       interval_ns);
	ab_watch_start(&watches.postgres, "postgres", ab_ask_postgres, &postgres_asker,
		       sizeof(struct ab_postgres_answer), interval_ns);
	ab_watch_start(&watches.connect, "connect", ab_ask_connect, &connect_asker, sizeof(struct ab_connect_answer),
		       interval_ns);
	ab_watch_start(&watches.kafka, "kafka", ab_ask_kafka, &kafka_asker, sizeof(struct ab_kafka_answer),
		       interval_ns);
	ab_watch_start(&watches.redis, "redis", ab_ask_redis, &redis_asker, sizeof(struct ab_redis_answer),
		       interval_ns);
}

static void stop_watches(void)
{
	struct ab_watch *const all[] = {&watches.engine, &watches.postgres, &watches.connect, &watches.kafka,
					&watches.redis};

	for (size_t i = 0; i < AB_COUNT(all); i++)
		ab_watch_stop(all[i]);
	ab_asker_close_postgres(&postgres_asker);
	ab_asker_close_kafka(&kafka_asker);
	ab_asker_close_redis(&redis_asker);
}

static void nap(int64_t ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * AB_NS_PER_MS}, NULL);
}

/* Whether waiting longer would bring more: somebody has neither answered nor failed, the engine gave no rates yet, or it is
 * too early to tell a sink that stands from one that is busy. */
static bool wants_more(void)
{
	const struct ab_watch_state *const all[] = {&facts.postgres, &facts.connect, &facts.kafka, &facts.redis};

	for (size_t i = 0; i < AB_COUNT(all); i++) {
		if (all[i]->waiting)
			return true;
	}
	if (!facts.engine.answers)
		return facts.engine.waiting;
	return facts.engine.count < 2 || (facts.lag > 0 && facts.window_s < AB_FACTS_STALLED_S);
}

static int once(const struct options *options)
{
	int64_t end_ns = ab_monotonic_ns() + ONCE_WAIT_NS + 2 * options->interval_ms * AB_NS_PER_MS;

	do {
		nap(50);
		ab_facts_take(&history, &watches, &config, &facts);
	} while (wants_more() && ab_monotonic_ns() < end_ns && !asked_to_stop);
	if (options->json) {
		char *text = ab_facts_json(&facts);
		puts(text);
		free(text);
	} else {
		ab_top_print(&facts, stdout);
	}
	return facts.health <= AB_HEALTH_BEHIND ? EXIT_FINE : EXIT_NOT_WELL;
}

/* Serves the page until told to stop. Nothing is drawn here: the viewers' browsers do. */
static int on_web(const struct options *options)
{
	struct ab_web *web = ab_web_start(config.metrics_host, (int)config.web_port);

	if (web == NULL) {
		fprintf(stderr,
			"anabranch-monitor: the page cannot be served on %s:%d: %s. What to do: another WEB_PORT, "
			"or end what holds it\n",
			config.metrics_host, (int)config.web_port, strerror(errno));
		return EXIT_NOT_WELL;
	}
	printf("http://%s:%d/\n", config.metrics_host, (int)config.web_port);
	fflush(stdout);
	while (!asked_to_stop) {
		ab_facts_take(&history, &watches, &config, &facts);
		char *json = ab_facts_json(&facts);
		ab_web_publish(web, json);
		free(json);
		nap(options->interval_ms);
	}
	ab_web_stop(web);
	return EXIT_FINE;
}

static void type_filter(struct ab_top_view *view, int key)
{
	size_t len = strlen(view->filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER || key == 27)
		view->typing = false;
	else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && len > 0)
		view->filter[len - 1] = 0;
	else if (key > ' ' && key < 127 && len + 1 < sizeof view->filter)
		memcpy(view->filter + len, (char[]){(char)key, 0}, 2);
}

/* false: end. */
static bool take_key(struct ab_top_view *view, int key)
{
	if (view->typing) {
		type_filter(view, key);
		return true;
	}
	if (view->help && key != ERR && key != KEY_RESIZE) {
		view->help = false;
		return true;
	}
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'p':
		view->paused = !view->paused;
		break;
	case 's':
		view->sort = view->sort == AB_SORT_NUMBER ? AB_SORT_LAG : AB_SORT_NUMBER;
		break;
	case '/':
		view->typing = true;
		view->filter[0] = 0;
		break;
	case '?':
	case 'h':
		view->help = true;
		break;
	default:
		break;
	}
	return true;
}

static int on_terminal(const struct options *options)
{
	struct ab_top_view view = {.ascii = options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0};
	const char *no_colour = getenv("NO_COLOR");
	int key = ERR;

	if (initscr() == NULL)
		return EXIT_NOT_WELL;
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	timeout(KEY_WAIT_MS);
	view.colour = (no_colour == NULL || no_colour[0] == 0) && has_colors();
	if (view.colour) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_GREEN, -1);
		init_pair(2, COLOR_YELLOW, -1);
		init_pair(3, COLOR_RED, -1);
		init_pair(4, COLOR_CYAN, -1);
	}
	do {
		if (!view.paused)
			ab_facts_take(&history, &watches, &config, &facts);
		ab_top_draw(&facts, &view);
		key = getch();
	} while (!asked_to_stop && take_key(&view, key));
	endwin();
	return EXIT_FINE;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct options options;
	int code;

	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C"); /* /metrics has points */
	code = read_options(argc, argv, &options);
	if (code >= 0)
		return code;
	if (!load(&options))
		return EXIT_WRONG_CONFIG;
	if (!options.once && !options.web && !isatty(STDOUT_FILENO)) {
		fprintf(stderr, "%s: there is no terminal here. What to do: --web, --once, or --once --format json\n",
			argv[0]);
		return EXIT_WRONG_USAGE;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	ab_facts_begin(&history);
	start_watches(&options);
	code = options.once ? once(&options) : options.web ? on_web(&options) : on_terminal(&options);
	stop_watches();
	ab_facts_end(&history);
	curl_global_cleanup();
	return code;
}
