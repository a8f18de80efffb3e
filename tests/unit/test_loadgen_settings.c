/* tests/unit/test_loadgen_settings.c — what of .env counts, and what is refused with file and line. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loadgen/settings.h"

static struct ab_settings s;
static struct ab_problems p;

static void read_text(const char *text)
{
	p = (struct ab_problems){0};
	ab_settings_default(&s);
	ab_settings_text(&s, "x.env", text, strlen(text), &p);
}

Test(loadgen_settings, defaults_are_those_of_the_contract)
{
	ab_settings_default(&s);
	cr_expect_eq(s.interval_ms, 1000);
	cr_expect_eq(s.batch_rows, 50);
	cr_expect_eq(s.content_rows, 5000);
	cr_expect_str_eq(s.port, "5432");
	cr_expect_str_eq(s.database, "streaming_db");
	cr_expect_str_eq(s.user, "streaming_user");
	cr_expect_str_eq(s.password.value, "streaming_pass");
}

Test(loadgen_settings, a_file_is_read_with_comments_and_quotes)
{
	read_text("# pace\n\nEVENT_INTERVAL_SECONDS=0.05\nBATCH_SIZE=500\n  \nPOSTGRES_HOST=\"db one\"\n"
		  "POSTGRES_PASSWORD='a$b\\c'\nCONTENT_ROWS=100\nCONTENT_ROWS=200");
	cr_expect_eq(p.count, 0, "%s", p.text);
	cr_expect_eq(s.interval_ms, 50);
	cr_expect_eq(s.batch_rows, 500);
	cr_expect_str_eq(s.host, "db one");
	cr_expect_str_eq(s.password.value, "a$b\\c");
	cr_expect_eq(s.content_rows, 200, "the last one counts");
}

Test(loadgen_settings, keys_of_the_engine_are_left_to_the_engine)
{
	read_text("FLINK_PARALLELISM=12\nREDIS_BATCH_SIZE=x y\nKAFKA_CONF_debug=all\n"
		  "CONTENT_CAPACITY=1\nBIGQUERY_BATCH_SIZE=1000\nWEB_PORT=9465\n"
		  "BIGQUERY_HOST=h\nELASTICSEARCH_BATCH_SIZE=1\nCONTENT_TOPIC=x\nBIGQUERY_PORT=1\n"
		  "KAFKA_PORT=9092\nDEAD_LETTER_TOPIC=d\nINSTANCE_ID=1\nSINKS=redis\n");
	cr_expect_eq(p.count, 0, "%s", p.text);
}

Test(loadgen_settings, a_key_that_is_almost_ours_is_refused_with_its_line)
{
	read_text("# one\nBATCH_SIZ=500\nEVENT_INTERVAL_SECOND=1\n");
	cr_expect_eq(p.count, 2);
	cr_expect_not_null(strstr(p.text, "x.env:2: there is no key BATCH_SIZ; did you mean BATCH_SIZE?"));
	cr_expect_not_null(strstr(p.text, "x.env:3: "));
	cr_expect_eq(s.batch_rows, 50);
}

Test(loadgen_settings, values_out_of_bounds_are_refused_with_the_bounds)
{
	static const char *const wrong[] = {"EVENT_INTERVAL_SECONDS=0", "EVENT_INTERVAL_SECONDS=-1",
		"EVENT_INTERVAL_SECONDS=3600.001", "EVENT_INTERVAL_SECONDS=",
		"BATCH_SIZE=0", "BATCH_SIZE=10001", "BATCH_SIZE=5.5",
		"CONTENT_ROWS=0", "CONTENT_ROWS=100000001", "POSTGRES_PORT=0", "POSTGRES_PORT=65536", "POSTGRES_HOST=",
		"POSTGRES_DB=\"\""};
	for (size_t i = 0; i < AB_COUNT(wrong); i++) {
		read_text(wrong[i]);
		cr_expect_eq(p.count, 1, "%s was taken", wrong[i]);
		cr_expect_not_null(strstr(p.text, "x.env:1: "));
		cr_expect_not_null(strstr(p.text, "want "));
	}
}

Test(loadgen_settings, lines_that_others_read_differently_are_refused)
{
	static const char *const wrong[] = {"export BATCH_SIZE=1", "BATCH_SIZE = 1", "BATCH_SIZE= 1", " BATCH_SIZE=1",
		"BATCH_SIZE=1 # rows", "POSTGRES_HOST=$HOST", "POSTGRES_HOST=\"${HOST}\"", "POSTGRES_HOST=a\\",
		"POSTGRES_HOST=\"a", "POSTGRES_HOST='a'b'", "POSTGRES_HOST=a'b", "BATCH_SIZE", "=1"};
	for (size_t i = 0; i < AB_COUNT(wrong); i++) {
		read_text(wrong[i]);
		cr_expect_eq(p.count, 1, "%s was taken", wrong[i]);
	}
}

Test(loadgen_settings, line_ends_of_windows_are_said_once_with_the_first_line)
{
	read_text("# one\nBATCH_SIZE=2\r\nCONTENT_ROWS=3\r\n");
	cr_expect_eq(p.count, 1);
	cr_expect_not_null(strstr(p.text, "x.env:2: lines end with CR LF"), "%s", p.text);
}

Test(loadgen_settings, a_zero_byte_and_an_endless_line_are_refused)
{
	static char text[100000];
	memset(text, 'x', sizeof text);
	p = (struct ab_problems){0};
	ab_settings_text(&s, "x.env", text, sizeof text, &p);
	cr_expect_eq(p.count, 1);
	p = (struct ab_problems){0};
	ab_settings_text(&s, "x.env", "BATCH_SIZE=1\0000", 14, &p);
	cr_expect_eq(p.count, 1);
}

Test(loadgen_settings, the_environment_goes_before_the_file_and_arguments_before_both)
{
	char *const environment[] = {"HOME=/root", "BATCH_SIZE=2", "CONTENT_ROWS=2", "BATCH_SIZ=9", "NOTHING", NULL};
	read_text("BATCH_SIZE=1\nCONTENT_ROWS=1\nEVENT_INTERVAL_SECONDS=9\n");
	ab_settings_environment(&s, environment, &p);
	ab_settings_argument(&s, "CONTENT_ROWS=3", &p);
	cr_expect_eq(p.count, 0, "%s", p.text);
	cr_expect_eq(s.batch_rows, 2);
	cr_expect_eq(s.content_rows, 3);
	cr_expect_eq(s.interval_ms, 9000);
}

Test(loadgen_settings, an_argument_that_is_no_key_of_ours_is_refused)
{
	p = (struct ab_problems){0};
	ab_settings_argument(&s, "BATCHSIZE=3", &p);
	ab_settings_argument(&s, "BIGQUERY_HOST=h", &p);
	ab_settings_argument(&s, "BATCH_SIZE", &p);
	ab_settings_argument(&s, "=3", &p);
	cr_expect_eq(p.count, 4);
	cr_expect_not_null(strstr(p.text, "did you mean BATCH_SIZE?"));
}

Test(loadgen_settings, a_password_comes_from_its_file_or_from_its_key_but_not_from_both)
{
	char path[] = "/tmp/ab_loadgen_XXXXXX", line[128];
	int fd = mkstemp(path);
	cr_assert(fd >= 0 && write(fd, "secret\n", 7) == 7);
	close(fd);
	snprintf(line, sizeof line, "POSTGRES_PASSWORD_FILE=%s\n", path);
	read_text(line);
	ab_settings_complete(&s, &p);
	cr_expect_eq(p.count, 0, "%s", p.text);
	cr_expect_str_eq(s.password.value, "secret");
	ab_settings_argument(&s, "POSTGRES_PASSWORD=other", &p);
	ab_settings_complete(&s, &p);
	cr_expect_eq(p.count, 1);
	cr_expect_null(strstr(p.text, "other"), "a secret was shown");
	unlink(path);
	read_text(line);
	ab_settings_complete(&s, &p);
	cr_expect_eq(p.count, 1);
}

Test(loadgen_settings, a_file_that_is_not_there_is_named)
{
	p = (struct ab_problems){0};
	ab_settings_file(&s, "/nonexistent/x.env", &p);
	cr_expect_eq(p.count, 1);
	cr_expect_not_null(strstr(p.text, "/nonexistent/x.env"));
}
