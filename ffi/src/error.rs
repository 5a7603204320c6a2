//! The codes a function of the C ABI can answer with, their names and one line of text each.
//!
//! | range        | meaning                                                            |
//! |--------------|--------------------------------------------------------------------|
//! | 0 and above  | success; `PENDING` is 0 and `READY` 1 wherever something is polled |
//! | -1 to -4095  | the operating system's errno, negated                              |
//! | below -10000 | ouzel's own, fixed for good: new ones are appended                 |

use core::ffi::{CStr, c_char};

use ouzel::op::raw::SubmitReason;

/// A function's failure, as C sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Error(pub i32);

/// What an exported function does inside: a success value or a code.
pub(crate) type Result<T> = core::result::Result<T, Error>;

/// Something polled is not ready; also plain success.
pub const OUZEL_PENDING: i32 = 0;
/// Something polled is ready.
pub const OUZEL_READY: i32 = 1;

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: i32 = $code;)*

        /// Every code with its name and text.
        pub const CODES: &[(i32, &CStr, &CStr)] = &[$(($code, c_name!($name), c_text!($text)),)*];
    };
}

macro_rules! c_text {
    ($text:literal) => {
        match CStr::from_bytes_with_nul(concat!($text, "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a NUL inside a text"),
        }
    };
}

macro_rules! c_name {
    ($name:ident) => {
        match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("a NUL inside a name"),
        }
    };
}

codes! {
    OUZEL_OK = 0, "success";
    OUZEL_ENULL = -10001, "a pointer that must not be NULL is";
    OUZEL_EINVAL = -10002, "an argument or flag is outside what is allowed here";
    OUZEL_ESTALE = -10003, "the id names nothing that is alive";
    OUZEL_EWRONGTHREAD = -10004, "called off the runtime's loop thread";
    OUZEL_EREENTRANT = -10005, "the loop is running already";
    OUZEL_EFORKED = -10006, "the runtime belongs to the parent process";
    OUZEL_EVERSION = -10007, "header and library do not fit";
    OUZEL_ESIZE = -10008, "a struct's size is too small, or its unknown tail is not zero";
    OUZEL_ECLOSING = -10009, "shutdown has begun";
    OUZEL_EDEADLK = -10010, "this wait could never end";
    OUZEL_EBUSY = -10011, "in use";
    OUZEL_ETIMEDOUT = -10012, "the given time has passed";
    OUZEL_ECANCELED = -10013, "cancelled";
    OUZEL_ENOMEM = -10014, "out of memory, or a table is full";
    OUZEL_ENOTSUP = -10015, "this runtime or driver cannot do that";
    OUZEL_ECLOSED = -10016, "the channel is closed, and to a receiver also empty";
}

macro_rules! errnos {
    ($($name:ident $text:literal)*) => {
        const ERRNOS: &[(i32, &CStr, &CStr)] = &[$((-libc::$name, c_name!($name), c_text!($text)),)*];
    };
}

errnos! {
    EPERM "operation not permitted" ENOENT "no such file or directory" ESRCH "no such process"
    EINTR "interrupted system call" EIO "input/output error" ENXIO "no such device or address"
    E2BIG "argument list too long" EBADF "bad file descriptor" ECHILD "no child processes"
    EAGAIN "resource temporarily unavailable" ENOMEM "cannot allocate memory" EACCES "permission denied"
    EFAULT "bad address" EBUSY "device or resource busy" EEXIST "file exists"
    EXDEV "invalid cross-device link" ENODEV "no such device" ENOTDIR "not a directory"
    EISDIR "is a directory" EINVAL "invalid argument" ENFILE "too many open files in system"
    EMFILE "too many open files" ENOTTY "inappropriate ioctl for device" EFBIG "file too large"
    ENOSPC "no space left on device" ESPIPE "illegal seek" EROFS "read-only file system"
    EMLINK "too many links" EPIPE "broken pipe" EDOM "argument out of domain" ERANGE "result out of range"
    EDEADLK "resource deadlock avoided" ENAMETOOLONG "file name too long" ENOLCK "no locks available"
    ENOSYS "function not implemented" ENOTEMPTY "directory not empty" ELOOP "too many symbolic links"
    EOVERFLOW "value too large" EILSEQ "invalid byte sequence" ENOTSOCK "socket operation on non-socket"
    EDESTADDRREQ "destination address required" EMSGSIZE "message too long"
    EPROTOTYPE "protocol wrong type for socket" ENOPROTOOPT "protocol not available"
    EPROTONOSUPPORT "protocol not supported" EOPNOTSUPP "operation not supported"
    EAFNOSUPPORT "address family not supported" EADDRINUSE "address already in use"
    EADDRNOTAVAIL "cannot assign requested address" ENETDOWN "network is down"
    ENETUNREACH "network is unreachable" ECONNABORTED "connection aborted" ECONNRESET "connection reset by peer"
    ENOBUFS "no buffer space available" EISCONN "already connected" ENOTCONN "not connected"
    ETIMEDOUT "connection timed out" ECONNREFUSED "connection refused" EHOSTUNREACH "no route to host"
    EALREADY "operation already in progress" EINPROGRESS "operation now in progress"
    ESTALE "stale file handle" ECANCELED "operation cancelled" EPROTO "protocol error" EDQUOT "disk quota exceeded"
}

impl Error {
    pub(crate) const NULL: Error = Error(OUZEL_ENULL);
    pub(crate) const INVALID: Error = Error(OUZEL_EINVAL);
    pub(crate) const STALE: Error = Error(OUZEL_ESTALE);
    pub(crate) const WRONG_THREAD: Error = Error(OUZEL_EWRONGTHREAD);
    pub(crate) const REENTRANT: Error = Error(OUZEL_EREENTRANT);
    pub(crate) const FORKED: Error = Error(OUZEL_EFORKED);
    pub(crate) const VERSION: Error = Error(OUZEL_EVERSION);
    pub(crate) const SIZE: Error = Error(OUZEL_ESIZE);
    pub(crate) const CLOSING: Error = Error(OUZEL_ECLOSING);
    pub(crate) const DEADLOCK: Error = Error(OUZEL_EDEADLK);
    pub(crate) const BUSY: Error = Error(OUZEL_EBUSY);
    pub(crate) const TIMED_OUT: Error = Error(OUZEL_ETIMEDOUT);
    pub(crate) const CANCELED: Error = Error(OUZEL_ECANCELED);
    pub(crate) const NO_MEMORY: Error = Error(OUZEL_ENOMEM);
    pub(crate) const UNSUPPORTED: Error = Error(OUZEL_ENOTSUP);
    pub(crate) const CLOSED: Error = Error(OUZEL_ECLOSED);
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        match (e.raw_os_error(), e.kind()) {
            (Some(errno), _) => Error(-errno),
            (None, std::io::ErrorKind::InvalidInput) => Error::INVALID,
            (None, std::io::ErrorKind::OutOfMemory) => Error::NO_MEMORY,
            (None, _) => Error::UNSUPPORTED,
        }
    }
}

impl From<SubmitReason> for Error {
    fn from(reason: SubmitReason) -> Self {
        match reason {
            SubmitReason::OutOfMemory => Error::NO_MEMORY,
            SubmitReason::NoRuntime => Error::WRONG_THREAD,
            _ => Error::CLOSING,
        }
    }
}

/// What an exported function returns for an inner result.
pub(crate) fn code(result: Result<i32>) -> i32 {
    result.unwrap_or_else(|Error(code)| code)
}

fn find(code: i32) -> Option<&'static (i32, &'static CStr, &'static CStr)> {
    CODES.iter().chain(ERRNOS).find(|(c, ..)| *c == code)
}

/// Name of a result. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_err_name(code: i32) -> *const c_char {
    let code = if code > 0 { 0 } else { code };
    find(code).map_or(c"OUZEL_E?", |(_, name, _)| name).as_ptr()
}

/// Text of a result. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_err_text(code: i32) -> *const c_char {
    let code = if code > 0 { 0 } else { code };
    find(code).map_or(c"unknown error", |(_, _, text)| text).as_ptr()
}
