/* core/shape.h — messages of a topic look alike, so what they have in common is compared and not parsed.
 *
 *     {"schema":{…},"payload":  {"id":  10  ,"user_id":"  9999…  ","event_type":"  play  ","duration_ms":  null  }}
 *     └──────── prefix ───────┘ └─lit─┘    └───literal──┘        └─────literal────┘      └────literal────┘      └┘tail
 *                                      value                value                  value                   value
 *
 * A shape is learned from a message that simdjson accepted: its literals (everything between the values), whether each
 * value is a string or not, and which values are asked for. A message has the shape when every byte that is not a
 * value is the same. One pass finds the unescaped quotes; since a literal's quotes have known numbers, the k-th quote
 * gives every literal and value its place at once, and all comparisons are independent of each other:
 *
 *     quotes   0  1        2       3  4 5          6 …         literal 1 begins one byte before quote 2,
 *             {"id":10,"user_id":"9999…","event_type":"play"   value 1 lies between quotes 4 and 5
 *
 * What is not a value is equal to what simdjson accepted, byte for byte. What is a value is checked here: strings hold
 * no control characters and are UTF-8, escapes are checked where ab_json_read() checks them, anything else is a
 * number, true, false or null to the letter. So a message is read here exactly when simdjson would read the same
 * tokens from it. Whatever does not match is not judged, but left to simdjson; no message is ever refused here.
 *
 * Threads: one ab_shapes per decoder.
 * Memory:  taken at creation; AB_SHAPES_MAX shapes and AB_SHAPE_PREFIXES_MAX prefixes, the longest unused is replaced.
 * Limits:  below. A message that exceeds one of them is left to simdjson.
 */
#pragma once

#include "core/json.h"
#include "core/stats.h"

/* Inserts, updates, deletes, with and without the columns that may be null: more than eight kinds at a time are rare. */
#define AB_SHAPES_MAX 8

/* A schema changes with the table, and two versions are under way for a while. */
#define AB_SHAPE_PREFIXES_MAX 4

/* Debezium's schema of an envelope with eight columns has 3,100 bytes. */
#define AB_SHAPE_PREFIX_MAX_BYTES (8 * 1024)

/* A message without its prefix; its quotes; the pieces of its literals; its values. An envelope has 100 quotes. */
#define AB_SHAPE_TEXT_MAX_BYTES (16 * 1024)
#define AB_SHAPE_QUOTES_MAX 512
#define AB_SHAPE_PIECES_MAX 128
#define AB_SHAPE_VALUES_MAX 64

struct ab_shapes;

/* Counted for people; the decoder's thread writes. */
struct ab_shape_counts {
	ab_count matched;	/* messages read by a shape */
	ab_count missed;	/* messages left to simdjson */
	ab_count learned;	/* shapes, a replaced one counts again; a change of the table makes one */
};

/* NULL: there is no memory. */
struct ab_shapes *ab_shapes_create(void);
void ab_shapes_destroy(struct ab_shapes *shapes);
size_t ab_shapes_bytes(void);

enum ab_shape_result {
	AB_SHAPE_READ,		/* all tokens are set, as ab_json_read() would have set them */
	AB_SHAPE_UNKNOWN,	/* tokens are undefined: ask ab_json_read() */
};

/* The bytes must be followed by AB_JSON_PADDING_BYTES readable ones. fields->row and fields->meta are of one object, and
 * lie in it alike in every call with these shapes. */
enum ab_shape_result ab_shapes_read(struct ab_shapes *shapes, const char *bytes, size_t len,
				    struct ab_json_fields *fields);

/* Learns from a message that ab_shapes_read() did not know and ab_json_read() accepted: fields are as that left them. */
void ab_shapes_learn(struct ab_shapes *shapes, const char *bytes, size_t len, const struct ab_json_fields *fields);

const struct ab_shape_counts *ab_shapes_counts(const struct ab_shapes *shapes);
