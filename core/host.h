/* core/host.h — is this machine set up for the engine? `anabranch check --host` says what is, what should be, and why.
 *
 * Reading the machine and judging it are two things, so that every judgement has a test. Red is what will fail or lose
 * much; yellow works and costs something.
 *
 * Threads: main.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

#define AB_HOST_ROWS_MAX 12
#define AB_HOST_TEXT_BYTES 160

/* What the machine says; a number below 0 or an empty text: it does not say. */
struct ab_host {
	int cores;			/* that this process may run on */
	int uring_error;		/* 0: a ring can be made; else errno */
	char huge_pages[64];		/* transparent_hugepage/enabled, such as "always [madvise] never" */
	char governor[32];		/* of the first core */
	char clock[32];			/* clocksource */
	int64_t files_max;		/* soft limit of open files */
	int64_t files_needed;
	int64_t memory_free_bytes;	/* MemAvailable, or what the container's limit leaves */
	int64_t memory_needed_bytes;	/* the printed bound */
	int64_t receive_max_bytes;	/* net.core.rmem_max */
	int64_t receive_wanted_bytes;	/* KAFKA_RECEIVE_BUFFER_BYTES */
};

enum ab_host_colour { AB_HOST_GREEN, AB_HOST_YELLOW, AB_HOST_RED };

struct ab_host_row {
	enum ab_host_colour colour;
	const char *what, *why, *command;	/* command "": nothing to do */
	char is[AB_HOST_TEXT_BYTES], should[AB_HOST_TEXT_BYTES];
};

/* Returns how many rows there are. Pure. */
int ab_host_judge(const struct ab_host *host, struct ab_host_row row[AB_HOST_ROWS_MAX]);

/* What this machine says; files_needed, memory_needed and receive_wanted are the caller's. */
struct ab_host ab_host_read(void);

/* Prints the rows; returns whether one is red. */
bool ab_host_print(const struct ab_host *host, FILE *to);
