//! What a cell says, or why it says nothing.

use serde_json::Value;
use std::io::Read;
use std::process::Child;

/// The exit status of a cell whose engine cannot run its case.
const CANNOT_RUN: i32 = 3;

/// What a cell said.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// It did all it was asked.
    Figure { value: f64, cpu_ns: f64, workers: u64 },
    /// The engine has no way to do what the case asks.
    CannotRun,
    /// It failed, or hung.
    Failed(String),
}

/// Why a cell that has ended, or is about to, gave no figure.
pub(super) fn ended(child: &mut Child) -> Answer {
    let mut complaint = String::new();
    let _ = child.stderr.take().map(|mut err| err.read_to_string(&mut complaint));
    match child.wait() {
        Ok(status) if status.code() == Some(CANNOT_RUN) => Answer::CannotRun,
        Ok(status) => {
            let last = complaint.trim_end().lines().last().unwrap_or("it said nothing");
            Answer::Failed(format!("{status}: {last}"))
        }
        Err(e) => Answer::Failed(e.to_string()),
    }
}

/// What a cell's line says.
pub(super) fn figure(said: &str) -> Option<Answer> {
    let told: Value = serde_json::from_str(said).ok()?;
    let (value, cpu_ns) = (told["value"].as_f64()?, told["cpu_ns"].as_f64()?);
    Some(Answer::Figure { value, cpu_ns, workers: told["workers"].as_u64()? })
}
