/* verify/ledger.c — see ledger.h. */
#include "verify/ledger.h"

#include <string.h>
#include <sys/mman.h>

#include "verify/time.h"

#define BYTES_PER_OFFSET (sizeof(uint64_t) + sizeof(int64_t) + 2 * sizeof(uint32_t) + sizeof(uint16_t))

static size_t slots_for(int64_t records)
{
	return (size_t)records + (size_t)records / 4 + 16;
}

size_t ab_verify_ledger_bytes(int64_t records, int tables)
{
	return (size_t)records * BYTES_PER_OFFSET +
	       (size_t)tables * slots_for(records) * sizeof(struct ab_verify_entry);
}

/* Zeroed, and touched page by page as it fills. */
static void *take(size_t bytes)
{
	void *at = mmap(NULL, bytes > 0 ? bytes : 1, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	AB_ASSERT(at != MAP_FAILED);
	return at;
}

static void give_back(void *at, size_t bytes)
{
	if (at != NULL)
		munmap(at, bytes > 0 ? bytes : 1);
}

void ab_verify_ledger_create(struct ab_verify_ledger *ledger)
{
	ledger->records = 0;
	for (int p = 0; p < ledger->partition_count; p++) {
		struct ab_verify_partition *partition = &ledger->partition[p];
		AB_ASSERT(partition->first <= partition->next);
		size_t count = (size_t)(partition->next - partition->first);
		partition->digest = take(count * sizeof partition->digest[0]);
		partition->time_ms = take(count * sizeof partition->time_ms[0]);
		partition->micros = take(count * sizeof partition->micros[0]);
		partition->lsn = take(count * sizeof partition->lsn[0]);
		partition->mark = take(count * sizeof partition->mark[0]);
		ledger->records += (int64_t)count;
	}
}

void ab_verify_ledger_destroy(struct ab_verify_ledger *ledger)
{
	for (int p = 0; p < ledger->partition_count; p++) {
		struct ab_verify_partition *partition = &ledger->partition[p];
		size_t count = (size_t)(partition->next - partition->first);
		give_back(partition->digest, count * sizeof partition->digest[0]);
		give_back(partition->time_ms, count * sizeof partition->time_ms[0]);
		give_back(partition->micros, count * sizeof partition->micros[0]);
		give_back(partition->lsn, count * sizeof partition->lsn[0]);
		give_back(partition->mark, count * sizeof partition->mark[0]);
	}
	*ledger = (struct ab_verify_ledger){0};
}

uint16_t *ab_verify_mark(const struct ab_verify_ledger *ledger, int partition, int64_t offset)
{
	if (partition < 0 || partition >= ledger->partition_count || offset < ledger->partition[partition].first ||
	    offset >= ledger->partition[partition].next)
		return NULL;
	return &ledger->partition[partition].mark[offset - ledger->partition[partition].first];
}

void ab_verify_ledger_clear(struct ab_verify_ledger *ledger, uint16_t marks)
{
	for (int p = 0; p < ledger->partition_count; p++) {
		const struct ab_verify_partition *partition = &ledger->partition[p];
		for (int64_t i = 0; i < partition->next - partition->first; i++)
			partition->mark[i] &= (uint16_t)~marks;
	}
}

int64_t ab_verify_ledger_count(const struct ab_verify_ledger *ledger, uint16_t with, uint16_t without)
{
	int64_t count = 0;

	for (int p = 0; p < ledger->partition_count; p++) {
		const struct ab_verify_partition *partition = &ledger->partition[p];
		for (int64_t i = 0; i < partition->next - partition->first; i++)
			count += (partition->mark[i] & with) == with && (partition->mark[i] & without) == 0;
	}
	return count;
}

/* --- tables --------------------------------------------------------------------------------------------------------- */

void ab_verify_table_create(struct ab_verify_table *table, int64_t records, bool by_extra)
{
	*table = (struct ab_verify_table){.slots = slots_for(records), .by_extra = by_extra};
	table->slot = take(table->slots * sizeof table->slot[0]);
}

void ab_verify_table_destroy(struct ab_verify_table *table)
{
	give_back(table->slot, table->slots * sizeof table->slot[0]);
	*table = (struct ab_verify_table){0};
}

static struct ab_verify_entry *slot_of(const struct ab_verify_table *table, int64_t id, uint64_t extra)
{
	uint64_t hash = ab_verify_mix((uint64_t)id, table->by_extra ? extra : 0);
	size_t at = (size_t)(((unsigned __int128)hash * table->slots) >> 64);

	for (;; at = at + 1 == table->slots ? 0 : at + 1) {
		struct ab_verify_entry *entry = &table->slot[at];
		if (ab_entry_flags(entry) == 0)
			return entry;
		if (entry->id == id && (!table->by_extra || entry->extra == extra))
			return entry;
	}
}

struct ab_verify_entry *ab_verify_table_find(const struct ab_verify_table *table, int64_t id, uint64_t extra)
{
	struct ab_verify_entry *entry = slot_of(table, id, extra);

	return ab_entry_flags(entry) == 0 ? NULL : entry;
}

static bool newer(const struct ab_verify_entry *than, int64_t version, ab_verify_place place)
{
	if (version != than->version)
		return version > than->version;
	bool later = ab_place_offset(place) > ab_place_offset(ab_entry_place(than));
	return version < 0 ? later : !later;
}

struct ab_verify_entry *ab_verify_table_add(struct ab_verify_table *table, int64_t id, uint64_t extra, int64_t version,
					    ab_verify_place place, bool due)
{
	struct ab_verify_entry *entry = slot_of(table, id, extra);
	unsigned flags = ab_entry_flags(entry);

	if (flags == 0) {
		AB_ASSERT(table->count + 1 < table->slots);
		table->count++;
		*entry =
		    (struct ab_verify_entry){.id = id, .version = version, .extra = extra, .place_and_flags = place};
	} else if (due ? !(flags & AB_ENTRY_DUE) || newer(entry, version, place) : false) {
		entry->version = version;
		entry->extra = extra;
		entry->place_and_flags = place;
		ab_entry_set(entry, flags);
	}
	ab_entry_set(entry, AB_ENTRY_USED | (due ? AB_ENTRY_DUE : AB_ENTRY_MAYBE));
	return entry;
}

/* --- digests -------------------------------------------------------------------------------------------------------- */

uint64_t ab_verify_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 29;
}

static uint64_t mix_text(uint64_t hash, struct ab_text text)
{
	if (text.at == NULL)
		return ab_verify_mix(hash, UINT64_MAX);
	for (uint32_t at = 0; at < text.len; at += 8) {
		uint64_t word = 0;
		memcpy(&word, text.at + at, ab_min_u64(8, text.len - at));
		hash = ab_verify_mix(hash, word);
	}
	return ab_verify_mix(hash, text.len);
}

uint64_t ab_verify_row_digest(const struct ab_verify_event *event)
{
	uint64_t hash = ab_verify_mix(0, (uint64_t)event->id);

	hash = mix_text(hash, event->content_id);
	hash = mix_text(hash, event->user_id);
	hash = mix_text(hash, event->event_type);
	hash = mix_text(hash, event->device);
	hash = ab_verify_mix(hash, (uint64_t)ab_verify_second(event->event_us));
	return ab_verify_mix(hash, event->has_duration ? (uint64_t)event->duration_ms : UINT64_MAX);
}

uint64_t ab_verify_event_digest(const struct ab_verify_event *event)
{
	return ab_verify_mix(ab_verify_row_digest(event), event->op == 'd');
}

uint32_t ab_verify_lsn_hash(const struct ab_verify_event *event)
{
	return (uint32_t)ab_verify_mix(1, event->has_lsn ? (uint64_t)event->lsn : UINT64_MAX);
}
