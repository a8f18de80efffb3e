/* tests/unit/test_crc32c.c — the checksum against the RFC's examples and against one bit at a time. */
#include "core/crc32c.h"

#include <criterion/criterion.h>

uint32_t __wrap_rd_crc32c(uint32_t crc, const void *bytes, size_t len);

static uint32_t bit_by_bit(const uint8_t *at, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
	}
	return ~crc;
}

static void fill(uint8_t *bytes, size_t len)
{
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(x >> 24);
	}
}

Test(crc32c, is_that_of_rfc_3720)
{
	uint8_t zeros[32] = {0};

	cr_assert_eq(ab_crc32c(zeros, sizeof zeros), 0x8a9136aau);
	cr_assert_eq(ab_crc32c("123456789", 9), 0xe3069283u);
}

Test(crc32c, is_right_for_every_length_and_place)
{
	uint8_t bytes[2048];

	fill(bytes, sizeof bytes);
	for (size_t len = 0; len <= 1024; len++) {
		size_t at = len % 67;
		cr_assert_eq(ab_crc32c(bytes + at, len), bit_by_bit(bytes + at, len), "%zu bytes at %zu", len, at);
	}
}

Test(crc32c, goes_on_where_the_last_piece_ended)
{
	uint8_t bytes[1500];

	fill(bytes, sizeof bytes);
	for (size_t cut = 0; cut <= sizeof bytes; cut += 7) {
		uint32_t crc = __wrap_rd_crc32c(__wrap_rd_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut);
		cr_assert_eq(crc, bit_by_bit(bytes, sizeof bytes), "cut at %zu", cut);
	}
}
