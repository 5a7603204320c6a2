/* Memory that is refused an operation: it says so, in its answer or as it completes, nothing is lost, and asked again it is done. */
#include "refusing.h"
#include "scene.h"

#include <fcntl.h>

static int32_t nop(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_nop(rt, &opts, &op)));
    return until_completed(rt, op, 0);
}

static int32_t timer(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_timer(rt, ouzel_now(rt) + MS, 0, &opts, &op)));
    return until_completed(rt, op, 0);
}

static int32_t interval(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_interval(rt, ouzel_now(rt) + MS, MS, &opts, &op)));
    return until_completed(rt, op, 1);
}

static int32_t recv_that_waits(ouzel_runtime *rt) {
    static char buf[2];
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_recv(rt, near_end, buf, sizeof buf, 0, &opts, &op)));
    if (asked == OUZEL_OK) CHECK(write(far_end, "x", 1) == 1);
    return until_completed(rt, op, 0);
}

static int32_t recv_with_a_limit(ouzel_runtime *rt) {
    static char buf[2];
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    opts.timeout_ns = MS;
    begun(ASK(ouzel_recv(rt, near_end, buf, sizeof buf, 0, &opts, &op)));
    return until_completed(rt, op, 0);
}

static int32_t poll_multi(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_poll_fd_multi(rt, near_end, POLLIN, &opts, &op)));
    return until_completed(rt, op, 1);
}

static int32_t opens(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_openat(rt, AT_FDCWD, "/dev/null", O_RDONLY, 0, &opts, &op)));
    return until_completed(rt, op, 0);
}

/* Nor do the threads get anything that it takes on some drivers. */
static int32_t opens_in_need(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    all_left = request;
    begun(asked = ouzel_openat(rt, AT_FDCWD, "/dev/null", O_RDONLY, 0, &opts, &op));
    if (asked == OUZEL_OK) usleep(2000);
    all_left = -1;
    return until_completed(rt, op, 0);
}

static int32_t ops(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op_desc descs[3];
    ouzel_op out[3];
    memset(descs, 0, sizeof descs);
    for (int i = 0; i < 3; i++) {
        descs[i].size = sizeof descs[i];
        descs[i].kind = OUZEL_OP_NOP;
        descs[i].opts = &opts;
    }
    ASK(ouzel_batch_submit(rt, descs, 3, out));
    if (asked != OUZEL_OK) return asked;
    atomic_fetch_add(&owed, 3);
    run_until(rt, &completed, 3);
    atomic_fetch_sub(&completed, 3);
    return failed ? OUZEL_ENOMEM : OUZEL_OK;
}

/* ---- what the driver remembers while it waits --------------------------------------------------------------------- */

static void pipe_ends(int ends[2]) {
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 2; i++) CHECK(fcntl(keep(ends[i]), F_SETFL, O_NONBLOCK) == 0);
}

static int32_t read_that_waits(ouzel_runtime *rt) {
    static char buf[2];
    int ends[2];
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    pipe_ends(ends);
    begun(ASK(ouzel_read(rt, ends[0], buf, sizeof buf, OUZEL_AT_POSITION, &opts, &op)));
    CHECK(write(ends[1], "x", 1) == 1);
    return until_completed(rt, op, 0);
}

static int32_t splice_that_waits(ouzel_runtime *rt) {
    int ends[2];
    char got;
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    pipe_ends(ends);
    begun(ASK(ouzel_splice(rt, ends[0], OUZEL_AT_POSITION, near_end, OUZEL_AT_POSITION, 9, 0, &opts, &op)));
    CHECK(write(ends[1], "y", 1) == 1);
    int32_t err = until_completed(rt, op, 0);
    if (err == OUZEL_OK) CHECK(read(far_end, &got, 1) == 1 && got == 'y');
    return err;
}

/* What has been given away is closed, whatever the driver has no memory for. */
static int32_t closes(ouzel_runtime *rt) {
    int fd = dup(near_end);
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_close(rt, fd, &opts, &op)));
    int32_t err = until_completed(rt, op, 0);
    CHECK((fcntl(fd, F_GETFD) == -1) == (err == OUZEL_OK));
    if (err != OUZEL_OK) CHECK(asked == OUZEL_ENOMEM && close(fd) == 0);
    return err;
}

static int connected(const struct sockaddr_in *addr) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_IS(connect(fd, (const struct sockaddr *)addr, sizeof *addr), 0);
    return keep(fd);
}

static int32_t accept_that_waits(ouzel_runtime *rt) {
    struct sockaddr_in addr;
    int listener = keep(listen_socket(&addr));
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_accept(rt, listener, &opts, &op)));
    connected(&addr);
    int32_t err = until_completed(rt, op, 0);
    if (err == OUZEL_OK) keep(result);
    return err;
}

static int32_t accept_multi(ouzel_runtime *rt) {
    struct sockaddr_in addr;
    int listener = keep(listen_socket(&addr));
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_accept_multi(rt, listener, &opts, &op)));
    return until_completed(rt, op, 1);
}

static ouzel_runtime *its_runtime;
static atomic_int received; /* and how often the operation has ended */

static void completes_with_a_buffer(void *ud, const ouzel_cqe *cqe) {
    if (cqe->flags & OUZEL_CQE_BUFFER) {
        CHECK(cqe->res > 0 && cqe->buf_len == (uint32_t)cqe->res && memcmp((const char *)(uintptr_t)cqe->extra, "zz", cqe->buf_len) == 0);
        CHECK_IS(ouzel_buf_return(its_runtime, OUZEL_BUF_GROUP_DEFAULT, cqe->buf_id), OUZEL_OK);
    }
    atomic_fetch_add(&received, 1);
    completes(ud, cqe);
}

static int32_t recv_multi(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_opts(completes_with_a_buffer, ends, &ended);
    ouzel_op op;
    its_runtime = rt;
    received = 0;
    begun(ASK(ouzel_recv_multi(rt, near_end, &opts, &op)));
    if (asked == OUZEL_OK) {
        CHECK(write(far_end, "z", 1) == 1);
        run_until(rt, &received, 1);
        CHECK(result == -ENOMEM || result == 1 || result == 2); /* one may be left from the time before */
    }
    return until_completed(rt, op, 1);
}

static int32_t send_without_a_copy(ouzel_runtime *rt) {
    static const char bytes[] = "twelve bytes";
    char got[sizeof bytes];
    struct sockaddr_in addr;
    int listener = keep(listen_socket(&addr)), peer = connected(&addr), fd = keep(accept(listener, NULL, NULL));
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_send(rt, fd, bytes, sizeof bytes, OUZEL_SEND_ZERO_COPY, &opts, &op)));
    int32_t err = until_completed(rt, op, 0);
    if (err == OUZEL_OK) CHECK(recv(peer, got, sizeof got, MSG_WAITALL) == sizeof got && memcmp(got, bytes, sizeof got) == 0);
    return err;
}

/* What the socket has no room for is kept: it arrives, or the next try says that it was lost. */
static int32_t try_send(ouzel_runtime *rt) {
    static char bytes[16 * 1024], got[sizeof bytes];
    size_t total = 0;
    int small = 4096;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7 >> 3);
    CHECK(setsockopt(near_end, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    refuse();
    int32_t taken = ouzel_try_send(rt, near_end, bytes, sizeof bytes);
    for (int i = 0; i < 3; i++) CHECK_IS(ouzel_run_nowait(rt, 0, NULL), OUZEL_OK);
    left = -1;
    if (taken == OUZEL_PENDING) return was_refused && request >= 0 ? OUZEL_ENOMEM : OUZEL_OK;
    CHECK_IS(taken, OUZEL_READY);
    while (total < sizeof bytes) {
        ssize_t n = recv(far_end, got + total, sizeof got - total, MSG_DONTWAIT);
        if (n > 0) total += (size_t)n;
        else if (ouzel_try_send(rt, near_end, bytes, 0) == -ENOMEM) break;
        CHECK_IS(ouzel_run_nowait(rt, 0, NULL), OUZEL_OK);
    }
    CHECK(memcmp(got, bytes, total) == 0);
    return total < sizeof bytes ? OUZEL_ENOMEM : OUZEL_OK;
}

static int64_t works(void *arg) {
    (void)arg;
    return 1;
}

static int32_t job(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    begun(ASK(ouzel_blocking(rt, works, NULL, &opts, &op)));
    return until_completed(rt, op, 0);
}

/* The thread that it starts gets nothing, either. */
static int32_t job_in_need(ouzel_runtime *rt) {
    ouzel_op_opts opts = op_duty();
    ouzel_op op;
    all_left = request;
    begun(asked = ouzel_blocking(rt, works, NULL, &opts, &op));
    if (asked == OUZEL_OK) usleep(2000);
    all_left = -1;
    return until_completed(rt, op, 0);
}

static const scenario scenarios[] = {
    ON_THE_LOOP(nop), ON_THE_LOOP(timer), ON_THE_LOOP(interval), ON_THE_LOOP(recv_that_waits),
    ON_THE_LOOP(recv_with_a_limit), ON_THE_LOOP(poll_multi), ON_THE_LOOP(ops), ON_THE_LOOP(opens), ON_THE_LOOP(opens_in_need),
    ON_THE_LOOP(read_that_waits), ON_LINUX(splice_that_waits), ON_THE_LOOP(closes), ON_THE_LOOP(accept_that_waits),
    ON_THE_LOOP(accept_multi), ON_THE_LOOP(recv_multi), ON_LINUX(try_send), ON_THE_LOOP(send_without_a_copy), ON_THE_LOOP(job), ON_THE_LOOP(job_in_need),
};

static void an_operation_that_was_refused_memory_can_be_asked_for_again(void) { refuse_each_request(); }

int main(int argc, char **argv) {
    const test all[] = {
        TEST(an_operation_that_was_refused_memory_can_be_asked_for_again),
    };
    return each(scenarios, sizeof scenarios / sizeof *scenarios, all, argc, argv);
}
