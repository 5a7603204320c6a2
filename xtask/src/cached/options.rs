//! What `cached` is told.

use lexopt::prelude::*;
use std::path::PathBuf;

/// The drivers that are measured.
pub(super) const DRIVERS: [&str; 2] = ["uring", "epoll"];

/// What to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(super) what: String,
    pub(super) seconds: f64,
    pub(super) rounds: usize,
    pub(super) threads: usize,
    pub(super) cases: Vec<String>,
    pub(super) json: Option<PathBuf>,
}

impl Options {
    /// The clients alone, as `test` runs them.
    pub(crate) fn clients() -> Self {
        Options { what: "clients".into(), seconds: 0.0, rounds: 0, threads: 2, cases: Vec::new(), json: None }
    }

    /// Reads what follows `cached`. `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Options { what: String::new(), seconds: 1.0, rounds: 5, ..Options::clients() };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("seconds") => options.seconds = parser.value()?.parse()?,
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("threads") => options.threads = parser.value()?.parse()?,
                Long("cases") => {
                    options.cases = parser.value()?.string()?.split(',').map(Into::into).collect();
                }
                Long("json") => options.json = Some(parser.value()?.into()),
                Value(what) if options.what.is_empty() => options.what = what.string()?,
                other => return Err(other.unexpected()),
            }
        }
        match &*options.what {
            "ledger" | "bench" | "threads" | "clients" => Ok(Some(options)),
            _ => Err("what: ledger, bench, threads or clients?".into()),
        }
    }
}
