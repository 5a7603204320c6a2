//! What `std.Io.Threaded` does, on the thread of the loop.

const std = @import("std");
const Io = std.Io;
const of = @import("loop.zig").of;

/// What it does under this name of the interface.
pub fn Forward(comptime name: []const u8) type {
    const Fn = @typeInfo(@FieldType(Io.VTable, name)).pointer.child;
    const info = @typeInfo(Fn).@"fn";
    const R = info.return_type.?;
    const P = info.param_types;
    return switch (P.len) {
        1 => struct {
            pub fn call(u: ?*anyopaque) R {
                const i = of(u).threaded.io();
                return @field(i.vtable, name)(i.userdata);
            }
        },
        2 => struct {
            pub fn call(u: ?*anyopaque, p1: P[1].?) R {
                const i = of(u).threaded.io();
                return @field(i.vtable, name)(i.userdata, p1);
            }
        },
        3 => struct {
            pub fn call(u: ?*anyopaque, p1: P[1].?, p2: P[2].?) R {
                const i = of(u).threaded.io();
                return @field(i.vtable, name)(i.userdata, p1, p2);
            }
        },
        4 => struct {
            pub fn call(u: ?*anyopaque, p1: P[1].?, p2: P[2].?, p3: P[3].?) R {
                const i = of(u).threaded.io();
                return @field(i.vtable, name)(i.userdata, p1, p2, p3);
            }
        },
        5 => struct {
            pub fn call(u: ?*anyopaque, p1: P[1].?, p2: P[2].?, p3: P[3].?, p4: P[4].?) R {
                const i = of(u).threaded.io();
                return @field(i.vtable, name)(i.userdata, p1, p2, p3, p4);
            }
        },
        6 => struct {
            pub fn call(u: ?*anyopaque, p1: P[1].?, p2: P[2].?, p3: P[3].?, p4: P[4].?, p5: P[5].?) R {
                const i = of(u).threaded.io();
                return @field(i.vtable, name)(i.userdata, p1, p2, p3, p4, p5);
            }
        },
        else => @compileError(name ++ " has more parameters than any had"),
    };
}
