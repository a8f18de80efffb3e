/* core/crc32c.c — see crc32c.h. The work is ISA-L's.
 *
 * librdkafka computes the checksum of all it fetches (check.crcs) by the processor's crc32 instruction, which is a tenth of
 * what the whole engine costs; ISA-L folds by carry-less multiplication and takes less than half of that (PERFORMANCE.md
 * row P-8). So the linker puts the function below in the place of librdkafka's (--wrap, see CMakeLists.txt). A librdkafka
 * that is a shared library keeps its own.
 */
#include "core/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

/* crc: of what came before, 0 at first. */
uint32_t __wrap_rd_crc32c(uint32_t crc, const void *bytes, size_t len);

uint32_t __wrap_rd_crc32c(uint32_t crc, const void *bytes, size_t len)
{
	AB_ASSERT(len <= INT_MAX); /* Kafka's lengths are that at most */
	/* It takes its bytes without const, and only reads them. */
	return ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)len, ~crc);
}

uint32_t ab_crc32c(const void *bytes, size_t len)
{
	return __wrap_rd_crc32c(0, bytes, len);
}
