//! What is stored is found whole, whatever had to go for it.

use std::collections::HashMap;

use super::super::space::FIRST;
use super::*;

fn hash(key: &[u8]) -> u32 {
    xxhash_rust::xxh3::xxh3_64(key) as u32
}

fn fresh<'a>(key: &'a [u8], value: &'a [u8]) -> Fresh<'a> {
    Fresh { hash: hash(key), key, flags: 7, expires: 0, value }
}

/// Stores a value in one of the two ways there are.
fn put(shard: &mut Shard, key: &[u8], value: &[u8], now: u32) -> Option<At> {
    if value.len() % 2 == 1 {
        let stored = shard.put(&fresh(key, value), now);
        return if stored { shard.find(hash(key), key, now) } else { None };
    }
    let at = shard.reserve(hash(key), key, value.len(), now)?;
    // SAFETY: as many bytes were reserved there.
    unsafe { shard.room(at).copy_from_nonoverlapping(value.as_ptr(), value.len()) };
    shard.link(at, now);
    Some(at)
}

fn get<'a>(shard: &'a mut Shard, key: &[u8], now: u32) -> Option<&'a [u8]> {
    let at = shard.find(hash(key), key, now)?;
    shard.hit(at, now);
    Some(shard.value(at))
}

/// A value of `len` bytes that no other seed has.
fn value(seed: u64, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seed.wrapping_mul(31).wrapping_add(i as u64 * 7) >> (i % 3)) as u8).collect()
}

/// The queues, the chains and the blocks tell the same items.
fn check(shard: &Shard) {
    let chained: usize = (0..shard.index.len())
        .map(|bucket| {
            let (mut at, mut n) = (shard.index.head(bucket), 0);
            while at != 0 {
                assert!(shard.region.header(at).state.is_item());
                (at, n) = (shard.region.header(at).chain, n + 1);
            }
            n
        })
        .sum();
    assert_eq!(chained as u64, shard.stats().items);
    let (mut at, mut items, mut granules) = (Some(FIRST), 0, 0);
    while let Some(here) = at {
        let h = shard.region.header(here);
        if h.state.is_item() {
            (items, granules) = (items + 1, granules + h.size);
        }
        at = shard.space.after(&shard.region, here);
    }
    assert_eq!(items, chained);
    assert_eq!(granules, shard.small.granules() + shard.main.granules());
}

#[test]
fn what_is_found_is_what_was_stored_last() {
    let mut shard = Shard::new(1 << 20).unwrap();
    let mut truth: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let (mut random, mut hits) = (9u64, 0);
    for round in 0..60_000u64 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let r = random >> 33;
        let key = format!("key{}", r / 4096 % 3000).into_bytes();
        match r % 10 {
            0..4 => {
                let len = if r.is_multiple_of(400) { 100_000 } else { (r / 10 % 900) as usize };
                let value = value(round, len);
                assert!(put(&mut shard, &key, &value, 1).is_some());
                truth.insert(key, value);
            }
            4 => {
                if let Some(at) = shard.find(hash(&key), &key, 1) {
                    shard.remove(at);
                }
                truth.remove(&key);
            }
            _ => {
                if let Some(got) = get(&mut shard, &key, 1) {
                    hits += 1;
                    assert_eq!(Some(got), truth.get(&key).map(Vec::as_slice));
                }
            }
        }
        if round % 5000 == 0 {
            check(&shard);
        }
    }
    check(&shard);
    let stats = shard.stats();
    assert!(hits > 5000 && stats.evictions > 1000 && stats.out_of_memory == 0, "{hits} {stats:?}");
}

#[test]
fn an_item_as_large_as_it_may_be_finds_room_among_small_ones() {
    let mut shard = Shard::new(4 << 20).unwrap();
    for i in 0..50_000u64 {
        assert!(put(&mut shard, format!("s{i}").as_bytes(), &value(i, 40), 1).is_some());
    }
    let big = value(1, 1 << 20);
    assert!(put(&mut shard, b"big", &big, 1).is_some());
    assert_eq!(get(&mut shard, b"big", 1), Some(&big[..]));
    assert!(shard.stats().items > 15_000, "no more had to go than its neighbours");
    assert!(put(&mut shard, b"huge", &value(1, 3 << 20), 1).is_none());
    check(&shard);
}

#[test]
fn a_value_as_long_as_the_old_one_takes_its_place_unless_that_is_being_sent() {
    let mut shard = Shard::new(1 << 20).unwrap();
    let find = |shard: &mut Shard| shard.find(hash(b"key"), b"key", 1).unwrap();
    assert!(shard.put(&fresh(b"key", b"old value"), 1));
    let (at, neighbour) = (find(&mut shard), put(&mut shard, b"neighbour", b"here", 1).unwrap());
    shard.hit(at, 1);
    let (cas, total) = (shard.header(at).cas, shard.stats().total_items);
    assert!(shard.put(&Fresh { flags: 9, expires: 5, ..fresh(b"key", b"new value") }, 2));
    let h = shard.header(at);
    assert!(h.cas > cas && h.bits == 0 && (h.flags, h.expires, h.used_at) == (9, 5, 2));
    assert_eq!(
        (find(&mut shard), shard.value(at), shard.stats().total_items),
        (at, &b"new value"[..], total + 1)
    );
    // Shorter, as long as the block is not too large for it; longer; sent; over.
    assert!(shard.put(&fresh(b"key", b"new"), 1));
    assert_eq!((find(&mut shard), shard.value(at)), (at, &b"new"[..]));
    assert!(shard.put(&fresh(b"key", &value(1, 300)), 1));
    let at = find(&mut shard);
    assert!(shard.value(at) == value(1, 300) && shard.pin(at));
    assert!(shard.put(&fresh(b"key", &value(2, 300)), 1));
    let moved = find(&mut shard);
    assert!(moved != at && shard.value(at) == value(1, 300) && shard.value(moved) == value(2, 300));
    shard.unpin(at);
    assert!(shard.put(&Fresh { expires: 3, ..fresh(b"key", &value(2, 300)) }, 1));
    assert!(shard.put(&fresh(b"key", b"short"), 4));
    assert_eq!(shard.stats().expired, 1);
    assert_eq!(get(&mut shard, b"key", 4), Some(&b"short"[..]));
    assert_eq!(shard.value(neighbour), b"here");
    check(&shard);
}

#[test]
fn items_that_are_being_sent_stay_and_leave_afterwards() {
    let mut shard = Shard::new(1 << 20).unwrap();
    let at = put(&mut shard, b"sent", &value(5, 20_000), 1).unwrap();
    assert!(shard.pin(at));
    assert!(put(&mut shard, b"sent", b"new", 1).is_some());
    for i in 0..500u64 {
        assert!(put(&mut shard, format!("k{i}").as_bytes(), &value(i, 10_000), 1).is_some());
    }
    assert_eq!(shard.value(at), value(5, 20_000), "it was overwritten");
    check(&shard);
    shard.unpin(at);
    while let Some(at) = shard.small.tail().or_else(|| shard.main.tail()) {
        shard.remove(at);
    }
    check(&shard);
    assert!(shard.space.free() >= shard.region.granules() - FIRST, "memory is lost");
}

#[test]
fn memory_that_is_all_being_filled_is_not_there() {
    let mut shard = Shard::new(64 << 10).unwrap();
    let mut filling = Vec::new();
    while let Some(at) = shard.reserve(1, b"k", 1000, 1) {
        filling.push(at);
    }
    assert!(filling.len() > 50);
    assert_eq!(shard.stats().out_of_memory, 1);
    filling.into_iter().for_each(|at| shard.give_up(at));
    assert!(put(&mut shard, b"k", &value(1, 20_000), 1).is_some());
}

#[test]
fn what_is_over_is_not_found_and_is_swept() {
    let mut shard = Shard::new(1 << 20).unwrap();
    for i in 0..100u32 {
        let at = put(&mut shard, format!("k{i}").as_bytes(), b"v", 1).unwrap();
        shard.header_mut(at).expires = 10 + i;
    }
    assert!(get(&mut shard, b"k0", 9).is_some());
    assert!(get(&mut shard, b"k0", 10).is_none());
    let all = shard.index.len();
    shard.sweep(all, 59);
    assert_eq!(shard.stats().items, 50);
    shard.flush_at(70);
    assert!(get(&mut shard, b"k90", 69).is_some());
    assert!(get(&mut shard, b"k90", 70).is_none());
    put(&mut shard, b"after", b"v", 70).unwrap();
    shard.sweep(all, 71);
    assert_eq!(shard.stats().items, 1);
    (0..=u32::from(u16::MAX)).for_each(|_| shard.flush());
    assert!(get(&mut shard, b"after", 72).is_none(), "an item came back after 65536 flushes");
    check(&shard);
}
