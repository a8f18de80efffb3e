/* loadgen/output_page.c — report.html: the template with its script, its styles and the results put in. See output.h. */
#include <errno.h>

#include "loadgen/output.h"

#ifdef AB_PAGES

extern const char ab_page_html[], ab_page_css[], ab_page_js[], ab_uplot_css[], ab_uplot_js[];

/* JSON within a script element must not hold "</": every < of it is within a text, where it may be written as a number. */
static void put_json(FILE *to, const json_t *json)
{
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
	for (const char *at = text != NULL ? text : "null"; *at != '\0'; at++) {
		if (*at == '<')
			fputs("\\u003c", to);
		else
			fputc(*at, to);
	}
	free(text);
}

static int put(FILE *to, const char *name, size_t len, const json_t *results, const json_t *baseline)
{
	static const struct {
		const char *name, *text;
	} parts[] = {{"UPLOT_CSS", ab_uplot_css}, {"REPORT_CSS", ab_page_css}, {"UPLOT_JS", ab_uplot_js},
		{"REPORT_JS", ab_page_js}};
	for (size_t i = 0; i < AB_COUNT(parts); i++) {
		if (strlen(parts[i].name) == len && strncmp(name, parts[i].name, len) == 0) {
			fputs(parts[i].text, to);
			return 1;
		}
	}
	if (len == 7 && strncmp(name, "RESULTS", len) == 0)
		put_json(to, results);
	else if (len == 8 && strncmp(name, "BASELINE", len) == 0)
		put_json(to, baseline);
	else
		return 0;
	return 1;
}

int ab_output_page(const char *path, json_t *results, json_t *baseline)
{
	FILE *to = fopen(path, "we");
	if (to == NULL)
		return 0;
	for (const char *at = ab_page_html; *at != '\0';) {
		const char *end = *at == '@' ? strchr(at + 1, '@') : NULL;
		if (end != NULL && put(to, at + 1, (size_t)(end - at - 1), results, baseline))
			at = end + 1;
		else
			fputc(*at++, to);
	}
	int ok = ferror(to) == 0;
	return fclose(to) == 0 && ok;
}

#else

int ab_output_page(const char *path, json_t *results, json_t *baseline)
{
	(void)path;
	(void)results;
	(void)baseline;
	errno = 0;
	return 0;
}

#endif
