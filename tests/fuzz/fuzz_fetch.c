/* tests/fuzz/fuzz_fetch.c — any bytes as a broker's answer to a Fetch, or to the question what it can: no crash, and every
 * part lies within them.
 *
 * The first byte's lowest bit: whether topics are named by id.
 */
#include "io/fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ab_fetch_answer answer;
	struct ab_fetch_part part;
	int16_t error;
	bool by_id;

	if (size == 0)
		return 0;
	uint8_t *bytes = malloc(size);
	memcpy(bytes, data, size);
	size_t len = size - 1;
	ab_fetch_read_hello(bytes + 1, len, 0, &by_id);
	ab_fetch_begin(&answer, bytes + 1, len, 0, bytes[0] & 1, &error);
	while (ab_fetch_next(&answer, &part)) {
		AB_ASSERT(part.partition < AB_PARTITIONS_MAX);
		AB_ASSERT(part.records >= bytes + 1 && part.records + part.records_bytes <= bytes + size);
		AB_ASSERT(part.aborted >= bytes + 1 && part.aborted + part.aborted_bytes <= bytes + size);
	}
	free(bytes);
	return 0;
}
