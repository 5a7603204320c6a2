/* The rules that hold for every function: out-parameters, ids of what is gone, ends, forks. */
#include "turns.h"

/* ---- out-parameters ----------------------------------------------------------------------------------------------- */

/* Sixteen bytes that nobody may have touched. */
typedef union untouched {
    uint64_t words[2];
    ouzel_task task;
    ouzel_op op;
    ouzel_waker waker;
    ouzel_group group;
    ouzel_sem sem;
    ouzel_chan chan;
    ouzel_runtime *rt;
    int32_t result;
    uint32_t key;
    uint64_t ns;
} untouched;

#define FAILS(call, code)                                                                   \
    do {                                                                                    \
        out.words[0] = out.words[1] = 0x7777777777777777u;                                  \
        CHECK_IS(call, code);                                                               \
        CHECK(out.words[0] == 0x7777777777777777u && out.words[1] == 0x7777777777777777u);  \
    } while (0)

static int32_t fails_inside(void *ud, ouzel_cx *cx) {
    ouzel_runtime *rt = ud;
    untouched out;
    ouzel_op_opts bad = op_opts(NULL, NULL, NULL);
    ouzel_cqe cqe, before;
    char elem[8] = "77777777";
    bad.flags = 0x8000u;
    FAILS(ouzel_nop(rt, &bad, &out.op), OUZEL_EINVAL);
    FAILS(ouzel_recv(rt, 0, NULL, 1, 0, NULL, &out.op), OUZEL_ENULL);
    FAILS(ouzel_timer(NULL, 0, 0, NULL, &out.op), OUZEL_ENULL);
    FAILS(ouzel_blocking(rt, NULL, NULL, NULL, &out.op), OUZEL_ENULL);
    FAILS(ouzel_task_poll_join((ouzel_task){1, 2}, cx, &out.result), OUZEL_ESTALE);
    FAILS(ouzel_task_poll_join(ouzel_cx_task(cx), cx, &out.result), OUZEL_EDEADLK);
    memset(&cqe, 0x77, sizeof cqe);
    before = cqe;
    CHECK_IS(ouzel_op_take((ouzel_op){1, 2}, &cqe), OUZEL_ESTALE);
    CHECK_IS(ouzel_op_poll((ouzel_op){1, 2}, cx, &cqe), OUZEL_ESTALE);
    CHECK_IS(memcmp(&cqe, &before, sizeof cqe), 0);
    CHECK_IS(ouzel_chan_poll_recv((ouzel_chan){1, 2}, cx, elem), OUZEL_ESTALE);
    CHECK_IS(ouzel_chan_try_recv((ouzel_chan){1, 2}, elem), OUZEL_ESTALE);
    CHECK_IS(memcmp(elem, "77777777", 8), 0);
    return OUZEL_READY;
}

static void out_parameters_are_untouched_on_failure(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_options bad;
    ouzel_task_opts bad_task = task_opts(0x8000u, NULL);
    ouzel_spawn_desc desc = {ready, NULL, &bad_task};
    untouched out;
    ouzel_task task;
    ouzel_tick tick, before;
    ouzel_stats stats, stats_before;
    ouzel_options_init(&bad, sizeof bad);
    bad.driver = 77;
    FAILS(ouzel_runtime_new(&bad, &out.rt), OUZEL_EINVAL);
    bad.size = 1;
    FAILS(ouzel_runtime_new(&bad, &out.rt), OUZEL_ESIZE);
    FAILS(ouzel_spawn(rt, ready, NULL, &bad_task, &out.task), OUZEL_EINVAL);
    FAILS(ouzel_spawn(NULL, ready, NULL, NULL, &out.task), OUZEL_ENULL);
    FAILS(ouzel_spawn(rt, NULL, NULL, NULL, &out.task), OUZEL_ENULL);
    FAILS(ouzel_spawn_from((ouzel_rtid){1, 2}, ready, NULL, NULL, &out.task), OUZEL_ESTALE);
    FAILS(ouzel_spawn_batch(rt, &desc, 1, &out.task), OUZEL_EINVAL);
    FAILS(ouzel_task_join((ouzel_task){1, 2}, 0, &out.result), OUZEL_ESTALE);
    CHECK_IS(ouzel_spawn(rt, pending, NULL, NULL, &task), OUZEL_OK);
    FAILS(ouzel_block_on(rt, task, MS, &out.result), OUZEL_ETIMEDOUT);
    FAILS(ouzel_block_on(rt, (ouzel_task){1, 2}, MS, &out.result), OUZEL_ESTALE);
    FAILS(ouzel_group_new(NULL, &out.group), OUZEL_ENULL);
    FAILS(ouzel_sem_new(NULL, 1, &out.sem), OUZEL_ENULL);
    FAILS(ouzel_chan_new(rt, 0, 1, &out.chan), OUZEL_EINVAL);
    FAILS(ouzel_waker_from_fn(rt, NULL, NULL, NULL, &out.waker), OUZEL_ENULL);
    FAILS(ouzel_backend_timeout(NULL, &out.ns), OUZEL_ENULL);
    if (the_workers) FAILS(ouzel_backend_timeout(rt, &out.ns), OUZEL_ENOTSUP);
    memset(&tick, 0x77, sizeof tick);
    tick.size = 3;
    before = tick;
    CHECK_IS(ouzel_run_once(rt, 0, &tick), the_workers ? OUZEL_ENOTSUP : OUZEL_ESIZE);
    CHECK_IS(memcmp(&tick, &before, sizeof tick), 0);
    memset(&stats, 0x77, sizeof stats);
    stats_before = stats;
    CHECK_IS(ouzel_stats_get(NULL, &stats, sizeof stats), OUZEL_ENULL);
    CHECK_IS(ouzel_stats_get(rt, &stats, 3), OUZEL_ESIZE);
    CHECK_IS(memcmp(&stats, &stats_before, sizeof stats), 0);
    CHECK_IS(run_task(rt, fails_inside, rt), OUZEL_OK);
    CHECK_IS(ouzel_runtime_shutdown(rt, OUZEL_FOREVER), OUZEL_OK);
    FAILS(ouzel_spawn(rt, ready, NULL, NULL, &out.task), OUZEL_ECLOSING);
    FAILS(ouzel_sem_new(rt, 1, &out.sem), OUZEL_ECLOSING);
    FAILS(ouzel_group_new(rt, &out.group), OUZEL_ECLOSING);
    FAILS(ouzel_chan_new(rt, 1, 1, &out.chan), OUZEL_ECLOSING);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    FAILS(ouzel_spawn(rt, ready, NULL, NULL, &out.task), OUZEL_ESTALE);
}

/* ---- ids of what is gone ------------------------------------------------------------------------------------------ */

/* What two threads use while a third ends it: every answer is a code. */
typedef struct gone {
    ouzel_rtid rt;
    ouzel_task task;
    ouzel_waker function;
    ouzel_group group;
    ouzel_sem sem;
    ouzel_chan chan;
    uint32_t word;
    atomic_int go, stop, used;
} gone;

static void check_code(int32_t code) {
    CHECK(code == 0 || code == 1 || code == 2 || code == OUZEL_ESTALE || code == OUZEL_ECLOSING || code == OUZEL_ECLOSED ||
          code == OUZEL_EBUSY);
}

static void *uses_everything(void *ud) {
    gone *g = ud;
    ouzel_waker wakers[2] = {waker_of(g->task), g->function};
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, NULL);
    ouzel_group group = {0, 0};
    char elem[4] = "abc";
    opts.group = g->group;
    while (!atomic_load(&g->stop)) {
        check_code(ouzel_wake(wakers[0]));
        check_code(ouzel_wake(wakers[1]));
        check_code(ouzel_wake_many(wakers, 2));
        check_code(ouzel_waker_alive(wakers[0]));
        CHECK(ouzel_task_state(g->task) >= 0 || ouzel_task_state(g->task) == OUZEL_ESTALE);
        check_code(ouzel_notify(g->rt));
        check_code(ouzel_sem_try_acquire(g->sem, 1));
        check_code(ouzel_sem_release(g->sem, 1));
        check_code(ouzel_chan_try_send(g->chan, elem));
        check_code(ouzel_chan_try_recv(g->chan, elem));
        check_code(ouzel_wake_addr(g->rt, &g->word, 2));
        check_code(ouzel_spawn_from(g->rt, ready, NULL, &opts, NULL));
        check_code(ouzel_group_free(group));
        if (atomic_fetch_add(&g->used, 1) % 16 == 15) check_code(ouzel_task_cancel(g->task));
    }
    return NULL;
}

static void a_runtime_is_freed_under_its_users(void) {
    for (int round = 0; round < 10; round++) {
        ouzel_runtime *rt = new_runtime();
        atomic_int drops = 0, calls = 0;
        ouzel_task_opts opts = task_opts(0, bump);
        gone g;
        pthread_t users[2];
        memset(&g, 0, sizeof g);
        g.rt = ouzel_runtime_id(rt);
        CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &g.task), OUZEL_OK);
        CHECK_IS(ouzel_group_new(rt, &g.group), OUZEL_OK);
        CHECK_IS(ouzel_sem_new(rt, 1, &g.sem), OUZEL_OK);
        CHECK_IS(ouzel_chan_new(rt, 2, 4, &g.chan), OUZEL_OK);
        CHECK_IS(ouzel_waker_from_fn(rt, bump, &calls, bump, &g.function), OUZEL_OK);
        for (int i = 0; i < 2; i++) CHECK_IS(pthread_create(&users[i], NULL, uses_everything, &g), 0);
        while (atomic_load(&g.used) < 50) let_run(rt);
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
        for (int used = atomic_load(&g.used); atomic_load(&g.used) < used + 50;) usleep(100);
        atomic_store(&g.stop, 1);
        for (int i = 0; i < 2; i++) pthread_join(users[i], NULL);
        CHECK_IS(ouzel_wake(waker_of(g.task)), OUZEL_ESTALE);
        CHECK(drops >= 1);
    }
}

static int32_t ends_at_once(void *ud, ouzel_cx *cx) {
    ouzel_waker *kept = ud;
    if (kept->gen == 0) {
        *kept = ouzel_cx_waker(cx);
        return OUZEL_PENDING;
    }
    return OUZEL_READY;
}

static void a_wake_after_the_end_is_a_code(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_waker kept = {0, 0};
    ouzel_task task, again;
    CHECK_IS(ouzel_spawn(rt, ends_at_once, &kept, NULL, &task), OUZEL_OK);
    until_idle(rt, waker_of(task));
    CHECK_IS(ouzel_wake(kept), 1);
    CHECK_IS(ouzel_block_on(rt, task, OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(ouzel_wake(kept), OUZEL_ESTALE);
    /* Its place serves another task now. */
    CHECK_IS(ouzel_spawn(rt, pending, NULL, NULL, &again), OUZEL_OK);
    until_idle(rt, waker_of(again));
    CHECK_IS(ouzel_wake(kept), OUZEL_ESTALE);
    CHECK_IS(ouzel_task_cancel(task), OUZEL_ESTALE);
    CHECK_IS(ouzel_task_state(again), OUZEL_STATE_IDLE);
    for (int bit = 0; bit < 64; bit++) {
        ouzel_waker garbage = {kept.slot ^ (1ull << bit), ~kept.gen};
        CHECK_IS(ouzel_wake(garbage), OUZEL_ESTALE);
        CHECK_IS(ouzel_waker_release(garbage), OUZEL_ESTALE);
        CHECK_IS(ouzel_sem_release((ouzel_sem){kept.slot, kept.gen ^ (1ull << bit)}, 1), OUZEL_ESTALE);
        CHECK_IS(ouzel_chan_close((ouzel_chan){kept.slot ^ (1ull << bit), kept.gen}), OUZEL_ESTALE);
        CHECK_IS(ouzel_group_cancel((ouzel_group){kept.slot, kept.gen ^ (1ull << bit)}), OUZEL_ESTALE);
    }
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ouzel_wake(kept), OUZEL_ESTALE);
    CHECK_IS(ouzel_wake(waker_of(again)), OUZEL_ESTALE);
}

/* One thread wakes, another cancels, while the task wakes itself and ends: it is dropped once, whatever comes first. */
typedef struct raced {
    ouzel_task task;
    atomic_int polls, drops, woken;
} raced;

static int32_t ends_after_some(void *ud, ouzel_cx *cx) {
    raced *r = ud;
    if (atomic_fetch_add(&r->polls, 1) > 3) return OUZEL_READY;
    ouzel_wake_self(cx);
    return OUZEL_PENDING;
}

static void raced_drop(void *ud) { atomic_fetch_add(&((raced *)ud)->drops, 1); }

enum { RACED = 200 };
static raced raced_tasks[RACED];
static atomic_int raced_known, raced_over;

static void *wakes_all(void *ud) {
    (void)ud;
    while (!atomic_load(&raced_over)) {
        for (int i = 0; i < atomic_load(&raced_known); i++) {
            int32_t said = ouzel_wake(waker_of(raced_tasks[i].task));
            CHECK(said == 0 || said == 1 || said == OUZEL_ESTALE);
        }
    }
    return NULL;
}

static void *cancels_some(void *ud) {
    (void)ud;
    while (!atomic_load(&raced_over)) {
        for (int i = 0; i < atomic_load(&raced_known); i += 2) {
            int32_t said = ouzel_task_cancel(raced_tasks[i].task);
            CHECK(said == OUZEL_OK || said == OUZEL_ESTALE);
        }
    }
    return NULL;
}

static void a_wake_against_a_cancel_and_the_end_drops_once(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_task_opts opts = task_opts(0, raced_drop);
    pthread_t threads[2];
    int32_t result;
    CHECK_IS(pthread_create(&threads[0], NULL, wakes_all, NULL), 0);
    CHECK_IS(pthread_create(&threads[1], NULL, cancels_some, NULL), 0);
    for (int i = 0; i < RACED; i++) {
        CHECK_IS(ouzel_spawn(rt, ends_after_some, &raced_tasks[i], &opts, &raced_tasks[i].task), OUZEL_OK);
        atomic_store(&raced_known, i + 1);
        if (i % 10 == 9 && !the_workers) CHECK_IS(ouzel_run_nowait(rt, 4, NULL), OUZEL_OK);
    }
    for (int i = 0; i < RACED; i++) {
        CHECK_IS(ouzel_block_on(rt, raced_tasks[i].task, 20ull * SECOND, &result), OUZEL_OK);
        CHECK(result == OUZEL_OK || (result == OUZEL_ECANCELED && i % 2 == 0));
    }
    atomic_store(&raced_over, 1);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < RACED; i++) CHECK_IS(raced_tasks[i].drops, 1);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- after the end ------------------------------------------------------------------------------------------------ */

static atomic_int calls, left_behind;
static void count_call(void *ud) {
    (void)ud;
    atomic_fetch_add(&calls, 1);
}
static void count_done(void *ud, const ouzel_cqe *cqe) {
    (void)cqe;
    count_call(ud);
}
static int64_t takes_time(void *ud) {
    usleep(5000);
    count_call(ud);
    return 0;
}

static int32_t leaves_things_behind(void *ud, ouzel_cx *cx) {
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    static uint32_t key;
    ouzel_op_opts opts = op_opts(count_done, count_call, NULL);
    (void)ud;
    atomic_fetch_add(&calls, 1);
    if (!key) CHECK_IS(ouzel_key_new(&key), OUZEL_OK);
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + 3600ull * SECOND, 0, &opts, NULL), OUZEL_OK);
    CHECK_IS(ouzel_nop(rt, &opts, NULL), OUZEL_OK);
    CHECK_IS(ouzel_blocking(rt, takes_time, NULL, &opts, NULL), OUZEL_OK);
    CHECK_IS(ouzel_local_set(cx, key, &key, count_call), OUZEL_OK);
    atomic_fetch_add(&left_behind, 1);
    return OUZEL_PENDING;
}

static void nothing_is_called_after_free(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, count_call);
    ouzel_waker waker;
    opts.deadline_ns = ouzel_now(rt) + 10ull * SECOND;
    for (int i = 0; i < 5; i++) CHECK_IS(ouzel_spawn(rt, leaves_things_behind, NULL, &opts, NULL), OUZEL_OK);
    opts.deadline_ns = 0;
    for (int i = 0; i < 5; i++) CHECK_IS(ouzel_spawn(rt, leaves_things_behind, NULL, &opts, NULL), OUZEL_OK);
    CHECK_IS(ouzel_waker_from_fn(rt, count_call, NULL, count_call, &waker), OUZEL_OK);
    run_until(rt, &left_behind, 10);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    int after = atomic_load(&calls);
    CHECK(after >= 10 * 3); /* polled, dropped, its local dropped, at least */
    CHECK_IS(ouzel_wake(waker), OUZEL_ESTALE);
    usleep(60000);
    CHECK_IS(calls, after);
}

/* ---- forks ---------------------------------------------------------------------------------------------------------- */

static void a_forked_child_is_told(void) {
    ouzel_runtime *rt = new_runtime();
    atomic_int drops = 0;
    ouzel_task_opts opts = task_opts(0, bump);
    ouzel_task task;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &task), OUZEL_OK);
    opts.drop = NULL;
    pid_t child = fork();
    if (child == 0) {
        CHECK_IS(ouzel_run(rt), OUZEL_EFORKED);
        CHECK_IS(ouzel_spawn(rt, pending, NULL, &opts, NULL), OUZEL_EFORKED);
        CHECK_IS(ouzel_wake(waker_of(task)), OUZEL_EFORKED);
        CHECK_IS(ouzel_stop(ouzel_runtime_id(rt)), OUZEL_ESTALE); /* it has no id here */
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_EFORKED);
        CHECK_IS(ouzel_after_fork_child(rt), OUZEL_OK);
        CHECK(drops <= 1); /* polled or not, but not dropped */
        CHECK_IS(ouzel_wake(waker_of(task)), OUZEL_ESTALE);
        ouzel_runtime *own = new_runtime(); /* the child's own */
        ouzel_task in_child;
        CHECK_IS(run_task(own, ready, NULL), OUZEL_OK);
        CHECK_IS(ouzel_after_fork_child(own), OUZEL_EINVAL);
        CHECK_IS(ouzel_spawn(own, pending, NULL, NULL, &in_child), OUZEL_OK);
        until_idle(own, waker_of(in_child));
        CHECK_IS(ouzel_block_on(own, in_child, MS, NULL), OUZEL_ETIMEDOUT);
        CHECK_IS(ouzel_wake(waker_of(in_child)), 1);
        CHECK_IS(ouzel_runtime_free(own), OUZEL_OK);
        _exit(42);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK_IS(run_task(rt, ready, NULL), OUZEL_OK); /* the parent goes on */
    CHECK_IS(ouzel_task_cancel(task), OUZEL_OK);
    CHECK_IS(ouzel_task_detach(task), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static const test tests[] = {
    TEST(out_parameters_are_untouched_on_failure),
    TEST(a_runtime_is_freed_under_its_users),
    TEST(a_wake_after_the_end_is_a_code),
    TEST(a_wake_against_a_cancel_and_the_end_drops_once),
    TEST(nothing_is_called_after_free),
    TEST(a_forked_child_is_told),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
