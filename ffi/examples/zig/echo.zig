//! An echo server, as `examples/c/echo.c`: one thread, a task per connection.
//!
//!     echo [-p PORT] [--driver auto|uring|epoll|poll]
//!     zig build-exe echo.zig --dep ouzel -Mroot=echo.zig -Mouzel=../../zig/ouzel.zig libouzel.a -lc -lunwind
//!
//! Two buffers a connection: `out` gathers what is to be sent while the kernel may be reading `flight`. A reader that is
//! slow fills both; then the receive is cancelled until a send has completed. Ends with status 0 on SIGTERM or SIGINT.

const std = @import("std");
const ouzel = @import("ouzel");

const gpa = std.heap.c_allocator;

/// Then other connections have their turn.
const receives_per_poll = 16;
/// Bytes gathered before a connection stops reading.
const out_limit = 256 * 1024;
/// Nanoseconds until the next accept when descriptors have run out.
const back_off = 50_000_000;

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
extern "c" fn signal(number: c_int, handler: *const fn (c_int) callconv(.c) void) ?*anyopaque;
extern "c" fn printf(format: [*:0]const u8, ...) c_int;
extern "c" fn fflush(file: ?*anyopaque) c_int;
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
    out: Bytes = .{},
    flight: Bytes = .{},

    fn begin(rt: ouzel.Runtime, fd: c_int) !void {
        const on: c_int = 1;
        _ = setsockopt(fd, 6, 1, &on, @sizeOf(c_int)); // TCP_NODELAY
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

    /// Sends what was gathered, unless a send is under way. Lazy: nobody waits for its completion.
    fn flush(self: *Connection) !void {
        if (self.send) |op| if (try op.take()) |done| try self.sent(done);
        if (self.send != null or self.out.len == 0) return;
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
                try self.out.append(bytes);
            } else if (got.count()) |count| {
                if (count == 0) self.eof = true;
            } else |err| switch (err) {
                error.NoBuffers, error.Canceled => {},
                else => return err,
            }
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
                        self.waiting = .{ .rest = try self.rt.timer(cx.now() + back_off) };
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

var running: ouzel.RuntimeId = .{};

fn stop(_: c_int) callconv(.c) void {
    running.stop() catch {};
}

/// A listening socket on 127.0.0.1, and the port it got.
fn listenOn(port: *u16) !c_int {
    const fd = socket(2, 1 | 0o2004000, 0); // AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC
    const on: c_int = 1;
    _ = setsockopt(fd, 1, 2, &on, @sizeOf(c_int)); // SO_REUSEADDR
    var address: SockAddr = .{ .port = std.mem.nativeToBig(u16, port.*) };
    if (bind(fd, &address, @sizeOf(SockAddr)) != 0) return error.Bind;
    if (listen(fd, 4096) != 0) return error.Listen;
    var len: u32 = @sizeOf(SockAddr);
    if (getsockname(fd, &address, &len) != 0) return error.Name;
    port.* = std.mem.bigToNative(u16, address.port);
    return fd;
}

fn serve(wanted: u16, driver: ouzel.Driver) !void {
    const rt = try ouzel.Runtime.init(.{ .driver = driver });
    defer rt.deinit();
    running = rt.weak();
    for ([_]c_int{ 2, 15 }) |number| _ = signal(number, stop); // SIGINT, SIGTERM
    var port = wanted;
    const listener = try listenOn(&port);
    var acceptor: Acceptor = .{ .rt = rt, .listener = listener, .waiting = .{ .accept = try rt.accept(listener) } };
    _ = try rt.spawn(Acceptor, &acceptor, .{ .detached = true });
    const name: [*:0]const u8 = @tagName(try rt.driver());
    _ = printf("listening on 127.0.0.1:%d driver %s\n", @as(c_int, port), name);
    _ = fflush(null);
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
