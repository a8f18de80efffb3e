/* core/log.c — see log.h. */
#include "core/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"

#define LINE_MAX_BYTES 2048
#define RECENT         8
#define REPEAT_NS      AB_NS_PER_S

static struct {
	pthread_mutex_t mutex;
	struct {
		char line[LINE_MAX_BYTES];
		int64_t written_ns;
		unsigned held_back;
	} recent[RECENT];
	unsigned next;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void write_line(const char *line, unsigned held_back)
{
	struct timespec now;
	struct tm tm;
	char time_text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (held_back > 0)
		fprintf(stderr, "%s.%03ldZ %s (and %u times more)\n", time_text, now.tv_nsec / 1000000, line,
			held_back);
	else
		fprintf(stderr, "%s.%03ldZ %s\n", time_text, now.tv_nsec / 1000000, line);
}

void ab_log_line(const char *line)
{
	int64_t now_ns = ab_monotonic_ns();

	pthread_mutex_lock(&state.mutex);
	for (unsigned i = 0; i < RECENT; i++) {
		if (strncmp(state.recent[i].line, line, LINE_MAX_BYTES - 1) != 0 || state.recent[i].written_ns == 0)
			continue;
		if (now_ns - state.recent[i].written_ns < REPEAT_NS) {
			state.recent[i].held_back++;
		} else {
			write_line(line, state.recent[i].held_back);
			state.recent[i].written_ns = now_ns;
			state.recent[i].held_back = 0;
		}
		pthread_mutex_unlock(&state.mutex);
		return;
	}
	unsigned slot = state.next++ % RECENT;
	snprintf(state.recent[slot].line, LINE_MAX_BYTES, "%s", line);
	state.recent[slot].written_ns = now_ns;
	state.recent[slot].held_back = 0;
	write_line(line, 0);
	pthread_mutex_unlock(&state.mutex);
}

void ab_log(const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	ab_log_line(line);
}
