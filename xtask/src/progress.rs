//! One line on the terminal that says what is being done.

use std::io::{IsTerminal, Write};

/// Shows a line that the next one replaces, on a terminal only. An empty one clears it.
pub(crate) fn progress(line: &str) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let _ = write!(err, "\r\x1b[K{line}");
        let _ = err.flush();
    }
}
