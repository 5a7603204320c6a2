//! What the tests of `std_io.zig` share.

const std = @import("std");
const Io = std.Io;
const c = @import("../c.zig");
const Runtime = @import("../std_io.zig").Runtime;
const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;

/// A test on each driver, on its runtime.
pub fn everywhere(comptime run: fn (io: Io) anyerror!void) !void {
    for (1..4) |driver| {
        var runtime: Runtime = undefined;
        try runtime.init(std.testing.allocator, .{ .runtime = .{ .driver = @intCast(driver) } });
        defer runtime.deinit();
        try run(runtime.io());
        try expectEqual(0, runtime.loop.live);
        // It was ouzel that did it.
        var stats: c.Stats = .{};
        try expectEqual(c.ok, c.ouzel_stats_get(runtime.loop.handle, &stats, @sizeOf(c.Stats)));
        try expect(stats.tasks_spawned > 0 and stats.polls > stats.tasks_spawned);
    }
}

pub fn after(io: Io, ms: i64) Io.Cancelable!void {
    try io.sleep(.fromMilliseconds(ms), .awake);
}

pub fn pipe() ![2]Io.File {
    var ends: [2]c_int = undefined;
    try expectEqual(0, std.c.pipe(&ends));
    return .{
        .{ .handle = ends[0], .flags = .{ .nonblocking = false } },
        .{ .handle = ends[1], .flags = .{ .nonblocking = false } },
    };
}
