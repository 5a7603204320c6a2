//! What can be wrong with a query.

use std::fmt;

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// A quote is not closed.
    UnclosedQuote,
    /// The slash that ends a regular expression is missing.
    UnclosedRegex,
    /// The regular expression is none, or needs what this program's engine lacks: looking around, back references.
    Regex(String),
    /// The query ends where something should follow.
    EndsEarly,
    /// A parenthesis is not closed.
    Unclosed,
    /// This stands where it means nothing.
    Unexpected(&'static str),
    /// Parentheses and `NOT`s are nested too deeply.
    TooDeep,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::UnclosedQuote => f.write_str("a quote is not closed"),
            QueryError::UnclosedRegex => f.write_str("a regular expression lacks its closing /"),
            QueryError::Regex(why) => write!(f, "not a regular expression: {why}"),
            QueryError::EndsEarly => f.write_str("the query ends early"),
            QueryError::Unclosed => f.write_str("a ) is missing"),
            QueryError::Unexpected(what) => write!(f, "unexpected {what}"),
            QueryError::TooDeep => f.write_str("the query is nested too deeply"),
        }
    }
}

impl std::error::Error for QueryError {}
