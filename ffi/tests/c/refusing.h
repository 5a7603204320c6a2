/* refusing.h - what is asked with a request for memory refused: with its first one, then with its second, until it makes no
 * more. Each time is in a runtime of its own, and it is asked again. */
#ifndef REFUSING_H
#define REFUSING_H

#include "memory.h"

static int request = -1; /* which one is refused; -1: none */
static int32_t asked;    /* what the call said */
static atomic_int owed, ended; /* duties to the host, and those that are done */
static int near_end, far_end;  /* sockets, connected */
static int opened[16];         /* what is closed behind the runtime: until then it keeps a note of each */
static size_t opened_count;

/* `fd`, which is closed behind the runtime. */
static inline int keep(int fd) {
    CHECK(fd >= 0 && opened_count < sizeof opened / sizeof *opened);
    return opened[opened_count++] = fd;
}

/* A call that is refused one request. */
#define ASK(call) (refuse(), answered(call))

static void refuse(void) { left = request; }

static int32_t answered(int32_t answer) {
    left = -1;
    return asked = answer;
}

static void ends(void *ud) {
    CHECK(ud == &ended);
    atomic_fetch_add(&ended, 1);
}

/* A task's duty is its drop, whether it was spawned or not. */
static inline ouzel_task_opts duty(uint32_t flags) {
    atomic_fetch_add(&owed, 1);
    return task_opts(flags, ends);
}

static atomic_int completed, failed, result; /* and of the last completion what it says */

static void completes(void *ud, const ouzel_cqe *cqe) {
    CHECK(ud == &ended);
    result = cqe->res;
    if (cqe->res == -ENOMEM) atomic_fetch_add(&failed, 1);
    else CHECK(cqe->res >= 0 || cqe->res == -ECANCELED || cqe->res == -ETIMEDOUT);
    if (!(cqe->flags & OUZEL_CQE_MORE)) atomic_fetch_add(&completed, 1);
}

/* An operation's duty is its release, if it was begun. */
static inline int32_t begun(int32_t err) {
    if (err == OUZEL_OK) atomic_fetch_add(&owed, 1);
    return err;
}

static inline ouzel_op_opts op_duty(void) { return op_opts(completes, ends, &ended); }

/* The operation's end: by itself, or by a cancel. */
static inline int32_t until_completed(ouzel_runtime *rt, ouzel_op op, int cancel) {
    if (asked != OUZEL_OK) return asked;
    if (cancel) CHECK(ouzel_op_cancel(op) == OUZEL_OK || failed);
    run_until(rt, &completed, 1);
    atomic_fetch_sub(&completed, 1);
    return failed ? OUZEL_ENOMEM : OUZEL_OK;
}

typedef struct scenario {
    const char *name;
    int32_t (*ask)(ouzel_runtime *);
    enum { ANYWHERE, ON_THE_LOOP, ON_LINUX } where;
} scenario;

#define ANYWHERE(name) {#name, name, ANYWHERE}
#define ON_THE_LOOP(name) {#name, name, ON_THE_LOOP}
#define ON_LINUX(name) {#name, name, ON_LINUX}

static const scenario *the_scenario;

/* A runtime in which it is asked with request number `which` refused, and again. Counts a refusal; false: it made fewer requests. */
static bool refuses(const scenario *s, int which, int *refusals) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    near_end = keep(pair[0]);
    far_end = keep(pair[1]);
    ouzel_runtime *rt = new_runtime();
    owed = ended = completed = failed = 0;
    was_refused = false;
    request = which;
    int32_t err = s->ask(rt);
    request = -1;
    CHECK(err == OUZEL_OK || (err == OUZEL_ENOMEM && was_refused));
    *refusals += err != OUZEL_OK;
    failed = 0;
    CHECK_IS(s->ask(rt), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(ended, owed);
    while (opened_count > 0) CHECK(close(opened[--opened_count]) == 0);
    return was_refused;
}

/* The test of each program: refuses every request of the scenario. */
static void refuse_each_request(void) {
    const scenario *s = the_scenario;
    ouzel_allocator a = mine();
    CHECK_IS(ouzel_set_allocator(&a), OUZEL_OK);
    int refusals = 0;
    /* As many as the places of freed runtimes that are spared: from then on what is kept stays the same. */
    for (int i = 0; i < 20; i++) CHECK(!refuses(s, -1, &refusals));
    size_t kept = bytes;
    for (int which = 0; refuses(s, which, &refusals); which++) CHECK(bytes <= kept);
    fprintf(stderr, "  %s: %d refused\n", s->name, refusals);
    CHECK(refusals > 0); /* else it needs no memory, and is no scenario */
}

/* Each needs a process in which nothing has happened. */
static int each(const scenario *scenarios, size_t count, const test *test, int argc, char **argv) {
    int bad = 0;
    CHECK(argc >= 3);
    for (the_scenario = scenarios; the_scenario < scenarios + count; the_scenario++) {
        int status = 0;
        if (the_scenario->where != ANYWHERE && strcmp(argv[2], "0") != 0) continue;
        if (the_scenario->where == ON_LINUX && strcmp(argv[1], "poll") == 0) continue; /* it has no such call */
        pid_t child = fork();
        if (child == 0) return run_tests(argc, argv, test, 1);
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "%s: status %d\n", the_scenario->name, status);
            bad = 1;
        }
    }
    return bad;
}

#endif
