/* sinks/http_admin.c — see http_admin.h. */
#include "sinks/http_admin.h"

#include <curl/curl.h>
#include <string.h>

void ab_http_admin_start(void)
{
	AB_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct ab_http_answer *answer = arg;
	size_t len = size * count;

	if (len > AB_HTTP_ANSWER_MAX_BYTES - answer->len)
		return 0; /* libcurl then fails with CURLE_WRITE_ERROR */
	char *body = realloc(answer->body, answer->len + len + 1);
	AB_ASSERT(body != NULL);
	memcpy(body + answer->len, bytes, len);
	answer->body = body;
	answer->len += len;
	answer->body[answer->len] = '\0';
	return len;
}

static struct curl_slist *headers(const struct ab_http_admin *admin)
{
	char line[AB_SINK_ERROR_MAX_BYTES * 3];
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");

	if (admin->authorization[0]) {
		int len = snprintf(line, sizeof line, "Authorization: %s", admin->authorization);
		AB_ASSERT(len > 0 && (size_t)len < sizeof line);
		list = curl_slist_append(list, line);
	}
	AB_ASSERT(list != NULL);
	return list;
}

static CURLcode perform(const struct ab_http_admin *admin, const char *method, const char *url, const char *body,
			struct ab_http_answer *answer, char *words)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *list = headers(admin);
	long status = 0;

	AB_ASSERT(curl != NULL);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, admin->connect_timeout_ms);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, admin->connect_timeout_ms + admin->read_timeout_ms);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* time-outs without SIGALRM: there are other threads */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (body != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	CURLcode code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	answer->status = (int)status;
	curl_slist_free_all(list);
	curl_easy_cleanup(curl);
	return code;
}

enum ab_sink_status ab_http_call(const struct ab_http_admin *admin, const char *method, const char *path,
				 const char *body, struct ab_http_answer *answer, char *error)
{
	char url[2048], words[CURL_ERROR_SIZE] = "";
	bool v6 = strchr(admin->host, ':') != NULL;
	int len = snprintf(url, sizeof url, "http://%s%s%s:%d%s", v6 ? "[" : "", admin->host, v6 ? "]" : "",
			   admin->port, path);

	AB_ASSERT(len > 0 && (size_t)len < sizeof url);
	*answer = (struct ab_http_answer){0};
	CURLcode code = perform(admin, method, url, body, answer, words);
	if (code == CURLE_OK) {
		if (answer->body == NULL) {
			answer->body = calloc(1, 1);
			AB_ASSERT(answer->body != NULL);
		}
		return AB_SINK_OK;
	}
	snprintf(error, AB_SINK_ERROR_MAX_BYTES, "%s: %s:%d does not answer: %s", admin->name, admin->host, admin->port,
		 words[0] ? words : curl_easy_strerror(code));
	ab_http_answer_free(answer);
	return AB_SINK_ABSENT;
}

void ab_http_answer_free(struct ab_http_answer *answer)
{
	free(answer->body);
	*answer = (struct ab_http_answer){0};
}

enum ab_sink_status ab_http_json(const struct ab_http_admin *admin, const char *what, const struct ab_http_answer *answer,
				 json_t **root, char *error)
{
	json_error_t parse_error;

	*root = json_loadb(answer->body, answer->len, 0, &parse_error);
	if (json_is_object(*root))
		return AB_SINK_OK;
	json_decref(*root);
	*root = NULL;
	snprintf(error, AB_SINK_ERROR_MAX_BYTES,
		 "%s: %s: status %d, but no JSON object: %.200s. Something else may be answering at %s:%d. It is asked again.",
		 admin->name, what, answer->status, answer->body, admin->host, admin->port);
	return AB_SINK_ABSENT;
}

enum ab_sink_status ab_http_refusal(const struct ab_http_admin *admin, const char *what,
				    const struct ab_http_answer *answer, char *error)
{
	bool later = answer->status == 429 || answer->status >= 500;
	const char *advice = later ? "It is asked again."
			     : answer->status == 401 || answer->status == 403
				 ? "Check the credentials and what they may do."
				 : "Read the answer: it says what to change.";

	snprintf(error, AB_SINK_ERROR_MAX_BYTES, "%s: %s: status %d: %.300s. %s", admin->name, what, answer->status,
		 answer->body, advice);
	return later ? AB_SINK_ABSENT : AB_SINK_REFUSED;
}
