/* Operations: delivery, cancel, abandon, release, buffers, files, sockets, the blocking pool. */
#define _GNU_SOURCE
#include "scene.h"

#include <fcntl.h>

static int32_t simple_operations(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, bump, &s->releases);
    BEGIN(s)
    AWAIT(s, 1, ouzel_nop(rt, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK_IS(s->cqe.flags, 0);
    CHECK_IS(s->releases, 1);
    CHECK_IS(ouzel_op_take(s->op, &s->cqe), OUZEL_ESTALE);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_ESTALE);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_ESTALE);
    s->then = ouzel_now(rt);
    AWAIT(s, 2, ouzel_timer(rt, s->then + 10 * MS, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK(ouzel_now(rt) >= s->then + 10 * MS);
    CHECK_IS(s->releases, 2);
    /* an error of the kernel comes in the cqe */
    AWAIT(s, 3, ouzel_recv(rt, -1, s->buf, 1, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    END(s)
}

static int32_t a_file(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    BEGIN(s)
    AWAIT(s, 1, ouzel_openat(rt, AT_FDCWD, s->path, O_RDWR | O_CREAT | O_EXCL, 0600, NULL, &s->op));
    s->fd = s->cqe.res;
    CHECK(s->fd >= 0);
    CHECK(fcntl(s->fd, F_GETFD) & FD_CLOEXEC);
    strcpy(s->buf, "hello, file");
    AWAIT(s, 2, ouzel_write(rt, s->fd, s->buf, 11, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, 11);
    AWAIT(s, 3, ouzel_fsync(rt, s->fd, OUZEL_FSYNC_DATA, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    memset(s->buf, 0, sizeof s->buf);
    AWAIT(s, 4, ouzel_read(rt, s->fd, s->buf, sizeof s->buf, 7, NULL, &s->op));
    CHECK_IS(s->cqe.res, 4);
    CHECK(memcmp(s->buf, "file", 4) == 0);
    AWAIT(s, 5, ouzel_read(rt, s->fd, s->buf, 5, OUZEL_AT_POSITION, NULL, &s->op));
    CHECK_IS(s->cqe.res, 5);
    CHECK(memcmp(s->buf, "hello", 5) == 0);
    AWAIT(s, 6, ouzel_close(rt, s->fd, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK(fcntl(s->fd, F_GETFD) < 0);
    AWAIT(s, 7, ouzel_openat(rt, AT_FDCWD, "/nonexistent/x", O_RDONLY, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, -ENOENT);
    CHECK_IS(ouzel_read(rt, 0, NULL, 1, 0, NULL, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_read(rt, 0, s->buf, 1, -2, NULL, &s->op), OUZEL_EINVAL);
    CHECK_IS(ouzel_openat(rt, 0, NULL, 0, 0, NULL, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_fsync(rt, 0, 8, NULL, &s->op), OUZEL_EINVAL);
    END(s)
}

static void plain_operations_complete(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, simple_operations, &s), OUZEL_OK);
    scene f = {0};
    snprintf(f.path, sizeof f.path, "/tmp/ouzel-ffi-%d-%u", (int)getpid(), the_driver);
    CHECK_IS(run_task(rt, a_file, &f), OUZEL_OK);
    CHECK_IS(unlink(f.path), 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static int32_t sockets(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    BEGIN(s)
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_IS(ouzel_accept(rt, s->listener, NULL, &s->op2), OUZEL_OK);
    CHECK_IS(ouzel_connect(rt, s->fd, NULL, 0, NULL, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_connect(rt, s->fd, (struct sockaddr *)&s->addr, 4096, NULL, &s->op), OUZEL_EINVAL);
    AWAIT(s, 1, ouzel_connect(rt, s->fd, (struct sockaddr *)&s->addr, sizeof s->addr, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    s->op = s->op2;
    AWAIT(s, 2, OUZEL_OK);
    s->peer = s->cqe.res;
    CHECK(s->peer >= 0);
    CHECK(fcntl(s->peer, F_GETFD) & FD_CLOEXEC);
    /* a receive that waits, and a send that ends the wait */
    CHECK_IS(ouzel_recv(rt, s->peer, s->buf, sizeof s->buf, 0, NULL, &s->op2), OUZEL_OK);
    CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
    AWAIT(s, 3, ouzel_send(rt, s->fd, "ping", 4, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, 4);
    s->op = s->op2;
    AWAIT(s, 4, OUZEL_OK);
    CHECK_IS(s->cqe.res, 4);
    CHECK(memcmp(s->buf, "ping", 4) == 0);
    /* nothing at all */
    AWAIT(s, 12, ouzel_send(rt, s->fd, NULL, 0, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK_IS(ouzel_send(rt, s->fd, NULL, 1, 0, NULL, &s->op), OUZEL_ENULL);
    /* a lazy send that somebody waits for after all */
    AWAIT(s, 5, ouzel_send(rt, s->fd, "lazy", 4, OUZEL_SEND_LAZY, NULL, &s->op));
    CHECK_IS(s->cqe.res, 4);
    /* cancelled while it waits; what arrived before is read by nobody */
    AWAIT(s, 6, ouzel_recv(rt, s->peer, s->buf, 4, MSG_WAITALL, NULL, &s->op));
    CHECK_IS(s->cqe.res, 4);
    CHECK_IS(ouzel_recv(rt, s->peer, s->buf, sizeof s->buf, 0, NULL, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 7, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(s->cqe.flags, OUZEL_CQE_CANCELLED);
    /* half close */
    AWAIT(s, 8, ouzel_shutdown_fd(rt, s->fd, SHUT_WR, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 9, ouzel_recv(rt, s->peer, s->buf, sizeof s->buf, 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 10, ouzel_close(rt, s->fd, NULL, &s->op));
    AWAIT(s, 11, ouzel_close(rt, s->peer, NULL, &s->op));
    END(s)
}

static void sockets_talk(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    s.listener = listen_socket(&s.addr);
    CHECK_IS(run_task(rt, sockets, &s), OUZEL_OK);
    close(s.listener);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- provided buffers ------------------------------------------------------------------------------------------- */

static int32_t receive_all(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    for (;;) {
        if (s->op.gen == 0) {
            CHECK_IS(ouzel_recv_multi(rt, s->peer, NULL, &s->op), OUZEL_OK);
        }
        int32_t got = s->at ? ouzel_op_take(s->op, &s->cqe) : OUZEL_PENDING;
        if (got == OUZEL_PENDING) got = ouzel_op_poll(s->op, cx, &s->cqe);
        s->at = !s->at;
        if (got == OUZEL_PENDING) return OUZEL_PENDING;
        CHECK_IS(got, OUZEL_READY);
        if (!(s->cqe.flags & OUZEL_CQE_MORE)) s->op.gen = 0;
        if (s->cqe.flags & OUZEL_CQE_BUFFER) {
            const unsigned char *bytes = ouzel_buf_ptr(rt, OUZEL_BUF_GROUP_DEFAULT, s->cqe.buf_id);
            CHECK(bytes != NULL && (uint64_t)(uintptr_t)bytes == s->cqe.extra);
            CHECK(s->cqe.buf_len > 0 && s->cqe.res == (int32_t)s->cqe.buf_len);
            for (uint32_t i = 0; i < s->cqe.buf_len; i++) CHECK_IS(bytes[i], s->got++ % 251);
            CHECK_IS(ouzel_buf_return(rt, OUZEL_BUF_GROUP_DEFAULT, s->cqe.buf_id), OUZEL_OK);
            CHECK_IS(ouzel_buf_return(rt, OUZEL_BUF_GROUP_DEFAULT, s->cqe.buf_id), OUZEL_ESTALE);
            CHECK(ouzel_buf_ptr(rt, OUZEL_BUF_GROUP_DEFAULT, s->cqe.buf_id) == NULL);
            CHECK_IS(ouzel_buf_return(rt, 7, s->cqe.buf_id), OUZEL_EINVAL);
        } else if (s->cqe.res == 0) {
            return OUZEL_READY;
        } else {
            CHECK(s->cqe.res == -ENOBUFS || s->cqe.res == -ECANCELED);
        }
    }
}

static void *write_a_lot(void *ud) {
    int fd = *(int *)ud;
    unsigned char block[5000];
    int sent = 0;
    while (sent < 3000000) {
        for (size_t i = 0; i < sizeof block; i++) block[i] = (unsigned char)((sent + (int)i) % 251);
        ssize_t n = write(fd, block, sizeof block);
        CHECK(n > 0);
        sent += (int)n;
    }
    close(fd);
    return NULL;
}

static void a_multishot_receive_loses_no_byte(void) {
    ouzel_runtime *rt = NULL;
    ouzel_options options;
    ouzel_options_init(&options, sizeof options);
    options.driver = the_driver;
    options.workers = the_workers;
    options.buf_count = 4; /* they run out */
    options.buf_size = 4096;
    CHECK_IS(ouzel_runtime_new(&options, &rt), OUZEL_OK);
    int fds[2];
    scene s = {0};
    pthread_t thread;
    CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_IS(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    s.peer = fds[1];
    CHECK_IS(pthread_create(&thread, NULL, write_a_lot, &fds[0]), 0);
    CHECK_IS(run_task(rt, receive_all, &s), OUZEL_OK);
    pthread_join(thread, NULL);
    CHECK_IS(s.got, 3000000);
    CHECK_IS(ouzel_buf_return(rt, 0, 0), the_workers ? OUZEL_EWRONGTHREAD : OUZEL_ESTALE);
    close(fds[1]);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- callbacks -------------------------------------------------------------------------------------------------- */

static void on_done(void *ud, const ouzel_cqe *cqe) {
    scene *s = ud;
    s->last = cqe->res;
    s->cqe = *cqe;
    CHECK_IS(s->releases, s->calls); /* release comes after done */
    atomic_fetch_add(&s->calls, 1);
    if (s->calls == 1) { /* a callback may submit */
        ouzel_op_opts opts = op_opts(on_done, NULL, s);
        ouzel_runtime *rt = *(ouzel_runtime **)(void *)s->path;
        CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + MS, 0, &opts, NULL), OUZEL_OK);
    }
}

static int32_t with_callbacks(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(on_done, released, s);
    memcpy(s->path, &rt, sizeof rt);
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + MS, 0, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_take(s->op, &s->cqe), OUZEL_EINVAL);
    opts.waker = ouzel_cx_waker(cx);
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + MS, 0, &opts, &s->op2), OUZEL_EINVAL);
    opts.waker.slot = opts.waker.gen = 1;
    opts.done = NULL;
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + MS, 0, &opts, &s->op2), OUZEL_ESTALE);
    opts.size = 8;
    CHECK_IS(ouzel_timer(rt, ouzel_now(rt) + MS, 0, &opts, &s->op2), OUZEL_ESIZE);
    return OUZEL_READY;
}

static void completions_reach_a_callback(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, with_callbacks, &s), OUZEL_OK);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE); /* not before the callbacks have come */
    CHECK_IS(s.calls, 2);
    CHECK_IS(s.releases, 1);
    CHECK_IS(s.last, 0);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(s.calls, 2);
}

static int32_t abandon_callback(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_op_opts opts = op_opts(on_done, released, s);
    CHECK_IS(ouzel_timer(ouzel_cx_runtime(cx), ouzel_cx_now(cx) + 100 * SECOND, 0, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_ESTALE);
    return OUZEL_READY;
}

static void an_abandoned_callback_is_not_called(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, abandon_callback, &s), OUZEL_OK);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(s.calls, 0);
    CHECK_IS(s.releases, 1);
}

/* ---- release ---------------------------------------------------------------------------------------------------- */

static int32_t leave_them_in_flight(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, bump, &s->releases);
    ouzel_op op;
    for (int i = 0; i < 50; i++) {
        CHECK_IS(ouzel_recv(rt, s->peer, s->buf, sizeof s->buf, 0, &opts, &op), OUZEL_OK);
        if (i % 2) CHECK_IS(ouzel_op_abandon(op), OUZEL_OK);
        CHECK_IS(ouzel_timer(rt, ouzel_cx_now(cx) + 100 * SECOND, 0, &opts, &op), OUZEL_OK);
        if (i % 2) CHECK_IS(ouzel_op_abandon(op), OUZEL_OK);
        CHECK_IS(ouzel_accept(rt, s->listener, &opts, NULL), OUZEL_OK); /* abandoned at once */
        CHECK_IS(ouzel_nop(rt, &opts, &op), OUZEL_OK);                  /* completes, is never taken */
    }
    opts.flags = 1;
    CHECK_IS(ouzel_nop(rt, &opts, &op), OUZEL_EINVAL); /* no operation, no release */
    return OUZEL_READY;
}

static void release_runs_once_per_operation(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    pair(SOCK_STREAM, &s);
    s.listener = listen_socket(&s.addr);
    CHECK_IS(run_task(rt, leave_them_in_flight, &s), OUZEL_OK);
    run_until(rt, &s.releases, 100);
    CHECK_IS(s.releases, 100); /* the abandoned ones, while the runtime runs */
    CHECK_IS(ouzel_runtime_shutdown(rt, 10ull * SECOND), OUZEL_OK);
    CHECK_IS(s.releases, 200);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(s.releases, 200);
    unpair(&s);
    close(s.listener);
}

/* ---- delivery to a task's waker --------------------------------------------------------------------------------- */

static int32_t woken_by_completion(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    if (s->at == 0) {
        ouzel_op_opts opts = op_opts(NULL, released, s);
        opts.waker = ouzel_cx_waker(cx);
        CHECK_IS(ouzel_timer(rt, ouzel_cx_now(cx) + 5 * MS, 0, &opts, &s->op), OUZEL_OK);
        CHECK_IS(ouzel_nop(rt, &opts, &s->op2), OUZEL_OK);
        s->at = 1;
        return OUZEL_PENDING;
    }
    if (s->op.gen && ouzel_op_take(s->op, &s->cqe) == OUZEL_READY) s->op.gen = 0;
    if (s->op2.gen && ouzel_op_take(s->op2, &s->cqe) == OUZEL_READY) s->op2.gen = 0;
    return s->op.gen || s->op2.gen ? OUZEL_PENDING : OUZEL_READY;
}

static void a_completion_wakes_the_task_it_was_told(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, woken_by_completion, &s), OUZEL_OK);
    CHECK_IS(s.releases, 2);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

/* ---- blocking jobs ---------------------------------------------------------------------------------------------- */

static int64_t slow_job(void *arg) {
    usleep(20000);
    atomic_fetch_add(&((scene *)arg)->calls, 1);
    return -5000000000;
}

static int32_t a_job(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    CHECK_IS(ouzel_blocking(rt, NULL, NULL, NULL, &s->op), OUZEL_ENULL);
    AWAIT(s, 1, ouzel_blocking(rt, slow_job, s, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK_IS((int64_t)s->cqe.extra, -5000000000);
    CHECK_IS(s->calls, 1);
    CHECK_IS(s->releases, 1);
    CHECK_IS(ouzel_blocking(rt, slow_job, s, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_OK);
    END(s)
}

static void a_job_runs_on_the_blocking_pool(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0};
    CHECK_IS(run_task(rt, a_job, &s), OUZEL_OK);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK); /* waits for the job */
    CHECK(s.calls == 1 || s.calls == 2);
    CHECK_IS(s.releases, 2);
}

/* ---- outside of tasks ------------------------------------------------------------------------------------------- */

static void a_host_driven_loop_thread_may_submit(void) {
    if (the_workers) return;
    ouzel_runtime *rt = new_runtime();
    ouzel_stats stats;
    ouzel_op op;
    ouzel_cqe cqe;
    CHECK_IS(ouzel_nop(rt, NULL, &op), OUZEL_OK);
    CHECK_IS(ouzel_stats_get(rt, &stats, sizeof stats), OUZEL_OK);
    CHECK_IS(stats.ops_submitted, 1);
    CHECK_IS(stats.ops_live, 1);
    UNTIL(rt, ouzel_op_take(op, &cqe) != OUZEL_PENDING);
    CHECK_IS(ouzel_op_take(op, &cqe), OUZEL_ESTALE);
    CHECK_IS(cqe.res, 0);
    CHECK_IS(ouzel_op_poll(op, NULL, &cqe), OUZEL_ENULL);
    CHECK_IS(ouzel_runtime_shutdown(rt, 0), OUZEL_OK);
    CHECK_IS(ouzel_nop(rt, NULL, &op), OUZEL_ECLOSING);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static const test tests[] = {
    TEST(plain_operations_complete),
    TEST(sockets_talk),
    TEST(a_multishot_receive_loses_no_byte),
    TEST(completions_reach_a_callback),
    TEST(an_abandoned_callback_is_not_called),
    TEST(release_runs_once_per_operation),
    TEST(a_completion_wakes_the_task_it_was_told),
    TEST(a_job_runs_on_the_blocking_pool),
    TEST(a_host_driven_loop_thread_may_submit),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
