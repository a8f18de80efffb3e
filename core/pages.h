/* core/pages.h — memory in huge pages, where the system gives any.
 *
 * A table or buffer that is touched all over costs a walk of the page tables nearly every time; in a virtual machine the
 * walk is a two-dimensional one, and longer than the cache miss it stands before. Pages of 2 MiB make the walks rare.
 * Where transparent huge pages are switched off, the block is there all the same.
 *
 *     2 MiB  | block | block | block |  free  |       smaller blocks share a page, the first that has room
 *     2 MiB  |             block              |       larger ones have their own
 *     2 MiB  |  … of them        |            |
 *
 * Threads: any; meant for the start.
 * Memory:  whole huge pages: up to 2 MiB more than asked for, and with huge pages the rest is there too. A page that is
 *          shared is kept for the next blocks when its last one is given back.
 */
#pragma once

#include "core/base.h"

#define AB_PAGE_HUGE_BYTES ((size_t)2 * 1024 * 1024)

/* Zeroed, every page touched, so that a lack is met at start, on a cache line of its own; NULL: there is no memory. */
void *ab_pages_take(size_t bytes);
void ab_pages_give(void *block, size_t bytes);
/* What a block of so many bytes takes, for the memory bound: one that shares a page with others like it, its part. */
size_t ab_pages_bytes(size_t bytes);
