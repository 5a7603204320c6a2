//! The codes of `ouzel.h` that are used here.

/// A function's failure, as C sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Error(pub i32);

/// What an exported function does inside: a success value or a code.
pub(crate) type Result<T> = core::result::Result<T, Error>;

impl Error {
    pub(crate) const NULL: Error = Error(-10001);
    pub(crate) const INVALID: Error = Error(-10002);
    pub(crate) const STALE: Error = Error(-10003);
    pub(crate) const REENTRANT: Error = Error(-10005);
    pub(crate) const VERSION: Error = Error(-10007);
    pub(crate) const SIZE: Error = Error(-10008);
    pub(crate) const CLOSING: Error = Error(-10009);
    pub(crate) const BUSY: Error = Error(-10011);
    pub(crate) const NO_MEMORY: Error = Error(-10014);
}

/// The result of an exported function.
pub(crate) fn code(result: Result<i32>) -> i32 {
    result.unwrap_or_else(|Error(code)| code)
}
