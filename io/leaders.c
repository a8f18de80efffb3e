/* io/leaders.c — see leaders.h. By librdkafka's DescribeTopics, which asks without waiting. */
#include "io/leaders.h"

#include <netdb.h>
#include <string.h>

#include "core/clock.h"

#define ASK_AGAIN_NS (100 * AB_NS_PER_MS)
#define ANSWER_MAX_MS 5000

void ab_leaders_create(struct ab_leaders *leaders, const char *topic)
{
	memset(leaders, 0, sizeof *leaders);
	pthread_mutex_init(&leaders->mutex, NULL);
	snprintf(leaders->topic.name, sizeof leaders->topic.name, "%s", topic);
	leaders->wanted = true;
}

void ab_leaders_destroy(struct ab_leaders *leaders)
{
	pthread_mutex_destroy(&leaders->mutex);
}

void ab_leaders_ask(struct ab_leaders *leaders, rd_kafka_t *rk, rd_kafka_queue_t *answers)
{
	int64_t now_ns = ab_monotonic_ns();
	const char *topic = leaders->topic.name;
	char error[256];

	if (leaders->asking || now_ns < leaders->ask_ns || !atomic_exchange(&leaders->wanted, false)) /* [D1] */
		return;
	leaders->asking = true;
	leaders->ask_ns = now_ns + ASK_AGAIN_NS;
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
	rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MAX_MS, error, sizeof error);
	rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(&topic, 1);
	rd_kafka_DescribeTopics(rk, topics, options, answers);
	rd_kafka_TopicCollection_destroy(topics);
	rd_kafka_AdminOptions_destroy(options);
}

/* A name is looked up here, on control's time: leaders move rarely, and who waits for them waits anyway. */
static bool resolve(struct ab_leader *leader, const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found = NULL;
	char service[8];

	snprintf(service, sizeof service, "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0) {
		hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
		if (getaddrinfo(host, service, &hints, &found) != 0)
			return false;
	}
	for (struct addrinfo *one = found; one != NULL && leader->count < AB_LEADER_ADDRESSES_MAX; one = one->ai_next) {
		struct ab_leader_address *to = &leader->address[leader->count++];
		memcpy(&to->at, one->ai_addr, one->ai_addrlen);
		to->len = one->ai_addrlen;
	}
	freeaddrinfo(found);
	snprintf(leader->name, sizeof leader->name, "%s:%u", host, port);
	return true;
}

static void take_id(struct ab_fetch_topic *topic, const rd_kafka_Uuid_t *id)
{
	uint64_t half[2] = {0, 0};

	if (id != NULL) {
		half[0] = htobe64((uint64_t)rd_kafka_Uuid_most_significant_bits(id));
		half[1] = htobe64((uint64_t)rd_kafka_Uuid_least_significant_bits(id));
	}
	_Static_assert(sizeof half == sizeof topic->id, "an id has 16 bytes");
	memcpy(topic->id, half, sizeof half);
}

/* How many of the partitions have a leader that can be reached by its name. */
static size_t fill(struct ab_leader *table, const rd_kafka_TopicDescription_t *topic, size_t *count)
{
	const rd_kafka_TopicPartitionInfo_t **info = rd_kafka_TopicDescription_partitions(topic, count);
	size_t led = 0;

	for (size_t i = 0; i < *count; i++) {
		int p = rd_kafka_TopicPartitionInfo_partition(info[i]);
		const rd_kafka_Node_t *node = rd_kafka_TopicPartitionInfo_leader(info[i]);
		if (p < 0 || p >= AB_PARTITIONS_MAX || node == NULL || rd_kafka_Node_host(node) == NULL)
			continue;
		led += resolve(&table[p], rd_kafka_Node_host(node), rd_kafka_Node_port(node));
	}
	return led;
}

static const char *take_topic(struct ab_leaders *leaders, const rd_kafka_TopicDescription_t *topic)
{
	static struct ab_leader table[AB_PARTITIONS_MAX]; /* control's alone: too large for a stack */
	const rd_kafka_error_t *error = rd_kafka_TopicDescription_error(topic);
	size_t count = 0;

	if (error != NULL && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return rd_kafka_error_string(error);
	memset(table, 0, sizeof table);
	size_t led = fill(table, topic, &count);
	pthread_mutex_lock(&leaders->mutex);
	memcpy(leaders->of, table, sizeof table);
	take_id(&leaders->topic, rd_kafka_TopicDescription_topic_id(topic));
	atomic_fetch_add_explicit(&leaders->version, 1, memory_order_release); /* [D2] */
	pthread_mutex_unlock(&leaders->mutex);
	if (led < count)
		atomic_store(&leaders->wanted, true);
	return NULL;
}

enum ab_leaders_result ab_leaders_take(struct ab_leaders *leaders, rd_kafka_event_t *event, const char **why)
{
	size_t count = 0;

	if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT)
		return AB_LEADERS_OTHER;
	leaders->asking = false;
	*why = rd_kafka_event_error(event) ? rd_kafka_event_error_string(event) : NULL;
	if (*why == NULL) {
		const rd_kafka_TopicDescription_t **topic =
		    rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &count);
		*why = count == 1 ? take_topic(leaders, topic[0]) : "no such topic";
	}
	if (*why == NULL)
		return AB_LEADERS_NEW;
	atomic_store(&leaders->wanted, true);
	leaders->ask_ns = ab_monotonic_ns() + AB_NS_PER_S;
	return AB_LEADERS_UNKNOWN;
}
