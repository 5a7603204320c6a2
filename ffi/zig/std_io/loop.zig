//! One thread's loop, and the tasks of `std.Io` on it: a stack of its own for each, and a task of ouzel that runs on it when it is
//! polled.

const std = @import("std");
const builtin = @import("builtin");
const Io = std.Io;
const c = @import("../c.zig");
const posix = std.posix;
const E = posix.E;

const page = std.heap.page_size_max;

/// What every function of the interface is given.
pub const Loop = struct {
    handle: *c.Runtime,
    /// For what ouzel does not do itself.
    threaded: Io.Threaded,
    /// The one that runs; none: the code outside of all.
    current: ?*Fiber,
    /// Fibers that are there.
    live: usize,
    /// Of a task.
    stack_bytes: usize,
    /// The code outside waits at an address: who changes the word ends the loop's wait.
    outside_waits: std.atomic.Value(bool),

    /// Lets others run until something has happened: what is waited for is then looked at again.
    pub fn wait(self: *Loop) void {
        if (self.current) |fiber| return fiber.leave();
        const turned = c.ouzel_run_once(self.handle, c.forever, null);
        std.debug.assert(turned == c.ok);
    }

    /// Whether the running task is to end what it does.
    pub fn isCanceled(self: *Loop) bool {
        const fiber = self.current orelse return false;
        return fiber.cancelation == .requested and fiber.protection == .unblocked;
    }

    /// The running task is told.
    pub fn acknowledge(self: *Loop) Io.Cancelable {
        self.current.?.cancelation = .acknowledged;
        return error.Canceled;
    }

    pub fn opOptions(self: *Loop) c.OpOpts {
        return .{ .waker = if (self.current) |fiber| fiber.task else .{} };
    }

    /// The result of an operation that was submitted, errors below zero as the system has them.
    pub fn result(self: *Loop, submitted: i32, op: c.Id, cancelable: bool) Io.Cancelable!i32 {
        if (submitted != c.ok) return refused(submitted);
        var asked = false;
        while (true) {
            var cqe: c.Cqe = undefined;
            const taken = c.ouzel_op_take(op, &cqe);
            if (taken == c.ready) {
                if (asked and cqe.res == -@as(i32, @backingInt(E.CANCELED))) return self.acknowledge();
                return cqe.res;
            }
            std.debug.assert(taken == c.pending);
            if (cancelable and !asked and self.isCanceled()) {
                asked = true;
                _ = c.ouzel_op_cancel(op);
            }
            self.wait();
        }
    }

    pub fn check(self: *Loop) Io.Cancelable!void {
        if (self.isCanceled()) return self.acknowledge();
    }

    /// On ouzel's clock; none: never.
    pub fn deadline(self: *Loop, timeout: Io.Timeout) ?u64 {
        const duration = timeout.toDurationFromNow(self.threaded.io()) orelse return null;
        const ns = std.math.lossyCast(u64, @max(duration.raw.toNanoseconds(), 0));
        return c.ouzel_now(self.handle) +| ns;
    }
};

/// An operation that was not begun, as an errno.
fn refused(code: i32) i32 {
    const err: E = switch (code) {
        c.ENOMEM => .NOMEM,
        c.ECLOSING => .CANCELED,
        else => if (code < 0 and code > -10000) return code else .INVAL,
    };
    return -@as(i32, @backingInt(err));
}

pub fn of(userdata: ?*anyopaque) *Loop {
    return @ptrCast(@alignCast(userdata.?));
}

/// Lies at the upper end of its stack, with what it was given and where its result goes.
pub const Fiber = struct {
    pub const Start = *const fn (context: *const anyopaque, result: *anyopaque) void;
    pub const MemberStart = *const fn (context: *const anyopaque) void;
    pub const Work = union(enum) { future: Start, member: MemberStart };
    /// Who frees it: who awaits it, or its drop.
    pub const Owner = union(enum) { awaiter, nobody, group: *Io.Group };

    loop: *Loop,
    mapping: []align(std.heap.page_size_min) u8,
    /// Where it goes on, and where its poller does.
    inside: Io.fiber.Context,
    outside: Io.fiber.Context,
    task: c.Id,
    /// Of the present poll.
    cx: *c.Cx,
    work: Work,
    context: [*]const u8,
    result: [*]u8,
    finished: bool,
    /// Who waits for the end; none: nobody, or the code outside of all tasks.
    awaiter: ?*Fiber,
    cancelation: enum { none, requested, acknowledged },
    protection: Io.CancelProtection,
    /// Of a member: its group, and its neighbours there.
    group: ?*Io.Group,
    before: ?*Fiber,
    next: ?*Fiber,

    pub fn spawn(
        loop: *Loop,
        work: Work,
        result_len: usize,
        result_alignment: std.mem.Alignment,
        context: []const u8,
        context_alignment: std.mem.Alignment,
        owner: Owner,
    ) error{OutOfMemory}!*Fiber {
        const room = result_len + context.len + @sizeOf(Fiber) + 64;
        const len = std.mem.alignForward(usize, page + loop.stack_bytes + room, page);
        const mapping = posix.mmap(null, len, .{ .READ = true, .WRITE = true }, .{ .TYPE = .PRIVATE, .ANONYMOUS = true, .NORESERVE = true }, -1, 0) catch
            return error.OutOfMemory;
        // A stack that is too small for its task ends the program here, and not somewhere else.
        if (std.c.mprotect(@ptrCast(mapping.ptr), page, .{}) != 0) {
            posix.munmap(mapping);
            return error.OutOfMemory;
        }
        const end = @intFromPtr(mapping.ptr) + len;
        const result = result_alignment.backward(end - result_len);
        const copy = context_alignment.backward(result - context.len);
        const top = std.mem.alignBackward(usize, copy - @sizeOf(Fiber), @max(16, @alignOf(Fiber)));
        @memcpy(@as([*]u8, @ptrFromInt(copy)), context);
        const self: *Fiber = @ptrFromInt(top);
        self.* = .{
            .loop = loop,
            .mapping = mapping,
            .inside = entered(top, self),
            .outside = undefined,
            .task = .{},
            .cx = undefined,
            .work = work,
            .context = @ptrFromInt(copy),
            .result = @ptrFromInt(result),
            .finished = false,
            .awaiter = null,
            .cancelation = .none,
            .protection = .unblocked,
            .group = null,
            .before = null,
            .next = null,
        };
        loop.live += 1;
        // Also what is not spawned is dropped.
        const options: c.TaskOpts = .{ .flags = c.task_detached, .drop = if (owner == .awaiter) null else drop };
        if (c.ouzel_spawn(loop.handle, poll, self, &options, &self.task) != c.ok) {
            if (owner == .awaiter) self.free();
            return error.OutOfMemory;
        }
        if (owner == .group) self.join(owner.group);
        return self;
    }

    /// The state of a fiber that has not begun.
    fn entered(top: usize, self: *Fiber) Io.fiber.Context {
        switch (builtin.cpu.arch) {
            .x86_64 => {
                // As after a call: what lies there is what `entry` looks for, instead of a return address.
                const slot: **Fiber = @ptrFromInt(top - 8);
                slot.* = self;
                return .{ .rsp = top - 8, .rbp = 0, .rip = @intFromPtr(&entry) };
            },
            .aarch64 => {
                const slot: **Fiber = @ptrFromInt(top - 16);
                slot.* = self;
                return .{ .sp = top - 16, .fp = 0, .pc = @intFromPtr(&entry) };
            },
            else => @compileError("std_io: no fibers for this processor"),
        }
    }

    fn entry() callconv(.naked) void {
        switch (builtin.cpu.arch) {
            .x86_64 => asm volatile (
                \\ movq (%%rsp), %%rdi
                \\ jmp %[run:P]
                :
                : [run] "X" (&run),
            ),
            .aarch64 => asm volatile (
                \\ ldr x0, [sp]
                \\ b %[run]
                :
                : [run] "X" (&run),
            ),
            else => unreachable,
        }
    }

    fn run(self: *Fiber) callconv(.c) noreturn {
        switch (self.work) {
            .future => |start| start(self.context, self.result),
            .member => |start| start(self.context),
        }
        self.finished = true;
        self.leave();
        unreachable;
    }

    fn poll(ud: ?*anyopaque, cx: *c.Cx) callconv(.c) i32 {
        const self: *Fiber = @ptrCast(@alignCast(ud.?));
        const loop = self.loop;
        self.cx = cx;
        loop.current = self;
        _ = Io.fiber.contextSwitch(&.{ .old = &self.outside, .new = &self.inside });
        loop.current = null;
        if (!self.finished) return c.pending;
        if (self.group) |group| self.part(group) else if (self.awaiter) |awaiter| awaiter.wake();
        return c.ready;
    }

    /// Goes back to who polls, until the next poll.
    pub fn leave(self: *Fiber) void {
        _ = Io.fiber.contextSwitch(&.{ .old = &self.inside, .new = &self.outside });
    }

    pub fn wake(self: *Fiber) void {
        _ = c.ouzel_wake(self.task);
    }

    pub fn cancel(self: *Fiber) void {
        if (self.cancelation != .none) return;
        self.cancelation = .requested;
        if (!self.finished) self.wake();
    }

    /// Its task has been dropped.
    pub fn free(self: *Fiber) void {
        self.loop.live -= 1;
        posix.munmap(self.mapping);
    }

    fn drop(ud: ?*anyopaque) callconv(.c) void {
        const self: *Fiber = @ptrCast(@alignCast(ud.?));
        self.free();
    }

    // ---- a group's members: a list that begins in its state; its token is who waits, if that is a task -----------------

    fn first(group: *Io.Group) ?*Fiber {
        return @ptrFromInt(group.state);
    }

    fn join(self: *Fiber, group: *Io.Group) void {
        self.group = group;
        self.next = first(group);
        if (self.next) |next| next.before = self;
        group.state = @intFromPtr(self);
    }

    fn part(self: *Fiber, group: *Io.Group) void {
        if (self.next) |next| next.before = self.before;
        if (self.before) |before| before.next = self.next else group.state = @intFromPtr(self.next);
        if (group.state != 0) return;
        const waiting = group.token.raw.?;
        if (waiting != @as(*anyopaque, self.loop)) @as(*Fiber, @ptrCast(@alignCast(waiting))).wake();
    }

    pub fn cancelAll(group: *Io.Group) void {
        var member = first(group);
        while (member) |fiber| : (member = fiber.next) fiber.cancel();
    }
};
