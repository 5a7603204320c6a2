//! What tasks of a case share, without allocation and the same on every engine.
//!
//! | type | what for |
//! |---|---|
//! | [`Latch`] | the root waits until so many tasks have done their work, and knows how many did |
//! | [`Baton`] | one task tells one other that it is its turn |
//! | [`yield_now`] | back to the end of the queue, once |
//! | [`repeat`] | the same pause over and over |
//! | [`burn`] | a little work |
//! | [`files`] | small files, and the list of what is to be read |
//! | [`echo`] | what echo servers count |
//!
//! None of them is an engine's own: a case then measures how engines run tasks and not how they pass
//! messages.

mod baton;
pub mod echo;
pub mod files;
mod latch;
mod repeat;
mod yields;

/// About a microsecond of arithmetic that the compiler cannot shorten.
pub fn burn() {
    let mut x = 1u64;
    for _ in 0..500 {
        x = std::hint::black_box(x).wrapping_mul(6_364_136_223_846_793_005);
    }
    std::hint::black_box(x);
}

pub use baton::Baton;
pub use latch::Latch;
pub use repeat::{Repeat, repeat};
pub use yields::{YieldNow, yield_now};
