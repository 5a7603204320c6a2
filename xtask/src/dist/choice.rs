//! Which kind of library can be had here.

use super::library::{Kind, small, with_messages};
use super::trained;
use crate::workspace::Workspace;
use std::path::PathBuf;

/// Builds the library, of the wanted kind if that can be, else of the next one; says so.
pub(super) fn build(ws: &Workspace, wanted: Kind) -> Result<(PathBuf, Kind), String> {
    if wanted == Kind::Trained {
        match trained::build(ws) {
            Ok(library) => return Ok((library, Kind::Trained)),
            Err(why) => println!("warning: {why}; the libraries are compiled without a profile, and slower"),
        }
    }
    if wanted != Kind::WithMessages {
        match small(ws, "dist-std", "") {
            Ok(library) => return Ok((library, Kind::Small)),
            Err(why) => println!("warning: {why}; the libraries keep panic messages and are twice as large"),
        }
    }
    Ok((with_messages(ws)?, Kind::WithMessages))
}
