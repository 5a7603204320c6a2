/* Small sends without an operation. io_uring and epoll take them, host-driven; elsewhere the answer is that nothing was taken. */
#include "scene.h"

#define ROOM 4096

typedef struct stream {
    scene s;
    size_t taken, read; /* bytes, of a pattern that goes on */
    char in[ROOM];
} stream;

static int takes(void) { return the_driver != OUZEL_DRIVER_POLL && the_workers == 0; }

static char at(size_t n) { return (char)(n * 31 + n / 251); }

/* Sends the next piece of the pattern, if it is taken. */
static int32_t send_piece(ouzel_runtime *rt, stream *m) {
    char piece[1000];
    for (size_t i = 0; i < sizeof piece; i++) piece[i] = at(m->taken + i);
    int32_t got = ouzel_try_send(rt, m->s.fd, piece, sizeof piece);
    memset(piece, 0, sizeof piece);
    if (got == OUZEL_READY) m->taken += sizeof piece;
    return got;
}

/* Sends until nothing more is taken. */
static void fill(ouzel_runtime *rt, stream *m) {
    int32_t got;
    while ((got = send_piece(rt, m)) == OUZEL_READY) {}
    CHECK_IS(got, OUZEL_PENDING);
    CHECK(takes() ? m->taken > 0 : m->taken == 0);
}

/* What was received is the pattern, and `end` follows what was taken. */
static void check_in(stream *m) {
    CHECK(m->s.cqe.res > 0);
    for (int32_t i = 0; i < m->s.cqe.res; i++, m->read++)
        CHECK(m->in[i] == (m->read < m->taken ? at(m->read) : "end"[m->read - m->taken]));
}

static void narrow_pair(scene *s) {
    int room = ROOM;
    pair(SOCK_STREAM, s);
    CHECK_IS(setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
}

/* ---- it waits --------------------------------------------------------------------------------------------------- */

static int32_t waiting(void *ud, ouzel_cx *cx) {
    stream *m = ud;
    scene *s = &m->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    BEGIN(s)
    fill(rt, m);
    CHECK_IS(ouzel_send(rt, s->fd, "end", 3, 0, NULL, &s->op2), OUZEL_OK);
    PAUSE(s, 1);
    if (takes()) CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
    while (m->read < m->taken + 3) {
        AWAIT(s, 2, ouzel_recv(rt, s->peer, m->in, sizeof m->in, 0, NULL, &s->op));
        check_in(m);
    }
    s->op = s->op2;
    AWAIT(s, 3, OUZEL_OK);
    CHECK_IS(s->cqe.res, 3);
    if (takes()) {
        /* there is room again */
        CHECK_IS(ouzel_try_send(rt, s->fd, "more", 4), OUZEL_READY);
        CHECK_IS(ouzel_try_send(rt, s->fd, ", too", 5), OUZEL_READY);
        AWAIT(s, 4, ouzel_recv(rt, s->peer, s->buf, 9, MSG_WAITALL, NULL, &s->op));
        CHECK(memcmp(s->buf, "more, too", 9) == 0);
    }
    END(s)
}

static void what_is_taken_arrives_in_order(void) {
    stream m = {0};
    narrow_pair(&m.s);
    run_alone(waiting, &m);
    unpair(&m.s);
}

typedef struct two {
    stream a, b;
} two;

static int32_t in_turn(void *ud, ouzel_cx *cx) {
    two *m = ud;
    scene *s = &m->a.s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    BEGIN(s)
    for (;;) {
        int32_t first = send_piece(rt, &m->a), second = send_piece(rt, &m->b);
        if (first == OUZEL_PENDING && second == OUZEL_PENDING) break;
    }
    CHECK(takes() ? m->a.taken > ROOM && m->b.taken > ROOM : m->a.taken == 0);
    while (m->a.read < m->a.taken) {
        AWAIT(s, 1, ouzel_recv(rt, s->peer, m->a.in, 700, 0, NULL, &s->op));
        check_in(&m->a);
    }
    while (m->b.read < m->b.taken) {
        AWAIT(s, 2, ouzel_recv(rt, m->b.s.peer, m->b.in, 700, 0, NULL, &s->op));
        m->b.s.cqe = s->cqe;
        check_in(&m->b);
    }
    END(s)
}

static void two_streams_in_turn_keep_their_order(void) {
    two m = {0};
    narrow_pair(&m.a.s);
    narrow_pair(&m.b.s);
    run_alone(in_turn, &m);
    unpair(&m.a.s);
    unpair(&m.b.s);
}

static int32_t limited(void *ud, ouzel_cx *cx) {
    stream *m = ud;
    scene *s = &m->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = {0};
    opts.size = sizeof opts;
    opts.timeout_ns = 5 * MS;
    BEGIN(s)
    fill(rt, m);
    if (!takes()) return OUZEL_READY;
    AWAIT(s, 1, ouzel_send(rt, s->fd, "late", 4, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -ETIMEDOUT);
    /* nothing of it has gone */
    CHECK_IS(ouzel_send(rt, s->fd, "end", 3, OUZEL_SEND_LAZY, NULL, &s->op2), OUZEL_OK);
    while (m->read < m->taken + 3) {
        AWAIT(s, 2, ouzel_recv(rt, s->peer, m->in, sizeof m->in, 0, NULL, &s->op));
        check_in(m);
    }
    s->op = s->op2;
    AWAIT(s, 3, OUZEL_OK);
    CHECK_IS(s->cqe.res, 3);
    END(s)
}

static void what_goes_behind_has_its_limit(void) {
    stream m = {0};
    narrow_pair(&m.s);
    run_alone(limited, &m);
    unpair(&m.s);
}

/* ---- it is cancelled, or dropped -------------------------------------------------------------------------------- */

static int32_t cancelling(void *ud, ouzel_cx *cx) {
    stream *m = ud;
    scene *s = &m->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    BEGIN(s)
    fill(rt, m);
    if (!takes()) return OUZEL_READY;
    /* behind it: the cancel ends this one, and nothing before it */
    CHECK_IS(ouzel_send(rt, s->fd, "never", 5, 0, NULL, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 1, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(ouzel_send(rt, s->fd, "end", 3, 0, NULL, &s->op2), OUZEL_OK);
    while (m->read < m->taken + 3) {
        AWAIT(s, 2, ouzel_recv(rt, s->peer, m->in, sizeof m->in, 0, NULL, &s->op));
        check_in(m);
    }
    s->op = s->op2;
    AWAIT(s, 3, OUZEL_OK);
    /* a close drops what has found no room */
    fill(rt, m);
    AWAIT(s, 4, ouzel_close(rt, s->fd, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    s->fd = -1;
    do {
        AWAIT(s, 5, ouzel_recv(rt, s->peer, m->in, sizeof m->in, 0, NULL, &s->op));
        m->read += (size_t)s->cqe.res;
    } while (s->cqe.res > 0);
    CHECK_IS(s->cqe.res, 0);
    CHECK(m->read < m->taken + 3);
    END(s)
}

static void what_was_taken_is_cancelled_by_a_close_alone(void) {
    stream m = {0};
    narrow_pair(&m.s);
    run_alone(cancelling, &m);
    unpair(&m.s);
}

static int32_t leaving(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    s->last = ouzel_try_send(ouzel_cx_runtime(cx), s->fd, "last", 4);
    return OUZEL_READY;
}

static void the_end_of_a_runtime_comes_after_it(void) {
    scene s = {0};
    pair(SOCK_STREAM, &s);
    run_alone(leaving, &s);
    CHECK_IS(s.last, takes() ? OUZEL_READY : OUZEL_PENDING);
    CHECK_IS(read(s.peer, s.buf, sizeof s.buf), takes() ? 4 : -1);
    unpair(&s);
}

static int32_t leaving_full(void *ud, ouzel_cx *cx) {
    stream *m = ud;
    fill(ouzel_cx_runtime(cx), m);
    if (takes()) CHECK_IS(ouzel_send(ouzel_cx_runtime(cx), m->s.fd, "never", 5, 0, NULL, &m->s.op), OUZEL_OK);
    return OUZEL_READY;
}

static void the_end_of_a_runtime_drops_what_finds_no_room(void) {
    stream m = {0};
    ssize_t n;
    narrow_pair(&m.s);
    run_alone(leaving_full, &m);
    while ((n = read(m.s.peer, m.in, sizeof m.in)) > 0)
        for (ssize_t i = 0; i < n; i++, m.read++) CHECK(m.in[i] == at(m.read));
    CHECK(takes() ? m.read > 0 && m.read < m.taken : m.read == 0);
    unpair(&m.s);
}

/* ---- it fails --------------------------------------------------------------------------------------------------- */

static int32_t failing(void *ud, ouzel_cx *cx) {
    stream *m = ud;
    scene *s = &m->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    BEGIN(s)
    CHECK_IS(ouzel_try_send(rt, s->fd, NULL, 1), OUZEL_ENULL);
    CHECK_IS(ouzel_try_send(rt, s->fd, NULL, 0), takes() ? OUZEL_READY : OUZEL_PENDING);
    CHECK_IS(ouzel_try_send(rt, -1, "x", 1), takes() ? -EBADF : OUZEL_PENDING);
    CHECK_IS(ouzel_try_send(NULL, s->fd, "x", 1), OUZEL_ENULL);
    if (!takes()) return OUZEL_READY;
    /* one that finds no room, and then no peer */
    fill(rt, m);
    CHECK_IS(close(s->peer), 0);
    while ((s->last = ouzel_try_send(rt, s->fd, "x", 1)) == OUZEL_PENDING) PAUSE(s, 1);
    CHECK_IS(s->last, -EPIPE);
    /* told once; the next one fails by itself */
    CHECK_IS(ouzel_try_send(rt, s->fd, "x", 1), OUZEL_READY);
    CHECK_IS(ouzel_submit(rt), OUZEL_OK);
    CHECK_IS(ouzel_try_send(rt, s->fd, "x", 1), -EPIPE);
    /* another socket of the same number knows nothing of it */
    CHECK_IS(ouzel_try_send(rt, s->fd, "x", 1), OUZEL_READY);
    AWAIT(s, 2, ouzel_close(rt, s->fd, NULL, &s->op));
    s->got = s->fd;
    pair(SOCK_STREAM, s);
    CHECK(s->fd == s->got || s->peer == s->got);
    CHECK_IS(ouzel_try_send(rt, s->got, "x", 1), OUZEL_READY);
    AWAIT(s, 3, ouzel_recv(rt, s->got == s->fd ? s->peer : s->fd, s->buf, 1, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, 1);
    END(s)
}

static void a_failure_is_told_at_the_next_one(void) {
    stream m = {0};
    narrow_pair(&m.s);
    run_alone(failing, &m);
    unpair(&m.s);
}

static const test tests[] = {
    TEST(what_is_taken_arrives_in_order),
    TEST(two_streams_in_turn_keep_their_order),
    TEST(what_goes_behind_has_its_limit),
    TEST(what_was_taken_is_cancelled_by_a_close_alone),
    TEST(the_end_of_a_runtime_comes_after_it),
    TEST(the_end_of_a_runtime_drops_what_finds_no_room),
    TEST(a_failure_is_told_at_the_next_one),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
