//! The server: threads that share a store and nothing else, each with a runtime, listeners and connections of its own.

mod conn;
mod error;
mod listen;
mod message;
mod metrics;
mod process;
mod shared;
mod stats;
mod thread;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ouzel::LocalRuntime;
use ouzel::net::TcpListener;
use ouzel::signal::unix::{Signal, SignalKind, signal};
use ouzel::sync::{Receiver, channel};

use crate::options::Options;
use crate::say::say;
use crate::store::Store;
use error::because;
use listen::Listeners;
use shared::Shared;
use thread::Thread;

const SECOND: Duration = Duration::from_secs(1);
/// How long connections may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until SIGINT or SIGTERM. `allocations` tells how often memory was asked for, if that is counted.
#[must_use]
pub fn run(options: Options, allocations: fn() -> u64) -> ExitCode {
    match try_run(options, allocations) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say(e);
            ExitCode::FAILURE
        }
    }
}

fn try_run(mut options: Options, allocations: fn() -> u64) -> io::Result<()> {
    end_with_a_panic();
    for path in [&mut options.pid_file, &mut options.unix_path].into_iter().flatten() {
        // The background is in another folder.
        *path = std::path::absolute(&*path)?;
    }
    let (listeners, port) = listen::open(&options)?;
    let metrics = options.metrics.map(|at| TcpListener::bind(at).map_err(because(format!("--metrics {at}"))));
    let mut metrics = metrics.transpose()?;
    let pid_file = options.pid_file.as_ref().map(|path| process::PidFile::create(path)).transpose()?;
    if let Some(user) = &options.user {
        process::become_user(user).map_err(because(format!("-u {user}")))?;
    }
    let store = Store::new(options.memory, options.item_max, options.threads)
        .ok_or_else(|| io::Error::other(format!("no {} MiB of memory for items", options.memory >> 20)))?;
    if options.daemon {
        // What there is to say against it is said while somebody hears it.
        drop(runtime(&options)?);
        process::go_to_background().map_err(because("-d"))?;
    }
    let (mut parts, mut clocks) = (Vec::new(), Vec::new());
    for (number, listeners) in listeners.into_iter().enumerate() {
        let ends = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        let usr1 = (number == 0).then(|| signal(SignalKind::user_defined1())).transpose()?;
        let (clock, seconds) = channel(1);
        clocks.push(clock);
        parts.push(Part { number, listeners, metrics: metrics.take(), ends, usr1, seconds });
    }
    // Who knows the number may send signals.
    pid_file.map(process::PidFile::write).transpose()?;
    let shared = Arc::new(Shared::new(store, options, port, allocations));
    let (running, all_ended) = mpsc::channel::<Infallible>();
    let mut threads = Vec::new();
    for part in parts {
        let (shared, number, running) = (Arc::clone(&shared), part.number, running.clone());
        let name = format!("cached-{number}");
        threads.push(std::thread::Builder::new().name(name).spawn(move || {
            let _running = running;
            if let Err(e) = serve(&shared, part) {
                say(format_args!("thread {number}: {e}"));
                // The others have nobody to tell them.
                shared.fail();
                std::process::exit(1);
            }
        })?);
    }
    drop(running);
    while all_ended.recv_timeout(SECOND) == Err(RecvTimeoutError::Timeout) {
        shared.store.tick(shared.started.elapsed());
        for clock in &clocks {
            // One that has not heard the last second hears this one with it.
            let _ = clock.try_send(());
        }
    }
    let panicked = threads.into_iter().map(std::thread::JoinHandle::join).filter(Result::is_err).count();
    let paths = [&shared.options.pid_file, &shared.options.unix_path];
    for path in paths.into_iter().flatten() {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(path);
    }
    if panicked > 0 || shared.has_failed() { Err(io::Error::other("a thread has failed")) } else { Ok(()) }
}

fn runtime(options: &Options) -> io::Result<LocalRuntime> {
    let builder = LocalRuntime::builder();
    match options.driver {
        Some(driver) => builder.driver(driver).build_local(),
        None => builder.build_local(),
    }
}

/// A task's panic would be its own affair, and the others would go on with what it left half done.
fn end_with_a_panic() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::abort();
    }));
}

/// What one thread is given.
struct Part {
    number: usize,
    listeners: Listeners,
    metrics: Option<TcpListener>,
    ends: [Signal; 2],
    usr1: Option<Signal>,
    seconds: Receiver<()>,
}

fn serve(shared: &Arc<Shared>, part: Part) -> io::Result<()> {
    let Part { number, listeners, metrics, mut ends, usr1, seconds } = part;
    if shared.options.pin {
        process::pin(number).map_err(because("--pin"))?;
    }
    let runtime = Rc::new(runtime(&shared.options)?);
    let thread = Thread::new(shared, number, &runtime);
    let is_first = number == 0;
    if is_first {
        let mut driver = shared.driver.lock().unwrap_or_else(PoisonError::into_inner);
        *driver = format!("{} ({})", runtime.driver_name(), runtime.driver_description());
        drop(driver);
        announce(shared, &listeners, runtime.driver_name(), metrics.as_ref())?;
    }
    runtime.block_on(async {
        listen::accept(listeners, &thread);
        drop(ouzel::spawn_local(Rc::clone(&thread).tick(seconds, is_first)));
        if let Some(listener) = metrics {
            drop(ouzel::spawn_local(metrics::serve(listener, Rc::clone(&thread))));
        }
        if let Some(usr1) = usr1 {
            drop(ouzel::spawn_local(print_stats(usr1, Rc::clone(&thread))));
        }
        poll_fn(|cx| {
            let came = ends.iter_mut().any(|end| end.poll_recv(cx).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        thread.drain();
        let drained = async {
            while thread.open() > 0 {
                ouzel::sleep(Duration::from_millis(2)).await;
            }
        };
        if ouzel::timeout(DRAIN, drained).await.is_err() {
            shared.log(0, || format!("{} connections were closed before they were done", thread.open()));
        }
    });
    runtime.shutdown();
    Ok(())
}

/// One line that says where, for those who asked for any free port.
fn announce(
    shared: &Shared,
    listeners: &Listeners,
    driver: &str,
    metrics: Option<&TcpListener>,
) -> io::Result<()> {
    let mut places = Vec::new();
    for listener in &listeners.tcp {
        places.push(listener.local_addr()?.to_string());
    }
    places.extend(shared.options.unix_path.as_ref().map(|p| p.display().to_string()));
    let metrics = match metrics {
        Some(listener) => format!(", metrics on http://{}/metrics", listener.local_addr()?),
        None => String::new(),
    };
    let mut out = io::stdout().lock();
    // Nobody may be listening there.
    let _ = writeln!(out, "listening on {} ({driver}){metrics}", places.join(" "));
    let _ = out.flush();
    Ok(())
}

async fn print_stats(mut usr1: Signal, thread: Rc<Thread>) {
    loop {
        usr1.recv().await;
        let mut text = Vec::new();
        thread.publish();
        stats::write(&thread.shared, b"", &mut text);
        // Nobody may be listening there.
        let _ = io::stderr().write_all(String::from_utf8_lossy(&text).replace('\r', "").as_bytes());
    }
}
