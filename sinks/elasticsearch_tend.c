/* sinks/elasticsearch_tend.c — what is looked at while the sink runs: are the template and the indexes still there?
 *
 * An index that is deleted takes acknowledged documents with it. The next document for its day makes it again, from the
 * template; that works by itself, so nobody would notice without a look. A template that is gone is put back at once,
 * since an index made without it has guessed mappings.
 *
 * Threads: the courier, but for the gauges. Memory: jansson and libcurl allocate; nothing is on the way of an event.
 */
#include <string.h>

#include "core/clock.h"
#include "sinks/elasticsearch.h"

#define INDEXES "/engagement-events-*"
#define LOOK_PATH                                                                                                      \
	INDEXES "?ignore_unavailable=true&filter_path=*.settings.index.uuid,*.settings.index.translog.durability,"     \
		"*.mappings.dynamic"

static const char *text_at(const json_t *object, const char *const *path)
{
	for (; *path != NULL; path++)
		object = json_object_get(object, *path);
	const char *text = json_string_value(object);
	return text != NULL ? text : "";
}

static const char *uuid_of(const json_t *index)
{
	return text_at(index, (const char *const[]){"settings", "index", "uuid", NULL});
}

static bool has_our_mapping(const json_t *index)
{
	const json_t *dynamic = json_object_get(json_object_get(index, "mappings"), "dynamic");

	return json_is_false(dynamic) || (json_is_string(dynamic) && strcmp(json_string_value(dynamic), "false") == 0);
}

/* *root: our indexes by name, each with what LOOK_PATH names. */
static enum ab_sink_status list_indexes(struct ab_sink *sink, json_t **root, char *error)
{
	struct ab_http_answer answer;
	enum ab_sink_status status = ab_http_call(&sink->admin, "GET", LOOK_PATH, NULL, &answer, error);

	*root = NULL;
	if (status != AB_SINK_OK)
		return status;
	if (answer.status != 200)
		status = ab_http_refusal(&sink->admin, "indexes", &answer, error);
	else
		status = ab_http_json(&sink->admin, "indexes", &answer, root, error);
	ab_http_answer_free(&answer);
	return status;
}

void ab_es_warnings(struct ab_sink *sink, char *out, size_t size)
{
	static const char *const durability[] = {"settings", "index", "translog", "durability", NULL};
	char error[AB_SINK_ERROR_MAX_BYTES] = "";
	const char *name;
	json_t *root, *index;

	out[0] = '\0';
	if (list_indexes(sink, &root, error) != AB_SINK_OK)
		return;
	json_object_foreach(root, name, index)
	{
		if (strcmp(text_at(index, durability), "async") != 0)
			continue;
		snprintf(out, size,
			 "index.translog.durability of %.100s is async: documents it has acknowledged in the last "
			 "seconds are lost in a crash; set it to request\n",
			 name);
		break;
	}
	json_decref(root);
}

static void count_loss(struct ab_sink *sink)
{
	atomic_store_explicit(&sink->losses, atomic_load_explicit(&sink->losses, memory_order_relaxed) + 1,
			      memory_order_relaxed); /* [E1] */
}

/* Compares with the look before. Words about the last difference found; each is counted. */
static enum ab_sink_status compare(struct ab_sink *sink, const json_t *now, char *error)
{
	enum ab_sink_status status = AB_SINK_OK;
	const char *name;
	json_t *index;

	json_object_foreach(sink->indexes, name, index)
	{
		const json_t *found = json_object_get(now, name);
		if (found != NULL && strcmp(uuid_of(found), uuid_of(index)) == 0)
			continue;
		count_loss(sink);
		status = AB_SINK_REFUSED;
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "elasticsearch: the index %.100s was deleted%s: the documents that were acknowledged before are gone with "
			 "it, and only reading the topic again brings them back",
			 name, found != NULL ? ", and is made anew" : "");
	}
	json_object_foreach((json_t *)(uintptr_t)now, name, index)
	{
		if (has_our_mapping(index) || json_object_get(sink->indexes, name) != NULL)
			continue;
		status = AB_SINK_REFUSED;
		snprintf(error, AB_SINK_ERROR_MAX_BYTES,
			 "elasticsearch: the index %.100s was made without the template " AB_ES_TEMPLATE ": its fields have "
			 "guessed types. Make it anew, and read the topic again",
			 name);
	}
	return status;
}

static enum ab_sink_status keep_template(struct ab_sink *sink, char *error)
{
	char note[AB_SINK_ERROR_MAX_BYTES] = "";
	enum ab_sink_status status = ab_es_probe(sink, error);

	if (status != AB_SINK_MISSING)
		return status;
	status = ab_es_init(sink, NULL, 0, "", note, error);
	if (status != AB_SINK_OK)
		return status;
	count_loss(sink);
	snprintf(error, AB_SINK_ERROR_MAX_BYTES,
		 "elasticsearch: the index template " AB_ES_TEMPLATE " was deleted, or replaced: it is put back");
	return AB_SINK_REFUSED;
}

enum ab_sink_status ab_es_tend(struct ab_sink *sink, char *error)
{
	int64_t now_ns = ab_monotonic_ns();
	char words[AB_SINK_ERROR_MAX_BYTES] = "";
	json_t *now;

	if (now_ns - sink->looked_ns < AB_ES_LOOK_NS)
		return AB_SINK_OK;
	sink->looked_ns = now_ns;
	enum ab_sink_status kept = keep_template(sink, error);
	if (kept == AB_SINK_ABSENT)
		return kept;
	enum ab_sink_status status = list_indexes(sink, &now, words);
	if (status == AB_SINK_OK)
		status = compare(sink, now, words);
	if (now != NULL) {
		json_decref(sink->indexes);
		sink->indexes = now;
	}
	if (status == AB_SINK_OK)
		return kept;
	size_t len = kept == AB_SINK_OK ? 0 : strlen(error);
	snprintf(error + len, AB_SINK_ERROR_MAX_BYTES - len, "%s%s", len > 0 ? "; " : "", words);
	return status;
}

int ab_es_gauges(const struct ab_sink *sink, struct ab_sink_gauge *out)
{
	out[0] = (struct ab_sink_gauge){"elasticsearch_losses",
					"Times an index or the template was found deleted under us.",
					atomic_load_explicit(&sink->losses, memory_order_relaxed)}; /* [E1] */
	return 1;
}
