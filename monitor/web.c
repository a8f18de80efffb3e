/* monitor/web.c — see web.h. The files of monitor/web/ are in the program (web_files.S). */
#include "monitor/web.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* A stream that has nothing to say says so this often: a viewer that is gone is noticed. */
#define KEEP_ALIVE_S 15

extern const char ab_web_index_html[], ab_web_index_html_end[];
extern const char ab_web_page_css[], ab_web_page_css_end[];
extern const char ab_web_page_js[], ab_web_page_js_end[];

static const struct {
	const char *path, *type, *begin, *end;
} files[] = {
    {"/", "text/html; charset=utf-8", ab_web_index_html, ab_web_index_html_end},
    {"/page.css", "text/css; charset=utf-8", ab_web_page_css, ab_web_page_css_end},
    {"/page.js", "text/javascript; charset=utf-8", ab_web_page_js, ab_web_page_js_end},
};

struct ab_web {
	struct MHD_Daemon *daemon;
	pthread_mutex_t mutex;
	pthread_cond_t news;
	bool stop;
	char *message; /* "data: …\n\n" */
	size_t len;
	uint64_t number; /* of the message; 0: none yet */
};

/* One viewer's stream. */
struct viewer {
	struct ab_web *web;
	uint64_t number; /* of the message under way, or sent last */
	char *message; /* its own copy: a slow viewer must not hold up the next message */
	size_t len, at;
};

/* Waits for a message newer than the viewer's; false: the stream ends. */
static bool await(struct viewer *viewer)
{
	struct ab_web *web = viewer->web;
	struct timespec until;
	bool goes_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += KEEP_ALIVE_S;
	free(viewer->message);
	pthread_mutex_lock(&web->mutex);
	while (!web->stop && web->number == viewer->number &&
	       pthread_cond_timedwait(&web->news, &web->mutex, &until) == 0)
		continue;
	goes_on = !web->stop;
	viewer->message = web->number != viewer->number ? strdup(web->message) : strdup(": still here\n\n");
	viewer->number = web->number;
	pthread_mutex_unlock(&web->mutex);
	AB_ASSERT(viewer->message != NULL);
	viewer->len = strlen(viewer->message);
	viewer->at = 0;
	return goes_on;
}

static ssize_t more(void *arg, uint64_t position, char *to, size_t room)
{
	struct viewer *viewer = arg;

	(void)position;
	if (viewer->at == viewer->len && !await(viewer))
		return MHD_CONTENT_READER_END_OF_STREAM;
	size_t len = viewer->len - viewer->at < room ? viewer->len - viewer->at : room;
	memcpy(to, viewer->message + viewer->at, len);
	viewer->at += len;
	return (ssize_t)len;
}

static void leave(void *arg)
{
	struct viewer *viewer = arg;

	free(viewer->message);
	free(viewer);
}

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response,
				     const char *type)
{
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(response, "Content-Security-Policy",
				"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
				"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return send_response(
	    connection, status,
	    MHD_create_response_from_buffer(strlen(text), (char *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT),
	    "text/plain");
}

static enum MHD_Result send_events(struct ab_web *web, struct MHD_Connection *connection)
{
	struct viewer *viewer = calloc(1, sizeof *viewer);

	AB_ASSERT(viewer != NULL);
	viewer->web = web;
	return send_response(connection, MHD_HTTP_OK,
			     MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64 * 1024, more, viewer, leave),
			     "text/event-stream");
}

static enum MHD_Result send_facts(struct ab_web *web, struct MHD_Connection *connection)
{
	pthread_mutex_lock(&web->mutex);
	const char *json = web->number > 0 ? web->message + sizeof "data: " - 1 : "null";
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(strlen(json), (char *)(uintptr_t)json, MHD_RESPMEM_MUST_COPY);
	pthread_mutex_unlock(&web->mutex);
	return send_response(connection, MHD_HTTP_OK, response, "application/json");
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_len, void **state)
{
	struct ab_web *web = arg;

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)state;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (strcmp(url, "/events") == 0)
		return send_events(web, connection);
	if (strcmp(url, "/facts") == 0)
		return send_facts(web, connection);
	for (size_t i = 0; i < AB_COUNT(files); i++) {
		if (strcmp(url, files[i].path) == 0)
			return send_response(connection, MHD_HTTP_OK,
					     MHD_create_response_from_buffer((size_t)(files[i].end - files[i].begin),
									     (char *)(uintptr_t)files[i].begin,
									     MHD_RESPMEM_PERSISTENT),
					     files[i].type);
	}
	return send_text(connection, MHD_HTTP_NOT_FOUND, "there are / /facts (JSON) and /events (a stream of it)\n");
}

struct ab_web *ab_web_start(const char *host, int port)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
			*address = NULL;
	struct ab_web *web = calloc(1, sizeof *web);
	pthread_condattr_t monotonic;
	char service[16];

	AB_ASSERT(web != NULL && pthread_mutex_init(&web->mutex, NULL) == 0);
	AB_ASSERT(pthread_condattr_init(&monotonic) == 0);
	AB_ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	AB_ASSERT(pthread_cond_init(&web->news, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	snprintf(service, sizeof service, "%d", port);
	if (getaddrinfo(host, service, &hints, &address) == 0) {
		/* Blocking reads of the stream want a thread per viewer; there are few. */
		web->daemon =
		    MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0,
				     NULL, NULL, answer, web, MHD_OPTION_SOCK_ADDR, address->ai_addr,
				     MHD_OPTION_CONNECTION_LIMIT, AB_WEB_VIEWERS_MAX, MHD_OPTION_END);
		freeaddrinfo(address);
	}
	if (web->daemon != NULL)
		return web;
	pthread_cond_destroy(&web->news);
	pthread_mutex_destroy(&web->mutex);
	free(web);
	return NULL;
}

void ab_web_publish(struct ab_web *web, const char *json)
{
	size_t room = strlen(json) + sizeof "data: \n\n";
	char *message = malloc(room);

	AB_ASSERT(message != NULL);
	snprintf(message, room, "data: %s\n\n", json);
	pthread_mutex_lock(&web->mutex);
	free(web->message);
	web->message = message;
	web->number++;
	pthread_cond_broadcast(&web->news);
	pthread_mutex_unlock(&web->mutex);
}

void ab_web_stop(struct ab_web *web)
{
	pthread_mutex_lock(&web->mutex);
	web->stop = true;
	pthread_cond_broadcast(&web->news);
	pthread_mutex_unlock(&web->mutex);
	MHD_stop_daemon(web->daemon);
	pthread_cond_destroy(&web->news);
	pthread_mutex_destroy(&web->mutex);
	free(web->message);
	free(web);
}
