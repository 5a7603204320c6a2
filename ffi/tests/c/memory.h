/* memory.h - a host's allocator: it counts, looks at what comes back, and refuses a request when it is told to. */
#ifndef MEMORY_H
#define MEMORY_H

#include "check.h"

#include <malloc.h>
#include <stdbool.h>

static atomic_size_t blocks, bytes, calls; /* there now; and all requests */
static _Thread_local int left = -1;        /* requests of this thread until the one that is refused; none is: below zero */
static atomic_int all_left = -1;           /* requests of all threads until those that are refused, from then on; none: below zero */
static atomic_bool was_refused;
static int ctx;

static bool is_refused(void) {
    int n = all_left;
    while (n > 0)
        if (atomic_compare_exchange_weak(&all_left, &n, n - 1)) break;
    return n == 0 || (left >= 0 && left-- == 0);
}

static void *my_alloc(void *c, size_t size, size_t align) {
    void *p = NULL;
    CHECK(c == &ctx);
    CHECK(size > 0 && align > 0 && (align & (align - 1)) == 0);
    if (is_refused()) {
        was_refused = true;
        return NULL;
    }
    CHECK(posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) == 0);
    atomic_fetch_add(&blocks, 1);
    atomic_fetch_add(&bytes, size);
    atomic_fetch_add(&calls, 1);
    return p;
}

static void my_free(void *c, void *p, size_t size, size_t align) {
    CHECK(c == &ctx);
    CHECK(p != NULL && align > 0 && malloc_usable_size(p) >= size);
    atomic_fetch_sub(&blocks, 1);
    atomic_fetch_sub(&bytes, size);
    free(p);
}

static void *my_realloc(void *c, void *p, size_t old_size, size_t new_size, size_t align) {
    void *q = my_alloc(c, new_size, align);
    if (!q) return NULL;
    memcpy(q, p, old_size < new_size ? old_size : new_size);
    my_free(c, p, old_size, align);
    return q;
}

static ouzel_allocator mine(void) {
    ouzel_allocator a;
    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    a.alloc = my_alloc;
    a.realloc = my_realloc;
    a.free = my_free;
    a.ctx = &ctx;
    return a;
}

#endif
