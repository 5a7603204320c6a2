//! The query language: texts, regular expressions, `AND`, `OR`, `NOT`, parentheses.
//!
//! ```text
//! query = both { "OR" both }        both = one { ["AND"] one }
//! one   = "NOT" one | "(" query ")" | word | "quoted text" | /regex/flags
//! ```
//!
//! A text is found with case ignored: query and text in full Unicode lower case. A regular expression sees the text as it
//! is.

mod error;
mod fold;
mod lex;
mod lines;
mod literal;
mod python;
mod run;
#[cfg(target_arch = "x86_64")]
mod simd;

pub use error::QueryError;
use lex::{Token, lex};
pub(crate) use lines::LineCount;
pub use literal::Literal;
use python::Pattern;
pub use run::Run;
#[cfg(target_arch = "x86_64")]
pub(crate) use simd::is_vectored;

/// Whether this processor looks for escapes in the pass for a run.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn is_vectored() -> bool {
    false
}

/// A query, ready to judge texts.
///
/// ```
/// # fn main() -> Result<(), ouzel_search::query::QueryError> {
/// use ouzel_search::query::Query;
///
/// let query = Query::parse(r#"(deadlock OR "race condition") AND NOT /panic\w*/i"#)?;
/// assert!(query.matches("a DEADLOCK here"));
/// assert!(!query.matches("a deadlock, and it Panicked"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Query {
    root: Node,
}

/// A part of a query.
#[derive(Debug)]
pub(crate) enum Node {
    Literal(Box<Literal>),
    Regex(Box<Pattern>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// Levels of nesting that are read.
const DEPTH: usize = 200;

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Query, QueryError> {
        let mut parser = Parser { tokens: lex(text)?.into_iter().peekable(), depth: 0 };
        let root = parser.any()?;
        match parser.tokens.next() {
            None => Ok(Query { root }),
            Some(token) => Err(QueryError::Unexpected(name(&token))),
        }
    }

    /// Whether `text` is what is looked for.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.root.matches(text)
    }

    /// Where in `text` something stands that the query asks for, in no particular order and perhaps overlapping:
    /// what to show of a match.
    pub fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        self.root.spans(text, &mut spans);
        spans
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }
}

impl Node {
    fn matches(&self, text: &str) -> bool {
        match self {
            Node::Literal(literal) => literal.is_in(text),
            Node::Regex(pattern) => pattern.regex.is_match(text),
            Node::Not(node) => !node.matches(text),
            Node::And(nodes) => nodes.iter().all(|n| n.matches(text)),
            Node::Or(nodes) => nodes.iter().any(|n| n.matches(text)),
        }
    }

    fn spans(&self, text: &str, spans: &mut Vec<(usize, usize)>) {
        /// Of one term; a text may be full of them.
        const MOST: usize = 64;
        match self {
            Node::Literal(literal) => spans.extend(literal.spans(text).take(MOST)),
            Node::Regex(pattern) => {
                let found = pattern.regex.find_iter(text).map(|m| (m.start(), m.end()));
                spans.extend(found.filter(|(a, b)| a < b).take(MOST));
            }
            Node::Not(_) => {}
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|n| n.spans(text, spans)),
        }
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Node, QueryError> {
        let mut nodes = vec![self.all()?];
        while self.tokens.next_if_eq(&Token::Or).is_some() {
            nodes.push(self.all()?);
        }
        Ok(alone(nodes, Node::Or))
    }

    fn all(&mut self) -> Result<Node, QueryError> {
        let mut nodes = vec![self.one()?];
        while !matches!(self.tokens.peek(), None | Some(Token::Or | Token::Close)) {
            let _ = self.tokens.next_if_eq(&Token::And);
            nodes.push(self.one()?);
        }
        Ok(alone(nodes, Node::And))
    }

    fn one(&mut self) -> Result<Node, QueryError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(QueryError::TooDeep);
        }
        let node = match self.tokens.next().ok_or(QueryError::EndsEarly)? {
            Token::Not => Node::Not(Box::new(self.one()?)),
            Token::Open => {
                let node = self.any()?;
                self.tokens.next_if_eq(&Token::Close).ok_or(QueryError::Unclosed)?;
                node
            }
            Token::Literal(text) => Node::Literal(Box::new(Literal::new(&text))),
            Token::Regex { pattern, flags } => Node::Regex(Box::new(python::pattern(&pattern, &flags)?)),
            token @ (Token::Close | Token::And | Token::Or) => {
                return Err(QueryError::Unexpected(name(&token)));
            }
        };
        self.depth -= 1;
        Ok(node)
    }
}

fn alone(mut nodes: Vec<Node>, several: impl FnOnce(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 { nodes.remove(0) } else { several(nodes) }
}

fn name(token: &Token) -> &'static str {
    match token {
        Token::Open => "(",
        Token::Close => ")",
        Token::And => "AND",
        Token::Or => "OR",
        Token::Not => "NOT",
        Token::Literal(_) => "text",
        Token::Regex { .. } => "regular expression",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(query: &str, text: &str) -> bool {
        Query::parse(query).unwrap().matches(text)
    }

    #[test]
    fn not_binds_tighter_than_and_which_binds_tighter_than_or() {
        assert!(matches("a OR b AND c", "a"));
        assert!(!matches("a OR b AND c", "b"));
        assert!(matches("NOT a b", "b"));
        assert!(!matches("NOT (a OR b)", "b"));
        assert!(matches("NOT NOT a", "a"));
        assert!(matches("(a OR b) (c OR d)", "b d"));
    }

    #[test]
    fn what_is_no_query_is_told() {
        let error = |q: &str| Query::parse(q).unwrap_err();
        assert_eq!(error(""), QueryError::EndsEarly);
        assert_eq!(error("a AND"), QueryError::EndsEarly);
        assert_eq!(error("a AND AND b"), QueryError::Unexpected("AND"));
        assert_eq!(error("OR a"), QueryError::Unexpected("OR"));
        assert_eq!(error("(a"), QueryError::Unclosed);
        assert_eq!(error("a)"), QueryError::Unexpected(")"));
        assert_eq!(error("()"), QueryError::Unexpected(")"));
        assert!(matches!(error("/(/"), QueryError::Regex(_)));
        assert_eq!(error(&"(".repeat(100_000)), QueryError::TooDeep);
        assert_eq!(error(&"NOT ".repeat(100_000)), QueryError::TooDeep);
    }

    #[test]
    fn a_regex_keeps_case_unless_told() {
        assert!(!matches("/ERROR/", "error"));
        assert!(matches("/ERROR/i", "error"));
        assert!(matches(r"/^b.c$/ms", "a\nb\nc\nd"));
    }

    #[test]
    fn spans_are_those_of_what_is_asked_for() {
        let spans = |q: &str, t: &str| Query::parse(q).unwrap().spans(t);
        assert_eq!(spans("bc OR /x+/ AND NOT a", "aBCxx"), [(1, 3), (3, 5)]);
        assert_eq!(spans("a", "banana"), [(1, 2), (3, 4), (5, 6)]);
    }
}
