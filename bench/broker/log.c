/* bench/broker/log.c — see log.h. */
#include "bench/broker/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/broker/wire.h"

/* The head of a record batch: base offset (8), length (4) of what follows; at 23 the last offset's distance. */
#define BATCH_HEAD_BYTES 61

static int64_t batch_first(const uint8_t *batch)
{
	uint64_t first;

	memcpy(&first, batch, 8);
	return (int64_t)be64toh(first);
}

static size_t batch_len(const uint8_t *batch)
{
	uint32_t len;

	memcpy(&len, batch + 8, 4);
	return 12 + (size_t)be32toh(len);
}

static int64_t batch_next(const uint8_t *batch)
{
	uint32_t delta;

	memcpy(&delta, batch + 23, 4);
	return batch_first(batch) + (int64_t)be32toh(delta) + 1;
}

static void open_segment(struct partition *p, const char *path)
{
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &info) != 0)
		die(path, strerror(errno));
	if (p->count == SEGMENTS_MAX)
		die(path, "too many segments");
	struct segment *s = &p->segment[p->count];
	s->at = info.st_size > 0 ? mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0) : NULL;
	close(fd);
	if (s->at == MAP_FAILED)
		die(path, strerror(errno));
	/* A running broker keeps room behind the last batch: it ends where there is no batch. */
	size_t at = 0;
	while ((size_t)info.st_size - at > BATCH_HEAD_BYTES && batch_len(s->at + at) > BATCH_HEAD_BYTES &&
	       at + batch_len(s->at + at) <= (size_t)info.st_size) {
		p->next = batch_next(s->at + at);
		at += batch_len(s->at + at);
	}
	s->len = at;
	s->first = at > 0 ? batch_first(s->at) : p->next;
	p->count += at > 0;
}

int open_partitions(struct partition partition[PARTITIONS_MAX], const char *dir, const char *topic)
{
	int opened = 0;

	for (; opened < PARTITIONS_MAX; opened++) {
		struct partition *p = &partition[opened];
		char path[1024];
		for (;;) {
			snprintf(path, sizeof path, "%s/%s-%d/%020lld.log", dir, topic, opened, (long long)p->next);
			int before = p->count;
			if (access(path, R_OK) != 0)
				break;
			open_segment(p, path);
			if (p->count == before)
				break;
		}
		if (p->count == 0)
			break;
	}
	if (opened == 0)
		die(topic, "no segments of it there");
	return opened;
}

struct iovec read_log(struct partition *p, int64_t offset, size_t max)
{
	int s = offset == p->last_offset ? p->last_segment : 0;
	size_t at = offset == p->last_offset ? p->last_at : 0;

	for (; s < p->count; s++, at = 0) {
		const struct segment *segment = &p->segment[s];
		if (s + 1 < p->count && p->segment[s + 1].first <= offset)
			continue;
		while (at < segment->len && batch_next(segment->at + at) <= offset)
			at += batch_len(segment->at + at);
		if (at == segment->len)
			continue;
		size_t end = at;
		do {
			p->last_offset = batch_next(segment->at + end);
			end += batch_len(segment->at + end);
		} while (end < segment->len && end - at + batch_len(segment->at + end) <= max);
		p->last_segment = s;
		p->last_at = end;
		return (struct iovec){(void *)(uintptr_t)(segment->at + at), end - at};
	}
	return (struct iovec){NULL, 0};
}
