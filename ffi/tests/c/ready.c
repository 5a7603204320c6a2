/* Readiness of descriptors: once, again and again, by callback. */
#define _GNU_SOURCE
#include "scene.h"

/* ---- readiness -------------------------------------------------------------------------------------------------- */

static int32_t readiness(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    AWAIT(s, 1, ouzel_poll_fd(rt, s->fd, POLLOUT, &opts, &s->op));
    CHECK(s->cqe.res & POLLOUT);
    CHECK_IS(ouzel_poll_fd(rt, s->peer, POLLIN, &opts, &s->op2), OUZEL_OK);
    PAUSE(s, 2);
    CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
    CHECK_IS(write(s->fd, "x", 1), 1);
    s->op = s->op2;
    AWAIT(s, 3, OUZEL_OK);
    CHECK(s->cqe.res & POLLIN);
    CHECK_IS(read(s->peer, s->buf, 8), 1);
    /* cancelled */
    CHECK_IS(ouzel_poll_fd(rt, s->peer, POLLIN, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 4, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    AWAIT(s, 5, ouzel_poll_fd(rt, -1, POLLIN, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    CHECK_IS(s->releases, 4);
    CHECK_IS(ouzel_poll_fd(rt, s->peer, 0, &opts, &s->op), OUZEL_EINVAL);
    CHECK_IS(ouzel_poll_fd(rt, s->peer, POLLIN | POLLOUT, &opts, &s->op), OUZEL_EINVAL);
    END(s)
}

static void readiness_is_told(void) {
    scene s = {0};
    pair(SOCK_STREAM, &s);
    run_alone(readiness, &s);
    CHECK_IS(s.releases, 4);
    unpair(&s);
}

/* Again and again: what is left is told again, what comes anew too. */
static int32_t readiness_again(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    CHECK_IS(ouzel_poll_fd_multi(rt, s->peer, 0, &opts, &s->op), OUZEL_EINVAL);
    opts.timeout_ns = MS;
    CHECK_IS(ouzel_poll_fd_multi(rt, s->peer, POLLIN, &opts, &s->op), OUZEL_EINVAL);
    opts.timeout_ns = 0;
    CHECK_IS(s->op.gen, 0);
    CHECK_IS(ouzel_poll_fd_multi(rt, s->peer, POLLIN, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_take(s->op, &s->cqe), OUZEL_PENDING);
    for (s->got = 0; s->got < 20; s->got++) {
        if (s->got % 3 == 0) CHECK_IS(write(s->fd, "abc", 3), 3);
        AWAIT(s, 1, OUZEL_OK);
        CHECK_IS(s->cqe.flags, OUZEL_CQE_MORE);
        CHECK(s->cqe.res & POLLIN);
        CHECK_IS(read(s->peer, s->buf, 1), 1);
        CHECK_IS(s->releases, 0);
    }
    CHECK_IS(read(s->peer, s->buf, 8), 1);
    /* used up: it waits, and is cancelled */
    CHECK_IS(ouzel_op_take(s->op, &s->cqe), OUZEL_PENDING);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 2, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(s->cqe.flags, OUZEL_CQE_CANCELLED);
    CHECK_IS(s->releases, 1);
    CHECK_IS(ouzel_op_take(s->op, &s->cqe), OUZEL_ESTALE);
    /* cancelled when one was taken and the next not asked for */
    AWAIT(s, 3, ouzel_poll_fd_multi(rt, s->peer, POLLOUT, &opts, &s->op));
    CHECK(s->cqe.res & POLLOUT);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    CHECK_IS(s->releases, 1);
    AWAIT(s, 4, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(s->releases, 2);
    AWAIT(s, 5, ouzel_poll_fd_multi(rt, -1, POLLIN, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    CHECK_IS(s->cqe.flags, 0);
    CHECK_IS(s->releases, 3);
    /* left behind, asked for and not */
    AWAIT(s, 6, ouzel_poll_fd_multi(rt, s->peer, POLLOUT, &opts, &s->op));
    CHECK_IS(ouzel_poll_fd_multi(rt, s->peer, POLLIN, &opts, &s->op), OUZEL_OK);
    END(s)
}

static void readiness_is_told_again(void) {
    scene s = {0};
    pair(SOCK_STREAM, &s);
    run_alone(readiness_again, &s);
    CHECK_IS(s.releases, 5);
    unpair(&s);
}

/* A callback that uses up what it is told of, until the other side is gone. */
static void on_bytes(void *ud, const ouzel_cqe *cqe) {
    scene *s = ud;
    if (!(cqe->flags & OUZEL_CQE_MORE)) {
        s->last = cqe->res;
        return;
    }
    ssize_t n = read(s->peer, s->buf, sizeof s->buf);
    if (n == 0) CHECK_IS(ouzel_op_cancel(cqe->op), OUZEL_OK);
    if (n > 0) atomic_fetch_add(&s->calls, (int)n);
}

static int32_t listens_to_bytes(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_op_opts opts = op_opts(on_bytes, released, s);
    CHECK_IS(ouzel_poll_fd_multi(ouzel_cx_runtime(cx), s->peer, POLLIN, &opts, NULL), OUZEL_OK);
    return OUZEL_READY;
}

static void readiness_calls_back(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    pair(SOCK_STREAM, &s);
    CHECK_IS(run_task(rt, listens_to_bytes, &s), OUZEL_OK);
    for (int i = 1; i <= 20; i++) {
        CHECK_IS(write(s.fd, "twelve bytes", 12), 12);
        run_until(rt, &s.calls, 12 * i);
        CHECK_IS(s.calls, 12 * i);
    }
    shutdown(s.fd, SHUT_WR);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE); /* it has cancelled itself */
    CHECK_IS(s.last, -ECANCELED);
    CHECK_IS(s.releases, 1);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    unpair(&s);
}

static const test tests[] = {
    TEST(readiness_is_told),
    TEST(readiness_is_told_again),
    TEST(readiness_calls_back),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
