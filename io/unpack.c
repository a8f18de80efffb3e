/* io/unpack.c — see unpack.h. */
#include "io/unpack.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

/* Java's snappy writes blocks, each with its length, behind a magic number and two versions. */
static const uint8_t XERIAL[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
#define XERIAL_HEADER_BYTES 16

struct ab_unpack {
	uint8_t *buffer;
	size_t room, used;
	z_stream gzip;
	LZ4F_dctx *lz4;
	ZSTD_DStream *zstd;
};

struct ab_unpack *ab_unpack_create(void)
{
	struct ab_unpack *unpack = calloc(1, sizeof *unpack);

	AB_ASSERT(unpack != NULL);
	return unpack;
}

void ab_unpack_destroy(struct ab_unpack *unpack)
{
	if (unpack->gzip.state != NULL)
		inflateEnd(&unpack->gzip);
	LZ4F_freeDecompressionContext(unpack->lz4);
	ZSTD_freeDStream(unpack->zstd);
	free(unpack->buffer);
	free(unpack);
}

const char *ab_unpack_name(enum ab_unpack_codec codec)
{
	static const char *const name[] = {"none", "gzip", "snappy", "lz4", "zstd"};

	return (size_t)codec < AB_COUNT(name) ? name[codec] : "a codec that is not known";
}

/* Room for at least `more` bytes behind what is used. */
static bool make_room(struct ab_unpack *unpack, size_t more, const char **why)
{
	size_t room = unpack->room > 0 ? unpack->room : AB_UNPACK_FIRST_BYTES;

	if (more <= unpack->room - unpack->used)
		return true;
	while (room - unpack->used < more && room < AB_UNPACK_MAX_BYTES)
		room *= 2;
	uint8_t *larger = room - unpack->used >= more ? realloc(unpack->buffer, room) : NULL;
	if (larger == NULL) {
		*why = "it unpacks to more than 256 MiB, or memory is short";
		return false;
	}
	unpack->buffer = larger;
	unpack->room = room;
	return true;
}

static bool unpack_gzip(struct ab_unpack *unpack, const struct ab_wire *bytes, const char **why)
{
	z_stream *z = &unpack->gzip;
	int result = z->state != NULL ? inflateReset(z) : inflateInit2(z, 16 + MAX_WBITS); /* 16: gzip's own header */

	AB_ASSERT(result == Z_OK);
	z->next_in = (uint8_t *)(uintptr_t)bytes->at;
	z->avail_in = (uInt)ab_wire_left(bytes);
	while (result != Z_STREAM_END) {
		if (!make_room(unpack, 1, why))
			return false;
		size_t room = unpack->room - unpack->used;
		z->next_out = unpack->buffer + unpack->used;
		z->avail_out = (uInt)room;
		result = inflate(z, Z_NO_FLUSH);
		unpack->used += room - z->avail_out;
		if (result != Z_OK && result != Z_STREAM_END) {
			*why = z->msg != NULL ? z->msg : "it ends too soon";
			return false;
		}
	}
	return true;
}

static bool unpack_snappy_block(struct ab_unpack *unpack, const uint8_t *at, size_t len, const char **why)
{
	size_t out = 0;

	if (snappy_uncompressed_length((const char *)at, len, &out) != SNAPPY_OK) {
		*why = "a block without its length";
		return false;
	}
	if (!make_room(unpack, out, why))
		return false;
	if (snappy_uncompress((const char *)at, len, (char *)unpack->buffer + unpack->used, &out) != SNAPPY_OK) {
		*why = "a damaged block";
		return false;
	}
	unpack->used += out;
	return true;
}

static bool unpack_snappy(struct ab_unpack *unpack, const struct ab_wire *bytes, const char **why)
{
	struct ab_wire in = *bytes;

	if (ab_wire_left(&in) < XERIAL_HEADER_BYTES || memcmp(in.at, XERIAL, sizeof XERIAL) != 0)
		return unpack_snappy_block(unpack, in.at, ab_wire_left(&in), why);
	ab_wire_skip(&in, XERIAL_HEADER_BYTES);
	while (ab_wire_left(&in) > 0) {
		size_t len = (uint32_t)ab_wire_i32(&in);
		const uint8_t *block = ab_wire_skip(&in, len);
		if (block == NULL) {
			*why = "it ends within a block";
			return false;
		}
		if (!unpack_snappy_block(unpack, block, len, why))
			return false;
	}
	return true;
}

static bool unpack_lz4(struct ab_unpack *unpack, const struct ab_wire *bytes, const char **why)
{
	struct ab_wire in = *bytes;
	size_t more = 1;

	if (unpack->lz4 == NULL)
		AB_ASSERT(!LZ4F_isError(LZ4F_createDecompressionContext(&unpack->lz4, LZ4F_VERSION)));
	LZ4F_resetDecompressionContext(unpack->lz4);
	while (more != 0) {
		if (!make_room(unpack, 1, why))
			return false;
		size_t read = ab_wire_left(&in), written = unpack->room - unpack->used;
		more = LZ4F_decompress(unpack->lz4, unpack->buffer + unpack->used, &written, in.at, &read, NULL);
		if (LZ4F_isError(more) || (read == 0 && written == 0)) {
			*why = LZ4F_isError(more) ? LZ4F_getErrorName(more) : "it ends too soon";
			return false;
		}
		ab_wire_skip(&in, read);
		unpack->used += written;
	}
	return true;
}

static bool unpack_zstd(struct ab_unpack *unpack, const struct ab_wire *bytes, const char **why)
{
	ZSTD_inBuffer in = {bytes->at, ab_wire_left(bytes), 0};
	size_t more = 1;

	if (unpack->zstd == NULL)
		AB_ASSERT((unpack->zstd = ZSTD_createDStream()) != NULL);
	ZSTD_initDStream(unpack->zstd);
	while (more != 0) {
		if (!make_room(unpack, 1, why))
			return false;
		ZSTD_outBuffer out = {unpack->buffer + unpack->used, unpack->room - unpack->used, 0};
		size_t before = in.pos;
		more = ZSTD_decompressStream(unpack->zstd, &out, &in);
		if (ZSTD_isError(more) || (in.pos == before && out.pos == 0)) {
			*why = ZSTD_isError(more) ? ZSTD_getErrorName(more) : "it ends too soon";
			return false;
		}
		unpack->used += out.pos;
	}
	return true;
}

bool ab_unpack(struct ab_unpack *unpack, enum ab_unpack_codec codec, struct ab_wire *bytes, const char **why)
{
	bool ok = false;

	unpack->used = 0;
	switch (codec) {
	case AB_UNPACK_GZIP: ok = unpack_gzip(unpack, bytes, why); break;
	case AB_UNPACK_SNAPPY: ok = unpack_snappy(unpack, bytes, why); break;
	case AB_UNPACK_LZ4: ok = unpack_lz4(unpack, bytes, why); break;
	case AB_UNPACK_ZSTD: ok = unpack_zstd(unpack, bytes, why); break;
	case AB_UNPACK_NONE:
	default: *why = "this version does not know it";
	}
	if (ok)
		*bytes = (struct ab_wire){unpack->buffer, unpack->buffer + unpack->used, false};
	return ok;
}
