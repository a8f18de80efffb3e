/* tests/unit/test_content.c — where the content feed begins to read, so that no content is missed. See core/content.h. */
#include "core/content.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "io/postgres.h"

#define ID   "11111111-2222-4333-8444-5555555555"
#define ROWS 3

static struct ab_config config;
static struct ab_content_feed feed;
static char topic[ROWS][256];	/* one partition, offsets from 0 */
static int topic_count, next_read = -1;
static bool postgres_is_there;

static void change(int content)
{
	snprintf(topic[topic_count++], sizeof topic[0],
		 "{\"id\":\"" ID "%02d\",\"content_type\":\"video\",\"length_seconds\":60,\"__deleted\":\"false\",\"__op\":\"c\"}",
		 content);
}

struct ab_source *ab_source_open_private(const struct ab_config *of, const char *name, const char *group,
					 const struct ab_source_callbacks *callbacks, struct ab_park *park, char *error)
{
	(void)of;
	(void)name;
	(void)group;
	(void)callbacks;
	(void)park;
	(void)error;
	return (struct ab_source *)&topic_count;	/* never looked into */
}

void ab_source_close(struct ab_source *source)
{
	(void)source;
}

void ab_source_poll(struct ab_source *source, int timeout_ms)
{
	(void)source;
	(void)timeout_ms;
}

int ab_source_partitions(struct ab_source *source)
{
	(void)source;
	return 1;
}

bool ab_source_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next)
{
	(void)source;
	(void)partition;
	*first = 0;
	*next = topic_count;
	return true;
}

bool ab_source_assign(struct ab_source *source, const uint16_t *partition, const int64_t *offset, int count, char *error)
{
	(void)source;
	(void)partition;
	(void)error;
	cr_assert_eq(count, 1);
	next_read = (int)offset[0];
	return true;
}

int ab_source_drain(struct ab_source *source, int worker, struct ab_source_record *record, int max)
{
	(void)source;
	(void)worker;
	(void)max;
	if (next_read < 0 || next_read >= topic_count)
		return 0;
	record[0] = (struct ab_source_record){.kind = AB_RECORD_DATA,
					      .offset = next_read,
					      .value = topic[next_read],
					      .value_len = strlen(topic[next_read])};
	next_read++;
	return 1;
}

void ab_source_release(struct ab_source_record *record)
{
	(void)record;
}

enum ab_postgres_result ab_postgres_content_count(const struct ab_config *of, int64_t *count, char *error)
{
	(void)of;
	*count = 1;
	snprintf(error, AB_POSTGRES_ERROR_MAX_BYTES, "away");
	return postgres_is_there ? AB_POSTGRES_OK : AB_POSTGRES_ABSENT;
}

/* It shows what content 0 was when the query began; content 2 changes while it is read. */
enum ab_postgres_result ab_postgres_contents(const struct ab_config *of, ab_postgres_row_fn *row, void *arg, char *error)
{
	(void)of;
	(void)error;
	row(arg, ID "00", "video", "60");
	change(2);
	return AB_POSTGRES_OK;
}

static void on_log(const char *text)
{
	(void)text;
}

static void on_change(void *arg)
{
	(void)arg;
}

static bool knows(int content)
{
	struct ab_content found;
	struct ab_uuid id;
	char text[64];

	snprintf(text, sizeof text, ID "%02d", content);
	cr_assert(ab_uuid_parse(text, strlen(text), &id));
	/* The feed's thread applies it: five seconds are for a machine that does not get to it. */
	for (int i = 0; i < 5000 && ab_cache_get(feed.cache, id, &found) != AB_CACHE_HIT; i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return ab_cache_get(feed.cache, id, &found) == AB_CACHE_HIT;
}

static void open_feed(void)
{
	char error[512];

	ab_config_defaults(&config);
	cr_assert(ab_content_feed_open(&feed, &config, on_log, error), "%s", error);
	ab_content_feed_start(&feed, on_change, NULL);
}

Test(content, without_postgresql_the_topic_is_read_from_its_beginning)
{
	change(0);
	change(1);
	open_feed();
	cr_assert(knows(0));
	cr_assert(knows(1));
	ab_content_feed_close(&feed);
}

Test(content, what_changes_while_postgresql_is_read_is_not_missed)
{
	postgres_is_there = true;
	change(0);
	open_feed();
	cr_assert(knows(0));
	cr_assert(knows(2));
	ab_content_feed_close(&feed);
}
