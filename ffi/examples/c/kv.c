/* kv - a memcached-protocol key-value server on ouzel. Threads and accepting are here; connections in kv_conn.h, the
 * protocol in kv_proto.h, the values in kv_store.h.
 *
 *     kv -p PORT [--driver auto|uring|epoll|poll] [-t THREADS] [-l ADDR] [-m MEGABYTES] [-h]
 *
 * Each thread drives a runtime of its own: one accept task, one publisher task, a task per connection. The store is
 * shared. What a request costs at depth 1 on io_uring: one enter, one SQE (the reply's send, lazy, no CQE), one CQE (of
 * the multishot receive); a GET allocates nothing.
 */
#include "ouzel.h"

#include "kv_conn.h"

#include <netdb.h>
#include <signal.h>

#define BACK_OFF 50000000u           /* ns until the next accept when descriptors have run out */
#define SHUTDOWN_TIMEOUT 5000000000u /* ns */

static uint32_t driver = OUZEL_DRIVER_AUTO;

static pthread_mutex_t ready_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready_changed = PTHREAD_COND_INITIALIZER;
static size_t n_ready;

/* ---- accepting -------------------------------------------------------------------------------------------------- */

static int is_shortage(int err) { return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM; }

static int32_t accept_poll(void *ud, ouzel_cx *cx) {
    server *sv = ud;
    ouzel_cqe cqe;
    for (;;) {
        int32_t got;
        if (sv->sleeping.gen) {
            got = ouzel_op_poll(sv->sleeping, cx, &cqe);
            if (got == OUZEL_PENDING) return OUZEL_PENDING;
            memset(&sv->sleeping, 0, sizeof sv->sleeping);
        }
        if (!sv->accepting.gen && (got = ouzel_accept(sv->rt, sv->listener, NULL, &sv->accepting)) < 0) return got;
        got = ouzel_op_poll(sv->accepting, cx, &cqe);
        if (got == OUZEL_PENDING) return OUZEL_PENDING;
        memset(&sv->accepting, 0, sizeof sv->accepting);
        if (got < 0) return got;
        if (cqe.res >= 0) {
            start_conn(sv, cqe.res);
            sv->complained = 0;
        } else if (is_shortage(-cqe.res)) {
            if (!sv->complained++) complain("accept, trying on", cqe.res);
            got = ouzel_timer(sv->rt, ouzel_cx_now(cx) + BACK_OFF, 0, NULL, &sv->sleeping);
            if (got < 0) return got;
        } else if (cqe.res == -EBADF || cqe.res == -EINVAL || cqe.res == -ENOTSOCK) {
            complain("accept", cqe.res);
            return cqe.res;
        } /* else the peer is gone already, or a signal came: next */
        if (!ouzel_cx_budget(cx)) {
            ouzel_wake_self(cx);
            return OUZEL_PENDING;
        }
    }
}

static void accept_drop(void *ud) {
    server *sv = ud;
    if (sv->accepting.gen) ouzel_op_abandon(sv->accepting);
    if (sv->sleeping.gen) ouzel_op_abandon(sv->sleeping);
}

/* ---- threads and the process ------------------------------------------------------------------------------------ */

static int32_t serve(server *sv) {
    ouzel_options options;
    ouzel_options_init(&options, sizeof options);
    options.driver = driver;
    int32_t err = ouzel_runtime_new(&options, &sv->rt);
    if (err < 0) return err;
    sv->id = ouzel_runtime_id(sv->rt);
    ouzel_task_opts opts = {0};
    opts.size = sizeof opts;
    opts.flags = OUZEL_TASK_DETACHED;
    ouzel_task task;
    err = ouzel_spawn(sv->rt, publish, sv, &opts, &task);
    if (err < 0) return err;
    sv->publisher.slot = task.slot;
    sv->publisher.gen = task.gen;
    opts.drop = accept_drop;
    return ouzel_spawn(sv->rt, accept_poll, sv, &opts, NULL);
}

static void *server_main(void *arg) {
    server *sv = arg;
    alloc_count = &sv->n.allocs;
    int32_t err = serve(sv);
    if (err < 0) complain("cannot start a runtime", err);
    pthread_mutex_lock(&ready_lock);
    sv->failed = err < 0;
    n_ready++;
    pthread_cond_broadcast(&ready_changed);
    pthread_mutex_unlock(&ready_lock);
    if (err >= 0 && (err = ouzel_run(sv->rt)) < 0) complain("run", err);
    if (err == OUZEL_RUN_IDLE) err = -EIO; /* the accept task has given up, and said why */
    if (sv->rt) {
        int32_t end = ouzel_runtime_shutdown(sv->rt, SHUTDOWN_TIMEOUT);
        if (end < 0) complain("shutdown", end);
        if (end >= 0) ouzel_runtime_free(sv->rt);
    }
    close(sv->listener);
    sv->failed = err < 0;
    return NULL;
}

static void stop_all(int signo) {
    int saved = errno;
    (void)signo;
    for (size_t i = 0; i < n_servers; i++) ouzel_stop(servers[i].id);
    errno = saved;
}

static void log_line(void *ud, uint32_t level, const char *text) {
    (void)ud;
    (void)level;
    fprintf(stderr, "kv: %s\n", text);
}

/* A listening socket on `addr`, and the port it got; below zero -errno. */
static int listen_on(const char *addr, const char *port, int shared, char *got, size_t room) {
    struct addrinfo hints = {0}, *found = NULL;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(addr, port, &hints, &found) != 0) return -EADDRNOTAVAIL;
    int on = 1, err = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) err = -errno;
    if (!err) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!err && shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) err = -errno;
    if (!err && bind(fd, found->ai_addr, found->ai_addrlen) < 0) err = -errno;
    if (!err && listen(fd, 4096) < 0) err = -errno;
    freeaddrinfo(found);
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    if (!err && getsockname(fd, (struct sockaddr *)&name, &len) < 0) err = -errno;
    if (!err) getnameinfo((struct sockaddr *)&name, len, NULL, 0, got, (socklen_t)room, NI_NUMERICSERV);
    if (err && fd >= 0) close(fd);
    return err ? err : fd;
}

static int usage(FILE *to, int status) {
    fputs("usage: kv -p PORT [--driver auto|uring|epoll|poll] [-t THREADS] [-l ADDR] [-m MEGABYTES]\n"
          "  -p PORT       TCP port; 0 takes a free one\n"
          "  --driver D    how to wait for I/O (default: auto, or OUZEL_DRIVER)\n"
          "  -t THREADS    threads, each with a runtime of its own, 1 to 64 (default: 1)\n"
          "  -l ADDR       address to listen on (default: 127.0.0.1)\n"
          "  -m MEGABYTES  most memory for items; then a set is refused (default: no limit)\n"
          "  -h            this text\n",
          to);
    return status;
}

static int parse_driver(const char *name) {
    for (uint32_t d = OUZEL_DRIVER_AUTO; d <= OUZEL_DRIVER_POLL; d++) {
        if (strcmp(name, ouzel_driver_name(d)) == 0) {
            driver = d;
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *addr = "127.0.0.1", *port = NULL;
    char got[32];
    uint64_t threads = 1, megabytes = 0;
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        int ok = value != NULL;
        if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0) return usage(stdout, 0);
        if (ok && strcmp(option, "-p") == 0) port = value;
        else if (ok && strcmp(option, "-l") == 0) addr = value;
        else if (ok && strcmp(option, "--driver") == 0) ok = parse_driver(value);
        else if (ok && strcmp(option, "-t") == 0)
            ok = parse_number((word){value, strlen(value)}, MAX_THREADS, &threads) && threads > 0;
        else if (ok && strcmp(option, "-m") == 0) ok = parse_number((word){value, strlen(value)}, 1u << 24, &megabytes);
        else ok = 0;
        if (!ok) {
            fprintf(stderr, "kv: cannot make sense of %s\n", option);
            return usage(stderr, 2);
        }
        i++;
    }
    if (!port) return usage(stderr, 2);
    int32_t err = ouzel_check_abi(OUZEL_ABI_VERSION);
    if (err < 0) {
        complain("libouzel", err);
        return 1;
    }
    ouzel_set_log(OUZEL_LOG_WARN, log_line, NULL);
    signal(SIGPIPE, SIG_IGN);
    clock_gettime(CLOCK_MONOTONIC, &started);
    if (store_init(&the_store, (size_t)megabytes << 20) < 0) {
        complain("store", -ENOMEM);
        return 1;
    }
    n_servers = (size_t)threads;
    for (size_t i = 0; i < n_servers; i++) {
        servers[i].listener = listen_on(addr, i ? got : port, n_servers > 1, got, sizeof got);
        if (servers[i].listener < 0) {
            complain(addr, servers[i].listener);
            return 1;
        }
    }
    size_t running = 0;
    while (running < n_servers) {
        server *sv = &servers[running];
        if (pthread_create(&sv->thread, NULL, server_main, sv) != 0) break;
        running++;
    }
    pthread_mutex_lock(&ready_lock);
    while (n_ready < running) pthread_cond_wait(&ready_changed, &ready_lock);
    int failed = running < n_servers;
    for (size_t i = 0; i < running; i++) failed |= servers[i].failed;
    pthread_mutex_unlock(&ready_lock);
    struct sigaction act = {0};
    act.sa_handler = stop_all;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    if (failed) {
        stop_all(0);
    } else {
        const char *name = ouzel_driver_name((uint32_t)ouzel_runtime_driver(servers[0].rt));
        printf("listening on %s:%s driver %s\n", addr, got, name);
        fflush(stdout);
    }
    for (size_t i = 0; i < running; i++) {
        pthread_join(servers[i].thread, NULL);
        failed |= servers[i].failed;
    }
    store_free(&the_store);
    return failed ? 1 : 0;
}
