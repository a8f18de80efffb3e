/* core/shape_base.c — the loops with what every x86-64-v2 processor has; see shape_kernel.h. */
#include "core/shape_kernel.h"

typedef uint8_t vector __attribute__((vector_size(16)));

struct block {
	vector part[4];
};

#if defined(__SSE2__)
#include <emmintrin.h>

/* One bit for each byte: its highest. */
static inline uint64_t bits(vector v)
{
	return (uint16_t)_mm_movemask_epi8((__m128i)v);
}
#else
static inline uint64_t bits(vector v)
{
	uint64_t mask = 0;

	for (int i = 0; i < 16; i++)
		mask |= (uint64_t)(v[i] >> 7) << i;
	return mask;
}
#endif

static inline uint64_t equal(const struct block *b, uint8_t c)
{
	return bits((vector)(b->part[0] == c)) | bits((vector)(b->part[1] == c)) << 16 |
	       bits((vector)(b->part[2] == c)) << 32 | bits((vector)(b->part[3] == c)) << 48;
}

/* All bytes so far: whether any was below a blank, and the bits that any had. */
struct seen {
	vector control, any;
};

static inline struct seen seen_nothing(void)
{
	return (struct seen){{0}, {0}};
}

static inline struct block load(const char *at)
{
	struct block b;

	memcpy(&b, at, sizeof b);
	return b;
}

/* The last bytes of a text, and blanks. */
static inline struct block load_last(const char *at, size_t len)
{
	struct block b;

	memset(&b, ' ', sizeof b);
	memcpy(&b, at, len);
	return b;
}

static inline void look(struct seen *seen, const struct block *b)
{
	for (int i = 0; i < 4; i++) {
		seen->control |= (vector)(b->part[i] < ' ');
		seen->any |= b->part[i];
	}
}

static inline bool seen_control(const struct seen *seen)
{
	return bits(seen->control) != 0;
}

static inline bool seen_non_ascii(const struct seen *seen)
{
	return bits(seen->any) != 0;
}

static inline void put_quotes(uint16_t *to, uint64_t quote, uint16_t base)
{
	for (; quote != 0; quote &= quote - 1)
		*to++ = (uint16_t)(base + __builtin_ctzll(quote));
}

#include "core/shape_plain.h"
#include "core/shape_loops.h"

const struct ab_shape_kernel ab_shape_kernel_base = {.scan = scan, .read = read};
