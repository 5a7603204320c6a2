/* The host's allocator: a program of its own, since it is the first thing that ouzel is asked for. */
#include "check.h"

#include <malloc.h>

static atomic_size_t live, bytes, calls;
static int ctx;
static _Thread_local int next_refused = -1; /* after so many more requests of this thread one is refused */

static void *my_alloc(void *c, size_t size, size_t align) {
    void *p = NULL;
    CHECK(c == &ctx);
    CHECK(size > 0 && align > 0 && (align & (align - 1)) == 0);
    if (next_refused >= 0 && next_refused-- == 0) return NULL;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) != 0) return NULL;
    atomic_fetch_add(&live, 1);
    atomic_fetch_add(&bytes, size);
    atomic_fetch_add(&calls, 1);
    return p;
}

static void my_free(void *c, void *p, size_t size, size_t align) {
    CHECK(c == &ctx);
    CHECK(p != NULL && align > 0 && malloc_usable_size(p) >= size);
    atomic_fetch_sub(&live, 1);
    atomic_fetch_sub(&bytes, size);
    free(p);
}

static void *my_realloc(void *c, void *p, size_t old_size, size_t new_size, size_t align) {
    void *q = my_alloc(c, new_size, align);
    if (!q) return NULL;
    memcpy(q, p, old_size < new_size ? old_size : new_size);
    my_free(c, p, old_size, align);
    return q;
}

static ouzel_allocator mine(void) {
    ouzel_allocator a;
    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    a.alloc = my_alloc;
    a.realloc = my_realloc;
    a.free = my_free;
    a.ctx = &ctx;
    return a;
}

static void the_library_takes_its_memory_from_the_host(void) {
    ouzel_allocator a = mine();
    ouzel_stats stats;
    CHECK_IS(ouzel_set_allocator(NULL), OUZEL_ENULL);
    a.alloc = NULL;
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_ENULL);
    a = mine();
    a.flags = 1;
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_EINVAL);
    a.size = 4;
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_ESIZE);
    a = mine();
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_OK);
    memset(&a, 0x77, sizeof a); /* it was copied */
    for (int round = 0; round < 2; round++) {
        ouzel_runtime *rt = new_runtime();
        atomic_int drops = 0;
        ouzel_task_opts opts = task_opts(0, bump);
        ouzel_task tasks[100];
        CHECK(calls > 0);
        for (int i = 0; i < 100; i++) CHECK_IS(ouzel_spawn(rt, ready, &drops, &opts, &tasks[i]), OUZEL_OK);
        for (int i = 0; i < 100; i++) CHECK_IS(ouzel_block_on(rt, tasks[i], OUZEL_FOREVER, NULL), OUZEL_OK);
        CHECK_IS(ouzel_stats_get(rt, &stats, sizeof stats), OUZEL_OK);
        CHECK(stats.allocs >= 100 && live > 0);
        size_t before = live;
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
        CHECK(live < before); /* given back to where it came from: `my_free` has looked */
    }
    a = mine();
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_EBUSY);
}

static void later_it_is_too_late(void) {
    ouzel_allocator a = mine();
    ouzel_runtime *rt = new_runtime();
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_EBUSY);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_EBUSY);
    CHECK_IS(calls, 0);
}

static atomic_int drops, done, failed, released;
static int finished; /* a socket whose peer has gone */
static int waiting;  /* one whose peer goes later */

static void is_done(void *ud, const ouzel_cqe *cqe) {
    CHECK(ud == &released && (cqe->res == 0 || cqe->res == -ENOMEM));
    atomic_fetch_add(&failed, cqe->res != 0);
    atomic_fetch_add(&done, 1);
}

static int32_t waits(void *ud, ouzel_cx *cx) {
    (void)ud;
    (void)cx;
    return OUZEL_PENDING;
}

static int32_t spawn(ouzel_runtime *rt) {
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, bump);
    return ouzel_spawn(rt, waits, &drops, &opts, NULL);
}

static int32_t spawn_with_id(ouzel_runtime *rt) {
    ouzel_task_opts opts = task_opts(OUZEL_TASK_DETACHED, bump);
    ouzel_task task = {7, 7}, before = task;
    int32_t err = ouzel_spawn(rt, waits, &drops, &opts, &task);
    CHECK((memcmp(&task, &before, sizeof task) == 0) == (err != OUZEL_OK));
    return err;
}

static int32_t submit_nop(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_opts(is_done, bump, &released);
    return ouzel_nop(rt, &opts, NULL);
}

static int32_t submit_timer(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_opts(is_done, bump, &released);
    return ouzel_timer(rt, ouzel_now(rt) + MS, 0, &opts, NULL);
}

static int32_t submit_recv(ouzel_runtime *rt) {
    static char buf[1];
    ouzel_op_opts opts = op_opts(is_done, bump, &released);
    return ouzel_recv(rt, finished, buf, sizeof buf, 0, &opts, NULL);
}

static int32_t submit_recv_that_waits(ouzel_runtime *rt) {
    static char buf[2];
    ouzel_op_opts opts = op_opts(is_done, bump, &released);
    return ouzel_recv(rt, waiting, buf, sizeof buf, 0, &opts, NULL);
}

/* Whichever of its requests it is. */
static void what_was_refused_memory_can_be_asked_for_again(void) {
    int32_t (*const ask[])(ouzel_runtime *) = {
        spawn, spawn_with_id, submit_nop, submit_timer, submit_recv, submit_recv_that_waits,
    };
    const size_t spawns = 2;
    ouzel_allocator a = mine();
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && close(pair[1]) == 0);
    finished = pair[0];
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_OK);
    for (size_t i = 0; i < (the_workers ? spawns : sizeof ask / sizeof *ask); i++) {
        int request = 0;
        for (int refused = 1; refused; request++) {
            ouzel_runtime *rt = new_runtime();
            CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
            waiting = pair[0];
            drops = done = failed = released = 0;
            next_refused = request;
            int32_t err = ask[i](rt);
            next_refused = -1;
            CHECK(err == OUZEL_OK || err == OUZEL_ENOMEM);
            CHECK(drops == (i < spawns && err == OUZEL_ENOMEM) && released == 0);
            int begun = 1 + (err == OUZEL_OK);
            CHECK_IS(ask[i](rt), OUZEL_OK);
            CHECK(close(pair[1]) == 0);
            if (i >= spawns) run_until(rt, &done, begun);
            CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
            CHECK(close(pair[0]) == 0);
            CHECK(i < spawns ? drops == 2 : done == begun && released == begun);
            refused = err != OUZEL_OK || failed;
            CHECK(failed == 0 || (failed == 1 && err == OUZEL_OK));
        }
        CHECK(request > 1); /* one was refused */
    }
}

static const test tests[] = {
    TEST(what_was_refused_memory_can_be_asked_for_again),
    TEST(the_library_takes_its_memory_from_the_host),
    TEST(later_it_is_too_late),
};

/* Each needs a process in which nothing has happened. */
int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        pid_t child = fork();
        if (child == 0) return run_tests(argc, argv, &tests[i], 1);
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return 0;
}
