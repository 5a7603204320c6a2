/* planted.c FAULT - faults that AddressSanitizer and valgrind must report (tests/memory.rs): what they do not see here they
 * would not see elsewhere. */
#include "check.h"

static int32_t reads(void *ud, ouzel_cx *cx) {
    (void)cx;
    return *(volatile int *)ud == 12345 ? OUZEL_READY : OUZEL_PENDING;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    the_driver = OUZEL_DRIVER_EPOLL;
    ouzel_runtime *rt = new_runtime();
    int *ud = malloc(64);
    CHECK(ud != NULL);
    *ud = 0;
    if (strcmp(argv[1], "use_after_free") == 0) {
        CHECK_IS(ouzel_spawn(rt, reads, ud, NULL, NULL), OUZEL_OK);
        free(ud); /* the task has it still */
        CHECK_IS(ouzel_run_nowait(rt, 0, NULL), OUZEL_OK);
    } else if (strcmp(argv[1], "read_by_the_library") == 0) {
        ouzel_task_opts *opts = malloc(sizeof *opts);
        CHECK(opts != NULL);
        *opts = task_opts(0, free);
        opts->size = sizeof *opts + 64; /* more than there is: the library looks for zeros there */
        (void)ouzel_spawn(rt, reads, ud, opts, NULL);
        free(opts);
    } else if (strcmp(argv[1], "dropped_twice") == 0) {
        ouzel_task_opts opts = task_opts(0, free);
        CHECK_IS(ouzel_spawn(rt, reads, ud, &opts, NULL), OUZEL_OK);
        CHECK_IS(ouzel_spawn(rt, reads, ud, &opts, NULL), OUZEL_OK);
    } else {
        return 2;
    }
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    return 0;
}
