/* core/shape_kernel.h — a shape in memory, and the two loops over it that exist once per instruction set.
 *
 * scan:  finds the unescaped quotes of a text, its backslashes, and whether it has control or non-ASCII characters.
 * match: compares every piece of every literal. A piece is up to 32 bytes at a fixed distance from a quote:
 *
 *     text + quote[at.quote] + at.offset ──▶ 32 bytes, xor piece.bytes, and piece.mask, or into the difference
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

struct ab_shape_place {
	uint16_t quote;		/* which one */
	int16_t offset;		/* bytes from it */
};

struct ab_shape_piece {
	_Alignas(AB_SHAPE_PIECE_BYTES) uint8_t bytes[AB_SHAPE_PIECE_BYTES];
	uint8_t mask[AB_SHAPE_PIECE_BYTES];
};

/* slot of a value that nobody asked for */
#define AB_SHAPE_NO_SLOT UINT8_MAX

struct ab_shape_value {
	struct ab_shape_place first, end;
	uint8_t slot;		/* which field: of the row, then of meta */
};

struct ab_shape {
	uint64_t used;			/* when it last matched; 0: free */
	int prefix;			/* index; -1: none */
	enum ab_json_shape shape;
	uint32_t quotes;
	uint32_t piece_count, string_count, scalar_count;
	uint32_t unescaped_count, absent_count;
	uint8_t absent[AB_SHAPE_VALUES_MAX];	/* fields that are not there */
	struct ab_shape_place tail_end;	/* where the last literal ends: there the text must end */
	/* strings that were asked for or whose escapes must be checked, and all scalars, since those must be checked */
	struct ab_shape_value string[AB_SHAPE_VALUES_MAX], scalar[AB_SHAPE_VALUES_MAX];
	/* stretches of neighbouring strings that were asked for: without a backslash no escape has to be checked */
	struct ab_shape_value unescaped[AB_SHAPE_VALUES_MAX];
	struct ab_shape_place at[AB_SHAPE_PIECES_MAX];
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
};

struct ab_shape_kernel {
	void (*scan)(const char *text, size_t len, struct ab_scan *scan);
	bool (*match)(const char *text, const struct ab_scan *scan, const struct ab_shape *shape);
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

enum ab_shape_learn_result { AB_SHAPE_LEARNED, AB_SHAPE_CANNOT };

/* Makes a shape of a text that ab_json_read() accepted and of its scan. CANNOT: some limit is exceeded, or the text has
 * something whose meaning depends on a value; *shape is then undefined. */
enum ab_shape_learn_result ab_shape_learn(struct ab_shape *shape, const char *text, size_t len,
					  const struct ab_scan *scan, const struct ab_json_fields *fields);
