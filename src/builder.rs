//! How a runtime is configured: by calls, and where those are silent by the environment.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ouzel_core::config::MAX_WORKERS;

use crate::blocking::{BlockingConfig, StartThread};
use crate::driver::{Driver, DriverOptions};
use crate::local_runtime::LocalRuntime;
use crate::platform;
use crate::runtime::Runtime;
use crate::shared::{Options, WorkerStart};

/// Options for a [`Runtime`] or [`LocalRuntime`].
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder()
///     .worker_threads(1)
///     .driver(ouzel::Driver::Epoll)
///     .name("io")
///     .build()?;
/// assert_eq!(runtime.driver_name(), "epoll");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `build`"]
pub struct Builder {
    workers: Option<usize>,
    driver: Option<Driver>,
    io: DriverOptions,
    /// None: the environment's, which counts processors.
    blocking: Option<BlockingConfig>,
    name: String,
    worker_start: WorkerStart,
    blocking_start: StartThread,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder {
            workers: None,
            driver: None,
            io: DriverOptions::default(),
            blocking: None,
            name: "ouzel".into(),
            worker_start: WorkerStart::default(),
            blocking_start: |thread, body| thread.spawn(body),
        }
    }

    /// Worker threads, 1 to 64. Default: one per CPU this process may use.
    pub fn worker_threads(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// The driver. Default: what `OUZEL_DRIVER` says, else [`Driver::Auto`].
    ///
    /// One that is named and cannot be had makes `build` fail; only `Auto` falls back.
    pub fn driver(mut self, driver: Driver) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Entries of each submission ring, 1 to 32768. Default 256. Drivers without a ring ignore it.
    pub fn ring_entries(mut self, n: u32) -> Self {
        self.io.entries = n;
        self
    }

    /// Provided buffers per thread: how many (a power of two up to 32768) of how many bytes each.
    /// Default 256 of 16 KiB. Memory is taken at the first operation that needs them.
    pub fn buffers(mut self, count: u32, bytes: u32) -> Self {
        self.io.buffers = count;
        self.io.buffer_size = bytes;
        self
    }

    /// How much later than asked a timer may end, so that several are served by one wake-up of their thread. Default
    /// 100 us; more than 250 us is as 250 us, and zero wakes the thread for every tick of 4 us that has a timer.
    ///
    /// A timer without another one close behind it is not put off.
    ///
    /// ```
    /// use std::time::Duration;
    /// # fn main() -> std::io::Result<()> {
    /// // For a server that gives each of many requests a limit of seconds.
    /// let runtime = ouzel::LocalRuntime::builder().timer_slack(Duration::from_micros(250)).build_local()?;
    /// runtime.block_on(ouzel::sleep(Duration::from_millis(1)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timer_slack(mut self, slack: Duration) -> Self {
        self.io.timer_slack = slack;
        self
    }

    /// Whether limits of operations (`timeout` of a read, a write, an accept and so on) are timeouts in the ring, linked to
    /// the operation, where the driver is io_uring and can. Default: no, they are on the thread's own wheel, which means
    /// the same and measured cheaper: 0.1 us of CPU for a read with a limit, against 0.7.
    pub fn linked_timeouts(mut self, on: bool) -> Self {
        self.io.linked_timeouts = on;
        self
    }

    /// The blocking pool's bounds. Default: [`BlockingConfig`]'s, and the environment's.
    pub fn blocking(mut self, config: BlockingConfig) -> Self {
        self.blocking = Some(config);
        self
    }

    /// How threads of the blocking pool are started: as told by the builder, with this body. Default: [`std::thread::Builder::spawn`].
    ///
    /// For one who sets aside what a thread needs, or gives it another stack. Called under the pool's lock: it runs no job and asks
    /// the runtime for nothing. On an error the pool goes on with the threads it has; if it has none, the job is not taken.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let builder = ouzel::LocalRuntime::builder();
    /// let runtime = builder.start_blocking_threads(|thread, body| thread.stack_size(1 << 20).spawn(body)).build_local()?;
    /// assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 3)).unwrap(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_blocking_threads(mut self, start: StartThread) -> Self {
        self.blocking_start = start;
        self
    }

    /// What threads are called: `NAME-0`, `NAME-1` and so on. Default `ouzel`.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// What each worker thread does before it runs its first task: bind itself to a processor, say. Default: nothing. Of a
    /// runtime that runs on the thread that uses it nothing, either.
    ///
    /// It runs inside the runtime, after the thread has made what it needs to run tasks; `build` does not wait for it. A
    /// panic in it ends the process.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// # fn main() -> std::io::Result<()> {
    /// let (begun, has_begun) = channel();
    /// let tell = move || begun.send(std::thread::current().name().map(String::from)).unwrap();
    /// let runtime = ouzel::Runtime::builder().worker_threads(1).name("io").on_worker_start(tell).build()?;
    /// assert_eq!(has_begun.recv().unwrap().as_deref(), Some("io-0"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_worker_start(mut self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.worker_start = WorkerStart(Some(Arc::new(f)));
        self
    }

    /// Starts a work-stealing runtime.
    ///
    /// # Errors
    /// `InvalidInput` for options out of range or an `OUZEL_DRIVER` that is no driver's name; the system's
    /// error when a thread or a driver cannot be made.
    pub fn build(self) -> io::Result<Runtime> {
        Runtime::start(self.options()?)
    }

    /// Makes a runtime that runs on the thread that uses it, see [`LocalRuntime`].
    ///
    /// # Errors
    /// As [`Builder::build`]. The number of workers is ignored.
    pub fn build_local(self) -> io::Result<LocalRuntime> {
        LocalRuntime::start(Builder { workers: Some(1), ..self }.options()?)
    }

    fn options(self) -> io::Result<Options> {
        let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        let workers = match self.workers {
            Some(n) => n,
            None => platform::processors().min(MAX_WORKERS),
        };
        if !(1..=MAX_WORKERS).contains(&workers) {
            return invalid(format!("worker_threads({workers}): it is 1 to {MAX_WORKERS}"));
        }
        if !(1..=32768).contains(&self.io.entries) {
            return invalid(format!("ring_entries({}): it is 1 to 32768", self.io.entries));
        }
        if !self.io.buffers.is_power_of_two() || self.io.buffers > 32768 || self.io.buffer_size == 0 {
            return invalid(format!(
                "buffers({}, {}): the count is a power of two up to 32768, the size at least 1",
                self.io.buffers, self.io.buffer_size
            ));
        }
        let driver = match self.driver {
            Some(driver) => driver,
            None => from_env()?,
        };
        let driver = DriverOptions { driver, ..self.io };
        let blocking = self.blocking.unwrap_or_else(BlockingConfig::from_env);
        Ok(Options {
            workers,
            driver,
            blocking,
            name: self.name,
            worker_start: self.worker_start,
            blocking_start: self.blocking_start,
        })
    }
}

impl Runtime {
    /// Options for a runtime. Without any: one worker per CPU, the best driver there is.
    ///
    /// CPUs are those that the calling thread may run on; on Linux no more of them than the time its control group (version 2) and
    /// the groups above are given.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A runtime with the default options.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new().build()
    }
}

impl LocalRuntime {
    /// Options, to be ended with [`Builder::build_local`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A runtime with the default options.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new().build_local()
    }
}

fn from_env() -> io::Result<Driver> {
    match std::env::var("OUZEL_DRIVER") {
        Err(_) => Ok(Driver::Auto),
        Ok(name) => name
            .parse()
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, format!("OUZEL_DRIVER: {e}"))),
    }
}
