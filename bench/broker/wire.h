/* bench/broker/wire.h — reading and writing Kafka's encodings: the oldest, big-endian numbers and texts behind a 16-bit
 * length; and, where a message is `flexible`, lengths as variable numbers, and tags (KIP-482).
 *
 * Whatever does not fit ends the program: it is a bench's, and a broker that guesses measures nothing.
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
	uint8_t *at, *end;
};

struct reader {
	const uint8_t *at, *end;
};

static inline void die(const char *what, const char *why)
{
	fprintf(stderr, "stub_broker: %s: %s\n", what, why);
	exit(1);
}

static inline void put(struct writer *w, const void *bytes, size_t len)
{
	if ((size_t)(w->end - w->at) < len)
		die("answer", "too large");
	memcpy(w->at, bytes, len);
	w->at += len;
}

static inline void put_i16(struct writer *w, int16_t v)
{
	uint16_t be = htobe16((uint16_t)v);
	put(w, &be, 2);
}

static inline void put_i32(struct writer *w, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);
	put(w, &be, 4);
}

static inline void put_i64(struct writer *w, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);
	put(w, &be, 8);
}

static inline void put_string(struct writer *w, const char *text)
{
	put_i16(w, (int16_t)strlen(text));
	put(w, text, strlen(text));
}

static inline uint64_t take(struct reader *r, int bytes)
{
	uint64_t v = 0;

	if (r->end - r->at < bytes)
		die("request", "shorter than it says");
	for (int i = 0; i < bytes; i++)
		v = v << 8 | *r->at++;
	return v;
}

static inline int32_t take_i32(struct reader *r)
{
	return (int32_t)take(r, 4);
}

/* Null reads as "". */
static inline void take_string(struct reader *r, char *to, size_t room)
{
	int16_t len = (int16_t)take(r, 2);
	size_t n = len > 0 ? (size_t)len : 0;

	if ((size_t)(r->end - r->at) < n)
		die("request", "a text longer than it");
	snprintf(to, room, "%.*s", (int)n, (const char *)r->at);
	r->at += n;
}

/* Of an array, or of bytes. */
static inline void put_count(struct writer *w, int32_t count, int flexible)
{
	if (!flexible) {
		put_i32(w, count);
		return;
	}
	uint32_t v = (uint32_t)count + 1;
	for (; v >= 0x80; v >>= 7)
		put(w, &(uint8_t){(uint8_t)(v | 0x80)}, 1);
	put(w, &(uint8_t){(uint8_t)v}, 1);
}

static inline uint32_t take_variable(struct reader *r)
{
	uint32_t v = 0;

	for (int shift = 0;; shift += 7) {
		uint8_t byte = (uint8_t)take(r, 1);
		if (shift > 28)
			die("request", "a number that is too long");
		v |= (uint32_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
}

static inline int32_t take_count(struct reader *r, int flexible)
{
	return flexible ? (int32_t)take_variable(r) - 1 : take_i32(r);
}

static inline void put_name(struct writer *w, const char *name, int flexible)
{
	if (!flexible) {
		put_string(w, name);
		return;
	}
	put_count(w, (int32_t)strlen(name), 1);
	put(w, name, strlen(name));
}

static inline void take_name(struct reader *r, char *to, size_t room, int flexible)
{
	if (!flexible) {
		take_string(r, to, room);
		return;
	}
	int32_t len = take_count(r, 1);
	if (len < 0 || r->end - r->at < len)
		die("request", "a text longer than it");
	snprintf(to, room, "%.*s", (int)len, (const char *)r->at);
	r->at += len;
}

static inline void put_tags(struct writer *w, int flexible)
{
	if (flexible)
		put(w, "", 1);
}

static inline void take_tags(struct reader *r, int flexible)
{
	uint32_t count = flexible ? take_variable(r) : 0;

	for (; count > 0; count--) {
		take_variable(r);
		for (uint32_t len = take_variable(r); len > 0; len--)
			take(r, 1);
	}
}
