//! Options, checked.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use ouzel_search::{Engine, Instant, Query, Role};

use super::completions::Shell;

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Search(Box<Options>),
    Help,
    Version,
    Completions(Shell),
}

/// How matches are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    JsonLines,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Matches(Format),
    Count,
    Files,
}

/// A choice that a terminal may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// A search.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) query: Query,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) role: Option<Role>,
    pub(crate) session: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) after: Option<Instant>,
    pub(crate) before: Option<Instant>,
    pub(crate) limit: Option<usize>,
    pub(crate) oldest: bool,
    pub(crate) what: What,
    pub(crate) stats: bool,
    pub(crate) measure: bool,
    pub(crate) only_read: bool,
    pub(crate) color: When,
    pub(crate) engine: Engine,
    pub(crate) threads: usize,
}

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
        let now = Instant::now();
        let time = |text: String| {
            Instant::parse_before(&text, now)
                .ok_or_else(|| format!("{text:?} is no time, as 2025-01-31 or \"2 days ago\" are"))
        };
        let (mut query, mut format) = (None, None);
        let (mut count, mut files) = (false, false);
        let mut options = Options {
            query: Query::parse("x").map_err(|e| e.to_string())?,
            paths: Vec::new(),
            role: None,
            session: None,
            project: None,
            after: None,
            before: None,
            limit: None,
            oldest: false,
            what: What::Count,
            stats: false,
            measure: false,
            only_read: false,
            color: When::Auto,
            engine: Engine::Ouzel,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(Command::Help),
                Short('V') | Long("version") => return Ok(Command::Version),
                Long("completions") => return Ok(Command::Completions(parser.value()?.parse()?)),
                Long("role") => {
                    let name = parser.value()?.string()?;
                    let role = Role::named(&name);
                    options.role =
                        Some(role.ok_or_else(|| {
                            format!("no role {name:?}: user, assistant, system or summary")
                        })?);
                }
                Long("session") => options.session = Some(parser.value()?.string()?),
                Long("project") => options.project = Some(parser.value()?.string()?),
                Long("after" | "since") => options.after = Some(time(parser.value()?.string()?)?),
                Long("before") => options.before = Some(time(parser.value()?.string()?)?),
                Long("limit") => options.limit = Some(parser.value()?.parse_with(|n| number("--limit", n))?),
                Long("oldest") => options.oldest = true,
                Long("format") => format = Some(parser.value()?.parse_with(named_format)?),
                Long("count") => count = true,
                Long("files-with-matches") => files = true,
                Long("stats") => options.stats = true,
                Long("measure") => options.measure = true,
                Long("only-read") => options.only_read = true,
                Long("color" | "colour") => options.color = parser.value()?.parse_with(named_when)?,
                Long("engine") => options.engine = parser.value()?.parse()?,
                Long("threads") => {
                    options.threads = parser.value()?.parse_with(|n| number("--threads", n))?
                }
                Value(text) if query.is_none() => query = Some(text.string()?),
                Value(path) => options.paths.push(path.into()),
                other => return Err(other.unexpected()),
            }
        }
        let text = query.ok_or("a query is missing")?;
        options.query = Query::parse(&text).map_err(|e| format!("in the query: {e}"))?;
        options.what = match (count, files, format) {
            (true, false, None) => What::Count,
            (false, true, None) => What::Files,
            (false, false, format) => What::Matches(format.unwrap_or_default()),
            _ => return Err("--count, --files-with-matches and --format exclude each other".into()),
        };
        if !(1..=1024).contains(&options.threads) {
            return Err("--threads takes 1 to 1024".into());
        }
        if !options.engine.is_here() {
            return Err(format!(
                "the engine {} comes with the feature `peers`, which this program was built without",
                options.engine
            )
            .into());
        }
        if options.paths.is_empty() {
            let home =
                std::env::var_os("HOME").filter(|h| !h.is_empty()).ok_or("there is no HOME: give a path")?;
            options.paths.push(PathBuf::from(home).join(".claude/projects"));
        }
        Ok(Command::Search(Box::new(options)))
    }
}

fn number(option: &str, text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{option} takes a number"))
}

fn named_format(name: &str) -> Result<Format, String> {
    match name {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        "jsonl" => Ok(Format::JsonLines),
        _ => Err("the formats are text, json and jsonl".into()),
    }
}

fn named_when(name: &str) -> Result<When, String> {
    match name {
        "auto" => Ok(When::Auto),
        "always" => Ok(When::Always),
        "never" => Ok(When::Never),
        _ => Err("auto, always or never".into()),
    }
}
