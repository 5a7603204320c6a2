//! Capacities and bounds, in one place. Under `ouzel_loom` and `ouzel_shuttle` they shrink so that a
//! model can fill, overflow and wrap what takes millions of operations in production.
//!
//! `--cfg ouzel_switch="NAME"` builds a variant that lost, or won only elsewhere, so that its cost can be measured
//! again: `lifo_0`, `lifo_4`, `shards_1`, `inject_stack`, `boxed`, `membarrier`, `spin`. `docs/design-decisions.md`
//! has the figures. Not for production: only the default is tested as a whole.

/// LIFO slots in front of a worker's ring (0, 1 or 4; see `queue::lifo`).
pub const LIFO_SLOTS: usize = if cfg!(ouzel_switch = "lifo_0") {
    0
} else if cfg!(ouzel_switch = "lifo_4") {
    4
} else {
    1
};
/// Polls in a row that a worker takes from its LIFO slots before it flushes them to the ring.
pub const LIFO_POLL_CAP: u32 = 3;
/// Entries of a worker's ring. A power of two.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const RING_CAPACITY: usize = 256;
/// Entries of a worker's ring. A power of two.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const RING_CAPACITY: usize = 4;
/// Tasks for which the ring of a lone worker has room before it grows. A power of two.
#[cfg(not(ouzel_shuttle))]
pub const LONE_ROOM: usize = 256;
/// Tasks for which the ring of a lone worker has room before it grows. A power of two.
#[cfg(ouzel_shuttle)]
pub const LONE_ROOM: usize = 2;
/// Bytes from which on a ring that grows comes from where chunks do, so that it can go back to the system.
#[cfg(not(ouzel_shuttle))]
pub const LARGE_RING: usize = CHUNK_BYTES;
/// Bytes from which on a ring that grows comes from where chunks do: at its second growth.
#[cfg(ouzel_shuttle)]
pub const LARGE_RING: usize = 4 * LONE_ROOM * size_of::<usize>();
/// Position at which a ring starts to count.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const RING_START: u32 = 0;
/// Position at which a ring starts to count: so near the end that every model wraps.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const RING_START: u32 = u32::MAX - 1;
/// Shards of the injection queue at the most.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const INJECT_SHARDS: usize = if cfg!(ouzel_switch = "shards_1") { 1 } else { 8 };
/// Shards of the injection queue at the most.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const INJECT_SHARDS: usize = 2;
/// Most tasks taken from the injection queue at once.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const INJECT_BATCH: usize = 128;
/// Most tasks taken from the injection queue at once.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const INJECT_BATCH: usize = 2;
/// Bytes and alignment of a slab chunk.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Cells in a chunk at the most.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const CHUNK_CELLS: usize = CHUNK_BYTES / 64;
/// Cells in a chunk at the most.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const CHUNK_CELLS: usize = 2;
/// Chunks that are taken from the allocator at once: 2 MiB.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const REGION_CHUNKS: usize = 32;
/// Chunks that are taken from the allocator at once.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const REGION_CHUNKS: usize = 2;
/// Chunks in the first segment of a chunk table; each segment is twice as long as the one before.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const TABLE_FIRST: usize = 64;
/// Chunks in the first segment of a chunk table; each segment is twice as long as the one before.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const TABLE_FIRST: usize = 1;
/// Polls a task may make progress on I/O before it should yield.
pub const COOP_BUDGET: u32 = 128;
/// Workers at the most: one bit each in the sleeper word.
pub const MAX_WORKERS: usize = 64;
/// Operation slots in a chunk. A chunk is allocated at once, its slots are touched one by one.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const OP_CHUNK_SLOTS: usize = 64;
/// Operation slots in a chunk.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const OP_CHUNK_SLOTS: usize = 2;
/// Alarm nodes in a chunk: 12 KiB, touched one by one.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const ALARM_CHUNK_NODES: usize = 256;
/// Alarm nodes in a chunk.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const ALARM_CHUNK_NODES: usize = 2;
/// Completions of a multishot operation that wait for their holder; more go to a list, and cancel it.
///
/// 32: with 8 a bulk stream in 16 KiB pieces was cancelled and begun again every 14 pieces, and a Unix socket carried
/// 128 MiB in 53 to 83 ms instead of 24 to 31; 64 was no better.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub const MULTI_RING: usize = 32;
/// Completions of a multishot operation that wait for their holder.
#[cfg(any(ouzel_loom, ouzel_shuttle))]
pub const MULTI_RING: usize = 2;
/// Entries of an anchor table: runtimes that weak ids can name at one time.
pub const ANCHORS: usize = 256;
