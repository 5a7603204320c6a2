//! What a check has to say.

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What was looked at, in numbers.
    pub(crate) summary: String,
    /// One line for each violation: `path:line: what`.
    pub(crate) violations: Vec<String>,
}
