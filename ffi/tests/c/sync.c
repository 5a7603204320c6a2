/* Tasks that wait for each other: semaphores, channels, words of memory. */
#include "turns.h"

/* ---- semaphores, channels, addresses ------------------------------------------------------------------------------ */

typedef struct takes {
    ouzel_sem sem;
    uint32_t n;
    atomic_int got, polls, leaves;
    int32_t said;
} takes;

static int32_t take_permits(void *ud, ouzel_cx *cx) {
    takes *t = ud;
    t->said = ouzel_sem_poll_acquire(t->sem, cx, t->n);
    atomic_fetch_add(&t->polls, 1);
    if (t->said == OUZEL_PENDING && atomic_load(&t->leaves)) {
        CHECK_IS(ouzel_cx_leave(cx), 1);
        CHECK_IS(ouzel_cx_leave(cx), 0);
        return OUZEL_READY;
    }
    if (t->said == OUZEL_PENDING) return OUZEL_PENDING;
    if (t->said == OUZEL_READY) atomic_store(&t->got, 1);
    return OUZEL_READY;
}

static void permits_are_handed_out_in_order_and_passed_on(void) {
    ouzel_runtime *rt = new_runtime();
    takes large, small, gone, leaver;
    ouzel_sem sem;
    ouzel_task tasks[4];
    CHECK_IS(ouzel_sem_new(rt, 2, NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_sem_new(rt, 2, &sem), OUZEL_OK);
    memset(&large, 0, sizeof large);
    large.sem = sem;
    small = gone = leaver = large;
    large.n = 3;
    small.n = gone.n = leaver.n = 1;
    CHECK_IS(ouzel_spawn(rt, take_permits, &large, NULL, &tasks[0]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[0]));
    CHECK_IS(ouzel_sem_try_acquire(sem, 1), OUZEL_PENDING); /* somebody waits */
    CHECK_IS(ouzel_spawn(rt, take_permits, &gone, NULL, &tasks[1]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[1]));
    CHECK_IS(ouzel_spawn(rt, take_permits, &small, NULL, &tasks[2]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[2]));
    CHECK_IS(ouzel_sem_free(sem), OUZEL_EBUSY);
    CHECK_IS(ouzel_sem_release(sem, 1), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, tasks[0], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(large.got, 1);
    let_run(rt);
    CHECK_IS(gone.got + small.got, 0);
    /* Cancelled in line, it lets the next one by. */
    CHECK_IS(ouzel_task_cancel(tasks[1]), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, tasks[1], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(ouzel_sem_release(sem, 1), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, tasks[2], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(small.got, 1);
    /* One that was handed a permit and is cancelled before it knows. */
    memset(&gone.polls, 0, sizeof gone.polls);
    memset(&small.polls, 0, sizeof small.polls);
    small.got = 0;
    CHECK_IS(ouzel_spawn(rt, take_permits, &gone, NULL, &tasks[1]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[1]));
    CHECK_IS(ouzel_spawn(rt, take_permits, &small, NULL, &tasks[2]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[2]));
    if (!the_workers) { /* with workers the first may be faster */
        CHECK_IS(ouzel_sem_release(sem, 1), OUZEL_OK);
        CHECK_IS(ouzel_task_cancel(tasks[1]), OUZEL_OK);
        CHECK_IS(ouzel_block_on(rt, tasks[2], OUZEL_FOREVER, NULL), OUZEL_OK);
        CHECK_IS(gone.got, 0);
        CHECK_IS(small.got, 1);
    } else {
        CHECK_IS(ouzel_task_cancel(tasks[1]), OUZEL_OK);
        CHECK_IS(ouzel_task_cancel(tasks[2]), OUZEL_OK);
        CHECK_IS(ouzel_block_on(rt, tasks[2], OUZEL_FOREVER, NULL), OUZEL_OK);
    }
    CHECK_IS(ouzel_block_on(rt, tasks[1], OUZEL_FOREVER, NULL), OUZEL_OK);
    /* Another number: in line anew. And one that gives up. */
    leaver.leaves = 1;
    CHECK_IS(run_task(rt, take_permits, &leaver), OUZEL_OK);
    CHECK_IS(leaver.said, OUZEL_PENDING);
    CHECK_IS(ouzel_sem_release(sem, 2), OUZEL_OK);
    CHECK_IS(ouzel_sem_try_acquire(sem, 3), OUZEL_PENDING);
    CHECK_IS(ouzel_sem_try_acquire(sem, 2), OUZEL_READY);
    CHECK_IS(ouzel_sem_free(sem), OUZEL_OK);
    CHECK_IS(ouzel_sem_free(sem), OUZEL_ESTALE);
    CHECK_IS(ouzel_sem_release(sem, 1), OUZEL_ESTALE);
    leaver.leaves = 0;
    CHECK_IS(run_task(rt, take_permits, &leaver), OUZEL_OK);
    CHECK_IS(leaver.said, OUZEL_ESTALE);
    CHECK_IS(ouzel_sem_try_acquire((ouzel_sem){1, 2}, 1), OUZEL_ESTALE);
    CHECK_IS(ouzel_sem_poll_acquire(sem, NULL, 1), OUZEL_ENULL);
    CHECK_IS(ouzel_live_tasks(rt), 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

enum { SENT = 500 };

typedef struct element {
    uint32_t sender, number;
    uint8_t padding[3];
} element;

typedef struct end {
    ouzel_chan chan;
    uint32_t sender, next;
    uint64_t sum;
    int32_t last;
} end;

static int32_t send_all(void *ud, ouzel_cx *cx) {
    end *e = ud;
    while (e->next < SENT) {
        element x = {e->sender, e->next, {1, 2, 3}};
        int32_t said = ouzel_chan_poll_send(e->chan, cx, &x);
        if (said == OUZEL_PENDING) return OUZEL_PENDING;
        CHECK_IS(said, OUZEL_READY);
        e->next++;
    }
    return OUZEL_READY;
}

static int32_t receive_all(void *ud, ouzel_cx *cx) {
    end *e = ud;
    uint32_t seen[2] = {e->next & 0xffff, e->next >> 16}; /* how many of each sender */
    for (;;) {
        element x;
        e->last = ouzel_chan_poll_recv(e->chan, cx, &x);
        e->next = seen[0] | seen[1] << 16;
        if (e->last == OUZEL_PENDING) return OUZEL_PENDING;
        if (e->last != OUZEL_READY) return OUZEL_READY;
        CHECK_IS(x.number, seen[x.sender]);
        CHECK_IS(x.padding[2], 3);
        seen[x.sender]++;
        e->sum++;
    }
}

static void elements_arrive_in_order_once_each(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_chan chan;
    element x = {9, 9, {0}};
    CHECK_IS(ouzel_chan_new(rt, 0, 4, &chan), OUZEL_EINVAL);
    CHECK_IS(ouzel_chan_new(rt, 4, 0, &chan), OUZEL_EINVAL);
    CHECK_IS(ouzel_chan_new(rt, 3, sizeof(element), NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_chan_new(rt, 3, sizeof(element), &chan), OUZEL_OK);
    end ends[3];
    ouzel_task tasks[3];
    memset(ends, 0, sizeof ends);
    for (int i = 0; i < 3; i++) {
        ends[i].chan = chan;
        ends[i].sender = (uint32_t)i;
        CHECK_IS(ouzel_spawn(rt, i < 2 ? send_all : receive_all, &ends[i], NULL, &tasks[i]), OUZEL_OK);
    }
    for (int i = 0; i < 2; i++) CHECK_IS(ouzel_block_on(rt, tasks[i], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(ouzel_chan_close(chan), OUZEL_OK);
    CHECK_IS(ouzel_chan_close(chan), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, tasks[2], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(ends[2].last, OUZEL_ECLOSED);
    CHECK_IS(ends[2].sum, 2 * SENT);
    CHECK_IS(ouzel_chan_try_send(chan, &x), OUZEL_ECLOSED);
    CHECK_IS(ouzel_chan_try_recv(chan, &x), OUZEL_ECLOSED);
    CHECK_IS(x.number, 9); /* not touched */
    CHECK_IS(ouzel_chan_free(chan), OUZEL_OK);
    CHECK_IS(ouzel_chan_free(chan), OUZEL_ESTALE);
    CHECK_IS(ouzel_chan_try_recv(chan, &x), OUZEL_ESTALE);
    /* Without tasks. */
    CHECK_IS(ouzel_chan_new(rt, 2, sizeof x, &chan), OUZEL_OK);
    CHECK_IS(ouzel_chan_try_recv(chan, &x), OUZEL_PENDING);
    for (uint32_t i = 0; i < 2; i++) {
        x.number = i;
        CHECK_IS(ouzel_chan_try_send(chan, &x), OUZEL_READY);
    }
    CHECK_IS(ouzel_chan_try_send(chan, &x), OUZEL_PENDING);
    CHECK_IS(ouzel_chan_try_send(chan, NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_chan_try_recv(chan, NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_chan_try_recv(chan, &x), OUZEL_READY);
    CHECK_IS(x.number, 0);
    /* A receiver that waits keeps it from being freed; cancelled, it loses nothing. */
    CHECK_IS(ouzel_chan_try_recv(chan, &x), OUZEL_READY);
    memset(ends, 0, sizeof ends);
    ends[0].chan = chan;
    CHECK_IS(ouzel_spawn(rt, receive_all, &ends[0], NULL, &tasks[0]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[0]));
    CHECK_IS(ouzel_chan_free(chan), OUZEL_EBUSY);
    CHECK_IS(ouzel_task_cancel(tasks[0]), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, tasks[0], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(ouzel_chan_try_send(chan, &x), OUZEL_READY);
    CHECK_IS(ouzel_chan_try_recv(chan, &x), OUZEL_READY);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ouzel_chan_close(chan), OUZEL_ESTALE);
}

/* A mutex of the host's over an address: 0 free, 1 taken, 2 taken and somebody waits. */
typedef struct lock_user {
    atomic_uint *word;
    ouzel_rtid rt;
    int *counter;
    int rounds, waited, holding;
} lock_user;

static int32_t locks_and_counts(void *ud, ouzel_cx *cx) {
    lock_user *u = ud;
    while (u->rounds > 0) {
        if (!u->holding) {
            unsigned seen = 0;
            if (!atomic_compare_exchange_strong(u->word, &seen, u->waited ? 2 : 1)) {
                if (seen == 1 && !atomic_compare_exchange_strong(u->word, &seen, 2)) continue;
                int32_t said = ouzel_wait_addr(cx, (const uint32_t *)u->word, 2, OUZEL_FOREVER);
                u->waited = 1;
                if (said == OUZEL_PENDING) return OUZEL_PENDING;
                CHECK_IS(said, OUZEL_READY);
                continue;
            }
            u->holding = 1;
            ++*u->counter;
            CHECK_IS(ouzel_wake_self(cx), OUZEL_OK);
            return OUZEL_PENDING; /* holds it over a turn */
        }
        u->holding = 0;
        u->waited = 0;
        u->rounds--;
        if (atomic_exchange(u->word, 0) == 2) CHECK(ouzel_wake_addr(u->rt, (const uint32_t *)u->word, 1) <= 1);
    }
    return OUZEL_READY;
}

static void a_mutex_over_an_address_loses_no_wake(void) {
    enum { USERS = 8, ROUNDS = 200 };
    ouzel_runtime *rt = new_runtime();
    atomic_uint word = 0;
    int counter = 0;
    lock_user users[USERS];
    ouzel_task tasks[USERS];
    for (int i = 0; i < USERS; i++) {
        users[i] = (lock_user){&word, ouzel_runtime_id(rt), &counter, ROUNDS, 0, 0};
        CHECK_IS(ouzel_spawn(rt, locks_and_counts, &users[i], NULL, &tasks[i]), OUZEL_OK);
    }
    for (int i = 0; i < USERS; i++) CHECK_IS(ouzel_block_on(rt, tasks[i], 60ull * SECOND, NULL), OUZEL_OK);
    CHECK_IS(counter, USERS * ROUNDS);
    CHECK_IS(ouzel_wake_addr(ouzel_runtime_id(rt), (const uint32_t *)&word, 9), 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

typedef struct at_addr {
    atomic_uint *word;
    uint32_t expected;
    uint64_t deadline;
    atomic_int polls;
    int32_t said;
} at_addr;

static int32_t waits_there(void *ud, ouzel_cx *cx) {
    at_addr *a = ud;
    a->said = ouzel_wait_addr(cx, (const uint32_t *)a->word, a->expected, a->deadline);
    atomic_fetch_add(&a->polls, 1);
    return a->said == OUZEL_PENDING ? OUZEL_PENDING : OUZEL_READY;
}

typedef struct changer {
    atomic_uint *word;
    ouzel_rtid rt;
} changer;

static void *changes_and_wakes(void *ud) {
    changer *c = ud;
    atomic_store(c->word, 5);
    return (void *)(intptr_t)ouzel_wake_addr(c->rt, (const uint32_t *)c->word, 10);
}

static void waits_at_an_address_end(void) {
    ouzel_runtime *rt = new_runtime();
    ouzel_rtid id = ouzel_runtime_id(rt);
    atomic_uint words[2] = {0};
    at_addr a = {&words[0], 1, OUZEL_FOREVER, 0, 0}, b;
    ouzel_task tasks[3];
    pthread_t thread;
    void *woken;
    CHECK_IS(run_task(rt, waits_there, &a), OUZEL_OK);
    CHECK_IS(a.said, OUZEL_READY); /* another value */
    a.expected = 0;
    a.deadline = ouzel_now(rt) + 30 * MS;
    CHECK_IS(run_task(rt, waits_there, &a), OUZEL_OK);
    CHECK_IS(a.said, OUZEL_ETIMEDOUT);
    CHECK(ouzel_now(rt) >= a.deadline);
    a.word = (atomic_uint *)((char *)words + 1);
    CHECK_IS(run_task(rt, waits_there, &a), OUZEL_OK);
    CHECK_IS(a.said, OUZEL_EINVAL);
    a.word = NULL;
    CHECK_IS(run_task(rt, waits_there, &a), OUZEL_OK);
    CHECK_IS(a.said, OUZEL_ENULL);
    CHECK_IS(ouzel_wait_addr(NULL, (const uint32_t *)words, 0, 0), OUZEL_ENULL);
    CHECK_IS(ouzel_wake_addr(id, NULL, 1), OUZEL_ENULL);
    CHECK_IS(ouzel_wake_addr((ouzel_rtid){1, 1}, (const uint32_t *)words, 1), OUZEL_ESTALE);
    /* Two wait; one wake, then the rest from another thread that changes the word. */
    a = (at_addr){&words[0], 0, OUZEL_FOREVER, 0, 0};
    b = a;
    at_addr other = {&words[1], 0, OUZEL_FOREVER, 0, 0};
    CHECK_IS(ouzel_spawn(rt, waits_there, &a, NULL, &tasks[0]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[0]));
    CHECK_IS(ouzel_spawn(rt, waits_there, &b, NULL, &tasks[1]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[1]));
    CHECK_IS(ouzel_spawn(rt, waits_there, &other, NULL, &tasks[2]), OUZEL_OK);
    until_idle(rt, waker_of(tasks[2]));
    CHECK_IS(ouzel_wake_addr(id, (const uint32_t *)&words[0], 1), 1);
    CHECK_IS(ouzel_block_on(rt, tasks[0], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(b.polls, 1); /* the first to come first */
    changer changes = {&words[0], id};
    CHECK_IS(pthread_create(&thread, NULL, changes_and_wakes, &changes), 0);
    pthread_join(thread, &woken);
    CHECK_IS((intptr_t)woken, 1);
    CHECK_IS(ouzel_block_on(rt, tasks[1], OUZEL_FOREVER, NULL), OUZEL_OK);
    CHECK_IS(other.polls, 1);
    /* A wake that was handed to a task which is cancelled goes to the next. */
    if (!the_workers) {
        atomic_store(&words[0], 0);
        a.polls = b.polls = 0;
        CHECK_IS(ouzel_spawn(rt, waits_there, &a, NULL, &tasks[0]), OUZEL_OK);
        CHECK_IS(ouzel_spawn(rt, waits_there, &b, NULL, &tasks[1]), OUZEL_OK);
        let_run(rt);
        CHECK_IS(ouzel_wake_addr(id, (const uint32_t *)&words[0], 1), 1);
        CHECK_IS(ouzel_task_cancel(tasks[0]), OUZEL_OK);
        CHECK_IS(ouzel_block_on(rt, tasks[1], 20ull * SECOND, NULL), OUZEL_OK);
        CHECK_IS(b.said, OUZEL_READY);
    }
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK); /* one still waits */
}

static const test tests[] = {
    TEST(permits_are_handed_out_in_order_and_passed_on),
    TEST(elements_arrive_in_order_once_each),
    TEST(a_mutex_over_an_address_loses_no_wake),
    TEST(waits_at_an_address_end),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
