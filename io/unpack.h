/* io/unpack.h — what producers compressed: gzip, snappy, lz4, zstd, by their own libraries.
 *
 * Threads: one unpacker belongs to one thread.
 * Memory:  one buffer, which grows to the largest batch there was, AB_UNPACK_MAX_BYTES at most.
 * Source:  https://kafka.apache.org/documentation/#recordbatch for the codecs' numbers; snappy as Java's library frames it.
 */
#pragma once

#include "io/wire.h"

/* The first buffer, and the last. A batch has message.max.bytes (1 MiB) at most, and text shrinks to a tenth or so;
 * above the last it is somebody's bomb. */
#define AB_UNPACK_FIRST_BYTES (1024 * 1024)
#define AB_UNPACK_MAX_BYTES (256 * 1024 * 1024)

enum ab_unpack_codec {
	AB_UNPACK_NONE,
	AB_UNPACK_GZIP,
	AB_UNPACK_SNAPPY,
	AB_UNPACK_LZ4,
	AB_UNPACK_ZSTD,
};

struct ab_unpack;

struct ab_unpack *ab_unpack_create(void);
void ab_unpack_destroy(struct ab_unpack *unpack);

/* Replaces *bytes by what it holds, in the unpacker's buffer. false:
 * *why says why not. */
bool ab_unpack(struct ab_unpack *unpack, enum ab_unpack_codec codec, struct ab_wire *bytes, const char **why);
const char *ab_unpack_name(enum ab_unpack_codec codec);
