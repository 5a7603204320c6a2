//! Tasks of `std.Io`: they wait, are cancelled, and wait for each other.

const std = @import("std");
const Io = std.Io;
const testing = @import("testing.zig");
const everywhere = testing.everywhere;
const after = testing.after;
const pipe = testing.pipe;
const Runtime = @import("../std_io.zig").Runtime;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;

extern "c" fn usleep(us: c_uint) c_int;

const Order = struct {
    seen: [4]u8 = undefined,
    len: usize = 0,

    fn add(self: *Order, io: Io, ms: i64, name: u8) Io.Cancelable!void {
        try after(io, ms);
        self.seen[self.len] = name;
        self.len += 1;
    }
};

fn tasksWaitBesideEachOther(io: Io) !void {
    var order: Order = .{};
    var late = try io.concurrent(Order.add, .{ &order, io, 40, 'l' });
    var soon = try io.concurrent(Order.add, .{ &order, io, 5, 's' });
    try expectEqual(0, order.len);
    try late.await(io);
    try soon.await(io);
    try std.testing.expectEqualStrings("sl", order.seen[0..order.len]);
}

test "tasks wait beside each other" {
    try everywhere(tasksWaitBesideEachOther);
}

fn sum(io: Io, values: []const u64) u64 {
    if (values.len == 1) return values[0];
    var left = io.async(sum, .{ io, values[0 .. values.len / 2] });
    const right = sum(io, values[values.len / 2 ..]);
    return left.await(io) + right;
}

const Wide = struct { a: [100]u8 align(64), b: u64 };

fn wide(in: Wide) Wide {
    std.debug.assert(@intFromPtr(&in) % 64 == 0);
    return .{ .a = @splat(in.a[99] + 1), .b = in.b * 2 };
}

fn tasksHaveTasksAndResults(io: Io) !void {
    var values: [500]u64 = undefined;
    for (&values, 0..) |*value, i| value.* = i;
    var total = io.async(sum, .{ io, &values });
    try expectEqual(499 * 500 / 2, total.await(io));
    var given = try io.concurrent(wide, .{Wide{ .a = @splat(6), .b = 21 }});
    const got = given.await(io);
    try expectEqual(7, got.a[0]);
    try expectEqual(42, got.b);
}

test "tasks have tasks of their own, and results" {
    try everywhere(tasksHaveTasksAndResults);
}

fn sleepsForever(io: Io, count: *u32) Io.Cancelable!void {
    defer count.* += 1;
    try io.sleep(.fromSeconds(100_000), .awake);
}

fn isNotCanceledYet(io: Io, count: *u32) Io.Cancelable!void {
    const before = io.swapCancelProtection(.blocked);
    after(io, 5) catch unreachable;
    count.* += 10;
    _ = io.swapCancelProtection(before);
    io.sleep(.fromSeconds(100_000), .awake) catch {
        count.* += 100;
        io.recancel();
    };
    return io.checkCancel();
}

fn aWaitIsCanceled(io: Io) !void {
    var count: u32 = 0;
    var begun = try io.concurrent(sleepsForever, .{ io, &count });
    try after(io, 2);
    try expectError(error.Canceled, begun.cancel(io));
    var new = try io.concurrent(sleepsForever, .{ io, &count });
    try expectError(error.Canceled, new.cancel(io));
    try expectEqual(2, count);
    var protected = try io.concurrent(isNotCanceledYet, .{ io, &count });
    try expectError(error.Canceled, protected.cancel(io));
    try expectEqual(112, count);
    var over = try io.concurrent(after, .{ io, 0 });
    try after(io, 5);
    try over.cancel(io);
}

test "a wait is cancelled, unless it is protected" {
    try everywhere(aWaitIsCanceled);
}

fn waitsForGroup(io: Io, group: *Io.Group) Io.Cancelable!void {
    return group.await(io);
}

fn groupsEndTogether(io: Io) !void {
    var order: Order = .{};
    var group: Io.Group = .init;
    try group.concurrent(io, Order.add, .{ &order, io, 20, 'c' });
    try group.concurrent(io, Order.add, .{ &order, io, 1, 'a' });
    group.async(io, Order.add, .{ &order, io, 8, 'b' });
    try group.await(io);
    try std.testing.expectEqualStrings("abc", order.seen[0..order.len]);

    var count: u32 = 0;
    for (0..100) |_| try group.concurrent(io, sleepsForever, .{ io, &count });
    try after(io, 1);
    group.cancel(io);
    try expectEqual(100, count);

    // Who waits for it is cancelled, and with him the group.
    for (0..3) |_| try group.concurrent(io, sleepsForever, .{ io, &count });
    var waiter = try io.concurrent(waitsForGroup, .{ io, &group });
    try after(io, 1);
    try expectError(error.Canceled, waiter.cancel(io));
    try expectEqual(103, count);
    try group.await(io);
}

test "the tasks of a group end together" {
    try everywhere(groupsEndTogether);
}

const Shared = struct {
    mutex: Io.Mutex = .init,
    condition: Io.Condition = .init,
    turn: usize = 0,

    fn takeTurns(self: *Shared, io: Io, mine: usize, times: usize) Io.Cancelable!void {
        for (0..times) |_| {
            try self.mutex.lock(io);
            defer self.mutex.unlock(io);
            while (self.turn % 4 != mine) try self.condition.wait(io, &self.mutex);
            self.turn += 1;
            self.condition.broadcast(io);
        }
    }

    fn neverItsTurn(self: *Shared, io: Io) Io.Cancelable!void {
        try self.mutex.lock(io);
        defer self.mutex.unlock(io);
        while (true) try self.condition.wait(io, &self.mutex);
    }
};

fn tasksWaitForEachOther(io: Io) !void {
    var shared: Shared = .{};
    var group: Io.Group = .init;
    for (0..4) |mine| try group.concurrent(io, Shared.takeTurns, .{ &shared, io, mine, 25 });
    try group.await(io);
    try expectEqual(100, shared.turn);
    var never = try io.concurrent(Shared.neverItsTurn, .{ &shared, io });
    try after(io, 1);
    try expectError(error.Canceled, never.cancel(io));
    try shared.mutex.lock(io);
    shared.mutex.unlock(io);
}

test "tasks wait for each other, and are cancelled there" {
    try everywhere(tasksWaitForEachOther);
}

fn wakes(io: Io, words: []u32) void {
    for (words) |*word| {
        _ = usleep(2000);
        @atomicStore(u32, word, 1, .seq_cst);
        io.futexWake(u32, word, 1);
    }
}

fn awaitsWord(io: Io, word: *const u32) Io.Cancelable!void {
    while (@atomicLoad(u32, word, .seq_cst) == 0) try io.futexWait(u32, word, 0);
}

fn aThreadWakes(io: Io) !void {
    var words: [4]u32 = @splat(0);
    const thread = try std.Thread.spawn(.{}, wakes, .{ io, &words });
    defer thread.join();
    var task = try io.concurrent(awaitsWord, .{ io, &words[2] });
    for ([_]usize{ 0, 1, 3 }) |i| try awaitsWord(io, &words[i]);
    try task.await(io);
    const soon: Io.Timeout = .{ .duration = .{ .raw = .fromMilliseconds(2), .clock = .awake } };
    try io.futexWaitTimeout(u32, &words[0], 1, soon);
}

test "another thread wakes a task, and the code outside of all" {
    try everywhere(aThreadWakes);
}

fn manyTasks(io: Io) !void {
    var queue_buffer: [16]u64 = undefined;
    var queue: Io.Queue(u64) = .init(&queue_buffer);
    var group: Io.Group = .init;
    for (0..1000) |n| try group.concurrent(io, put, .{ io, &queue, n });
    var total: u64 = 0;
    for (0..1000) |_| total += try queue.getOne(io);
    try group.await(io);
    try expectEqual(999 * 1000 / 2, total);
}

fn put(io: Io, queue: *Io.Queue(u64), n: u64) Io.Cancelable!void {
    try after(io, @intCast(n % 7));
    queue.putOne(io, n) catch |err| switch (err) {
        error.Canceled => return error.Canceled,
        error.Closed => unreachable,
    };
}

test "a thousand tasks fill a queue" {
    try everywhere(manyTasks);
}

test "without memory for a stack a task is done at once, or refused" {
    var runtime: Runtime = undefined;
    try runtime.init(std.testing.allocator, .{ .stack_bytes = 1 << 60 });
    defer runtime.deinit();
    const io = runtime.io();
    try expectError(error.ConcurrencyUnavailable, io.concurrent(after, .{ io, 1 }));
    var order: Order = .{};
    var done = io.async(Order.add, .{ &order, io, 1, 'd' });
    try expectEqual(1, order.len);
    try done.await(io);
    var group: Io.Group = .init;
    try expectError(error.ConcurrencyUnavailable, group.concurrent(io, after, .{ io, 1 }));
    group.async(io, Order.add, .{ &order, io, 1, 'g' });
    try group.await(io);
    try std.testing.expectEqualStrings("dg", order.seen[0..order.len]);
    // So are the operations of a batch: one after the other.
    const ends = try pipe();
    defer for (ends) |end| end.close(io);
    try ends[1].writeStreamingAll(io, "x");
    var buffer: [1]u8 = undefined;
    var storage: [1]Io.Operation.Storage = undefined;
    var batch: Io.Batch = .init(&storage);
    const data: [1][]u8 = .{&buffer};
    _ = batch.add(.{ .file_read_streaming = .{ .file = ends[0], .data = &data } });
    try expectError(error.ConcurrencyUnavailable, batch.awaitConcurrent(io, .none));
    try batch.awaitAsync(io);
    try expectEqual(1, try batch.next().?.result.file_read_streaming);
    batch.cancel(io);
    try expectEqual('x', buffer[0]);
}

test "workers are refused" {
    var runtime: Runtime = undefined;
    try expectError(error.Invalid, runtime.init(std.testing.allocator, .{ .runtime = .{ .workers = 2 } }));
}
