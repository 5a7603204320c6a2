//! ouzel for Zig: typed tasks, error sets instead of codes, and operations that are polled.
//!
//! A task is any struct with `poll`; it may have `drop`:
//!
//! ```zig
//! const Hello = struct {
//!     times: u32,
//!     pub fn poll(self: *Hello, cx: *ouzel.Context) error{Odd}!ouzel.Poll {
//!         if (self.times == 0) return .ready;
//!         self.times -= 1;
//!         cx.wakeSelf();
//!         return .pending;
//!     }
//! };
//! var rt = try ouzel.Runtime.init(.{});
//! defer rt.deinit();
//! var hello: Hello = .{ .times = 3 };
//! const task = try rt.spawn(Hello, &hello, .{});
//! try rt.blockOn(task, ouzel.forever); // error{Odd} or ouzel.Error
//! ```
//! The struct is lent to the task until `drop` has been called, or without one until the task has been joined.
//! Ids (`Task`, `Waker`, `Op`) are weak, 16 bytes, freely copied, never freed. Nothing here allocates.
//!
//! LENGTH: one file beside `c.zig`, so that a program has one thing to import.

const std = @import("std");

/// The C ABI underneath.
pub const c = @import("c.zig");

pub const forever = c.forever;

/// What ouzel itself answers; `System` stands for an errno, which `osError` tells.
pub const Error = error{
    Null,
    Invalid,
    Stale,
    WrongThread,
    Reentrant,
    Forked,
    Version,
    Size,
    Closing,
    Deadlock,
    Busy,
    TimedOut,
    Canceled,
    OutOfMemory,
    NotSupported,
    Closed,
    System,
};

/// The result of an operation that failed, by errno; what has no name of its own is `Unexpected`.
pub const OsError = error{
    AccessDenied,
    AddressInUse,
    BrokenPipe,
    Canceled,
    ConnectionAborted,
    ConnectionRefused,
    ConnectionReset,
    FileNotFound,
    InputOutput,
    NoBuffers,
    NoSpaceLeft,
    NotConnected,
    OutOfMemory,
    ProcessFdQuotaExceeded,
    SystemFdQuotaExceeded,
    TimedOut,
    Unexpected,
};

/// The error that a code below zero stands for.
pub fn fromCode(code: i32) Error {
    return switch (code) {
        c.ENULL => error.Null,
        c.EINVAL => error.Invalid,
        c.ESTALE => error.Stale,
        c.EWRONGTHREAD => error.WrongThread,
        c.EREENTRANT => error.Reentrant,
        c.EFORKED => error.Forked,
        c.EVERSION => error.Version,
        c.ESIZE => error.Size,
        c.ECLOSING => error.Closing,
        c.EDEADLK => error.Deadlock,
        c.EBUSY => error.Busy,
        c.ETIMEDOUT => error.TimedOut,
        c.ECANCELED => error.Canceled,
        c.ENOMEM => error.OutOfMemory,
        c.ENOTSUP => error.NotSupported,
        c.ECLOSED => error.Closed,
        else => error.System,
    };
}

/// The error that an errno, negated, stands for.
pub fn osError(code: i32) OsError {
    const E = std.os.linux.E;
    if (code >= 0 or code < -4095) return error.Unexpected;
    return switch (@as(E, @enumFromInt(@as(u16, @intCast(-code))))) {
        .ACCES, .PERM => error.AccessDenied,
        .ADDRINUSE => error.AddressInUse,
        .PIPE => error.BrokenPipe,
        .CANCELED => error.Canceled,
        .CONNABORTED => error.ConnectionAborted,
        .CONNREFUSED => error.ConnectionRefused,
        .CONNRESET => error.ConnectionReset,
        .NOENT => error.FileNotFound,
        .IO => error.InputOutput,
        .NOBUFS => error.NoBuffers,
        .NOSPC => error.NoSpaceLeft,
        .NOTCONN => error.NotConnected,
        .NOMEM => error.OutOfMemory,
        .MFILE => error.ProcessFdQuotaExceeded,
        .NFILE => error.SystemFdQuotaExceeded,
        .TIMEDOUT => error.TimedOut,
        else => error.Unexpected,
    };
}

fn check(code: i32) Error!u31 {
    return if (code < 0) fromCode(code) else @intCast(code);
}

/// What a task answers when it is polled.
pub const Poll = enum { pending, ready };

pub const Driver = enum(u32) { auto = 0, uring = 1, epoll = 2, poll = 3 };

/// Zero means ouzel's default throughout.
pub const Options = struct {
    /// 0: the calling thread drives the runtime; else so many threads of ouzel's own.
    workers: u32 = 0,
    driver: Driver = .auto,
    ring_entries: u32 = 0,
    max_blocking: u32 = 0,
    blocking_idle_ns: u64 = 0,
    buf_count: u32 = 0,
    buf_size: u32 = 0,
};

pub const RunEnd = enum { idle, stopped };

/// Lent to a `poll` for one call, on its thread.
pub const Context = opaque {
    fn raw(self: *Context) *c.Cx {
        return @ptrCast(self);
    }

    /// Poll this task again, after the others that are ready.
    pub fn wakeSelf(self: *Context) void {
        _ = c.ouzel_wake_self(self.raw());
    }

    /// What wakes this task, from anywhere.
    pub fn waker(self: *Context) Waker {
        return .{ .id = c.ouzel_cx_waker(self.raw()) };
    }

    pub fn runtime(self: *Context) Runtime {
        return .{ .ptr = c.ouzel_cx_runtime(self.raw()).? };
    }

    /// Whether this is the task's last poll, because it was cancelled meanwhile.
    pub fn isCancelled(self: *Context) bool {
        return c.ouzel_cx_cancelled(self.raw()) == 1;
    }

    /// The runtime's clock, read once per poll, in nanoseconds.
    pub fn now(self: *Context) u64 {
        return c.ouzel_cx_now(self.raw());
    }

    /// Gives up all that this task waits for at semaphores, channels and addresses; at how many places that was.
    pub fn leave(self: *Context) u32 {
        return @intCast(@max(c.ouzel_cx_leave(self.raw()), 0));
    }

    /// Waits while `addr.*` is `expected`; `null` while it does. `error.TimedOut` at `deadline_ns`.
    pub fn waitAddr(self: *Context, addr: *const u32, expected: u32, deadline_ns: u64) Error!?void {
        return if (try check(c.ouzel_wait_addr(self.raw(), addr, expected, deadline_ns)) == c.pending) null else {};
    }

    /// False when this poll has had its share: `wakeSelf`, and return `.pending`.
    pub fn budget(self: *Context) bool {
        return c.ouzel_cx_budget(self.raw()) != 0;
    }
};

/// Weak, by value; any thread.
pub const Waker = struct {
    id: c.Id = .{},

    /// True: queued by this call. False: was queued already.
    pub fn wake(self: Waker) Error!bool {
        return try check(c.ouzel_wake(self.id)) == 1;
    }

    pub fn isAlive(self: Waker) bool {
        return c.ouzel_waker_alive(self.id) == 1;
    }
};

/// The errors `T.poll` can return, if it returns any.
fn PollError(comptime T: type) type {
    const Return = @typeInfo(@TypeOf(T.poll)).@"fn".return_type.?;
    return switch (@typeInfo(Return)) {
        .error_union => |u| u.error_set,
        else => error{},
    };
}

/// Between the system's codes and ouzel's own, a task's errors.
const first_error = 4096;
const last_error = 10_000;

fn toCode(err: anyerror) i32 {
    return -@min(first_error + @as(i32, @intFromError(err)), last_error);
}

/// A task of type `T`, whose join gives back what its `poll` failed with.
pub fn Task(comptime T: type) type {
    return struct {
        id: c.Id = .{},

        const Self = @This();
        /// What ends a task of this type other than `.ready`.
        pub const Failure = PollError(T) || Error;

        /// It is not polled again; its join says `error.Canceled`. Any thread.
        pub fn cancel(self: Self) Error!void {
            _ = try check(c.ouzel_task_cancel(self.id));
        }

        /// Gives up the join.
        pub fn detach(self: Self) Error!void {
            _ = try check(c.ouzel_task_detach(self.id));
        }

        /// Blocks until it has ended; not on a loop thread of its runtime.
        pub fn join(self: Self, timeout_ns: u64) Failure!void {
            var result: i32 = 0;
            _ = try check(c.ouzel_task_join(self.id, timeout_ns, &result));
            return settle(result);
        }

        /// Inside another task: `null` while it runs, and that task is woken when it has ended.
        pub fn pollJoin(self: Self, cx: *Context) Failure!?void {
            var result: i32 = 0;
            if (try check(c.ouzel_task_poll_join(self.id, cx.raw(), &result)) == c.pending) return null;
            return try settle(result);
        }

        fn settle(result: i32) Failure!void {
            if (result >= 0) return;
            if (result > -last_error and result <= -first_error) {
                const number: @TypeOf(@intFromError(error.Stale)) = @intCast(-result - first_error);
                return @errorCast(@errorFromInt(number));
            }
            return fromCode(result);
        }
    };
}

/// Names a runtime, also when it is gone; any thread, and signal handlers.
pub const RuntimeId = struct {
    id: c.Id = .{},

    /// Ends `run`.
    pub fn stop(self: RuntimeId) Error!void {
        _ = try check(c.ouzel_stop(self.id));
    }

    /// Ends the wait in progress, or the next one.
    pub fn notify(self: RuntimeId) Error!void {
        _ = try check(c.ouzel_notify(self.id));
    }
};

pub const SpawnOptions = struct {
    detached: bool = false,
    /// For `Runtime.dump`; lent until the task has ended.
    name: ?[*:0]const u8 = null,
    /// The task is cancelled once the runtime's clock has passed this; 0: never.
    deadline_ns: u64 = 0,
    group: Group = .{},
};

/// Tasks that are cancelled together and waited for together. Weak, by value; any thread.
pub const Group = struct {
    id: c.Id = .{},

    pub fn init(rt: Runtime) Error!Group {
        var group: Group = .{};
        _ = try check(c.ouzel_group_new(rt.ptr, &group.id));
        return group;
    }

    /// `error.Busy` while a task of it is left.
    pub fn deinit(self: Group) Error!void {
        _ = try check(c.ouzel_group_free(self.id));
    }

    /// Cancels its tasks, and refuses new ones.
    pub fn cancel(self: Group) Error!void {
        _ = try check(c.ouzel_group_cancel(self.id));
    }

    /// Inside a task that is not in it: `null` while a task of it is left.
    pub fn pollEmpty(self: Group, cx: *Context) Error!?void {
        return if (try check(c.ouzel_group_poll_empty(self.id, cx.raw())) == c.pending) null else {};
    }
};

/// Permits, handed out in the order in which tasks ask. Weak, by value; any thread.
pub const Semaphore = struct {
    id: c.Id = .{},

    pub fn init(rt: Runtime, permits: u32) Error!Semaphore {
        var sem: Semaphore = .{};
        _ = try check(c.ouzel_sem_new(rt.ptr, permits, &sem.id));
        return sem;
    }

    /// `error.Busy` while a task waits.
    pub fn deinit(self: Semaphore) Error!void {
        _ = try check(c.ouzel_sem_free(self.id));
    }

    /// Inside a task: `null` while it waits.
    pub fn pollAcquire(self: Semaphore, cx: *Context, n: u32) Error!?void {
        return if (try check(c.ouzel_sem_poll_acquire(self.id, cx.raw(), n)) == c.pending) null else {};
    }

    pub fn tryAcquire(self: Semaphore, n: u32) Error!bool {
        return try check(c.ouzel_sem_try_acquire(self.id, n)) == c.ready;
    }

    pub fn release(self: Semaphore, n: u32) Error!void {
        _ = try check(c.ouzel_sem_release(self.id, n));
    }
};

/// A bounded queue of `T`, in order. Weak, by value; any thread. `error.Closed` after `close`, to a receiver once it is empty.
pub fn Channel(comptime T: type) type {
    return struct {
        id: c.Id = .{},

        const Self = @This();

        pub fn init(rt: Runtime, capacity: u32) Error!Self {
            var chan: Self = .{};
            _ = try check(c.ouzel_chan_new(rt.ptr, capacity, @sizeOf(T), &chan.id));
            return chan;
        }

        /// `error.Busy` while a task waits.
        pub fn deinit(self: Self) Error!void {
            _ = try check(c.ouzel_chan_free(self.id));
        }

        pub fn close(self: Self) Error!void {
            _ = try check(c.ouzel_chan_close(self.id));
        }

        /// Inside a task: `null` while it waits for room; pass the value again then.
        pub fn pollSend(self: Self, cx: *Context, value: T) Error!?void {
            return if (try check(c.ouzel_chan_poll_send(self.id, cx.raw(), &value)) == c.pending) null else {};
        }

        /// False: no room.
        pub fn trySend(self: Self, value: T) Error!bool {
            return try check(c.ouzel_chan_try_send(self.id, &value)) == c.ready;
        }

        /// Inside a task: `null` while it waits.
        pub fn pollRecv(self: Self, cx: *Context) Error!?T {
            var value: T = undefined;
            return if (try check(c.ouzel_chan_poll_recv(self.id, cx.raw(), &value)) == c.pending) null else value;
        }

        /// `null`: nothing there.
        pub fn tryRecv(self: Self) Error!?T {
            var value: T = undefined;
            return if (try check(c.ouzel_chan_try_recv(self.id, &value)) == c.pending) null else value;
        }
    };
}

/// A runtime. Copies name the same one.
pub const Runtime = struct {
    ptr: *c.Runtime,

    pub fn init(options: Options) Error!Runtime {
        _ = try check(c.ouzel_check_abi(c.abi_version));
        const raw: c.Options = .{
            .workers = options.workers,
            .driver = @intFromEnum(options.driver),
            .ring_entries = options.ring_entries,
            .max_blocking = options.max_blocking,
            .blocking_idle_ns = options.blocking_idle_ns,
            .buf_count = options.buf_count,
            .buf_size = options.buf_size,
        };
        var ptr: ?*c.Runtime = null;
        _ = try check(c.ouzel_runtime_new(&raw, &ptr));
        return .{ .ptr = ptr.? };
    }

    /// Cancels what is left, waits for it, and frees. Not inside a task of it.
    pub fn deinit(self: Runtime) void {
        const code = c.ouzel_runtime_free(self.ptr);
        if (code < 0) std.debug.panic("ouzel: {s}", .{c.ouzel_err_text(code)});
    }

    pub fn shutdown(self: Runtime, timeout_ns: u64) Error!void {
        _ = try check(c.ouzel_runtime_shutdown(self.ptr, timeout_ns));
    }

    /// Until `stop`, or until nothing is left to wait for.
    pub fn run(self: Runtime) Error!RunEnd {
        return if (try check(c.ouzel_run(self.ptr)) == c.run_stopped) .stopped else .idle;
    }

    /// Until `task` has ended; its error, or `error.TimedOut`.
    pub fn blockOn(self: Runtime, task: anytype, timeout_ns: u64) @TypeOf(task).Failure!void {
        var result: i32 = 0;
        _ = try check(c.ouzel_block_on(self.ptr, task.id, timeout_ns, &result));
        return @TypeOf(task).settle(result);
    }

    /// Ends `run`, from any thread.
    pub fn stop(self: Runtime) Error!void {
        try self.weak().stop();
    }

    /// Its weak id, for other threads and signal handlers.
    pub fn weak(self: Runtime) RuntimeId {
        return .{ .id = c.ouzel_runtime_id(self.ptr) };
    }

    /// Gives the memory of tasks that have ended back to the system.
    pub fn trim(self: Runtime) Error!void {
        _ = try check(c.ouzel_runtime_trim(self.ptr));
    }

    /// What the driver is and why it was chosen, cut to `buf`.
    pub fn describe(self: Runtime, buf: []u8) Error![]const u8 {
        const len = try check(c.ouzel_runtime_describe(self.ptr, buf.ptr, buf.len));
        return buf[0..@min(len, buf.len -| 1)];
    }

    // A host with a loop of its own: `runNowait`, then `beforeWait`, then wait for `backendFd` and its own things.

    /// One turn; waits up to `timeout_ns` if nothing is ready.
    pub fn runOnce(self: Runtime, timeout_ns: u64) Error!c.Tick {
        var out: c.Tick = .{};
        _ = try check(c.ouzel_run_once(self.ptr, timeout_ns, &out));
        return out;
    }

    /// One turn without waiting, of at most `max_polls` polls (0: a default).
    pub fn runNowait(self: Runtime, max_polls: u32) Error!c.Tick {
        var out: c.Tick = .{};
        _ = try check(c.ouzel_run_nowait(self.ptr, max_polls, &out));
        return out;
    }

    /// Readable when `runNowait` would find something; only poll it.
    pub fn backendFd(self: Runtime) Error!c_int {
        return try check(c.ouzel_backend_fd(self.ptr));
    }

    /// How long the host may wait, in nanoseconds; `forever`: no timer is set.
    pub fn backendTimeout(self: Runtime) Error!u64 {
        var ns: u64 = 0;
        _ = try check(c.ouzel_backend_timeout(self.ptr, &ns));
        return ns;
    }

    /// Directly before the host waits. True: work has appeared, do not.
    pub fn beforeWait(self: Runtime) Error!bool {
        return try check(c.ouzel_before_wait(self.ptr)) == 1;
    }

    /// Wakes up to `max` tasks that wait at `addr`; how many. From any thread.
    pub fn wakeAddr(self: Runtime, addr: *const u32, max: u32) Error!u31 {
        return check(c.ouzel_wake_addr(c.ouzel_runtime_id(self.ptr), addr, max));
    }

    pub fn now(self: Runtime) u64 {
        return c.ouzel_now(self.ptr);
    }

    pub fn driver(self: Runtime) Error!Driver {
        return @enumFromInt(try check(c.ouzel_runtime_driver(self.ptr)));
    }

    pub fn stats(self: Runtime) Error!c.Stats {
        var out: c.Stats = .{};
        _ = try check(c.ouzel_stats_get(self.ptr, &out, @sizeOf(c.Stats)));
        return out;
    }

    pub fn liveTasks(self: Runtime) usize {
        return c.ouzel_live_tasks(self.ptr);
    }

    /// Starts a task: `T.poll(*T, *Context)` returns `Poll` or `E!Poll`; `T.drop(*T) void`, if there is one, runs once when
    /// it will not be polled again, also when spawning fails.
    pub fn spawn(self: Runtime, comptime T: type, task: *T, options: SpawnOptions) Error!Task(T) {
        const glue = comptime Glue(T);
        const opts = glue.opts(options);
        var id: c.Id = .{};
        _ = try check(c.ouzel_spawn(self.ptr, glue.poll, task, &opts, &id));
        return .{ .id = id };
    }

    /// The same from any thread, also for a runtime that another one drives.
    pub fn spawnFrom(self: Runtime, comptime T: type, task: *T, options: SpawnOptions) Error!Task(T) {
        const glue = comptime Glue(T);
        const opts = glue.opts(options);
        var id: c.Id = .{};
        _ = try check(c.ouzel_spawn_from(c.ouzel_runtime_id(self.ptr), glue.poll, task, &opts, &id));
        return .{ .id = id };
    }

    // Operations. Each is submitted when it is called and polled until it answers; memory it is given stays lent until
    // then, also if it is cancelled. `Submit` says how.

    pub fn nop(self: Runtime) Error!Op {
        return op(c.ouzel_nop, .{self.ptr});
    }
    /// `count` is the descriptor of the new connection, the caller's own.
    pub fn accept(self: Runtime, fd: c_int) Error!Op {
        return op(c.ouzel_accept, .{ self.ptr, fd });
    }
    /// `address` is a `sockaddr` and copied.
    pub fn connect(self: Runtime, fd: c_int, address: []const u8) Error!Op {
        return op(c.ouzel_connect, .{ self.ptr, fd, address.ptr, @as(u32, @intCast(address.len)) });
    }
    pub fn recv(self: Runtime, fd: c_int, buf: []u8) Error!Op {
        return op(c.ouzel_recv, .{ self.ptr, fd, buf.ptr, buf.len, 0 });
    }
    /// Each completion is in a provided buffer: `Completion.bytes`, then `returnBuffer`.
    pub fn recvMulti(self: Runtime, fd: c_int) Error!Op {
        return op(c.ouzel_recv_multi, .{ self.ptr, fd });
    }
    pub fn send(self: Runtime, fd: c_int, bytes: []const u8) Error!Op {
        return op(c.ouzel_send, .{ self.ptr, fd, bytes.ptr, bytes.len, 0 });
    }
    /// The same for memory of `owner`, whose `release` is called once when the kernel has let go of it, also after
    /// `abandon`. Lazy: a send nobody waits for in particular, whose completion alone wakes nobody.
    pub fn sendWith(
        self: Runtime,
        comptime Owner: type,
        owner: *Owner,
        fd: c_int,
        bytes: []const u8,
        options: struct { lazy: bool = false },
    ) Error!Op {
        const glue = struct {
            fn release(ud: ?*anyopaque) callconv(.c) void {
                const lender: *Owner = @ptrCast(@alignCast(ud.?));
                lender.release();
            }
        };
        var id: c.Id = .{};
        const opts: c.OpOpts = .{ .ud = owner, .release = glue.release };
        const flags: u32 = if (options.lazy) c.send_lazy else 0;
        _ = try check(c.ouzel_send(self.ptr, fd, bytes.ptr, bytes.len, flags, &opts, &id));
        return .{ .id = id };
    }
    /// A send nobody waits for in particular: its completion alone wakes nobody.
    pub fn sendLazy(self: Runtime, fd: c_int, bytes: []const u8) Error!Op {
        return op(c.ouzel_send, .{ self.ptr, fd, bytes.ptr, bytes.len, c.send_lazy });
    }
    /// Sends a copy of the bytes without an operation, as `ouzel_try_send` does. False: they are not taken, use `sendWith`.
    /// Before closing wait for a `send`, if only of 0 bytes.
    pub fn trySend(self: Runtime, fd: c_int, bytes: []const u8) Error!bool {
        return try check(c.ouzel_try_send(self.ptr, fd, bytes.ptr, bytes.len)) == c.ready;
    }
    /// At a byte offset, or -1: the file's position.
    pub fn read(self: Runtime, fd: c_int, buf: []u8, offset: i64) Error!Op {
        return op(c.ouzel_read, .{ self.ptr, fd, buf.ptr, buf.len, offset });
    }
    pub fn write(self: Runtime, fd: c_int, bytes: []const u8, offset: i64) Error!Op {
        return op(c.ouzel_write, .{ self.ptr, fd, bytes.ptr, bytes.len, offset });
    }
    pub fn openat(self: Runtime, dir: c_int, path: [*:0]const u8, flags: c_int, mode: u32) Error!Op {
        return op(c.ouzel_openat, .{ self.ptr, dir, path, flags, mode });
    }
    pub fn close(self: Runtime, fd: c_int) Error!Op {
        return op(c.ouzel_close, .{ self.ptr, fd });
    }
    pub fn fsync(self: Runtime, fd: c_int, data_only: bool) Error!Op {
        return op(c.ouzel_fsync, .{ self.ptr, fd, if (data_only) c.fsync_data else 0 });
    }
    /// `how`: `SHUT_RD`, `SHUT_WR`, `SHUT_RDWR` as the system numbers them.
    pub fn shutdownFd(self: Runtime, fd: c_int, how: c_int) Error!Op {
        return op(c.ouzel_shutdown_fd, .{ self.ptr, fd, how });
    }
    /// Completes when the runtime's clock has passed `deadline_ns`.
    pub fn timer(self: Runtime, deadline_ns: u64) Error!Op {
        return op(c.ouzel_timer, .{ self.ptr, deadline_ns, 0 });
    }
    /// Ticks until it is cancelled: each completion's `value` is how many periods have passed since the last one.
    pub fn interval(self: Runtime, first_ns: u64, period_ns: u64) Error!Op {
        return op(c.ouzel_interval, .{ self.ptr, first_ns, period_ns });
    }
    /// Each completion's `count` is the signal's number. For good, it does not end the process any more.
    pub fn signal(self: Runtime, signo: c_int) Error!Op {
        return op(c.ouzel_signal, .{ self.ptr, signo });
    }
    /// Connections for ever, each a descriptor.
    pub fn acceptMulti(self: Runtime, fd: c_int) Error!Op {
        return op(c.ouzel_accept_multi, .{ self.ptr, fd });
    }
    /// `events`: `POLL.IN` or `POLL.OUT`; `count` is what there is.
    pub fn pollFd(self: Runtime, fd: c_int, events: u32) Error!Op {
        return op(c.ouzel_poll_fd, .{ self.ptr, fd, events });
    }
    /// The same again and again, until it is cancelled; what was not used up is told again.
    pub fn pollFdMulti(self: Runtime, fd: c_int, events: u32) Error!Op {
        return op(c.ouzel_poll_fd_multi, .{ self.ptr, fd, events });
    }
    pub fn mkdirAt(self: Runtime, dir: c_int, path: [*:0]const u8, mode: u32) Error!Op {
        return op(c.ouzel_mkdirat, .{ self.ptr, dir, path, mode });
    }
    /// `flags`: `AT.REMOVEDIR` for a directory, else 0.
    pub fn unlinkAt(self: Runtime, dir: c_int, path: [*:0]const u8, flags: c_int) Error!Op {
        return op(c.ouzel_unlinkat, .{ self.ptr, dir, path, flags });
    }
    pub fn renameAt(self: Runtime, from_dir: c_int, from: [*:0]const u8, to_dir: c_int, to: [*:0]const u8, flags: u32) Error!Op {
        return op(c.ouzel_renameat, .{ self.ptr, from_dir, from, to_dir, to, flags });
    }
    /// Of `path`, or of the open file `dir`. `stat` is lent, and good once this has completed.
    pub fn statAt(self: Runtime, dir: c_int, path: ?[*:0]const u8, flags: c_int, stat: *c.Stat) Error!Op {
        return op(c.ouzel_statx, .{ self.ptr, dir, path, flags, stat });
    }
    /// Gives what was submitted to the kernel now.
    pub fn submit(self: Runtime) Error!void {
        _ = try check(c.ouzel_submit(self.ptr));
    }
    /// Runs `job(arg)` on a thread of the blocking pool; `Completion.value` is what it returned.
    pub fn blocking(self: Runtime, comptime Arg: type, arg: *Arg, comptime job: fn (*Arg) i64) Error!Op {
        const glue = struct {
            fn call(ud: ?*anyopaque) callconv(.c) i64 {
                return job(@ptrCast(@alignCast(ud.?)));
            }
        };
        return op(c.ouzel_blocking, .{ self.ptr, glue.call, arg });
    }

    /// Gives a provided buffer back for the next receive.
    pub fn returnBuffer(self: Runtime, completion: Completion) Error!void {
        _ = try check(c.ouzel_buf_return(self.ptr, 0, completion.cqe.buf_id));
    }
};

fn op(comptime submit: anytype, args: anytype) Error!Op {
    var id: c.Id = .{};
    const opts: c.OpOpts = .{};
    _ = try check(@call(.auto, submit, args ++ .{ &opts, &id }));
    return .{ .id = id };
}

/// One completion.
pub const Completion = struct {
    cqe: c.Cqe,

    /// A byte count or descriptor.
    pub fn count(self: Completion) OsError!u31 {
        return if (self.cqe.res < 0) osError(self.cqe.res) else @intCast(self.cqe.res);
    }

    /// Whether further completions of the same operation follow.
    pub fn more(self: Completion) bool {
        return self.cqe.flags & c.cqe_more != 0;
    }

    /// From `Op.poll`, with `more`: no other completion is there, and the task is polled again when there is.
    pub fn waiting(self: Completion) bool {
        return self.cqe.flags & c.cqe_waiting != 0;
    }

    /// The bytes in a provided buffer, which is the caller's until `returnBuffer`.
    pub fn bytes(self: Completion) ?[]u8 {
        if (self.cqe.flags & c.cqe_buffer == 0) return null;
        return @as([*]u8, @ptrFromInt(@as(usize, @intCast(self.cqe.extra))))[0..self.cqe.buf_len];
    }

    /// What a blocking job returned.
    pub fn value(self: Completion) i64 {
        return @bitCast(self.cqe.extra);
    }
};

/// An operation in flight.
pub const Op = struct {
    id: c.Id = .{},

    /// Blocks until there is a completion, and takes it; host-driven, it runs the loop meanwhile. Not inside tasks.
    pub fn wait(self: Op, timeout_ns: u64) Error!Completion {
        var out: Completion = undefined;
        _ = try check(c.ouzel_op_wait(self.id, timeout_ns, &out.cqe));
        return out;
    }

    /// Gives a timer, or an interval's next tick, another deadline.
    pub fn reset(self: Op, deadline_ns: u64) Error!void {
        _ = try check(c.ouzel_timer_reset(self.id, deadline_ns));
    }

    /// Inside a task: the next completion, or `null`, and the task is polled again when there is one.
    pub fn poll(self: Op, cx: *Context) Error!?Completion {
        var out: Completion = undefined;
        return if (try check(c.ouzel_op_poll(self.id, cx.raw(), &out.cqe)) == c.ready) out else null;
    }

    /// The next completion if there is one; wakes nobody later.
    pub fn take(self: Op) Error!?Completion {
        var out: Completion = undefined;
        return if (try check(c.ouzel_op_take(self.id, &out.cqe)) == c.ready) out else null;
    }

    /// A request only: the completion still arrives.
    pub fn cancel(self: Op) Error!void {
        _ = try check(c.ouzel_op_cancel(self.id));
    }

    /// Cancels, throws away what completes, and uses up the id. Memory it was lent must outlive the runtime, or be
    /// lent through `c` with a `release`.
    pub fn abandon(self: Op) Error!void {
        _ = try check(c.ouzel_op_abandon(self.id));
    }
};

/// The C side of a task of type `T`.
fn Glue(comptime T: type) type {
    if (!@hasDecl(T, "poll")) @compileError(@typeName(T) ++ " needs `pub fn poll(*" ++ @typeName(T) ++ ", *ouzel.Context) ouzel.Poll`");
    return struct {
        fn poll(ud: ?*anyopaque, cx: *c.Cx) callconv(.c) i32 {
            const task: *T = @ptrCast(@alignCast(ud.?));
            const answer: PollError(T)!Poll = task.poll(@as(*Context, @ptrCast(cx)));
            const polled = answer catch |err| return toCode(err);
            return if (polled == .ready) c.ready else c.pending;
        }

        fn drop(ud: ?*anyopaque) callconv(.c) void {
            const task: *T = @ptrCast(@alignCast(ud.?));
            task.drop();
        }

        fn opts(options: SpawnOptions) c.TaskOpts {
            return .{
                .flags = if (options.detached) c.task_detached else 0,
                .drop = if (@hasDecl(T, "drop")) drop else null,
                .name = options.name,
                .deadline_ns = options.deadline_ns,
                .group = options.group.id,
            };
        }
    };
}
