/* scene.h - operations awaited one after the other, in a poll function that reads from top to bottom. */
#ifndef SCENE_H
#define SCENE_H

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* A scenario is a poll function over a struct that starts with `at`: which step it is in. */
#define BEGIN(s) switch ((s)->at) { case 0:
#define END(s) } return OUZEL_READY;
#define STEP(s, n) (s)->at = n; /* fall through */ case n:
/* Submits, then waits until the completion is in s->cqe. */
#define AWAIT(s, n, call)                                                         \
    do {                                                                          \
        CHECK_IS(call, OUZEL_OK);                                                 \
        CHECK((s)->op.gen != 0);                                                  \
        (s)->at = n;                                                              \
        __attribute__((fallthrough));                                             \
    case n: {                                                                     \
        int32_t got_ = ouzel_op_poll((s)->op, cx, &(s)->cqe);                     \
        if (got_ == OUZEL_PENDING) return OUZEL_PENDING;                          \
        CHECK_IS(got_, OUZEL_READY);                                              \
        CHECK((s)->cqe.op.slot == (s)->op.slot && (s)->cqe.op.gen == (s)->op.gen); \
    }                                                                             \
    } while (0)

/* Does nothing, until the runtime's own means have had their turn. */
#define PAUSE(s, n) AWAIT(s, n, ouzel_timer(rt, ouzel_now(rt) + 2 * MS, 0, NULL, &(s)->op))

typedef struct scene {
    int at;
    ouzel_op op, op2;
    ouzel_cqe cqe;
    int fd, peer, listener, got, pipe[2];
    char path[64], buf[64];
    struct sockaddr_in addr;
    atomic_int releases, calls;
    _Atomic uint64_t then;
    int32_t last;
} scene;

static inline void released(void *ud) { atomic_fetch_add(&((scene *)ud)->releases, 1); }

/* Two sockets that are connected, as s->fd and s->peer. */
static inline void pair(int kind, scene *s) {
    int fds[2];
    CHECK_IS(socketpair(AF_UNIX, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    s->fd = fds[0];
    s->peer = fds[1];
}

static inline void unpair(scene *s) {
    close(s->fd);
    close(s->peer);
}

/* Runs a poll function on a runtime of its own, to its end. */
static inline void run_alone(ouzel_poll_fn poll, void *ud) {
    ouzel_runtime *rt = new_runtime();
    CHECK_IS(run_task(rt, poll, ud), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* Listens on a port of the loopback interface; writes where. */
static inline int listen_socket(struct sockaddr_in *addr) {
    socklen_t len = sizeof *addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(addr, 0, sizeof *addr);
    addr->sin_family = AF_INET;
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_IS(bind(fd, (struct sockaddr *)addr, sizeof *addr), 0);
    CHECK_IS(listen(fd, 16), 0);
    CHECK_IS(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

#endif
