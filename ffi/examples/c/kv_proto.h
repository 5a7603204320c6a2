/* kv_proto.h - the memcached text protocol of kv.c: bytes in, replies out, no I/O.
 *
 *     LINE --get--> (GET_REST while the output is full) --> LINE
 *     LINE --set--> BODY --all bytes--> TERM --newline--> LINE          TERM --anything else--> SWALLOW_LINE
 *     LINE --refused set--> SWALLOW --all bytes--> SWALLOW_LINE --newline--> LINE
 *
 * Input is looked at where it lies. Only a line whose end has not arrived is copied to `carry`; the bytes of a value go
 * from the receive buffer straight into the item. So a SET's value is copied twice (kernel to buffer, buffer to item)
 * and a GET's twice (item to output, output to kernel): `value_copies` counts both, the kernel's included.
 *
 * In step, whatever comes: each request gets one reply. A refused value is swallowed, a bad data chunk is skipped up to
 * its line end. A line ends in \r\n or a bare \n; a value ends as its command line did, or in \r\n.
 *
 * Output is bounded: before each request and each key of a get the output is compared with OUT_LIMIT; at the limit
 * `drain` is asked for room, and if there is none session_feed returns and is called again later.
 */
#ifndef KV_PROTO_H
#define KV_PROTO_H

#include "kv_store.h"

#define OUT_LIMIT (256u * 1024u)
#define LINE_LIMIT (64u * 1024u)
#define MAX_WORDS 8

typedef struct counters {
    counter cmd_get, cmd_set, get_hits, value_copies, value_ops, allocs, curr_connections, total_connections;
} counters;

typedef struct buf {
    char *p;
    size_t len, cap;
} buf;

enum mode { LINE, GET_REST, BODY, TERM, SWALLOW, SWALLOW_LINE };
enum stop { GO_ON, QUIT, STATS, BROKEN }; /* BROKEN: no memory for a reply */

typedef struct session {
    store *store;
    counters *n;
    int (*drain)(struct session *); /* sends what it can; 1 if there is room in `out` again */
    enum mode mode;
    enum stop stop;    /* session_feed takes no more until this is GO_ON again */
    buf out;           /* replies not handed to a send yet */
    buf carry;         /* start of a line, or the keys a get has not answered yet */
    item *filling;     /* the value being received */
    uint64_t left;     /* bytes of it, or of what is swallowed, that are still to come */
    unsigned noreply : 1, crlf : 1, saw_cr : 1, gets : 1;
    unsigned copied : 1; /* the host says: bytes fed now were copied once more on their way */
    unsigned recopied : 1;
} session;

typedef struct word {
    const char *p;
    size_t len;
} word;

/* 0 when memory is out. */
static int buf_reserve(buf *b, size_t more) {
    if (b->cap - b->len >= more) return 1;
    size_t cap = b->cap ? b->cap : 4096;
    while (cap - b->len < more) cap *= 2;
    char *p = counted_realloc(b->p, cap);
    if (!p) return 0;
    b->p = p;
    b->cap = cap;
    return 1;
}

static int buf_append(buf *b, const char *p, size_t len) {
    if (!buf_reserve(b, len)) return 0;
    if (len) memmove(b->p + b->len, p, len); /* may overlap: a rest of `carry` goes back to its start */
    b->len += len;
    return 1;
}

static void buf_free(buf *b) {
    free(b->p);
    memset(b, 0, sizeof *b);
}

static void say_bytes(session *s, const char *p, size_t len) {
    if (!buf_append(&s->out, p, len)) s->stop = BROKEN;
}

/* A reply line, unless the request asked for none. */
static void reply(session *s, const char *text) {
    if (s->noreply) return;
    say_bytes(s, text, strlen(text));
    say_bytes(s, "\r\n", 2);
}

static char *put_number(char *at, uint64_t n) {
    char digits[20];
    int i = 0;
    do digits[i++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (i) *at++ = digits[--i];
    return at;
}

static int parse_number(word w, uint64_t max, uint64_t *out) {
    uint64_t n = 0;
    if (w.len == 0 || w.len > 20) return 0;
    for (size_t i = 0; i < w.len; i++) {
        unsigned d = (unsigned)(w.p[i] - '0');
        if (d > 9 || n > (max - d) / 10) return 0;
        n = n * 10 + d;
    }
    *out = n;
    return 1;
}

static int is_word(word w, const char *text) { return w.len == strlen(text) && memcmp(w.p, text, w.len) == 0; }

static int next_word(const char **at, const char *end, word *w) {
    const char *p = *at;
    while (p < end && *p == ' ') p++;
    w->p = p;
    while (p < end && *p != ' ') p++;
    w->len = (size_t)(p - w->p);
    *at = p;
    return w->len != 0;
}

/* ---- get, gets -------------------------------------------------------------------------------------------------- */

static int has_room(session *s) { return s->out.len < OUT_LIMIT || s->drain(s); }

static void get_one(session *s, word key) {
    stripe *st;
    item **link;
    bump(&s->n->cmd_get, 1);
    item *it = store_lock(s->store, key.p, key.len, &st, &link);
    if (it) {
        if (buf_reserve(&s->out, KEY_MAX + 64 + it->value_len + 2)) {
            char *at = s->out.p + s->out.len;
            memcpy(at, "VALUE ", 6);
            at += 6;
            memcpy(at, key.p, key.len);
            at += key.len;
            *at++ = ' ';
            at = put_number(at, it->flags);
            *at++ = ' ';
            at = put_number(at, it->value_len);
            if (s->gets) {
                *at++ = ' ';
                at = put_number(at, it->cas);
            }
            *at++ = '\r';
            *at++ = '\n';
            memcpy(at, item_value(it), it->value_len);
            at += it->value_len;
            *at++ = '\r';
            *at++ = '\n';
            s->out.len = (size_t)(at - s->out.p);
            bump(&s->n->get_hits, 1);
            bump(&s->n->value_copies, 2);
            bump(&s->n->value_ops, 1);
        } else {
            s->stop = BROKEN;
        }
    }
    store_unlock(st);
}

/* Answers keys up to the end of the line, or until the output is full: then the rest waits in `carry`. */
static void get_keys(session *s, const char *at, const char *end) {
    word key;
    while (s->stop == GO_ON) {
        if (!has_room(s)) {
            s->carry.len = 0;
            if (!buf_append(&s->carry, at, (size_t)(end - at))) s->stop = BROKEN;
            s->mode = GET_REST;
            return;
        }
        if (!next_word(&at, end, &key)) break;
        get_one(s, key);
    }
    say_bytes(s, "END\r\n", 5);
    s->mode = LINE;
}

static void get_command(session *s, const char *at, const char *end, int gets) {
    word key;
    size_t keys = 0;
    for (const char *p = at; next_word(&p, end, &key); keys++) {
        if (key.len > KEY_MAX) {
            reply(s, "CLIENT_ERROR bad command line format");
            return;
        }
    }
    if (keys == 0) {
        reply(s, "ERROR");
        return;
    }
    s->gets = gets != 0;
    get_keys(s, at, end);
}

/* ---- set -------------------------------------------------------------------------------------------------------- */

/* memcached's rule: 0 never, below 0 at once, up to 30 days from now, else a time of day. */
static int parse_expiry(word w, int64_t *out) {
    uint64_t n;
    if (w.len > 1 && w.p[0] == '-') {
        w.p++;
        w.len--;
        *out = 1;
        return parse_number(w, INT64_MAX, &n);
    }
    if (!parse_number(w, INT64_MAX, &n)) return 0;
    *out = (int64_t)n;
    if (n != 0 && n <= 60 * 60 * 24 * 30) *out += (int64_t)time(NULL);
    return 1;
}

/* Refuses a set whose value is on its way: says why and skips `len` bytes and their line end. */
static void refuse_value(session *s, const char *why, uint64_t len) {
    reply(s, why);
    s->left = len;
    s->mode = len ? SWALLOW : SWALLOW_LINE;
}

static void set_command(session *s, const word *w, int words) {
    uint64_t flags, len;
    int64_t expires;
    if (words < 5 || words > 6) {
        reply(s, "ERROR");
        return;
    }
    bump(&s->n->cmd_set, 1);
    s->noreply = words == 6 && is_word(w[5], "noreply");
    if (w[4].len > 1 && w[4].p[0] == '-') {
        reply(s, "CLIENT_ERROR bad data chunk");
        return;
    }
    if (!parse_number(w[4], INT64_MAX, &len)) {
        reply(s, "CLIENT_ERROR bad command line format");
        return;
    }
    if (w[1].len > KEY_MAX || !parse_number(w[2], UINT32_MAX, &flags) || !parse_expiry(w[3], &expires)) {
        refuse_value(s, "CLIENT_ERROR bad command line format", len);
        return;
    }
    if (len > VALUE_MAX) {
        store_delete(s->store, w[1].p, w[1].len); /* a client that ignores the answer must not read the old value */
        refuse_value(s, "SERVER_ERROR object too large for cache", len);
        return;
    }
    s->filling = item_new(s->store, w[1].p, w[1].len, (uint32_t)flags, expires, (uint32_t)len);
    if (!s->filling) {
        store_delete(s->store, w[1].p, w[1].len);
        refuse_value(s, "SERVER_ERROR out of memory storing object", len);
        return;
    }
    s->left = len;
    s->saw_cr = 0;
    s->recopied = 0;
    s->mode = len ? BODY : TERM;
}

/* Looks for the line end after a value; returns how many bytes of `at..end` it took. */
static size_t end_of_value(session *s, const char *at, const char *end) {
    const char *p = at;
    item *it = s->filling;
    if (!s->saw_cr && *p == '\r') {
        s->saw_cr = 1;
        if (++p == end) return 1;
    }
    s->filling = NULL;
    if (*p == '\n' && (s->saw_cr || !s->crlf)) {
        bump(&s->n->value_copies, s->recopied ? 3 : 2);
        bump(&s->n->value_ops, 1);
        store_put(s->store, it);
        reply(s, "STORED");
        s->mode = LINE;
        return (size_t)(p + 1 - at);
    }
    /* Too long or too short. If the value itself ended a line, what follows is the next request. */
    int at_line_start = !s->saw_cr && it->value_len && item_value(it)[it->value_len - 1] == '\n';
    free(it);
    reply(s, "CLIENT_ERROR bad data chunk");
    s->mode = at_line_start ? LINE : SWALLOW_LINE;
    return (size_t)(p - at);
}

/* ---- the other commands ----------------------------------------------------------------------------------------- */

/* Replaces the item by one that holds `n`, or writes it in place if it has the same length. Lock held. */
static int store_number(store *st, stripe *sp, item **link, uint64_t n, item **old) {
    char text[20];
    item *it = *link;
    uint32_t len = (uint32_t)(put_number(text, n) - text);
    *old = NULL;
    if (it->value_len == len) {
        memcpy(item_value(it), text, len);
        it->cas = atomic_fetch_add_explicit(&st->cas, 1, memory_order_relaxed) + 1;
        return 1;
    }
    item *wider = item_new(st, it->bytes, it->key_len, it->flags, it->expires, len);
    if (!wider) return 0;
    memcpy(item_value(wider), text, len);
    *old = link_at(st, sp, link, wider);
    return 1;
}

static void count_command(session *s, const word *w, int words, int up) {
    stripe *st;
    item **link, *old = NULL;
    uint64_t by, n = 0;
    const char *answer = NULL;
    char text[24];
    if (words < 3 || words > 4) {
        reply(s, "ERROR");
        return;
    }
    s->noreply = words == 4 && is_word(w[3], "noreply");
    if (w[1].len > KEY_MAX) {
        reply(s, "CLIENT_ERROR bad command line format");
        return;
    }
    if (!parse_number(w[2], UINT64_MAX, &by)) {
        reply(s, "CLIENT_ERROR invalid numeric delta argument");
        return;
    }
    item *it = store_lock(s->store, w[1].p, w[1].len, &st, &link);
    if (!it) {
        answer = "NOT_FOUND";
    } else if (!parse_number((word){item_value(it), it->value_len}, UINT64_MAX, &n)) {
        answer = "CLIENT_ERROR cannot increment or decrement non-numeric value";
    } else {
        n = up ? n + by : n > by ? n - by : 0; /* up wraps, down stops at 0, as in memcached */
        if (!store_number(s->store, st, link, n, &old)) answer = "SERVER_ERROR out of memory in incr";
    }
    store_unlock(st);
    free(old);
    if (!answer) {
        *put_number(text, n) = '\0';
        answer = text;
    }
    reply(s, answer);
}

static void delete_command(session *s, const word *w, int words) {
    s->noreply = words > 2 && is_word(w[words - 1], "noreply");
    int extra = words - 2 - (int)s->noreply;
    if (words < 2) {
        reply(s, "ERROR");
    } else if (extra > 1 || (extra == 1 && !is_word(w[2], "0")) || w[1].len > KEY_MAX) {
        reply(s, "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]");
    } else {
        reply(s, store_delete(s->store, w[1].p, w[1].len) ? "DELETED" : "NOT_FOUND");
    }
}

static void flush_command(session *s, const word *w, int words) {
    uint64_t delay = 0;
    s->noreply = words > 1 && is_word(w[words - 1], "noreply");
    int extra = words - 1 - (int)s->noreply;
    if (extra > 1 || (extra == 1 && (!parse_number(w[1], UINT64_MAX, &delay) || delay != 0))) {
        reply(s, "CLIENT_ERROR bad command line format");
        return;
    }
    store_clear(s->store);
    reply(s, "OK");
}

/* One line, without its end. */
static void run_line(session *s, const char *at, const char *end) {
    word w[MAX_WORDS];
    int words = 0;
    s->noreply = 0;
    s->crlf = end > at && end[-1] == '\r';
    if (s->crlf) end--;
    if (!next_word(&at, end, &w[words])) {
        reply(s, "ERROR");
        return;
    }
    if (is_word(w[0], "get") || is_word(w[0], "gets")) {
        get_command(s, at, end, w[0].len == 4);
        return;
    }
    for (words = 1; words < MAX_WORDS && next_word(&at, end, &w[words]);) words++;
    if (is_word(w[0], "set")) {
        set_command(s, w, words);
    } else if (is_word(w[0], "delete")) {
        delete_command(s, w, words);
    } else if (is_word(w[0], "incr") || is_word(w[0], "decr")) {
        count_command(s, w, words, w[0].p[0] == 'i');
    } else if (is_word(w[0], "version")) {
        reply(s, "VERSION ouzel-kv-0.1.0");
    } else if (is_word(w[0], "stats") && words == 1) {
        s->stop = STATS;
    } else if (is_word(w[0], "flush_all")) {
        flush_command(s, w, words);
    } else if (is_word(w[0], "quit")) {
        s->stop = QUIT;
    } else {
        reply(s, "ERROR");
    }
}

/* Takes what has arrived; returns how many bytes of it. Fewer than `len`: the output is full, or see `stop`. */
static size_t session_feed(session *s, const char *data, size_t len) {
    const char *at = data, *end = data + len, *nl;
    while (s->stop == GO_ON && (at < end || s->mode == GET_REST) && has_room(s)) {
        size_t n = (size_t)(end - at);
        switch (s->mode) {
        case LINE:
            nl = memchr(at, '\n', n);
            n = nl ? (size_t)(nl - at) : n;
            if (!nl || s->carry.len) {
                if (s->carry.len + n > LINE_LIMIT) {
                    s->carry.len = 0;
                    s->noreply = 0;
                    reply(s, "CLIENT_ERROR line too long");
                    s->mode = SWALLOW_LINE;
                    break;
                }
                if (!buf_append(&s->carry, at, n)) s->stop = BROKEN;
                at += n;
                if (!nl || s->stop != GO_ON) break;
                n = s->carry.len;
                s->carry.len = 0; /* its bytes stay until the next append */
                run_line(s, s->carry.p, s->carry.p + n);
            } else {
                run_line(s, at, nl);
            }
            at = nl + 1;
            break;
        case GET_REST:
            n = s->carry.len;
            s->carry.len = 0;
            get_keys(s, s->carry.p, s->carry.p + n);
            break;
        case BODY:
            if (n > s->left) n = (size_t)s->left;
            memcpy(item_value(s->filling) + (s->filling->value_len - s->left), at, n);
            s->recopied |= s->copied;
            s->left -= n;
            at += n;
            if (s->left == 0) s->mode = TERM;
            break;
        case TERM:
            at += end_of_value(s, at, end);
            break;
        case SWALLOW:
            if (n > s->left) n = (size_t)s->left;
            s->left -= n;
            at += n;
            if (s->left == 0) s->mode = SWALLOW_LINE;
            break;
        case SWALLOW_LINE:
            nl = memchr(at, '\n', n);
            at = nl ? nl + 1 : end;
            if (nl) s->mode = LINE;
            break;
        }
    }
    return (size_t)(at - data);
}

static void session_free(session *s) {
    free(s->filling);
    buf_free(&s->out);
    buf_free(&s->carry);
}

#endif
