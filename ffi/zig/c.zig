//! The C ABI of `ouzel.h`, declared by hand: types, numbers and functions under the names they have there, without the
//! prefix. What each function promises stands in the header.

pub const abi_version: u32 = 0x0000_0001;
pub const forever: u64 = 0xffff_ffff_ffff_ffff;

pub const Runtime = opaque {};
pub const Cx = opaque {};

pub const Id = extern struct {
    slot: u64 = 0,
    gen: u64 = 0,
};

pub const PollFn = *const fn (ud: ?*anyopaque, cx: *Cx) callconv(.c) i32;
pub const ReleaseFn = *const fn (ud: ?*anyopaque) callconv(.c) void;
pub const DoneFn = *const fn (ud: ?*anyopaque, cqe: *const Cqe) callconv(.c) void;
pub const LogFn = *const fn (ud: ?*anyopaque, level: u32, text: [*:0]const u8) callconv(.c) void;
pub const PanicFn = *const fn (ud: ?*anyopaque, text: [*:0]const u8) callconv(.c) void;
pub const JobFn = *const fn (arg: ?*anyopaque) callconv(.c) i64;

pub const Options = extern struct {
    size: u32 = @sizeOf(Options),
    flags: u32 = 0,
    workers: u32 = 0,
    driver: u32 = 0,
    ring_entries: u32 = 0,
    max_blocking: u32 = 0,
    blocking_idle_ns: u64 = 0,
    buf_count: u32 = 0,
    buf_size: u32 = 0,
};

pub const Tick = extern struct {
    size: u32 = @sizeOf(Tick),
    polled: u32 = 0,
    completed: u32 = 0,
    io_events: u32 = 0,
    more: u32 = 0,
    reserved: u32 = 0,
};

pub const TaskOpts = extern struct {
    size: u32 = @sizeOf(TaskOpts),
    flags: u32 = 0,
    drop: ?ReleaseFn = null,
    name: ?[*:0]const u8 = null,
    deadline_ns: u64 = 0,
    group: Id = .{},
};

pub const SpawnDesc = extern struct {
    poll: ?PollFn,
    ud: ?*anyopaque,
    opts: ?*const TaskOpts = null,
};

pub const TaskInfo = extern struct {
    size: u32,
    state: i32,
    task: Id,
    name: ?[*:0]const u8,
    ud: ?*anyopaque,
};

pub const DumpFn = *const fn (ud: ?*anyopaque, info: *const TaskInfo) callconv(.c) void;

pub const Allocator = extern struct {
    size: u32 = @sizeOf(Allocator),
    flags: u32 = 0,
    alloc: ?*const fn (ctx: ?*anyopaque, size: usize, alignment: usize) callconv(.c) ?*anyopaque,
    realloc: ?*const fn (ctx: ?*anyopaque, ptr: ?*anyopaque, old_size: usize, new_size: usize, alignment: usize) callconv(.c) ?*anyopaque,
    free: ?*const fn (ctx: ?*anyopaque, ptr: ?*anyopaque, size: usize, alignment: usize) callconv(.c) void,
    ctx: ?*anyopaque = null,
};

pub const Cqe = extern struct {
    op: Id,
    res: i32,
    flags: u32,
    buf_id: u32,
    buf_len: u32,
    extra: u64,
};

pub const OpOpts = extern struct {
    size: u32 = @sizeOf(OpOpts),
    flags: u32 = 0,
    waker: Id = .{},
    done: ?DoneFn = null,
    ud: ?*anyopaque = null,
    release: ?ReleaseFn = null,
    timeout_ns: u64 = 0,
};

pub const OpDesc = extern struct {
    size: u32 = @sizeOf(OpDesc),
    kind: u32,
    fd: c_int = -1,
    flags: u32 = 0,
    buf: ?*anyopaque = null,
    len: u64 = 0,
    offset: i64 = 0,
    opts: ?*const OpOpts = null,
};

pub const Stat = extern struct {
    mode: u32 = 0,
    uid: u32 = 0,
    gid: u32 = 0,
    block_size: u32 = 0,
    size: u64 = 0,
    blocks: u64 = 0,
    links: u64 = 0,
    ino: u64 = 0,
    dev: u64 = 0,
    rdev: u64 = 0,
    atime: i64 = 0,
    mtime: i64 = 0,
    ctime: i64 = 0,
    btime: i64 = 0,
    atime_ns: u32 = 0,
    mtime_ns: u32 = 0,
    ctime_ns: u32 = 0,
    btime_ns: u32 = 0,
    has_btime: u32 = 0,
    reserved: [35]u32 = @splat(0),
};

pub const Stats = extern struct {
    size: u32 = 0,
    driver: u32 = 0,
    live_tasks: u64 = 0,
    tasks_spawned: u64 = 0,
    tasks_completed: u64 = 0,
    polls: u64 = 0,
    ops_submitted: u64 = 0,
    ops_live: u64 = 0,
    syscalls: u64 = 0,
    enters: u64 = 0,
    sqes: u64 = 0,
    cqes: u64 = 0,
    waits: u64 = 0,
    ctls: u64 = 0,
    allocs: u64 = 0,
};

pub const WorkerStats = extern struct {
    size: u32 = 0,
    worker: u32 = 0,
    polls: u64 = 0,
    tasks_spawned: u64 = 0,
    tasks_completed: u64 = 0,
    steals: u64 = 0,
    parks: u64 = 0,
    raids: u64 = 0,
    syscalls: u64 = 0,
    enters: u64 = 0,
    sqes: u64 = 0,
    cqes: u64 = 0,
    waits: u64 = 0,
    ctls: u64 = 0,
};

pub const task_detached: u32 = 0x1;
pub const state_idle: i32 = 0;
pub const state_scheduled: i32 = 1;
pub const state_done: i32 = 2;
pub const state_cancelled: i32 = 3;
pub const run_idle: i32 = 0;
pub const run_stopped: i32 = 1;
pub const cqe_more: u32 = 0x1;
pub const cqe_waiting: u32 = 0x10;
pub const cqe_buffer: u32 = 0x2;
pub const cqe_cancelled: u32 = 0x8;
pub const op_nop: u32 = 0;
pub const op_accept: u32 = 1;
pub const op_recv: u32 = 2;
pub const op_send: u32 = 3;
pub const op_read: u32 = 4;
pub const op_write: u32 = 5;
pub const op_fsync: u32 = 6;
pub const op_shutdown: u32 = 7;
pub const op_close: u32 = 8;
pub const send_lazy: u32 = 0x8000_0000;
pub const send_zero_copy: u32 = 0x1000_0000;
pub const splice_for_room: u32 = 0x1;
pub const fsync_data: u32 = 0x1;

pub const ok: i32 = 0;
pub const pending: i32 = 0;
pub const ready: i32 = 1;

pub const ENULL: i32 = -10001;
pub const EINVAL: i32 = -10002;
pub const ESTALE: i32 = -10003;
pub const EWRONGTHREAD: i32 = -10004;
pub const EREENTRANT: i32 = -10005;
pub const EFORKED: i32 = -10006;
pub const EVERSION: i32 = -10007;
pub const ESIZE: i32 = -10008;
pub const ECLOSING: i32 = -10009;
pub const EDEADLK: i32 = -10010;
pub const EBUSY: i32 = -10011;
pub const ETIMEDOUT: i32 = -10012;
pub const ECANCELED: i32 = -10013;
pub const ENOMEM: i32 = -10014;
pub const ENOTSUP: i32 = -10015;
pub const ECLOSED: i32 = -10016;

pub extern "c" fn ouzel_abi_version() u32;
pub extern "c" fn ouzel_version_string() [*:0]const u8;
pub extern "c" fn ouzel_check_abi(header_version: u32) i32;
pub extern "c" fn ouzel_err_name(code: i32) [*:0]const u8;
pub extern "c" fn ouzel_err_text(code: i32) [*:0]const u8;
pub extern "c" fn ouzel_driver_name(driver: u32) [*:0]const u8;
pub extern "c" fn ouzel_set_log(max_level: u32, f: ?LogFn, ud: ?*anyopaque) i32;
pub extern "c" fn ouzel_set_panic_hook(f: ?PanicFn, ud: ?*anyopaque) i32;

pub extern "c" fn ouzel_options_init(opts: ?*Options, size: usize) void;
pub extern "c" fn ouzel_runtime_new(opts: ?*const Options, out: *?*Runtime) i32;
pub extern "c" fn ouzel_runtime_shutdown(rt: ?*Runtime, timeout_ns: u64) i32;
pub extern "c" fn ouzel_runtime_free(rt: ?*Runtime) i32;
pub extern "c" fn ouzel_runtime_trim(rt: ?*Runtime) i32;
pub extern "c" fn ouzel_runtime_driver(rt: ?*const Runtime) i32;
pub extern "c" fn ouzel_runtime_describe(rt: ?*const Runtime, buf: ?[*]u8, len: usize) i32;
pub extern "c" fn ouzel_runtime_id(rt: ?*const Runtime) Id;
pub extern "c" fn ouzel_live_tasks(rt: ?*const Runtime) usize;
pub extern "c" fn ouzel_stats_get(rt: ?*const Runtime, out: *Stats, size: usize) i32;
pub extern "c" fn ouzel_set_allocator(allocator: ?*const Allocator) i32;
pub extern "c" fn ouzel_worker_stats_get(rt: ?*const Runtime, worker: u32, out: *WorkerStats, size: usize) i32;
pub extern "c" fn ouzel_dump_tasks(rt: ?*const Runtime, f: ?DumpFn, ud: ?*anyopaque) i32;
pub extern "c" fn ouzel_now(rt: ?*const Runtime) u64;
pub extern "c" fn ouzel_run(rt: ?*Runtime) i32;
pub extern "c" fn ouzel_block_on(rt: ?*Runtime, task: Id, timeout_ns: u64, result: *i32) i32;
pub extern "c" fn ouzel_stop(rt: Id) i32;
pub extern "c" fn ouzel_run_once(rt: ?*Runtime, timeout_ns: u64, out: ?*Tick) i32;
pub extern "c" fn ouzel_run_nowait(rt: ?*Runtime, max_polls: u32, out: ?*Tick) i32;
pub extern "c" fn ouzel_backend_fd(rt: ?*const Runtime) i32;
pub extern "c" fn ouzel_backend_timeout(rt: ?*const Runtime, ns: *u64) i32;
pub extern "c" fn ouzel_before_wait(rt: ?*Runtime) i32;
pub extern "c" fn ouzel_notify(rt: Id) i32;
pub extern "c" fn ouzel_after_fork_child(rt: ?*Runtime) i32;

pub extern "c" fn ouzel_spawn(rt: ?*Runtime, poll: ?PollFn, ud: ?*anyopaque, opts: ?*const TaskOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_spawn_from(rt: Id, poll: ?PollFn, ud: ?*anyopaque, opts: ?*const TaskOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_spawn_batch(rt: ?*Runtime, descs: ?[*]const SpawnDesc, n: usize, out: ?[*]Id) i32;
pub extern "c" fn ouzel_task_cancel(task: Id) i32;
pub extern "c" fn ouzel_task_detach(task: Id) i32;
pub extern "c" fn ouzel_task_state(task: Id) i32;
pub extern "c" fn ouzel_task_poll_join(task: Id, cx: ?*Cx, result: *i32) i32;
pub extern "c" fn ouzel_task_join(task: Id, timeout_ns: u64, result: *i32) i32;
pub extern "c" fn ouzel_cx_task(cx: ?*const Cx) Id;
pub extern "c" fn ouzel_cx_waker(cx: ?*const Cx) Id;
pub extern "c" fn ouzel_cx_runtime(cx: ?*const Cx) ?*Runtime;
pub extern "c" fn ouzel_cx_cancelled(cx: ?*const Cx) i32;
pub extern "c" fn ouzel_cx_now(cx: ?*Cx) u64;
pub extern "c" fn ouzel_cx_budget(cx: ?*Cx) i32;
pub extern "c" fn ouzel_wake(waker: Id) i32;
pub extern "c" fn ouzel_wake_self(cx: ?*Cx) i32;
pub extern "c" fn ouzel_waker_alive(waker: Id) i32;
pub extern "c" fn ouzel_wake_many(wakers: ?[*]const Id, n: usize) i32;
pub extern "c" fn ouzel_waker_from_fn(rt: ?*Runtime, f: ?ReleaseFn, ud: ?*anyopaque, drop: ?ReleaseFn, out: *Id) i32;
pub extern "c" fn ouzel_waker_release(waker: Id) i32;
pub extern "c" fn ouzel_cx_leave(cx: ?*Cx) i32;
pub extern "c" fn ouzel_key_new(key: *u32) i32;
pub extern "c" fn ouzel_local_set(cx: ?*Cx, key: u32, value: ?*anyopaque, drop: ?ReleaseFn) i32;
pub extern "c" fn ouzel_local_get(cx: ?*const Cx, key: u32) ?*anyopaque;

pub extern "c" fn ouzel_group_new(rt: ?*Runtime, out: *Id) i32;
pub extern "c" fn ouzel_group_cancel(group: Id) i32;
pub extern "c" fn ouzel_group_poll_empty(group: Id, cx: ?*Cx) i32;
pub extern "c" fn ouzel_group_free(group: Id) i32;
pub extern "c" fn ouzel_sem_new(rt: ?*Runtime, permits: u32, out: *Id) i32;
pub extern "c" fn ouzel_sem_poll_acquire(sem: Id, cx: ?*Cx, n: u32) i32;
pub extern "c" fn ouzel_sem_try_acquire(sem: Id, n: u32) i32;
pub extern "c" fn ouzel_sem_release(sem: Id, n: u32) i32;
pub extern "c" fn ouzel_sem_free(sem: Id) i32;
pub extern "c" fn ouzel_chan_new(rt: ?*Runtime, capacity: u32, elem_size: u32, out: *Id) i32;
pub extern "c" fn ouzel_chan_poll_send(chan: Id, cx: ?*Cx, elem: *const anyopaque) i32;
pub extern "c" fn ouzel_chan_try_send(chan: Id, elem: *const anyopaque) i32;
pub extern "c" fn ouzel_chan_poll_recv(chan: Id, cx: ?*Cx, elem: *anyopaque) i32;
pub extern "c" fn ouzel_chan_try_recv(chan: Id, elem: *anyopaque) i32;
pub extern "c" fn ouzel_chan_close(chan: Id) i32;
pub extern "c" fn ouzel_chan_free(chan: Id) i32;
pub extern "c" fn ouzel_wait_addr(cx: ?*Cx, addr: *const u32, expected: u32, deadline_ns: u64) i32;
pub extern "c" fn ouzel_wake_addr(rt: Id, addr: *const u32, max: u32) i32;

pub extern "c" fn ouzel_nop(rt: ?*Runtime, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_accept(rt: ?*Runtime, fd: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_connect(rt: ?*Runtime, fd: c_int, addr: *const anyopaque, addr_len: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_recv(rt: ?*Runtime, fd: c_int, buf: [*]u8, len: usize, flags: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_recv_multi(rt: ?*Runtime, fd: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_send(rt: ?*Runtime, fd: c_int, buf: [*]const u8, len: usize, flags: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_read(rt: ?*Runtime, fd: c_int, buf: [*]u8, len: usize, offset: i64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_write(rt: ?*Runtime, fd: c_int, buf: [*]const u8, len: usize, offset: i64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_openat(rt: ?*Runtime, dir: c_int, path: [*:0]const u8, flags: c_int, mode: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_close(rt: ?*Runtime, fd: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_fsync(rt: ?*Runtime, fd: c_int, flags: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_shutdown_fd(rt: ?*Runtime, fd: c_int, how: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_timer(rt: ?*Runtime, deadline_ns: u64, slack_ns: u64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_interval(rt: ?*Runtime, first_ns: u64, period_ns: u64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_timer_reset(op: Id, deadline_ns: u64) i32;
pub extern "c" fn ouzel_blocking(rt: ?*Runtime, f: ?JobFn, arg: ?*anyopaque, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_op_take(op: Id, cqe: *Cqe) i32;
pub extern "c" fn ouzel_op_poll(op: Id, cx: ?*Cx, cqe: *Cqe) i32;
pub extern "c" fn ouzel_submit(rt: ?*Runtime) i32;
pub extern "c" fn ouzel_batch_submit(rt: ?*Runtime, descs: ?[*]const OpDesc, n: usize, out: ?[*]Id) i32;
pub extern "c" fn ouzel_accept_multi(rt: ?*Runtime, fd: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_recvmsg(rt: ?*Runtime, fd: c_int, msg: ?*anyopaque, flags: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_try_send(rt: ?*Runtime, fd: c_int, buf: [*]const u8, len: usize) i32;
pub extern "c" fn ouzel_sendmsg(rt: ?*Runtime, fd: c_int, msg: ?*const anyopaque, flags: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_splice(rt: ?*Runtime, from: c_int, from_offset: i64, to: c_int, to_offset: i64, len: u32, flags: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_poll_fd(rt: ?*Runtime, fd: c_int, events: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_poll_fd_multi(rt: ?*Runtime, fd: c_int, events: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_readv(rt: ?*Runtime, fd: c_int, iov: ?*const anyopaque, count: u32, offset: i64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_writev(rt: ?*Runtime, fd: c_int, iov: ?*const anyopaque, count: u32, offset: i64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_statx(rt: ?*Runtime, dir: c_int, path: ?[*:0]const u8, flags: c_int, stat: ?*Stat, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_fallocate(rt: ?*Runtime, fd: c_int, mode: c_int, offset: u64, len: u64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_ftruncate(rt: ?*Runtime, fd: c_int, len: u64, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_renameat(rt: ?*Runtime, from_dir: c_int, from: ?[*:0]const u8, to_dir: c_int, to: ?[*:0]const u8, flags: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_unlinkat(rt: ?*Runtime, dir: c_int, path: ?[*:0]const u8, flags: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_mkdirat(rt: ?*Runtime, dir: c_int, path: ?[*:0]const u8, mode: u32, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_symlinkat(rt: ?*Runtime, target: ?[*:0]const u8, dir: c_int, path: ?[*:0]const u8, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_linkat(rt: ?*Runtime, from_dir: c_int, from: ?[*:0]const u8, to_dir: c_int, to: ?[*:0]const u8, flags: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_signal(rt: ?*Runtime, signo: c_int, opts: ?*const OpOpts, out: ?*Id) i32;
pub extern "c" fn ouzel_op_wait(op: Id, timeout_ns: u64, cqe: *Cqe) i32;
pub extern "c" fn ouzel_op_cancel(op: Id) i32;
pub extern "c" fn ouzel_op_abandon(op: Id) i32;
pub extern "c" fn ouzel_buf_ptr(rt: ?*Runtime, group: u32, buf_id: u32) ?*anyopaque;
pub extern "c" fn ouzel_buf_return(rt: ?*Runtime, group: u32, buf_id: u32) i32;
