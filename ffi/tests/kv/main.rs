//! The example servers `kv.c` and `kv.zig`, spoken to by the same client over TCP on every driver.

#[path = "../cc/mod.rs"]
mod cc;
mod client;
mod random;

use std::fmt::Write as _;
use std::io::Write;
use std::net::Shutdown;
use std::process::Command;

use client::{Client, Server, on_each, until};

const VERSION: &[u8] = b"VERSION ouzel-kv-0.1.0\r\n";

/// Requests and their replies; each leaves the connection in step.
fn dialogue() -> Vec<(Vec<u8>, Vec<u8>)> {
    let long = "k".repeat(250);
    let text = [
        ("get a\r\n", "END\r\n"),
        ("set a 5 0 3\r\nabc\r\n", "STORED\r\n"),
        ("get a\r\n", "VALUE a 5 3\r\nabc\r\nEND\r\n"),
        ("get a b a\r\n", "VALUE a 5 3\r\nabc\r\nVALUE a 5 3\r\nabc\r\nEND\r\n"),
        ("get a\n", "VALUE a 5 3\r\nabc\r\nEND\r\n"),
        ("set b 0 0 2\nxy\n", "STORED\r\n"),
        ("get b\r\n", "VALUE b 0 2\r\nxy\r\nEND\r\n"),
        ("set e 0 0 0\r\n\r\n", "STORED\r\n"),
        ("get e\r\n", "VALUE e 0 0\r\n\r\nEND\r\n"),
        ("bogus\r\n", "ERROR\r\n"),
        ("\r\n", "ERROR\r\n"),
        ("get\r\n", "ERROR\r\n"),
        ("set a\r\n", "ERROR\r\n"),
        ("set c 0 0 3\r\nabcdef\r\nget c\r\n", "CLIENT_ERROR bad data chunk\r\nEND\r\n"),
        ("set c 0 0 5\r\nabc\r\nget c\r\n", "CLIENT_ERROR bad data chunk\r\nEND\r\n"),
        ("set c 0 0 4\r\nabc\r\nget c\r\n", "CLIENT_ERROR bad data chunk\r\nEND\r\n"),
        ("set c 0 0 2\r\nabc\r\nget c\r\n", "CLIENT_ERROR bad data chunk\r\nEND\r\n"),
        ("set c x 0 3\r\nabc\r\n", "CLIENT_ERROR bad command line format\r\n"),
        ("set c 0 0 -1\r\n", "CLIENT_ERROR bad data chunk\r\n"),
        ("set c 0 0 zz\r\n", "CLIENT_ERROR bad command line format\r\n"),
        ("set x 0 -1 1\r\n1\r\nget x\r\n", "STORED\r\nEND\r\n"),
        ("set n 0 0 2\r\n10\r\n", "STORED\r\n"),
        ("incr n 5\r\n", "15\r\n"),
        ("decr n 6\r\n", "9\r\n"),
        ("decr n 60\r\n", "0\r\n"),
        ("get n\r\n", "VALUE n 0 1\r\n0\r\nEND\r\n"),
        ("incr n 18446744073709551615\r\n", "18446744073709551615\r\n"),
        ("incr n 2\r\n", "1\r\n"),
        ("incr n x\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"),
        ("incr n 18446744073709551616\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"),
        ("incr a 1\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        ("incr nope 1\r\n", "NOT_FOUND\r\n"),
        ("delete n\r\n", "DELETED\r\n"),
        ("delete n\r\n", "NOT_FOUND\r\n"),
        ("delete a 0\r\n", "DELETED\r\n"),
        ("delete a 5\r\n", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
        (
            "set q 0 0 1 noreply\r\n1\r\nincr q 2 noreply\r\nget q\r\ndelete q noreply\r\nget q\r\n",
            "VALUE q 0 1\r\n3\r\nEND\r\nEND\r\n",
        ),
        ("touch a 0\r\n", "ERROR\r\n"),
        ("flush_all\r\n", "OK\r\n"),
        ("get b e\r\n", "END\r\n"),
    ];
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = text.map(|(q, a)| (q.into(), a.into())).into();
    let bad = "CLIENT_ERROR bad command line format\r\n";
    all.push((format!("set {long} 0 0 3\r\nabc\r\n").into(), "STORED\r\n".into()));
    all.push((format!("get {long}\r\n").into(), format!("VALUE {long} 0 3\r\nabc\r\nEND\r\n").into()));
    all.push((format!("get {long}k\r\n").into(), bad.into()));
    all.push((format!("set {long}k 0 0 3\r\nabc\r\n").into(), bad.into()));
    all
}

#[test]
fn each_request_has_its_reply_and_bad_ones_leave_the_connection_in_step() {
    on_each(|kind| {
        let server = Server::start(kind, &[]);
        let mut client = server.connect();
        for (request, reply) in dialogue() {
            client.ask(&request, &reply);
            client.ask(b"version\r\n", VERSION);
        }
        let line = "x".repeat(100_000);
        client.ask(line.as_bytes(), b"CLIENT_ERROR line too long\r\n");
        client.ask(b"more\r\nversion\r\n", VERSION);
        server.stop();
    });
}

#[test]
fn a_pipeline_may_be_cut_anywhere() {
    on_each(|kind| {
        let server = Server::start(kind, &["-t", "2"]);
        let (requests, replies): (Vec<_>, Vec<_>) = dialogue().into_iter().unzip();
        let (requests, replies) = (requests.concat(), replies.concat());
        server.connect().ask(&requests, &replies);
        let (mut client, mut other) = (server.connect(), server.connect());
        for (i, byte) in requests.chunks(1).enumerate() {
            client.0.write_all(byte).unwrap();
            if i % 20 == 0 {
                other.ask(b"version\r\n", VERSION); // it has looked since
            }
        }
        client.expect(&replies);
        server.stop();
    });
}

#[test]
fn values_up_to_a_mebibyte_come_back_and_larger_ones_are_swallowed() {
    on_each(|kind| {
        let server = Server::start(kind, &[]);
        let mut client = server.connect();
        for size in [1, 4095, 16_384, 65_537, 1_048_576] {
            let value: Vec<u8> = (0..size).map(|i| (i * 31 % 253) as u8).collect();
            let set = [format!("set v 0 0 {size}\r\n").as_bytes(), &value, b"\r\n"].concat();
            let got = [format!("VALUE v 0 {size}\r\n").as_bytes(), &value, b"\r\nEND\r\n"].concat();
            client.ask(&set, b"STORED\r\n");
            client.ask(b"get v\r\n", &got);
        }
        let set = [b"set v 0 0 1048577\r\n".as_slice(), &vec![b'x'; 1_048_577], b"\r\nget v\r\n"].concat();
        client.ask(&set, b"SERVER_ERROR object too large for cache\r\nEND\r\n");
        server.stop();
    });
}

#[test]
fn a_slow_reader_is_not_read_from_and_loses_nothing() {
    on_each(|kind| {
        let server = Server::start(kind, &[]);
        let mut client = server.connect();
        let value = vec![b'w'; 1_000_000];
        client.ask(&[b"set big 0 0 1000000\r\n".as_slice(), &value, b"\r\n"].concat(), b"STORED\r\n");
        let mut slow = server.connect();
        let mut writer = slow.0.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            for _ in 0..100 {
                writer.write_all(b"get big big\r\n").unwrap();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let (mut gets, mut same) = (0, 0);
        until("the answers come to a stop", || {
            let now = client.stat("cmd_get"); // others are served meanwhile
            same = if now == gets && gets > 0 { same + 1 } else { 0 };
            gets = now;
            same == 20
        });
        let rss = server.status("VmRSS");
        assert!(rss < 100_000, "{rss} KiB resident with one slow reader");
        let one = [b"VALUE big 0 1000000\r\n".as_slice(), &value, b"\r\n"].concat();
        for _ in 0..100 {
            slow.expect(&one);
            slow.expect(&one);
            slow.expect(b"END\r\n");
        }
        writing.join().unwrap();
        slow.expect_end();
        server.stop();
    });
}

#[test]
fn in_steady_state_a_get_allocates_nothing_and_io_uring_enters_once() {
    on_each(|kind| {
        let server = Server::start(kind, &[]);
        let mut client = server.connect();
        client.ask(b"set k 0 0 3\r\nabc\r\n", b"STORED\r\n");
        let mut gets = |n: u64| {
            for _ in 0..n {
                client.ask(b"get k\r\n", b"VALUE k 0 3\r\nabc\r\nEND\r\n");
            }
            let stats = client.stats();
            let number = |name: &str| stats[name].parse::<u64>().unwrap();
            assert_eq!(stats["driver"], kind.driver);
            ["allocs", "enters", "sqes", "cqes", "value_copies", "value_ops"].map(number)
        };
        let before = gets(100);
        let after = gets(1000);
        let [allocs, enters, sqes, cqes, copies, ops] = std::array::from_fn(|i| after[i] - before[i]);
        let mut told = String::new();
        write!(told, "allocs {allocs}, enters {enters}, sqes {sqes}, cqes {cqes}").unwrap();
        assert_eq!((copies, ops), (2000, 1000), "copies and values");
        if kind.driver != "poll" {
            assert_eq!(allocs, 0, "{told}");
        }
        if kind.driver == "uring" {
            assert!(enters <= 1010 && sqes + cqes <= 2020, "{told}");
        }
        server.stop();
    });
}

#[test]
fn a_server_out_of_memory_or_descriptors_says_so_and_goes_on() {
    on_each(|kind| {
        let server = Server::start(kind, &["-m", "1"]);
        let mut client = server.connect();
        let set = [b"set a 0 0 900000\r\n".as_slice(), &[b'x'; 900_000], b"\r\n"].concat();
        client.ask(&set, b"STORED\r\n");
        let set = [b"set b 0 0 900000\r\n".as_slice(), &[b'x'; 900_000], b"\r\n"].concat();
        client.ask(&set, b"SERVER_ERROR out of memory storing object\r\n");
        client.ask(b"delete a\r\n", b"DELETED\r\n");
        client.ask(&set, b"STORED\r\n");
        server.stop();

        let (kv, driver) = (kind.program.display(), kind.driver);
        let command = format!("ulimit -n 24; exec {kv} -p 0 --driver {driver} 2>/dev/null");
        let server = Server::spawn(Command::new("sh").args(["-c", &command]));
        let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
        until("its descriptors have run out", || server.open_files(24) == 24);
        let mut last = clients.pop().unwrap();
        clients[0].ask(b"version\r\n", VERSION);
        drop(clients);
        last.ask(b"version\r\n", VERSION); // accepted once there was room
        server.stop();
    });
}

#[test]
fn connections_come_and_go() {
    on_each(|kind| {
        let server = Server::start(kind, &["-t", "2"]);
        let mut watch = server.connect();
        for round in 0..50 {
            let mut client = server.connect();
            client.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n");
            client.0.write_all(b"get k\r\nget k\r\nquit\r\n").unwrap();
            if round % 2 == 0 {
                client.expect(b"VALUE k 0 1\r\nx\r\nEND\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
                client.expect_end();
            }
        }
        until("its connections end", || watch.stat("curr_connections") == 1);
        until("its descriptors are closed", || server.open_files(u32::MAX) < 40);
        server.end_by(libc::SIGINT);
    });
}

#[test]
fn a_reset_in_flight_ends_one_connection_alone() {
    on_each(|kind| {
        let server = Server::start(kind, &[]);
        let mut watch = server.connect();
        let value = vec![b'r'; 1_000_000];
        watch.ask(&[b"set big 0 0 1000000\r\n".as_slice(), &value, b"\r\n"].concat(), b"STORED\r\n");
        for round in 0..20 {
            let mut client = server.connect();
            client.0.write_all(&b"get big big big\r\n".repeat(10)).unwrap();
            // In the middle of a reply, of a value, and of both.
            if round % 2 == 0 {
                client.expect(b"VALUE big 0 1000000\r\nrrrr");
            }
            if round % 3 == 0 {
                client.0.write_all(b"set half 0 0 1000000\r\nhalf of it").unwrap();
            }
            client.reset();
            watch.ask(b"version\r\n", VERSION);
        }
        until("the others have ended", || watch.stat("curr_connections") == 1);
        watch.ask(b"get half\r\n", b"END\r\n");
        watch.ask(b"get big\r\n", &[b"VALUE big 0 1000000\r\n".as_slice(), &value, b"\r\nEND\r\n"].concat());
        server.stop();
    });
}

#[test]
fn whatever_is_asked_all_answer_the_same() {
    for driver in cc::drivers() {
        for seed in 1..=8 {
            let requests = random::requests(seed);
            let answers: Vec<_> = client::programs()
                .iter()
                .map(|program| {
                    let server = Server::start(client::Kind { program, driver }, &[]);
                    let answer = server.connect().converse(&requests);
                    server.stop();
                    (program, answer)
                })
                .collect();
            let (_, first) = &answers[0];
            assert!(first.len() > 1000, "seed {seed}: {} bytes", first.len());
            for (program, answer) in &answers {
                let at = first.iter().zip(answer).position(|(a, b)| a != b);
                let at = at.unwrap_or(first.len().min(answer.len()));
                let around = |bytes: &[u8]| client::shown(&bytes[at.saturating_sub(100)..]);
                assert!(
                    answer == first,
                    "seed {seed}, {}, byte {at}:\n{:?}\nnot\n{:?}",
                    program.display(),
                    around(answer),
                    around(first)
                );
            }
        }
    }
}
