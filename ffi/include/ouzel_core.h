/* ouzel_core.h - ouzel's tasks and wakers alone, for a host that brings its own driver: no I/O, no timers, no threads, no
 * libc. Link libouzel_core.a, which needs memcpy, memmove, memset, memcmp and bcmp and nothing else.
 *
 * The rules are those of ouzel.h: results, ids, ownership, structs, callbacks, and the tags [loop], [any], [cb], [sig].
 * What has the same name there means the same; the two headers and the two libraries do not go into one program. What
 * differs, because there is no operating system to ask:
 *
 *   threads   The loop thread is whichever the host drives the runtime on; calling a [loop] function on another one at
 *             the same time is undefined (ouzel.h answers OUZEL_EWRONGTHREAD).
 *   pointers  A freed ouzel_runtime* must not be used (ouzel.h answers OUZEL_ESTALE). Ids are as safe as there.
 *   tasks     are detached: nobody joins them, their last word is `drop`.
 *   memory    comes from the host, as does the end of the program after a broken invariant.
 *
 * The host's loop:
 *     for (;;) {
 *         ouzel_run_nowait(rt, 0, &tick);
 *         if (!tick.more && ouzel_before_wait(rt) == 0) sleep until `unpark` was called, or the host has things to do
 *     }
 */
#ifndef OUZEL_CORE_H
#define OUZEL_CORE_H

#ifdef OUZEL_H
#error "ouzel.h and ouzel_core.h do not go into one program"
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OUZEL_ABI_VERSION 0x00000001u

#define OUZEL_OK 0
#define OUZEL_PENDING 0
#define OUZEL_READY 1

#define OUZEL_ENULL (-10001)        /* a pointer that must not be NULL is */
#define OUZEL_EINVAL (-10002)       /* an argument or flag outside what is allowed here */
#define OUZEL_ESTALE (-10003)       /* the id names nothing that is alive */
#define OUZEL_EREENTRANT (-10005)   /* the loop is running already: called from inside a poll function or callback */
#define OUZEL_EVERSION (-10007)     /* header and library do not fit */
#define OUZEL_ESIZE (-10008)        /* struct size is not this header's */
#define OUZEL_ECLOSING (-10009)     /* shutdown has begun: nothing new is taken */
#define OUZEL_EBUSY (-10011)        /* in use: freed from within, or another host's memory is in use already */
#define OUZEL_ENOMEM (-10014)       /* out of memory, or a table is full */

#define OUZEL_TASK_DETACHED 0x1u /* nobody will join; the id stays good for waking and cancelling */

#define OUZEL_STATE_IDLE 0      /* waits to be woken */
#define OUZEL_STATE_SCHEDULED 1 /* will be polled, or is being polled */

typedef struct ouzel_runtime ouzel_runtime; /* given by ouzel_core_new, taken by ouzel_runtime_free */
typedef struct ouzel_cx ouzel_cx;           /* lent to a poll function for one call, on its thread */

typedef struct ouzel_rtid { uint64_t slot, gen; } ouzel_rtid;
typedef struct ouzel_task { uint64_t slot, gen; } ouzel_task;
typedef struct ouzel_waker { uint64_t slot, gen; } ouzel_waker;

/* A task's body; other than OUZEL_PENDING ends it. */
typedef int32_t (*ouzel_poll_fn)(void *ud, ouzel_cx *cx);

/* What the host supplies. All functions are needed. `alloc`, `free` and `fatal` of the first runtime are the process's:
 * later runtimes must bring the same (OUZEL_EBUSY), and `ud` of the first is what they get. */
typedef struct ouzel_core_host {
    uint32_t size;  /* sizeof(ouzel_core_host) */
    uint32_t flags; /* none yet: 0 */
    void *ud;
    /* Memory of that size and alignment (a power of two, up to 65536), or NULL. [any] */
    void *(*alloc)(void *ud, size_t size, size_t align);
    /* Gives it back; size and align as they were asked for. [any] */
    void (*free)(void *ud, void *p, size_t size, size_t align);
    /* Ends the host's sleep, or its next one. Called by whoever wakes a task while the host sleeps, after
     * ouzel_before_wait has answered 0, and at most once until the next ouzel_run_nowait. [any], [sig] if wakes are. */
    void (*unpark)(void *ud);
    /* An invariant inside ouzel is broken: ends the program, and does not return. [any] */
    void (*fatal)(void *ud);
} ouzel_core_host;

/* What one turn did. */
typedef struct ouzel_tick {
    uint32_t size;      /* in: sizeof(ouzel_tick) */
    uint32_t polled;    /* tasks polled */
    uint32_t completed; /* tasks ended */
    uint32_t io_events; /* 0 */
    uint32_t more;      /* 1: ready tasks are left, do not sleep */
    uint32_t reserved;
} ouzel_tick;

typedef struct ouzel_task_opts {
    uint32_t size;
    uint32_t flags;         /* OUZEL_TASK_DETACHED or 0, which means the same here */
    void (*drop)(void *ud); /* runs once when the task is not polled any more: end, cancel, free, spawn failure */
} ouzel_task_opts;

/* [any][cb][sig] */
uint32_t ouzel_abi_version(void);
int32_t ouzel_check_abi(uint32_t header_version);

/* Makes a runtime; `host` is copied. OUZEL_EBUSY: see ouzel_core_host. OUZEL_ENOMEM also if there are 256. [any] */
int32_t ouzel_core_new(const ouzel_core_host *host, ouzel_runtime **out);
/* Cancels every task (their drop runs) and frees. OUZEL_EBUSY inside poll functions and drops. [loop] */
int32_t ouzel_runtime_free(ouzel_runtime *rt);
/* The runtime's weak id; zero for NULL. [any][cb] */
ouzel_rtid ouzel_runtime_id(const ouzel_runtime *rt);
/* Tasks that have not ended. [loop][cb] */
size_t ouzel_live_tasks(const ouzel_runtime *rt);
/* Runs what is ready, at most `max_polls` polls (0: a default). `out` may be NULL. [loop] */
int32_t ouzel_run_nowait(ouzel_runtime *rt, uint32_t max_polls, ouzel_tick *out);
/* Call directly before sleeping. 1: work has appeared, do not sleep. 0: sleep; a wake calls `unpark`. [loop] */
int32_t ouzel_before_wait(ouzel_runtime *rt);
/* Calls `unpark` if the host sleeps, else makes the next ouzel_before_wait answer 1. [any][cb][sig] */
int32_t ouzel_notify(ouzel_rtid rt);

/* Starts a task that calls poll(ud, cx). `ud` is lent until drop(ud), which runs exactly once, also if this call fails
 * (not for OUZEL_ESIZE and OUZEL_EINVAL of `opts`). `opts` and `out` may be NULL. [loop][cb] */
int32_t ouzel_spawn(ouzel_runtime *rt, ouzel_poll_fn poll, void *ud, const ouzel_task_opts *opts, ouzel_task *out);
/* The task is not polled again once the loop has seen this, and drop runs there. OUZEL_ESTALE if it has ended. [any][cb]
 */
int32_t ouzel_task_cancel(ouzel_task task);
/* OUZEL_STATE_*, or OUZEL_ESTALE. A hint: it may change at once. [any][cb] */
int32_t ouzel_task_state(ouzel_task task);

/* Inside a poll function, about the task being polled. */
ouzel_task ouzel_cx_task(const ouzel_cx *cx);
ouzel_waker ouzel_cx_waker(const ouzel_cx *cx);
ouzel_runtime *ouzel_cx_runtime(const ouzel_cx *cx);
int32_t ouzel_cx_budget(ouzel_cx *cx);

/* 1 = queued by this call, 0 = was queued already, OUZEL_ESTALE = has ended. Takes no lock. [any][cb][sig] */
int32_t ouzel_wake(ouzel_waker waker);
/* Polls this task again, after the others that are ready. Inside a poll function. */
int32_t ouzel_wake_self(ouzel_cx *cx);
/* 1 if the task has not ended, 0 if it has, or the id names nothing. [any][cb] */
int32_t ouzel_waker_alive(ouzel_waker waker);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* OUZEL_CORE_H */
