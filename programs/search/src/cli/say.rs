//! What is told on stderr. A reader that has gone away from there does not end the search.

use std::fmt::Display;
use std::io::{self, Write};

/// Tells `what`, as a line with the program's name.
pub(crate) fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "ouzel-search: {what}");
}
