/* monitor/top_print.c — the facts as lines of text. See top_screen.h. */
#include "monitor/top_screen.h"
#include "monitor/words.h"

static void print_sink(const struct ab_facts_sink *sink, FILE *out)
{
	char in[AB_WORD_BYTES], ack[AB_WORD_BYTES], p99[AB_WORD_BYTES], behind[AB_WORD_BYTES], dead[AB_WORD_BYTES];

	fprintf(out, "%-14s %-12s in %s/s, acked %s/s, p99 %s, behind %s, dead %s%s%s\n", sink->name,
		sink->stalled ? "STALLED" : sink->state, ab_word_count(sink->given_per_s, in),
		ab_word_count(sink->acked_per_s, ack), ab_word_bound(sink->p99_s, 1, p99),
		ab_word_count(sink->behind, behind), ab_word_count(sink->dead, dead), sink->why[0] ? ": " : "",
		sink->why);
}

static void print_part(const char *name, const struct ab_watch_state *state, const char *words, FILE *out)
{
	fprintf(out, "%-14s %-12s %s\n", name, state->answers ? "answers" : "DOWN",
		state->answers ? words : state->error);
}

void ab_top_print(const struct ab_facts *facts, FILE *out)
{
	char words[160], rate[AB_WORD_BYTES], lag[AB_WORD_BYTES], slot[AB_WORD_BYTES];

	fprintf(out, "%s: %s\n", ab_health_word(facts->health), facts->sentence);
	if (facts->bottleneck[0])
		fprintf(out, "%s\n", facts->bottleneck);
	snprintf(words, sizeof words, "%s changes/s", ab_word_count(facts->rows_per_s, rate));
	print_part("postgres", &facts->postgres, words, out);
	snprintf(words, sizeof words, "connector %s, task %s, slot %s behind", facts->connect_said.connector,
		 facts->connect_said.task, ab_word_bytes(facts->postgres_said.slot_lag_bytes, slot));
	print_part("debezium", &facts->connect, words, out);
	snprintf(words, sizeof words, "%d broker%s, %d partitions", facts->kafka_said.brokers,
		 facts->kafka_said.brokers == 1 ? "" : "s", facts->kafka_said.topic_partitions);
	print_part("kafka", &facts->kafka, words, out);
	snprintf(words, sizeof words, "%s records/s, lag %s", ab_word_count(facts->read_per_s, rate),
		 ab_word_count(facts->lag, lag));
	print_part("engine", &facts->engine, words, out);
	for (int s = 0; s < facts->sink_count; s++)
		print_sink(&facts->sink[s], out);
}
