/* io/leaders.h — which broker leads which partition: from control, which asks Kafka, to the workers that fetch.
 *
 *     worker: wanted := true [D1] ──▶ control: ask, take the answer, write under the mutex, version + 1 [D2] ──▶ worker copies
 *
 * Threads: create, ask, take and destroy from control; workers read under the mutex, and set `wanted`.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "io/fetch.h"

#define AB_LEADER_NAME_BYTES 272	/* a host's name has 253 bytes at most, and then its port */

/* localhost has two; more are a balancer's, of which any will do. */
#define AB_LEADER_ADDRESSES_MAX 4

struct ab_leader_address {
	struct sockaddr_storage at;
	socklen_t len;
};

struct ab_leader {
	int count;				/* of addresses */
	struct ab_leader_address address[AB_LEADER_ADDRESSES_MAX];
	char name[AB_LEADER_NAME_BYTES];	/* host:port; "": there is no leader now */
};

struct ab_leaders {
	_Atomic bool wanted;			/* worker to control: ask again [D1] */
	_Atomic uint32_t version;		/* control to worker: it changed; 0: nothing is known yet [D2] */
	bool asking;				/* control's own: an answer is due… */
	int64_t ask_ns;				/* …or it is not asked again before this */
	pthread_mutex_t mutex;
	struct ab_fetch_topic topic;
	struct ab_leader of[AB_PARTITIONS_MAX];
};

void ab_leaders_create(struct ab_leaders *leaders, const char *topic);
void ab_leaders_destroy(struct ab_leaders *leaders);

/* Asks when a worker wants it, and waits for nothing: the answer comes as an event. */
void ab_leaders_ask(struct ab_leaders *leaders, rd_kafka_t *rk, rd_kafka_queue_t *answers);

enum ab_leaders_result {
	AB_LEADERS_OTHER,	/* the event is somebody else's */
	AB_LEADERS_NEW,		/* workers have to be woken */
	AB_LEADERS_UNKNOWN,	/* *why: until it is asked again, a second later */
};
enum ab_leaders_result ab_leaders_take(struct ab_leaders *leaders, rd_kafka_event_t *event, const char **why);
