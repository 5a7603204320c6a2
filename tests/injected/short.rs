//! Transfers that are short: the programs of the other tests, and one more, under `ouzel-shorten`, which has the kernel
//! move fewer bytes than it was asked for, at every call and every entry of a ring.
//!
//! Nothing is lost by that but the program's own doing, so every byte must arrive, and no operation may fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ouzel::Driver;
use ouzel_tests::{drivers, watchdog};

use crate::{client, server};

/// What `ouzel-shorten` ends with where nothing can be traced.
const REFUSED: i32 = 77;

/// What the drivers are to do without, because it is the kernel's promise about lengths that are not shortened: that it sends
/// all (`MSG_WAITALL`), and that a short read has emptied a socket (epoll(7)). And a ring submits by its descriptor, which
/// is how its entries are found.
const MASK: &str = "send_waitall,short_reads,ring_fd";

/// A folder of a test's own, and where it is told what was shortened.
struct Place {
    folder: PathBuf,
    log: PathBuf,
}

impl Place {
    fn new(name: &str, driver: Driver) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("short-{name}-{driver}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Place { log: folder.join("log"), folder }
    }

    /// What a program is started under. None: nothing can be traced on this machine.
    fn shorten(&self) -> Option<Command> {
        let begin = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ouzel-shorten"));
            command.arg(&self.folder).arg(&self.log);
            command.env("OUZEL_URING_MASK", MASK);
            command
        };
        let trial = begin().arg("true").stdin(Stdio::null()).output().unwrap();
        if trial.status.code() != Some(REFUSED) {
            return Some(begin());
        }
        let why = String::from_utf8_lossy(&trial.stderr).into_owned();
        assert!(std::env::var_os("CI").is_none(), "{why}");
        println!("skipped: {why}");
        None
    }

    /// The calls that were shortened, and how often each; all of `wanted` must be among them.
    fn shortened(self, name: &str, wanted: &[&str]) {
        let text = fs::read_to_string(&self.log).unwrap();
        let counts: BTreeMap<&str, u64> = text
            .lines()
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(k, n)| (k, n.parse().unwrap()))
            .collect();
        println!("{name}: shortened {counts:?}");
        for call in wanted {
            assert!(counts.contains_key(call), "{name}: {call} was never shortened: {counts:?}");
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Runs `test` on each driver, with the calls that must have been shortened on it.
fn each(name: &'static str, wanted: [&'static [&'static str]; 3], test: fn(&mut Command, Driver, &Path)) {
    for driver in drivers() {
        let place = Place::new(name, driver);
        let Some(mut shorten) = place.shorten() else { return };
        let wanted = match driver {
            Driver::Uring => wanted[0],
            Driver::Epoll => wanted[1],
            _ => wanted[2],
        };
        let name = format!("{name} on {driver}");
        let folder = place.folder.clone();
        watchdog(&name, move || test(&mut shorten, driver, &folder));
        place.shortened(&name, wanted);
    }
}

#[test]
fn a_server_moves_every_byte_by_short_transfers() {
    for workers in 0..3 {
        let name = ["echo", "echo, one worker", "echo, two workers"][workers];
        let test = [echo::<0>, echo::<1>, echo::<2>][workers];
        each(name, [&["ring recv", "ring send"], &["recvfrom", "sendto"], &["recvfrom", "sendto"]], test);
    }
}

fn echo<const WORKERS: usize>(shorten: &mut Command, driver: Driver, _: &Path) {
    let server = server::start(shorten, driver, WORKERS);
    let seen = client::run(server.port, false);
    let told = server.stop();
    assert_eq!((seen.wrong, seen.lost, told.failed, told.retried, told.open), (0, 0, 0, 0, 0), "{seen:?}");
    assert!(seen.answered > 0);
}

#[test]
fn files_are_whole_by_short_transfers() {
    let wanted: [&[&str]; 3] =
        [&["preadv2", "write"], &["preadv2", "pwrite64", "write"], &["pread64", "pwrite64", "write"]];
    each("files", wanted, |shorten, driver, folder| {
        let counted = server::run_files(shorten, driver, folder);
        let mut words = counted.split(' ').map(|n| n.parse::<u64>().unwrap_or(0));
        let [done, failed, wrong] = [(); 3].map(|()| words.next().unwrap());
        assert!(done > 0 && (failed, wrong) == (0, 0), "{counted}");
    });
}

#[test]
fn a_copy_is_whole_by_short_transfers() {
    let wanted: &[&str] = &["copy_file_range"];
    each("copy", [wanted; 3], |shorten, driver, folder| {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| (i ^ (i >> 7)) as u8).collect();
        let [from, to] = ["from", "to"].map(|name| folder.join(name));
        fs::write(&from, &bytes).unwrap();
        assert_eq!(server::run_copy(shorten, driver, &from, &to), bytes.len().to_string());
        assert!(fs::read(&to).unwrap() == bytes, "another content");
    });
}

#[test]
fn streams_and_pipes_are_whole_by_short_transfers() {
    let wanted: [&[&str]; 3] = [
        &[
            "ring read",
            "ring write",
            "ring recv",
            "ring send",
            "ring recvmsg",
            "ring sendmsg",
            "ring send_zc",
            "splice",
        ],
        &["preadv2", "pwritev2", "recvfrom", "sendto", "recvmsg", "sendmsg", "splice"],
        &["preadv2", "pwritev2", "recvfrom", "sendto", "recvmsg", "sendmsg", "read", "write"],
    ];
    each("streams", wanted, |shorten, driver, folder| {
        let told = server::run_transfers(shorten, driver, folder);
        assert!(told.parse::<u64>().unwrap() > 0);
    });
}

/// The check can fail: a program that takes a short write for a whole one loses bytes, here and nowhere else.
#[test]
fn a_program_that_is_careless_about_short_writes_is_found_out() {
    let place = Place::new("careless", Driver::Auto);
    let Some(mut shorten) = place.shorten() else { return };
    assert!(server::is_careful(&mut Command::new("env")), "without short transfers all bytes are there");
    assert!(!server::is_careful(&mut shorten), "bytes were lost, and nobody noticed");
    place.shortened("careless", &[]);
}
