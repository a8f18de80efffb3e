/* tests/unit/kafka_broker.h — where a broker that a test plays listens, and how fetchers hear of it. */
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include "io/leaders.h"

/* A free port of the loopback address; flags of socket(). */
static inline int broker_listen(int flags, uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | flags, 0);

	AB_ASSERT(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 8) == 0);
	getsockname(listener, (struct sockaddr *)&at, &len);
	*port = ntohs(at.sin_port);
	return listener;
}

static inline void broker_leads(struct ab_leader *leader, uint16_t port)
{
	struct sockaddr_in *at = (struct sockaddr_in *)&leader->address[0].at;

	memset(leader, 0, sizeof *leader);
	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	leader->address[0].len = sizeof *at;
	leader->count = 1;
	snprintf(leader->name, sizeof leader->name, "127.0.0.1:%u", port);
}
