//! The command line: options, what is printed, and how.

pub(crate) mod completions;
pub(crate) mod help;
mod measure;
pub(crate) mod options;
mod output;
mod progress;
pub(crate) mod run;
pub(crate) mod say;
mod snippet;
