/* loadgen/output.c — see output.h. */
#include "loadgen/output.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include <jansson.h>

static int make_directory(const char *path)
{
	char part[PATH_MAX];
	snprintf(part, sizeof part, "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0777) != 0 && errno != EEXIST)
			return 0;
		*slash = '/';
	}
	return mkdir(part, 0777) == 0 || errno == EEXIST;
}

static json_t *read_baseline(const char *path)
{
	json_error_t error;
	if (path == NULL)
		return NULL;
	json_t *baseline = json_load_file(path, 0, &error);
	if (baseline == NULL)
		fprintf(stderr, "warning: --baseline %s: %s (line %d); nothing is compared\n", path, error.text, error.line);
	else if (json_integer_value(json_object_get(baseline, "schema_version")) != AB_RESULTS_SCHEMA_VERSION) {
		fprintf(stderr, "warning: --baseline %s: its schema_version is not %d; nothing is compared\n", path,
			AB_RESULTS_SCHEMA_VERSION);
		json_decref(baseline);
		baseline = NULL;
	}
	return baseline;
}

static int not_written(const char *path)
{
	fprintf(stderr, "error: %s: %s\n", path, strerror(errno));
	return 0;
}

int ab_output_all(const struct ab_result *r)
{
	char results_path[PATH_MAX], page_path[PATH_MAX];
	const char *out = r->arguments->out;
	int ok = 1;
	snprintf(results_path, sizeof results_path, "%s/results.json", out);
	snprintf(page_path, sizeof page_path, "%s/report.html", out);
	/* Before anything is written: the baseline may be the file that is about to be replaced. */
	json_t *baseline = read_baseline(r->arguments->baseline);
	json_t *results = ab_output_json(r);
	if (!make_directory(out) || json_dump_file(results, results_path, JSON_INDENT(1) | JSON_REAL_PRECISION(7)) != 0)
		ok = not_written(results_path);
	errno = 0;
	const char *page = page_path;
	if (ok && !ab_output_page(page_path, results, baseline)) {
		page = errno == 0 ? NULL : page_path;
		ok = errno == 0 ? ok : not_written(page_path);
	}
	ab_output_text(stdout, r, page);
	json_decref(results);
	json_decref(baseline);
	return ok;
}
