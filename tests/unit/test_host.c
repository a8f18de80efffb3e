/* tests/unit/test_host.c — what is green, yellow and red about a machine. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/host.h"

static struct ab_host good(void)
{
	return (struct ab_host){
	    .cores = 4,
	    .huge_pages = "always [madvise] never",
	    .governor = "performance",
	    .clock = "tsc",
	    .files_max = 1024,
	    .files_needed = 200,
	    .memory_free_bytes = 1000000000,
	    .memory_needed_bytes = 300000000,
	    .receive_max_bytes = 1048576,
	    .receive_wanted_bytes = 1048576,
	};
}

static enum ab_host_colour colour(const struct ab_host *host, const char *what)
{
	struct ab_host_row row[AB_HOST_ROWS_MAX];
	int count = ab_host_judge(host, row);

	for (int i = 0; i < count; i++) {
		if (strcmp(row[i].what, what) == 0) {
			cr_expect_eq(row[i].colour == AB_HOST_GREEN, row[i].command[0] == '\0', "%s says what to do", what);
			return row[i].colour;
		}
	}
	cr_assert(false, "no row %s", what);
	return AB_HOST_RED;
}

Test(host, a_good_machine_is_green_all_over)
{
	struct ab_host host = good();
	struct ab_host_row row[AB_HOST_ROWS_MAX];
	int count = ab_host_judge(&host, row);

	cr_expect_gt(count, 5);
	for (int i = 0; i < count; i++)
		cr_expect_eq(row[i].colour, AB_HOST_GREEN, "%s", row[i].what);
}

Test(host, what_will_fail_is_red)
{
	struct ab_host host = good();
	host.files_max = 64;
	host.memory_free_bytes = 100000000;
	cr_expect_eq(colour(&host, "open files"), AB_HOST_RED);
	cr_expect_eq(colour(&host, "memory"), AB_HOST_RED);
}

Test(host, what_only_costs_something_is_yellow)
{
	struct ab_host host = good();
	host.cores = 1;
	host.uring_error = EPERM;
	strcpy(host.huge_pages, "always madvise [never]");
	strcpy(host.governor, "powersave");
	strcpy(host.clock, "hpet");
	host.receive_max_bytes = 212992;
	cr_expect_eq(colour(&host, "cores"), AB_HOST_YELLOW);
	cr_expect_eq(colour(&host, "io_uring"), AB_HOST_YELLOW);
	cr_expect_eq(colour(&host, "huge pages"), AB_HOST_YELLOW);
	cr_expect_eq(colour(&host, "CPU governor"), AB_HOST_YELLOW);
	cr_expect_eq(colour(&host, "clock"), AB_HOST_YELLOW);
	cr_expect_eq(colour(&host, "socket buffers"), AB_HOST_YELLOW);
}

Test(host, what_the_machine_does_not_say_is_no_fault)
{
	struct ab_host host = good();
	host.huge_pages[0] = host.governor[0] = host.clock[0] = '\0';
	host.memory_free_bytes = host.receive_max_bytes = -1;
	cr_expect_eq(colour(&host, "huge pages"), AB_HOST_GREEN);
	cr_expect_eq(colour(&host, "CPU governor"), AB_HOST_GREEN);
	cr_expect_eq(colour(&host, "clock"), AB_HOST_GREEN);
	cr_expect_eq(colour(&host, "memory"), AB_HOST_GREEN);
	cr_expect_eq(colour(&host, "socket buffers"), AB_HOST_GREEN);
}

Test(host, this_machine_can_be_read)
{
	struct ab_host host = ab_host_read();

	cr_expect_gt(host.cores, 0);
	cr_expect_gt(host.files_max, 0);
	cr_expect_gt(host.memory_free_bytes, 0);
}
