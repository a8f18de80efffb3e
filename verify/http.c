/* verify/http.c — see http.h. */
#include "verify/http.h"

#include <string.h>

/* Above any page that is asked for. */
#define ANSWER_MAX_BYTES ((size_t)256 * 1024 * 1024)

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct ab_verify_http *http = arg;
	size_t len = size * count;

	if (len > ANSWER_MAX_BYTES - http->len)
		return 0;
	if (http->len + len > http->room) {
		http->room = 2 * (http->len + len);
		http->body = realloc(http->body, http->room);
		AB_ASSERT(http->body != NULL);
	}
	memcpy(http->body + http->len, bytes, len);
	http->len += len;
	return len;
}

void ab_verify_http_open(struct ab_verify_http *http, const char *host, int port, long connect_ms, long read_ms)
{
	bool v6 = strchr(host, ':') != NULL;

	*http = (struct ab_verify_http){.curl = curl_easy_init()};
	AB_ASSERT(http->curl != NULL);
	snprintf(http->base, sizeof http->base, "http://%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", port);
	ab_verify_http_header(http, "Content-Type", "application/json");
	curl_easy_setopt(http->curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, connect_ms + read_ms);
	curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(http->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(http->curl, CURLOPT_PROTOCOLS_STR, "http");
}

void ab_verify_http_header(struct ab_verify_http *http, const char *name, const char *value)
{
	char line[1024];

	snprintf(line, sizeof line, "%s: %s", name, value);
	http->headers = curl_slist_append(http->headers, line);
	AB_ASSERT(http->headers != NULL);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, http->headers);
}

void ab_verify_http_close(struct ab_verify_http *http)
{
	if (http->curl == NULL)
		return;
	curl_easy_cleanup(http->curl);
	curl_slist_free_all(http->headers);
	free(http->body);
	*http = (struct ab_verify_http){0};
}

json_t *ab_verify_http_call(struct ab_verify_http *http, const char *method, const char *path, json_t *body)
{
	char words[CURL_ERROR_SIZE] = "";
	json_error_t error;
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	size_t url_room = sizeof http->base + strlen(path) + 1;
	char *url = malloc(url_room);

	AB_ASSERT(url != NULL);
	json_decref(body);
	snprintf(url, url_room, "%s%s", http->base, path);
	http->len = 0;
	http->status = 0;
	curl_easy_setopt(http->curl, CURLOPT_URL, url);
	curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, words);
	curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, text);
	if (text == NULL)
		curl_easy_setopt(http->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(http->curl, CURLOPT_CUSTOMREQUEST, method);
	CURLcode code = curl_easy_perform(http->curl);
	curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, NULL);
	free(text);
	free(url);
	if (code != CURLE_OK) {
		snprintf(http->error, sizeof http->error, "%s does not answer: %s", http->base,
			 words[0] ? words : curl_easy_strerror(code));
		return NULL;
	}
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &http->status);
	if (http->status != 200) {
		snprintf(http->error, sizeof http->error, "%s%.60s: status %ld: %.*s", http->base, path, http->status,
			 (int)ab_min_u64(http->len, 250), http->len > 0 ? http->body : "");
		return NULL;
	}
	/* Ids that are not UTF-8, numbers beyond 64 bits: not ours, and no reason to read nothing. */
	json_t *root = json_loadb(http->body, http->len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (root == NULL)
		snprintf(http->error, sizeof http->error, "%s%.60s: the answer is no JSON: %.100s", http->base, path,
			 error.text);
	return root;
}
