//! Builds a program on ouzel: copy this beside your `main.zig`, or take the `ouzel` module out of it.
//!
//!     zig build -Douzel=/where/it/is/installed

const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const prefix = b.option([]const u8, "ouzel", "the prefix ouzel is installed under") orelse "/usr/local";

    const ouzel = b.createModule(.{
        .root_source_file = .{ .cwd_relative = b.pathJoin(&.{ prefix, "zig/ouzel.zig" }) },
        .target = target,
        .optimize = optimize,
        .link_libc = true,
    });
    ouzel.addObjectFile(.{ .cwd_relative = b.pathJoin(&.{ prefix, "lib/libouzel.a" }) });
    ouzel.linkSystemLibrary("unwind", .{});

    const main = b.createModule(.{
        .root_source_file = b.path("main.zig"),
        .target = target,
        .optimize = optimize,
        .imports = &.{.{ .name = "ouzel", .module = ouzel }},
    });
    b.installArtifact(b.addExecutable(.{ .name = "main", .root_module = main }));
}
