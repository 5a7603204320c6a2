//! The command line of `bench`.

use lexopt::prelude::*;
use std::path::PathBuf;
use std::time::Duration;

/// The options of `bench`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Names, or beginnings of names; none are all.
    pub(super) engines: Vec<String>,
    /// As for engines.
    pub(super) cases: Vec<String>,
    /// Unless told otherwise: see [`Options::rounds`].
    pub(super) rounds: Option<usize>,
    /// Files for the cases of search.
    pub(super) corpus: Option<PathBuf>,
    pub(super) workers: Option<usize>,
    pub(super) json: Option<PathBuf>,
    /// Variants of ouzel in place of engines; none: measure engines.
    pub(super) switches: Vec<String>,
    pub(super) markdown: Option<PathBuf>,
    /// A tenth of the operations.
    pub(super) quick: bool,
    /// Print the names and measure nothing.
    pub(super) list: bool,
    /// What a cell may take.
    pub(super) limit: Duration,
}

impl Options {
    /// Reads what follows `bench` on the command line. `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut o = Options {
            engines: Vec::new(),
            cases: Vec::new(),
            rounds: None,
            corpus: None,
            workers: None,
            json: None,
            switches: Vec::new(),
            markdown: None,
            quick: false,
            list: false,
            limit: Duration::from_secs(60),
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("engines") => o.engines.extend(parser.value()?.parse_with(names)?),
                Long("cases") => o.cases.extend(parser.value()?.parse_with(names)?),
                Long("rounds") => o.rounds = Some(parser.value()?.parse_with(at_least_one)?),
                Long("workers") => o.workers = Some(parser.value()?.parse_with(at_least_one)?),
                Long("switches") => o.switches.extend(parser.value()?.parse_with(names)?),
                Long("corpus") => o.corpus = Some(parser.value()?.into()),
                Long("json") => o.json = Some(parser.value()?.into()),
                Long("markdown") => o.markdown = Some(parser.value()?.into()),
                Long("quick") => o.quick = true,
                Long("list") => o.list = true,
                Long("limit") => {
                    o.limit = Duration::from_secs(parser.value()?.parse_with(at_least_one)? as u64);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(o))
    }

    /// Figures of each engine at each case.
    pub(super) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 })
    }
}

/// Names between commas.
fn names(s: &str) -> Result<Vec<String>, String> {
    let names: Vec<_> = s.split(',').map(|n| n.trim().to_string()).filter(|n| !n.is_empty()).collect();
    if names.is_empty() { Err("no name is given".into()) } else { Ok(names) }
}

fn at_least_one(s: &str) -> Result<usize, String> {
    s.parse().ok().filter(|n| *n > 0).ok_or_else(|| "it is a whole number of at least 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let mut parser = lexopt::Parser::from_args(line.split_whitespace());
        Options::parse(&mut parser).map(|o| o.expect("no help was asked for")).map_err(|e| e.to_string())
    }

    #[test]
    fn reads_every_option() {
        let o = parse(
            "--engines ouzel,tokio-mt --cases spawn_join, --cases echo --rounds 9 --workers 4 --json f",
        )
        .unwrap();
        assert_eq!(o.engines, ["ouzel", "tokio-mt"]);
        assert_eq!(o.cases, ["spawn_join", "echo"]);
        assert_eq!((o.rounds(), o.workers, o.json), (9, Some(4), Some("f".into())));
        assert_eq!(parse("--switches lifo_4,spin").unwrap().switches, ["lifo_4", "spin"]);
        let o = parse("--quick --list --limit 7 --markdown m").unwrap();
        assert!(o.quick && o.list);
        assert_eq!((o.rounds(), o.limit, o.markdown), (3, Duration::from_secs(7), Some("m".into())));
        assert_eq!(parse("").unwrap().rounds(), 5);
        assert_eq!(parse("--corpus c").unwrap().corpus, Some("c".into()));
    }

    #[test]
    fn refuses_what_means_nothing() {
        for line in ["--rounds 0", "--workers x", "--engines ,", "--cases", "--fast", "ouzel"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
