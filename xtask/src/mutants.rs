//! `cargo xtask mutants`: breaks the code on purpose, in a copy, and expects a model to notice: of loom, or,
//! where its name begins with `whole_`, of shuttle.
//!
//! | outcome | means |
//! |---|---|
//! | killed | the model failed: it proves what it claims |
//! | SURVIVED | the model passed on broken code |
//! | ERROR | nothing was learnt: the text is not there exactly once, it does not compile, no test has the name, the time ran out, or the model complained only of too few schedules |
//!
//! Before the first mutation every model named must pass on the unchanged copy.

use crate::models::build_models;
use crate::workspace::{Tool, Workspace};
use serde::Deserialize;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a model may take on broken code; seconds, on a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(180);

/// One mutation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    name: String,
    file: String,
    find: String,
    replace: String,
    model: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutant: Vec<Mutant>,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Killed(String),
    Survived,
    Error(String),
}

/// Applies each mutation whose name or file contains `filter`.
///
/// # Errors
/// Not all were killed, or there was none.
pub(crate) fn run(ws: &Workspace, filter: &str) -> Result<(), String> {
    let mutants = read_all(&ws.root.join("xtask/mutants"))?;
    let chosen: Vec<&Mutant> =
        mutants.iter().filter(|m| m.name.contains(filter) || m.file.contains(filter)).collect();
    if chosen.is_empty() {
        return Err(format!("no mutant's name or file contains {filter:?}"));
    }
    let bench = Bench::new(ws)?;
    let models: BTreeSet<&str> = chosen.iter().map(|m| &*m.model).collect();
    println!("unchanged code: {} models must pass", models.len());
    for model in &models {
        match bench.try_model(model) {
            Outcome::Survived => {}
            Outcome::Killed(why) => return Err(format!("{model} fails on unchanged code: {why}")),
            Outcome::Error(why) => return Err(format!("{model} on unchanged code: {why}")),
        }
    }
    println!("{:<36} {:<10} {:>7}  how", "mutant", "outcome", "seconds");
    let mut killed = 0;
    for mutant in &chosen {
        let start = Instant::now();
        let outcome = bench.try_mutant(mutant);
        let (word, how) = match &outcome {
            Outcome::Killed(how) => ("killed", how.as_str()),
            Outcome::Survived => ("SURVIVED", mutant.model.as_str()),
            Outcome::Error(why) => ("ERROR", why.as_str()),
        };
        let short: String = how.chars().take(100).collect();
        println!("{:<36} {word:<10} {:>7.1}  {short}", mutant.name, start.elapsed().as_secs_f64());
        killed += usize::from(matches!(outcome, Outcome::Killed(_)));
    }
    println!("killed {killed} of {}", chosen.len());
    if killed == chosen.len() { Ok(()) } else { Err("not every mutant was killed".into()) }
}

/// Reads every `.toml` file of the folder.
fn read_all(dir: &Path) -> Result<Vec<Mutant>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let file: File = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        all.extend(file.mutant);
    }
    let mut names = HashSet::new();
    match all.iter().find(|m| !names.insert(&m.name)) {
        Some(twice) => Err(format!("two mutants are called {}", twice.name)),
        None => Ok(all),
    }
}

/// The text with the mutation applied.
fn mutate(text: &str, mutant: &Mutant) -> Result<String, String> {
    match text.matches(&mutant.find).count() {
        1 if mutant.find == mutant.replace => Err("changes nothing".into()),
        1 => Ok(text.replacen(&mutant.find, &mutant.replace, 1)),
        n => Err(format!("its text occurs {n} times in {}", mutant.file)),
    }
}

/// A copy of the repository to break.
struct Bench<'a> {
    ws: &'a Workspace,
    copy: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(ws: &'a Workspace) -> Result<Self, String> {
        let copy = ws.target.join("mutants");
        sync(&ws.root, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        Ok(Bench { ws, copy })
    }

    fn try_mutant(&self, mutant: &Mutant) -> Outcome {
        let path = self.copy.join(&mutant.file);
        let original = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) => return Outcome::Error(format!("{}: {e}", mutant.file)),
        };
        let outcome = mutate(&original, mutant).and_then(|changed| {
            std::fs::write(&path, changed).map_err(|e| e.to_string())?;
            let outcome = self.try_model(&mutant.model);
            std::fs::write(&path, &original).map_err(|e| e.to_string())?;
            Ok(outcome)
        });
        outcome.unwrap_or_else(Outcome::Error)
    }

    /// Builds the copy as it is and runs `model` on it.
    fn try_model(&self, model: &str) -> Outcome {
        let tool = if model.starts_with(Tool::Shuttle.models()) { Tool::Shuttle } else { Tool::Loom };
        let mut cargo = self.ws.cargo_under(tool, &[]);
        // A folder of its own: cargo names a build after the package's place in its workspace, so in the
        // tool's usual folder the last mutant would pass for the real code.
        let target = self.ws.target.join("mutants-build").join(tool.name());
        cargo.current_dir(&self.copy).env("CARGO_TARGET_DIR", target).env("CARGO_TERM_QUIET", "true");
        cargo.arg("-q").stderr(Stdio::null());
        match build_models(cargo) {
            Ok(binary) => self.run_model(&binary, model).unwrap_or_else(|e| Outcome::Error(e.to_string())),
            Err(_) => Outcome::Error("does not compile".into()),
        }
    }

    fn run_model(&self, binary: &Path, model: &str) -> std::io::Result<Outcome> {
        let log = self.copy.join("model.log");
        let out = std::fs::File::create(&log)?;
        let mut child = Command::new(binary)
            .args([model, "--nocapture", "--test-threads=1"])
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()?;
        let start = Instant::now();
        let passed = loop {
            match child.try_wait()? {
                Some(status) => break Some(status.success()),
                None if start.elapsed() > LIMIT => {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Ok(judge(passed, &String::from_utf8_lossy(&std::fs::read(&log)?)))
    }
}

/// What a run of a model says about the code. `passed` is `None` if it had to be stopped.
fn judge(passed: Option<bool>, log: &str) -> Outcome {
    let panics = log.lines().zip(log.lines().skip(1)).filter(|(l, _)| l.contains("panicked at"));
    let why = panics.map(|(_, message)| message).next();
    match passed {
        _ if log.contains("running 0 tests") => Outcome::Error("no test has the model's name".into()),
        Some(true) => Outcome::Survived,
        Some(false) => match why {
            Some(w) if w.contains("explored only") => Outcome::Error(w.into()),
            Some(w) => Outcome::Killed(w.into()),
            None => Outcome::Killed("the test program died".into()),
        },
        None if log.to_lowercase().contains("deadlock") => Outcome::Killed("deadlock".into()),
        None => Outcome::Error(format!("no result within {} s", LIMIT.as_secs())),
    }
}

/// Makes `to` hold what `from` holds, build folders and hidden files apart; equal files stay untouched
/// so that cargo sees only what changed.
fn sync(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    let mut kept = HashSet::new();
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            sync(&entry.path(), &target)?;
        } else {
            let bytes = std::fs::read(entry.path())?;
            if std::fs::read(&target).ok().as_ref() != Some(&bytes) {
                std::fs::write(&target, bytes)?;
            }
        }
        kept.insert(name);
    }
    for entry in std::fs::read_dir(to)? {
        let entry = entry?;
        if !kept.contains(&entry.file_name()) {
            match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path())?,
                false => std::fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(find: &str, replace: &str) -> Mutant {
        let [name, file, model] = ["m", "core/src/a.rs", "loom_a"].map(String::from);
        Mutant { name, file, find: find.into(), replace: replace.into(), model }
    }

    #[test]
    fn a_text_must_occur_exactly_once_and_change() {
        assert_eq!(mutate("a.load(Acquire)", &mutant("Acquire", "Relaxed")).unwrap(), "a.load(Relaxed)");
        assert!(mutate("x x", &mutant("x", "y")).unwrap_err().contains("2 times"));
        assert!(mutate("x", &mutant("z", "y")).unwrap_err().contains("0 times"));
        assert!(mutate("x", &mutant("x", "x")).is_err());
    }

    #[test]
    fn only_a_failing_model_kills() {
        let fail = "running 1 test\nthread 'a' panicked at core/src/a.rs:1:1:\nvalue lost\n";
        let few = "running 1 test\nthread 'a' panicked at s.rs:1:1:\nmodel a explored only 1 schedules\n";
        assert_eq!(judge(Some(false), fail), Outcome::Killed("value lost".into()));
        assert!(matches!(judge(Some(false), few), Outcome::Error(_)));
        assert!(matches!(judge(Some(true), "running 0 tests"), Outcome::Error(_)));
        assert_eq!(judge(Some(true), "running 1 test"), Outcome::Survived);
        assert!(matches!(judge(None, "running 1 test"), Outcome::Error(_)));
        assert!(matches!(judge(None, "running 1 test\ndeadlock; threads"), Outcome::Killed(_)));
        assert!(matches!(judge(Some(false), "running 1 test"), Outcome::Killed(_)));
    }

    #[test]
    fn reads_the_documented_format() {
        let text =
            "[[mutant]]\nname = \"w\"\nfile = \"f\"\nfind = '''\na\n'''\nreplace = \"b\"\nmodel = \"m\"\n";
        let file: File = toml::from_str(text).unwrap();
        assert_eq!(file.mutant[0].find, "a\n");
        assert!(toml::from_str::<File>(&text.replace("model", "modle")).is_err());
    }
}
