/* monitor/http_server.c — see http_server.h. */
#include "monitor/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <string.h>

#include "core/base.h"

#define PAGES_MAX       8
#define CONNECTIONS_MAX 16
#define TIMEOUT_S       5

struct ab_http_server {
	struct MHD_Daemon *daemon;
	struct ab_http_page page[PAGES_MAX];
	int page_count;
	char host[256];
};

struct ab_http_asked {
	struct MHD_Connection *connection;
};

static enum MHD_Result respond(struct MHD_Connection *connection, int status, const char *type, char *text, size_t len,
			       enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, text, mode);

	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, int status, const char *text)
{
	return respond(connection, status, "text/plain", (char *)(uintptr_t)text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

/* Over loopback, or from an address of this machine to the same. */
static bool is_this_host(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_in own, other;
	socklen_t len = sizeof own;

	if (peer == NULL || fd == NULL || peer->client_addr->sa_family != AF_INET ||
	    getsockname(fd->connect_fd, (struct sockaddr *)&own, &len) != 0)
		return false;
	memcpy(&other, peer->client_addr, sizeof other);
	return other.sin_addr.s_addr == own.sin_addr.s_addr || ntohl(other.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* A browser on this host may be led here by a foreign page whose name was bound to a loopback address: then Host is that
 * name. Addresses and localhost cannot be bound, and METRICS_HOST is the user's own. */
static bool is_named_safely(const struct ab_http_server *server, struct MHD_Connection *connection)
{
	const char *asked = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	char host[sizeof server->host];
	struct in_addr address;

	if (asked == NULL) /* no browser leaves it out */
		return true;
	size_t len = strcspn(asked, ":");
	if (len >= sizeof host)
		return false;
	memcpy(host, asked, len);
	host[len] = '\0';
	return strcasecmp(host, "localhost") == 0 || strcasecmp(host, server->host) == 0 ||
	       inet_pton(AF_INET, host, &address) == 1;
}

const char *ab_http_argument(const struct ab_http_asked *asked, const char *name)
{
	return asked == NULL ? NULL : MHD_lookup_connection_value(asked->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_len, void **state)
{
	struct ab_http_server *server = arg;

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)state;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return respond_text(connection, 405, "only GET\n");
	if (strcmp(url, "/healthz") == 0)
		return respond_text(connection, 200, "alive\n");
	for (int i = 0; i < server->page_count; i++) {
		if (strcmp(url, server->page[i].path) != 0)
			continue;
		if (server->page[i].this_host_only && (!is_this_host(connection) || !is_named_safely(server, connection)))
			return respond_text(connection, 403, "this page is answered to the engine's own host only\n");
		const struct ab_http_asked asked = {connection};
		size_t len = 0;
		int status = 200;
		char *text = server->page[i].render(server->page[i].arg, &asked, &len, &status);
		return respond(connection, status, server->page[i].content_type, text, len, MHD_RESPMEM_MUST_FREE);
	}
	return respond_text(connection, 404, "pages: /metrics /healthz /readyz /tap\n");
}

struct ab_http_server *ab_http_server_start(const char *host, int port, const struct ab_http_page *page, int page_count)
{
	struct ab_http_server *server = calloc(1, sizeof *server);
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
			*address = NULL;
	char service[16];

	AB_ASSERT(server != NULL && page_count <= PAGES_MAX);
	memcpy(server->page, page, (size_t)page_count * sizeof page[0]);
	server->page_count = page_count;
	snprintf(server->host, sizeof server->host, "%s", host);
	snprintf(service, sizeof service, "%d", port);
	if (getaddrinfo(host, service, &hints, &address) == 0) {
		server->daemon =
		    MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, answer, server,
				     MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
				     CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S, MHD_OPTION_END);
		freeaddrinfo(address);
	}
	if (server->daemon == NULL) {
		free(server);
		return NULL;
	}
	return server;
}

void ab_http_server_stop(struct ab_http_server *server)
{
	MHD_stop_daemon(server->daemon);
	free(server);
}
