/* core/shape_learn.c — from one accepted message to its shape. See shape.h for what a shape is.
 *
 * Some keys decide by their value how a message is read (an object is entered, anything else is not; see
 * core/json_simdjson.cpp). A scalar behind such a key becomes part of the literal; anything else cannot be learned.
 */
#include <string.h>

#include "core/shape_kernel.h"

struct learner {
	const char *text;
	size_t len;
	const struct ab_scan *scan;
	const struct ab_json_fields *fields;
	struct ab_shape *shape;
	size_t at;
	uint32_t quote;			/* the next one */
	size_t literal;			/* where the literal under way began, */
	uint32_t literal_quote;		/* and its first quote, if it has one yet */
	int depth;			/* objects and arrays that are open */
	struct ab_text key;		/* the last one */
	struct ab_text special;		/* the key before `at`, if it is one that decides */
	bool stretch;			/* a stretch of asked strings is open */
	size_t matched;			/* fields that were found again */
};

static size_t quote_at(const struct learner *l, uint32_t number)
{
	return l->scan->quote[number];
}

/* Notes a place of a value, `at`, as a distance from a quote; returns its number. There is room: values are bounded. */
static uint16_t place(struct learner *l, uint32_t quote, size_t at)
{
	uint32_t number = l->shape->place_count++;

	AB_ASSERT(number < AB_SHAPE_VALUE_PLACES_MAX);
	l->shape->place_quote[number] = (uint16_t)quote;
	l->shape->place_offset[number] = (int16_t)((ptrdiff_t)at - (ptrdiff_t)quote_at(l, quote));
	return (uint16_t)number;
}

/* The quote that a piece at `at` is measured from: the last of the literal's that is not behind it, or its first. A
 * tail without one is measured from the end of the text, which stands behind the last quote. */
static uint32_t anchor(const struct learner *l, size_t at)
{
	uint32_t quote = l->literal_quote;

	while (quote + 1 < l->quote && quote_at(l, quote + 1) <= at)
		quote++;
	return quote;
}

/* Cuts the literal that ends before `end` into pieces. */
static enum ab_shape_learn_result close_literal(struct learner *l, size_t end)
{
	struct ab_shape *shape = l->shape;

	for (size_t at = l->literal; at < end; at += AB_SHAPE_PIECE_BYTES) {
		uint32_t quote = anchor(l, at);
		ptrdiff_t offset = (ptrdiff_t)at - (ptrdiff_t)quote_at(l, quote);
		size_t len = ab_min_u64(end - at, AB_SHAPE_PIECE_BYTES);
		/* No piece may begin far behind a text's end, or before it: in any text quote k lies at k or later. The
		 * first piece is looked for at the beginning alone. */
		bool near = offset < AB_SHAPE_PIECE_BYTES && offset > -AB_SHAPE_PIECE_BYTES;
		if (!near || (at > 0 && -offset > (ptrdiff_t)quote) || shape->piece_count == AB_SHAPE_PIECES_MAX)
			return AB_SHAPE_CANNOT;
		uint32_t number = shape->piece_count++;
		struct ab_shape_piece *piece = &shape->piece[number];
		memset(piece, 0, sizeof *piece);
		memcpy(piece->bytes, l->text + at, len);
		memset(piece->mask, 0xff, len);
		shape->piece_bits[number] = (uint32_t)((UINT64_C(1) << len) - 1);
		shape->piece_quote[number] = (uint16_t)quote;
		shape->piece_offset[number] = (int16_t)offset;
	}
	return AB_SHAPE_LEARNED;
}

static ptrdiff_t field_number(const struct ab_json_fields *f, size_t i)
{
	const struct ab_json_field *field = i < f->row_count ? &f->row[i] : &f->meta[i - f->row_count];

	return (const char *)field - (const char *)f->row;
}

/* The field whose value begins here. */
static ptrdiff_t field_of(struct learner *l, const char *value)
{
	const struct ab_json_fields *f = l->fields;

	for (size_t i = 0; i < f->row_count + f->meta_count; i++) {
		const struct ab_json_field *field = i < f->row_count ? &f->row[i] : &f->meta[i - f->row_count];
		if (field->place == value) {
			l->matched++;
			return field_number(f, i);
		}
	}
	return AB_SHAPE_NO_FIELD;
}

/* A string of a column's name that is nobody's value: in the `before` of an update. ab_json_read() looks at its escapes,
 * since it cannot know yet that there is an `after`. */
static bool is_passed_over(const struct learner *l)
{
	const struct ab_json_fields *f = l->fields;

	for (size_t i = 0; i < f->row_count && l->key.at != NULL; i++)
		if (f->row[i].name_len == l->key.len && memcmp(f->row[i].name, l->key.at, l->key.len) == 0)
			return true;
	return false;
}

static bool has_backslash(const char *from, const char *to)
{
	return memchr(from, '\\', (size_t)(to - from)) != NULL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Keys by which ab_json_read() finds its way: in the object that the text is, and beside it. */
static bool decides(const struct learner *l, struct ab_text key)
{
	static const char *const keys[] = {"schema", "payload", "before", "after", "source"};

	for (size_t i = 0; i < AB_COUNT(keys) && l->depth <= 1; i++)
		if (key.len == strlen(keys[i]) && memcmp(key.at, keys[i], key.len) == 0)
			return true;
	return false;
}

static void add_stretch(struct learner *l, const struct ab_shape_value *value)
{
	struct ab_shape *shape = l->shape;

	if (l->stretch)
		shape->unescaped[shape->unescaped_count - 1].end = value->end;
	else
		shape->unescaped[shape->unescaped_count++] = *value;
	l->stretch = true;
}

/* A string that is a value: its quotes belong to the literals beside it. */
static enum ab_shape_learn_result learn_string(struct learner *l)
{
	struct ab_shape *shape = l->shape;
	size_t last = quote_at(l, l->quote + 1);
	ptrdiff_t field = field_of(l, l->text + l->at);

	if (l->special.at != NULL || shape->string_count == AB_SHAPE_VALUES_MAX)
		return AB_SHAPE_CANNOT;
	l->quote++;
	if (close_literal(l, l->at + 1) != AB_SHAPE_LEARNED)
		return AB_SHAPE_CANNOT;
	if (field != AB_SHAPE_NO_FIELD || is_passed_over(l)) {
		struct ab_shape_value value = {
		    .first = place(l, l->quote - 1, l->at), .end = place(l, l->quote, last + 1), .field = field};
		shape->string[shape->string_count++] = value;
		add_stretch(l, &value);
	} else if (has_backslash(l->text + l->at, l->text + last)) {
		l->stretch = false;
	}
	l->literal = last;
	l->literal_quote = l->quote;
	l->quote++;
	l->at = last + 1;
	return AB_SHAPE_LEARNED;
}

static enum ab_shape_learn_result learn_text(struct learner *l)
{
	if (l->quote + 1 >= l->scan->quotes)
		return AB_SHAPE_CANNOT;
	size_t last = quote_at(l, l->quote + 1), next = last + 1;
	while (next < l->len && is_space(l->text[next]))
		next++;
	if (next == l->len || l->text[next] != ':')
		return learn_string(l);
	const struct ab_text key = {l->text + l->at + 1, (uint32_t)(last - l->at - 1)};
	if (has_backslash(key.at, key.at + key.len))
		return AB_SHAPE_CANNOT;
	l->key = key;
	l->special = decides(l, key) ? key : (struct ab_text){NULL, 0};
	l->quote += 2;
	l->at = next + 1;
	return AB_SHAPE_LEARNED;
}

static enum ab_shape_learn_result learn_scalar(struct learner *l)
{
	struct ab_shape *shape = l->shape;
	size_t end = l->at;

	while (end < l->len && !is_space(l->text[end]) && strchr(",]}", l->text[end]) == NULL)
		end++;
	if (l->special.at != NULL) {	/* stays in the literal */
		l->special.at = NULL;
		l->at = end;
		return AB_SHAPE_LEARNED;
	}
	if (l->quote == l->literal_quote || shape->scalar_count == AB_SHAPE_VALUES_MAX)
		return AB_SHAPE_CANNOT;	/* nothing in the literal to measure from, as between the numbers of an array */
	shape->scalar[shape->scalar_count++] = (struct ab_shape_value){
	    .first = place(l, l->quote - 1, l->at),
	    .end = place(l, l->quote, end),
	    .field = field_of(l, l->text + l->at),
	};
	if (close_literal(l, l->at) != AB_SHAPE_LEARNED)
		return AB_SHAPE_CANNOT;
	l->literal = end;
	l->literal_quote = l->quote;
	l->at = end;
	return AB_SHAPE_LEARNED;
}

static enum ab_shape_learn_result learn_one(struct learner *l)
{
	switch (l->text[l->at]) {
	case '"':
		return learn_text(l);
	case '{':
	case '[':
		/* The wrapper's keys are behind us: here they could only be columns, or meant to mislead. */
		if (l->special.at != NULL && (l->special.at[0] == 'p' || memcmp(l->special.at, "schema", 6) == 0))
			return AB_SHAPE_CANNOT;
		l->special.at = NULL;
		l->depth++;
		l->at++;
		return AB_SHAPE_LEARNED;
	case '}':
	case ']':
		l->depth--;
		l->at++;
		return AB_SHAPE_LEARNED;
	case ',':
	case ':':
	case ' ':
		l->at++;
		return AB_SHAPE_LEARNED;
	default:
		return learn_scalar(l);
	}
}

/* The last literal ends where the text does. */
static enum ab_shape_learn_result learn_tail(struct learner *l)
{
	uint32_t quote = l->quote > l->literal_quote ? l->quote - 1 : l->quote;

	l->shape->place_quote[AB_SHAPE_END_PLACE] = (uint16_t)quote;
	l->shape->place_offset[AB_SHAPE_END_PLACE] = (int16_t)((ptrdiff_t)l->len - (ptrdiff_t)quote_at(l, quote));
	return close_literal(l, l->len);
}

/* Notes the fields that are not there; returns how many are. */
static size_t note_absent(const struct ab_json_fields *f, struct ab_shape *shape)
{
	size_t count = f->row_count + f->meta_count;

	AB_ASSERT(count <= AB_SHAPE_VALUES_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct ab_json_field *field = i < f->row_count ? &f->row[i] : &f->meta[i - f->row_count];
		if (field->place == NULL)
			shape->absent[shape->absent_count++] = field_number(f, i);
	}
	return count - shape->absent_count;
}

enum ab_shape_learn_result ab_shape_learn(struct ab_shape *shape, const char *text, size_t len,
					  const struct ab_scan *scan, const struct ab_json_fields *fields)
{
	struct learner l = {.text = text, .len = len, .scan = scan, .fields = fields, .shape = shape};

	if (len < 2 || text[0] != '{' || scan->control || scan->quotes == 0 || scan->quotes > AB_SHAPE_QUOTES_MAX)
		return AB_SHAPE_CANNOT;
	memset(shape, 0, offsetof(struct ab_shape, string));
	shape->place_count = AB_SHAPE_END_PLACE + 1;
	shape->quotes = scan->quotes;
	shape->shape = fields->shape;
	while (l.at < len)
		if (learn_one(&l) != AB_SHAPE_LEARNED)
			return AB_SHAPE_CANNOT;
	if (learn_tail(&l) != AB_SHAPE_LEARNED)
		return AB_SHAPE_CANNOT;
	/* A field whose value is an object or an array, or stayed in a literal, is none that can be read again. */
	bool all = l.matched == note_absent(fields, shape) && l.quote == scan->quotes;
	return all ? AB_SHAPE_LEARNED : AB_SHAPE_CANNOT;
}
