/* core/shape_kernel.h — a shape in memory, and the loops over it that exist once per instruction set.
 *
 * scan:  finds the unescaped quotes of a text, its backslashes, and whether it has control or non-ASCII characters.
 * read:  finds all places of a shape at once, compares every piece of every literal, and takes the values.
 *
 * A place is a fixed distance from a quote. A piece is up to 32 bytes of a literal:
 *
 *     place = quote[its number] + distance         text + place ──▶ 32 bytes, those under the mask equal to the piece's
 *
 * The distance is less than 32, so no more than 63 bytes behind the text are read. A piece's quote lies in the same
 * literal, in bytes that an earlier piece has compared, so equal pieces make an equal literal.
 *
 * core/shape_{base,avx2,avx512}.c include core/shape_loops.h, which is compiled for each of them. See shape.h.
 */
#pragma once

#include <stdbool.h>

#include "core/shape.h"

#define AB_SHAPE_PIECE_BYTES 32

/* Places of values: where the text ends, then where each string and scalar begins and ends. */
#define AB_SHAPE_VALUE_PLACES_MAX (1 + 4 * AB_SHAPE_VALUES_MAX)
#define AB_SHAPE_END_PLACE 0

/* Places are found a vector at a time. */
#define AB_SHAPE_PLACES_ROUND 32
#define AB_SHAPE_PLACES_ROOM(max) (((max) + AB_SHAPE_PLACES_ROUND - 1) / AB_SHAPE_PLACES_ROUND * AB_SHAPE_PLACES_ROUND)

struct ab_shape_piece {
	_Alignas(AB_SHAPE_PIECE_BYTES) uint8_t bytes[AB_SHAPE_PIECE_BYTES];
	uint8_t mask[AB_SHAPE_PIECE_BYTES];
};

/* A field is told by its bytes from fields->row, wherever it lies: no branch between row and meta. A value that nobody
 * asked for has none. */
#define AB_SHAPE_NO_FIELD PTRDIFF_MIN

struct ab_shape_value {
	uint16_t first, end;	/* which places of values */
	ptrdiff_t field;
};

struct ab_shape {
	uint64_t used;			/* when it last matched; 0: free */
	int prefix;			/* index; -1: none */
	enum ab_json_shape shape;
	uint32_t quotes;
	uint32_t piece_count, place_count, string_count, scalar_count;
	uint32_t unescaped_count, absent_count;
	ptrdiff_t absent[AB_SHAPE_VALUES_MAX];	/* fields that are not there */
	/* Where piece i lies, and value place i: the number of a quote, and the bytes from it. */
	uint16_t piece_quote[AB_SHAPE_PLACES_ROOM(AB_SHAPE_PIECES_MAX)];
	int16_t piece_offset[AB_SHAPE_PLACES_ROOM(AB_SHAPE_PIECES_MAX)];
	uint16_t place_quote[AB_SHAPE_PLACES_ROOM(AB_SHAPE_VALUE_PLACES_MAX)];
	int16_t place_offset[AB_SHAPE_PLACES_ROOM(AB_SHAPE_VALUE_PLACES_MAX)];
	/* strings that were asked for or whose escapes must be checked, and all scalars, since those must be checked */
	struct ab_shape_value string[AB_SHAPE_VALUES_MAX], scalar[AB_SHAPE_VALUES_MAX];
	/* stretches of neighbouring strings that were asked for: without a backslash no escape has to be checked */
	struct ab_shape_value unescaped[AB_SHAPE_VALUES_MAX];
	uint32_t piece_bits[AB_SHAPE_PIECES_MAX];	/* the mask, a bit a byte */
	struct ab_shape_piece piece[AB_SHAPE_PIECES_MAX];
};

struct ab_scan {
	uint32_t quotes;
	bool control, non_ascii;
	/* Bit i of word i / 64: byte i is a backslash. One word more is zero. */
	uint64_t backslash[AB_SHAPE_TEXT_MAX_BYTES / 64 + 2];
	/* quote[quotes] is the text's length; a block of 64 may be written beyond the last. Every byte may be one: only as
	 * much of it is touched as there are quotes. */
	uint16_t quote[AB_SHAPE_TEXT_MAX_BYTES + 2 * 64];
	/* Where the places of the shape that was last tried lie in this text. */
	uint16_t piece_at[AB_SHAPE_PLACES_ROOM(AB_SHAPE_PIECES_MAX)];
	uint16_t value_at[AB_SHAPE_PLACES_ROOM(AB_SHAPE_VALUE_PLACES_MAX)];
};

struct ab_shape_kernel {
	void (*scan)(const char *text, size_t len, struct ab_scan *scan);
	/* false: the text does not have this shape; fields are undefined then. */
	bool (*read)(const char *text, struct ab_scan *scan, const struct ab_shape *shape, struct ab_json_fields *fields);
};

extern const struct ab_shape_kernel ab_shape_kernel_base, ab_shape_kernel_avx2, ab_shape_kernel_avx512;

struct ab_shape_prefix {
	uint64_t used;		/* when it last matched; 0: free */
	uint32_t len;
	char bytes[AB_SHAPE_PREFIX_MAX_BYTES];
};

struct ab_shapes {
	const struct ab_shape_kernel *kernel;	/* NULL: switched off */
	uint64_t clock;				/* messages matched or learned: for what was used last */
	uint32_t credit;			/* messages that may still be learned from, see shape.c */
	int last, last_prefix;			/* what matched last: likely to match next */
	struct ab_shape_counts counts;
	struct ab_scan scan;
	struct ab_shape_prefix prefix[AB_SHAPE_PREFIXES_MAX];
	struct ab_shape shape[AB_SHAPES_MAX];
};

/* What seldom has to be looked at, and is not worth being there three times: whether a token that is neither null nor a
 * natural number is JSON's, and whether the strings that matter hold good escapes. */
bool ab_shape_scalar_valid(struct ab_text token);
bool ab_shape_escapes_valid(const char *text, const struct ab_scan *scan, const struct ab_shape *shape);

enum ab_shape_learn_result { AB_SHAPE_LEARNED, AB_SHAPE_CANNOT };

/* Makes a shape of a text that ab_json_read() accepted and of its scan. CANNOT: some limit is exceeded, or the text has
 * something whose meaning depends on a value; *shape is then undefined. */
enum ab_shape_learn_result ab_shape_learn(struct ab_shape *shape, const char *text, size_t len,
					  const struct ab_scan *scan, const struct ab_json_fields *fields);
