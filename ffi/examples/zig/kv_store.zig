//! The values of kv.zig: 256 stripes by the key's hash, each a map behind a lock of its own.
//!
//! An item is one allocation: head, key, value. It is filled before it is put in, so a lock is held for a lookup and for
//! copying the value out, never while bytes are on their way from a client. Expired items are dropped when they are next
//! looked at. Nothing is evicted: at the limit a set is refused.

const std = @import("std");

pub const key_max = 250;
pub const value_max = 1024 * 1024;
const stripe_count = 256;

const gpa = std.heap.c_allocator;

extern "c" fn malloc(size: usize) ?*anyopaque;
extern "c" fn free(ptr: ?*anyopaque) void;
extern "c" fn time(out: ?*c_long) c_long;

/// What one thread counts: written by that thread alone, read by whoever answers `stats`.
pub const Counter = struct {
    value: std.atomic.Value(u64) = .init(0),

    pub fn bump(self: *Counter, by: u64) void {
        self.value.store(self.get() +% by, .monotonic);
    }

    pub fn get(self: *const Counter) u64 {
        return self.value.load(.monotonic);
    }
};

/// Where this thread counts its allocations; `stats` adds the library's own.
pub threadlocal var alloc_count: ?*Counter = null;

pub fn countAlloc() void {
    if (alloc_count) |count| count.bump(1);
}

/// Bytes that keep their room when they are emptied.
pub const Bytes = struct {
    room: []u8 = &.{},
    len: usize = 0,

    pub fn reserve(self: *Bytes, more: usize) error{OutOfMemory}!void {
        if (self.room.len - self.len >= more) return;
        var cap = @max(self.room.len, 4096);
        while (cap - self.len < more) cap *= 2;
        self.room = try gpa.realloc(self.room, cap);
        countAlloc();
    }

    /// They may be bytes of its own, if there is room for them.
    pub fn append(self: *Bytes, bytes: []const u8) error{OutOfMemory}!void {
        try self.reserve(bytes.len);
        self.appendAssumingRoom(bytes);
    }

    pub fn appendAssumingRoom(self: *Bytes, bytes: []const u8) void {
        @memmove(self.room[self.len..][0..bytes.len], bytes);
        self.len += bytes.len;
    }

    pub fn items(self: Bytes) []u8 {
        return self.room[0..self.len];
    }

    pub fn deinit(self: *Bytes) void {
        gpa.free(self.room);
        self.* = .{};
    }
};

pub const Item = struct {
    cas: u64 = 0,
    /// Seconds of the epoch; 0: never.
    expires: i64,
    flags: u32,
    value_len: u32,
    key_len: u8,

    pub fn key(self: *Item) []u8 {
        return self.bytes()[0..self.key_len];
    }

    pub fn value(self: *Item) []u8 {
        return self.bytes()[self.key_len..][0..self.value_len];
    }

    pub fn destroy(self: *Item) void {
        free(self);
    }

    fn bytes(self: *Item) [*]u8 {
        return @as([*]u8, @ptrCast(self)) + @sizeOf(Item);
    }

    fn size(self: *const Item) usize {
        return @as(usize, @sizeOf(Item)) + self.key_len + self.value_len;
    }

    fn isExpired(self: *const Item) bool {
        return self.expires != 0 and self.expires <= time(null);
    }
};

/// Seconds of the epoch.
pub fn epoch() i64 {
    return time(null);
}

const Stripe = struct {
    lock: std.c.pthread_mutex_t = .{},
    items: std.StringHashMapUnmanaged(*Item) = .empty,
    /// Two stripes' locks do not share a cache line.
    apart: [64]u8 = undefined,
};

/// A key's stripe, locked, and its item.
pub const Locked = struct {
    stripe: *Stripe,
    item: ?*Item,

    pub fn unlock(self: Locked) void {
        _ = std.c.pthread_mutex_unlock(&self.stripe.lock);
    }
};

pub const Store = struct {
    stripes: [stripe_count]Stripe = @splat(.{}),
    bytes: std.atomic.Value(usize) = .init(0),
    items: std.atomic.Value(usize) = .init(0),
    /// The last one given out.
    cas: std.atomic.Value(u64) = .init(0),
    /// Most bytes; 0: no limit.
    limit: usize = 0,

    /// Room for an item, not in the store yet. `null`: the limit is reached, or memory is out.
    pub fn make(self: *Store, key: []const u8, flags: u32, expires: i64, value_len: u32) ?*Item {
        const size = @sizeOf(Item) + key.len + value_len;
        if (self.limit != 0 and self.bytes.load(.monotonic) + size > self.limit) return null;
        const item: *Item = @ptrCast(@alignCast(malloc(size) orelse return null));
        countAlloc();
        item.* = .{ .expires = expires, .flags = flags, .value_len = value_len, .key_len = @intCast(key.len) };
        @memcpy(item.key(), key);
        return item;
    }

    /// Looks the key up; unlock what this returns. An expired item is dropped.
    pub fn lock(self: *Store, key: []const u8) Locked {
        // Bits that the map does not begin with.
        const stripe = &self.stripes[(std.hash.Wyhash.hash(0, key) >> 32) % stripe_count];
        _ = std.c.pthread_mutex_lock(&stripe.lock);
        const item = stripe.items.get(key);
        if (item) |it| if (it.isExpired()) {
            self.remove(stripe, it);
            return .{ .stripe = stripe, .item = null };
        };
        return .{ .stripe = stripe, .item = item };
    }

    fn remove(self: *Store, stripe: *Stripe, item: *Item) void {
        _ = stripe.items.remove(item.key());
        self.forget(item);
    }

    fn forget(self: *Store, item: *Item) void {
        _ = self.bytes.fetchSub(item.size(), .monotonic);
        _ = self.items.fetchSub(1, .monotonic);
        item.destroy();
    }

    /// Takes the item over, also when it fails.
    pub fn put(self: *Store, item: *Item) error{OutOfMemory}!void {
        const locked = self.lock(item.key());
        defer locked.unlock();
        return self.putLocked(locked, item);
    }

    /// The same for an item whose stripe is locked.
    pub fn putLocked(self: *Store, locked: Locked, item: *Item) error{OutOfMemory}!void {
        const map = &locked.stripe.items;
        const room = map.capacity();
        const entry = map.getOrPut(gpa, item.key()) catch |err| {
            item.destroy();
            return err;
        };
        if (map.capacity() != room) countAlloc();
        item.cas = self.nextCas();
        if (entry.found_existing) self.forget(entry.value_ptr.*);
        entry.key_ptr.* = item.key();
        entry.value_ptr.* = item;
        _ = self.bytes.fetchAdd(item.size(), .monotonic);
        _ = self.items.fetchAdd(1, .monotonic);
    }

    pub fn nextCas(self: *Store) u64 {
        return self.cas.fetchAdd(1, .monotonic) + 1;
    }

    /// Whether the key was there.
    pub fn delete(self: *Store, key: []const u8) bool {
        const locked = self.lock(key);
        defer locked.unlock();
        self.remove(locked.stripe, locked.item orelse return false);
        return true;
    }

    pub fn clear(self: *Store) void {
        for (&self.stripes) |*stripe| {
            _ = std.c.pthread_mutex_lock(&stripe.lock);
            defer _ = std.c.pthread_mutex_unlock(&stripe.lock);
            var each = stripe.items.valueIterator();
            while (each.next()) |item| self.forget(item.*);
            stripe.items.clearRetainingCapacity();
        }
    }

    pub fn deinit(self: *Store) void {
        self.clear();
        for (&self.stripes) |*stripe| stripe.items.deinit(gpa);
    }
};
