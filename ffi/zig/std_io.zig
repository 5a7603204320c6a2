//! EXPERIMENTAL: Zig 0.17's `std.Io` on an ouzel runtime of one thread.
//!
//! ```zig
//! var runtime: std_io.Runtime = undefined;
//! try runtime.init(std.heap.smp_allocator, .{});
//! defer runtime.deinit();
//! const io = runtime.io();
//! var future = try io.concurrent(serve, .{io});
//! ```
//! A task of `std.Io` is a fiber that a task of ouzel polls: where it has to wait it switches back, and that poll says
//! "pending". Code outside of all tasks, `main` for one, may use `io` too, on the same thread: it runs the loop until it has
//! what it waits for. It cannot be cancelled.
//!
//! `docs/zig.md` says which functions are ouzel's, and which `std.Io.Threaded`'s, on the loop's thread.
//!
//! It follows an interface that is not settled: it is no part of what ouzel promises, and Zig 0.15 has no `std.Io` of this kind.

const std = @import("std");
const Io = std.Io;
const loops = @import("std_io/loop.zig");
const operations = @import("std_io/operations.zig");
const batches = @import("std_io/batch.zig");
const Forward = @import("std_io/forward.zig").Forward;
const Fiber = loops.Fiber;
const Loop = loops.Loop;
const of = loops.of;
const c = @import("c.zig");

/// A runtime and its `io`. Stays where it was initialised.
pub const Runtime = struct {
    loop: Loop,

    pub const Options = struct {
        /// One thread: without workers.
        runtime: c.Options = .{},
        /// Of a task. Stacks are mapped, and take the memory that is touched; below lies a page that must not be.
        stack_bytes: usize = 1024 * 1024,
    };

    /// `allocator`: for what `std.Io.Threaded` needs.
    pub fn init(self: *Runtime, allocator: std.mem.Allocator, options: Options) error{ Invalid, NotSupported, OutOfMemory, Unexpected }!void {
        var handle: ?*c.Runtime = null;
        if (options.runtime.workers != 0) return error.Invalid;
        switch (c.ouzel_runtime_new(&options.runtime, &handle)) {
            c.ok => {},
            c.EINVAL, c.ESIZE => return error.Invalid,
            c.ENOTSUP => return error.NotSupported,
            c.ENOMEM => return error.OutOfMemory,
            else => return error.Unexpected,
        }
        self.loop = .{
            .handle = handle.?,
            .threaded = .init(allocator, .{}),
            .current = null,
            .live = 0,
            .stack_bytes = options.stack_bytes,
            .outside_waits = .init(false),
        };
    }

    /// Every future has been awaited or cancelled, and every group.
    pub fn deinit(self: *Runtime) void {
        std.debug.assert(self.loop.current == null and self.loop.live == 0);
        const freed = c.ouzel_runtime_free(self.loop.handle);
        std.debug.assert(freed == c.ok);
        self.loop.threaded.deinit();
        self.* = undefined;
    }

    pub fn io(self: *Runtime) Io {
        return .{ .userdata = &self.loop, .vtable = &vtable };
    }
};

// ---- tasks ----------------------------------------------------------------------------------------------------------

fn async(userdata: ?*anyopaque, out: []u8, out_alignment: std.mem.Alignment, context: []const u8, context_alignment: std.mem.Alignment, start: Fiber.Start) ?*Io.AnyFuture {
    return concurrent(userdata, out.len, out_alignment, context, context_alignment, start) catch {
        start(context.ptr, out.ptr);
        return null;
    };
}

fn concurrent(userdata: ?*anyopaque, out_len: usize, out_alignment: std.mem.Alignment, context: []const u8, context_alignment: std.mem.Alignment, start: Fiber.Start) Io.ConcurrentError!*Io.AnyFuture {
    const fiber = Fiber.spawn(of(userdata), .{ .future = start }, out_len, out_alignment, context, context_alignment, .awaiter);
    return @ptrCast(fiber catch return error.ConcurrencyUnavailable);
}

fn await(userdata: ?*anyopaque, future: *Io.AnyFuture, out: []u8, _: std.mem.Alignment) void {
    const fiber: *Fiber = @ptrCast(@alignCast(future));
    const self = of(userdata);
    fiber.awaiter = self.current;
    while (!fiber.finished) self.wait();
    @memcpy(out, fiber.result[0..out.len]);
    fiber.free();
}

fn cancel(userdata: ?*anyopaque, future: *Io.AnyFuture, out: []u8, alignment: std.mem.Alignment) void {
    const fiber: *Fiber = @ptrCast(@alignCast(future));
    fiber.cancel();
    await(userdata, future, out, alignment);
}

fn groupAsync(userdata: ?*anyopaque, group: *Io.Group, context: []const u8, alignment: std.mem.Alignment, start: Fiber.MemberStart) void {
    groupConcurrent(userdata, group, context, alignment, start) catch start(context.ptr);
}

fn groupConcurrent(userdata: ?*anyopaque, group: *Io.Group, context: []const u8, alignment: std.mem.Alignment, start: Fiber.MemberStart) Io.ConcurrentError!void {
    // The members are a list that begins in the group's state; its token is the awaiter, or the runtime before there is one.
    _ = Fiber.spawn(of(userdata), .{ .member = start }, 0, .@"1", context, alignment, .{ .group = group }) catch
        return error.ConcurrencyUnavailable;
    if (group.token.raw == null) group.token.raw = userdata;
}

fn groupEnd(self: *Loop, group: *Io.Group, cancels: bool) Io.Cancelable!void {
    var canceled = cancels;
    if (self.current) |fiber| group.token.raw = fiber;
    if (cancels) Fiber.cancelAll(group);
    defer group.token.raw = null;
    while (group.state != 0) {
        if (!canceled and self.isCanceled()) {
            canceled = true;
            Fiber.cancelAll(group);
        }
        self.wait();
    }
    if (canceled and !cancels) return self.acknowledge();
}

fn groupAwait(userdata: ?*anyopaque, group: *Io.Group, _: *anyopaque) Io.Cancelable!void {
    return groupEnd(of(userdata), group, false);
}

fn groupCancel(userdata: ?*anyopaque, group: *Io.Group, _: *anyopaque) void {
    groupEnd(of(userdata), group, true) catch unreachable;
}

fn recancel(userdata: ?*anyopaque) void {
    const fiber = of(userdata).current.?;
    std.debug.assert(fiber.cancelation == .acknowledged);
    fiber.cancelation = .requested;
}

fn swapCancelProtection(userdata: ?*anyopaque, new: Io.CancelProtection) Io.CancelProtection {
    const fiber = of(userdata).current orelse return .unblocked;
    defer fiber.protection = new;
    return fiber.protection;
}

fn checkCancel(userdata: ?*anyopaque) Io.Cancelable!void {
    return of(userdata).check();
}

// ---- waits ----------------------------------------------------------------------------------------------------------

fn futexWait(userdata: ?*anyopaque, ptr: *const u32, expected: u32, timeout: Io.Timeout) Io.Cancelable!void {
    const self = of(userdata);
    return futex(self, ptr, expected, self.deadline(timeout) orelse c.forever, true);
}

fn futexWaitUncancelable(userdata: ?*anyopaque, ptr: *const u32, expected: u32) void {
    futex(of(userdata), ptr, expected, c.forever, false) catch unreachable;
}

fn futex(self: *Loop, ptr: *const u32, expected: u32, until: u64, cancelable: bool) Io.Cancelable!void {
    const fiber = self.current orelse return futexOutside(self, ptr, expected, until);
    while (true) {
        if (cancelable and self.isCanceled()) {
            _ = c.ouzel_cx_leave(fiber.cx);
            return self.acknowledge();
        }
        switch (c.ouzel_wait_addr(fiber.cx, ptr, expected, until)) {
            c.pending => fiber.leave(),
            // Without memory it is a wake without a reason, after everyone else's turn.
            c.ENOMEM => {
                _ = c.ouzel_wake_self(fiber.cx);
                return fiber.leave();
            },
            else => return,
        }
    }
}

/// Of the code outside of all tasks: the loop goes on meanwhile.
fn futexOutside(self: *Loop, ptr: *const u32, expected: u32, until: u64) void {
    // Either the one that wakes sees this, or the word is seen that it has written before.
    self.outside_waits.store(true, .seq_cst);
    defer self.outside_waits.store(false, .monotonic);
    while (@atomicLoad(u32, ptr, .seq_cst) == expected) {
        const now = c.ouzel_now(self.handle);
        if (now >= until) return;
        _ = c.ouzel_run_once(self.handle, if (until == c.forever) until else until - now, null);
    }
}

/// May be called on any thread.
fn futexWake(userdata: ?*anyopaque, ptr: *const u32, most: u32) void {
    const self = of(userdata);
    const id = c.ouzel_runtime_id(self.handle);
    _ = c.ouzel_wake_addr(id, ptr, most);
    if (self.outside_waits.load(.seq_cst)) _ = c.ouzel_notify(id);
}

fn sleep(userdata: ?*anyopaque, timeout: Io.Timeout) Io.Cancelable!void {
    const self = of(userdata);
    try self.check();
    const until = self.deadline(timeout) orelse c.forever;
    var op: c.Id = .{};
    const options = self.opOptions();
    _ = try self.result(c.ouzel_timer(self.handle, until, 0, &options, &op), op, true);
}

fn batchAwaitAsync(userdata: ?*anyopaque, batch: *Io.Batch) Io.Cancelable!void {
    return batches.awaitAny(of(userdata), batch, .none, false) catch |err| switch (err) {
        error.Canceled => error.Canceled,
        error.ConcurrencyUnavailable, error.Timeout => unreachable,
    };
}

fn batchAwaitConcurrent(userdata: ?*anyopaque, batch: *Io.Batch, timeout: Io.Timeout) Io.Batch.AwaitConcurrentError!void {
    return batches.awaitAny(of(userdata), batch, timeout, true);
}

fn batchCancel(userdata: ?*anyopaque, batch: *Io.Batch) void {
    batches.withdraw(of(userdata), batch, false);
}

/// Everything else is `std.Io.Threaded`'s.
const ours = .{
    .async = async,
    .concurrent = concurrent,
    .await = await,
    .cancel = cancel,
    .groupAsync = groupAsync,
    .groupConcurrent = groupConcurrent,
    .groupAwait = groupAwait,
    .groupCancel = groupCancel,
    .recancel = recancel,
    .swapCancelProtection = swapCancelProtection,
    .checkCancel = checkCancel,
    .futexWait = futexWait,
    .futexWaitUncancelable = futexWaitUncancelable,
    .futexWake = futexWake,
    .sleep = sleep,
    .operate = operations.operate,
    .batchAwaitAsync = batchAwaitAsync,
    .batchAwaitConcurrent = batchAwaitConcurrent,
    .batchCancel = batchCancel,
    .fileReadPositional = operations.fileReadPositional,
    .fileWritePositional = operations.fileWritePositional,
    .fileClose = operations.fileClose,
    .netClose = operations.netClose,
    .netAccept = operations.netAccept,
    .netConnectIp = operations.netConnectIp,
};

const vtable: Io.VTable = table: {
    var all: Io.VTable = undefined;
    for (std.meta.fieldNames(Io.VTable)) |name| {
        @field(all, name) = if (@hasField(@TypeOf(ours), name)) @field(ours, name) else Forward(name).call;
    }
    break :table all;
};
