/* tests/sim/redis.c — a Redis that understands what the sink sends: the script's contract of sinks/redis.lua. See sim.h.
 *
 * The script itself is tested against a real Redis (tests/unit/test_redis_script.c); here is its contract again, in the
 * order of its lines: judge the ranges, add, write positions last.
 */
#include <stdarg.h>
#include <string.h>

#include "sinks/redis_lane.h"
#include "tests/sim/sim.h"

struct command {
	const char *at, *end;
	long count;		/* of words that are left */
};

static long number(const char **at)
{
	char *end;
	long value = strtol(*at + 1, &end, 10);

	AB_ASSERT(end[0] == '\r' && end[1] == '\n');
	*at = end + 2;
	return value;
}

static struct ab_text word(struct command *command)
{
	AB_ASSERT(command->count-- > 0 && *command->at == '$');
	uint32_t len = (uint32_t)number(&command->at);
	struct ab_text text = {command->at, len};

	command->at += len + 2;
	AB_ASSERT(command->at <= command->end);
	return text;
}

static int64_t integer(struct command *command)
{
	struct ab_text text = word(command);

	return text.len == 0 ? -1 : strtoll(text.at, NULL, 10);
}

static bool is(struct ab_text text, const char *what)
{
	return text.len == strlen(what) && memcmp(text.at, what, text.len) == 0;
}

static void AB_PRINTF(2, 3) answer(struct sim_request *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(to->reply + to->reply_len, SIM_REPLY_BYTES - to->reply_len, format, args);
	va_end(args);
	AB_ASSERT(len > 0 && to->reply_len + (size_t)len < SIM_REPLY_BYTES);
	to->reply_len += (size_t)len;
}

struct range {
	int p, lane;
	int64_t first, next;
};

/* Everything below a position is counted, or its letter is in Kafka. */
static void check_letters(const struct range *range)
{
	const struct sim_partition *log = &sim.log[range->p];

	for (int i = 0; i < log->produced; i++) {
		const struct sim_record *record = &log->record[i];
		if (record->offset >= range->first && record->offset < range->next &&
		    record->fate[SIM_REDIS] == SIM_DEAD && !sim_durable(SIM_REDIS, range->p, i))
			sim_fail("redis' position of %d, lane %d passes %lld, whose letter Kafka does not have", range->p,
				 range->lane, (long long)record->offset);
	}
}

static enum { OK, DUP, MIX } judge(const struct range *range, int count)
{
	int same = 0, applied = 0;

	for (int i = 0; i < count; i++) {
		int64_t stored = sim.redis.position[range[i].lane][range[i].p];
		same += stored == range[i].first;
		applied += stored >= range[i].next;
	}
	return same == count ? OK : applied == count ? DUP : MIX;
}

static void add_windows(struct command *command, const struct range *range, int ranges)
{
	for (int64_t windows = integer(command); windows > 0; windows--) {
		/* The first minute is 2026-11-23, 00:00. */
		int64_t k = integer(command) - INT64_C(1795392000) / 60;
		int64_t types = integer(command), contents = integer(command);
		int p = (int)(k / SIM_RECORDS), i = (int)(k % SIM_RECORDS);
		AB_ASSERT(k >= 0 && p < sim.partitions && types == 1);
		word(command);
		int64_t events = integer(command);
		integer(command);
		integer(command);
		for (int64_t n = 0; n < 2 * contents; n++)
			word(command);
		const struct sim_record *record = &sim.log[p].record[i];
		int within = 0;
		for (int r = 0; r < ranges; r++)
			within += range[r].p == p && record->offset >= range[r].first && record->offset < range[r].next;
		if (within != 1)
			sim_fail("redis: a batch counts %d:%lld, which its ranges do not cover", p,
				 (long long)record->offset);
		sim.redis.applied[p][i] = (uint8_t)(sim.redis.applied[p][i] + events);
		sim_trace("redis counts %d:%lld", p, (long long)record->offset);
		if (sim.redis.applied[p][i] != 1)
			sim_fail("redis has counted %d:%lld %d times", p, (long long)record->offset,
				 sim.redis.applied[p][i]);
	}
}

static void call_script(struct command *command, struct sim_request *to)
{
	struct range range[SIM_PARTITIONS];

	if (!sim.redis.script_known) {
		answer(to, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
		return;
	}
	for (int i = 0; i < 4; i++)
		word(command);		/* sha, 2, two keys */
	int64_t lanes = integer(command);
	AB_ASSERT(lanes == sim.lanes[SIM_REDIS]);
	for (int i = 0; i < 5; i++)
		word(command);		/* key, time to live, boards, now, newest minute */
	int count = (int)integer(command);
	AB_ASSERT(count <= SIM_PARTITIONS);
	for (int i = 0; i < count; i++) {
		struct ab_text field = word(command);
		range[i].p = atoi(field.at);
		range[i].lane = atoi(strchr(field.at, ':') + 1);
		range[i].first = integer(command);
		range[i].next = integer(command);
		sim_trace("redis: %d, lane %d: [%lld, %lld) on %lld", range[i].p, range[i].lane, (long long)range[i].first,
			  (long long)range[i].next, (long long)sim.redis.position[range[i].lane][range[i].p]);
	}
	switch (judge(range, count)) {
	case OK:
		add_windows(command, range, count);
		for (int i = 0; i < count; i++) {
			check_letters(&range[i]);
			sim.redis.position[range[i].lane][range[i].p] = range[i].next;
		}
		answer(to, "*1\r\n$2\r\nOK\r\n");
		return;
	case DUP:
		sim.tally.duplicates++;
		answer(to, "*1\r\n$3\r\nDUP\r\n");
		return;
	case MIX:
		answer(to, "*%d\r\n$3\r\nMIX\r\n", count + 1);
		for (int i = 0; i < count; i++) {
			char text[32];
			int64_t stored = sim.redis.position[range[i].lane][range[i].p];
			if (sim.server[SIM_REDIS].wiped)
				snprintf(text, sizeof text, "-");
			else
				snprintf(text, sizeof text, "%lld", (long long)stored);
			answer(to, "$%zu\r\n%s\r\n", strlen(text), text);
		}
		return;
	}
}

void sim_redis_serve(const char *bytes, size_t len, bool late, struct sim_request *to)
{
	static const char *const refusals[] = {"-OOM command not allowed", "-LOADING Redis is loading",
					       "-BUSY Redis is busy", "-READONLY You can't write against a replica"};
	struct command command = {bytes, bytes + len, 0};
	bool refuses = sim_chance((uint32_t)sim.server[SIM_REDIS].refuse_percent * 10);
	const char *refusal = refusals[sim_draw(AB_COUNT(refusals))];

	(void)late;
	while (command.at < command.end) {
		command.count = number(&command.at);
		struct ab_text name = word(&command);
		if (refuses) {
			sim.tally.refused++;
			answer(to, "%s\r\n", refusal);
		} else if (is(name, "ROLE")) {
			answer(to, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
		} else if (is(name, "SCRIPT")) {
			sim.redis.script_known = true;
			answer(to, "$40\r\n%s\r\n", ab_redis_script_sha);
		} else {
			AB_ASSERT(is(name, "EVALSHA"));
			call_script(&command, to);
		}
		while (command.count > 0)
			word(&command);
	}
}
