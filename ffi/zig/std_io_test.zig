//! Tests of `std_io.zig` on every driver, by `std.Io`'s own names. Zig 0.17.

test {
    _ = @import("std_io/tasks_test.zig");
    _ = @import("std_io/operations_test.zig");
}
