/* kv_conn.h - the connections of kv.c, and its `stats`.
 *
 *     poll of a connection:  recv_multi completions -> session_feed -> replies in `out` -> one lazy send of all of them
 *
 * Two output buffers: one gathers replies (`session.out`) while the kernel may be reading the other (`flight`). A slow
 * reader fills both; then the receive is cancelled and the connection reads nothing until a send has completed.
 */
#ifndef KV_CONN_H
#define KV_CONN_H

#include "ouzel.h"

#include "kv_proto.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_THREADS 64
#define BUFFERS_PER_POLL 16                /* then other connections have their turn */
#define KEEP_CAPACITY (64u * 1024u)        /* a buffer larger than this is given up once it is little used: */
#define KEEP_SENDS 64                      /* after so many sends in a row that were small for it */

typedef struct server {
    ouzel_runtime *rt;
    ouzel_rtid id;
    pthread_t thread;
    int listener;
    int failed;
    counters n;
    ouzel_waker publisher;
    ouzel_stats published; /* this and the next under stats_lock */
    uint64_t published_epoch;
    ouzel_op accepting, sleeping; /* the accept task's operation */
    int complained;
} server;

typedef struct conn {
    session s; /* first: a session * is a conn * */
    server *sv;
    int fd;
    int refs; /* the task, and a send in flight: the kernel may be reading `flight` */
    ouzel_op recv, send;
    unsigned receiving : 1, sending : 1, cancelling : 1, eof : 1, dead : 1;
    buf flight;
    unsigned small_sends; /* in a row, small against the capacity of `flight` */
    buf backlog;          /* received while the output was full */
    size_t backlog_at;
    uint64_t stats_epoch; /* the answer to `stats` waits for every thread to have published this */
} conn;

static store the_store;
static server servers[MAX_THREADS];
static size_t n_servers = 1;
static struct timespec started;

static pthread_mutex_t stats_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t stats_epoch;
static ouzel_waker stats_waiters[64];

static void complain(const char *what, int32_t code) {
    fprintf(stderr, "kv: %s: %s (%s)\n", what, ouzel_err_text(code), ouzel_err_name(code));
}

/* ---- stats: the runtime's counters belong to its thread, so each publishes its own when asked ------------------ */

static void publish_own(server *sv) {
    ouzel_stats now = {0};
    ouzel_stats_get(sv->rt, &now, sizeof now);
    sv->published = now;
    sv->published_epoch = stats_epoch;
}

static int32_t publish(void *ud, ouzel_cx *cx) {
    (void)cx;
    pthread_mutex_lock(&stats_lock);
    publish_own(ud);
    for (size_t i = 0; i < sizeof stats_waiters / sizeof *stats_waiters; i++) ouzel_wake(stats_waiters[i]);
    pthread_mutex_unlock(&stats_lock);
    return OUZEL_PENDING;
}

static void stat_line(session *s, const char *name, uint64_t value) {
    char text[96];
    snprintf(text, sizeof text, "STAT %s %llu", name, (unsigned long long)value);
    reply(s, text);
}

static void stat_sum(session *s, const char *name, size_t offset) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n_servers; i++) {
        counter *c = (counter *)(void *)((char *)&servers[i].n + offset);
        sum += atomic_load_explicit(c, memory_order_relaxed);
    }
    stat_line(s, name, sum);
}

/* 1: answered. 0: some thread has not published yet; the connection's task is woken when it has. */
static int answer_stats(conn *c, ouzel_cx *cx) {
    session *s = &c->s;
    ouzel_waker me = ouzel_cx_waker(cx), *slot = NULL;
    ouzel_stats sum = {0};
    char text[96];
    size_t waiting = 0;
    pthread_mutex_lock(&stats_lock);
    for (size_t i = 0; i < sizeof stats_waiters / sizeof *stats_waiters; i++) {
        ouzel_waker *w = &stats_waiters[i];
        int mine = w->slot == me.slot && w->gen == me.gen;
        if (mine || !slot) slot = mine || !ouzel_waker_alive(*w) ? w : slot;
        if (mine) break;
    }
    int asked = c->stats_epoch != 0;
    if (!asked) c->stats_epoch = ++stats_epoch;
    publish_own(c->sv);
    for (size_t i = 0; i < n_servers; i++) waiting += servers[i].published_epoch < c->stats_epoch;
    if (slot) *slot = waiting ? me : (ouzel_waker){0, 0};
    if (!slot) waiting = 0; /* 64 others are waiting: answer with what there is */
    for (size_t i = 0; i < n_servers; i++) {
        const ouzel_stats *p = &servers[i].published;
        sum.enters += p->enters;
        sum.syscalls += p->syscalls;
        sum.sqes += p->sqes;
        sum.cqes += p->cqes;
        sum.polls += p->polls;
        if (p->allocs > sum.allocs) sum.allocs = p->allocs; /* counted for the whole process */
    }
    pthread_mutex_unlock(&stats_lock);
    if (waiting) {
        for (size_t i = 0; !asked && i < n_servers; i++) ouzel_wake(servers[i].publisher);
        return 0;
    }
    c->stats_epoch = 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "STAT driver %s", ouzel_driver_name((uint32_t)ouzel_runtime_driver(c->sv->rt)));
    s->noreply = 0;
    stat_line(s, "pid", (uint64_t)getpid());
    stat_line(s, "uptime", (uint64_t)(now.tv_sec - started.tv_sec));
    reply(s, "STAT version ouzel-kv-0.1.0");
    reply(s, text);
    stat_line(s, "threads", n_servers);
    stat_sum(s, "curr_connections", offsetof(counters, curr_connections));
    stat_sum(s, "total_connections", offsetof(counters, total_connections));
    stat_sum(s, "cmd_get", offsetof(counters, cmd_get));
    stat_sum(s, "cmd_set", offsetof(counters, cmd_set));
    stat_sum(s, "get_hits", offsetof(counters, get_hits));
    stat_sum(s, "value_ops", offsetof(counters, value_ops));
    stat_sum(s, "value_copies", offsetof(counters, value_copies));
    for (size_t i = 0; i < n_servers; i++) {
        sum.allocs += atomic_load_explicit(&servers[i].n.allocs, memory_order_relaxed);
    }
    stat_line(s, "allocs", sum.allocs);
    stat_line(s, "enters", sum.enters);
    stat_line(s, "syscalls", sum.syscalls);
    stat_line(s, "sqes", sum.sqes);
    stat_line(s, "cqes", sum.cqes);
    stat_line(s, "polls", sum.polls);
    stat_line(s, "curr_items", atomic_load_explicit(&the_store.items, memory_order_relaxed));
    stat_line(s, "bytes", atomic_load_explicit(&the_store.bytes, memory_order_relaxed));
    reply(s, "END");
    return 1;
}

/* ---- a connection ----------------------------------------------------------------------------------------------- */

static void conn_unref(void *ud) {
    conn *c = ud;
    if (--c->refs) return;
    session_free(&c->s);
    buf_free(&c->flight);
    buf_free(&c->backlog);
    free(c);
}

/* A send has completed: its buffer is free. */
static void sent(conn *c, const ouzel_cqe *cqe) {
    c->sending = 0;
    if (cqe->res < 0 || (size_t)cqe->res != c->flight.len) c->dead = 1;
    int small = c->flight.cap > KEEP_CAPACITY && c->flight.len < c->flight.cap / 8;
    c->small_sends = small ? c->small_sends + 1 : 0;
    if (c->small_sends >= KEEP_SENDS) buf_free(&c->flight);
    c->flight.len = 0;
}

/* Hands the gathered replies to a send, unless one is under way. LAZY: nobody is waiting for its completion. */
static void flush(conn *c, uint32_t flags) {
    ouzel_cqe cqe;
    if (c->sending && ouzel_op_take(c->send, &cqe) == OUZEL_READY) sent(c, &cqe);
    if (c->sending || c->dead || c->s.out.len == 0) return;
    buf full = c->s.out;
    c->s.out = c->flight;
    c->flight = full;
    ouzel_op_opts opts = {0};
    opts.size = sizeof opts;
    opts.ud = c;
    opts.release = conn_unref;
    c->refs++;
    int32_t err = ouzel_send(c->sv->rt, c->fd, full.p, full.len, flags, &opts, &c->send);
    if (err < 0) {
        c->refs--;
        c->dead = 1;
        return;
    }
    c->sending = 1;
}

static int drain(session *s) {
    flush((conn *)s, 0);
    return s->out.len < OUT_LIMIT;
}

static int has_input(const conn *c) { return c->backlog_at < c->backlog.len || c->s.mode == GET_REST; }

/* Feeds what was put off; then, in order, the bytes that have just arrived. */
static void feed(conn *c, const char *data, size_t len) {
    session *s = &c->s;
    if (has_input(c)) {
        s->copied = 1;
        c->backlog_at += session_feed(s, c->backlog.p + c->backlog_at, c->backlog.len - c->backlog_at);
        s->copied = 0;
        if (c->backlog_at == c->backlog.len) {
            c->backlog_at = c->backlog.len = 0;
            if (c->backlog.cap > KEEP_CAPACITY) buf_free(&c->backlog);
        }
    }
    if (len && !has_input(c)) {
        size_t n = session_feed(s, data, len);
        data += n;
        len -= n;
    }
    if (len && s->stop != QUIT && !buf_append(&c->backlog, data, len)) s->stop = BROKEN;
}

/* Takes one completion of the receive. */
static void received(conn *c, const ouzel_cqe *cqe) {
    if (!(cqe->flags & OUZEL_CQE_MORE)) c->receiving = c->cancelling = 0;
    if (cqe->flags & OUZEL_CQE_BUFFER) {
        feed(c, ouzel_buf_ptr(c->sv->rt, OUZEL_BUF_GROUP_DEFAULT, cqe->buf_id), cqe->buf_len);
        ouzel_buf_return(c->sv->rt, OUZEL_BUF_GROUP_DEFAULT, cqe->buf_id);
    } else if (cqe->res == 0) {
        c->eof = 1;
    } else if (cqe->res < 0 && cqe->res != -ENOBUFS && cqe->res != -ECANCELED && cqe->res != -EINTR) {
        c->dead = 1;
    }
}

/* Reads until nothing more is there, the output is full, or it is others' turn (1). */
static int read_some(conn *c, ouzel_cx *cx) {
    ouzel_cqe cqe;
    for (int i = 0; i < BUFFERS_PER_POLL; i++) {
        while (c->s.stop == STATS && answer_stats(c, cx)) {
            c->s.stop = GO_ON;
            feed(c, NULL, 0);
        }
        if (c->s.stop != GO_ON) return 0;
        int full = has_input(c);
        if (full && c->receiving && !c->cancelling) c->cancelling = ouzel_op_cancel(c->recv) >= 0;
        if (!c->receiving) {
            if (full || c->eof || c->dead) return 0;
            if (ouzel_recv_multi(c->sv->rt, c->fd, NULL, &c->recv) < 0) {
                c->dead = 1;
                return 0;
            }
            c->receiving = 1;
        }
        if (ouzel_op_poll(c->recv, cx, &cqe) != OUZEL_READY) return 0;
        received(c, &cqe);
    }
    return 1;
}

static void hang_up(conn *c) {
    if (c->receiving) ouzel_op_abandon(c->recv);
    if (c->sending) ouzel_op_abandon(c->send); /* `release` gives its reference back */
    c->receiving = c->sending = 0;
    if (c->fd >= 0 && ouzel_close(c->sv->rt, c->fd, NULL, NULL) < 0) close(c->fd);
    c->fd = -1;
}

static int32_t conn_poll(void *ud, ouzel_cx *cx) {
    conn *c = ud;
    ouzel_cqe cqe;
    for (;;) {
        if (c->s.stop == GO_ON && has_input(c)) feed(c, NULL, 0);
        int turn_over = read_some(c, cx);
        int done = c->dead || c->s.stop == BROKEN;
        int last = c->s.stop == QUIT || (c->eof && !has_input(c) && c->s.stop == GO_ON);
        flush(c, last || done ? 0 : OUZEL_SEND_LAZY);
        if (done || c->dead || (last && !c->sending)) break;
        /* A send that something waits for: more replies, more input, or the end of the connection. */
        if (c->sending && (last || c->s.out.len || has_input(c)) && ouzel_op_poll(c->send, cx, &cqe) == OUZEL_READY) {
            sent(c, &cqe);
            if (ouzel_cx_budget(cx)) continue;
            turn_over = 1;
        }
        if (turn_over) ouzel_wake_self(cx);
        return OUZEL_PENDING;
    }
    hang_up(c);
    return OUZEL_READY;
}

/* The task has ended, or the server is shutting down. */
static void conn_drop(void *ud) {
    conn *c = ud;
    hang_up(c);
    bump(&c->sv->n.curr_connections, (uint64_t)-1);
    conn_unref(c);
}

static void start_conn(server *sv, int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn *c = counted_realloc(NULL, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    memset(c, 0, sizeof *c);
    c->sv = sv;
    c->fd = fd;
    c->refs = 1;
    c->s.store = &the_store;
    c->s.n = &sv->n;
    c->s.drain = drain;
    bump(&sv->n.curr_connections, 1);
    bump(&sv->n.total_connections, 1);
    ouzel_task_opts opts = {0};
    opts.size = sizeof opts;
    opts.flags = OUZEL_TASK_DETACHED;
    opts.drop = conn_drop; /* also if spawning fails */
    int32_t err = ouzel_spawn(sv->rt, conn_poll, c, &opts, NULL);
    if (err < 0) complain("no task for a connection", err);
}

#endif
