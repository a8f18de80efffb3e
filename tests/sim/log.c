/* tests/sim/log.c — io/source.h over a log in memory: a topic, a group of members, commits with a fence. See sim.h.
 *
 * The group rebalances eagerly, as librdkafka does here: every member gives its partitions back in its next poll, then
 * all get new ones. A member that does not poll is put out after a while; what it does until it polls again is a
 * zombie's, and its commits are refused. A commit takes time; it may be lost, or its answer may be.
 */
#include <string.h>

#include "io/source.h"
#include "tests/sim/sim.h"

struct flight {
	bool under_way, arrived;
	const char *error;
	int generation, count;
	struct {
		uint16_t partition;
		int64_t offset;
		char metadata[SIM_TEXT_BYTES];
	} one[SIM_PARTITIONS];
};

struct ab_source {
	struct sim_engine *of;
	struct ab_source_callbacks callbacks;
	int worker_count;
	bool member, polling, closed;
	int64_t next[SIM_PARTITIONS];		/* -1: not assigned */
	int64_t end_said[SIM_PARTITIONS];
	bool late_said[SIM_PARTITIONS];		/* the refusal of an offset that it was sent on from meanwhile */
	/* a member's */
	bool in_group, joined, holds, pending;
	int generation;
	uint16_t partition[SIM_PARTITIONS];
	int count;
	struct flight flight;
};

static struct {
	int generation;
	bool rebalancing;
	struct ab_source *member[SIM_MEMBERS];
} group;

void sim_group_reset(void)
{
	for (int m = 0; m < SIM_MEMBERS; m++)
		free(group.member[m]);
	memset(&group, 0, sizeof group);
}

int sim_log_index(int p, int64_t offset)
{
	const struct sim_partition *log = &sim.log[p];

	for (int i = 0; i < log->produced; i++) {
		if (log->record[i].offset == offset)
			return i;
	}
	return -1;
}

bool sim_log_done(void)
{
	for (int p = 0; p < sim.partitions; p++) {
		if (sim.log[p].produced < sim.log[p].count)
			return false;
	}
	return true;
}

/* --- the group ------------------------------------------------------------------------------------------------------- */

static void rebalance(const char *why)
{
	sim_trace("group: rebalance: %s", why);
	sim.tally.rebalances++;
	group.rebalancing = true;
	for (int m = 0; m < SIM_MEMBERS; m++) {
		if (group.member[m] != NULL)
			group.member[m]->joined = group.member[m]->pending = false;
	}
}

static void join(struct ab_source *source)
{
	int m = 0;

	while (group.member[m] != NULL && group.member[m] != source)
		m++;
	AB_ASSERT(m < SIM_MEMBERS);
	group.member[m] = source;
	source->in_group = true;
	rebalance("a member joins");
	source->joined = true;
}

static void leave(struct ab_source *source, const char *why)
{
	for (int m = 0; m < SIM_MEMBERS; m++) {
		if (group.member[m] == source)
			group.member[m] = NULL;
	}
	source->in_group = source->pending = false;
	rebalance(why);
}

void sim_group_kill(struct sim_engine *engine)
{
	struct ab_source *own = engine->engine->member;

	if (own != NULL && !own->in_group)
		free(own);
	for (int m = 0; m < SIM_MEMBERS; m++) {
		if (group.member[m] != NULL && group.member[m]->of == engine)
			group.member[m]->of = NULL;
	}
}

bool sim_group_expire(bool all)
{
	bool any = false;

	for (int m = 0; m < SIM_MEMBERS; m++) {
		struct ab_source *member = group.member[m];
		if (member == NULL || (member->of != NULL && (!member->of->frozen || all)))
			continue;
		if (any && !all)
			break;
		any = true;
		leave(member, "a member was silent for too long");
		if (member->of == NULL)
			free(member);
	}
	return any;
}

bool sim_group_is_zombie(const struct sim_engine *engine)
{
	return engine->engine->member != NULL && !engine->engine->member->in_group;
}

static void share_out(void)
{
	struct ab_source *in[SIM_MEMBERS];
	int count = 0;

	for (int m = 0; m < SIM_MEMBERS; m++) {
		if (group.member[m] == NULL)
			continue;
		if (!group.member[m]->joined)
			return;
		in[count++] = group.member[m];
	}
	group.rebalancing = false;
	group.generation++;
	for (int i = 0; i < count; i++) {
		in[i]->generation = group.generation;
		in[i]->pending = true;
		in[i]->count = 0;
	}
	for (int p = 0; p < sim.partitions && count > 0; p++) {
		struct ab_source *to = in[sim_draw((uint32_t)count)];
		to->partition[to->count++] = (uint16_t)p;
	}
	sim_trace("group: generation %d of %d members", group.generation, count);
}

static void give_back(struct ab_source *source)
{
	if (!source->holds)
		return;
	source->callbacks.on_revoke(source->callbacks.arg);
	source->holds = false;
	memset(source->next, 0xff, sizeof source->next);
}

static void poll_group(struct ab_source *source)
{
	if (!source->in_group) {
		give_back(source);
		join(source);
	}
	if (group.rebalancing && !source->joined) {
		give_back(source);
		/* Giving back takes time, in which the group may have lost patience. */
		source->joined = source->in_group;
	}
	if (group.rebalancing)
		share_out();
	if (source->pending) {
		source->pending = false;
		source->holds = true;
		sim_crash_point();
		source->callbacks.on_assign(source->callbacks.arg, source->partition, source->count);
	}
}

/* --- commits --------------------------------------------------------------------------------------------------------- */

static void arrive(struct flight *flight, bool fenced)
{
	flight->arrived = true;
	if (fenced) {
		sim.tally.fenced++;
		flight->error = "the group has gone on without this member";
		sim_trace("commit of generation %d refused", flight->generation);
		return;
	}
	if (sim.faults && sim_chance(30)) {
		flight->error = "the request was lost";
		return;
	}
	for (int i = 0; i < flight->count; i++) {
		struct sim_partition *log = &sim.log[flight->one[i].partition];
		sim_trace("committed %d: %lld %s", flight->one[i].partition, (long long)flight->one[i].offset,
			  flight->one[i].metadata);
		sim_check_commit(flight->one[i].partition, flight->one[i].offset, flight->one[i].metadata);
		log->committed = flight->one[i].offset;
		memcpy(log->metadata, flight->one[i].metadata, sizeof log->metadata);
	}
	sim.tally.commits++;
	flight->error = sim.faults && sim_chance(30) ? "the answer was lost" : NULL;
}

static bool is_fenced(const struct ab_source *source, const struct flight *flight)
{
	return !source->in_group || flight->generation != group.generation;
}

bool sim_commit_step(void)
{
	for (int m = 0; m < SIM_MEMBERS; m++) {
		struct ab_source *member = group.member[m];
		if (member == NULL || !member->flight.under_way || member->flight.arrived)
			continue;
		if (member->of == NULL && sim_chance(500)) {
			member->flight.under_way = false;	/* it died with its engine */
			continue;
		}
		arrive(&member->flight, is_fenced(member, &member->flight));
		return true;
	}
	return false;
}

static void tell_commit(struct ab_source *source)
{
	struct flight *flight = &source->flight;

	if (!flight->under_way)
		return;
	if (!flight->arrived && !source->in_group)
		arrive(flight, true);
	if (!flight->arrived)
		return;
	flight->under_way = false;
	source->callbacks.on_commit(source->callbacks.arg, flight->error);
}

bool ab_source_commit(struct ab_source *source, const struct ab_commit *commit, int count, bool wait)
{
	struct flight *flight = &source->flight;

	sim_crash_point();
	if (sim.faults && sim_chance(10))
		return false;
	if (flight->under_way && !flight->arrived)
		arrive(flight, is_fenced(source, flight));
	tell_commit(source);
	*flight = (struct flight){.under_way = true, .generation = source->generation, .count = count};
	for (int i = 0; i < count; i++) {
		flight->one[i].partition = commit[i].partition;
		flight->one[i].offset = commit[i].offset;
		AB_ASSERT(strlen(commit[i].metadata) < sizeof flight->one[i].metadata);
		snprintf(flight->one[i].metadata, sizeof flight->one[i].metadata, "%s", commit[i].metadata);
	}
	if (!wait) {
		sim_crash_point();
		return true;
	}
	sim_wait(2000000);
	if (sim.faults && sim_chance(30))
		return false;	/* no answer in time; it stays under way */
	if (flight->under_way && !flight->arrived)
		arrive(flight, is_fenced(source, flight));
	sim_crash_point();
	tell_commit(source);
	return true;
}

bool ab_source_committed(struct ab_source *source, struct ab_committed *committed, int count, char *error)
{
	(void)source;
	sim_crash_point();
	bool ok = !sim.faults || !sim_chance(50);

	for (int i = 0; i < count; i++) {
		committed[i].offset = sim.log[committed[i].partition].committed;
		committed[i].metadata = ok ? strdup(sim.log[committed[i].partition].metadata) : NULL;
	}
	if (!ok)
		snprintf(error, AB_SOURCE_ERROR_MAX_BYTES, "the coordinator does not answer");
	return ok;
}

void ab_source_commit_group(struct ab_source *source, const char *of, const struct ab_commit *commit, int count)
{
	(void)source;
	(void)of;
	(void)commit;
	(void)count;
}

/* --- a consumer ------------------------------------------------------------------------------------------------------ */

/* Opening and closing a consumer may take long, so the views must not wait for it. */
static void nobody_waits(const struct sim_engine *of, const char *what)
{
	if (of == NULL || of->engine == NULL || of->dead)
		return;
	if (pthread_mutex_trylock(&of->engine->mutex) != 0)
		sim_fail("a consumer is %s while the views are locked out", what);
	pthread_mutex_unlock(&of->engine->mutex);
}

static struct ab_source *open_source(const struct ab_source_callbacks *callbacks, int worker_count)
{
	struct ab_source *source = calloc(1, sizeof *source);

	AB_ASSERT(source != NULL);
	source->callbacks = *callbacks;
	source->worker_count = worker_count;
	source->of = sim_engine_of(callbacks->arg);
	memset(source->next, 0xff, sizeof source->next);
	return source;
}

struct ab_source *ab_source_open_member(const struct ab_config *config, const struct ab_source_callbacks *callbacks,
					struct ab_park *const *park, int worker_count, char *error)
{
	struct ab_source *source = open_source(callbacks, worker_count);

	(void)config;
	(void)park;
	(void)error;
	source->member = true;
	join(source);
	return source;
}

static struct ab_source *open_apart(const struct ab_source_callbacks *callbacks, const char *name, int worker_count)
{
	sim_crash_point();
	sim_trace("a reader of its own: %s", name);
	sim.tally.own_readers++;
	nobody_waits(sim_engine_of(callbacks->arg), "opened");
	return open_source(callbacks, worker_count);
}

struct ab_source *ab_source_open_reader(const struct ab_config *config, const char *name,
					const struct ab_source_callbacks *callbacks, struct ab_park *const *park,
					int worker_count, char *error)
{
	(void)config;
	(void)park;
	(void)error;
	return open_apart(callbacks, name, worker_count);
}

struct ab_source *ab_source_open_private(const struct ab_config *config, const char *topic, const char *name,
					 const struct ab_source_callbacks *callbacks, struct ab_park *park, char *error)
{
	(void)config;
	(void)topic;
	(void)park;
	(void)error;
	return open_apart(callbacks, name, 1);
}

/* A member that closes gives back and leaves. Its memory stays with the group when its engine was killed. */
void ab_source_close(struct ab_source *source)
{
	if (source->member && source->of == NULL)
		return;
	nobody_waits(source->of, "closed");
	if (source->member && source->in_group) {
		give_back(source);
		leave(source, "a member leaves");
	}
	free(source);
}

void ab_source_poll(struct ab_source *source, int timeout_ms)
{
	if (source->member)
		tell_commit(source);
	if (timeout_ms > 0)
		sim_wait(timeout_ms * INT64_C(1000000));
	if (!source->member || source->polling)
		return;
	source->polling = true;
	poll_group(source);
	source->polling = false;
}

bool ab_source_assign(struct ab_source *source, const uint16_t *partition, const int64_t *offset, int count, char *error)
{
	(void)error;
	sim_crash_point();
	nobody_waits(source->of, "assigned");
	memset(source->next, 0xff, sizeof source->next);
	memset(source->end_said, 0xff, sizeof source->end_said);
	for (int i = 0; i < count; i++) {
		source->next[partition[i]] = offset[i];
		sim_trace("%s reads %d from %lld", source->member ? "the member" : "a reader of its own", partition[i],
			  (long long)offset[i]);
	}
	return true;
}

void ab_source_unassign(struct ab_source *source)
{
	memset(source->next, 0xff, sizeof source->next);
}

static bool next_record(struct ab_source *source, uint16_t p, struct ab_source_record *to)
{
	const struct sim_partition *log = &sim.log[p];
	int64_t *next = &source->next[p];

	if (*next < log->first || *next > log->next) {
		*to = (struct ab_source_record){.kind = AB_RECORD_LOST, .partition = p, .offset = *next, .error = "lost"};
		return true;
	}
	if (log->first > 0 && !source->late_said[p] && sim.faults && sim_chance(20)) {
		source->late_said[p] = true;
		*to = (struct ab_source_record){.kind = AB_RECORD_LOST, .partition = p, .offset = log->first - 1, .error = "late"};
		return true;
	}
	for (int i = 0; i < log->produced; i++) {
		const struct sim_record *record = &log->record[i];
		if (record->offset < *next)
			continue;
		*next = record->offset + 1;
		*to = (struct ab_source_record){.kind = AB_RECORD_DATA,
						.partition = p,
						.offset = record->offset,
						.timestamp_ms = record->ts_ms,
						.value = record->value,
						.value_len = record->value == NULL ? 0 : record->len};
		return true;
	}
	*next = log->next;
	if (source->end_said[p] == log->next)
		return false;
	source->end_said[p] = log->next;
	*to = (struct ab_source_record){.kind = AB_RECORD_END, .partition = p, .offset = log->next};
	return true;
}

int ab_source_drain(struct ab_source *source, int worker, struct ab_source_record *record, int max)
{
	int wanted = 1 + (int)sim_draw(16), count = 0;
	int from = (int)sim_draw((uint32_t)sim.partitions);

	for (int n = 0; n < sim.partitions; n++) {
		int p = (from + n) % sim.partitions;
		if (p % source->worker_count != worker || source->next[p] < 0)
			continue;
		int some = 1 + (int)sim_draw(12);
		while (count < wanted && count < max && some-- > 0 &&
		       next_record(source, (uint16_t)p, &record[count]))
			count++;
	}
	return count;
}

void ab_source_release(struct ab_source_record *record)
{
	(void)record;
}

int ab_source_partitions(struct ab_source *source)
{
	(void)source;
	return sim.partitions;
}

bool ab_source_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next)
{
	(void)source;
	*first = sim.log[partition].first;
	*next = sim.log[partition].next;
	return !sim.faults || !sim_chance(100);
}

int64_t ab_source_offset_at(struct ab_source *source, uint16_t partition, int64_t time_ms)
{
	(void)source;
	(void)time_ms;
	return sim.log[partition].first;
}

void ab_source_cached_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next)
{
	(void)source;
	*first = sim.log[partition].first;
	*next = sim.log[partition].next;
}

void ab_source_look(struct ab_source *source, const uint16_t *partition, int count)
{
	(void)source;
	(void)partition;
	(void)count;
}

int64_t ab_source_log_start(const struct ab_source *source, uint16_t partition)
{
	(void)source;
	return sim.log[partition].first;
}

int64_t ab_source_retention_ms(const struct ab_source *source)
{
	(void)source;
	return -1;
}

const char *ab_source_cluster(struct ab_source *source)
{
	(void)source;
	return "simulated";
}

bool ab_source_workers_fetch(const struct ab_config *config)
{
	(void)config;
	return false;
}

size_t ab_source_bytes(const struct ab_config *config, int sinks, int workers)
{
	(void)config;
	(void)sinks;
	(void)workers;
	return 0;
}
