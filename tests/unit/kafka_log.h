/* tests/unit/kafka_log.h — record batches as a producer and a broker would make them, for tests of their readers. */
#pragma once

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "core/crc32c.h"
#include "io/unpack.h"

#define LOG_ROOM (512 * 1024)
#define LOG_MS INT64_C(1700000000000)

enum { LOG_TRANSACTIONAL = 0x10, LOG_CONTROL = 0x20, LOG_APPEND_TIME = 0x08 };

struct log {
	uint8_t at[LOG_ROOM];
	size_t len;
	size_t batch;			/* where the last one begins */
	int32_t records;
};

/* Big-endian; above eight bytes with zeros in front. */
static inline void log_put(struct log *log, uint64_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		log->at[log->len++] = i < 8 ? (uint8_t)(v >> (8 * i)) : 0;
}

static inline void log_set(struct log *log, size_t at, uint64_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		log->at[at++] = (uint8_t)(v >> (8 * i));
}

static inline void log_varint(struct log *log, int64_t v)
{
	uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);

	for (; z >= 0x80; z >>= 7)
		log->at[log->len++] = (uint8_t)(z | 0x80);
	log->at[log->len++] = (uint8_t)z;
}

static inline void log_begin(struct log *log, int64_t base, int attributes, int64_t producer)
{
	log->batch = log->len;
	log->records = 0;
	log_put(log, (uint64_t)base, 8);
	log_put(log, 0, 4);		/* length */
	log_put(log, 7, 4);		/* leader's epoch */
	log_put(log, 2, 1);
	log_put(log, 0, 4);		/* checksum */
	log_put(log, (uint64_t)attributes, 2);
	log_put(log, 0, 4);		/* last offset */
	log_put(log, (uint64_t)LOG_MS, 8);
	log_put(log, (uint64_t)LOG_MS + 99, 8);
	log_put(log, (uint64_t)producer, 8);
	log_put(log, 0, 2);
	log_put(log, 0, 4);
	log_put(log, 0, 4);		/* how many */
}

/* Of a compact array or text. */
static inline void log_count(struct log *log, size_t count)
{
	for (count++; count >= 0x80; count >>= 7)
		log_put(log, (count & 0x7f) | 0x80, 1);
	log_put(log, count, 1);
}

/* NULL: none. */
static inline void log_text(struct log *log, const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;

	log_varint(log, text != NULL ? (int64_t)len : -1);
	memcpy(log->at + log->len, text != NULL ? text : "", len);
	log->len += len;
}

static inline void log_add(struct log *log, int64_t delta, const char *key, const char *value)
{
	static _Thread_local struct log one;

	one.len = 0;
	log_put(&one, 0, 1);
	log_varint(&one, delta);	/* time */
	log_varint(&one, delta);
	log_text(&one, key);
	log_text(&one, value);
	log_varint(&one, 1);
	log_text(&one, "header");
	log_text(&one, NULL);
	log_varint(log, (int64_t)one.len);
	memcpy(log->at + log->len, one.at, one.len);
	log->len += one.len;
	log->records++;
	log_set(log, log->batch + 23, (uint64_t)delta, 4);
}

static inline void log_pack(struct log *log, enum ab_unpack_codec codec)
{
	static _Thread_local uint8_t packed[2 * LOG_ROOM];
	uint8_t *plain = log->at + log->batch + 61;
	size_t len = log->len - log->batch - 61, out = sizeof packed;
	z_stream z = {.next_in = plain, .avail_in = (uInt)len, .next_out = packed, .avail_out = sizeof packed};

	switch (codec) {
	case AB_UNPACK_NONE:
		return;
	case AB_UNPACK_GZIP:
		deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
		deflate(&z, Z_FINISH);
		out = z.total_out;
		deflateEnd(&z);
		break;
	case AB_UNPACK_SNAPPY:
		snappy_compress((const char *)plain, len, (char *)packed, &out);
		break;
	case AB_UNPACK_LZ4:
		out = LZ4F_compressFrame(packed, sizeof packed, plain, len, NULL);
		break;
	case AB_UNPACK_ZSTD:
		out = ZSTD_compress(packed, sizeof packed, plain, len, 3);
		break;
	}
	memcpy(plain, packed, out);
	log->len = log->batch + 61 + out;
	log->at[log->batch + 22] |= (uint8_t)codec;
}

static inline void log_seal(struct log *log)
{
	log_set(log, log->batch + 57, (uint64_t)log->records, 4);
	log_set(log, log->batch + 8, log->len - log->batch - 12, 4);
	log_set(log, log->batch + 17, ab_crc32c(log->at + log->batch + 21, log->len - log->batch - 21), 4);
}

/* The end of a transaction: 0 aborted, 1 committed. */
static inline void log_marker(struct log *log, int64_t offset, int64_t producer, int kind)
{
	static _Thread_local struct log key;

	log_begin(log, offset, LOG_TRANSACTIONAL | LOG_CONTROL, producer);
	key.len = 0;
	log_put(&key, 0, 1);
	log_varint(&key, 0);
	log_varint(&key, 0);
	log_varint(&key, 4);
	log_put(&key, 0, 2);
	log_put(&key, (uint64_t)kind, 2);
	log_varint(&key, -1);
	log_varint(&key, 0);
	log_varint(log, (int64_t)key.len);
	memcpy(log->at + log->len, key.at, key.len);
	log->len += key.len;
	log->records = 1;
	log_seal(log);
}

/* A batch of `count` records from `base` on, whose values are their offsets. */
static inline void log_batch(struct log *log, int64_t base, int count, int attributes, int64_t producer,
			     enum ab_unpack_codec codec)
{
	log_begin(log, base, attributes, producer);
	for (int i = 0; i < count; i++) {
		char value[32];
		snprintf(value, sizeof value, "%lld", (long long)base + i);
		log_add(log, i, "k", value);
	}
	log_pack(log, codec);
	log_seal(log);
}
