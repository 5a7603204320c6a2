/* own_loop - ouzel inside a program that has an epoll loop of its own.
 *
 *     own_loop [auto|uring|epoll|poll]
 *
 *     host's epoll:  its own timerfd | ouzel_backend_fd          sleeps at most ouzel_backend_timeout
 *
 * The host counts ticks of its own timer. On the same thread ouzel runs three tasks: two that send a message to and
 * fro, one that sleeps again and again; a fourth waits to be woken by another thread. Ends when all have done their
 * part and prints what was counted.
 */
#include "ouzel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICKS 10
#define ROUND_TRIPS 1000
#define SLEEPS 10
#define WAKES 100
#define MS 1000000u

typedef struct player {
    int fd;
    enum { RECEIVING, SENDING } doing, last; /* what comes last ends its game */
    int turns;                               /* messages received */
    ouzel_op op;
    char ball;
} player;

/* Sends the ball and waits for it, in turn. */
static int32_t play(void *ud, ouzel_cx *cx) {
    player *p = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_cqe cqe;
    for (;;) {
        int32_t err;
        if (!p->op.gen) {
            err = p->doing == SENDING ? ouzel_send(rt, p->fd, &p->ball, 1, 0, NULL, &p->op)
                                      : ouzel_recv(rt, p->fd, &p->ball, 1, 0, NULL, &p->op);
            if (err < 0) return err;
        }
        err = ouzel_op_poll(p->op, cx, &cqe);
        if (err != OUZEL_READY) return err;
        p->op.gen = 0;
        if (cqe.res != 1) return cqe.res < 0 ? cqe.res : OUZEL_EINVAL;
        p->turns += p->doing == RECEIVING;
        if (p->turns == ROUND_TRIPS && p->doing == p->last) return OUZEL_READY;
        p->doing = p->doing == SENDING ? RECEIVING : SENDING;
    }
}

typedef struct sleeper {
    int slept;
    ouzel_op timer;
} sleeper;

static int32_t sleep_again(void *ud, ouzel_cx *cx) {
    sleeper *s = ud;
    ouzel_cqe cqe;
    for (;;) {
        int32_t err;
        if (!s->timer.gen) {
            err = ouzel_timer(ouzel_cx_runtime(cx), ouzel_cx_now(cx) + 3 * MS, 0, NULL, &s->timer);
            if (err < 0) return err;
        }
        err = ouzel_op_poll(s->timer, cx, &cqe);
        if (err != OUZEL_READY) return err;
        s->timer.gen = 0;
        if (++s->slept == SLEEPS) return OUZEL_READY;
    }
}

typedef struct woken {
    atomic_int asked; /* by the thread */
    int seen;         /* by the task */
    atomic_int answered;
    ouzel_waker waker;
} woken;

static int32_t count_wakes(void *ud, ouzel_cx *cx) {
    woken *w = ud;
    (void)cx;
    int asked = atomic_load(&w->asked);
    if (asked > w->seen) {
        w->seen = asked;
        atomic_store(&w->answered, asked);
    }
    return w->seen == WAKES ? OUZEL_READY : OUZEL_PENDING;
}

/* Wakes the task, waits until it has seen that, and again. */
static void *wake_often(void *ud) {
    woken *w = ud;
    for (int i = 1; i <= WAKES; i++) {
        atomic_store(&w->asked, i);
        ouzel_wake(w->waker);
        while (atomic_load(&w->answered) < i) usleep(50);
    }
    return NULL;
}

/* One wait of the host's: its own descriptor and ouzel's. Returns the ticks that came. */
static uint64_t wait_once(int epoll, int ticker, uint64_t timeout_ns) {
    struct epoll_event events[2];
    uint64_t ticks = 0;
    int ms = timeout_ns == OUZEL_FOREVER ? -1 : (int)((timeout_ns + MS - 1) / MS);
    int n = epoll_wait(epoll, events, 2, ms);
    for (int i = 0; i < n; i++) {
        uint64_t more = 0;
        if (events[i].data.fd == ticker && read(ticker, &more, sizeof more) == sizeof more) ticks += more;
    }
    return ticks;
}

static int32_t host(ouzel_runtime *rt, uint64_t *ticks) {
    struct itimerspec every = {{0, 2 * MS}, {0, 2 * MS}};
    int ticker = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {0};
    timerfd_settime(ticker, 0, &every, NULL);
    event.events = EPOLLIN;
    event.data.fd = ticker;
    epoll_ctl(epoll, EPOLL_CTL_ADD, ticker, &event);
    event.data.fd = ouzel_backend_fd(rt);
    epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);

    int32_t err = OUZEL_OK;
    while (err >= 0 && (ouzel_live_tasks(rt) > 0 || *ticks < TICKS)) {
        uint64_t timeout = 0;
        ouzel_tick tick = {0};
        tick.size = sizeof tick;
        err = ouzel_run_nowait(rt, 256, &tick);
        if (err < 0) break;
        if (ouzel_live_tasks(rt) == 0 && *ticks >= TICKS) break;
        if (!tick.more && (err = ouzel_before_wait(rt)) == 0) err = ouzel_backend_timeout(rt, &timeout);
        *ticks += wait_once(epoll, ticker, timeout);
    }
    close(epoll);
    close(ticker);
    return err;
}

static int32_t start_and_run(uint32_t driver) {
    ouzel_options options;
    ouzel_runtime *rt;
    ouzel_options_init(&options, sizeof options);
    options.driver = driver;
    int32_t err = ouzel_runtime_new(&options, &rt);
    if (err < 0) return err;

    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) return -1;
    player a = {.fd = fds[0], .doing = SENDING, .last = RECEIVING}, b = {.fd = fds[1], .last = SENDING};
    sleeper s = {0};
    woken w = {0};
    ouzel_task task;
    ouzel_task_opts detached = {0};
    detached.size = sizeof detached;
    detached.flags = OUZEL_TASK_DETACHED;
    err = ouzel_spawn(rt, play, &a, &detached, NULL);
    if (err >= 0) err = ouzel_spawn(rt, play, &b, &detached, NULL);
    if (err >= 0) err = ouzel_spawn(rt, sleep_again, &s, &detached, NULL);
    if (err >= 0) err = ouzel_spawn(rt, count_wakes, &w, &detached, &task);
    if (err < 0) return err;
    w.waker.slot = task.slot; /* a task's id wakes it, too */
    w.waker.gen = task.gen;

    pthread_t thread;
    uint64_t ticks = 0;
    pthread_create(&thread, NULL, wake_often, &w);
    err = host(rt, &ticks);
    pthread_join(thread, NULL);
    printf("driver %s: ticks %s, round trips %d, sleeps %d, wakes %d\n",
           ouzel_driver_name((uint32_t)ouzel_runtime_driver(rt)), ticks >= TICKS ? "enough" : "missing", a.turns,
           s.slept, w.seen);
    ouzel_runtime_free(rt);
    close(fds[0]);
    close(fds[1]);
    return err;
}

int main(int argc, char **argv) {
    uint32_t driver = OUZEL_DRIVER_AUTO;
    while (argc > 1 && driver <= OUZEL_DRIVER_POLL && strcmp(argv[1], ouzel_driver_name(driver)) != 0) driver++;
    int32_t err = ouzel_check_abi(OUZEL_ABI_VERSION);
    if (err >= 0) err = start_and_run(driver);
    if (err < 0) fprintf(stderr, "own_loop: %s\n", ouzel_err_text(err));
    return err < 0;
}
