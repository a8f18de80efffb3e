/* core/config_env.c — the common subset of .env files. See config_env.h. */
#include "core/config_env.h"

#include <string.h>

/* Bytes that mean something to a shell, or to Compose, where they stand in a value without quotes. */
#define SHELL_BYTES "$`\\\"';&|<>()"

static int is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int is_key_byte(char c, int first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* Bytes of the UTF-8 sequence at `at`, 0 when it is none (RFC 3629). */
static size_t utf8_len(const unsigned char *at, size_t len)
{
	size_t want = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;

	if (want == 0 || want > len)
		return 0;
	for (size_t i = 1; i < want; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
		return 0;
	if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return want;
}

int ab_env_is_printable(const char *at, size_t len)
{
	const unsigned char *byte = (const unsigned char *)at;

	while (len > 0) {
		size_t step = utf8_len(byte, len);
		if (step == 0 || byte[0] < 0x20 || byte[0] == 0x7f)
			return 0;
		/* U+0080 to U+009F: control characters too. */
		if (step == 2 && byte[0] == 0xc2 && byte[1] < 0xa0)
			return 0;
		byte += step;
		len -= step;
	}
	return 1;
}

struct ab_env_reader ab_env_begin(const char *text, size_t len)
{
	return (struct ab_env_reader){.at = text, .end = text + len, .line = 0};
}

/* What is wrong with a value without quotes; NULL: nothing. */
static const char *plain_error(const char *at, size_t len)
{
	if (len > 0 && (at[0] == '#' || at[0] == '~'))
		return "a value that begins with # or ~ must stand in single quotes: KEY='#…'";
	for (size_t i = 0; i < len; i++) {
		if (is_blank(at[i])) {
			size_t next = i;
			while (next < len && is_blank(at[next]))
				next++;
			if (at[next] == '#')
				return "a comment behind a value is read as part of it by some: put it on a line of its own";
			return "a value with blanks must stand in single quotes: KEY='two words'";
		}
		if (at[i] == '$')
			return "$ is replaced by some readers and not by others: write the value itself, in single quotes when "
			       "it holds a $";
		if (at[i] == '\\')
			return "a backslash is read differently by each reader: write the value without it (a secret can stand in "
			       "a file that KEY_FILE names)";
		if (strchr(SHELL_BYTES, at[i]) != NULL)
			return "a value with ` \" ' ; & | < > ( or ) must stand in single quotes: KEY='a;b'";
		if (at[i] == '~' && at[i - 1] == ':')
			return "~ is replaced by a shell: put the value in single quotes";
	}
	return NULL;
}

static const char *quoted_error(char quote, const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\\')
			return "a backslash within quotes is read differently by each reader: write the value without it (a secret "
			       "can stand in a file that KEY_FILE names)";
		if (quote == '"' && (at[i] == '$' || at[i] == '`'))
			return "$ or ` within double quotes is replaced by some readers: use single quotes";
	}
	return NULL;
}

static const char *read_value(const char *at, size_t len, struct ab_text *value)
{
	const char *close;

	while (len > 0 && is_blank(at[len - 1]))
		len--;
	*value = (struct ab_text){.at = at, .len = (uint32_t)len};
	if (len == 0 || (at[0] != '"' && at[0] != '\''))
		return plain_error(at, len);

	close = memchr(at + 1, at[0], len - 1);
	if (close == NULL)
		return "the closing quote is missing on this line";
	if (close != at + len - 1)
		return "text behind the closing quote: a value is one quoted text, and a comment has a line of its own";
	*value = (struct ab_text){.at = at + 1, .len = (uint32_t)(len - 2)};
	return quoted_error(at[0], at + 1, len - 2);
}

/* Before the key: what is not read alike, or is no key at all. */
static const char *head_error(const char *at, size_t len)
{
	if (is_blank(at[0]))
		return "a blank before the key: begin in the first column";
	if (len > 7 && strncmp(at, "export", 6) == 0 && is_blank(at[6]))
		return "export is for shells alone: write KEY=VALUE";
	if (at[0] == ';')
		return "a comment begins with #";
	if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		return "the file begins with a byte order mark: save it as UTF-8 without BOM";
	return NULL;
}

static const char *read_line(const char *at, size_t len, struct ab_env_pair *pair)
{
	const char *error = head_error(at, len);
	size_t key = 0;

	if (error != NULL)
		return error;
	while (key < len && is_key_byte(at[key], key == 0))
		key++;
	if (key > 0 && (key == len || at[key] == '=' || is_blank(at[key])))
		pair->key = (struct ab_text){.at = at, .len = (uint32_t)key};
	if (key == len)
		return "there is no = on this line: write KEY=VALUE, or # before a comment";
	if (is_blank(at[key]))
		return "a blank before =: write KEY=VALUE without blanks";
	if (key == 0 || at[key] != '=')
		return "this is no key: letters, digits and _, then =";
	if (key + 1 < len && is_blank(at[key + 1]))
		return "a blank behind =: write KEY=VALUE without blanks";
	return read_value(at + key + 1, len - key - 1, &pair->value);
}

enum ab_env_next ab_env_next(struct ab_env_reader *reader, struct ab_env_pair *pair)
{
	while (reader->at < reader->end) {
		const char *at = reader->at;
		const char *newline = memchr(at, '\n', (size_t)(reader->end - at));
		size_t len = (size_t)((newline != NULL ? newline : reader->end) - at);
		size_t first = 0;

		reader->at = newline != NULL ? newline + 1 : reader->end;
		*pair = (struct ab_env_pair){.line = ++reader->line};
		if (len > 0 && at[len - 1] == '\r') {
			len--;
			if (reader->carriage_returns++ == 0) {
				pair->error = "the line ends with a carriage return: save the file with LF line ends";
				return AB_ENV_ERROR;
			}
		}
		while (first < len && is_blank(at[first]))
			first++;
		if (first == len || at[first] == '#')
			continue;
		pair->error = read_line(at, len, pair);
		if (pair->error == NULL && !ab_env_is_printable(pair->value.at, pair->value.len))
			pair->error = "the value holds a control character or is not UTF-8";
		return pair->error == NULL ? AB_ENV_PAIR : AB_ENV_ERROR;
	}
	return AB_ENV_END;
}
