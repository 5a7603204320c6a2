//! A text to be found with case ignored.

use super::fold::{self, Forms};
use super::run::{Run, Within};

/// See the module.
#[derive(Clone, Debug)]
pub struct Literal {
    /// In lower case.
    text: String,
    /// The text as it may stand in a text.
    run: Option<Run>,
    /// A part of it, as it stands in JSON.
    raw: Option<Run>,
}

impl Literal {
    /// A text to look for.
    #[must_use]
    pub fn new(text: &str) -> Literal {
        let text = text.to_lowercase();
        let forms = Forms::lower(&text);
        let run = Run::new(&text, &forms, Within::Text);
        let raw = longest(&text, |part| Run::new(part, &forms, Within::Json));
        Literal { text, run, raw }
    }

    /// Whether it is in `text`.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        if self.text.is_empty() {
            return true;
        }
        match &self.run {
            Some(run) if run.is_exact() && run.find(text.as_bytes(), 0).is_some() => true,
            _ => self.find(text, 0).is_some(),
        }
    }

    /// Where it is in `text`.
    pub(super) fn spans<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut from = 0;
        std::iter::from_fn(move || {
            let (begin, end) = if self.text.is_empty() { None } else { self.find(text, from) }?;
            // The dot of an `İ` may be found behind its `i`, at the same place.
            from = end.max(begin + 1);
            Some((begin, end))
        })
    }

    /// What stands, so or in an odd form, in every JSON line that holds the text.
    pub(crate) fn raw(&self) -> Option<&Run> {
        self.raw.as_ref()
    }

    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        if let Some(run) = &self.run {
            match run.find(text.as_bytes(), from) {
                None if !run.may_be_odd(&text[from..]) => return None,
                // An odd one may come before.
                Some(at) if run.is_exact() && !run.may_be_odd(&text[from..at]) => {
                    return Some((at, at + run.width()));
                }
                _ => {}
            }
        }
        fold::find(text, &self.text, from)
    }
}

/// The longest run among the parts of `text` that can be looked for as they stand in JSON.
pub(super) fn longest(text: &str, run: impl Fn(&str) -> Option<Run>) -> Option<Run> {
    let parts = text.split(|c: char| c < ' ' && c != '\t' && c != '\r');
    parts.filter_map(run).max_by_key(Run::width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(literal: &str, text: &str) -> Vec<(usize, usize)> {
        Literal::new(literal).spans(text).collect()
    }

    #[test]
    fn odd_forms_are_found_among_usual_ones() {
        assert_eq!(spans("k", "a\u{212a}k\u{212a}"), [(1, 4), (4, 5), (5, 8)]);
        assert_eq!(spans("ist", "İsT isı ist"), [(10, 13)], "an İ becomes two characters");
        assert_eq!(spans("i", "İiI"), [(0, 2), (2, 3), (3, 4)]);
        assert_eq!(spans("straße", "STRAẞE straße"), [(0, 8), (9, 16)]);
        assert_eq!(spans("ΣΟΣ", "σος ΣΟΣ σοσ"), [(0, 6), (7, 13)]);
        assert_eq!(spans("", "abc"), []);
        assert!(Literal::new("").is_in(""));
    }

    #[test]
    fn the_raw_part_leaves_out_what_joins_texts() {
        let raw = Literal::new("ab\ncde\nf").raw().unwrap().clone();
        assert_eq!(raw.find(b"xxCDE", 0), Some(2));
        assert!(Literal::new("\n").raw().is_none());
    }
}
