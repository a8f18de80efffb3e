/* monitor/http_get.c — see http_get.h. */
#include "monitor/http_get.h"

#include <curl/curl.h>
#include <string.h>

#include "core/base.h"

#define TIMEOUT_MS 1500L

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct ab_http_got *to = arg;
	size_t len = size * count;

	if (len >= to->room - to->len) {
		to->too_long = true;
		return 0;
	}
	memcpy(to->at + to->len, bytes, len);
	to->len += len;
	to->at[to->len] = 0;
	return len;
}

long ab_http_get(const char *host, int port, const char *path, struct ab_http_got *to, char *error)
{
	char url[512];
	long status = 0;
	CURL *curl = curl_easy_init();

	AB_ASSERT(curl != NULL);
	to->len = 0;
	to->at[0] = 0;
	to->too_long = false;
	snprintf(url, sizeof url, "http://%s:%d%s", host, port, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, to);
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	else
		snprintf(error, AB_HTTP_ERROR_MAX_BYTES, "%.100s:%d: %s", host, port,
			 to->too_long ? "answer too long" : curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	return status;
}
