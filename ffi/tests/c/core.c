/* ouzel_core.h: a host whose loop sleeps on a condition variable, and threads that wake its tasks. */
#include "ouzel_core.h"

#include "ouzel_core.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

/* ---- the host ---------------------------------------------------------------------------------------------------- */

typedef struct bed {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    int bell;
    atomic_int rings;
} bed;

static atomic_long memory; /* bytes that are out */
static atomic_int refuse;  /* allocations to be refused from now on */
static atomic_int next_refused = -1; /* or one, after so many more */

static void *get(void *ud, size_t size, size_t align) {
    (void)ud;
    void *p;
    if (atomic_load(&refuse)) return NULL;
    if (atomic_load(&next_refused) >= 0 && atomic_fetch_sub(&next_refused, 1) == 0) return NULL;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) != 0) return NULL;
    atomic_fetch_add(&memory, (long)size);
    return p;
}

static void give_back(void *ud, void *p, size_t size, size_t align) {
    (void)ud;
    (void)align;
    atomic_fetch_sub(&memory, (long)size);
    memset(p, 0xdd, size); /* whoever still looks finds nonsense */
    free(p);
}

static void ring(void *ud) {
    bed *b = ud;
    pthread_mutex_lock(&b->lock);
    b->bell = 1;
    atomic_fetch_add(&b->rings, 1);
    pthread_cond_signal(&b->rung);
    pthread_mutex_unlock(&b->lock);
}

static void broken(void *ud) {
    (void)ud;
    fputs("broken\n", stderr);
    abort();
}

static ouzel_runtime *new_runtime(bed *b) {
    ouzel_core_host host = {sizeof host, 0, b, get, give_back, ring, broken};
    ouzel_runtime *rt = NULL;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->rung, NULL);
    b->bell = 0;
    atomic_store(&b->rings, 0);
    CHECK(ouzel_core_new(&host, &rt) == OUZEL_OK && rt != NULL);
    return rt;
}

/* Runs until no task is left, asleep whenever nothing is ready; returns how often it slept. */
static int run(ouzel_runtime *rt, bed *b) {
    int sleeps = 0;
    for (;;) {
        ouzel_tick tick = {.size = sizeof tick};
        CHECK(ouzel_run_nowait(rt, 16, &tick) == OUZEL_OK);
        CHECK(tick.polled <= 16);
        if (ouzel_live_tasks(rt) == 0) return sleeps;
        if (tick.more || ouzel_before_wait(rt) == 1) continue;
        pthread_mutex_lock(&b->lock);
        while (!b->bell) pthread_cond_wait(&b->rung, &b->lock);
        b->bell = 0;
        pthread_mutex_unlock(&b->lock);
        sleeps++;
    }
}

static ouzel_task_opts with_drop(void (*drop)(void *)) {
    ouzel_task_opts opts = {sizeof opts, OUZEL_TASK_DETACHED, drop};
    return opts;
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

typedef struct task {
    int left, polls, drops;
    ouzel_runtime *rt;
    ouzel_waker waker;
    atomic_int asked, answered; /* by a thread, by the task */
} task;

static void count_drop(void *ud) { ((task *)ud)->drops++; }

static int32_t again(void *ud, ouzel_cx *cx) {
    task *t = ud;
    t->polls++;
    CHECK(ouzel_cx_runtime(cx) == t->rt);
    CHECK(ouzel_run_nowait(t->rt, 1, NULL) == OUZEL_EREENTRANT);
    CHECK(ouzel_before_wait(t->rt) == OUZEL_EREENTRANT);
    CHECK(ouzel_runtime_free(t->rt) == OUZEL_EBUSY);
    ouzel_task me = ouzel_cx_task(cx);
    ouzel_waker waker = ouzel_cx_waker(cx);
    CHECK(me.slot == waker.slot && me.gen == waker.gen && me.gen != 0);
    t->waker = waker;
    if (t->left-- == 0) return OUZEL_READY;
    CHECK(ouzel_wake_self(cx) == OUZEL_OK);
    return OUZEL_PENDING;
}

static int32_t never(void *ud, ouzel_cx *cx) {
    task *t = ud;
    t->polls++;
    t->waker = ouzel_cx_waker(cx);
    return OUZEL_PENDING;
}

static int32_t answers(void *ud, ouzel_cx *cx) {
    task *t = ud;
    (void)cx;
    int asked = atomic_load(&t->asked);
    atomic_store(&t->answered, asked);
    return asked == t->left ? OUZEL_READY : OUZEL_PENDING;
}

static int32_t spends(void *ud, ouzel_cx *cx) {
    task *t = ud;
    while (ouzel_cx_budget(cx) == 1) t->left++;
    CHECK(ouzel_task_cancel(ouzel_cx_task(cx)) == OUZEL_OK);
    return OUZEL_PENDING;
}

static void *ask(void *ud) {
    task *t = ud;
    for (int i = 1; i <= t->left; i++) {
        atomic_store(&t->asked, i);
        CHECK(ouzel_wake(t->waker) >= 0);
        while (atomic_load(&t->answered) < i) usleep(20);
    }
    return NULL;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void tasks_run_and_are_dropped_once(void) {
    bed b;
    ouzel_runtime *rt = new_runtime(&b);
    ouzel_task_opts opts = with_drop(count_drop);
    task tasks[100];
    memset(tasks, 0, sizeof tasks);
    for (int i = 0; i < 100; i++) {
        tasks[i].left = i % 5;
        tasks[i].rt = rt;
        ouzel_task id;
        CHECK(ouzel_spawn(rt, again, &tasks[i], &opts, &id) == OUZEL_OK);
        CHECK(ouzel_task_state(id) == OUZEL_STATE_SCHEDULED);
    }
    CHECK(ouzel_live_tasks(rt) == 100);
    CHECK(run(rt, &b) == 0);
    for (int i = 0; i < 100; i++) {
        CHECK(tasks[i].polls == i % 5 + 1 && tasks[i].drops == 1);
        CHECK(ouzel_wake(tasks[i].waker) == OUZEL_ESTALE && ouzel_waker_alive(tasks[i].waker) == 0);
    }
    CHECK(ouzel_runtime_free(rt) == OUZEL_OK);
}

static void wakes_from_threads_end_the_hosts_sleep(void) {
    bed b;
    ouzel_runtime *rt = new_runtime(&b);
    enum { THREADS = 3, ASKS = 500 };
    task tasks[THREADS];
    pthread_t threads[THREADS];
    memset(tasks, 0, sizeof tasks);
    for (int i = 0; i < THREADS; i++) {
        ouzel_task id;
        tasks[i].left = ASKS;
        CHECK(ouzel_spawn(rt, answers, &tasks[i], NULL, &id) == OUZEL_OK);
        tasks[i].waker.slot = id.slot; /* a task's id wakes it, too */
        tasks[i].waker.gen = id.gen;
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, ask, &tasks[i]) == 0);
    int sleeps = run(rt, &b);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(sleeps > 0 && atomic_load(&b.rings) >= sleeps);
    CHECK(ouzel_runtime_free(rt) == OUZEL_OK);
}

static void a_cancelled_task_is_dropped_and_so_is_what_waits_at_the_end(void) {
    bed b;
    ouzel_runtime *rt = new_runtime(&b);
    ouzel_rtid name = ouzel_runtime_id(rt);
    ouzel_task_opts opts = with_drop(count_drop);
    task cancelled = {0}, waits = {0}, spender = {0};
    ouzel_task first, second;
    CHECK(ouzel_spawn(rt, never, &cancelled, &opts, &first) == OUZEL_OK);
    CHECK(ouzel_spawn(rt, never, &waits, &opts, &second) == OUZEL_OK);
    CHECK(ouzel_spawn(rt, spends, &spender, &opts, NULL) == OUZEL_OK);
    ouzel_tick tick = {.size = sizeof tick};
    CHECK(ouzel_run_nowait(rt, 0, &tick) == OUZEL_OK);
    CHECK(spender.left > 0 && tick.more == 1);
    CHECK(ouzel_run_nowait(rt, 0, &tick) == OUZEL_OK && tick.more == 0);
    CHECK(spender.drops == 1);
    CHECK(ouzel_task_state(first) == OUZEL_STATE_IDLE && ouzel_waker_alive(waits.waker) == 1);
    CHECK(ouzel_task_cancel(first) == OUZEL_OK);
    CHECK(ouzel_run_nowait(rt, 0, NULL) == OUZEL_OK);
    CHECK(cancelled.polls == 1);
    CHECK(cancelled.drops == 1);
    CHECK(ouzel_task_cancel(first) == OUZEL_ESTALE);
    CHECK(waits.drops == 0 && ouzel_notify(name) == OUZEL_OK && ouzel_before_wait(rt) == 1);
    CHECK(ouzel_runtime_free(rt) == OUZEL_OK);
    CHECK(waits.drops == 1);
    CHECK(ouzel_wake(waits.waker) == OUZEL_ESTALE && ouzel_notify(name) == OUZEL_ESTALE);
    CHECK(ouzel_task_state(second) == OUZEL_ESTALE);
}

static void misuse_is_answered(void) {
    bed b;
    ouzel_runtime *rt = new_runtime(&b), *other = NULL;
    ouzel_task_opts opts = with_drop(count_drop), wrong = opts;
    task t = {0};
    ouzel_core_host host = {sizeof host, 0, &b, get, give_back, ring, NULL};
    CHECK(ouzel_core_new(NULL, &other) == OUZEL_ENULL && ouzel_core_new(&host, &other) == OUZEL_ENULL);
    host.fatal = broken;
    host.free = (void (*)(void *, void *, size_t, size_t))NULL;
    CHECK(ouzel_core_new(&host, &other) == OUZEL_ENULL);
    host.free = give_back;
    host.size = 8;
    CHECK(ouzel_core_new(&host, &other) == OUZEL_ESIZE);
    host.size = sizeof host;
    host.flags = 1;
    CHECK(ouzel_core_new(&host, &other) == OUZEL_EINVAL && other == NULL);
    CHECK(ouzel_check_abi(OUZEL_ABI_VERSION) == OUZEL_OK && ouzel_abi_version() == OUZEL_ABI_VERSION);
    CHECK(ouzel_check_abi(OUZEL_ABI_VERSION + 0x10000u) == OUZEL_EVERSION);
    CHECK(ouzel_spawn(NULL, never, &t, &opts, NULL) == OUZEL_ENULL && t.drops == 1);
    CHECK(ouzel_spawn(rt, NULL, &t, &opts, NULL) == OUZEL_ENULL && t.drops == 2);
    wrong.flags = 0x80;
    CHECK(ouzel_spawn(rt, never, &t, &wrong, NULL) == OUZEL_EINVAL && t.drops == 2);
    wrong.size = 4;
    CHECK(ouzel_spawn(rt, never, &t, &wrong, NULL) == OUZEL_ESIZE && t.drops == 2);
    CHECK(ouzel_run_nowait(NULL, 0, NULL) == OUZEL_ENULL && ouzel_runtime_free(NULL) == OUZEL_ENULL);
    uint64_t bits = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 10000; i++) { /* any bits may be asked about */
        ouzel_waker forged = {bits, bits * 31};
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        CHECK(ouzel_wake(forged) == OUZEL_ESTALE && ouzel_waker_alive(forged) == 0);
    }
    CHECK(ouzel_runtime_free(rt) == OUZEL_OK);
}

static void without_memory_a_spawn_is_refused(void) {
    bed b;
    ouzel_runtime *rt = new_runtime(&b);
    ouzel_task_opts opts = with_drop(count_drop);
    static task many[5000];
    memset(many, 0, sizeof many);
    atomic_store(&refuse, 1);
    int refused = 0;
    for (int i = 0; i < 5000; i++) {
        int32_t err = ouzel_spawn(rt, never, &many[i], &opts, NULL);
        CHECK(err == OUZEL_OK || err == OUZEL_ENOMEM);
        CHECK(many[i].drops == (err == OUZEL_ENOMEM));
        refused += err == OUZEL_ENOMEM;
    }
    atomic_store(&refuse, 0);
    CHECK(refused > 0);
    CHECK(ouzel_runtime_free(rt) == OUZEL_OK);
    for (int i = 0; i < 5000; i++) CHECK(many[i].drops == 1);
}

/* Whichever of the requests it is that is refused. */
static void a_spawn_that_was_refused_memory_can_be_made_again(void) {
    for (int request = 0, err = OUZEL_ENOMEM; err == OUZEL_ENOMEM; request++) {
        bed b;
        ouzel_runtime *rt = new_runtime(&b);
        ouzel_task_opts opts = with_drop(count_drop);
        task refused, spawned;
        memset(&refused, 0, sizeof refused);
        memset(&spawned, 0, sizeof spawned);
        atomic_store(&next_refused, request);
        err = ouzel_spawn(rt, never, &refused, &opts, NULL);
        atomic_store(&next_refused, -1);
        CHECK(err == OUZEL_OK || err == OUZEL_ENOMEM);
        CHECK(refused.drops == (err == OUZEL_ENOMEM));
        /* a region, the list of regions, a part of the table, the list of free chunks */
        CHECK(err == OUZEL_ENOMEM || request >= 4);
        CHECK(ouzel_spawn(rt, never, &spawned, &opts, NULL) == OUZEL_OK);
        CHECK(ouzel_runtime_free(rt) == OUZEL_OK);
        CHECK(refused.drops == 1 && spawned.drops == 1);
    }
}

int main(void) {
    alarm(60); /* a test that hangs */
    tasks_run_and_are_dropped_once();
    long kept = atomic_load(&memory);
    wakes_from_threads_end_the_hosts_sleep();
    a_cancelled_task_is_dropped_and_so_is_what_waits_at_the_end();
    misuse_is_answered();
    without_memory_a_spawn_is_refused();
    a_spawn_that_was_refused_memory_can_be_made_again();
    CHECK(atomic_load(&memory) == kept); /* the copy of the host, and nothing else */
    CHECK(kept < 256);
    return 0;
}
