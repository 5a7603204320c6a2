//! Lower case without a copy: which characters become which, and a text looked for in another's lower case.

/// The characters of a text, each with all those that stand for it.
#[derive(Clone, Debug)]
pub(super) struct Forms {
    of: Vec<(char, Vec<char>)>,
    without_context: bool,
}

/// Beyond the last letter that has two cases.
const LAST: u32 = 0x1_e944;

impl Forms {
    /// Those whose lower case has the character in it. `text` is in lower case.
    pub(super) fn lower(text: &str) -> Forms {
        let mut forms = Forms::exact(text);
        // What a lower case is made of: letters, and the dot of `İ`.
        let far = |c: char| !c.is_ascii() && (c.is_lowercase() || c == '\u{307}');
        if forms.of.iter().any(|(c, _)| far(*c)) {
            for upper in (0x80..LAST).filter_map(char::from_u32) {
                for c in upper.to_lowercase().filter(|c| *c != upper) {
                    forms.add(c, upper);
                }
            }
            // Its form within a word, and at the end.
            forms.add('ς', 'Σ');
            forms.without_context &= !text.contains(['σ', 'ς']);
        } else {
            forms.add('k', '\u{212a}');
            forms.add('i', 'İ');
        }
        for i in 0..forms.of.len() {
            let c = forms.of[i].0;
            if c.is_ascii_lowercase() {
                forms.of[i].1.push(c.to_ascii_uppercase());
            }
        }
        forms
    }

    /// Those that a regular expression without regard to case takes for it; only of ASCII, others as they are unless
    /// they have cases.
    pub(super) fn folded(text: &str) -> Option<Forms> {
        let mut forms = Forms::exact(text);
        for (c, all) in &mut forms.of {
            match c {
                'i' | 'I' => *all = vec!['i', 'I', 'İ', 'ı'],
                'k' | 'K' => *all = vec!['k', 'K', '\u{212a}'],
                's' | 'S' => *all = vec!['s', 'S', 'ſ'],
                c if c.is_ascii_alphabetic() => *all = vec![c.to_ascii_lowercase(), c.to_ascii_uppercase()],
                c if c.is_ascii() => {}
                c if c.is_alphabetic() && (c.is_lowercase() || c.is_uppercase()) => return None,
                _ => {}
            }
        }
        Some(forms)
    }

    /// Each stands for itself alone.
    pub(super) fn exact(text: &str) -> Forms {
        let mut of: Vec<(char, Vec<char>)> = Vec::new();
        for c in text.chars() {
            if !of.iter().any(|(known, _)| *known == c) {
                of.push((c, vec![c]));
            }
        }
        Forms { of, without_context: true }
    }

    fn add(&mut self, c: char, form: char) {
        if let Some((_, forms)) = self.of.iter_mut().find(|(known, _)| *known == c)
            && !forms.contains(&form)
        {
            forms.push(form);
        }
    }

    /// The forms of a character of the text.
    pub(super) fn of(&self, c: char) -> &[char] {
        self.of.iter().find(|(known, _)| *known == c).map_or(&[], |(_, forms)| forms)
    }

    /// Whether a form stands for its character wherever it is.
    pub(super) fn is_without_context(&self) -> bool {
        self.without_context
    }
}

/// Where `needle`, in lower case and not empty, stands in the lower case of `text`, from byte `from` on.
pub(super) fn find(text: &str, needle: &str, from: usize) -> Option<(usize, usize)> {
    let first = needle.chars().next()?;
    for (i, c) in text[from..].char_indices() {
        let at = from + i;
        for skip in 0..2 {
            match lower(text, at, c).into_iter().nth(skip).flatten() {
                None => break,
                Some(l) if l != first => {}
                Some(_) => {
                    if let Some(end) = ends(text, needle, at, skip) {
                        return Some((at, end));
                    }
                }
            }
        }
    }
    None
}

/// Where `needle` ends, if it begins with the lower case of the character at `at`, less `skip` of its characters.
fn ends(text: &str, needle: &str, at: usize, mut skip: usize) -> Option<usize> {
    let mut wanted = needle.chars();
    let mut next = wanted.next();
    for (i, c) in text[at..].char_indices() {
        for l in lower(text, at + i, c).into_iter().flatten().skip(std::mem::take(&mut skip)) {
            match next {
                Some(n) if n == l => next = wanted.next(),
                Some(_) => return None,
                None => break,
            }
        }
        if next.is_none() {
            return Some(at + i + c.len_utf8());
        }
    }
    None
}

/// The lower case of `c`, which stands at `at`: one character, of `İ` two.
fn lower(text: &str, at: usize, c: char) -> [Option<char>; 2] {
    if c.is_ascii() {
        return [Some(c.to_ascii_lowercase()), None];
    }
    if c == 'Σ' {
        return [Some(if is_final(text, at) { 'ς' } else { 'σ' }), None];
    }
    let mut lower = c.to_lowercase();
    [lower.next(), lower.next()]
}

/// Whether a sigma ends its word: a letter before it and none behind, marks apart. The standard library knows
/// which are which, and shows it in the lower case of a word alone; so this allocates.
fn is_final(text: &str, at: usize) -> bool {
    let end = at + 'Σ'.len_utf8();
    // Space is neither a letter nor a mark.
    let begin = text[..at].char_indices().rev().find(|(_, c)| c.is_whitespace());
    let before = &text[begin.map_or(0, |(i, c)| i + c.len_utf8())..end];
    let behind = text[end..].split(char::is_whitespace).next().unwrap_or_default();
    before.to_lowercase().ends_with('ς') && format!("aΣ{behind}").to_lowercase().chars().nth(1) == Some('ς')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text is found where its lower case has it.
    #[test]
    fn finds_what_a_lowered_copy_would_have() {
        let texts = [
            "ΣΊΣΥΦΟΣ",
            "ΑΣ. ΣΑ Σ",
            "İstanbul",
            "273 \u{212a}",
            "STRASSE straẞe",
            "e\u{301}Σ\u{301} x",
            "aΣ\u{ad}b Σ'Σ",
        ];
        for text in texts {
            let lowered = text.to_lowercase();
            let ends: Vec<usize> = lowered.char_indices().map(|(i, _)| i).chain([lowered.len()]).collect();
            for (n, &a) in ends.iter().enumerate() {
                for &b in &ends[n + 1..] {
                    assert!(find(text, &lowered[a..b], 0).is_some(), "{text}: {}", &lowered[a..b]);
                }
            }
            for no in ["σς", "ı", "ss e", "xx"] {
                assert_eq!(find(text, no, 0).is_some(), lowered.contains(no), "{text}: {no}");
            }
        }
        assert_eq!(find("xİy", "\u{307}y", 0), Some((1, 4)));
        assert_eq!(find("İ", "i", 0), Some((0, 2)));
    }

    #[test]
    fn forms_are_all_that_become_the_character() {
        let forms = |c: char| {
            let mut all = Forms::lower(&c.to_string()).of(c).to_vec();
            all.sort_unstable();
            all
        };
        assert_eq!(forms('k'), ['K', 'k', '\u{212a}']);
        assert_eq!(forms('i'), ['I', 'i', 'İ']);
        assert_eq!(forms('ß'), ['ß', 'ẞ']);
        assert_eq!(forms('σ'), ['Σ', 'σ']);
        assert_eq!(forms('ς'), ['Σ', 'ς']);
        assert_eq!(forms('\u{307}'), ['İ', '\u{307}']);
        assert_eq!(forms('語'), ['語']);
        let all = Forms::lower("kß");
        assert_eq!(all.of('k').len(), 3, "{all:?}");
    }
}
