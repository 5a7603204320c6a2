//! What ouzel finds on this machine: each driver, what it uses of the kernel's offers and what it lacks, and the one
//! that is used when nobody chooses.
//!
//! ```text
//! cargo run --example probe
//! ```
//! `OUZEL_URING_MASK=futex_wait,recv_multi cargo run --example probe` shows the ring of an older kernel.

use std::process::ExitCode;

use ouzel::{Driver, Runtime};

fn main() -> ExitCode {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("system:   {} {} {}", std::env::consts::OS, release.trim(), std::env::consts::ARCH);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    println!("CPUs:     {cpus}");
    for driver in [Driver::Uring, Driver::Epoll, Driver::Poll] {
        println!();
        match Runtime::builder().driver(driver).build_local() {
            Ok(runtime) => describe(&driver.to_string(), &runtime.driver_description()),
            Err(e) => println!("{driver}: not to be had: {e}"),
        }
    }
    println!();
    match Runtime::builder().build_local() {
        Ok(runtime) => println!("used when nobody chooses: {}", runtime.driver_name()),
        Err(e) => {
            println!("no driver works here: {e}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A description is a title and then its parts, divided by semicolons.
fn describe(name: &str, text: &str) {
    let (title, parts) = text.split_once(": ").unwrap_or((name, text));
    println!("{name}: {title}");
    for part in parts.split("; ") {
        println!("    {part}");
    }
}
