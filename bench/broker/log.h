/* bench/broker/log.h — a topic's segments as a broker left them on disk, mapped: record batches one after another.
 *
 * Threads: one. Memory: the files' pages.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define PARTITIONS_MAX 64
#define SEGMENTS_MAX 64

struct segment {
	const uint8_t *at;
	size_t len;
	int64_t first;
};

struct partition {
	struct segment segment[SEGMENTS_MAX];
	int count;
	int64_t next;
	/* Fetches go forward: where the last one ended, to begin the search there. */
	int last_segment;
	size_t last_at;
	int64_t last_offset;
};

/* Opens DIR/TOPIC-0, -1, … as far as there are; returns how many. Ends the program when there are none. */
int open_partitions(struct partition partition[PARTITIONS_MAX], const char *dir, const char *topic);

/* The batches from an offset on, of one segment, at most max bytes but at least one batch; empty at the end. */
struct iovec read_log(struct partition *p, int64_t offset, size_t max);
