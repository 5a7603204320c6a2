/* A system that has nothing to give: what asks for it is done, or is not and says why, and then nothing of it is left. And locks that
 * are lost in a fork. */
#include "check.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int32_t succeeds(void *ud, ouzel_cx *cx) {
    (void)ud;
    (void)cx;
    return OUZEL_READY;
}

static void allow(rlim_t bytes) {
    struct rlimit limit = {bytes, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* Descriptors; returns how many it were. */
static rlim_t allow_fds(rlim_t count) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = count;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return before;
}

/* Address space, in bytes. */
static rlim_t used(void) {
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm && fscanf(statm, "%ld", &pages) == 1 && fclose(statm) == 0);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* With so many bytes more than there are: whether there is a runtime, which then works. */
static bool is_made(rlim_t more) {
    ouzel_options options = the_options();
    ouzel_runtime *rt = NULL;
    allow(used() + more);
    int32_t err = ouzel_runtime_new(&options, &rt);
    allow(RLIM_INFINITY);
    if (err == OUZEL_OK) {
        CHECK_IS(run_task(rt, succeeds, NULL), OUZEL_OK);
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
        return true;
    }
    CHECK(err == OUZEL_ENOMEM || err == -ENOMEM);
    CHECK(rt == NULL);
    return false;
}

static void a_runtime_without_address_space_says_so(void) {
    int made = 0, not_made = 0;
    if (the_workers > 0) return; /* a thread that finds none is ended by the C library, with the process */
    for (rlim_t more = 0; made < 3; more += 32 * 1024) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) _exit(is_made(more) ? 0 : 1);
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        made += WEXITSTATUS(status) == 0;
        not_made += WEXITSTATUS(status) == 1;
        CHECK(more < 1 << 30);
    }
    CHECK(not_made > 0);
}

static int64_t works(void *arg) { return (int64_t)(intptr_t)arg; }

static atomic_int released, completed;

static void releases(void *ud) {
    (void)ud;
    atomic_fetch_add(&released, 1);
}

static void completes(void *ud, const ouzel_cqe *cqe) {
    (void)ud;
    CHECK(cqe->res == 0 && cqe->extra == 7);
    atomic_fetch_add(&completed, 1);
}

static void a_job_without_a_thread_is_not_taken(void) {
    ouzel_op_opts opts = op_opts(completes, releases, NULL);
    ouzel_op op = {7, 7}, before = op;
    if (the_workers > 0) return; /* its host begins no operation outside a task */
    ouzel_runtime *rt = new_runtime();
    allow(used() + 64 * 1024); /* not for a stack */
    CHECK_IS(ouzel_blocking(rt, works, (void *)7, &opts, &op), -EAGAIN);
    allow(RLIM_INFINITY);
    CHECK(memcmp(&op, &before, sizeof op) == 0);
    CHECK_IS(ouzel_blocking(rt, works, (void *)7, &opts, &op), OUZEL_OK);
    run_until(rt, &completed, 1);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(completed, 1);
    CHECK_IS(released, 1);
}

/* The last descriptor that it wants is refused it more often than there may be runtimes. */
static void a_runtime_without_descriptors_leaves_nothing_behind(void) {
    ouzel_options options = the_options();
    ouzel_runtime *rt = NULL;
    int first = dup(0), err = -EMFILE;
    rlim_t many = allow_fds(0), enough = (rlim_t)first;
    CHECK(first >= 0 && close(first) == 0);
    while (err == -EMFILE) {
        allow_fds(++enough);
        err = ouzel_runtime_new(&options, &rt);
    }
    CHECK_IS(err, OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK(enough > (rlim_t)first);
    rt = NULL;
    allow_fds(enough - 1);
    for (int i = 0; i < 300; i++) CHECK_IS(ouzel_runtime_new(&options, &rt), -EMFILE);
    CHECK(rt == NULL);
    allow_fds(enough);
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_OK);
    CHECK_IS(run_task(rt, succeeds, NULL), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    allow_fds(many);
}

static atomic_bool enough;

static void *makes_and_frees(void *arg) {
    (void)arg;
    while (!enough) {
        ouzel_options options = the_options();
        ouzel_runtime *rt = NULL;
        options.workers = 0;
        CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_OK);
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    }
    return NULL;
}

/* What other threads of its parent have locked nobody unlocks in the child. */
static void a_child_of_busy_threads_makes_its_own(void) {
    pthread_t threads[2];
    enough = false;
    CHECK_IS(ouzel_runtime_free(new_runtime()), OUZEL_OK); /* the first of all asks what the kernel can do */
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, makes_and_frees, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            ouzel_runtime *rt = new_runtime();
            CHECK_IS(run_task(rt, succeeds, NULL), OUZEL_OK);
            CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    enough = true;
    for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv) {
    const test all[] = {
        TEST(a_runtime_without_address_space_says_so),
        TEST(a_runtime_without_descriptors_leaves_nothing_behind),
        TEST(a_job_without_a_thread_is_not_taken),
        TEST(a_child_of_busy_threads_makes_its_own),
    };
    return run_tests(argc, argv, all, sizeof all / sizeof *all);
}
