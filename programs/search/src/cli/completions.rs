//! Completion scripts, made of one list.

use std::fmt::Write;
use std::str::FromStr;

use ouzel_search::{Engine, Role};

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromStr for Shell {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "bash" => Ok(Shell::Bash),
            "zsh" => Ok(Shell::Zsh),
            "fish" => Ok(Shell::Fish),
            _ => Err("the shells are bash, zsh and fish".into()),
        }
    }
}

/// What follows an option.
enum Takes {
    Nothing,
    Anything,
    One(String),
}

/// Every option: its name, what follows, what it does.
fn options() -> Vec<(&'static str, Takes, &'static str)> {
    let one = |words: &str| Takes::One(words.into());
    let engines =
        Engine::ALL.into_iter().filter(|e| e.is_here()).map(Engine::name).collect::<Vec<_>>().join(" ");
    vec![
        ("role", Takes::One(Role::ALL.map(Role::name).join(" ")), "lines of one role"),
        ("session", Takes::Anything, "lines of a session"),
        ("project", Takes::Anything, "files of a project"),
        ("after", Takes::Anything, "not before this time"),
        ("since", Takes::Anything, "not before this time"),
        ("before", Takes::Anything, "not later than this time"),
        ("limit", Takes::Anything, "the first N of the whole order"),
        ("oldest", Takes::Nothing, "oldest first"),
        ("format", one("text json jsonl"), "how matches are written"),
        ("count", Takes::Nothing, "the number of matches"),
        ("files-with-matches", Takes::Nothing, "the files alone"),
        ("stats", Takes::Nothing, "files, bytes, matches, time"),
        ("measure", Takes::Nothing, "what it took, as JSON"),
        ("only-read", Takes::Nothing, "read files and search nothing"),
        ("color", one("auto always never"), "whether in colour"),
        ("threads", Takes::Anything, "threads that search"),
        ("engine", Takes::One(engines), "what runs the search"),
        ("completions", one("bash zsh fish"), "print a completion script"),
        ("help", Takes::Nothing, "how to use it"),
        ("version", Takes::Nothing, "the version"),
    ]
}

/// The script for `shell`.
pub(crate) fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

fn bash() -> String {
    let mut cases = String::new();
    for (name, takes, _) in options() {
        match takes {
            Takes::One(words) => {
                let _ = writeln!(
                    cases,
                    "    --{name}) COMPREPLY=($(compgen -W '{words}' -- \"$word\")); return ;;"
                );
            }
            Takes::Anything => {
                let _ = writeln!(cases, "    --{name}) return ;;");
            }
            Takes::Nothing => {}
        }
    }
    let names: Vec<String> = options().iter().map(|(name, ..)| format!("--{name}")).collect();
    format!(
        "_ouzel_search() {{\n  local word=${{COMP_WORDS[COMP_CWORD]}}\n  case ${{COMP_WORDS[COMP_CWORD-1]}} in\n{cases}  esac\n  \
         if [[ $word == -* ]]; then\n    COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n  else\n    \
         COMPREPLY=($(compgen -f -- \"$word\"))\n  fi\n}}\ncomplete -o filenames -F _ouzel_search ouzel-search\n",
        names.join(" ")
    )
}

fn zsh() -> String {
    let mut out = String::from("#compdef ouzel-search\n_arguments \\\n");
    for (name, takes, about) in options() {
        let _ = match takes {
            Takes::Nothing => writeln!(out, "  '--{name}[{about}]' \\"),
            Takes::Anything => writeln!(out, "  '--{name}=[{about}]:value: ' \\"),
            Takes::One(words) => writeln!(out, "  '--{name}=[{about}]:value:({words})' \\"),
        };
    }
    out.push_str("  '1:query: ' \\\n  '*:path:_files'\n");
    out
}

fn fish() -> String {
    let mut out = String::new();
    for (name, takes, about) in options() {
        let _ = match takes {
            Takes::Nothing => writeln!(out, "complete -c ouzel-search -l {name} -d '{about}'"),
            Takes::Anything => writeln!(out, "complete -c ouzel-search -l {name} -x -d '{about}'"),
            Takes::One(words) => {
                writeln!(out, "complete -c ouzel-search -l {name} -x -a '{words}' -d '{about}'")
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help::HELP;

    #[test]
    fn every_option_of_the_help_is_completed() {
        let words = HELP.split(|c: char| c.is_whitespace() || c == ',');
        let mut told: Vec<&str> = words.filter_map(|w| w.strip_prefix("--")).collect();
        let mut known: Vec<&str> = options().iter().map(|(name, ..)| *name).collect();
        for list in [&mut told, &mut known] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(told, known);
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            assert!(known.iter().all(|name| script(shell).contains(name)), "{shell:?}");
        }
    }
}
