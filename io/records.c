/* io/records.c — see records.h. */
#include "io/records.h"

#include <stdarg.h>

#include "core/crc32c.h"

/* The header of a batch: where its fields are. */
#define AT_LENGTH 8		/* of what follows it */
#define AT_EPOCH 12
#define AT_MAGIC 16
#define AT_CRC 17
#define AT_ATTRIBUTES 21	/* the checksum is of everything from here */
#define AT_LAST_DELTA 23
#define AT_BASE_TIME 27
#define AT_MAX_TIME 35
#define AT_PRODUCER 43
#define AT_COUNT 57
#define HEADER_BYTES 61
#define LENGTH_COVERS 12	/* bytes up to and with the length */

#define MAGIC 2
#define COMPRESSION 0x07
#define LOG_APPEND_TIME 0x08
#define TRANSACTIONAL 0x10
#define CONTROL 0x20
#define MARKER_ABORT 0

/* A batch that is there as a whole; *len: its bytes. NULL: there is none. */
static const uint8_t *whole_batch(const struct ab_wire *batches, size_t *len)
{
	size_t left = ab_wire_left(batches);

	if (left < HEADER_BYTES)
		return NULL;
	/* Below zero is far above what is left. */
	*len = (size_t)ab_wire_be32(batches->at + AT_LENGTH) + LENGTH_COVERS;
	return *len <= left ? batches->at : NULL;
}

static int64_t batch_offset(const uint8_t *batch)
{
	return (int64_t)ab_wire_be64(batch);
}

static int64_t batch_next(const uint8_t *batch)
{
	/* Unsigned: a broker's nonsense must not be ours. */
	return (int64_t)(ab_wire_be64(batch) + ab_wire_be32(batch + AT_LAST_DELTA) + 1);
}

void ab_records_begin(struct ab_records *walk, const uint8_t *at, size_t len, int64_t wanted, struct ab_unpack *unpack)
{
	walk->batches = (struct ab_wire){at, at + len, false};
	walk->left = 0;
	walk->wanted = wanted;
	walk->aborted_count = 0;
	walk->unpack = unpack;
}

void ab_records_aborted(struct ab_records *walk, uint8_t *at, size_t len, int64_t count)
{
	walk->aborted = at;
	walk->aborted_bytes = len;
	walk->aborted_count = count;
}

/* The first of a producer's aborted transactions that begins at or below an offset and is not over: its first offset. */
static uint8_t *find_aborted(const struct ab_records *walk, uint64_t producer, int64_t offset)
{
	struct ab_wire wire = {walk->aborted, walk->aborted + walk->aborted_bytes, false};

	for (int64_t i = 0; i < walk->aborted_count && ab_wire_left(&wire) >= 16; i++) {
		uint8_t *at = walk->aborted + (wire.at - walk->aborted);
		if (ab_wire_be64(at) == producer && (int64_t)ab_wire_be64(at + 8) <= offset)
			return at + 8;
		ab_wire_skip(&wire, 16);
		ab_wire_skip_tags(&wire);
	}
	return NULL;
}

/* A control batch holds one record, whose key says what became of the transaction: {version, kind}, 16 bits each. */
static void end_transaction(struct ab_records *walk, const uint8_t *batch, size_t len)
{
	struct ab_wire wire = {batch + HEADER_BYTES, batch + len, false};

	ab_wire_signed(&wire); /* the record's length, attributes, time and offset */
	ab_wire_skip(&wire, 1);
	ab_wire_signed(&wire);
	ab_wire_signed(&wire);
	if (ab_wire_signed(&wire) < 4)
		return;
	ab_wire_i16(&wire);
	bool aborted = ab_wire_i16(&wire) == MARKER_ABORT && !wire.failed;
	uint8_t *first = find_aborted(walk, ab_wire_be64(batch + AT_PRODUCER), batch_offset(batch));
	const uint64_t over = htobe64(INT64_MAX);
	if (aborted && first != NULL)
		memcpy(first, &over, sizeof over);
}

static enum ab_records_step AB_PRINTF(3, 4) bad(struct ab_records *walk, int64_t offset, const char *format, ...)
{
	va_list args;

	walk->bad_offset = offset > walk->wanted ? offset : walk->wanted;
	va_start(args, format);
	vsnprintf(walk->bad, sizeof walk->bad, format, args);
	va_end(args);
	walk->left = 0;
	walk->batches.at = walk->batches.end;
	return AB_RECORDS_BAD;
}

/* Whether a batch has anything for us. */
static bool is_wanted(struct ab_records *walk, const uint8_t *batch, size_t len)
{
	uint16_t attributes = ab_wire_be16(batch + AT_ATTRIBUTES);

	if ((attributes & CONTROL) != 0) {
		end_transaction(walk, batch, len);
		return false;
	}
	if ((attributes & TRANSACTIONAL) != 0 && walk->aborted_count > 0 &&
	    find_aborted(walk, ab_wire_be64(batch + AT_PRODUCER), batch_offset(batch)) != NULL)
		return false;
	return batch_next(batch) > walk->wanted;
}

/* AB_RECORDS_ONE: a batch is begun. */
static enum ab_records_step begin_batch(struct ab_records *walk)
{
	size_t len;
	const uint8_t *batch = whole_batch(&walk->batches, &len);

	if (batch == NULL)
		return AB_RECORDS_END;
	if (batch[AT_MAGIC] != MAGIC)
		return bad(walk, batch_offset(batch), "records in format %d of Kafka before 0.11 cannot be read", batch[AT_MAGIC]);
	if (len < HEADER_BYTES)
		return bad(walk, batch_offset(batch), "a batch says that it has %zu bytes, less than its header", len);
	uint16_t attributes = ab_wire_be16(batch + AT_ATTRIBUTES);
	enum ab_unpack_codec codec = (enum ab_unpack_codec)(attributes & COMPRESSION);
	if (codec != AB_UNPACK_NONE && walk->borrowed)
		return AB_RECORDS_BUSY;
	if (ab_crc32c(batch + AT_ATTRIBUTES, len - AT_ATTRIBUTES) != ab_wire_be32(batch + AT_CRC))
		return bad(walk, batch_offset(batch), "a batch of %zu bytes does not match its checksum", len);
	walk->batches.at += len;
	walk->left = 0;
	if (!is_wanted(walk, batch, len))
		return AB_RECORDS_ONE;

	walk->batch = (struct ab_wire){batch + HEADER_BYTES, batch + len, false};
	if (codec != AB_UNPACK_NONE) {
		const char *why = "";
		if (!ab_unpack(walk->unpack, codec, &walk->batch, &why))
			return bad(walk, batch_offset(batch), "a batch cannot be decompressed (%s): %s",
				   ab_unpack_name(codec), why);
	}
	walk->packed = codec != AB_UNPACK_NONE;
	walk->left = (int32_t)ab_wire_be32(batch + AT_COUNT);
	if (walk->left < 0)
		return bad(walk, batch_offset(batch), "a batch says that it has %d records", walk->left);
	walk->base_offset = batch_offset(batch);
	walk->base_ms = (int64_t)ab_wire_be64(batch + AT_BASE_TIME);
	walk->append_ms = (int64_t)ab_wire_be64(batch + AT_MAX_TIME);
	walk->log_append_time = (attributes & LOG_APPEND_TIME) != 0;
	return AB_RECORDS_ONE;
}

/* A key or a value: its length, -1 for none, then its bytes. */
static const uint8_t *take_bytes(struct ab_wire *wire, size_t *len)
{
	int64_t n = ab_wire_signed(wire);

	*len = n > 0 ? (size_t)n : 0;
	return n >= 0 ? ab_wire_skip(wire, (size_t)n) : NULL;
}

static bool take_record(struct ab_records *walk, struct ab_records_one *one)
{
	struct ab_wire *batch = &walk->batch;
	int64_t len = ab_wire_signed(batch);
	const uint8_t *at = ab_wire_skip(batch, len > 0 ? (size_t)len : SIZE_MAX);

	if (at == NULL)
		return false;
	struct ab_wire record = {at, at + len, false};
	ab_wire_skip(&record, 1); /* attributes: none are defined */
	uint64_t time_delta = (uint64_t)ab_wire_signed(&record), offset_delta = (uint64_t)ab_wire_signed(&record);
	one->timestamp_ms = walk->log_append_time ? walk->append_ms : (int64_t)((uint64_t)walk->base_ms + time_delta);
	one->offset = (int64_t)((uint64_t)walk->base_offset + offset_delta);
	one->key = take_bytes(&record, &one->key_len);
	one->value = take_bytes(&record, &one->value_len);
	return !record.failed; /* headers follow: nobody asks for them */
}

enum ab_records_step ab_records_next(struct ab_records *walk, struct ab_records_one *one)
{
	for (;;) {
		while (walk->left > 0) {
			if (!take_record(walk, one))
				return bad(walk, walk->base_offset, "a batch ends within a record, %d before its last", walk->left);
			walk->left--;
			if (one->offset < walk->wanted)
				continue;
			walk->wanted = one->offset + 1;
			walk->borrowed |= walk->packed;
			return AB_RECORDS_ONE;
		}
		enum ab_records_step step = begin_batch(walk);
		if (step != AB_RECORDS_ONE)
			return step;
	}
}

struct ab_records_end ab_records_end(const uint8_t *at, size_t len, int64_t from)
{
	struct ab_wire batches = {at, at + len, false};
	struct ab_records_end end = {from, -1};
	const uint8_t *batch;

	while ((batch = whole_batch(&batches, &len)) != NULL && len >= HEADER_BYTES) {
		end.offset = batch_next(batch) > from ? batch_next(batch) : from;
		end.epoch = (int32_t)ab_wire_be32(batch + AT_EPOCH);
		batches.at += len;
	}
	return end;
}
