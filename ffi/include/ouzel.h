/* ouzel.h - the C ABI of ouzel, a low-overhead async runtime that any host can link.
 *
 * This file is written by hand and is the contract; tests hold the Rust side to every name, number, size and offset
 * in it. LENGTH: one file, because a host should find the whole contract in one place.
 *
 *     poll function --ouzel_spawn--> task --ouzel_recv--> operation --completion--> the task is polled again
 *
 * Reading the tags
 *   [loop]  only on the runtime's loop thread. Host-driven runtime (workers == 0): the thread that called
 *           ouzel_runtime_new. Runtime with workers: its worker threads, so inside a poll function or a callback.
 *   [any]   on any thread.     [cb]   also inside poll functions and callbacks.     [sig]  in a signal handler.
 *
 * Results
 *   Every function that can fail returns int32_t: 0 or more is success, below zero is a failure.
 *       -1 .. -4095     the operating system's errno, negated
 *       below -10000    one of OUZEL_E* below: ouzel's own, so the two can never be taken for each other
 *   Out-parameters are written on success only. OUZEL_PENDING is 0 and OUZEL_READY is 1 wherever something is polled.
 *
 * Ownership
 *   ids      ouzel_task, ouzel_waker, ouzel_op, ouzel_rtid, ouzel_group, ouzel_sem, ouzel_chan: 16 bytes, by value, weak.
 *            They own nothing, are never freed and may be copied at will. All zero names nothing. Any bits are tolerated:
 *            what they name is looked up and its generation compared, so a finished task, a forged id or a freed
 *            runtime answers OUZEL_ESTALE. (Groups, semaphores and channels themselves are freed, or go with the runtime.)
 *   ud       the host's own pointer. ouzel hands it back and never looks behind it.
 *   buffers  lent to an operation when it is submitted, and back when it has completed: also after ouzel_op_cancel,
 *            also after ouzel_op_abandon (then `release` tells when).
 *   cx       lent to a poll function until it returns.
 *   structs  that start with `size` are zero-extended: set size = sizeof, zero the rest. Smaller ones come from an older
 *            header, larger ones are accepted as long as what is unknown is zero (else OUZEL_ESIZE).
 *
 * Callbacks
 *   Poll functions, done, drop and release run on a loop thread, with no lock of ouzel held, and may call whatever is
 *   tagged [cb]. They must return: no longjmp, no C++ exception may leave them. log and panic hooks run where the event
 *   happens and call nothing of ouzel. Shutdown ends delivery: `done` is not called for what it cancels, drop and
 *   release are (release on the thread that shuts down). After ouzel_runtime_free has returned 0 no callback of that
 *   runtime runs.
 *
 * Memory
 *   Once a high-water mark is reached, nothing on the way of a request allocates: polling and waking a task, spawning a
 *   detached one, submitting, polling and cancelling an operation. What does: making a runtime, spawning a task that
 *   can be joined, is in a group or has a name or a deadline, the first wait for a semaphore, channel or address and the
 *   first task-local value of a task, ouzel_blocking, an operation whose `waker` is of a host-driven runtime of another
 *   thread or a function's, cancelling a host-driven runtime's task on another thread. Where the memory comes from:
 *   ouzel_set_allocator.
 *
 * Misuse is answered, not undefined:  NULL -> OUZEL_ENULL, stale id -> OUZEL_ESTALE, wrong thread -> OUZEL_EWRONGTHREAD,
 *   run inside run -> OUZEL_EREENTRANT, use of a parent's runtime in a forked child -> OUZEL_EFORKED, ABI mismatch ->
 *   OUZEL_EVERSION, bad struct size -> OUZEL_ESIZE, after shutdown began -> OUZEL_ECLOSING, a wait that could never end
 *   -> OUZEL_EDEADLK, a closed channel -> OUZEL_ECLOSED. A freed ouzel_runtime* is answered with OUZEL_ESTALE until its place is used by a new runtime.
 *   A broken invariant inside ouzel calls the panic hook and aborts; nothing unwinds into the host.
 *
 * Two decisions that look unusual. Codes of ouzel's own lie below -10000 and do not reuse errno's numbers: a result may
 * then be either, and ESTALE of a network file system is not taken for a stale id. And submitting does not wake anybody
 * by default: most operations are polled by the task that submitted them, and registering that task is ouzel_op_poll's.
 */
#ifndef OUZEL_H
#define OUZEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sockaddr; /* <sys/socket.h> */
struct msghdr;   /* <sys/socket.h> */
struct iovec;    /* <sys/uio.h> */

/* ---- constants -------------------------------------------------------------------------------------------------- */

/* This header's version, major << 16 | minor. Minor versions append; a new major may change anything. */
#define OUZEL_ABI_VERSION 0x00000001u

/* A timeout without an end, and the answer "no timer" of ouzel_backend_timeout. */
#define OUZEL_FOREVER UINT64_MAX

/* What polling answers. A poll function returns one of them, or below zero to end its task as failed. */
#define OUZEL_OK 0
#define OUZEL_PENDING 0
#define OUZEL_READY 1

/* Failures. Numbers are fixed for good: new ones are appended, retired ones stay as comments. Last added: -10016. */
#define OUZEL_ENULL (-10001)        /* a pointer that must not be NULL is */
#define OUZEL_EINVAL (-10002)       /* an argument or flag outside what is allowed here */
#define OUZEL_ESTALE (-10003)       /* the id names nothing that is alive */
#define OUZEL_EWRONGTHREAD (-10004) /* [loop] function called off the loop thread */
#define OUZEL_EREENTRANT (-10005)   /* the loop is running already: called from inside a poll function or callback */
#define OUZEL_EFORKED (-10006)      /* the runtime belongs to the parent process */
#define OUZEL_EVERSION (-10007)     /* header and library do not fit */
#define OUZEL_ESIZE (-10008)        /* struct size too small, or larger than known with a tail that is not zero */
#define OUZEL_ECLOSING (-10009)     /* shutdown has begun: nothing new is taken */
#define OUZEL_EDEADLK (-10010)      /* this wait could never end: it waits for its own thread or task */
#define OUZEL_EBUSY (-10011)        /* in use: a second joiner, or freed from within */
#define OUZEL_ETIMEDOUT (-10012)    /* the given time passed first */
#define OUZEL_ECANCELED (-10013)    /* the task was cancelled, or its deadline is over (a join's result) */
#define OUZEL_ENOMEM (-10014)       /* out of memory, or a table is full */
#define OUZEL_ENOTSUP (-10015)      /* this runtime or driver cannot do that */
#define OUZEL_ECLOSED (-10016)      /* the channel is closed, and to a receiver also empty */

/* Drivers. AUTO takes io_uring if it works here, else epoll, else poll; OUZEL_DRIVER=uring|epoll|poll decides for it. */
#define OUZEL_DRIVER_AUTO 0u
#define OUZEL_DRIVER_URING 1u
#define OUZEL_DRIVER_EPOLL 2u
#define OUZEL_DRIVER_POLL 3u

/* Log levels: a message comes through if its level is at most the one given to ouzel_set_log. */
#define OUZEL_LOG_OFF 0u
#define OUZEL_LOG_ERROR 1u
#define OUZEL_LOG_WARN 2u
#define OUZEL_LOG_INFO 3u
#define OUZEL_LOG_DEBUG 4u

/* ouzel_task_opts.flags */
#define OUZEL_TASK_DETACHED 0x1u /* nobody will join; the id stays good for waking and cancelling */

/* ouzel_task_state */
#define OUZEL_STATE_IDLE 0      /* waits to be woken */
#define OUZEL_STATE_SCHEDULED 1 /* will be polled, or is being polled */
#define OUZEL_STATE_DONE 2      /* ended; its result waits for the join */
#define OUZEL_STATE_CANCELLED 3 /* ended by a cancel, likewise */

/* ouzel_run */
#define OUZEL_RUN_IDLE 0    /* no live task and no operation that delivers to a callback is left */
#define OUZEL_RUN_STOPPED 1 /* ouzel_stop was called */

/* ouzel_cqe.flags */
#define OUZEL_CQE_MORE 0x1u      /* further completions of this operation follow; its id stays valid */
#define OUZEL_CQE_BUFFER 0x2u    /* the bytes are in provided buffer buf_id: give it back with ouzel_buf_return */
#define OUZEL_CQE_CANCELLED 0x8u /* ended by a cancel; res is -ECANCELED */
#define OUZEL_CQE_WAITING 0x10u  /* with MORE, from ouzel_op_poll: no other is there, the task is woken for the next one */

/* ouzel_send flags, besides MSG_*. LAZY: nobody waits for this completion in particular, so the driver need not end
 * its sleep for it, nor spend a queue entry on it. It is noticed by a later ouzel_op_take, or when ouzel_op_poll
 * starts to wait for it. The bytes leave no later than any other send's. */
#define OUZEL_SEND_LAZY 0x80000000u
/* ZERO_COPY: out of the host's memory instead of a copy of it, where driver and socket can (io_uring with TCP and UDP;
 * else as if it were not there). It completes when nobody reads there any more, which may be as late as the peer's
 * acknowledgement. Not together with LAZY, which it overrules. */
#define OUZEL_SEND_ZERO_COPY 0x10000000u

/* ouzel_splice flags */
#define OUZEL_SPLICE_FOR_ROOM 0x1u /* waits until there is room in `to`, else until there is something in `from` */

/* The runtime's own provided buffers, for ouzel_buf_ptr and ouzel_buf_return. */
#define OUZEL_BUF_GROUP_DEFAULT 0u

/* Use the file's current position in ouzel_read, ouzel_write and their kin. */
#define OUZEL_AT_POSITION (-1)

/* ouzel_fsync flags */
#define OUZEL_FSYNC_DATA 0x1u /* data only, as fdatasync */

/* ouzel_op_desc.kind: what the function of that name does; `flags` are its flags, for SHUTDOWN `how` */
#define OUZEL_OP_NOP 0u
#define OUZEL_OP_ACCEPT 1u
#define OUZEL_OP_RECV 2u
#define OUZEL_OP_SEND 3u
#define OUZEL_OP_READ 4u
#define OUZEL_OP_WRITE 5u
#define OUZEL_OP_FSYNC 6u
#define OUZEL_OP_SHUTDOWN 7u
#define OUZEL_OP_CLOSE 8u

/* ---- types ------------------------------------------------------------------------------------------------------ */

typedef struct ouzel_runtime ouzel_runtime; /* given by ouzel_runtime_new, taken by ouzel_runtime_free */
typedef struct ouzel_cx ouzel_cx;           /* lent to a poll function for one call, on its thread */

typedef struct ouzel_rtid { uint64_t slot, gen; } ouzel_rtid;
typedef struct ouzel_task { uint64_t slot, gen; } ouzel_task;
typedef struct ouzel_waker { uint64_t slot, gen; } ouzel_waker;
typedef struct ouzel_op { uint64_t slot, gen; } ouzel_op;
typedef struct ouzel_group { uint64_t slot, gen; } ouzel_group;
typedef struct ouzel_sem { uint64_t slot, gen; } ouzel_sem;
typedef struct ouzel_chan { uint64_t slot, gen; } ouzel_chan;

/* A task's body. Called again after each wake until it returns other than OUZEL_PENDING; never by two threads at once,
 * and what one call wrote the next one sees, on whatever worker. Spurious calls are allowed. */
typedef int32_t (*ouzel_poll_fn)(void *ud, ouzel_cx *cx);
/* text is NUL-terminated, lent for the call. Called on whatever thread logs; must not call ouzel. */
typedef void (*ouzel_log_fn)(void *ud, uint32_t level, const char *text);
typedef void (*ouzel_panic_fn)(void *ud, const char *text);

typedef struct ouzel_options {
    uint32_t size;             /* sizeof(ouzel_options); ouzel_options_init sets it */
    uint32_t flags;            /* none yet: 0 */
    uint32_t workers;          /* 0: host-driven, one thread, yours. n: n threads of ouzel's own, work stealing */
    uint32_t driver;           /* OUZEL_DRIVER_*. A forced driver that does not work here fails ouzel_runtime_new */
    uint32_t ring_entries;     /* submission queue of each ring; 0 = default */
    uint32_t max_blocking;     /* most threads for ouzel_blocking; 0 = default */
    uint64_t blocking_idle_ns; /* an idle blocking thread ends after this; 0 = default */
    uint32_t buf_count;        /* provided buffers of each worker, a power of two up to 32768; 0 = default */
    uint32_t buf_size;         /* bytes of each; 0 = default */
} ouzel_options;

/* What one turn of a host-driven loop did. */
typedef struct ouzel_tick {
    uint32_t size;      /* in: sizeof(ouzel_tick) */
    uint32_t polled;    /* tasks polled */
    uint32_t completed; /* tasks ended */
    uint32_t io_events; /* completions taken from the driver */
    uint32_t more;      /* 1: ready tasks are left, do not sleep */
    uint32_t reserved;
} ouzel_tick;

typedef struct ouzel_task_opts {
    uint32_t size;
    uint32_t flags;         /* OUZEL_TASK_* */
    void (*drop)(void *ud); /* runs once when the task is not polled any more: end, cancel, shutdown, spawn failure */
    const char *name;       /* for ouzel_dump_tasks, lent until the task has ended; NULL: none */
    uint64_t deadline_ns;   /* once the runtime's clock has passed it the task is cancelled; 0: none */
    ouzel_group group;      /* of the same runtime; zero: none */
} ouzel_task_opts;

/* One task of ouzel_spawn_batch. */
typedef struct ouzel_spawn_desc {
    ouzel_poll_fn poll;
    void *ud;
    const ouzel_task_opts *opts; /* may be NULL, and the same for many */
} ouzel_spawn_desc;

/* One task as ouzel_dump_tasks finds it. */
typedef struct ouzel_task_info {
    uint32_t size;    /* sizeof(ouzel_task_info) */
    int32_t state;    /* OUZEL_STATE_IDLE, _SCHEDULED or _DONE; it may have changed since */
    ouzel_task task;  /* its id if anybody has asked for one (`out`, a name, a group, ouzel_cx_task), else zero */
    const char *name; /* as given, or NULL; good while the task has not ended */
    void *ud;         /* of a task with a name, else NULL */
} ouzel_task_info;

typedef void (*ouzel_dump_fn)(void *ud, const ouzel_task_info *info); /* info lent for the call */

/* Functions that give memory, any thread, callable until the process ends. `align` is a power of two. alloc: at least
 * `size` bytes (never 0) so aligned, or NULL. realloc: as C's, for memory of `old_size`; NULL leaves that as it was.
 * free: with the size and alignment it was asked for. They call nothing of ouzel. */
typedef struct ouzel_allocator {
    uint32_t size;
    uint32_t flags; /* none yet: 0 */
    void *(*alloc)(void *ctx, size_t size, size_t align);
    void *(*realloc)(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t align);
    void (*free)(void *ctx, void *ptr, size_t size, size_t align);
    void *ctx;
} ouzel_allocator;

/* One completion. */
typedef struct ouzel_cqe {
    ouzel_op op;
    int32_t res;      /* byte count, descriptor or 0; below zero -errno */
    uint32_t flags;   /* OUZEL_CQE_* */
    uint32_t buf_id;  /* with OUZEL_CQE_BUFFER: which provided buffer */
    uint32_t buf_len; /* with OUZEL_CQE_BUFFER: bytes in it */
    uint64_t extra;   /* ouzel_blocking: what fn returned, as int64_t. OUZEL_CQE_BUFFER: the buffer's address.
                       * ouzel_interval: periods that have passed. Else 0 */
} ouzel_cqe;

typedef void (*ouzel_done_fn)(void *ud, const ouzel_cqe *cqe); /* cqe lent for the call */

/* How an operation's completions are delivered. NULL opts: as all zero.
 *   done != NULL   callback: done(ud, cqe) for each completion, on a loop thread. `waker` must be zero; ouzel_op_poll
 *                  and ouzel_op_take answer OUZEL_EINVAL. The loop counts the operation as live work.
 *   waker != 0     that task is woken by each completion, and takes it with ouzel_op_take or ouzel_op_poll.
 *   both zero      the completion waits until taken; ouzel_op_poll makes the polling task the one that is woken. */
typedef struct ouzel_op_opts {
    uint32_t size;
    uint32_t flags; /* none yet: 0 */
    ouzel_waker waker;
    ouzel_done_fn done;
    void *ud;                  /* for done and release */
    void (*release)(void *ud); /* runs once per operation: its buffers are the host's again. After the last done or
                                * take; for an abandoned operation when the kernel has answered; not if submitting
                                * failed, since then there is no operation */
    uint64_t timeout_ns;       /* not 0: cancelled after so long; res is then -ETIMEDOUT, unless it had done something
                                * by then, which it tells. Not for what has many completions, timers and
                                * ouzel_blocking: OUZEL_EINVAL */
} ouzel_op_opts;

/* One operation for ouzel_batch_submit. */
typedef struct ouzel_op_desc {
    uint32_t size; /* sizeof(ouzel_op_desc); the same in all of a batch */
    uint32_t kind; /* OUZEL_OP_* */
    int32_t fd;
    uint32_t flags;
    void *buf; /* lent until the completion; SEND and WRITE only read there */
    uint64_t len;
    int64_t offset;            /* READ, WRITE */
    const ouzel_op_opts *opts; /* lent for the call; may be NULL */
} ouzel_op_desc;

/* A file's status. Times are seconds since 1970 and nanoseconds on top. */
typedef struct ouzel_stat {
    uint32_t mode; /* type and permission bits, as st_mode */
    uint32_t uid, gid;
    uint32_t block_size; /* preferred size of a transfer */
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    uint64_t links, ino;
    uint64_t dev, rdev; /* as st_dev and st_rdev */
    int64_t atime, mtime, ctime, btime;
    uint32_t atime_ns, mtime_ns, ctime_ns, btime_ns;
    uint32_t has_btime;    /* 1: the file system knows when it was made */
    uint32_t reserved[35]; /* the system's own form needs the room */
} ouzel_stat;

/* Counters since the runtime was made, added up over its workers. A later header appends fields. */
typedef struct ouzel_stats {
    uint32_t size;   /* out: bytes written */
    uint32_t driver; /* OUZEL_DRIVER_* in use */
    uint64_t live_tasks;
    uint64_t tasks_spawned;
    uint64_t tasks_completed; /* ended in any way */
    uint64_t polls;           /* task polls */
    uint64_t ops_submitted;
    uint64_t ops_live; /* submitted, last completion not yet taken */
    uint64_t syscalls; /* all system calls of the drivers, enters included */
    uint64_t enters;   /* io_uring_enter */
    uint64_t sqes;     /* submission queue entries */
    uint64_t cqes;     /* completion queue entries */
    uint64_t waits;    /* times a driver waited in the kernel */
    uint64_t ctls;     /* registrations changed (epoll_ctl and the like) */
    uint64_t allocs;   /* heap allocations of the library: whole process, all runtimes */
} ouzel_stats;

/* The same of one worker, as far as it is a worker's. */
typedef struct ouzel_worker_stats {
    uint32_t size; /* out: bytes written */
    uint32_t worker;
    uint64_t polls;
    uint64_t tasks_spawned;   /* by tasks on it; of the host and of ouzel */
    uint64_t tasks_completed; /* likewise */
    uint64_t steals;          /* times it took tasks from another worker */
    uint64_t parks;           /* times it went to sleep */
    uint64_t raids;           /* times it took what a worker that stood still had kept to itself */
    uint64_t syscalls;
    uint64_t enters;
    uint64_t sqes;
    uint64_t cqes;
    uint64_t waits;
    uint64_t ctls;
} ouzel_worker_stats;

/* ---- version, errors, hooks ------------------------------------------------------------------------------------- */

/* The library's OUZEL_ABI_VERSION. [any][cb][sig] */
uint32_t ouzel_abi_version(void);
/* "0.1.0", static. [any][cb][sig] */
const char *ouzel_version_string(void);
/* OUZEL_OK if a program built with `header_version` (pass OUZEL_ABI_VERSION) may use this library; OUZEL_EVERSION if
 * the majors differ or the header is newer. [any][cb][sig] */
int32_t ouzel_check_abi(uint32_t header_version);
/* Name ("OUZEL_ESTALE", "EPIPE", "OUZEL_OK") and one line of text for any result of a function or a cqe. Static, never
 * NULL; what is unknown is "OUZEL_E?" / "unknown error". [any][cb][sig] */
const char *ouzel_err_name(int32_t code);
const char *ouzel_err_text(int32_t code);
/* "auto", "uring", "epoll", "poll", else "?"; static. [any][cb][sig] */
const char *ouzel_driver_name(uint32_t driver);
/* Sends messages of at most `max_level` to `fn`, for the whole process; NULL or OUZEL_LOG_OFF ends that. `ud` stays
 * borrowed for ever: a message may be on its way when the call returns. [any] */
int32_t ouzel_set_log(uint32_t max_level, ouzel_log_fn fn, void *ud);
/* Takes the library's memory from the host from here on, for good. It has to be the first thing that is asked of ouzel, and
 * once: OUZEL_EBUSY as soon as the library has allocated anything, which making a runtime does, and ouzel_set_panic_hook.
 * (In a program whose own Rust code shares ouzel's allocator: always.) What goes through it: every heap allocation of
 * the library's code: runtimes, queues, tables, join records, channels, blocking jobs, thread-local buffers of its standard
 * library. What does not: the chunks that tasks live in, rings and their buffers (mapped from the system), thread stacks, and
 * what the C library allocates inside (threads, name lookups). It may return NULL: runtimes, spawns, what is made in a runtime, waits
 * and operations then answer OUZEL_ENOMEM (an operation perhaps in its cqe), have done nothing, and may be asked again. The
 * process is aborted where that cannot be, among others in a cancel from another thread. (Making a
 * runtime asks for one block first, 24 KiB and 20 KiB for each worker, from which it serves what is refused after it; then it gives that
 * back. So do, with 2 to 8 KiB, blocking jobs, the start of a thread for them, a loop thread's first multishot receive.)
 * The struct is copied. OUZEL_ENULL: a function is missing. [any] */
int32_t ouzel_set_allocator(const ouzel_allocator *allocator);
/* Notified of a broken invariant inside ouzel; the process aborts when `fn` returns. NULL: stderr only. OUZEL_ENOTSUP in
 * a library that was built small, without panic messages: there the process ends at once, by SIGILL. [any] */
int32_t ouzel_set_panic_hook(ouzel_panic_fn fn, void *ud);

/* ---- runtime ---------------------------------------------------------------------------------------------------- */

/* Writes the defaults into the first `size` bytes; pass sizeof(ouzel_options). NULL is ignored. [any][cb] */
void ouzel_options_init(ouzel_options *opts, size_t size);
/* Makes a runtime; NULL opts: defaults (host-driven, driver auto). The host owns *out until ouzel_runtime_free.
 * OUZEL_EINVAL for a value out of range (also of OUZEL_DRIVER), OUZEL_ENOTSUP or -errno if the driver does not work
 * here, OUZEL_ENOMEM if there are too many runtimes, or no memory. Blocks until the worker threads have begun. [any] */
int32_t ouzel_runtime_new(const ouzel_options *opts, ouzel_runtime **out);
/* Closes, cancels every task (their drop runs), and waits until each operation has completed and each blocking job has
 * returned. OUZEL_ETIMEDOUT leaves it closing: call again, or free. (Host-driven: the timeout is for blocking jobs, as
 * nothing else can keep it waiting but the kernel.) Idempotent.
 * Host-driven: [loop], not inside callbacks (OUZEL_EREENTRANT). With workers: [any], OUZEL_EDEADLK on a worker. */
int32_t ouzel_runtime_shutdown(ouzel_runtime *rt, uint64_t timeout_ns);
/* Shuts down without a timeout unless that is done, and frees. `rt` is taken on success. Ids stay safe: OUZEL_ESTALE.
 * OUZEL_EBUSY inside its own poll functions and callbacks. Host-driven: [loop]. With workers: [any]. */
int32_t ouzel_runtime_free(ouzel_runtime *rt);
/* Gives the memory of tasks that have ended back to the system. Otherwise a runtime keeps what its tasks needed at
 * their peak, for the next ones. With workers it returns at once, and each gives its own back between two polls.
 * Host-driven: [loop][cb]. With workers: [any][cb]. */
int32_t ouzel_runtime_trim(ouzel_runtime *rt);
/* OUZEL_DRIVER_* really in use, below zero on misuse. [any][cb] */
int32_t ouzel_runtime_driver(const ouzel_runtime *rt);
/* Copies a line that says what the driver is and why it was chosen, NUL-terminated, cut to `len`. Returns the length
 * it would have. [any][cb] */
int32_t ouzel_runtime_describe(const ouzel_runtime *rt, char *buf, size_t len);
/* The runtime's weak id; zero for NULL. [any][cb] */
ouzel_rtid ouzel_runtime_id(const ouzel_runtime *rt);
/* Tasks that have not ended. 0 on misuse. [any][cb] */
size_t ouzel_live_tasks(const ouzel_runtime *rt);
/* Writes at most `size` bytes of counters; pass sizeof(ouzel_stats). OUZEL_ESIZE below 8.
 * Host-driven: [loop][cb]. With workers: [any][cb]. */
int32_t ouzel_stats_get(const ouzel_runtime *rt, ouzel_stats *out, size_t size);
/* The same for worker number `worker`, from 0; a host-driven runtime has one. OUZEL_EINVAL: there is no such worker.
 * Host-driven: [loop][cb]. With workers: [any][cb]. */
int32_t ouzel_worker_stats_get(const ouzel_runtime *rt, uint32_t worker, ouzel_worker_stats *out, size_t size);
/* Calls fn(ud, info) for each task that is there, before it returns; returns how many. One task of ouzel's for each operation
 * that delivers to a callback is among them. A task that begins or ends meanwhile may be told or not. It walks all that tasks
 * ever took room for: for whoever looks for a stuck one. fn may call what is tagged [cb].
 * Host-driven: [loop][cb]. With workers: [any][cb]. */
int32_t ouzel_dump_tasks(const ouzel_runtime *rt, ouzel_dump_fn fn, void *ud);
/* The runtime's clock: monotonic nanoseconds, the unit and origin of every deadline. 0 on misuse.
 * Host-driven: [loop][cb]. With workers: [any][cb]. */
uint64_t ouzel_now(const ouzel_runtime *rt);

/* Runs tasks and waits for events until ouzel_stop (OUZEL_RUN_STOPPED) or until nothing is left to wait for
 * (OUZEL_RUN_IDLE). With workers: blocks while they do it. A stop that came before counts, and is used up.
 * Host-driven: [loop]. With workers: [any], OUZEL_EDEADLK on a worker. */
int32_t ouzel_run(ouzel_runtime *rt);
/* Runs until `task` has ended and answers as ouzel_task_join, or OUZEL_ETIMEDOUT. Threads as ouzel_run. */
int32_t ouzel_block_on(ouzel_runtime *rt, ouzel_task task, uint64_t timeout_ns, int32_t *result);
/* Makes ouzel_run return soon. Sets a flag and unparks; takes no lock. [any][cb][sig] */
int32_t ouzel_stop(ouzel_rtid rt);

/* The host's own loop drives a host-driven runtime (with workers: OUZEL_ENOTSUP). All [loop]:
 *     for (;;) {
 *         ouzel_run_nowait(rt, 256, &tick);
 *         if (tick.more || ouzel_before_wait(rt) == 1) timeout = 0; else ouzel_backend_timeout(rt, &timeout);
 *         wait for ouzel_backend_fd(rt) to be readable, for the host's own things, at most `timeout` ns
 *     }
 */
/* One turn: runs what is ready; if nothing was, waits up to `timeout_ns` for an event, a wake or a timer and runs what
 * that made ready. `out` may be NULL. OUZEL_EREENTRANT inside callbacks. [loop] */
int32_t ouzel_run_once(ouzel_runtime *rt, uint64_t timeout_ns, ouzel_tick *out);
/* As run_once, but never blocks and polls at most `max_polls` tasks (0: a default). [loop] */
int32_t ouzel_run_nowait(ouzel_runtime *rt, uint32_t max_polls, ouzel_tick *out);
/* A descriptor that is readable when ouzel_run_nowait would find something. Owned by the runtime; only poll it. */
int32_t ouzel_backend_fd(const ouzel_runtime *rt);
/* *ns: how long the host may sleep at most: 0 = work is ready, OUZEL_FOREVER = no timer is set. [loop] */
int32_t ouzel_backend_timeout(const ouzel_runtime *rt, uint64_t *ns);
/* Call directly before waiting on the backend descriptor: submits what is queued and makes wakes from other threads
 * show up there. 1: work has appeared, do not sleep. 0: sleep. [loop] */
int32_t ouzel_before_wait(ouzel_runtime *rt);
/* Ends the wait in progress, or the next one. Coalesced; takes no lock. [any][cb][sig] */
int32_t ouzel_notify(ouzel_rtid rt);
/* In a forked child: gives up the parent's runtime. Runs no drop and no release, touches no ring, and leaves the copy
 * of its memory alone. `rt` is taken. OUZEL_EINVAL in the process that made it. The child may make runtimes of its own,
 * with or without this. (After a fork of a process with threads POSIX lets a child call little before exec; ouzel needs
 * malloc and threads to work there, as they do with glibc, and that no other thread was making or freeing a runtime.) */
int32_t ouzel_after_fork_child(ouzel_runtime *rt);

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

/* Starts a task that calls poll(ud, cx). `ud` is lent until drop(ud), which runs exactly once, also if this call fails
 * (then before it returns; only for OUZEL_ESIZE and OUZEL_EINVAL of `opts` itself it does not run).
 * A task that is not OUZEL_TASK_DETACHED (and has `out` not NULL) keeps its result until it is joined or detached.
 * With workers poll and drop may run on any of them. OUZEL_ECLOSING, OUZEL_ENOMEM.
 * Host-driven: [loop][cb]. With workers: [any][cb]. */
int32_t ouzel_spawn(ouzel_runtime *rt, ouzel_poll_fn poll, void *ud, const ouzel_task_opts *opts, ouzel_task *out);
/* The same from any thread, also for a host-driven runtime, which takes the task in at its next turn (ouzel_wake, _cancel
 * and the others work from the beginning). Only with workers, or on the loop thread, is it in the run queue at once.
 * poll and drop run on the runtime's threads. OUZEL_ESTALE: the runtime is gone (drop has run). [any][cb] */
int32_t ouzel_spawn_from(ouzel_rtid rt, ouzel_poll_fn poll, void *ud, const ouzel_task_opts *opts, ouzel_task *out);
/* Starts `n` tasks, in order. Returns how many were started: fewer than `n` if memory ran out or a shutdown began in
 * between. Those that were not have had their drop run, and their places in `out` (NULL, or room for n ids) are as they were.
 * Below zero: none was started; drop as for ouzel_spawn. Threads as ouzel_spawn. */
int32_t ouzel_spawn_batch(ouzel_runtime *rt, const ouzel_spawn_desc *descs, size_t n, ouzel_task *out);
/* Asks the task to end: it is not polled again (a poll in progress finishes first), drop runs on a loop thread, the
 * join's result is OUZEL_ECANCELED. Operations it holds are not touched: abandon them in drop. Idempotent. [any][cb] */
int32_t ouzel_task_cancel(ouzel_task task);
/* Gives up the join: the result, if any, is thrown away. OUZEL_ESTALE if that has happened. [any][cb] */
int32_t ouzel_task_detach(ouzel_task task);
/* OUZEL_STATE_*. A hint: it may change at once. [any][cb] */
int32_t ouzel_task_state(ouzel_task task);
/* OUZEL_READY: *result is what ended the task (0; below zero: what poll returned, or OUZEL_ECANCELED), and the id is
 * used up. OUZEL_PENDING: the calling task is woken when it has ended. OUZEL_EBUSY: another task waits already,
 * OUZEL_EDEADLK: a task joining itself, OUZEL_ESTALE: detached or joined before. Inside a poll function. */
int32_t ouzel_task_poll_join(ouzel_task task, ouzel_cx *cx, int32_t *result);
/* Blocks until the task has ended, up to `timeout_ns`; 0 and *result as above. OUZEL_EDEADLK on a loop thread of its
 * runtime (there: ouzel_task_poll_join, ouzel_block_on). [any] */
int32_t ouzel_task_join(ouzel_task task, uint64_t timeout_ns, int32_t *result);

/* Inside a poll function, about the task being polled; `cx` is valid until that function returns, on its thread. */
ouzel_task ouzel_cx_task(const ouzel_cx *cx);         /* its id; zero for NULL */
ouzel_waker ouzel_cx_waker(const ouzel_cx *cx);       /* a waker for it; zero for NULL */
ouzel_runtime *ouzel_cx_runtime(const ouzel_cx *cx);  /* borrowed: do not free; NULL for NULL */
int32_t ouzel_cx_cancelled(const ouzel_cx *cx);       /* 1: it was cancelled while being polled; this is its last poll */
uint64_t ouzel_cx_now(ouzel_cx *cx);                  /* ouzel_now, read once per poll */
/* Takes one from the cooperative budget of this poll. 0 when it is spent: ouzel_wake_self, return OUZEL_PENDING. */
int32_t ouzel_cx_budget(ouzel_cx *cx);
/* Gives up all that this task waits for at semaphores, channels and addresses; what was handed to it there goes to the next
 * in line. Returns at how many places it waited. A task that ends, however, does so by itself. */
int32_t ouzel_cx_leave(ouzel_cx *cx);

/* Task-local values. A key is a number for the whole process, never freed; every task has its own value for it, NULL at
 * first. drop(value) runs once: when the value is replaced (before ouzel_local_set returns; NULL takes it away), or after
 * the task has ended and its own drop has run, the newest first; with drop NULL never. On failure the value stays the
 * host's. OUZEL_EINVAL: no such key. key_new: [any][cb]; set and get inside a poll function, about its own task. */
int32_t ouzel_key_new(uint32_t *key);
int32_t ouzel_local_set(ouzel_cx *cx, uint32_t key, void *value, void (*drop)(void *value));
void *ouzel_local_get(const ouzel_cx *cx, uint32_t key);

/* Groups: tasks that are cancelled together and waited for together. A task belongs to the group of its options from its
 * spawn until its drop has run. A group goes with its runtime, or earlier by ouzel_group_free. All [any][cb]. */
int32_t ouzel_group_new(ouzel_runtime *rt, ouzel_group *out);
/* Cancels every task of the group, as ouzel_task_cancel; spawning into it answers OUZEL_ECLOSING from now on. Returns how
 * many there were that had not ended. Idempotent. */
int32_t ouzel_group_cancel(ouzel_group group);
/* OUZEL_READY: no task of the group is left. OUZEL_PENDING: the calling task is woken when that is so. Any number of tasks
 * may wait; one of the group itself is answered OUZEL_EDEADLK. Inside a poll function. */
int32_t ouzel_group_poll_empty(ouzel_group group, ouzel_cx *cx);
/* Ends the group. OUZEL_EBUSY: a task of it is left. */
int32_t ouzel_group_free(ouzel_group group);

/* ---- wakers: weak, by value, no clone and no drop --------------------------------------------------------------- */

/* Makes the task be polled: 1 = queued by this call, 0 = was queued already (or is being polled, and will be again),
 * OUZEL_ESTALE = has ended. What the caller wrote before, the poll sees. Allocates nothing.
 * In a signal handler it takes no lock, also where the handler has stopped a loop thread inside ouzel. (A program that loads
 * libouzel with dlopen calls anything of ouzel once on each such thread first: its thread-local memory comes with that.)
 * For a waker of ouzel_waker_from_fn: calls its function and returns 1; not in signal handlers. [any][cb][sig] */
int32_t ouzel_wake(ouzel_waker waker);
/* Wakes `n` of them; returns how many were queued by this. Stale ones are passed over. Neighbours of one runtime are woken
 * together: off its threads that costs one wake-up for all. [any][cb] */
int32_t ouzel_wake_many(const ouzel_waker *wakers, size_t n);
/* The cheapest yield: poll this task again, after the others that are ready. Inside a poll function. */
int32_t ouzel_wake_self(ouzel_cx *cx);
/* 1 if the task has not ended (or the function has not been released), 0 if so, or if the id names nothing. [any][cb] */
int32_t ouzel_waker_alive(ouzel_waker waker);
/* A waker that calls fn(ud), on the thread that wakes, at once, perhaps on several at a time: for whoever is to be told and is
 * no task. It goes wherever a waker goes (ouzel_op_opts.waker too). fn must not block; it may wake and spawn. drop(ud), if
 * not NULL, runs once: after ouzel_waker_release and the end of the last call of fn, or when the runtime is freed. [any][cb] */
int32_t ouzel_waker_from_fn(ouzel_runtime *rt, void (*fn)(void *ud), void *ud, void (*drop)(void *ud),
                            ouzel_waker *out);
/* Ends such a waker: no call of fn begins after this (one that has begun may go on). OUZEL_ESTALE: was released before.
 * OUZEL_EINVAL: a task's. [any][cb] */
int32_t ouzel_waker_release(ouzel_waker waker);

/* ---- tasks that wait for each other ------------------------------------------------------------------------------ */

/* All in the style of poll, fair (first come, first served), and safe to cancel: a task that ends while it waits leaves
 * the queue, and what it was handed goes to the next. OUZEL_READY: it is yours. OUZEL_PENDING: the calling task is woken when
 * it may be; call again then, or give up with ouzel_cx_leave. OUZEL_ENOMEM: it would have to wait, and there is no memory for
 * that; nothing has changed. A task waits at most once at each place. The task may belong to another runtime than the semaphore
 * or channel. They go with their runtime, or earlier by their free function, which answers OUZEL_EBUSY while a task waits.
 * [any][cb]; what takes a cx inside a poll function. */

/* A number of permits. */
int32_t ouzel_sem_new(ouzel_runtime *rt, uint32_t permits, ouzel_sem *out);
/* Takes `n` permits when it is this task's turn. Who wants many is not passed by those behind it that want few. Called with
 * another `n` than before it gets in line anew. */
int32_t ouzel_sem_poll_acquire(ouzel_sem sem, ouzel_cx *cx, uint32_t n);
/* OUZEL_READY: took `n`. OUZEL_PENDING: they are not free, or somebody waits; nothing was done. */
int32_t ouzel_sem_try_acquire(ouzel_sem sem, uint32_t n);
/* Gives `n` permits, taken before or new. OUZEL_EINVAL: more than can be counted. */
int32_t ouzel_sem_release(ouzel_sem sem, uint32_t n);
int32_t ouzel_sem_free(ouzel_sem sem);

/* A queue of up to `capacity` elements of `elem_size` bytes (neither may be 0: OUZEL_EINVAL), in order; any number of senders
 * and receivers. Elements are copied in and out; `elem` is lent for the call. */
int32_t ouzel_chan_new(ouzel_runtime *rt, uint32_t capacity, uint32_t elem_size, ouzel_chan *out);
/* OUZEL_READY: *elem was sent. OUZEL_ECLOSED. What is passed on the call that is ready is sent, whatever it was before. */
int32_t ouzel_chan_poll_send(ouzel_chan chan, ouzel_cx *cx, const void *elem);
/* OUZEL_PENDING: no room, or somebody waits for it; nothing was done. */
int32_t ouzel_chan_try_send(ouzel_chan chan, const void *elem);
/* OUZEL_READY: *elem is the oldest. OUZEL_ECLOSED: the channel is closed and all elements are out. */
int32_t ouzel_chan_poll_recv(ouzel_chan chan, ouzel_cx *cx, void *elem);
/* OUZEL_PENDING: nothing there, or somebody waits for it. */
int32_t ouzel_chan_try_recv(ouzel_chan chan, void *elem);
/* Refuses what would be sent from now on; what has been sent can be received. Who waits is woken. Idempotent. */
int32_t ouzel_chan_close(ouzel_chan chan);
/* What is left in it is gone. */
int32_t ouzel_chan_free(ouzel_chan chan);

/* Waits while *addr is `expected`, for mutexes and the like of the host's. OUZEL_READY: woken, or *addr was another value;
 * look again. OUZEL_PENDING: the task waits, and is woken. OUZEL_ETIMEDOUT: the runtime's clock has passed `deadline_ns`
 * (OUZEL_FOREVER: none). *addr is looked at under the lock that ouzel_wake_addr takes: no wake of one who changes the word
 * first and then wakes is lost. The word (4 bytes, aligned: OUZEL_EINVAL) is only written atomically, and stays until the
 * wait is over. Only calls on one runtime meet. Inside a poll function. */
int32_t ouzel_wait_addr(ouzel_cx *cx, const uint32_t *addr, uint32_t expected, uint64_t deadline_ns);
/* Wakes up to `max` tasks of the runtime that wait at `addr`, the first to come first; returns how many. Does not look at
 * the word. [any][cb] */
int32_t ouzel_wake_addr(ouzel_rtid rt, const uint32_t *addr, uint32_t max);

/* ---- operations: one shape for I/O, timers and blocking work ---------------------------------------------------- */

/* Submitting: [loop][cb]; *out names the operation until its last completion has been taken or delivered, or it is
 * abandoned. `out` may be NULL only with `done`, or to abandon it at once. Submissions are batched and reach the
 * kernel when the loop next waits. OUZEL_ECLOSING, OUZEL_ENOMEM. What the kernel has to say comes in the cqe.
 * Buffers, paths, and what else a pointer names are lent until the completion, unless it says otherwise.
 * Not here, since they wait for nothing: socket(2), bind(2), listen(2). sendto and recvfrom are ouzel_sendmsg and
 * ouzel_recvmsg with a name and one part. */

/* Gives what was submitted to the kernel now, for hosts that go on computing. [loop][cb] */
int32_t ouzel_submit(ouzel_runtime *rt);
/* Begins `n` operations and writes their ids to out[0..n], or begins none and answers what is wrong with the first that
 * is wrong. They have no order among themselves. With workers: a task in `waker` that ends during this call is not
 * woken. [loop][cb] */
int32_t ouzel_batch_submit(ouzel_runtime *rt, const ouzel_op_desc *descs, size_t n, ouzel_op *out);

/* Completes with 0 on the next turn. */
int32_t ouzel_nop(ouzel_runtime *rt, const ouzel_op_opts *opts, ouzel_op *out);

/* Waits for a connection. res: its descriptor, close-on-exec and non-blocking, the host's own. */
int32_t ouzel_accept(ouzel_runtime *rt, int fd, const ouzel_op_opts *opts, ouzel_op *out);
/* Waits for connections for ever: each completion is one, with OUZEL_CQE_MORE, until one without: an error, -ECANCELED
 * (also when they came faster than they were taken: submit again), or one more descriptor. None is lost. */
int32_t ouzel_accept_multi(ouzel_runtime *rt, int fd, const ouzel_op_opts *opts, ouzel_op *out);
/* Connects. `addr` is copied: it is lent for the call only. */
int32_t ouzel_connect(ouzel_runtime *rt, int fd, const struct sockaddr *addr, uint32_t addr_len,
                      const ouzel_op_opts *opts, ouzel_op *out);
/* Receives what is there, at least one byte; res 0: the peer has finished. `flags`: MSG_*. */
int32_t ouzel_recv(ouzel_runtime *rt, int fd, void *buf, size_t len, uint32_t flags, const ouzel_op_opts *opts,
                   ouzel_op *out);
/* Receives again and again, each completion in a provided buffer (OUZEL_CQE_BUFFER), until one without OUZEL_CQE_MORE:
 * res 0 the peer has finished, -ENOBUFS all buffers are out (give some back, submit again), -ECANCELED (also when
 * completions came faster than they were taken: submit again), or an error; the last one may carry bytes too, then
 * submit again. No byte is lost between two. The buffers are the submitting thread's, and taken on any. */
int32_t ouzel_recv_multi(ouzel_runtime *rt, int fd, const ouzel_op_opts *opts, ouzel_op *out);
/* Sends all `len` bytes unless an error comes between; res: the count. `flags`: MSG_* (MSG_NOSIGNAL is added) |
 * OUZEL_SEND_LAZY | OUZEL_SEND_ZERO_COPY. Two sends on one socket at a time have no order. */
int32_t ouzel_send(ouzel_runtime *rt, int fd, const void *buf, size_t len, uint32_t flags, const ouzel_op_opts *opts,
                   ouzel_op *out);
/* Sends a copy of `len` bytes on a stream without an operation: `buf` is lent for the call. OUZEL_READY: they are taken; they
 * leave no later than those of an OUZEL_SEND_LAZY, behind what was taken for this socket before, and nobody hears of it. OUZEL_PENDING:
 * nothing is taken, use ouzel_send, which goes behind what was: always so on OUZEL_DRIVER_POLL, before Linux 5.17 on
 * OUZEL_DRIVER_URING, and with workers; also for much at a time, while the socket is full, and while a send waits for room. -errno: why one taken
 * before failed, told once (-ENOMEM: it found no room, and there was no memory to keep it); nothing is taken. Not while a send on this socket has not completed. What is taken and finds
 * no room waits for it, and SHUT_WR behind it; ouzel_close and the end of the runtime drop it, so wait for an ouzel_send, if only of 0 bytes, before you
 * close. Close the socket with ouzel_close. [loop] */
int32_t ouzel_try_send(ouzel_runtime *rt, int fd, const void *buf, size_t len);
/* Receives one message, or on a byte stream what is there; res: the count. `msg` and all it names are lent; what else
 * was received is in it afterwards (name, control data, msg_flags). */
int32_t ouzel_recvmsg(ouzel_runtime *rt, int fd, struct msghdr *msg, uint32_t flags, const ouzel_op_opts *opts,
                      ouzel_op *out);
/* Sends one message, or on a byte stream as much as there is room for; res: the count. `msg` and all it names are
 * lent. */
int32_t ouzel_sendmsg(ouzel_runtime *rt, int fd, const struct msghdr *msg, uint32_t flags, const ouzel_op_opts *opts,
                      ouzel_op *out);
/* `how`: SHUT_RD, SHUT_WR, SHUT_RDWR. */
int32_t ouzel_shutdown_fd(ouzel_runtime *rt, int fd, int how, const ouzel_op_opts *opts, ouzel_op *out);
/* Waits until a descriptor of any kind is ready for `events`: POLLIN or POLLOUT, one of them (else OUZEL_EINVAL). res:
 * the events (POLL*), POLLERR and POLLHUP among them. Completes once; what it says may be over when it is taken. */
int32_t ouzel_poll_fd(ouzel_runtime *rt, int fd, uint32_t events, const ouzel_op_opts *opts, ouzel_op *out);
/* The same again and again: each completion has OUZEL_CQE_MORE, until one without: an error, or -ECANCELED. By level: the
 * next is looked for when this one has been taken and the operation is polled again, so what was not used up by then is
 * told again, and so may be what a `waker` was told of. No timeout_ns (OUZEL_EINVAL). */
int32_t ouzel_poll_fd_multi(ouzel_runtime *rt, int fd, uint32_t events, const ouzel_op_opts *opts, ouzel_op *out);

/* Moves up to `len` bytes to or from a pipe inside the system; res: the count, 0 at the end of `from`. One of the two is
 * a pipe. With an offset the other one is a file, and the pipe has bytes, or room: it is not waited for. With
 * OUZEL_AT_POSITION it is a stream in non-blocking mode, or another pipe; what is waited for, see `flags`, must not be at
 * the other end. -EOPNOTSUPP: the driver (OUZEL_DRIVER_POLL) or the system knows no such call. */
int32_t ouzel_splice(ouzel_runtime *rt, int from, int64_t from_offset, int to, int64_t to_offset, uint32_t len,
                     uint32_t flags, const ouzel_op_opts *opts, ouzel_op *out);

/* Files and pipes, at `offset` or OUZEL_AT_POSITION; may be short; res: the count. */
int32_t ouzel_read(ouzel_runtime *rt, int fd, void *buf, size_t len, int64_t offset, const ouzel_op_opts *opts,
                   ouzel_op *out);
int32_t ouzel_write(ouzel_runtime *rt, int fd, const void *buf, size_t len, int64_t offset, const ouzel_op_opts *opts,
                    ouzel_op *out);
/* The same with `count` parts, in their order. `iov` itself is lent, too. */
int32_t ouzel_readv(ouzel_runtime *rt, int fd, const struct iovec *iov, uint32_t count, int64_t offset,
                    const ouzel_op_opts *opts, ouzel_op *out);
int32_t ouzel_writev(ouzel_runtime *rt, int fd, const struct iovec *iov, uint32_t count, int64_t offset,
                     const ouzel_op_opts *opts, ouzel_op *out);
/* res: the descriptor (close-on-exec added), the host's own. `dir`, here and below: a directory's descriptor or
 * AT_FDCWD. */
int32_t ouzel_openat(ouzel_runtime *rt, int dir, const char *path, int flags, uint32_t mode, const ouzel_op_opts *opts,
                     ouzel_op *out);
/* Closes. Never undone by a cancel. Descriptors that operations were submitted on are closed this way rather than by
 * close(2): the epoll and poll drivers keep a note of them. Cancel what is in flight on `fd` first. */
int32_t ouzel_close(ouzel_runtime *rt, int fd, const ouzel_op_opts *opts, ouzel_op *out);
/* flags: 0 or OUZEL_FSYNC_DATA. */
int32_t ouzel_fsync(ouzel_runtime *rt, int fd, uint32_t flags, const ouzel_op_opts *opts, ouzel_op *out);
/* The status of a path, or with `path` NULL of the file `dir`. flags: AT_SYMLINK_NOFOLLOW or 0. `stat` is lent, and
 * good once a completion with res 0 has been taken or delivered. */
int32_t ouzel_statx(ouzel_runtime *rt, int dir, const char *path, int flags, ouzel_stat *stat,
                    const ouzel_op_opts *opts, ouzel_op *out);
/* Sets blocks aside. mode: FALLOC_* or 0. */
int32_t ouzel_fallocate(ouzel_runtime *rt, int fd, int mode, uint64_t offset, uint64_t len, const ouzel_op_opts *opts,
                        ouzel_op *out);
/* Cuts a file off, or extends it with zeros. */
int32_t ouzel_ftruncate(ouzel_runtime *rt, int fd, uint64_t len, const ouzel_op_opts *opts, ouzel_op *out);
/* flags: RENAME_* or 0, which replaces what is there. */
int32_t ouzel_renameat(ouzel_runtime *rt, int from_dir, const char *from, int to_dir, const char *to, uint32_t flags,
                       const ouzel_op_opts *opts, ouzel_op *out);
/* flags: AT_REMOVEDIR for a directory, else 0. */
int32_t ouzel_unlinkat(ouzel_runtime *rt, int dir, const char *path, int flags, const ouzel_op_opts *opts,
                       ouzel_op *out);
int32_t ouzel_mkdirat(ouzel_runtime *rt, int dir, const char *path, uint32_t mode, const ouzel_op_opts *opts,
                      ouzel_op *out);
int32_t ouzel_symlinkat(ouzel_runtime *rt, const char *target, int dir, const char *path, const ouzel_op_opts *opts,
                        ouzel_op *out);
/* flags: AT_SYMLINK_FOLLOW or 0. */
int32_t ouzel_linkat(ouzel_runtime *rt, int from_dir, const char *from, int to_dir, const char *to, int flags,
                     const ouzel_op_opts *opts, ouzel_op *out);

/* Completes with 0 when the runtime's clock has passed `deadline_ns`, up to `slack_ns` later where that saves a
 * wake-up (this version does not use it). With -ECANCELED if cancelled first. */
int32_t ouzel_timer(ouzel_runtime *rt, uint64_t deadline_ns, uint64_t slack_ns, const ouzel_op_opts *opts,
                    ouzel_op *out);
/* Ticks at `first_ns` and every `period_ns` after it until it is cancelled or abandoned: each completion has res 0,
 * OUZEL_CQE_MORE, and in extra how many periods have passed since the last one (1 if it was taken in time, so no tick
 * is counted twice and none is lost). The last completion is -ECANCELED. OUZEL_EINVAL for a period of 0. */
int32_t ouzel_interval(ouzel_runtime *rt, uint64_t first_ns, uint64_t period_ns, const ouzel_op_opts *opts,
                       ouzel_op *out);
/* Gives a timer, or the next tick of an interval, another deadline; who waits for it waits on. A completion that has
 * not been taken yet is taken back. OUZEL_ECANCELED: it was cancelled, and that is what completes. OUZEL_EINVAL: not a
 * timer. OUZEL_ESTALE: over. [loop][cb] */
int32_t ouzel_timer_reset(ouzel_op op, uint64_t deadline_ns);
/* Runs fn(arg) on a thread of the blocking pool; the cqe's res is 0 and its extra what fn returned. fn calls nothing
 * tagged [loop]. A cancel before it has started prevents it (-ECANCELED), later it has no effect. If the pool
 * has no thread and none can be started: -EAGAIN, or what else the system says; fn has not been called, and `release` is not. */
int32_t ouzel_blocking(ouzel_runtime *rt, int64_t (*fn)(void *arg), void *arg, const ouzel_op_opts *opts,
                       ouzel_op *out);

/* Listens to a signal from now on: each completion has its number in res, and OUZEL_CQE_MORE; several that come close
 * together may be told as one. Cancelled or abandoned it ends, with -ECANCELED. The first call for a signal installs a
 * handler, for good: the system's default action (as a rule the end of the process) does not come back, a handler that
 * was there is called as well. The first call of a process starts a thread. -EINVAL, OUZEL_EINVAL: no signal, or one
 * that cannot be caught. */
int32_t ouzel_signal(ouzel_runtime *rt, int signo, const ouzel_op_opts *opts, ouzel_op *out);

/* OUZEL_READY: *cqe is the operation's next completion; without OUZEL_CQE_MORE it was the last, the id is used up and
 * `release` has run. OUZEL_PENDING: none yet, and ouzel_op_poll has made the calling task the one to be woken; with
 * OUZEL_CQE_WAITING it has done so already, and another poll would say OUZEL_PENDING (it need not be set). OUZEL_ESTALE: used up or abandoned. OUZEL_EINVAL: it delivers to a callback. [loop][cb]; poll inside a poll fn. */
int32_t ouzel_op_take(ouzel_op op, ouzel_cqe *cqe);
int32_t ouzel_op_poll(ouzel_op op, ouzel_cx *cx, ouzel_cqe *cqe);
/* Blocks until there is a completion, and takes it: OUZEL_OK, or OUZEL_ETIMEDOUT. For threads that may block, outside
 * poll functions and callbacks. Host-driven: [loop], runs the loop meanwhile; inside callbacks OUZEL_EREENTRANT. With
 * workers: any thread but a worker (there OUZEL_EDEADLK); OUZEL_EINVAL for a timer, which is its worker's. */
int32_t ouzel_op_wait(ouzel_op op, uint64_t timeout_ns, ouzel_cqe *cqe);
/* A request only: the completion still arrives, with -ECANCELED or, if it was faster, with its result. [loop][cb] */
int32_t ouzel_op_cancel(ouzel_op op);
/* Drops interest: cancels, throws away what completes (provided buffers go back, an accepted or opened descriptor is
 * closed), and uses up the id. Lent buffers stay lent until `release`; `done` is not called any more. [loop][cb] */
int32_t ouzel_op_abandon(ouzel_op op);

/* ---- provided buffers ------------------------------------------------------------------------------------------- */

/* The memory of a provided buffer named by a cqe, the host's until ouzel_buf_return. NULL if it is not out. With workers
 * any of them may read it and give it back. [loop][cb] */
void *ouzel_buf_ptr(ouzel_runtime *rt, uint32_t group, uint32_t buf_id);
/* Gives it back for the next receive. OUZEL_ESTALE if it is not out (a second return). [loop][cb] */
int32_t ouzel_buf_return(ouzel_runtime *rt, uint32_t group, uint32_t buf_id);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* OUZEL_H */
