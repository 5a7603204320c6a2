//! Any bytes, whole and cut in pieces: the replies are the same, and afterwards no memory of the store is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ouzel_cached::counters::Counters;
use ouzel_cached::proto::{Alone, Cx, Output, Session};
use ouzel_cached::store::{Held, Store};

/// Feeds `input` in pieces of `step` bytes to a new store; the replies.
fn replies(input: &[u8], step: usize) -> Vec<u8> {
    let store = Store::new(256 << 10, 64 << 10, 1).expect("so much memory is there");
    let (mut session, count) = (Session::new(), Counters::default());
    let (mut waiting, mut replies) = (Vec::new(), Vec::new());
    for piece in input.chunks(step) {
        waiting.extend_from_slice(piece);
        loop {
            let mut out = Output::default();
            let (held, now) = (Held::new(&store), store.now());
            let mut cx = Cx { held, out: &mut out, count: &count, host: &Alone { item_max: 64 << 10 }, now, turns: 50 };
            let taken = session.feed(&waiting, &mut cx);
            drop(cx);
            waiting.drain(..taken);
            replies.extend(out.to_vec());
            let idle = taken == 0 && out.is_empty();
            out.clear(&store);
            if idle || session.end().is_some() {
                break;
            }
        }
    }
    session.close(&store);
    let mut shard = store.lock(0);
    shard.flush();
    shard.sweep(usize::MAX, 9);
    let stats = shard.stats();
    assert!(stats.items == 0 && stats.free + 64 > stats.limit, "memory is lost: {stats:?}");
    replies
}

fuzz_target!(|input: &[u8]| {
    let whole = replies(input, input.len().max(1));
    let cut = replies(input, 1 + input.first().map_or(0, |b| usize::from(*b) % 31));
    // A line without an end is given up as soon as it is too long, and then what is left is not looked at.
    if input.len() < 2000 {
        assert_eq!(whole, cut, "cut in pieces");
    }
});
