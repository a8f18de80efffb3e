/* core/pages.c — see pages.h. */
#include "core/pages.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

/* No two blocks lie on one guarded line (core/base.h). */
#define BLOCK_LINE_BYTES (2 * AB_CACHE_LINE_BYTES)

/* A larger block has pages of its own. */
#define SHARED_MAX_BYTES (AB_PAGE_HUGE_BYTES / 2)

#if defined(__SANITIZE_ADDRESS__)
#define SHARING false	/* so that a step beyond a block's end is seen */
#else
#define SHARING true
#endif

/* At the beginning of a shared page; its address is the page's. */
struct page {
	_Alignas(BLOCK_LINE_BYTES) struct page *next;
	size_t used;		/* bytes from the beginning */
	uint32_t blocks;	/* not given back */
};

static struct page *pages;	/* the shared ones, newest first; under the mutex, never unmapped */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static size_t rounded(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* size: a multiple of a huge page. */
static void *map(size_t size)
{
	/* More than needed, so that a huge page's boundary lies in it; what lies outside is given back. */
	char *all = mmap(NULL, size + AB_PAGE_HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)all & (AB_PAGE_HUGE_BYTES - 1);
	if (before > 0)
		munmap(all, before);
	if (before < AB_PAGE_HUGE_BYTES)
		munmap(all + before + size, AB_PAGE_HUGE_BYTES - before);
	madvise(all + before, size, MADV_HUGEPAGE);	/* a wish */
	return all + before;
}

static struct page *page_with_room(size_t size)
{
	struct page *page = pages;

	while (page != NULL && AB_PAGE_HUGE_BYTES - page->used < size)
		page = page->next;
	if (page == NULL && (page = map(AB_PAGE_HUGE_BYTES)) != NULL) {
		*page = (struct page){.next = pages, .used = sizeof *page};
		pages = page;
	}
	return page;
}

static void *take_shared(size_t size)
{
	void *block = NULL;

	pthread_mutex_lock(&mutex);
	struct page *page = page_with_room(size);
	if (page != NULL) {
		block = (char *)page + page->used;
		page->used += size;
		page->blocks++;
	}
	pthread_mutex_unlock(&mutex);
	return block;
}

static void give_shared(void *block)
{
	struct page *page = (struct page *)((uintptr_t)block & ~(uintptr_t)(AB_PAGE_HUGE_BYTES - 1));

	pthread_mutex_lock(&mutex);
	AB_ASSERT(page->blocks > 0);
	if (--page->blocks == 0)
		page->used = sizeof *page;
	pthread_mutex_unlock(&mutex);
}

void *ab_pages_take(size_t bytes)
{
	void *block = NULL;

	AB_ASSERT(bytes > 0);
	if (bytes > SHARED_MAX_BYTES)
		block = bytes <= SIZE_MAX / 2 ? map(rounded(bytes, AB_PAGE_HUGE_BYTES)) : NULL;
	else if (SHARING)
		block = take_shared(rounded(bytes, BLOCK_LINE_BYTES));
	else
		block = aligned_alloc(BLOCK_LINE_BYTES, rounded(bytes, BLOCK_LINE_BYTES));
	return block != NULL ? memset(block, 0, bytes) : NULL;
}

size_t ab_pages_bytes(size_t bytes)
{
	if (bytes > SHARED_MAX_BYTES)
		return rounded(bytes, AB_PAGE_HUGE_BYTES);
	size_t size = rounded(bytes, BLOCK_LINE_BYTES), fit = (AB_PAGE_HUGE_BYTES - sizeof(struct page)) / size;
	return AB_PAGE_HUGE_BYTES / fit;
}

void ab_pages_give(void *block, size_t bytes)
{
	if (block == NULL)
		return;
	if (bytes > SHARED_MAX_BYTES)
		munmap(block, rounded(bytes, AB_PAGE_HUGE_BYTES));
	else if (SHARING)
		give_shared(block);
	else
		free(block);
}
