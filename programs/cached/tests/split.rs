//! Commands that come in pieces, cut anywhere, get the replies of commands that come whole.

mod common;

use common::{Ours, Random, random_command};

/// A stream of commands and its replies, had all at once.
fn stream(random: &mut Random, commands: usize) -> (Vec<u8>, Vec<u8>) {
    let mut input = Vec::new();
    for _ in 0..commands {
        let cas = (1 + random.below(60)).to_string();
        let text = random_command(random).replace('~', "\r\n");
        let text = text.replace("@a", &cas).replace("@b", &cas).replace("@c", &cas);
        input.extend(text.replace("@longer-key", &cas).bytes());
        if random.below(20) == 0 {
            // Longer than a piece, and longer than what is copied to the output.
            let len = random.below(40_000);
            input.extend(format!("set big 1 0 {len}\r\n").bytes());
            input.extend((0..len).map(|i| (i * 7 + i / 251) as u8));
            input.extend(b"\r\nget big a big\r\n");
        }
    }
    let replies = Ours::new(4 << 20).ask(&input);
    (input, replies)
}

#[test]
fn a_stream_cut_at_random_points_gets_the_same_replies() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let (input, replies) = stream(&mut random, 120);
        assert!(replies.len() > 500);
        for most in [1, 3, 17, 300, 5000] {
            let mut ours = Ours::new(4 << 20);
            let (mut rest, mut got) = (&input[..], Vec::new());
            while !rest.is_empty() {
                let n = (1 + random.below(most)).min(rest.len());
                got.extend(ours.ask(&rest[..n]));
                rest = &rest[n..];
            }
            assert!(got == replies, "seed {seed}, pieces of up to {most} bytes");
        }
    }
}

#[test]
fn a_stream_cut_in_two_at_every_byte_gets_the_same_replies() {
    let (input, replies) = stream(&mut Random(7), 24);
    let step = (input.len() / 1000).max(1);
    for cut in (0..input.len()).step_by(step) {
        let mut ours = Ours::new(4 << 20);
        let mut got = ours.ask(&input[..cut]);
        got.extend(ours.ask(&input[cut..]));
        assert!(got == replies, "cut at byte {cut}");
    }
}

#[test]
fn bytes_without_meaning_neither_panic_nor_leak() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let (mut input, _) = stream(&mut random, 20);
        for _ in 0..20 {
            let at = random.below(input.len());
            if input.is_empty() {
                break;
            }
            match random.below(4) {
                0 => input[at] = random.next() as u8,
                1 => drop(input.remove(at)),
                2 => input.insert(at, *random.one_of(&[&b'\n', &b' ', &b'9', &0])),
                _ => input.truncate(at.max(1)),
            }
        }
        let mut ours = Ours::new(2 << 20);
        ours.ask(&input);
        ours.session.close(&ours.store);
        // All that is left are items; without them all memory is free again.
        let mut shard = ours.store.lock(0);
        shard.flush();
        shard.sweep(usize::MAX, 9);
        let stats = shard.stats();
        assert_eq!((stats.items, stats.bytes), (0, 0), "seed {seed}");
        assert!(stats.free + 64 > stats.limit, "seed {seed}: {stats:?}");
    }
}
