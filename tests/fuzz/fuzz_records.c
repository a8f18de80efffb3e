/* tests/fuzz/fuzz_records.c — any bytes as the record batches of an answer: no crash, offsets only rise, and nothing is
 * given out that lies elsewhere than in the answer or the unpacker.
 *
 * Checksums would keep a fuzzer out, so they are made right first. The first byte: how many of the next bytes say what was
 * aborted.
 */
#include "core/crc32c.h"
#include "io/records.h"

static void mend_checksums(uint8_t *at, size_t len)
{
	while (len >= 61) {
		size_t batch = (size_t)ab_wire_be32(at + 8) + 12;
		if (batch > len || batch < 61)
			return;
		uint32_t crc = htobe32(ab_crc32c(at + 21, batch - 21));
		memcpy(at + 17, &crc, sizeof crc);
		at += batch;
		len -= batch;
	}
}

static uint64_t sum;

/* Reads all of it, as a worker would. */
static void touch(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += at[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ab_unpack *unpack;
	static struct ab_records walk;
	struct ab_records_one one;
	int64_t last = 4;

	if (unpack == NULL)
		unpack = ab_unpack_create();
	if (size == 0 || (size_t)data[0] + 1 > size)
		return 0;
	size_t aborted = data[0], len = size - 1 - aborted;
	uint8_t *bytes = malloc(size); /* of its own size, for the sanitizer */
	memcpy(bytes, data, size);
	mend_checksums(bytes + 1 + aborted, len);
	ab_records_begin(&walk, bytes + 1 + aborted, len, last + 1, unpack);
	ab_records_aborted(&walk, bytes + 1, aborted, (int64_t)aborted / 17);
	for (;;) {
		enum ab_records_step step = ab_records_next(&walk, &one);
		if (step == AB_RECORDS_BUSY) {
			walk.borrowed = false;
			continue;
		}
		if (step == AB_RECORDS_BAD)
			AB_ASSERT(walk.bad_offset > last && walk.bad[0] != '\0');
		if (step != AB_RECORDS_ONE)
			break;
		AB_ASSERT(one.offset > last);
		last = one.offset;
		touch(one.key, one.key_len);
		touch(one.value, one.value_len);
	}
	AB_ASSERT(ab_records_end(bytes + 1 + aborted, len, 5).offset >= 5);
	free(bytes);
	return 0;
}
