/* core/crc32c.h — the checksum of records: of Kafka's batches, and of what a log is known again by.
 *
 * Threads: any; pure. Source: RFC 3720, appendix B.4.
 */
#pragma once

#include "core/base.h"

uint32_t ab_crc32c(const void *bytes, size_t len);
