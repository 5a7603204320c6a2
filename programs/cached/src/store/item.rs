//! What lies before an item's key and value, and before free memory.

/// A position in a region, in granules; 0 is none.
pub type At = u32;

/// Bytes of a granule.
pub(super) const GRANULE: usize = 16;

/// Bytes of a [`Header`]; the key follows, then the value.
pub(super) const HEADER: usize = size_of::<Header>();
const _: () = assert!(HEADER == 56, "more is paid for with every item");

/// What a block is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State(u8);

impl State {
    /// Memory that nobody uses; `next` and `prev` are of a free list.
    pub(super) const FREE: State = State(0);
    /// Being filled by a connection, and known to it alone.
    pub(super) const FILLING: State = State(1);
    /// In the queue of new items.
    pub(super) const SMALL: State = State(2);
    /// In the queue of items that were asked for again.
    pub(super) const MAIN: State = State(3);
    /// Taken out of the store while a reply is sent from it.
    pub(super) const DEAD: State = State(4);

    pub(super) fn is_item(self) -> bool {
        self == State::SMALL || self == State::MAIN
    }
}

/// The header of a block. Times are in seconds of the store's clock.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Header {
    /// Granules of this block, header included.
    pub(super) size: u32,
    /// Granules of the block before it in memory; 0 for the first.
    pub(super) before: u32,
    /// Next in the chain of the hash bucket.
    pub(super) chain: At,
    pub(super) next: At,
    pub(super) prev: At,
    pub(super) hash: u32,
    /// Changes with every change of the value.
    pub cas: u64,
    /// The client's own.
    pub flags: u32,
    /// When it ends; 0: never.
    pub expires: u32,
    pub(super) value_len: u32,
    /// When it was last asked for, or stored.
    pub used_at: u32,
    /// Of which flush it is a survivor.
    pub(super) epoch: u16,
    /// Replies that are being sent from it.
    pub(super) pins: u16,
    pub(super) key_len: u8,
    /// [`FETCHED`], [`STALE`], [`WON`].
    pub bits: u8,
    pub(super) state: State,
    /// Hits since it was put into its queue, up to 3.
    pub(super) freq: u8,
}

/// Was asked for since it was stored.
pub const FETCHED: u8 = 1;
/// Was invalidated, and is served as stale.
pub const STALE: u8 = 2;
/// Somebody was told to make it anew.
pub const WON: u8 = 4;

impl Header {
    /// Bytes of the value.
    #[must_use]
    pub fn value_len(&self) -> usize {
        self.value_len as usize
    }

    /// Bytes of header, key and value: what the item needs, wherever it is.
    #[must_use]
    pub fn needed_bytes(&self) -> usize {
        self.value_at() + self.value_len()
    }

    /// Bytes of the block, what is left over at its end included: that depends on what was free.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.size as usize * GRANULE
    }

    /// Where in the block the value begins.
    pub(super) fn value_at(&self) -> usize {
        HEADER + usize::from(self.key_len)
    }
}
