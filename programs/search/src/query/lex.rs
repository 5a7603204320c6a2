//! A query's text cut into tokens.

use super::error::QueryError;

/// What a query is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    /// A word or a quoted text.
    Literal(String),
    /// What stands between slashes, and the flags behind.
    Regex {
        pattern: String,
        flags: String,
    },
}

/// Cuts `text` into tokens.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let (token, left) = match c {
            c if is_space(c) => (None, after),
            '(' => (Some(Token::Open), after),
            ')' => (Some(Token::Close), after),
            '"' | '\'' => quoted(after, c).map(|(t, left)| (Some(t), left))?,
            '/' if after.contains('/') => regex(after).map(|(t, left)| (Some(t), left))?,
            _ => {
                let end = rest.find(|c| is_space(c) || c == '(' || c == ')').unwrap_or(rest.len());
                (Some(word(&rest[..end])), &rest[end..])
            }
        };
        tokens.extend(token);
        rest = left;
    }
    Ok(tokens)
}

/// White space, the four separators of ASCII among it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn word(word: &str) -> Token {
    match word {
        "AND" => Token::And,
        "OR" => Token::Or,
        "NOT" => Token::Not,
        _ => Token::Literal(word.to_owned()),
    }
}

fn quoted(text: &str, quote: char) -> Result<(Token, &str), QueryError> {
    let mut literal = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((Token::Literal(literal), &text[at + 1..]));
        }
        let escaped = if c == '\\' { chars.next() } else { None };
        literal.push(match escaped {
            None => c,
            Some((_, 'n')) => '\n',
            Some((_, 't')) => '\t',
            Some((_, 'r')) => '\r',
            Some((_, other)) => other,
        });
    }
    Err(QueryError::UnclosedQuote)
}

fn regex(text: &str) -> Result<(Token, &str), QueryError> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '/' => {
                let after = &text[at + 1..];
                let end = after.find(|c| !"imsx".contains(c)).unwrap_or(after.len());
                let (flags, left) = after.split_at(end);
                return Ok((Token::Regex { pattern: text[..at].to_owned(), flags: flags.to_owned() }, left));
            }
            _ => {}
        }
    }
    Err(QueryError::UnclosedRegex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(text: &str) -> Vec<Token> {
        lex(text).unwrap()
    }

    fn lit(text: &str) -> Token {
        Token::Literal(text.to_owned())
    }

    fn re(pattern: &str, flags: &str) -> Token {
        Token::Regex { pattern: pattern.to_owned(), flags: flags.to_owned() }
    }

    #[test]
    fn words_end_at_space_and_parentheses_alone() {
        assert_eq!(literals("a\"b c/d(e)"), [lit("a\"b"), lit("c/d"), Token::Open, lit("e"), Token::Close]);
        assert_eq!(literals("and ANDX AND\x1cOR"), [lit("and"), lit("ANDX"), Token::And, Token::Or]);
    }

    #[test]
    fn quotes_know_four_escapes_and_keep_what_follows_others() {
        assert_eq!(literals(r#""say \"hi\" \\ \n\t\q" 'it"s'"#), [lit("say \"hi\" \\ \n\tq"), lit("it\"s")]);
        assert_eq!(lex("\"open"), Err(QueryError::UnclosedQuote));
        assert_eq!(lex("\"open\\"), Err(QueryError::UnclosedQuote));
    }

    #[test]
    fn a_slash_begins_a_regex_where_another_follows() {
        assert_eq!(literals(r"/a\/b/im"), [re(r"a\/b", "im")]);
        assert_eq!(literals("/usr/local"), [re("usr", ""), lit("local")]);
        assert_eq!(literals("/usr a"), [lit("/usr"), lit("a")]);
        assert_eq!(literals("//"), [re("", "")]);
        assert_eq!(lex(r"/a\/"), Err(QueryError::UnclosedRegex));
    }
}
