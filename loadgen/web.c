/* loadgen/web.c — see web.h. */
#include "loadgen/web.h"

#include <curl/curl.h>

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct ab_web *w = arg;
	size_t len = size * count;
	if (w->len + len + 1 > AB_WEB_ANSWER_MAX_BYTES)
		return 0;
	if (w->len + len + 1 > w->room) {
		w->room = 2 * (w->len + len + 1);
		w->answer = realloc(w->answer, w->room);
		AB_ASSERT(w->answer != NULL);
	}
	memcpy(w->answer + w->len, bytes, len);
	w->len += len;
	w->answer[w->len] = '\0';
	return len;
}

void ab_web_open(struct ab_web *w, const char *user, const char *password, const char *key)
{
	char line[1200];
	*w = (struct ab_web){.curl = curl_easy_init(), .room = 4096};
	w->answer = malloc(w->room);
	AB_ASSERT(w->curl != NULL && w->answer != NULL);
	curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(w->curl, CURLOPT_WRITEDATA, w);
	curl_easy_setopt(w->curl, CURLOPT_TIMEOUT_MS, (long)AB_WEB_TIMEOUT_MS);
	curl_easy_setopt(w->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(w->curl, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(w->curl, CURLOPT_PROXY, "");
	if (*user != '\0') {
		curl_easy_setopt(w->curl, CURLOPT_USERNAME, user);
		curl_easy_setopt(w->curl, CURLOPT_PASSWORD, password);
	}
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	/* Without it a body of more than 1 MB waits a second for permission. */
	headers = curl_slist_append(headers, "Expect:");
	if (*key != '\0') {
		snprintf(line, sizeof line, "Authorization: ApiKey %s", key);
		headers = curl_slist_append(headers, line);
	}
	w->headers = headers;
}

void ab_web_close(struct ab_web *w)
{
	if (w->curl != NULL)
		curl_easy_cleanup(w->curl);
	curl_slist_free_all(w->headers);
	free(w->answer);
	*w = (struct ab_web){0};
}

int ab_web_ask(struct ab_web *w, const char *url, const char *body)
{
	w->len = 0;
	w->answer[0] = '\0';
	w->status = 0;
	curl_easy_setopt(w->curl, CURLOPT_URL, url);
	if (body != NULL) {
		curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, w->headers);
		curl_easy_setopt(w->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, body);
	} else {
		curl_easy_setopt(w->curl, CURLOPT_HTTPGET, 1L);
	}
	CURLcode code = curl_easy_perform(w->curl);
	if (code != CURLE_OK) {
		snprintf(w->error, sizeof w->error, "%.200s: %.100s", url, curl_easy_strerror(code));
		return 0;
	}
	curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &w->status);
	return 1;
}
