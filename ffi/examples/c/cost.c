/* cost - does one thing many times, for `cargo xtask insns --ffi`, which counts what each time costs.
 *
 *     cost CASE WARMUP TIMES
 *
 * The cases have twins in ../cost.rs, which do the same in Rust. Prints how many times it was done and what was allocated
 * meanwhile, after the warm-up.
 */
#include "ouzel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TASKS 16

typedef struct job {
    uint64_t left, done;
    ouzel_op op, op2;
    ouzel_waker waker;
    int fd, begun;
    char byte;
} job;

static ouzel_runtime *rt;

static void fail(const char *what, int32_t code) {
    fprintf(stderr, "cost: %s: %s\n", what, ouzel_err_name(code));
    exit(1);
}

static int32_t must(const char *what, int32_t code) {
    if (code < 0) fail(what, code);
    return code;
}

static int32_t finished(job *j) {
    j->done++;
    return --j->left == 0;
}

/* A task that yields. */
static int32_t self_wake(void *ud, ouzel_cx *cx) {
    if (finished(ud)) return OUZEL_READY;
    ouzel_wake_self(cx);
    return OUZEL_PENDING;
}

/* The same through its id, which is looked up. */
static int32_t checked_wake(void *ud, ouzel_cx *cx) {
    job *j = ud;
    if (!j->begun++) j->waker = ouzel_cx_waker(cx);
    if (finished(j)) return OUZEL_READY;
    ouzel_wake(j->waker);
    return OUZEL_PENDING;
}

/* Operations one after the other, awaited. */
static int32_t nop(void *ud, ouzel_cx *cx) {
    job *j = ud;
    ouzel_cqe cqe;
    for (;;) {
        if (!j->op.gen) must("nop", ouzel_nop(rt, NULL, &j->op));
        if (must("poll", ouzel_op_poll(j->op, cx, &cqe)) == OUZEL_PENDING) return OUZEL_PENDING;
        j->op.gen = 0;
        if (finished(j)) return OUZEL_READY;
    }
}

/* Operations that wake a task they were told of. */
static int32_t nop_waker(void *ud, ouzel_cx *cx) {
    job *j = ud;
    ouzel_cqe cqe;
    for (;;) {
        if (!j->op.gen) {
            ouzel_op_opts opts = {0};
            opts.size = sizeof opts;
            opts.waker = ouzel_cx_waker(cx);
            must("nop", ouzel_nop(rt, &opts, &j->op));
            return OUZEL_PENDING;
        }
        if (must("take", ouzel_op_take(j->op, &cqe)) == OUZEL_PENDING) return OUZEL_PENDING;
        j->op.gen = 0;
        if (finished(j)) return OUZEL_READY;
    }
}

/* Operations with a callback, which begins the next one. */
static void nop_called(void *ud, const ouzel_cqe *cqe);

static void nop_again(job *j) {
    ouzel_op_opts opts = {0};
    opts.size = sizeof opts;
    opts.done = nop_called;
    opts.ud = j;
    must("nop", ouzel_nop(rt, &opts, NULL));
}

static void nop_called(void *ud, const ouzel_cqe *cqe) {
    (void)cqe;
    if (!finished(ud)) nop_again(ud);
}

static int32_t nop_done(void *ud, ouzel_cx *cx) {
    (void)cx;
    nop_again(ud);
    return OUZEL_READY;
}

/* Timers of 100 us, awaited. */
static int32_t timer(void *ud, ouzel_cx *cx) {
    job *j = ud;
    ouzel_cqe cqe;
    for (;;) {
        if (!j->op.gen) must("timer", ouzel_timer(rt, ouzel_now(rt) + 100000, 0, NULL, &j->op));
        if (must("poll", ouzel_op_poll(j->op, cx, &cqe)) == OUZEL_PENDING) return OUZEL_PENDING;
        j->op.gen = 0;
        if (finished(j)) return OUZEL_READY;
    }
}

/* Timers that are awaited and given up before their time. */
static int32_t timer_abandon(void *ud, ouzel_cx *cx) {
    job *j = ud;
    ouzel_cqe cqe;
    for (;;) {
        must("timer", ouzel_timer(rt, ouzel_now(rt) + 1000000000u, 0, NULL, &j->op));
        if (must("poll", ouzel_op_poll(j->op, cx, &cqe)) != OUZEL_PENDING) fail("timer", 1);
        must("abandon", ouzel_op_abandon(j->op));
        if (finished(j)) return OUZEL_READY;
        if (j->left % 64 == 0) {
            ouzel_wake_self(cx);
            return OUZEL_PENDING;
        }
    }
}

/* A byte to and fro between two tasks: a time is a receive and a send. */
static int32_t echo(void *ud, ouzel_cx *cx) {
    job *j = ud;
    ouzel_cqe cqe;
    for (;;) {
        if (!j->op.gen) must("recv", ouzel_recv(rt, j->fd, &j->byte, 1, 0, NULL, &j->op));
        if (!j->begun) {
            if (must("poll", ouzel_op_poll(j->op, cx, &cqe)) == OUZEL_PENDING) return OUZEL_PENDING;
            if (cqe.res != 1) fail("recv", cqe.res);
            j->begun = 1;
        }
        if (!j->op2.gen) must("send", ouzel_send(rt, j->fd, &j->byte, 1, 0, NULL, &j->op2));
        if (must("poll", ouzel_op_poll(j->op2, cx, &cqe)) == OUZEL_PENDING) return OUZEL_PENDING;
        j->begun = 0;
        j->op.gen = j->op2.gen = 0;
        if (finished(j)) return OUZEL_READY;
    }
}

static const struct {
    const char *name;
    ouzel_poll_fn poll;
    size_t tasks;
} cases[] = {
    {"self_wake", self_wake, TASKS},
    {"checked_wake", checked_wake, TASKS},
    {"nop", nop, 1},
    {"nop_waker", nop_waker, 1},
    {"nop_done", nop_done, 1},
    {"timer", timer, 1},
    {"timer_abandon", timer_abandon, 1},
    {"echo", echo, 2},
};

static uint64_t run(size_t c, uint64_t times) {
    job jobs[TASKS] = {{0}};
    int fds[2] = {-1, -1};
    uint64_t done = 0;
    size_t tasks = cases[c].tasks;
    if (cases[c].poll == echo) {
        char first = 'e';
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) fail("socketpair", -1);
        if (send(fds[0], &first, 1, 0) != 1) fail("send", -1);
    }
    for (size_t i = 0; i < tasks; i++) {
        ouzel_task_opts opts = {0};
        opts.size = sizeof opts;
        opts.flags = OUZEL_TASK_DETACHED;
        jobs[i].left = times / tasks;
        jobs[i].fd = fds[i % 2];
        must("spawn", ouzel_spawn(rt, cases[c].poll, &jobs[i], &opts, NULL));
    }
    must("run", ouzel_run(rt));
    for (size_t i = 0; i < tasks; i++) done += jobs[i].done;
    if (fds[0] >= 0) shutdown(fds[0], SHUT_RDWR);
    return done;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: cost CASE WARMUP TIMES\n", stderr);
        return 2;
    }
    uint64_t warmup = strtoull(argv[2], NULL, 10), times = strtoull(argv[3], NULL, 10);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        if (strcmp(cases[c].name, argv[1]) != 0) continue;
        ouzel_stats before, after;
        must("runtime", ouzel_runtime_new(NULL, &rt));
        run(c, warmup);
        must("stats", ouzel_stats_get(rt, &before, sizeof before));
        uint64_t done = run(c, times);
        must("stats", ouzel_stats_get(rt, &after, sizeof after));
        printf("done %llu allocs %llu\n", (unsigned long long)done,
               (unsigned long long)(after.allocs - before.allocs));
        must("free", ouzel_runtime_free(rt));
        return 0;
    }
    fprintf(stderr, "cost: no case %s\n", argv[1]);
    return 2;
}
