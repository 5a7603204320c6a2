//! Tests of the Zig binding on a real runtime: typed tasks, errors, operations that wait, are cancelled and fail.

const std = @import("std");
const ouzel = @import("ouzel.zig");
const c = ouzel.c;
const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;

extern "c" fn socketpair(domain: c_int, kind: c_int, protocol: c_int, fds: *[2]c_int) c_int;
extern "c" fn close(fd: c_int) c_int;
extern "c" fn usleep(us: c_uint) c_int;
extern "c" fn write(fd: c_int, buf: [*]const u8, len: usize) isize;

extern const ouzel_test_layout: [64]usize;
extern const ouzel_test_layout_len: usize;

const drivers = [_]ouzel.Driver{ .uring, .epoll, .poll };

fn pair() ![2]c_int {
    var fds: [2]c_int = undefined;
    if (socketpair(1, 1, 0, &fds) != 0) return error.Unexpected;
    return fds;
}

test "structs are laid out as in the header" {
    const ours = [_]usize{
        @sizeOf(c.Options),               @offsetOf(c.Options, "blocking_idle_ns"),
        @offsetOf(c.Options, "buf_size"), @sizeOf(c.Tick),
        @offsetOf(c.Tick, "more"),        @sizeOf(c.TaskOpts),
        @offsetOf(c.TaskOpts, "drop"),    @offsetOf(c.TaskOpts, "group"),
        @sizeOf(c.SpawnDesc),             @sizeOf(c.TaskInfo),
        @offsetOf(c.TaskInfo, "ud"),      @sizeOf(c.Allocator),
        @offsetOf(c.Allocator, "ctx"),    @sizeOf(c.WorkerStats),
        @sizeOf(c.Cqe),
        @offsetOf(c.Cqe, "buf_len"),      @offsetOf(c.Cqe, "extra"),
        @sizeOf(c.OpOpts),                @offsetOf(c.OpOpts, "waker"),
        @offsetOf(c.OpOpts, "release"),   @sizeOf(c.Stats),
        @offsetOf(c.Stats, "allocs"),     @sizeOf(c.Id),
        c.abi_version,                    c.send_lazy,
        c.cqe_cancelled,                  @as(usize, @intCast(-c.ENOTSUP)),
        @as(usize, @intCast(-c.ECLOSED)),
    };
    try expectEqual(ours.len, ouzel_test_layout_len);
    for (ours, 0..) |value, i| try expectEqual(ouzel_test_layout[i], value);
}

const Countdown = struct {
    left: u32,
    fails: bool = false,
    dropped: u32 = 0,

    pub fn poll(self: *Countdown, cx: *ouzel.Context) error{Odd}!ouzel.Poll {
        if (self.left == 0) return if (self.fails) error.Odd else .ready;
        self.left -= 1;
        cx.wakeSelf();
        return .pending;
    }

    pub fn drop(self: *Countdown) void {
        self.dropped += 1;
    }
};

test "a task runs to its end and is dropped once" {
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    var task: Countdown = .{ .left = 5 };
    try rt.blockOn(try rt.spawn(Countdown, &task, .{}), ouzel.forever);
    try expectEqual(0, task.left);
    try expectEqual(1, task.dropped);
    try expectEqual(0, rt.liveTasks());
}

test "a task's error comes out of its join, by name" {
    const rt = try ouzel.Runtime.init(.{ .workers = 1 });
    defer rt.deinit();
    var task: Countdown = .{ .left = 2, .fails = true };
    const handle = try rt.spawn(Countdown, &task, .{});
    try expectError(error.Odd, handle.join(ouzel.forever));
    try expectError(error.Stale, handle.join(ouzel.forever));
}

const Never = struct {
    dropped: u32 = 0,
    waker: ouzel.Waker = .{},

    pub fn poll(self: *Never, cx: *ouzel.Context) ouzel.Poll {
        self.waker = cx.waker();
        return .pending;
    }

    pub fn drop(self: *Never) void {
        self.dropped += 1;
    }
};

test "a cancelled task says so and its waker goes stale" {
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    var task: Never = .{};
    const handle = try rt.spawn(Never, &task, .{});
    try expectError(error.TimedOut, rt.blockOn(handle, 1_000_000));
    try expect(task.waker.isAlive());
    try handle.cancel();
    try expectError(error.Canceled, rt.blockOn(handle, ouzel.forever));
    try expectEqual(1, task.dropped);
    try expectError(error.Stale, task.waker.wake());
}

/// Takes a permit, sends its numbers, gives the permit back.
const Sends = struct {
    sem: ouzel.Semaphore,
    chan: ouzel.Channel(u32),
    from: u32,
    next: u32 = 0,
    holds: bool = false,

    pub fn poll(self: *Sends, cx: *ouzel.Context) ouzel.Error!ouzel.Poll {
        if (!self.holds) {
            try self.sem.pollAcquire(cx, 1) orelse return .pending;
            self.holds = true;
        }
        while (self.next < 50) : (self.next += 1) {
            try self.chan.pollSend(cx, self.from + self.next) orelse return .pending;
        }
        try self.sem.release(1);
        return .ready;
    }
};

/// Receives until the channel is closed.
const Receives = struct {
    chan: ouzel.Channel(u32),
    sum: u64 = 0,
    count: u32 = 0,

    pub fn poll(self: *Receives, cx: *ouzel.Context) ouzel.Error!ouzel.Poll {
        while (true) {
            const value = self.chan.pollRecv(cx) catch |err| switch (err) {
                error.Closed => return .ready,
                else => return err,
            };
            self.sum += value orelse return .pending;
            self.count += 1;
        }
    }
};

const Empties = struct {
    group: ouzel.Group,

    pub fn poll(self: *Empties, cx: *ouzel.Context) ouzel.Error!ouzel.Poll {
        try self.group.pollEmpty(cx) orelse return .pending;
        return .ready;
    }
};

test "tasks take turns, send, receive, and end as a group" {
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    const sem = try ouzel.Semaphore.init(rt, 1);
    const chan = try ouzel.Channel(u32).init(rt, 3);
    const group = try ouzel.Group.init(rt);
    var senders: [4]Sends = undefined;
    for (&senders, 0..) |*sender, i| {
        sender.* = .{ .sem = sem, .chan = chan, .from = @intCast(100 * i) };
        _ = try rt.spawn(Sends, sender, .{ .detached = true, .group = group, .name = "sends" });
    }
    var receiver: Receives = .{ .chan = chan };
    const receives = try rt.spawn(Receives, &receiver, .{});
    var empties: Empties = .{ .group = group };
    try rt.blockOn(try rt.spawn(Empties, &empties, .{}), 10_000_000_000);
    try chan.close();
    try rt.blockOn(receives, 10_000_000_000);
    try expectEqual(200, receiver.count);
    try expectEqual(4 * 50 * 49 / 2 + 50 * 600, receiver.sum);
    try expectError(error.Closed, chan.trySend(1));
    try expect(try sem.tryAcquire(1));
    try sem.deinit();
    try chan.deinit();
    var never: Never = .{};
    _ = try rt.spawn(Never, &never, .{ .detached = true, .group = group });
    try expectError(error.Busy, group.deinit());
    try group.cancel();
    try expectError(error.Closing, rt.spawn(Never, &never, .{ .group = group }));
    try rt.blockOn(try rt.spawn(Empties, &empties, .{}), 10_000_000_000);
    try expectEqual(2, never.dropped);
    try group.deinit();
    try expectError(error.Stale, group.deinit());
}

test "a deadline cancels, and a task may be spawned from another thread" {
    const rt = try ouzel.Runtime.init(.{ .workers = 1 });
    defer rt.deinit();
    var late: Never = .{};
    const handle = try rt.spawn(Never, &late, .{ .deadline_ns = rt.now() + 5_000_000 });
    try expectError(error.Canceled, handle.join(10_000_000_000));
    var task: Countdown = .{ .left = 3, .fails = true };
    const from = struct {
        fn run(runtime: ouzel.Runtime, countdown: *Countdown) void {
            const spawned = runtime.spawnFrom(Countdown, countdown, .{}) catch unreachable;
            if (spawned.join(10_000_000_000)) unreachable else |err| std.debug.assert(err == error.Odd);
        }
    };
    const thread = try std.Thread.spawn(.{}, from.run, .{ rt, &task });
    thread.join();
    try expectEqual(1, task.dropped);
}

const Waits = struct {
    shared: *std.atomic.Value(u32),
    seen: bool = false,
    waker: std.atomic.Value(u64) = .init(0),
    saved: ouzel.Waker = .{},

    pub fn poll(self: *Waits, cx: *ouzel.Context) ouzel.Poll {
        if (self.shared.load(.acquire) != 0) {
            self.seen = true;
            return .ready;
        }
        self.saved = cx.waker();
        self.waker.store(1, .release);
        return .pending;
    }
};

fn wakeLater(task: *Waits) void {
    while (task.waker.load(.acquire) == 0) _ = usleep(100);
    _ = usleep(2_000);
    task.shared.store(1, .release);
    _ = task.saved.wake() catch unreachable;
}

test "a wake from another thread ends a real wait" {
    for (drivers) |driver| {
        const rt = ouzel.Runtime.init(.{ .driver = driver }) catch |err| {
            std.debug.print("skipped: {s}: {}\n", .{ @tagName(driver), err });
            continue;
        };
        defer rt.deinit();
        var shared: std.atomic.Value(u32) = .init(0);
        var task: Waits = .{ .shared = &shared };
        const handle = try rt.spawn(Waits, &task, .{});
        const thread = try std.Thread.spawn(.{}, wakeLater, .{&task});
        try rt.blockOn(handle, 10_000_000_000);
        thread.join();
        try expect(task.seen);
    }
}

/// Waits for one operation and keeps its completion.
const One = struct {
    op: ouzel.Op,
    completion: ?ouzel.Completion = null,

    pub fn poll(self: *One, cx: *ouzel.Context) ouzel.Error!ouzel.Poll {
        self.completion = try self.op.poll(cx) orelse return .pending;
        return .ready;
    }
};

fn wait(rt: ouzel.Runtime, op: ouzel.Op) !ouzel.Completion {
    var one: One = .{ .op = op };
    try rt.blockOn(try rt.spawn(One, &one, .{}), 10_000_000_000);
    return one.completion.?;
}

fn writeLater(fd: c_int) void {
    _ = usleep(5_000);
    _ = write(fd, "later", 5);
}

test "a receive waits, is cancelled, and fails" {
    for (drivers) |driver| {
        const rt = ouzel.Runtime.init(.{ .driver = driver }) catch continue;
        defer rt.deinit();
        try expectEqual(driver, try rt.driver());
        const fds = try pair();
        var buf: [16]u8 = undefined;

        const thread = try std.Thread.spawn(.{}, writeLater, .{fds[1]});
        const came = try wait(rt, try rt.recv(fds[0], &buf));
        thread.join();
        try std.testing.expectEqualStrings("later", buf[0..try came.count()]);

        const op = try rt.recv(fds[0], &buf);
        try expectEqual(null, try op.take());
        try op.cancel();
        try expectError(error.Canceled, (try wait(rt, op)).count());
        try expectError(error.Stale, op.take());

        _ = close(fds[1]);
        try expectError(error.BrokenPipe, (try wait(rt, try rt.send(fds[0], "x"))).count());
        try expectError(error.Unexpected, (try wait(rt, try rt.recv(-1, &buf))).count());
        _ = try (try wait(rt, try rt.close(fds[0]))).count();
    }
}

test "a multishot receive hands out buffers and takes them back" {
    const rt = try ouzel.Runtime.init(.{ .buf_count = 2, .buf_size = 64 });
    defer rt.deinit();
    const fds = try pair();
    defer _ = close(fds[1]);
    const op = try rt.recvMulti(fds[0]);
    for (0..5) |_| {
        _ = write(fds[1], "again", 5);
        const got = try wait(rt, op);
        try expect(got.more());
        try std.testing.expectEqualStrings("again", got.bytes().?);
        try rt.returnBuffer(got);
        try expectError(error.Stale, rt.returnBuffer(got));
    }
    try op.abandon();
    try expectError(error.Stale, op.cancel());
}

test "readiness is told again and again" {
    for (drivers) |driver| {
        const rt = ouzel.Runtime.init(.{ .driver = driver }) catch continue;
        defer rt.deinit();
        const fds = try pair();
        defer for (fds) |fd| {
            _ = close(fd);
        };
        const op = try rt.pollFdMulti(fds[0], std.posix.POLL.IN);
        var buf: [8]u8 = undefined;
        for (0..3) |_| {
            _ = write(fds[1], "again", 5);
            const told = try wait(rt, op);
            try expect(told.more());
            try expect(try told.count() & std.posix.POLL.IN != 0);
            try expectEqual(5, try (try wait(rt, try rt.recv(fds[0], &buf))).count());
        }
        try op.cancel();
        try expectError(error.Canceled, (try wait(rt, op)).count());
    }
}

fn square(n: *i64) i64 {
    return n.* * n.*;
}

test "timers and blocking jobs" {
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    const start = rt.now();
    try expectEqual(0, try (try wait(rt, try rt.timer(start + 2_000_000))).count());
    try expect(rt.now() >= start + 2_000_000);
    var n: i64 = 12;
    try expectEqual(144, (try wait(rt, try rt.blocking(i64, &n, square))).value());
}

test "intervals, resets, and waiting outside of tasks" {
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    const ticks = try rt.interval(rt.now(), 1_000_000);
    var n: i64 = 0;
    while (n < 3) {
        const tick = try ticks.wait(ouzel.forever);
        try expect(tick.more());
        n += tick.value();
    }
    try ticks.cancel();
    try expectError(error.Canceled, (try ticks.wait(ouzel.forever)).count());
    const timer = try rt.timer(rt.now() + 100_000_000_000);
    try expectError(error.TimedOut, timer.wait(0));
    try timer.reset(rt.now());
    try expectEqual(0, try (try timer.wait(ouzel.forever)).count());
    try expectError(error.Stale, timer.reset(1));
}

test "names and their status" {
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    const here = -100; // AT_FDCWD
    var stat: ouzel.c.Stat = .{};
    _ = try (try (try rt.statAt(here, "/tmp", 0, &stat)).wait(ouzel.forever)).count();
    try expectEqual(0o040000, stat.mode & 0o170000);
    const none = try rt.unlinkAt(here, "/nonexistent/x", 0);
    try expectError(error.FileNotFound, (try none.wait(ouzel.forever)).count());
}

test "what ouzel refuses has a name" {
    try expectError(error.Invalid, ouzel.Runtime.init(.{ .workers = 1 << 20 }));
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    try rt.shutdown(ouzel.forever);
    var task: Countdown = .{ .left = 0 };
    try expectError(error.Closing, rt.spawn(Countdown, &task, .{}));
    try expectEqual(1, task.dropped);
    try expectError(error.Closing, rt.nop());
}
