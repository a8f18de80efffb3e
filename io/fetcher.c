/* io/fetcher.c — assignment, leaders, and records out of answers. See fetcher.h. */
#include "io/fetcher.h"

#include "core/clock.h"
#include "core/pages.h"
#include "io/fetcher_broker.h"

struct ab_fetcher *ab_fetcher_create(const struct ab_fetch_limits *limits, int receive_bytes, struct ab_leaders *leaders,
				     struct ab_park *park)
{
	struct ab_fetcher *fetcher = calloc(1, sizeof *fetcher);

	AB_ASSERT(fetcher != NULL);
	fetcher->limits = *limits;
	fetcher->receive_bytes = receive_bytes;
	fetcher->leaders = leaders;
	fetcher->park = park;
	fetcher->unpack = ab_unpack_create();
	for (int p = 0; p < AB_PARTITIONS_MAX; p++)
		fetcher->place[p].log_start = fetcher->place[p].stable = -1;
	return fetcher;
}

/* All of them: no answer is walked through afterwards. */
static void forget_brokers(struct ab_fetcher *fetcher)
{
	for (int b = 0; b < fetcher->broker_count; b++) {
		ab_fetcher_close_broker(&fetcher->broker[b]);
		ab_pages_give(fetcher->broker[b].buffer, fetcher->broker[b].room);
	}
	memset(fetcher->broker, 0, (size_t)fetcher->broker_count * sizeof fetcher->broker[0]);
	fetcher->broker_count = 0;
	fetcher->current = NULL;
	fetcher->walking = false;
}

void ab_fetcher_destroy(struct ab_fetcher *fetcher)
{
	forget_brokers(fetcher);
	ab_unpack_destroy(fetcher->unpack);
	free(fetcher);
}

void ab_fetcher_assign(struct ab_fetcher *fetcher, const uint16_t *partition, const int64_t *offset, int count)
{
	forget_brokers(fetcher);
	fetcher->said = false;
	fetcher->count = count;
	fetcher->leaders_seen = 0;
	memset(&fetcher->topic, 0, sizeof fetcher->topic);
	for (int i = 0; i < count; i++) {
		struct ab_fetch_place *place = &fetcher->place[partition[i]];
		fetcher->partition[i] = partition[i];
		place->broker = -1;
		place->halted = false;
		AB_ASSERT(offset[i] >= 0);
		place->ask = offset[i];
		place->epoch = -1;
		place->asked = place->from = place->told_end = -1;
		place->retry_ns = 0;
		place->error = 0;
	}
}

void ab_fetcher_bounds(const struct ab_fetcher *fetcher, uint16_t partition, int64_t *first, int64_t *next)
{
	*first = atomic_load_explicit(&fetcher->place[partition].log_start, memory_order_relaxed); /* [S2] */
	*next = atomic_load_explicit(&fetcher->place[partition].stable, memory_order_relaxed);
}

/* --- leaders ------------------------------------------------------------------------------------------------------------ */

void ab_fetcher_want_leaders(struct ab_fetcher *fetcher)
{
	atomic_store_explicit(&fetcher->leaders->wanted, true, memory_order_relaxed); /* [D1] */
}

static int broker_at(struct ab_fetcher *fetcher, const struct ab_leader *leader)
{
	for (int b = 0; b < fetcher->broker_count; b++) {
		if (strcmp(fetcher->broker[b].leader.name, leader->name) == 0)
			return b;
	}
	AB_ASSERT(fetcher->broker_count < AB_PARTITIONS_MAX);
	fetcher->broker[fetcher->broker_count].leader = *leader;
	return fetcher->broker_count++;
}

static bool has_moved(const struct ab_fetcher *fetcher, uint16_t p, const struct ab_leader *leader)
{
	int b = fetcher->place[p].broker;

	return strcmp(b >= 0 ? fetcher->broker[b].leader.name : "", leader->name) != 0;
}

/* A new table of leaders: while no answer is held, so that whatever is under way can be given up. */
static void adopt_leaders(struct ab_fetcher *fetcher)
{
	struct ab_leaders *leaders = fetcher->leaders;
	bool moved = false;

	pthread_mutex_lock(&leaders->mutex);
	for (int i = 0; i < fetcher->count; i++)
		moved |= has_moved(fetcher, fetcher->partition[i], &leaders->of[fetcher->partition[i]]);
	if (moved) {
		forget_brokers(fetcher);
		for (int i = 0; i < fetcher->count; i++) {
			struct ab_fetch_place *place = &fetcher->place[fetcher->partition[i]];
			const struct ab_leader *leader = &leaders->of[fetcher->partition[i]];
			place->broker = leader->name[0] != '\0' ? broker_at(fetcher, leader) : -1;
			place->asked = -1;
			place->retry_ns = 0;
		}
	}
	/* The same brokers may have other addresses now. */
	for (int i = 0; i < fetcher->count; i++) {
		uint16_t p = fetcher->partition[i];
		if (fetcher->place[p].broker >= 0)
			fetcher->broker[fetcher->place[p].broker].leader = leaders->of[p];
	}
	fetcher->replaced = ab_fetch_has_id(&fetcher->topic) &&
			    memcmp(fetcher->topic.id, leaders->topic.id, sizeof fetcher->topic.id) != 0;
	if (!fetcher->replaced)
		fetcher->topic = leaders->topic;
	fetcher->leaders_seen = atomic_load_explicit(&leaders->version, memory_order_relaxed);
	pthread_mutex_unlock(&leaders->mutex);
}

/* --- records ------------------------------------------------------------------------------------------------------------ */

static int give_text(struct ab_fetcher *fetcher, struct ab_source_record *record, enum ab_record_kind kind,
		     uint16_t partition, int64_t offset)
{
	*record = (struct ab_source_record){.kind = kind, .partition = partition, .offset = offset, .error = fetcher->text};
	fetcher->said = false;
	return 1;
}

/* Begins with the next part of the answer: 1 when there is something to say of it. */
static int begin_section(struct ab_fetcher *fetcher, struct ab_source_record *record)
{
	const struct ab_fetch_part *section = &fetcher->section;
	struct ab_fetch_place *place = &fetcher->place[section->partition];
	const char *words = "";

	if (place->from < 0) /* not asked for */
		return 0;
	if (section->error != 0) {
		enum ab_fetch_fate fate = ab_fetcher_fate(fetcher, section->error, &words);
		bool again = place->error == section->error;
		place->error = section->error;
		if (fate == AB_FATE_MOVED || (fate == AB_FATE_SAY && again))
			return 0;
		ab_fetcher_say(fetcher, "%s (error %d)", words, section->error);
		return give_text(fetcher, record, fate == AB_FATE_LOST ? AB_RECORD_LOST : AB_RECORD_ERROR, section->partition,
				 place->from);
	}
	place->error = 0;
	if (section->diverging >= 0) {
		ab_fetcher_say(fetcher,
			       "the log was cut off at %lld and goes on with another history: what was read behind it is not "
			       "there any more",
			       (long long)section->diverging);
		return give_text(fetcher, record, AB_RECORD_LOST, section->partition, place->from);
	}
	ab_records_begin(&fetcher->walk, section->records, section->records_bytes, place->from, fetcher->unpack);
	ab_records_aborted(&fetcher->walk, section->aborted, section->aborted_bytes, section->aborted_count);
	fetcher->walking = true;
	return 0;
}

/* The part is walked through: 1 when its log ends here. */
static int end_section(struct ab_fetcher *fetcher, struct ab_source_record *record)
{
	struct ab_fetch_place *place = &fetcher->place[fetcher->section.partition];

	fetcher->walking = false;
	place->from = -1;
	if (place->upto < fetcher->section.stable || place->told_end == place->upto)
		return 0;
	place->told_end = place->upto;
	*record = (struct ab_source_record){
	    .kind = AB_RECORD_END,
	    .partition = fetcher->section.partition,
	    .offset = place->upto,
	};
	return 1;
}

static int bad_section(struct ab_fetcher *fetcher, struct ab_source_record *record)
{
	struct ab_fetch_place *place = &fetcher->place[fetcher->section.partition];

	fetcher->walking = false;
	place->from = -1;
	place->halted = true;
	place->asked = -1; /* what is behind it is under way: not to be taken */
	ab_fetcher_say(fetcher, "%s", fetcher->walk.bad);
	return give_text(fetcher, record, AB_RECORD_LOST, fetcher->section.partition, fetcher->walk.bad_offset);
}

static void fill(struct ab_source_record *record, uint16_t partition, const struct ab_records_one *one)
{
	*record = (struct ab_source_record){
	    .kind = AB_RECORD_DATA,
	    .partition = partition,
	    .offset = one->offset,
	    .timestamp_ms = one->timestamp_ms,
	    .key = one->key,
	    .value = one->value,
	    .key_len = one->key_len,
	    .value_len = one->value_len,
	};
}

/* Records of the part that is walked through, until it or the room ends. *stop: no more may be given out for now. */
static int walk(struct ab_fetcher *fetcher, struct ab_source_record *record, int max, bool *stop)
{
	struct ab_records_one one;
	int count = 0;

	while (count < max) {
		switch (ab_records_next(&fetcher->walk, &one)) {
		case AB_RECORDS_ONE:
			fill(&record[count++], fetcher->section.partition, &one);
			break;
		case AB_RECORDS_END:
			return count + end_section(fetcher, &record[count]);
		case AB_RECORDS_BUSY:
			*stop = true;
			return count;
		case AB_RECORDS_BAD:
			*stop = true; /* its text is in the one place there is for it */
			return count + bad_section(fetcher, &record[count]);
		}
	}
	return count;
}

/* Tends to the brokers until one has answered. false: nothing now. */
static bool find_answer(struct ab_fetcher *fetcher)
{
	int64_t now_ns = ab_monotonic_ns();

	if (fetcher->leaders_seen != atomic_load_explicit(&fetcher->leaders->version, memory_order_acquire)) /* [D2] */
		adopt_leaders(fetcher);
	if (fetcher->leaders_seen == 0)
		ab_fetcher_want_leaders(fetcher);
	for (int i = 0; i < fetcher->broker_count && fetcher->current == NULL; i++)
		ab_fetcher_tend_broker(
		    fetcher, &fetcher->broker[((unsigned)i + fetcher->broker_turn) % (unsigned)fetcher->broker_count], now_ns);
	fetcher->broker_turn++;
	return fetcher->current != NULL;
}

int ab_fetcher_drain(struct ab_fetcher *fetcher, struct ab_source_record *record, int max)
{
	int count = 0;
	bool stop = false;

	fetcher->walk.borrowed = false;
	while (count < max && !stop) {
		if (fetcher->said) {
			if (fetcher->count > 0)
				count += give_text(fetcher, &record[count], AB_RECORD_ERROR, fetcher->partition[0], -1);
			fetcher->said = false;
			stop = true;
		} else if (fetcher->walking) {
			count += walk(fetcher, &record[count], max - count, &stop);
		} else if (fetcher->current != NULL && ab_fetch_next(&fetcher->answer, &fetcher->section)) {
			int told = begin_section(fetcher, &record[count]);
			count += told;
			stop = told > 0;
		} else if (fetcher->current != NULL) {
			fetcher->current->have = 0;
			fetcher->current = NULL;
			stop = count > 0; /* the records lie in the buffer that would be received into */
		} else {
			stop = !find_answer(fetcher) && !fetcher->said;
		}
	}
	return count;
}
