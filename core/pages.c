/* core/pages.c — see pages.h. */
#include "core/pages.h"

#include <sys/mman.h>

static size_t rounded(size_t bytes)
{
	return (bytes + AB_PAGE_HUGE_BYTES - 1) / AB_PAGE_HUGE_BYTES * AB_PAGE_HUGE_BYTES;
}

void *ab_pages_take(size_t bytes)
{
	if (bytes < AB_PAGE_HUGE_BYTES / 2) {	/* not worth one */
		void *block = aligned_alloc(AB_CACHE_LINE_BYTES, (bytes + AB_CACHE_LINE_BYTES) & ~(size_t)(AB_CACHE_LINE_BYTES - 1));
		return block != NULL ? memset(block, 0, bytes) : NULL;
	}
	if (bytes > SIZE_MAX / 2)
		return NULL;
	/* More than needed, so that a huge page's boundary lies in it; what lies outside is given back. */
	size_t size = rounded(bytes);
	char *all = mmap(NULL, size + AB_PAGE_HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)all & (AB_PAGE_HUGE_BYTES - 1);
	if (before > 0)
		munmap(all, before);
	if (before < AB_PAGE_HUGE_BYTES)
		munmap(all + before + size, AB_PAGE_HUGE_BYTES - before);
	madvise(all + before, size, MADV_HUGEPAGE);	/* a wish */
	return memset(all + before, 0, bytes);
}

size_t ab_pages_bytes(size_t bytes)
{
	return bytes < AB_PAGE_HUGE_BYTES / 2 ? bytes : rounded(bytes);
}

void ab_pages_give(void *block, size_t bytes)
{
	if (block == NULL)
		return;
	if (bytes < AB_PAGE_HUGE_BYTES / 2)
		free(block);
	else
		munmap(block, rounded(bytes));
}
