/* monitor/parts_http.c — the engine's pages and Connect's status, by libcurl. See parts.h. */
#include <curl/curl.h>
#include <jansson.h>

#include "core/clock.h"
#include "monitor/parts.h"

#define TIMEOUT_MS    1500L
#define CONNECT_BYTES 65536

struct page {
	char *at;
	size_t len, room;
	bool too_long;
};

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct page *page = arg;
	size_t len = size * count;

	if (len >= page->room - page->len) {
		page->too_long = true;
		return 0;
	}
	memcpy(page->at + page->len, bytes, len);
	page->len += len;
	page->at[page->len] = 0;
	return len;
}

/* GETs into page; the HTTP status, or 0 with *error. */
static long get(const char *host, int port, const char *path, struct page *page, char *error)
{
	char url[512];
	long status = 0;
	CURL *curl = curl_easy_init();

	AB_ASSERT(curl != NULL);
	page->len = 0;
	page->at[0] = 0;
	snprintf(url, sizeof url, "http://%s:%d%s", host, port, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, page);
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	else
		snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "%.100s:%d: %s", host, port,
			 page->too_long ? "answer too long" : curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	return status;
}

enum ab_watch_result ab_ask_engine(void *self, void *to, char *error)
{
	const struct ab_asker *asker = self;
	struct ab_engine_pages *pages = to;
	struct page metrics = {.at = pages->metrics, .room = sizeof pages->metrics};
	struct page ready = {.at = pages->ready, .room = sizeof pages->ready};
	const char *host = asker->config->metrics_host;
	int port = (int)asker->config->metrics_port;

	pages->at_ns = ab_monotonic_ns();
	long status = get(host, port, "/metrics", &metrics, error);
	if (status != 0 && status != 200)
		snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "%.150s:%d/metrics answers %ld: not an engine?", host, port,
			 status);
	if (status != 200)
		return AB_WATCH_FAILED;
	pages->metrics_len = metrics.len;
	return get(host, port, "/readyz", &ready, error) != 0 ? AB_WATCH_ANSWERED : AB_WATCH_FAILED;
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
	struct page page = {.at = body, .room = sizeof body};

	memset(answer, 0, sizeof *answer);
	snprintf(path, sizeof path, "/connectors/%s/status", asker->connector);
	long status = get(asker->config->connect_host, (int)asker->config->connect_port, path, &page, error);
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
