/* Wakers: many at once, functions, signal handlers. */
#include "turns.h"

typedef struct many {
    const ouzel_waker *wakers;
    size_t n;
    int32_t said;
} many;

static void *wakes_many(void *ud) {
    many *m = ud;
    m->said = ouzel_wake_many(m->wakers, m->n);
    return NULL;
}

static void many_are_woken_at_once(void) {
    enum { N = 300 };
    ouzel_runtime *rt = new_runtime(), *other = new_runtime();
    atomic_int polls = 0, elsewhere = 0;
    ouzel_waker wakers[N + 2];
    ouzel_task task;
    pthread_t thread;
    for (int i = 0; i < N; i++) {
        ouzel_runtime *at = i < 200 ? rt : other;
        CHECK_IS(ouzel_spawn(at, pending, at == rt ? &polls : &elsewhere, NULL, &task), OUZEL_OK);
        wakers[i] = waker_of(task);
    }
    wakers[N] = (ouzel_waker){0, 0};
    wakers[N + 1] = (ouzel_waker){~0ull, ~0ull};
    run_until(rt, &polls, 200);
    run_until(other, &elsewhere, 100);
    for (int i = 0; i < N; i++) until_idle(i < 200 ? rt : other, wakers[i]);
    CHECK_IS(ouzel_wake_many(NULL, 0), 0);
    CHECK_IS(ouzel_wake_many(NULL, 1), OUZEL_ENULL);
    CHECK_IS(ouzel_wake_many(wakers, N + 2), N);
    run_until(rt, &polls, 400);
    run_until(other, &elsewhere, 200);
    for (int i = 0; i < N; i++) until_idle(i < 200 ? rt : other, wakers[i]);
    many m = {wakers, N + 2, 0};
    CHECK_IS(pthread_create(&thread, NULL, wakes_many, &m), 0);
    run_until(rt, &polls, 600);
    run_until(other, &elsewhere, 300);
    pthread_join(thread, NULL);
    CHECK_IS(m.said, N);
    for (int i = 0; i < 200; i++) until_idle(rt, wakers[i]);
    CHECK_IS(ouzel_runtime_free(other), OUZEL_OK);
    CHECK_IS(ouzel_wake_many(wakers, N), 200);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ouzel_wake_many(wakers, N), 0);
}

typedef struct told {
    atomic_int calls, drops;
} told;

static void tell(void *ud) { atomic_fetch_add(&((told *)ud)->calls, 1); }
static void drop_told(void *ud) { atomic_fetch_add(&((told *)ud)->drops, 1); }

typedef struct tells_op {
    ouzel_waker waker;
    ouzel_op op;
} tells_op;

static int32_t submits_with_waker(void *ud, ouzel_cx *cx) {
    tells_op *t = ud;
    ouzel_op_opts opts = op_opts(NULL, NULL, NULL);
    opts.waker = t->waker;
    CHECK_IS(ouzel_nop(ouzel_cx_runtime(cx), &opts, &t->op), OUZEL_OK);
    return OUZEL_READY;
}

static void a_function_is_woken_like_a_task(void) {
    ouzel_runtime *rt = new_runtime();
    told a, b;
    ouzel_waker waker, kept, untouched = {7, 7};
    ouzel_task task;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    CHECK_IS(ouzel_waker_from_fn(rt, NULL, &a, drop_told, &untouched), OUZEL_ENULL);
    CHECK_IS(ouzel_waker_from_fn(NULL, tell, &a, drop_told, &untouched), OUZEL_ENULL);
    CHECK_IS(ouzel_waker_from_fn(rt, tell, &a, drop_told, NULL), OUZEL_ENULL);
    CHECK_IS(untouched.slot, 7);
    CHECK_IS(ouzel_waker_from_fn(rt, tell, &a, drop_told, &waker), OUZEL_OK);
    CHECK_IS(ouzel_waker_from_fn(rt, tell, &b, drop_told, &kept), OUZEL_OK);
    CHECK_IS(ouzel_waker_alive(waker), 1);
    CHECK_IS(ouzel_wake(waker), 1);
    ouzel_waker both[2] = {waker, kept};
    CHECK_IS(ouzel_wake_many(both, 2), 2);
    CHECK_IS(a.calls, 2);
    /* An operation tells it too. */
    tells_op t = {waker, {0, 0}};
    ouzel_cqe cqe;
    CHECK_IS(run_task(rt, submits_with_waker, &t), OUZEL_OK);
    run_until(rt, &a.calls, 3);
    if (!the_workers) CHECK_IS(ouzel_op_take(t.op, &cqe), OUZEL_READY);
    CHECK_IS(ouzel_spawn(rt, pending, NULL, NULL, &task), OUZEL_OK);
    CHECK_IS(ouzel_waker_release(waker_of(task)), OUZEL_EINVAL);
    CHECK_IS(ouzel_waker_release(waker), OUZEL_OK);
    CHECK_IS(a.drops, 1);
    CHECK_IS(ouzel_waker_release(waker), OUZEL_ESTALE);
    CHECK_IS(ouzel_wake(waker), OUZEL_ESTALE);
    CHECK_IS(ouzel_waker_alive(waker), 0);
    CHECK_IS(a.calls, 3);
    CHECK_IS(b.drops, 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(b.drops, 1); /* not released: with the runtime */
    CHECK_IS(ouzel_wake(kept), OUZEL_ESTALE);
    CHECK_IS(a.drops, 1);
}

/* ---- signal handlers --------------------------------------------------------------------------------------------- */

/* A handler on the very thread that the runtime runs on, wherever that is at the moment: each ring must be answered by a poll,
 * whatever it has stopped. */
enum { SLEEPERS = 8, RINGS = 600 };

typedef struct sleeper {
    ouzel_waker waker;
    atomic_uint rung, seen;
} sleeper;

static sleeper sleepers[SLEEPERS];
static atomic_uint rings, bad_answers, self_wakes;
static atomic_int registered, workers_known, over;
static pthread_t worker_threads[8];

static int32_t sees_rings(void *ud, ouzel_cx *cx) {
    sleeper *s = ud;
    if (s->waker.gen == 0) {
        s->waker = ouzel_cx_waker(cx);
        atomic_fetch_add(&registered, 1);
    }
    atomic_store(&s->seen, atomic_load(&s->rung));
    return OUZEL_PENDING;
}

/* Keeps the loop in the middle of things: budget, self-wakes, wakes by id, spawns, operations. */
static int32_t keeps_busy(void *ud, ouzel_cx *cx) {
    static _Thread_local int known;
    ouzel_op_opts opts = op_opts(NULL, NULL, NULL);
    (void)ud;
    if (!known) {
        static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;
        known = 1;
        pthread_mutex_lock(&one_by_one);
        worker_threads[workers_known % 8] = pthread_self();
        atomic_fetch_add(&workers_known, 1); /* after the thread stands there to be signalled */
        pthread_mutex_unlock(&one_by_one);
    }
    if (atomic_load(&over)) return OUZEL_READY;
    while (ouzel_cx_budget(cx)) {}
    CHECK_IS(ouzel_nop(ouzel_cx_runtime(cx), &opts, NULL), OUZEL_OK);
    for (int i = 0; i < SLEEPERS; i++) ouzel_wake(sleepers[i].waker);
    ouzel_task_opts detached = task_opts(OUZEL_TASK_DETACHED, NULL);
    CHECK_IS(ouzel_spawn(ouzel_cx_runtime(cx), ready, NULL, &detached, NULL), OUZEL_OK);
    if (atomic_fetch_add(&self_wakes, 1) % 2) CHECK_IS(ouzel_wake_self(cx), OUZEL_OK);
    else CHECK(ouzel_wake(ouzel_cx_waker(cx)) >= 0);
    return OUZEL_PENDING;
}

static void rings_one(int signo) {
    int saved = errno;
    unsigned n = atomic_fetch_add(&rings, 1);
    sleeper *s = &sleepers[n % SLEEPERS];
    (void)signo;
    atomic_fetch_add(&s->rung, 1);
    int32_t said = ouzel_wake(s->waker);
    if (said != 0 && said != 1) atomic_fetch_add(&bad_answers, 1);
    if (ouzel_wake((ouzel_waker){s->waker.slot, s->waker.gen + 1}) != OUZEL_ESTALE) atomic_fetch_add(&bad_answers, 1);
    errno = saved;
}

static void *sends_signals(void *ud) {
    pthread_t loop = *(pthread_t *)ud;
    while (!atomic_load(&over)) {
        int known = atomic_load(&workers_known);
        pthread_kill(known ? worker_threads[(unsigned)rand() % (unsigned)(known < 8 ? known : 8)] : loop, SIGUSR2);
        pthread_kill(loop, SIGUSR2);
        for (volatile int i = rand() % 2000; i > 0; i--) {}
        if (atomic_load(&rings) >= RINGS) atomic_store(&over, 1);
    }
    return NULL;
}

static int all_seen(void) {
    for (int i = 0; i < SLEEPERS; i++) {
        if (atomic_load(&sleepers[i].seen) != atomic_load(&sleepers[i].rung)) return 0;
    }
    return 1;
}

static void a_handler_wakes_on_the_thread_it_has_stopped(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, NULL);
    struct sigaction act;
    pthread_t thread, self = pthread_self();
    memset(&act, 0, sizeof act);
    act.sa_handler = rings_one;
    act.sa_flags = SA_RESTART;
    for (int i = 0; i < SLEEPERS; i++) CHECK_IS(ouzel_spawn(rt, sees_rings, &sleepers[i], &opts, NULL), OUZEL_OK);
    run_until(rt, &registered, SLEEPERS);
    for (int i = 0; i < 3; i++) CHECK_IS(ouzel_spawn(rt, keeps_busy, NULL, &opts, NULL), OUZEL_OK);
    let_run(rt);
    CHECK_IS(sigaction(SIGUSR2, &act, NULL), 0);
    CHECK_IS(pthread_create(&thread, NULL, sends_signals, &self), 0);
    while (!atomic_load(&over)) {
        if (the_workers) usleep(100);
        else CHECK_IS(ouzel_run_nowait(rt, 3, NULL), OUZEL_OK);
    }
    pthread_join(thread, NULL);
    while (!all_seen()) { /* a lost wake is seen by the alarm */
        if (the_workers) usleep(1000);
        else CHECK_IS(ouzel_run_once(rt, SECOND, NULL), OUZEL_OK);
    }
    CHECK_IS(bad_answers, 0);
    CHECK(rings >= RINGS);
    while (ouzel_live_tasks(rt) > SLEEPERS) let_run(rt);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* The loop sleeps in the kernel, and the handler runs on its thread. */
static void *interrupts_once(void *ud) {
    usleep(30000);
    pthread_kill(*(pthread_t *)ud, SIGUSR2);
    return NULL;
}

static void a_handler_ends_the_sleep_it_interrupts(void) {
    if (the_workers) return;
    ouzel_runtime *rt = new_runtime();
    struct sigaction act;
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, NULL);
    pthread_t thread, self = pthread_self();
    memset(&act, 0, sizeof act);
    act.sa_handler = rings_one;
    act.sa_flags = SA_RESTART;
    CHECK_IS(sigaction(SIGUSR2, &act, NULL), 0);
    memset(sleepers, 0, sizeof sleepers);
    registered = 0;
    for (int i = 0; i < SLEEPERS; i++) CHECK_IS(ouzel_spawn(rt, sees_rings, &sleepers[i], &opts, NULL), OUZEL_OK);
    run_until(rt, &registered, SLEEPERS);
    unsigned before = rings;
    CHECK_IS(pthread_create(&thread, NULL, interrupts_once, &self), 0);
    while (atomic_load(&rings) == before || !all_seen()) CHECK_IS(ouzel_run_once(rt, OUZEL_FOREVER, NULL), OUZEL_OK);
    pthread_join(thread, NULL);
    CHECK_IS(bad_answers, 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static const test tests[] = {
    TEST(many_are_woken_at_once),
    TEST(a_function_is_woken_like_a_task),
    TEST(a_handler_wakes_on_the_thread_it_has_stopped),
    TEST(a_handler_ends_the_sleep_it_interrupts),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
