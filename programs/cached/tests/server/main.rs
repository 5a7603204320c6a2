//! The program as its users run it, on io_uring and on epoll: sockets, signals, limits.

#[path = "../common/mod.rs"]
mod common;
mod harness;
mod process;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{PATIENCE, connect};
use harness::{Client, DRIVERS, Server, command, on_each, pattern};

#[test]
fn values_of_every_size_come_back_as_they_were_stored() {
    on_each(&[], |server| {
        let mut client = server.client();
        let sizes = [0, 1, 100, 4095, 16_383, 16_384, 16_385, 40_000, 300_000, 1 << 20];
        for (seed, n) in sizes.into_iter().enumerate() {
            assert_eq!(client.set("k", &pattern(n, seed)), "STORED");
            assert!(client.get("k").unwrap() == pattern(n, seed), "{n} bytes");
        }
        assert_eq!(client.set("k", &pattern((1 << 20) + 1, 1)), "SERVER_ERROR object too large for cache");
        assert_eq!(client.get("k"), None, "in step, and the old value is gone");
        // Several large ones in one answer.
        for (seed, n) in sizes.into_iter().enumerate() {
            client.set(&format!("k{seed}"), &pattern(n, seed));
        }
        client.send(b"get k8 k5 k0 k6 k7 k9 k1\r\n");
        for seed in [8, 5, 0, 6, 7, 9, 1] {
            assert_eq!(client.line(), format!("VALUE k{seed} 0 {}", sizes[seed]));
            assert!(client.bytes(sizes[seed]) == pattern(sizes[seed], seed), "k{seed}");
            assert_eq!(client.bytes(2), b"\r\n");
        }
        assert_eq!(client.line(), "END");
    });
}

#[test]
fn a_value_that_is_replaced_while_it_is_sent_arrives_whole() {
    on_each(&["-I", "4m"], |server| {
        let (mut slow, mut other) = (server.client(), server.client());
        let old = pattern(4 << 20, 1);
        assert_eq!(other.set("k", &old), "STORED");
        // More than the sockets hold: the rest is sent from the item.
        slow.send(b"get k\r\n");
        assert_eq!(slow.line(), format!("VALUE k 0 {}", 4 << 20));
        for round in 0..20 {
            assert_eq!(other.set("k", &pattern(2 << 20, round)), "STORED");
            assert_eq!(other.ask(b"delete k\r\n"), "DELETED");
        }
        assert!(slow.bytes(4 << 20) == old, "the bytes changed on their way");
        assert_eq!(slow.bytes(7), b"\r\nEND\r\n");
    });
}

#[test]
fn a_long_value_that_breaks_off_leaves_nothing_behind() {
    on_each(&[], |mut server| {
        let value = pattern(1 << 20, 3);
        let begin = |n: usize| {
            let mut client = server.client();
            client.send(format!("set k 0 0 {}\r\n", value.len()).as_bytes());
            client.send(&value[..n]);
            client
        };
        let free = server.stat("free_bytes");
        let began = server.stat("bytes_read");
        let clients = [begin(700_000), begin(300_000), begin(100)];
        let begun = Instant::now();
        while server.stat("bytes_read") < began + 1_000_000 {
            assert!(begun.elapsed() < PATIENCE, "it does not read");
        }
        while server.stat("free_bytes") >= free - (3 << 20) {
            assert!(begun.elapsed() < PATIENCE, "one of them is not there");
        }
        drop(clients);
        while server.stat("free_bytes") != free {
            assert!(begun.elapsed() < PATIENCE, "memory is lost");
        }
        assert_eq!(server.client().get("k"), None);
        // One byte late, in pieces, and with something behind it.
        let mut client = begin(value.len() - 1);
        client.send(&value[value.len() - 1..]);
        client.send(b"\r\nget none\r\n");
        assert_eq!((client.line(), client.line()), ("STORED".into(), "END".into()));
        assert!(client.get("k").unwrap() == value);
        let _half = begin(500_000);
        server.signal(libc::SIGTERM);
        assert_eq!(server.wait().code(), Some(0));
    });
}

#[test]
fn threads_share_one_store() {
    on_each(&["-t", "4", "-m", "64"], |server| {
        server.client().set("sum", b"0");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let server = &server;
                scope.spawn(move || {
                    let mut client = server.client();
                    for i in 0..300 {
                        client.send(b"incr sum 1\r\n");
                        assert!(client.line().parse::<u32>().unwrap() <= 2400);
                        assert_eq!(client.set(&format!("k{writer}-{i}"), &pattern(i * 9, writer)), "STORED");
                    }
                });
            }
        });
        let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
        for (reader, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.get("sum").unwrap(), b"2400");
            for i in 0..300 {
                let writer = (reader + i) % 8;
                assert!(client.get(&format!("k{writer}-{i}")).unwrap() == pattern(i * 9, writer));
            }
        }
        // Other threads' counts are as of the last second.
        let begun = Instant::now();
        while server.stat("cmd_set") != 2401 {
            assert!(begun.elapsed() < PATIENCE, "{} sets", server.stat("cmd_set"));
        }
    });
}

#[test]
fn a_request_allocates_nothing_whatever_its_size() {
    on_each(&[], |server| {
        let mut client = server.client();
        let rounds = |client: &mut Client, n: usize| {
            for i in 0..n {
                let len = [10, 3000, 16_384, 60_000][i % 4];
                assert_eq!(client.set("k", &pattern(len, i)), "STORED");
                assert!(client.get("k").unwrap() == pattern(len, i));
            }
        };
        rounds(&mut client, 200);
        let before = server.stat("allocs");
        rounds(&mut client, 1000);
        let after = server.stat("allocs");
        // The connections that ask for the count.
        assert!(after - before < 60, "{} allocations in 2000 requests", after - before);
    });
}

#[test]
fn pipelines_are_answered_in_order_and_half_a_close_after_that() {
    on_each(&["-R", "7"], |server| {
        let mut client = server.client();
        let (mut all, mut expected) = (Vec::new(), Vec::new());
        for i in 0..2000 {
            let value = format!("value-{i}");
            let noreply = if i % 3 == 0 { " noreply" } else { "" };
            all.extend(
                format!("set k{} 0 0 {}{noreply}\r\n{value}\r\nget k{}\r\n", i % 50, value.len(), i % 50)
                    .bytes(),
            );
            expected.extend(if i % 3 == 0 { &b""[..] } else { b"STORED\r\n" });
            expected.extend(format!("VALUE k{} 0 {}\r\n{value}\r\nEND\r\n", i % 50, value.len()).bytes());
        }
        client.send(&all);
        client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        let mut got = Vec::new();
        client.stream.read_to_end(&mut got).unwrap();
        assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
        assert!(server.stat("conn_yields") > 100, "it took no turns");
    });
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_harms_nobody() {
    on_each(&[], |server| {
        let mut other = server.client();
        // Replies not much longer than requests: what is in flight has to be read in the end.
        let key = "k".repeat(200);
        other.set(&key, &pattern(100, 1));
        let before = server.resident();
        let slow = connect(server.address);
        slow.set_nonblocking(true).unwrap();
        let request = format!("get {key}\r\n");
        let requests = request.repeat(500).into_bytes();
        let (mut sent, mut blocked) = (0, 0);
        // A server that was not run meanwhile has not said that it waits.
        while (blocked < 20 || server.stat("output_waits") == 0) && sent < 64 << 20 {
            match (&slow).write(&requests[sent % requests.len()..]) {
                Ok(n) => (sent, blocked) = (sent + n, 0),
                Err(_) => {
                    blocked += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
        assert!(blocked >= 20, "it reads and reads");
        for _ in 0..100 {
            assert!(other.get(&key).unwrap() == pattern(100, 1));
        }
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 12 << 20, "{grown} bytes for one client");
        // And what was put off comes in the end, whole.
        slow.set_nonblocking(false).unwrap();
        slow.shutdown(Shutdown::Write).unwrap();
        let mut slow = Client::new(slow);
        let head = format!("VALUE {key} 0 100\r\n");
        let reply = [head.as_bytes(), &pattern(100, 1)[..], b"\r\nEND\r\n"].concat();
        for _ in 0..sent / request.len() {
            assert!(slow.bytes(reply.len()) == reply);
        }
        let mut rest = Vec::new();
        slow.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    });
}

#[test]
fn signals_stop_it_after_its_answers_and_print_its_counters() {
    on_each(&["-t", "2"], |mut server| {
        let mut clients: Vec<Client> = (0..20).map(|_| server.client()).collect();
        for (i, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.set(&format!("k{i}"), &pattern(500, i)), "STORED");
        }
        server.signal(libc::SIGUSR1);
        let mut told = BufReader::new(server.process.0.stderr.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        assert!(line.starts_with("STAT pid "), "{line}");
        for (i, client) in clients.iter_mut().enumerate() {
            client.send(format!("get k{i}\r\n").repeat(100).as_bytes());
        }
        for (i, client) in clients.iter_mut().enumerate() {
            for _ in 0..100 {
                assert_eq!(client.line(), format!("VALUE k{i} 0 500"));
                assert!(client.bytes(500) == pattern(500, i));
                assert_eq!(client.bytes(7), b"\r\nEND\r\n");
            }
        }
        server.signal(libc::SIGTERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(clients.iter_mut().all(Client::at_end));
        let mut rest = String::new();
        server.out.read_to_string(&mut rest).unwrap();
    });
    for driver in DRIVERS {
        let Some(mut server) = Server::start(driver, &[]) else { continue };
        server.signal(libc::SIGINT);
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_process_that_is_stopped_and_goes_on_loses_nothing() {
    on_each(&[], |server| {
        let mut client = server.client();
        for round in 0..10 {
            let requests: Vec<u8> = (0..500)
                .flat_map(|i| {
                    format!("set s{i} 0 0 3\r\n{:03}\r\nget s{i}\r\n", (i + round) % 1000).into_bytes()
                })
                .collect();
            let (half, rest) = requests.split_at(requests.len() / 2);
            client.send(half);
            server.signal(libc::SIGSTOP);
            client.send(rest);
            server.signal(libc::SIGCONT);
            for i in 0..500 {
                assert_eq!(client.line(), "STORED");
                assert_eq!(client.line(), format!("VALUE s{i} 0 3"));
                assert_eq!(client.line(), format!("{:03}", (i + round) % 1000));
                assert_eq!(client.line(), "END");
            }
        }
    });
}

#[test]
fn connections_beyond_the_limit_are_told_so() {
    on_each(&["-c", "3"], |server| {
        let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
        assert!(clients.iter_mut().all(|c| c.ask(b"mn\r\n") == "MN"));
        let mut more = server.client();
        assert_eq!(more.line(), "ERROR Too many open connections");
        assert!(more.at_end());
        drop(clients.pop());
        // The server learns of it in a moment.
        let begun = Instant::now();
        while server.client().ask(b"mn\r\n") != "MN" {
            assert!(begun.elapsed() < PATIENCE, "the place is not free");
        }
    });
}

#[test]
fn descriptors_that_have_run_out_are_waited_for() {
    for driver in DRIVERS {
        let mut limited = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_ouzel-cached");
        limited
            .args([
                "-c",
                &format!("ulimit -n 24; exec {program} -p 0 -l 127.0.0.1 -t 1 -m 4 --driver {driver}"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Some(mut server) = Server::spawn(limited, driver) else { continue };
        let mut clients: Vec<Client> = (0..40).map(|_| server.client()).collect();
        assert_eq!(clients[0].ask(b"mn\r\n"), "MN");
        // Those beyond wait in the queue, until others are gone.
        clients.drain(..30);
        assert!(clients.iter_mut().all(|c| c.ask(b"mn\r\n") == "MN"));
        server.signal(libc::SIGTERM);
        assert_eq!(server.wait().code(), Some(0));
        let mut told = String::new();
        server.process.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains("trying on"), "{told}");
    }
}

#[test]
fn idle_connections_are_closed_when_asked_for() {
    on_each(&["-o", "idle_timeout=1"], |server| {
        let mut client = server.client();
        assert_eq!(client.ask(b"mn\r\n"), "MN");
        assert!(client.at_end());
        assert!(server.stat("idle_kicks") >= 1);
    });
}

#[test]
fn what_is_no_text_protocol_is_closed_and_logged() {
    on_each(&[], |mut server| {
        let mut client = server.client();
        client.send(&[0x80, 0x0b, 0, 0, 0, 0, 0, 0]);
        assert!(client.at_end());
        let mut told = String::new();
        BufReader::new(server.process.0.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
        assert!(told.contains("binary protocol"), "{told}");
        assert_eq!(server.client().ask(b"quit\r\n"), "");
    });
}

#[test]
fn what_is_over_and_what_was_flushed_is_gone_after_its_time() {
    on_each(&[], |server| {
        let mut client = server.client();
        assert_eq!(client.ask(b"set e 0 1 1\r\nx\r\n"), "STORED");
        assert_eq!(client.set("f", b"y"), "STORED");
        let begun = Instant::now();
        assert_eq!(client.ask(b"flush_all 2\r\n"), "OK");
        let there = client.get("f").is_some();
        assert!(there || begun.elapsed() >= Duration::from_secs(1), "gone at once");
        while client.get("e").is_some() || client.get("f").is_some() {
            assert!(begun.elapsed() < PATIENCE, "they stay");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(client.set("g", b"z"), "STORED");
        assert!(client.get("g").is_some());
    });
}

#[test]
fn a_unix_socket_serves_and_is_gone_afterwards() {
    for driver in DRIVERS {
        let path = std::env::temp_dir().join(format!("ouzel-cached-{}-{driver}", std::process::id()));
        let text = path.to_str().unwrap();
        let Some(mut server) = Server::start(driver, &["-s", text, "-t", "2"]) else { continue };
        for i in 0..10 {
            let stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut client = Client { stream: BufReader::new(stream) };
            assert_eq!(client.set("k", &pattern(30_000, i)), "STORED");
            assert!(client.get("k").unwrap() == pattern(30_000, i));
        }
        server.signal(libc::SIGTERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(!path.exists());
    }
}

#[test]
fn counters_are_exported_for_prometheus() {
    on_each(&["--metrics", "127.0.0.1:0"], |server| {
        server.client().set("k", b"v");
        let scrape = |path: &str| {
            let mut stream = TcpStream::connect(&server.metrics).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        let text = scrape("/metrics");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(
            text.contains("\nouzel_cached_cmd_set_total 1\n")
                && text.contains("\nouzel_cached_curr_items 1\n")
        );
        assert!(scrape("/").contains("200 OK") && scrape("/no").contains("404"));
    });
}

#[test]
fn connections_that_have_been_used_and_wait_take_little_memory() {
    on_each(&["-c", "2000"], |server| {
        let before = {
            let mut client = server.client();
            client.set("k", &pattern(100, 1));
            // Every buffer of the driver's is used once.
            (0..600).for_each(|_| drop(client.get("k")));
            server.resident()
        };
        let mut clients: Vec<Client> = (0..450).map(|_| server.client()).collect();
        for client in &mut clients {
            assert!(client.get("k").unwrap() == pattern(100, 1));
        }
        let each = server.resident().saturating_sub(before) / clients.len();
        println!("{each} bytes for a connection that waits");
        assert!(each <= 2048);
    });
}

#[test]
fn a_wrong_command_line_is_one_line_and_status_1() {
    let run = |args: &[&str]| command(args).output().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for args in [
        &["-Z"][..],
        &["-U", "1"],
        &["-l", "no.such.name.invalid"],
        &["-p", &port, "-l", "127.0.0.1"],
        &["-u", "no-such-user", "-p", "0"],
        &["-s", "/no/such/folder/socket"],
        &["-P", "/no/such/folder/pid", "-p", "0"],
        &["--metrics", &taken.local_addr().unwrap().to_string(), "-p", "0"],
    ] {
        let output = run(args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{args:?}: {told}");
    }
    let help = run(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success());
    for option in [
        "-p",
        "-l",
        "-s",
        "-m",
        "-c",
        "-t",
        "-I",
        "-R",
        "-U",
        "-v",
        "-h",
        "-V",
        "-u",
        "-P",
        "-d",
        "-o",
        "--driver",
        "--metrics",
        "--pin",
    ] {
        assert!(text.contains(&format!("{option},")) || text.contains(&format!("{option} ")), "{option}");
    }
    assert!(run(&["-V"]).status.success());
}
