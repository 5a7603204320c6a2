/* fixed_files - what registered files save: reads of a socket by descriptor against reads of the same in the ring's table.
 *
 *     cc -O2 benches/c/fixed_files.c -o fixed_files && ./fixed_files [ROUNDS]
 *
 * A round is 20,000 receives of one byte that is there, in batches of 32 for one system call, of each kind in turn; the
 * ratio of their CPU times is taken within the round. Prints the median and the quarters. Linux, no library.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define BATCHES 625

static int ring;
static unsigned char *queues;
static struct io_uring_sqe *sqes;
static struct io_uring_params made;

static unsigned *at(unsigned offset) { return (unsigned *)(void *)(queues + offset); }

static void must(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

static void set_up(void) {
    made.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    ring = (int)syscall(SYS_io_uring_setup, BATCH, &made);
    must(ring >= 0, "io_uring_setup");
    size_t sq = made.sq_off.array + made.sq_entries * sizeof(unsigned);
    size_t cq = made.cq_off.cqes + made.cq_entries * sizeof(struct io_uring_cqe);
    queues = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
    sqes = mmap(NULL, BATCH * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    must((void *)queues != MAP_FAILED && (void *)sqes != MAP_FAILED, "mmap");
}

/* Receives BATCH bytes by as many operations. */
static void batch(int fd, unsigned char flags) {
    static char byte;
    unsigned tail = *at(made.sq_off.tail);
    for (unsigned i = 0; i < BATCH; i++) {
        unsigned slot = (tail + i) & (made.sq_entries - 1);
        memset(&sqes[slot], 0, sizeof *sqes);
        sqes[slot].opcode = IORING_OP_RECV;
        sqes[slot].fd = fd;
        sqes[slot].flags = flags;
        sqes[slot].addr = (unsigned long)&byte;
        sqes[slot].len = 1;
        at(made.sq_off.array)[slot] = slot;
    }
    __atomic_store_n(at(made.sq_off.tail), tail + BATCH, __ATOMIC_RELEASE);
    long done = syscall(SYS_io_uring_enter, ring, BATCH, BATCH, IORING_ENTER_GETEVENTS, NULL, 0);
    must(done == BATCH, "io_uring_enter");
    unsigned head = *at(made.cq_off.head), end = __atomic_load_n(at(made.cq_off.tail), __ATOMIC_ACQUIRE);
    struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(queues + made.cq_off.cqes);
    must(end - head == BATCH, "completions");
    for (; head != end; head++) must(cqes[head & (made.cq_entries - 1)].res == 1, "recv");
    __atomic_store_n(at(made.cq_off.head), head, __ATOMIC_RELEASE);
}

/* CPU nanoseconds of a thread's BATCHES batches; what it reads is written outside of that time. */
static double run(const int *pair, int fd, unsigned char flags) {
    static const char bytes[BATCH];
    double sum = 0;
    for (int i = 0; i < BATCHES; i++) {
        struct timespec from, to;
        must(write(pair[1], bytes, BATCH) == BATCH, "write");
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        batch(fd, flags);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        sum += (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    }
    return sum;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 101, pair[2];
    double *ratios = calloc((size_t)rounds, sizeof *ratios), plain = 0;
    must(rounds > 3 && ratios, "rounds");
    set_up();
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    must(syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, pair, 1) == 0, "register");
    run(pair, pair[0], 0);
    run(pair, 0, IOSQE_FIXED_FILE);
    for (int i = 0; i < rounds; i++) {
        double by_fd = 0, fixed = 0;
        for (int turn = 0; turn < 2; turn++) {
            if (turn == i % 2) fixed = run(pair, 0, IOSQE_FIXED_FILE);
            else by_fd = run(pair, pair[0], 0);
        }
        ratios[i] = fixed / by_fd;
        plain += by_fd / rounds / (BATCH * BATCHES);
    }
    qsort(ratios, (size_t)rounds, sizeof *ratios, by_size);
    printf("a receive by descriptor %.0f ns; registered %.3f of that (quarters %.3f, %.3f; %d rounds)\n", plain,
           ratios[rounds / 2], ratios[rounds / 4], ratios[rounds * 3 / 4], rounds);
    return 0;
}
