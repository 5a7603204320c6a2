//! What the program does to its own process: the background, another user, the file with its number, CPUs, its end.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::harness::{Client, DRIVERS, Server, command, on_each, pattern};

/// Longer than anything takes.
const WATCHDOG: Duration = Duration::from_secs(300);

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ouzel-cached-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        // Whoever the server becomes must get in.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits for a state.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < WATCHDOG, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The values of a line of `/proc/PID/status`.
fn status(folder: &str, line: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("{folder}/status")).ok()?;
    let values = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    Some(values.split_whitespace().map(str::to_owned).collect())
}

/// A process that has ended may still be listed, where nobody asks for its status.
fn has_ended(pid: u32) -> bool {
    status(&format!("/proc/{pid}"), "State").is_none_or(|state| state[0] == "Z")
}

/// The process in the background; ended with the test, however that ends.
struct Background(u32);

impl Background {
    fn signal(&self, number: i32) -> i32 {
        // SAFETY: numbers alone; the process is our server's, its number is of its own file.
        unsafe { libc::kill(self.0 as i32, number) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !has_ended(self.0) {
            self.signal(libc::SIGKILL);
        }
    }
}

#[test]
fn in_the_background_it_has_left_its_starter_and_ends_by_its_number() {
    for driver in DRIVERS {
        let folder = Folder::new(&format!("daemon-{driver}"));
        let (socket, file) = (folder.file("socket"), folder.file("pid"));
        // Names relative to where it was started, which is not where it goes.
        let args = ["-d", "-s", "socket", "-P", "pid", "-t", "2", "-m", "16", "--driver", driver];
        let output = command(&args).current_dir(&folder.0).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if driver == "uring" && !output.status.success() {
            // Said before it left, not afterwards to nobody.
            assert!(!told.is_empty());
            println!("skipped: no io_uring here: {told}");
            continue;
        }
        assert!(output.status.success() && told.is_empty(), "{told}");
        let server = Background(until("no number in the file", || {
            std::fs::read_to_string(&file).ok()?.strip_suffix('\n')?.parse().ok()
        }));
        let proc = format!("/proc/{}", server.0);
        let stream = until("nobody answers", || UnixStream::connect(&socket).ok());
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        let mut client = Client { stream: std::io::BufReader::new(stream) };
        assert_eq!(client.set("k", b"v"), "STORED");
        assert_eq!(client.get("k").unwrap(), b"v");
        let link = |name: &str| std::fs::read_link(format!("{proc}/{name}")).unwrap();
        assert_eq!(link("cwd"), Path::new("/"));
        assert!((0..3).all(|fd| link(&format!("fd/{fd}")) == Path::new("/dev/null")));
        // The head of a session of its own.
        let sid = rustix::process::getsid(rustix::process::Pid::from_raw(server.0 as i32)).unwrap();
        assert_eq!(sid.as_raw_pid() as u32, server.0);
        // Nobody reads what it prints; it goes on.
        assert_eq!(server.signal(libc::SIGUSR1), 0);
        assert_eq!(client.get("k").unwrap(), b"v");
        assert_eq!(server.signal(libc::SIGTERM), 0);
        until("it does not end", || has_ended(server.0).then_some(()));
        assert!(client.at_end());
        assert!(!Path::new(&socket).exists() && !Path::new(&file).exists(), "it leaves files behind");
    }
}

#[test]
fn the_file_has_its_number_while_it_runs() {
    let folder = Folder::new("pid");
    let file = folder.file("pid");
    // What an earlier one left behind.
    std::fs::write(&file, "123456789\nand more\n").unwrap();
    on_each(&["-P", &file], |mut server| {
        let pid = server.process.0.id();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{pid}\n"));
        server.signal(libc::SIGINT);
        assert_eq!(server.wait().code(), Some(0));
        assert!(!Path::new(&file).exists());
    });
}

#[test]
fn root_becomes_the_user_it_is_told() {
    if !is_root() {
        return println!("skipped: not root");
    }
    on_each(&["-u", "nobody", "-t", "2"], |server| {
        let text = std::fs::read_to_string("/etc/passwd").unwrap();
        let nobody: Vec<&str> = text.lines().find(|l| l.starts_with("nobody:")).unwrap().split(':').collect();
        let proc = format!("/proc/{}", server.process.0.id());
        for thread in std::fs::read_dir(format!("{proc}/task")).unwrap() {
            let thread = thread.unwrap().path();
            let has = |line| status(thread.to_str().unwrap(), line).unwrap();
            assert_eq!(has("Uid"), [nobody[2]; 4]);
            assert_eq!(has("Gid"), [nobody[3]; 4]);
            assert!(has("Groups").iter().all(|group| *group != "0"), "it keeps root's groups");
            assert_eq!(has("CapEff"), ["0000000000000000"]);
        }
        assert_eq!(server.client().set("k", b"v"), "STORED");
    });
}

#[test]
fn nobody_but_root_becomes_another_user() {
    let folder = Folder::new("user");
    // Where whoever it is may read it.
    let program = folder.file("program");
    std::fs::copy(env!("CARGO_BIN_EXE_ouzel-cached"), &program).unwrap();
    let start = |user: &str| {
        let mut command = std::process::Command::new(&program);
        command.args(["-p", "0", "-l", "127.0.0.1", "-t", "1", "-m", "4", "-u", user]);
        if is_root() {
            command.uid(65534).gid(65534);
        }
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        command
    };
    let output = start("root").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(told, "ouzel-cached: -u root: only root can become another user\n");
    // Who is that user already has nothing to change.
    let text = std::fs::read_to_string("/etc/passwd").unwrap();
    let own = if is_root() { 65534 } else { rustix::process::geteuid().as_raw() };
    let name = text.lines().find(|l| l.split(':').nth(2) == Some(&own.to_string()));
    let Some(name) = name.and_then(|l| l.split(':').next()) else { return println!("skipped: no name") };
    let mut server = Server::spawn(start(name), "epoll").unwrap();
    assert_eq!(server.client().set("k", b"v"), "STORED");
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn pinned_threads_have_a_cpu_each() {
    on_each(&["-t", "2", "--pin"], |server| {
        let proc = format!("/proc/{}", server.process.0.id());
        let all = status(&proc, "Cpus_allowed_list").unwrap();
        let cpus = || -> Option<Vec<String>> {
            let mut cpus = Vec::new();
            for thread in std::fs::read_dir(format!("{proc}/task")).ok()? {
                let thread = thread.ok()?.path();
                let name = std::fs::read_to_string(thread.join("comm")).ok()?;
                if name.starts_with("cached-") {
                    cpus.push(status(thread.to_str()?, "Cpus_allowed_list")?.concat());
                }
            }
            // The second thread begins when it begins.
            (cpus.len() == 2 && cpus.iter().all(|list| list.parse::<u32>().is_ok())).then_some(cpus)
        };
        let cpus = until("threads may run anywhere", cpus);
        if all.concat().parse::<u32>().is_err() {
            assert_ne!(cpus[0], cpus[1], "both have one CPU of {all:?}");
        }
        assert_eq!(server.client().set("k", b"v"), "STORED");
    });
}

#[test]
fn a_signal_prints_the_counters_whole_each_time() {
    use std::io::BufRead;
    on_each(&["-t", "2"], |mut server| {
        server.client().set("k", b"v");
        let mut told = std::io::BufReader::new(server.process.0.stderr.take().unwrap()).lines();
        for _ in 0..3 {
            server.signal(libc::SIGUSR1);
            let first = told.next().unwrap().unwrap();
            assert_eq!(first, format!("STAT pid {}", server.process.0.id()));
            let items = told.by_ref().map(Result::unwrap).inspect(|l| assert!(l.starts_with("STAT "), "{l}"));
            let seen: Vec<String> = items.take_while(|l| !l.starts_with("STAT accepting_conns ")).collect();
            assert!(seen.iter().any(|l| l == "STAT curr_items 1"), "{seen:?}");
        }
    });
}

#[test]
fn what_has_come_before_it_is_told_to_end_is_answered() {
    on_each(&["-t", "2"], |mut server| {
        let value = pattern(1000, 5);
        assert_eq!(server.client().set("k", &value), "STORED");
        let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
        // One that has not been accepted when the listener goes is reset.
        clients.iter_mut().for_each(|client| assert_eq!(client.ask(b"mn\r\n"), "MN"));
        // More than sockets take without a reader, of which nothing is read before the signal.
        let requests = b"get k\r\n".repeat(6000);
        let (read, mut asked) = (server.stat("bytes_read"), 0);
        clients.iter_mut().for_each(|client| client.send(&requests));
        until("it does not read", || {
            asked += b"stats\r\n".len() as u64;
            (server.stat("bytes_read") > read + asked + 10_000).then_some(())
        });
        server.signal(libc::SIGTERM);
        let reply = [b"VALUE k 0 1000\r\n", &value[..], b"\r\nEND\r\n"].concat();
        let mut answered = 0;
        for client in &mut clients {
            let mut got = Vec::new();
            std::io::Read::read_to_end(&mut client.stream, &mut got).unwrap();
            assert!(got.chunks(reply.len()).all(|one| one == reply), "a reply is cut off");
            answered += got.len() / reply.len();
        }
        // Of each client half a request may have come.
        assert!((answered + clients.len()) * b"get k\r\n".len() >= 10_000, "{answered} answers");
        assert_eq!(server.wait().code(), Some(0));
    });
}

#[test]
fn a_client_that_neither_reads_nor_closes_does_not_keep_it_from_ending() {
    on_each(&["-v"], |mut server| {
        let value = pattern(100_000, 7);
        assert_eq!(server.client().set("k", &value), "STORED");
        let mut client = server.client();
        assert_eq!(client.ask(b"mn\r\n"), "MN");
        // Replies that no socket takes, and requests behind them that are not received.
        client.send(&b"get k\r\n".repeat(6000));
        until("it does not answer", || (server.stat("bytes_written") > 1_000_000).then_some(()));
        server.signal(libc::SIGTERM);
        assert_eq!(server.wait().code(), Some(0));
        let mut told = String::new();
        std::io::Read::read_to_string(&mut server.process.0.stderr.take().unwrap(), &mut told).unwrap();
        assert!(told.contains("1 connections were closed before they were done"), "{told}");
    });
}

#[test]
fn it_serves_on_when_nobody_listens_to_what_it_says() {
    on_each(&["-v"], |mut server| {
        drop(server.process.0.stderr.take());
        for _ in 0..3 {
            let mut client = server.client();
            client.send(&[0x80, 0x0b, 0, 0, 0, 0, 0, 0]);
            assert!(client.at_end());
            server.signal(libc::SIGUSR1);
        }
        assert_eq!(server.client().ask(b"mn\r\n"), "MN");
        // A connection that ended in a panic would still be counted.
        until("connections are left", || (server.stat("curr_connections") == 1).then_some(()));
        server.signal(libc::SIGTERM);
        assert_eq!(server.wait().code(), Some(0));
    });
}
