/* echo - a TCP server that sends back what it receives, one thread, a task per connection.
 *
 *     echo [-p PORT] [--driver auto|uring|epoll|poll]
 *
 * What was received goes back from where it lies, in a buffer of the runtime's, by ouzel_try_send, without an operation. On
 * io_uring a message at depth 1 costs the enter in which the loop waits, one completion of the receive that was
 * submitted once, and one entry of a send, which has no completion.
 * Where the driver knows no such sends, and where the socket is full, there are two buffers a connection: `out` gathers what is to be sent while the kernel may be reading `flight`. A reader that is
 * slow fills both; then the receive is cancelled until a send has completed. Ends with status 0 on SIGTERM or SIGINT.
 */
#include "ouzel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVES_PER_POLL 16u  /* then other connections have their turn */
#define OUT_LIMIT (256u * 1024u) /* bytes gathered before a connection stops reading */
#define BACK_OFF 50000000u       /* ns until the next accept when descriptors have run out */

typedef struct bytes {
    char *p;
    size_t len, cap;
} bytes;

static int append(bytes *b, const void *from, size_t len) {
    if (b->len + len > b->cap) {
        size_t cap = b->cap ? b->cap : 4096;
        while (cap < b->len + len) cap *= 2;
        char *p = realloc(b->p, cap);
        if (!p) return 0;
        b->p = p;
        b->cap = cap;
    }
    memcpy(b->p + b->len, from, len);
    b->len += len;
    return 1;
}

/* ---- a connection ----------------------------------------------------------------------------------------------- */

typedef struct conn {
    ouzel_runtime *rt;
    int fd;
    int refs; /* the task, and a send in flight: the kernel may be reading `flight` */
    ouzel_op recv, send; /* gen 0: none */
    unsigned pausing : 1, eof : 1, dead : 1;
    unsigned tried : 1; /* some bytes were sent without an operation: the end waits for them */
    bytes out, flight;
} conn;

static void unref(void *ud) {
    conn *c = ud;
    if (--c->refs) return;
    free(c->out.p);
    free(c->flight.p);
    free(c);
}

static void sent(conn *c, const ouzel_cqe *cqe) {
    c->send.gen = 0;
    if (cqe->res < 0 || (size_t)cqe->res != c->flight.len) c->dead = 1;
    c->flight.len = 0;
}

/* Notices that the send under way is over. */
static void settle(conn *c) {
    ouzel_cqe cqe;
    if (c->send.gen && ouzel_op_take(c->send, &cqe) == OUZEL_READY) sent(c, &cqe);
}

static int tries; /* the driver knows sends without an operation */

/* Sends what was received, or gathers it for `flush`. */
static int answer(conn *c, const void *from, size_t len) {
    settle(c);
    if (tries && !c->send.gen && c->out.len == 0) {
        int32_t got = ouzel_try_send(c->rt, c->fd, from, len);
        if (got < 0) return 0;
        if (got == OUZEL_READY) return c->tried = 1;
    }
    return append(&c->out, from, len);
}

/* Sends what was gathered, unless a send is under way. Lazy: nobody waits for its completion. */
static void flush(conn *c, uint32_t flags) {
    settle(c);
    if (c->send.gen || c->dead || (c->out.len == 0 && !(c->eof && c->tried))) return;
    if (c->eof) c->tried = 0; /* this one is behind them */
    bytes full = c->out;
    c->out = c->flight;
    c->flight = full;
    ouzel_op_opts opts = {0};
    opts.size = sizeof opts;
    opts.ud = c;
    opts.release = unref;
    c->refs++;
    if (ouzel_send(c->rt, c->fd, full.p, full.len, flags, &opts, &c->send) < 0) {
        c->refs--;
        c->send.gen = 0;
        c->dead = 1;
    }
}

/* Takes what has been received. 1: there may be more, and it is others' turn. */
static int receive(conn *c, ouzel_cx *cx) {
    ouzel_cqe cqe;
    for (unsigned i = 0; i < RECEIVES_PER_POLL; i++) {
        int full = c->out.len >= OUT_LIMIT;
        if (full && c->recv.gen && !c->pausing) c->pausing = ouzel_op_cancel(c->recv) >= 0;
        if (!c->recv.gen) {
            if (full || c->eof || c->dead) return 0;
            if (ouzel_recv_multi(c->rt, c->fd, NULL, &c->recv) < 0) {
                c->dead = 1;
                return 0;
            }
        }
        if (ouzel_op_poll(c->recv, cx, &cqe) != OUZEL_READY) return 0;
        if (!(cqe.flags & OUZEL_CQE_MORE)) c->recv.gen = c->pausing = 0;
        if (cqe.flags & OUZEL_CQE_BUFFER) {
            if (!answer(c, (const void *)(uintptr_t)cqe.extra, cqe.buf_len)) c->dead = 1;
            ouzel_buf_return(c->rt, OUZEL_BUF_GROUP_DEFAULT, cqe.buf_id);
        } else if (cqe.res == 0) {
            c->eof = 1;
        } else if (cqe.res < 0 && cqe.res != -ENOBUFS && cqe.res != -ECANCELED) {
            c->dead = 1;
        }
        if ((cqe.flags & OUZEL_CQE_WAITING) && c->out.len < OUT_LIMIT) return 0;
    }
    return 1;
}

static int32_t conn_poll(void *ud, ouzel_cx *cx) {
    conn *c = ud;
    ouzel_cqe cqe;
    for (;;) {
        int more = receive(c, cx);
        flush(c, c->eof ? 0 : OUZEL_SEND_LAZY);
        if (c->dead || (c->eof && !c->send.gen)) return OUZEL_READY;
        /* A send that something waits for: the next one, or the end of the connection. */
        if (c->send.gen && (c->out.len || c->eof) && ouzel_op_poll(c->send, cx, &cqe) == OUZEL_READY) {
            sent(c, &cqe);
            if (ouzel_cx_budget(cx)) continue;
            more = 1;
        }
        if (!c->recv.gen && !c->eof && c->out.len < OUT_LIMIT) more = 1; /* there is room again */
        if (more) ouzel_wake_self(cx);
        return OUZEL_PENDING;
    }
}

/* The task has ended, or the server is shutting down. */
static void conn_drop(void *ud) {
    conn *c = ud;
    if (c->recv.gen) ouzel_op_abandon(c->recv);
    if (c->send.gen) ouzel_op_abandon(c->send); /* `unref` gives its reference back */
    if (ouzel_close(c->rt, c->fd, NULL, NULL) < 0) close(c->fd);
    unref(c);
}

static void start(ouzel_runtime *rt, int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    c->rt = rt;
    c->fd = fd;
    c->refs = 1;
    ouzel_task_opts opts = {0};
    opts.size = sizeof opts;
    opts.flags = OUZEL_TASK_DETACHED;
    opts.drop = conn_drop; /* also if spawning fails */
    ouzel_spawn(rt, conn_poll, c, &opts, NULL);
}

/* ---- accepting -------------------------------------------------------------------------------------------------- */

typedef struct acceptor {
    ouzel_runtime *rt;
    int listener;
    ouzel_op accept, rest;
} acceptor;

static int32_t accept_poll(void *ud, ouzel_cx *cx) {
    acceptor *a = ud;
    ouzel_cqe cqe;
    int32_t got;
    for (;;) {
        if (a->rest.gen) {
            if ((got = ouzel_op_poll(a->rest, cx, &cqe)) != OUZEL_READY) return got;
            a->rest.gen = 0;
        }
        if (!a->accept.gen && (got = ouzel_accept(a->rt, a->listener, NULL, &a->accept)) < 0) return got;
        if ((got = ouzel_op_poll(a->accept, cx, &cqe)) != OUZEL_READY) return got;
        a->accept.gen = 0;
        if (cqe.res >= 0) {
            start(a->rt, cqe.res);
        } else {
            fprintf(stderr, "echo: accept: %s\n", ouzel_err_text(cqe.res));
            got = ouzel_timer(a->rt, ouzel_cx_now(cx) + BACK_OFF, 0, NULL, &a->rest);
            if (got < 0) return got;
        }
        if (!ouzel_cx_budget(cx)) return ouzel_wake_self(cx), OUZEL_PENDING;
    }
}

static void accept_drop(void *ud) {
    acceptor *a = ud;
    if (a->accept.gen) ouzel_op_abandon(a->accept);
    if (a->rest.gen) ouzel_op_abandon(a->rest);
}

/* ---- the process ------------------------------------------------------------------------------------------------ */

static ouzel_rtid running;

static void stop(int signo) {
    (void)signo;
    ouzel_stop(running);
}

/* A listening socket on 127.0.0.1, and the port it got; below zero on failure. */
static int listen_on(uint16_t *port) {
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof addr;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons(*port);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(addr.sin_port);
    return fd;
}

static int32_t serve(int listener, uint16_t port, uint32_t driver) {
    ouzel_options options;
    ouzel_runtime *rt;
    ouzel_options_init(&options, sizeof options);
    options.driver = driver;
    int32_t err = ouzel_check_abi(OUZEL_ABI_VERSION);
    if (err < 0 || (err = ouzel_runtime_new(&options, &rt)) < 0) return err;
    running = ouzel_runtime_id(rt);
    tries = ouzel_runtime_driver(rt) != OUZEL_DRIVER_POLL;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    acceptor a = {rt, listener, {0, 0}, {0, 0}};
    ouzel_task_opts opts = {0};
    opts.size = sizeof opts;
    opts.flags = OUZEL_TASK_DETACHED;
    opts.drop = accept_drop;
    err = ouzel_spawn(rt, accept_poll, &a, &opts, NULL);
    printf("listening on 127.0.0.1:%u driver %s\n", port, ouzel_driver_name((uint32_t)ouzel_runtime_driver(rt)));
    fflush(stdout);
    if (err >= 0) err = ouzel_run(rt);
    ouzel_runtime_free(rt);
    return err;
}

int main(int argc, char **argv) {
    uint16_t port = 0;
    uint32_t driver = OUZEL_DRIVER_AUTO;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "-p") == 0) {
            port = (uint16_t)atoi(value);
        } else if (strcmp(argv[i], "--driver") == 0) {
            driver = OUZEL_DRIVER_AUTO;
            while (driver <= OUZEL_DRIVER_POLL && strcmp(value, ouzel_driver_name(driver)) != 0) driver++;
        } else {
            fputs("usage: echo [-p PORT] [--driver auto|uring|epoll|poll]\n", stderr);
            return 2;
        }
    }
    int listener = listen_on(&port);
    int32_t err = listener < 0 ? -errno : serve(listener, port, driver);
    if (err < 0) fprintf(stderr, "echo: %s\n", ouzel_err_text(err));
    if (listener >= 0) close(listener);
    return err < 0;
}
