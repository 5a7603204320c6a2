//! Files, sockets and batches of `std.Io`: they wait, are cancelled, and fail.

const std = @import("std");
const Io = std.Io;
const testing = @import("testing.zig");
const everywhere = testing.everywhere;
const after = testing.after;
const pipe = testing.pipe;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;

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

fn fills(io: Io, file: Io.File, bytes: []const u8) anyerror!void {
    try file.writeStreamingAll(io, bytes);
}

fn aFullPipe(io: Io) !void {
    const from, const into = try pipe();
    defer from.close(io);
    const bytes = try std.testing.allocator.alloc(u8, 300_000);
    defer std.testing.allocator.free(bytes);
    for (bytes, 0..) |*byte, i| byte.* = @truncate(i *% 31 +% i / 251);
    var writing = try io.concurrent(fills, .{ io, into, bytes });
    try after(io, 1);
    var buffer: [4096]u8 = undefined;
    var reader = from.readerStreaming(io, &buffer);
    const got = try reader.interface.readAlloc(std.testing.allocator, bytes.len);
    defer std.testing.allocator.free(got);
    try writing.await(io);
    try std.testing.expectEqualSlices(u8, bytes, got);
    var canceled = try io.concurrent(fills, .{ io, into, bytes });
    try after(io, 1);
    try expectError(error.Canceled, canceled.cancel(io));
    into.close(io);
    // It is open for reading alone.
    try expectError(error.NotOpenForWriting, fills(io, from, bytes));
}

test "files are read and written, a pipe is waited for" {
    try everywhere(filesAndPipes);
    try everywhere(aFullPipe);
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
