/* Tasks, wakers, joins, runtimes: behaviour and misuse. */
#include "check.h"

/* ---- exactly once ----------------------------------------------------------------------------------------------- */

static void drop_runs_once_however_a_task_ends(void) {
    atomic_int drops = 0;
    ouzel_runtime *rt = new_runtime();
    ouzel_task_opts opts = task_opts(0, bump);
    ouzel_task task;
    int32_t result = 1;
    CHECK_IS(ouzel_spawn(rt, pending, NULL, NULL, NULL), OUZEL_OK);
    CHECK_IS(ouzel_spawn(rt, ready, &drops, &opts, &task), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, task, OUZEL_FOREVER, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_OK);
    CHECK_IS(drops, 2); /* one by the poll */

    drops = 0;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &task), OUZEL_OK);
    CHECK_IS(ouzel_task_cancel(task), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, task, OUZEL_FOREVER, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_ECANCELED);
    CHECK(drops == 1 || drops == 2); /* polled or not, dropped once */
    CHECK_IS(ouzel_task_cancel(task), OUZEL_ESTALE);

    drops = 0;
    CHECK_IS(ouzel_spawn(NULL, pending, &drops, &opts, &task), OUZEL_ENULL);
    CHECK_IS(drops, 1);
    CHECK_IS(ouzel_spawn(rt, NULL, &drops, &opts, &task), OUZEL_ENULL);
    CHECK_IS(drops, 2);
    opts.size = 3;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &task), OUZEL_ESIZE);
    opts.size = sizeof opts;
    opts.flags = 0x8000;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &task), OUZEL_EINVAL);
    CHECK_IS(drops, 2);
    opts.flags = OUZEL_TASK_DETACHED;

    drops = 0;
    for (int i = 0; i < 1000; i++) CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &task), OUZEL_OK);
    CHECK_IS(ouzel_live_tasks(rt), 1001);
    CHECK_IS(ouzel_runtime_shutdown(rt, OUZEL_FOREVER), OUZEL_OK);
    CHECK_IS(ouzel_live_tasks(rt), 0);
    CHECK(drops >= 1000 && drops <= 2000); /* polled at most once each before */
    int before = drops;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &task), OUZEL_ECLOSING);
    CHECK_IS(drops, before + 1);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(drops, before + 1);
}

/* ---- joining ---------------------------------------------------------------------------------------------------- */

static int32_t fails(void *ud, ouzel_cx *cx) {
    (void)ud;
    (void)cx;
    return -EPIPE;
}

typedef struct joiner {
    ouzel_task other;
    _Atomic int32_t code;
    int32_t result;
} joiner;

static int32_t join_other(void *ud, ouzel_cx *cx) {
    joiner *j = ud;
    j->code = ouzel_task_poll_join(j->other, cx, &j->result);
    return j->code == OUZEL_PENDING ? OUZEL_PENDING : OUZEL_READY;
}

static int32_t join_self(void *ud, ouzel_cx *cx) {
    joiner *j = ud;
    j->other = ouzel_cx_task(cx);
    CHECK_IS(ouzel_task_join(j->other, OUZEL_FOREVER, NULL), OUZEL_EDEADLK);
    j->code = ouzel_task_poll_join(j->other, cx, &j->result);
    return OUZEL_READY;
}

typedef struct gate {
    atomic_int open;
    ouzel_waker waiting;
    atomic_int registered;
} gate;

static int32_t pass_gate(void *ud, ouzel_cx *cx) {
    gate *g = ud;
    if (atomic_load(&g->open)) return OUZEL_READY;
    if (!atomic_load(&g->registered)) {
        g->waiting = ouzel_cx_waker(cx);
        atomic_store(&g->registered, 1);
    }
    return atomic_load(&g->open) ? OUZEL_READY : OUZEL_PENDING;
}

static void open_gate(gate *g) {
    atomic_store(&g->open, 1);
    if (atomic_load(&g->registered)) ouzel_wake(g->waiting);
}

static void a_result_reaches_its_joiner(void) {
    ouzel_runtime *rt = new_runtime();
    CHECK_IS(run_task(rt, fails, NULL), -EPIPE);
    joiner j = {{0, 0}, 1, 1};
    CHECK_IS(ouzel_spawn(rt, fails, NULL, NULL, &j.other), OUZEL_OK);
    CHECK_IS(run_task(rt, join_other, &j), OUZEL_OK);
    CHECK_IS(j.code, OUZEL_READY);
    CHECK_IS(j.result, -EPIPE);
    CHECK_IS(ouzel_task_detach(j.other), OUZEL_ESTALE);
    CHECK_IS(ouzel_task_join(j.other, 0, NULL), OUZEL_ESTALE);
    CHECK_IS(run_task(rt, join_self, &j), OUZEL_OK);
    CHECK_IS(j.code, OUZEL_EDEADLK);
    /* detached */
    CHECK_IS(ouzel_spawn(rt, pending, NULL, NULL, &j.other), OUZEL_OK);
    CHECK_IS(ouzel_task_detach(j.other), OUZEL_OK);
    CHECK_IS(ouzel_task_detach(j.other), OUZEL_ESTALE);
    CHECK_IS(run_task(rt, join_other, &j), OUZEL_OK);
    CHECK_IS(j.code, OUZEL_ESTALE);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void a_second_joiner_is_busy(void) {
    ouzel_runtime *rt = new_runtime();
    gate g = {0};
    joiner first = {{0, 0}, 1, 1}, second = first;
    ouzel_task task;
    CHECK_IS(ouzel_spawn(rt, pass_gate, &g, NULL, &first.other), OUZEL_OK);
    second.other = first.other;
    CHECK_IS(ouzel_spawn(rt, join_other, &first, NULL, &task), OUZEL_OK);
    UNTIL(rt, first.code == OUZEL_PENDING);
    CHECK_IS(ouzel_block_on(rt, task, MS, NULL), OUZEL_ETIMEDOUT);
    CHECK_IS(run_task(rt, join_other, &second), OUZEL_OK);
    CHECK_IS(second.code, OUZEL_EBUSY);
    open_gate(&g);
    CHECK_IS(ouzel_block_on(rt, task, OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(first.code, OUZEL_READY);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void *join_on_thread(void *ud) {
    joiner *j = ud;
    j->code = ouzel_task_join(j->other, 20ull * SECOND, &j->result);
    return NULL;
}

static void another_thread_joins(void) {
    ouzel_runtime *rt = new_runtime();
    gate g = {0};
    joiner j = {{0, 0}, 1, 1};
    pthread_t thread;
    CHECK_IS(ouzel_spawn(rt, pass_gate, &g, NULL, &j.other), OUZEL_OK);
    CHECK_IS(pthread_create(&thread, NULL, join_on_thread, &j), 0);
    CHECK_IS(ouzel_task_join(j.other, 1, NULL), the_workers ? OUZEL_ETIMEDOUT : OUZEL_EDEADLK);
    if (!the_workers) CHECK_IS(ouzel_run_once(rt, 0, NULL), OUZEL_OK);
    open_gate(&g);
    if (!the_workers) CHECK(ouzel_run(rt) >= 0);
    pthread_join(thread, NULL);
    CHECK_IS(j.code, OUZEL_OK);
    CHECK_IS(j.result, OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- waking ----------------------------------------------------------------------------------------------------- */

static void *wake_later(void *ud) {
    gate *g = ud;
    while (!atomic_load(&g->registered)) usleep(500);
    ouzel_task task = {g->waiting.slot, g->waiting.gen};
    while (ouzel_task_state(task) != OUZEL_STATE_IDLE) usleep(500);
    usleep(2000); /* the loop sleeps by now, as a rule */
    atomic_store(&g->open, 1);
    CHECK_IS(ouzel_wake(g->waiting), 1);
    return NULL;
}

static void a_wake_from_another_thread_ends_the_sleep(void) {
    ouzel_runtime *rt = new_runtime();
    gate g = {0};
    pthread_t thread;
    CHECK_IS(pthread_create(&thread, NULL, wake_later, &g), 0);
    CHECK_IS(run_task(rt, pass_gate, &g), OUZEL_OK);
    pthread_join(thread, NULL);
    CHECK_IS(ouzel_wake(g.waiting), OUZEL_ESTALE);
    CHECK_IS(ouzel_waker_alive(g.waiting), 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ouzel_wake(g.waiting), OUZEL_ESTALE);
}

static atomic_int turns;

static int32_t spin_hundred(void *ud, ouzel_cx *cx) {
    atomic_int *count = ud;
    ouzel_waker me = ouzel_cx_waker(cx);
    CHECK_IS(ouzel_waker_alive(me), 1);
    if (atomic_fetch_add(count, 1) == 100) return OUZEL_READY;
    if (atomic_load(count) % 2) {
        CHECK_IS(ouzel_wake_self(cx), OUZEL_OK);
    } else {
        int32_t woken = ouzel_wake(me);
        CHECK(woken == 0 || woken == 1);
    }
    CHECK(ouzel_cx_budget(cx));
    while (ouzel_cx_budget(cx)) turns++;
    CHECK_IS(ouzel_cx_cancelled(cx), 0);
    CHECK(ouzel_cx_now(cx) > 0);
    return OUZEL_PENDING;
}

static void a_task_wakes_itself(void) {
    ouzel_runtime *rt = new_runtime();
    atomic_int count = 0;
    CHECK_IS(run_task(rt, spin_hundred, &count), OUZEL_OK);
    CHECK_IS(count, 101);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void forged_ids_are_stale(void) {
    ouzel_runtime *rt = new_runtime();
    atomic_int polls = 0;
    ouzel_task task, forged;
    uint64_t bits = 88172645463325252u;
    ouzel_cqe cqe;
    CHECK_IS(ouzel_spawn(rt, pending, &polls, NULL, &task), OUZEL_OK);
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        forged = task;
        if (i % 3 == 0) forged.slot = bits;
        else if (i % 3 == 1) forged.gen ^= 1ull << (i / 3 % 64);
        else forged.slot ^= 1ull << (i / 3 % 64);
        if (forged.slot == task.slot && forged.gen == task.gen) continue;
        int32_t woken = ouzel_wake(waker_of(forged));
        CHECK(woken == OUZEL_ESTALE || woken == 0 || woken == 1); /* it may name another task: a spurious wake */
        CHECK(ouzel_op_take((ouzel_op){forged.slot, forged.gen}, &cqe) == OUZEL_ESTALE);
        CHECK(ouzel_notify((ouzel_rtid){forged.slot, forged.gen}) == OUZEL_ESTALE);
        CHECK_IS(ouzel_task_detach(forged), OUZEL_ESTALE);
    }
    CHECK_IS(ouzel_wake((ouzel_waker){0, 0}), OUZEL_ESTALE);
    CHECK_IS(ouzel_task_state((ouzel_task){0, 0}), OUZEL_ESTALE);
    CHECK_IS(ouzel_task_cancel(task), OUZEL_OK);
    CHECK_IS(ouzel_task_cancel(task), OUZEL_OK); /* idempotent until it is joined */
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void states_are_told(void) {
    ouzel_runtime *rt = new_runtime();
    gate g = {0};
    ouzel_task task;
    CHECK_IS(ouzel_spawn(rt, pass_gate, &g, NULL, &task), OUZEL_OK);
    if (!the_workers) CHECK_IS(ouzel_task_state(task), OUZEL_STATE_SCHEDULED);
    run_until(rt, &g.registered, 1);
    until_idle(rt, waker_of(task));
    CHECK_IS(ouzel_block_on(rt, task, MS, NULL), OUZEL_ETIMEDOUT);
    open_gate(&g);
    if (the_workers) {
        UNTIL(rt, ouzel_task_state(task) == OUZEL_STATE_DONE);
    } else {
        CHECK_IS(ouzel_task_state(task), OUZEL_STATE_SCHEDULED);
        CHECK_IS(ouzel_wake(g.waiting), 0);
        CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE);
    }
    CHECK_IS(ouzel_task_state(task), OUZEL_STATE_DONE);
    CHECK_IS(ouzel_block_on(rt, task, 0, NULL), OUZEL_OK);
    CHECK_IS(ouzel_task_state(task), OUZEL_ESTALE);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- misuse ----------------------------------------------------------------------------------------------------- */

static int32_t misuse_inside(void *ud, ouzel_cx *cx) {
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    CHECK(rt == ud);
    int32_t nested = the_workers ? OUZEL_EDEADLK : OUZEL_EREENTRANT;
    CHECK_IS(ouzel_run(rt), nested);
    CHECK_IS(ouzel_run_once(rt, 0, NULL), the_workers ? OUZEL_ENOTSUP : OUZEL_EREENTRANT);
    CHECK_IS(ouzel_run_nowait(rt, 1, NULL), the_workers ? OUZEL_ENOTSUP : OUZEL_EREENTRANT);
    CHECK_IS(ouzel_runtime_shutdown(rt, 0), nested);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_EBUSY);
    return OUZEL_READY;
}

static void *misuse_elsewhere(void *ud) {
    ouzel_runtime *rt = ud;
    ouzel_op op;
    CHECK_IS(ouzel_nop(rt, NULL, &op), OUZEL_EWRONGTHREAD);
    CHECK_IS(ouzel_buf_return(rt, 0, 0), OUZEL_EWRONGTHREAD);
    if (!the_workers) {
        ouzel_stats stats;
        CHECK_IS(ouzel_run(rt), OUZEL_EWRONGTHREAD);
        CHECK_IS(ouzel_run_once(rt, 0, NULL), OUZEL_EWRONGTHREAD);
        CHECK_IS(ouzel_before_wait(rt), OUZEL_EWRONGTHREAD);
        CHECK_IS(ouzel_spawn(rt, ready, NULL, NULL, NULL), OUZEL_EWRONGTHREAD);
        CHECK_IS(ouzel_stats_get(rt, &stats, sizeof stats), OUZEL_EWRONGTHREAD);
        CHECK_IS(ouzel_runtime_shutdown(rt, 0), OUZEL_EWRONGTHREAD);
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_EWRONGTHREAD);
    }
    CHECK(ouzel_runtime_driver(rt) > 0);
    CHECK_IS(ouzel_notify(ouzel_runtime_id(rt)), OUZEL_OK);
    return NULL;
}

static void misuse_has_its_own_code(void) {
    ouzel_runtime *rt = NULL, *other = NULL;
    ouzel_options options;
    ouzel_stats stats;
    ouzel_task task;
    struct {
        ouzel_options known;
        uint32_t tail[4];
    } larger;
    pthread_t thread;
    CHECK_IS(ouzel_runtime_new(NULL, NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_run(NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_runtime_free(NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_runtime_id(NULL).gen, 0);
    CHECK_IS(ouzel_check_abi(OUZEL_ABI_VERSION), OUZEL_OK);
    CHECK_IS(ouzel_check_abi(OUZEL_ABI_VERSION + 1), OUZEL_EVERSION);
    CHECK_IS(ouzel_check_abi(0x10000), OUZEL_EVERSION);
    ouzel_options_init(&options, sizeof options);
    options.size = 4;
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_ESIZE);
    ouzel_options_init(&options, sizeof options);
    options.driver = 99;
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_EINVAL);
    options.driver = the_driver;
    options.flags = 1;
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_EINVAL);
    options.flags = 0;
    options.workers = 1000;
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_EINVAL);
    CHECK(rt == NULL);
    memset(&larger, 0, sizeof larger);
    larger.known.size = sizeof larger;
    larger.known.driver = the_driver;
    larger.known.workers = the_workers;
    CHECK_IS(ouzel_runtime_new(&larger.known, &rt), OUZEL_OK);
    larger.tail[1] = 7;
    CHECK_IS(ouzel_runtime_new(&larger.known, &other), OUZEL_ESIZE);
    CHECK_IS(ouzel_stats_get(rt, NULL, sizeof stats), OUZEL_ENULL);
    CHECK_IS(ouzel_stats_get(rt, &stats, 4), OUZEL_ESIZE);
    CHECK_IS(run_task(rt, misuse_inside, rt), OUZEL_OK);
    CHECK_IS(pthread_create(&thread, NULL, misuse_elsewhere, rt), 0);
    pthread_join(thread, NULL);
    CHECK_IS(ouzel_after_fork_child(rt), OUZEL_EINVAL);
    if (the_workers) CHECK_IS(ouzel_backend_fd(rt), OUZEL_ENOTSUP);
    ouzel_rtid id = ouzel_runtime_id(rt);
    CHECK_IS(ouzel_spawn(rt, ready, NULL, NULL, &task), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_ESTALE);
    CHECK_IS(ouzel_run(rt), OUZEL_ESTALE);
    CHECK_IS(ouzel_stop(id), OUZEL_ESTALE);
    CHECK_IS(ouzel_task_cancel(task), OUZEL_ESTALE);
    CHECK_IS(ouzel_task_poll_join(task, NULL, NULL), OUZEL_ENULL);
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static ouzel_rtid to_stop;

static void on_alarm(int signo) {
    (void)signo;
    ouzel_stop(to_stop);
}

static void a_signal_handler_stops_the_loop(void) {
    ouzel_runtime *rt = new_runtime();
    struct sigaction act;
    memset(&act, 0, sizeof act);
    act.sa_handler = on_alarm;
    to_stop = ouzel_runtime_id(rt);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE);
    CHECK_IS(ouzel_spawn(rt, pending, NULL, NULL, NULL), OUZEL_OK);
    CHECK_IS(ouzel_stop(to_stop), OUZEL_OK);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_STOPPED); /* it came before, and is used up */
    sigaction(SIGUSR1, &act, NULL);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        usleep(30000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_STOPPED);
    waitpid(child, NULL, 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void a_host_loop_drives_the_runtime(void) {
    if (the_workers) return;
    ouzel_runtime *rt = new_runtime();
    gate g = {0};
    pthread_t thread;
    ouzel_task task;
    ouzel_tick tick;
    memset(&tick, 0, sizeof tick);
    tick.size = sizeof tick;
    CHECK_IS(ouzel_spawn(rt, pass_gate, &g, NULL, &task), OUZEL_OK);
    CHECK_IS(pthread_create(&thread, NULL, wake_later, &g), 0);
    int waits = 0;
    while (ouzel_live_tasks(rt) != 0) {
        CHECK_IS(ouzel_run_nowait(rt, 16, &tick), OUZEL_OK);
        uint64_t timeout = 0;
        int32_t appeared = ouzel_before_wait(rt);
        CHECK(appeared == 0 || appeared == 1);
        if (!tick.more && !appeared) CHECK_IS(ouzel_backend_timeout(rt, &timeout), OUZEL_OK);
        if (ouzel_live_tasks(rt) == 0) break;
        struct pollfd pfd = {ouzel_backend_fd(rt), POLLIN, 0};
        CHECK(pfd.fd >= 0);
        waits++;
        CHECK(poll(&pfd, 1, timeout == OUZEL_FOREVER ? 20000 : (int)(timeout / MS)) >= 0);
    }
    CHECK(waits < 100); /* it slept, it did not spin */
    pthread_join(thread, NULL);
    CHECK_IS(ouzel_block_on(rt, task, 0, NULL), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void wakes_and_polls_allocate_nothing(void) {
    if (the_workers) return;
    ouzel_runtime *rt = new_runtime();
    atomic_int polls = 0;
    ouzel_task task;
    ouzel_stats before, after;
    CHECK_IS(ouzel_spawn(rt, pending, &polls, NULL, &task), OUZEL_OK);
    for (int i = 0; i < 2; i++) CHECK_IS(ouzel_run_nowait(rt, 0, NULL), OUZEL_OK);
    CHECK_IS(ouzel_stats_get(rt, &before, sizeof before), OUZEL_OK);
    for (int i = 0; i < 1000; i++) {
        CHECK_IS(ouzel_wake(waker_of(task)), 1);
        CHECK_IS(ouzel_run_nowait(rt, 0, NULL), OUZEL_OK);
    }
    CHECK_IS(ouzel_stats_get(rt, &after, sizeof after), OUZEL_OK);
    CHECK_IS(polls, 1001);
    if (the_driver != OUZEL_DRIVER_POLL) CHECK_IS(after.allocs - before.allocs, 0);
    CHECK_IS(after.live_tasks, 1);
    CHECK_IS(after.driver, the_driver);
    CHECK_IS(after.size, sizeof after);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void *trims_elsewhere(void *rt) { return (void *)(intptr_t)ouzel_runtime_trim(rt); }

static void ids_stay_stale_after_a_trim(void) {
    enum { MANY = 5000 };
    static ouzel_task tasks[MANY];
    ouzel_runtime *rt = new_runtime();
    pthread_t thread;
    void *told;
    for (int i = 0; i < MANY; i++) CHECK_IS(ouzel_spawn(rt, ready, NULL, NULL, &tasks[i]), OUZEL_OK);
    for (int i = 0; i < MANY; i++) CHECK_IS(ouzel_block_on(rt, tasks[i], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(ouzel_runtime_trim(rt), OUZEL_OK);
    for (int i = 0; i < MANY; i++) CHECK_IS(ouzel_wake(waker_of(tasks[i])), OUZEL_ESTALE);
    CHECK_IS(ouzel_spawn(rt, ready, NULL, NULL, &tasks[0]), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, tasks[0], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(ouzel_runtime_trim(NULL), OUZEL_ENULL);
    CHECK_IS(pthread_create(&thread, NULL, trims_elsewhere, rt), 0);
    pthread_join(thread, &told);
    CHECK_IS((int32_t)(intptr_t)told, the_workers ? OUZEL_OK : OUZEL_EWRONGTHREAD);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static const test tests[] = {
    TEST(drop_runs_once_however_a_task_ends),
    TEST(a_result_reaches_its_joiner),
    TEST(a_second_joiner_is_busy),
    TEST(another_thread_joins),
    TEST(a_wake_from_another_thread_ends_the_sleep),
    TEST(a_task_wakes_itself),
    TEST(forged_ids_are_stale),
    TEST(states_are_told),
    TEST(misuse_has_its_own_code),
    TEST(a_signal_handler_stops_the_loop),
    TEST(a_host_loop_drives_the_runtime),
    TEST(wakes_and_polls_allocate_nothing),
    TEST(ids_stay_stale_after_a_trim),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
