/* The host's allocator: a program of its own, since it is the first thing that ouzel is asked for. */
#include "memory.h"

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
        CHECK(stats.allocs >= 100 && blocks > 0);
        size_t before = blocks;
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
        CHECK(blocks < before); /* given back to where it came from: `my_free` has looked */
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

static const test tests[] = {
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
