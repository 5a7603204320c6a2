//! What went wrong, with what it was about.

use std::fmt::Display;
use std::io;

/// For `map_err`: the error, with `what` and a colon before it.
pub(super) fn because(what: impl Display) -> impl FnOnce(io::Error) -> io::Error {
    move |e| io::Error::new(e.kind(), format!("{what}: {e}"))
}
