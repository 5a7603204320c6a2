/* kv_store.h - the values of kv.c: a hash table in 256 stripes, each with its own lock and its own growing table.
 *
 *     key -> hash -> stripe (low 8 bits): [lock | buckets] -> item -> item -> NULL
 *
 * An item is one allocation: head, key, value. It is filled before it is put in, so a lock is held for a lookup and for
 * copying the value out, never while bytes are on their way from a client.
 * A GET allocates nothing and copies its value once; a SET allocates once and copies once.
 * Expired items are dropped when they are next looked at. Nothing is evicted: at the limit a SET is refused.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STRIPES 256u
#define KEY_MAX 250u
#define VALUE_MAX (1024u * 1024u)

typedef struct item {
    struct item *next;
    uint64_t hash;
    uint64_t cas;
    int64_t expires; /* seconds of the epoch; 0 = never */
    uint32_t flags;
    uint32_t value_len;
    uint8_t key_len;
    char bytes[]; /* key, then value */
} item;

typedef struct stripe {
    pthread_mutex_t lock;
    item **buckets;
    size_t mask; /* buckets - 1 */
    size_t count;
    char apart[64]; /* two stripes' locks do not share a cache line */
} stripe;

typedef struct store {
    stripe stripes[STRIPES];
    atomic_size_t bytes; /* of all items */
    atomic_size_t items;
    atomic_uint_least64_t cas; /* last one given out */
    size_t limit;              /* most bytes; 0 = no limit */
} store;

/* What one thread counts: written by that thread alone, read by whoever answers `stats`. */
typedef atomic_uint_least64_t counter;

static inline void bump(counter *c, uint64_t by) {
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + by, memory_order_relaxed);
}

/* Where this thread counts its calls of malloc and realloc; kv.c adds the library's own. */
static _Thread_local counter *alloc_count;

static inline void *counted_realloc(void *p, size_t n) {
    if (alloc_count) bump(alloc_count, 1);
    return realloc(p, n);
}

static inline char *item_value(item *it) { return it->bytes + it->key_len; }

static inline size_t item_size(const item *it) { return sizeof(item) + it->key_len + it->value_len; }

/* FNV-1a over 8 bytes at a time, then a finalizer that spreads the high bits down. */
static uint64_t hash_key(const char *key, size_t len) {
    uint64_t h = 0xcbf29ce484222325u ^ len;
    while (len >= 8) {
        uint64_t w;
        memcpy(&w, key, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
        key += 8;
        len -= 8;
    }
    while (len--) h = (h ^ (unsigned char)*key++) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

static int store_init(store *s, size_t limit) {
    memset(s, 0, sizeof *s);
    s->limit = limit;
    for (size_t i = 0; i < STRIPES; i++) {
        stripe *st = &s->stripes[i];
        if (pthread_mutex_init(&st->lock, NULL) != 0) return -1;
        st->mask = 63;
        st->buckets = calloc(st->mask + 1, sizeof *st->buckets);
        if (!st->buckets) return -1;
    }
    return 0;
}

static stripe *stripe_of(store *s, uint64_t hash) { return &s->stripes[hash & (STRIPES - 1)]; }

static item **bucket_of(stripe *st, uint64_t hash) { return &st->buckets[(hash >> 8) & st->mask]; }

/* Room for an item, not in the store yet. NULL: the limit is reached, or memory is out. */
static item *item_new(store *s, const char *key, size_t key_len, uint32_t flags, int64_t expires, uint32_t value_len) {
    size_t n = sizeof(item) + key_len + value_len;
    if (s->limit && atomic_load_explicit(&s->bytes, memory_order_relaxed) + n > s->limit) return NULL;
    item *it = counted_realloc(NULL, n);
    if (!it) return NULL;
    it->next = NULL;
    it->hash = hash_key(key, key_len);
    it->expires = expires;
    it->flags = flags;
    it->value_len = value_len;
    it->key_len = (uint8_t)key_len;
    memcpy(it->bytes, key, key_len);
    return it;
}

static void store_grow(stripe *st) {
    size_t mask = st->mask * 2 + 1;
    item **wider = calloc(mask + 1, sizeof *wider);
    if (!wider) return; /* longer chains, nothing worse */
    if (alloc_count) bump(alloc_count, 1);
    for (size_t b = 0; b <= st->mask; b++) {
        for (item *it = st->buckets[b]; it;) {
            item *next = it->next;
            item **to = &wider[(it->hash >> 8) & mask];
            it->next = *to;
            *to = it;
            it = next;
        }
    }
    free(st->buckets);
    st->buckets = wider;
    st->mask = mask;
}

/* The link that points at the key's item, or at the NULL that ends its chain. Lock held. */
static item **find_link(stripe *st, uint64_t hash, const char *key, size_t key_len) {
    item **at = bucket_of(st, hash);
    while (*at) {
        item *it = *at;
        if (it->hash == hash && it->key_len == key_len && memcmp(it->bytes, key, key_len) == 0) break;
        at = &it->next;
    }
    return at;
}

/* Takes the item out of its chain; the caller frees it when the lock is released. Lock held. */
static item *unlink_at(store *s, stripe *st, item **at) {
    item *it = *at;
    *at = it->next;
    st->count--;
    atomic_fetch_sub_explicit(&s->bytes, item_size(it), memory_order_relaxed);
    atomic_fetch_sub_explicit(&s->items, 1, memory_order_relaxed);
    return it;
}

/* Puts a filled item in, in place of what `at` points at, which it returns for freeing. Lock held. */
static item *link_at(store *s, stripe *st, item **at, item *it) {
    item *old = *at;
    it->cas = atomic_fetch_add_explicit(&s->cas, 1, memory_order_relaxed) + 1;
    it->next = old ? old->next : NULL;
    *at = it;
    size_t gone = old ? item_size(old) : 0;
    atomic_fetch_add_explicit(&s->bytes, item_size(it) - gone, memory_order_relaxed);
    if (!old) {
        atomic_fetch_add_explicit(&s->items, 1, memory_order_relaxed);
        if (++st->count > st->mask + 1 + (st->mask >> 1)) store_grow(st);
    }
    return old;
}

static int is_expired(const item *it) { return it->expires != 0 && it->expires <= (int64_t)time(NULL); }

/* Locks the key's stripe and returns its item, or NULL; unlock either way. An expired item is dropped. */
static item *store_lock(store *s, const char *key, size_t key_len, stripe **locked, item ***link) {
    uint64_t hash = hash_key(key, key_len);
    stripe *st = stripe_of(s, hash);
    pthread_mutex_lock(&st->lock);
    item **at = find_link(st, hash, key, key_len);
    if (*at && is_expired(*at)) {
        free(unlink_at(s, st, at));
        at = find_link(st, hash, key, key_len);
    }
    *locked = st;
    *link = at;
    return *at;
}

static void store_unlock(stripe *st) { pthread_mutex_unlock(&st->lock); }

/* Takes the item over. */
static void store_put(store *s, item *it) {
    stripe *st = stripe_of(s, it->hash);
    pthread_mutex_lock(&st->lock);
    item *old = link_at(s, st, find_link(st, it->hash, it->bytes, it->key_len), it);
    pthread_mutex_unlock(&st->lock);
    free(old);
}

/* 1 if the key was there. */
static int store_delete(store *s, const char *key, size_t key_len) {
    stripe *st;
    item **at;
    item *it = store_lock(s, key, key_len, &st, &at);
    if (it) unlink_at(s, st, at);
    store_unlock(st);
    free(it);
    return it != NULL;
}

static void store_clear(store *s) {
    for (size_t i = 0; i < STRIPES; i++) {
        stripe *st = &s->stripes[i];
        pthread_mutex_lock(&st->lock);
        for (size_t b = 0; b <= st->mask; b++) {
            while (st->buckets[b]) free(unlink_at(s, st, &st->buckets[b]));
        }
        pthread_mutex_unlock(&st->lock);
    }
}

static void store_free(store *s) {
    store_clear(s);
    for (size_t i = 0; i < STRIPES; i++) {
        free(s->stripes[i].buckets);
        pthread_mutex_destroy(&s->stripes[i].lock);
    }
}

#endif
