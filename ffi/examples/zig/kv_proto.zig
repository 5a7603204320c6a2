//! The memcached text protocol of kv.zig: bytes in, replies out, no I/O. What it answers is what `examples/c/kv_proto.h`
//! answers, byte for byte.
//!
//!     line --get--> (get_rest while the output is full) --> line
//!     line --set--> body --all bytes--> end --newline--> line          end --anything else--> skip_line
//!     line --refused set--> skip --all bytes--> skip_line --newline--> line
//!
//! Only a line whose end has not arrived is copied to `carry`; the bytes of a value go from the receive buffer straight
//! into the item. Output is bounded: at the limit `drain` is asked for room, and if there is none `feed` returns and is
//! called again later.

const std = @import("std");
const kv_store = @import("kv_store.zig");
const Bytes = kv_store.Bytes;
const Counter = kv_store.Counter;
const Item = kv_store.Item;

pub const out_limit = 256 * 1024;
const line_limit = 64 * 1024;
const max_words = 8;
pub const version = "ouzel-kv-0.1.0";

const bad_line = "CLIENT_ERROR bad command line format";
const bad_chunk = "CLIENT_ERROR bad data chunk";

pub const Counters = struct {
    cmd_get: Counter = .{},
    cmd_set: Counter = .{},
    get_hits: Counter = .{},
    value_copies: Counter = .{},
    value_ops: Counter = .{},
    allocs: Counter = .{},
    curr_connections: Counter = .{},
    total_connections: Counter = .{},
};

const Words = struct {
    words: [max_words][]const u8 = undefined,
    len: usize = 0,

    fn of(line: []const u8) Words {
        var self: Words = .{};
        var rest = std.mem.tokenizeScalar(u8, line, ' ');
        while (self.len < max_words) : (self.len += 1) self.words[self.len] = rest.next() orelse break;
        return self;
    }

    fn at(self: *const Words, i: usize) []const u8 {
        return self.words[i];
    }

    fn lastIs(self: *const Words, word: []const u8) bool {
        return is(self.words[self.len - 1], word);
    }
};

fn is(word: []const u8, text: []const u8) bool {
    return std.mem.eql(u8, word, text);
}

/// Digits alone, at most 20 of them, up to `max`.
pub fn parseNumber(word: []const u8, max: u64) ?u64 {
    if (word.len == 0 or word.len > 20) return null;
    var n: u64 = 0;
    for (word) |byte| {
        const digit = byte -% '0';
        if (digit > 9 or n > (max - digit) / 10) return null;
        n = n * 10 + digit;
    }
    return n;
}

/// memcached's rule: 0 never, below 0 at once, up to 30 days from now, else a time of day.
fn parseExpiry(word: []const u8) ?i64 {
    const max = std.math.maxInt(i64);
    if (word.len > 1 and word[0] == '-') return if (parseNumber(word[1..], max) != null) 1 else null;
    const n: i64 = @intCast(parseNumber(word, max) orelse return null);
    return if (n != 0 and n <= 60 * 60 * 24 * 30) n + kv_store.epoch() else n;
}

pub const Session = struct {
    store: *kv_store.Store,
    n: *Counters,
    /// Sends what it can; whether there is room in `out` again.
    drain: *const fn (*Session) bool,
    mode: enum { line, get_rest, body, end, skip, skip_line } = .line,
    /// `feed` takes no more until this is `.no` again.
    stop: enum { no, quit, stats } = .no,
    /// Replies not handed to a send yet.
    out: Bytes = .{},
    /// The start of a line, or the keys a get has not answered yet.
    carry: Bytes = .{},
    /// The value being received.
    filling: ?*Item = null,
    /// Bytes of it, or of what is skipped, that are still to come.
    left: u64 = 0,
    no_reply: bool = false,
    crlf: bool = false,
    saw_cr: bool = false,
    gets: bool = false,
    /// The host says: bytes fed now were copied once more on their way.
    copied: bool = false,
    recopied: bool = false,

    const Error = error{OutOfMemory};

    pub fn deinit(self: *Session) void {
        if (self.filling) |item| item.destroy();
        self.out.deinit();
        self.carry.deinit();
    }

    /// A reply line, unless the request asked for none.
    pub fn reply(self: *Session, text: []const u8) Error!void {
        if (self.no_reply) return;
        try self.out.append(text);
        try self.out.append("\r\n");
    }

    pub fn print(self: *Session, comptime format: []const u8, args: anytype) Error!void {
        var buf: [128]u8 = undefined;
        try self.reply(std.fmt.bufPrint(&buf, format, args) catch unreachable); // numbers and short names
    }

    fn hasRoom(self: *Session) bool {
        return self.out.len < out_limit or self.drain(self);
    }

    fn getOne(self: *Session, key: []const u8) Error!void {
        self.n.cmd_get.bump(1);
        const locked = self.store.lock(key);
        defer locked.unlock();
        const item = locked.item orelse return;
        try self.out.reserve(kv_store.key_max + 64 + @as(usize, item.value_len) + 2);
        const room = self.out.room[self.out.len..];
        const head = (if (self.gets)
            std.fmt.bufPrint(room, "VALUE {s} {d} {d} {d}\r\n", .{ key, item.flags, item.value_len, item.cas })
        else
            std.fmt.bufPrint(room, "VALUE {s} {d} {d}\r\n", .{ key, item.flags, item.value_len })) catch unreachable;
        self.out.len += head.len;
        self.out.appendAssumingRoom(item.value());
        self.out.appendAssumingRoom("\r\n");
        self.n.get_hits.bump(1);
        self.n.value_copies.bump(2);
        self.n.value_ops.bump(1);
    }

    /// Answers keys up to the end of the line, or until the output is full: then the rest waits in `carry`.
    fn getKeys(self: *Session, line: []const u8) Error!void {
        var keys = std.mem.tokenizeScalar(u8, line, ' ');
        while (true) {
            if (!self.hasRoom()) {
                self.carry.len = 0;
                try self.carry.append(keys.rest());
                self.mode = .get_rest;
                return;
            }
            try self.getOne(keys.next() orelse break);
        }
        self.mode = .line;
        try self.out.append("END\r\n");
    }

    fn get(self: *Session, line: []const u8, gets: bool) Error!void {
        var keys = std.mem.tokenizeScalar(u8, line, ' ');
        if (keys.peek() == null) return self.reply("ERROR");
        while (keys.next()) |key| if (key.len > kv_store.key_max) return self.reply(bad_line);
        self.gets = gets;
        try self.getKeys(line);
    }

    /// Refuses a set whose value is on its way: says why and skips `len` bytes and their line end.
    fn refuse(self: *Session, why: []const u8, len: u64) Error!void {
        self.left = len;
        self.mode = if (len > 0) .skip else .skip_line;
        try self.reply(why);
    }

    fn set(self: *Session, words: *const Words) Error!void {
        if (words.len < 5 or words.len > 6) return self.reply("ERROR");
        self.n.cmd_set.bump(1);
        self.no_reply = words.len == 6 and words.lastIs("noreply");
        const key = words.at(1);
        if (words.at(4).len > 1 and words.at(4)[0] == '-') return self.reply(bad_chunk);
        const len = parseNumber(words.at(4), std.math.maxInt(i64)) orelse return self.reply(bad_line);
        const flags = parseNumber(words.at(2), std.math.maxInt(u32));
        const expires = parseExpiry(words.at(3));
        if (key.len > kv_store.key_max or flags == null or expires == null) return self.refuse(bad_line, len);
        if (len > kv_store.value_max) {
            _ = self.store.delete(key); // a client that ignores the answer must not read the old value
            return self.refuse("SERVER_ERROR object too large for cache", len);
        }
        self.filling = self.store.make(key, @intCast(flags.?), expires.?, @intCast(len)) orelse {
            _ = self.store.delete(key);
            return self.refuse("SERVER_ERROR out of memory storing object", len);
        };
        self.left = len;
        self.saw_cr = false;
        self.recopied = false;
        self.mode = if (len > 0) .body else .end;
    }

    /// Looks for the line end after a value; how many of `bytes` it took.
    fn endOfValue(self: *Session, bytes: []const u8) Error!usize {
        var at: usize = 0;
        if (!self.saw_cr and bytes[0] == '\r') {
            self.saw_cr = true;
            at = 1;
            if (at == bytes.len) return at;
        }
        const item = self.filling.?;
        self.filling = null;
        if (bytes[at] == '\n' and (self.saw_cr or !self.crlf)) {
            self.n.value_copies.bump(if (self.recopied) 3 else 2);
            self.n.value_ops.bump(1);
            self.mode = .line;
            if (self.store.put(item)) {
                try self.reply("STORED");
            } else |_| {
                try self.reply("SERVER_ERROR out of memory storing object");
            }
            return at + 1;
        }
        // Too long or too short. If the value itself ended a line, what follows is the next request.
        const value = item.value();
        const at_line_start = !self.saw_cr and value.len > 0 and value[value.len - 1] == '\n';
        item.destroy();
        self.mode = if (at_line_start) .line else .skip_line;
        try self.reply(bad_chunk);
        return at;
    }

    /// Replaces the item by one that holds `n`, or writes it in place if it is as long.
    fn putNumber(self: *Session, locked: kv_store.Locked, item: *Item, n: u64) Error!void {
        var buf: [20]u8 = undefined;
        const text = std.fmt.bufPrint(&buf, "{d}", .{n}) catch unreachable;
        if (item.value_len == text.len) {
            @memcpy(item.value(), text);
            item.cas = self.store.nextCas();
            return;
        }
        const wider = self.store.make(item.key(), item.flags, item.expires, @intCast(text.len));
        @memcpy((wider orelse return error.OutOfMemory).value(), text);
        try self.store.putLocked(locked, wider.?);
    }

    fn count(self: *Session, words: *const Words, up: bool) Error!void {
        if (words.len < 3 or words.len > 4) return self.reply("ERROR");
        self.no_reply = words.len == 4 and words.lastIs("noreply");
        if (words.at(1).len > kv_store.key_max) return self.reply(bad_line);
        const by = parseNumber(words.at(2), std.math.maxInt(u64)) orelse
            return self.reply("CLIENT_ERROR invalid numeric delta argument");
        const locked = self.store.lock(words.at(1));
        defer locked.unlock();
        const item = locked.item orelse return self.reply("NOT_FOUND");
        const old = parseNumber(item.value(), std.math.maxInt(u64)) orelse
            return self.reply("CLIENT_ERROR cannot increment or decrement non-numeric value");
        const n = if (up) old +% by else old -| by; // as in memcached
        self.putNumber(locked, item, n) catch return self.reply("SERVER_ERROR out of memory in incr");
        try self.print("{d}", .{n});
    }

    fn delete(self: *Session, words: *const Words) Error!void {
        self.no_reply = words.len > 2 and words.lastIs("noreply");
        if (words.len < 2) return self.reply("ERROR");
        const extra = words.len - 2 - @intFromBool(self.no_reply);
        if (extra > 1 or (extra == 1 and !is(words.at(2), "0")) or words.at(1).len > kv_store.key_max) {
            return self.reply(bad_line ++ ".  Usage: delete <key> [noreply]");
        }
        try self.reply(if (self.store.delete(words.at(1))) "DELETED" else "NOT_FOUND");
    }

    fn flushAll(self: *Session, words: *const Words) Error!void {
        self.no_reply = words.len > 1 and words.lastIs("noreply");
        const extra = words.len - 1 - @intFromBool(self.no_reply);
        const now = extra == 0 or parseNumber(words.at(1), std.math.maxInt(u64)) == 0;
        if (extra > 1 or !now) return self.reply(bad_line);
        self.store.clear();
        try self.reply("OK");
    }

    /// One line, without its newline.
    fn runLine(self: *Session, whole: []const u8) Error!void {
        self.no_reply = false;
        self.crlf = whole.len > 0 and whole[whole.len - 1] == '\r';
        const line = if (self.crlf) whole[0 .. whole.len - 1] else whole;
        var rest = std.mem.tokenizeScalar(u8, line, ' ');
        const name = rest.next() orelse return self.reply("ERROR");
        if (is(name, "get") or is(name, "gets")) return self.get(rest.rest(), name.len == 4);
        const words: Words = .of(line);
        if (is(name, "set")) return self.set(&words);
        if (is(name, "delete")) return self.delete(&words);
        if (is(name, "incr")) return self.count(&words, true);
        if (is(name, "decr")) return self.count(&words, false);
        if (is(name, "version")) return self.reply("VERSION " ++ version);
        if (is(name, "flush_all")) return self.flushAll(&words);
        if (is(name, "stats") and words.len == 1) {
            self.stop = .stats;
        } else if (is(name, "quit")) {
            self.stop = .quit;
        } else {
            try self.reply("ERROR");
        }
    }

    /// Takes what belongs to the line that begins or goes on here; how much.
    fn feedLine(self: *Session, bytes: []const u8) Error!usize {
        const newline = std.mem.indexOfScalar(u8, bytes, '\n');
        const part = bytes[0 .. newline orelse bytes.len];
        if (newline != null and self.carry.len == 0) {
            try self.runLine(part);
            return part.len + 1;
        }
        if (self.carry.len + part.len > line_limit) {
            self.carry.len = 0;
            self.no_reply = false;
            self.mode = .skip_line;
            try self.reply("CLIENT_ERROR line too long");
            return 0;
        }
        try self.carry.append(part);
        if (newline == null) return part.len;
        const line = self.carry.items();
        self.carry.len = 0; // its bytes stay until the next append
        try self.runLine(line);
        return part.len + 1;
    }

    /// Takes what has arrived; how many bytes of it. Fewer than there are: the output is full, or see `stop`.
    pub fn feed(self: *Session, bytes: []const u8) Error!usize {
        var at: usize = 0;
        while (self.stop == .no and (at < bytes.len or self.mode == .get_rest) and self.hasRoom()) {
            const rest = bytes[at..];
            switch (self.mode) {
                .line => at += try self.feedLine(rest),
                .get_rest => {
                    const keys = self.carry.items();
                    self.carry.len = 0;
                    try self.getKeys(keys);
                },
                .body => {
                    const item = self.filling.?;
                    const n: usize = @intCast(@min(rest.len, self.left));
                    @memcpy(item.value()[item.value_len - @as(usize, @intCast(self.left)) ..][0..n], rest[0..n]);
                    self.recopied = self.recopied or self.copied;
                    self.left -= n;
                    at += n;
                    if (self.left == 0) self.mode = .end;
                },
                .end => at += try self.endOfValue(rest),
                .skip => {
                    const n: usize = @intCast(@min(rest.len, self.left));
                    self.left -= n;
                    at += n;
                    if (self.left == 0) self.mode = .skip_line;
                },
                .skip_line => if (std.mem.indexOfScalar(u8, rest, '\n')) |newline| {
                    at += newline + 1;
                    self.mode = .line;
                } else {
                    at = bytes.len;
                },
            }
        }
        return at;
    }
};
