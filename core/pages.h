/* core/pages.h — large blocks of memory in huge pages, where the system gives any.
 *
 * A table or buffer of megabytes that is touched all over costs a walk of the page tables nearly every time; in a
 * virtual machine the walk is a two-dimensional one, and longer than the cache miss it stands before. Pages of 2 MiB
 * make the walks rare. Where transparent huge pages are switched off, the block is there all the same.
 *
 * Threads: any. Memory: whole huge pages: up to 2 MiB more than asked for, and with huge pages the rest is there too.
 */
#pragma once

#include "core/base.h"

#define AB_PAGE_HUGE_BYTES ((size_t)2 * 1024 * 1024)

/* Zeroed, every page touched, so that a lack is met at start; NULL: there is no memory. */
void *ab_pages_take(size_t bytes);
void ab_pages_give(void *block, size_t bytes);
/* What a block of so many bytes takes, for the memory bound. */
size_t ab_pages_bytes(size_t bytes);
