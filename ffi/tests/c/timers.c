/* Timers and intervals: waiting, resetting, cancelling, letting go. */
#define _GNU_SOURCE
#include "scene.h"

static int32_t waits(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    s->then = ouzel_now(rt) + 5 * MS;
    AWAIT(s, 1, ouzel_timer(rt, s->then, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK_IS(s->cqe.flags, 0);
    CHECK(ouzel_now(rt) >= s->then);
    CHECK_IS(s->releases, 1);
    CHECK_IS(ouzel_timer_reset(s->op, s->then), OUZEL_ESTALE);
    /* one whose time has passed */
    AWAIT(s, 2, ouzel_timer(rt, 1, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    /* in flight, and cancelled */
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + 100 * SECOND, 0, &opts, &s->op), OUZEL_OK);
    memset(&s->cqe, 0x55, sizeof s->cqe);
    CHECK_IS(ouzel_op_take(s->op, &s->cqe), OUZEL_PENDING);
    CHECK_IS(s->cqe.res, 0x55555555); /* left alone */
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    CHECK_IS(ouzel_timer_reset(s->op, ouzel_now(rt)), OUZEL_ECANCELED);
    CHECK_IS(s->releases, 2);
    AWAIT(s, 3, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(s->cqe.flags, OUZEL_CQE_CANCELLED);
    CHECK_IS(s->releases, 3);
    /* not begun: nothing is written, nothing released */
    s->op.slot = 77;
    CHECK_IS(ouzel_interval(rt, 0, 0, &opts, &s->op), OUZEL_EINVAL);
    CHECK_IS(ouzel_interval(NULL, 0, 1, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(s->op.slot, 77);
    CHECK_IS(s->releases, 3);
    /* something else is no timer */
    CHECK_IS(ouzel_recv(rt, s->fd, s->buf, 1, 0, NULL, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_timer_reset(s->op, 1), OUZEL_EINVAL);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_OK);
    END(s)
}

static void a_timer_waits_and_can_be_cancelled(void) {
    scene s = {0};
    pair(SOCK_STREAM, &s);
    run_alone(waits, &s);
    CHECK_IS(s.releases, 3);
    unpair(&s);
}

/* ---- reset ------------------------------------------------------------------------------------------------------ */

/* Waits for s->op2, which others reset. */
static int32_t waits_for_another(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_cqe cqe; /* s->cqe is the other task's */
    int32_t got = ouzel_op_poll(s->op2, cx, &cqe);
    if (got == OUZEL_PENDING) return OUZEL_PENDING;
    CHECK_IS(got, OUZEL_READY);
    CHECK_IS(cqe.res, 0);
    CHECK(ouzel_now(ouzel_cx_runtime(cx)) >= s->then);
    atomic_fetch_add(&s->calls, 1);
    return OUZEL_READY;
}

static int32_t resets(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    uint64_t later;
    int32_t err;
    BEGIN(s)
    /* later: not before the new end */
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + 10 * MS, 0, NULL, &s->op2), OUZEL_OK);
    CHECK_IS(ouzel_spawn(rt, waits_for_another, s, NULL, NULL), OUZEL_OK);
    AWAIT(s, 1, ouzel_timer(rt, ouzel_now(rt) + 3 * MS, 0, NULL, &s->op));
    later = ouzel_now(rt) + 30 * MS;
    err = ouzel_timer_reset(s->op2, later);
    if (err == OUZEL_OK) s->then = later;
    else CHECK_IS(err, OUZEL_ESTALE); /* a slow machine: it was over before */
    while (s->calls < 1) {
        AWAIT(s, 3, ouzel_timer(rt, ouzel_now(rt) + MS, 0, NULL, &s->op));
    }
    /* earlier: who waits is woken then */
    s->then = 0;
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + 100 * SECOND, 0, NULL, &s->op2), OUZEL_OK);
    CHECK_IS(ouzel_spawn(rt, waits_for_another, s, NULL, NULL), OUZEL_OK);
    AWAIT(s, 4, ouzel_timer(rt, ouzel_now(rt) + 3 * MS, 0, NULL, &s->op));
    CHECK_IS(s->calls, 1);
    s->then = ouzel_now(rt) + 2 * MS;
    CHECK_IS(ouzel_timer_reset(s->op2, s->then), OUZEL_OK);
    while (s->calls < 2) {
        AWAIT(s, 5, ouzel_timer(rt, ouzel_now(rt) + MS, 0, NULL, &s->op));
    }
    /* over, and not taken: taken back */
    CHECK_IS(ouzel_timer(rt, 1, 0, NULL, &s->op2), OUZEL_OK);
    CHECK_IS(ouzel_timer_reset(s->op2, ouzel_now(rt) + 100 * SECOND), OUZEL_OK);
    CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
    s->then = ouzel_now(rt) + 2 * MS;
    CHECK_IS(ouzel_timer_reset(s->op2, s->then), OUZEL_OK);
    s->op = s->op2;
    AWAIT(s, 6, OUZEL_OK);
    CHECK(ouzel_now(rt) >= s->then);
    END(s)
}

static void a_reset_timer_ends_at_its_new_time(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, resets, &s), OUZEL_OK);
    CHECK_IS(s.calls, 2);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- intervals -------------------------------------------------------------------------------------------------- */

static int32_t ticks(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    s->then = ouzel_now(rt);
    CHECK_IS(ouzel_interval(rt, s->then, MS, &opts, &s->op), OUZEL_OK);
    s->got = 0;
    while (s->got < 10) {
        AWAIT(s, 1, OUZEL_OK);
        CHECK_IS(s->cqe.res, 0);
        CHECK_IS(s->cqe.flags, OUZEL_CQE_MORE);
        CHECK(s->cqe.extra >= 1);
        s->got += (int)s->cqe.extra;
        CHECK(ouzel_now(rt) >= s->then + (uint64_t)(s->got - 1) * MS);
    }
    usleep(5500); /* missed ones are counted */
    AWAIT(s, 2, OUZEL_OK);
    CHECK(s->cqe.extra >= 5);
    CHECK_IS(s->releases, 0);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 3, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(s->releases, 1);
    CHECK_IS(ouzel_op_take(s->op, &s->cqe), OUZEL_ESTALE);
    CHECK_IS(ouzel_interval(rt, s->then, MS, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_OK);
    END(s)
}

static void an_interval_ticks_until_it_is_cancelled(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, ticks, &s), OUZEL_OK);
    run_until(rt, &s.releases, 2);
    CHECK_IS(s.releases, 2);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(s.releases, 2);
}

static void on_tick(void *ud, const ouzel_cqe *cqe) {
    scene *s = ud;
    if (cqe->flags & OUZEL_CQE_MORE) {
        CHECK_IS(s->releases, 0);
        if (atomic_fetch_add(&s->calls, 1) == 2) CHECK_IS(ouzel_op_cancel(cqe->op), OUZEL_OK);
    } else {
        s->last = cqe->res;
    }
}

static int32_t begins_ticking(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_op_opts opts = op_opts(on_tick, released, s);
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    CHECK_IS(ouzel_interval(rt, ouzel_now(rt), MS, &opts, NULL), OUZEL_OK);
    return OUZEL_READY;
}

static void an_interval_calls_back(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, begins_ticking, &s), OUZEL_OK);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE); /* once it has been cancelled */
    CHECK_IS(s.calls, 3);
    CHECK_IS(s.last, -ECANCELED);
    CHECK_IS(s.releases, 1);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static int32_t ticks_by_waker(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    if (s->at++ == 0) {
        ouzel_op_opts opts = op_opts(NULL, released, s);
        opts.waker = ouzel_cx_waker(cx);
        CHECK_IS(ouzel_interval(ouzel_cx_runtime(cx), 1, MS, &opts, &s->op), OUZEL_OK);
        return OUZEL_PENDING;
    }
    while (ouzel_op_take(s->op, &s->cqe) == OUZEL_READY) {
        if (!(s->cqe.flags & OUZEL_CQE_MORE)) return OUZEL_READY;
        if (++s->got == 4) CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    }
    return OUZEL_PENDING;
}

static void an_interval_wakes_whom_it_was_told(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, ticks_by_waker, &s), OUZEL_OK);
    CHECK_IS(s.got, 4);
    CHECK_IS(s.releases, 1);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

/* A timer nobody polls ends the wait of whoever drives the loop. */
static void a_timer_ends_the_hosts_wait(void) {
    if (the_workers) return;
    ouzel_runtime *rt = new_runtime();
    ouzel_op op;
    ouzel_cqe cqe;
    uint64_t ns = 0, then = ouzel_now(rt) + 5 * MS;
    CHECK_IS(ouzel_timer(rt, then, 0, NULL, &op), OUZEL_OK);
    CHECK_IS(ouzel_backend_timeout(rt, &ns), OUZEL_OK);
    CHECK(ns < SECOND);
    while (ouzel_op_take(op, &cqe) == OUZEL_PENDING) CHECK_IS(ouzel_run_once(rt, OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(cqe.res, 0);
    CHECK(ouzel_now(rt) >= then);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static int32_t leaves_timers(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    ouzel_op_opts called = op_opts(on_tick, released, s);
    ouzel_op op;
    for (int i = 0; i < 20; i++) {
        CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + 100 * SECOND, 0, &opts, &op), OUZEL_OK);
        if (i % 2) CHECK_IS(ouzel_op_poll(op, cx, &s->cqe), OUZEL_PENDING);
        CHECK_IS(ouzel_interval(rt, ouzel_now(rt) + 100 * SECOND, MS, &called, &op), OUZEL_OK);
        CHECK_IS(ouzel_timer(rt, 1, 0, &opts, NULL), OUZEL_OK); /* abandoned at once */
    }
    return OUZEL_READY;
}

static void timers_left_at_the_end_are_released_once(void) {
    scene s = {0};
    run_alone(leaves_timers, &s);
    CHECK_IS(s.releases, 60);
    CHECK_IS(s.calls, 0);
}

static const test tests[] = {
    TEST(a_timer_waits_and_can_be_cancelled),
    TEST(a_reset_timer_ends_at_its_new_time),
    TEST(an_interval_ticks_until_it_is_cancelled),
    TEST(an_interval_calls_back),
    TEST(an_interval_wakes_whom_it_was_told),
    TEST(a_timer_ends_the_hosts_wait),
    TEST(timers_left_at_the_end_are_released_once),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
