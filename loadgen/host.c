/* loadgen/host.c — see host.h. */
#include "loadgen/host.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

extern char **environ;

/* The verifier's answer: counts, some ranges and examples per sink. */
#define ANSWER_MAX_BYTES (16 << 20)

#define BEFORE_MS 60000

static void read_processor(char *to, size_t room)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "re");
	snprintf(to, room, "unknown");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		char *value = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || value == NULL)
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(to, room, "%s", value + 2);
		break;
	}
	if (file != NULL)
		fclose(file);
}

void ab_host_describe(struct ab_host *host)
{
	struct utsname system;
	*host = (struct ab_host){0};
	if (uname(&system) == 0) {
		snprintf(host->name, sizeof host->name, "%.64s", system.nodename);
		snprintf(host->kernel, sizeof host->kernel, "%.50s %.60s %.40s", system.sysname, system.release, system.machine);
	}
	read_processor(host->processor, sizeof host->processor);
	host->processors = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	host->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- the verifier --------------------------------------------------------------------------------------------------- */

static int64_t number_of(const json_t *value)
{
	return json_is_object(value) ? json_integer_value(json_object_get(value, "count")) : json_integer_value(value);
}

static void read_answer(struct ab_verify_result *result, const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, 0, NULL), *sink;
	size_t at;
	if (!json_is_array(json_object_get(root, "sinks"))) {
		snprintf(result->why, sizeof result->why, "anabranch verify ended with %d and said nothing that can be read",
			result->exit_code);
		json_decref(root);
		return;
	}
	result->state = AB_VERIFIED;
	json_array_foreach(json_object_get(root, "sinks"), at, sink) {
		if (result->sinks == AB_COUNT(result->sink))
			break;
		struct ab_verify_sink_result *s = &result->sink[result->sinks++];
		const char *name = json_string_value(json_object_get(sink, "sink"));
		snprintf(s->name, sizeof s->name, "%s", name != NULL ? name : "?");
		s->compared = json_is_true(json_object_get(sink, "compared"));
		s->expected = number_of(json_object_get(sink, "expected"));
		s->lost = number_of(json_object_get(sink, "lost"));
		s->duplicated = number_of(json_object_get(sink, "duplicated"));
		s->differing = number_of(json_object_get(sink, "differing"));
	}
	json_decref(root);
}

static int start(char *program, const struct ab_arguments *a, char *since, pid_t *pid, int *from)
{
	int ends[2];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	char *argv[10 + 2 * AB_ARGUMENT_PAIRS_MAX] = {program, "verify", "--format", "json", "--since", since};
	int argc = 6;
	if (a->env_file != NULL) {
		argv[argc++] = "-e";
		argv[argc++] = (char *)a->env_file;
	}
	for (uint32_t i = 0; i < a->pairs_count; i++) {
		argv[argc++] = "-s";
		argv[argc++] = (char *)a->pairs[i];
	}
	if (pipe(ends) != 0)
		return errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	/* Signals are blocked here, and would be there. */
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	int error = posix_spawn(pid, program, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(ends[1]);
	if (error != 0)
		close(ends[0]);
	*from = ends[0];
	return error;
}

static size_t read_all(int from, char *text, size_t room)
{
	size_t len = 0;
	for (;;) {
		ssize_t got = read(from, text + len, room - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || (len += (size_t)got) == room)
			return len;
	}
}

void ab_host_verify(struct ab_verify_result *result, const struct ab_arguments *arguments, int64_t started_ms)
{
	char since[24], self[PATH_MAX] = "", program[PATH_MAX + 16];
	int from, status;
	pid_t pid;
	*result = (struct ab_verify_result){.state = AB_NOT_VERIFIED};
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		return;
	snprintf(program, sizeof program, "%s/anabranch", dirname(self));
	snprintf(since, sizeof since, "%lld", (long long)started_ms - BEFORE_MS);
	int error = start(program, arguments, since, &pid, &from);
	if (error != 0) {
		snprintf(result->why, sizeof result->why, "%.180s: %s", program, strerror(error));
		return;
	}
	char *text = malloc(ANSWER_MAX_BYTES);
	AB_ASSERT(text != NULL);
	size_t len = read_all(from, text, ANSWER_MAX_BYTES);
	close(from);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (result->exit_code == 64)
		snprintf(result->why, sizeof result->why, "this anabranch has no verify command");
	else
		read_answer(result, text, len);
	free(text);
}
