//! The connections of kv.zig, and its `stats`.
//!
//!     poll of a connection:  receive completions -> Session.feed -> replies in `out` -> one lazy send of all of them
//!
//! Two output buffers: one gathers replies (`Session.out`) while the kernel may be reading the other (`flight`). A slow
//! reader fills both; then the receive is cancelled and the connection reads nothing until a send has completed.

const std = @import("std");
const ouzel = @import("ouzel");
const kv_proto = @import("kv_proto.zig");
const kv_store = @import("kv_store.zig");
const tcp = @import("tcp.zig");
const Bytes = kv_store.Bytes;
const Session = kv_proto.Session;

pub const max_threads = 64;
/// Then other connections have their turn.
const receives_per_poll = 16;
/// A buffer larger than this is given up once it is little used:
const keep_capacity = 64 * 1024;
/// after so many sends in a row that were small for it.
const keep_sends = 64;

const gpa = std.heap.c_allocator;

extern "c" fn getpid() c_int;
extern "c" fn close(fd: c_int) c_int;

/// One thread with a runtime of its own.
pub const Server = struct {
    rt: ouzel.Runtime = undefined,
    id: ouzel.RuntimeId = .{},
    listener: c_int = -1,
    n: kv_proto.Counters = .{},
    publisher: ouzel.Waker = .{},
    /// This and the next under `stats.lock`.
    published: ouzel.c.Stats = .{},
    published_epoch: u64 = 0,

    pub fn accepted(self: *Server, fd: c_int) void {
        Connection.begin(self, fd) catch |err| {
            std.debug.print("kv: no task for a connection: {s}\n", .{@errorName(err)});
        };
    }

    /// The publisher's task: the runtime's counters belong to its thread, so each publishes its own when woken.
    pub fn poll(self: *Server, _: *ouzel.Context) ouzel.Poll {
        stats.acquire();
        defer stats.release();
        self.publish();
        for (stats.waiters) |waiter| _ = waiter.wake() catch {};
        return .pending;
    }

    fn publish(self: *Server) void {
        self.published = self.rt.stats() catch .{};
        self.published_epoch = stats.epoch;
    }
};

pub var store: kv_store.Store = .{};
pub var servers: []Server = &.{};
pub var started: i64 = 0;

const Stats = struct {
    lock: std.c.pthread_mutex_t = .{},
    epoch: u64 = 0,
    waiters: [64]ouzel.Waker = @splat(.{}),

    fn acquire(self: *Stats) void {
        _ = std.c.pthread_mutex_lock(&self.lock);
    }

    fn release(self: *Stats) void {
        _ = std.c.pthread_mutex_unlock(&self.lock);
    }

    /// Where `waker` waits, or can.
    fn slot(self: *Stats, waker: ouzel.Waker) ?*ouzel.Waker {
        for (&self.waiters) |*waiter| if (std.meta.eql(waiter.*, waker)) return waiter;
        for (&self.waiters) |*waiter| if (!waiter.isAlive()) return waiter;
        return null;
    }
};

var stats: Stats = .{};

const Connection = struct {
    s: Session,
    server: *Server,
    fd: c_int,
    /// The task, and a send in flight: the kernel may be reading `flight`.
    refs: u32 = 1,
    receive: ?ouzel.Op = null,
    send: ?ouzel.Op = null,
    cancelling: bool = false,
    eof: bool = false,
    dead: bool = false,
    flight: Bytes = .{},
    /// In a row, small against the room of `flight`.
    small_sends: u32 = 0,
    /// Received while the output was full.
    backlog: Bytes = .{},
    backlog_at: usize = 0,
    /// The answer to `stats` waits for every thread to have published this.
    stats_epoch: u64 = 0,

    fn begin(server: *Server, fd: c_int) !void {
        tcp.noDelay(fd);
        const self = gpa.create(Connection) catch |err| {
            _ = close(fd);
            return err;
        };
        kv_store.countAlloc();
        const session: Session = .{ .store = &store, .n = &server.n, .drain = drain };
        self.* = .{ .s = session, .server = server, .fd = fd };
        server.n.curr_connections.bump(1);
        server.n.total_connections.bump(1);
        // From here on `drop` cleans up, also if this fails.
        _ = try server.rt.spawn(Connection, self, .{ .detached = true });
    }

    /// A send is over, or the task is.
    pub fn release(self: *Connection) void {
        self.refs -= 1;
        if (self.refs > 0) return;
        self.s.deinit();
        self.flight.deinit();
        self.backlog.deinit();
        gpa.destroy(self);
    }

    /// A send has completed: its buffer is free.
    fn sent(self: *Connection, done: ouzel.Completion) void {
        self.send = null;
        const count = done.count() catch 0;
        if (count != self.flight.len) self.dead = true;
        const small = self.flight.room.len > keep_capacity and self.flight.len < self.flight.room.len / 8;
        self.small_sends = if (small) self.small_sends + 1 else 0;
        if (self.small_sends >= keep_sends) self.flight.deinit();
        self.flight.len = 0;
    }

    /// Hands the gathered replies to a send, unless one is under way. Lazy: nobody waits for its completion.
    fn flush(self: *Connection, lazy: bool) !void {
        if (self.send) |op| if (try op.take()) |done| self.sent(done);
        if (self.send != null or self.dead or self.s.out.len == 0) return;
        std.mem.swap(Bytes, &self.s.out, &self.flight);
        self.refs += 1;
        errdefer self.refs -= 1;
        self.send = try self.server.rt.sendWith(Connection, self, self.fd, self.flight.items(), .{ .lazy = lazy });
    }

    fn drain(s: *Session) bool {
        const self: *Connection = @fieldParentPtr("s", s);
        self.flush(false) catch {
            self.dead = true;
        };
        return s.out.len < kv_proto.out_limit;
    }

    fn hasInput(self: *const Connection) bool {
        return self.backlog_at < self.backlog.len or self.s.mode == .get_rest;
    }

    /// Feeds what was put off; then, in order, the bytes that have just arrived.
    fn feed(self: *Connection, arrived: []const u8) !void {
        var bytes = arrived;
        if (self.hasInput()) {
            self.s.copied = true;
            self.backlog_at += try self.s.feed(self.backlog.items()[self.backlog_at..]);
            self.s.copied = false;
            if (self.backlog_at == self.backlog.len) {
                self.backlog_at = 0;
                self.backlog.len = 0;
                if (self.backlog.room.len > keep_capacity) self.backlog.deinit();
            }
        }
        if (bytes.len > 0 and !self.hasInput()) bytes = bytes[try self.s.feed(bytes)..];
        if (bytes.len > 0 and self.s.stop != .quit) try self.backlog.append(bytes);
    }

    /// Takes one completion of the receive.
    fn received(self: *Connection, done: ouzel.Completion) !void {
        if (!done.more()) {
            self.receive = null;
            self.cancelling = false;
        }
        if (done.bytes()) |bytes| {
            defer self.server.rt.returnBuffer(done) catch {};
            try self.feed(bytes);
        } else if (done.count()) |count| {
            if (count == 0) self.eof = true;
        } else |err| switch (err) {
            error.NoBuffers, error.Canceled => {},
            else => self.dead = true,
        }
    }

    /// Reads until nothing more is there, the output is full, or it is others' turn (true).
    fn readSome(self: *Connection, cx: *ouzel.Context) !bool {
        for (0..receives_per_poll) |_| {
            while (self.s.stop == .stats and try self.answerStats(cx)) {
                self.s.stop = .no;
                try self.feed(&.{});
            }
            if (self.s.stop != .no) return false;
            const full = self.hasInput();
            if (self.receive) |op| {
                if (full and !self.cancelling) {
                    try op.cancel();
                    self.cancelling = true;
                }
            } else {
                if (full or self.eof or self.dead) return false;
                self.receive = try self.server.rt.recvMulti(self.fd);
            }
            try self.received(try self.receive.?.poll(cx) orelse return false);
        }
        return true;
    }

    pub fn poll(self: *Connection, cx: *ouzel.Context) !ouzel.Poll {
        while (true) {
            if (self.s.stop == .no and self.hasInput()) try self.feed(&.{});
            var again = try self.readSome(cx);
            const last = self.s.stop == .quit or (self.eof and !self.hasInput() and self.s.stop == .no);
            try self.flush(!last and !self.dead);
            if (self.dead or (last and self.send == null)) return .ready;
            // A send that something waits for: more replies, more input, or the end of the connection.
            if (self.send) |op| if (last or self.s.out.len > 0 or self.hasInput()) {
                if (try op.poll(cx)) |done| {
                    self.sent(done);
                    if (cx.budget()) continue;
                    again = true;
                }
            };
            if (again) cx.wakeSelf();
            return .pending;
        }
    }

    /// The task has ended, or the server is shutting down.
    pub fn drop(self: *Connection) void {
        if (self.receive) |op| op.abandon() catch {};
        if (self.send) |op| op.abandon() catch {}; // `release` gives its reference back
        if (self.server.rt.close(self.fd)) |op| op.abandon() catch {} else |_| _ = close(self.fd);
        self.server.n.curr_connections.bump(std.math.maxInt(u64));
        self.release();
    }

    /// False: some thread has not published yet, and this task is woken when it has.
    fn answerStats(self: *Connection, cx: *ouzel.Context) !bool {
        const asked = self.stats_epoch != 0;
        var waiting = false;
        var sum: ouzel.c.Stats = .{};
        {
            stats.acquire();
            defer stats.release();
            if (!asked) {
                stats.epoch += 1;
                self.stats_epoch = stats.epoch;
            }
            self.server.publish();
            for (servers) |*server| {
                waiting = waiting or server.published_epoch < self.stats_epoch;
                inline for (.{ "enters", "syscalls", "sqes", "cqes", "polls" }) |name| {
                    @field(sum, name) += @field(server.published, name);
                }
                sum.allocs = @max(sum.allocs, server.published.allocs); // counted for the whole process
            }
            if (stats.slot(cx.waker())) |slot| {
                slot.* = if (waiting) cx.waker() else .{};
            } else {
                waiting = false; // 64 others are waiting: answer with what there is
            }
        }
        if (waiting) {
            if (!asked) for (servers) |*server| {
                _ = server.publisher.wake() catch {};
            };
            return false;
        }
        self.stats_epoch = 0;
        try self.sayStats(sum);
        return true;
    }

    fn sayStats(self: *Connection, sum: ouzel.c.Stats) !void {
        const s = &self.s;
        s.no_reply = false;
        try s.print("STAT pid {d}", .{getpid()});
        try s.print("STAT uptime {d}", .{kv_store.epoch() - started});
        try s.reply("STAT version " ++ kv_proto.version);
        try s.print("STAT driver {s}", .{@tagName(try self.server.rt.driver())});
        try s.print("STAT threads {d}", .{servers.len});
        inline for (.{ "curr_connections", "total_connections", "cmd_get", "cmd_set", "get_hits", "value_ops", "value_copies" }) |name| {
            try s.print("STAT {s} {d}", .{ name, summed(name) });
        }
        try s.print("STAT allocs {d}", .{sum.allocs + summed("allocs")});
        inline for (.{ "enters", "syscalls", "sqes", "cqes", "polls" }) |name| {
            try s.print("STAT {s} {d}", .{ name, @field(sum, name) });
        }
        try s.print("STAT curr_items {d}", .{store.items.load(.monotonic)});
        try s.print("STAT bytes {d}", .{store.bytes.load(.monotonic)});
        try s.reply("END");
    }
};

fn summed(comptime name: []const u8) u64 {
    var sum: u64 = 0;
    for (servers) |*server| sum +%= @field(server.n, name).get();
    return sum;
}
