//! Files and sockets: operations of ouzel, and what their errors are called.

const std = @import("std");
const Io = std.Io;
const Loop = loops.Loop;
const loops = @import("loop.zig");
const of = loops.of;
const c = @import("../c.zig");
const posix = std.posix;
const E = posix.E;

/// What a write takes at once: the header, the data, the last of them repeated; as much as fits.
const Parts = struct {
    all: [16]posix.iovec_const = undefined,
    count: u32 = 0,

    fn of(header: []const u8, data: []const []const u8, splat: usize) Parts {
        var parts: Parts = .{};
        parts.add(header);
        if (data.len == 0) return parts;
        for (data[0 .. data.len - 1]) |part| parts.add(part);
        const last = data[data.len - 1];
        for (0..@min(splat, parts.all.len)) |_| parts.add(last);
        return parts;
    }

    fn add(self: *Parts, part: []const u8) void {
        if (part.len == 0 or self.count == self.all.len) return;
        self.all[self.count] = .{ .base = part.ptr, .len = part.len };
        self.count += 1;
    }
};

/// Where a read goes: the first of the buffers that has room. Less than all may be read.
fn firstOf(data: []const []u8) ?[]u8 {
    for (data) |buf| if (buf.len > 0) return buf;
    return null;
}

fn recv(self: *Loop, fd: c_int, buf: []u8) Io.Cancelable!i32 {
    var op: c.Id = .{};
    try self.check();
    const options = self.opOptions();
    return self.result(c.ouzel_recv(self.handle, fd, buf.ptr, buf.len, 0, &options, &op), op, true);
}

fn read(self: *Loop, fd: c_int, buf: []u8, offset: i64) Io.Cancelable!i32 {
    var op: c.Id = .{};
    try self.check();
    const options = self.opOptions();
    return self.result(c.ouzel_read(self.handle, fd, buf.ptr, buf.len, offset, &options, &op), op, true);
}

fn write(self: *Loop, fd: c_int, parts: Parts, offset: i64) Io.Cancelable!i32 {
    if (parts.count == 0) return 0;
    var op: c.Id = .{};
    try self.check();
    const options = self.opOptions();
    return self.result(c.ouzel_writev(self.handle, fd, &parts.all, parts.count, offset, &options, &op), op, true);
}

fn send(self: *Loop, fd: c_int, parts: Parts) Io.Cancelable!i32 {
    if (parts.count == 0) return 0;
    var op: c.Id = .{};
    const message: posix.msghdr_const = .{
        .name = null,
        .namelen = 0,
        .iov = &parts.all,
        .iovlen = @intCast(parts.count),
        .control = null,
        .controllen = 0,
        .flags = 0,
    };
    try self.check();
    const options = self.opOptions();
    return self.result(c.ouzel_sendmsg(self.handle, fd, &message, posix.MSG.NOSIGNAL, &options, &op), op, true);
}

fn ready(self: *Loop, fd: c_int, events: u32) Io.Cancelable!i32 {
    var op: c.Id = .{};
    try self.check();
    const options = self.opOptions();
    return self.result(c.ouzel_poll_fd(self.handle, fd, events, &options, &op), op, true);
}

fn close(self: *Loop, fd: c_int) void {
    var op: c.Id = .{};
    const options = self.opOptions();
    _ = self.result(c.ouzel_close(self.handle, fd, &options, &op), op, false) catch unreachable;
}

fn errno(res: i32) E {
    return if (res < 0) @fromBackingInt(@intCast(-res)) else .SUCCESS;
}

pub fn operate(userdata: ?*anyopaque, operation: Io.Operation) Io.Cancelable!Io.Operation.Result {
    const self = of(userdata);
    switch (operation) {
        .file_read_streaming => |o| {
            const buf = firstOf(o.data) orelse return .{ .file_read_streaming = 0 };
            const n = try read(self, o.file.handle, buf, -1);
            return .{ .file_read_streaming = switch (errno(n)) {
                .SUCCESS => if (n == 0) error.EndOfStream else @intCast(n),
                .IO => error.InputOutput,
                .ISDIR => error.IsDir,
                .CONNRESET => error.ConnectionResetByPeer,
                .BADF => error.NotOpenForReading,
                .NOTCONN => error.SocketUnconnected,
                .AGAIN => error.WouldBlock,
                .NOMEM, .NOBUFS => error.SystemResources,
                else => error.Unexpected,
            } };
        },
        .file_write_streaming => |o| {
            const n = try write(self, o.file.handle, .of(o.header, o.data, o.splat), -1);
            return .{ .file_write_streaming = switch (errno(n)) {
                .SUCCESS => @intCast(n),
                .DQUOT => error.DiskQuota,
                .FBIG => error.FileTooBig,
                .IO => error.InputOutput,
                .NOSPC => error.NoSpaceLeft,
                .BUSY => error.DeviceBusy,
                .ACCES => error.AccessDenied,
                .PERM => error.PermissionDenied,
                .PIPE => error.BrokenPipe,
                .BADF => error.NotOpenForWriting,
                .AGAIN => error.WouldBlock,
                .NOMEM, .NOBUFS => error.SystemResources,
                else => error.Unexpected,
            } };
        },
        .net_read => |o| {
            const buf = firstOf(o.data) orelse return .{ .net_read = .{ .data_len = 0 } };
            const n = try recv(self, o.socket_handle, buf);
            return .{ .net_read = switch (errno(n)) {
                .SUCCESS => .{ .data_len = @intCast(n) },
                .CONNRESET => error.ConnectionResetByPeer,
                .NOTCONN => error.SocketUnconnected,
                .ACCES => error.AccessDenied,
                .NETDOWN => error.NetworkDown,
                .TIMEDOUT => error.ConnectionTimedOut,
                .NOMEM, .NOBUFS => error.SystemResources,
                else => error.Unexpected,
            } };
        },
        .net_write => |o| {
            const n = try send(self, o.socket_handle, .of(o.header, o.data, o.splat));
            return .{ .net_write = switch (errno(n)) {
                .SUCCESS => @intCast(n),
                .CONNRESET => error.ConnectionResetByPeer,
                .PIPE, .NOTCONN => error.SocketUnconnected,
                .NETUNREACH => error.NetworkUnreachable,
                .HOSTUNREACH => error.HostUnreachable,
                .NETDOWN => error.NetworkDown,
                .CONNREFUSED => error.ConnectionRefused,
                .TIMEDOUT => error.ConnectionTimedOut,
                .NOMEM, .NOBUFS => error.SystemResources,
                else => error.Unexpected,
            } };
        },
        // Ready, these do not stand in the loop's way.
        .net_receive => |o| if (try ready(self, o.socket_handle, posix.POLL.IN) < 0)
            return .{ .net_receive = .{ error.SystemResources, 0 } },
        .net_send => |o| if (try ready(self, o.socket_handle, posix.POLL.OUT) < 0)
            return .{ .net_send = .{ error.SystemResources, 0 } },
        .device_io_control => {},
    }
    const inner = self.threaded.io();
    return inner.vtable.operate(inner.userdata, operation);
}

pub fn fileReadPositional(userdata: ?*anyopaque, file: Io.File, data: []const []u8, offset: u64) Io.File.ReadPositionalError!usize {
    const buf = firstOf(data) orelse return 0;
    const n = try read(of(userdata), file.handle, buf, std.math.cast(i64, offset) orelse return error.Unseekable);
    return switch (errno(n)) {
        .SUCCESS => @intCast(n),
        .IO => error.InputOutput,
        .ISDIR => error.IsDir,
        .BADF => error.NotOpenForReading,
        .SPIPE, .NXIO => error.Unseekable,
        .NOMEM, .NOBUFS => error.SystemResources,
        else => error.Unexpected,
    };
}

pub fn fileWritePositional(userdata: ?*anyopaque, file: Io.File, header: []const u8, data: []const []const u8, splat: usize, offset: u64) Io.File.WritePositionalError!usize {
    const at = std.math.cast(i64, offset) orelse return error.Unseekable;
    const n = try write(of(userdata), file.handle, .of(header, data, splat), at);
    return switch (errno(n)) {
        .SUCCESS => @intCast(n),
        .DQUOT => error.DiskQuota,
        .FBIG => error.FileTooBig,
        .IO => error.InputOutput,
        .NOSPC => error.NoSpaceLeft,
        .BADF => error.NotOpenForWriting,
        .PERM => error.PermissionDenied,
        .SPIPE, .NXIO => error.Unseekable,
        .NOMEM, .NOBUFS => error.SystemResources,
        else => error.Unexpected,
    };
}

pub fn fileClose(userdata: ?*anyopaque, files: []const Io.File) void {
    for (files) |file| close(of(userdata), file.handle);
}

pub fn netClose(userdata: ?*anyopaque, sockets: []const Io.net.Socket) void {
    for (sockets) |socket| close(of(userdata), socket.handle);
}

pub fn netAccept(userdata: ?*anyopaque, server: Io.net.Socket.Handle, _: Io.net.Server.AcceptOptions) Io.net.Server.AcceptError!Io.net.Socket {
    const self = of(userdata);
    var op: c.Id = .{};
    try self.check();
    const options = self.opOptions();
    const fd = try self.result(c.ouzel_accept(self.handle, server, &options, &op), op, true);
    switch (errno(fd)) {
        .SUCCESS => {},
        .MFILE => return error.ProcessFdQuotaExceeded,
        .NFILE => return error.SystemFdQuotaExceeded,
        .NOMEM, .NOBUFS => return error.SystemResources,
        .INVAL => return error.SocketNotListening,
        .CONNABORTED => return error.ConnectionAborted,
        .PERM => return error.BlockedByFirewall,
        .PROTO => return error.ProtocolFailure,
        .NETDOWN => return error.NetworkDown,
        else => return error.Unexpected,
    }
    var storage: Io.Threaded.PosixAddress = undefined;
    var len: posix.socklen_t = @sizeOf(Io.Threaded.PosixAddress);
    // A peer that has gone already has no address; the first read will say so.
    if (std.c.getpeername(fd, &storage.any, &len) != 0) return .{ .handle = fd, .address = .{ .ip4 = .unspecified(0) } };
    return .{ .handle = fd, .address = Io.Threaded.addressFromPosix(&storage) };
}

pub fn netConnectIp(userdata: ?*anyopaque, address: *const Io.net.IpAddress, how: Io.net.IpAddress.ConnectOptions) Io.net.IpAddress.ConnectError!Io.net.Socket {
    const self = of(userdata);
    const inner = self.threaded.io();
    if (how.mode != .stream) {
        // It only notes the address.
        return inner.vtable.netConnectIp(inner.userdata, address, .{ .mode = how.mode, .protocol = how.protocol });
    }
    var storage: Io.Threaded.PosixAddress = undefined;
    var len = Io.Threaded.addressToPosix(address, &storage);
    try self.check();
    const fd = std.c.socket(Io.Threaded.posixAddressFamily(address), posix.SOCK.STREAM | posix.SOCK.CLOEXEC, 0);
    if (fd < 0) return switch (posix.errno(fd)) {
        .MFILE => error.ProcessFdQuotaExceeded,
        .NFILE => error.SystemFdQuotaExceeded,
        .AFNOSUPPORT => error.AddressFamilyUnsupported,
        .NOMEM, .NOBUFS => error.SystemResources,
        else => error.Unexpected,
    };
    errdefer close(self, fd);
    var op: c.Id = .{};
    var options = self.opOptions();
    // At once is not zero, which is never.
    if (self.deadline(how.timeout)) |until| options.timeout_ns = @max(until -| c.ouzel_now(self.handle), 1);
    const connected = try self.result(c.ouzel_connect(self.handle, fd, &storage.any, len, &options, &op), op, true);
    switch (errno(connected)) {
        .SUCCESS => {},
        .CONNREFUSED => return error.ConnectionRefused,
        .CONNRESET => return error.ConnectionResetByPeer,
        .HOSTUNREACH => return error.HostUnreachable,
        .NETUNREACH => return error.NetworkUnreachable,
        .TIMEDOUT => return error.Timeout,
        .ACCES, .PERM => return error.AccessDenied,
        .ADDRNOTAVAIL => return error.AddressUnavailable,
        .NOMEM, .NOBUFS => return error.SystemResources,
        else => return error.Unexpected,
    }
    if (std.c.getsockname(fd, &storage.any, &len) != 0) return error.Unexpected;
    return .{ .handle = fd, .address = Io.Threaded.addressFromPosix(&storage) };
}
