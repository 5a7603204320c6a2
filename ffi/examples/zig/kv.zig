//! A memcached-protocol key-value server, as `examples/c/kv.c`. Threads and accepting are here; connections in
//! kv_conn.zig, the protocol in kv_proto.zig, the values in kv_store.zig.
//!
//!     kv -p PORT [--driver auto|uring|epoll|poll] [-t THREADS] [-l ADDR] [-m MEGABYTES] [-h]
//!     zig build-exe kv.zig --dep ouzel -Mroot=kv.zig -Mouzel=../../zig/ouzel.zig libouzel.a -lc -lunwind
//!
//! Each thread drives a runtime of its own: one accept task, one publisher task, a task per connection. The store is
//! shared. Ends with status 0 on SIGTERM or SIGINT.

const std = @import("std");
const ouzel = @import("ouzel");
const kv_conn = @import("kv_conn.zig");
const kv_store = @import("kv_store.zig");
const parseNumber = @import("kv_proto.zig").parseNumber;
const tcp = @import("tcp.zig");
const Server = kv_conn.Server;

const shutdown_timeout = 5_000_000_000;

extern "c" fn pipe(fds: *[2]c_int) c_int;
extern "c" fn read(fd: c_int, buf: [*]u8, len: usize) isize;
extern "c" fn write(fd: c_int, buf: [*]const u8, len: usize) isize;
extern "c" fn close(fd: c_int) c_int;

const Arguments = struct {
    host: [*:0]const u8 = "127.0.0.1",
    port: ?u16 = null,
    driver: ouzel.Driver = .auto,
    threads: usize = 1,
    megabytes: usize = 0,
    help: bool = false,

    fn parse(words: []const [*:0]const u8) error{Usage}!Arguments {
        var self: Arguments = .{};
        var i: usize = 0;
        while (i < words.len) : (i += 2) {
            const option = std.mem.span(words[i]);
            if (is(option, "-h") or is(option, "--help")) {
                self.help = true;
                return self;
            }
            if (!self.take(option, if (i + 1 < words.len) words[i + 1] else "")) {
                std.debug.print("kv: cannot make sense of {s}\n", .{option});
                return error.Usage;
            }
        }
        return if (self.port == null) error.Usage else self;
    }

    fn take(self: *Arguments, option: []const u8, value: [*:0]const u8) bool {
        const text = std.mem.span(value);
        if (is(option, "-l")) {
            self.host = value;
        } else if (is(option, "-p")) {
            self.port = @intCast(parseNumber(text, 65_535) orelse return false);
        } else if (is(option, "--driver")) {
            self.driver = std.meta.stringToEnum(ouzel.Driver, text) orelse return false;
        } else if (is(option, "-t")) {
            self.threads = @intCast(parseNumber(text, kv_conn.max_threads) orelse return false);
            return self.threads > 0;
        } else if (is(option, "-m")) {
            self.megabytes = @intCast(parseNumber(text, 1 << 24) orelse return false);
        } else {
            return false;
        }
        return true;
    }

    fn is(option: []const u8, name: []const u8) bool {
        return std.mem.eql(u8, option, name);
    }
};

const usage =
    \\usage: kv -p PORT [--driver auto|uring|epoll|poll] [-t THREADS] [-l ADDR] [-m MEGABYTES]
    \\  -p PORT       TCP port; 0 takes a free one
    \\  --driver D    how to wait for I/O (default: auto, or OUZEL_DRIVER)
    \\  -t THREADS    threads, each with a runtime of its own, 1 to 64 (default: 1)
    \\  -l ADDR       IPv4 address to listen on (default: 127.0.0.1)
    \\  -m MEGABYTES  most memory for items; then a set is refused (default: no limit)
    \\  -h            this text
    \\
;

/// A server with what it needs while its thread runs, which says on a pipe when it serves, or that it cannot.
const Thread = struct {
    server: *Server,
    driver: ouzel.Driver,
    told: c_int,
    acceptor: tcp.Acceptor(Server) = undefined,
    failed: bool = false,

    fn tell(self: *Thread, good: bool) void {
        _ = write(self.told, if (good) "y" else "n", 1);
    }

    fn main(self: *Thread) void {
        defer _ = close(self.server.listener);
        const server = self.server;
        kv_store.alloc_count = &server.n.allocs;
        server.rt = ouzel.Runtime.init(.{ .driver = self.driver }) catch |err| return self.fail("cannot start a runtime", err);
        self.run() catch |err| self.fail("cannot serve", err);
        server.rt.shutdown(shutdown_timeout) catch |err| return self.fail("shutdown", err);
        server.rt.deinit();
    }

    fn run(self: *Thread) !void {
        const server = self.server;
        server.id = server.rt.weak();
        const publisher = try server.rt.spawn(Server, server, .{ .detached = true });
        server.publisher = .{ .id = publisher.id };
        self.acceptor = .{ .host = server, .rt = server.rt, .listener = server.listener };
        _ = try server.rt.spawn(tcp.Acceptor(Server), &self.acceptor, .{ .detached = true });
        self.tell(true);
        if (try server.rt.run() == .idle) return error.AcceptGaveUp; // and has said why
    }

    fn fail(self: *Thread, what: []const u8, err: anyerror) void {
        std.debug.print("kv: {s}: {s}\n", .{ what, @errorName(err) });
        self.failed = true;
        self.tell(false);
    }
};

fn stopAll(_: c_int) callconv(.c) void {
    for (kv_conn.servers) |*server| server.id.stop() catch {};
}

/// Whether all went well.
fn serve(arguments: Arguments) !bool {
    var room: [kv_conn.max_threads]Server = @splat(.{});
    var threads: [kv_conn.max_threads]Thread = undefined;
    var handles: [kv_conn.max_threads]std.Thread = undefined;
    const n = arguments.threads;
    kv_conn.servers = room[0..n];
    kv_conn.store.limit = arguments.megabytes << 20;
    kv_conn.started = kv_store.epoch();
    defer kv_conn.store.deinit();
    var told: [2]c_int = undefined;
    if (pipe(&told) != 0) return error.Pipe;
    var port = arguments.port.?;
    for (kv_conn.servers, threads[0..n]) |*server, *thread| {
        server.listener = try tcp.listenOn(arguments.host, &port, n > 1);
        thread.* = .{ .server = server, .driver = arguments.driver, .told = told[1] };
    }
    for (threads[0..n], handles[0..n]) |*thread, *handle| handle.* = try std.Thread.spawn(.{}, Thread.main, .{thread});
    var good = true;
    for (0..n) |_| {
        var said: [1]u8 = .{'n'};
        while (read(told[0], &said, 1) < 0) {}
        good = good and said[0] == 'y';
    }
    tcp.onEnd(stopAll);
    if (good) try tcp.announce(arguments.host, port, kv_conn.servers[0].rt) else stopAll(0);
    for (threads[0..n], handles[0..n]) |*thread, handle| {
        handle.join();
        good = good and !thread.failed;
    }
    return good;
}

pub export fn main(argc: c_int, argv: [*][*:0]const u8) c_int {
    const arguments = Arguments.parse(argv[1..@intCast(argc)]) catch {
        std.debug.print("{s}", .{usage});
        return 2;
    };
    if (arguments.help) {
        _ = write(1, usage, usage.len);
        return 0;
    }
    const good = serve(arguments) catch |err| {
        std.debug.print("kv: {s}\n", .{@errorName(err)});
        return 1;
    };
    return if (good) 0 else 1;
}
