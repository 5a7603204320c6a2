/* check.h - what the C test programs share: checks, a runtime by arguments, small poll functions. */
#ifndef CHECK_H
#define CHECK_H

#include "ouzel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS 1000000u
#define SECOND 1000000000u

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

#define CHECK_IS(value, expected)                                                                            \
    do {                                                                                                     \
        long long value_ = (long long)(value), expected_ = (long long)(expected);                            \
        if (value_ != expected_) {                                                                           \
            fprintf(stderr, "%s:%d: %s is %lld (%s), not %s\n", __FILE__, __LINE__, #value, value_,          \
                    ouzel_err_name((int32_t)value_), #expected);                                             \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static uint32_t the_driver;
static uint32_t the_workers;

static inline ouzel_options the_options(void) {
    ouzel_options options;
    ouzel_options_init(&options, sizeof options);
    options.driver = the_driver;
    options.workers = the_workers;
    return options;
}

static inline ouzel_runtime *new_runtime(void) {
    ouzel_options options = the_options();
    ouzel_runtime *rt = NULL;
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_OK);
    CHECK(rt != NULL);
    return rt;
}

/* Runs a task to its end and returns its result. */
static inline int32_t run_task(ouzel_runtime *rt, ouzel_poll_fn poll, void *ud) {
    ouzel_task task;
    int32_t result = 12345;
    CHECK_IS(ouzel_spawn(rt, poll, ud, NULL, &task), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, task, 20ull * SECOND, &result), OUZEL_OK);
    return result;
}

/* Lets the runtime run, whoever drives it, until this is so; a test that waits in vain is ended by its alarm. */
#define UNTIL(rt, condition)                                              \
    do {                                                                  \
        while (!(condition)) {                                            \
            if (the_workers) usleep(500);                                 \
            else CHECK_IS(ouzel_run_once(rt, MS, NULL), OUZEL_OK);        \
        }                                                                 \
    } while (0)

/* The same until `*count` has come to `least`. */
static inline void run_until(ouzel_runtime *rt, const atomic_int *count, int least) {
    UNTIL(rt, atomic_load(count) >= least);
}

/* The same until the task of `waker` waits for something. */
static inline void until_idle(ouzel_runtime *rt, ouzel_waker waker) {
    ouzel_task task;
    task.slot = waker.slot;
    task.gen = waker.gen;
    UNTIL(rt, ouzel_task_state(task) == OUZEL_STATE_IDLE);
}

static inline void bump(void *ud) { atomic_fetch_add((atomic_int *)ud, 1); }

static inline ouzel_task_opts task_opts(uint32_t flags, void (*drop)(void *)) {
    ouzel_task_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.size = sizeof opts;
    opts.flags = flags;
    opts.drop = drop;
    return opts;
}

static inline ouzel_op_opts op_opts(ouzel_done_fn done, void (*release)(void *), void *ud) {
    ouzel_op_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.size = sizeof opts;
    opts.done = done;
    opts.release = release;
    opts.ud = ud;
    return opts;
}

static inline ouzel_waker waker_of(ouzel_task task) {
    ouzel_waker waker;
    waker.slot = task.slot;
    waker.gen = task.gen;
    return waker;
}

static inline int32_t ready(void *ud, ouzel_cx *cx) {
    (void)cx;
    if (ud) bump(ud);
    return OUZEL_READY;
}

static inline int32_t pending(void *ud, ouzel_cx *cx) {
    (void)cx;
    if (ud) bump(ud);
    return OUZEL_PENDING;
}

typedef struct test {
    const char *name;
    void (*run)(void);
} test;

/* PROGRAM DRIVER WORKERS: runs all. */
static inline int run_tests(int argc, char **argv, const test *tests, size_t n) {
    CHECK(argc >= 3);
    alarm(300); /* a test that hangs */
    while (strcmp(argv[1], ouzel_driver_name(the_driver)) != 0) CHECK(the_driver++ < OUZEL_DRIVER_POLL);
    the_workers = (uint32_t)atoi(argv[2]);
    for (size_t i = 0; i < n; i++) {
        if (argc > 3 && strcmp(argv[3], tests[i].name) != 0) continue;
        fprintf(stderr, "%s\n", tests[i].name);
        tests[i].run();
    }
    return 0;
}

#define TEST(name) {#name, name}

#endif
