//! `fs::copy` stays in the kernel: its calls are counted, and made to fail as on file systems that cannot.

use std::fs;
use std::path::Path;

use ouzel::Driver;
use ouzel_tests::{Setup, drivers, watchdog};

use crate::{server, strace};

/// What is copied, and what becomes of the calls that do it.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// The file goes on to here, without a byte.
    len: u64,
    /// strace's words.
    inject: &'static str,
    /// Bytes that the calls only claim to have copied.
    claimed: u64,
}

/// Copies on each driver: every call the kernel was asked to copy by.
fn copies(case: &Case) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for driver in drivers() {
        let Some(mut strace) = strace() else { return calls };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("copy-{driver}-{}", case.name));
        fs::create_dir_all(&folder).unwrap();
        let [from, to, log] = ["from", "to", "log"].map(|name| folder.join(name));
        fs::write(&from, &case.bytes).unwrap();
        fs::File::options().write(true).open(&from).unwrap().set_len(case.len).unwrap();
        strace.arg("-o").arg(&log).args(["-e", "trace=copy_file_range"]);
        if !case.inject.is_empty() {
            strace.args(["-e", &format!("inject=copy_file_range:{}", case.inject)]);
        }
        let (source, copy) = (from.clone(), to.clone());
        let name = format!("{} on {driver}", case.name);
        let told = watchdog(&name, move || server::run_copy(&mut strace, driver, &source, &copy));
        assert_eq!(told, (case.claimed + case.len).to_string(), "{name}: bytes copied");
        assert!(fs::read(&to).unwrap() == fs::read(&from).unwrap(), "{name}: another content");
        calls.push(fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect());
        fs::remove_dir_all(&folder).unwrap();
    }
    calls
}

#[test]
fn a_copy_stays_in_the_kernel() {
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    let len = bytes.len() as u64;
    for calls in copies(&Case { name: "whole", bytes, len, inject: "", claimed: 0 }) {
        let copied = calls.iter().any(|call| call.ends_with("= 100000"));
        assert!(copied, "no call copied it: {calls:?}");
    }
}

#[test]
fn a_copy_the_kernel_refuses_is_made_all_the_same() {
    for (name, inject) in [
        ("EXDEV", "error=EXDEV"),
        ("EINVAL", "error=EINVAL"),
        ("ENOSYS", "error=ENOSYS"),
        ("EOPNOTSUPP", "error=EOPNOTSUPP"),
        ("EPERM", "error=EPERM"),
    ] {
        // A hole, then more bytes than a buffer holds.
        let (bytes, len) = (vec![7; 300_000], 700_000);
        for calls in copies(&Case { name, bytes, len, inject, claimed: 0 }) {
            assert!(calls.iter().any(|call| call.contains("(INJECTED)")), "{name}: {calls:?}");
        }
    }
}

#[test]
fn the_length_of_a_copy_has_no_limit() {
    // The first five calls claim a GiB each and copy nothing.
    let (bytes, claimed) = (b"the last bytes".to_vec(), 5 << 30);
    let (name, len, inject) = ("long", bytes.len() as u64, "retval=1073741824:when=1..5");
    for calls in copies(&Case { name, bytes, len, inject, claimed }) {
        assert_eq!(calls.iter().filter(|call| call.contains("(INJECTED)")).count(), 5, "{calls:?}");
    }
}

/// The traced process.
pub(crate) fn inside(task: &str) {
    let mut words = task.split(' ');
    let driver: Driver = words.next().unwrap().parse().unwrap();
    let (from, to) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let copied = Setup { driver, workers: 0 }.run(ouzel::fs::copy(from, to)).unwrap();
    println!("counted: {copied}");
}
