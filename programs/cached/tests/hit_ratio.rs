//! How much of a trace is found: the store's S3-FIFO against LRU and FIFO with as many items, on a zipf trace with and
//! without scans in it.

mod common;

use std::collections::{HashMap, HashSet, VecDeque};

use common::{Ours as Session, Random, ask, memcached};
use ouzel_cached::store::{Held, Store};

const MEMORY: usize = 1 << 20;
/// With its header and key, 128 bytes.
const VALUE: usize = 60;
const FITS: usize = MEMORY / 128;
const SCAN: usize = FITS * 5 / 8;
const KEYS: usize = FITS * 10;
const REQUESTS: usize = 300_000;

/// Keys of `keys` by popularity `1 / rank`, and if asked for every 20,000 requests a scan over keys that come once.
fn trace(keys: usize, scans: bool) -> Vec<u32> {
    let mut sums = Vec::with_capacity(keys);
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let mut random = Random(42);
    let mut scanned = keys as u32;
    let mut trace = Vec::with_capacity(REQUESTS);
    while trace.len() < REQUESTS {
        if scans && trace.len() % (20_000 + SCAN) == 20_000 {
            trace.extend(scanned..scanned + SCAN as u32);
            scanned += SCAN as u32;
        }
        let at = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * sum;
        trace.push(sums.partition_point(|s| *s < at) as u32);
    }
    trace
}

/// A cache: whether the key is there; if not it is put there.
trait Cache {
    fn ask(&mut self, key: u32) -> bool;
}

struct Fifo(HashSet<u32>, VecDeque<u32>);

impl Cache for Fifo {
    fn ask(&mut self, key: u32) -> bool {
        if self.0.contains(&key) {
            return true;
        }
        if self.0.len() == FITS {
            let old = self.1.pop_front().unwrap();
            self.0.remove(&old);
        }
        self.0.insert(key);
        self.1.push_back(key);
        false
    }
}

/// Each use leaves a mark in the queue; a key goes with its last one.
struct Lru(HashMap<u32, u32>, VecDeque<(u32, u32)>, u32);

impl Cache for Lru {
    fn ask(&mut self, key: u32) -> bool {
        self.2 += 1;
        let found = self.0.insert(key, self.2).is_some();
        self.1.push_back((key, self.2));
        while self.0.len() > FITS {
            let (old, mark) = self.1.pop_front().unwrap();
            if self.0[&old] == mark {
                self.0.remove(&old);
            }
        }
        while let Some((old, mark)) = self.1.front().copied()
            && self.0.get(&old) != Some(&mark)
        {
            self.1.pop_front();
        }
        found
    }
}

struct Ours(Store);

impl Cache for Ours {
    fn ask(&mut self, key: u32) -> bool {
        let key = format!("key-{key:08}");
        let place = self.0.place(key.as_bytes());
        let mut held = Held::new(&self.0);
        let shard = held.shard(place.shard);
        if let Some(at) = shard.find(place.hash, key.as_bytes(), 1) {
            shard.hit(at, 1);
            return true;
        }
        let at = shard.reserve(place.hash, key.as_bytes(), VALUE, 1).unwrap();
        shard.link(at, 1);
        false
    }
}

fn hits(mut cache: impl Cache, trace: &[u32], counts: impl Fn(u32) -> bool) -> f64 {
    // The first fifth fills it.
    let (warm, rest) = trace.split_at(trace.len() / 5);
    for key in warm {
        cache.ask(*key);
    }
    let (mut asked, mut found) = (0, 0);
    for key in rest {
        let hit = cache.ask(*key);
        if counts(*key) {
            asked += 1;
            found += u32::from(hit);
        }
    }
    f64::from(found) / f64::from(asked)
}

#[test]
fn a_scan_does_not_evict_what_is_popular() {
    println!("{KEYS} keys, room for {FITS}; share of requests for keys of the zipf trace that were found");
    println!("{:>14} {:>9} {:>7} {:>7}", "", "S3-FIFO", "LRU", "FIFO");
    let mut rows = Vec::new();
    for scans in [false, true] {
        let trace = trace(KEYS, scans);
        let popular = |key: u32| (key as usize) < KEYS;
        let ours = hits(Ours(Store::new(MEMORY, 4096, 1).unwrap()), &trace, popular);
        let lru = hits(Lru(HashMap::new(), VecDeque::new(), 0), &trace, popular);
        let fifo = hits(Fifo(HashSet::new(), VecDeque::new()), &trace, popular);
        let name = if scans { "with scans" } else { "without scans" };
        println!("{name:>14} {ours:>9.4} {lru:>7.4} {fifo:>7.4}");
        rows.push((ours, lru, fifo));
    }
    for (ours, lru, fifo) in &rows {
        assert!(ours > lru && lru > fifo);
    }
    let lost = |without: f64, with: f64| without - with;
    let (ours, lru) = (lost(rows[0].0, rows[1].0), lost(rows[0].1, rows[1].1));
    println!("lost by the scans: S3-FIFO {ours:.4}, LRU {lru:.4}");
    assert!(ours < lru / 2.0, "a scan costs too much");
}

/// Asks for the trace's keys in batches, as `mg`, and stores what was not there; the share that was.
fn over_the_wire(trace: &[u32], mut ask: impl FnMut(&[u8]) -> Vec<u8>) -> f64 {
    const BATCH: usize = 50;
    let (mut asked, mut found) = (0, 0);
    for (at, keys) in trace.chunks(BATCH).enumerate() {
        let mut request: Vec<u8> =
            keys.iter().flat_map(|k| format!("mg key-{k:08}\r\n").into_bytes()).collect();
        request.extend(b"mn\r\n");
        let replies = ask(&request);
        let hits: Vec<bool> = replies.split(|b| *b == b'\n').map(|line| line.starts_with(b"HD")).collect();
        let mut stores = Vec::new();
        for (key, _) in keys.iter().zip(&hits).filter(|(_, hit)| !**hit) {
            // A length for each key, 40 to 400 bytes.
            let len = 40 + Random(u64::from(*key)).below(361);
            stores.extend(format!("set key-{key:08} 0 0 {len} noreply\r\n").bytes());
            stores.extend(std::iter::repeat_n(b'v', len));
            stores.extend(b"\r\n");
        }
        stores.extend(b"mn\r\n");
        assert_eq!(ask(&stores), b"MN\r\n");
        if at * BATCH > trace.len() / 5 {
            asked += keys.len();
            found += hits[..keys.len()].iter().filter(|hit| **hit).count();
        }
    }
    found as f64 / asked as f64
}

#[test]
#[ignore = "half a minute; with --release"]
fn as_much_is_found_as_in_memcached_with_as_much_memory() {
    let keys = 600_000;
    println!("{keys} keys of 40 to 400 bytes, 16 MiB; share of all requests that were found");
    for scans in [false, true] {
        let trace = trace(keys, scans);
        let mut ours = Session::new(16 << 20);
        let mine = over_the_wire(&trace, |request| ours.ask(request));
        let Some((_process, mut stream)) = memcached(&["-m", "16"]) else { return };
        let theirs = over_the_wire(&trace, |request| ask(&mut stream, request));
        println!("scans {scans}: ouzel-cached {mine:.4}, memcached {theirs:.4}");
        assert!(mine >= theirs);
    }
}
