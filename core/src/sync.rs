//! The only door to atomics and shared cells.
//!
//! Four worlds meet here: normal builds (atomics of `portable-atomic`, so that 64-bit words exist on
//! every target), `cfg(ouzel_loom)` (loom's checked types), `cfg(ouzel_shuttle)` (shuttle's, which let
//! another thread in at each access) and, inside normal builds, `std` or not (which decides how a [`Lock`]
//! waits). Code elsewhere names only this module.

pub use core::sync::atomic::{Ordering, compiler_fence};

#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
pub use portable_atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg(ouzel_loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg(ouzel_shuttle)]
pub use shuttle::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg(not(feature = "alloc"))]
pub(crate) use AtomicU32 as AtomicBits;
/// A task's state word. Weak ids take 24 of its 64 bits; without an allocator there are none, and 32 bits are
/// enough. That width a processor with a CAS has by itself; where 64 bits come from a lock (32-bit
/// microcontrollers), an interrupt that stopped the lock's holder would wait for ever.
#[cfg(feature = "alloc")]
pub(crate) use AtomicU64 as AtomicBits;
/// What [`AtomicBits`] holds.
#[cfg(feature = "alloc")]
pub(crate) type Bits = u64;
/// What [`AtomicBits`] holds.
#[cfg(not(feature = "alloc"))]
pub(crate) type Bits = u32;

#[cfg(not(ouzel_loom))]
pub use atomic_waker::AtomicWaker;
#[cfg(ouzel_loom)]
pub use waker::AtomicWaker;

#[cfg(feature = "alloc")]
pub(crate) use token::{drawn_token, token as thread_token};

/// loom's waker cell under the names that `atomic-waker` gives its methods.
#[cfg(ouzel_loom)]
mod waker {
    use core::task::Waker;

    /// Holds the waker of whoever waits, for whoever ends the wait.
    #[derive(Debug, Default)]
    pub struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        /// An empty cell.
        pub fn new() -> Self {
            Self(loom::future::AtomicWaker::new())
        }

        /// Stores a clone of `waker`; wakes it instead if somebody is taking one at this moment.
        pub fn register(&self, waker: &Waker) {
            self.0.register_by_ref(waker);
        }

        /// Takes the waker out, if one is there.
        pub fn take(&self) -> Option<Waker> {
            self.0.take_waker()
        }
    }
}

/// A number for each thread, never used twice; zero where there are no thread-locals to keep it in.
#[cfg(feature = "alloc")]
mod token {
    #[cfg(ouzel_loom)]
    use core::sync::atomic::AtomicU64;

    #[cfg(all(feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
    use super::AtomicU64;
    #[cfg(all(any(feature = "std", ouzel_loom), not(ouzel_shuttle)))]
    use {super::Ordering, core::cell::Cell};

    #[cfg(all(any(feature = "std", ouzel_loom), not(ouzel_shuttle)))]
    fn draw() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    #[cfg(ouzel_loom)]
    loom::thread_local! {
        static TOKEN: Cell<u64> = Cell::new(0);
    }
    #[cfg(all(feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
    std::thread_local! {
        static TOKEN: Cell<u64> = const { Cell::new(0) };
    }

    /// The calling thread's number: shuttle's own, so that a schedule's seed repeats it exactly.
    #[cfg(ouzel_shuttle)]
    pub(crate) fn token() -> u64 {
        usize::from(shuttle::current::me()) as u64 + 1
    }

    /// The calling thread's number.
    #[cfg(all(any(feature = "std", ouzel_loom), not(ouzel_shuttle)))]
    #[inline]
    pub(crate) fn token() -> u64 {
        let known = drawn_token();
        if known != 0 { known } else { first() }
    }

    /// The calling thread's number if it has drawn one; zero otherwise.
    #[cfg(all(any(feature = "std", ouzel_loom), not(ouzel_shuttle)))]
    #[inline(always)]
    pub(crate) fn drawn_token() -> u64 {
        TOKEN.try_with(Cell::get).unwrap_or(0)
    }

    /// Draws the thread's number; zero once its thread-locals are gone.
    #[cfg(all(any(feature = "std", ouzel_loom), not(ouzel_shuttle)))]
    #[cold]
    fn first() -> u64 {
        let drawn = draw();
        TOKEN.try_with(|t| t.set(drawn)).map_or(0, |()| drawn)
    }

    /// No thread-locals: every thread is a stranger, which is always correct.
    #[cfg(not(any(feature = "std", ouzel_loom, ouzel_shuttle)))]
    #[inline]
    pub(crate) fn token() -> u64 {
        0
    }

    /// As `token`.
    #[cfg(any(ouzel_shuttle, not(any(feature = "std", ouzel_loom))))]
    #[inline]
    pub(crate) fn drawn_token() -> u64 {
        token()
    }
}

/// A thread-local that no destructor belongs to: `NAME.try_with(|x| ..)` fails where there are no threads,
/// or none of their storage any more.
#[cfg(all(feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
macro_rules! per_thread {
    (static $name:ident: $ty:ty = $init:expr;) => {
        std::thread_local! { static $name: $ty = const { $init }; }
    };
}
#[cfg(ouzel_loom)]
macro_rules! per_thread {
    (static $name:ident: $ty:ty = $init:expr;) => {
        loom::thread_local! { static $name: $ty = $init; }
    };
}
#[cfg(ouzel_shuttle)]
macro_rules! per_thread {
    (static $name:ident: $ty:ty = $init:expr;) => {
        shuttle::thread_local! { static $name: $ty = $init; }
    };
}
#[cfg(not(any(feature = "std", ouzel_loom, ouzel_shuttle)))]
macro_rules! per_thread {
    (static $name:ident: $ty:ty = $init:expr;) => {
        static $name: $crate::sync::NoThreads<$ty> = $crate::sync::NoThreads::new(|| $init);
    };
}
pub(crate) use per_thread;

/// What [`per_thread`] declares where there is no such thing.
#[cfg(not(any(feature = "std", ouzel_loom)))]
pub(crate) struct NoThreads<T>(core::marker::PhantomData<fn() -> T>);

#[cfg(not(any(feature = "std", ouzel_loom)))]
impl<T> NoThreads<T> {
    pub(crate) const fn new(_: fn() -> T) -> Self {
        NoThreads(core::marker::PhantomData)
    }

    #[inline(always)]
    pub(crate) fn try_with<R>(&self, _: impl FnOnce(&T) -> R) -> Result<R, ()> {
        Err(())
    }
}

/// Stores to a word that no other thread can change at this moment (they may read it).
///
/// Under loom a swap: it lets a plain store slip between another thread's earlier read-modify-write and what
/// that one read, and then reports a loss that cannot happen.
#[inline(always)]
pub(crate) fn store_alone(word: &AtomicBits, value: Bits, order: Ordering) {
    #[cfg(not(ouzel_loom))]
    word.store(value, order);
    #[cfg(ouzel_loom)]
    word.swap(value, order);
}

/// Whether memory that is all zero holds atomics that are zero. Those of loom and shuttle have to be made.
#[cfg(feature = "alloc")]
pub(crate) const ZERO_IS_NEW: bool = cfg!(not(any(ouzel_loom, ouzel_shuttle)));

/// Where `word` lies, for a system call that waits on it. The words of loom and shuttle hold no value that a
/// kernel could read.
#[inline]
pub(crate) fn address_of(word: &AtomicU32) -> *mut u32 {
    #[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
    let address = word.as_ptr();
    #[cfg(any(ouzel_loom, ouzel_shuttle))]
    let address = core::ptr::from_ref(word).cast_mut().cast();
    address
}

/// Items that need a `const` atomic, which loom does not have: statics, and what names them.
#[cfg(not(ouzel_loom))]
macro_rules! with_statics {
    ($($item:item)*) => { $($item)* };
}
#[cfg(ouzel_loom)]
macro_rules! with_statics {
    ($($item:item)*) => {};
}
pub(crate) use with_statics;

/// A constructor of atomics: `const`, but not under loom.
#[cfg(not(ouzel_loom))]
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$meta])* $vis const fn $($rest)* };
}
#[cfg(ouzel_loom)]
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$meta])* $vis fn $($rest)* };
}
pub(crate) use const_fn;

/// An array of things with atomics in them, for use in a [`const_fn`].
#[cfg(not(ouzel_loom))]
macro_rules! array_of {
    ($value:expr; $n:expr) => {
        [const { $value }; $n]
    };
}
#[cfg(ouzel_loom)]
macro_rules! array_of {
    ($value:expr; $n:expr) => {
        core::array::from_fn::<_, { $n }, _>(|_| $value)
    };
}
pub(crate) use array_of;

/// Tells the processor that this is a spin loop; under loom and shuttle, lets another thread run.
#[inline]
pub fn spin_loop() {
    #[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
    core::hint::spin_loop();
    #[cfg(ouzel_shuttle)]
    shuttle::thread::yield_now();
    #[cfg(ouzel_loom)]
    loom::thread::yield_now();
}

/// `core::cell::UnsafeCell` with closures instead of bare pointers, so that loom can check each access.
#[cfg(not(ouzel_loom))]
#[derive(Debug)]
#[repr(transparent)]
pub struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

#[cfg(not(ouzel_loom))]
impl<T> UnsafeCell<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer for reading. Making a reference of it is up to the caller's proof.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with a pointer for writing. The caller proves that nobody else reads or writes.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    /// The value, when the cell is given up.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

#[cfg(ouzel_loom)]
pub use loom::cell::UnsafeCell;

/// Keeps its content on cache lines of its own: 128 bytes, because adjacent lines are fetched in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CachePadded<T>(pub T);

impl<T> core::ops::Deref for CachePadded<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

pub use lock::{Lock, LockGuard};

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Lock::new(T::default())
    }
}

/// A mutual-exclusion lock: blocking under `std`, spinning without, loom's or shuttle's under those.
///
/// A panic while it is held does not poison it: what it guards here are lists that are consistent at
/// every point where user code can run.
#[cfg(all(any(feature = "std", ouzel_loom), not(ouzel_tsan)))]
mod lock {
    #[cfg(ouzel_loom)]
    use loom::sync as imp;
    #[cfg(ouzel_shuttle)]
    use shuttle::sync as imp;
    #[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
    use std::sync as imp;
    use std::sync::TryLockError;

    /// See the module: a lock without poisoning.
    #[derive(Debug)]
    pub struct Lock<T>(imp::Mutex<T>);
    /// Gives access to what the lock guards, until dropped.
    pub type LockGuard<'a, T> = imp::MutexGuard<'a, T>;

    impl<T> Lock<T> {
        /// An open lock around `value`.
        pub fn new(value: T) -> Self {
            Self(imp::Mutex::new(value))
        }

        /// Waits until the lock is free and takes it.
        #[inline]
        pub fn lock(&self) -> LockGuard<'_, T> {
            self.0.lock().unwrap_or_else(|e| e.into_inner())
        }

        /// Takes the lock if nobody holds it.
        #[inline]
        pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(e)) => Some(e.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }
}

#[cfg(any(not(any(feature = "std", ouzel_loom)), ouzel_tsan))]
mod lock {
    use super::{AtomicBool, Ordering, UnsafeCell, spin_loop};

    /// A spin lock, for targets without threads to block, and for TSan, which does not see through the compiled
    /// parts of `std`'s. Not for use inside an interrupt.
    #[derive(Debug)]
    pub struct Lock<T> {
        taken: AtomicBool,
        value: UnsafeCell<T>,
    }

    // SAFETY: the lock hands out access to one thread at a time, so a shared lock moves `T` between
    // threads but never shares it.
    unsafe impl<T: Send> Sync for Lock<T> {}

    /// Gives access to what the lock guards, until dropped.
    #[derive(Debug)]
    pub struct LockGuard<'a, T>(&'a Lock<T>);

    impl<T> Lock<T> {
        /// An open lock around `value`.
        pub const fn new(value: T) -> Self {
            Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
        }

        /// Spins until the lock is free and takes it.
        #[inline]
        pub fn lock(&self) -> LockGuard<'_, T> {
            // ORDERING: Acquire pairs with the Release store in the guard's drop: what the last holder wrote.
            while self.taken.swap(true, Ordering::Acquire) {
                spin_loop();
            }
            LockGuard(self)
        }

        /// Takes the lock if nobody holds it.
        #[inline]
        pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
            // ORDERING: Acquire, as in `lock`.
            (!self.taken.swap(true, Ordering::Acquire)).then_some(LockGuard(self))
        }
    }

    impl<T> core::ops::Deref for LockGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            // SAFETY: the guard exists, so this thread alone holds the lock.
            self.0.value.with(|p| unsafe { &*p })
        }
    }

    impl<T> core::ops::DerefMut for LockGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: the guard exists and is borrowed mutably, so this is the only access.
            self.0.value.with_mut(|p| unsafe { &mut *p })
        }
    }

    impl<T> Drop for LockGuard<'_, T> {
        fn drop(&mut self) {
            // ORDERING: Release pairs with the Acquire swap in `lock`.
            self.0.taken.store(false, Ordering::Release);
        }
    }
}

/// A count that loom does not know of: what a test looks at must not order the threads it watches, nor
/// add to their schedules.
#[cfg(all(test, feature = "std"))]
pub(crate) use core::sync::atomic::AtomicUsize as Unwatched;

/// Runs `f` under every schedule loom finds within `preemptions`, prints one line for `cargo xtask loom`,
/// and fails if the threads never really met (fewer than 100 schedules).
#[cfg(all(test, ouzel_loom))]
pub(crate) fn model(name: &str, preemptions: Option<usize>, f: impl Fn() + Sync + Send + 'static) {
    use core::sync::atomic::AtomicUsize as Count;
    use std::sync::Arc;
    let schedules = Arc::new(Count::new(0));
    let seen = Arc::clone(&schedules);
    let start = std::time::Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        seen.fetch_add(1, Ordering::Relaxed);
        f();
    });
    let n = schedules.load(Ordering::Relaxed);
    std::println!("loom-model {name} {n} {:.2}", start.elapsed().as_secs_f64());
    assert!(n > 100, "model {name} explored only {n} schedules: its threads never meet");
}

/// Threads for tests that run under shuttle too.
#[cfg(all(test, ouzel_shuttle))]
pub(crate) use shuttle::thread;
#[cfg(all(test, feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
pub(crate) use std::thread;

/// Runs `f` under random schedules, half of them uniformly random and half by PCT with three changes of
/// priority, and prints one line for `cargo xtask shuttle`. The seeds are `OUZEL_SHUTTLE_SEEDS` from
/// `OUZEL_SHUTTLE_FIRST` on; what fails under a seed fails under it again.
#[cfg(all(test, feature = "std", ouzel_shuttle))]
pub(crate) fn explore(name: &str, f: impl Fn() + Sync + Send + 'static) {
    use core::panic::AssertUnwindSafe;
    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use std::panic::{catch_unwind, resume_unwind};
    const SCHEDULES_PER_SEED: usize = 100;
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |v| v.parse::<u64>().unwrap_or_else(|e| panic!("{name}: {e}")))
    };
    let (first, seeds) = (number("OUZEL_SHUTTLE_FIRST", 1), number("OUZEL_SHUTTLE_SEEDS", 50));
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 18;
    config.silence_warnings = true;
    let f = std::sync::Arc::new(f);
    let start = std::time::Instant::now();
    let mut schedules = 0;
    for seed in first..first + seeds {
        let run = catch_unwind(AssertUnwindSafe(|| {
            let half = SCHEDULES_PER_SEED / 2;
            let (config, again) = (config.clone(), std::sync::Arc::clone(&f));
            schedules += shuttle::Runner::new(RandomScheduler::new_from_seed(seed, half), config.clone())
                .run(move || again());
            let again = std::sync::Arc::clone(&f);
            schedules +=
                shuttle::Runner::new(PctScheduler::new_from_seed(seed, 3, half), config).run(move || again());
        }));
        if let Err(panic) = run {
            std::println!("shuttle-failure {name} seed {seed}");
            resume_unwind(panic);
        }
    }
    std::println!("shuttle-model {name} {schedules} {:.2}", start.elapsed().as_secs_f64());
}

/// Runs `f` a hundred times; see the other one.
#[cfg(all(test, feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
pub(crate) fn explore(_: &str, f: impl Fn() + Sync + Send + 'static) {
    (0..100).for_each(|_| f());
}
