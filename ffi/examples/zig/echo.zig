//! An echo server, as `examples/c/echo.c`: one thread, a task per connection.
//!
//!     echo [-p PORT] [--driver auto|uring|epoll|poll]
//!     zig build-exe echo.zig --dep ouzel -Mroot=echo.zig -Mouzel=../../zig/ouzel.zig libouzel.a -lc -lunwind
//!
//! What was received goes back from where it lies, without an operation. Where the driver knows no such sends, and where the socket is full,
//! there are two buffers a connection: `out` gathers what is to be sent while the kernel may be reading `flight`. A reader that is
//! slow fills both; then the receive is cancelled until a send has completed. Ends with status 0 on SIGTERM or SIGINT.

const std = @import("std");
const ouzel = @import("ouzel");
const tcp = @import("tcp.zig");

const gpa = std.heap.c_allocator;

/// Then other connections have their turn.
const receives_per_poll = 16;
/// Bytes gathered before a connection stops reading.
const out_limit = 256 * 1024;
extern "c" fn atoi(text: [*:0]const u8) c_int;

/// Bytes that keep their room when they are emptied.
const Bytes = struct {
    room: []u8 = &.{},
    len: usize = 0,

    fn append(self: *Bytes, bytes: []const u8) !void {
        if (self.len + bytes.len > self.room.len) {
            var cap = @max(self.room.len, 4096);
            while (cap < self.len + bytes.len) cap *= 2;
            self.room = try gpa.realloc(self.room, cap);
        }
        @memcpy(self.room[self.len..][0..bytes.len], bytes);
        self.len += bytes.len;
    }
};

const Connection = struct {
    rt: ouzel.Runtime,
    fd: c_int,
    /// The task, and a send in flight: the kernel may be reading `flight`.
    refs: u32 = 1,
    receive: ?ouzel.Op = null,
    send: ?ouzel.Op = null,
    pausing: bool = false,
    eof: bool = false,
    /// Some bytes were sent without an operation: the end waits for them.
    tried: bool = false,
    out: Bytes = .{},
    flight: Bytes = .{},

    fn begin(rt: ouzel.Runtime, fd: c_int) !void {
        tcp.noDelay(fd);
        const self = try gpa.create(Connection);
        self.* = .{ .rt = rt, .fd = fd };
        // From here on `drop` cleans up, also if this fails.
        _ = rt.spawn(Connection, self, .{ .detached = true }) catch {};
    }

    /// A send is over, or the task is.
    pub fn release(self: *Connection) void {
        self.refs -= 1;
        if (self.refs > 0) return;
        gpa.free(self.out.room);
        gpa.free(self.flight.room);
        gpa.destroy(self);
    }

    fn sent(self: *Connection, done: ouzel.Completion) !void {
        self.send = null;
        if (try done.count() != self.flight.len) return error.BrokenPipe;
        self.flight.len = 0;
    }

    /// Notices that the send under way is over.
    fn settle(self: *Connection) !void {
        if (self.send) |op| if (try op.take()) |done| try self.sent(done);
    }

    /// Sends what was received, or gathers it for `flush`.
    fn answer(self: *Connection, bytes: []const u8) !void {
        try self.settle();
        if (tries and self.send == null and self.out.len == 0 and try self.rt.trySend(self.fd, bytes)) {
            self.tried = true;
        } else try self.out.append(bytes);
    }

    /// Sends what was gathered, unless a send is under way. Lazy: nobody waits for its completion.
    fn flush(self: *Connection) !void {
        try self.settle();
        if (self.send != null or (self.out.len == 0 and !(self.eof and self.tried))) return;
        if (self.eof) self.tried = false; // this one is behind them
        std.mem.swap(Bytes, &self.out, &self.flight);
        const bytes = self.flight.room[0..self.flight.len];
        self.refs += 1;
        errdefer self.refs -= 1;
        self.send = try self.rt.sendWith(Connection, self, self.fd, bytes, .{ .lazy = !self.eof });
    }

    /// Takes what has been received. True: there may be more, and it is others' turn.
    fn take(self: *Connection, cx: *ouzel.Context) !bool {
        for (0..receives_per_poll) |_| {
            const full = self.out.len >= out_limit;
            if (self.receive) |op| {
                if (full and !self.pausing) {
                    try op.cancel();
                    self.pausing = true;
                }
            } else {
                if (full or self.eof) return false;
                self.receive = try self.rt.recvMulti(self.fd);
            }
            const got = try self.receive.?.poll(cx) orelse return false;
            if (!got.more()) {
                self.receive = null;
                self.pausing = false;
            }
            if (got.bytes()) |bytes| {
                defer self.rt.returnBuffer(got) catch {};
                try self.answer(bytes);
            } else if (got.count()) |count| {
                if (count == 0) self.eof = true;
            } else |err| switch (err) {
                error.NoBuffers, error.Canceled => {},
                else => return err,
            }
            if (got.waiting() and self.out.len < out_limit) return false;
        }
        return true;
    }

    pub fn poll(self: *Connection, cx: *ouzel.Context) !ouzel.Poll {
        while (true) {
            var again = try self.take(cx);
            try self.flush();
            if (self.eof and self.send == null) return .ready;
            // A send that something waits for: the next one, or the end of the connection.
            if (self.send) |op| if (self.out.len > 0 or self.eof) {
                if (try op.poll(cx)) |done| {
                    try self.sent(done);
                    if (cx.budget()) continue;
                    again = true;
                }
            };
            if (self.receive == null and !self.eof and self.out.len < out_limit) again = true; // there is room again
            if (again) cx.wakeSelf();
            return .pending;
        }
    }

    /// The task has ended, or the server is shutting down.
    pub fn drop(self: *Connection) void {
        if (self.receive) |op| op.abandon() catch {};
        if (self.send) |op| op.abandon() catch {}; // `release` gives its reference back
        if (self.rt.close(self.fd)) |op| op.abandon() catch {} else |_| {}
        self.release();
    }
};

const Server = struct {
    rt: ouzel.Runtime,

    pub fn accepted(self: *Server, fd: c_int) void {
        Connection.begin(self.rt, fd) catch |err| std.debug.print("connection: {}\n", .{err});
    }
};

/// The driver knows sends without an operation.
var tries = false;
var running: ouzel.RuntimeId = .{};

fn stop(_: c_int) callconv(.c) void {
    running.stop() catch {};
}

fn serve(wanted: u16, driver: ouzel.Driver) !void {
    const rt = try ouzel.Runtime.init(.{ .driver = driver });
    defer rt.deinit();
    running = rt.weak();
    tries = try rt.driver() != .poll;
    tcp.onEnd(stop);
    var port = wanted;
    var server: Server = .{ .rt = rt };
    const host = "127.0.0.1";
    var acceptor: tcp.Acceptor(Server) = .{ .host = &server, .rt = rt, .listener = try tcp.listenOn(host, &port, false) };
    _ = try rt.spawn(tcp.Acceptor(Server), &acceptor, .{ .detached = true });
    try tcp.announce(host, port, rt);
    _ = try rt.run();
}

pub export fn main(argc: c_int, argv: [*][*:0]const u8) c_int {
    var port: u16 = 0;
    var driver: ouzel.Driver = .auto;
    var i: usize = 1;
    while (i + 1 < argc) : (i += 2) {
        const option = std.mem.span(argv[i]);
        if (std.mem.eql(u8, option, "-p")) {
            port = @intCast(atoi(argv[i + 1]));
        } else if (std.mem.eql(u8, option, "--driver")) {
            driver = std.meta.stringToEnum(ouzel.Driver, std.mem.span(argv[i + 1])) orelse .auto;
        }
    }
    serve(port, driver) catch |err| {
        std.debug.print("echo: {s}\n", .{@errorName(err)});
        return 1;
    };
    return 0;
}
