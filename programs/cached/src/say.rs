//! What is told on stderr. Whoever was listening there may have gone: that ends neither a task nor the server.

use std::fmt::Display;
use std::io::{self, Write};

/// Tells `what`, as a line with the program's name.
pub fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "ouzel-cached: {what}");
}
