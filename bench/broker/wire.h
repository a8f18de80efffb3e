/* bench/broker/wire.h — reading and writing Kafka's oldest encoding: big-endian numbers, texts behind a 16-bit length.
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
