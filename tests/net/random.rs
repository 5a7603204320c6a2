//! Streams under transfers that end in every way at random times: no byte is lost, doubled or moved.

use std::io::{self, ErrorKind};
use std::time::Duration;

use ouzel::net::TcpStream;
use ouzel::op::is_cancelled;
use ouzel::time::{sleep, timeout};
use ouzel_tests::dice::Dice;
use ouzel_tests::sockets::{pair, pattern};
use ouzel_tests::{DropCount, DropGuard, on_each};

const BYTES: usize = 150_000;
const STREAMS: u64 = 6;

/// What an end that was asked for leaves: nothing, or the bytes that went before it.
fn moved(result: io::Result<usize>) -> usize {
    match result {
        Ok(n) => n,
        Err(e) if is_cancelled(&e) || e.kind() == ErrorKind::TimedOut => 0,
        Err(e) => panic!("{e}"),
    }
}

/// Awaits a transfer, or ends it in one of the ways there are.
macro_rules! somehow {
    ($transfer:expr, $dice:expr) => {{
        let mut transfer = $transfer;
        match $dice.below(4) {
            0 => transfer.await,
            1 => transfer.timeout($dice.moment(300)).await,
            2 => match timeout($dice.moment(300), &mut transfer).await {
                Ok(done) => done,
                Err(_) => {
                    transfer.cancel();
                    transfer.await
                }
            },
            _ => {
                transfer.cancel();
                transfer.await
            }
        }
    }};
}

async fn receives(stream: TcpStream, all: Vec<u8>, mut dice: Dice) {
    let mut at = 0;
    while at < all.len() {
        let room = Vec::with_capacity(1 + dice.below(3000) as usize);
        let (result, got) = somehow!(stream.read(room), dice);
        let ended = matches!(result, Ok(0));
        let n = moved(result);
        assert!(!ended, "the stream ended at byte {at}");
        assert_eq!(n, got.len());
        assert!(got == all[at..at + n], "bytes from {at} on are not those that were sent");
        at += n;
    }
    let (end, _) = stream.read(Vec::with_capacity(1)).await;
    assert_eq!(end.unwrap(), 0, "more came than was sent");
}

async fn sends(stream: TcpStream, all: Vec<u8>, mut dice: Dice) {
    let mut at = 0;
    while at < all.len() {
        let n = (1 + dice.below(5000) as usize).min(all.len() - at);
        // What a driver takes is sent before whatever comes next, however that ends.
        if dice.below(2) == 0 && stream.send_copy(&all[at..at + n]).unwrap() {
            at += n;
            continue;
        }
        let (result, buf) = somehow!(stream.write(all[at..at + n].to_vec()), dice);
        assert_eq!(buf.len(), n);
        at += moved(result);
        if dice.below(5) == 0 {
            ouzel::yield_now().await;
        }
    }
}

/// As the two above, for as long as it lives.
async fn goes_on(stream: TcpStream, mut dice: Dice, _drop: DropGuard) {
    loop {
        let (result, _) = somehow!(stream.read(Vec::with_capacity(100)), dice);
        if matches!(result, Ok(0)) || result.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset) {
            return;
        }
        if stream.send_copy(&[0; 100]).is_err() {
            return;
        }
        let (result, _) = somehow!(stream.write(vec![0; 100]), dice);
        if result.is_err_and(|e| e.kind() == ErrorKind::BrokenPipe) {
            return;
        }
    }
}

#[test]
fn transfers_that_end_in_any_way_move_each_byte_once() {
    on_each(|setup| {
        let drops = DropCount::default();
        setup.run(async {
            let mut tasks = Vec::new();
            let mut doomed = Vec::new();
            for i in 0..STREAMS {
                let (client, server) = pair().await;
                // With little room, so that the sender waits, too.
                client.set_send_buffer_size(4096 << i).unwrap();
                let all = pattern(BYTES, i);
                tasks.push(setup.spawn(receives(server, all.clone(), Dice(2 * i))));
                tasks.push(setup.spawn(sends(client, all, Dice(2 * i + 1))));
                // Others are dropped, with whatever is in flight.
                let (client, server) = pair().await;
                doomed.push(setup.spawn(timeout(
                    Duration::from_micros(700 * i),
                    goes_on(client, Dice(100 + i), drops.guard()),
                )));
                doomed.push(setup.spawn(timeout(
                    Duration::from_micros(900 * i),
                    goes_on(server, Dice(200 + i), drops.guard()),
                )));
            }
            for task in doomed {
                let _ = task.await.unwrap();
            }
            for task in tasks {
                task.await.unwrap();
            }
            sleep(Duration::ZERO).await;
        });
        assert_eq!(drops.get(), 2 * STREAMS as usize);
    });
}
