/* io/wire.h — Kafka's encodings: big-endian numbers, variable-length ones, texts and arrays behind a length plus one.
 *
 * A reader that would read past its end stays there, gives 0, and has `failed`: so a whole message is read, and then it
 * is looked at once. A writer is given room enough by its caller; less is a mistake of the program.
 *
 * Threads: any; plain functions of their arguments.
 * Source:  https://kafka.apache.org/protocol (primitive types; KIP-482 for compact ones and tagged fields).
 */
#pragma once

#include <endian.h>
#include <stdbool.h>

#include "core/base.h"

struct ab_wire {
	const uint8_t *at, *end;
	bool failed;
};

static inline size_t ab_wire_left(const struct ab_wire *wire)
{
	return (size_t)(wire->end - wire->at);
}

/* The next len bytes, or NULL. */
static inline const uint8_t *ab_wire_skip(struct ab_wire *wire, size_t len)
{
	const uint8_t *at = wire->at;

	if (AB_UNLIKELY(ab_wire_left(wire) < len)) {
		wire->failed = true;
		wire->at = wire->end;
		return NULL;
	}
	wire->at += len;
	return at;
}

static inline uint16_t ab_wire_be16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof v);
	return be16toh(v);
}

static inline uint32_t ab_wire_be32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return be32toh(v);
}

static inline uint64_t ab_wire_be64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return be64toh(v);
}

static inline int16_t ab_wire_i16(struct ab_wire *wire)
{
	const uint8_t *at = ab_wire_skip(wire, 2);

	return at != NULL ? (int16_t)ab_wire_be16(at) : 0;
}

static inline int32_t ab_wire_i32(struct ab_wire *wire)
{
	const uint8_t *at = ab_wire_skip(wire, 4);

	return at != NULL ? (int32_t)ab_wire_be32(at) : 0;
}

static inline int64_t ab_wire_i64(struct ab_wire *wire)
{
	const uint8_t *at = ab_wire_skip(wire, 8);

	return at != NULL ? (int64_t)ab_wire_be64(at) : 0;
}

/* Seven bits a byte, the lowest first; ten bytes at most. */
static inline uint64_t ab_wire_unsigned(struct ab_wire *wire)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
		uint8_t byte = *wire->at++;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (AB_LIKELY((byte & 0x80) == 0))
			return v;
	}
	wire->failed = true;
	wire->at = wire->end;
	return 0;
}

/* Zigzag: 0, -1, 1, -2, … */
static inline int64_t ab_wire_signed(struct ab_wire *wire)
{
	uint64_t v = ab_wire_unsigned(wire);

	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Elements of a compact array; -1: null. None can be smaller than a byte, so more than there are bytes is a lie. */
static inline int64_t ab_wire_count(struct ab_wire *wire)
{
	uint64_t v = ab_wire_unsigned(wire);

	if (v > ab_wire_left(wire) + 1) {
		wire->failed = true;
		wire->at = wire->end;
		return 0;
	}
	return (int64_t)v - 1;
}

static inline void ab_wire_skip_tags(struct ab_wire *wire)
{
	for (uint64_t n = ab_wire_unsigned(wire); n > 0 && !wire->failed; n--) {
		ab_wire_unsigned(wire);
		ab_wire_skip(wire, ab_wire_unsigned(wire));
	}
}

struct ab_wire_out {
	uint8_t *at, *end;
};

static inline void ab_wire_put(struct ab_wire_out *out, const void *bytes, size_t len)
{
	AB_ASSERT((size_t)(out->end - out->at) >= len);
	memcpy(out->at, bytes, len);
	out->at += len;
}

static inline void ab_wire_put_i8(struct ab_wire_out *out, int8_t v)
{
	ab_wire_put(out, &v, sizeof v);
}

static inline void ab_wire_put_i16(struct ab_wire_out *out, int16_t v)
{
	uint16_t be = htobe16((uint16_t)v);

	ab_wire_put(out, &be, sizeof be);
}

static inline void ab_wire_put_i32(struct ab_wire_out *out, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	ab_wire_put(out, &be, sizeof be);
}

static inline void ab_wire_put_i64(struct ab_wire_out *out, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);

	ab_wire_put(out, &be, sizeof be);
}

static inline void ab_wire_put_unsigned(struct ab_wire_out *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		ab_wire_put_i8(out, (int8_t)(uint8_t)(v | 0x80));
	ab_wire_put_i8(out, (int8_t)v);
}

/* Of a compact array or text: its length plus one. */
static inline void ab_wire_put_count(struct ab_wire_out *out, size_t count)
{
	ab_wire_put_unsigned(out, count + 1);
}

static inline void ab_wire_put_tags(struct ab_wire_out *out)
{
	ab_wire_put_unsigned(out, 0);
}
