/* loadgen/pg_contents.c — contents are inserted and looked for, before the pipelines begin. See pg.h. */
#include "loadgen/content.h"
#include "loadgen/pg.h"

static const char INSERT[] =
	"INSERT INTO content (id, slug, title, content_type, length_seconds, publish_ts) "
	"SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::timestamptz[]) "
	"ON CONFLICT DO NOTHING";
/* By id alone: who corrects a content's length while the pipeline runs must be able to start the generator again. */
static const char COUNT[] = "SELECT count(*)::text FROM content WHERE id = ANY ($1::uuid[])";

#define COLUMNS 6

static void open_columns(struct ab_array columns[COLUMNS])
{
	struct ab_gen_content_text *text = NULL;
	const uint32_t bytes[COLUMNS] = {16, sizeof text->slug, sizeof text->title, 32, 4, 8};
	for (int i = 0; i < COLUMNS; i++)
		ab_array_open(&columns[i], AB_PG_CONTENTS_BATCH, bytes[i]);
}

static void close_columns(struct ab_array columns[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++)
		ab_array_close(&columns[i]);
}

static PGresult *execute(PGconn *wire, const char *statement, int count, struct ab_array *columns)
{
	const char *values[COLUMNS];
	int lengths[COLUMNS], formats[COLUMNS];
	for (int i = 0; i < count; i++) {
		ab_array_end(&columns[i]);
		values[i] = columns[i].at;
		lengths[i] = (int)columns[i].len;
		formats[i] = 1;
	}
	return PQexecParams(wire, statement, count, NULL, values, lengths, formats, 0);
}

static void fill_insert(struct ab_array columns[COLUMNS], uint64_t seed, uint64_t first, uint64_t next)
{
	static const enum ab_oid types[COLUMNS] = {
		AB_OID_UUID, AB_OID_TEXT, AB_OID_TEXT, AB_OID_TEXT, AB_OID_INT4, AB_OID_TIMESTAMPTZ};
	for (int i = 0; i < COLUMNS; i++)
		ab_array_begin(&columns[i], types[i]);
	for (uint64_t n = first; n < next; n++) {
		struct ab_gen_content content;
		struct ab_gen_content_text text;
		ab_gen_content(seed, n, &content);
		ab_gen_content_text(&content, n, &text);
		ab_array_put_bytes(&columns[0], content.id, sizeof content.id);
		ab_array_put_text(&columns[1], text.slug);
		ab_array_put_text(&columns[2], text.title);
		ab_array_put_text(&columns[3], content.type);
		if (content.length_seconds == AB_GEN_NO_LENGTH)
			ab_array_put_null(&columns[4]);
		else
			ab_array_put_i32(&columns[4], content.length_seconds);
		ab_array_put_time(&columns[5], content.publish_us);
	}
}

enum ab_target_result ab_pg_insert_contents(struct ab_pg *pg, uint64_t seed, uint64_t first, uint64_t count,
	const volatile sig_atomic_t *stop, uint64_t *inserted)
{
	PGconn *wire = pg->connections[0].wire;
	struct ab_array columns[COLUMNS];
	enum ab_target_result outcome = AB_TARGET_OK;
	open_columns(columns);
	*inserted = 0;
	for (uint64_t end = first + count; first < end && outcome == AB_TARGET_OK && !*stop; first += AB_PG_CONTENTS_BATCH) {
		fill_insert(columns, seed, first, ab_min_u64(first + AB_PG_CONTENTS_BATCH, end));
		PGresult *result = execute(wire, INSERT, COLUMNS, columns);
		if (PQresultStatus(result) == PGRES_COMMAND_OK)
			*inserted += strtoull(PQcmdTuples(result), NULL, 10);
		else
			outcome = ab_pg_failed(pg, wire, result, "insert contents");
		PQclear(result);
	}
	close_columns(columns);
	return outcome;
}

static void fill_ids(struct ab_array *ids, uint64_t seed, uint64_t first, uint64_t next)
{
	ab_array_begin(ids, AB_OID_UUID);
	for (uint64_t n = first; n < next; n++) {
		struct ab_gen_content content;
		ab_gen_content(seed, n, &content);
		ab_array_put_bytes(ids, content.id, sizeof content.id);
	}
}

enum ab_target_result ab_pg_count_missing(struct ab_pg *pg, uint64_t seed, uint64_t count, uint64_t *missing)
{
	PGconn *wire = pg->connections[0].wire;
	struct ab_array ids;
	enum ab_target_result outcome = AB_TARGET_OK;
	ab_array_open(&ids, AB_PG_CONTENTS_BATCH, 16);
	*missing = count;
	for (uint64_t first = 0; first < count && outcome == AB_TARGET_OK; first += AB_PG_CONTENTS_BATCH) {
		fill_ids(&ids, seed, first, ab_min_u64(first + AB_PG_CONTENTS_BATCH, count));
		PGresult *result = execute(wire, COUNT, 1, &ids);
		if (PQresultStatus(result) == PGRES_TUPLES_OK)
			*missing -= strtoull(PQgetvalue(result, 0, 0), NULL, 10);
		else
			outcome = ab_pg_failed(pg, wire, result, "look for contents");
		PQclear(result);
	}
	ab_array_close(&ids);
	return outcome;
}
