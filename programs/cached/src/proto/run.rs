//! Several plain requests in a row: what a pipeline is, mostly.
//!
//! A lookup waits for memory twice, for the index and for the item. Here the requests are read first, then what all of them
//! need is asked for at once, then they are answered in their order: of the CPU time of a pipelined request a quarter is saved.

use super::cx::{Cx, OUT_LIMIT, count_value};
use super::output::Output;
use super::plain::Plain;
use crate::counters::Counters;
use crate::store::Shard;

/// Requests that are read before the first is answered.
const MOST: usize = 16;
/// Bytes that are looked at for them, so that 32 bits tell a place in them.
const FAR: usize = 1 << 24;

/// Answers the plain requests at the front of `input`, as many as the output and the turns allow; the bytes they take. 0:
/// there is none, or one that cannot be done the usual way.
pub(super) fn run(input: &[u8], cx: &mut Cx<'_, '_>) -> usize {
    let input = &input[..input.len().min(FAR)];
    let mut all = [Plain::default(); MOST];
    let (mut count, mut end) = (0, 0);
    while count < MOST.min(cx.turns as usize)
        && let Some(request) = Plain::read(input, end, cx.held.store())
    {
        end = request.end();
        all[count] = request;
        count += 1;
    }
    let all = &all[..count];
    if count > 1 {
        cx.held.expect(all.iter().map(Plain::place));
    }
    let (mut told, mut taken) = (Told::default(), 0);
    for (i, request) in all.iter().enumerate() {
        let shard = cx.held.shard(request.place().shard);
        if let Some(next) = all.get(i + 1).map(Plain::place)
            && next.shard == request.place().shard
        {
            shard.expect_value(next.hash);
        }
        match request.fresh(input) {
            None => told.get(request, input, shard, cx.out, cx.now),
            Some(fresh) => {
                if fresh.value.len() > cx.host.item_max() || !shard.put(&fresh, cx.now) {
                    break;
                }
                cx.count.cmd_set.add(1);
                count_value(cx.count, 2, fresh.value.len());
                cx.out.push(b"STORED\r\n");
            }
        }
        cx.turns -= 1;
        taken = request.end();
        if cx.out.len() >= OUT_LIMIT {
            break;
        }
    }
    told.count(cx.count);
    taken
}

/// What was told of `get`s, counted once for all of them.
#[derive(Default)]
struct Told {
    gets: u64,
    hits: u64,
    copies: u64,
    bytes: u64,
}

impl Told {
    #[inline]
    fn get(&mut self, request: &Plain, input: &[u8], shard: &mut Shard, out: &mut Output, now: u32) {
        let (key, place) = (request.key(input), request.place());
        self.gets += 1;
        let Some(at) = shard.find(place.hash, key, now) else { return out.push(b"END\r\n") };
        shard.hit(at, now);
        let copied = out.item(key, (place.shard, at), shard, false, b"\r\nEND\r\n");
        let copies = 1 + u64::from(copied > 0);
        self.hits += 1;
        self.copies += copies;
        self.bytes += copies * shard.header(at).value_len() as u64;
    }

    fn count(&self, count: &Counters) {
        if self.gets > 0 {
            count.cmd_get.add(self.gets);
            count.get_hits.add(self.hits);
            count.get_misses.add(self.gets - self.hits);
            count.value_ops.add(self.hits);
            count.value_copies.add(self.copies);
            count.bytes_copied.add(self.bytes);
        }
    }
}
