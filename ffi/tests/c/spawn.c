/* How tasks begin and end: spawns from anywhere, deadlines, groups, task-local values; and the list of them. */
#include "turns.h"

/* ---- spawning --------------------------------------------------------------------------------------------------- */

typedef struct elsewhere {
    ouzel_runtime *rt;
    ouzel_rtid id;
    atomic_int drops, polls, done;
} elsewhere;

static int32_t count_polls(void *ud, ouzel_cx *cx) {
    (void)cx;
    atomic_fetch_add(&((elsewhere *)ud)->polls, 1);
    return OUZEL_PENDING;
}

static void count_drop(void *ud) { atomic_fetch_add(&((elsewhere *)ud)->drops, 1); }

static int32_t fail_once_polled(void *ud, ouzel_cx *cx) {
    (void)cx;
    atomic_fetch_add(&((elsewhere *)ud)->polls, 1);
    return -EPIPE;
}

static void *spawns_elsewhere(void *ud) {
    elsewhere *e = ud;
    ouzel_task_opts opts = task_opts(0, count_drop);
    ouzel_task task, quick, gone = {7, 7};
    int32_t result = 1;
    CHECK_IS(ouzel_spawn_from(e->id, count_polls, e, &opts, &task), OUZEL_OK);
    /* The runtime may not have looked yet; the id is good all the same. */
    CHECK(ouzel_task_state(task) >= OUZEL_STATE_IDLE);
    CHECK(ouzel_wake(waker_of(task)) >= 0);
    CHECK_IS(ouzel_waker_alive(waker_of(task)), 1);
    CHECK_IS(ouzel_task_cancel(task), OUZEL_OK);
    CHECK_IS(ouzel_task_join(task, 20ull * SECOND, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_ECANCELED);
    CHECK_IS(ouzel_task_cancel(task), OUZEL_ESTALE);
    CHECK_IS(ouzel_wake(waker_of(task)), OUZEL_ESTALE);
    CHECK_IS(e->drops, 1);
    CHECK_IS(ouzel_spawn_from(e->id, fail_once_polled, e, &opts, &quick), OUZEL_OK);
    CHECK_IS(ouzel_task_join(quick, 20ull * SECOND, &result), OUZEL_OK);
    CHECK_IS(result, -EPIPE);
    CHECK_IS(ouzel_spawn_from(e->id, NULL, e, &opts, &gone), OUZEL_ENULL);
    CHECK_IS(e->drops, 3);
    CHECK_IS(ouzel_spawn_from((ouzel_rtid){1, 2}, count_polls, e, &opts, &gone), OUZEL_ESTALE);
    CHECK_IS(e->drops, 4);
    opts.size = 1;
    CHECK_IS(ouzel_spawn_from(e->id, count_polls, e, &opts, &gone), OUZEL_ESIZE);
    opts = task_opts(OUZEL_TASK_DETACHED, count_drop);
    for (int i = 0; i < 1000; i++) CHECK_IS(ouzel_spawn_from(e->id, fail_once_polled, e, &opts, i % 2 ? &quick : NULL), OUZEL_OK);
    CHECK_IS(gone.slot, 7);
    atomic_store(&e->done, 1);
    CHECK_IS(ouzel_notify(e->id), OUZEL_OK);
    return NULL;
}

static void any_thread_spawns(void) {
    ouzel_runtime *rt = new_runtime();
    elsewhere e;
    memset(&e, 0, sizeof e);
    e.rt = rt;
    e.id = ouzel_runtime_id(rt);
    pthread_t thread;
    CHECK_IS(pthread_create(&thread, NULL, spawns_elsewhere, &e), 0);
    run_until(rt, &e.done, 1);
    pthread_join(thread, NULL);
    run_until(rt, &e.drops, 1004);
    /* On its own thread it is as ouzel_spawn. */
    ouzel_task task;
    int32_t result = 1;
    CHECK_IS(ouzel_spawn_from(e.id, fail_once_polled, &e, NULL, &task), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, task, OUZEL_FOREVER, &result), OUZEL_OK);
    CHECK_IS(result, -EPIPE);
    UNTIL(rt, ouzel_live_tasks(rt) == 0); /* a drop is called before its task is gone */
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ouzel_spawn_from(e.id, ready, NULL, NULL, NULL), OUZEL_ESTALE);
}

/* Some are still on the way when the runtime ends. */
static void *spawns_until_refused(void *ud) {
    elsewhere *e = ud;
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, count_drop);
    for (;;) {
        int32_t said = ouzel_spawn_from(e->id, count_polls, e, &opts, NULL);
        atomic_fetch_add(&e->done, 1);
        if (said != OUZEL_OK) {
            CHECK(said == OUZEL_ECLOSING || said == OUZEL_ESTALE);
            return NULL;
        }
        if (atomic_load(&e->done) % 64 == 0) usleep(10);
    }
}

static void a_shutdown_drops_what_was_on_the_way(void) {
    for (int round = 0; round < 20; round++) {
        ouzel_runtime *rt = new_runtime();
        elsewhere e;
        memset(&e, 0, sizeof e);
        e.id = ouzel_runtime_id(rt);
        pthread_t thread;
        CHECK_IS(pthread_create(&thread, NULL, spawns_until_refused, &e), 0);
        while (atomic_load(&e.done) < 100) let_run(rt);
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
        pthread_join(thread, NULL);
        CHECK_IS(e.drops, e.done);
    }
}

static void a_batch_is_spawned_in_order(void) {
    enum { N = 200 };
    ouzel_runtime *rt = new_runtime();
    atomic_int drops = 0;
    ouzel_task_opts opts = task_opts(0, bump);
    ouzel_spawn_desc descs[N];
    ouzel_task tasks[N], none[2] = {{7, 7}, {7, 7}};
    for (int i = 0; i < N; i++) descs[i] = (ouzel_spawn_desc){ready, &drops, &opts};
    CHECK_IS(ouzel_spawn_batch(rt, descs, N, tasks), N);
    for (int i = 0; i < N; i++) CHECK_IS(ouzel_block_on(rt, tasks[i], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(drops, 2 * N); /* one by the poll */
    opts.flags = OUZEL_TASK_DETACHED;
    CHECK_IS(ouzel_spawn_batch(rt, descs, N, NULL), N);
    run_until(rt, &drops, 4 * N);
    CHECK_IS(ouzel_spawn_batch(rt, NULL, 0, NULL), 0);
    CHECK_IS(ouzel_spawn_batch(rt, NULL, 1, NULL), OUZEL_ENULL);
    drops = 0;
    descs[1].poll = NULL;
    CHECK_IS(ouzel_spawn_batch(rt, descs, 2, none), OUZEL_ENULL);
    CHECK_IS(drops, 2); /* none was spawned */
    opts.flags = 0x4000;
    CHECK_IS(ouzel_spawn_batch(rt, descs, 2, none), OUZEL_EINVAL);
    CHECK_IS(drops, 2); /* as for one: then drop does not run */
    CHECK_IS(none[0].slot + none[1].slot, 14);
    UNTIL(rt, ouzel_live_tasks(rt) == 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- deadlines, groups, task-locals ------------------------------------------------------------------------------ */

static void a_deadline_cancels_its_task(void) {
    ouzel_runtime *rt = new_runtime();
    atomic_int drops = 0;
    ouzel_task_opts opts = task_opts(0, bump);
    ouzel_task late, soon, never;
    int32_t result = 1;
    opts.deadline_ns = 1; /* long over: it is not polled at all */
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &late), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, late, OUZEL_FOREVER, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_ECANCELED);
    CHECK_IS(drops, 1);
    drops = 0;
    uint64_t start = ouzel_now(rt);
    opts.deadline_ns = start + 30 * MS;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, &soon), OUZEL_OK);
    opts.deadline_ns = start + 3600ull * SECOND;
    CHECK_IS(ouzel_spawn(rt, ready, &drops, &opts, &never), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, never, OUZEL_FOREVER, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, soon, OUZEL_FOREVER, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_ECANCELED);
    CHECK(ouzel_now(rt) >= start + 30 * MS);
    CHECK(drops == 3 || drops == 4); /* each dropped; `soon` polled if there was time */
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

typedef struct waits_for_group {
    ouzel_group group;
    int32_t said;
} waits_for_group;

static int32_t group_is_empty(void *ud, ouzel_cx *cx) {
    waits_for_group *w = ud;
    w->said = ouzel_group_poll_empty(w->group, cx);
    return w->said == OUZEL_PENDING ? OUZEL_PENDING : OUZEL_READY;
}

static void a_group_is_cancelled_and_waited_for(void) {
    ouzel_runtime *rt = new_runtime(), *other = new_runtime();
    atomic_int drops = 0;
    waits_for_group w = {{0, 0}, 1};
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, NULL);
    ouzel_task waiting, member;
    int32_t result = 1;
    CHECK_IS(ouzel_group_new(rt, NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_group_new(rt, &w.group), OUZEL_OK);
    opts.group = w.group;
    CHECK_IS(run_task(rt, group_is_empty, &w), OUZEL_OK);
    CHECK_IS(w.said, OUZEL_READY);
    for (int i = 0; i < 100; i++) CHECK_IS(ouzel_spawn(rt, pending, NULL, &opts, i % 2 ? &member : NULL), OUZEL_OK);
    opts.drop = bump;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, NULL), OUZEL_OK);
    CHECK_IS(ouzel_group_free(w.group), OUZEL_EBUSY);
    CHECK_IS(ouzel_spawn(rt, group_is_empty, &w, NULL, &waiting), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, waiting, 20 * MS, NULL), OUZEL_ETIMEDOUT);
    /* A task of the group cannot wait for it. */
    waits_for_group own = w;
    ouzel_task_opts in_group = task_opts(0, NULL);
    in_group.group = w.group;
    CHECK_IS(ouzel_spawn(rt, group_is_empty, &own, &in_group, &member), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, member, OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(own.said, OUZEL_EDEADLK);
    CHECK_IS(ouzel_group_cancel(w.group), 101);
    CHECK_IS(ouzel_block_on(rt, waiting, OUZEL_FOREVER, &result), OUZEL_OK);
    CHECK_IS(w.said, OUZEL_READY);
    CHECK(drops == 1 || drops == 2); /* polled or not, dropped once */
    CHECK_IS(ouzel_group_cancel(w.group), 0);
    drops = 0;
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, NULL), OUZEL_ECLOSING);
    CHECK_IS(drops, 1);
    CHECK_IS(ouzel_group_free(w.group), OUZEL_OK);
    CHECK_IS(ouzel_group_free(w.group), OUZEL_ESTALE);
    CHECK_IS(ouzel_group_cancel(w.group), OUZEL_ESTALE);
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, NULL), OUZEL_ESTALE);
    CHECK_IS(ouzel_group_new(other, &opts.group), OUZEL_OK);
    CHECK_IS(ouzel_spawn(rt, pending, &drops, &opts, NULL), OUZEL_EINVAL);
    CHECK_IS(drops, 3);
    CHECK_IS(ouzel_runtime_free(other), OUZEL_OK);
    CHECK_IS(ouzel_group_free(opts.group), OUZEL_ESTALE);
    UNTIL(rt, ouzel_live_tasks(rt) == 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

typedef struct grows {
    ouzel_rtid rt;
    ouzel_group group;
    atomic_int stop, spawned, drops;
} grows;

static void grown_drop(void *ud) { atomic_fetch_add(&((grows *)ud)->drops, 1); }

static int32_t idle(void *ud, ouzel_cx *cx) {
    (void)ud;
    (void)cx;
    return OUZEL_PENDING;
}

static void *spawns_into_a_group(void *ud) {
    grows *g = ud;
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, grown_drop);
    opts.group = g->group;
    for (;;) {
        int32_t said = ouzel_spawn_from(g->rt, idle, g, &opts, NULL);
        atomic_fetch_add(&g->spawned, 1);
        if (said == OUZEL_ECLOSING) break;
        CHECK_IS(said, OUZEL_OK);
    }
    atomic_store(&g->stop, 1);
    return NULL;
}

static void a_cancelled_group_leaves_no_task_that_is_being_spawned(void) {
    for (int round = 0; round < 10; round++) {
        ouzel_runtime *rt = new_runtime();
        grows g;
        pthread_t thread;
        memset(&g, 0, sizeof g);
        g.rt = ouzel_runtime_id(rt);
        CHECK_IS(ouzel_group_new(rt, &g.group), OUZEL_OK);
        CHECK_IS(pthread_create(&thread, NULL, spawns_into_a_group, &g), 0);
        while (atomic_load(&g.spawned) < 50) let_run(rt);
        CHECK(ouzel_group_cancel(g.group) >= 0);
        waits_for_group w = {g.group, 1};
        run_until(rt, &g.stop, 1);
        pthread_join(thread, NULL);
        CHECK_IS(run_task(rt, group_is_empty, &w), OUZEL_OK);
        CHECK_IS(g.drops, g.spawned);
        UNTIL(rt, ouzel_live_tasks(rt) == 0);
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    }
}

static uint32_t key_a, key_b;
static atomic_int order, dropped_a, dropped_b, dropped_task;

static void drop_a(void *value) { atomic_store((atomic_int *)value, atomic_fetch_add(&order, 1) + 1); }

static void drop_task(void *ud) {
    (void)ud;
    atomic_store(&dropped_task, atomic_fetch_add(&order, 1) + 1);
}

static int32_t sets_locals(void *ud, ouzel_cx *cx) {
    static atomic_int replaced;
    int *polls = ud;
    if ((*polls)++ == 0) {
        CHECK(ouzel_local_get(cx, key_a) == NULL);
        CHECK(ouzel_local_get(cx, 0) == NULL);
        CHECK_IS(ouzel_local_set(cx, 0, ud, NULL), OUZEL_EINVAL);
        CHECK_IS(ouzel_local_set(cx, key_b + 1000, ud, drop_a), OUZEL_EINVAL);
        CHECK_IS(ouzel_local_set(cx, key_a, &replaced, drop_a), OUZEL_OK);
        CHECK_IS(replaced, 0);
        CHECK_IS(ouzel_local_set(cx, key_a, &dropped_a, drop_a), OUZEL_OK);
        CHECK_IS(replaced, 1); /* before it returned */
        CHECK_IS(ouzel_local_set(cx, key_b, &replaced, drop_a), OUZEL_OK);
        CHECK_IS(ouzel_local_set(cx, key_b, NULL, NULL), OUZEL_OK);
        CHECK_IS(replaced, 2);
        CHECK(ouzel_local_get(cx, key_b) == NULL);
        CHECK_IS(ouzel_local_set(cx, key_b, &dropped_b, drop_a), OUZEL_OK);
        CHECK_IS(ouzel_wake_self(cx), OUZEL_OK);
        return OUZEL_PENDING;
    }
    CHECK(ouzel_local_get(cx, key_a) == &dropped_a);
    CHECK(ouzel_local_get(cx, key_b) == &dropped_b);
    return OUZEL_READY;
}

static void local_values_end_with_their_task(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_task_opts opts = task_opts(0, drop_task);
    ouzel_task task;
    int polls = 0;
    CHECK_IS(ouzel_key_new(NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_key_new(&key_a), OUZEL_OK);
    CHECK_IS(ouzel_key_new(&key_b), OUZEL_OK);
    CHECK(key_a != 0 && key_b > key_a);
    CHECK_IS(ouzel_local_set(NULL, key_a, &polls, NULL), OUZEL_ENULL);
    CHECK(ouzel_local_get(NULL, key_a) == NULL);
    order = 0;
    CHECK_IS(ouzel_spawn(rt, sets_locals, &polls, &opts, &task), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, task, OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(dropped_task, 3); /* two were replaced before */
    CHECK_IS(dropped_b, 4);
    CHECK_IS(dropped_a, 5);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

typedef struct listed {
    int all, named, idle;
    void *ud;
    ouzel_task task;
} listed;

static void list(void *ud, const ouzel_task_info *info) {
    listed *l = ud;
    CHECK_IS(info->size, sizeof *info);
    l->all++;
    l->idle += info->state == OUZEL_STATE_IDLE;
    if (info->name && strcmp(info->name, "the named one") == 0) {
        l->named++;
        l->ud = info->ud;
        l->task = info->task;
        CHECK(ouzel_task_state(info->task) >= OUZEL_STATE_IDLE); /* it may call back */
    }
}

static void tasks_are_listed_with_their_names(void) {
    ouzel_runtime *rt = new_runtime();
    atomic_int polls = 0, mine = 0;
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, NULL);
    listed l = {0, 0, 0, NULL, {0, 0}};
    CHECK_IS(ouzel_dump_tasks(rt, NULL, NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_dump_tasks(rt, list, &l), 0);
    for (int i = 0; i < 10; i++) CHECK_IS(ouzel_spawn(rt, pending, &polls, &opts, NULL), OUZEL_OK);
    opts.name = "the named one";
    CHECK_IS(ouzel_spawn(rt, pending, &mine, &opts, NULL), OUZEL_OK);
    run_until(rt, &polls, 10);
    run_until(rt, &mine, 1);
    UNTIL(rt, (memset(&l, 0, sizeof l), ouzel_dump_tasks(rt, list, &l), l.idle == 11));
    CHECK_IS(l.all, 11);
    CHECK_IS(l.named, 1);
    CHECK(l.ud == &mine);
    CHECK_IS(ouzel_task_cancel(l.task), OUZEL_OK);
    UNTIL(rt, ouzel_live_tasks(rt) == 10);
    UNTIL(rt, (memset(&l, 0, sizeof l), ouzel_dump_tasks(rt, list, &l) == 10));
    CHECK_IS(l.named, 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static void workers_count_for_themselves(void) {
    ouzel_runtime *rt = new_runtime();
    atomic_int polls = 0;
    ouzel_stats all;
    ouzel_worker_stats one;
    uint64_t sum = 0;
    for (int i = 0; i < 100; i++) CHECK_IS(run_task(rt, ready, &polls), OUZEL_OK);
    UNTIL(rt, ouzel_stats_get(rt, &all, sizeof all) == OUZEL_OK && all.polls >= 100);
    uint32_t workers = the_workers ? the_workers : 1;
    for (uint32_t i = 0; i < workers; i++) {
        CHECK_IS(ouzel_worker_stats_get(rt, i, &one, sizeof one), OUZEL_OK);
        CHECK_IS(one.worker, i);
        CHECK_IS(one.size, sizeof one);
        CHECK(one.polls <= all.polls + 10);
        sum += one.polls;
    }
    CHECK(sum >= 100 && sum >= all.polls);
    CHECK_IS(ouzel_worker_stats_get(rt, workers, &one, sizeof one), OUZEL_EINVAL);
    CHECK_IS(ouzel_worker_stats_get(rt, 0, NULL, sizeof one), OUZEL_ENULL);
    CHECK_IS(ouzel_worker_stats_get(rt, 0, &one, 4), OUZEL_ESIZE);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static const test tests[] = {
    TEST(any_thread_spawns),
    TEST(a_shutdown_drops_what_was_on_the_way),
    TEST(a_batch_is_spawned_in_order),
    TEST(a_deadline_cancels_its_task),
    TEST(a_group_is_cancelled_and_waited_for),
    TEST(a_cancelled_group_leaves_no_task_that_is_being_spawned),
    TEST(local_values_end_with_their_task),
    TEST(tasks_are_listed_with_their_names),
    TEST(workers_count_for_themselves),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
