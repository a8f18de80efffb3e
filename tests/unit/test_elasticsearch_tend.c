/* tests/unit/test_elasticsearch_tend.c — looks at a running Elasticsearch, whose answers are the test's. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "sinks/elasticsearch.h"

#define OUR_TEMPLATE                                                                                                   \
	"{\"index_templates\":[{\"name\":\"t\",\"index_template\":{\"_meta\":{\"version_kind\":\"lsn\"}}}]}"
#define ONE_INDEX                                                                                                      \
	"{\"engagement-events-2026-11-24\":{\"mappings\":{\"dynamic\":\"false\"},\"settings\":{\"index\":{\"uuid\":\"a\"}}}}"
#define A_PAGE "<html>We are back soon</html>"

/* Every answer has status 200. */
static _Atomic(const char *) templates, indexes;
static _Atomic int put_requests;
static int listener;
static pthread_t thread;
static struct ab_config config;
static struct ab_sink *sink;
static char error[AB_SINK_ERROR_MAX_BYTES];

static const char *answer_to(const char *request)
{
	if (strncmp(request, "PUT", 3) == 0)
		atomic_fetch_add(&put_requests, 1);
	if (strstr(request, "/_cluster/health") != NULL)
		return "{\"status\":\"green\"}";
	return strstr(request, "/_index_template/") != NULL ? atomic_load(&templates) : atomic_load(&indexes);
}

static void *serve(void *arg)
{
	(void)arg;
	for (int peer; (peer = accept(listener, NULL, NULL)) >= 0; close(peer)) {
		char request[4096] = "", answer[4096];
		for (size_t len = 0; strstr(request, "\r\n\r\n") == NULL && len < sizeof request - 1;) {
			ssize_t n = recv(peer, request + len, sizeof request - 1 - len, 0);
			if (n <= 0)
				break;
			len += (size_t)n;
		}
		const char *body = answer_to(request);
		int len = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n%s",
				   strlen(body), body);
		send(peer, answer, (size_t)len, MSG_NOSIGNAL);
	}
	return NULL;
}

static void set_up(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 8) == 0);
	cr_assert(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	cr_assert(pthread_create(&thread, NULL, serve, NULL) == 0);
	atomic_store(&templates, OUR_TEMPLATE);
	atomic_store(&indexes, ONE_INDEX);
	ab_config_defaults(&config);
	strcpy(config.elasticsearch_host, "127.0.0.1");
	config.elasticsearch_port = ntohs(at.sin_port);
	ab_http_admin_start();
	sink = ab_elasticsearch_ops.create(&config, error);
	cr_assert_not_null(sink, "%s", error);
}

static void tear_down(void)
{
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	ab_elasticsearch_ops.destroy(sink);
}

TestSuite(elasticsearch_tend, .init = set_up, .fini = tear_down, .timeout = 30);

static enum ab_sink_status look(void)
{
	error[0] = '\0';
	sink->looked_ns = INT64_MIN / 2; /* long ago */
	return ab_es_tend(sink, error);
}

Test(elasticsearch_tend, a_page_in_place_of_the_indexes_is_an_outage_and_no_loss)
{
	cr_assert_eq(look(), AB_SINK_OK, "%s", error);
	for (const char *const *one = (const char *const[]){A_PAGE, "", "[]", NULL}; *one != NULL; one++) {
		atomic_store(&indexes, *one);
		cr_expect_eq(look(), AB_SINK_ABSENT, "\"%s\": %s", *one, error);
		cr_expect_not_null(strstr(error, "no JSON"), "%s", error);
	}
	atomic_store(&indexes, ONE_INDEX);
	cr_expect_eq(look(), AB_SINK_OK, "%s", error);
	cr_expect_eq(atomic_load(&sink->losses), 0, "an index was told as deleted that is there");

	atomic_store(&indexes, "{}");
	cr_expect_eq(look(), AB_SINK_REFUSED);
	cr_expect_eq(atomic_load(&sink->losses), 1, "what was known of the indexes is forgotten");
}

Test(elasticsearch_tend, a_page_in_place_of_the_template_does_not_make_it_replace_the_template)
{
	atomic_store(&templates, A_PAGE);
	cr_expect_eq(look(), AB_SINK_ABSENT, "%s", error);
	cr_expect_not_null(strstr(error, "We are back soon"), "%s", error);
	cr_expect_eq(atomic_load(&put_requests), 0);
	cr_expect_eq(atomic_load(&sink->losses), 0);
}
