/* monitor/parts_http.c — the engine's pages and Connect's status, by HTTP. See parts.h. */
#include <jansson.h>

#include "core/clock.h"
#include "monitor/http_get.h"
#include "monitor/parts.h"

#define CONNECT_BYTES 65536

enum ab_watch_result ab_ask_engine(void *self, void *to, char *error)
{
	const struct ab_asker *asker = self;
	struct ab_engine_pages *pages = to;
	struct ab_http_got metrics = {.at = pages->metrics, .room = sizeof pages->metrics};
	struct ab_http_got ready = {.at = pages->ready, .room = sizeof pages->ready};
	const char *host = asker->config->metrics_host;
	int port = (int)asker->config->metrics_port;

	pages->at_ns = ab_monotonic_ns();
	long status = ab_http_get(host, port, "/metrics", &metrics, error);
	if (status != 0 && status != 200)
		snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "%.150s:%d/metrics answers %ld: not an engine?", host, port,
			 status);
	if (status != 200)
		return AB_WATCH_FAILED;
	pages->metrics_len = metrics.len;
	return ab_http_get(host, port, "/readyz", &ready, error) != 0 ? AB_WATCH_ANSWERED : AB_WATCH_FAILED;
}

static void copy_word(char *to, size_t room, const json_t *object, const char *key)
{
	const char *word = json_string_value(json_object_get(object, key));

	snprintf(to, room, "%.*s", word == NULL ? 0 : (int)strcspn(word, "\n"), word == NULL ? "" : word);
}

enum ab_watch_result ab_ask_connect(void *self, void *to, char *error)
{
	const struct ab_asker *asker = self;
	struct ab_connect_answer *answer = to;
	char body[CONNECT_BYTES], path[256];
	struct ab_http_got page = {.at = body, .room = sizeof body};

	memset(answer, 0, sizeof *answer);
	snprintf(path, sizeof path, "/connectors/%s/status", asker->connector);
	long status = ab_http_get(asker->config->connect_host, (int)asker->config->connect_port, path, &page, error);
	if (status == 0)
		return AB_WATCH_FAILED;
	if (status == 404) {
		snprintf(answer->why, sizeof answer->why, "there is no connector %s", asker->connector);
		return AB_WATCH_ANSWERED;
	}
	json_t *root = json_loadb(body, page.len, 0, NULL);
	if (status != 200 || root == NULL) {
		snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "Connect answers %ld", status);
		json_decref(root);
		return AB_WATCH_FAILED;
	}
	const json_t *connector = json_object_get(root, "connector"),
		     *task = json_array_get(json_object_get(root, "tasks"), 0);
	copy_word(answer->connector, sizeof answer->connector, connector, "state");
	copy_word(answer->task, sizeof answer->task, task, "state");
	copy_word(answer->why, sizeof answer->why, json_object_get(task, "trace") ? task : connector, "trace");
	json_decref(root);
	return AB_WATCH_ANSWERED;
}
