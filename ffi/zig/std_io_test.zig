//! Tests of `std_io.zig` on every driver: tasks that wait, are cancelled and fail, by `std.Io`'s own names. Zig 0.17.

const std = @import("std");
const Io = std.Io;
const c = @import("c.zig");
const Runtime = @import("std_io.zig").Runtime;
const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;

/// A test on each driver, on its runtime.
fn everywhere(comptime run: fn (io: Io) anyerror!void) !void {
    for (1..4) |driver| {
        var runtime: Runtime = undefined;
        try runtime.init(std.testing.allocator, .{ .runtime = .{ .driver = @intCast(driver) } });
        defer runtime.deinit();
        try run(runtime.io());
        try expectEqual(0, runtime.loop.live);
        // It was ouzel that did it.
        var stats: c.Stats = .{};
        try expectEqual(c.ok, c.ouzel_stats_get(runtime.loop.handle, &stats, @sizeOf(c.Stats)));
        try expect(stats.tasks_spawned > 0 and stats.polls > stats.tasks_spawned);
    }
}

fn after(io: Io, ms: i64) Io.Cancelable!void {
    try io.sleep(.fromMilliseconds(ms), .awake);
}

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

extern "c" fn usleep(us: c_uint) c_int;

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

const address: Io.net.IpAddress = .{ .ip4 = .loopback(0) };

fn echo(io: Io, stream: Io.net.Stream) void {
    defer stream.close(io);
    var in: [4096]u8 = undefined;
    var out: [1000]u8 = undefined;
    var reader = stream.reader(io, &in);
    var writer = stream.writer(io, &out);
    while (true) {
        const bytes = reader.interface.peekGreedy(1) catch return;
        writer.interface.writeAll(bytes) catch return;
        writer.interface.flush() catch return;
        reader.interface.toss(bytes.len);
    }
}

fn serve(io: Io, server: *Io.net.Server, connections: *Io.Group) anyerror!void {
    while (true) {
        const stream = try server.accept(io);
        connections.async(io, echo, .{ io, stream });
    }
}

fn sends(io: Io, stream: Io.net.Stream, bytes: []const u8) anyerror!void {
    var buffer: [3000]u8 = undefined;
    var writer = stream.writer(io, &buffer);
    try writer.interface.writeAll(bytes);
    try writer.interface.flush();
    try stream.shutdown(io, .send);
}

fn client(io: Io, to: Io.net.IpAddress, n: usize, failed: *u32) void {
    asks(io, to, n) catch |err| {
        std.debug.print("client {d}: {}\n", .{ n, err });
        failed.* += 1;
    };
}

fn asks(io: Io, to: Io.net.IpAddress, n: usize) !void {
    var bytes: [200_000]u8 = undefined;
    for (&bytes, 0..) |*byte, i| byte.* = @truncate(i *% 31 +% i / 251 +% n *% 7);
    const stream = try to.connect(io, .{ .mode = .stream });
    defer stream.close(io);
    var sending = try io.concurrent(sends, .{ io, stream, &bytes });
    defer sending.cancel(io) catch {};
    var buffer: [5000]u8 = undefined;
    var reader = stream.reader(io, &buffer);
    var got: [bytes.len]u8 = undefined;
    try reader.interface.readSliceAll(&got);
    try std.testing.expectEqualSlices(u8, &bytes, &got);
    try expectError(error.EndOfStream, reader.interface.takeByte());
    try sending.await(io);
}

fn streamsEcho(io: Io) !void {
    var server = try address.listen(io, .{});
    var connections: Io.Group = .init;
    var serving = try io.concurrent(serve, .{ io, &server, &connections });
    var clients: Io.Group = .init;
    var failed: u32 = 0;
    for (0..10) |n| try clients.concurrent(io, client, .{ io, server.socket.address, n, &failed });
    try clients.await(io);
    try expectEqual(0, failed);
    try expectError(error.Canceled, serving.cancel(io));
    try connections.await(io);
    const to = server.socket.address;
    server.deinit(io);
    try expectError(error.ConnectionRefused, to.connect(io, .{ .mode = .stream }));
}

test "streams carry every byte, a wait for a connection is cancelled, and one to nobody is refused" {
    try everywhere(streamsEcho);
}

fn readsOne(io: Io, file: Io.File, got: *u8) anyerror!void {
    var buffer: [1]u8 = undefined;
    got.* = 0;
    _ = try file.readStreaming(io, &.{&buffer});
    got.* = buffer[0];
}

fn filesAndPipes(io: Io) !void {
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    const file = try tmp.dir.createFile(io, "data", .{ .read = true });
    defer file.close(io);
    try file.writePositionalAll(io, "hello, file", 0);
    var buffer: [32]u8 = undefined;
    try expectEqual(4, try file.readPositionalAll(io, &buffer, 7));
    try std.testing.expectEqualStrings("file", buffer[0..4]);

    const from, const into = try pipe();
    var got: u8 = 0;
    var waits = try io.concurrent(readsOne, .{ io, from, &got });
    try after(io, 1);
    try into.writeStreamingAll(io, "x");
    try waits.await(io);
    try expectEqual('x', got);
    var canceled = try io.concurrent(readsOne, .{ io, from, &got });
    try after(io, 1);
    try expectError(error.Canceled, canceled.cancel(io));
    into.close(io);
    try expectError(error.EndOfStream, readsOne(io, from, &got));
    from.close(io);
}

test "files are read and written, a pipe is waited for" {
    try everywhere(filesAndPipes);
}

fn connects(io: Io, to: Io.net.IpAddress, ms: i64) anyerror!void {
    const within: Io.Timeout = .{ .duration = .{ .raw = .fromMilliseconds(ms), .clock = .awake } };
    const stream = try to.connect(io, .{ .mode = .stream, .timeout = within });
    stream.close(io);
}

fn aConnectThatWaits(io: Io) !void {
    var server = try address.listen(io, .{ .kernel_backlog = 1 });
    defer server.deinit(io);
    const to = server.socket.address;
    // Nobody accepts: when the queue is full the next one waits.
    for (0..8) |_| connects(io, to, 40) catch |err| {
        try expectEqual(error.Timeout, err);
        break;
    } else return error.TheQueueHasNoEnd;
    var waits = try io.concurrent(connects, .{ io, to, 100_000_000 });
    try after(io, 2);
    try expectError(error.Canceled, waits.cancel(io));
}

test "a connect that waits has a limit, and is cancelled" {
    try everywhere(aConnectThatWaits);
}

fn receives(io: Io, socket: *const Io.net.Socket, buffer: []u8) anyerror!usize {
    const message = try socket.receive(io, buffer);
    return message.data.len;
}

fn datagramsAreWaitedFor(io: Io) !void {
    const socket = try address.bind(io, .{ .mode = .dgram });
    defer socket.close(io);
    var buffer: [100]u8 = undefined;
    var waits = try io.concurrent(receives, .{ io, &socket, &buffer });
    try after(io, 1);
    const other = try address.bind(io, .{ .mode = .dgram });
    defer other.close(io);
    try other.send(io, &socket.address, "datagram");
    try expectEqual(8, try waits.await(io));
    try std.testing.expectEqualStrings("datagram", buffer[0..8]);
    var canceled = try io.concurrent(receives, .{ io, &socket, &buffer });
    try after(io, 1);
    try expectError(error.Canceled, canceled.cancel(io));
}

test "datagrams are waited for" {
    try everywhere(datagramsAreWaitedFor);
}

fn pipe() ![2]Io.File {
    var ends: [2]c_int = undefined;
    try expectEqual(0, std.c.pipe(&ends));
    return .{
        .{ .handle = ends[0], .flags = .{ .nonblocking = false } },
        .{ .handle = ends[1], .flags = .{ .nonblocking = false } },
    };
}

fn readsWithin(io: Io, file: Io.File, buffer: *[1]u8, ms: i64) !usize {
    const within: Io.Timeout = .{ .duration = .{ .raw = .fromMilliseconds(ms), .clock = .awake } };
    const result = try io.operateTimeout(.{ .file_read_streaming = .{ .file = file, .data = &.{buffer} } }, within);
    return result.file_read_streaming;
}

fn batchesEndOneByOne(io: Io) !void {
    const pipes: [2][2]Io.File = .{ try pipe(), try pipe() };
    defer for (pipes) |ends| for (ends) |end| end.close(io);
    var buffers: [2][1]u8 = undefined;
    try expectError(error.Timeout, readsWithin(io, pipes[0][0], &buffers[0], 5));
    try pipes[0][1].writeStreamingAll(io, "a");
    try expectEqual(1, try readsWithin(io, pipes[0][0], &buffers[0], 60_000));
    try expectEqual('a', buffers[0][0]);

    var storage: [3]Io.Operation.Storage = undefined;
    var batch: Io.Batch = .init(&storage);
    const data: [2][1][]u8 = .{ .{&buffers[0]}, .{&buffers[1]} };
    for (pipes, 0..) |ends, i|
        batch.addAt(@intCast(i), .{ .file_read_streaming = .{ .file = ends[0], .data = &data[i] } });
    const soon: Io.Timeout = .{ .duration = .{ .raw = .fromMilliseconds(2), .clock = .awake } };
    try expectError(error.Timeout, batch.awaitConcurrent(io, soon));
    try expectEqual(null, batch.next());
    try pipes[1][1].writeStreamingAll(io, "b");
    try batch.awaitConcurrent(io, .none);
    const first = batch.next().?;
    try expectEqual(1, first.index);
    try expectEqual(1, try first.result.file_read_streaming);
    try expectEqual('b', buffers[1][0]);
    try expectEqual(null, batch.next());
    try pipes[0][1].writeStreamingAll(io, "c");
    try batch.awaitAsync(io);
    try expectEqual(0, batch.next().?.index);
    try expectEqual('c', buffers[0][0]);
    // In flight, and cancelled.
    _ = batch.add(.{ .file_read_streaming = .{ .file = pipes[0][0], .data = &data[0] } });
    _ = batch.add(.{ .file_read_streaming = .{ .file = pipes[1][0], .data = &data[1] } });
    try pipes[1][1].writeStreamingAll(io, "d");
    try batch.awaitAsync(io);
    batch.cancel(io);
    try expectEqual(1, try batch.next().?.result.file_read_streaming);
    try expectEqual(null, batch.next());
    try expectEqual('d', buffers[1][0]);
}

fn batchIsCanceled(io: Io, file: Io.File) anyerror!usize {
    var buffer: [1]u8 = undefined;
    return readsWithin(io, file, &buffer, 100_000_000);
}

fn aBatchIsCanceledWithItsTask(io: Io) !void {
    const ends = try pipe();
    defer for (ends) |end| end.close(io);
    var waits = try io.concurrent(batchIsCanceled, .{ io, ends[0] });
    try after(io, 2);
    try expectError(error.Canceled, waits.cancel(io));
    var inside = try io.concurrent(batchesEndOneByOne, .{io});
    try inside.await(io);
}

test "operations of a batch end one by one, are withdrawn when the time is over, and cancelled" {
    try everywhere(batchesEndOneByOne);
    try everywhere(aBatchIsCanceledWithItsTask);
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
