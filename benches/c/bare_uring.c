/* bare_uring - the least that an echo on io_uring can be: no runtime, no library, and nothing that a server needs beside it.
 *
 *     bare_uring [BUFFERS]
 *
 * A receive a connection, submitted once, into buffers of the ring; a send without a completion for each event; one call for all
 * of a turn, through the ring's own place in the thread's table. BUFFERS (256 at the most) go round: few are in the processor's
 * cache, and one connection at depth 1 needs one. What a socket has no room for is lost: for a load that waits for
 * its answers. Ends with status 0 on SIGTERM.
 */
#define _GNU_SOURCE
#include "bare.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 256u
#define BUFFERS 256u /* a power of two */
#define BUFFER 4096u
#define ACCEPT UINT64_MAX
#define SEND (UINT64_MAX - 1)

/* What headers of a system's first years with io_uring do not have. */
#define NO_SQARRAY (1u << 16)
#define ENTER_REGISTERED (1u << 4)
#define ENTER_NO_IOWAIT (1u << 7)
#define FEATURE_NO_IOWAIT (1u << 17)
#define REGISTER_RING_FDS 20u
#define REGISTER_BUFFERS 22u

static struct io_uring_sqe *sqes;
static unsigned *sq_tail, *cq_head, *cq_tail, sq_mask, cq_mask, queued;
static struct io_uring_cqe *cqes;
static struct io_uring_buf *entries; /* the tail lies in the first one's last two bytes */
static char *memory;
static unsigned short given;

static void give(unsigned short id) {
    struct io_uring_buf *entry = &entries[given++ % BUFFERS];
    entry->addr = (uintptr_t)memory + id * BUFFER;
    entry->len = BUFFER;
    entry->bid = id;
    __atomic_store_n(&entries[0].resv, given, __ATOMIC_RELEASE);
}

/* A turn has at most as many entries as were received at once: the ring is never full. */
static struct io_uring_sqe *entry(unsigned char opcode, int fd, uint64_t user_data) {
    struct io_uring_sqe *sqe = &sqes[(*sq_tail + queued++) & sq_mask];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->user_data = user_data;
    return sqe;
}

static void receive(int fd) {
    struct io_uring_sqe *sqe = entry(IORING_OP_RECV, fd, (uint64_t)fd);
    sqe->ioprio = 1u << 1; /* until it is cancelled */
    sqe->flags = IOSQE_BUFFER_SELECT;
}

static void admit(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    receive(fd);
}

static unsigned short sent[ENTRIES * 2]; /* their buffers, free when the call that submits them is over */
static unsigned sends;

static void answer(int fd, unsigned short id, unsigned len) {
    struct io_uring_sqe *sqe = entry(IORING_OP_SEND, fd, SEND);
    sqe->addr = (uintptr_t)memory + id * BUFFER;
    sqe->len = len;
    sqe->msg_flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    sqe->flags = 1u << 6; /* success is not told */
    sent[sends++] = id;
}

static void serve(int listener, const struct io_uring_cqe *cqe) {
    if (cqe->user_data == SEND) return;
    if (cqe->user_data == ACCEPT) {
        if (cqe->res >= 0) admit(cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE)) entry(IORING_OP_ACCEPT, listener, ACCEPT)->ioprio = 1;
        return;
    }
    int fd = (int)cqe->user_data;
    if (cqe->res > 0) {
        answer(fd, (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT), (unsigned)cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE)) receive(fd);
    } else if (cqe->res == -ENOBUFS) {
        receive(fd);
    } else {
        close(fd);
    }
}

int main(int argc, char **argv) {
    unsigned most = argc > 1 ? (unsigned)atoi(argv[1]) : BUFFERS;
    struct sockaddr_in addr;
    struct io_uring_params p = {.flags = IORING_SETUP_SUBMIT_ALL | (1u << 8) | (1u << 12) | (1u << 13) | NO_SQARRAY};
    if (most < 1 || most > BUFFERS) {
        fputs("usage: bare_uring [BUFFERS]\n", stderr);
        return 2;
    }
    int listener = listen_until_sigterm(SOCK_STREAM | SOCK_CLOEXEC, &addr);
    if (listener < 0) return fail("bare_uring: listen");
    int ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring < 0) return fail("bare_uring: io_uring_setup");
    char *rings = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof *cqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                       ring, IORING_OFF_SQ_RING);
    sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    memory = mmap(NULL, BUFFERS * (BUFFER + sizeof *entries), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rings == MAP_FAILED || (void *)sqes == MAP_FAILED || memory == MAP_FAILED) return fail("bare_uring: mmap");
    sq_tail = (unsigned *)(rings + p.sq_off.tail);
    cq_head = (unsigned *)(rings + p.cq_off.head);
    cq_tail = (unsigned *)(rings + p.cq_off.tail);
    cqes = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
    sq_mask = p.sq_entries - 1;
    cq_mask = p.cq_entries - 1;
    entries = (struct io_uring_buf *)(memory + BUFFERS * BUFFER);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)entries, .ring_entries = BUFFERS};
    struct io_uring_rsrc_update place = {.offset = -1u, .data = (uint64_t)ring};
    if (syscall(SYS_io_uring_register, ring, REGISTER_BUFFERS, &reg, 1) < 0) return fail("bare_uring: buffers");
    if (syscall(SYS_io_uring_register, ring, REGISTER_RING_FDS, &place, 1) != 1) return fail("bare_uring: ring");
    unsigned flags = IORING_ENTER_GETEVENTS | ENTER_REGISTERED | (p.features & FEATURE_NO_IOWAIT ? ENTER_NO_IOWAIT : 0);
    for (unsigned id = 0; id < most; id++) give((unsigned short)id);
    entry(IORING_OP_ACCEPT, listener, ACCEPT)->ioprio = 1; /* until it is cancelled */
    say_listening(&addr, "uring");
    while (!stopped) {
        unsigned n = queued;
        queued = 0;
        __atomic_store_n(sq_tail, *sq_tail + n, __ATOMIC_RELEASE);
        if (syscall(SYS_io_uring_enter, place.offset, n, 1, flags, NULL, 0) < 0 && errno != EINTR)
            return fail("bare_uring: io_uring_enter");
        while (sends) give(sent[--sends]);
        unsigned head = *cq_head, tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
        for (; head != tail; head++) serve(listener, &cqes[head & cq_mask]);
        __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    }
    return 0;
}
