/* Operations on sockets beyond a plain receive and send: messages, accepting for ever, provided buffers that travel,
 * limits. */
#define _GNU_SOURCE
#include "scene.h"

#include <fcntl.h>
#include <sys/un.h>

/* ---- messages --------------------------------------------------------------------------------------------------- */

typedef struct message {
    scene s;
    struct msghdr in, out;
    struct iovec in_parts[2], out_parts[2];
    char a[8], b[8];
    struct sockaddr_un from;
} message;

static int32_t messages(void *ud, ouzel_cx *cx) {
    message *m = ud;
    scene *s = &m->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    m->in_parts[0].iov_base = m->a;
    m->in_parts[0].iov_len = 4;
    m->in_parts[1].iov_base = m->b;
    m->in_parts[1].iov_len = 4;
    m->in.msg_iov = m->in_parts;
    m->in.msg_iovlen = 2;
    m->in.msg_name = &m->from;
    m->in.msg_namelen = sizeof m->from;
    m->out_parts[0].iov_base = "one ";
    m->out_parts[0].iov_len = 4;
    m->out_parts[1].iov_base = "two, cut";
    m->out_parts[1].iov_len = 8;
    m->out.msg_iov = m->out_parts;
    m->out.msg_iovlen = 2;
    /* one that waits for it */
    CHECK_IS(ouzel_recvmsg(rt, s->peer, &m->in, 0, &opts, &s->op2), OUZEL_OK);
    PAUSE(s, 1);
    CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
    AWAIT(s, 2, ouzel_sendmsg(rt, s->fd, &m->out, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, 12);
    s->op = s->op2;
    AWAIT(s, 3, OUZEL_OK);
    CHECK_IS(s->cqe.res, 8);
    CHECK(memcmp(m->a, "one ", 4) == 0 && memcmp(m->b, "two,", 4) == 0);
    CHECK(m->in.msg_flags & MSG_TRUNC);
    CHECK_IS(s->releases, 2);
    /* one that is cancelled */
    CHECK_IS(ouzel_recvmsg(rt, s->peer, &m->in, 0, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 4, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    /* and those that fail */
    AWAIT(s, 5, ouzel_recvmsg(rt, -1, &m->in, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    AWAIT(s, 6, ouzel_sendmsg(rt, -1, &m->out, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    CHECK_IS(s->releases, 5);
    s->op.slot = 77;
    CHECK_IS(ouzel_recvmsg(rt, s->peer, NULL, 0, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_sendmsg(rt, s->peer, NULL, 0, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(s->op.slot, 77);
    END(s)
}

static void messages_come_whole(void) {
    message m;
    memset(&m, 0, sizeof m);
    pair(SOCK_DGRAM, &m.s);
    run_alone(messages, &m);
    CHECK_IS(m.s.releases, 5);
    unpair(&m.s);
}

/* ---- accepting for ever ----------------------------------------------------------------------------------------- */

#define CONNECTIONS 40

static void *connect_often(void *ud) {
    scene *s = ud;
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_IS(connect(fd, (struct sockaddr *)&s->addr, sizeof s->addr), 0);
        close(fd);
        if (i % 8 == 0) usleep(1000);
    }
    return NULL;
}

static int32_t accepting(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    for (;;) {
        if (s->op.gen == 0) {
            CHECK_IS(ouzel_accept_multi(rt, s->listener, &opts, &s->op), OUZEL_OK);
            atomic_fetch_add(&s->calls, 1);
        }
        int32_t got = ouzel_op_poll(s->op, cx, &s->cqe);
        if (got == OUZEL_PENDING) return OUZEL_PENDING;
        CHECK_IS(got, OUZEL_READY);
        int more = s->cqe.flags & OUZEL_CQE_MORE;
        if (!more) s->op.gen = 0;
        if (s->cqe.res >= 0) {
            CHECK(fcntl(s->cqe.res, F_GETFD) & FD_CLOEXEC);
            close(s->cqe.res);
            if (++s->got == CONNECTIONS && more) CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
        } else {
            CHECK_IS(s->cqe.res, -ECANCELED);
        }
        if (s->got == CONNECTIONS && !more) break;
    }
    CHECK_IS(ouzel_accept_multi(rt, s->listener, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_OK);
    return OUZEL_READY;
}

static void every_connection_is_accepted_once(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    pthread_t thread;
    s.listener = listen_socket(&s.addr);
    CHECK_IS(pthread_create(&thread, NULL, connect_often, &s), 0);
    CHECK_IS(run_task(rt, accepting, &s), OUZEL_OK);
    pthread_join(thread, NULL);
    CHECK_IS(s.got, CONNECTIONS);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(s.releases, s.calls + 1);
    close(s.listener);
}

static int32_t not_a_listener(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    AWAIT(s, 1, ouzel_accept_multi(rt, -1, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    CHECK_IS(s->cqe.flags & OUZEL_CQE_MORE, 0);
    AWAIT(s, 2, ouzel_recv_multi(rt, -1, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    CHECK_IS(s->cqe.flags & OUZEL_CQE_MORE, 0);
    CHECK_IS(s->releases, 2);
    opts.timeout_ns = MS; /* not for what has many completions */
    CHECK_IS(ouzel_accept_multi(rt, s->fd, &opts, &s->op), OUZEL_EINVAL);
    CHECK_IS(ouzel_recv_multi(rt, s->fd, &opts, &s->op), OUZEL_EINVAL);
    CHECK_IS(ouzel_timer(rt, 1, 0, &opts, &s->op), OUZEL_EINVAL);
    CHECK_IS(s->releases, 2);
    END(s)
}

static void what_goes_on_for_ever_ends_at_an_error(void) {
    scene s = {0};
    run_alone(not_a_listener, &s);
    CHECK_IS(s.releases, 2);
}

/* ---- waiting for the next one ----------------------------------------------------------------------------------- */

#define BYTES 5

static int32_t one_by_one(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    if (s->op.gen == 0) CHECK_IS(ouzel_recv_multi(rt, s->peer, NULL, &s->op), OUZEL_OK);
    int32_t got = ouzel_op_poll(s->op, cx, &s->cqe);
    if (got == OUZEL_PENDING) return OUZEL_PENDING;
    CHECK_IS(got, OUZEL_READY);
    CHECK_IS(s->cqe.flags, OUZEL_CQE_MORE | OUZEL_CQE_BUFFER | OUZEL_CQE_WAITING);
    CHECK_IS(ouzel_buf_return(rt, OUZEL_BUF_GROUP_DEFAULT, s->cqe.buf_id), OUZEL_OK);
    s->got += s->cqe.res;
    if (s->got == BYTES) return ouzel_op_abandon(s->op) < 0 ? -1 : OUZEL_READY;
    CHECK_IS(write(s->fd, "x", 1), 1);
    return OUZEL_PENDING; /* the flag says that this is enough */
}

static void a_task_waits_for_the_next_one_without_asking(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    pair(SOCK_STREAM, &s);
    CHECK_IS(write(s.fd, "x", 1), 1);
    CHECK_IS(run_task(rt, one_by_one, &s), OUZEL_OK);
    CHECK_IS(s.got, BYTES);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    unpair(&s);
}

/* ---- provided buffers that travel ------------------------------------------------------------------------------- */

/* A task that hands buffers it has received to other tasks, which give them back, wherever they run. */
typedef struct parcel {
    scene *s;
    uint32_t id, len;
    uint64_t at;
} parcel;

static int32_t unpack(void *ud, ouzel_cx *cx) {
    parcel *p = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    const char *bytes = ouzel_buf_ptr(rt, OUZEL_BUF_GROUP_DEFAULT, p->id);
    CHECK(bytes != NULL && (uint64_t)(uintptr_t)bytes == p->at);
    for (uint32_t i = 0; i < p->len; i++) CHECK_IS(bytes[i], 'p');
    CHECK_IS(ouzel_buf_return(rt, OUZEL_BUF_GROUP_DEFAULT, p->id), OUZEL_OK);
    CHECK_IS(ouzel_buf_return(rt, OUZEL_BUF_GROUP_DEFAULT, p->id), OUZEL_ESTALE);
    atomic_fetch_add(&p->s->calls, (int)p->len);
    free(p);
    return OUZEL_READY;
}

static int32_t receiving(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    for (;;) {
        if (s->op.gen == 0) CHECK_IS(ouzel_recv_multi(rt, s->peer, NULL, &s->op), OUZEL_OK);
        int32_t got = ouzel_op_poll(s->op, cx, &s->cqe);
        if (got == OUZEL_PENDING) return OUZEL_PENDING;
        CHECK_IS(got, OUZEL_READY);
        if (!(s->cqe.flags & OUZEL_CQE_MORE)) s->op.gen = 0;
        if (s->cqe.flags & OUZEL_CQE_BUFFER) {
            parcel *p = malloc(sizeof *p);
            p->s = s;
            p->id = s->cqe.buf_id;
            p->len = s->cqe.buf_len;
            p->at = s->cqe.extra;
            s->got += (int)p->len;
            CHECK_IS(ouzel_spawn(rt, unpack, p, NULL, NULL), OUZEL_OK);
        } else if (s->cqe.res == 0) {
            return OUZEL_READY;
        } else {
            CHECK(s->cqe.res == -ENOBUFS || s->cqe.res == -ECANCELED);
            ouzel_wake_self(cx); /* others give buffers back meanwhile */
            return OUZEL_PENDING;
        }
    }
}

static void *write_parcels(void *ud) {
    scene *s = ud;
    char bytes[3000];
    memset(bytes, 'p', sizeof bytes);
    for (int i = 0; i < 200; i++) CHECK_IS(write(s->fd, bytes, sizeof bytes), sizeof bytes);
    shutdown(s->fd, SHUT_WR);
    return NULL;
}

static void provided_buffers_travel_between_tasks(void) {
    ouzel_runtime *rt = NULL;
    ouzel_options options;
    ouzel_options_init(&options, sizeof options);
    options.driver = the_driver;
    options.workers = the_workers ? 4 : 0;
    options.buf_count = 8;
    options.buf_size = 2048;
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_OK);
    scene s[3];
    pthread_t threads[3];
    ouzel_task tasks[3];
    memset(s, 0, sizeof s);
    for (int i = 0; i < 3; i++) {
        pair(SOCK_STREAM, &s[i]);
        CHECK_IS(fcntl(s[i].fd, F_SETFL, 0), 0);
        CHECK_IS(pthread_create(&threads[i], NULL, write_parcels, &s[i]), 0);
        CHECK_IS(ouzel_spawn(rt, receiving, &s[i], NULL, &tasks[i]), OUZEL_OK);
    }
    for (int i = 0; i < 3; i++) CHECK_IS(ouzel_block_on(rt, tasks[i], 20ull * SECOND, NULL), OUZEL_OK);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_IS(s[i].got, 600000);
        CHECK_IS(s[i].calls, 600000);
        unpair(&s[i]);
    }
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- without copies --------------------------------------------------------------------------------------------- */

static int32_t without_copies(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    s->got = 0;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    AWAIT(s, 1, ouzel_connect(rt, s->fd, (struct sockaddr *)&s->addr, sizeof s->addr, NULL, &s->op));
    AWAIT(s, 2, ouzel_accept(rt, s->listener, NULL, &s->op));
    s->peer = s->cqe.res;
    AWAIT(s, 3, ouzel_send(rt, s->fd, "without a copy", 14, OUZEL_SEND_ZERO_COPY, &opts, &s->op));
    CHECK_IS(s->cqe.res, 14);
    CHECK_IS(s->releases, 1);
    /* into a pipe: it waits for the bytes */
    AWAIT(s, 4, ouzel_recv(rt, s->peer, s->buf, 8, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, 8);
    AWAIT(s, 5, ouzel_splice(rt, s->peer, OUZEL_AT_POSITION, s->pipe[1], OUZEL_AT_POSITION, 64, 0, &opts, &s->op));
    if (the_driver == OUZEL_DRIVER_POLL) {
        CHECK_IS(s->cqe.res, -EOPNOTSUPP);
        CHECK_IS(s->releases, 2);
        return OUZEL_READY;
    }
    CHECK_IS(s->cqe.res, 6);
    CHECK_IS(read(s->pipe[0], s->buf, 8), 6);
    CHECK(memcmp(s->buf, "a copy", 6) == 0);
    CHECK_IS(ouzel_splice(rt, s->peer, -1, s->pipe[1], -1, 64, 0, &opts, &s->op2), OUZEL_OK);
    PAUSE(s, 6);
    CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
    AWAIT(s, 7, ouzel_send(rt, s->fd, "more", 4, 0, NULL, &s->op));
    s->op = s->op2;
    AWAIT(s, 8, OUZEL_OK);
    CHECK_IS(s->cqe.res, 4);
    /* out of it, for which there is room */
    AWAIT(s, 9, ouzel_splice(rt, s->pipe[0], -1, s->peer, -1, 64, OUZEL_SPLICE_FOR_ROOM, &opts, &s->op));
    CHECK_IS(s->cqe.res, 4);
    AWAIT(s, 10, ouzel_recv(rt, s->fd, s->buf, 8, 0, NULL, &s->op));
    CHECK(s->cqe.res == 4 && memcmp(s->buf, "more", 4) == 0);
    /* cancelled, and failed */
    CHECK_IS(ouzel_splice(rt, s->peer, -1, s->pipe[1], -1, 64, 0, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 11, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    AWAIT(s, 12, ouzel_splice(rt, -1, -1, s->pipe[1], -1, 64, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    CHECK_IS(s->releases, 6);
    CHECK_IS(ouzel_splice(rt, s->peer, -2, s->pipe[1], -1, 64, 0, &opts, &s->op), OUZEL_EINVAL);
    CHECK_IS(ouzel_splice(rt, s->peer, -1, s->pipe[1], -1, 64, 2, &opts, &s->op), OUZEL_EINVAL);
    END(s)
}

static void bytes_go_without_copies(void) {
    scene s = {0};
    s.listener = listen_socket(&s.addr);
    CHECK_IS(pipe2(s.pipe, O_NONBLOCK | O_CLOEXEC), 0);
    run_alone(without_copies, &s);
    unpair(&s);
    close(s.listener);
    close(s.pipe[0]);
    close(s.pipe[1]);
}

/* ---- limits ----------------------------------------------------------------------------------------------------- */

static int32_t limited(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    opts.timeout_ns = 3 * MS;
    BEGIN(s)
    s->then = ouzel_now(rt);
    AWAIT(s, 1, ouzel_recv(rt, s->peer, s->buf, 8, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -ETIMEDOUT);
    CHECK(ouzel_now(rt) >= s->then + 3 * MS);
    CHECK_IS(write(s->fd, "x", 1), 1);
    opts.timeout_ns = 50ull * SECOND;
    AWAIT(s, 2, ouzel_recv(rt, s->peer, s->buf, 8, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, 1);
    CHECK_IS(s->releases, 2);
    /* a header that does not know the field yet */
    opts.size = offsetof(ouzel_op_opts, timeout_ns);
    AWAIT(s, 3, ouzel_nop(rt, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK_IS(s->releases, 3);
    END(s)
}

static void an_operation_ends_at_its_limit(void) {
    scene s = {0};
    pair(SOCK_STREAM, &s);
    run_alone(limited, &s);
    unpair(&s);
}

static const test tests[] = {
    TEST(messages_come_whole),
    TEST(every_connection_is_accepted_once),
    TEST(what_goes_on_for_ever_ends_at_an_error),
    TEST(a_task_waits_for_the_next_one_without_asking),
    TEST(provided_buffers_travel_between_tasks),
    TEST(bytes_go_without_copies),
    TEST(an_operation_ends_at_its_limit),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
