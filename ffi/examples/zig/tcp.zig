//! What the example servers share: a listening socket, a task that accepts, and the end on SIGTERM and SIGINT.

const std = @import("std");
const ouzel = @import("ouzel");

/// Nanoseconds until the next accept when descriptors have run out.
const back_off = 50_000_000;

const SockAddr = extern struct {
    family: u16 = 2,
    port: u16,
    address: u32 = 0,
    zero: u64 = 0,
};

extern "c" fn socket(domain: c_int, kind: c_int, protocol: c_int) c_int;
extern "c" fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_int, len: u32) c_int;
extern "c" fn inet_pton(family: c_int, text: [*:0]const u8, out: *u32) c_int;
extern "c" fn bind(fd: c_int, address: *const SockAddr, len: u32) c_int;
extern "c" fn listen(fd: c_int, backlog: c_int) c_int;
extern "c" fn getsockname(fd: c_int, address: *SockAddr, len: *u32) c_int;
extern "c" fn close(fd: c_int) c_int;
extern "c" fn signal(number: c_int, handler: *const fn (c_int) callconv(.c) void) ?*anyopaque;
extern "c" fn printf(format: [*:0]const u8, ...) c_int;
extern "c" fn fflush(file: ?*anyopaque) c_int;

fn switchOn(fd: c_int, level: c_int, option: c_int) error{Option}!void {
    const on: c_int = 1;
    if (setsockopt(fd, level, option, &on, @sizeOf(c_int)) != 0) return error.Option;
}

/// Small replies leave at once.
pub fn noDelay(fd: c_int) void {
    switchOn(fd, 6, 1) catch {}; // IPPROTO_TCP, TCP_NODELAY
}

/// A listening socket on an IPv4 address. `port`: 0 takes a free one; which, is written there. `shared`: others may
/// listen on the same.
pub fn listenOn(host: [*:0]const u8, port: *u16, shared: bool) !c_int {
    const fd = socket(2, 1 | 0o2004000, 0); // AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC
    if (fd < 0) return error.Socket;
    errdefer _ = close(fd);
    try switchOn(fd, 1, 2); // SOL_SOCKET, SO_REUSEADDR
    if (shared) try switchOn(fd, 1, 15); // SO_REUSEPORT
    var address: SockAddr = .{ .port = std.mem.nativeToBig(u16, port.*) };
    if (inet_pton(2, host, &address.address) != 1) return error.Address;
    if (bind(fd, &address, @sizeOf(SockAddr)) != 0) return error.Bind;
    if (listen(fd, 4096) != 0) return error.Listen;
    var len: u32 = @sizeOf(SockAddr);
    if (getsockname(fd, &address, &len) != 0) return error.Name;
    port.* = std.mem.bigToNative(u16, address.port);
    return fd;
}

/// A task that hands each connection to `Host.accepted(*Host, fd)`; rests a while when descriptors have run out.
pub fn Acceptor(comptime Host: type) type {
    return struct {
        host: *Host,
        rt: ouzel.Runtime,
        listener: c_int,
        waiting: ?union(enum) { accept: ouzel.Op, rest: ouzel.Op } = null,
        complained: bool = false,

        const Self = @This();

        pub fn poll(self: *Self, cx: *ouzel.Context) ouzel.Error!ouzel.Poll {
            while (true) {
                const op, const accepts = if (self.waiting) |waiting| switch (waiting) {
                    .accept => |op| .{ op, true },
                    .rest => |op| .{ op, false },
                } else {
                    self.waiting = .{ .accept = try self.rt.accept(self.listener) };
                    continue;
                };
                const done = try op.poll(cx) orelse return .pending;
                self.waiting = null;
                if (accepts) if (done.count()) |fd| {
                    self.host.accepted(fd);
                    self.complained = false;
                } else |err| switch (err) {
                    error.ProcessFdQuotaExceeded, error.SystemFdQuotaExceeded, error.NoBuffers, error.OutOfMemory => {
                        if (!self.complained) std.debug.print("accept, trying on: {s}\n", .{@errorName(err)});
                        self.complained = true;
                        self.waiting = .{ .rest = try self.rt.timer(cx.now() + back_off) };
                    },
                    // What is wrong with the listener itself stays wrong; else the peer is gone already.
                    else => switch (@as(std.os.linux.E, @enumFromInt(-done.cqe.res))) {
                        .BADF, .INVAL, .NOTSOCK => {
                            std.debug.print("accept: {s}\n", .{@errorName(err)});
                            return error.System;
                        },
                        else => {},
                    },
                };
                if (!cx.budget()) {
                    cx.wakeSelf();
                    return .pending;
                }
            }
        }

        pub fn drop(self: *Self) void {
            if (self.waiting) |waiting| switch (waiting) {
                inline else => |op| op.abandon() catch {},
            };
        }
    };
}

/// Calls `handler` on SIGINT and SIGTERM.
pub fn onEnd(handler: *const fn (c_int) callconv(.c) void) void {
    for ([_]c_int{ 2, 15 }) |number| _ = signal(number, handler);
}

/// Says that connections are awaited, for whoever has started this.
pub fn announce(host: [*:0]const u8, port: u16, rt: ouzel.Runtime) !void {
    const name: [*:0]const u8 = @tagName(try rt.driver());
    _ = printf("listening on %s:%d driver %s\n", host, @as(c_int, port), name);
    _ = fflush(null);
}
