//! Batches: operations that are waited for together, each in a task of its own.
//!
//! ```text
//!   unused ── add ──▶ submitted ── await ──▶ pending ──▶ completed ── next ──▶ unused
//!                         ▲                     │ the wait was over before, or its task was cancelled
//!                         └─────────────────────┘
//! ```
//! So a wait that fails leaves nothing in flight that its caller's memory belongs to, and nothing is lost: what was withdrawn begins
//! again with the next wait.

const std = @import("std");
const Io = std.Io;
const Index = Io.Operation.OptionalIndex;
const Fiber = loops.Fiber;
const Loop = loops.Loop;
const loops = @import("loop.zig");
const operate = @import("operations.zig").operate;
const c = @import("../c.zig");

/// Who waits, for as long as somebody does: the batch's `userdata`.
const Waiting = struct {
    fiber: ?*Fiber,
    /// What is cancelled is submitted again.
    resubmits: bool,
};

const Task = struct { loop: *Loop, batch: *Io.Batch, index: u32, operation: Io.Operation };

/// Waits for one of them at least.
pub fn awaitAny(loop: *Loop, batch: *Io.Batch, timeout: Io.Timeout, concurrent: bool) Io.Batch.AwaitConcurrentError!void {
    begin(loop, batch) catch |err| {
        if (concurrent) return err;
        // Without memory for tasks: here, one.
        if (batch.pending.head == .none) {
            const index = popSubmitted(batch);
            complete(batch, index.at, try operate(loop, index.operation));
        }
    };
    var timer: c.Id = .{};
    if (loop.deadline(timeout)) |until| {
        const options = loop.opOptions();
        if (c.ouzel_timer(loop.handle, until, 0, &options, &timer) != c.ok) return error.ConcurrencyUnavailable;
    }
    defer if (timeout != .none) {
        _ = c.ouzel_op_abandon(timer);
    };
    var waiting: Waiting = .{ .fiber = loop.current, .resubmits = true };
    batch.userdata = &waiting;
    defer batch.userdata = null;
    while (batch.completed.head == .none and batch.pending.head != .none) {
        var cqe: c.Cqe = undefined;
        if (loop.isCanceled()) {
            withdraw(loop, batch, true);
            return loop.acknowledge();
        }
        if (timeout != .none and c.ouzel_op_take(timer, &cqe) != c.pending) {
            withdraw(loop, batch, true);
            return if (batch.completed.head == .none) error.Timeout;
        }
        loop.wait();
    }
}

/// Cancels all, and waits until none is pending.
pub fn withdraw(loop: *Loop, batch: *Io.Batch, resubmits: bool) void {
    var waiting: Waiting = .{ .fiber = loop.current, .resubmits = resubmits };
    const before = batch.userdata;
    batch.userdata = &waiting;
    defer batch.userdata = before;
    var index = batch.pending.head;
    while (index != .none) {
        const pending = &batch.storage[index.toIndex()].pending;
        index = pending.node.next;
        @as(*Fiber, @ptrFromInt(pending.userdata[0])).cancel();
    }
    while (batch.pending.head != .none) loop.wait();
}

fn begin(loop: *Loop, batch: *Io.Batch) Io.ConcurrentError!void {
    while (batch.submitted.head != .none) {
        const index = batch.submitted.head;
        const operation = batch.storage[index.toIndex()].submission.operation;
        const task: Task = .{ .loop = loop, .batch = batch, .index = index.toIndex(), .operation = operation };
        const fiber = Fiber.spawn(loop, .{ .member = perform }, 0, .@"1", std.mem.asBytes(&task), .of(Task), .nobody) catch
            return error.ConcurrencyUnavailable;
        _ = popSubmitted(batch);
        batch.storage[index.toIndex()] = .{ .pending = .{
            .node = .{ .prev = batch.pending.tail, .next = .none },
            .tag = operation,
            .userdata = .{ @intFromPtr(fiber), 0, 0, 0, 0, 0, 0 },
        } };
        switch (batch.pending.tail) {
            .none => batch.pending.head = index,
            else => |tail| batch.storage[tail.toIndex()].pending.node.next = index,
        }
        batch.pending.tail = index;
    }
}

fn perform(context: *const anyopaque) void {
    const task: *const Task = @ptrCast(@alignCast(context));
    const batch = task.batch;
    const result: ?Io.Operation.Result = operate(task.loop, task.operation) catch null;
    const storage = &batch.storage[task.index];
    const node = storage.pending.node;
    switch (node.prev) {
        .none => batch.pending.head = node.next,
        else => |before| batch.storage[before.toIndex()].pending.node.next = node.next,
    }
    switch (node.next) {
        .none => batch.pending.tail = node.prev,
        else => |next| batch.storage[next.toIndex()].pending.node.prev = node.prev,
    }
    const waiting: ?*Waiting = @ptrCast(@alignCast(batch.userdata));
    if (result) |done| {
        complete(batch, task.index, done);
    } else if (waiting != null and waiting.?.resubmits) {
        storage.* = .{ .submission = .{ .node = .{ .next = .none }, .operation = task.operation } };
        switch (batch.submitted.tail) {
            .none => batch.submitted.head = .fromIndex(task.index),
            else => |tail| batch.storage[tail.toIndex()].submission.node.next = .fromIndex(task.index),
        }
        batch.submitted.tail = .fromIndex(task.index);
    } else {
        storage.* = .{ .unused = .{ .prev = batch.unused.tail, .next = .none } };
        switch (batch.unused.tail) {
            .none => batch.unused.head = .fromIndex(task.index),
            else => |tail| batch.storage[tail.toIndex()].unused.next = .fromIndex(task.index),
        }
        batch.unused.tail = .fromIndex(task.index);
    }
    if (waiting) |who| if (who.fiber) |fiber| fiber.wake();
}

fn popSubmitted(batch: *Io.Batch) struct { at: u32, operation: Io.Operation } {
    const index = batch.submitted.head.toIndex();
    const submission = batch.storage[index].submission;
    batch.submitted.head = submission.node.next;
    if (submission.node.next == .none) batch.submitted.tail = .none;
    return .{ .at = index, .operation = submission.operation };
}

fn complete(batch: *Io.Batch, index: u32, result: Io.Operation.Result) void {
    batch.storage[index] = .{ .completion = .{ .node = .{ .next = .none }, .result = result } };
    switch (batch.completed.tail) {
        .none => batch.completed.head = .fromIndex(index),
        else => |tail| batch.storage[tail.toIndex()].completion.node.next = .fromIndex(index),
    }
    batch.completed.tail = .fromIndex(index);
}
