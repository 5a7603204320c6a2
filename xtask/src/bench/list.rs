//! The engines and cases, as `ouzel-cell --list` names them.

use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;

/// What there is.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    engines: Vec<String>,
    cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) unit: String,
    pub(super) ops: u64,
    /// The engine that goals are multiples of; none for figures as they are.
    pub(super) base: Option<String>,
    /// By engine.
    pub(super) goals: HashMap<String, Option<f64>>,
    /// To be run by the program that counts allocations.
    pub(super) counted: bool,
    /// It can be measured again in the same process, over the same connections.
    pub(super) turns: bool,
}

impl List {
    /// Reads what the program said.
    pub(super) fn read(said: &str) -> Result<Self, String> {
        serde_json::from_str(said).map_err(|e| format!("ouzel-cell --list: {e}"))
    }

    /// The engines called so, or whose names begin so; all if nothing is asked for.
    pub(super) fn select_engines(&self, wanted: &[String]) -> Result<Vec<String>, String> {
        let names: Vec<&str> = self.engines.iter().map(String::as_str).collect();
        let chosen = select("engine", &names, wanted)?;
        Ok(chosen.into_iter().map(|i| self.engines[i].clone()).collect())
    }

    /// The cases called so, or whose names begin so.
    pub(super) fn select_cases(&self, wanted: &[String]) -> Result<Vec<&Case>, String> {
        let names: Vec<&str> = self.cases.iter().map(|c| &*c.name).collect();
        Ok(select("case", &names, wanted)?.into_iter().map(|i| &self.cases[i]).collect())
    }
}

/// Places of the chosen names, in the order of the list. A full name means that one alone.
fn select(what: &str, names: &[&str], wanted: &[String]) -> Result<Vec<usize>, String> {
    let mut chosen = vec![wanted.is_empty(); names.len()];
    for want in wanted {
        let exact = names.iter().position(|n| n == want);
        let found: Vec<usize> = match exact {
            Some(i) => vec![i],
            None => (0..names.len()).filter(|i| names[*i].starts_with(&**want)).collect(),
        };
        if found.is_empty() {
            return Err(format!("no {what} is called {want:?}; there are {}", names.join(", ")));
        }
        found.into_iter().for_each(|i| chosen[i] = true);
    }
    Ok((0..names.len()).filter(|i| chosen[*i]).collect())
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "engines: {}", self.engines.join(", "))?;
        write!(f, "cases:")?;
        for case in &self.cases {
            write!(f, "\n  {:<17} {}, in {}", case.name, case.about, case.unit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(wanted: &[&str]) -> Result<Vec<usize>, String> {
        let wanted: Vec<String> = wanted.iter().map(|w| w.to_string()).collect();
        select("engine", &["ouzel", "ouzel-local", "tokio-mt", "tokio-ct"], &wanted)
    }

    #[test]
    fn a_full_name_is_itself_and_a_beginning_is_all_that_begin_so() {
        assert_eq!(selected(&[]).unwrap(), [0, 1, 2, 3]);
        assert_eq!(selected(&["ouzel"]).unwrap(), [0]);
        assert_eq!(selected(&["tokio", "ouzel-local"]).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let e = selected(&["tokyo"]).unwrap_err();
        assert!(e.contains("\"tokyo\"") && e.contains("tokio-ct"), "{e}");
    }
}
