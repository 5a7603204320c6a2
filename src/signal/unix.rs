//! Signals by their Unix names.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use super::registry::Listener;

/// Which signal.
///
/// ```
/// use ouzel::signal::unix::SignalKind;
///
/// assert_eq!(SignalKind::interrupt(), SignalKind::from_raw(2));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:ident;)*) => {
        impl SignalKind {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $name() -> Self {
                    SignalKind(libc::$value)
                }
            )*
        }
    };
}

kinds! {
    /// `SIGALRM`: a timer of the system's.
    alarm = SIGALRM;
    /// `SIGCHLD`: a child process has ended, stopped or gone on.
    child = SIGCHLD;
    /// `SIGHUP`: the terminal is gone; for daemons, read your settings again.
    hangup = SIGHUP;
    /// `SIGINT`: Ctrl-C.
    interrupt = SIGINT;
    /// `SIGIO`: a descriptor is ready.
    io = SIGIO;
    /// `SIGPIPE`: written to a pipe that nobody reads.
    pipe = SIGPIPE;
    /// `SIGQUIT`: Ctrl-\.
    quit = SIGQUIT;
    /// `SIGTERM`: come to an end.
    terminate = SIGTERM;
    /// `SIGUSR1`.
    user_defined1 = SIGUSR1;
    /// `SIGUSR2`.
    user_defined2 = SIGUSR2;
    /// `SIGWINCH`: the terminal has another size.
    window_change = SIGWINCH;
}

impl SignalKind {
    /// The signal with this number.
    #[must_use]
    pub const fn from_raw(number: i32) -> Self {
        SignalKind(number)
    }

    /// Its number.
    #[must_use]
    pub const fn as_raw_value(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalKind({})", self.0)
    }
}

/// Listens to `kind` from now on. Needs no runtime until it is awaited, and then any will do.
///
/// The first call of a process begins a thread.
///
/// # Errors
/// `InvalidInput` for what is no signal, for those that cannot be caught (`SIGKILL`, `SIGSTOP`), and for those after
/// which a process must not simply go on (`SIGILL`, `SIGFPE`, `SIGSEGV`, `SIGBUS`). `PermissionDenied` in a forked child of a
/// process that has listened. Otherwise the system's.
///
/// ```
/// use ouzel::signal::unix::{SignalKind, signal};
///
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     let mut hangups = signal(SignalKind::hangup())?;
/// #   unsafe { libc::raise(libc::SIGHUP) };
///     hangups.recv().await;
///     println!("reading the settings again");
///     Ok(())
/// })
/// # }
/// ```
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    Listener::new(kind.0).map(|listener| Signal { listener })
}

/// A listener to one signal; made by [`signal()`], with an example. Each one hears each signal that comes after it was made.
///
/// Several signals of a kind may be told as one, if they come faster than they are received: a signal means *at least
/// once since last time*.
#[derive(Debug)]
pub struct Signal {
    listener: Listener,
}

impl Signal {
    /// Waits for the next signal. Dropping the future loses none.
    pub async fn recv(&mut self) {
        poll_fn(|cx| self.poll_recv(cx)).await;
    }

    /// As [`Signal::recv`], for those who poll. The last task that polled is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.listener.poll(cx)
    }
}
