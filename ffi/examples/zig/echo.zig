//! An echo server: `echo [PORT]`, one thread, a task per connection. Port 0 or none picks a free one; the port is
//! printed to stderr. Ends with exit status 0 when stdin does.
//!
//!     zig build-exe echo.zig --dep ouzel -Mroot=echo.zig -Mouzel=../../zig/ouzel.zig libouzel.a -lc -lunwind

const std = @import("std");
const ouzel = @import("ouzel");

const gpa = std.heap.c_allocator;

const SockAddr = extern struct {
    family: u16 = 2,
    port: u16,
    address: u32 = std.mem.nativeToBig(u32, 0x7f00_0001),
    zero: u64 = 0,
};

extern "c" fn socket(domain: c_int, kind: c_int, protocol: c_int) c_int;
extern "c" fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_int, len: u32) c_int;
extern "c" fn bind(fd: c_int, address: *const SockAddr, len: u32) c_int;
extern "c" fn listen(fd: c_int, backlog: c_int) c_int;
extern "c" fn getsockname(fd: c_int, address: *SockAddr, len: *u32) c_int;
extern "c" fn atoi(text: [*:0]const u8) c_int;

/// One connection: receives into the runtime's buffers and sends each back before it looks for the next.
const Connection = struct {
    rt: ouzel.Runtime,
    fd: c_int,
    receive: ouzel.Op,
    /// A send in flight, and the buffer it was lent.
    sending: ?struct { op: ouzel.Op, from: ouzel.Completion } = null,

    fn begin(rt: ouzel.Runtime, fd: c_int) !void {
        const on: c_int = 1;
        _ = setsockopt(fd, 6, 1, &on, @sizeOf(c_int)); // TCP_NODELAY
        const self = try gpa.create(Connection);
        errdefer gpa.destroy(self);
        self.* = .{ .rt = rt, .fd = fd, .receive = try rt.recvMulti(fd) };
        // From here on `drop` cleans up, also if this fails.
        _ = rt.spawn(Connection, self, .{ .detached = true }) catch {};
    }

    pub fn poll(self: *Connection, cx: *ouzel.Context) (ouzel.Error || ouzel.OsError)!ouzel.Poll {
        while (true) {
            if (self.sending) |sending| {
                const sent = try sending.op.poll(cx) orelse return .pending;
                self.sending = null;
                try self.rt.returnBuffer(sending.from);
                _ = try sent.count();
            }
            const got = try self.receive.poll(cx) orelse return .pending;
            if (got.bytes()) |bytes| {
                self.sending = .{ .op = try self.rt.send(self.fd, bytes), .from = got };
            }
            if (got.more()) continue;
            // The last completion: the end of the stream, an error, or out of buffers, in which case it goes on.
            const count = got.count() catch |err| if (err == error.NoBuffers) 1 else return err;
            if (count == 0) return .ready;
            self.receive = try self.rt.recvMulti(self.fd);
        }
    }

    pub fn drop(self: *Connection) void {
        if (self.sending) |sending| sending.op.abandon() catch {};
        self.receive.abandon() catch {};
        if (self.rt.close(self.fd)) |op| op.abandon() catch {} else |_| {}
        gpa.destroy(self);
    }
};

/// Accepts for ever; rests a while when descriptors have run out.
const Acceptor = struct {
    rt: ouzel.Runtime,
    listener: c_int,
    waiting: union(enum) { accept: ouzel.Op, rest: ouzel.Op },

    pub fn poll(self: *Acceptor, cx: *ouzel.Context) ouzel.Error!ouzel.Poll {
        while (true) {
            switch (self.waiting) {
                .accept => |op| {
                    const done = try op.poll(cx) orelse return .pending;
                    if (done.count()) |fd| {
                        Connection.begin(self.rt, fd) catch |err| std.debug.print("connection: {}\n", .{err});
                        self.waiting = .{ .accept = try self.rt.accept(self.listener) };
                    } else |err| {
                        std.debug.print("accept: {}\n", .{err});
                        self.waiting = .{ .rest = try self.rt.timer(cx.now() + 10_000_000) };
                    }
                },
                .rest => |op| {
                    _ = try op.poll(cx) orelse return .pending;
                    self.waiting = .{ .accept = try self.rt.accept(self.listener) };
                },
            }
        }
    }
};

/// Ends the server when stdin does.
const Quit = struct {
    rt: ouzel.Runtime,
    op: ouzel.Op,

    fn drain(_: *Quit) i64 {
        var buf: [256]u8 = undefined;
        while (std.c.read(0, &buf, buf.len) > 0) {}
        return 0;
    }

    pub fn poll(self: *Quit, cx: *ouzel.Context) ouzel.Error!ouzel.Poll {
        _ = try self.op.poll(cx) orelse return .pending;
        try self.rt.stop();
        return .ready;
    }
};

fn listening(port: u16) !c_int {
    const fd = socket(2, 1 | 0o2000000, 0); // AF_INET, SOCK_STREAM | SOCK_CLOEXEC
    const on: c_int = 1;
    _ = setsockopt(fd, 1, 2, &on, @sizeOf(c_int)); // SO_REUSEADDR
    var address: SockAddr = .{ .port = std.mem.nativeToBig(u16, port) };
    if (bind(fd, &address, @sizeOf(SockAddr)) != 0) return error.Bind;
    if (listen(fd, 1024) != 0) return error.Listen;
    var len: u32 = @sizeOf(SockAddr);
    if (getsockname(fd, &address, &len) != 0) return error.Name;
    std.debug.print("port: {d}\n", .{std.mem.bigToNative(u16, address.port)});
    return fd;
}

fn serve(port: u16) !void {
    const rt = try ouzel.Runtime.init(.{});
    defer rt.deinit();
    const listener = try listening(port);
    var acceptor: Acceptor = .{
        .rt = rt,
        .listener = listener,
        .waiting = .{ .accept = try rt.accept(listener) },
    };
    _ = try rt.spawn(Acceptor, &acceptor, .{ .detached = true });
    var quit: Quit = .{ .rt = rt, .op = undefined };
    quit.op = try rt.blocking(Quit, &quit, Quit.drain);
    _ = try rt.spawn(Quit, &quit, .{ .detached = true });
    _ = try rt.run();
}

pub export fn main(argc: c_int, argv: [*][*:0]const u8) c_int {
    const port: c_int = if (argc > 1) atoi(argv[1]) else 0;
    if (argc > 2 or port < 0 or port > 65535) {
        std.debug.print("usage: echo [PORT]\n", .{});
        return 2;
    }
    serve(@intCast(port)) catch |err| {
        std.debug.print("echo: {s}\n", .{@errorName(err)});
        return 1;
    };
    return 0;
}
