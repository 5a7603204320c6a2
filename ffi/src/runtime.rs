//! Runtimes as C sees them: made, looked at, shut down, freed. Where they live: [`place`](crate::place).

use core::cell::Cell;
use core::ffi::c_char;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ouzel::anchor::RUNTIMES;
use ouzel::{Origin, Runtime, ShutdownError};

use crate::bell::Bell;
use crate::blocking;
use crate::buffers::Buffers;
use crate::deliver::start_releasing;
use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::{self, guard};
use crate::id::{Kind, ouzel_rtid, pack};
use crate::lent::Released;
use crate::options::{self, OUZEL_FOREVER, deadline, ouzel_options};
use crate::place::{
    Body, Engine, get, give_back, new_place, ouzel_runtime, put_body, take_body, this_thread,
};
use crate::record::Joins;
use crate::spare::Spare;
use crate::table::OpTable;
use crate::things::Things;

impl Body {
    fn shutdown(&self, timeout_ns: u64) -> Result<()> {
        let deadline = deadline(timeout_ns);
        // ORDERING: Relaxed; see `check_open`.
        self.closing.store(true, Ordering::Relaxed);
        match &self.engine {
            Engine::Local { runtime, .. } => runtime.shutdown(),
            Engine::Shared { runtime, .. } => {
                let timeout = Duration::from_nanos(timeout_ns);
                runtime.shutdown_timeout(timeout).map_err(|e| match e {
                    ShutdownError::TimedOut { .. } => Error::TIMED_OUT,
                    ShutdownError::Forked => Error::FORKED,
                    _ => Error::DEADLOCK,
                })?;
            }
        }
        // Operations nobody took: they are over, and dropping them tells `release`.
        let entered = self.enter();
        self.ops.clear(&self.buffers);
        drop(entered);
        if !self.jobs.wait(deadline) {
            return Err(Error::TIMED_OUT);
        }
        if let Engine::Local { runtime, .. } = &self.engine {
            // Its threads have nothing left to do.
            runtime.shutdown_blocking(None);
        }
        // ORDERING: Relaxed; read by the thread that frees, which the host orders after this.
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Bytes that making a runtime asks for, and as much again.
const SPARE: usize = 24 * 1024;
/// And for each worker.
const SPARE_OF_WORKER: usize = 20 * 1024;

/// Workers that have not got yet what they need to begin.
struct Beginners {
    count: Mutex<usize>,
    has_begun: Condvar,
}

impl Beginners {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One has it.
    fn begins(&self) {
        *self.count() -= 1;
        self.has_begun.notify_one();
    }

    fn wait(&self) {
        let mut count = self.count();
        while *count > 0 {
            count = self.has_begun.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Provided buffers of each loop thread, and bytes of each.
fn buffers(options: &ouzel_options) -> (u32, u32) {
    let or = |asked: u32, default| if asked == 0 { default } else { asked };
    (or(options.buf_count, 256), or(options.buf_size, 16 * 1024))
}

fn make_engine(options: &ouzel_options) -> Result<Engine> {
    let mut builder = Runtime::builder();
    builder = match options.driver {
        options::OUZEL_DRIVER_AUTO => builder,
        options::OUZEL_DRIVER_URING => builder.driver(ouzel::Driver::Uring),
        options::OUZEL_DRIVER_EPOLL => builder.driver(ouzel::Driver::Epoll),
        options::OUZEL_DRIVER_POLL => builder.driver(ouzel::Driver::Poll),
        _ => return Err(Error::INVALID),
    };
    if options.ring_entries != 0 {
        builder = builder.ring_entries(options.ring_entries);
    }
    let (count, bytes) = buffers(options);
    builder = builder.buffers(count, bytes);
    let mut pool = ouzel::BlockingConfig::from_env();
    if options.max_blocking != 0 {
        pool.max_threads = options.max_blocking as usize;
    }
    if options.blocking_idle_ns != 0 {
        pool.keep_alive = Duration::from_nanos(options.blocking_idle_ns);
    }
    builder = builder.blocking(pool).start_blocking_threads(blocking::start_thread);
    if options.workers == 0 {
        let runtime = builder.build_local()?;
        let handle = runtime.handle();
        return Ok(Engine::Local { runtime, handle });
    }
    let workers = options.workers as usize;
    let beginners = Arc::new(Beginners { count: Mutex::new(workers), has_begun: Condvar::new() });
    let worker = Arc::clone(&beginners);
    builder = builder.on_worker_start(move || worker.begins());
    let runtime = builder.worker_threads(workers).build()?;
    beginners.wait();
    let handle = runtime.handle();
    Ok(Engine::Shared { runtime, handle })
}

fn make_body(options: &ouzel_options, place: &'static ouzel_runtime) -> Result<Body> {
    let engine = make_engine(options)?;
    let (name, description, local) = match &engine {
        Engine::Local { runtime, .. } => (runtime.driver_name(), runtime.driver_description(), true),
        Engine::Shared { runtime, .. } => (runtime.driver_name(), runtime.driver_description(), false),
    };
    let driver = match name {
        "uring" => options::OUZEL_DRIVER_URING,
        "epoll" => options::OUZEL_DRIVER_EPOLL,
        _ => options::OUZEL_DRIVER_POLL,
    };
    let fell_back = description.contains("; not ");
    let level = if fell_back { guard::OUZEL_LOG_WARN } else { guard::OUZEL_LOG_INFO };
    guard::log(level, &format!("driver {name}: {description}"));
    let bell = if local { None } else { Some(Bell::new()?) };
    let anchor = RUNTIMES.open(core::ptr::from_ref(place).cast_mut().cast()).ok_or(Error::NO_MEMORY)?;
    Ok(Body {
        origin: Origin::here(),
        engine,
        anchor,
        driver,
        description,
        thread: if local { this_thread() } else { 0 },
        running: Cell::new(false),
        stop: AtomicBool::new(false),
        closing: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        tasks: AtomicUsize::new(0),
        work: AtomicUsize::new(0),
        spawned: AtomicU64::new(0),
        joins: Joins::default(),
        ops: OpTable::new(local, anchor),
        released: Released::default(),
        buffers: Buffers::new(options.workers, buffers(options).0),
        jobs: Arc::default(),
        bell,
        things: Things::default(),
        ours: OnceLock::new(),
    })
}

/// Makes it at a place, which is FREE again after an error.
fn make(options: &ouzel_options, place: &'static ouzel_runtime) -> Result<()> {
    // More workers there never are: the facade says so.
    let workers = options.workers.min(64) as usize;
    // The facade, its drivers and threads cannot be refused what they ask for.
    let _spare = Spare::new(SPARE + workers * SPARE_OF_WORKER)?;
    put_body(place, make_body(options, place)?);
    let body = place.body()?;
    start_releasing(place, body).inspect_err(|_| {
        RUNTIMES.close(body.anchor);
        take_body(place);
    })
}

fn create(options: &ouzel_options) -> Result<&'static ouzel_runtime> {
    if options.flags != 0 {
        return Err(Error::INVALID);
    }
    let place = new_place()?;
    let made = make(options, place);
    if made.is_err() {
        give_back(place);
    }
    made.map(|()| place)
}

/// Makes a runtime. See `ouzel.h`.
///
/// # Safety
/// `opts` is null or points to as many bytes as it says; `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_runtime_new(opts: *const ouzel_options, out: *mut *mut ouzel_runtime) -> i32 {
    guard(|| {
        if out.is_null() {
            return Error::NULL.0;
        }
        // SAFETY: the caller's promise about `opts`.
        let made = unsafe { options::read(opts) }.and_then(|options| create(&options));
        code(made.map(|place| {
            // SAFETY: the caller's promise about `out`.
            unsafe { out.write(core::ptr::from_ref(place).cast_mut()) };
            OUZEL_OK
        }))
    })
}

fn shutdown(rt: *mut ouzel_runtime, timeout_ns: u64) -> Result<i32> {
    let body = get(rt)?;
    match &body.engine {
        Engine::Local { .. } => {
            body.on_loop()?;
            if body.running.get() || body.is_inside() {
                return Err(Error::REENTRANT);
            }
        }
        Engine::Shared { .. } if body.is_inside() => return Err(Error::DEADLOCK),
        Engine::Shared { .. } => {}
    }
    body.shutdown(timeout_ns)?;
    // SAFETY: `get` has looked at it.
    unsafe { &*rt }.run_releases(body);
    Ok(OUZEL_OK)
}

/// Closes, cancels, drains. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_runtime_shutdown(rt: *mut ouzel_runtime, timeout_ns: u64) -> i32 {
    guard(|| code(shutdown(rt, timeout_ns)))
}

fn free(rt: *mut ouzel_runtime) -> Result<i32> {
    let body = get(rt)?;
    body.on_loop_if_local()?;
    if body.is_inside() || body.running.get() {
        return Err(Error::BUSY);
    }
    // ORDERING: Relaxed; the host orders its shutdown before this.
    if !body.closed.load(Ordering::Relaxed) {
        shutdown(rt, OUZEL_FOREVER)?;
    }
    // SAFETY: `get` has looked at it.
    let place: &'static ouzel_runtime = unsafe { &*rt };
    // Waits for wakes through ids that have begun.
    RUNTIMES.close(body.anchor);
    take_body(place);
    give_back(place);
    Ok(OUZEL_OK)
}

/// Shuts down and frees. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_runtime_free(rt: *mut ouzel_runtime) -> i32 {
    guard(|| code(free(rt)))
}

fn trim(rt: *const ouzel_runtime) -> Result<i32> {
    let body = get(rt)?;
    body.on_loop_if_local()?;
    match &body.engine {
        Engine::Local { runtime, .. } => runtime.trim(),
        Engine::Shared { runtime, .. } => runtime.trim(),
    }
    Ok(OUZEL_OK)
}

/// Gives memory back. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_runtime_trim(rt: *mut ouzel_runtime) -> i32 {
    guard(|| code(trim(rt)))
}

/// The driver in use. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_runtime_driver(rt: *const ouzel_runtime) -> i32 {
    guard(|| code(get(rt).map(|body| body.driver as i32)))
}

/// Copies a line about the driver. See `ouzel.h`.
///
/// # Safety
/// `buf` is null or has room for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_runtime_describe(
    rt: *const ouzel_runtime,
    buf: *mut c_char,
    len: usize,
) -> i32 {
    guard(|| {
        code(get(rt).and_then(|body| {
            let text = body.description.as_bytes();
            if buf.is_null() && len > 0 {
                return Err(Error::NULL);
            }
            if len > 0 {
                let n = text.len().min(len - 1);
                // SAFETY: `n` bytes fit into the caller's `len`, and the two do not overlap.
                unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), buf.cast::<u8>(), n) };
                // SAFETY: `n` is below `len`.
                unsafe { buf.wrapping_add(n).write(0) };
            }
            Ok(i32::try_from(text.len()).unwrap_or(i32::MAX))
        }))
    })
}

/// The weak id. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_runtime_id(rt: *const ouzel_runtime) -> ouzel_rtid {
    guard(|| {
        get(rt).map_or(ouzel_rtid::default(), |body| {
            let (slot, generation) = pack(Kind::Runtime, body.anchor, 0, 0);
            ouzel_rtid { slot, generation }
        })
    })
}
