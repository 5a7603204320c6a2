//! The example server `kv.c`, spoken to over TCP on every driver.

mod cc;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const VERSION: &[u8] = b"VERSION ouzel-kv-0.1.0\r\n";

fn kv() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = cc::scratch("kv").join("kv");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/c/kv.c");
        cc::compile(&source, &program, true);
        program
    })
}

struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(driver: &str, args: &[&str]) -> Server {
        Server::spawn(Command::new(kv()).args(["-p", "0", "--driver", driver]).args(args))
    }

    fn spawn(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.strip_prefix("listening on ").and_then(|l| l.split(' ').next()).unwrap_or_default();
        let addr = addr.parse().unwrap_or_else(|e| panic!("{line:?}: {e}"));
        Server { child, addr }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(stream)
    }

    fn signal(&self, signal: i32) {
        // SAFETY: our child has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Asks it to end, which must go well.
    fn stop(mut self) {
        self.signal(libc::SIGTERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(TcpStream);

impl Client {
    fn expect(&mut self, wanted: &[u8]) {
        let mut got = vec![0; wanted.len()];
        let mut n = 0;
        while n < got.len() {
            match self.0.read(&mut got[n..]) {
                Ok(0) => panic!("closed after {:?}", shown(&got[..n])),
                Ok(more) => n += more,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => panic!("{e} after {:?}", shown(&got[..n])),
            }
        }
        assert!(got == wanted, "got {:?}, not {:?}", shown(&got), shown(wanted));
    }

    /// The server closes now.
    fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{:?} after the end", shown(&rest));
    }

    fn ask(&mut self, request: &[u8], wanted: &[u8]) {
        self.0.write_all(request).unwrap();
        self.expect(wanted);
    }

    fn stats(&mut self) -> std::collections::HashMap<String, String> {
        self.0.write_all(b"stats\r\n").unwrap();
        let mut lines = BufReader::new(&self.0);
        let mut stats = std::collections::HashMap::new();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if line == "END\r\n" {
                return stats;
            }
            let mut words = line.trim_end().splitn(3, ' ').skip(1);
            stats.insert(words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}

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

fn on_every_driver(test: impl Fn(&str)) {
    for driver in cc::drivers() {
        eprintln!("driver {driver}");
        test(driver);
    }
}

#[test]
fn each_request_has_its_reply_and_bad_ones_leave_the_connection_in_step() {
    on_every_driver(|driver| {
        let server = Server::start(driver, &[]);
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
    on_every_driver(|driver| {
        let server = Server::start(driver, &["-t", "2"]);
        let (requests, replies): (Vec<_>, Vec<_>) = dialogue().into_iter().unzip();
        let (requests, replies) = (requests.concat(), replies.concat());
        server.connect().ask(&requests, &replies);
        let mut client = server.connect();
        for (i, byte) in requests.chunks(1).enumerate() {
            client.0.write_all(byte).unwrap();
            if i % 5 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        client.expect(&replies);
        server.stop();
    });
}

#[test]
fn values_up_to_a_mebibyte_come_back_and_larger_ones_are_swallowed() {
    on_every_driver(|driver| {
        let server = Server::start(driver, &[]);
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
    on_every_driver(|driver| {
        let server = Server::start(driver, &[]);
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
        std::thread::sleep(Duration::from_millis(300));
        client.ask(b"version\r\n", VERSION); // others are served meanwhile
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        let rss = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        let rss: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap();
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
    on_every_driver(|driver| {
        let server = Server::start(driver, &[]);
        let mut client = server.connect();
        client.ask(b"set k 0 0 3\r\nabc\r\n", b"STORED\r\n");
        let mut gets = |n: u64| {
            for _ in 0..n {
                client.ask(b"get k\r\n", b"VALUE k 0 3\r\nabc\r\nEND\r\n");
            }
            let stats = client.stats();
            let number = |name: &str| stats[name].parse::<u64>().unwrap();
            assert_eq!(stats["driver"], driver);
            ["allocs", "enters", "sqes", "cqes", "value_copies", "value_ops"].map(number)
        };
        let before = gets(100);
        let after = gets(1000);
        let [allocs, enters, sqes, cqes, copies, ops] = std::array::from_fn(|i| after[i] - before[i]);
        let mut told = String::new();
        write!(told, "allocs {allocs}, enters {enters}, sqes {sqes}, cqes {cqes}").unwrap();
        assert_eq!((copies, ops), (2000, 1000), "copies and values");
        if driver != "poll" {
            assert_eq!(allocs, 0, "{told}");
        }
        if driver == "uring" {
            assert!(enters <= 1010 && sqes + cqes <= 2020, "{told}");
        }
        server.stop();
    });
}

#[test]
fn a_server_out_of_memory_or_descriptors_says_so_and_goes_on() {
    on_every_driver(|driver| {
        let server = Server::start(driver, &["-m", "1"]);
        let mut client = server.connect();
        let set = [b"set a 0 0 900000\r\n".as_slice(), &[b'x'; 900_000], b"\r\n"].concat();
        client.ask(&set, b"STORED\r\n");
        let set = [b"set b 0 0 900000\r\n".as_slice(), &[b'x'; 900_000], b"\r\n"].concat();
        client.ask(&set, b"SERVER_ERROR out of memory storing object\r\n");
        client.ask(b"delete a\r\n", b"DELETED\r\n");
        client.ask(&set, b"STORED\r\n");
        server.stop();

        let kv = kv().display();
        let command = format!("ulimit -n 24; exec {kv} -p 0 --driver {driver} 2>/dev/null");
        let server = Server::spawn(Command::new("sh").args(["-c", &command]));
        let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
        std::thread::sleep(Duration::from_millis(100));
        let mut last = clients.pop().unwrap();
        clients[0].ask(b"version\r\n", VERSION);
        drop(clients);
        last.ask(b"version\r\n", VERSION); // accepted once there was room
        server.stop();
    });
}

#[test]
fn connections_come_and_go() {
    on_every_driver(|driver| {
        let server = Server::start(driver, &["-t", "2"]);
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
        let mut left = String::new();
        for _ in 0..100 {
            left.clone_from(&watch.stats()["curr_connections"]);
            if left == "1" {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(left, "1");
        let open = std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap().count();
        assert!(open < 40, "{open} descriptors are open");
        server.signal(libc::SIGINT);
        let mut server = server;
        assert!(server.child.wait().unwrap().success());
    });
}
