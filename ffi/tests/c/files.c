/* Operations on files and names; batches; waiting on a thread that may block; signals. */
#define _GNU_SOURCE
#include "scene.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

typedef struct folder {
    scene s;
    int dir, file;
    struct iovec parts[3];
    ouzel_stat stat;
    struct stat known;
    char a[8], b[8];
} folder;

static int32_t names(void *ud, ouzel_cx *cx) {
    folder *f = ud;
    scene *s = &f->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    AWAIT(s, 1, ouzel_mkdirat(rt, f->dir, "sub", 0700, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 2, ouzel_mkdirat(rt, f->dir, "sub", 0700, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EEXIST);
    AWAIT(s, 3, ouzel_openat(rt, f->dir, "sub/file", O_RDWR | O_CREAT, 0640, &opts, &s->op));
    f->file = s->cqe.res;
    CHECK(f->file >= 0);
    AWAIT(s, 4, ouzel_symlinkat(rt, "sub/file", f->dir, "soft", &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 5, ouzel_linkat(rt, f->dir, "sub/file", f->dir, "hard", 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 6, ouzel_renameat(rt, f->dir, "hard", f->dir, "sub/moved", 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 7, ouzel_renameat(rt, f->dir, "hard", f->dir, "x", 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -ENOENT);
    AWAIT(s, 8, ouzel_unlinkat(rt, f->dir, "sub", AT_REMOVEDIR, &opts, &s->op));
    CHECK_IS(s->cqe.res, -ENOTEMPTY);
    AWAIT(s, 9, ouzel_symlinkat(rt, "x", f->dir, "soft", &opts, &s->op));
    CHECK_IS(s->cqe.res, -EEXIST);
    AWAIT(s, 10, ouzel_linkat(rt, f->dir, "none", f->dir, "x", 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -ENOENT);
    CHECK_IS(s->releases, 10);
    s->op.slot = 77;
    CHECK_IS(ouzel_mkdirat(rt, f->dir, NULL, 0, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_unlinkat(rt, f->dir, NULL, 0, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_symlinkat(rt, NULL, f->dir, "x", &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_linkat(rt, f->dir, "x", f->dir, NULL, 0, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_renameat(rt, f->dir, NULL, f->dir, "x", 0, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_statx(rt, f->dir, "x", 0, NULL, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(s->op.slot, 77);
    CHECK_IS(s->releases, 10);
    END(s)
}

/* What fstatat says of the same name. */
static void same(const ouzel_stat *a, const struct stat *b) {
    CHECK_IS(a->mode, b->st_mode);
    CHECK_IS(a->uid, b->st_uid);
    CHECK_IS(a->size, b->st_size);
    CHECK_IS(a->links, b->st_nlink);
    CHECK_IS(a->ino, b->st_ino);
    CHECK_IS(a->dev, b->st_dev);
    CHECK_IS(a->blocks, b->st_blocks);
    CHECK_IS(a->mtime, b->st_mtim.tv_sec);
    CHECK_IS(a->mtime_ns, b->st_mtim.tv_nsec);
    for (size_t i = 0; i < sizeof a->reserved / sizeof *a->reserved; i++) CHECK_IS(a->reserved[i], 0);
}

static int32_t contents(void *ud, ouzel_cx *cx) {
    folder *f = ud;
    scene *s = &f->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    f->parts[0] = (struct iovec){"hello, ", 7};
    f->parts[1] = (struct iovec){NULL, 0};
    f->parts[2] = (struct iovec){"parts", 5};
    AWAIT(s, 1, ouzel_writev(rt, f->file, f->parts, 3, 100, &opts, &s->op));
    CHECK_IS(s->cqe.res, 12);
    f->parts[0] = (struct iovec){f->a, 7};
    f->parts[1] = (struct iovec){f->b, 8};
    AWAIT(s, 2, ouzel_readv(rt, f->file, f->parts, 2, 100, &opts, &s->op));
    CHECK_IS(s->cqe.res, 12);
    CHECK(memcmp(f->a, "hello, ", 7) == 0 && memcmp(f->b, "parts", 5) == 0);
    AWAIT(s, 3, ouzel_readv(rt, -1, f->parts, 2, 0, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    AWAIT(s, 4, ouzel_writev(rt, -1, f->parts, 2, OUZEL_AT_POSITION, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    AWAIT(s, 5, ouzel_fallocate(rt, f->file, 0, 0, 8192, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 6, ouzel_ftruncate(rt, f->file, 5000, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 7, ouzel_ftruncate(rt, -1, 1, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    AWAIT(s, 8, ouzel_fallocate(rt, -1, 0, 0, 1, &opts, &s->op));
    CHECK_IS(s->cqe.res, -EBADF);
    /* by path, by descriptor, and of a link itself */
    memset(&f->stat, 0xff, sizeof f->stat);
    AWAIT(s, 9, ouzel_statx(rt, f->dir, "soft", 0, &f->stat, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK_IS(fstatat(f->dir, "sub/file", &f->known, 0), 0);
    CHECK_IS(f->stat.size, 5000);
    same(&f->stat, &f->known);
    memset(&f->stat, 0xff, sizeof f->stat);
    AWAIT(s, 10, ouzel_statx(rt, f->file, NULL, 0, &f->stat, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    same(&f->stat, &f->known);
    AWAIT(s, 11, ouzel_statx(rt, f->dir, "soft", AT_SYMLINK_NOFOLLOW, &f->stat, &opts, &s->op));
    CHECK_IS(s->cqe.res, 0);
    CHECK(S_ISLNK(f->stat.mode));
    memset(&f->stat, 0x55, sizeof f->stat);
    AWAIT(s, 12, ouzel_statx(rt, f->dir, "none", 0, &f->stat, &opts, &s->op));
    CHECK_IS(s->cqe.res, -ENOENT);
    CHECK_IS(f->stat.mode, 0x55555555); /* left alone */
    CHECK_IS(s->releases, 12);
    CHECK_IS(ouzel_readv(rt, f->file, NULL, 1, 0, &opts, &s->op), OUZEL_ENULL);
    CHECK_IS(ouzel_writev(rt, f->file, f->parts, 1, -2, &opts, &s->op), OUZEL_EINVAL);
    /* what nobody waits for is released all the same */
    CHECK_IS(ouzel_statx(rt, f->dir, "soft", 0, &f->stat, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_OK);
    END(s)
}

static int32_t away(void *ud, ouzel_cx *cx) {
    folder *f = ud;
    scene *s = &f->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    BEGIN(s)
    AWAIT(s, 1, ouzel_unlinkat(rt, f->dir, "sub/moved", 0, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 2, ouzel_unlinkat(rt, f->dir, "sub/file", 0, NULL, &s->op));
    AWAIT(s, 3, ouzel_unlinkat(rt, f->dir, "soft", 0, NULL, &s->op));
    AWAIT(s, 4, ouzel_unlinkat(rt, f->dir, "sub", AT_REMOVEDIR, NULL, &s->op));
    CHECK_IS(s->cqe.res, 0);
    AWAIT(s, 5, ouzel_unlinkat(rt, f->dir, "sub", AT_REMOVEDIR, NULL, &s->op));
    CHECK_IS(s->cqe.res, -ENOENT);
    AWAIT(s, 6, ouzel_close(rt, f->file, NULL, &s->op));
    END(s)
}

static void files_and_names(void) {
    ouzel_runtime *rt = new_runtime();
    folder f;
    memset(&f, 0, sizeof f);
    snprintf(f.s.path, sizeof f.s.path, "/tmp/ouzel-ffi-%d-%u", (int)getpid(), the_driver);
    CHECK_IS(mkdir(f.s.path, 0700), 0);
    f.dir = open(f.s.path, O_RDONLY | O_DIRECTORY);
    CHECK_IS(run_task(rt, names, &f), OUZEL_OK);
    f.s.at = f.s.releases = 0;
    CHECK_IS(run_task(rt, contents, &f), OUZEL_OK);
    run_until(rt, &f.s.releases, 13);
    CHECK_IS(f.s.releases, 13);
    f.s.at = 0;
    CHECK_IS(run_task(rt, away, &f), OUZEL_OK);
    CHECK_IS(rmdir(f.s.path), 0); /* nothing is left */
    close(f.dir);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(f.s.releases, 13);
}

/* A read from a pipe waits, and is cancelled. */
static int32_t a_pipe(void *ud, ouzel_cx *cx) {
    folder *f = ud;
    scene *s = &f->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    f->parts[0] = (struct iovec){f->a, 4};
    CHECK_IS(ouzel_readv(rt, s->fd, f->parts, 1, OUZEL_AT_POSITION, &opts, &s->op2), OUZEL_OK);
    AWAIT(s, 1, ouzel_timer(rt, ouzel_now(rt) + 2 * MS, 0, NULL, &s->op));
    CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
    CHECK_IS(write(s->peer, "pipe", 4), 4);
    s->op = s->op2;
    AWAIT(s, 2, OUZEL_OK);
    CHECK_IS(s->cqe.res, 4);
    CHECK(memcmp(f->a, "pipe", 4) == 0);
    CHECK_IS(ouzel_readv(rt, s->fd, f->parts, 1, OUZEL_AT_POSITION, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_cancel(s->op), OUZEL_OK);
    AWAIT(s, 3, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(s->releases, 2);
    END(s)
}

static void a_vectored_read_waits_and_can_be_cancelled(void) {
    folder f;
    int fds[2];
    memset(&f, 0, sizeof f);
    CHECK_IS(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    f.s.fd = fds[0];
    f.s.peer = fds[1];
    run_alone(a_pipe, &f);
    close(fds[0]);
    close(fds[1]);
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

#define BATCH 100

typedef struct crowd {
    scene s;
    ouzel_op ops[BATCH];
    int taken;
} crowd;

static ouzel_op_desc desc(uint32_t kind, int fd, void *buf, uint64_t len, const ouzel_op_opts *opts) {
    ouzel_op_desc d;
    memset(&d, 0, sizeof d);
    d.size = sizeof d;
    d.kind = kind;
    d.fd = fd;
    d.buf = buf;
    d.len = len;
    d.opts = opts;
    return d;
}

static int32_t a_batch(void *ud, ouzel_cx *cx) {
    crowd *c = ud;
    scene *s = &c->s;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s), bad = opts;
    ouzel_op_desc d[BATCH];
    BEGIN(s)
    bad.flags = 1;
    for (int i = 0; i < BATCH; i++) d[i] = desc(OUZEL_OP_NOP, -1, NULL, 0, &opts);
    d[0] = desc(OUZEL_OP_RECV, s->peer, s->buf, 8, &opts);
    d[1] = desc(OUZEL_OP_SEND, s->fd, "all", 3, &opts);
    d[2] = desc(OUZEL_OP_RECV, -1, s->buf, 8, &opts);
    /* none, if one is wrong */
    c->ops[0].slot = 77;
    d[BATCH - 1].kind = 99;
    CHECK_IS(ouzel_batch_submit(rt, d, BATCH, c->ops), OUZEL_EINVAL);
    d[BATCH - 1] = desc(OUZEL_OP_NOP, -1, NULL, 0, &bad);
    CHECK_IS(ouzel_batch_submit(rt, d, BATCH, c->ops), OUZEL_EINVAL);
    d[BATCH - 1] = desc(OUZEL_OP_RECV, 0, NULL, 1, &opts);
    CHECK_IS(ouzel_batch_submit(rt, d, BATCH, c->ops), OUZEL_ENULL);
    d[BATCH - 1] = desc(OUZEL_OP_NOP, -1, NULL, 0, &opts);
    d[BATCH - 1].size = 8;
    CHECK_IS(ouzel_batch_submit(rt, d, BATCH, c->ops), OUZEL_ESIZE);
    d[BATCH - 1].size = sizeof *d;
    CHECK_IS(ouzel_batch_submit(rt, NULL, 1, c->ops), OUZEL_ENULL);
    CHECK_IS(ouzel_batch_submit(rt, d, 1, NULL), OUZEL_ENULL);
    CHECK_IS(ouzel_batch_submit(rt, NULL, 0, NULL), OUZEL_OK);
    CHECK_IS(c->ops[0].slot, 77);
    CHECK_IS(s->releases, 0);
    /* all */
    CHECK_IS(ouzel_batch_submit(rt, d, BATCH, c->ops), OUZEL_OK);
    CHECK_IS(ouzel_submit(rt), OUZEL_OK);
    for (c->taken = 0; c->taken < BATCH; c->taken++) {
        s->op = c->ops[c->taken];
        AWAIT(s, 1, OUZEL_OK);
        CHECK_IS(s->cqe.res, c->taken < 2 ? 3 : c->taken == 2 ? -EBADF : 0);
    }
    CHECK(memcmp(s->buf, "all", 3) == 0);
    CHECK_IS(s->releases, BATCH);
    END(s)
}

static void a_batch_is_begun_as_a_whole_or_not_at_all(void) {
    crowd c;
    memset(&c, 0, sizeof c);
    pair(SOCK_STREAM, &c.s);
    run_alone(a_batch, &c);
    CHECK_IS(c.s.releases, BATCH);
    unpair(&c.s);
}

/* ---- waiting on a thread ---------------------------------------------------------------------------------------- */

typedef struct handover {
    scene s;
    atomic_int there;
    ouzel_op silent, timer;
} handover;

static int64_t job(void *arg) {
    usleep(5000);
    return *(int *)arg;
}

static int32_t hands_over(void *ud, ouzel_cx *cx) {
    static int seven = 7;
    handover *h = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, &h->s);
    CHECK_IS(ouzel_blocking(rt, job, &seven, &opts, &h->s.op), OUZEL_OK);
    CHECK_IS(ouzel_recv(rt, h->s.peer, h->s.buf, 8, 0, &opts, &h->s.op2), OUZEL_OK);
    CHECK_IS(ouzel_recv(rt, h->s.fd, h->s.path, 8, 0, &opts, &h->silent), OUZEL_OK);
    CHECK_IS(ouzel_timer(rt, 1, 0, &opts, &h->timer), OUZEL_OK);
    CHECK_IS(ouzel_op_wait(h->s.op, 0, &h->s.cqe), the_workers ? OUZEL_EDEADLK : OUZEL_EREENTRANT);
    h->there = 1;
    return OUZEL_READY;
}

static void a_thread_waits_for_an_operation(void) {
    ouzel_runtime *rt = new_runtime();
    handover h;
    ouzel_cqe cqe;
    memset(&h, 0, sizeof h);
    pair(SOCK_STREAM, &h.s);
    CHECK_IS(run_task(rt, hands_over, &h), OUZEL_OK);
    CHECK(h.there);
    CHECK_IS(ouzel_op_wait(h.s.op, OUZEL_FOREVER, &cqe), OUZEL_OK);
    CHECK_IS(cqe.res, 0);
    CHECK_IS(cqe.extra, 7);
    CHECK_IS(ouzel_op_wait(h.s.op, OUZEL_FOREVER, &cqe), OUZEL_ESTALE);
    CHECK_IS(ouzel_op_wait(h.s.op2, 0, NULL), OUZEL_ENULL);
    memset(&cqe, 0x55, sizeof cqe);
    CHECK_IS(ouzel_op_wait(h.silent, 3 * MS, &cqe), OUZEL_ETIMEDOUT);
    CHECK_IS(cqe.res, 0x55555555); /* left alone */
    CHECK_IS(write(h.s.fd, "word", 4), 4);
    CHECK_IS(ouzel_op_wait(h.s.op2, 20ull * SECOND, &cqe), OUZEL_OK);
    CHECK_IS(cqe.res, 4);
    CHECK_IS(ouzel_op_wait(h.timer, OUZEL_FOREVER, &cqe), the_workers ? OUZEL_EINVAL : OUZEL_OK);
    run_until(rt, &h.s.releases, the_workers ? 2 : 3);
    CHECK_IS(h.s.releases, the_workers ? 2 : 3);
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
    CHECK_IS(h.s.releases, 4);
    CHECK_IS(ouzel_op_wait(h.silent, 0, &cqe), OUZEL_ESTALE);
    unpair(&h.s);
}

static void *wait_long(void *ud) {
    handover *h = ud;
    ouzel_cqe cqe;
    h->there = 2;
    int32_t got = ouzel_op_wait(h->silent, OUZEL_FOREVER, &cqe);
    CHECK(got == OUZEL_ESTALE || (got == OUZEL_OK && cqe.res == -ECANCELED));
    return NULL;
}

static int32_t abandons(void *ud, ouzel_cx *cx) {
    (void)cx;
    CHECK_IS(ouzel_op_abandon(((handover *)ud)->silent), OUZEL_OK);
    return OUZEL_READY;
}

/* Whoever waits is woken when the operation goes, by the hand of a task or with its runtime. */
static void a_waiting_thread_is_not_forgotten(void) {
    if (!the_workers) return;
    for (int by_task = 0; by_task < 2; by_task++) {
        ouzel_runtime *rt = new_runtime();
        handover h;
        pthread_t thread;
        memset(&h, 0, sizeof h);
        pair(SOCK_STREAM, &h.s);
        CHECK_IS(run_task(rt, hands_over, &h), OUZEL_OK);
        CHECK_IS(pthread_create(&thread, NULL, wait_long, &h), 0);
        while (h.there != 2) usleep(100);
        usleep(2000);
        if (by_task) CHECK_IS(run_task(rt, abandons, &h), OUZEL_OK);
        else CHECK_IS(ouzel_runtime_shutdown(rt, OUZEL_FOREVER), OUZEL_OK);
        pthread_join(thread, NULL);
        CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
        CHECK_IS(h.s.releases, 4);
        unpair(&h.s);
    }
}

/* ---- signals ---------------------------------------------------------------------------------------------------- */

static int32_t hears(void *ud, ouzel_cx *cx) {
    scene *s = ud;
    ouzel_runtime *rt = ouzel_cx_runtime(cx);
    ouzel_op_opts opts = op_opts(NULL, released, s);
    BEGIN(s)
    s->op.slot = 77;
    CHECK(ouzel_signal(rt, SIGKILL, &opts, &s->op) < 0);
    CHECK(ouzel_signal(rt, 4711, &opts, &s->op) < 0);
    CHECK_IS(s->op.slot, 77);
    CHECK_IS(s->releases, 0);
    CHECK_IS(ouzel_signal(rt, SIGUSR1, &opts, &s->op2), OUZEL_OK);
    for (s->got = 0; s->got < 3; s->got++) {
        CHECK_IS(ouzel_op_take(s->op2, &s->cqe), OUZEL_PENDING);
        CHECK_IS(kill(getpid(), SIGUSR1), 0);
        s->op = s->op2;
        AWAIT(s, 1, OUZEL_OK);
        CHECK_IS(s->cqe.res, SIGUSR1);
        CHECK_IS(s->cqe.flags, OUZEL_CQE_MORE);
    }
    CHECK_IS(ouzel_op_cancel(s->op2), OUZEL_OK);
    AWAIT(s, 2, OUZEL_OK);
    CHECK_IS(s->cqe.res, -ECANCELED);
    CHECK_IS(s->releases, 1);
    CHECK_IS(ouzel_signal(rt, SIGUSR1, &opts, &s->op), OUZEL_OK);
    CHECK_IS(ouzel_op_abandon(s->op), OUZEL_OK);
    END(s)
}

static void on_signal(void *ud, const ouzel_cqe *cqe) {
    scene *s = ud;
    if (cqe->flags & OUZEL_CQE_MORE) {
        CHECK_IS(cqe->res, SIGUSR2);
        atomic_fetch_add(&s->calls, 1);
        CHECK_IS(ouzel_op_cancel(cqe->op), OUZEL_OK);
    } else {
        s->last = cqe->res;
    }
}

static int32_t is_called(void *ud, ouzel_cx *cx) {
    ouzel_op_opts opts = op_opts(on_signal, released, ud);
    CHECK_IS(ouzel_signal(ouzel_cx_runtime(cx), SIGUSR2, &opts, NULL), OUZEL_OK);
    CHECK_IS(kill(getpid(), SIGUSR2), 0);
    return OUZEL_READY;
}

static void signals_are_told(void) {
    ouzel_runtime *rt = new_runtime();
    scene s = {0}, t = {0};
    CHECK_IS(run_task(rt, hears, &s), OUZEL_OK);
    run_until(rt, &s.releases, 2);
    CHECK_IS(s.releases, 2);
    CHECK_IS(run_task(rt, is_called, &t), OUZEL_OK);
    CHECK_IS(ouzel_run(rt), OUZEL_RUN_IDLE);
    CHECK_IS(t.calls, 1);
    CHECK_IS(t.last, -ECANCELED);
    CHECK_IS(t.releases, 1);
    if (!the_workers) { /* one that nobody polls ends the wait of whoever drives the loop */
        ouzel_op op;
        ouzel_cqe cqe;
        CHECK_IS(ouzel_signal(rt, SIGUSR1, NULL, &op), OUZEL_OK);
        CHECK_IS(kill(getpid(), SIGUSR1), 0);
        while (ouzel_op_take(op, &cqe) == OUZEL_PENDING) CHECK_IS(ouzel_run_once(rt, OUZEL_FOREVER, NULL), OUZEL_OK);
        CHECK_IS(cqe.res, SIGUSR1);
    }
    CHECK_IS(ouzel_runtime_free(rt), OUZEL_OK);
}

static const test tests[] = {
    TEST(files_and_names),
    TEST(a_vectored_read_waits_and_can_be_cancelled),
    TEST(a_batch_is_begun_as_a_whole_or_not_at_all),
    TEST(a_thread_waits_for_an_operation),
    TEST(a_waiting_thread_is_not_forgotten),
    TEST(signals_are_told),
};

int main(int argc, char **argv) { return run_tests(argc, argv, tests, sizeof tests / sizeof *tests); }
